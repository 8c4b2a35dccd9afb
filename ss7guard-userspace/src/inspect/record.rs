//! One decoded message as one JSON object.
//!
//! Subscriber numbers are masked unless the caller reveals them. Addresses of nodes stay clear; a global title is
//! masked where it is a subscriber's number (routing on MSISDN, E.212, E.214).

use std::net::IpAddr;

use crate::inspect::gsm_map::{Field, Protocol, operations};
use crate::inspect::message::{Message, Outcome};
use crate::inspect::sccp::Address;
use crate::inspect::tcap::{Code, Component};
use crate::json::{self, Object};

/// Where a message was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Number of the frame in its capture, from 1.
    pub frame: u64,
    /// Number of the message in its frame, from 0.
    pub chunk: u32,
    /// Source and destination address.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// TSN of its chunk.
    pub tsn: Option<u32>,
    /// What the frame classifier said, where that is worth a word.
    pub fault: Option<&'static str>,
}

/// Writes the fields of a message into an open object.
pub fn write(object: &mut Object<'_>, message: &Message<'_>, place: &Place, reveal: bool) {
    let frame = i64::try_from(place.frame).unwrap_or(i64::MAX);
    object.number("frame", frame);
    object.number("chunk", place.chunk);
    if let Some((source, destination)) = place.addresses {
        object.address("src", source);
        object.address("dst", destination);
    }
    if let Some(tsn) = place.tsn {
        object.number("tsn", tsn);
    }
    let label = &message.m3ua.label;
    object.number("opc", label.opc);
    object.number("dpc", label.dpc);
    object.number("si", label.si);
    object.number("ni", label.ni);
    object.number("mp", label.mp);
    object.number("sls", label.sls);
    if let Some(na) = message.m3ua.network_appearance.get() {
        object.number("na", na);
    }
    if let Some(rc) = message.m3ua.routing_context.get() {
        object.number("rc", rc);
    }
    write_sccp(object, message, reveal);
    write_tcap(object, message);
    write_identities(object, message, reveal);
    if !message.findings.is_empty() {
        write_findings(object, message);
    }
    if let Some(fault) = place.fault {
        object.text("frame_fault", fault);
    }
    match message.outcome {
        Outcome::Undecodable(problem) => {
            object.text("undecodable", problem.reason());
            object.text("undecodable_detail", &problem.to_string());
        }
        Outcome::Segment => object.flag("segment", true),
        Outcome::Management => object.flag("management", true),
        Outcome::Decoded | Outcome::NotSccp => {}
    }
}

fn write_sccp(object: &mut Object<'_>, message: &Message<'_>, reveal: bool) {
    let Some(sccp) = &message.sccp else { return };
    object.text("sccp", sccp.kind.as_str());
    for (gt, ssn, address) in [("cdpa_gt", "cdpa_ssn", &sccp.called), ("cgpa_gt", "cgpa_ssn", &sccp.calling)]
    {
        if let Some(digits) = address.digits() {
            if reveal || !is_subscriber(address, message) {
                object.text(gt, digits);
            } else {
                object.text(gt, &mask(digits));
            }
        }
        if let Some(number) = address.ssn {
            object.number(ssn, number);
        }
    }
}

/// Whether a global title is a subscriber's number.
#[must_use]
pub fn is_subscriber(address: &Address, message: &Message<'_>) -> bool {
    const E212: u8 = 6;
    const E214: u8 = 7;
    let Some(title) = &address.global_title else { return false };
    if matches!(title.numbering_plan, Some(E212 | E214)) {
        return true;
    }
    [Field::Msisdn, Field::Imsi, Field::Msrn]
        .into_iter()
        .filter_map(|field| message.identities.get(field))
        .any(|digits| *digits == title.digits)
}

