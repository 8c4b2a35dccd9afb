//! Many entries at once: written beside those that are live, and made live by one store.
//!
//! Each entry says in which halves of the lists it is; the CONFIG record says which half is live, and the kernel program
//! looks at that once for a frame. So an import
//!
//! 1. stages: writes its entries into the other half, where no frame sees them,
//! 2. retires: takes what is to go out of the other half, where no frame sees that,
//! 3. and once the other half is live, for all lists at once ([`crate::kernel::Lists`]),
//! 4. settles: puts what is live into both halves, and frees what went.
//!
//! The steps are taken in slices, so that the controller does its other work meanwhile. A controller that dies before
//! the flip has changed nothing, and one that dies after it has changed all; [`BlockList::adopt`] mends either.

use ss7guard_common::abi::{BOTH_HALVES, BlockDetail};

use super::{Arrays, BlockList, Held, Key, ListError};

/// An import under way.
#[derive(Debug)]
pub struct Import {
    /// The half that was live when it began.
    live: u8,
    /// How far the present step has come.
    after: Option<Key>,
    /// Entries that were staged.
    pub staged: usize,
    /// Entries that went.
    pub gone: usize,
}

/// What settling has done.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries that became live, or got another end.
    pub live: Vec<BlockDetail>,
    /// Entries that are no more in the list.
    pub gone: Vec<BlockDetail>,
}

impl<A: Arrays> BlockList<A> {
    /// Begins an import; `half` is the half of the lists that is live. There is at most one at a time.
    #[must_use]
    pub const fn begin(&self, half: u32) -> Import {
        Import { live: 1 << (half & 1), after: None, staged: 0, gone: 0 }
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

    /// Looks at so many entries, and takes those that go out of the half that is not live; true when it has looked at
    /// all. `goes` says which live entries go even if nothing takes their place; what has neutralised something lately
    /// goes on for retransmissions.
    ///
    /// # Errors
    /// An array cannot be written. Nothing has changed for any frame.
    pub fn retire(
        &mut self,
        import: &mut Import,
        most: usize,
        now_ns: u64,
        goes: impl Fn(&BlockDetail) -> bool,
    ) -> Result<bool, ListError> {
        let keys = self.keys_after(import.after, most);
        for key in &keys {
            if key.staged == 0 && self.is_going(*key, &goes) && !self.may_be_sent_again(*key, now_ns)? {
                self.set_halves(*key, import.live)?;
            }
        }
        import.after = keys.last().copied();
        Ok(keys.is_empty())
    }

    /// Once the other half is live, and no frame looks at the one that was: looks at so many entries, puts those that
    /// are live into both halves, and frees those that went; true when it has looked at all.
    ///
    /// # Errors
    /// An array cannot be written. What frames see is right, and [`BlockList::adopt`] mends the rest.
    pub fn settle(
        &mut self,
        import: &mut Import,
        most: usize,
        now_ns: u64,
        goes: impl Fn(&BlockDetail) -> bool,
        progress: &mut Progress,
    ) -> Result<bool, ListError> {
        let keys = self.keys_after(import.after, most);
        for key in &keys {
            self.settle_key(import, *key, now_ns, &goes, progress)?;
        }
        // A key that was staged has another name now, before its own.
        import.after = keys.last().copied();
        Ok(keys.is_empty())
    }

    /// Gives an import up whose other half is not live: takes away what was staged, puts back what was retired, so many
    /// entries at a time; true when it has looked at all. To be called until then.
    ///
    /// # Errors
    /// An array cannot be written. Nothing has changed for any frame.
    pub fn undo(&mut self, import: &mut Import, most: usize) -> Result<bool, ListError> {
        let keys = self.keys_after(import.after, most);
        for key in &keys {
            if key.staged == 1 {
                self.remove_key(*key)?;
            } else if self.held.get(key).is_some_and(|held| held.detail.halves == import.live) {
                self.set_halves(*key, BOTH_HALVES)?;
            }
        }
        import.after = keys.last().copied();
        Ok(keys.is_empty())
    }

    /// Begins the present step from the start again.
    pub const fn rewind(&self, import: &mut Import) {
        import.after = None;
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
    fn settle_key(
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
}
