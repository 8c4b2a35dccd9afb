//! The arrays in memory, with an eye that looks at them after every store, and what a plain list says.

use std::collections::HashMap;

use bytemuck::Zeroable as _;
use ss7guard_common::abi::{
    CHUNK_ROOM, Moment, ROOT_WORDS, Symbols, TITLE_NO_SLOT, TitleTables, direction, title_slot,
};
use ss7guard_common::classify::title::applying;

use super::*;

pub(super) const LINGER: u64 = 60;

#[derive(Clone)]
pub(super) struct Memory {
    pub(super) root: Vec<u64>,
    segments: Vec<u64>,
    chunks: Vec<[u64; CHUNK_ROOM]>,
    pub(super) details: Vec<TitleDetail>,
    pub(super) hits: Vec<BlockHits>,
    pub(super) half: u32,
    pub(super) stores: usize,
    /// The writer has died: after so many stores none reaches the arrays.
    pub(super) dies_after: usize,
    /// Numbers that are looked up after every store, and what may be found: any of these.
    pub(super) watched: Vec<(Symbols, u8)>,
    /// What may be found, before and after; each number for itself, or all at once by the flip.
    pub(super) allowed: [Vec<Option<u32>>; 2],
    pub(super) by_flip: bool,
    pub(super) waits: usize,
}

struct Then {
    now: u64,
    last_hit: u64,
    half: u32,
}

impl Moment for Then {
    fn now(&self) -> u64 {
        self.now
    }
    fn last_hit(&self) -> u64 {
        self.last_hit
    }
    fn linger(&self) -> u64 {
        LINGER
    }
    fn half(&self) -> u32 {
        self.half
    }
}

impl TitleTables for Memory {
    fn root(&self, index: u32) -> Option<u64> {
        self.root.get(index as usize).copied()
    }
    fn boundary(&self, index: u32) -> Option<u64> {
        self.segments.get(index as usize).copied()
    }
    fn child(&self, chunk: u32, child: usize) -> Option<u64> {
        self.chunks.get(chunk as usize)?.get(child).copied()
    }
    fn hide(&self, value: u64) -> u64 {
        value
    }
}

impl Memory {
    pub(super) fn new(entries: u32, segments: usize, chunks: usize) -> Self {
        let slots = 2 * entries as usize + 1;
        Self {
            root: vec![0; ROOT_WORDS as usize],
            segments: vec![0; segments],
            chunks: vec![[0; CHUNK_ROOM]; chunks],
            details: vec![TitleDetail::zeroed(); slots],
            hits: vec![BlockHits::default(); slots],
            half: 0,
            stores: 0,
            dies_after: usize::MAX,
            watched: Vec::new(),
            allowed: [Vec::new(), Vec::new()],
            by_flip: false,
            waits: 0,
        }
    }

    /// What the kernel program does: the rule of the entry that applies.
    pub(super) fn find_symbols(&self, number: Symbols, from: u8, now: u64) -> Option<u32> {
        let half = self.half;
        let moment = |slot: u32| Then {
            now,
            last_hit: self.hits.get(slot as usize).map_or(0, |hits| hits.last),
            half,
        };
        let first = title_slot(number, half, self);
        let slot = applying(first, from, half, |slot| self.details.get(slot as usize), moment);
        (slot != TITLE_NO_SLOT).then(|| self.details[slot as usize].rule_id)
    }

    pub(super) fn find(&self, number: &str, from: u8, now: u64) -> Option<u32> {
        self.find_symbols(Symbols::from_ascii(number.as_bytes()).unwrap(), from, now)
    }

    pub(super) fn look(&self) -> Vec<Option<u32>> {
        self.watched.iter().map(|(number, from)| self.find_symbols(*number, *from, 1_000)).collect()
    }

    pub(super) fn same_tables(&self, other: &Self) -> bool {
        self.root == other.root && self.details == other.details
    }

    pub(super) fn chunks_mut(&mut self) -> &mut [[u64; CHUNK_ROOM]] {
        &mut self.chunks
    }

    fn store(&mut self, write: impl FnOnce(&mut Self)) {
        if self.stores >= self.dies_after {
            return;
        }
        self.stores += 1;
        write(self);
        if !self.watched.is_empty() {
            let now = self.look();
            let [before, after] = &self.allowed;
            let fits = if self.by_flip {
                now == self.allowed[self.half as usize]
            } else {
                now.iter().zip(before.iter().zip(after)).all(|(now, (old, new))| now == old || now == new)
            };
            assert!(fits, "{now:?} after {} stores", self.stores);
        }
    }
}

