//! The kernel's clocks.

use rustix::time::{ClockId, Timespec, clock_gettime};

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nanoseconds of the monotonic clock, by which block entries expire.
#[must_use]
pub fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// What to add to a monotonic time to get nanoseconds since 1970, UTC.
#[must_use]
pub fn wall_offset_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Realtime)).saturating_sub(monotonic_ns())
}
