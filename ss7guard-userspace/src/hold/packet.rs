//! The chunks of a frame that waits, and what is done to those that are stopped.

use std::net::IpAddr;

use ss7guard_common::classify;
use ss7guard_common::neutralise::{self, Form};
use ss7guard_common::wire::{SctpSpan, sctp};

use crate::hold::{Chunk, Fate, Memory, Piece};
use crate::host::endpoints;
use crate::reassembly::{assemble, fragment_place};

/// The user data chunks of a frame, each with the fate that it had before if it did.
#[must_use]
pub fn chunks(frame: &[u8], memory: &Memory) -> Vec<Chunk> {
    let Ok(span) = classify::sctp_span(frame, frame.len()) else { return Vec::new() };
    let Ok(header) = sctp::header(frame, span.start, span.end) else { return Vec::new() };
    let ports = u32::from(header.source_port) << 16 | u32::from(header.destination_port);
    let mut found = Vec::new();
    let mut authenticated = false;
    let mut off = span.start + sctp::HEADER_LEN;
    for turn in 0..sctp::MAX_CHUNKS {
        let Ok(chunk) = sctp::chunk(frame, off, span.end) else { break };
        let octets = frame.get(off..off + chunk.len).unwrap_or_default();
        if chunk.is_user_data()
            && let Ok(user_data) = sctp::user_data(frame, off, &chunk)
        {
            let mut one = Chunk {
                piece: Piece { ports, vtag: header.vtag, tsn: user_data.tsn },
                hash: memory.hash(octets),
                turn: turn as u8,
                begins: chunk.flags & sctp::data_flag::BEGIN != 0,
                authenticated,
                fate: None,
            };
            one.fate = memory.recall(&one);
            found.push(one);
        }
        authenticated |= chunk.kind == sctp::chunk_type::AUTH;
        off = chunk.next(off);
        if off >= span.end {
            break;
        }
    }
    found
}

/// What was done about a frame, or the frames of one IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It goes on, with so many messages rewritten.
    GoesOn(u32),
    /// It is to be dropped.
    Drop,
}

/// What is not to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whether a frame is dropped whose stopped message is authenticated; else it goes on.
    pub drop_authenticated: bool,
}

/// Stops what is to be stopped in the frames of one packet: one whole frame, or its IP fragments. `form` says how the
/// messages of a receiver (or else its sender) are rewritten.
pub fn carry_out(
    frames: &mut [&mut [u8]],
    chunks: &[Chunk],
    limits: Limits,
    form: &dyn Fn([Option<IpAddr>; 2]) -> Form,
) -> Done {
    if chunks.iter().any(|chunk| chunk.fate == Some(Fate::Drop)) {
        return Done::Drop;
    }
    let stopped = || chunks.iter().filter(|chunk| chunk.fate == Some(Fate::Stop));
    if stopped().any(|chunk| chunk.authenticated) {
        return if limits.drop_authenticated { Done::Drop } else { Done::GoesOn(0) };
    }
    // The rest of a message that came in fragments passes behind its rewritten beginning.
    let marked = stopped()
        .filter(|chunk| chunk.begins)
        .fold(0u32, |marked, chunk| marked | 1u32.checked_shl(u32::from(chunk.turn)).unwrap_or(0));
    if marked == 0 {
        return Done::GoesOn(0);
    }
    let done = match frames {
        [frame] => rewrite(frame, marked, form),
        fragments => rewrite_fragments(fragments, marked, form),
    };
    // What may be half rewritten does not go on.
    if done { Done::GoesOn(marked.count_ones()) } else { Done::Drop }
}

fn rewrite(frame: &mut [u8], marked: u32, form: &dyn Fn([Option<IpAddr>; 2]) -> Form) -> bool {
    let Ok(SctpSpan { start, end, .. }) = classify::sctp_span(&*frame, frame.len()) else { return false };
    let ends = endpoints(frame);
    let form = form([ends.map(|ends| ends.1), ends.map(|ends| ends.0)]);
    classify::rewrite_marked(frame, start, end, marked, |frame, off, chunk| {
        neutralise::chunk(frame, off, &chunk, end, form)
    })
}

/// Rewrites the packet that these fragments make, and puts its octets back where they came from.
fn rewrite_fragments(
    fragments: &mut [&mut [u8]],
    marked: u32,
    form: &dyn Fn([Option<IpAddr>; 2]) -> Form,
) -> bool {
    let views: Vec<&[u8]> = fragments.iter().map(|fragment| &**fragment).collect();
    let Some((mut packet, head)) = assemble(views) else { return false };
    if !rewrite(&mut packet, marked, form) {
        return false;
    }
    for fragment in fragments.iter_mut() {
        let Some((offset, place)) = fragment_place(fragment) else { return false };
        let Some(from) = head.checked_add(offset) else { return false };
        let Some(octets) = packet.get(from..from + place.len()) else { return false };
        let Some(room) = fragment.get_mut(place) else { return false };
        room.copy_from_slice(octets);
    }
    true
}

#[cfg(test)]
mod tests;