impl TitleArrays for Memory {
    fn slots(&self) -> u32 {
        u32::try_from(self.details.len()).unwrap()
    }
    fn segments(&self) -> u32 {
        u32::try_from(self.segments.len()).unwrap()
    }
    fn chunks(&self) -> u32 {
        u32::try_from(self.chunks.len()).unwrap()
    }
    fn root(&self, index: u32) -> u64 {
        self.root[index as usize]
    }
    fn set_root(&mut self, index: u32, word: u64) {
        self.store(|memory| memory.root[index as usize] = word);
    }
    fn boundary(&self, index: u32) -> u64 {
        self.segments[index as usize]
    }
    fn set_boundary(&mut self, index: u32, word: u64) {
        self.store(|memory| memory.segments[index as usize] = word);
    }
    fn child(&self, chunk: u32, child: usize) -> u64 {
        self.chunks[chunk as usize][child]
    }
    fn set_child(&mut self, chunk: u32, child: usize, word: u64) {
        self.store(|memory| memory.chunks[chunk as usize][child] = word);
    }
    fn detail(&self, slot: u32) -> TitleDetail {
        self.details[slot as usize]
    }
    fn set_end(&mut self, slot: u32, ns: u64) {
        self.store(|memory| memory.details[slot as usize].expires_at = ns);
    }
    fn set_symbols(&mut self, slot: u32, symbols: u64) {
        self.store(|memory| memory.details[slot as usize].symbols = symbols);
    }
    fn set_rule(&mut self, slot: u32, rule_id: u32) {
        self.store(|memory| memory.details[slot as usize].rule_id = rule_id);
    }
    fn set_parent(&mut self, slot: u32, half: u32, parent: u32) {
        self.store(|memory| memory.details[slot as usize].parent[half as usize] = parent);
    }
    fn set_state(&mut self, slot: u32, detail: &TitleDetail) {
        let TitleDetail { action, used, halves, flags, .. } = *detail;
        self.store(|memory| {
            let held = &mut memory.details[slot as usize];
            *held = TitleDetail { action, used, halves, flags, ..*held };
        });
    }
    fn hits(&self, slot: u32) -> BlockHits {
        self.hits[slot as usize]
    }
    fn clear_hits(&mut self, slot: u32) {
        self.store(|memory| memory.hits[slot as usize] = BlockHits::default());
    }
    fn wait_for_frames(&mut self) {
        self.waits += 1;
    }
}

pub(super) fn list(entries: u32) -> TitleList<Memory> {
    let room = entries as usize;
    TitleList::adopt(Memory::new(entries, 6 * room + 400, room / 2 + 40), 0, LINGER).unwrap()
}

pub(super) fn prefix(digits: &str, rule_id: u32) -> TitleDetail {
    TitleDetail {
        symbols: Symbols::from_ascii(digits.as_bytes()).unwrap().0,
        rule_id,
        action: 2,
        flags: direction::BOTH,
        ..TitleDetail::zeroed()
    }
}

pub(super) fn exact(digits: &str, rule_id: u32) -> TitleDetail {
    TitleDetail { flags: direction::BOTH | TitleDetail::EXACT, ..prefix(digits, rule_id) }
}

/// Rules that apply to these numbers from the interconnect.
pub(super) fn seen(list: &TitleList<Memory>, numbers: &[&str]) -> Vec<Option<u32>> {
    numbers.iter().map(|number| list.arrays().find(number, direction::IN, 1_000)).collect()
}

/// What a list says, by every prefix of a number in turn.
#[derive(Clone, Default)]
pub(super) struct Model(pub(super) HashMap<(u64, bool), Vec<TitleDetail>>);

fn order(detail: &TitleDetail) -> (bool, bool, u8) {
    (detail.action != 0, detail.directions() == direction::BOTH, detail.directions())
}

impl Model {
    pub(super) fn put(&mut self, detail: TitleDetail) {
        self.remove(&detail);
        let entries = self.0.entry((detail.symbols, detail.is_exact())).or_default();
        entries.push(TitleDetail { used: 1, halves: BOTH_HALVES, ..detail });
        entries.sort_by_key(order);
    }

    pub(super) fn remove(&mut self, detail: &TitleDetail) -> bool {
        let Some(entries) = self.0.get_mut(&(detail.symbols, detail.is_exact())) else { return false };
        let before = entries.len();
        entries.retain(|other| order(other) != order(detail));
        before != entries.len()
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    pub(super) fn find(&self, number: Symbols, from: u8, now: u64) -> Option<u32> {
        let moment = Then { now, last_hit: 0, half: 0 };
        let prefixes = (1..=number.len()).rev().map(|len| (number.prefix(len).0, false));
        std::iter::once((number.0, true))
            .chain(prefixes)
            .flat_map(|node| self.0.get(&node).into_iter().flatten())
            .find(|detail| detail.matches(from, &moment))
            .map(|detail| detail.rule_id)
    }
}

/// Numbers without order.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    pub(super) fn digits(&mut self, start: &str, len: usize) -> String {
        let mut digits = start.to_owned();
        while digits.len() < len {
            digits.push(char::from(b'0' + u8::try_from(self.below(10)).unwrap()));
        }
        digits.truncate(len);
        digits
    }
}
