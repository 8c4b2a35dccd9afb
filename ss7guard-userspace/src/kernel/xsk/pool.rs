//! The frames that all sockets share (the UMEM of AF_XDP), and where each of them is.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::net::xdp::{XdpUmemReg, XdpUmemRegFlags};

use super::memory::Octets;
use crate::kernel::KernelError;

/// Octets of a frame's place in the pool. Linux takes 2,048 or a page of 4,096.
pub const FRAME_LEN: u32 = 4_096;

/// Octets that the kernel leaves free before a received frame (XDP_PACKET_HEADROOM, linux/bpf.h): a program's metadata
/// lies at their end. Own frames begin there too.
pub const FRAME_ROOM: u32 = 256;

/// Octets of a frame at least: an Ethernet header.
pub const MIN_FRAME: u32 = 14;

/// Frames of a pool at most: 1 GiB.
const MAX_FRAMES: u32 = 1 << 18;

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the free list.
    Free,
    /// With whoever has its [`Held`].
    Held,
    /// With the kernel, to receive into.
    Filled,
    /// With the kernel, to be sent.
    Sent,
}

/// The right to one frame of a [`Pool`]. There is never a second one for the same frame.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a frame that is dropped is lost to its pool: give it back"]
pub struct Held {
    number: u32,
    offset: u32,
    len: u32,
}

impl Held {
    /// Its number in the pool, from 0 on: what [`Socket::completed`](super::Socket::completed) tells when it has left.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Octets of the frame, from the Ethernet header on.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no frame is empty")]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Where its octets begin in the pool.
    fn start(&self) -> usize {
        self.number as usize * FRAME_LEN as usize + self.offset as usize
    }
}

/// Frames, and where each of them is. It may end before its sockets: the kernel holds the pages as long as it needs them.
#[derive(Debug)]
pub struct Pool {
    /// Tells it from other pools of this process.
    id: u64,
    octets: Octets,
    /// By number of the frame.
    places: Vec<Place>,
    free: Vec<u32>,
}

impl Pool {
    /// Makes a pool of this many frames.
    ///
    /// # Errors
    /// None or more than 2^18 are asked for, or there is no memory.
    pub fn new(frames: u32) -> Result<Self, KernelError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if frames == 0 || frames > MAX_FRAMES {
            return Err(KernelError::Unsupported(format!("a pool of {frames} frames (1 to {MAX_FRAMES})")));
        }
        let octets = Octets::new(frames as usize * FRAME_LEN as usize)
            .map_err(|error| KernelError::other(format!("memory of {frames} frames"), error))?;
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            octets,
            places: vec![Place::Free; frames as usize],
            // The lowest numbers first.
            free: (0..frames).rev().collect(),
        })
    }

    /// Frames in all.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.places.len() as u32
    }

    /// Frames on the free list.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free.len() as u32
    }

    /// A free frame to be written and sent; `None` if there is none, or a frame of `len` octets cannot be.
    pub fn take(&mut self, len: u32) -> Option<Held> {
        if !(MIN_FRAME..=FRAME_LEN - FRAME_ROOM).contains(&len) {
            return None;
        }
        let number = self.take_free(Place::Held)?;
        Some(Held { number, offset: FRAME_ROOM, len })
    }

    /// Puts a frame on the free list.
    #[expect(clippy::needless_pass_by_value, reason = "the right to the frame ends here")]
    pub fn give_back(&mut self, held: Held) {
        self.release(held.number, Place::Held);
    }

    /// The frame, from the Ethernet header on; empty for a frame of another pool.
    #[must_use]
    pub fn octets<'a>(&'a self, held: &'a Held) -> &'a [u8] {
        if !self.is(held.number, Place::Held) {
            return &[];
        }
        // SAFETY: the frame is held, so it is in no ring. To put it into one takes `&mut self`, and the slice borrows it.
        unsafe { self.octets.get(held.start(), held.len as usize) }.unwrap_or_default()
    }

    /// As [`Pool::octets`], to be written.
    pub fn octets_mut<'a>(&'a mut self, held: &'a mut Held) -> &'a mut [u8] {
        if !self.is(held.number, Place::Held) {
            return &mut [];
        }
        // SAFETY: as for `octets`.
        unsafe { self.octets.get_mut(held.start(), held.len as usize) }.unwrap_or_default()
    }

    /// The `count` octets right before a received frame, where a program leaves its metadata; `None` if the frame's place
    /// does not begin so far before.
    #[must_use]
    pub fn before<'a>(&'a self, held: &'a Held, count: u32) -> Option<&'a [u8]> {
        if !self.is(held.number, Place::Held) || count > held.offset {
            return None;
        }
        // SAFETY: as for `octets`: these octets are part of the same frame's place.
        unsafe { self.octets.get(held.start() - count as usize, count as usize) }
    }

    /// Which pool this is.
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// What the kernel is told of it. No room beyond FRAME_ROOM: metadata take 255 octets at most.
    pub(super) fn registration(&self) -> XdpUmemReg {
        XdpUmemReg {
            addr: self.octets.address(),
            len: self.octets.len() as u64,
            chunk_size: FRAME_LEN,
            headroom: 0,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        }
    }

    /// A free frame for the fill ring: its address in the pool.
    pub(super) fn fill(&mut self) -> Option<u64> {
        self.take_free(Place::Filled).map(|number| u64::from(number) * u64::from(FRAME_LEN))
    }

    /// Takes back a frame that [`Pool::fill`] gave, and that the fill ring did not take.
    pub(super) fn unfill(&mut self, address: u64) {
        self.release(number_of(address), Place::Filled);
    }

    /// A frame that the kernel says to have received; `None` if that cannot be. A frame that the kernel had and that
    /// does not lie in its place goes to the free list.
    pub(super) fn received(&mut self, address: u64, len: u32, whole: bool) -> Option<Held> {
        let number = number_of(address);
        let offset = (address % u64::from(FRAME_LEN)) as u32;
        if !self.is(number, Place::Filled) {
            return None;
        }
        if !whole || len < MIN_FRAME || len > FRAME_LEN - offset {
            self.release(number, Place::Filled);
            return None;
        }
        self.places[number as usize] = Place::Held;
        Some(Held { number, offset, len })
    }

    /// Hands a frame over to be sent: its address and length; `None` for a frame of another pool.
    pub(super) fn sent(&mut self, held: &Held) -> Option<(u64, u32)> {
        if !self.is(held.number, Place::Held) {
            return None;
        }
        self.places[held.number as usize] = Place::Sent;
        Some((held.start() as u64, held.len))
    }

    /// Takes back a frame that [`Pool::sent`] handed over, and that the ring did not take.
    pub(super) fn unsent(&mut self, held: &Held) {
        if self.is(held.number, Place::Sent) {
            self.places[held.number as usize] = Place::Held;
        }
    }

    /// A frame that the kernel says to have sent: it is free, and this is its number; `None` if that cannot be.
    pub(super) fn completed(&mut self, address: u64) -> Option<u32> {
        let number = number_of(address);
        self.release(number, Place::Sent).then_some(number)
    }

    fn is(&self, number: u32, place: Place) -> bool {
        self.places.get(number as usize) == Some(&place)
    }

    fn take_free(&mut self, to: Place) -> Option<u32> {
        let number = self.free.pop()?;
        self.places[number as usize] = to;
        Some(number)
    }

    /// Frees a frame that is in this place; false if it is not. Never allocates: the list has had room for all.
    fn release(&mut self, number: u32, from: Place) -> bool {
        let there = self.is(number, from);
        if there {
            self.places[number as usize] = Place::Free;
            self.free.push(number);
        }
        there
    }
}

