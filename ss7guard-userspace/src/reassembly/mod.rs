//! From frames to whole messages: IP fragments, SCTP fragments and SCCP segments are put together here.
//!
//! ```text
//!  frame ─ classifier ─┬─ IP fragment ─ ip.rs ─ whole packet ─ classifier again
//!                      └─ user data ─┬─ fragment ─ sctp.rs ─ whole user message ─ classifier again
//!                                    └─ whole ─ inspect ─┬─ segment ─ segments.rs ─ whole message ─ inspect again
//!                                                        └─> Seen
//! ```
//! `decode`, `replay` and the controller all see traffic through [`Reassembler::frame`]. What was put together goes
//! through the same classifier as a frame that came whole, so that no limit, list or counter is passed by. There is no
//! I/O and no clock: `now_ns` is an argument, of any clock that does not go back. Every table has a budget (see
//! [`Limits`]); what it gives up is counted and shown as [`What::GaveUp`].
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

mod associations;
pub(crate) mod checksum;
mod ip;
mod paths;
mod pieces;
mod runs;
mod sctp;
mod segments;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ss7guard_common::classify::{self, ChunkVerdict, FrameVerdict, Observed};
use ss7guard_common::verdict::{Class, Reason};
use ss7guard_common::wire::sctp::data_flag;
use ss7guard_common::wire::{Address, Remote, SctpSpan};

pub use ip::{assemble, fragment_place};
pub use pieces::Piece;
pub use table::{Counts, Limits};

use crate::host::{Host, complete_message, endpoints};
use crate::inspect::findings::{Finding, Findings};
use crate::inspect::m3ua;
use crate::inspect::message::{Message, Outcome};
use crate::inspect::record::Place;
use crate::inspect::sccp::Flavour;
use crate::reassembly::associations::Member;
use crate::reassembly::checksum::Checksum;

/// Budgets of all tables.
#[derive(Clone, Copy, Debug)]
pub struct Budgets {
    /// IP fragments.
    pub ip: Limits,
    /// SCTP fragments.
    pub sctp: Limits,
    /// SCCP segments.
    pub sccp: Limits,
    /// Addresses of associations.
    pub paths: Limits,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { ip: ip::LIMITS, sctp: sctp::LIMITS, sccp: segments::LIMITS, paths: paths::LIMITS }
    }
}

/// One thing seen in a frame.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Where.
    pub place: Place,
    /// Stream of the chunk.
    pub stream: Option<u16>,
    /// What the classifier said.
    pub reason: Reason,
    /// Its judgement.
    pub verdict: ChunkVerdict,
    /// What it is.
    pub what: What<'a>,
    /// The user data chunks that it is made of, in the message's order: the one that was seen, all fragments of the message
    /// that it completes, or those of all SCCP segments, the first segment's first. Of a segment that comes in chunks with
    /// other TSNs between them, or again and again in new ones, 64 such stretches are listed; what comes beyond is not.
    /// Nothing for what is said of a frame.
    pub pieces: &'a [Piece],
    /// Numbers of the frames with the IP fragments of the packet that it is in, in the order of their offset, up to four of
    /// each fragment that came again. Nothing if the packet came whole, or is not whole yet. For a fragment that contradicts
    /// another ([`What::GaveUp`]): the frames of all that there was of the packet, and its own as the last.
    pub packets: &'a [u64],
}

/// What was seen.
#[derive(Debug)]
pub enum What<'a> {
    /// A whole M3UA DATA message (which may be one segment of an SCCP message), with the octets that it was read from:
    /// the user part, or the data of its SCCP segments put together.
    Message(&'a Message<'a>, &'a [u8]),
    /// A fragment of a packet or user message that is not whole yet.
    Part,
    /// User data, or a frame, without a message that could be read.
    Unread,
    /// Something that was never made whole, and why: its parts were not judged.
    GaveUp(&'static str),
}

/// Counters and sizes of one table.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Name of the table.
    pub table: &'static str,
    /// What happened.
    pub counts: Counts,
    /// Octets in use.
    pub octets: usize,
}

/// A frame to be seen through.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its octets, from an Ethernet header on.
    pub octets: &'a [u8],
    /// Which address is the remote end's.
    pub remote: Remote,
    /// When it came, in nanoseconds of any clock that does not go back.
    pub now_ns: u64,
}

/// What is unfinished of all that was seen.
pub struct Reassembler {
    ip: ip::Fragments,
    sctp: sctp::Messages,
    segments: segments::Segments,
    paths: paths::Paths,
    /// User data of the frame at hand.
    chunks: Vec<Observed>,
    /// Frames of the packet that the frame seen last completed.
    packets: Vec<u64>,
    given_up: u64,
}

