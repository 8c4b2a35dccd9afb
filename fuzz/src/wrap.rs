//! TCAP around a component, SCCP around TCAP: the layers that a message would come in.

use ss7guard_common::wire::m3ua::{Data, Label, SI_SCCP};
use ss7guard_userspace::inspect::ber::{INTEGER, SEQUENCE, Tag};
use ss7guard_userspace::inspect::gsm_map::Protocol;
use ss7guard_userspace::inspect::sccp::{Address, Kind};
use ss7guard_userspace::inspect::tcap::ComponentKind;

use crate::choice::Choice;
use crate::tree::{self, Node};

/// M3UA parameters of a message with SCCP inside.
#[must_use]
pub fn sccp_label() -> Data {
    Data { label: Label { si: SI_SCCP, ..Label::default() }, ..Data::default() }
}

/// A TCAP message with one component of this kind, code and parameter.
#[must_use]
pub fn tcap(kind: ComponentKind, protocol: Protocol, code: u8, parameter: &[u8]) -> Vec<u8> {
    let number = |value: u8| {
        let octets = [0, value];
        tree::canonical(&[Node::primitive(INTEGER, if value < 0x80 { &octets[1..] } else { &octets })])
    };
    let (tag, content) = match kind {
        ComponentKind::Invoke => (1, [number(1), number(code), parameter.to_vec()].concat()),
        ComponentKind::ReturnResultLast | ComponentKind::ReturnResultNotLast => {
            let inside = [number(code), parameter.to_vec()].concat();
            let sequence = tree::canonical(&[Node::raw(SEQUENCE, &inside)]);
            (if kind == ComponentKind::ReturnResultLast { 2 } else { 7 }, [number(1), sequence].concat())
        }
        ComponentKind::ReturnError => (3, [number(1), number(code), parameter.to_vec()].concat()),
        ComponentKind::Reject => (4, [number(1), parameter.to_vec()].concat()),
    };
    let mut parts = vec![Node::primitive(Tag::application(8), &[0, 0, 0, 1])];
    if protocol == Protocol::Cap {
        // AARQ with the application context of CAP 1 (TS 29.078 §6.4): 0.4.0.0.1.0.50.0
        let pdu = [
            0x28, 0x1c, 0x06, 0x07, 0x00, 0x11, 0x86, 0x05, 0x01, 0x01, 0x01, 0xa0, 0x11, 0x60, 0x0f, 0x80,
            0x02, 0x07, 0x80, 0xa1, 0x09, 0x06, 0x07, 0x04, 0x00, 0x00, 0x01, 0x00, 0x32, 0x00,
        ];
        parts.push(Node::raw(Tag::application(11), &pdu));
    }
    let component = Node::raw(Tag::context(tag), &content);
    parts.push(Node::constructed(Tag::application(12), vec![component]));
    tree::canonical(&[Node::constructed(Tag::application(2), parts)])
}

/// An address as octets (Q.713 §3.4), which decode to the same address.
#[must_use]
pub fn address(address: &Address) -> Vec<u8> {
    let indicator = address.global_title.map_or(0, |title| title.indicator);
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let mut out = vec![
        flag(address.national, 0x80)
            | flag(address.route_on_ssn, 0x40)
            | indicator << 2
            | flag(address.ssn.is_some(), 0x02)
            | flag(address.point_code.is_some(), 0x01),
    ];
    out.extend(address.point_code.map(|code| (code as u16).to_le_bytes()).into_iter().flatten());
    out.extend(address.ssn);
    let Some(title) = &address.global_title else { return out };
    let nibbles: Vec<u8> =
        title.digits.as_str().chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let odd = !nibbles.len().is_multiple_of(2);
    let plan = title.numbering_plan.unwrap_or(0) << 4 | title.encoding_scheme.unwrap_or(0);
    match indicator {
        1 => out.push(title.nature.unwrap_or(0) | flag(odd, 0x80)),
        2 => out.extend(title.translation_type),
        3 => out.extend([title.translation_type.unwrap_or(0), plan]),
        4 => out.extend([title.translation_type.unwrap_or(0), plan, title.nature.unwrap_or(0)]),
        _ => return out,
    }
    let filler = if indicator == 1 || matches!(title.encoding_scheme, Some(1 | 2)) { 0 } else { 0x0f };
    let pairs = nibbles.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(filler) << 4);
    out.extend(pairs);
    out
}

/// A connectionless message (Q.713 §4.10 to §4.21) with its parts in an order drawn by `choice`.
///
/// `None` if a part is too long for the type.
#[must_use]
pub fn sccp(kind: Kind, called: &[u8], calling: &[u8], data: &[u8], choice: &mut Choice) -> Option<Vec<u8>> {
    let (code, long, optional) = match kind {
        Kind::Udt => (0x09, false, false),
        Kind::Udts => (0x0a, false, false),
        Kind::Xudt => (0x11, false, true),
        Kind::Xudts => (0x12, false, true),
        Kind::Ludt => (0x13, true, true),
        Kind::Ludts => (0x14, true, true),
    };
    let width = if long { 2 } else { 1 };
    let mut out = vec![code, 0];
    if optional {
        out.push(0x0f);
    }
    let pointers = out.len();
    out.extend(vec![0; width * if optional { 4 } else { 3 }]);
    let first = choice.below(3);
    for turn in 0..3 {
        let part = (first + turn) % 3;
        let octets = [called, calling, data][part];
        let at = pointers + part * width + width - 1;
        let distance = out.len() - at;
        if long {
            out[at - 1..=at].copy_from_slice(&u16::try_from(distance).ok()?.to_le_bytes());
        } else {
            out[at] = u8::try_from(distance).ok()?;
        }
        if long && part == 2 {
            out.extend(u16::try_from(octets.len()).ok()?.to_le_bytes());
        } else {
            out.push(u8::try_from(octets.len()).ok()?);
        }
        out.extend(octets);
    }
    Some(out)
}