fn write_tcap(object: &mut Object<'_>, message: &Message<'_>) {
    let Some(tcap) = &message.tcap else { return };
    object.text("tcap", tcap.kind.as_str());
    if let Some(id) = &tcap.otid {
        object.hex("otid", id.as_slice());
    }
    if let Some(id) = &tcap.dtid {
        object.hex("dtid", id.as_slice());
    }
    if let Some(name) = &tcap.dialogue.application_context {
        object.dotted("ac", name.arcs());
    }
    if let Some(cause) = tcap.p_abort {
        object.number("p_abort", cause);
    }
    if message.protocol == Protocol::Cap {
        object.text("protocol", "cap");
    }
    let out = object.key("components");
    out.push(b'[');
    for (index, component) in tcap.components.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_component(out, component, message.protocol);
    }
    out.push(b']');
}

fn write_component(out: &mut Vec<u8>, component: &Component<'_>, protocol: Protocol) {
    let mut object = Object::begin(out);
    object.text("type", component.kind.as_str());
    if let Some(id) = component.invoke_id {
        object.number("invoke_id", id);
    }
    if let Some(id) = component.linked_id {
        object.number("linked_id", id);
    }
    match &component.operation {
        Some(Code::Local(code)) => {
            object.number("opcode", *code);
            if let Some(name) = operations::name(*code).filter(|_| protocol == Protocol::Map) {
                object.text("operation", name);
            }
        }
        Some(Code::Global(oid)) => object.text("opcode_oid", &oid.to_string()),
        None => {}
    }
    match &component.error {
        Some(Code::Local(code)) => object.number("error", *code),
        Some(Code::Global(oid)) => object.text("error_oid", &oid.to_string()),
        None => {}
    }
    object.end();
}

fn write_identities(object: &mut Object<'_>, message: &Message<'_>, reveal: bool) {
    const FIELDS: [(&str, Field, bool); 12] = [
        ("imsi", Field::Imsi, true),
        ("msisdn", Field::Msisdn, true),
        ("vlr", Field::Vlr, false),
        ("msc", Field::Msc, false),
        ("sgsn", Field::Sgsn, false),
        ("smsc", Field::Smsc, false),
        ("scf", Field::Scf, false),
        ("hlr", Field::Hlr, false),
        ("node", Field::Node, false),
        ("msrn", Field::Msrn, true),
        ("mlc", Field::Mlc, false),
        ("forwarded_to", Field::ForwardedTo, true),
    ];
    for (key, field, subscriber) in FIELDS {
        if let Some(digits) = message.identities.get(field) {
            if subscriber && !reveal {
                object.text(key, &mask(digits.as_str()));
            } else {
                object.text(key, digits.as_str());
            }
        }
    }
    let Some(tcap) = &message.tcap else { return };
    if let Some(reference) = &tcap.dialogue.destination_reference {
        let digits = reference.digits.as_str();
        let shown = if reveal { digits.to_owned() } else { mask(digits) };
        let is_imsi = reference.plan == crate::inspect::digits::PLAN_E212;
        object.text(if is_imsi { "map_open_imsi" } else { "map_open_destination" }, &shown);
    }
    if let Some(reference) = &tcap.dialogue.originating_reference {
        object.text("map_open_origin", reference.digits.as_str());
    }
}

fn write_findings(object: &mut Object<'_>, message: &Message<'_>) {
    let out = object.key("findings");
    out.push(b'[');
    for (index, (finding, offset)) in message.findings.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut one = Object::begin(out);
        one.text("finding", finding.as_str());
        one.number("offset", offset);
        one.end();
    }
    out.push(b']');
}

/// A subscriber's number with its middle hidden: country and network stay, and the last two digits.
#[must_use]
pub fn mask(digits: &str) -> String {
    let count = digits.chars().count();
    let (head, tail) = if count >= 9 { (5, 2) } else { (2, 0) };
    digits
        .chars()
        .enumerate()
        .map(|(index, digit)| if index < head || index >= count.saturating_sub(tail) { digit } else { '*' })
        .collect()
}

/// A message as one JSON object in a buffer of its own.
#[must_use]
pub fn to_json(message: &Message<'_>, place: &Place, reveal: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = json::Object::begin(&mut out);
    write(&mut object, message, place, reveal);
    object.end();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_number_is_hidden() {
        assert_eq!(mask("001010123456789"), "00101********89");
        assert_eq!(mask("1234567"), "12*****");
        assert_eq!(mask(""), "");
    }
}
