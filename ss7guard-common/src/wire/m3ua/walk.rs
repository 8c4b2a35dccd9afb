//! The walk over the parameters of a DATA message.

use crate::read::{MAX_OFFSET, ReadAt};
use crate::verdict::{Code, Reason};
use crate::wire::m3ua::{HEADER_LEN, MAX_PARAMETERS, PARAMETER_HEADER_LEN, PROTOCOL_DATA_HEADER_LEN, tag};
use crate::wire::pad4;

/// What the walk over the parameters has found, in two words, so that the verifier need not follow every combination
/// and the processor has little to carry along.
#[derive(Clone, Copy)]
struct Walk {
    /// Four offsets of 16 bits each, 0 where nothing was found. Offsets stay below [`crate::read::MAX_OFFSET`].
    places: usize,
    /// Bits of the parameters that may occur once, and above them the first fault as a [`Code`].
    notes: usize,
}

/// Positions in [`Walk::places`].
pub(super) mod place {
    pub(in super::super) const PROTOCOL_DATA: u32 = 0;
    pub(in super::super) const SECOND_PROTOCOL_DATA: u32 = 16;
    pub(in super::super) const NETWORK_APPEARANCE: u32 = 32;
    pub(in super::super) const ROUTING_CONTEXT: u32 = 48;
}

/// Bits of [`Walk::notes`].
mod note {
    pub(super) const NETWORK_APPEARANCE: usize = 1;
    pub(super) const ROUTING_CONTEXT: usize = 2;
    pub(super) const CORRELATION_ID: usize = 4;
    pub(super) const FAULT_SHIFT: u32 = 8;
}

/// What a walk has found, packed into a word so that a kernel function can return it: four offsets of 14 bits each, and
/// the first fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked(pub u64);

impl Walked {
    const WIDTH: u32 = 14;
    const FAULT_SHIFT: u32 = 4 * Self::WIDTH;

    #[inline(always)]
    const fn of(walk: Walk) -> Self {
        let packed = walk.at(place::PROTOCOL_DATA)
            | walk.at(place::SECOND_PROTOCOL_DATA) << Self::WIDTH
            | walk.at(place::NETWORK_APPEARANCE) << (2 * Self::WIDTH)
            | walk.at(place::ROUTING_CONTEXT) << (3 * Self::WIDTH)
            | walk.first_fault().0 << Self::FAULT_SHIFT;
        Self(packed as u64)
    }

    /// The offset at this position of [`place`].
    #[inline(always)]
    pub(super) const fn at(self, place: u32) -> usize {
        let shift = place.wrapping_div(16).wrapping_mul(Self::WIDTH);
        self.0.wrapping_shr(shift) as usize & MAX_OFFSET
    }

    #[inline(always)]
    pub(super) const fn first_fault(self) -> Code {
        Code((self.0 >> Self::FAULT_SHIFT) as usize)
    }
}

const _: () = assert!(MAX_OFFSET == (1 << Walked::WIDTH) - 1);

impl Walk {
    /// Keeps the first fault of a message.
    #[inline(always)]
    fn fault(&mut self, reason: Reason) {
        if self.notes >> note::FAULT_SHIFT == 0 {
            self.notes |= Code::of(reason).0 << note::FAULT_SHIFT;
        }
    }

    #[inline(always)]
    const fn first_fault(self) -> Code {
        Code(self.notes >> note::FAULT_SHIFT)
    }

    /// Notes a parameter that may occur once; false if it was seen before.
    #[inline(always)]
    fn once(&mut self, bit: usize) -> bool {
        let before = self.notes & bit;
        self.notes |= bit;
        if before != 0 {
            self.fault(Reason::M3uaDuplicateParameter);
        }
        before == 0
    }

    /// Notes where a parameter is; the offset lies below 2^14.
    #[inline(always)]
    fn put(&mut self, place: u32, at: usize) {
        self.places |= (at & 0xffff).wrapping_shl(place);
    }

    #[inline(always)]
    const fn at(self, place: u32) -> usize {
        self.places.wrapping_shr(place) & 0xffff
    }
}

/// Walks over the parameters of a DATA message, and notes where they are and the first fault, after one that was found
/// before.
#[inline(always)]
pub fn walk<R: ReadAt + ?Sized>(
    frame: &R,
    off: usize,
    avail: usize,
    fault: Code,
    first_fragment: bool,
) -> Walked {
    let end = off.wrapping_add(avail);
    let start = fault.0.wrapping_shl(note::FAULT_SHIFT);
    let noise = off as u32;
    let mut walk = Walk { places: frame.forget(0, noise), notes: frame.forget(start, noise) };
    let mut at = off.wrapping_add(HEADER_LEN);
    for turn in 0..=MAX_PARAMETERS {
        if at >= end {
            break;
        }
        if turn == MAX_PARAMETERS {
            walk.fault(Reason::M3uaTooManyParameters);
            break;
        }
        let left = end.wrapping_sub(at);
        if left < PARAMETER_HEADER_LEN {
            if !first_fragment {
                walk.fault(Reason::M3uaParameterLength);
            }
            break;
        }
        let Some(word) = frame.be32_at(at) else {
            walk.fault(Reason::M3uaParameterLength);
            break;
        };
        let len = (word & 0xffff) as usize;
        if len < PARAMETER_HEADER_LEN {
            walk.fault(Reason::M3uaParameterLength);
            break;
        }
        let whole = len <= left;
        if !whole && !first_fragment {
            walk.fault(Reason::M3uaParameterLength);
        }
        parameter(&mut walk, (word >> 16) as u16, at, len, left);
        walk.places = frame.forget(walk.places, word);
        walk.notes = frame.forget(walk.notes, word);
        at = frame.forget(at.wrapping_add(pad4(len)), word);
    }
    Walked::of(walk)
}

/// Notes one parameter of `len` octets, of which `left` are there.
#[inline(always)]
#[expect(clippy::collapsible_match, reason = "a guard that notes what it saw would hide that it does")]
fn parameter(walk: &mut Walk, tag: u16, at: usize, len: usize, left: usize) {
    match tag {
        tag::PROTOCOL_DATA => {
            if len < PROTOCOL_DATA_HEADER_LEN {
                walk.fault(Reason::M3uaShortProtocolData);
            } else if left < PROTOCOL_DATA_HEADER_LEN {
                // Its label is not here: a first fragment that is too short, or a fault that was noted.
            } else if walk.at(place::PROTOCOL_DATA) == 0 {
                walk.put(place::PROTOCOL_DATA, at);
            } else {
                walk.fault(Reason::M3uaDuplicateParameter);
                if walk.at(place::SECOND_PROTOCOL_DATA) == 0 {
                    walk.put(place::SECOND_PROTOCOL_DATA, at);
                }
            }
        }
        tag::NETWORK_APPEARANCE => {
            if walk.once(note::NETWORK_APPEARANCE) {
                if len != 8 {
                    walk.fault(Reason::M3uaParameterLength);
                } else if len <= left {
                    walk.put(place::NETWORK_APPEARANCE, at);
                }
            }
        }
        tag::ROUTING_CONTEXT => {
            if walk.once(note::ROUTING_CONTEXT) {
                if len < 8 || len & 3 != 0 {
                    walk.fault(Reason::M3uaParameterLength);
                } else if len <= left {
                    walk.put(place::ROUTING_CONTEXT, at);
                }
            }
        }
        tag::CORRELATION_ID => {
            if walk.once(note::CORRELATION_ID) && len != 8 {
                walk.fault(Reason::M3uaParameterLength);
            }
        }
        // RFC 4666 §3.2: parameters that are not known are skipped.
        _ => {}
    }
}
