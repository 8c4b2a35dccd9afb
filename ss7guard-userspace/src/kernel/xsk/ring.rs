//! A ring between this process and the kernel: two counters of 32 bits that run over, and a power of two of entries.
//!
//! Whoever puts entries in owns the producer's counter, whoever takes them out the consumer's. A counter is stored with
//! release when the entries before it are written or done with, and loaded with acquire before they are touched. Entries
//! in use are the difference of the two; what the kernel claims beyond the size of the ring is cut to it.

use std::sync::atomic::{Ordering, fence};

use rustix::net::xdp::{XdpRingFlags, XdpRingOffset};

use super::memory::Words;

/// Where the parts of a ring lie in its mapping, in octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    producer: usize,
    consumer: usize,
    /// Not before Linux 5.4.
    flags: Option<usize>,
    entries: usize,
}

impl Layout {
    /// As the kernel says it; `None` if this process cannot reach so far.
    pub(super) fn new(offsets: &XdpRingOffset) -> Option<Self> {
        Some(Self {
            producer: offsets.producer.try_into().ok()?,
            consumer: offsets.consumer.try_into().ok()?,
            flags: match offsets.flags {
                Some(flags) => Some(flags.try_into().ok()?),
                None => None,
            },
            entries: offsets.desc.try_into().ok()?,
        })
    }

    /// Octets of a ring of `size` entries of this many words.
    pub(super) fn octets(&self, size: u32, words: usize) -> Option<usize> {
        self.entries.checked_add(usize::try_from(size).ok()?.checked_mul(words)?.checked_mul(8)?)
    }
}

/// What both sides have: entries of `WORDS` words of 8 octets.
#[derive(Debug)]
struct Ring<const WORDS: usize> {
    memory: Words,
    layout: Layout,
    /// Entries; a power of two.
    size: u32,
    /// The counter that we own.
    ours: u32,
    /// The other one, as it was last seen.
    theirs: u32,
}

impl<const WORDS: usize> Ring<WORDS> {
    /// A ring in this memory; `None` if it does not hold all of it, or `size` is no power of two.
    fn new(memory: Words, layout: Layout, size: u32) -> Option<Self> {
        if !size.is_power_of_two() {
            return None;
        }
        memory.half(layout.producer)?;
        memory.half(layout.consumer)?;
        if let Some(flags) = layout.flags {
            memory.half(flags)?;
        }
        // The last word of the last entry; after that no place lies outside.
        memory.word(layout.octets(size, WORDS)?.checked_sub(8)?)?;
        Some(Self { memory, layout, size, ours: 0, theirs: 0 })
    }

    fn load(&self, at: usize) -> u32 {
        self.memory.half(at).map_or(0, |counter| counter.load(Ordering::Acquire))
    }

    fn store(&self, at: usize, value: u32) {
        if let Some(counter) = self.memory.half(at) {
            counter.store(value, Ordering::Release);
        }
    }

    /// Offset of a word of the entry with this number; numbers run over.
    const fn place(&self, number: u32, word: usize) -> usize {
        self.layout.entries + ((number & (self.size - 1)) as usize * WORDS + word) * 8
    }

    /// Whether the kernel waits for a call. Without flags it always does.
    fn needs_wakeup(&self) -> bool {
        // The flag is read after our counter is seen: otherwise the kernel could miss the entries and we the flag.
        fence(Ordering::SeqCst);
        let flags = self.layout.flags.and_then(|flags| self.memory.half(flags));
        flags.map_or(XdpRingFlags::XDP_RING_NEED_WAKEUP.bits(), |flags| flags.load(Ordering::Relaxed))
            & XdpRingFlags::XDP_RING_NEED_WAKEUP.bits()
            != 0
    }
}

/// The side of a ring that puts entries in.
#[derive(Debug)]
pub(super) struct Producer<const WORDS: usize>(Ring<WORDS>);

impl<const WORDS: usize> Producer<WORDS> {
    /// As [`Ring::new`].
    pub(super) fn new(memory: Words, layout: Layout, size: u32) -> Option<Self> {
        let mut ring = Ring::new(memory, layout, size)?;
        (ring.ours, ring.theirs) = (ring.load(layout.producer), ring.load(layout.consumer));
        Some(Self(ring))
    }

