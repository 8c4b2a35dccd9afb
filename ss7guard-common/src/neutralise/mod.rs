//! Neutralising: a message becomes, in place and at the same length, one that its receiver ignores.
//!
//! ```text
//!                  version reserved class type | message length | first parameter: tag length | ...
//!  M3UA DATA           1       0      1     1         L              0006 (or 0200, 0210) n
//!  M3UA BEAT ACK       1       0      3     6         L              0009               L - 8
//! ```
//! An M3UA BEAT ACK that nobody asked for is ignored (RFC 4666 §3.5.6 defines it, §4.6 what it is for). The chunk keeps
//! its TSN, stream and length, so that SCTP acknowledges it and knows nothing of it; nothing moves and nothing is
//! blanked, and a retransmission is rewritten into the same octets. The SCTP checksum is corrected by what has changed,
//! without reading the packet ([`crc`]). A wrong checksum stays wrong. A field of 0 stays 0: the sender leaves the
//! checksum to its network card, and whoever fills it in sums over what is there.
//!
//! The same in a first fragment: the receiver puts a BEAT ACK together. What is too short to be one loses its PPID and
//! its M3UA version, which no receiver takes for M3UA. The class alone is never touched: with the type of DATA it would
//! be an ASP UP.

use crate::read::ReadAt;
use crate::wire::m3ua::{HEADER_LEN, PARAMETER_HEADER_LEN};
use crate::wire::pad4;
use crate::wire::sctp::{Chunk, DATA_HEADER_LEN, I_DATA_HEADER_LEN, chunk_type, data_flag};

pub mod crc;

use crc::Delta;

/// A frame whose octets can be replaced.
pub trait WriteAt: ReadAt {
    /// Replaces the `N` octets at `off`; false, and nothing changed, if they do not lie wholly inside the frame or start
    /// above [`crate::read::MAX_OFFSET`].
    fn write_at<const N: usize>(&mut self, off: usize, octets: [u8; N]) -> bool;
}

impl WriteAt for [u8] {
    fn write_at<const N: usize>(&mut self, off: usize, octets: [u8; N]) -> bool {
        if off > crate::read::MAX_OFFSET {
            return false;
        }
        match self.get_mut(off..).and_then(<[u8]>::first_chunk_mut::<N>) {
            Some(place) => {
                *place = octets;
                true
            }
            None => false,
        }
    }
}

/// What a message is rewritten into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Form {
    /// A BEAT ACK whose Heartbeat Data is the rest of the message; where the first parameter is not in the fragment,
    /// as [`Form::BeatAckPlain`].
    #[default]
    BeatAck = 0,
    /// Message class and type alone; the parameters stay, though they are none of a BEAT ACK's.
    BeatAckPlain = 1,
    /// SCTP payload protocol identifier 0 and M3UA version 0. Receivers log it.
    PpidZero = 2,
}

impl Form {
    /// Every form, in numeric order.
    pub const ALL: [Self; 3] = [Self::BeatAck, Self::BeatAckPlain, Self::PpidZero];

    /// The name used in configuration and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeatAck => "beat_ack",
            Self::BeatAckPlain => "beat_ack_plain",
            Self::PpidZero => "ppid_zero",
        }
    }

    /// From the number stored in a map; unknown numbers give the default form.
    #[inline(always)]
    #[must_use]
    pub const fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::BeatAckPlain,
            2 => Self::PpidZero,
            _ => Self::BeatAck,
        }
    }
}

/// Message class and type of DATA (RFC 4666 §3.1.2): Transfer, 1.
const DATA: u32 = 0x0101;
/// Message class and type of BEAT ACK: ASPSM, 6.
const BEAT_ACK: u32 = 0x0306;
/// Parameter tag of Heartbeat Data (RFC 4666 §3.2).
const HEARTBEAT_DATA: u32 = 0x0009;

/// Octets of a payload that hold the first parameter's header.
const WITH_PARAMETER: usize = HEADER_LEN + PARAMETER_HEADER_LEN;

