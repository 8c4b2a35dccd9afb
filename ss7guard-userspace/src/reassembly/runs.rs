//! Fragments of user messages, by their number: runs of neighbours that grow together (RFC 9260 §6.9, RFC 8260 §2.2).

/// Octets that a fragment costs besides its content: [`Fragment`], the room that a growing list keeps free, and the
/// allocator's own.
pub(super) const FRAGMENT_OVERHEAD: usize = 112;

const _: () = assert!(2 * size_of::<Fragment>() + 16 <= FRAGMENT_OVERHEAD, "a list grows to twice its size");

/// One fragment.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragment {
    pub(super) octets: Vec<u8>,
    /// First of its message.
    pub(super) begin: bool,
    /// Last of its message.
    pub(super) end: bool,
    /// Came in a packet with a wrong checksum: a receiver would not have taken it.
    pub(super) bad_checksum: bool,
    /// Stream, stream sequence number and whether it is unordered: the same in all fragments of a message.
    pub(super) belongs: (u16, u32, bool),
    /// PPID, where the fragment has one.
    pub(super) ppid: u32,
    /// TSN of its chunk.
    pub(super) tsn: u32,
}

/// Neighbours without a gap.
#[derive(Debug, Default)]
struct Run {
    fragments: Vec<Fragment>,
    /// Whether the same number came with different octets.
    conflict: bool,
}

/// A message that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Number of its first fragment.
    pub(super) first: i64,
    /// Length of each of its fragments, and TSN of its chunk.
    pub(super) fragments: Vec<(usize, u32)>,
    /// PPID of the first fragment.
    pub(super) ppid: u32,
    /// Its octets.
    pub(super) octets: Vec<u8>,
    /// Whether the same number came with different octets.
    pub(super) conflict: bool,
    /// Whether fragments disagree about stream or sequence number.
    pub(super) mixed: bool,
    /// Whether one came with a wrong checksum.
    pub(super) bad_checksum: bool,
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Kept.
    Kept,
    /// There already.
    Repeated,
    /// There already, with other octets.
    Conflict,
    /// There already, in a chunk with another TSN: nobody sends that.
    Stray,
    /// It completed this message.
    Whole(Message),
}

/// The unfinished messages of one sequence of numbers.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// With the number of the first fragment, in its order. A list: nearly always there is one, and a tree's smallest
    /// node has room for eleven.
    runs: Vec<(i64, Run)>,
}

impl Runs {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Unfinished messages, or pieces of these.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Gives up the first; gives the octets that it held, with their overhead.
    pub(super) fn drop_first(&mut self) -> usize {
        let held = |fragment: &Fragment| fragment.octets.len().saturating_add(FRAGMENT_OVERHEAD);
        if self.runs.is_empty() {
            return 0;
        }
        self.runs.remove(0).1.fragments.iter().map(held).sum()
    }

    /// Takes the fragment with this number.
    pub(super) fn add(&mut self, number: i64, fragment: Fragment) -> Added {
        // Runs that start at this number or before.
        let before = self.runs.partition_point(|(first, _)| *first <= number);
        let last = before.checked_sub(1);
        if let Some(added) = last.and_then(|last| self.again(last, number, &fragment)) {
            return added;
        }
        let (begin, end) = (fragment.begin, fragment.end);
        let goes_on = last.filter(|last| {
            self.runs.get(*last).is_some_and(|(first, run)| {
                let next = first.saturating_add(len_of(run));
                next == number && !begin && run.fragments.last().is_some_and(|last| !last.end)
            })
        });
        let index = match goes_on {
            Some(index) => index,
            None => {
                self.runs.reserve_exact(1);
                self.runs.insert(before, (number, Run { fragments: Vec::with_capacity(1), conflict: false }));
                before
            }
        };
        if let Some((_, run)) = self.runs.get_mut(index) {
            run.fragments.push(fragment);
        }
        let next = index.saturating_add(1);
        let joins = self.runs.get(next).is_some_and(|(first, run)| {
            *first == number.saturating_add(1) && run.fragments.first().is_some_and(|first| !first.begin)
        });
        if joins && !end {
            self.join(index, next);
        }
        let is_whole = |run: &Run| {
            run.fragments.first().is_some_and(|first| first.begin)
                && run.fragments.last().is_some_and(|last| last.end)
        };
        if !self.runs.get(index).is_some_and(|(_, run)| is_whole(run)) {
            return Added::Kept;
        }
        let (first, run) = self.runs.remove(index);
        Added::Whole(message(first, &run))
    }

    /// What is said of a fragment whose number is in the run at `index` already.
    fn again(&mut self, index: usize, number: i64, fragment: &Fragment) -> Option<Added> {
        let (first, run) = self.runs.get_mut(index)?;
        let held = run.fragments.get_mut(usize::try_from(number.saturating_sub(*first)).ok()?)?;
        let same_chunk = held.tsn == fragment.tsn;
        if same_chunk
            && held.octets == fragment.octets
            && (held.begin, held.end) == (fragment.begin, fragment.end)
        {
            held.bad_checksum &= fragment.bad_checksum;
            return Some(Added::Repeated);
        }
        run.conflict = true;
        // A receiver keeps the first that it took; it took none with a wrong checksum.
        if held.bad_checksum && !fragment.bad_checksum {
            held.octets.clone_from(&fragment.octets);
            held.tsn = fragment.tsn;
            held.bad_checksum = false;
            return Some(Added::Conflict);
        }
        Some(if same_chunk { Added::Conflict } else { Added::Stray })
    }

