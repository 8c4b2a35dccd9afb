//! The block list: what is in which slot, and in which order the kernel's arrays are written.
//!
//! A frame that passes while an entry is written sees either no entry or the whole of it: the slot is filled first,
//! then the chain or index leads to it, then the bit of the point code is set; removal goes the other way, and a slot
//! that was given back is the last to be used again.
//!
//! Nobody else writes these arrays, so what they hold is kept here too: listing, expiry and chains need no reads. A
//! writer that died between two writes leaves a slot that nothing leads to; [`BlockList::adopt`] mends that.

mod staging;

use std::collections::btree_map::Entry as Place;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ss7guard_common::abi::{
    ANY_NI, BLOCK_NO_SLOT, BOTH_HALVES, BlockDetail, BlockHits, INDEX_LANES, MAX_BLOCK_CHAIN,
    bitmap_position, index_position,
};
use ss7guard_common::verdict::Action;
use thiserror::Error;

use crate::kernel::lists::NoRoom;
use crate::kernel::{KernelError, Maps};

pub use staging::{Import, Progress};

/// What went wrong with the list.
#[derive(Debug, Error)]
pub enum ListError {
    /// No free slot.
    #[error("the block list is full: {0} entries; raise limits.block_entries or remove some")]
    Full(usize),
    /// No room for an import.
    #[error("{0}")]
    NoRoom(NoRoom),
    /// Too many entries for one point code.
    #[error("point code {0} has {MAX_BLOCK_CHAIN} entries already")]
    ChainFull(u32),
    /// A point code beyond 24 bits.
    #[error("point code {0} is beyond 24 bits")]
    PointCode(u32),
    /// No free slot for a global title.
    #[error("the list of global titles is full: {0} entries; raise limits.title_entries or remove some")]
    TitlesFull(usize),
    /// Global titles with so many digits that differ need more tables than there are.
    #[error(
        "the tables for global titles are full at {0} entries; raise limits.title_entries or remove some"
    )]
    TitlesCrowded(usize),
    /// No decimal digits, too many of them, or no direction.
    #[error("a global title has 1 to 15 decimal digits")]
    Digits,
    /// No such entry.
    #[error("there is no such entry")]
    Missing,
    /// The arrays could not be read or written.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// The arrays behind the list.
pub trait Arrays {
    /// Slots there are, with the unused slot 0.
    fn slots(&self) -> u32;
    /// The half of the lists that is live: 0 or 1.
    fn half(&self) -> Result<u32, KernelError>;
    /// Reads a word of the bitmap.
    fn bits(&self, word: u32) -> Result<u64, KernelError>;
    /// Writes a word of the bitmap.
    fn set_bits(&mut self, word: u32, value: u64) -> Result<(), KernelError>;
    /// Reads an element of the index.
    fn index(&self, element: u32) -> Result<[u32; INDEX_LANES], KernelError>;
    /// Writes an element of the index.
    fn set_index(&mut self, element: u32, value: [u32; INDEX_LANES]) -> Result<(), KernelError>;
    /// Reads a slot.
    fn detail(&self, slot: u32) -> Result<BlockDetail, KernelError>;
    /// Writes a slot.
    fn set_detail(&mut self, slot: u32, value: BlockDetail) -> Result<(), KernelError>;
    /// Reads the hits of a slot; the time of the last in nanoseconds of the monotonic clock.
    fn hits(&self, slot: u32) -> Result<BlockHits, KernelError>;
    /// Zeroes the hits of a slot.
    fn clear_hits(&mut self, slot: u32) -> Result<(), KernelError>;
}

/// What makes an entry one: point code, network indicator, Network Appearance. The order is the kernel's order of
/// search: entries with Network Appearance first, then those with an indicator, then the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    point_code: u32,
    /// 0 for entries with Network Appearance.
    without_na: u8,
    /// [`ANY_NI`] sorts last.
    ni: u8,
    network_appearance: u32,
    /// 1 for an entry of an import that is not live yet.
    staged: u8,
}

