//! A frame or message explained: every layer with offsets, octets and values, findings and faults at their place.
//!
//! ```text
//!  frame ─ ethernet.rs ─ ip.rs ─ sctp.rs ─ m3ua.rs ─┐
//!                      user part, from anywhere ────┴─ sccp.rs, address.rs ─ tcap.rs, elements.rs ─> tree.rs
//!  verdict.rs: what screening::Pipeline says of it, in words
//! ```
//! Layout only: what octets mean is asked of the classifier's parsers and of the decoder, so that both agree. No I/O, no
//! clock. Octets come from hostile peers, and the rules of the decoder hold here too.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

mod address;
pub mod codes;
mod elements;
mod ethernet;
mod ip;
mod m3ua;
pub mod names;
mod sccp;
mod sctp;
pub mod tcap;
pub mod tree;
pub mod verdict;

use ss7guard_common::point_code::Format;
use ss7guard_common::wire::m3ua::{SI_SCCP, looks_like_data};
use ss7guard_common::wire::sctp::Ppid;

use crate::explain::m3ua::Extent;
use crate::explain::tree::{Node, View};
use crate::inspect::ber::BerError;
use crate::inspect::message::{Message, Outcome, Problem};
use crate::inspect::sccp::{Flavour, SccpError};
use crate::inspect::tcap::TcapError;

/// How an explanation is made.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// How point codes are shown.
    pub format: Format,
    /// Whether subscribers' numbers are shown in full.
    pub reveal: bool,
    /// How SCCP addresses are coded.
    pub flavour: Flavour,
}

/// Explains an Ethernet frame: its layers in order.
#[must_use]
pub fn frame(octets: &[u8], scope: Scope) -> Vec<Node> {
    let mut out = Vec::new();
    let view = view("ethernet", octets, 0, scope);
    let Some((ether_type, at)) = ethernet::explain(&view, &mut out) else { return out };
    let Some(span) = ip::explain(&view, ether_type, at, &mut out) else { return out };
    sctp::explain(&view.layer("sctp"), &span, &mut out, |payload, out| {
        let at = payload.user_data.payload;
        let is_m3ua =
            payload.begins() && (payload.user_data.ppid == Some(Ppid::M3UA) || looks_like_data(octets, at));
        if is_m3ua {
            let extent = Extent { at, end: payload.end, first_fragment: !payload.ends() };
            m3ua_part(&view, extent, scope, out);
        } else {
            let what =
                if payload.begins() { "not M3UA" } else { "a later fragment: it shows in the whole message" };
            let mut node = view.layer("sctp").opaque("payload", at, payload.end, 0);
            node.value = format!("{}; {what}", node.value);
            out.push(node);
        }
    });
    out
}

/// Explains an M3UA message.
#[must_use]
pub fn m3ua_message(octets: &[u8], scope: Scope) -> Vec<Node> {
    let mut out = Vec::new();
    let extent = Extent { at: 0, end: octets.len(), first_fragment: false };
    m3ua_part(&view("m3ua", octets, 0, scope), extent, scope, &mut out);
    out
}

/// Explains an SCCP message, whether it lies in a frame, at `base` of it, or was put together from several.
#[must_use]
pub fn sccp_message(octets: &[u8], base: usize, message: &Message<'_>, scope: Scope) -> Vec<Node> {
    let mut out = Vec::new();
    user_part(octets, base, message, scope, &mut out);
    out
}

/// Explains a TCAP message, as decoded by [`Message::decode_tcap_only`].
#[must_use]
pub fn tcap_message(octets: &[u8], message: &Message<'_>, scope: Scope) -> Vec<Node> {
    let mut out = Vec::new();
    let view = View { user_part: true, ..view("tcap", octets, 0, scope) };
    tcap::explain(&view, 0, octets.len(), message, false, &mut out);
    attach(&mut out, 0, message);
    out
}

const fn view<'a>(layer: &'static str, octets: &'a [u8], base: usize, scope: Scope) -> View<'a> {
    View { layer, octets, base, user_part: false, reveal: scope.reveal }
}