    /// Entries that the kernel has not taken out, as far as it has said so.
    pub(super) fn pending(&mut self) -> u32 {
        self.0.theirs = self.0.load(self.0.layout.consumer);
        self.0.ours.wrapping_sub(self.0.theirs).min(self.0.size)
    }

    /// Whether another entry fits.
    fn has_room(&mut self) -> bool {
        self.0.ours.wrapping_sub(self.0.theirs) < self.0.size || self.pending() < self.0.size
    }

    /// Puts an entry in, not yet to be seen by the kernel; false if the ring is full.
    pub(super) fn put(&mut self, entry: [u64; WORDS]) -> bool {
        if !self.has_room() {
            return false;
        }
        for (at, value) in entry.into_iter().enumerate() {
            if let Some(word) = self.0.memory.word(self.0.place(self.0.ours, at)) {
                word.store(value, Ordering::Relaxed);
            }
        }
        self.0.ours = self.0.ours.wrapping_add(1);
        true
    }

    /// Shows the kernel what was put in.
    pub(super) fn publish(&self) {
        self.0.store(self.0.layout.producer, self.0.ours);
    }

    /// Takes the last entry out again that the kernel has not been shown.
    pub(super) fn take_back(&mut self) -> Option<[u64; WORDS]> {
        if self.0.ours == self.0.load(self.0.layout.producer) {
            return None;
        }
        self.0.ours = self.0.ours.wrapping_sub(1);
        let mut entry = [0; WORDS];
        for (at, value) in entry.iter_mut().enumerate() {
            *value = self.0.memory.word(self.0.place(self.0.ours, at))?.load(Ordering::Relaxed);
        }
        Some(entry)
    }

    /// Whether the kernel waits for a call before it takes entries out.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.0.needs_wakeup()
    }
}

/// The side of a ring that takes entries out.
#[derive(Debug)]
pub(super) struct Consumer<const WORDS: usize>(Ring<WORDS>);

impl<const WORDS: usize> Consumer<WORDS> {
    /// As [`Ring::new`].
    pub(super) fn new(memory: Words, layout: Layout, size: u32) -> Option<Self> {
        let mut ring = Ring::new(memory, layout, size)?;
        ring.ours = ring.load(layout.consumer);
        ring.theirs = ring.ours;
        Some(Self(ring))
    }

    /// Takes an entry out; the kernel does not use its place anew before [`Consumer::release`].
    pub(super) fn take(&mut self) -> Option<[u64; WORDS]> {
        if self.0.ours == self.0.theirs {
            let there = self.0.load(self.0.layout.producer).wrapping_sub(self.0.ours).min(self.0.size);
            self.0.theirs = self.0.ours.wrapping_add(there);
            if there == 0 {
                return None;
            }
        }
        let mut entry = [0; WORDS];
        for (at, value) in entry.iter_mut().enumerate() {
            *value = self.0.memory.word(self.0.place(self.0.ours, at))?.load(Ordering::Relaxed);
        }
        self.0.ours = self.0.ours.wrapping_add(1);
        Some(entry)
    }

