//! The arrays, and which of their elements are in use.

use std::collections::VecDeque;

use ss7guard_common::abi::{
    BOTH_HALVES, BlockHits, CHUNK_LEN, MAX_CHUNKS_DEEP, ROOT_LEN, Symbols, TitleBoundary, TitleDetail,
    TitleStep, TitleWord,
};

use super::space::{Owner, Space};
use super::sweep::Boundaries;

/// The arrays behind the list. Each store is seen whole or not at all, and after those before it. What lies beyond the
/// end of an array reads as zeros, and is not written.
pub trait TitleArrays {
    /// Slots there are, with the unused slot 0.
    fn slots(&self) -> u32;
    /// Boundaries there is room for.
    fn segments(&self) -> u32;
    /// Chunks there are.
    fn chunks(&self) -> u32;
    /// Reads a word of the root tables.
    fn root(&self, index: u32) -> u64;
    /// Writes a word of the root tables.
    fn set_root(&mut self, index: u32, word: u64);
    /// Reads a boundary.
    fn boundary(&self, index: u32) -> u64;
    /// Writes a boundary.
    fn set_boundary(&mut self, index: u32, word: u64);
    /// Reads a word of a chunk.
    fn child(&self, chunk: u32, child: usize) -> u64;
    /// Writes a word of a chunk.
    fn set_child(&mut self, chunk: u32, child: usize, word: u64);
    /// Reads an entry; its end in nanoseconds of the monotonic clock.
    fn detail(&self, slot: u32) -> TitleDetail;
    /// Writes when an entry ends, in nanoseconds of the monotonic clock.
    fn set_end(&mut self, slot: u32, ns: u64);
    /// Writes the digits of an entry.
    fn set_symbols(&mut self, slot: u32, symbols: u64);
    /// Writes the rule of an entry.
    fn set_rule(&mut self, slot: u32, rule_id: u32);
    /// Writes what is asked after an entry in one half.
    fn set_parent(&mut self, slot: u32, half: u32, parent: u32);
    /// Writes an entry's action, whether its slot is in use, its halves, and its flags: all at once.
    fn set_state(&mut self, slot: u32, detail: &TitleDetail);
    /// Reads the hits of a slot; the time of the last in nanoseconds of the monotonic clock.
    fn hits(&self, slot: u32) -> BlockHits;
    /// Zeroes the hits of a slot.
    fn clear_hits(&mut self, slot: u32);
    /// Comes back when no frame is judged any more that was being judged before.
    fn wait_for_frames(&mut self);

    /// Writes an entry; that its slot is in use comes last.
    fn set_detail(&mut self, slot: u32, detail: &TitleDetail) {
        let [first, second] = detail.parent;
        self.set_end(slot, detail.expires_at);
        self.set_symbols(slot, detail.symbols);
        self.set_rule(slot, detail.rule_id);
        self.set_parent(slot, 0, first);
        self.set_parent(slot, 1, second);
        self.set_state(slot, detail);
    }
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// Where a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the root tables, at this index of each.
    Root(u32),
    /// In this chunk, this child.
    Child(u32, usize),
}

/// A list in the arrays, as a change of it sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    /// The half in which it is read.
    pub(super) half: u32,
    /// The halves that are written, as [`TitleDetail::halves`].
    pub(super) halves: u8,
    /// Whose elements are taken and given back.
    pub(super) owner: Owner,
    /// The list is in the tables up to this number.
    pub(super) until: u64,
}

/// The arrays with their free elements.
#[derive(Clone)]
pub(super) struct Tables<A> {
    pub(super) arrays: A,
    pub(super) segments: Space,
    pub(super) chunks: Space,
    /// Slots that are free, the longest first.
    pub(super) free: VecDeque<u32>,
    /// Slots that a frame may still be in.
    pub(super) waiting: Vec<u32>,
}

impl<A: TitleArrays> Tables<A> {
    pub(super) fn new(arrays: A) -> Self {
        let (segments, chunks) = (Space::new(arrays.segments()), Space::new(arrays.chunks()));
        Self { arrays, segments, chunks, free: VecDeque::new(), waiting: Vec::new() }
    }

    /// A slot that no frame is in.
    pub(super) fn take_slot(&mut self) -> Option<u32> {
        if self.free.is_empty() {
            self.give_waiting();
        }
        self.free.pop_front()
    }

