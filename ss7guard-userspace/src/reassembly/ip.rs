//! IP fragments put together (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! Input: Ethernet frames that the classifier found to be fragments. Output: one frame with the whole packet, without
//! a fragment header, as if it had come in one piece. Fragments that overlap with other octets are refused with the
//! whole packet (RFC 5722 §4, done for both versions): no reading of them would be everybody's.

use std::ops::Range;

use ss7guard_common::read::ReadAt as _;
use ss7guard_common::wire::ethernet::{self, EtherType};

use crate::reassembly::table::{Limits, Table};

/// Bounds: Linux gives an IPv4 packet 30 s and an IPv6 packet 60 s; a packet has at most 65,535 octets.
pub(super) const LIMITS: Limits =
    Limits { octets: 16 << 20, entry_octets: 200_000, overhead: 1088, idle_ns: 60_000_000_000 };

/// Fragments of one packet that are kept.
const MAX_PIECES: usize = 512;

/// Octets that a piece costs besides its content.
const PIECE_OVERHEAD: usize = 96;

/// Frames that are remembered of those that brought the same piece.
const MAX_FRAMES: usize = 4;

/// What tells the fragments of one packet from others (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    addresses: Vec<u8>,
    identification: u32,
    protocol: u8,
}

#[derive(Default)]
struct Packet {
    /// Octets before the fragmentable part, of the first fragment.
    head: Option<Vec<u8>>,
    /// In order, without overlaps.
    pieces: Vec<Piece>,
    /// Octets of the whole, once the last fragment is here.
    total: Option<usize>,
    /// Whether fragments contradict each other.
    broken: bool,
}

/// A part of a packet.
struct Piece {
    offset: usize,
    octets: Vec<u8>,
    /// Numbers of the frames that brought it, from 1; 0 after the last.
    frames: [u64; MAX_FRAMES],
}

impl Piece {
    fn new(offset: usize, octets: &[u8], frame: u64) -> Self {
        let mut frames = [0; MAX_FRAMES];
        if let Some(first) = frames.first_mut() {
            *first = frame;
        }
        Self { offset, octets: octets.to_vec(), frames }
    }

    const fn end(&self) -> usize {
        self.offset.saturating_add(self.octets.len())
    }

    /// Another frame brought it.
    fn again(&mut self, frame: u64) {
        if let Some(place) = self.frames.iter_mut().find(|place| [0, frame].contains(place)) {
            *place = frame;
        }
    }
}

impl Packet {
    /// Numbers of the frames that brought its pieces, in the order of their offset.
    fn frames(&self) -> Vec<u64> {
        self.pieces.iter().flat_map(|piece| piece.frames).filter(|frame| *frame != 0).collect()
    }
}

/// Where a fragment belongs.
struct Fragment<'a> {
    key: Key,
    offset: usize,
    more: bool,
    /// Link-layer and IP header as they will be in the whole packet.
    head: Vec<u8>,
    /// Where the content is in the frame.
    at: usize,
    content: &'a [u8],
}

impl Fragment<'_> {
    /// Where it ends in the packet; `None` if there can be no such fragment: all but the last are of multiples of eight
    /// octets, and no packet is larger than its length field can say.
    fn end(&self) -> Option<usize> {
        let end = self.offset.saturating_add(self.content.len());
        let sound = end <= usize::from(u16::MAX) && (!self.more || self.content.len().is_multiple_of(8));
        sound.then_some(end)
    }
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Kept, or of no use.
    Waiting,
    /// It completed this packet, which these frames brought.
    Whole(Vec<u8>, Vec<u64>),
    /// It contradicts another one; these frames brought what there was of the packet, and it.
    Conflict(Vec<u64>),
}

/// Packets that are not whole yet.
pub(super) struct Fragments {
    table: Table<Key, Packet>,
}

impl Fragments {
    pub(super) fn new(limits: Limits) -> Self {
        Self { table: Table::new(limits) }
    }

    pub(super) const fn counts(&self) -> super::table::Counts {
        self.table.counts
    }

    pub(super) fn octets(&self) -> usize {
        self.table.octets()
    }

    pub(super) fn expire(&mut self, now_ns: u64) {
        self.table.expire(now_ns, |packet| !packet.broken);
    }