    /// Lets the kernel have the places of what was taken out.
    pub(super) fn release(&self) {
        self.0.store(self.0.layout.consumer, self.0.ours);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    const PRODUCER: usize = 0;
    const CONSUMER: usize = 64;
    const FLAGS: usize = 128;
    const SIZE: u32 = 4;

    fn layout() -> Layout {
        Layout { producer: PRODUCER, consumer: CONSUMER, flags: Some(FLAGS), entries: 192 }
    }

    /// A ring whose counters both stand at `start`.
    fn memory(start: u32) -> Words {
        let words = Words::anonymous(4_096).expect("a page");
        for counter in [PRODUCER, CONSUMER] {
            words.half(counter).expect("inside").store(start, Ordering::Relaxed);
        }
        words
    }

    fn half(ring: &Ring<1>, at: usize) -> &AtomicU32 {
        ring.memory.half(at).expect("inside")
    }

    /// What the kernel finds at an entry's place.
    fn entry(ring: &Ring<1>, number: u32) -> u64 {
        ring.memory.word(192 + (number % SIZE) as usize * 8).expect("inside").load(Ordering::Relaxed)
    }

    #[test]
    fn a_producer_fills_the_ring_and_no_more_wherever_the_counters_stand() {
        for start in [0, 3, u32::MAX - 1, u32::MAX, 1 << 31] {
            let mut ring = Producer::<1>::new(memory(start), layout(), SIZE).expect("ring");
            for number in 0..SIZE {
                assert!(ring.put([u64::from(number) + 10]), "{number} after {start}");
            }
            assert!(!ring.put([99]), "full after {start}");
            assert_eq!(half(&ring.0, PRODUCER).load(Ordering::Relaxed), start, "not published");
            ring.publish();
            assert_eq!(half(&ring.0, PRODUCER).load(Ordering::Relaxed), start.wrapping_add(SIZE));
            assert_eq!(ring.pending(), SIZE);
            for number in 0..SIZE {
                assert_eq!(entry(&ring.0, start.wrapping_add(number)), u64::from(number) + 10);
            }
            // The kernel takes one out: there is room for one.
            half(&ring.0, CONSUMER).store(start.wrapping_add(1), Ordering::Relaxed);
            assert!(ring.put([20]) && !ring.put([21]));
            assert_eq!(entry(&ring.0, start.wrapping_add(SIZE)), 20, "in the place of the first");
        }
    }

    #[test]
    fn a_consumer_takes_what_is_there_in_order_wherever_the_counters_stand() {
        for start in [0, 3, u32::MAX - 1, u32::MAX, 1 << 31] {
            let mut ring = Consumer::<1>::new(memory(start), layout(), SIZE).expect("ring");
            assert_eq!(ring.take(), None, "empty at {start}");
            for number in 0..3 {
                let place = 192 + (start.wrapping_add(number) % SIZE) as usize * 8;
                let word = ring.0.memory.word(place).expect("inside");
                word.store(u64::from(number) + 10, Ordering::Relaxed);
            }
            half(&ring.0, PRODUCER).store(start.wrapping_add(3), Ordering::Relaxed);
            assert_eq!([ring.take(), ring.take(), ring.take()], [Some([10]), Some([11]), Some([12])]);
            assert_eq!(ring.take(), None);
            assert_eq!(half(&ring.0, CONSUMER).load(Ordering::Relaxed), start, "not released");
            ring.release();
            assert_eq!(half(&ring.0, CONSUMER).load(Ordering::Relaxed), start.wrapping_add(3));
        }
    }

    #[test]
    fn counters_that_cannot_be_are_cut_to_the_size() {
        let mut ring = Consumer::<1>::new(memory(0), layout(), SIZE).expect("ring");
        half(&ring.0, PRODUCER).store(1_000_000, Ordering::Relaxed);
        assert_eq!((0..10).map_while(|_| ring.take()).count(), 10, "each from inside the ring");
        let mut ring = Producer::<1>::new(memory(0), layout(), SIZE).expect("ring");
        half(&ring.0, CONSUMER).store(7, Ordering::Relaxed);
        ring.0.theirs = 7;
        assert!(!ring.put([1]), "a consumer ahead of the producer leaves no room");
        assert_eq!(ring.pending(), SIZE);
    }

    #[test]
    fn an_entry_of_two_words_lies_at_twice_the_distance() {
        let mut ring = Producer::<2>::new(memory(u32::MAX), layout(), SIZE).expect("ring");
        assert!(ring.put([1, 2]) && ring.put([3, 4]));
        let word = |at: usize| ring.0.memory.word(192 + at * 8).expect("inside").load(Ordering::Relaxed);
        assert_eq!([word(6), word(7), word(0), word(1)], [1, 2, 3, 4]);
    }

    #[test]
    fn a_wakeup_is_needed_when_the_kernel_says_so_or_cannot_say() {
        let ring = Producer::<1>::new(memory(0), layout(), SIZE).expect("ring");
        assert!(!ring.needs_wakeup());
        half(&ring.0, FLAGS).store(1, Ordering::Relaxed);
        assert!(ring.needs_wakeup());
        let old = Layout { flags: None, ..layout() };
        assert!(Producer::<1>::new(memory(0), old, SIZE).expect("ring").needs_wakeup());
    }

    #[test]
    fn a_ring_that_does_not_fit_its_memory_is_none() {
        assert!(Producer::<1>::new(memory(0), layout(), 3).is_none(), "no power of two");
        assert!(Producer::<2>::new(memory(0), layout(), 256).is_none(), "4,288 octets in 4,096");
        let beyond = Layout { consumer: 4_096, ..layout() };
        assert!(Consumer::<1>::new(memory(0), beyond, SIZE).is_none());
    }
}
