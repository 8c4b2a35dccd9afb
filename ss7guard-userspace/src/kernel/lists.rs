//! The lists of the kernel as one: point codes and calling global titles, which one bit of the CONFIG record switches
//! together.

pub mod exchange;
mod import;

use std::fmt;

use ss7guard_common::abi::config_flag;

use crate::enforce::{BlockRequest, Detail, Listed, Target};
use crate::kernel::block_list::Arrays;
use crate::kernel::{BlockList, KernelError, ListError, Maps, block_list};

pub use import::{Import, Progress};

/// An import that a list has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    /// Whether it is the list of point codes; else that of global titles.
    codes: bool,
    /// Entries that are new or different.
    new: usize,
    /// Entries that they stand beside until the switch.
    held: usize,
    /// Entries that fit.
    capacity: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { codes, new, held, capacity } = self;
        let what = if *codes { "point codes" } else { "global titles" };
        let limit = if *codes { "limits.block_entries" } else { "limits.title_entries" };
        if new > capacity {
            return write!(f, "{new} entries for {what} do not fit: the list holds {capacity} ({limit})");
        }
        write!(
            f,
            "{new} entries for {what} do not fit beside the {held} that are there until the switch: the list holds \
             {capacity} ({limit})"
        )
    }
}

/// The CONFIG record, as far as it is about lists.
pub trait Record {
    /// The half of the lists that is live: 0 or 1.
    fn half(&self) -> Result<u32, KernelError>;
    /// Makes the other half of all lists live.
    fn flip(&mut self) -> Result<(), KernelError>;
    /// Whether messages are held against the list of calling global titles.
    fn asks_titles(&self) -> Result<bool, KernelError>;
    /// Says whether they are.
    fn ask_titles(&mut self, on: bool) -> Result<(), KernelError>;
}

impl Record for Maps {
    fn half(&self) -> Result<u32, KernelError> {
        Ok(self.config()?.lists & 1)
    }

    fn flip(&mut self) -> Result<(), KernelError> {
        let mut record = self.config()?;
        record.lists ^= 1;
        self.set_config(record)
    }

    fn asks_titles(&self) -> Result<bool, KernelError> {
        Ok(self.config()?.has(config_flag::GT_LIST))
    }

    fn ask_titles(&mut self, on: bool) -> Result<(), KernelError> {
        let mut record = self.config()?;
        record.flags &= !config_flag::GT_LIST;
        record.flags |= if on { config_flag::GT_LIST } else { 0 };
        self.set_config(record)
    }
}

/// Both lists.
pub struct Lists<A> {
    codes: BlockList<A>,
}

impl<A: Arrays + Record> Lists<A> {
    /// Takes over what is in the arrays, and mends what a writer left half-made. `linger_ns` is how long an entry that
    /// neutralised something goes on after its end.
    ///
    /// # Errors
    /// They cannot be read or written.
    pub fn adopt(arrays: A, linger_ns: u64) -> Result<Self, KernelError> {
        Ok(Self { codes: BlockList::adopt(arrays, linger_ns)? })
    }

    /// The list of point codes.
    #[must_use]
    pub const fn codes(&self) -> &BlockList<A> {
        &self.codes
    }

    /// The arrays of the list of point codes, with the CONFIG record.
    #[must_use]
    pub const fn arrays(&self) -> &A {
        self.codes.arrays()
    }

    /// The arrays of the list of point codes, with the CONFIG record.
    pub fn arrays_mut(&mut self) -> &mut A {
        self.codes.arrays_mut()
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an entry, or renews the one for the same target, whose hits stay; gives the entry. `now_ns` is the
    /// monotonic clock.
    ///
    /// # Errors
    /// There is no room; nothing has changed then.
    pub fn add(&mut self, request: &BlockRequest, now_ns: u64) -> Result<Detail, ListError> {
        self.put(request.detail(now_ns))
    }

    /// Adds this entry, or puts it in the place of the one for the same target, whose hits stay; gives it as it was
    /// written.
    ///
    /// # Errors
    /// There is no room; nothing has changed then.
    pub fn put(&mut self, detail: Detail) -> Result<Detail, ListError> {
        match detail {
            Detail::Code(detail) => Ok(Detail::Code(self.codes.put(detail)?)),
            Detail::Title(_) => Err(ListError::Missing),
        }
    }

    /// The entry for this target, as it was written.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<Detail> {
        match target {
            Target::Code(code) => {
                self.codes.get(code.point_code, code.ni, code.network_appearance).map(Detail::Code)
            }
            Target::Title(_) => None,
        }
    }