    /// Takes the fragment in the frame with this number.
    pub(super) fn add(&mut self, number: u64, frame: &[u8], now_ns: u64) -> Added {
        let Some(fragment) = parse(frame) else { return Added::Waiting };
        let counts = &mut self.table.counts;
        counts.pieces = counts.pieces.saturating_add(1);
        let Some(end) = fragment.end() else {
            counts.refused = counts.refused.saturating_add(1);
            return Added::Waiting;
        };
        let share = fragment.content.len().saturating_add(PIECE_OVERHEAD);
        let Some(packet) = self.table.grow(&fragment.key, share, now_ns) else {
            self.table.counts.refused = self.table.counts.refused.saturating_add(1);
            return Added::Waiting;
        };
        if packet.broken {
            return Added::Waiting;
        }
        match place(packet, &fragment, end, number) {
            Placed::New => {}
            Placed::Repeated => {
                self.table.counts.repeated = self.table.counts.repeated.saturating_add(1);
                self.table.shrink(&fragment.key, share);
                return Added::Waiting;
            }
            Placed::Conflict => {
                let mut frames = packet.frames();
                frames.push(number);
                // Kept as broken until its time is over, so that a further fragment does not start it anew.
                *packet = Packet { broken: true, ..Packet::default() };
                self.table.counts.conflicts = self.table.counts.conflicts.saturating_add(1);
                return Added::Conflict(frames);
            }
        }
        let Some((whole, _)) = whole(packet) else { return Added::Waiting };
        let frames = packet.frames();
        self.table.remove(&fragment.key);
        self.table.counts.completed = self.table.counts.completed.saturating_add(1);
        Added::Whole(whole, frames)
    }
}

enum Placed {
    New,
    Repeated,
    Conflict,
}

/// Where the fragment in a frame lies: its offset in the fragmentable part of the packet, and the octets of the frame that
/// hold it. `None` if the frame holds no fragment of an IP packet.
#[must_use]
pub fn fragment_place(frame: &[u8]) -> Option<(usize, Range<usize>)> {
    let fragment = parse(frame).filter(|fragment| fragment.more || fragment.offset > 0)?;
    let end = fragment.at.saturating_add(fragment.content.len());
    Some((fragment.offset, fragment.at..end))
}

/// The whole packet of these frames, each with a fragment of it, in any order and as often as they come: as a frame like
/// its first, and where the fragmentable part begins in it (the octet at offset 0 of [`fragment_place`]). `None` if
/// something is missing, does not belong to it, or contradicts another fragment. The header checksum of IPv4 is left as
/// the first fragment has it.
#[must_use]
pub fn assemble<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Option<(Vec<u8>, usize)> {
    let mut packet = Packet::default();
    let mut key = None;
    for frame in frames {
        let fragment = parse(frame)?;
        let end = fragment.end()?;
        if matches!(place(&mut packet, &fragment, end, 0), Placed::Conflict)
            || *key.get_or_insert_with(|| fragment.key.clone()) != fragment.key
        {
            return None;
        }
    }
    whole(&packet)
}

/// Puts the fragment of the frame with this number in its place.
fn place(packet: &mut Packet, fragment: &Fragment<'_>, end: usize, number: u64) -> Placed {
    if let Some(total) = packet.total
        && (end > total || (!fragment.more && end != total))
    {
        return Placed::Conflict;
    }
    let at = packet.pieces.partition_point(|piece| piece.offset < fragment.offset);
    let same = |piece: &&mut Piece| piece.offset == fragment.offset && piece.octets == fragment.content;
    if let Some(piece) = packet.pieces.get_mut(at).filter(same) {
        piece.again(number);
        return Placed::Repeated;
    }
    let before = at.checked_sub(1).and_then(|before| packet.pieces.get(before));
    let overlaps = before.is_some_and(|piece| piece.end() > fragment.offset)
        || packet.pieces.get(at).is_some_and(|piece| piece.offset < end);
    let beyond = packet.pieces.last().is_some_and(|piece| piece.end() > end);
    if overlaps || (!fragment.more && beyond) || packet.pieces.len() >= MAX_PIECES {
        return Placed::Conflict;
    }
    if !fragment.more {
        packet.total = Some(end);
    }
    if fragment.offset == 0 {
        packet.head = Some(fragment.head.clone());
    }
    packet.pieces.insert(at, Piece::new(fragment.offset, fragment.content, number));
    Placed::New
}

