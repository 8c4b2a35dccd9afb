//! What is told about a decision: the record of `replay`, and the alert line of the events file.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};
use ss7guard_common::point_code::{Format, Shown};
use ss7guard_common::wire::m3ua::Label;

use crate::inspect::gsm_map::Field;
use crate::inspect::message::Message;
use crate::inspect::record;
use crate::inspect::tcap::Code;
use crate::json::Object;
use crate::screening::{Category, Decision, Judged};

/// Version of the event lines.
pub const EVENT_SCHEMA: u32 = 1;

/// Writes one judged message (or frame) as a JSON object: the fields of `decode`, with verdict and category.
pub fn write_judged(out: &mut Vec<u8>, judged: &Judged<'_>, reveal: bool) {
    let mut object = Object::begin(out);
    match judged.message {
        Some(message) => record::write(&mut object, message, &judged.place, reveal),
        None => {
            object.number("frame", i64::try_from(judged.place.frame).unwrap_or(i64::MAX));
            object.number("chunk", judged.place.chunk);
            if let Some((source, destination)) = judged.place.addresses {
                object.address("src", source);
                object.address("dst", destination);
            }
            if let Some(tsn) = judged.place.tsn {
                object.number("tsn", tsn);
            }
        }
    }
    object.text("direction", judged.direction.as_str());
    object.text("verdict", judged.decision.verdict.as_str());
    object.text("category", judged.decision.category.map_or("none", Category::as_str));
    object.text("reason", judged.decision.reason);
    if let Some(rule) = judged.decision.rule {
        object.text("rule", rule.name);
    }
    object.end();
}

/// Where and when an event happened.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Nanoseconds since 1970, UTC.
    pub time_ns: u64,
    /// Name of the interface.
    pub interface: &'a str,
    /// How point codes are shown.
    pub format: Format,
    /// The mode: "monitor" or "enforce".
    pub mode: &'static str,
    /// What happened to the message: "allowed", "neutralised" (it is rewritten, the rest of its frame goes on) or "blocked" (its frame is
    /// dropped).
    pub action: &'static str,
    /// Whether subscriber numbers are shown in full.
    pub reveal: bool,
}

/// RFC 3339 with nanoseconds, UTC.
#[must_use]
pub fn rfc3339(time_ns: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(time_ns)) {
        Ok(timestamp) => format!("{timestamp:.9}"),
        Err(_) => time_ns.to_string(),
    }
}

/// An event about a message, as one JSON object. `kind` is "alert" or "message".
#[must_use]
pub fn event(kind: &str, judged: &Judged<'_>, scene: &Scene<'_>) -> Value {
    let mut event = json!({
        "schema": EVENT_SCHEMA,
        "timestamp": rfc3339(scene.time_ns),
        "event_type": kind,
        "interface": scene.interface,
        "direction": judged.direction.as_str(),
        "mode": scene.mode,
        "verdict": judged.decision.verdict.as_str(),
        "reason": judged.decision.reason,
        "classifier": judged.reason.as_str(),
    });
    if let Some((source, destination)) = judged.place.addresses {
        event["src"] = ip(source);
        event["dst"] = ip(destination);
    }
    if let Some(tsn) = judged.place.tsn {
        event["tsn"] = json!(tsn);
    }
    if let Some(stream) = judged.stream {
        event["stream"] = json!(stream);
    }
    if let Some(message) = judged.message {
        event["ss7"] = ss7(message, scene);
    }
    if kind == "alert" {
        event["alert"] = alert(&judged.decision, scene);
    }
    event
}

fn ip(address: IpAddr) -> Value {
    json!(address.to_string())
}

fn alert(decision: &Decision, scene: &Scene<'_>) -> Value {
    let evidence: Vec<Value> = decision
        .evidence
        .iter()
        .map(|evidence| match evidence.operation {
            Some(operation) => json!({
                "component": operation.component,
                "opcode": operation.opcode,
                "operation": operation.name,
                "why": evidence.why,
            }),
            None => json!({ "why": evidence.why }),
        })
        .collect();
    json!({
        "rule": decision.rule.map(|rule| rule.name),
        "rule_id": decision.rule.map(|rule| rule.id),
        "category": decision.category.map(Category::as_str),
        "action": scene.action,
        "evidence": evidence,
    })
}

fn ss7(message: &Message<'_>, scene: &Scene<'_>) -> Value {
    let Label { opc, dpc, si, ni, sls, .. } = message.m3ua.label;
    let shown = |code| Shown { code, format: scene.format }.to_string();
    let mut ss7 = json!({
        "opc": shown(opc), "opc_number": opc, "dpc": shown(dpc), "dpc_number": dpc, "si": si, "ni": ni, "sls": sls,
    });
    if let Some(na) = message.m3ua.network_appearance.get() {
        ss7["na"] = json!(na);
    }
    if let Some(rc) = message.m3ua.routing_context.get() {
        ss7["rc"] = json!(rc);
    }
    if let Some(sccp) = &message.sccp {
        ss7["sccp"] = json!(sccp.kind.as_str());
        for (gt, ssn, address) in
            [("calling_gt", "calling_ssn", &sccp.calling), ("called_gt", "called_ssn", &sccp.called)]
        {
            if let Some(digits) = address.digits() {
                let masked = !scene.reveal && record::is_subscriber(address, message);
                ss7[gt] = if masked { json!(record::mask(digits)) } else { json!(digits) };
            }
            if let Some(number) = address.ssn {
                ss7[ssn] = json!(number);
            }
        }
    }
    if let Some(tcap) = &message.tcap {
        ss7["tcap"] = json!(tcap.kind.as_str());
        for (key, id) in [("otid", &tcap.otid), ("dtid", &tcap.dtid)] {
            if let Some(id) = id {
                let hex: String = id.as_slice().iter().map(|octet| format!("{octet:02x}")).collect();
                ss7[key] = json!(hex);
            }
        }
        if let Some(name) = &tcap.dialogue.application_context {
            ss7["ac"] = json!(name.to_string());
        }
        ss7["components"] = message.components().iter().map(component).collect();
    }
    for (key, field) in [("imsi", Field::Imsi), ("msisdn", Field::Msisdn)] {
        if let Some(digits) = message.identities.get(field) {
            let shown = if scene.reveal { digits.as_str().to_owned() } else { record::mask(digits.as_str()) };
            ss7[key] = json!(shown);
        }
    }
    if let crate::inspect::message::Outcome::Undecodable(problem) = message.outcome {
        ss7["undecodable"] = json!(problem.reason());
    }
    ss7
}

fn component(component: &crate::inspect::tcap::Component<'_>) -> Value {
    let mut value = json!({ "type": component.kind.as_str() });
    if let Some(Code::Local(opcode)) = component.operation {
        value["opcode"] = json!(opcode);
        if let Some(name) = crate::inspect::gsm_map::operations::name(opcode) {
            value["operation"] = json!(name);
        }
    }
    if let Some(Code::Local(error)) = component.error {
        value["error"] = json!(error);
    }
    value
}
