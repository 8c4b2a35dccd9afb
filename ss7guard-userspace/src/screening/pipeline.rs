//! From a frame to decisions: classifier, decoder and rules in one go, for captures and for live traffic.

use ss7guard_common::abi::{Side, bridge_flag};
use ss7guard_common::classify::{self, ChunkVerdict};
use ss7guard_common::verdict::{Action, Class, Reason};
use ss7guard_common::wire::{Address, Remote, sctp};

use crate::config::Config;
use crate::host::{Host, complete_message, endpoints};
use crate::inspect::message::Message;
use crate::inspect::record::Place;
use crate::reassembly::{Arrival, Piece, Reassembler, Seen, What};
use crate::screening::{Decision, Direction, Engine, Source, Verdict};

/// One decision with what it is about.
pub struct Judged<'a> {
    /// Where the message was seen.
    pub place: Place,
    /// Which way it goes.
    pub direction: Direction,
    /// The message; `None` if there is none to be read.
    pub message: Option<&'a Message<'a>>,
    /// The octets that it was read from: the user part, or the data of its SCCP segments put together.
    pub octets: &'a [u8],
    /// The decision.
    pub decision: Decision,
    /// What the classifier said.
    pub reason: Reason,
    /// What the kernel program does about it, the rest of the frame aside.
    pub action: Action,
    /// Stream of the chunk.
    pub stream: Option<u16>,
    /// The user data chunks that it is made of, as in [`Seen::pieces`].
    pub pieces: &'a [Piece],
    /// Numbers of the frames with the IP fragments of its packet, as in [`Seen::packets`].
    pub packets: &'a [u64],
}

/// The classifier's tables, what is unfinished, and the rules.
pub struct Pipeline {
    /// The classifier's tables.
    pub host: Host,
    /// What came in pieces.
    pub reassembler: Reassembler,
    engine: Engine,
}

impl Pipeline {
    /// For captures: under this configuration, with its block entries; `now_ns` starts their time to live.
    #[must_use]
    pub fn new(config: &Config, now_ns: u64) -> Self {
        let mut pipeline = Self::without_blocks(config);
        // A capture does not say by which port of a bridge a frame came: the peers' sides count.
        pipeline.host.config.bridge &= !bridge_flag::BY_PORT;
        for block in &config.blocks {
            pipeline.host.follow(&block.request().detail(now_ns));
        }
        pipeline
    }

    /// For live traffic: under this configuration, without its block entries; the caller adds those that the kernel has.
    #[must_use]
    pub fn without_blocks(config: &Config) -> Self {
        let mut host = Host::new(config.kernel_record());
        host.peers = config.peer_map();
        host.flavour = config.flavour;
        Self { host, reassembler: Reassembler::default(), engine: Engine::new(config) }
    }

    /// Hands the decisions about those messages of a frame to `sink` that the kernel program stops; the rest of the frame
    /// comes another way.
    pub fn stopped(&mut self, arrival: &Arrival<'_>, mut sink: impl FnMut(&Judged<'_>)) {
        let source = source(&self.host, arrival);
        let direction = source.direction;
        let mut chunks = Vec::new();
        let _ = self.host.classify(arrival.octets, arrival.remote, arrival.now_ns, |seen| chunks.push(*seen));
        for seen in chunks.iter().filter(|seen| stops(seen.verdict)) {
            let Some(reason) = seen.verdict.reason() else { continue };
            let message = complete_message(seen, arrival.octets);
            let octets = message.map_or(&[][..], |(_, user_part)| user_part);
            let ends =
                endpoints(arrival.octets).map(|(source, destination)| [source.into(), destination.into()]);
            let flavour = ends.map_or(self.host.flavour, |ends| self.host.flavour(ends));
            let message = message.map(|(data, user_part)| Message::decode_as(data, user_part, flavour));
            let fault = (reason.class() == Class::Exception).then_some(reason.as_str());
            let place = Place {
                frame: arrival.number,
                addresses: endpoints(arrival.octets),
                tsn: Some(seen.user_data.tsn),
                fault,
                ..Place::default()
            };
            let decision = match &message {
                _ if is_block(reason) => blocked(reason, seen.verdict),
                Some(message) if reason == Reason::ForbiddenOperation => {
                    Decision { verdict: Verdict::Block, ..self.engine.screen(message, source) }
                }
                _ => exception(reason, seen.verdict),
            };
            sink(&Judged {
                place,
                direction,
                message: message.as_ref(),
                octets,
                decision,
                reason,
                action: seen.verdict.action(),
                stream: Some(seen.user_data.stream),
                pieces: &[],
                packets: &[],
            });
        }
    }

    /// Judges a frame, and hands each decision to `sink`: one for each user data chunk, or one for the frame if it
    /// has none that could be read. Frames that are not for us, or carry no user data, have none. Gives the numbers of the
    /// frames whose IP packet this one has completed, in the order of their offset.
    pub fn frame(&mut self, arrival: &Arrival<'_>, mut sink: impl FnMut(&Judged<'_>)) -> &[u64] {
        let Self { host, reassembler, engine } = self;
        let source = source(host, arrival);
        let direction = source.direction;
        reassembler.frame(host, arrival, &mut |seen| {
            let Some(decision) = decide(engine, seen, source) else { return };
            let (message, octets) = match seen.what {
                What::Message(message, octets) => (Some(message), octets),
                _ => (None, &[][..]),
            };
            let (place, reason, stream) = (seen.place, seen.reason, seen.stream);
            let action = seen.verdict.action();
            sink(&Judged {
                place,
                direction,
                message,
                octets,
                decision,
                reason,
                action,
                stream,
                pieces: seen.pieces,
                packets: seen.packets,
            });
        });
        reassembler.packets()
    }
}

