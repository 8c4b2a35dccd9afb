//! Which user data was judged already: SCTP retransmits, and a retransmission is no second event.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;

/// Messages that are remembered; the oldest is forgotten first. Beyond the time that a sender retransmits in
/// (RFC 9260 §16: RTO.Max 60 s) memory is of no use, and at higher rates than this table holds a retransmission may
/// be reported again.
const MAX_SEEN: usize = 65_536;

/// What makes a user data chunk one: both addresses and its TSN.
pub(super) type Key = (IpAddr, IpAddr, u32, u64);

/// The memory.
#[derive(Default)]
pub(super) struct Seen {
    keys: HashSet<Key>,
    order: VecDeque<Key>,
}

impl Seen {
    /// Notes a chunk; true if it was noted before.
    pub(super) fn before(&mut self, key: Key) -> bool {
        if !self.keys.insert(key) {
            return true;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retransmission_is_known_and_memory_is_bounded() {
        let mut seen = Seen::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        assert!(!seen.before((address, address, 1, 0)));
        assert!(seen.before((address, address, 1, 0)));
        for tsn in 2..=MAX_SEEN as u32 + 10 {
            assert!(!seen.before((address, address, tsn, 0)));
        }
        assert_eq!(seen.keys.len(), MAX_SEEN);
        assert!(!seen.before((address, address, 1, 0)));
    }
}