    /// Joins the run at `next` to the one at `index`.
    fn join(&mut self, index: usize, next: usize) {
        if next >= self.runs.len() {
            return;
        }
        let (_, right) = self.runs.remove(next);
        if let Some((_, left)) = self.runs.get_mut(index) {
            left.conflict |= right.conflict;
            if left.fragments.len() >= right.fragments.len() {
                left.fragments.extend(right.fragments);
            } else {
                // The shorter one moves.
                let mut fragments = right.fragments;
                fragments.splice(0..0, std::mem::take(&mut left.fragments));
                left.fragments = fragments;
            }
        }
    }
}

fn len_of(run: &Run) -> i64 {
    i64::try_from(run.fragments.len()).unwrap_or(i64::MAX)
}

fn message(first: i64, run: &Run) -> Message {
    let belongs = run.fragments.first().map(|first| first.belongs);
    let mut octets = Vec::with_capacity(run.fragments.iter().map(|fragment| fragment.octets.len()).sum());
    for fragment in &run.fragments {
        octets.extend_from_slice(&fragment.octets);
    }
    Message {
        first,
        fragments: run.fragments.iter().map(|fragment| (fragment.octets.len(), fragment.tsn)).collect(),
        ppid: run.fragments.first().map_or(0, |first| first.ppid),
        octets,
        conflict: run.conflict,
        mixed: run.fragments.iter().any(|fragment| Some(fragment.belongs) != belongs),
        bad_checksum: run.fragments.iter().any(|fragment| fragment.bad_checksum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(text: &[u8], begin: bool, end: bool) -> Fragment {
        Fragment { octets: text.to_vec(), begin, end, ..Fragment::default() }
    }

    fn whole(added: Added) -> Vec<u8> {
        let Added::Whole(message) = added else { panic!("{added:?}") };
        message.octets
    }

    #[test]
    fn every_order_of_arrival_gives_the_message() {
        let parts: [(i64, &[u8], bool, bool); 4] = [
            (7, b"a", true, false),
            (8, b"b", false, false),
            (9, b"c", false, false),
            (10, b"d", false, true),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [0, 3, 1, 2]] {
            let mut runs = Runs::default();
            let mut last = Added::Kept;
            for (turn, index) in order.into_iter().enumerate() {
                let (number, text, begin, end) = parts[index];
                last = runs.add(number, fragment(text, begin, end));
                assert_eq!(turn == 3, matches!(last, Added::Whole(_)), "{order:?}");
            }
            assert_eq!(whole(last), b"abcd");
            assert!(runs.is_empty());
        }
    }

    #[test]
    fn neighbours_of_other_messages_stay_apart() {
        let mut runs = Runs::default();
        runs.add(1, fragment(b"a", true, false));
        runs.add(3, fragment(b"c", true, false));
        assert_eq!(whole(runs.add(2, fragment(b"b", false, true))), b"ab");
        assert_eq!(whole(runs.add(4, fragment(b"d", false, true))), b"cd");
        // A message that never ends, and one that starts right after it.
        runs.add(5, fragment(b"e", true, false));
        runs.add(6, fragment(b"f", true, false));
        assert_eq!(whole(runs.add(7, fragment(b"g", false, true))), b"fg");
        assert_eq!(runs.len(), 1);
    }

    #[test]
    fn a_repetition_changes_nothing_and_a_contradiction_shows() {
        let mut runs = Runs::default();
        runs.add(1, fragment(b"a", true, false));
        assert_eq!(runs.add(1, fragment(b"a", true, false)), Added::Repeated);
        assert_eq!(runs.add(1, fragment(b"x", true, false)), Added::Conflict);
        let Added::Whole(message) = runs.add(2, fragment(b"b", false, true)) else { panic!() };
        assert_eq!((message.octets.as_slice(), message.conflict, message.mixed), (&b"ab"[..], true, false));
    }

    #[test]
    fn a_number_that_comes_in_two_chunks_is_a_contradiction() {
        let mut runs = Runs::default();
        runs.add(1, Fragment { tsn: 7, ..fragment(b"a", true, false) });
        assert_eq!(runs.add(1, Fragment { tsn: 7, ..fragment(b"a", true, false) }), Added::Repeated);
        assert_eq!(runs.add(1, Fragment { tsn: 8, ..fragment(b"a", true, false) }), Added::Stray);
        let last = Fragment { tsn: 9, ..fragment(b"b", false, true) };
        let Added::Whole(message) = runs.add(2, last) else { panic!() };
        assert_eq!((message.fragments, message.conflict), (vec![(1, 7), (1, 9)], true));
    }

    #[test]
    fn what_a_receiver_would_not_have_taken_gives_way() {
        let mut runs = Runs::default();
        runs.add(1, Fragment { bad_checksum: true, ..fragment(b"x", true, false) });
        assert_eq!(runs.add(1, fragment(b"a", true, false)), Added::Conflict);
        assert_eq!(whole(runs.add(2, fragment(b"b", false, true))), b"ab");
    }
}
