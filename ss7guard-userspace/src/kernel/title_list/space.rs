//! Which elements of an array are in use: a bit for each.
//!
//! Two lists can be in one array, that of the live half and the one that an import makes beside it; what is given back by
//! the live one waits until no frame can be there any more.

/// Whose an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The list that frames see.
    Live,
    /// The list that an import makes.
    Coming,
}

/// The elements of one array.
#[derive(Clone, Debug)]
pub(super) struct Space {
    len: u32,
    /// One word more than needed, and the bits from `len` on are set: the end is taken.
    live: Vec<u64>,
    /// Empty, or as long as `live`.
    coming: Vec<u64>,
    /// How many are in use by whom.
    counts: [u32; 2],
    /// Where the search goes on.
    at: u32,
    /// Given back, and maybe still in use by a frame: first element and number.
    waiting: Vec<(u32, u32)>,
    waiting_elements: u32,
    /// So many in a row were not found since something was last given back.
    too_many: u32,
}

impl Space {
    pub(super) fn new(len: u32) -> Self {
        let words = len as usize / 64 + 2;
        let mut live = vec![0; words];
        for (index, word) in live.iter_mut().enumerate() {
            let from = index as u64 * 64;
            if u64::from(len) <= from {
                *word = u64::MAX;
            } else if u64::from(len) < from + 64 {
                *word = u64::MAX << (u64::from(len) - from);
            }
        }
        Self {
            len,
            live,
            coming: Vec::new(),
            counts: [0; 2],
            at: 0,
            waiting: Vec::new(),
            waiting_elements: 0,
            too_many: u32::MAX,
        }
    }

    /// How many are in use by the list that frames see, without those that wait.
    pub(super) const fn in_use(&self) -> u32 {
        self.counts[0].saturating_sub(self.waiting_elements)
    }

    /// How many are in use by the list that is coming.
    pub(super) const fn in_use_coming(&self) -> u32 {
        self.counts[1]
    }

    /// How many one of two lists may use: what both do not use lets small changes of either through.
    pub(super) const fn share(&self) -> u32 {
        (self.len - self.len / 64) / 2
    }

    fn word(&self, index: usize) -> u64 {
        let live = self.live.get(index).copied().unwrap_or(u64::MAX);
        live | self.coming.get(index).copied().unwrap_or(0)
    }

    /// The bits of 64 elements from `at` on.
    fn window(&self, at: u32) -> u64 {
        let index = at as usize / 64;
        let low = at % 64;
        let first = self.word(index) >> low;
        if low == 0 { first } else { first | self.word(index + 1) << (64 - low) }
    }

    /// Takes so many in a row, 1 to 32; gives the first.
    pub(super) fn take(&mut self, count: u32, owner: Owner) -> Option<u32> {
        if count >= self.too_many {
            return None;
        }
        let mask = (1u64 << count) - 1;
        let mut wrapped = false;
        loop {
            if self.at >= self.len {
                if wrapped {
                    self.too_many = count;
                    self.at = 0;
                    return None;
                }
                wrapped = true;
                self.at = 0;
            }
            let window = self.window(self.at);
            let taken = window & mask;
            if taken == 0 {
                let first = self.at;
                self.at += count;
                self.mark(first, count, owner, true);
                return Some(first);
            }
            let free = taken.trailing_zeros();
            self.at += free + (window >> free).trailing_ones();
        }
    }

    /// Says that these are in use, or that they are not.
    fn mark(&mut self, first: u32, count: u32, owner: Owner, taken: bool) {
        let bits = match owner {
            Owner::Live => &mut self.live,
            Owner::Coming => &mut self.coming,
        };
        let mut changed = 0;
        for element in first..first.saturating_add(count).min(self.len) {
            if let Some(word) = bits.get_mut(element as usize / 64) {
                let bit = 1u64 << (element % 64);
                changed += u32::from((*word & bit != 0) != taken);
                *word = if taken { *word | bit } else { *word & !bit };
            }
        }
        let counted = &mut self.counts[owner as usize];
        *counted = if taken { *counted + changed } else { counted.saturating_sub(changed) };
    }

    /// Whether all of these are there and nobody's; takes them if so.
    pub(super) fn claim(&mut self, first: u32, count: u32, owner: Owner) -> bool {
        let fits = first.checked_add(count).is_some_and(|end| end <= self.len);
        if !fits || count > 64 || self.window(first) & (u64::MAX >> (64 - count.max(1))) != 0 {
            return false;
        }
        self.mark(first, count, owner, true);
        true
    }

    /// Gives back what no frame can have seen.
    pub(super) fn give(&mut self, first: u32, count: u32, owner: Owner) {
        self.mark(first, count, owner, false);
        self.too_many = u32::MAX;
    }

    /// Gives back what a frame may be in.
    pub(super) fn give_later(&mut self, first: u32, count: u32) {
        self.waiting.push((first, count));
        self.waiting_elements += count;
    }

    /// Whether something waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// No frame is in what waits.
    pub(super) fn give_waiting(&mut self) {
        for (first, count) in std::mem::take(&mut self.waiting) {
            self.give(first, count, Owner::Live);
        }
        self.waiting_elements = 0;
    }

    /// A second list begins.
    pub(super) fn begin(&mut self) {
        self.coming = vec![0; self.live.len()];
        self.counts[1] = 0;
    }

    /// The list that was coming is the one that frames see; what waited was the other one's.
    pub(super) fn swap(&mut self) {
        if self.coming.len() == self.live.len() {
            for (live, coming) in self.live.iter_mut().zip(&mut self.coming) {
                std::mem::swap(live, coming);
            }
            self.close();
            self.counts.swap(0, 1);
        }
        self.waiting.clear();
        self.waiting_elements = 0;
    }

    /// Sets the bits behind the end.
    fn close(&mut self) {
        let fresh = Self::new(self.len);
        for (word, closed) in self.live.iter_mut().zip(&fresh.live) {
            *word |= closed;
        }
    }

    /// There is no second list any more.
    pub(super) fn end(&mut self) {
        self.coming = Vec::new();
        self.counts[1] = 0;
        self.too_many = u32::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_twice_and_everything_comes_back() {
        let mut space = Space::new(1_000);
        let mut taken = Vec::new();
        let mut seen = vec![false; 1_000];
        let mut count = 2;
        while let Some(first) = space.take(count, Owner::Live) {
            for element in first..first + count {
                assert!(!std::mem::replace(&mut seen[element as usize], true));
            }
            taken.push((first, count));
            count = if count == 32 { 2 } else { count + 1 };
        }
        assert_eq!(space.in_use(), seen.iter().filter(|one| **one).count() as u32);
        assert!(space.in_use() > 950);
        // Every second one leaves holes, which are found again.
        for (first, count) in taken.iter().step_by(2) {
            space.give_later(*first, *count);
        }
        assert!(space.has_waiting() && space.take(count, Owner::Live).is_none());
        space.give_waiting();
        for (_, count) in taken.iter().step_by(2) {
            assert!(space.take(*count, Owner::Live).is_some());
        }
    }

    #[test]
    fn a_list_that_comes_takes_nothing_from_the_live_one() {
        let mut space = Space::new(64);
        assert_eq!(space.take(32, Owner::Live), Some(0));
        space.begin();
        assert_eq!(space.take(32, Owner::Coming), Some(32));
        assert_eq!(space.take(2, Owner::Coming), None);
        space.swap();
        space.end();
        assert_eq!((space.in_use(), space.take(32, Owner::Live)), (32, Some(0)));
        assert!(!space.claim(63, 2, Owner::Live) && !space.claim(5, 1, Owner::Live));
    }
}
