//! What is to be seen of the frames in hand.

use serde_json::{Value, json};

use crate::daemon::holder::Counts;
use crate::kernel::xsk::Statistics;

/// Steps to each doubling of a time.
const STEPS: u32 = 8;
const PLACES: usize = 64 * STEPS as usize;

/// How long frames were held: a count for each eighth of a doubling, which is as exact as people need it.
#[derive(Clone)]
pub(super) struct Ages {
    places: Box<[u64; PLACES]>,
    count: u64,
}

impl Default for Ages {
    fn default() -> Self {
        Self { places: Box::new([0; PLACES]), count: 0 }
    }
}

/// The place of a time in nanoseconds, and the time that a place stands for.
fn place(ns: u64) -> usize {
    let ns = ns.max(1);
    let doubling = ns.ilog2();
    let part = if doubling >= 3 { ns >> (doubling - 3) & 7 } else { ns << (3 - doubling) & 7 };
    (doubling * STEPS) as usize + part as usize
}

fn time_of(place: usize) -> u64 {
    let (doubling, part) = (place as u32 / STEPS, place as u64 % u64::from(STEPS));
    let base = 1u64 << doubling.min(63);
    base.saturating_add((u128::from(base) * u128::from(part) / u128::from(STEPS)) as u64)
}

impl Ages {
    pub(super) fn note(&mut self, ns: u64) {
        self.places[place(ns).min(PLACES - 1)] += 1;
        self.count += 1;
    }

    /// The time in nanoseconds that so many of a thousand frames were held at most.
    fn of_thousand(&self, most: u64) -> Option<u64> {
        let wanted = self.count.checked_mul(most)?.div_ceil(1_000);
        let mut seen = 0;
        self.places
            .iter()
            .position(|count| {
                seen += count;
                wanted > 0 && seen >= wanted
            })
            .map(time_of)
    }
}

/// The frames in hand.
#[derive(Clone)]
pub(in crate::daemon) struct HolderView {
    pub(super) counts: Counts,
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    pub(super) oldest_ns: u64,
    pub(super) ages: Ages,
    pub(super) sockets: Statistics,
}

impl HolderView {
    /// What matters at a glance; times in microseconds.
    pub(in crate::daemon) fn brief(&self) -> Value {
        let us = |ns: u64| ns / 1_000;
        json!({
            "waiting": self.waiting,
            "oldest_us": us(self.oldest_ns),
            "p50_us": self.ages.of_thousand(500).map(us),
            "p99_us": self.ages.of_thousand(990).map(us),
            "purged": self.counts.purged,
            "lost": self.counts.lost,
            "lost_before": self.counts.lost_before,
        })
    }

    /// For a client. Times in microseconds.
    pub(in crate::daemon) fn json(&self) -> Value {
        let Counts {
            received,
            behind,
            emitted,
            dropped,
            purged,
            unsent,
            neutralised,
            cut,
            cut_unsent,
            expired,
            lost,
            lost_before,
            foreign,
            stalls,
        } = self.counts;
        let us = |ns: u64| ns / 1_000;
        json!({
            "received": received,
            "only_behind": behind,
            "emitted": emitted,
            "dropped": dropped,
            "purged": purged,
            "unsent": unsent,
            "waiting": self.waiting,
            "leaving": self.in_flight,
            "neutralised": neutralised,
            "cut": cut,
            "cut_unsent": cut_unsent,
            "hold_time_over": expired,
            "lost": lost,
            "lost_before": lost_before,
            "foreign": foreign,
            "stalls": stalls,
            "oldest_us": us(self.oldest_ns),
            "p50_us": self.ages.of_thousand(500).map(us),
            "p99_us": self.ages.of_thousand(990).map(us),
            "socket_dropped": self.sockets.dropped,
            "socket_ring_full": self.sockets.ring_full,
            "socket_fill_empty": self.sockets.fill_empty,
            "socket_bad": self.sockets.bad,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_again_within_an_eighth() {
        for ns in [1u64, 2, 3, 7, 8, 9, 100, 1_000, 40_123, 116_000, 1 << 40, u64::MAX] {
            let near = time_of(place(ns));
            assert!(near <= ns && near >= ns - ns / 8, "{ns}: {near}");
        }
    }

    #[test]
    fn the_half_and_the_most_are_told() {
        let mut ages = Ages::default();
        assert_eq!(ages.of_thousand(500), None);
        for us in 1..=1_000u64 {
            ages.note(us * 1_000);
        }
        let near = |told: Option<u64>, wanted: u64| {
            let told = told.expect("times") / 1_000;
            assert!(told <= wanted && told >= wanted - wanted / 8, "{told} for {wanted}");
        };
        near(ages.of_thousand(500), 500);
        near(ages.of_thousand(990), 990);
    }
}
