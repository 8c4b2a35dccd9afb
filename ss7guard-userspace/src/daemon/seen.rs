//! Which user data was judged already: SCTP retransmits, and a retransmission is no second event.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::net::IpAddr;

use crate::screening::Judged;

/// Messages that are remembered; the oldest is forgotten first. Beyond the time that a sender retransmits in
/// (RFC 9260 §16: RTO.Max 60 s) memory is of no use, and at higher rates than this table holds a retransmission may
/// be reported again.
const MAX_SEEN: usize = 65_536;

/// What makes a user data chunk one: both addresses, its TSN, and what it says. Its octets are part of it, under a key
/// that nobody outside knows: else whoever sends something harmless first, in a packet that the receiver throws away,
/// could send an attack under the same TSN unseen.
type Key = (IpAddr, IpAddr, u32, u64);

/// The memory.
#[derive(Default)]
pub(super) struct Seen {
    secret: RandomState,
    keys: HashSet<Key>,
    order: VecDeque<Key>,
    /// Chunks that were forgotten to make room.
    pub(super) forgotten: u64,
}

impl Seen {
    /// Notes a chunk; true if the same one was noted before.
    pub(super) fn before(&mut self, judged: &Judged<'_>) -> bool {
        let (Some((source, destination)), Some(tsn)) = (judged.place.addresses, judged.place.tsn) else {
            return false;
        };
        let mut hasher = self.secret.build_hasher();
        match judged.message {
            Some(message) => {
                let data = &message.m3ua;
                (data.label.opc, data.label.dpc, data.label.ni, data.label.si).hash(&mut hasher);
                judged.octets.hash(&mut hasher);
            }
            None => (judged.stream, judged.reason as u8).hash(&mut hasher),
        }
        self.note((source, destination, tsn, hasher.finish()))
    }

    fn note(&mut self, key: Key) -> bool {
        if !self.keys.insert(key) {
            return true;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
            self.forgotten += 1;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::message::Message;
    use crate::inspect::record::Place;
    use crate::screening::{Decision, Direction, Verdict};
    use ss7guard_common::verdict::{Action, Reason};
    use ss7guard_common::wire::m3ua::Data;

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten() {
        let mut seen = Seen::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        for tsn in 1..=MAX_SEEN as u32 + 10 {
            assert!(!seen.note((address, address, tsn, 0)));
        }
        assert!(seen.note((address, address, 11, 0)));
        assert_eq!((seen.keys.len(), seen.forgotten), (MAX_SEEN, 10));
        assert!(!seen.note((address, address, 1, 0)));
    }

    #[test]
    fn the_same_tsn_with_one_octet_changed_is_another_message() {
        let mut seen = Seen::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut before = |frame: &[u8], user_part: usize| {
            let data = Data { user_part, user_part_len: 4, ..Data::default() };
            let message = Message::decode(data, &frame[user_part..user_part + 4]);
            let place = Place { addresses: Some((address, address)), tsn: Some(7), ..Place::default() };
            let judged = Judged {
                place,
                direction: Direction::In,
                message: Some(&message),
                octets: &frame[user_part..user_part + 4],
                decision: Decision::plain(Verdict::Allow, "m3ua_data"),
                reason: Reason::M3uaControl,
                action: Action::Pass,
                stream: Some(1),
                pieces: &[],
                packets: &[],
            };
            seen.before(&judged)
        };
        assert!(!before(&[9, 1, 2, 3, 4], 1));
        // Again, elsewhere in another bundle.
        assert!(before(&[8, 8, 1, 2, 3, 4, 8], 2));
        assert!(!before(&[9, 1, 2, 3, 5], 1));
    }
}
