//! M3UA (RFC 4666): common header, parameters, Protocol Data.
//!
//! The parser is strict in what it calls sound and stubborn in what it still reads: a message with a fault keeps
//! its fault, and the routing labels that a lenient receiver might act on are reported all the same, so that a
//! blocked sender gains nothing by sending malformed messages.

use crate::read::ReadAt;
use crate::verdict::{Code, Reason};
use crate::wire::{Maybe, pad4};

mod walk;

use walk::place;
pub use walk::{Walked, walk};

/// Octets of the common header.
pub const HEADER_LEN: usize = 8;

/// Octets of the header of every parameter.
pub const PARAMETER_HEADER_LEN: usize = 4;

/// Parameters looked at in one message. RFC 4666 §3.3.1 defines four for DATA.
pub const MAX_PARAMETERS: usize = 8;

/// Parameter tags (RFC 4666 §3.2).
pub mod tag {
    /// Routing Context.
    pub const ROUTING_CONTEXT: u16 = 0x0006;
    /// Correlation Id.
    pub const CORRELATION_ID: u16 = 0x0013;
    /// Network Appearance.
    pub const NETWORK_APPEARANCE: u16 = 0x0200;
    /// Protocol Data.
    pub const PROTOCOL_DATA: u16 = 0x0210;
}

/// Service indicator of SCCP (Q.704 §14.2.1).
pub const SI_SCCP: u8 = 3;

/// Octets of Protocol Data before the user part: parameter header 4, OPC 4, DPC 4, SI, NI, MP, SLS.
pub const PROTOCOL_DATA_HEADER_LEN: usize = 16;

/// The routing label of Protocol Data (RFC 4666 §3.3.1), host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Originating point code, all 32 bits of the field.
    pub opc: u32,
    /// Destination point code, all 32 bits of the field.
    pub dpc: u32,
    /// Service indicator.
    pub si: u8,
    /// Network indicator; sound values are 0 to 3.
    pub ni: u8,
    /// Message priority.
    pub mp: u8,
    /// Signalling link selection.
    pub sls: u8,
}

/// What was found in a DATA message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Label of the (first) Protocol Data.
    pub label: Label,
    /// OPC of a second Protocol Data, if the message has one (a fault).
    pub second_opc: Maybe,
    /// Network Appearance.
    pub network_appearance: Maybe,
    /// First Routing Context.
    pub routing_context: Maybe,
    /// Offset of the user part (SCCP) in the frame.
    pub user_part: usize,
    /// Octets of the user part that are in this chunk; fewer than sent in a first fragment.
    pub user_part_len: usize,
}

/// Result of parsing the payload of one DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The message, if it is a DATA message in which a routing label was found.
    pub data: Option<Data>,
    /// Why it is not a sound DATA message; [`Reason::M3uaControl`] or [`Reason::M3uaState`] for the
    /// other sound messages.
    pub fault: Code,
}

impl Parsed {
    /// No label, and why.
    #[inline(always)]
    #[must_use]
    pub const fn fault(reason: Reason) -> Self {
        Self { data: None, fault: Code::of(reason) }
    }
}

/// Whether RFC 4666 §3.1.2 defines this message class and type, DATA aside.
#[inline(always)]
const fn is_control(class: u8, kind: u8) -> bool {
    match class {
        0 => kind <= 1,
        2 | 3 => kind >= 1 && kind <= 6,
        4 | 9 => kind >= 1 && kind <= 4,
        _ => false,
    }
}

/// Whether the octets at `off` start like an M3UA DATA message.
#[inline(always)]
pub fn looks_like_data<R: ReadAt + ?Sized>(frame: &R, off: usize) -> bool {
    matches!(frame.read_at::<4>(off), Some([1, _, 1, 1]))
}

/// Which kind of control a message is that [`is_control`] knows: ASPSM (class 3) but for BEAT and BEAT ACK, and ASPTM
/// (class 4), change the state of an ASP. Computed without a branch: each would be another path for the verifier.
#[inline(always)]
const fn control(class: u8, kind: u8) -> Parsed {
    const ASPSM: u64 = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5;
    const ASPTM: u64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4;
    /// An octet for each class, a bit for each type.
    const CHANGES: u64 = ASPSM << 24 | ASPTM << 32;
    const CONTROL: Code = Code::of(Reason::M3uaControl);
    const STATE: Code = Code::of(Reason::M3uaState);
    let bit = (class as u32).wrapping_mul(8).wrapping_add(kind as u32 & 7);
    let changes = CHANGES.wrapping_shr(bit) as usize & 1;
    let step = STATE.0.wrapping_sub(CONTROL.0);
    Parsed { data: None, fault: Code(CONTROL.0.wrapping_add(step.wrapping_mul(changes))) }
}