/// Adds the nodes of an M3UA message and of the SCCP message in it.
fn m3ua_part(view: &View<'_>, extent: Extent, scope: Scope, out: &mut Vec<Node>) {
    let Some(data) = m3ua::explain(&view.layer("m3ua"), extent, scope.format, out) else { return };
    let end = data.user_part.saturating_add(data.user_part_len);
    let octets = view.slice(data.user_part, end);
    if data.label.si != SI_SCCP {
        return;
    }
    if extent.first_fragment {
        let mut rest = view.layer("sccp").opaque("SCCP", data.user_part, end, 1);
        rest.value = format!("the beginning of a message: it shows in the whole ({})", rest.value);
        out.push(rest);
        return;
    }
    let message = Message::decode_as(data, octets, scope.flavour);
    user_part(octets, data.user_part, &message, scope, out);
}

/// Adds the nodes of a user part and what the decoder found in it.
fn user_part(octets: &[u8], base: usize, message: &Message<'_>, scope: Scope, out: &mut Vec<Node>) {
    let start = out.len();
    let view = View { user_part: true, ..view("sccp", octets, base, scope) };
    if octets.is_empty() {
        out.push(view.group("SCCP", 0, 0, "nothing"));
    }
    if let Some((from, to)) = sccp::explain(&view, message, out) {
        let returned = message.sccp.as_ref().is_some_and(|sccp| sccp.kind.is_service());
        tcap::explain(&view, from, to, message, returned, out);
    }
    attach(out.get_mut(start..).unwrap_or_default(), base, message);
}

/// Puts the decoder's findings and its fault at their places.
fn attach(nodes: &mut [Node], base: usize, message: &Message<'_>) {
    let mut kept = 0_u32;
    for (finding, offset) in message.findings.iter() {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        put(nodes, base, offset, (finding.as_str(), finding.description().to_owned(), false));
        kept = kept.saturating_add(1);
    }
    let more = message.findings.count().saturating_sub(kept);
    if more > 0 {
        put(nodes, base, 0, ("more_findings", format!("{more} more findings are not listed"), false));
    }
    let Outcome::Undecodable(problem) = message.outcome else { return };
    if nodes.iter().any(|node| node.has_remark(problem.reason())) {
        return;
    }
    let data = message.sccp.as_ref().map_or(0, |sccp| sccp.data_offset);
    let text = problem.to_string().replace("offset", "user part offset");
    put(nodes, base, offset_of(&problem, data), (problem.reason(), text, true));
}

/// Puts a remark on the innermost node that holds this offset of the user part, or on the first node.
fn put(nodes: &mut [Node], base: usize, offset: usize, (name, text, fault): (&str, String, bool)) {
    let index = nodes.iter_mut().rposition(|node| node.innermost(offset).is_some()).unwrap_or(0);
    let Some(root) = nodes.get_mut(index) else { return };
    let place = base.saturating_add(offset);
    match root.innermost(offset) {
        Some(node) => node.remark(name, text, place, fault),
        None => root.remark(name, text, place, fault),
    }
}

/// Where a problem is, in the user part; `data` is where TCAP starts.
const fn offset_of(problem: &Problem, data: usize) -> usize {
    match problem {
        Problem::Sccp(SccpError::Truncated { offset, .. })
        | Problem::Tcap(
            TcapError::Ber(
                BerError::Truncated { offset }
                | BerError::TagTooLong { offset }
                | BerError::BadLength { offset }
                | BerError::TooDeep { offset },
            )
            | TcapError::BadComponent { offset, .. }
            | TcapError::UnexpectedElement { offset },
        )
        | Problem::GsmMap(
            BerError::Truncated { offset }
            | BerError::TagTooLong { offset }
            | BerError::BadLength { offset }
            | BerError::TooDeep { offset },
        ) => *offset,
        Problem::Sccp(_) => 0,
        Problem::Tcap(_) | Problem::GsmMap(_) => data,
    }
}

#[cfg(test)]
mod tests;
