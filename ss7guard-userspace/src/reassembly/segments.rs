//! SCCP segments put together (Q.714 §4.1.1.2.2, §4.1.1.2.3; parameter of Q.713 §3.17).
//!
//! Segments of one message share the calling party address, the segmentation local reference and the routing label.
//! Any order is accepted, and the SLS may differ: a receiver may be as lenient. Such forms are findings.

use crate::inspect::findings::{Finding, Findings};
use crate::inspect::message::Message;
use crate::inspect::sccp::{Address, Sccp};
use crate::reassembly::pieces::{Piece, Pieces};
use crate::reassembly::table::{Counts, Limits, Table};

/// Bounds: Q.714 §4.1.1.2.3 has the reassembly timer run 10 to 20 s; a message has at most 16 segments.
pub(super) const LIMITS: Limits =
    Limits { octets: 16 << 20, entry_octets: 96_000, overhead: 1300, idle_ns: 20_000_000_000 };

/// Octets that a segment costs besides its content and the list of its chunks: [`Segment`] and two allocations.
const SEGMENT_OVERHEAD: usize = 104;

/// A segment.
struct Segment {
    /// Segments that remain after it, 0 to 15.
    remaining: u8,
    data: Vec<u8>,
    /// The chunks that it came in, whatever they said.
    pieces: Pieces,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    opc: u32,
    dpc: u32,
    ni: u8,
    calling: Address,
    local_reference: u32,
}

#[derive(Default)]
struct Partial {
    /// Each number of remaining segments once.
    segments: Vec<Segment>,
    /// Segments that remain after the first, once that is here.
    after_first: Option<u8>,
    /// Segments that remained after the one that came last.
    last: Option<u8>,
    sls: Option<u8>,
    findings: Findings,
}

impl Partial {
    fn segment(&self, remaining: u8) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.remaining == remaining)
    }

    /// The same segment came again, in these chunks; gives the octets that these cost more.
    fn again(&mut self, remaining: u8, pieces: &Pieces) -> usize {
        let held = self.segments.iter_mut().find(|segment| segment.remaining == remaining);
        held.map_or(0, |segment| {
            let before = segment.pieces.octets();
            segment.pieces.join(pieces);
            segment.pieces.octets().saturating_sub(before)
        })
    }

    /// Takes a segment, in the place of the one with its number.
    fn put(&mut self, remaining: u8, data: &[u8], pieces: Pieces) {
        let held = self.segments.iter_mut().find(|segment| segment.remaining == remaining);
        if let Some(segment) = held {
            segment.data = data.to_vec();
            segment.pieces.join(&pieces);
            return;
        }
        // Most that wait are few, and a list's first growth is to four.
        self.segments.reserve_exact(1);
        self.segments.push(Segment { remaining, data: data.to_vec(), pieces });
    }

    /// Data and chunks of all segments, if none is missing. Chunks of segments that have no place in the message come
    /// last: they share its fate.
    fn whole(&self) -> Option<(Vec<u8>, Vec<Piece>)> {
        let first = self.after_first?;
        let (mut data, mut pieces) = (Vec::new(), Vec::new());
        for remaining in (0..=first).rev() {
            let segment = self.segment(remaining)?;
            data.extend_from_slice(&segment.data);
            pieces.extend(segment.pieces.iter());
        }
        let beyond = self.segments.iter().filter(|segment| segment.remaining > first);
        pieces.extend(beyond.flat_map(|segment| segment.pieces.iter()));
        Some((data, pieces))
    }
}

/// A message whose segments are all here.
pub(super) struct Whole {
    /// Its data.
    pub(super) data: Vec<u8>,
    /// The chunks of its segments, the first segment's first.
    pub(super) pieces: Vec<Piece>,
    /// Odd forms of the segmentation.
    pub(super) findings: Findings,
}

/// Messages of which segments are missing.
pub(super) struct Segments {
    table: Table<Key, Partial>,
}

impl Segments {
    pub(super) fn new(limits: Limits) -> Self {
        Self { table: Table::new(limits) }
    }

    pub(super) const fn counts(&self) -> Counts {
        self.table.counts
    }

    pub(super) const fn octets(&self) -> usize {
        self.table.octets()
    }

    pub(super) fn expire(&mut self, now_ns: u64) {
        self.table.expire(now_ns, |_| true);
    }

    /// Takes a segment, which came in these chunks; gives the whole if it was the last one missing.
    pub(super) fn add(
        &mut self,
        message: &Message<'_>,
        sccp: &Sccp<'_>,
        pieces: &[Piece],
        now_ns: u64,
    ) -> Option<Whole> {
        let segmentation = sccp.segmentation?;
        let label = message.m3ua.label;
        let key = Key {
            opc: label.opc,
            dpc: label.dpc,
            ni: label.ni,
            calling: sccp.calling,
            local_reference: segmentation.local_reference,
        };
        let counts = &mut self.table.counts;
        counts.pieces = counts.pieces.saturating_add(1);
        let pieces = Pieces::of(pieces);
        let share = sccp.data.len().saturating_add(SEGMENT_OVERHEAD).saturating_add(pieces.octets());
        let Some(partial) = self.table.grow(&key, share, now_ns) else {
            self.table.counts.refused = self.table.counts.refused.saturating_add(1);
            return None;
        };
        let remaining = segmentation.remaining;
        let held = partial.segment(remaining);
        if held.is_some_and(|held| held.data == sccp.data)
            && segmentation.first == (partial.after_first == Some(remaining))
        {
            let more = partial.again(remaining, &pieces);
            self.table.counts.repeated = self.table.counts.repeated.saturating_add(1);
            self.table.shrink(&key, share.saturating_sub(more));
            return None;
        }
        let another_first = segmentation.first && partial.after_first.is_some();
        let beyond = !segmentation.first && partial.after_first.is_some_and(|first| remaining >= first);
        if held.is_some() || another_first || beyond {
            partial.findings.note(Finding::SegmentConflict, 0);
            self.table.counts.conflicts = self.table.counts.conflicts.saturating_add(1);
        }
        let partial = self.table.get_mut(&key)?;
        // The first segment comes first, and each later one has one less to follow.
        let in_order = match partial.last {
            None => segmentation.first,
            Some(last) => last.checked_sub(1) == Some(remaining),
        };
        if !in_order {
            partial.findings.note(Finding::SegmentOrder, 0);
        }
        if partial.sls.is_some_and(|sls| sls != label.sls) {
            partial.findings.note(Finding::SegmentOrder, 0);
        }
        partial.sls = Some(label.sls);
        partial.last = Some(remaining);
        if segmentation.first {
            partial.after_first = Some(remaining);
        }
        partial.put(remaining, sccp.data, pieces);
        let (data, pieces) = partial.whole()?;
        let findings = partial.findings;
        self.table.remove(&key);
        self.table.counts.completed = self.table.counts.completed.saturating_add(1);
        Some(Whole { data, pieces, findings })
    }
}