/// Number of the frame in whose place this address lies; beyond every pool if it is no address.
fn number_of(address: u64) -> u32 {
    u32::try_from(address / u64::from(FRAME_LEN)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_written_and_read_and_goes_back() {
        let mut pool = Pool::new(2).expect("pool");
        let mut held = pool.take(60).expect("free");
        pool.octets_mut(&mut held).fill(0xab);
        assert_eq!(pool.octets(&held), [0xab; 60]);
        assert_eq!((held.number(), held.len(), pool.free()), (0, 60, 1));
        assert_eq!(pool.before(&held, 16), Some(&[0; 16][..]));
        assert_eq!(pool.before(&held, 256).map(<[u8]>::len), Some(256));
        assert_eq!(pool.before(&held, 257), None);
        let other = pool.take(14).expect("free");
        assert_eq!(pool.take(60), None);
        pool.give_back(held);
        pool.give_back(other);
        assert_eq!(pool.free(), 2);
        assert_eq!((pool.take(13), pool.take(3_841)), (None, None), "no frame has this length");
    }

    #[test]
    fn a_received_frame_lies_where_the_kernel_says_with_what_is_before_it() {
        let mut pool = Pool::new(4).expect("pool");
        let first = pool.fill().expect("free");
        let second = pool.fill().expect("free");
        assert_eq!((first, second), (0, 4_096));
        let held = pool.received(second + 256, 100, true).expect("right");
        assert_eq!((held.number(), pool.octets(&held).len()), (1, 100));
        assert_eq!(pool.before(&held, 16).map(<[u8]>::len), Some(16));
        assert_eq!(pool.received(second + 256, 100, true), None, "it is held already");
        let (address, len) = pool.sent(&held).expect("held");
        assert_eq!((address, len), (4_096 + 256, 100));
        assert!(pool.octets(&held).is_empty(), "the kernel has it");
        pool.unsent(&held);
        assert_eq!(pool.octets(&held).len(), 100);
        assert!(pool.sent(&held).is_some());
        assert_eq!(pool.completed(first), None, "it is to receive into");
        assert_eq!(pool.completed(address), Some(1));
        assert_eq!(pool.completed(address), None, "once only");
    }

    #[test]
    fn what_the_kernel_cannot_mean_is_not_believed() {
        let mut pool = Pool::new(4).expect("pool");
        let address = pool.fill().expect("free");
        assert_eq!(pool.received(4 * 4_096, 100, true), None, "beyond the pool");
        assert_eq!(pool.received(u64::MAX, 100, true), None);
        assert_eq!(pool.received(2 * 4_096, 100, true), None, "a free frame");
        assert_eq!(pool.free(), 3);
        for (offset, len, whole) in
            [(256, 3_841, true), (4_095, 14, true), (0, 13, true), (0, u32::MAX, true), (0, 60, false)]
        {
            assert_eq!(pool.received(address + offset, len, whole), None, "{len} octets at {offset}");
            assert_eq!(pool.free(), 4, "it came back");
            assert_eq!(pool.fill(), Some(address));
        }
        let held = pool.received(address + 256, 3_840, true).expect("the longest");
        pool.give_back(held);
    }

    #[test]
    fn the_frame_of_another_pool_is_none_here() {
        let mut one = Pool::new(1).expect("pool");
        let mut other = Pool::new(1).expect("pool");
        let mut held = one.take(60).expect("free");
        assert!(other.octets(&held).is_empty() && other.octets_mut(&mut held).is_empty());
        assert_eq!(other.before(&held, 1), None);
        assert_eq!(other.sent(&held), None);
        other.give_back(held);
        assert_eq!(other.free(), 1);
    }

    #[test]
    fn a_pool_has_a_size() {
        assert!(Pool::new(0).is_err() && Pool::new(MAX_FRAMES + 1).is_err());
    }
}
