//! The kernel's clocks.

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};
use ss7guard_common::abi::ClockSample;

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

/// The kernel's tick counter in terms of its monotonic clock. Ticks are counted along that clock, so that one sample
/// of both gives the counter at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    sample: ClockSample,
    tick_ns: u64,
}

impl Ticks {
    /// From a sample; `None` if none was taken. The length of a tick is the resolution of the coarse clock.
    pub(super) fn new(sample: ClockSample) -> Option<Self> {
        let tick_ns = nanoseconds(clock_getres(ClockId::MonotonicCoarse));
        (sample.ticks != 0 && tick_ns != 0).then_some(Self { sample, tick_ns })
    }

    /// How many ticks this many nanoseconds last, rounded up.
    pub(super) const fn ticks_in(self, ns: u64) -> u64 {
        ns.div_ceil(self.tick_ns)
    }

    /// How many nanoseconds this many ticks last.
    pub(super) const fn length_of(self, ticks: u64) -> u64 {
        ticks.saturating_mul(self.tick_ns)
    }

    /// The counter at this time of the monotonic clock, rounded up: nothing ends early. 0 stays 0.
    pub(super) const fn ticks_at(self, ns: u64) -> u64 {
        if ns == 0 {
            return 0;
        }
        let after = ns.saturating_sub(self.sample.monotonic_ns).div_ceil(self.tick_ns);
        let before = self.sample.monotonic_ns.saturating_sub(ns) / self.tick_ns;
        let ticks = self.sample.ticks.saturating_add(after).saturating_sub(before);
        if ticks == 0 { 1 } else { ticks }
    }

    /// The time of the monotonic clock at this count. 0 stays 0.
    pub(super) const fn time_of(self, ticks: u64) -> u64 {
        if ticks == 0 {
            return 0;
        }
        let after = ticks.saturating_sub(self.sample.ticks).saturating_mul(self.tick_ns);
        let before = self.sample.ticks.saturating_sub(ticks).saturating_mul(self.tick_ns);
        let ns = self.sample.monotonic_ns.saturating_add(after).saturating_sub(before);
        if ns == 0 { 1 } else { ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_as_ticks_to_within_one_tick_and_never_early() {
        let ticks = Ticks {
            sample: ClockSample { ticks: 4_295_000_000, monotonic_ns: 77_000_000_123 },
            tick_ns: 4_000_000,
        };
        for ns in [1, 76_000_000_000, 77_000_000_123, 77_000_000_124, 90_123_456_789, u64::MAX / 2] {
            let back = ticks.time_of(ticks.ticks_at(ns));
            assert!(back >= ns.saturating_sub(1) && back - ns.min(back) <= 4_000_000, "{ns} {back}");
        }
        assert_eq!((ticks.ticks_at(0), ticks.time_of(0)), (0, 0));
    }
}
