//! One decoded message as one JSON object.
//!
//! Subscriber numbers are masked unless the caller reveals them. Addresses of nodes stay clear; a global title is
//! masked where it is a subscriber's number (routing on MSISDN, E.212, E.214).

use std::net::IpAddr;
use std::ops::Range;

use crate::inspect::ber::Oid;
use crate::inspect::digits::{Digits, MAX_DIGITS, PLAN_E212};
use crate::inspect::gsm_map::sms::{Concatenation, Party, Ports, Sms, Type};
use crate::inspect::gsm_map::{Field, Protocol};
use crate::inspect::message::{Message, Outcome};
use crate::inspect::sccp::Address;
use crate::inspect::tcap::{Code, Component, ComponentKind, Tcap};
use crate::json::{Line, Object};

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
    // Measured room; it grows where this is not enough.
    const USUAL: usize = 1100;
    const COMPONENT: usize = 160;
    let room = message.components().len().saturating_mul(COMPONENT).saturating_add(USUAL);
    object.number("frame", i64::try_from(place.frame).unwrap_or(i64::MAX));
    object.fill(room, |line| write_fields(line, message, place, reveal));
    if let Outcome::Undecodable(problem) = message.outcome {
        object.text("undecodable", problem.reason());
        object.text("undecodable_detail", &problem.to_string());
    }
    if let Some(sms) = &message.sms {
        write_sms(object.key("sms"), sms, reveal);
    }
}

/// Writes a short message as an object of its own: outside the lines, which few messages need.
#[cold]
fn write_sms(out: &mut Vec<u8>, sms: &Sms, reveal: bool) {
    let mut object = Object::begin(out);
    object.text("type", sms.kind.as_str());
    if let Some(pid) = sms.pid {
        object.number("pid", pid);
    }
    if let Some(coding) = sms.coding {
        object.number("dcs", coding.0);
    }
    let party = match sms.kind {
        Type::Deliver => "oa",
        Type::StatusReport => "ra",
        Type::Submit | Type::Command => "da",
    };
    match &sms.party {
        Some(Party::Number(digits)) if reveal => object.text(party, digits.as_str()),
        Some(Party::Number(digits)) => object.text(party, &mask(digits.as_str())),
        Some(Party::Name(name)) => object.text(party, &name.to_string()),
        None => {}
    }
    if let Some(Ports { source, destination }) = sms.ports {
        object.key("udh_ports").extend(format!("[{source},{destination}]").bytes());
    }
    if let Some(Concatenation { reference, total, part }) = sms.concatenation {
        let mut parts = Object::begin(object.key("concat"));
        parts.number("ref", reference);
        parts.number("total", total);
        parts.number("part", part);
        parts.end();
    }
    for (key, value) in
        [("silent", sms.is_silent()), ("binary", sms.is_binary()), ("sim_specific", sms.is_for_sim())]
    {
        object.key(key).extend(value.to_string().bytes());
    }
    object.end();
}

#[inline(always)]
fn write_fields(line: &mut Line<'_>, message: &Message<'_>, place: &Place, reveal: bool) {
    line.unsigned("chunk", place.chunk);
    if let Some((source, destination)) = place.addresses {
        line.address("src", source);
        line.address("dst", destination);
    }
    if let Some(tsn) = place.tsn {
        line.unsigned("tsn", tsn);
    }
    let label = &message.m3ua.label;
    line.unsigned("opc", label.opc);
    line.unsigned("dpc", label.dpc);
    line.unsigned("si", label.si.into());
    line.unsigned("ni", label.ni.into());
    line.unsigned("mp", label.mp.into());
    line.unsigned("sls", label.sls.into());
    if let Some(na) = message.m3ua.network_appearance.get() {
        line.unsigned("na", na);
    }
    if let Some(rc) = message.m3ua.routing_context.get() {
        line.unsigned("rc", rc);
    }
    if let Some(sccp) = &message.sccp {
        line.plain("sccp", sccp.kind.as_str());
        write_address(line, ["cdpa_gt", "cdpa_ssn"], &sccp.called, message, reveal);
        write_address(line, ["cgpa_gt", "cgpa_ssn"], &sccp.calling, message, reveal);
    }
    if let Some(tcap) = &message.tcap {
        write_tcap(line, tcap, message.protocol);
    }
    write_identities(line, message, reveal);
    if !message.findings.is_empty() {
        write_findings(line, message);
    }
    if let Some(fault) = place.fault {
        line.plain("frame_fault", fault);
    }
    match message.outcome {
        Outcome::Segment => line.flag("segment", true),
        Outcome::Management => line.flag("management", true),
        Outcome::Undecodable(_) | Outcome::Decoded | Outcome::NotSccp => {}
    }
}

