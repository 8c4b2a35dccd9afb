//! SCCP: type, class, pointers, addresses, data and optional parameters, from a user part that need not be in a frame.

use crate::explain::tree::{Node, View, named, octets_of};
use crate::explain::{address, names};
use crate::inspect::message::Message;
use crate::inspect::sccp::{Kind, Sccp};

/// Adds the node of an SCCP message; `view` is over the user part. Reading ends where the message does not hold what it
/// announces; the decoder's word about that is added by the caller. Gives where TCAP is, as far as it is there.
pub(super) fn explain(view: &View<'_>, message: &Message<'_>, out: &mut Vec<Node>) -> Option<(usize, usize)> {
    let len = view.octets.len();
    let first = view.u8(0)?;
    let Some(kind) = Kind::from_u8(first) else {
        let name = names::sccp_type(first);
        let title = format!("SCCP {}", name.unwrap_or("message"));
        let mut node = view.group(title, 0, len, "not connectionless: not looked into");
        node.children.push(view.field("message type", 0, 1, named(first, name)));
        node.children.push(view.opaque("rest", 1, len, 0));
        out.push(node);
        return None;
    };
    let mut node = view.group(format!("SCCP {}", kind.as_str()), 0, len, "");
    node.children.push(view.field("message type", 0, 1, named(first, Some(kind.as_str()))));
    let tcap = parts(view, kind, message, &mut node);
    out.push(node);
    tcap
}

/// Adds the parts, as far as they are there.
fn parts(view: &View<'_>, kind: Kind, message: &Message<'_>, node: &mut Node) -> Option<(usize, usize)> {
    let class = view.u8(1)?;
    node.children.push(if kind.is_service() {
        view.field("return cause", 1, 1, named(class, names::return_cause(class)))
    } else {
        let handling = match class >> 4 {
            0 => "no special options",
            8 => "return message on error",
            _ => "spare message handling",
        };
        view.field("protocol class", 1, 1, format!("class {}, {handling}", class & 0x0f))
    });
    let mut at = 2;
    if !matches!(kind, Kind::Udt | Kind::Udts) {
        let hops = view.u8(at)?;
        node.children.push(view.field("hop counter", at, 1, hops.to_string()));
        at = 3;
    }
    let long = matches!(kind, Kind::Ludt | Kind::Ludts);
    let has_optional = !matches!(kind, Kind::Udt | Kind::Udts);
    let names = ["called party address", "calling party address", "data", "optional part"];
    let mut places = [None; 4];
    let pointers = if has_optional { 4 } else { 3 };
    for (name, place) in names.into_iter().zip(&mut places).take(pointers) {
        let (value, width, origin) = if long {
            let pair: [u8; 2] = view.octets.get(at..)?.first_chunk().copied()?;
            (usize::from(u16::from_le_bytes(pair)), 2, at.saturating_add(1))
        } else {
            (usize::from(view.u8(at)?), 1, at)
        };
        let to = origin.saturating_add(value);
        let shown = match (value, view.octets.get(to)) {
            (0, _) => "0: there is none".to_owned(),
            (_, Some(_)) => format!("{value}: at {to} of the user part"),
            (_, None) => format!("{value}: at {to} of the user part, beyond its end"),
        };
        *place = (value != 0).then_some(to);
        node.children.push(view.field(format!("pointer to {name}"), at, width, shown));
        at = at.saturating_add(width);
    }
    let [called, calling, data, optional] = places;
    for (name, place) in [("called party address", called), ("calling party address", calling)] {
        if let Some(place) = place {
            address::explain(view, name, place, message, node);
        }
    }
    let tcap = data.and_then(|place| data_part(view, place, long, message, node));
    if let Some(place) = optional {
        optional_part(view, place, node);
    }
    tcap
}

/// Adds the data: its length here; its content is a layer of its own, if it is TCAP. Gives where that is.
fn data_part(
    view: &View<'_>,
    at: usize,
    long: bool,
    message: &Message<'_>,
    node: &mut Node,
) -> Option<(usize, usize)> {
    let (len, width) = if long {
        let pair: [u8; 2] = view.octets.get(at..)?.first_chunk().copied()?;
        (usize::from(u16::from_le_bytes(pair)), 2)
    } else {
        (usize::from(view.u8(at)?), 1)
    };
    let start = at.saturating_add(width);
    let end = start.saturating_add(len).min(view.octets.len());
    let held = end.saturating_sub(start);
    let mut part = view.group("data", at, held.saturating_add(width), octets_of(len));
    if held < len {
        part.value = format!("{}, of which {held} are here", part.value);
    }
    part.children.push(view.field("length", at, width, len.to_string()));
    let sccp = message.sccp.as_ref();
    let segment = sccp.is_some_and(|sccp| sccp.segmentation.is_some_and(|segment| segment.is_part()));
    let management = sccp.is_some_and(Sccp::is_management);
    if segment {
        let mut content = view.opaque("content", start, end, 0);
        content.value = format!("a segment: the content shows in the whole message ({})", content.value);
        part.children.push(content);
    } else if management {
        part.children.push(view.field("SCCP management", start, held, octets_of(held)));
    } else {
        part.value = format!("{}: TCAP, see below", part.value);
    }
    node.children.push(part);
    (!segment && !management).then_some((start, end))
}

/// Adds the optional parameters.
fn optional_part(view: &View<'_>, mut at: usize, node: &mut Node) {
    while let Some(number) = view.u8(at) {
        let name = names::sccp_parameter(number).unwrap_or("unknown optional parameter");
        if number == 0 {
            node.children.push(view.field(name, at, 1, ""));
            return;
        }
        let Some(len) = view.u8(at.saturating_add(1)).map(usize::from) else { return };
        let start = at.saturating_add(2);
        let end = start.saturating_add(len);
        let open = if matches!(number, 0x10..=0x12) { usize::MAX } else { 2 };
        let mut value = octets_of(len);
        if let (0x10, [flags, a, b, c]) = (number, view.slice(start, end)) {
            let first = if flags & 0x80 != 0 { "first segment" } else { "a later segment" };
            let in_sequence = if flags & 0x40 != 0 { "in sequence" } else { "no sequence demanded" };
            value = format!(
                "{first}, {} more follow, {in_sequence}, local reference {a:02x}{b:02x}{c:02x}",
                flags & 0x0f
            );
        } else if let ([only], true) = (view.slice(start, end), open > 2) {
            value = only.to_string();
        }
        let held = end.min(view.octets.len()).saturating_sub(at);
        node.children.push(view.partly(name, at, held, open, value));
        at = end;
    }
}
