//! From a frame to decisions: classifier, decoder and rules in one go, for captures and for live traffic.

use std::net::IpAddr;

use ss7guard_common::abi::{Mode, Side};
use ss7guard_common::classify::{ChunkVerdict, Observed};
use ss7guard_common::verdict::{Class, Reason};
use ss7guard_common::wire::{Address, Remote};

use crate::config::Config;
use crate::host::{Host, complete_message, endpoints};
use crate::inspect::message::Message;
use crate::inspect::record::Place;
use crate::screening::{Decision, Direction, Engine, Verdict};

/// One decision with what it is about.
pub struct Judged<'a> {
    /// Where the message was seen.
    pub place: Place,
    /// Which way it goes.
    pub direction: Direction,
    /// The message; `None` if there is none to be read.
    pub message: Option<&'a Message<'a>>,
    /// The decision.
    pub decision: Decision,
    /// What the classifier said.
    pub reason: Reason,
    /// Stream of the chunk.
    pub stream: Option<u16>,
}

/// The classifier's tables and the rules.
pub struct Pipeline {
    /// The classifier's tables.
    pub host: Host,
    engine: Engine,
}

impl Pipeline {
    /// Under this configuration, with its block entries; `now_ns` starts their time to live.
    #[must_use]
    pub fn new(config: &Config, now_ns: u64) -> Self {
        let mut pipeline = Self::without_blocks(config);
        for block in &config.blocks {
            pipeline.host.block(block.request().detail(now_ns));
        }
        pipeline
    }

    /// Under this configuration, without its block entries: the caller adds those that the kernel has.
    #[must_use]
    pub fn without_blocks(config: &Config) -> Self {
        let mut host = Host::new(config.kernel_record());
        host.peers = config.peer_map();
        Self { host, engine: Engine::new(config) }
    }

    /// Judges a frame, and hands each decision to `sink`: one for each user data chunk, or one for the frame if it
    /// has none that could be read. Frames that are not for us, or carry no user data, have none.
    pub fn frame(
        &mut self,
        number: u64,
        frame: &[u8],
        remote: Remote,
        now_ns: u64,
        mut sink: impl FnMut(&Judged<'_>),
    ) {
        let addresses = endpoints(frame);
        let direction = self.direction(remote, addresses);
        let engine = &self.engine;
        let mode = self.host.config.mode();
        let mut chunk = 0;
        let mut judged = 0;
        let verdict = self.host.classify(frame, remote, now_ns, |seen| {
            let place = Place { frame: number, chunk, addresses, tsn: Some(seen.user_data.tsn), fault: None };
            if one_chunk(engine, mode, seen, frame, place, direction, &mut sink) {
                chunk += 1;
            }
            judged += 1;
        });
        if judged > 0 {
            return;
        }
        let Some(reason) = verdict.verdict.reason().filter(|reason| reason.class() == Class::Exception)
        else {
            return;
        };
        let place = Place { frame: number, chunk: 0, addresses, tsn: None, fault: Some(reason.as_str()) };
        let decision = exception(reason, verdict.verdict);
        sink(&Judged { place, direction, message: None, decision, reason, stream: None });
    }

    /// Out: what leaves this host, or comes from a home peer.
    fn direction(&self, remote: Remote, addresses: Option<(IpAddr, IpAddr)>) -> Direction {
        let home = addresses.is_some_and(|(source, _)| self.host.side(&Address::from(source)) == Side::Home);
        if remote == Remote::Destination || home { Direction::Out } else { Direction::In }
    }
}

/// Judges one user data chunk; true if it holds an M3UA DATA message.
fn one_chunk(
    engine: &Engine,
    mode: Mode,
    seen: &Observed,
    frame: &[u8],
    mut place: Place,
    direction: Direction,
    sink: &mut impl FnMut(&Judged<'_>),
) -> bool {
    let Some(reason) = seen.verdict.reason() else { return false };
    let stream = Some(seen.user_data.stream);
    let faulty = reason.class() == Class::Exception;
    if faulty {
        place.fault = Some(reason.as_str());
    }
    let Some((data, user_part)) = complete_message(seen, frame) else {
        if faulty || reason == Reason::SctpFirstFragment || reason == Reason::BlockedPointCode {
            let decision = match reason {
                Reason::SctpFirstFragment => Decision::plain(Verdict::Defer, reason.as_str()),
                Reason::BlockedPointCode => blocked(mode, seen.verdict),
                _ => exception(reason, seen.verdict),
            };
            sink(&Judged { place, direction, message: None, decision, reason, stream });
        }
        return false;
    };
    let message = Message::decode(data, user_part);
    let screened = engine.screen(&message, direction);
    let decision = if reason == Reason::BlockedPointCode {
        blocked(mode, seen.verdict)
    } else if faulty && screened.verdict < Verdict::Alert {
        exception(reason, seen.verdict)
    } else {
        screened
    };
    sink(&Judged { place, direction, message: Some(&message), decision, reason, stream });
    true
}

/// A message from a blocked point code.
fn blocked(mode: Mode, verdict: ChunkVerdict) -> Decision {
    let stopped = if mode == Mode::Enforce { Verdict::Block } else { Verdict::Alert };
    Decision {
        rule: crate::screening::rule(verdict.rule_id()),
        ..Decision::plain(stopped, Reason::BlockedPointCode.as_str())
    }
}

/// Something that the classifier cannot judge.
fn exception(reason: Reason, verdict: ChunkVerdict) -> Decision {
    let said = match reason {
        _ if verdict.drops() => Verdict::Drop,
        Reason::IpFragment | Reason::SctpLaterFragment => Verdict::Defer,
        _ => Verdict::Malformed,
    };
    Decision::plain(said, reason.as_str())
}
