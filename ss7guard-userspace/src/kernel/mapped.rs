//! Arrays of the kernel as memory of this process: a store takes no system call and is seen by the next frame.
//!
//! The map must have been made with `BPF_F_MMAPABLE`. Elements are whole words of 8 octets; each access is one atomic
//! load or store, so that neither side ever sees part of one.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aya::maps::MapData;
use bytemuck::Pod;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::kernel::KernelError;
use crate::kernel::load::Flat;

/// A pinned array, mapped.
#[derive(Debug)]
pub(super) struct Mapped<T> {
    words: NonNull<u64>,
    octets: usize,
    entries: u32,
    of: PhantomData<T>,
}

#[expect(unsafe_code, reason = "the kernel's memory has no other owner that Rust knows of")]
// SAFETY: the mapping belongs to this value alone, as a boxed slice would; the thread does not matter to it.
unsafe impl<T> Send for Mapped<T> {}

impl<T: Pod> Mapped<T> {
    const WORDS: usize = size_of::<T>() / 8;

    /// Maps the pinned array of this name.
    ///
    /// # Errors
    /// It is not there, its elements have another size, or the kernel refuses.
    pub(super) fn open(bpffs: &Path, map: &str) -> Result<Self, KernelError> {
        const { assert!(size_of::<T>() != 0 && size_of::<T>().is_multiple_of(8) && align_of::<T>() <= 8) };
        let what = || format!("map {map}");
        let data = MapData::from_pin(bpffs.join(map))
            .map_err(|error| KernelError::other(what(), Flat::from_error(&error)))?;
        let info = data.info().map_err(|error| KernelError::other(what(), Flat::from_error(&error)))?;
        let entries = info.max_entries();
        let octets = usize::try_from(entries).ok().and_then(|entries| entries.checked_mul(size_of::<T>()));
        let octets = octets.filter(|octets| *octets != 0);
        let (Some(octets), true) = (octets, usize::try_from(info.value_size()) == Ok(size_of::<T>())) else {
            return Err(KernelError::Unsupported(format!(
                "{map} has {entries} elements of {} octets",
                info.value_size()
            )));
        };
        let access = ProtFlags::READ | ProtFlags::WRITE;
        #[expect(unsafe_code, reason = "memory that the kernel gives")]
        // SAFETY: no address is asked for, so the mapping takes the place of nothing.
        let start = unsafe { mmap(std::ptr::null_mut(), octets, access, MapFlags::SHARED, data.fd(), 0) };
        let start = start.map_err(|error| KernelError::other(what(), std::io::Error::from(error)))?;
        let Some(words) = NonNull::new(start.cast::<u64>()) else {
            return Err(KernelError::Unsupported(format!("{map} lies at no address")));
        };
        Ok(Self { words, octets, entries, of: PhantomData })
    }

    /// Elements.
    pub(super) const fn len(&self) -> u32 {
        self.entries
    }

    /// Word `at` of an element.
    fn word(&self, element: u32, at: usize) -> Option<&AtomicU64> {
        if element >= self.entries || at >= Self::WORDS {
            return None;
        }
        let index = usize::try_from(element).ok()?.checked_mul(Self::WORDS)?.checked_add(at)?;
        #[expect(unsafe_code, reason = "memory that the kernel gives")]
        // SAFETY: `index` counts words and is below `octets / 8`, by the two comparisons above.
        let word = unsafe { self.words.add(index) };
        #[expect(unsafe_code, reason = "memory that the kernel gives")]
        // SAFETY: it is aligned, initialised, and mapped for as long as `self` lives; others access it as atomics only.
        Some(unsafe { word.cast::<AtomicU64>().as_ref() })
    }

    /// The half of a word that begins with this octet of an element.
    fn half_word(&self, element: u32, octet: usize) -> Option<&AtomicU32> {
        let word: *const AtomicU64 = self.word(element, octet / 8)?;
        let second = octet % 8 / 4;
        #[expect(unsafe_code, reason = "memory that the kernel gives")]
        // SAFETY: a word has two halves, and `second` is 0 or 1.
        let half = unsafe { word.cast::<AtomicU32>().add(second) };
        #[expect(unsafe_code, reason = "memory that the kernel gives")]
        // SAFETY: as for the word that it is half of.
        unsafe {
            half.as_ref()
        }
    }

    /// An element, word by word; `None` beyond the end.
    pub(super) fn read(&self, element: u32) -> Option<T> {
        let mut value = T::zeroed();
        let octets = bytemuck::bytes_of_mut(&mut value);
        for (at, octets) in octets.chunks_exact_mut(8).enumerate() {
            octets.copy_from_slice(&self.word(element, at)?.load(Ordering::Relaxed).to_ne_bytes());
        }
        Some(value)
    }

    /// Word `at` of an element; 0 beyond the end.
    pub(super) fn load(&self, element: u32, at: usize) -> u64 {
        self.word(element, at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Stores word `at` of an element, after everything that was stored before; nothing beyond the end.
    pub(super) fn store(&self, element: u32, at: usize, value: u64) {
        if let Some(word) = self.word(element, at) {
            word.store(value, Ordering::Release);
        }
    }

    /// Stores the four octets of an element from this one on, as [`Mapped::store`].
    pub(super) fn store_half(&self, element: u32, octet: usize, value: u32) {
        if let Some(half) = self.half_word(element, octet) {
            half.store(value, Ordering::Release);
        }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "memory that the kernel gives")]
        // SAFETY: the mapping that `open` made, and nobody has a reference into it any more.
        let result = unsafe { munmap(self.words.as_ptr().cast::<c_void>(), self.octets) };
        if let Err(error) = result {
            log::warn!("an array stays mapped: {error}");
        }
    }
}