#[inline(always)]
fn write_address(
    line: &mut Line<'_>,
    [gt, ssn]: [&str; 2],
    address: &Address,
    message: &Message<'_>,
    reveal: bool,
) {
    if let Some(title) = &address.global_title
        && !title.digits.is_empty()
    {
        write_digits(line, gt, &title.digits, reveal || !is_subscriber(address, message));
    }
    if let Some(number) = address.ssn {
        line.unsigned(ssn, number.into());
    }
}

/// Whether a global title is a subscriber's number, or may be one.
#[must_use]
pub fn is_subscriber(address: &Address, message: &Message<'_>) -> bool {
    const E212: u8 = 6;
    const E214: u8 = 7;
    let Some(title) = &address.global_title else { return false };
    // Of a segment nobody knows: the number that would tell is in another one.
    if matches!(title.numbering_plan, Some(E212 | E214)) || message.outcome == Outcome::Segment {
        return true;
    }
    [Field::Msisdn, Field::Imsi, Field::Msrn]
        .into_iter()
        .filter_map(|field| message.identities.get(field))
        .any(|digits| *digits == title.digits)
}

#[inline(always)]
fn write_tcap(line: &mut Line<'_>, tcap: &Tcap<'_>, protocol: Protocol) {
    line.plain("tcap", tcap.kind.as_str());
    if let Some(id) = &tcap.otid {
        line.hex("otid", id.as_slice());
    }
    if let Some(id) = &tcap.dtid {
        line.hex("dtid", id.as_slice());
    }
    if let Some(name) = &tcap.dialogue.application_context {
        write_oid(line, "ac", name);
    }
    if let Some(cause) = tcap.p_abort {
        line.number("p_abort", cause);
    }
    if protocol == Protocol::Cap {
        line.plain("protocol", "cap");
    }
    line.raw(b",\"components\":[");
    for (index, component) in tcap.components.iter().enumerate() {
        if index > 0 {
            line.raw(b",");
        }
        write_component(line, component, protocol);
    }
    line.raw(b"]");
}

#[inline(always)]
fn write_oid(line: &mut Line<'_>, key: &str, oid: &Oid<'_>) {
    match oid.octets() {
        // 0.4.0.0.1.0.context.version, the arc of MAP.
        [0x04, 0x00, 0x00, 0x01, 0x00, context @ 0..0x80, version @ 0..0x80] => {
            line.dotted(key, &[0, 4, 0, 0, 1, 0, *context, *version]);
        }
        _ => line.plain(key, &oid.to_string()),
    }
}

