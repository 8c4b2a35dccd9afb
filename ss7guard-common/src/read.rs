//! Bounded access to the bytes of a frame, the only way in which the classifier touches them.

/// Offsets at or above this are unreadable for every reader, so that kernel and host agree.
///
/// The verifier wants a constant upper bound on each packet offset; 16 KiB is above every MTU that carries
/// signalling (RFC 9260 §3 leaves the packet size to the path).
pub const MAX_OFFSET: usize = 0x3fff;

/// Random access to the bytes of one frame.
///
/// `off` counts from the first octet of the link-layer header. A read that does not lie wholly inside the frame,
/// or starts above [`MAX_OFFSET`], gives `None`; there is no partial read.
pub trait ReadAt {
    /// The `N` octets at `off`.
    fn read_at<const N: usize>(&self, off: usize) -> Option<[u8; N]>;

    /// One octet at `off`.
    #[inline(always)]
    fn u8_at(&self, off: usize) -> Option<u8> {
        self.read_at::<1>(off).map(u8::from_be_bytes)
    }

    /// A big-endian 16-bit number at `off`.
    #[inline(always)]
    fn be16_at(&self, off: usize) -> Option<u16> {
        self.read_at(off).map(u16::from_be_bytes)
    }

    /// A big-endian 32-bit number at `off`.
    #[inline(always)]
    fn be32_at(&self, off: usize) -> Option<u32> {
        self.read_at(off).map(u32::from_be_bytes)
    }

    /// `value`, unchanged. A reader under the kernel's verifier makes it forget what it knows about the number,
    /// by mixing in `noise` (any number read from the frame) and taking it out again: loop states that differ in
    /// known numbers only then count as one, and a loop costs the sum of its turns instead of their product.
    #[inline(always)]
    fn forget(&self, value: usize, _noise: u32) -> usize {
        value
    }
}

impl ReadAt for [u8] {
    #[inline]
    fn read_at<const N: usize>(&self, off: usize) -> Option<[u8; N]> {
        if off > MAX_OFFSET {
            return None;
        }
        self.get(off..)?.first_chunk::<N>().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_inside_and_refuses_outside() {
        let frame: &[u8] = &[1, 2, 3, 4, 5];
        assert_eq!(frame.be16_at(3), Some(0x0405));
        assert_eq!(frame.be16_at(4), None);
        assert_eq!(frame.be32_at(1), Some(0x0203_0405));
        assert_eq!(frame.u8_at(5), None);
        assert_eq!(frame.u8_at(usize::MAX), None);
    }

    #[test]
    fn the_offset_bound_holds_for_slices_too() {
        let frame = [0u8; MAX_OFFSET + 8];
        assert_eq!(frame.u8_at(MAX_OFFSET), Some(0));
        assert_eq!(frame.u8_at(MAX_OFFSET + 1), None);
    }
}
