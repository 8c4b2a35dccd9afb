//! Which user data chunks a message came in.
//!
//! A chunk is known by its association's direction and its TSN: the same whichever path it came by, and for each time that
//! it is sent again (RFC 9260 §3.3.1, §6.1). Whoever holds frames back until the message in them is judged finds them by it.

use ss7guard_common::classify::Observed;
use ss7guard_common::wire::{SctpSpan, sctp};

use crate::reassembly::paths::Way;

/// A user data chunk, by whatever path it came and however often. All in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Source port in the upper half, destination port in the lower.
    pub ports: u32,
    /// Verification tag.
    pub vtag: u32,
    /// Transmission sequence number.
    pub tsn: u32,
}

impl Piece {
    /// The chunk that the classifier saw in the SCTP packet at `span` of a frame; `None` if the frame does not hold the
    /// header of that packet.
    #[must_use]
    pub fn of(frame: &[u8], span: &SctpSpan, seen: &Observed) -> Option<Self> {
        let header = sctp::header(frame, span.start, span.end).ok()?;
        let way = Way {
            vtag: header.vtag,
            source_port: header.source_port,
            destination_port: header.destination_port,
        };
        Some(Self::on(&way, seen.user_data.tsn))
    }

    /// The chunk with this TSN in one direction of an association.
    pub(super) fn on(way: &Way, tsn: u32) -> Self {
        let ports = u32::from(way.source_port) << 16 | u32::from(way.destination_port);
        Self { ports, vtag: way.vtag, tsn }
    }
}

/// Chunks with TSNs in a row.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: Piece,
    count: u32,
}

impl Stretch {
    /// How far behind the first this chunk is; `None` if it is of another direction or association.
    fn distance(&self, piece: Piece) -> Option<u32> {
        let same = (self.first.ports, self.first.vtag) == (piece.ports, piece.vtag);
        same.then(|| piece.tsn.wrapping_sub(self.first.tsn))
    }

    /// Whether all of these are among them.
    fn holds(&self, other: &Self) -> bool {
        self.distance(other.first).is_some_and(|far| far.saturating_add(other.count) <= self.count)
    }
}

/// Chunks in the order in which they were noted. The fragments of a DATA message have TSNs in a row (RFC 9260 §6.9), which
/// costs no more than one chunk does.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    stretches: Vec<Stretch>,
}

impl Pieces {
    /// Stretches that are kept: fragments of an I-DATA message may have others between them (RFC 8260 §2.2.2), and the same
    /// may come in ever new chunks. What comes beyond is not listed: to whoever waits for word of such a chunk, it was
    /// never judged.
    pub(super) const MAX_STRETCHES: usize = 64;

    pub(super) fn of(pieces: &[Piece]) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            all.note(Stretch { first: *piece, count: 1 });
        }
        all
    }

    /// Notes what is not there yet; costs at most what these cost.
    pub(super) fn join(&mut self, other: &Self) {
        for stretch in &other.stretches {
            self.note(*stretch);
        }
    }

    fn note(&mut self, new: Stretch) {
        if self.stretches.iter().any(|held| held.holds(&new)) {
            return;
        }
        let goes_on = |last: &&mut Stretch| last.distance(new.first) == Some(last.count);
        if let Some(last) = self.stretches.last_mut().filter(goes_on) {
            last.count = last.count.saturating_add(new.count);
        } else if self.stretches.len() < Self::MAX_STRETCHES {
            self.stretches.reserve_exact(1);
            self.stretches.push(new);
        }
    }

    /// Octets that they cost.
    pub(super) const fn octets(&self) -> usize {
        self.stretches.len().saturating_mul(size_of::<Stretch>())
    }

    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Piece> + '_ {
        self.stretches.iter().flat_map(|stretch| {
            (0..stretch.count).map(|far| Piece { tsn: stretch.first.tsn.wrapping_add(far), ..stretch.first })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(tsns: &[u32]) -> Vec<Piece> {
        tsns.iter().map(|tsn| Piece { ports: 1, vtag: 1, tsn: *tsn }).collect()
    }

    #[test]
    fn chunks_are_kept_in_order_and_once_and_those_in_a_row_cost_what_one_does() {
        let row = chunks(&[u32::MAX - 1, u32::MAX, 0, 1]);
        let mut pieces = Pieces::of(&row);
        pieces.join(&Pieces::of(&row[1..3]));
        assert_eq!(pieces.iter().collect::<Vec<_>>(), row);
        assert_eq!(pieces.octets(), Pieces::of(&row[..1]).octets());
        pieces.join(&Pieces::of(&chunks(&[9, 3, 0])));
        assert_eq!(pieces.iter().skip(4).collect::<Vec<_>>(), chunks(&[9, 3]));
    }

    #[test]
    fn another_association_has_other_chunks() {
        let mut all = chunks(&[1]);
        all.push(Piece { vtag: 2, ..all[0] });
        all.push(Piece { ports: 2, ..all[0] });
        assert_eq!(Pieces::of(&all).iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn a_list_of_gaps_is_bounded() {
        let gaps: Vec<u32> = (0..200).map(|at| at * 2).collect();
        let pieces = Pieces::of(&chunks(&gaps));
        assert_eq!(pieces.iter().collect::<Vec<_>>(), chunks(&gaps[..Pieces::MAX_STRETCHES]));
        assert_eq!(pieces.octets(), Pieces::MAX_STRETCHES * 16);
    }
}
