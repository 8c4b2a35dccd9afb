//! The block list by point code.
//!
//! Three arrays: a bitmap (one bit for a point code; 2 MiB, so that a miss costs one look-up in the processor's
//! cache whatever the size of the list), an index from the point code to a slot, and the densely filled slots.
//! Entries that differ in network indicator or Network Appearance only form a chain of slots.

use bytemuck::{Pod, Zeroable};

use crate::verdict::Action;

/// Point codes that the list can hold: 24 bits, the widest in use (ANSI T1.111, GB 24-bit).
pub const POINT_CODE_SPACE: u32 = 1 << 24;

/// Index entries in one map element, a cache line's worth.
pub const INDEX_LANES: usize = 16;

/// Slot number that means "none"; slot 0 is never used.
pub const BLOCK_NO_SLOT: u32 = 0;

/// Slots visited for one point code: any NI, four NIs, as many with Network Appearance, and twice that while a list
/// is being imported.
pub const MAX_BLOCK_CHAIN: usize = 20;

/// Network indicator of an entry that matches every network indicator.
pub const ANY_NI: u8 = 0xff;

/// One entry of the block list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockDetail {
    /// When the entry ends, 0 for never. In the map: the kernel's tick counter (`jiffies64`), which costs nothing to
    /// read and has a resolution of one tick (1 to 10 ms). In tables of the host: nanoseconds of the clock that its
    /// frames come with. The controller converts at the map's edge, by [`super::ClockSample`].
    pub expires_at: u64,
    /// The originating point code; a slot that does not hold the code looked for does not match.
    pub point_code: u32,
    /// Network Appearance that the message must carry, if `match_na` is 1.
    pub network_appearance: u32,
    /// Rule that made the entry; shown with events and hits.
    pub rule_id: u32,
    /// Next slot for the same point code, or [`BLOCK_NO_SLOT`].
    pub next: u32,
    /// Network indicator 0 to 3, or [`ANY_NI`].
    pub ni: u8,
    /// 1 if `network_appearance` is part of the key.
    pub match_na: u8,
    /// What to do: a number of [`crate::verdict::Action`], `Drop` or `Neutralise`.
    pub action: u8,
    /// 1 while the slot is in use.
    pub used: u8,
    /// In which halves of the lists the entry is: bit 0 and bit 1, see [`super::Config::lists`].
    pub halves: u8,
    /// Zero.
    pub _pad: [u8; 3],
}

/// [`BlockDetail::halves`] of an entry that is in whichever half is live.
pub const BOTH_HALVES: u8 = 3;

super::kernel_abi!(BlockDetail, 32);

/// Element of the bitmap and mask of its bit for this point code; `None` above the space.
#[inline(always)]
#[must_use]
pub const fn bitmap_position(point_code: u32) -> Option<(u32, u64)> {
    if point_code >= POINT_CODE_SPACE {
        return None;
    }
    Some((point_code >> 6, 1u64 << (point_code & 63)))
}

/// Element of the index and lane in it for this point code, which lies inside the space.
#[inline(always)]
#[must_use]
pub const fn index_position(point_code: u32) -> (u32, usize) {
    (point_code >> 4, (point_code & 15) as usize)
}

impl BlockDetail {
    /// What to do with a message that matches: whatever is not "neutralise" is "drop"; an entry never lets pass.
    #[inline(always)]
    pub const fn action(&self) -> Action {
        if self.action == Action::Neutralise as u8 { Action::Neutralise } else { Action::Drop }
    }

    /// Whether this entry applies to a message with these values at this moment.
    #[inline(always)]
    #[must_use]
    pub fn matches(
        &self,
        point_code: u32,
        ni: u8,
        network_appearance: Option<u32>,
        moment: &impl Moment,
    ) -> bool {
        self.used == 1
            && self.point_code == point_code
            && (self.ni == ANY_NI || self.ni == ni)
            && (self.match_na == 0 || network_appearance == Some(self.network_appearance))
            && self.halves >> (moment.half() & 1) & 1 == 1
            && super::applies(self.expires_at, self.action, moment)
    }
}

/// Whether an entry that ends at this time, or never, still applies. One that has ended goes on if it neutralises: what
/// it neutralised may have been lost after it, and its retransmission must not deliver the original. A sender goes on for
/// as long as its longest timer (RFC 9260 §16: RTO.Max 60 s) after the last that was neutralised.
#[inline(always)]
pub(super) fn applies(expires_at: u64, action: u8, moment: &impl Moment) -> bool {
    if expires_at == 0 {
        return true;
    }
    let now = moment.now();
    now < expires_at
        || action == Action::Neutralise as u8
            && now < expires_at.wrapping_add(moment.linger())
            && now < moment.last_hit().wrapping_add(moment.linger())
}

/// When a message is held against an entry. Times are in the unit of [`BlockDetail::expires_at`].
pub trait Moment {
    /// Now.
    fn now(&self) -> u64;
    /// When the entry last applied before its end; 0 for never.
    fn last_hit(&self) -> u64;
    /// [`super::Config::linger`].
    fn linger(&self) -> u64;
    /// The half of the lists that is live: 0 or 1.
    fn half(&self) -> u32;
}

/// Hits of one entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockHits {
    /// How often it applied.
    pub count: u64,
    /// When it last applied before its end, in the unit of [`BlockDetail::expires_at`]; 0 for never.
    pub last: u64,
}

super::kernel_abi!(BlockHits, 16);

/// Both clocks at one moment, written by the start-up program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ClockSample {
    /// The kernel's tick counter.
    pub ticks: u64,
    /// Nanoseconds of the kernel's monotonic clock.
    pub monotonic_ns: u64,
}

super::kernel_abi!(ClockSample, 16);
