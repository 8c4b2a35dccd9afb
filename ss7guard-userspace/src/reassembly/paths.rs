//! Which association a packet belongs to, and whether it comes by one of the paths that the ends told each other
//! (RFC 9260 §3.3.2, §3.3.3, §8.5; RFC 5061 §4.2).
//!
//! The verification tag and the ports say which association it is: the receiver chose the tag at random. A packet with
//! another association's tag from or to an address that is not its own is taken in all the same, since what was learnt
//! may be out of date, and is a finding.

use ss7guard_common::read::ReadAt as _;
use ss7guard_common::wire::sctp::{self, Chunk, chunk_type};
use ss7guard_common::wire::{Address, Remote, SctpSpan, pad4};

use crate::reassembly::associations::{self, Associations, Member, Path};
use crate::reassembly::table::{Limits, Table};

/// Bounds; an association that is quiet for a day is forgotten, and then known by its tag alone.
pub(super) const LIMITS: Limits =
    Limits { octets: 8 << 20, entry_octets: 4_096, overhead: 448, idle_ns: 24 * 3_600 * 1_000_000_000 };

/// Addresses of one end that are kept.
const MAX_ADDRESSES: usize = 32;

/// Paths of one direction whose tag is remembered.
const MAX_PATHS: usize = 64;

/// Parameters of a chunk that are read.
const MAX_PARAMETERS: usize = 64;

/// Octets that an address costs.
const ADDRESS_OCTETS: usize = 16;

/// One direction of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Way {
    /// Verification tag, chosen by the receiver.
    pub(super) vtag: u32,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
}

/// Where a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) way: Way,
    /// Whether it carries the tag of an association whose addresses are others.
    pub(super) foreign: bool,
    /// Whether its path belongs to an association that has another tag.
    pub(super) wrong_tag: bool,
    /// The association, if its set-up was seen.
    pub(super) member: Option<Member>,
}

/// Addresses of both ends, as seen in one direction.
#[derive(Clone, Debug, Default)]
struct Ends {
    sources: Vec<Address>,
    destinations: Vec<Address>,
    member: Option<Member>,
    /// The other direction.
    back: Option<Way>,
}

/// What is known of associations.
pub(super) struct Paths {
    /// Associations whose set-up was seen.
    known: Table<Way, Ends>,
    /// Initiators that wait for an answer: by the tag they chose, with the answer's ports.
    initiators: Table<Way, Ends>,
    /// What they are in.
    pub(super) associations: Associations,
}

