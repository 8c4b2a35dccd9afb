//! Fragments of SCTP user messages, per association and direction (RFC 9260 §6.9, RFC 8260 §2).
//!
//! An association's direction is found by its verification tag and ports, whatever path a packet took (see
//! [`super::paths`]): a fragment that is sent again may come by another address of the same host.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use ss7guard_common::classify::Observed;
use ss7guard_common::wire::sctp::{Ppid, chunk_type, data_flag};

use crate::reassembly::paths::{Origin, Way};
use crate::reassembly::pieces::Piece;
use crate::reassembly::runs::{self, FRAGMENT_OVERHEAD, Fragment, Runs};
use crate::reassembly::table::{Counts, Limits, Table};

/// Bounds. SCTP itself has no timer here; a sender goes on with a message as long as the association lives, with at
/// most 60 s between two attempts (RFC 9260 §16).
pub(super) const LIMITS: Limits =
    Limits { octets: 64 << 20, entry_octets: 512 << 10, overhead: 448, idle_ns: 180_000_000_000 };

/// Octets of a message that is put together: MTP3 carries at most 4,095 (Q.2210), so more is no signalling.
pub(super) const MAX_MESSAGE: usize = 16_000;

/// Unfinished messages in one direction of an association; beyond, the oldest is given up.
const MAX_UNFINISHED: usize = 1_024;

/// Finished messages that are remembered, to know their repetitions.
const MAX_FINISHED: usize = 32;

/// Which sequence of numbers a fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Series {
    /// DATA: the TSNs of the association.
    Tsn,
    /// I-DATA: the fragments of one message.
    Interleaved { stream: u16, unordered: bool, message: u32 },
}

/// A message that was put together.
struct Finished {
    series: Series,
    first: i64,
    /// Hash of each fragment with the TSN of its chunk.
    fragments: Vec<u64>,
}

impl Finished {
    /// Octets that remembering it costs.
    const fn octets(&self) -> usize {
        self.fragments.len().saturating_mul(size_of::<u64>()).saturating_add(size_of::<Self>())
    }
}

/// What is unfinished in one direction of an association.
#[derive(Default)]
struct Direction {
    /// The TSN seen last and its number, which does not wrap around.
    last: Option<(u32, i64)>,
    /// In the order in which they began. A list: nearly always there is one.
    series: Vec<(Series, Runs)>,
    finished: VecDeque<Finished>,
    unfinished: usize,
}

/// A whole user message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// Its octets.
    pub(super) octets: Vec<u8>,
    /// PPID of its first fragment.
    pub(super) ppid: u32,
    /// TSN of the fragment that completed it.
    pub(super) tsn: u32,
    pub(super) stream: u16,
    /// The chunks of its fragments, in their order.
    pub(super) pieces: Vec<Piece>,
    pub(super) conflict: bool,
    pub(super) mixed: bool,
    pub(super) bad_checksum: bool,
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Kept, or known already.
    Waiting,
    /// It contradicts one of a message that was finished before, or is no chunk that anybody sends.
    Conflict,
    /// It completed this message.
    Whole(Whole),
}

/// Messages of which fragments are missing.
pub(super) struct Messages {
    table: Table<Way, Direction>,
    hasher: RandomState,
}

impl Messages {
    pub(super) fn new(limits: Limits) -> Self {
        Self { table: Table::new(limits), hasher: RandomState::new() }
    }

    pub(super) const fn counts(&self) -> Counts {
        self.table.counts
    }

    pub(super) const fn octets(&self) -> usize {
        self.table.octets()
    }

    pub(super) fn expire(&mut self, now_ns: u64) {
        self.table.expire(now_ns, |direction| direction.unfinished > 0);
    }