/// Where the messages of a frame come from.
fn source(host: &Host, arrival: &Arrival<'_>) -> Source {
    let peer = endpoints(arrival.octets).map(|(source, destination)| match arrival.remote {
        Remote::Source => source.into(),
        Remote::Destination => destination.into(),
    });
    Source { direction: direction(host, arrival), peer, port: port(arrival) }
}

/// SCTP port of the remote end, if the frame holds one whole.
fn port(arrival: &Arrival<'_>) -> Option<u16> {
    let span = classify::sctp_span(arrival.octets, arrival.octets.len()).ok()?;
    let header = sctp::header(arrival.octets, span.start, span.end).ok()?;
    Some(match arrival.remote {
        Remote::Source => header.source_port,
        Remote::Destination => header.destination_port,
    })
}

/// Out: what leaves this host, came by the home port of a bridge, or, where there is none, comes from a home peer.
fn direction(host: &Host, arrival: &Arrival<'_>) -> Direction {
    if host.config.bridge & bridge_flag::BY_PORT != 0 {
        return if arrival.remote == Remote::Destination { Direction::Out } else { Direction::In };
    }
    let home =
        endpoints(arrival.octets).is_some_and(|(source, _)| host.side(&Address::from(source)) == Side::Home);
    if arrival.remote == Remote::Destination || home { Direction::Out } else { Direction::In }
}

/// What is said of one thing that was seen; `None` for what is no message and nothing to speak of.
fn decide(engine: &Engine, seen: &Seen<'_>, source: Source) -> Option<Decision> {
    // What the kernel could not read, the decoder can, or says why not.
    let faulty = seen.reason.class() == Class::Exception
        && (seen.reason != Reason::GlobalTitleUnreadable || stops(seen.verdict));
    match seen.what {
        _ if is_block(seen.reason) => Some(blocked(seen.reason, seen.verdict)),
        What::Message(message, _) => {
            let mut screened = engine.screen(message, source);
            if seen.reason == Reason::ForbiddenOperation && stops(seen.verdict) {
                screened.verdict = Verdict::Block;
            }
            let weak = faulty && screened.verdict < Verdict::Alert;
            Some(if weak { exception(seen.reason, seen.verdict) } else { screened })
        }
        What::Part if stops(seen.verdict) => Some(Decision::plain(Verdict::Drop, seen.reason.as_str())),
        What::Part => Some(Decision::plain(Verdict::Defer, seen.reason.as_str())),
        What::GaveUp(why) => Some(engine.not_judgeable(why)),
        What::Unread if faulty => Some(exception(seen.reason, seen.verdict)),
        What::Unread => None,
    }
}

/// Whether this reason is that of an entry.
const fn is_block(reason: Reason) -> bool {
    matches!(reason, Reason::BlockedPointCode | Reason::BlockedGlobalTitle | Reason::BlockedUnderAuth)
}

/// A message that a block entry matches.
fn blocked(reason: Reason, verdict: ChunkVerdict) -> Decision {
    let said = if stops(verdict) { Verdict::Block } else { Verdict::Alert };
    Decision { rule: crate::screening::rule(verdict.rule_id()), ..Decision::plain(said, reason.as_str()) }
}

/// Whether the message does not arrive.
const fn stops(verdict: ChunkVerdict) -> bool {
    verdict.drops() || verdict.neutralises()
}

/// Something that the classifier cannot judge.
fn exception(reason: Reason, verdict: ChunkVerdict) -> Decision {
    let said = if stops(verdict) { Verdict::Drop } else { Verdict::Malformed };
    Decision::plain(said, reason.as_str())
}