impl Paths {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            known: Table::new(limits),
            initiators: Table::new(Limits { octets: limits.octets / 4, ..limits }),
            associations: Associations::new(associations::LIMITS),
        }
    }

    pub(super) const fn octets(&self) -> usize {
        let ends = self.known.octets().saturating_add(self.initiators.octets());
        ends.saturating_add(self.associations.octets())
    }

    pub(super) fn expire(&mut self, now_ns: u64) {
        self.known.expire(now_ns, |_| false);
        self.initiators.expire(now_ns, |_| false);
        self.associations.expire(now_ns);
    }

    /// Forgets what associations are in: frames that would tell were not seen.
    pub(super) fn missed(&mut self) {
        self.associations = Associations::new(associations::LIMITS);
    }

    /// Where the packet of a frame comes from; `None` if it has no SCTP header. `same` says whether two addresses are the
    /// same peer's by the configuration.
    pub(super) fn origin(
        &self,
        frame: &[u8],
        span: &SctpSpan,
        same: impl Fn(&Address, &Address) -> bool,
    ) -> Option<Origin> {
        let header = sctp::header(frame, span.start, span.end).ok()?;
        let way = Way {
            vtag: header.vtag,
            source_port: header.source_port,
            destination_port: header.destination_port,
        };
        let source = span.network.address(frame, Remote::Source)?;
        let destination = span.network.address(frame, Remote::Destination)?;
        let ends = self.known.get(&way);
        let has = |all: &[Address], one: &Address| all.iter().any(|other| other == one || same(other, one));
        let foreign =
            ends.is_some_and(|ends| !has(&ends.sources, &source) || !has(&ends.destinations, &destination));
        let path = Path {
            source,
            destination,
            source_port: header.source_port,
            destination_port: header.destination_port,
        };
        // A tag of zero is a fault of its own.
        let wrong_tag = ends.is_none() && way.vtag != 0 && self.associations.is_wrong(&path, way.vtag);
        Some(Origin { way, foreign, wrong_tag, member: ends.and_then(|ends| ends.member) })
    }

    /// Learns from a packet that sets up or ends an association, or changes its addresses.
    pub(super) fn learn(&mut self, frame: &[u8], span: &SctpSpan, now_ns: u64) {
        let mut off = span.start.saturating_add(sctp::HEADER_LEN);
        for _ in 0..sctp::MAX_CHUNKS {
            let Ok(chunk) = sctp::chunk(frame, off, span.end) else { break };
            if chunk.is_setup() {
                let _ = self.learn_chunk(frame, span, off, &chunk, now_ns);
            }
            off = chunk.next(off);
        }
    }

    /// Learns from the chunk at `off`; `None` if it lacks something.
    fn learn_chunk(
        &mut self,
        frame: &[u8],
        span: &SctpSpan,
        off: usize,
        chunk: &Chunk,
        now_ns: u64,
    ) -> Option<()> {
        let header = sctp::header(frame, span.start, span.end).ok()?;
        let source = span.network.address(frame, Remote::Source)?;
        let destination = span.network.address(frame, Remote::Destination)?;
        let end = off.saturating_add(chunk.len);
        let way = |vtag, source_port, destination_port| Way { vtag, source_port, destination_port };
        let (near, far) = (header.source_port, header.destination_port);
        match chunk.kind {
            chunk_type::INIT if header.vtag == 0 => {
                let tag = frame.be32_at(off.saturating_add(4))?;
                let mut sources = addresses(frame, off.saturating_add(20), end);
                sources.insert(0, source);
                // The answer carries this tag, and comes back between the same ports.
                keep(&mut self.initiators, &way(tag, far, near), sources, vec![destination], now_ns);
            }
            chunk_type::INIT_ACK => {
                let answered = self.initiators.remove(&way(header.vtag, near, far))?;
                let tag = frame.be32_at(off.saturating_add(4))?;
                let mut acceptor = addresses(frame, off.saturating_add(20), end);
                acceptor.insert(0, source);
                // The INIT may have been sent to another address than the one that answers.
                acceptor.extend(answered.destinations);
                let initiator = answered.sources;
                let (forth, back) = (way(tag, far, near), way(header.vtag, near, far));
                keep(&mut self.known, &forth, initiator.clone(), acceptor.clone(), now_ns);
                keep(&mut self.known, &back, acceptor, initiator, now_ns);
                self.begin(&forth, &back, now_ns);
            }
            // With the T bit it carries the tag of the other direction (RFC 9260 §8.5.1).
            chunk_type::ABORT | chunk_type::SHUTDOWN_COMPLETE => {
                let reflected = chunk.flags & 1 != 0;
                let this = if reflected { way(header.vtag, far, near) } else { way(header.vtag, near, far) };
                self.end(&this);
            }
            chunk_type::ASCONF => {
                // Serial number and an address parameter, then the changes: each has a header and an address in it.
                let added = changes(frame, off.saturating_add(8), end);
                let ends = self.known.get_mut(&way(header.vtag, near, far))?;
                ends.sources.extend(added);
                ends.sources.truncate(MAX_ADDRESSES);
            }
            _ => {}
        }
        Some(())
    }

    /// Both directions of an association are known.
    fn begin(&mut self, forth: &Way, back: &Way, now_ns: u64) {
        self.associations.begin(forth, now_ns);
        for (way, other) in [(forth, back), (back, forth)] {
            for path in self.paths(way) {
                self.associations.note_tag(&path, way.vtag, now_ns);
            }
            if let Some(ends) = self.known.get_mut(way) {
                ends.member = Some(Member { association: *forth, forth: way == forth });
                ends.back = Some(*other);
            }
        }
    }

    /// An association has ended: what comes next is not known.
    fn end(&mut self, way: &Way) {
        let Some(back) = self.known.get(way).and_then(|ends| ends.back) else { return };
        for one in [way, &back] {
            for path in self.paths(one) {
                self.associations.forget_path(&path);
            }
            if let Some(member) = self.known.remove(one).and_then(|ends| ends.member) {
                self.associations.end(&member.association);
            }
        }
    }

    /// The paths of one direction, the first few of many.
    fn paths(&self, way: &Way) -> Vec<Path> {
        let Some(ends) = self.known.get(way) else { return Vec::new() };
        let pairs = ends.sources.iter().flat_map(|source| {
            ends.destinations.iter().map(|destination| Path {
                source: *source,
                destination: *destination,
                source_port: way.source_port,
                destination_port: way.destination_port,
            })
        });
        pairs.take(MAX_PATHS).collect()
    }
}

fn keep(
    table: &mut Table<Way, Ends>,
    way: &Way,
    mut sources: Vec<Address>,
    mut destinations: Vec<Address>,
    now_ns: u64,
) {
    sources.truncate(MAX_ADDRESSES);
    destinations.truncate(MAX_ADDRESSES);
    table.remove(way);
    let share = sources.len().saturating_add(destinations.len()).saturating_mul(ADDRESS_OCTETS);
    if let Some(ends) = table.grow(way, share, now_ns) {
        *ends = Ends { sources, destinations, ..Ends::default() };
    }
}

/// An address parameter at `at`: IPv4 (5) or IPv6 (6) (RFC 9260 §3.3.2.1).
fn address(frame: &[u8], at: usize) -> Option<Address> {
    match (frame.be16_at(at)?, frame.be16_at(at.saturating_add(2))?) {
        (5, 8) => frame.be32_at(at.saturating_add(4)).map(Address::from_ipv4),
        (6, 20) => {
            let octets: [u8; 16] = frame.read_at(at.saturating_add(4))?;
            Some(Address::from_ipv6(u128::from_be_bytes(octets)))
        }
        _ => None,
    }
}

/// Offsets of the parameters from `at` on.
fn parameters(frame: &[u8], mut at: usize, end: usize) -> Vec<(usize, u16)> {
    let mut found = Vec::new();
    while at.saturating_add(4) <= end && found.len() < MAX_PARAMETERS {
        let (Some(kind), Some(len)) = (frame.be16_at(at), frame.be16_at(at.saturating_add(2))) else { break };
        if len < 4 {
            break;
        }
        found.push((at, kind));
        at = at.saturating_add(pad4(usize::from(len)));
    }
    found
}

/// The addresses that an INIT or INIT ACK lists.
fn addresses(frame: &[u8], at: usize, end: usize) -> Vec<Address> {
    parameters(frame, at, end).into_iter().filter_map(|(at, _)| address(frame, at)).collect()
}

/// The addresses that an ASCONF adds (RFC 5061 §4.2.1).
fn changes(frame: &[u8], at: usize, end: usize) -> Vec<Address> {
    const ADD_IP: u16 = 0xc001;
    parameters(frame, at, end)
        .into_iter()
        .filter(|(_, kind)| *kind == ADD_IP)
        .filter_map(|(at, _)| address(frame, at.saturating_add(8)))
        .collect()
}