    /// Says of a slot that it is not in use. What it led to stays, for a frame that is on its way through it.
    pub(super) fn clear(&mut self, slot: u32) {
        let detail = self.arrays.detail(slot);
        if detail.used != 0 {
            self.arrays.set_state(slot, &TitleDetail { used: 0, ..detail });
        }
    }

    pub(super) fn set_halves(&mut self, slot: u32, halves: u8) {
        let detail = self.arrays.detail(slot);
        if detail.halves != halves {
            self.arrays.set_state(slot, &TitleDetail { halves, ..detail });
        }
    }

    /// Writes what is asked after an entry, in these halves; only what differs.
    pub(super) fn set_parents(&mut self, slot: u32, halves: u8, parent: u32) {
        for (half, before) in (0..).zip(self.arrays.detail(slot).parent) {
            if halves >> half & 1 == 1 && before != parent {
                self.arrays.set_parent(slot, half, parent);
            }
        }
    }

    /// Waits for frames, and makes what waits for that free; false if nothing waits.
    pub(super) fn give_waiting(&mut self) -> bool {
        if self.waiting.is_empty() && !self.segments.has_waiting() && !self.chunks.has_waiting() {
            return false;
        }
        self.arrays.wait_for_frames();
        self.segments.give_waiting();
        self.chunks.give_waiting();
        self.free.extend(self.waiting.drain(..));
        true
    }

    pub(super) fn word(&self, half: u32, place: Place) -> TitleWord {
        TitleWord(match place {
            Place::Root(index) => self.arrays.root(half * ROOT_LEN + index),
            Place::Child(chunk, child) => self.arrays.child(chunk, child),
        })
    }

    pub(super) fn set_word(&mut self, halves: u8, place: Place, word: TitleWord) {
        match place {
            Place::Root(index) => {
                for half in 0..2 {
                    if halves & BOTH_HALVES & 1 << half != 0 {
                        self.arrays.set_root(half * ROOT_LEN + index, word.0);
                    }
                }
            }
            Place::Child(chunk, child) => self.arrays.set_child(chunk, child, word.0),
        }
    }

    /// A chunk that nothing leads to.
    pub(super) fn take_chunk(&mut self, owner: Owner) -> Result<u32, NoRoom> {
        self.take(1, owner, |tables| &mut tables.chunks)
    }

    fn take(&mut self, count: u32, owner: Owner, space: fn(&mut Self) -> &mut Space) -> Result<u32, NoRoom> {
        if let Some(first) = space(self).take(count, owner) {
            return Ok(first);
        }
        if !self.give_waiting() {
            return Err(NoRoom);
        }
        space(self).take(count, owner).ok_or(NoRoom)
    }

    /// Writes these boundaries where nothing leads to yet, and gives the word that will.
    pub(super) fn write(&mut self, boundaries: &Boundaries, owner: Owner) -> Result<TitleWord, NoRoom> {
        if let [(_, slot)] = boundaries.as_slice() {
            return Ok(TitleWord::new(TitleStep::Leaf(*slot)));
        }
        let len = u32::try_from(boundaries.len()).map_err(|_| NoRoom)?;
        let start = self.take(len, owner, |tables| &mut tables.segments)?;
        for (index, (at, slot)) in (start..).zip(boundaries) {
            let boundary = TitleBoundary::new(Symbols(*at), *slot);
            self.arrays.set_boundary(index, boundary.0);
        }
        Ok(TitleWord::new(TitleStep::Segment { start, len }))
    }

    /// Gives back what a word leads to: at once if no frame can have seen it.
    pub(super) fn give(&mut self, word: TitleWord, owner: Owner, seen: bool) {
        self.give_deep(word, owner, seen, MAX_CHUNKS_DEEP);
    }

    fn give_deep(&mut self, word: TitleWord, owner: Owner, seen: bool, deep: usize) {
        match word.step() {
            TitleStep::Leaf(_) => {}
            TitleStep::Segment { start, len } if seen => self.segments.give_later(start, len),
            TitleStep::Segment { start, len } => self.segments.give(start, len, owner),
            TitleStep::Chunk(chunk) => {
                for child in 0..CHUNK_LEN {
                    if deep > 0 {
                        let word = TitleWord(self.arrays.child(chunk, child));
                        self.give_deep(word, owner, seen, deep - 1);
                    }
                }
                if seen {
                    self.chunks.give_later(chunk, 1);
                } else {
                    self.chunks.give(chunk, 1, owner);
                }
            }
        }
    }
}
