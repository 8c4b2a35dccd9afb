//! The lists of the kernel as one: point codes and calling global titles, which one bit of the CONFIG record switches
//! together.

pub mod exchange;
mod import;

use std::fmt;
use std::path::Path;

use ss7guard_common::abi::config_flag;

use crate::enforce::{BlockRequest, Detail, Listed, Target, TitleTarget};
use crate::kernel::block_list::Arrays;
use crate::kernel::{
    BlockList, KernelError, ListError, Maps, TitleArrays, TitleEntry, TitleKey, TitleList, TitleMaps,
    block_list, scan_titles,
};

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
    /// Makes the other half of all lists live.
    fn flip(&mut self) -> Result<(), KernelError>;
    /// Whether messages are held against the list of calling global titles.
    fn asks_titles(&self) -> Result<bool, KernelError>;
    /// Says whether they are.
    fn ask_titles(&mut self, on: bool) -> Result<(), KernelError>;
}

impl Record for Maps {
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
pub struct Lists<A, T> {
    codes: BlockList<A>,
    titles: TitleList<T>,
}

/// The lists in the kernel.
pub type KernelLists = Lists<Maps, TitleMaps>;

impl KernelLists {
    /// Takes over what is pinned; `linger_ns` as in [`Lists::adopt`].
    ///
    /// # Errors
    /// There is nothing, or it cannot be read or written.
    pub fn open(bpffs: &Path, maps: Maps, linger_ns: u64) -> Result<Self, KernelError> {
        Self::adopt(maps, TitleMaps::open(bpffs)?, linger_ns)
    }
}

impl<A: Arrays + Record, T: TitleArrays> Lists<A, T> {
    /// Takes over what is in the arrays, and mends what a writer left half-made. `linger_ns` is how long an entry that
    /// neutralised something goes on after its end.
    ///
    /// # Errors
    /// They cannot be read or written.
    pub fn adopt(arrays: A, titles: T, linger_ns: u64) -> Result<Self, KernelError> {
        let titles = TitleList::adopt(titles, Arrays::half(&arrays)?, linger_ns)?;
        let mut lists = Self { codes: BlockList::adopt(arrays, linger_ns)?, titles };
        lists.ask_titles_if_any()?;
        Ok(lists)
    }

    /// Messages are held against the list of global titles only if it has entries, for it costs time.
    fn ask_titles_if_any(&mut self) -> Result<(), KernelError> {
        let any = !self.titles.is_empty();
        if self.codes.arrays().asks_titles()? == any {
            return Ok(());
        }
        self.codes.arrays_mut().ask_titles(any)
    }

    /// The list of point codes.
    #[must_use]
    pub const fn codes(&self) -> &BlockList<A> {
        &self.codes
    }

    /// The list of calling global titles.
    #[must_use]
    pub const fn titles(&self) -> &TitleList<T> {
        &self.titles
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
        self.codes.len() + self.titles.len()
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
            Detail::Title(detail) => {
                // First, so that there is no moment in which the entry is there and not asked.
                if !self.codes.arrays().asks_titles()? {
                    self.codes.arrays_mut().ask_titles(true)?;
                }
                let put = self.titles.put(detail);
                if put.is_err() {
                    self.ask_titles_if_any()?;
                }
                Ok(Detail::Title(put?))
            }
        }
    }

    /// The entry for this target, as it was written.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<Detail> {
        match target {
            Target::Code(code) => {
                self.codes.get(code.point_code, code.ni, code.network_appearance).map(Detail::Code)
            }
            Target::Title(title) => self.titles.get(&key(title)).map(Detail::Title),
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
            Target::Title(title) => {
                let (detail, removed) = self.titles.end(&key(title), now_ns)?;
                self.ask_titles_if_any()?;
                Ok((Detail::Title(detail), removed))
            }
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
        let codes = self.codes.end_where(now_ns, |detail| wanted(&Detail::Code(*detail)))?;
        let titles = self.titles.end_where(now_ns, |detail| wanted(&Detail::Title(*detail)))?;
        self.ask_titles_if_any()?;
        let codes = codes.into_iter().map(|(detail, removed)| (Detail::Code(detail), removed));
        Ok(codes
            .chain(titles.into_iter().map(|(detail, removed)| (Detail::Title(detail), removed)))
            .collect())
    }

    /// How many entries there are for which `wanted` is true.
    pub fn count_where(&self, wanted: impl Fn(&Detail) -> bool) -> usize {
        self.codes.details().filter(|detail| wanted(&Detail::Code(**detail))).count()
            + self.titles.count_where(|detail| wanted(&Detail::Title(*detail)))
    }