/// What is told of a frame besides its messages.
struct Scene {
    number: u64,
    addresses: Option<(IpAddr, IpAddr)>,
    remote: Remote,
    now_ns: u64,
    flavour: Flavour,
    /// M3UA DATA messages so far.
    messages: u32,
    notes: Findings,
    /// Frames with the IP fragments of the packet at hand.
    packets: Vec<u64>,
}

impl Default for Reassembler {
    fn default() -> Self {
        Self::new(Budgets::default())
    }
}

impl Reassembler {
    /// With these budgets.
    #[must_use]
    pub fn new(budgets: Budgets) -> Self {
        Self {
            ip: ip::Fragments::new(budgets.ip),
            sctp: sctp::Messages::new(budgets.sctp),
            segments: segments::Segments::new(budgets.sccp),
            paths: paths::Paths::new(budgets.paths),
            chunks: Vec::new(),
            packets: Vec::new(),
            given_up: 0,
        }
    }

    /// The accounts of all tables.
    #[must_use]
    pub fn accounts(&self) -> [Account; 4] {
        [
            Account { table: "ip_fragments", counts: self.ip.counts(), octets: self.ip.octets() },
            Account { table: "sctp_fragments", counts: self.sctp.counts(), octets: self.sctp.octets() },
            Account {
                table: "sccp_segments",
                counts: self.segments.counts(),
                octets: self.segments.octets(),
            },
            Account { table: "sctp_paths", counts: Counts::default(), octets: self.paths.octets() },
        ]
    }

