//! Pages that this process shares with the kernel, seen as octets or as atomic words.

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// A mapping that ends with this value. Zero octets cannot be mapped.
#[derive(Debug)]
struct Pages {
    start: NonNull<u8>,
    octets: usize,
}

// SAFETY: the mapping belongs to this value alone, as a boxed slice would; the thread does not matter to it.
unsafe impl Send for Pages {}
// SAFETY: by a shared reference, octets are only read and words are only accessed as atomics (the two types below).
unsafe impl Sync for Pages {}

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

impl Pages {
    /// Fresh pages, all zero.
    fn anonymous(octets: usize) -> Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
        // SAFETY: no address is asked for, so the mapping takes the place of nothing.
        Self::at(unsafe { mmap_anonymous(ptr::null_mut(), octets, ACCESS, flags) }?, octets)
    }

    /// Pages of a file or socket.
    fn of(file: impl AsFd, octets: usize, offset: u64) -> Result<Self> {
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: no address is asked for, so the mapping takes the place of nothing.
        Self::at(unsafe { mmap(ptr::null_mut(), octets, ACCESS, flags, file, offset) }?, octets)
    }

    fn at(start: *mut c_void, octets: usize) -> Result<Self> {
        NonNull::new(start.cast()).map(|start| Self { start, octets }).ok_or(Errno::FAULT)
    }

    /// Where a value of this size begins; `None` unless all of it lies inside, aligned to its size.
    fn value(&self, at: usize, size: usize) -> Option<NonNull<u8>> {
        if !at.is_multiple_of(size) || at.checked_add(size)? > self.octets {
            return None;
        }
        // SAFETY: `at` is inside the mapping, by the comparison above.
        Some(unsafe { self.start.add(at) })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping that this value was made for, and nobody has a reference into it any more.
        if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), self.octets) } {
            log::warn!("{} octets stay mapped: {error}", self.octets);
        }
    }
}

/// Pages that the kernel may write at any time: whole words, each access an atomic one.
#[derive(Debug)]
pub(super) struct Words(Pages);

impl Words {
    /// A ring of a socket, by its page offset.
    pub(super) fn of(socket: impl AsFd, octets: usize, offset: u64) -> Result<Self> {
        Pages::of(socket, octets, offset).map(Self)
    }

    /// Memory of nobody else.
    #[cfg(test)]
    pub(super) fn anonymous(octets: usize) -> Result<Self> {
        Pages::anonymous(octets).map(Self)
    }

    /// The 4 octets from `at` on; `None` if they are not inside, or `at` is not a multiple of 4.
    pub(super) fn half(&self, at: usize) -> Option<&AtomicU32> {
        let half = self.0.value(at, 4)?.cast::<AtomicU32>();
        // SAFETY: it is inside the mapping, aligned (a mapping begins at a page), initialised by the kernel, and mapped
        // for as long as `self` lives; it is accessed as atomics only.
        Some(unsafe { half.as_ref() })
    }

    /// The 8 octets from `at` on; `None` if they are not inside, or `at` is not a multiple of 8.
    pub(super) fn word(&self, at: usize) -> Option<&AtomicU64> {
        let word = self.0.value(at, 8)?.cast::<AtomicU64>();
        // SAFETY: as for `half`.
        Some(unsafe { word.as_ref() })
    }
}

/// Pages of which the kernel writes some parts, and this process others.
#[derive(Debug)]
pub(super) struct Octets(Pages);

impl Octets {
    /// Fresh pages, all zero.
    pub(super) fn new(octets: usize) -> Result<Self> {
        Pages::anonymous(octets).map(Self)
    }

    /// Address of the first octet, for the kernel.
    pub(super) fn address(&self) -> u64 {
        self.0.start.as_ptr().expose_provenance() as u64
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.octets
    }

    fn part(&self, at: usize, len: usize) -> Option<NonNull<[u8]>> {
        if at.checked_add(len)? > self.0.octets {
            return None;
        }
        // SAFETY: `at` is inside the mapping or its end, by the comparison above.
        let start = unsafe { self.0.start.add(at) };
        Some(NonNull::slice_from_raw_parts(start, len))
    }

    /// `len` octets from `at` on; `None` if they are not all inside.
    ///
    /// # Safety
    /// The kernel does not write them as long as the slice lives.
    pub(super) unsafe fn get(&self, at: usize, len: usize) -> Option<&[u8]> {
        let part = self.part(at, len)?;
        // SAFETY: inside the mapping and initialised; the kernel does not write it, by this function's demand, and this
        // process only through `&mut self`.
        Some(unsafe { part.as_ref() })
    }

    /// As [`Octets::get`], to be written.
    ///
    /// # Safety
    /// The kernel neither writes nor reads them as long as the slice lives.
    pub(super) unsafe fn get_mut(&mut self, at: usize, len: usize) -> Option<&mut [u8]> {
        let mut part = self.part(at, len)?;
        // SAFETY: inside the mapping and initialised; the kernel leaves it alone, by this function's demand, and
        // `&mut self` is the only way of this process to it.
        Some(unsafe { part.as_mut() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn nothing_beyond_the_end_is_reached() {
        let words = Words::anonymous(4_096).expect("a page");
        assert!(words.word(4_088).is_some() && words.word(4_096).is_none());
        assert!(words.word(usize::MAX - 7).is_none() && words.word(4).is_none(), "aligned, and no overflow");
        assert!(words.half(4_092).is_some() && words.half(4_096).is_none() && words.half(2).is_none());
        words.half(4).expect("inside").store(7, Ordering::Relaxed);
        let word = words.word(0).expect("inside").load(Ordering::Relaxed).to_ne_bytes();
        assert_eq!(word, *[[0; 4], 7u32.to_ne_bytes()].as_flattened());

        let mut octets = Octets::new(4_096).expect("a page");
        // SAFETY: the kernel was not told of these pages.
        let whole = unsafe { octets.get_mut(0, 4_096) }.expect("all of it");
        whole.fill(1);
        for (at, len) in [(4_096, 1), (1, 4_096), (usize::MAX, 2), (4_097, 0)] {
            // SAFETY: as above.
            assert_eq!(unsafe { octets.get(at, len) }, None, "{len} octets at {at}");
        }
        // SAFETY: as above.
        assert_eq!(unsafe { octets.get(4_096, 0) }, Some(&[][..]));
    }
}