impl Key {
    fn new(point_code: u32, ni: Option<u8>, network_appearance: Option<u32>) -> Self {
        Self {
            point_code,
            without_na: u8::from(network_appearance.is_none()),
            ni: ni.unwrap_or(ANY_NI),
            network_appearance: network_appearance.unwrap_or(0),
            staged: 0,
        }
    }

    const fn of(detail: &BlockDetail) -> Self {
        Self {
            point_code: detail.point_code,
            without_na: 1 - (detail.match_na & 1),
            ni: detail.ni,
            network_appearance: detail.network_appearance,
            staged: 0,
        }
    }
}

/// An entry with its hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the kernel has.
    pub detail: BlockDetail,
    /// How often it matched, and when it last did before its end.
    pub hits: BlockHits,
}

/// Where an entry is, and what was written there.
#[derive(Clone, Copy, Debug)]
struct Held {
    slot: u32,
    detail: BlockDetail,
}

/// The list.
pub struct BlockList<A> {
    arrays: A,
    held: BTreeMap<Key, Held>,
    /// Entries that end, by when.
    ends: BTreeSet<(u64, Key)>,
    /// The longest unused first.
    free: VecDeque<u32>,
    /// How long an entry goes on after its end, in nanoseconds.
    linger_ns: u64,
}

impl<A: Arrays> BlockList<A> {
    /// Takes over what is in the arrays, and mends chains that a writer left half-made. `linger_ns` is how long an entry
    /// that neutralised something goes on after its end.
    ///
    /// # Errors
    /// They cannot be read or written.
    pub fn adopt(arrays: A, linger_ns: u64) -> Result<Self, KernelError> {
        let mut list =
            Self { arrays, held: BTreeMap::new(), ends: BTreeSet::new(), free: VecDeque::new(), linger_ns };
        let live = 1u8 << (list.arrays.half()? & 1);
        for slot in 1..list.arrays.slots() {
            let mut detail = list.arrays.detail(slot)?;
            // What an import left that did not come to its end is finished, or undone: what is live stays.
            let is_live = detail.halves & live != 0;
            if detail.used == 1 && is_live && bitmap_position(detail.point_code).is_some() {
                let key = Key::of(&detail);
                if detail.halves != BOTH_HALVES {
                    detail.halves = BOTH_HALVES;
                    list.arrays.set_detail(slot, detail)?;
                }
                if let Place::Vacant(place) = list.held.entry(key) {
                    place.insert(Held { slot, detail });
                    list.note_end(key, &detail);
                    continue;
                }
            }
            if detail.used != 0 {
                detail.used = 0;
                list.arrays.set_detail(slot, detail)?;
            }
            list.free.push_back(slot);
        }
        list.mend()?;
        Ok(list)
    }

    /// Makes index, chains and bits lead to every entry; writes only what differs.
    fn mend(&mut self) -> Result<(), KernelError> {
        // Last of each chain first, so that a frame in the chain never loses its way.
        let keys: Vec<Key> = self.held.keys().rev().copied().collect();
        let mut after: Option<(Key, u32)> = None;
        for (position, key) in keys.iter().enumerate() {
            let Some(held) = self.held.get_mut(key) else { continue };
            let next = after.filter(|(other, _)| other.point_code == key.point_code);
            let next = next.map_or(BLOCK_NO_SLOT, |(_, slot)| slot);
            if held.detail.next != next {
                held.detail.next = next;
                self.arrays.set_detail(held.slot, held.detail)?;
            }
            after = Some((*key, held.slot));
            let is_first = keys.get(position + 1).is_none_or(|other| other.point_code != key.point_code);
            if is_first {
                let slot = held.slot;
                self.set_first(key.point_code, slot)?;
                self.set_bit(key.point_code, true)?;
            }
        }
        Ok(())
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Entries that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.held.len() + self.free.len()
    }

    /// The arrays.
    pub fn arrays_mut(&mut self) -> &mut A {
        &mut self.arrays
    }

    /// The arrays.
    #[must_use]
    pub const fn arrays(&self) -> &A {
        &self.arrays
    }

    /// Adds this entry, or puts it in the place of the one with the same key, whose hits stay; gives it as it was written.
    ///
    /// # Errors
    /// There is no room; nothing has changed then.
    pub fn put(&mut self, detail: BlockDetail) -> Result<BlockDetail, ListError> {
        self.put_at(Key::of(&detail), detail)
    }

