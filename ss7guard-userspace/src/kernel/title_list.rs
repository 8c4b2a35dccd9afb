//! The list of calling global titles: what is in which slot, and the tables that lead the kernel program there.
//!
//! A change is worked out first and written into free elements of the arrays; then single stores lead the numbers that it
//! is about from the old to the new, each at once (`title_list/tree.rs`). What was replaced is free when no frame can be
//! there any more, for which one waits only if room is needed. Outside of an import both halves of the lists are alike
//! and share everything but the root tables.
//!
//! Nobody else writes these arrays. What is kept here is which entry is in which slot; the entries are read where they
//! are. A writer that died at any store leaves what [`TitleList::adopt`] mends.

mod adopt;
mod arrays;
mod build;
mod key;
mod meanwhile;
mod space;
mod staging;
mod sweep;
mod tables;
mod tree;

use std::collections::BTreeSet;

use ss7guard_common::abi::{BOTH_HALVES, BlockHits, TitleDetail};
use ss7guard_common::verdict::Action;

use crate::kernel::block_list::ListError;

pub use arrays::{TitleMaps, TitleSizes};
pub use key::TitleKey;
pub use staging::{TitleImport, TitleProgress};
pub use tables::TitleArrays;

use key::Keys;
use space::Owner;
use staging::Staging;
use tables::{NoRoom, Side, Tables};

/// An entry with its hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TitleEntry {
    /// What the kernel has.
    pub detail: TitleDetail,
    /// How often it applied, and when it last did before its end.
    pub hits: BlockHits,
}

/// The list.
#[derive(Clone)]
pub struct TitleList<A> {
    tables: Tables<A>,
    /// The half that frames see.
    half: u32,
    /// What is in it.
    live: Keys,
    /// Entries that end, by when: their slots.
    ends: BTreeSet<(u64, u32)>,
    /// How long an entry goes on after its end, in nanoseconds.
    linger_ns: u64,
    import: Option<Staging>,
}

impl<A: TitleArrays> TitleList<A> {
    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Entries that fit: half of the slots, so that an import can make a whole list beside the live one.
    #[must_use]
    pub fn capacity(&self) -> usize {
        (self.tables.arrays.slots().saturating_sub(1) / 2) as usize
    }

    /// The arrays.
    #[must_use]
    pub const fn arrays(&self) -> &A {
        &self.tables.arrays
    }

    /// Adds an entry, or puts it in the place of the one with the same key, whose hits stay; gives it as it was written.
    /// Halves, parents and the mark of use are set here.
    ///
    /// # Errors
    /// There is no room, or there are no such digits; nothing has changed then.
    pub fn put(&mut self, detail: TitleDetail) -> Result<TitleDetail, ListError> {
        let key = TitleKey::of(&detail);
        if !key.is_valid() {
            return Err(ListError::Digits);
        }
        let key = key.packed();
        match self.live.get(&key).copied() {
            Some(slot) => self.renew(key, slot, detail),
            None => self.add(key, detail),
        }
    }

    fn renew(&mut self, key: u64, slot: u32, detail: TitleDetail) -> Result<TitleDetail, ListError> {
        self.rejoin(key, slot)?;
        let old = self.tables.arrays.detail(slot);
        let new = TitleDetail { used: 1, halves: old.halves, parent: old.parent, ..detail };
        self.ends.remove(&(self.gone_at(&old), slot));
        self.tables.arrays.set_detail(slot, &new);
        Ok(self.note_end(slot))
    }

    fn add(&mut self, key: u64, detail: TitleDetail) -> Result<TitleDetail, ListError> {
        let full = ListError::TitlesFull(self.capacity());
        if self.live.len() >= self.capacity() || !self.has_room_to_join(key) {
            return Err(full);
        }
        if self.tables.segments.in_use() > self.tables.segments.share()
            || self.tables.chunks.in_use() > self.tables.chunks.share()
        {
            return Err(ListError::TitlesCrowded(self.live.len()));
        }
        let slot = self.tables.take_slot().ok_or(full)?;
        match self.link(key, slot, detail) {
            Ok(()) => Ok(self.note_end(slot)),
            Err(NoRoom) => {
                self.tables.free.push_front(slot);
                Err(ListError::TitlesCrowded(self.live.len()))
            }
        }
    }

