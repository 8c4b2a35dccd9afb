//! SCTP: the common header with its checksum, and every chunk.

use ss7guard_common::verdict::Reason;
use ss7guard_common::wire::sctp::{self, Chunk, UserData, data_flag};
use ss7guard_common::wire::{SctpSpan, pad4};

use crate::explain::names;
use crate::explain::tree::{Node, View, named, octets_of};

/// A user data chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    /// Its header.
    pub(super) chunk: Chunk,
    /// Header of its data.
    pub(super) user_data: UserData,
    /// Offset after its last octet.
    pub(super) end: usize,
}

impl Payload {
    /// Whether it starts a user message.
    pub(super) const fn begins(&self) -> bool {
        self.chunk.flags & data_flag::BEGIN != 0
    }

    /// Whether it ends one.
    pub(super) const fn ends(&self) -> bool {
        self.chunk.flags & data_flag::END != 0
    }
}

/// Adds the nodes of an SCTP packet; `payload` adds those of what a user data chunk holds.
pub(super) fn explain(
    view: &View<'_>,
    span: &SctpSpan,
    out: &mut Vec<Node>,
    mut payload: impl FnMut(&Payload, &mut Vec<Node>),
) {
    let header = match sctp::header(view.octets, span.start, span.end) {
        Ok(header) => header,
        Err(reason) => {
            let node = view.opaque("SCTP", span.start, span.end, sctp::HEADER_LEN);
            out.push(node.fault(reason.as_str(), reason.description()));
            return;
        }
    };
    let place = |offset: usize| span.start.saturating_add(offset);
    let ports = format!("port {} to {}", header.source_port, header.destination_port);
    let mut node = view.group("SCTP", span.start, sctp::HEADER_LEN, ports);
    node.children = vec![
        view.field("source port", place(0), 2, header.source_port.to_string()),
        view.field("destination port", place(2), 2, header.destination_port.to_string()),
        view.field("verification tag", place(4), 4, format!("0x{:08x}", header.vtag)),
        view.field("checksum", place(8), 4, checksum(view.slice(span.start, span.end))),
    ];
    out.push(node);
    let mut at = place(sctp::HEADER_LEN);
    for turn in 0..=sctp::MAX_CHUNKS {
        if at >= span.end {
            return;
        }
        if turn == sctp::MAX_CHUNKS {
            let reason = Reason::TooManyChunks;
            let rest = view.opaque("chunks beyond the bound", at, span.end, 4);
            out.push(rest.fault(reason.as_str(), reason.description()));
            return;
        }
        let chunk = match sctp::chunk(view.octets, at, span.end) {
            Ok(chunk) => chunk,
            Err(reason) => {
                let rest = view.opaque("chunk", at, span.end, 4);
                out.push(rest.fault(reason.as_str(), reason.description()));
                return;
            }
        };
        if chunk.is_user_data() {
            if let Some(found) = user_data(view, at, chunk, out) {
                payload(&found, out);
            }
        } else {
            out.push(control(view, at, &chunk));
        }
        at = at.saturating_add(pad4(chunk.len));
    }
}

/// What the checksum (CRC32c, RFC 9260 §6.8 and appendix A) says about the packet.
fn checksum(packet: &[u8]) -> String {
    let (Some((before, rest)), Some(after)) = (packet.split_at_checked(8), packet.get(12..)) else {
        return String::new();
    };
    let stored = rest.first_chunk().map_or(0, |octets| u32::from_le_bytes(*octets));
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]), after);
    let shown = u32::swap_bytes;
    if stored == crc {
        format!("CRC32c 0x{:08x}, right", shown(stored))
    } else if stored == 0 {
        "zero: left to the network card where it was captured, or not used (RFC 9653)".to_owned()
    } else {
        format!("CRC32c 0x{:08x}, wrong: 0x{:08x} would be right", shown(stored), shown(crc))
    }
}

fn title(chunk: &Chunk) -> String {
    let name = names::chunk(chunk.kind).map_or_else(|| format!("type {}", chunk.kind), str::to_owned);
    format!("{name} chunk")
}

/// Type, flags and length of a chunk.
fn head(view: &View<'_>, at: usize, chunk: &Chunk, flags: String) -> Vec<Node> {
    vec![
        view.field("type", at, 1, named(chunk.kind, names::chunk(chunk.kind))),
        view.field("flags", at.saturating_add(1), 1, flags),
        view.field("length", at.saturating_add(2), 2, octets_of(chunk.len)),
    ]
}