    /// Sees through a frame: shows each user data chunk with the message that it holds or completes, or the frame
    /// itself if it has none that could be read. Frames that are not for us, or carry no user data, show nothing.
    pub fn frame(&mut self, host: &mut Host, arrival: &Arrival<'_>, sink: &mut dyn FnMut(&Seen<'_>)) {
        let addresses = endpoints(arrival.octets);
        let ends = addresses.map(|(source, destination)| [source.into(), destination.into()]);
        let mut scene = Scene {
            number: arrival.number,
            addresses,
            flavour: ends.map_or(host.flavour, |ends| host.flavour(ends)),
            remote: arrival.remote,
            now_ns: arrival.now_ns,
            messages: 0,
            notes: Findings::default(),
            packets: std::mem::take(&mut self.packets),
        };
        scene.packets.clear();
        let verdict = self.packet(host, arrival.octets, &mut scene, sink);
        if verdict.verdict.reason() == Some(Reason::IpFragment) {
            match self.ip.add(arrival.number, arrival.octets, arrival.now_ns) {
                ip::Added::Whole(packet, frames) => {
                    scene.packets = frames;
                    scene.notes.note(Finding::IpFragments, 0);
                    let _ = self.packet(host, &packet, &mut scene, sink);
                }
                ip::Added::Waiting => scene.frame(verdict, What::Part, sink),
                ip::Added::Conflict(frames) => {
                    scene.packets = frames;
                    scene.frame(verdict, What::GaveUp("ip_fragment_conflict"), sink);
                }
            }
        }
        // What is said from here on is about no packet.
        self.packets = std::mem::take(&mut scene.packets);
        self.account(&scene, verdict, sink);
    }

    /// Numbers of the frames with the IP fragments of the packet that the frame seen last completed, or contradicted, as in
    /// [`Seen::packets`]: also of a packet in which there was nothing to be shown.
    #[must_use]
    pub fn packets(&self) -> &[u64] {
        &self.packets
    }

    /// Gives up what waited too long, and says so if a table had to let something go.
    fn account(&mut self, scene: &Scene, verdict: FrameVerdict, sink: &mut dyn FnMut(&Seen<'_>)) {
        self.ip.expire(scene.now_ns);
        self.sctp.expire(scene.now_ns);
        self.segments.expire(scene.now_ns);
        self.paths.expire(scene.now_ns);
        let lost = |counts: Counts| counts.evicted.saturating_add(counts.refused);
        let given_up = lost(self.ip.counts())
            .saturating_add(lost(self.sctp.counts()))
            .saturating_add(lost(self.segments.counts()));
        if given_up > self.given_up {
            self.given_up = given_up;
            scene.frame(verdict, What::GaveUp("reassembly_full"), sink);
        }
    }

    /// A frame that holds a whole IP packet, or the fragment of one.
    fn packet(
        &mut self,
        host: &mut Host,
        frame: &[u8],
        scene: &mut Scene,
        sink: &mut dyn FnMut(&Seen<'_>),
    ) -> FrameVerdict {
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.clear();
        let span = classify::sctp_span(frame, frame.len());
        let verdict = host.located(frame, span, scene.remote, scene.now_ns, |seen| chunks.push(*seen));
        match span {
            Ok(span) if !chunks.is_empty() => self.user_data(host, frame, &span, &chunks, scene, sink),
            Ok(span) => {
                if checksum::of(frame, &span) != Checksum::Wrong {
                    self.paths.learn(frame, &span, scene.now_ns);
                }
                scene.unread(verdict, sink);
            }
            // The caller sees to these.
            Err(Reason::IpFragment) => {}
            Err(_) => scene.unread(verdict, sink),
        }
        self.chunks = chunks;
        verdict
    }

    /// The user data chunks of a packet.
    fn user_data(
        &mut self,
        host: &mut Host,
        frame: &[u8],
        span: &SctpSpan,
        chunks: &[Observed],
        scene: &mut Scene,
        sink: &mut dyn FnMut(&Seen<'_>),
    ) {
        let bad = checksum::of(frame, span) == Checksum::Wrong;
        if bad {
            scene.notes.note(Finding::BadChecksum, 0);
        }
        let number = |address: &Address| host.peers.get(address).map(|peer| peer.number);
        let same = |one: &Address, other: &Address| number(one).is_some() && number(one) == number(other);
        let origin = self.paths.origin(frame, span, same);
        if !bad {
            self.paths.learn(frame, span, scene.now_ns);
        }
        if origin.is_some_and(|origin| origin.foreign) {
            scene.notes.note(Finding::ForeignAddress, 0);
        }
        if origin.is_some_and(|origin| origin.wrong_tag) {
            scene.notes.note(Finding::WrongVtag, 0);
        }
        let notes = scene.notes;
        for seen in chunks {
            scene.notes = notes;
            if let Some(member) = origin.and_then(|origin| origin.member) {
                self.state(member, seen, frame, bad, scene);
            }
            let piece = origin.map(|origin| Piece::on(&origin.way, seen.user_data.tsn));
            let own = piece.as_slice();
            if is_whole(seen) || seen.verdict.reason() == Some(Reason::OtherPayload) {
                self.one(seen, frame, own, scene, sink);
                continue;
            }
            let Some(origin) = &origin else { continue };
            match self.sctp.add(origin, seen, frame, bad, scene.now_ns) {
                sctp::Added::Waiting => scene.chunk(seen, What::Part, own, sink),
                sctp::Added::Conflict => {
                    scene.chunk(seen, What::GaveUp("sctp_tsn_conflict"), own, sink);
                }
                sctp::Added::Whole(whole) => self.whole(host, frame, span, &whole, scene, sink),
            }
        }
    }

    /// Follows the state of an ASP, and notes DATA that does not belong there.
    fn state(&mut self, member: Member, seen: &Observed, frame: &[u8], bad: bool, scene: &mut Scene) {
        let associations = &mut self.paths.associations;
        if seen.data.is_some() {
            if let Some(finding) = associations.outside(member, seen.user_data.tsn) {
                scene.notes.note(finding, 0);
            }
        } else if is_whole(seen) && !bad {
            let end = seen.offset.saturating_add(seen.chunk.len);
            let octets = frame.get(seen.user_data.payload..end).unwrap_or_default();
            let _ = associations.message(member, seen.user_data.tsn, octets);
        }
    }

    /// Frames that should have come here were lost: what is known of associations may be out of date.
    pub fn missed(&mut self) {
        self.paths.missed();
    }

    /// A user message that was put together: as the only chunk of a packet like the one that completed it.
    fn whole(
        &mut self,
        host: &mut Host,
        frame: &[u8],
        span: &SctpSpan,
        whole: &sctp::Whole,
        scene: &mut Scene,
        sink: &mut dyn FnMut(&Seen<'_>),
    ) {
        let Some(packet) = packet_with(frame, span, whole) else { return };
        let notes = scene.notes;
        for (holds, finding) in [
            (true, Finding::SctpFragments),
            (whole.conflict, Finding::TsnConflict),
            (whole.mixed, Finding::FragmentMismatch),
            (whole.bad_checksum, Finding::BadChecksum),
        ] {
            if holds {
                scene.notes.note(finding, 0);
            }
        }
        let mut found = None;
        let _ = host.classify(&packet, scene.remote, scene.now_ns, |seen| found = Some(*seen));
        if let Some(seen) = found {
            self.one(&seen, &packet, &whole.pieces, scene, sink);
        }
        scene.notes = notes;
    }

    /// A chunk with a whole user message, which came in these pieces.
    fn one(
        &mut self,
        seen: &Observed,
        frame: &[u8],
        pieces: &[Piece],
        scene: &mut Scene,
        sink: &mut dyn FnMut(&Seen<'_>),
    ) {
        let Some((data, user_part)) = complete_message(seen, frame) else {
            return scene.chunk(seen, What::Unread, pieces, sink);
        };
        let mut message = Message::decode_as(data, user_part, scene.flavour);
        let end = seen.offset.saturating_add(seen.chunk.len);
        m3ua::note(frame.get(seen.user_data.payload..end).unwrap_or_default(), &mut message.findings);
        message.findings.join(&scene.notes);
        let segment = match (message.outcome, &message.sccp) {
            (Outcome::Segment, Some(sccp)) => self.segments.add(&message, sccp, pieces, scene.now_ns),
            _ => None,
        };
        match (segment, &message.sccp) {
            (Some(whole), Some(sccp)) => {
                let mut joined = Message::decode_joined(data, sccp, &whole.data);
                joined.findings.join(&whole.findings);
                joined.findings.join(&message.findings);
                joined.findings.note(Finding::SccpSegments, 0);
                scene.chunk(seen, What::Message(&joined, &whole.data), &whole.pieces, sink);
            }
            _ => scene.chunk(seen, What::Message(&message, user_part), pieces, sink),
        }
    }
}

impl Scene {
    /// Shows a chunk, or what was put together from these pieces.
    fn chunk(&mut self, seen: &Observed, what: What<'_>, pieces: &[Piece], sink: &mut dyn FnMut(&Seen<'_>)) {
        let Some(reason) = seen.verdict.reason() else { return };
        let fault = (reason.class() == Class::Exception).then_some(reason.as_str());
        let place = Place {
            frame: self.number,
            chunk: self.messages,
            addresses: self.addresses,
            tsn: Some(seen.user_data.tsn),
            fault,
        };
        if matches!(what, What::Message(..)) {
            self.messages = self.messages.saturating_add(1);
        }
        sink(&Seen {
            place,
            stream: Some(seen.user_data.stream),
            reason,
            verdict: seen.verdict,
            what,
            pieces,
            packets: &self.packets,
        });
    }

    /// Shows a frame without user data, if the classifier could not judge it.
    fn unread(&self, verdict: FrameVerdict, sink: &mut dyn FnMut(&Seen<'_>)) {
        if verdict.verdict.reason().is_some_and(|reason| reason.class() == Class::Exception) {
            self.frame(verdict, What::Unread, sink);
        }
    }

    /// Shows the frame itself.
    fn frame(&self, verdict: FrameVerdict, what: What<'_>, sink: &mut dyn FnMut(&Seen<'_>)) {
        let Some(reason) = verdict.verdict.reason() else { return };
        let place = Place {
            frame: self.number,
            chunk: self.messages,
            addresses: self.addresses,
            tsn: None,
            fault: Some(reason.as_str()),
        };
        sink(&Seen {
            place,
            stream: None,
            reason,
            verdict: verdict.verdict,
            what,
            pieces: &[],
            packets: &self.packets,
        });
    }
}

fn is_whole(seen: &Observed) -> bool {
    let whole = data_flag::BEGIN | data_flag::END;
    seen.chunk.flags & whole == whole
}

/// The packet of a frame with this user message as its only chunk.
fn packet_with(frame: &[u8], span: &SctpSpan, whole: &sctp::Whole) -> Option<Vec<u8>> {
    use ss7guard_common::wire::sctp::{DATA_HEADER_LEN, HEADER_LEN};
    let mut packet = frame.get(..span.start.saturating_add(HEADER_LEN))?.to_vec();
    let len = u16::try_from(DATA_HEADER_LEN.saturating_add(whole.octets.len())).ok()?;
    packet.extend_from_slice(&[0, data_flag::BEGIN | data_flag::END]);
    packet.extend_from_slice(&len.to_be_bytes());
    packet.extend_from_slice(&whole.tsn.to_be_bytes());
    packet.extend_from_slice(&whole.stream.to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(&whole.ppid.to_be_bytes());
    packet.extend_from_slice(&whole.octets);
    while packet.len().saturating_sub(span.start) % 4 != 0 {
        packet.push(0);
    }
    let ip = span.network.offset;
    let (field, counted_from) = if span.network.v6 {
        (ip.saturating_add(4), ip.saturating_add(40))
    } else {
        (ip.saturating_add(2), ip)
    };
    let length = u16::try_from(packet.len().saturating_sub(counted_from)).ok()?;
    packet.get_mut(field..field.saturating_add(2))?.copy_from_slice(&length.to_be_bytes());
    Some(packet)
}