    /// Refuses so many new entries, if there is no room: beside those that are there, or for them alone.
    ///
    /// # Errors
    /// Names the limit.
    pub fn check_room(&self, codes: usize, titles: usize, beside: bool) -> Result<(), ListError> {
        let held = if beside { self.codes.len() } else { 0 };
        let capacity = self.codes.capacity();
        if codes > capacity - held {
            return Err(ListError::NoRoom(NoRoom { codes: true, new: codes, held, capacity }));
        }
        // A whole list fits beside the one that is live.
        let capacity = self.titles.capacity();
        if titles > capacity {
            return Err(ListError::NoRoom(NoRoom { codes: false, new: titles, held: 0, capacity }));
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
            Target::Title(title) => {
                let removed = self.titles.remove(&key(title))?;
                self.ask_titles_if_any()?;
                Ok(Detail::Title(removed))
            }
        }
    }

    /// Removes every entry for which `wanted` is true; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn remove_where(&mut self, wanted: impl Fn(&Detail) -> bool) -> Result<Vec<Listed>, ListError> {
        let codes = self.codes.remove_where(|detail| wanted(&Detail::Code(*detail)))?;
        let titles = self.titles.remove_where(|detail| wanted(&Detail::Title(*detail)))?;
        self.ask_titles_if_any()?;
        Ok(codes.into_iter().map(listed_code).chain(titles.into_iter().map(listed_title)).collect())
    }

    /// Removes entries that ended, their time for retransmissions included, before `time_ns`, at most so many of each
    /// list; gives them.
    ///
    /// # Errors
    /// The arrays cannot be read or written.
    pub fn remove_ended(&mut self, time_ns: u64, most: usize) -> Result<Vec<Listed>, ListError> {
        let codes = self.codes.remove_ended(time_ns, most)?;
        let titles = self.titles.remove_ended(time_ns, most);
        if !titles.is_empty() {
            self.ask_titles_if_any()?;
        }
        Ok(codes.into_iter().map(listed_code).chain(titles.into_iter().map(listed_title)).collect())
    }

    /// Every entry: point codes in their order, then global titles in theirs.
    ///
    /// # Errors
    /// The hits cannot be read.
    pub fn entries(&self) -> Result<Vec<Listed>, KernelError> {
        let codes = self.codes.entries()?.into_iter().map(listed_code);
        Ok(codes.chain(self.titles.entries().into_iter().map(listed_title)).collect())
    }

    /// At most so many entries behind that for this target, in the order of [`Lists::entries`], or from the start.
    ///
    /// # Errors
    /// The hits cannot be read.
    pub fn entries_after(&self, after: Option<Target>, most: usize) -> Result<Vec<Listed>, KernelError> {
        let mut entries = Vec::new();
        let mut title = None;
        match after {
            Some(Target::Title(after)) => title = Some(key(&after)),
            Some(Target::Code(after)) => {
                let after = (after.point_code, after.ni, after.network_appearance);
                entries.extend(self.codes.entries_after(Some(after), most)?.into_iter().map(listed_code));
            }
            None => entries.extend(self.codes.entries_after(None, most)?.into_iter().map(listed_code)),
        }
        let rest = most - entries.len();
        entries.extend(self.titles.entries_after(title.as_ref(), rest).into_iter().map(listed_title));
        Ok(entries)
    }
}

/// The name that the list has for a target.
const fn key(title: &TitleTarget) -> TitleKey {
    TitleKey {
        symbols: title.titles.symbols,
        exact: title.titles.exact,
        allow: title.allows,
        directions: title.directions.bits(),
    }
}

const fn listed_title(entry: TitleEntry) -> Listed {
    Listed { detail: Detail::Title(entry.detail), hits: entry.hits }
}

const fn listed_code(entry: block_list::Entry) -> Listed {
    Listed { detail: Detail::Code(entry.detail), hits: entry.hits }
}

/// The entries in the maps, for readers that are not the lists' writer. An entry that is being written may or may not be
/// among them.
///
/// # Errors
/// The maps cannot be read.
pub fn scan(bpffs: &Path) -> Result<Vec<Listed>, KernelError> {
    let maps = Maps::open(bpffs)?;
    let titles = scan_titles(&TitleMaps::open(bpffs)?, Arrays::half(&maps)?);
    let codes = block_list::scan(&maps)?.into_iter().map(listed_code);
    Ok(codes.chain(titles.into_iter().map(listed_title)).collect())
}
