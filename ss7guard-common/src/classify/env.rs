//! What the classifier needs from the side it runs on: the lists, the counters, and how its parts are called.

use crate::abi::{Config, Split, Symbols};
use crate::classify::{
    ChunkVerdict, Scope, TitleVerdict, is_forbidden, is_stranger, split, title, user_data,
};
use crate::read::ReadAt;
use crate::verdict::{Action, Code};
use crate::wire::m3ua::{self, Data, Walked};
use crate::wire::sctp::{Chunk, UserData};
use crate::wire::{Address, Maybe};

/// An entry of a list that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHit {
    /// Rule that made the entry.
    pub rule_id: u32,
    /// What the entry asks for; `Pass` for one that allows, which only the list of global titles has.
    pub action: Action,
    /// Whether this hit is to be shown to the controller (1st, 2nd, 4th, 8th, ... of the entry).
    pub evidence: bool,
}

/// A user data chunk, as handed to [`Env::observe`].
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Offset of the chunk in the frame.
    pub offset: usize,
    /// Chunk header.
    pub chunk: Chunk,
    /// User data header.
    pub user_data: UserData,
    /// Label, parameters and user part, where an M3UA DATA message was read.
    pub data: Option<Data>,
    /// The judgement.
    pub verdict: ChunkVerdict,
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Width of its point codes in bits.
    pub point_code_bits: u8,
    /// A number of [`crate::abi::Side`].
    pub side: u8,
    /// A number of [`crate::wire::sccp::Flavour`].
    pub flavour: u8,
}

/// What the classifier needs from the side it runs on.
pub trait Env<R: ReadAt + ?Sized> {
    /// The peer at this address, if it is one.
    fn peer(&mut self, address: &Address) -> Option<Known>;

    /// The entry that blocks this originating point code in this half of the lists, if one does.
    fn blocked(&mut self, half: u32, opc: u32, ni: u8, network_appearance: Maybe) -> Option<BlockHit>;

    /// Where to ask about this calling global title in this half of the lists; 0 for nowhere.
    fn title_slot(&mut self, half: u32, digits: Symbols) -> u32;

    /// The entry that applies to a message with this calling global title from this direction (one of
    /// [`crate::abi::direction`]), asked from this slot on; counts its hit.
    fn title_entry(&mut self, slot: u32, half: u32, digits: Symbols, from: u8) -> Option<BlockHit>;

    /// What the list of global titles says of the sender of an SCCP message of `len` octets at `off`. The kernel puts
    /// a function call here.
    #[inline(always)]
    fn title(&mut self, frame: &R, config: &Config, scope: Scope, off: usize, len: usize) -> TitleVerdict
    where
        Self: Sized,
    {
        title::judge(frame, config, scope, off, len, self)
    }

    /// Whether an SCCP message begins a dialogue with an operation that is stopped; see [`is_forbidden`]. The kernel puts a
    /// function call here.
    #[inline(always)]
    fn is_forbidden(&mut self, frame: &R, config: &Config, scope: Scope, off: usize, len: usize) -> bool
    where
        Self: Sized,
    {
        is_forbidden(frame, config, scope, off, len, self)
    }

    /// Whether verdicts can be carried out here; what leaves through tc is only looked at.
    #[inline(always)]
    fn acts(&self) -> bool {
        true
    }

    /// Now, in the unit of the entries' ends.
    fn now(&mut self) -> u64;

    /// The place with this number among the messages whose label lies in two fragments.
    fn split(&mut self, slot: u32) -> Option<&mut Split>;

    /// Writes octets of a fragment into a place; see [`split::note`]. The kernel puts a function call here.
    #[inline(always)]
    fn note(&mut self, frame: &R, slot: u32, from: usize, payload: usize, len: usize) {
        if let Some(held) = self.split(slot) {
            split::note(frame, held, from, payload, len);
        }
    }

    /// The place of a message with this owner; see [`split::pick`]. The kernel puts a function call here.
    fn pick(&mut self, base: u32, owner: u64, now: u64, config: &Config) -> u32;

    /// Whose a fragment ahead of this one is; see [`split::owner`]. The kernel puts a function call here.
    #[inline(always)]
    fn owner(
        &mut self,
        frame: &R,
        config: &Config,
        scope: Scope,
        off: usize,
        chunk: Chunk,
        ahead: u32,
    ) -> u64 {
        split::owner(frame, config, scope, off, chunk, ahead)
    }

    /// Puts the octets of a later fragment behind those of a message; see [`split::append`]. The kernel puts a function
    /// call here.
    #[inline(always)]
    fn append(&mut self, to: u32, from: u32, have: usize) -> usize {
        let Some(from) = self.split(from).map(|held| *held) else { return 0 };
        self.split(to).map_or(0, |to| split::append(to, &from, have))
    }

    /// Copies the octets of one place to another.
    #[inline(always)]
    fn copy(&mut self, from: u32, to: u32) {
        let octets = self.split(from).map(|held| held.octets);
        if let (Some(octets), Some(held)) = (octets, self.split(to)) {
            held.octets = octets;
        }
    }

    /// Judges a fragment that has no label, if fragments are put together. The kernel puts a function call here.
    #[inline(always)]
    fn fragment(&mut self, frame: &R, config: &Config, scope: Scope, off: usize, chunk: Chunk) -> ChunkVerdict
    where
        Self: Sized,
    {
        split::fragment(frame, config, scope, off, chunk, self)
    }

    /// Counts one outcome.
    fn count(&mut self, reason: Code, action: Action);

    /// Sees each user data chunk; for the host.
    #[inline(always)]
    fn observe(&mut self, _seen: &Observed) {}

    /// Whether the sender is on a signalling port and not among the peers. The kernel puts a function call here.
    #[inline(always)]
    fn is_stranger(&mut self, frame: &R, config: &Config, scope: Scope) -> bool
    where
        Self: Sized,
    {
        is_stranger(frame, config, scope, self)
    }

    /// Walks over the parameters of a message; see [`m3ua::walk`]. The kernel puts a function call here.
    #[inline(always)]
    fn walk(&mut self, frame: &R, off: usize, avail: usize, fault: Code, first_fragment: bool) -> Walked {
        m3ua::walk(frame, off, avail, fault, first_fragment)
    }

    /// Judges one user data chunk. The kernel puts a function call here.
    #[inline(always)]
    fn user_data(
        &mut self,
        frame: &R,
        config: &Config,
        scope: Scope,
        off: usize,
        chunk: Chunk,
    ) -> ChunkVerdict
    where
        Self: Sized,
    {
        user_data(frame, config, scope, off, chunk, self)
    }
}
