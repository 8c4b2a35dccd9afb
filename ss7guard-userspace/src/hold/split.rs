//! A packet in two: what is judged goes on, what waits for its missing pieces stays.
//!
//! A sender that may have one packet under way at a time (after a loss: RFC 9260 §7.2.3), and fills its packets up with the
//! beginning of the next message, would otherwise wait for an acknowledgement of what is held, while that waits for what it
//! would send next.

use ss7guard_common::classify;
use ss7guard_common::read::ReadAt as _;
use ss7guard_common::wire::ethernet::{self, EtherType};
use ss7guard_common::wire::{SctpSpan, sctp};

use crate::reassembly::checksum;

/// Octets of the shortest Ethernet frame, without its checksum.
const SHORTEST: usize = 60;

/// The packet of a frame in two, with one IP identification, the second of which begins with this chunk (0 is the first): both with the same headers and
/// checksums of their own. `None` where that would change what is said: under AUTH (RFC 4895 §4.1), and where the checksum is
/// wrong or left to the network card; or if there is nothing before that chunk.
#[must_use]
pub fn split(frame: &[u8], turn: u8) -> Option<(Vec<u8>, Vec<u8>)> {
    let SctpSpan { start, end, .. } = classify::sctp_span(frame, frame.len()).ok()?;
    if turn == 0 || checksum::sum(frame.get(start..end)?)? != frame.get(start + 8..start + 12)? {
        return None;
    }
    let chunks_at = start + sctp::HEADER_LEN;
    let mut off = chunks_at;
    let mut at = None;
    for place in 0..sctp::MAX_CHUNKS {
        if off >= end {
            break;
        }
        if place == usize::from(turn) {
            at = Some(off);
        }
        let chunk = sctp::chunk(frame, off, end).ok()?;
        if chunk.kind == sctp::chunk_type::AUTH {
            return None;
        }
        off = chunk.next(off);
    }
    let at = at?;
    let (head, before, behind) = (frame.get(..chunks_at)?, frame.get(chunks_at..at)?, frame.get(at..end)?);
    Some((sealed(head, start, before)?, sealed(head, start, behind)?))
}

/// A frame with these headers and chunks.
fn sealed(head: &[u8], start: usize, chunks: &[u8]) -> Option<Vec<u8>> {
    let mut frame = [head, chunks].concat();
    let end = frame.len();
    let sum = checksum::sum(frame.get(start..)?)?;
    frame.get_mut(start + 8..start + 12)?.copy_from_slice(&sum);
    match ethernet::payload(frame.as_slice()).ok()? {
        (EtherType::IPV4, ip) => {
            let length = u16::try_from(end.checked_sub(ip)?).ok()?;
            frame.get_mut(ip + 2..ip + 4)?.copy_from_slice(&length.to_be_bytes());
            let header_len = usize::from(frame.as_slice().u8_at(ip)? & 0x0f) * 4;
            frame.get_mut(ip + 10..ip + 12)?.fill(0);
            let sum = internet_checksum(frame.get(ip..ip + header_len)?);
            frame.get_mut(ip + 10..ip + 12)?.copy_from_slice(&sum.to_be_bytes());
        }
        (EtherType::IPV6, ip) => {
            let length = u16::try_from(end.checked_sub(ip + 40)?).ok()?;
            frame.get_mut(ip + 4..ip + 6)?.copy_from_slice(&length.to_be_bytes());
        }
        _ => return None,
    }
    frame.resize(end.max(SHORTEST), 0);
    Some(frame)
}

/// The header checksum of IPv4 (RFC 1071).
fn internet_checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(*high) << 8 | u32::from(*low),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