/// The frame with the whole packet, if nothing is missing, and where the fragmentable part begins in it.
fn whole(packet: &Packet) -> Option<(Vec<u8>, usize)> {
    let total = packet.total?;
    let mut frame = packet.head.clone()?;
    let head = frame.len();
    for piece in &packet.pieces {
        if piece.offset != frame.len().saturating_sub(head) {
            return None;
        }
        frame.extend_from_slice(&piece.octets);
    }
    if frame.len().saturating_sub(head) != total {
        return None;
    }
    set_length(&mut frame, total)?;
    Some((frame, head))
}

/// Writes the length of the whole packet into its IP header.
fn set_length(frame: &mut [u8], content: usize) -> Option<()> {
    let (ether_type, ip) = ethernet::payload(&*frame).ok()?;
    let (field, length) = match ether_type {
        EtherType::IPV4 => {
            let header = usize::from(frame.get(ip)? & 0x0f).saturating_mul(4);
            (ip.saturating_add(2), header.saturating_add(content))
        }
        // Everything after the fixed header counts.
        _ => (ip.saturating_add(4), frame.len().saturating_sub(ip.saturating_add(40))),
    };
    let length = u16::try_from(length).ok()?;
    frame.get_mut(field..field.saturating_add(2))?.copy_from_slice(&length.to_be_bytes());
    Some(())
}

fn parse(frame: &[u8]) -> Option<Fragment<'_>> {
    match ethernet::payload(frame).ok()? {
        (EtherType::IPV4, ip) => parse_v4(frame, ip),
        (EtherType::IPV6, ip) => parse_v6(frame, ip),
        _ => None,
    }
}

fn parse_v4(frame: &[u8], ip: usize) -> Option<Fragment<'_>> {
    let header = usize::from(frame.u8_at(ip)? & 0x0f).saturating_mul(4);
    let total = usize::from(frame.be16_at(ip.saturating_add(2))?);
    let identification = u32::from(frame.be16_at(ip.saturating_add(4))?);
    let flags = frame.be16_at(ip.saturating_add(6))?;
    let protocol = frame.u8_at(ip.saturating_add(9))?;
    let addresses = frame.get(ip.saturating_add(12)..ip.saturating_add(20))?.to_vec();
    let start = ip.saturating_add(header);
    let content = frame.get(start..ip.saturating_add(total))?;
    let mut head = frame.get(..start)?.to_vec();
    // Whole: no more-fragments flag, no offset. The header checksum is nobody's business here.
    head.get_mut(ip.saturating_add(6)..ip.saturating_add(8))?.fill(0);
    Some(Fragment {
        key: Key { addresses, identification, protocol },
        offset: usize::from(flags & 0x1fff).saturating_mul(8),
        more: flags & 0x2000 != 0,
        head,
        at: start,
        content,
    })
}

fn parse_v6(frame: &[u8], ip: usize) -> Option<Fragment<'_>> {
    const FRAGMENT: u8 = 44;
    const AH: u8 = 51;
    /// Headers before the fragment header that are looked through, as in the classifier.
    const MAX_HEADERS: usize = 6;
    let payload = usize::from(frame.be16_at(ip.saturating_add(4))?);
    let end = ip.saturating_add(40).saturating_add(payload);
    let addresses = frame.get(ip.saturating_add(8)..ip.saturating_add(40))?.to_vec();
    let mut next_field = ip.saturating_add(6);
    let mut at = ip.saturating_add(40);
    for _ in 0..=MAX_HEADERS {
        let next = frame.u8_at(next_field)?;
        if next != FRAGMENT {
            let words = usize::from(frame.u8_at(at.saturating_add(1))?);
            let size = if next == AH {
                words.saturating_add(2).saturating_mul(4)
            } else {
                words.saturating_add(1).saturating_mul(8)
            };
            next_field = at;
            at = at.saturating_add(size);
            continue;
        }
        let following = frame.u8_at(at)?;
        let offset_flags = frame.be16_at(at.saturating_add(2))?;
        let identification = frame.be32_at(at.saturating_add(4))?;
        let start = at.saturating_add(8);
        let content = frame.get(start..end)?;
        let mut head = frame.get(..at)?.to_vec();
        *head.get_mut(next_field)? = following;
        return Some(Fragment {
            // RFC 8200 §4.5: only addresses and identification count, not the next header.
            key: Key { addresses, identification, protocol: 0 },
            offset: usize::from(offset_flags >> 3).saturating_mul(8),
            more: offset_flags & 1 != 0,
            head,
            at: start,
            content,
        });
    }
    None
}
