//! Counters: one for each direction, reason and action, and what became of the events.

use crate::abi::config::REASON_SLOTS;
use crate::verdict::{Action, Code};

/// Elements of the counter array: 2 directions, [`REASON_SLOTS`] reasons, 4 actions.
pub const COUNTER_SLOTS: u32 = 512;

/// Element that counts this reason and action. `egress` is the direction "out".
#[inline(always)]
#[must_use]
pub const fn counter_index(egress: bool, reason: Code, action: Action) -> u32 {
    let direction = if egress { 1u32 } else { 0 };
    (direction << 8) | ((reason.number() as u32) << 2) | action as u32
}

const _: () = assert!(REASON_SLOTS == 64 && COUNTER_SLOTS == 512);

/// What became of the events, counted by the kernel program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PuntCounter {
    /// Written to the ring.
    Sent = 0,
    /// Lost: the ring was full.
    Overrun = 1,
    /// Written, but with fewer octets than the frame has.
    Truncated = 2,
    /// Lost: the frame could not be copied.
    Unreadable = 3,
    /// Not sent: beyond the bound for copies of set-up frames.
    Bounded = 4,
}

/// Elements of the event counter array.
pub const PUNT_COUNTERS: u32 = 5;

impl PuntCounter {
    /// Every counter, in numeric order.
    pub const ALL: [Self; 5] = [Self::Sent, Self::Overrun, Self::Truncated, Self::Unreadable, Self::Bounded];

    /// The name used in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Overrun => "overrun",
            Self::Truncated => "truncated",
            Self::Unreadable => "unreadable",
            Self::Bounded => "bounded",
        }
    }
}