/// Rewrites the user data chunk at `off`, a first fragment or whole message, in an SCTP packet that ends before `end`.
/// Gives what to put on the checksum with [`correct`]; `None`, and nothing changed, if the octets are out of reach.
#[inline(always)]
pub fn chunk<W: WriteAt + ?Sized>(
    frame: &mut W,
    off: usize,
    chunk: &Chunk,
    end: usize,
    form: Form,
) -> Option<Delta> {
    let header = if chunk.kind == chunk_type::I_DATA { I_DATA_HEADER_LEN } else { DATA_HEADER_LEN };
    let payload = off.wrapping_add(header);
    let avail = chunk.len.wrapping_sub(header);
    if avail >= WITH_PARAMETER && matches!(form, Form::BeatAck) {
        let whole = chunk.flags & data_flag::END != 0;
        if let Some(delta) = beat_ack(frame, payload, avail, whole, end) {
            return Some(delta);
        }
    }
    if avail >= 4 && !matches!(form, Form::PpidZero) {
        let octets: [u8; 4] = frame.read_at(payload)?;
        let head = u32::from_be_bytes(octets);
        if head & 0xffff == DATA {
            return word(frame, payload, head, head ^ DATA ^ BEAT_ACK, end);
        }
    }
    ppid_zero(frame, payload, end)
}

/// Class, type and first parameter; the message length too, if it says something else than the chunk. `None`, and
/// nothing changed, for what is not DATA.
#[inline(always)]
fn beat_ack<W: WriteAt + ?Sized>(
    frame: &mut W,
    payload: usize,
    avail: usize,
    whole: bool,
    end: usize,
) -> Option<Delta> {
    let octets: [u8; WITH_PARAMETER] = frame.read_at(payload)?;
    let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3] = octets;
    let head = u32::from_be_bytes([a0, a1, a2, a3]);
    if head & 0xffff != DATA {
        return None;
    }
    let length = u32::from_be_bytes([b0, b1, b2, b3]);
    let parameter = u32::from_be_bytes([c0, c1, c2, c3]);
    // A message whose length lies could hide a second one behind it from a receiver that reads on.
    let lies = whole && pad4(length as usize) != pad4(avail);
    let length_now = if lies { avail as u32 } else { length };
    let head_now = head ^ DATA ^ BEAT_ACK;
    let parameter_now = HEARTBEAT_DATA << 16 | length_now.wrapping_sub(HEADER_LEN as u32) & 0xffff;
    let [a0, a1, a2, a3] = head_now.to_be_bytes();
    let [b0, b1, b2, b3] = length_now.to_be_bytes();
    let [c0, c1, c2, c3] = parameter_now.to_be_bytes();
    if !frame.write_at(payload, [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3]) {
        return None;
    }
    let changed = if lies {
        Delta::of(head ^ head_now).then(length ^ length_now).then(parameter ^ parameter_now)
    } else {
        Delta::DATA_TO_BEAT_ACK.then(parameter ^ parameter_now)
    };
    Some(changed.before(end.wrapping_sub(payload.wrapping_add(WITH_PARAMETER))))
}

/// Payload protocol identifier and M3UA version to 0. The identifier lies right before the payload in DATA (RFC 9260
/// §3.3.1) and in the first fragment of an I-DATA message (RFC 8260 §2.1).
#[inline(always)]
fn ppid_zero<W: WriteAt + ?Sized>(frame: &mut W, payload: usize, end: usize) -> Option<Delta> {
    let at = payload.wrapping_sub(4);
    let octets: [u8; 5] = frame.read_at(at)?;
    let [p0, p1, p2, p3, version] = octets;
    if !frame.write_at(at, [0; 5]) {
        return None;
    }
    // The first octet, then the word behind it.
    let changed = Delta::of(u32::from(p0)).then(u32::from_be_bytes([p1, p2, p3, version]));
    Some(changed.before(end.wrapping_sub(payload.wrapping_add(1))))
}

/// Replaces a big-endian word.
#[inline(always)]
fn word<W: WriteAt + ?Sized>(frame: &mut W, at: usize, old: u32, new: u32, end: usize) -> Option<Delta> {
    if !frame.write_at(at, new.to_be_bytes()) {
        return None;
    }
    Some(Delta::of(old ^ new).before(end.wrapping_sub(at.wrapping_add(4))))
}

/// Offset of the checksum in the SCTP common header (RFC 9260 §3.1).
const CHECKSUM_OFFSET: usize = 8;

/// Corrects the checksum of the SCTP packet at `start` by the sum of what [`chunk`] gave; false if it is out of reach.
#[inline(always)]
pub fn correct<W: WriteAt + ?Sized>(frame: &mut W, start: usize, delta: Delta) -> bool {
    let at = start.wrapping_add(CHECKSUM_OFFSET);
    let Some(octets) = frame.read_at::<4>(at) else { return false };
    // The checksum is on the wire with its low octet first (RFC 9260 §A).
    match u32::from_le_bytes(octets) {
        0 => true,
        old => frame.write_at(at, (old ^ delta.0).to_le_bytes()),
    }
}

#[cfg(test)]
mod tests;