    fn put_at(&mut self, key: Key, mut detail: BlockDetail) -> Result<BlockDetail, ListError> {
        if let Some(held) = self.held.get_mut(&key) {
            let old = held.detail;
            detail.next = old.next;
            self.arrays.set_detail(held.slot, detail)?;
            held.detail = detail;
            self.ends.remove(&(self.gone_at(&old), key));
            self.note_end(key, &detail);
            return Ok(detail);
        }
        if bitmap_position(detail.point_code).is_none() {
            return Err(ListError::PointCode(detail.point_code));
        }
        if self.chain(detail.point_code).count() >= MAX_BLOCK_CHAIN {
            return Err(ListError::ChainFull(detail.point_code));
        }
        let slot = *self.free.front().ok_or_else(|| ListError::Full(self.capacity()))?;
        let after = self.chain(detail.point_code).find(|(other, _)| *other > key).map(|(_, slot)| slot);
        let before = self.before(key);
        detail.next = after.unwrap_or(BLOCK_NO_SLOT);
        self.arrays.clear_hits(slot)?;
        self.arrays.set_detail(slot, detail)?;
        self.link(before, key.point_code, slot)?;
        self.set_bit(key.point_code, true)?;
        self.free.pop_front();
        self.held.insert(key, Held { slot, detail });
        self.note_end(key, &detail);
        Ok(detail)
    }

    /// The entry with this key, as it was written.
    #[must_use]
    pub fn get(
        &self,
        point_code: u32,
        ni: Option<u8>,
        network_appearance: Option<u32>,
    ) -> Option<BlockDetail> {
        self.held.get(&Key::new(point_code, ni, network_appearance)).map(|held| held.detail)
    }

