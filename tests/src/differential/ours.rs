//! What ss7guard reads.

use ss7guard_common::wire::m3ua::Data;
use ss7guard_userspace::inspect::gsm_map::Field;
use ss7guard_userspace::inspect::message::{Message, Outcome, Problem};
use ss7guard_userspace::inspect::tcap::Code;

use super::reading::{Layer, Reading, hex};

/// The name of each identity.
pub const IDENTITIES: [(Field, &str); 12] = [
    (Field::Imsi, "imsi"),
    (Field::Msisdn, "msisdn"),
    (Field::Vlr, "vlr"),
    (Field::Msc, "msc"),
    (Field::Sgsn, "sgsn"),
    (Field::Smsc, "smsc"),
    (Field::Scf, "scf"),
    (Field::Hlr, "hlr"),
    (Field::Node, "node"),
    (Field::Msrn, "msrn"),
    (Field::Mlc, "mlc"),
    (Field::ForwardedTo, "forwarded_to"),
];

/// A reading, and whether the message is held to be anything else than clean: odd, undecodable, or a part.
#[must_use]
pub fn read(data: Data, user_part: &[u8]) -> (Reading, bool) {
    let message = Message::decode(data, user_part);
    let mut reading = Reading::default();
    let label = &data.label;
    reading.note("opc", &label.opc);
    reading.note("dpc", &label.dpc);
    for (field, value) in [("si", label.si), ("ni", label.ni), ("mp", label.mp), ("sls", label.sls)] {
        reading.note(field, &value);
    }
    if let Some(sccp) = &message.sccp {
        reading.note("sccp", &sccp.kind.as_str());
        let parties = [("cdpa_gt", "cdpa_ssn", &sccp.called), ("cgpa_gt", "cgpa_ssn", &sccp.calling)];
        for (title, subsystem, address) in parties {
            if let Some(digits) = address.digits() {
                reading.note(title, &digits);
            }
            if let Some(number) = address.ssn {
                reading.note(subsystem, &number);
            }
        }
    }
    if let Some(tcap) = &message.tcap {
        reading.note("tcap", &tcap.kind.as_str());
        for (field, id) in [("otid", &tcap.otid), ("dtid", &tcap.dtid)] {
            if let Some(id) = id {
                reading.note(field, &hex(id.as_slice()));
            }
        }
        if let Some(name) = &tcap.dialogue.application_context {
            reading.note("ac", &name);
        }
        components(&message, &mut reading);
    }
    for (field, name) in IDENTITIES {
        if let Some(digits) = message.identities.get(field) {
            reading.note(name, &digits.as_str());
        }
    }
    if let Outcome::Undecodable(problem) = message.outcome {
        let layer = match problem {
            Problem::Sccp(_) => Layer::Sccp,
            Problem::Tcap(_) => Layer::Tcap,
            Problem::GsmMap(_) => Layer::GsmMap,
        };
        reading.refuse(layer, &problem);
    }
    let is_segment = message.outcome == Outcome::Segment;
    let odd = !message.findings.is_empty() || reading.refused.is_some() || is_segment;
    (reading, odd)
}

fn components(message: &Message<'_>, reading: &mut Reading) {
    let code = |code: &Option<Code<'_>>| match code {
        Some(Code::Local(code)) => Some(code.to_string()),
        Some(Code::Global(oid)) => Some(oid.to_string()),
        None => None,
    };
    let components = message.components();
    let list = |values: Vec<Option<String>>| {
        values.into_iter().map(|value| value.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join(",")
    };
    let types = components.iter().map(|component| Some(component.kind.as_str().to_owned()));
    reading.note("types", &list(types.collect()));
    let ids = components.iter().map(|component| component.invoke_id.map(|id| id.to_string()));
    reading.note("invoke_ids", &list(ids.collect()));
    reading.note("opcodes", &list(components.iter().map(|component| code(&component.operation)).collect()));
    reading.note("errors", &list(components.iter().map(|component| code(&component.error)).collect()));
}