/// Parses the `avail` octets at `off`: a whole user message, or its first fragment if `first_fragment`.
#[inline(always)]
pub fn parse<R: ReadAt + ?Sized>(frame: &R, off: usize, avail: usize, first_fragment: bool) -> Parsed {
    parse_with(frame, off, avail, first_fragment, |fault| walk(frame, off, avail, fault, first_fragment))
}

/// The same, with [`walk`] as it is called where this runs: it is given the fault that was found before.
#[inline(always)]
pub fn parse_with<R: ReadAt + ?Sized>(
    frame: &R,
    off: usize,
    avail: usize,
    first_fragment: bool,
    walk: impl FnOnce(Code) -> Walked,
) -> Parsed {
    let short = if first_fragment { Reason::SctpShortFirstFragment } else { Reason::M3uaTruncated };
    if !first_fragment && let Some(data) = usual(frame, off, avail) {
        return Parsed { data: Some(data), fault: Code::NONE };
    }
    if avail < HEADER_LEN {
        let head = if avail < 4 { 0 } else { frame.be32_at(off).unwrap_or(0) };
        let [version, _, class, kind] = head.to_be_bytes();
        // Not DATA, as far as can be seen: nothing that a block list is about.
        let is = first_fragment && version == 1 && is_control(class, kind);
        return if is { control(class, kind) } else { Parsed::fault(short) };
    }
    let Some([version, _, class, kind, l0, l1, l2, l3]) = frame.read_at(off) else {
        return Parsed::fault(short);
    };
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if class != 1 || kind != 1 {
        return if version != 1 {
            Parsed::fault(Reason::M3uaVersion)
        } else if is_control(class, kind) {
            control(class, kind)
        } else {
            Parsed::fault(Reason::M3uaUnknownType)
        };
    }
    let fault = if version == 1 {
        length_fault(length, avail, first_fragment)
    } else {
        Code::of(Reason::M3uaVersion)
    };
    finish(frame, walk(fault), off.wrapping_add(avail), first_fragment)
}

/// Octets of a DATA message up to its user part, with one Network Appearance and one Routing Context.
const USUAL_LEN: usize = HEADER_LEN + 8 + 8 + PROTOCOL_DATA_HEADER_LEN;

/// A DATA message as nearly everybody writes it: perhaps Network Appearance, perhaps Routing Context, then Protocol
/// Data to the end. Gives what the long way gives, at a fraction of the cost; `None` for every other form.
#[inline(always)]
fn usual<R: ReadAt + ?Sized>(frame: &R, off: usize, avail: usize) -> Option<Data> {
    /// Tag and length of a parameter with one word.
    const NETWORK_APPEARANCE: u32 = (tag::NETWORK_APPEARANCE as u32) << 16 | 8;
    const ROUTING_CONTEXT: u32 = (tag::ROUTING_CONTEXT as u32) << 16 | 8;
    if avail < USUAL_LEN {
        return None;
    }
    let octets: [u8; USUAL_LEN] = frame.read_at(off)?;
    let words = words(octets);
    // Version, reserved, class, type; the reserved octet is ignored (RFC 4666 §3.1.3).
    if words[0] & 0xff00_ffff != 0x0100_0101 || pad4(words[1] as usize) != pad4(avail) || words[1] > 0xffff {
        return None;
    }
    let none = Maybe::ABSENT;
    let (skip, network_appearance, routing_context, head, opc, dpc, last) = match (words[2], words[4]) {
        (NETWORK_APPEARANCE, ROUTING_CONTEXT) => {
            let (appearance, context) = (Maybe(words[3] as u64), Maybe(words[5] as u64));
            (16, appearance, context, words[6], words[7], words[8], words[9])
        }
        (NETWORK_APPEARANCE, head) => (8, Maybe(words[3] as u64), none, head, words[5], words[6], words[7]),
        (ROUTING_CONTEXT, head) => (8, none, Maybe(words[3] as u64), head, words[5], words[6], words[7]),
        (head, dpc) => (0, none, none, head, words[3], dpc, words[5]),
    };
    let at = HEADER_LEN.wrapping_add(skip);
    let len = (head & 0xffff) as usize;
    let fits = at.wrapping_add(len) <= avail && at.wrapping_add(pad4(len)) == pad4(avail);
    if head >> 16 != tag::PROTOCOL_DATA as u32 || len < PROTOCOL_DATA_HEADER_LEN || !fits {
        return None;
    }
    let [si, ni, mp, sls] = last.to_be_bytes();
    Some(Data {
        label: Label { opc, dpc, si, ni, mp, sls },
        second_opc: none,
        network_appearance: Maybe(frame.forget(network_appearance.0 as usize, opc) as u64),
        routing_context: Maybe(frame.forget(routing_context.0 as usize, opc) as u64),
        user_part: off.wrapping_add(at).wrapping_add(PROTOCOL_DATA_HEADER_LEN),
        user_part_len: len.wrapping_sub(PROTOCOL_DATA_HEADER_LEN),
    })
}

