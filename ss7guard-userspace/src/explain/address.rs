//! SCCP addresses: indicator, point code, subsystem number and global title, each at its place.

use crate::explain::names;
use crate::explain::tree::{Node, View, named};
use crate::inspect::findings::Findings;
use crate::inspect::message::Message;
use crate::inspect::record;
use crate::inspect::sccp::{self, Address, Flavour};

/// Adds the node of the address whose length octet is at `at` of the user part.
pub(super) fn explain(view: &View<'_>, name: &str, at: usize, message: &Message<'_>, node: &mut Node) {
    let Some(len) = view.u8(at).map(usize::from) else { return };
    let start = at.saturating_add(1);
    let end = start.saturating_add(len);
    let octets = view.slice(start, end);
    let flavour = message.sccp.as_ref().map_or(Flavour::Itu, |sccp| sccp.called.flavour);
    let mut decoded = Address { flavour, ..Address::default() };
    let whole = sccp::address::decode(octets, at, &mut decoded, &mut Findings::default()).is_ok();
    let masked = !view.reveal && record::is_subscriber(&decoded, message);
    let held = octets.len().saturating_add(1);
    let mut part = view.group(name, at, held, summary(&decoded, masked));
    part.children.push(view.field("length", at, 1, len.to_string()));
    if whole {
        fields(view, start, end, &decoded, masked, &mut part);
    } else {
        part.children.push(view.opaque("content", start, end, 1));
    }
    node.children.push(part);
}

/// Subsystem and digits, as people speak of an address.
fn summary(address: &Address, masked: bool) -> String {
    let mut words = Vec::new();
    if let Some(digits) = address.digits() {
        words.push(if masked { record::mask(digits) } else { digits.to_owned() });
    }
    if let Some(ssn) = address.ssn {
        words.push(format!("SSN {}", named(ssn, names::subsystem(ssn))));
    }
    words.join(", ")
}

fn fields(view: &View<'_>, start: usize, end: usize, address: &Address, masked: bool, part: &mut Node) {
    let Some(indicator) = view.u8(start) else { return };
    let form = indicator >> 2 & 0x0f;
    let ansi = address.flavour == Flavour::Ansi;
    let (code_bit, ssn_bit) = if ansi { (0x02, 0x01) } else { (0x01, 0x02) };
    let yes =
        |bit: u8, set: &'static str, unset: &'static str| if indicator & bit != 0 { set } else { unset };
    let title = named(form, names::global_title_indicator(form));
    part.children.push(view.field(
        "address indicator",
        start,
        1,
        format!(
            "{}, {}, global title {title}, {}{}",
            yes(code_bit, "point code", "no point code"),
            yes(ssn_bit, "SSN", "no SSN"),
            yes(0x40, "route on SSN", "route on global title"),
            yes(0x80, ", reserved for national use", ""),
        ),
    ));
    let mut at = start.saturating_add(1);
    let mut put = |name: &str, len: usize, value: String| {
        part.children.push(view.field(name, at, len, value));
        at = at.saturating_add(len);
    };
    let ssn = address.ssn.map(|ssn| named(ssn, names::subsystem(ssn)));
    if let Some(ssn) = ssn.clone().filter(|_| ansi) {
        put("subsystem number", 1, ssn);
    }
    if let Some(code) = address.point_code {
        put("point code", if address.flavour == Flavour::Itu { 2 } else { 3 }, code.to_string());
    }
    if let Some(ssn) = ssn.filter(|_| !ansi) {
        put("subsystem number", 1, ssn);
    }
    let Some(title) = &address.global_title else { return };
    if let Some(translation) = title.translation_type {
        put("translation type", 1, translation.to_string());
    }
    if let (Some(plan), Some(scheme)) = (title.numbering_plan, title.encoding_scheme) {
        let plan = named(plan, names::numbering_plan(plan));
        let scheme = named(scheme, names::encoding_scheme(scheme));
        put("numbering plan, encoding scheme", 1, format!("{plan}; {scheme}"));
    }
    if let Some(nature) = title.nature {
        put("nature of address", 1, named(nature, names::nature(nature)));
    }
    if at >= end {
        return;
    }
    let len = end.saturating_sub(at);
    part.children.push(if title.digits.is_empty() {
        view.opaque("address information", at, end, 0)
    } else {
        let digits = title.digits.as_str();
        let shown = if masked { record::mask(digits) } else { digits.to_owned() };
        view.partly("digits", at, len, if masked { 0 } else { len }, shown)
    });
}