/// Adds the node of a DATA or I-DATA chunk.
fn user_data(view: &View<'_>, at: usize, chunk: Chunk, out: &mut Vec<Node>) -> Option<Payload> {
    let end = at.saturating_add(chunk.len);
    let (begin, last) = (chunk.flags & data_flag::BEGIN != 0, chunk.flags & data_flag::END != 0);
    let part = match (begin, last) {
        (true, true) => "whole user message",
        (true, false) => "first fragment of a user message; the others follow in chunks of their own",
        (false, false) => "middle fragment of a user message",
        (false, true) => "last fragment of a user message",
    };
    let order = if chunk.flags & data_flag::UNORDERED != 0 { ", unordered" } else { "" };
    let mut node = view.group(title(&chunk), at, chunk.len, part);
    node.children = head(view, at, &chunk, format!("0x{:02x}: {part}{order}", chunk.flags));
    let user_data = match sctp::user_data(view.octets, at, &chunk) {
        Ok(user_data) => user_data,
        Err(reason) => {
            node.children.push(view.opaque("rest", at.saturating_add(4), end, 12));
            out.push(node.fault(reason.as_str(), reason.description()));
            return None;
        }
    };
    let place = |offset: usize| at.saturating_add(offset);
    node.value = format!("TSN {}, stream {}: {part}", user_data.tsn, user_data.stream);
    node.children.push(view.field("TSN", place(4), 4, user_data.tsn.to_string()));
    node.children.push(view.field("stream identifier", place(8), 2, user_data.stream.to_string()));
    let interleaved = chunk.kind == sctp::chunk_type::I_DATA;
    let (name, sequence_at, len) =
        if interleaved { ("message identifier", 12, 4) } else { ("stream sequence number", 10, 2) };
    node.children.push(view.field(name, place(sequence_at), len, user_data.sequence.to_string()));
    let last_at = if interleaved { 16 } else { 12 };
    match user_data.ppid {
        Some(ppid) => {
            let value = named(ppid.0, names::ppid(ppid.0));
            node.children.push(view.field("payload protocol identifier", place(last_at), 4, value));
        }
        None => {
            let number = view.be32(place(last_at)).unwrap_or_default();
            node.children.push(view.field("fragment sequence number", place(last_at), 4, number.to_string()));
        }
    }
    out.push(node);
    Some(Payload { chunk, user_data, end })
}

/// The node of a chunk that carries no user data.
fn control(view: &View<'_>, at: usize, chunk: &Chunk) -> Node {
    let mut node = view.group(title(chunk), at, chunk.len, "");
    node.children = head(view, at, chunk, format!("0x{:02x}", chunk.flags));
    let end = at.saturating_add(chunk.len);
    let mut next = at.saturating_add(4);
    let fields: &[(&str, usize)] = match chunk.kind {
        1 | 2 => &[
            ("initiate tag", 4),
            ("receiver window", 4),
            ("outbound streams", 2),
            ("inbound streams", 2),
            ("initial TSN", 4),
        ],
        3 => {
            &[("cumulative TSN ack", 4), ("receiver window", 4), ("gap ack blocks", 2), ("duplicate TSNs", 2)]
        }
        7 | 192 | 194 => &[("cumulative TSN ack", 4)],
        _ => &[],
    };
    for (name, len) in fields {
        let after = next.saturating_add(*len);
        let number = if *len == 4 { view.be32(next) } else { view.be16(next).map(u32::from) };
        let (true, Some(number)) = (after <= end, number) else { break };
        node.children.push(view.field(*name, next, *len, number.to_string()));
        next = after;
    }
    if next < end {
        // An error cause may bring back a part of what was sent.
        let open = if matches!(chunk.kind, 6 | 9) { 4 } else { usize::MAX };
        node.children.push(view.opaque("rest", next, end, open));
    }
    node
}

#[cfg(test)]
mod tests {
    use super::checksum;

    /// A HEARTBEAT-less packet whose checksum was computed by another implementation: COOKIE ACK, tag 0.
    #[test]
    fn the_checksum_is_right_wrong_or_zero() {
        let mut packet = vec![0x0b, 0x59, 0x0b, 0x59, 0, 0, 0, 1, 0, 0, 0, 0, 11, 0, 0, 4];
        assert!(checksum(&packet).starts_with("zero"));
        let crc = crc32c::crc32c(&packet);
        packet[8..12].copy_from_slice(&crc.to_le_bytes());
        assert!(checksum(&packet).ends_with("right") && !checksum(&packet).contains("wrong"));
        packet[15] ^= 1;
        assert!(checksum(&packet).contains("wrong"));
        assert_eq!(checksum(&packet[..10]), "");
    }
}