    /// Puts an entry into a free slot and makes the tables lead there.
    fn link(&mut self, key: u64, slot: u32, detail: TitleDetail) -> Result<(), NoRoom> {
        let side = self.live_side();
        self.live.insert(key, slot);
        let here = self.tables.plan(&self.live, side, key);
        let here = here.inspect_err(|_| {
            self.live.remove(&key);
        })?;
        let there = self.plan_join(key, slot);
        let there = there.inspect_err(|_| {
            self.live.remove(&key);
            self.tables.forget(&here, side);
        })?;
        let after = here.after(slot).unwrap_or(0);
        let mut detail = TitleDetail { used: 1, halves: side.halves, parent: [after; 2], ..detail };
        if let Some(joined) = &there {
            detail.halves = BOTH_HALVES;
            if let Some(parent) = detail.parent.get_mut(joined.side.half as usize) {
                *parent = joined.change.after(slot).unwrap_or(0);
            }
        }
        self.tables.arrays.clear_hits(slot);
        self.tables.arrays.set_detail(slot, &detail);
        if let Some(joined) = there {
            self.carry_out_coming(&joined, key);
        }
        self.tables.carry_out(&here, side);
        Ok(())
    }

    /// The list that frames see, as a change of it sees it.
    fn live_side(&self) -> Side {
        let halves = if self.makes_coming() { 1 << self.half } else { BOTH_HALVES };
        Side { half: self.half, halves, owner: Owner::Live, until: u64::MAX }
    }

    /// The entry with this key, as it was written.
    #[must_use]
    pub fn get(&self, key: &TitleKey) -> Option<TitleDetail> {
        self.live.get(&key.packed()).map(|slot| self.tables.arrays.detail(*slot))
    }

    /// Ends the entry with this key, as if its time were over now; gives it. It goes on for retransmissions if it has
    /// neutralised something lately, and is removed at once otherwise: true.
    ///
    /// # Errors
    /// There is none, or, while an import fills the tables, no room for what takes its place; nothing has changed then.
    pub fn end(&mut self, key: &TitleKey, now_ns: u64) -> Result<(TitleDetail, bool), ListError> {
        self.end_packed(key.packed(), now_ns)
    }

    fn end_packed(&mut self, key: u64, now_ns: u64) -> Result<(TitleDetail, bool), ListError> {
        let slot = *self.live.get(&key).ok_or(ListError::Missing)?;
        let detail = self.tables.arrays.detail(slot);
        if !self.lingers(slot, &detail, now_ns) {
            return Ok((self.remove_packed(key)?.detail, true));
        }
        Ok((self.shorten(slot, now_ns), false))
    }

    /// Lets an entry end now, unless it has ended; gives it.
    fn shorten(&mut self, slot: u32, now_ns: u64) -> TitleDetail {
        let detail = self.tables.arrays.detail(slot);
        if detail.expires_at != 0 && detail.expires_at <= now_ns {
            return detail;
        }
        self.ends.remove(&(self.gone_at(&detail), slot));
        self.tables.arrays.set_end(slot, now_ns.max(1));
        self.note_end(slot)
    }

    /// Ends every entry for which `wanted` is true, as [`TitleList::end`] does; gives them.
    ///
    /// # Errors
    /// As [`TitleList::end`]; those before it have ended.
    pub fn end_where(
        &mut self,
        now_ns: u64,
        wanted: impl Fn(&TitleDetail) -> bool,
    ) -> Result<Vec<(TitleDetail, bool)>, ListError> {
        self.keys_where(wanted).into_iter().map(|key| self.end_packed(key, now_ns)).collect()
    }

    fn keys_where(&self, wanted: impl Fn(&TitleDetail) -> bool) -> Vec<u64> {
        let is_wanted = |slot: &u32| wanted(&self.tables.arrays.detail(*slot));
        self.live.iter().filter(|(_, slot)| is_wanted(slot)).map(|(key, _)| *key).collect()
    }

    /// Removes the entry with this key; gives it.
    ///
    /// # Errors
    /// As [`TitleList::end`].
    pub fn remove(&mut self, key: &TitleKey) -> Result<TitleDetail, ListError> {
        Ok(self.remove_packed(key.packed())?.detail)
    }

    /// Removes every entry for which `wanted` is true; gives them.
    ///
    /// # Errors
    /// As [`TitleList::end`]; those before it are gone.
    pub fn remove_where(
        &mut self,
        wanted: impl Fn(&TitleDetail) -> bool,
    ) -> Result<Vec<TitleEntry>, ListError> {
        self.keys_where(wanted).into_iter().map(|key| self.remove_packed(key)).collect()
    }

