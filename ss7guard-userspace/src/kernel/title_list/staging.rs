//! Many entries at once: a list made beside the live one, in the other half of the tables.
//!
//! The steps are those of the block list's imports, so that one coordinator can drive both:
//!
//! 1. [`TitleList::stage`] writes entries into free slots; nothing leads there.
//! 2. [`TitleList::retire`] finds which live entries stay, and makes the tables of the coming list: root words of the
//!    other half, elements of their own, and the parents of that half.
//! 3. The caller makes the other half live, by one bit for all lists.
//! 4. [`TitleList::settle`] waits for frames that are still in the old half, then makes that half like the other, and
//!    frees what went.
//!
//! [`TitleList::undo`] takes the place of the last two. Changes that come meanwhile are made in both lists. A writer that
//! dies before the flip has changed nothing, one that dies after it has changed all; [`TitleList::adopt`] mends either.

use ss7guard_common::abi::{BOTH_HALVES, ROOT_LEN, TitleDetail};

use super::build::Build;
use super::key::Keys;
use super::tables::{NoRoom, Place, TitleArrays};
use super::{TitleKey, TitleList};
use crate::kernel::block_list::ListError;

/// An import under way, to its caller.
#[derive(Debug)]
pub struct TitleImport {
    /// Entries that were staged.
    pub staged: usize,
    /// Entries that went.
    pub gone: usize,
}

/// What a slice of work has done.
#[derive(Debug, Default)]
pub struct TitleProgress {
    /// Entries that became live, or got another form.
    pub live: Vec<TitleDetail>,
    /// Entries that are no more in the list.
    pub gone: Vec<TitleDetail>,
}

/// What of an import is being done; the key is the first that is still to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Retiring(u64),
    Building,
    /// The tables of the coming list are complete.
    Ready,
    /// Both halves of every live entry are made alike.
    Settling(u64),
    /// What the old list has besides goes.
    Clearing,
    Undoing(u64),
    /// What was staged goes.
    Unstaging,
}

/// The list that is coming; once it is live, or given up, the other one.
#[derive(Clone, Debug)]
pub(super) struct Staging {
    phase: Phase,
    pub(super) keys: Keys,
    pub(super) build: Build,
}

impl Staging {
    /// The first number that the tables of the coming list do not have yet.
    pub(super) fn until(&self) -> u64 {
        if self.phase == Phase::Ready {
            return u64::MAX;
        }
        self.build.until()
    }

    /// Whether a list is being made that is neither live nor given up.
    pub(super) const fn is_coming(&self) -> bool {
        matches!(self.phase, Phase::Retiring(_) | Phase::Building | Phase::Ready)
    }
}

impl<A: TitleArrays> TitleList<A> {
    /// Begins an import, `half` being the live one. There is at most one at a time: one that was left is undone, or
    /// settled if it is live.
    pub fn begin(&mut self, half: u32) -> TitleImport {
        let mut import = TitleImport { staged: 0, gone: 0 };
        if self.makes_coming() && half & 1 != self.half {
            while !self.settle(&mut import, usize::MAX, 0, |_| false, &mut TitleProgress::default()) {}
        }
        while self.import.is_some() && !self.undo(&mut import, usize::MAX) {}
        // Both halves are alike now.
        self.half = half & 1;
        self.tables.segments.begin();
        self.tables.chunks.begin();
        self.import = Some(Staging { phase: Phase::Retiring(0), keys: Keys::new(), build: Build::default() });
        TitleImport { staged: 0, gone: 0 }
    }

    /// Stages an entry; a second one with the same key takes the place of the first. To be done before
    /// [`TitleList::retire`].
    ///
    /// # Errors
    /// There is no room, or there are no such digits. What was staged is still there, and no frame sees it.
    pub fn stage(&mut self, import: &mut TitleImport, detail: TitleDetail) -> Result<(), ListError> {
        let key = TitleKey::of(&detail);
        if !key.is_valid() {
            return Err(ListError::Digits);
        }
        let (key, capacity, halves) = (key.packed(), self.capacity(), 1u8 << (self.half ^ 1));
        let Some(staging) = self.import.as_mut().filter(|staging| staging.phase == Phase::Retiring(0)) else {
            return Err(ListError::Missing);
        };
        let detail = TitleDetail { used: 1, halves, parent: [0; 2], ..detail };
        // An entry that a rule has put into both lists meanwhile gives way, as it would to one staged before.
        let held = staging.keys.get(&key).copied().filter(|slot| self.live.get(&key) != Some(slot));
        let slot = match held {
            Some(slot) => slot,
            None if staging.keys.len() >= capacity => return Err(ListError::TitlesFull(capacity)),
            None => self.tables.take_slot().ok_or(ListError::TitlesFull(capacity))?,
        };
        if held.is_none() {
            staging.keys.insert(key, slot);
            import.staged += 1;
            self.tables.arrays.clear_hits(slot);
        }
        self.tables.arrays.set_detail(slot, &detail);
        Ok(())
    }

