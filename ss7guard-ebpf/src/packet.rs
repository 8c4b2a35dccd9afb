//! Access to packet memory: the one file that touches it.
//!
//! Three readers for the classifier: the linear part of an XDP frame by direct access, a frame in several buffers
//! and an skb by helper calls. All of them honour the classifier's offset bound.

use core::arch::asm;
use core::ffi::c_void;

use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::helpers::generated::{
    bpf_skb_load_bytes, bpf_xdp_adjust_meta, bpf_xdp_get_buff_len, bpf_xdp_load_bytes, bpf_xdp_store_bytes,
};
use ss7guard_common::abi::HoldStamp;
use ss7guard_common::neutralise::WriteAt;
use ss7guard_common::read::{MAX_OFFSET, ReadAt};

/// Hides how a number was made from the compiler, which otherwise moves arithmetic across the bounds check in
/// ways that the verifier cannot follow. Costs one register move.
#[inline(always)]
pub fn hide(mut value: usize) -> usize {
    // SAFETY: a move of a register to itself; no memory is touched.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

/// Makes the verifier forget what it knows about a number: `noise` is mixed in and taken out again.
#[inline(always)]
pub fn forget(mut value: usize, noise: u32) -> usize {
    let noise = noise as usize;
    // SAFETY: two exclusive-ors of registers; no memory is touched.
    unsafe {
        asm!(
            "{0} ^= {1}",
            "{0} ^= {1}",
            inout(reg) value,
            in(reg) noise,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    value
}

/// The linear part of an XDP frame.
#[derive(Clone, Copy)]
pub struct Linear(pub *mut xdp_md);

impl Linear {
    #[inline(always)]
    fn start(self) -> usize {
        // Read anew each time: a value that is kept would be widened by a move, and is no packet pointer after it.
        // SAFETY: the context of the running program, as the kernel handed it over.
        unsafe { (&raw const (*self.0).data).read_volatile() as usize }
    }

    #[inline(always)]
    fn end(self) -> usize {
        // SAFETY: as above.
        unsafe { (&raw const (*self.0).data_end).read_volatile() as usize }
    }

    /// Octets in the linear part.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.end().wrapping_sub(self.start())
    }

    /// Start of `N` octets at `off` that lie inside the linear part.
    #[inline(always)]
    fn at<const N: usize>(self, off: usize) -> Option<usize> {
        // Hidden first: a negative constant part would otherwise end up in the packet pointer's fixed offset,
        // which the verifier's range check does not cover.
        let off = hide(off);
        if off > MAX_OFFSET {
            return None;
        }
        let first = hide(self.start() + off);
        let last = hide(first + N);
        if last > self.end() { None } else { Some(first) }
    }
}

impl ReadAt for Linear {
    #[inline(always)]
    fn read_at<const N: usize>(&self, off: usize) -> Option<[u8; N]> {
        let at = self.at::<N>(off)?;
        // SAFETY: [at, at + N) lies inside [data, data_end) by the check in `at`; `[u8; N]` has alignment 1.
        Some(unsafe { core::ptr::read(at as *const [u8; N]) })
    }

    #[inline(always)]
    fn forget(&self, value: usize, noise: u32) -> usize {
        forget(value, noise)
    }
}

impl WriteAt for Linear {
    #[inline(always)]
    fn write_at<const N: usize>(&mut self, off: usize, octets: [u8; N]) -> bool {
        let Some(at) = self.at::<N>(off) else { return false };
        // SAFETY: [at, at + N) lies inside [data, data_end) by the check in `at`; `[u8; N]` has alignment 1.
        unsafe { core::ptr::write(at as *mut [u8; N], octets) };
        true
    }
}

/// Makes room for a stamp in front of a frame; false where the driver has none. Nothing read before may be relied on.
#[inline(always)]
pub fn make_room(ctx: *mut xdp_md) -> bool {
    const ROOM: i32 = -(size_of::<HoldStamp>() as i32);
    // SAFETY: the context of the running program.
    unsafe { bpf_xdp_adjust_meta(ctx, ROOM) == 0 }
}

/// Writes the stamp into the room that [`make_room`] made.
#[inline(always)]
pub fn write_stamp(ctx: *mut xdp_md, stamp: HoldStamp) -> bool {
    // SAFETY: the context of the running program, as the kernel handed it over; read anew, as in `Linear::start`.
    let start = unsafe { (&raw const (*ctx).data_meta).read_volatile() as usize };
    // SAFETY: as above.
    let end = unsafe { (&raw const (*ctx).data).read_volatile() as usize };
    if start + size_of::<HoldStamp>() > end {
        return false;
    }
    // SAFETY: [start, end) has room for it by the check above; the kernel aligns metadata to four octets only.
    unsafe { core::ptr::write_unaligned(start as *mut HoldStamp, stamp) };
    true
}

/// An XDP frame in one or several buffers, read by helper calls.
#[derive(Clone, Copy)]
pub struct Paged(pub *mut xdp_md);

impl Paged {
    /// Octets of the whole frame.
    #[inline(always)]
    pub fn len(self) -> usize {
        // SAFETY: the context of the running program.
        unsafe { bpf_xdp_get_buff_len(self.0) as usize }
    }

    /// Copies `len` octets from `off` to `to`.
    ///
    /// # Safety
    /// `to` points to `len` writable octets.
    #[inline(always)]
    pub unsafe fn copy(self, off: usize, to: *mut u8, len: usize) -> bool {
        // SAFETY: the context of the running program, and `to` by the caller's promise.
        unsafe { bpf_xdp_load_bytes(self.0, off as u32, to.cast::<c_void>(), len as u32) == 0 }
    }
}

impl ReadAt for Paged {
    #[inline(always)]
    fn read_at<const N: usize>(&self, off: usize) -> Option<[u8; N]> {
        if off > MAX_OFFSET {
            return None;
        }
        let mut octets = [0; N];
        // SAFETY: `octets` has `N` octets.
        unsafe { self.copy(off, octets.as_mut_ptr(), N) }.then_some(octets)
    }

    #[inline(always)]
    fn forget(&self, value: usize, noise: u32) -> usize {
        forget(value, noise)
    }
}

impl WriteAt for Paged {
    #[inline(always)]
    fn write_at<const N: usize>(&mut self, off: usize, mut octets: [u8; N]) -> bool {
        if off > MAX_OFFSET {
            return false;
        }
        // SAFETY: the context of the running program; `octets` has `N` octets.
        unsafe {
            bpf_xdp_store_bytes(self.0, off as u32, octets.as_mut_ptr().cast::<c_void>(), N as u32) == 0
        }
    }
}

/// An skb, which may be paged.
#[derive(Clone, Copy)]
pub struct Skb(pub *mut __sk_buff);

impl Skb {
    /// Octets of the whole frame.
    #[inline(always)]
    pub fn len(self) -> usize {
        // SAFETY: the context of the running program.
        unsafe { (*self.0).len as usize }
    }

    /// Copies `len` octets from `off` to `to`.
    ///
    /// # Safety
    /// `to` points to `len` writable octets.
    #[inline(always)]
    pub unsafe fn copy(self, off: usize, to: *mut u8, len: usize) -> bool {
        // SAFETY: the context of the running program, and `to` by the caller's promise.
        unsafe {
            bpf_skb_load_bytes(self.0.cast::<c_void>(), off as u32, to.cast::<c_void>(), len as u32) == 0
        }
    }
}

impl ReadAt for Skb {
    #[inline(always)]
    fn read_at<const N: usize>(&self, off: usize) -> Option<[u8; N]> {
        if off > MAX_OFFSET {
            return None;
        }
        let mut octets = [0; N];
        // SAFETY: `octets` has `N` octets.
        unsafe { self.copy(off, octets.as_mut_ptr(), N) }.then_some(octets)
    }

    #[inline(always)]
    fn forget(&self, value: usize, noise: u32) -> usize {
        forget(value, noise)
    }
}