    /// Ends the entry for this target, as if its time were over now; gives it. It goes on for retransmissions if it has
    /// neutralised something lately, and is removed at once otherwise: true.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn end(&mut self, target: &Target, now_ns: u64) -> Result<(Detail, bool), ListError> {
        match target {
            Target::Code(code) => {
                let ended = self.codes.end(code.point_code, code.ni, code.network_appearance, now_ns)?;
                Ok((Detail::Code(ended.0), ended.1))
            }
            Target::Title(_) => Err(ListError::Missing),
        }
    }

    /// Ends every entry for which `wanted` is true, as [`Lists::end`] does; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn end_where(
        &mut self,
        now_ns: u64,
        wanted: impl Fn(&Detail) -> bool,
    ) -> Result<Vec<(Detail, bool)>, ListError> {
        let ended = self.codes.end_where(now_ns, |detail| wanted(&Detail::Code(*detail)))?;
        Ok(ended.into_iter().map(|(detail, removed)| (Detail::Code(detail), removed)).collect())
    }

    /// How many entries there are for which `wanted` is true.
    pub fn count_where(&self, wanted: impl Fn(&Detail) -> bool) -> usize {
        self.codes.details().filter(|detail| wanted(&Detail::Code(**detail))).count()
    }

    /// Refuses so many new entries, if there is no room: beside those that are there, or for them alone.
    ///
    /// # Errors
    /// Names the limit.
    pub fn check_room(&self, codes: usize, _titles: usize, beside: bool) -> Result<(), ListError> {
        let held = if beside { self.codes.len() } else { 0 };
        let capacity = self.codes.capacity();
        if codes > capacity - held {
            return Err(ListError::NoRoom(NoRoom { codes: true, new: codes, held, capacity }));
        }
        Ok(())
    }

    /// Removes the entry for this target; gives it.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn remove(&mut self, target: &Target) -> Result<Detail, ListError> {
        match target {
            Target::Code(code) => {
                let removed = self.codes.remove(code.point_code, code.ni, code.network_appearance)?;
                Ok(Detail::Code(removed))
            }
            Target::Title(_) => Err(ListError::Missing),
        }
    }

    /// Removes every entry for which `wanted` is true; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn remove_where(&mut self, wanted: impl Fn(&Detail) -> bool) -> Result<Vec<Listed>, ListError> {
        let removed = self.codes.remove_where(|detail| wanted(&Detail::Code(*detail)))?;
        Ok(removed.into_iter().map(listed_code).collect())
    }

    /// Removes entries that ended, their time for retransmissions included, before `time_ns`, at most so many of each
    /// list; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn remove_ended(&mut self, time_ns: u64, most: usize) -> Result<Vec<Listed>, ListError> {
        let removed = self.codes.remove_ended(time_ns, most)?;
        Ok(removed.into_iter().map(listed_code).collect())
    }

    /// Every entry: point codes in their order, then global titles in theirs.
    ///
    /// # Errors
    /// The hits cannot be read.
    pub fn entries(&self) -> Result<Vec<Listed>, KernelError> {
        Ok(self.codes.entries()?.into_iter().map(listed_code).collect())
    }

    /// At most so many entries behind that for this target, in the order of [`Lists::entries`], or from the start.
    ///
    /// # Errors
    /// The hits cannot be read.
    pub fn entries_after(&self, after: Option<Target>, most: usize) -> Result<Vec<Listed>, KernelError> {
        let after = match after {
            Some(Target::Code(code)) => Some((code.point_code, code.ni, code.network_appearance)),
            None => None,
            Some(Target::Title(_)) => return Ok(Vec::new()),
        };
        Ok(self.codes.entries_after(after, most)?.into_iter().map(listed_code).collect())
    }
}

const fn listed_code(entry: block_list::Entry) -> Listed {
    Listed { detail: Detail::Code(entry.detail), hits: entry.hits }
}

/// The entries in the maps, for readers that are not the lists' writer. An entry that is being written may or may not be
/// among them.
///
/// # Errors
/// The maps cannot be read.
pub fn scan(maps: &Maps) -> Result<Vec<Listed>, KernelError> {
    Ok(block_list::scan(maps)?.into_iter().map(listed_code).collect())
}
