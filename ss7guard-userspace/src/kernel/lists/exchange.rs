//! A file's entries in exchange for what is in the lists: compared, then imported, in slices.
//!
//! An entry that is in the lists already, as the operator's and with the same end, is left alone; so a list that is
//! imported every hour costs what has changed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use crate::config::OnBlock;
use crate::enforce::{Detail, Does, Target};
use crate::kernel::block_list::Arrays;
use crate::kernel::lists::{Import, Lists, Record};
use crate::kernel::{ListError, TitleArrays};
use crate::screening::RULE_OPERATOR;

/// Ends that differ by less are the same: a file has milliseconds, the kernel ticks.
const SAME_END_NS: u64 = 1_000_000_000;

/// What an entry of a file is to be, besides its target.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// When it ends, in nanoseconds of the monotonic clock; 0 for never.
    pub expires_at: u64,
    /// What becomes of a message that matches, unless the entry allows.
    pub on_block: OnBlock,
    /// Why.
    pub reason: Rc<str>,
    /// Whether the lists have it otherwise, or not at all.
    differs: bool,
}

impl Wanted {
    /// An entry.
    #[must_use]
    pub const fn new(expires_at: u64, on_block: OnBlock, reason: Rc<str>) -> Self {
        Self { expires_at, on_block, reason, differs: false }
    }

    fn detail(&self, target: Target) -> Detail {
        Detail::new(target, self.expires_at, RULE_OPERATOR.id, self.on_block)
    }
}

/// The entries of a file, each target once.
#[derive(Debug, Default)]
pub struct Basket {
    wanted: BTreeMap<Target, Wanted>,
    codes: usize,
    reason: Rc<str>,
}

impl Basket {
    /// Takes an entry; false if there is one for this target already.
    pub fn put(&mut self, target: Target, mut wanted: Wanted) -> bool {
        // Entries that follow each other mostly have the same reason.
        if wanted.reason == self.reason {
            wanted.reason = Rc::clone(&self.reason);
        } else {
            self.reason = Rc::clone(&wanted.reason);
        }
        match self.wanted.entry(target) {
            Place::Vacant(place) => {
                place.insert(wanted);
                self.codes += usize::from(matches!(target, Target::Code(_)));
                true
            }
            Place::Occupied(_) => false,
        }
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Refuses more entries than the lists hold at all.
    ///
    /// # Errors
    /// Names the limit.
    pub fn check_room<A: Arrays + Record, T: TitleArrays>(
        &self,
        lists: &Lists<A, T>,
    ) -> Result<(), ListError> {
        lists.check_room(self.codes, self.wanted.len() - self.codes, false)
    }
}

/// What an import changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries that were not there.
    pub added: usize,
    /// Entries that were there with another end, effect or rule.
    pub renewed: usize,
    /// Entries of the operator that are not in the file.
    pub removed: usize,
    /// Entries that were there already.
    pub unchanged: usize,
}

/// What of the exchange is being done.
#[derive(Debug)]
enum Step {
    Comparing(Option<Target>),
    Staging(Import, Option<Target>),
    Importing(Import),
    /// Tells of the entries that were there already, and lets go of all.
    Telling,
    Undoing(Import, ListError),
    Over,
}

/// An exchange under way.
#[derive(Debug)]
pub struct Exchange {
    basket: Basket,
    /// Whether the operator's entries that are not in the file go.
    replaces: bool,
    dry_run: bool,
    step: Step,
    counts: Counts,
    /// Entries of the operator that the file has too.
    kept: usize,
    /// Point codes that are new or different.
    codes: usize,
    /// Entries in the file.
    all: usize,
    /// Entries that were looked at for staging.
    staged: usize,
    /// Entries that became live, or went.
    settled: usize,
}

/// What a slice has done.
#[derive(Debug, Default)]
pub struct Slice {
    /// Entries that became live, or got another end.
    pub live: Vec<Detail>,
    /// Entries that are no more in the lists.
    pub gone: Vec<Detail>,
    /// Entries that were in the lists already, with the reasons that the file has for them.
    pub same: Vec<(Target, Rc<str>)>,
    /// What has changed, once all is done.
    pub counts: Option<Counts>,
}

impl Exchange {
    /// An exchange; with `dry_run` it ends when it is known what would change.
    #[must_use]
    pub fn new(basket: Basket, replaces: bool, dry_run: bool) -> Self {
        Self {
            all: basket.len(),
            basket,
            replaces,
            dry_run,
            step: Step::Comparing(None),
            counts: Counts::default(),
            kept: 0,
            codes: 0,
            staged: 0,
            settled: 0,
        }
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub const fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// How far it has come, and how far it goes; for people.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let differing = self.counts.added + self.counts.renewed;
        let compared = differing + self.counts.unchanged;
        (compared + self.staged + self.settled.min(self.all), 3 * self.all)
    }

    /// The reason that the file has for this target.
    #[must_use]
    pub fn reason(&self, target: &Target) -> Option<Rc<str>> {
        self.basket.wanted.get(target).map(|wanted| Rc::clone(&wanted.reason))
    }

