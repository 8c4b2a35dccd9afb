//! Many entries of both lists at once: each list stages and retires, one store makes the other half of both live, each
//! list settles.

use crate::enforce::Detail;
use crate::kernel::ListError;
use crate::kernel::block_list::{self, Arrays};
use crate::kernel::lists::{Lists, Record};

/// What of an import is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Staging,
    Retiring,
    Flipping,
    Settling,
    Undoing,
    Done,
}

/// An import under way.
#[derive(Debug)]
pub struct Import {
    step: Step,
    codes: block_list::Import,
}

impl Import {
    /// Whether frames see the new entries.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.step, Step::Settling | Step::Done)
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

impl<A: Arrays + Record> Lists<A> {
    /// Begins an import. There is at most one at a time, and until it is over nothing else may change the lists.
    ///
    /// # Errors
    /// The record cannot be read.
    pub fn begin(&self) -> Result<Import, ListError> {
        let half = Record::half(self.codes.arrays())?;
        Ok(Import { step: Step::Staging, codes: self.codes.begin(half) })
    }

    /// Stages an entry; a second one for the same target takes the place of the first.
    ///
    /// # Errors
    /// There is no room, or it cannot be written. What was staged is still there, and no frame sees it.
    pub fn stage(&mut self, import: &mut Import, detail: Detail) -> Result<(), ListError> {
        match detail {
            Detail::Code(detail) => self.codes.stage(&mut import.codes, detail),
            Detail::Title(_) => Err(ListError::Missing),
        }
    }

    /// No more entries are coming: from here on [`Lists::advance`] goes on to the end.
    pub fn commit(&self, import: &mut Import) {
        if import.step == Step::Staging {
            import.step = Step::Retiring;
        }
    }

    /// Gives an import up that is not live; [`Lists::advance`] takes away what was staged.
    pub fn undo(&self, import: &mut Import) {
        if matches!(import.step, Step::Staging | Step::Retiring | Step::Flipping) {
            import.step = Step::Undoing;
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
        match import.step {
            Step::Staging | Step::Done => {}
            Step::Retiring => {
                if self.codes.retire(&mut import.codes, most, now_ns, goes_code)? {
                    import.step = Step::Flipping;
                }
            }
            Step::Flipping => {
                self.codes.arrays_mut().flip()?;
                import.step = Step::Settling;
            }
            Step::Settling => {
                let mut codes = block_list::Progress::default();
                let done = self.codes.settle(&mut import.codes, most, now_ns, goes_code, &mut codes)?;
                progress.live.extend(codes.live.into_iter().map(Detail::Code));
                progress.gone.extend(codes.gone.into_iter().map(Detail::Code));
                if done {
                    import.step = Step::Done;
                }
            }
            Step::Undoing => {
                if self.codes.undo(&mut import.codes, most)? {
                    import.step = Step::Done;
                }
            }
        }
        progress.done = import.step == Step::Done;
        Ok(progress)
    }
}
