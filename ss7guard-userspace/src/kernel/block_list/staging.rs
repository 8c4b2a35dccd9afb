//! Many entries at once: written beside those that are live, and made live by one store.
//!
//! Each entry says in which halves of the lists it is; the CONFIG record says which half is live, and the kernel program
//! looks at that once for a frame. So an import
//!
//! 1. stages: writes its entries into the other half, where no frame sees them,
//! 2. retires: takes what is to go out of the other half, where no frame sees that,
//! 3. flips,
//! 4. settles: puts what is live into both halves, and frees what went.
//!
//! The steps are taken in slices, so that the controller does its other work meanwhile. A controller that dies before
//! the flip has changed nothing, and one that dies after it has changed all; [`BlockList::adopt`] mends either.

use ss7guard_common::abi::{BOTH_HALVES, BlockDetail};

use super::{Arrays, BlockList, Held, Key, ListError};

/// What of an import is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Staging,
    Retiring(Option<Key>),
    Flipping,
    Settling(Option<Key>),
    Undoing,
    Done,
}

/// An import under way.
#[derive(Debug)]
pub struct Import {
    /// The half that was live when it began.
    live: u8,
    step: Step,
    /// Entries that were staged.
    pub staged: usize,
    /// Entries that went.
    pub gone: usize,
}

/// What a slice of work has done.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries that became live, or got another form.
    pub live: Vec<BlockDetail>,
    /// Entries that are no more in the list.
    pub gone: Vec<BlockDetail>,
    /// Whether the import is over.
    pub done: bool,
}

impl<A: Arrays> BlockList<A> {
    /// Begins an import. There is at most one at a time.
    ///
    /// # Errors
    /// The arrays cannot be read.
    pub fn import(&self) -> Result<Import, ListError> {
        let live = 1u8 << (self.arrays.half()? & 1);
        Ok(Import { live, step: Step::Staging, staged: 0, gone: 0 })
    }

    /// Stages an entry; a second one with the same key takes the place of the first.
    ///
    /// # Errors
    /// There is no room, or it cannot be written. What was staged is still there, and no frame sees it.
    pub fn stage(&mut self, import: &mut Import, detail: BlockDetail) -> Result<(), ListError> {
        let key = Key { staged: 1, ..Key::of(&detail) };
        let before = self.held.len();
        self.put_at(key, BlockDetail { halves: BOTH_HALVES & !import.live, ..detail })?;
        import.staged += self.held.len() - before;
        Ok(())
    }

    /// No more entries are coming: from here on [`BlockList::advance`] goes on to the end.
    pub fn commit(&self, import: &mut Import) {
        if import.step == Step::Staging {
            import.step = Step::Retiring(None);
        }
    }

    /// Gives an import up that is not committed; [`BlockList::advance`] takes away what was staged.
    pub fn undo(&self, import: &mut Import) {
        if matches!(import.step, Step::Staging | Step::Retiring(_)) {
            import.step = Step::Undoing;
        }
    }

    /// Does a slice of the work: at most so many entries are looked at. `goes` says which live entries go even if
    /// nothing takes their place; what has neutralised something lately goes on for retransmissions.
    ///
    /// # Errors
    /// An array cannot be written. Before the flip nothing has changed for any frame.
    pub fn advance(
        &mut self,
        import: &mut Import,
        most: usize,
        now_ns: u64,
        goes: impl Fn(&BlockDetail) -> bool,
    ) -> Result<Progress, ListError> {
        let mut progress = Progress::default();
        match import.step {
            Step::Staging | Step::Done => {}
            Step::Retiring(after) => {
                let keys = self.keys_after(after, most);
                for key in &keys {
                    if key.staged == 0
                        && self.is_going(*key, &goes)
                        && !self.may_be_sent_again(*key, now_ns)?
                    {
                        self.set_halves(*key, import.live)?;
                    }
                }
                import.step = keys.last().map_or(Step::Flipping, |key| Step::Retiring(Some(*key)));
            }
            Step::Flipping => {
                self.arrays.flip()?;
                import.step = Step::Settling(None);
            }
            Step::Settling(after) => {
                let keys = self.keys_after(after, most);
                for key in &keys {
                    self.settle(import, *key, now_ns, &goes, &mut progress)?;
                }
                // A key that was staged has another name now, before its own.
                import.step = keys.last().map_or(Step::Done, |key| Step::Settling(Some(*key)));
            }
            Step::Undoing => {
                let staged: Vec<Key> =
                    self.held.keys().filter(|key| key.staged == 1).take(most).copied().collect();
                for key in &staged {
                    self.remove_key(*key)?;
                }
                if staged.is_empty() {
                    self.put_back(import.live)?;
                    import.step = Step::Done;
                }
            }
        }
        progress.done = import.step == Step::Done;
        Ok(progress)
    }

    fn keys_after(&self, after: Option<Key>, most: usize) -> Vec<Key> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.held.range((from, Unbounded)).take(most).map(|(key, _)| *key).collect()
    }

    fn is_going(&self, key: Key, goes: &impl Fn(&BlockDetail) -> bool) -> bool {
        let replaced = self.held.contains_key(&Key { staged: 1, ..key });
        replaced || self.held.get(&key).is_some_and(|held| goes(&held.detail))
    }

    /// Whether an entry that nothing takes the place of has neutralised something lately.
    fn may_be_sent_again(&self, key: Key, now_ns: u64) -> Result<bool, ListError> {
        if self.held.contains_key(&Key { staged: 1, ..key }) {
            return Ok(false);
        }
        let Some(held) = self.held.get(&key) else { return Ok(false) };
        Ok(self.lingers(&held.detail, self.arrays.hits(held.slot)?.last, now_ns))
    }

    fn set_halves(&mut self, key: Key, halves: u8) -> Result<(), ListError> {
        let Some(held) = self.held.get_mut(&key) else { return Ok(()) };
        let detail = BlockDetail { halves, ..held.detail };
        self.arrays.set_detail(held.slot, detail)?;
        held.detail = detail;
        Ok(())
    }

    /// Brings one entry to where it is after the flip.
    fn settle(
        &mut self,
        import: &mut Import,
        key: Key,
        now_ns: u64,
        goes: &impl Fn(&BlockDetail) -> bool,
        progress: &mut Progress,
    ) -> Result<(), ListError> {
        let Some(Held { detail, .. }) = self.held.get(&key).copied() else { return Ok(()) };
        if key.staged == 1 {
            // The entry that it replaces came before it in this order, and is gone.
            self.set_halves(key, BOTH_HALVES)?;
            if let Some(held) = self.held.remove(&key) {
                let live = Key { staged: 0, ..key };
                self.held.insert(live, held);
                self.ends.remove(&(self.gone_at(&held.detail), key));
                self.note_end(live, &held.detail);
                progress.live.push(held.detail);
            }
        } else if detail.halves == import.live {
            let entry = self.remove_key(key)?;
            import.gone += 1;
            progress.gone.push(entry.detail);
        } else if goes(&detail) && !self.held.contains_key(&Key { staged: 1, ..key }) {
            let (detail, removed) = self.end_key(key, now_ns)?;
            import.gone += 1;
            if removed { progress.gone.push(detail) } else { progress.live.push(detail) }
        }
        Ok(())
    }

    /// Puts what was retired back into both halves.
    fn put_back(&mut self, live: u8) -> Result<(), ListError> {
        let retired: Vec<Key> =
            self.held.iter().filter(|(_, held)| held.detail.halves == live).map(|(key, _)| *key).collect();
        for key in retired {
            self.set_halves(key, BOTH_HALVES)?;
        }
        Ok(())
    }
}