    /// Ends the entry with this key, as if its time were over now; gives it. It goes on for retransmissions if it has
    /// neutralised something lately, and is removed at once otherwise: true.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn end(
        &mut self,
        point_code: u32,
        ni: Option<u8>,
        network_appearance: Option<u32>,
        now_ns: u64,
    ) -> Result<(BlockDetail, bool), ListError> {
        self.end_key(Key::new(point_code, ni, network_appearance), now_ns)
    }

    fn end_key(&mut self, key: Key, now_ns: u64) -> Result<(BlockDetail, bool), ListError> {
        let Held { slot, detail } = *self.held.get(&key).ok_or(ListError::Missing)?;
        if !self.lingers(&detail, self.arrays.hits(slot)?.last, now_ns) {
            return Ok((self.remove_key(key)?.detail, true));
        }
        if detail.expires_at != 0 && detail.expires_at <= now_ns {
            return Ok((detail, false));
        }
        Ok((self.put(BlockDetail { expires_at: now_ns, ..detail })?, false))
    }

    /// Ends every entry for which `wanted` is true, as [`BlockList::end`] does; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn end_where(
        &mut self,
        now_ns: u64,
        wanted: impl Fn(&BlockDetail) -> bool,
    ) -> Result<Vec<(BlockDetail, bool)>, ListError> {
        self.keys_where(wanted).into_iter().map(|key| self.end_key(key, now_ns)).collect()
    }

    fn keys_where(&self, wanted: impl Fn(&BlockDetail) -> bool) -> Vec<Key> {
        self.held.iter().filter(|(_, held)| wanted(&held.detail)).map(|(key, _)| *key).collect()
    }

    /// Removes the entry with this key; gives it.
    ///
    /// # Errors
    /// There is none.
    pub fn remove(
        &mut self,
        point_code: u32,
        ni: Option<u8>,
        network_appearance: Option<u32>,
    ) -> Result<BlockDetail, ListError> {
        Ok(self.remove_key(Key::new(point_code, ni, network_appearance))?.detail)
    }

    /// Removes every entry for which `wanted` is true; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn remove_where(&mut self, wanted: impl Fn(&BlockDetail) -> bool) -> Result<Vec<Entry>, ListError> {
        self.keys_where(wanted).into_iter().map(|key| self.remove_key(key)).collect()
    }

    /// Removes entries that ended, their time for retransmissions included, before `time_ns`, the oldest first and at
    /// most so many; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn remove_ended(&mut self, time_ns: u64, most: usize) -> Result<Vec<Entry>, ListError> {
        let ended: Vec<Key> =
            self.ends.iter().take_while(|(end, _)| *end < time_ns).take(most).map(|(_, key)| *key).collect();
        ended.into_iter().map(|key| self.remove_key(key)).collect()
    }

    /// What was written of every entry, by point code.
    pub fn details(&self) -> impl Iterator<Item = &BlockDetail> {
        self.held.iter().filter(|(key, _)| key.staged == 0).map(|(_, held)| &held.detail)
    }

    /// At most so many entries behind this point code, network indicator and Network Appearance in their order, or from
    /// the start.
    ///
    /// # Errors
    /// The hits cannot be read.
    pub fn entries_after(
        &self,
        after: Option<(u32, Option<u8>, Option<u32>)>,
        most: usize,
    ) -> Result<Vec<Entry>, KernelError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |(code, ni, appearance)| {
            Excluded(Key { staged: 1, ..Key::new(code, ni, appearance) })
        });
        let behind = self.held.range((from, Unbounded)).filter(|(key, _)| key.staged == 0);
        behind
            .take(most)
            .map(|(_, held)| Ok(Entry { detail: held.detail, hits: self.arrays.hits(held.slot)? }))
            .collect()
    }

    /// Every entry, by point code.
    ///
    /// # Errors
    /// The hits cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, KernelError> {
        self.held
            .iter()
            .filter(|(key, _)| key.staged == 0)
            .map(|(_, held)| Ok(Entry { detail: held.detail, hits: self.arrays.hits(held.slot)? }))
            .collect()
    }

    fn note_end(&mut self, key: Key, detail: &BlockDetail) {
        if detail.expires_at != 0 {
            self.ends.insert((self.gone_at(detail), key));
        }
    }

    /// Whether what an entry neutralised, `last_hit` being the last, may be sent again.
    const fn lingers(&self, detail: &BlockDetail, last_hit: u64, now_ns: u64) -> bool {
        matches!(detail.action(), Action::Neutralise)
            && last_hit != 0
            && last_hit.saturating_add(self.linger_ns) > now_ns
    }

    /// When an entry does nothing any more.
    fn gone_at(&self, detail: &BlockDetail) -> u64 {
        let lingers = matches!(detail.action(), Action::Neutralise);
        detail.expires_at.saturating_add(if lingers { self.linger_ns } else { 0 })
    }

    fn chain(&self, point_code: u32) -> impl Iterator<Item = (Key, u32)> + '_ {
        let first = Key { point_code, without_na: 0, ni: 0, network_appearance: 0, staged: 0 };
        self.held
            .range(first..)
            .take_while(move |(key, _)| key.point_code == point_code)
            .map(|(key, held)| (*key, held.slot))
    }

    /// The entry before this place in its chain.
    fn before(&self, key: Key) -> Option<Key> {
        self.chain(key.point_code).take_while(|(other, _)| *other < key).last().map(|(key, _)| key)
    }

    fn remove_key(&mut self, key: Key) -> Result<Entry, ListError> {
        let Held { slot, mut detail } = *self.held.get(&key).ok_or(ListError::Missing)?;
        let hits = self.arrays.hits(slot)?;
        let before = self.before(key);
        if before.is_none() && detail.next == BLOCK_NO_SLOT {
            self.set_bit(key.point_code, false)?;
        }
        self.link(before, key.point_code, detail.next)?;
        // The link forward stays for a frame that is on its way through the chain.
        detail.used = 0;
        self.arrays.set_detail(slot, detail)?;
        self.held.remove(&key);
        self.ends.remove(&(self.gone_at(&detail), key));
        self.free.push_back(slot);
        Ok(Entry { detail, hits })
    }

    /// Makes the entry `before`, or the index, lead to `slot`.
    fn link(&mut self, before: Option<Key>, point_code: u32, slot: u32) -> Result<(), KernelError> {
        match before.and_then(|before| self.held.get_mut(&before)) {
            Some(before) => {
                let detail = BlockDetail { next: slot, ..before.detail };
                self.arrays.set_detail(before.slot, detail)?;
                before.detail = detail;
                Ok(())
            }
            None => self.set_first(point_code, slot),
        }
    }

    /// Makes the index lead to `slot`.
    fn set_first(&mut self, point_code: u32, slot: u32) -> Result<(), KernelError> {
        let (element, lane) = index_position(point_code);
        let mut lanes = self.arrays.index(element)?;
        match lanes.get_mut(lane) {
            Some(entry) if *entry != slot => *entry = slot,
            _ => return Ok(()),
        }
        self.arrays.set_index(element, lanes)
    }

    /// Sets or clears the bit of a point code.
    fn set_bit(&mut self, point_code: u32, on: bool) -> Result<(), KernelError> {
        let Some((word, bit)) = bitmap_position(point_code) else { return Ok(()) };
        let bits = self.arrays.bits(word)?;
        let wanted = if on { bits | bit } else { bits & !bit };
        if wanted == bits { Ok(()) } else { self.arrays.set_bits(word, wanted) }
    }
}