    /// Takes the fragment that was seen at `seen` of a frame.
    pub(super) fn add(
        &mut self,
        origin: &Origin,
        seen: &Observed,
        frame: &[u8],
        bad_checksum: bool,
        now_ns: u64,
    ) -> Added {
        let end = seen.offset.saturating_add(seen.chunk.len);
        let Some(octets) = frame.get(seen.user_data.payload..end) else { return Added::Waiting };
        let flag = |flag: u8| seen.chunk.flags & flag != 0;
        let (begin, unordered) = (flag(data_flag::BEGIN), flag(data_flag::UNORDERED));
        let user_data = &seen.user_data;
        let interleaved = seen.chunk.kind == chunk_type::I_DATA;
        let fragment = Fragment {
            octets: octets.to_vec(),
            begin,
            end: flag(data_flag::END),
            bad_checksum,
            // The stream sequence number of an unordered message means nothing (RFC 9260 §3.3.1).
            belongs: (user_data.stream, if unordered { 0 } else { user_data.sequence }, unordered),
            ppid: user_data.ppid.map_or(0, |Ppid(ppid)| ppid),
            tsn: user_data.tsn,
        };
        let counts = &mut self.table.counts;
        counts.pieces = counts.pieces.saturating_add(1);
        let series = if interleaved {
            Series::Interleaved { stream: user_data.stream, unordered, message: user_data.sequence }
        } else {
            Series::Tsn
        };
        let share = octets.len().saturating_add(FRAGMENT_OVERHEAD);
        let Some(direction) = grow(&mut self.table, &origin.way, share, now_ns) else {
            return Added::Waiting;
        };
        let number = match (series, begin) {
            (Series::Tsn, _) => direction.number(user_data.tsn),
            // The first has no number, it is 0 (RFC 8260 §2.1).
            (_, true) => 0,
            (_, false) => frame
                .get(seen.offset.saturating_add(FSN_OFFSET)..)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |fsn| i64::from(u32::from_be_bytes(*fsn))),
        };
        let hash = self.hasher.hash_one((fragment.octets.as_slice(), fragment.tsn));
        if let Some(same) = direction.finished(series, number, hash) {
            self.table.shrink(&origin.way, share);
            return self.known(same);
        }
        let added = direction.add(series, number, fragment);
        match added {
            runs::Added::Kept => Added::Waiting,
            runs::Added::Repeated => {
                self.table.shrink(&origin.way, share);
                self.known(true)
            }
            // The conflict shows with the whole message.
            runs::Added::Conflict => {
                self.table.shrink(&origin.way, share);
                let counts = &mut self.table.counts;
                counts.conflicts = counts.conflicts.saturating_add(1);
                Added::Waiting
            }
            runs::Added::Stray => {
                self.table.shrink(&origin.way, share);
                self.known(false)
            }
            runs::Added::Whole(message) => self.whole(origin, series, message, seen),
        }
    }

    /// A fragment of a message that was finished before: the same again, or something else.
    fn known(&mut self, same: bool) -> Added {
        let counts = &mut self.table.counts;
        if same {
            counts.repeated = counts.repeated.saturating_add(1);
            return Added::Waiting;
        }
        counts.conflicts = counts.conflicts.saturating_add(1);
        Added::Conflict
    }

    /// Keeps what is needed to know the repetitions of a message; it is paid for by what its fragments held.
    fn remember(&mut self, origin: &Origin, finished: Finished) {
        self.table.grow_held(&origin.way, finished.octets());
        let Some(direction) = self.table.get_mut(&origin.way) else { return };
        direction.finished.push_back(finished);
        if direction.finished.len() > MAX_FINISHED
            && let Some(freed) = direction.forget_oldest()
        {
            self.table.shrink(&origin.way, freed);
        }
    }

    fn whole(&mut self, origin: &Origin, series: Series, message: runs::Message, seen: &Observed) -> Added {
        let overhead = message.fragments.len().saturating_mul(FRAGMENT_OVERHEAD);
        self.table.shrink(&origin.way, message.octets.len().saturating_add(overhead));
        let mut rest = message.octets.as_slice();
        let mut fragments = Vec::with_capacity(message.fragments.len());
        for (len, tsn) in &message.fragments {
            let (fragment, after) = rest.split_at_checked(*len).unwrap_or((rest, &[]));
            fragments.push(self.hasher.hash_one((fragment, *tsn)));
            rest = after;
        }
        self.remember(origin, Finished { series, first: message.first, fragments });
        let counts = &mut self.table.counts;
        if message.octets.len() > MAX_MESSAGE {
            counts.refused = counts.refused.saturating_add(1);
            return Added::Waiting;
        }
        counts.completed = counts.completed.saturating_add(1);
        Added::Whole(Whole {
            octets: message.octets,
            ppid: message.ppid,
            tsn: seen.user_data.tsn,
            stream: seen.user_data.stream,
            pieces: message.fragments.iter().map(|(_, tsn)| Piece::on(&origin.way, *tsn)).collect(),
            conflict: message.conflict,
            mixed: message.mixed,
            bad_checksum: message.bad_checksum,
        })
    }
}