    /// Removes entries that ended, their time for retransmissions included, before `time_ns`, the oldest first and at
    /// most so many; gives them. Those that cannot be removed for want of room, while an import fills the tables, stay
    /// for the next time: they do nothing any more.
    pub fn remove_ended(&mut self, time_ns: u64, most: usize) -> Vec<TitleEntry> {
        let ended = self.ends.iter().take_while(|(end, _)| *end < time_ns).take(most);
        let ended: Vec<(u64, u32)> = ended.copied().collect();
        let mut removed = Vec::new();
        for (end, slot) in ended {
            let key = TitleKey::of(&self.tables.arrays.detail(slot)).packed();
            if self.live.get(&key) == Some(&slot) {
                let Ok(entry) = self.remove_packed(key) else { break };
                removed.push(entry);
            } else {
                // An import has put another in its place, and has yet to take it away.
                self.ends.remove(&(end, slot));
            }
        }
        removed
    }

    fn remove_packed(&mut self, key: u64) -> Result<TitleEntry, ListError> {
        let slot = *self.live.get(&key).ok_or(ListError::Missing)?;
        let side = self.live_side();
        let crowded = ListError::TitlesCrowded(self.live.len());
        self.live.remove(&key);
        let Ok(here) = self.tables.plan(&self.live, side, key) else {
            self.live.insert(key, slot);
            return Err(crowded);
        };
        let Ok(there) = self.plan_leave(key, slot) else {
            self.live.insert(key, slot);
            self.tables.forget(&here, side);
            return Err(crowded);
        };
        let entry =
            TitleEntry { detail: self.tables.arrays.detail(slot), hits: self.tables.arrays.hits(slot) };
        self.tables.carry_out(&here, side);
        if let Some(left) = there {
            self.carry_out_coming(&left, key);
        }
        self.tables.clear(slot);
        self.tables.waiting.push(slot);
        self.ends.remove(&(self.gone_at(&entry.detail), slot));
        Ok(entry)
    }

    /// Every entry, by digits.
    #[must_use]
    pub fn entries(&self) -> Vec<TitleEntry> {
        let arrays = &self.tables.arrays;
        let entry = |slot: &u32| TitleEntry { detail: arrays.detail(*slot), hits: arrays.hits(*slot) };
        self.live.values().map(entry).collect()
    }

    /// At most so many entries behind this key in their order, or from the start.
    #[must_use]
    pub fn entries_after(&self, after: Option<&TitleKey>, most: usize) -> Vec<TitleEntry> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |key| Excluded(key.packed()));
        let arrays = &self.tables.arrays;
        let entry = |slot: &u32| TitleEntry { detail: arrays.detail(*slot), hits: arrays.hits(*slot) };
        self.live.range((from, Unbounded)).take(most).map(|(_, slot)| entry(slot)).collect()
    }

    /// How many entries there are for which `wanted` is true.
    pub fn count_where(&self, wanted: impl Fn(&TitleDetail) -> bool) -> usize {
        self.live.values().filter(|slot| wanted(&self.tables.arrays.detail(**slot))).count()
    }

    /// Notes when an entry will do nothing any more; gives the entry.
    fn note_end(&mut self, slot: u32) -> TitleDetail {
        // Read back, for the array may know the time less exactly.
        let detail = self.tables.arrays.detail(slot);
        if detail.expires_at != 0 {
            self.ends.insert((self.gone_at(&detail), slot));
        }
        detail
    }

    /// Whether what an entry neutralised may be sent again.
    fn lingers(&self, slot: u32, detail: &TitleDetail, now_ns: u64) -> bool {
        if !matches!(detail.action(), Action::Neutralise) {
            return false;
        }
        let last = self.tables.arrays.hits(slot).last;
        last != 0 && last.saturating_add(self.linger_ns) > now_ns
    }

    /// When an entry does nothing any more.
    const fn gone_at(&self, detail: &TitleDetail) -> u64 {
        let lingers = matches!(detail.action(), Action::Neutralise);
        detail.expires_at.saturating_add(if lingers { self.linger_ns } else { 0 })
    }
}

/// The entries in these arrays, for readers that are not the list's writer: `half` is the live one. An entry that is being
/// written may or may not be among them.
#[must_use]
pub fn scan_titles(arrays: &impl TitleArrays, half: u32) -> Vec<TitleEntry> {
    let live = 1u8 << (half & 1);
    let mut entries = Vec::new();
    for slot in 1..arrays.slots() {
        let detail = arrays.detail(slot);
        if detail.used == 1 && detail.halves & live != 0 {
            entries.push(TitleEntry { detail, hits: arrays.hits(slot) });
        }
    }
    entries.sort_by_key(|entry| TitleKey::of(&entry.detail));
    entries
}

#[cfg(test)]
mod tests;
