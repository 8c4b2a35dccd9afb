//! The block list: what is in which slot, and in which order the kernel's arrays are written.
//!
//! A frame that passes while an entry is written sees either no entry or the whole of it: the slot is filled first,
//! then the chain or index leads to it, then the bit of the point code is set; removal goes the other way.

use std::collections::BTreeMap;

use ss7guard_common::abi::{
    ANY_NI, BLOCK_NO_SLOT, BlockDetail, INDEX_LANES, MAX_BLOCK_CHAIN, bitmap_position, index_position,
};
use thiserror::Error;

use crate::enforce::BlockRequest;
use crate::kernel::{KernelError, Maps};

/// What went wrong with the list.
#[derive(Debug, Error)]
pub enum ListError {
    /// No free slot.
    #[error("the block list is full: {0} entries; raise limits.block_entries or remove some")]
    Full(usize),
    /// Too many entries for one point code.
    #[error("point code {0} has {MAX_BLOCK_CHAIN} entries already")]
    ChainFull(u32),
    /// A point code beyond 24 bits.
    #[error("point code {0} is beyond 24 bits")]
    PointCode(u32),
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
    /// Reads the hits of a slot.
    fn hits(&self, slot: u32) -> Result<u64, KernelError>;
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
}

impl Key {
    const fn of(detail: &BlockDetail) -> Self {
        Self {
            point_code: detail.point_code,
            without_na: 1 - (detail.match_na & 1),
            ni: detail.ni,
            network_appearance: detail.network_appearance,
        }
    }
}

/// An entry with its hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the kernel has.
    pub detail: BlockDetail,
    /// How often it matched.
    pub hits: u64,
}

/// The list.
pub struct BlockList<A> {
    arrays: A,
    slots: BTreeMap<Key, u32>,
    free: Vec<u32>,
}

impl<A: Arrays> BlockList<A> {
    /// Takes over what is in the arrays.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn adopt(arrays: A) -> Result<Self, KernelError> {
        let mut slots = BTreeMap::new();
        let mut free = Vec::new();
        // Highest first, so that slots are taken from the bottom.
        for slot in (1..arrays.slots()).rev() {
            let detail = arrays.detail(slot)?;
            if detail.used == 1 {
                slots.insert(Key::of(&detail), slot);
            } else {
                free.push(slot);
            }
        }
        Ok(Self { arrays, slots, free })
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Entries that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len() + self.free.len()
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

    /// Adds an entry, or renews the one with the same key, whose hits stay; gives the entry. `now_ns` is the
    /// monotonic clock.
    ///
    /// # Errors
    /// There is no room; nothing has changed then.
    pub fn add(&mut self, request: &BlockRequest, now_ns: u64) -> Result<BlockDetail, ListError> {
        let mut detail = request.detail(now_ns);
        let key = Key::of(&detail);
        if let Some(&slot) = self.slots.get(&key) {
            detail.next = self.arrays.detail(slot)?.next;
            self.arrays.set_detail(slot, detail)?;
            return Ok(detail);
        }
        let (word, bit) =
            bitmap_position(request.point_code).ok_or(ListError::PointCode(request.point_code))?;
        if self.chain(request.point_code).count() >= MAX_BLOCK_CHAIN {
            return Err(ListError::ChainFull(request.point_code));
        }
        let slot = *self.free.last().ok_or(ListError::Full(self.slots.len()))?;
        let after = self.chain(request.point_code).find(|(other, _)| *other > key).map(|(_, slot)| slot);
        let before = self.chain(request.point_code).take_while(|(other, _)| *other < key).last();
        detail.next = after.unwrap_or(BLOCK_NO_SLOT);
        self.arrays.clear_hits(slot)?;
        self.arrays.set_detail(slot, detail)?;
        self.link(request.point_code, before.map(|(_, slot)| slot), slot)?;
        let bits = self.arrays.bits(word)?;
        self.arrays.set_bits(word, bits | bit)?;
        self.free.pop();
        self.slots.insert(key, slot);
        Ok(detail)
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
        let key = Key {
            point_code,
            without_na: u8::from(network_appearance.is_none()),
            ni: ni.unwrap_or(ANY_NI),
            network_appearance: network_appearance.unwrap_or(0),
        };
        self.remove_key(key)
    }