    /// Does a slice of the work: about so many entries are looked at. `now_ns` is the monotonic clock.
    ///
    /// # Errors
    /// There is no room, or an array cannot be written. The lists are as they were then, unless a write failed.
    pub fn slice<A: Arrays + Record, T: TitleArrays>(
        &mut self,
        lists: &mut Lists<A, T>,
        most: usize,
        now_ns: u64,
    ) -> Result<Slice, ListError> {
        let mut slice = Slice::default();
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Over => {}
            Step::Comparing(after) => match self.compare(lists, after, most, now_ns) {
                Some(last) => self.step = Step::Comparing(Some(last)),
                None => {
                    let differing = self.counts.added + self.counts.renewed;
                    lists.check_room(self.codes, differing - self.codes, true)?;
                    let going = if self.replaces {
                        lists.count_where(|detail| is_ours(detail, now_ns)).saturating_sub(self.kept)
                    } else {
                        0
                    };
                    if self.dry_run {
                        self.counts.removed = going;
                        slice.counts = Some(self.counts);
                    } else if differing + going == 0 {
                        self.step = Step::Telling;
                    } else {
                        self.step = Step::Staging(lists.begin()?, None);
                    }
                }
            },
            Step::Staging(mut import, after) => match self.stage(lists, &mut import, after, most) {
                Ok(Some(last)) => self.step = Step::Staging(import, Some(last)),
                Ok(None) => {
                    lists.commit(&mut import);
                    self.step = Step::Importing(import);
                }
                Err(error) => self.undo(lists, import, error),
            },
            Step::Importing(mut import) => {
                let (basket, replaces) = (&self.basket, self.replaces);
                let goes = |detail: &Detail| {
                    replaces && is_ours(detail, now_ns) && !basket.wanted.contains_key(&detail.target())
                };
                match lists.advance(&mut import, most, now_ns, goes) {
                    Ok(progress) => {
                        let left_out = progress.gone.iter().chain(&progress.live);
                        self.counts.removed +=
                            left_out.filter(|one| !basket.wanted.contains_key(&one.target())).count();
                        self.settled += progress.live.len();
                        slice.live = progress.live;
                        slice.gone = progress.gone;
                        // What was replaced is not gone: its target is live.
                        slice.gone.retain(|one| !basket.wanted.contains_key(&one.target()));
                        self.step = if progress.done { Step::Telling } else { Step::Importing(import) };
                    }
                    Err(error) if !import.is_live() => self.undo(lists, import, error),
                    Err(error) => return Err(error),
                }
            }
            Step::Telling => {
                for _ in 0..most {
                    match self.basket.wanted.pop_first() {
                        Some((target, wanted)) if !wanted.differs => slice.same.push((target, wanted.reason)),
                        Some(_) => {}
                        None => {
                            slice.counts = Some(self.counts);
                            return Ok(slice);
                        }
                    }
                }
                self.step = Step::Telling;
            }
            Step::Undoing(mut import, error) => {
                if lists.advance(&mut import, most, now_ns, |_| false)?.done {
                    return Err(error);
                }
                self.step = Step::Undoing(import, error);
            }
        }
        Ok(slice)
    }

    /// Holds so many entries against the lists; gives the last, if there was one.
    fn compare<A: Arrays + Record, T: TitleArrays>(
        &mut self,
        lists: &Lists<A, T>,
        after: Option<Target>,
        most: usize,
        now_ns: u64,
    ) -> Option<Target> {
        let from = after.map_or(Unbounded, Excluded);
        let mut last = None;
        for (target, wanted) in self.basket.wanted.range_mut((from, Unbounded)).take(most) {
            last = Some(*target);
            let held = lists.get(target);
            wanted.differs = held.is_none_or(|held| !is_same(wanted, &held));
            self.kept += usize::from(held.is_some_and(|held| is_ours(&held, now_ns)));
            self.codes += usize::from(wanted.differs && matches!(target, Target::Code(_)));
            match held {
                None => self.counts.added += 1,
                Some(_) if wanted.differs => self.counts.renewed += 1,
                Some(_) => self.counts.unchanged += 1,
            }
        }
        last
    }

    /// Stages so many entries that differ; gives the last, if there was one.
    fn stage<A: Arrays + Record, T: TitleArrays>(
        &mut self,
        lists: &mut Lists<A, T>,
        import: &mut Import,
        after: Option<Target>,
        most: usize,
    ) -> Result<Option<Target>, ListError> {
        let from = after.map_or(Unbounded, Excluded);
        let mut last = None;
        for (target, wanted) in self.basket.wanted.range((from, Unbounded)).take(most) {
            last = Some(*target);
            self.staged += 1;
            if wanted.differs {
                lists.stage(import, wanted.detail(*target))?;
            }
        }
        Ok(last)
    }

    fn undo<A: Arrays + Record, T: TitleArrays>(
        &mut self,
        lists: &Lists<A, T>,
        mut import: Import,
        error: ListError,
    ) {
        lists.undo(&mut import);
        self.step = Step::Undoing(import, error);
    }
}

/// Whether this is an entry of the operator that has not ended; one that has may go on for retransmissions.
const fn is_ours(detail: &Detail, now_ns: u64) -> bool {
    detail.rule_id() == RULE_OPERATOR.id && (detail.expires_at() == 0 || detail.expires_at() > now_ns)
}

/// Whether the lists have the entry as it is wanted.
fn is_same(wanted: &Wanted, held: &Detail) -> bool {
    let does = if held.does() == Does::Allow { Does::Allow } else { wanted.on_block.into() };
    let same_end = match (wanted.expires_at, held.expires_at()) {
        (0, end) | (end, 0) => end == 0,
        (wanted, held) => wanted.abs_diff(held) < SAME_END_NS,
    };
    held.rule_id() == RULE_OPERATOR.id && held.does() == does && same_end
}
