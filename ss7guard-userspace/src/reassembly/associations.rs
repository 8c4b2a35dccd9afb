//! The state of associations whose set-up was seen: which verification tags are theirs, and whether M3UA carries traffic
//! (RFC 9260 §8.5, RFC 4666 §4.3).
//!
//! Nothing is held against an association that was not seen from its beginning, nor after something of it was missed:
//! its state is not known then.

use ss7guard_common::read::ReadAt as _;
use ss7guard_common::wire::{Address, pad4};

use crate::inspect::findings::Finding;
use crate::reassembly::paths::Way;
use crate::reassembly::table::{Limits, Table};

/// Bounds of each of the two tables; an association that is quiet for a day is forgotten.
pub(super) const LIMITS: Limits =
    Limits { octets: 4 << 20, entry_octets: 2_048, overhead: 320, idle_ns: 24 * 3_600 * 1_000_000_000 };

/// Tags of one path that are remembered: anybody can have another one noted by an INIT that is answered. Beyond, the path
/// is not judged any more.
const MAX_TAGS: usize = 8;

/// Routing contexts that are followed in one association; beyond, its state is not known.
const MAX_CONTEXTS: usize = 64;

/// M3UA parameters that are read (RFC 4666 §3.2).
const MAX_PARAMETERS: usize = 16;

/// One direction between two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    pub(super) source: Address,
    pub(super) destination: Address,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
}

/// An association, by the direction from the one who opened it; and whether a packet goes that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) association: Way,
    pub(super) forth: bool,
}

/// What M3UA has said in an association.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asp {
    /// Something that does not fit, or more than is followed: nothing is held against it any more.
    unsure: bool,
    /// An ASP has said something.
    spoken: bool,
    /// Traffic for every routing context is on.
    all: bool,
    /// Routing contexts whose traffic is on.
    contexts: Vec<u32>,
    /// Who has asked for traffic: back, forth.
    asked: [bool; 2],
    /// The TSN of what ended the traffic of each direction.
    ended: [Option<u32>; 2],
}

impl Asp {
    const fn is_active(&self) -> bool {
        self.all || !self.contexts.is_empty()
    }

    fn start(&mut self, contexts: &[u32]) {
        self.ended = [None; 2];
        self.all |= contexts.is_empty();
        for context in contexts {
            if self.contexts.len() == MAX_CONTEXTS {
                self.unsure = true;
            } else if !self.contexts.contains(context) {
                self.contexts.push(*context);
            }
        }
    }

    fn stop(&mut self, contexts: &[u32]) {
        // Part of what was turned on without naming its parts.
        self.unsure |= self.all && !contexts.is_empty();
        self.all &= !contexts.is_empty();
        self.contexts.retain(|context| !contexts.is_empty() && !contexts.contains(context));
    }
}

/// All of them.
pub(super) struct Associations {
    asps: Table<Way, Asp>,
    tags: Table<Path, Vec<u32>>,
}

impl Associations {
    pub(super) fn new(limits: Limits) -> Self {
        Self { asps: Table::new(limits), tags: Table::new(limits) }
    }

    pub(super) const fn octets(&self) -> usize {
        self.asps.octets().saturating_add(self.tags.octets())
    }

    pub(super) fn expire(&mut self, now_ns: u64) {
        self.asps.expire(now_ns, |_| false);
        self.tags.expire(now_ns, |_| false);
    }

    /// An association begins: M3UA has said nothing in it.
    pub(super) fn begin(&mut self, association: &Way, now_ns: u64) {
        self.asps.remove(association);
        self.asps.grow(association, 0, now_ns);
    }

    /// Its end.
    pub(super) fn end(&mut self, association: &Way) {
        self.asps.remove(association);
    }

    /// Notes a tag of a path.
    pub(super) fn note_tag(&mut self, path: &Path, tag: u32, now_ns: u64) {
        if self.tags.get(path).is_some_and(|tags| tags.len() > MAX_TAGS || tags.contains(&tag)) {
            return;
        }
        if let Some(tags) = self.tags.grow(path, size_of::<u32>(), now_ns) {
            tags.push(tag);
        }
    }

    /// Forgets a path.
    pub(super) fn forget_path(&mut self, path: &Path) {
        self.tags.remove(path);
    }

    /// Whether a tag is none of those that the receiver has given this path.
    pub(super) fn is_wrong(&self, path: &Path, tag: u32) -> bool {
        self.tags.get(path).is_some_and(|tags| tags.len() <= MAX_TAGS && !tags.contains(&tag))
    }

    /// Takes an M3UA message of classes ASPSM and ASPTM in (RFC 4666 §3.1.2).
    pub(super) fn message(&mut self, member: Member, tsn: u32, octets: &[u8]) -> Option<()> {
        let [1, _, class, kind] = octets.read_at(0)? else { return None };
        let asp = self.asps.get_mut(&member.association)?;
        let there = usize::from(member.forth);
        asp.spoken |= matches!((class, kind), (3, 1 | 2 | 4 | 5) | (4, 1..=4));
        match (class, kind) {
            // ASP ACTIVE, and its acknowledgement.
            (4, 1 | 3) => {
                if kind == 1 {
                    *asp.asked.get_mut(there)? = true;
                }
                asp.start(&contexts(octets));
            }
            // Both ends have turned traffic on, each for the other's (§4.3.4.3): which is off now is not followed.
            (4, 2 | 4) | (3, 2 | 5) if asp.asked == [true; 2] => asp.unsure = true,
            // ASP INACTIVE, ASP DOWN, and their acknowledgements.
            (4, 2 | 4) | (3, 2 | 5) => {
                asp.stop(&if class == 4 { contexts(octets) } else { Vec::new() });
                if !asp.is_active() {
                    *asp.ended.get_mut(there)? = Some(tsn);
                }
            }
            _ => {}
        }
        Some(())
    }

    /// What is to be said of a DATA message with this TSN: that it comes before any traffic was turned on, or was sent after it was turned off.
    pub(super) fn outside(&self, member: Member, tsn: u32) -> Option<Finding> {
        let asp = self.asps.get(&member.association)?;
        if asp.unsure || asp.is_active() {
            return None;
        }
        if !asp.spoken {
            return Some(Finding::DataWithoutAsp);
        }
        let outside = match (asp.ended, asp.ended.get(usize::from(member.forth))) {
            ([None, None], _) => true,
            (_, Some(Some(ended))) => tsn.wrapping_sub(*ended).cast_signed() > 0,
            // Ended by the other end, and not acknowledged yet.
            _ => false,
        };
        outside.then_some(Finding::DataOutsideState)
    }
}

/// The routing contexts that a message names (RFC 4666 §3.7.1); empty if it names none.
fn contexts(octets: &[u8]) -> Vec<u32> {
    const ROUTING_CONTEXT: u16 = 0x0006;
    let mut at = 8usize;
    let mut found = Vec::new();
    for _ in 0..MAX_PARAMETERS {
        let (Some(tag), Some(len)) = (octets.be16_at(at), octets.be16_at(at.saturating_add(2))) else {
            break;
        };
        let len = usize::from(len);
        if len < 4 {
            break;
        }
        if tag == ROUTING_CONTEXT {
            let inside = octets.get(at.saturating_add(4)..at.saturating_add(len)).unwrap_or_default();
            let words = inside.chunks_exact(4).filter_map(|word| word.try_into().ok());
            found.extend(words.map(u32::from_be_bytes).take(MAX_CONTEXTS.saturating_add(1)));
        }
        at = at.saturating_add(pad4(len));
    }
    found
}

#[cfg(test)]
mod tests;