    /// Does a slice of the work that comes before the flip: about so many entries are looked at. `goes` says which live
    /// entries go even if nothing takes their place; what has neutralised something lately goes on for retransmissions.
    /// True when the other half can be made live; then that is to be done, and [`TitleList::settle`] after it.
    ///
    /// # Errors
    /// The lists do not fit; nothing has changed for any frame, and the import is to be undone.
    pub fn retire(
        &mut self,
        _import: &mut TitleImport,
        most: usize,
        now_ns: u64,
        goes: impl Fn(&TitleDetail) -> bool,
    ) -> Result<bool, ListError> {
        let Some(phase) = self.import.as_ref().map(|import| import.phase) else {
            return Err(ListError::Missing);
        };
        match phase {
            Phase::Retiring(from) => self.retire_from(from, most, now_ns, goes)?,
            Phase::Building => {
                let side = self.coming_side(u64::MAX);
                let Some(import) = &mut self.import else { return Err(ListError::Missing) };
                match self.tables.build(&import.keys, side, &mut import.build, most) {
                    Ok(true) => import.phase = Phase::Ready,
                    Ok(false) => {}
                    Err(NoRoom) => return Err(ListError::TitlesCrowded(import.keys.len())),
                }
            }
            Phase::Ready => return Ok(true),
            _ => return Err(ListError::Missing),
        }
        Ok(self.import.as_ref().is_some_and(|import| import.phase == Phase::Ready))
    }

    fn slice(&self, from: u64, most: usize) -> Vec<(u64, u32)> {
        self.live.range(from..).take(most).map(|(key, slot)| (*key, *slot)).collect()
    }

    fn retire_from(
        &mut self,
        from: u64,
        most: usize,
        now_ns: u64,
        goes: impl Fn(&TitleDetail) -> bool,
    ) -> Result<(), ListError> {
        let (capacity, live) = (self.capacity(), 1u8 << self.half);
        let slice = self.slice(from, most.max(1));
        for (key, slot) in &slice {
            let detail = self.tables.arrays.detail(*slot);
            let lingers = self.lingers(*slot, &detail, now_ns);
            let Some(import) = &mut self.import else { return Err(ListError::Missing) };
            let is_replaced = import.keys.get(key).is_some_and(|other| other != slot);
            if is_replaced || goes(&detail) && !lingers {
                if !is_replaced {
                    import.keys.remove(key);
                }
                self.tables.set_halves(*slot, live);
            } else if import.keys.len() >= capacity && !import.keys.contains_key(key) {
                return Err(ListError::TitlesFull(capacity));
            } else {
                import.keys.insert(*key, *slot);
            }
        }
        if let Some(import) = &mut self.import {
            import.phase = slice.last().map_or(Phase::Building, |(key, _)| Phase::Retiring(key + 1));
        }
        Ok(())
    }

    /// Does a slice of the work that comes after the flip, as [`TitleList::retire`]; `goes` is the same. True when the
    /// import is over. The first slice waits for frames, some milliseconds.
    pub fn settle(
        &mut self,
        import: &mut TitleImport,
        most: usize,
        now_ns: u64,
        goes: impl Fn(&TitleDetail) -> bool,
        progress: &mut TitleProgress,
    ) -> bool {
        let Some(phase) = self.import.as_ref().map(|import| import.phase) else { return true };
        match phase {
            Phase::Settling(from) => {
                let slice = self.slice(from, most.max(1));
                for (key, slot) in &slice {
                    self.settle_entry(import, *key, *slot, now_ns, &goes, progress);
                }
                let next = slice.last().map_or(Phase::Clearing, |(key, _)| Phase::Settling(key + 1));
                self.set_phase(next);
            }
            Phase::Clearing => {
                let old = 1u8 << (self.half ^ 1);
                for _ in 0..most.max(1) {
                    let Some((key, slot)) = self.import.as_mut().and_then(|import| import.keys.pop_first())
                    else {
                        self.import = None;
                        return true;
                    };
                    let detail = self.tables.arrays.detail(slot);
                    if self.live.get(&key) != Some(&slot) && detail.used == 1 && detail.halves == old {
                        self.ends.remove(&(self.gone_at(&detail), slot));
                        self.tables.clear(slot);
                        // No frame is in the old half any more.
                        self.tables.free.push_back(slot);
                        import.gone += 1;
                        progress.gone.push(detail);
                    }
                }
            }
            Phase::Ready => self.take_over(),
            _ => return true,
        }
        false
    }