/// Offset of the fragment sequence number in an I-DATA chunk (RFC 8260 §2.1).
const FSN_OFFSET: usize = 16;

/// Room for a fragment; the oldest messages of a direction that is full are given up.
fn grow<'a>(
    table: &'a mut Table<Way, Direction>,
    way: &Way,
    share: usize,
    now_ns: u64,
) -> Option<&'a mut Direction> {
    for _ in 0..=MAX_UNFINISHED.saturating_add(MAX_FINISHED) {
        let full = table.get(way).is_some_and(|direction| direction.unfinished >= MAX_UNFINISHED);
        if !full && table.grow(way, share, now_ns).is_some() {
            return table.get_mut(way);
        }
        // What is finished was judged: forgetting it loses nothing but the knowledge of its repetitions.
        if !full && let Some(freed) = table.get_mut(way).and_then(Direction::forget_oldest) {
            table.shrink(way, freed);
            continue;
        }
        let Some(freed) = table.get_mut(way).and_then(Direction::drop_oldest) else { break };
        table.shrink(way, freed);
        table.counts.evicted = table.counts.evicted.saturating_add(1);
    }
    table.counts.refused = table.counts.refused.saturating_add(1);
    None
}

impl Direction {
    /// The number of a TSN: the same, but it goes on where the TSN wraps around (RFC 9260 §1.6).
    fn number(&mut self, tsn: u32) -> i64 {
        let number = match self.last {
            Some((last, number)) => number.saturating_add(i64::from(tsn.wrapping_sub(last).cast_signed())),
            None => i64::from(tsn),
        };
        self.last = Some((tsn, number));
        number
    }

    /// Whether this fragment belongs to a message that was finished: then, whether it is the same as it was.
    fn finished(&self, series: Series, number: i64, hash: u64) -> Option<bool> {
        self.finished.iter().rev().filter(|finished| finished.series == series).find_map(|finished| {
            let index = usize::try_from(number.saturating_sub(finished.first)).ok()?;
            finished.fragments.get(index).map(|known| *known == hash)
        })
    }

    /// Takes a fragment.
    fn add(&mut self, series: Series, number: i64, fragment: Fragment) -> runs::Added {
        let held = self.series.iter().position(|(other, _)| *other == series);
        let index = held.unwrap_or(self.series.len());
        if held.is_none() {
            self.series.reserve_exact(1);
            self.series.push((series, Runs::default()));
        }
        let Some((_, runs)) = self.series.get_mut(index) else { return runs::Added::Kept };
        let before = runs.len();
        let added = runs.add(number, fragment);
        let after = runs.len();
        if runs.is_empty() {
            self.series.remove(index);
        }
        self.unfinished = self.unfinished.saturating_sub(before).saturating_add(after);
        added
    }

    /// Forgets the oldest finished message; gives the octets that it held.
    fn forget_oldest(&mut self) -> Option<usize> {
        self.finished.pop_front().map(|finished| finished.octets())
    }

    /// Gives up the oldest unfinished message; gives the octets that it held.
    fn drop_oldest(&mut self) -> Option<usize> {
        let (_, runs) = self.series.first_mut()?;
        let freed = runs.drop_first();
        self.unfinished = self.unfinished.saturating_sub(1);
        if runs.is_empty() {
            self.series.remove(0);
        }
        Some(freed)
    }
}
