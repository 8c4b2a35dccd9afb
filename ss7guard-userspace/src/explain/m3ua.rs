//! M3UA: the common header, every parameter, and the routing label of Protocol Data.

use ss7guard_common::point_code::{Format, Shown};
use ss7guard_common::verdict::Class;
use ss7guard_common::wire::m3ua::{self, Data, HEADER_LEN, MAX_PARAMETERS, PROTOCOL_DATA_HEADER_LEN, tag};
use ss7guard_common::wire::pad4;

use crate::explain::names;
use crate::explain::tree::{Node, View, named, octets_of};

/// Where the octets of a user message are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Offset of its first octet.
    pub(super) at: usize,
    /// Offset after its last octet that is here.
    pub(super) end: usize,
    /// Whether more of it follows elsewhere.
    pub(super) first_fragment: bool,
}

/// Adds the node of a message; gives label and user part, where it is a DATA message in which these were found.
pub(super) fn explain(view: &View<'_>, extent: Extent, format: Format, out: &mut Vec<Node>) -> Option<Data> {
    let Extent { at, end, first_fragment } = extent;
    let avail = end.saturating_sub(at);
    let parsed = m3ua::parse(view.octets, at, avail, first_fragment);
    let fault = parsed.fault.reason().filter(|reason| reason.class() == Class::Exception);
    let header = view.octets.get(at..end).and_then(<[u8]>::first_chunk::<HEADER_LEN>);
    let mut node = match header {
        None => view.opaque("M3UA", at, end, HEADER_LEN),
        Some([version, _, class, kind, l0, l1, l2, l3]) => {
            let place = |offset: usize| at.saturating_add(offset);
            let name = names::m3ua_type(*class, *kind);
            let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]);
            let title = name.map_or_else(|| "M3UA".to_owned(), |name| format!("M3UA {name}"));
            let mut node = view.group(title, at, avail, "");
            node.children = vec![
                view.field("version", at, 1, version.to_string()),
                view.field("reserved", place(1), 1, ""),
                view.field("message class", place(2), 1, named(*class, names::m3ua_class(*class))),
                view.field("message type", place(3), 1, named(*kind, name)),
                view.field("message length", place(4), 4, format!("{length} octets")),
            ];
            parameters(view, extent, format, &mut node);
            node
        }
    };
    if first_fragment {
        "first fragment: the rest of the message is in other chunks".clone_into(&mut node.value);
    }
    if let Some(reason) = fault
        && !node.has_remark(reason.as_str())
    {
        node = node.fault(reason.as_str(), reason.description());
    }
    out.push(node);
    parsed.data
}

fn parameters(view: &View<'_>, extent: Extent, format: Format, node: &mut Node) {
    let mut at = extent.at.saturating_add(HEADER_LEN);
    for _ in 0..MAX_PARAMETERS {
        if at >= extent.end {
            return;
        }
        let left = extent.end.saturating_sub(at);
        let head = view.be16(at).zip(view.be16(at.saturating_add(2)));
        let (true, Some((tag, len))) = (left >= 4, head) else {
            node.children.push(view.opaque("rest", at, extent.end, 4));
            return;
        };
        let len = usize::from(len);
        let held = len.min(left);
        let name = names::m3ua_parameter(tag).unwrap_or("unknown parameter");
        let short = if len > left { format!(", of which {left} are here") } else { String::new() };
        let about = format!("tag 0x{tag:04x}, {}{short}", octets_of(len));
        let mut parameter = view.partly(name, at, held.max(4), 4, about);
        if len < 4 {
            node.children.push(
                parameter.fault("m3ua_parameter_length", "A parameter has four octets of tag and length."),
            );
            node.children.push(view.opaque("rest", at.saturating_add(4), extent.end, 0));
            return;
        }
        if !short.is_empty() && !extent.first_fragment {
            parameter = parameter.fault("m3ua_parameter_length", "It goes on beyond the message.");
        }
        parameter.octets = crate::explain::tree::hex(view.slice(at, at.saturating_add(4)), 4);
        value(view, tag, at, held, format, &mut parameter);
        node.children.push(parameter);
        at = at.saturating_add(pad4(len));
    }
    if at < extent.end {
        node.children.push(view.opaque("parameters beyond the bound", at, extent.end, 4));
    }
}

/// Adds what is in a parameter of `held` octets.
fn value(view: &View<'_>, tag: u16, at: usize, held: usize, format: Format, node: &mut Node) {
    let start = at.saturating_add(4);
    let end = at.saturating_add(held);
    match tag {
        tag::PROTOCOL_DATA if held >= PROTOCOL_DATA_HEADER_LEN => label(view, start, end, format, node),
        // Texts and numbers of the association; others may bring back a part of a message.
        0x0004 => {
            let text = String::from_utf8_lossy(view.slice(start, end));
            let text: String = text.chars().filter(|c| !c.is_control()).collect();
            node.children.push(view.field("value", start, end.saturating_sub(start), text));
        }
        0x0006 | 0x000b..=0x0013 | 0x0200..=0x0206 | 0x0208..=0x0213 if tag != tag::PROTOCOL_DATA => {
            let mut word = start;
            while word.saturating_add(4) <= end {
                let number = view.be32(word).unwrap_or_default();
                node.children.push(view.field("value", word, 4, number.to_string()));
                word = word.saturating_add(4);
            }
            if word < end {
                node.children.push(view.opaque("rest", word, end, 0));
            }
        }
        _ if start < end => node.children.push(view.opaque("value", start, end, 0)),
        _ => {}
    }
}

/// The routing label and what follows it.
fn label(view: &View<'_>, at: usize, end: usize, format: Format, node: &mut Node) {
    let place = |offset: usize| at.saturating_add(offset);
    let code = |offset: usize| {
        let code = view.be32(place(offset)).unwrap_or_default();
        let shown = Shown { code, format }.to_string();
        if shown == code.to_string() { shown } else { format!("{shown} ({code})") }
    };
    let octet = |offset: usize| view.u8(place(offset)).unwrap_or_default();
    let (si, ni) = (octet(8), octet(9));
    let indicator = names::network_indicator(ni).unwrap_or("invalid");
    let mtp3 = view.layer("mtp3");
    node.children.extend([
        mtp3.field("OPC", place(0), 4, code(0)),
        mtp3.field("DPC", place(4), 4, code(4)),
        mtp3.field("service indicator", place(8), 1, named(si, names::service_indicator(si))),
        mtp3.field("network indicator", place(9), 1, named(ni, Some(indicator))),
        mtp3.field("message priority", place(10), 1, octet(10).to_string()),
        mtp3.field("signalling link selection", place(11), 1, octet(11).to_string()),
    ]);
    let start = place(12);
    if start < end {
        let part = if si == m3ua::SI_SCCP {
            mtp3.group("user part", start, end.saturating_sub(start), "SCCP, see below")
        } else {
            mtp3.opaque("user part", start, end, 0)
        };
        node.children.push(part);
    }
}
