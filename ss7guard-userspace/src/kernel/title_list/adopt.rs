//! Taking over what a writer has left, whole or in the middle of something.

use ss7guard_common::abi::{BOTH_HALVES, CHUNK_LEN, MAX_CHUNKS_DEEP, ROOT_LEN, TitleStep, TitleWord};

use super::key::Keys;
use super::space::{Owner, Space};
use super::sweep::{Boundaries, Links, Region, Sweep};
use super::tables::{NoRoom, Place, Tables, TitleArrays};
use super::{TitleKey, TitleList};
use crate::kernel::KernelError;

impl<A: TitleArrays> TitleList<A> {
    /// Takes over what is in the arrays, `half` being the live one: its entries stay, what else there is goes, and tables
    /// that a writer left half-made are made anew beside them. `linger_ns` is how long an entry that neutralised something
    /// goes on after its end.
    ///
    /// # Errors
    /// The entries do not fit into the tables, which those that were there cannot but do.
    pub fn adopt(arrays: A, half: u32, linger_ns: u64) -> Result<Self, KernelError> {
        let half = half & 1;
        let mut list = Self {
            tables: Tables::new(arrays),
            half,
            live: Keys::new(),
            ends: std::collections::BTreeSet::new(),
            linger_ns,
            import: None,
        };
        list.read(half);
        // A frame may still be where the last writer's last change led it from.
        list.tables.arrays.wait_for_frames();
        list.mend(half).map_err(|NoRoom| {
            KernelError::Unsupported(format!(
                "{} global titles do not fit their tables; remove the pins to begin anew",
                list.live.len()
            ))
        })?;
        // What did not stay may have been led to until now.
        list.tables.arrays.wait_for_frames();
        Ok(list)
    }

    /// Finds out what is in which slot.
    fn read(&mut self, half: u32) {
        let mut found = Vec::new();
        for slot in 1..self.tables.arrays.slots() {
            let detail = self.tables.arrays.detail(slot);
            let key = TitleKey::of(&detail);
            if detail.used == 1 && detail.halves >> half & 1 == 1 && key.is_valid() {
                found.push((key.packed(), slot));
            } else {
                self.tables.free.push_back(slot);
            }
        }
        found.sort_unstable();
        found.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                self.tables.free.push_back(later.1);
            }
            same
        });
        self.live = found.into_iter().collect();
        let slots: Vec<u32> = self.live.values().copied().collect();
        for slot in slots {
            self.note_end(slot);
        }
    }

    /// Makes the tables say what the list says.
    fn mend(&mut self, half: u32) -> Result<(), NoRoom> {
        let wrong = self.verify(half);
        if !wrong.is_empty() {
            self.rebuild(half, &wrong)?;
            self.tables.arrays.wait_for_frames();
            self.forget_elements();
            if !self.verify(half).is_empty() {
                return Err(NoRoom);
            }
        }
        let other = half ^ 1;
        for index in 0..ROOT_LEN {
            let word = self.tables.word(half, Place::Root(index));
            if self.tables.word(other, Place::Root(index)) != word {
                self.tables.set_word(1 << other, Place::Root(index), word);
            }
        }
        for slot in self.live.values() {
            self.tables.set_halves(*slot, BOTH_HALVES);
        }
        let free: Vec<u32> = self.tables.free.iter().copied().collect();
        for slot in free {
            self.tables.clear(slot);
        }
        Ok(())
    }

    fn forget_elements(&mut self) {
        self.tables.segments = Space::new(self.tables.arrays.segments());
        self.tables.chunks = Space::new(self.tables.arrays.chunks());
    }

    /// Holds the tables of this half against the list, and links what they lead to; gives the words of the root table that
    /// are wrong. Elements that are right are taken.
    fn verify(&mut self, half: u32) -> Vec<u32> {
        let mut wrong = Vec::new();
        let (mut boundaries, mut links) = (Boundaries::new(), Links::new());
        let mut sweep = Sweep::at(&self.live, 0);
        for index in 0..ROOT_LEN {
            let region = Region::root(index);
            let word = self.tables.word(half, Place::Root(index));
            links.clear();
            if self.tables.holds(&mut sweep, region, word, &mut boundaries, &mut links) {
                for (slot, after) in &links {
                    self.tables.set_parents(*slot, BOTH_HALVES, *after);
                }
            } else {
                wrong.push(index);
                sweep = Sweep::at(&self.live, Region::root(index + 1).low);
            }
        }
        wrong
    }

    /// Makes these words of the root table anew, in elements that nothing leads to.
    fn rebuild(&mut self, half: u32, wrong: &[u32]) -> Result<(), NoRoom> {
        let mut visited = Space::new(self.tables.arrays.chunks());
        for index in wrong {
            let word = self.tables.word(half, Place::Root(*index));
            self.tables.keep(word, &mut visited, MAX_CHUNKS_DEEP);
        }
        if self.rebuild_beside(half, wrong).is_ok() {
            return Ok(());
        }
        // No room beside what is there: for a moment these numbers have no entries.
        for index in wrong {
            self.tables.set_word(1 << half, Place::Root(*index), TitleWord(0));
        }
        self.tables.arrays.wait_for_frames();
        self.forget_elements();
        self.verify(half);
        self.rebuild_beside(half, wrong)
    }

    fn rebuild_beside(&mut self, half: u32, wrong: &[u32]) -> Result<(), NoRoom> {
        let (mut boundaries, mut links) = (Boundaries::new(), Links::new());
        for index in wrong {
            let region = Region::root(*index);
            let mut sweep = Sweep::at(&self.live, region.low);
            links.clear();
            let word = self.tables.grow(&mut sweep, region, Owner::Live, &mut boundaries, &mut links)?;
            for (slot, after) in &links {
                self.tables.set_parents(*slot, BOTH_HALVES, *after);
            }
            self.tables.set_word(1 << half, Place::Root(*index), word);
        }
        Ok(())
    }
}

impl<A: TitleArrays> Tables<A> {
    /// Takes everything that a word leads to, right or wrong, as long as frames may be there.
    fn keep(&mut self, word: TitleWord, visited: &mut Space, deep: usize) {
        match word.step() {
            TitleStep::Segment { start, len } => {
                for element in (start..).take(len.min(64) as usize) {
                    self.segments.claim(element, 1, Owner::Live);
                }
            }
            TitleStep::Chunk(chunk) if deep > 0 && visited.claim(chunk, 1, Owner::Live) => {
                self.chunks.claim(chunk, 1, Owner::Live);
                for child in 0..CHUNK_LEN {
                    let word = TitleWord(self.arrays.child(chunk, child));
                    self.keep(word, visited, deep - 1);
                }
            }
            TitleStep::Chunk(_) | TitleStep::Leaf(_) => {}
        }
    }
}
