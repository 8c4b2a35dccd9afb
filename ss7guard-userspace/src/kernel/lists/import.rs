//! Many entries of both lists at once: each list stages and retires, one store makes the other half of both live, each
//! list settles.

use crate::enforce::Detail;
use crate::kernel::block_list::{self, Arrays};
use crate::kernel::lists::{Lists, Record};
use crate::kernel::{ListError, TitleArrays, TitleImport, TitleProgress};

/// What of an import is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Staging,
    RetiringTitles,
    RetiringCodes,
    Flipping,
    /// First, for it waits until no frame is in the old half.
    SettlingTitles,
    SettlingCodes,
    UndoingTitles,
    UndoingCodes,
    Done,
}

/// An import under way.
#[derive(Debug)]
pub struct Import {
    step: Step,
    codes: block_list::Import,
    titles: TitleImport,
}

impl Import {
    /// Whether frames see the new entries.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.step, Step::SettlingTitles | Step::SettlingCodes | Step::Done)
    }
}

/// What a slice of an import has done.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries that became live, or got another end.
    pub live: Vec<Detail>,
    /// Entries that are no more in the lists.
    pub gone: Vec<Detail>,
    /// Whether the import is over.
    pub done: bool,
}

impl<A: Arrays + Record, T: TitleArrays> Lists<A, T> {
    /// Begins an import. There is at most one at a time, and until it is over nothing else may change the lists.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn begin(&mut self) -> Result<Import, ListError> {
        let half = self.codes.arrays().half()?;
        let (codes, titles) = (self.codes.begin(half), self.titles.begin(half));
        Ok(Import { step: Step::Staging, codes, titles })
    }

    /// Stages an entry; a second one for the same target takes the place of the first.
    ///
    /// # Errors
    /// There is no room, or it cannot be written. What was staged is still there, and no frame sees it.
    pub fn stage(&mut self, import: &mut Import, detail: Detail) -> Result<(), ListError> {
        match detail {
            Detail::Code(detail) => self.codes.stage(&mut import.codes, detail),
            Detail::Title(detail) => self.titles.stage(&mut import.titles, detail),
        }
    }

    /// No more entries are coming: from here on [`Lists::advance`] goes on to the end.
    pub fn commit(&self, import: &mut Import) {
        if import.step == Step::Staging {
            import.step = Step::RetiringTitles;
        }
    }

    /// Gives an import up that is not live; [`Lists::advance`] takes away what was staged.
    pub fn undo(&self, import: &mut Import) {
        if matches!(import.step, Step::Staging | Step::RetiringTitles | Step::RetiringCodes | Step::Flipping)
        {
            import.step = Step::UndoingTitles;
            self.codes.rewind(&mut import.codes);
        }
    }

    /// Does a slice of the work: at most so many entries are looked at. `goes` says which live entries go even if
    /// nothing takes their place; what has neutralised something lately goes on for retransmissions.
    ///
    /// # Errors
    /// An array cannot be written. Before the import is live nothing has changed for any frame.
    pub fn advance(
        &mut self,
        import: &mut Import,
        most: usize,
        now_ns: u64,
        goes: impl Fn(&Detail) -> bool,
    ) -> Result<Progress, ListError> {
        let mut progress = Progress::default();
        let goes_code = |detail: &_| goes(&Detail::Code(*detail));
        let goes_title = |detail: &_| goes(&Detail::Title(*detail));
        match import.step {
            Step::Staging | Step::Done => {}
            Step::RetiringTitles => {
                if self.titles.retire(&mut import.titles, most, now_ns, goes_title)? {
                    import.step = Step::RetiringCodes;
                }
            }
            Step::RetiringCodes => {
                if self.codes.retire(&mut import.codes, most, now_ns, goes_code)? {
                    import.step = Step::Flipping;
                }
            }
            Step::Flipping => {
                // Before a frame can see an entry of the new list; a store of its own.
                if import.titles.staged > 0 && !self.codes.arrays().asks_titles()? {
                    self.codes.arrays_mut().ask_titles(true)?;
                }
                self.codes.arrays_mut().flip()?;
                import.step = Step::SettlingTitles;
            }
            Step::SettlingTitles => {
                let mut titles = TitleProgress::default();
                let done = self.titles.settle(&mut import.titles, most, now_ns, goes_title, &mut titles);
                progress.live.extend(titles.live.into_iter().map(Detail::Title));
                progress.gone.extend(titles.gone.into_iter().map(Detail::Title));
                if done {
                    self.ask_titles_if_any()?;
                    import.step = Step::SettlingCodes;
                }
            }
            Step::SettlingCodes => {
                let mut codes = block_list::Progress::default();
                let done = self.codes.settle(&mut import.codes, most, now_ns, goes_code, &mut codes)?;
                progress.live.extend(codes.live.into_iter().map(Detail::Code));
                progress.gone.extend(codes.gone.into_iter().map(Detail::Code));
                if done {
                    import.step = Step::Done;
                }
            }
            Step::UndoingTitles => {
                if self.titles.undo(&mut import.titles, most) {
                    self.ask_titles_if_any()?;
                    import.step = Step::UndoingCodes;
                }
            }
            Step::UndoingCodes => {
                if self.codes.undo(&mut import.codes, most)? {
                    import.step = Step::Done;
                }
            }
        }
        progress.done = import.step == Step::Done;
        Ok(progress)
    }
}
