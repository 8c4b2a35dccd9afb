//! Going through the entries in order of their digits: which one holds from which number on.

use std::collections::btree_map::Range;

use ss7guard_common::abi::{CHUNK_LEN, MAX_SEGMENT, ROOT_SYMBOLS, Symbols, TITLE_DIGITS, TITLE_NO_SLOT};

use super::key::{Keys, carried, end_of, first_of, is_number, node_of, start_of};

/// The numbers that start with given symbols: what one word of the tables is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// The first of them.
    pub(super) low: u64,
    symbols: u32,
}

impl Region {
    /// What a word of the root table is about.
    pub(super) const fn root(index: u32) -> Self {
        let mut low = 0;
        let mut rest = index;
        let mut place = 0;
        while place < ROOT_SYMBOLS {
            low |= ((rest % 11) as u64) << (64 - 4 * (ROOT_SYMBOLS - place));
            rest /= 11;
            place += 1;
        }
        Self { low, symbols: ROOT_SYMBOLS }
    }

    /// The first number behind it.
    pub(super) const fn high(self) -> u64 {
        self.low + (1 << (64 - 4 * self.symbols))
    }

    /// What a word of a chunk for this region is about.
    pub(super) const fn child(self, child: usize) -> Self {
        let shift = 64 - 4 * (self.symbols + 2);
        let pair = (child / 11) * 16 + child % 11;
        Self { low: self.low + ((pair as u64) << shift), symbols: self.symbols + 2 }
    }

    /// The child that this number of the region lies in.
    pub(super) const fn child_of(self, number: u64) -> usize {
        let pair = number >> (64 - 4 * (self.symbols + 2)) & 0xff;
        (pair >> 4) as usize * 11 + (pair & 15) as usize
    }

    /// Whether any number is in it: not if digits come after the end.
    pub(super) const fn is_reachable(self) -> bool {
        is_number(self.low)
    }

    /// Whether it can be divided further.
    pub(super) const fn is_divisible(self) -> bool {
        self.symbols + 2 <= TITLE_DIGITS as u32
    }
}

/// Slots, each with the first number that it holds for.
pub(super) type Boundaries = Vec<(u64, u32)>;
/// Slots, each with the one that is to be asked after it.
pub(super) type Links = Vec<(u32, u32)>;

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    end: u64,
    slot: u32,
}

/// A place in the list, with the entries that it lies in.
#[derive(Clone)]
pub(super) struct Sweep<'a> {
    keys: Range<'a, u64, u32>,
    next: Option<(u64, u32)>,
    /// Nodes that are open here, each inside of the one before: prefixes of one number, and the number.
    open: [Node; TITLE_DIGITS + 1],
    depth: usize,
}

impl<'a> Sweep<'a> {
    /// Begins before the entries that start at this number.
    pub(super) fn at(list: &'a Keys, low: u64) -> Self {
        let mut keys = list.range(low..);
        let next = keys.next().map(|(key, slot)| (*key, *slot));
        let mut sweep = Self { keys, next, open: [Node::default(); TITLE_DIGITS + 1], depth: 0 };
        let number = Symbols(low);
        for len in 1..number.len() {
            let prefix = number.prefix(len);
            // Shorter than asked for if digits come after the end.
            if prefix.len() == len
                && let Some((key, slot)) = first_of(list, prefix.0)
            {
                sweep.push(Node { end: end_of(key), slot });
            }
        }
        sweep
    }

    /// Whether the place is before this number, with no entry that starts between.
    pub(super) fn reaches(&self, low: u64) -> bool {
        self.next.is_none_or(|(key, _)| start_of(key) >= low)
    }

    fn push(&mut self, node: Node) {
        if let Some(place) = self.open.get_mut(self.depth) {
            *place = node;
            self.depth += 1;
        }
    }

    fn innermost(&self) -> Option<Node> {
        self.depth.checked_sub(1).and_then(|last| self.open.get(last)).copied()
    }

    fn slot(&self) -> u32 {
        self.innermost().map_or(TITLE_NO_SLOT, |node| node.slot)
    }

    fn step(&mut self) {
        self.next = self.keys.next().map(|(key, slot)| (*key, *slot));
    }

    /// Closes what ends at or before the start of the region; gives the slot that holds there if it holds for the whole
    /// region.
    pub(super) fn whole(&mut self, region: Region) -> Option<u32> {
        while let Some(node) = self.innermost()
            && node.end <= region.low
        {
            self.depth -= 1;
        }
        let goes_on = self.innermost().is_none_or(|node| node.end >= region.high());
        (goes_on && self.reaches(region.high())).then(|| self.slot())
    }

    /// Goes to the end of the region, and collects where which slot begins to hold, and what is to be asked after each
    /// entry that starts there. False if there are more boundaries than a segment has; then the place is somewhere inside.
    pub(super) fn collect(&mut self, region: Region, boundaries: &mut Boundaries, links: &mut Links) -> bool {
        boundaries.clear();
        if let Some(slot) = self.whole(region) {
            boundaries.push((region.low, slot));
            return true;
        }
        let high = region.high();
        boundaries.push((region.low, self.slot()));
        while boundaries.len() <= MAX_SEGMENT {
            let next = self.next.filter(|(key, _)| start_of(*key) < high);
            let until = next.map_or(high, |(key, _)| start_of(key));
            while let Some(node) = self.innermost()
                && node.end <= until
                && node.end < high
            {
                self.depth -= 1;
                add(boundaries, node.end, self.slot());
            }
            let Some((key, slot)) = next else { return boundaries.len() <= MAX_SEGMENT };
            let outer = self.slot();
            let mut last = slot;
            self.step();
            while let Some((other, slot)) = self.next
                && node_of(other) == node_of(key)
            {
                links.push((last, slot));
                last = slot;
                self.step();
            }
            links.push((last, outer));
            self.push(Node { end: end_of(key), slot });
            add(boundaries, start_of(key), slot);
        }
        false
    }

    /// Whether the region, at the start of which the place is, has more boundaries than a segment.
    pub(super) fn is_dense(&self, region: Region, boundaries: &mut Boundaries, links: &mut Links) -> bool {
        let (links_before, mut probe) = (links.len(), self.clone());
        let dense = !probe.collect(region, boundaries, links);
        links.truncate(links_before);
        dense
    }
}

/// Adds a boundary behind the others, so that none is there for nothing.
fn add(boundaries: &mut Boundaries, at: u64, slot: u32) {
    if let Some((last, held)) = boundaries.last_mut()
        && *last == at
    {
        *held = slot;
        if let [.., (_, before), _] = boundaries.as_slice()
            && *before == slot
        {
            boundaries.pop();
        }
    } else if boundaries.last().is_none_or(|(_, held)| *held != slot) {
        boundaries.push((at, slot));
    }
}

/// The range of the root table that a node's numbers are in.
pub(super) fn roots(node: u64) -> std::ops::Range<u32> {
    let from = Symbols(start_of(node)).root_index();
    let end = end_of(node);
    let inside = Region::root(from);
    if end <= carried(inside.high()) { from..from + 1 } else { from..Symbols(end).root_index() }
}

const _: () = assert!(CHUNK_LEN == 121);