/// Octets as big-endian words.
#[inline(always)]
fn words(octets: [u8; USUAL_LEN]) -> [u32; USUAL_LEN / 4] {
    let mut words = [0; USUAL_LEN / 4];
    let (chunks, _) = octets.as_chunks::<4>();
    for (word, octets) in words.iter_mut().zip(chunks) {
        *word = u32::from_be_bytes(*octets);
    }
    words
}

/// Holds the message length against the octets that are there.
///
/// RFC 4666 §3.1.4: the length includes the header and the padding of the last parameter; a receiver accepts a
/// message that leaves this last padding out of it.
#[inline(always)]
fn length_fault(length: u32, avail: usize, first_fragment: bool) -> Code {
    if length > 0xffff || (length as usize) < HEADER_LEN {
        return Code::of(Reason::M3uaLength);
    }
    let padded = pad4(length as usize);
    let there = pad4(avail);
    if padded < there {
        Code::of(Reason::M3uaTrailing)
    } else if padded > there && !first_fragment {
        Code::of(Reason::M3uaLength)
    } else {
        Code::NONE
    }
}

/// Reads what the walk has found.
#[inline(always)]
fn finish<R: ReadAt + ?Sized>(frame: &R, walk: Walked, end: usize, first_fragment: bool) -> Parsed {
    let missing = if first_fragment { Reason::SctpShortFirstFragment } else { Reason::M3uaNoProtocolData };
    let at = walk.at(place::PROTOCOL_DATA);
    let Some(octets) = frame.read_at::<PROTOCOL_DATA_HEADER_LEN>(at).filter(|_| at != 0) else {
        return Parsed { data: None, fault: walk.first_fault().or(missing) };
    };
    let [_, _, l0, l1, o0, o1, o2, o3, d0, d1, d2, d3, si, ni, mp, sls] = octets;
    let label = Label {
        opc: u32::from_be_bytes([o0, o1, o2, o3]),
        dpc: u32::from_be_bytes([d0, d1, d2, d3]),
        si,
        ni,
        mp,
        sls,
    };
    let held = usize::from(u16::from_be_bytes([l0, l1])).min(end.wrapping_sub(at));
    let value = |at: usize| {
        let value = if at == 0 { None } else { frame.be32_at(at.wrapping_add(4)) };
        Maybe(frame.forget(Maybe::from(value).0 as usize, label.dpc) as u64)
    };
    let data = Data {
        label,
        second_opc: value(walk.at(place::SECOND_PROTOCOL_DATA)),
        network_appearance: value(walk.at(place::NETWORK_APPEARANCE)),
        routing_context: value(walk.at(place::ROUTING_CONTEXT)),
        user_part: at.wrapping_add(PROTOCOL_DATA_HEADER_LEN),
        user_part_len: held.wrapping_sub(PROTOCOL_DATA_HEADER_LEN),
    };
    Parsed { data: Some(data), fault: walk.first_fault() }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// A DATA message with these parameters.
    fn message(parameters: &[&[u8]]) -> Vec<u8> {
        let body = parameters.concat();
        let mut out = std::vec![1, 0, 1, 1];
        out.extend(((body.len() + 8) as u32).to_be_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn the_short_way_gives_what_the_long_way_gives() {
        const NA: &[u8] = &[2, 0, 0, 8, 0, 0, 0, 7];
        const RC: &[u8] = &[0, 6, 0, 8, 0, 0, 0, 9];
        const PD: &[u8] = &[2, 0x10, 0, 18, 0, 0, 1, 2, 0, 0, 3, 4, 3, 2, 1, 15, 0xaa, 0xbb, 0, 0];
        let seeds = [
            message(&[NA, RC, PD]),
            message(&[RC, PD]),
            message(&[NA, PD]),
            message(&[PD]),
            message(&[PD, RC]),
        ];
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) as usize % below
        };
        let mut short = 0;
        for _ in 0..200_000 {
            let mut octets = seeds[random(seeds.len())].clone();
            for _ in 0..random(3) {
                let at = random(octets.len());
                octets[at] = [0, 1, 2, 4, 8, 16, 18, 0x10, 0xff][random(9)];
            }
            octets.truncate(octets.len() - [0, 0, 0, 1, 2, 4][random(6)]);
            let frame = octets.as_slice();
            let Some([1, _, 1, 1, l0, l1, l2, l3]) = frame.read_at(0) else { continue };
            let length = u32::from_be_bytes([l0, l1, l2, l3]);
            if pad4(length as usize) != pad4(frame.len()) {
                continue;
            }
            if let Some(data) = usual(frame, 0, frame.len()) {
                short += 1;
                let long = finish(frame, walk(frame, 0, frame.len(), Code::NONE, false), frame.len(), false);
                assert_eq!(long, Parsed { data: Some(data), fault: Code::NONE }, "{octets:02x?}");
            }
        }
        assert!(short > 20_000, "{short}");
    }
}
