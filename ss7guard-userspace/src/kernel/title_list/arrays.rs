//! The arrays in the kernel, mapped.

use std::mem::offset_of;
use std::path::Path;

use ss7guard_common::abi::{BlockHits, CHUNK_LEN, CHUNK_ROOM, ROOT_WORDS, TitleDetail, name};

use super::tables::TitleArrays;
use crate::kernel::clock::Ticks;
use crate::kernel::grace::wait_for_frames;
use crate::kernel::mapped::Mapped;
use crate::kernel::{KernelError, maps};

/// How many elements the arrays have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TitleSizes {
    /// Entries, with the unused one: those of two whole lists.
    pub slots: u32,
    /// Boundaries.
    pub segments: u32,
    /// Chunks.
    pub chunks: u32,
}

impl TitleSizes {
    /// For lists of so many entries. The tables hold number plans several times over, and numbers of single subscribers
    /// however they lie: those have at most three boundaries each, and most chunks if every chunk is about 18 of them.
    #[must_use]
    pub const fn new(entries: u32) -> Self {
        Self {
            slots: entries.saturating_mul(2).saturating_add(1),
            segments: (entries / 10).saturating_mul(61).saturating_add(4_096),
            chunks: entries / 9 + 512,
        }
    }

    /// Octets of memory that the kernel sets aside.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.slots as u64 * (size_of::<TitleDetail>() + size_of::<BlockHits>()) as u64
            + self.segments as u64 * 8
            + self.chunks as u64 * (8 * CHUNK_ROOM) as u64
            + ROOT_WORDS as u64 * 8
    }
}

/// The arrays of the list, written as memory.
#[derive(Debug)]
pub struct TitleMaps {
    root: Mapped<u64>,
    segments: Mapped<u64>,
    chunks: Mapped<[u64; CHUNK_ROOM]>,
    details: Mapped<TitleDetail>,
    hits: Mapped<BlockHits>,
    ticks: Ticks,
}

impl TitleMaps {
    /// Maps the pinned arrays, which [`maps::Maps::open`] has held against this version.
    ///
    /// # Errors
    /// They are not there, or the kernel refuses.
    pub fn open(bpffs: &Path) -> Result<Self, KernelError> {
        Ok(Self {
            root: Mapped::open(bpffs, name::TITLE_ROOT)?,
            segments: Mapped::open(bpffs, name::TITLE_SEGMENTS)?,
            chunks: Mapped::open(bpffs, name::TITLE_CHUNKS)?,
            details: Mapped::open(bpffs, name::TITLE_DETAIL)?,
            hits: Mapped::open(bpffs, name::TITLE_HITS)?,
            ticks: maps::ticks(bpffs)?,
        })
    }
}

const NO_DETAIL: TitleDetail = TitleDetail {
    expires_at: 0,
    symbols: 0,
    rule_id: 0,
    parent: [0; 2],
    action: 0,
    used: 0,
    halves: 0,
    flags: 0,
};

impl TitleArrays for TitleMaps {
    fn slots(&self) -> u32 {
        self.details.len().min(self.hits.len())
    }

    fn segments(&self) -> u32 {
        self.segments.len()
    }

    fn chunks(&self) -> u32 {
        self.chunks.len()
    }

    fn root(&self, index: u32) -> u64 {
        self.root.load(index, 0)
    }

    fn set_root(&mut self, index: u32, word: u64) {
        self.root.store(index, 0, word);
    }

    fn boundary(&self, index: u32) -> u64 {
        self.segments.load(index, 0)
    }

    fn set_boundary(&mut self, index: u32, word: u64) {
        self.segments.store(index, 0, word);
    }

    fn child(&self, chunk: u32, child: usize) -> u64 {
        if child < CHUNK_LEN { self.chunks.load(chunk, child) } else { 0 }
    }

    fn set_child(&mut self, chunk: u32, child: usize, word: u64) {
        if child < CHUNK_LEN {
            self.chunks.store(chunk, child, word);
        }
    }

    fn detail(&self, slot: u32) -> TitleDetail {
        let detail = self.details.read(slot).unwrap_or(NO_DETAIL);
        TitleDetail { expires_at: self.ticks.time_of(detail.expires_at), ..detail }
    }

    fn set_end(&mut self, slot: u32, ns: u64) {
        self.details.store(slot, offset_of!(TitleDetail, expires_at) / 8, self.ticks.ticks_at(ns));
    }

    fn set_symbols(&mut self, slot: u32, symbols: u64) {
        self.details.store(slot, offset_of!(TitleDetail, symbols) / 8, symbols);
    }

    fn set_rule(&mut self, slot: u32, rule_id: u32) {
        self.details.store_half(slot, offset_of!(TitleDetail, rule_id), rule_id);
    }

    fn set_parent(&mut self, slot: u32, half: u32, parent: u32) {
        let octet = offset_of!(TitleDetail, parent) + if half & 1 == 1 { 4 } else { 0 };
        self.details.store_half(slot, octet, parent);
    }

    fn set_state(&mut self, slot: u32, detail: &TitleDetail) {
        // The four are next to each other, in this order.
        const {
            assert!(offset_of!(TitleDetail, used) == offset_of!(TitleDetail, action) + 1);
            assert!(offset_of!(TitleDetail, flags) == offset_of!(TitleDetail, halves) + 1);
        };
        let octets = [detail.action, detail.used, detail.halves, detail.flags];
        self.details.store_half(slot, offset_of!(TitleDetail, action), u32::from_ne_bytes(octets));
    }

    fn hits(&self, slot: u32) -> BlockHits {
        let hits = self.hits.read(slot).unwrap_or_default();
        BlockHits { last: self.ticks.time_of(hits.last), ..hits }
    }

    fn clear_hits(&mut self, slot: u32) {
        self.hits.store(slot, 0, 0);
        self.hits.store(slot, 1, 0);
    }

    fn wait_for_frames(&mut self) {
        wait_for_frames();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lists_of_a_million_entries_take_less_than_256_mib() {
        let mib = |entries| TitleSizes::new(entries).octets().div_ceil(1 << 20);
        println!("{} MiB for 100,000 entries, {} MiB for 1,000,000", mib(100_000), mib(1_000_000));
        assert!(mib(1_000_000) <= 256 && mib(100_000) <= 28);
    }
}