/// Entries that fit into these arrays.
#[must_use]
pub fn capacity(arrays: &impl Arrays) -> u32 {
    arrays.slots().saturating_sub(1)
}

/// The entries in these arrays, for readers that are not the list's writer. An entry that is being written may
/// or may not be among them.
///
/// # Errors
/// The arrays cannot be read.
pub fn scan(arrays: &impl Arrays) -> Result<Vec<Entry>, KernelError> {
    let mut entries = Vec::new();
    let live = 1u8 << (arrays.half()? & 1);
    for slot in 1..arrays.slots() {
        let detail = arrays.detail(slot)?;
        if detail.used == 1 && detail.halves & live != 0 {
            entries.push(Entry { detail, hits: arrays.hits(slot)? });
        }
    }
    entries.sort_by_key(|entry| Key::of(&entry.detail));
    Ok(entries)
}

fn failed(what: &'static str) -> impl Fn(aya::maps::MapError) -> KernelError {
    move |error| KernelError::other(what, error)
}

impl Arrays for Maps {
    fn slots(&self) -> u32 {
        self.detail.len()
    }

    fn half(&self) -> Result<u32, KernelError> {
        Ok(self.config()?.lists & 1)
    }

    fn bits(&self, word: u32) -> Result<u64, KernelError> {
        self.bits.get(&word, 0).map_err(failed("read BLOCK_BITS"))
    }

    fn set_bits(&mut self, word: u32, value: u64) -> Result<(), KernelError> {
        self.bits.set(word, value, 0).map_err(failed("write BLOCK_BITS"))
    }

    fn index(&self, element: u32) -> Result<[u32; INDEX_LANES], KernelError> {
        self.index.get(&element, 0).map_err(failed("read BLOCK_INDEX"))
    }

    fn set_index(&mut self, element: u32, value: [u32; INDEX_LANES]) -> Result<(), KernelError> {
        self.index.set(element, value, 0).map_err(failed("write BLOCK_INDEX"))
    }

    fn detail(&self, slot: u32) -> Result<BlockDetail, KernelError> {
        let mut detail = self.detail.get(&slot, 0).map_err(failed("read BLOCK_DETAIL"))?;
        detail.expires_at = self.ticks.time_of(detail.expires_at);
        Ok(detail)
    }

    fn set_detail(&mut self, slot: u32, value: BlockDetail) -> Result<(), KernelError> {
        let in_ticks = BlockDetail { expires_at: self.ticks.ticks_at(value.expires_at), ..value };
        self.detail.set(slot, in_ticks, 0).map_err(failed("write BLOCK_DETAIL"))
    }

    fn hits(&self, slot: u32) -> Result<BlockHits, KernelError> {
        let hits = self.hits.get(&slot, 0).map_err(failed("read BLOCK_HITS"))?;
        Ok(BlockHits { last: self.ticks.time_of(hits.last), ..hits })
    }

    fn clear_hits(&mut self, slot: u32) -> Result<(), KernelError> {
        self.hits.set(slot, BlockHits::default(), 0).map_err(failed("write BLOCK_HITS"))
    }
}

#[cfg(test)]
mod tests;