#[inline(always)]
fn write_component(line: &mut Line<'_>, component: &Component<'_>, protocol: Protocol) {
    // Literals in each arm: their lengths are constants then.
    match component.kind {
        ComponentKind::Invoke => line.raw(b"{\"type\":\"invoke\""),
        ComponentKind::ReturnResultLast => line.raw(b"{\"type\":\"returnResultLast\""),
        ComponentKind::ReturnError => line.raw(b"{\"type\":\"returnError\""),
        ComponentKind::Reject => line.raw(b"{\"type\":\"reject\""),
        ComponentKind::ReturnResultNotLast => line.raw(b"{\"type\":\"returnResultNotLast\""),
    }
    if let Some(id) = component.invoke_id {
        line.number("invoke_id", id);
    }
    if let Some(id) = component.linked_id {
        line.number("linked_id", id);
    }
    match &component.operation {
        Some(Code::Local(code)) => {
            line.number("opcode", *code);
            if let Some(name) = protocol.operation(*code) {
                line.plain("operation", name);
            }
        }
        Some(Code::Global(oid)) => write_oid(line, "opcode_oid", oid),
        None => {}
    }
    match &component.error {
        Some(Code::Local(code)) => line.number("error", *code),
        Some(Code::Global(oid)) => write_oid(line, "error_oid", oid),
        None => {}
    }
    line.raw(b"}");
}

#[inline(always)]
fn write_identities(line: &mut Line<'_>, message: &Message<'_>, reveal: bool) {
    let mut identity = |key: &str, field: Field, subscriber: bool| {
        if let Some(digits) = message.identities.get(field) {
            write_digits(line, key, digits, reveal || !subscriber);
        }
    };
    if !message.identities.is_empty() {
        identity("imsi", Field::Imsi, true);
        identity("msisdn", Field::Msisdn, true);
        identity("vlr", Field::Vlr, false);
        identity("msc", Field::Msc, false);
        identity("sgsn", Field::Sgsn, false);
        identity("smsc", Field::Smsc, false);
        identity("scf", Field::Scf, false);
        identity("hlr", Field::Hlr, false);
        identity("node", Field::Node, false);
        identity("msrn", Field::Msrn, true);
        identity("mlc", Field::Mlc, false);
        identity("forwarded_to", Field::ForwardedTo, true);
        identity("calling", Field::Calling, true);
        identity("called", Field::Called, true);
    }
    let Some(tcap) = &message.tcap else { return };
    if let Some(reference) = &tcap.dialogue.destination_reference {
        if reference.plan == PLAN_E212 {
            write_digits(line, "map_open_imsi", &reference.digits, reveal);
        } else {
            write_digits(line, "map_open_destination", &reference.digits, reveal);
        }
    }
    if let Some(reference) = &tcap.dialogue.originating_reference {
        write_digits(line, "map_open_origin", &reference.digits, true);
    }
}

fn write_findings(line: &mut Line<'_>, message: &Message<'_>) {
    line.raw(b",\"findings\":[");
    for (index, (finding, offset)) in message.findings.iter().enumerate() {
        line.raw(if index > 0 { b",{\"finding\":\"".as_slice() } else { b"{\"finding\":\"" });
        line.raw(finding.as_str().as_bytes());
        line.raw(b"\"");
        line.unsigned("offset", offset);
        line.raw(b"}");
    }
    line.raw(b"]");
}

#[inline(always)]
fn write_digits(line: &mut Line<'_>, key: &str, digits: &Digits, clear: bool) {
    if clear {
        line.part(key, digits.padded(), digits.len());
    } else {
        line.part(key, &masked(digits), digits.len());
    }
}

fn masked(digits: &Digits) -> [u8; MAX_DIGITS] {
    let mut ascii = *digits.padded();
    if let Some(middle) = ascii.get_mut(hidden(digits.len())) {
        middle.fill(b'*');
    }
    ascii
}

/// Which digits of so many are hidden: country and network stay, and the last two.
fn hidden(len: usize) -> Range<usize> {
    if len >= 9 { 5..len.saturating_sub(2) } else { len.min(2)..len }
}

/// A subscriber's number with its middle hidden.
#[must_use]
pub fn mask(digits: &str) -> String {
    let hidden = hidden(digits.chars().count());
    digits
        .chars()
        .enumerate()
        .map(|(index, digit)| if hidden.contains(&index) { '*' } else { digit })
        .collect()
}

/// A message as one JSON object in a buffer of its own.
#[must_use]
pub fn to_json(message: &Message<'_>, place: &Place, reveal: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
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