    /// The coming list is the live one.
    fn take_over(&mut self) {
        let Some(import) = &mut self.import else { return };
        std::mem::swap(&mut self.live, &mut import.keys);
        import.phase = Phase::Settling(0);
        self.half ^= 1;
        self.tables.arrays.wait_for_frames();
        self.tables.segments.swap();
        self.tables.chunks.swap();
        self.tables.segments.end();
        self.tables.chunks.end();
        let waited = std::mem::take(&mut self.tables.waiting);
        self.tables.free.extend(waited);
        self.copy_roots();
    }

    /// Makes the root table of the half that is not live like the other.
    fn copy_roots(&mut self) {
        for index in 0..ROOT_LEN {
            let word = self.tables.word(self.half, Place::Root(index));
            if self.tables.word(self.half ^ 1, Place::Root(index)) != word {
                self.tables.set_word(1 << (self.half ^ 1), Place::Root(index), word);
            }
        }
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Some(import) = &mut self.import {
            import.phase = phase;
        }
    }

    /// Makes both halves of a live entry alike; true if it was in the live one only.
    fn level(&mut self, slot: u32) -> bool {
        let detail = self.tables.arrays.detail(slot);
        let after = detail.parent.get(self.half as usize).copied().unwrap_or(0);
        self.tables.set_parents(slot, BOTH_HALVES, after);
        self.tables.set_halves(slot, BOTH_HALVES);
        detail.halves != BOTH_HALVES
    }

    fn settle_entry(
        &mut self,
        import: &mut TitleImport,
        key: u64,
        slot: u32,
        now_ns: u64,
        goes: &impl Fn(&TitleDetail) -> bool,
        progress: &mut TitleProgress,
    ) {
        if self.level(slot) {
            progress.live.push(self.note_end(slot));
        } else if goes(&self.tables.arrays.detail(slot)) {
            import.gone += 1;
            match self.end_packed(key, now_ns) {
                Ok((detail, true)) => progress.gone.push(detail),
                Ok((detail, false)) => progress.live.push(detail),
                // For want of room it stays in the tables and does nothing.
                Err(_) => progress.live.push(self.shorten(slot, now_ns)),
            }
        }
    }

    /// Does a slice of giving up an import whose list is not live: about so many entries are looked at. True when nothing
    /// is left of it.
    pub fn undo(&mut self, import: &mut TitleImport, most: usize) -> bool {
        let Some(phase) = self.import.as_ref().map(|import| import.phase) else { return true };
        match phase {
            Phase::Retiring(_) | Phase::Building | Phase::Ready => {
                self.set_phase(Phase::Undoing(0));
                self.tables.segments.end();
                self.tables.chunks.end();
                self.copy_roots();
            }
            Phase::Undoing(from) => {
                let slice = self.slice(from, most.max(1));
                for (_, slot) in &slice {
                    self.level(*slot);
                }
                let next = slice.last().map_or(Phase::Unstaging, |(key, _)| Phase::Undoing(key + 1));
                self.set_phase(next);
            }
            Phase::Unstaging => {
                let staged = 1u8 << (self.half ^ 1);
                for _ in 0..most.max(1) {
                    let Some((_, slot)) = self.import.as_mut().and_then(|import| import.keys.pop_first())
                    else {
                        self.import = None;
                        return true;
                    };
                    let detail = self.tables.arrays.detail(slot);
                    if detail.used == 1 && detail.halves == staged {
                        self.tables.clear(slot);
                        self.tables.free.push_back(slot);
                    }
                }
            }
            Phase::Settling(_) | Phase::Clearing => {
                return self.settle(import, most, 0, |_| false, &mut TitleProgress::default());
            }
        }
        false
    }
}