    /// Removes every entry for which `wanted` is true; gives them.
    ///
    /// # Errors
    /// The arrays cannot be written.
    pub fn remove_where(&mut self, wanted: impl Fn(&BlockDetail) -> bool) -> Result<Vec<Entry>, ListError> {
        let mut removed = Vec::new();
        let keys: Vec<(Key, u32)> = self.slots.iter().map(|(key, slot)| (*key, *slot)).collect();
        for (key, slot) in keys {
            let detail = self.arrays.detail(slot)?;
            if wanted(&detail) {
                removed.push(Entry { detail, hits: self.arrays.hits(slot)? });
                self.remove_key(key)?;
            }
        }
        Ok(removed)
    }

    /// Every entry, by point code.
    ///
    /// # Errors
    /// The arrays cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, KernelError> {
        self.slots
            .values()
            .map(|&slot| Ok(Entry { detail: self.arrays.detail(slot)?, hits: self.arrays.hits(slot)? }))
            .collect()
    }

    fn chain(&self, point_code: u32) -> impl Iterator<Item = (Key, u32)> + '_ {
        let first = Key { point_code, without_na: 0, ni: 0, network_appearance: 0 };
        self.slots
            .range(first..)
            .take_while(move |(key, _)| key.point_code == point_code)
            .map(|(key, slot)| (*key, *slot))
    }

    fn remove_key(&mut self, key: Key) -> Result<BlockDetail, ListError> {
        let slot = *self.slots.get(&key).ok_or(ListError::Missing)?;
        let mut detail = self.arrays.detail(slot)?;
        let before = self.chain(key.point_code).take_while(|(other, _)| *other < key).last();
        if before.is_none()
            && detail.next == BLOCK_NO_SLOT
            && let Some((word, bit)) = bitmap_position(key.point_code)
        {
            let bits = self.arrays.bits(word)?;
            self.arrays.set_bits(word, bits & !bit)?;
        }
        self.link(key.point_code, before.map(|(_, slot)| slot), detail.next)?;
        // The link forward stays for a frame that is on its way through the chain.
        detail.used = 0;
        self.arrays.set_detail(slot, detail)?;
        self.slots.remove(&key);
        self.free.push(slot);
        Ok(detail)
    }

    /// Makes the slot `before`, or the index, lead to `slot`.
    fn link(&mut self, point_code: u32, before: Option<u32>, slot: u32) -> Result<(), KernelError> {
        match before {
            Some(before) => {
                let mut detail = self.arrays.detail(before)?;
                detail.next = slot;
                self.arrays.set_detail(before, detail)
            }
            None => {
                let (element, lane) = index_position(point_code);
                let mut lanes = self.arrays.index(element)?;
                if let Some(entry) = lanes.get_mut(lane) {
                    *entry = slot;
                }
                self.arrays.set_index(element, lanes)
            }
        }
    }
}

fn failed(what: &'static str) -> impl Fn(aya::maps::MapError) -> KernelError {
    move |error| KernelError::other(what, error)
}

impl Arrays for Maps {
    fn slots(&self) -> u32 {
        self.detail.len()
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

    fn hits(&self, slot: u32) -> Result<u64, KernelError> {
        self.hits.get(&slot, 0).map_err(failed("read BLOCK_HITS"))
    }

    fn clear_hits(&mut self, slot: u32) -> Result<(), KernelError> {
        self.hits.set(slot, 0, 0).map_err(failed("write BLOCK_HITS"))
    }
}

#[cfg(test)]
mod tests;
