//! The frame classifier on the host: the code that the kernel runs, over captured frames and tables in memory.
//!
//! `decode` and `replay` run it over capture files, the controller over punted frames; a test holds it against
//! the kernel program. It does no I/O and reads no clock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytemuck::Zeroable as _;
use ss7guard_common::abi::{
    BlockDetail, BlockHits, COUNTER_SLOTS, Config, MAX_BLOCK_CHAIN, Moment, SPLIT_SLOTS, Side, Split,
    Symbols, TITLE_NO_SLOT, bridge_flag, config_flag, counter_index,
};
use ss7guard_common::classify::{self, BlockHit, Env, FrameVerdict, Known, Observed, split};
use ss7guard_common::neutralise::{self, Form};
use ss7guard_common::read::ReadAt as _;
use ss7guard_common::verdict::{Action, Code, Reason};
use ss7guard_common::wire::ethernet::{self, EtherType};
use ss7guard_common::wire::m3ua::Data;
use ss7guard_common::wire::{Address, Maybe, Remote, SctpSpan, sctp};

use crate::enforce::Detail;
use crate::inspect::sccp::Flavour;

mod titles;

pub use titles::Titles;

/// What is known about a peer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number; addresses with the same number are the same peer's.
    pub number: usize,
    /// On which side of the firewall it is.
    pub side: Side,
    /// Width of its point codes: 14, 16 or 24 bits.
    pub point_code_bits: u8,
    /// How its SCCP addresses are coded.
    pub flavour: Flavour,
}

/// The tables behind the classifier.
#[derive(Clone, Debug)]
pub struct Host {
    /// Mode, policies, ports.
    pub config: Config,
    /// Known peers.
    pub peers: HashMap<Address, Peer>,
    /// How SCCP addresses are coded between peers that are not known.
    pub flavour: Flavour,
    /// Block entries by originating point code, with the hits of each; the first that matches counts.
    pub blocks: HashMap<u32, Vec<(BlockDetail, BlockHits)>>,
    /// Entries by calling global title.
    pub titles: Titles,
    counters: [u64; COUNTER_SLOTS as usize],
    /// Messages whose label lies in two fragments; empty until the first of them.
    splits: Vec<Split>,
}

impl Default for Host {
    fn default() -> Self {
        Self::new(Config::fresh())
    }
}

impl Host {
    /// Empty tables under this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            peers: HashMap::new(),
            flavour: Flavour::Itu,
            blocks: HashMap::new(),
            titles: Titles::default(),
            counters: [0; COUNTER_SLOTS as usize],
            splits: Vec::new(),
        }
    }

    /// Outcomes by reason and action: those that occurred.
    pub fn counters(&self) -> impl Iterator<Item = (Reason, Action, u64)> + '_ {
        let pairs = Reason::ALL.iter().flat_map(|reason| Action::ALL.map(|action| (*reason, action)));
        pairs.filter_map(|(reason, action)| {
            let count = *self.counters.get(counter_index(false, reason.into(), action) as usize)?;
            (count > 0).then_some((reason, action, count))
        })
    }

    /// The side on which this address is; unknown addresses are on the interconnect side.
    #[must_use]
    pub fn side(&self, address: &Address) -> Side {
        self.peers.get(address).map_or(Side::Interconnect, |peer| peer.side)
    }

    /// How SCCP addresses are coded between these two: as one of them is known to do, interconnect before home.
    #[must_use]
    pub fn flavour(&self, ends: [Address; 2]) -> Flavour {
        if self.peers.is_empty() {
            return self.flavour;
        }
        let known = ends.iter().filter_map(|end| self.peers.get(end));
        let peer = known.min_by_key(|peer| peer.side == Side::Home);
        peer.map_or(self.flavour, |peer| peer.flavour)
    }

    /// An entry is in the lists, or has taken the place of the one for the same target.
    pub fn follow(&mut self, detail: &Detail) {
        match detail {
            Detail::Code(detail) => self.block(*detail),
            Detail::Title(detail) => {
                self.titles.put(*detail);
                self.config.flags |= config_flag::GT_LIST;
            }
        }
    }

    /// An entry of the lists has got another end.
    pub fn follow_end(&mut self, detail: &Detail) {
        match detail {
            Detail::Code(detail) => self.shorten(*detail),
            Detail::Title(detail) => self.titles.shorten(*detail),
        }
    }

    /// An entry is no more in the lists.
    pub fn forget(&mut self, detail: &Detail) {
        match detail {
            Detail::Code(detail) => self.unblock(detail),
            Detail::Title(detail) => self.titles.remove(detail),
        }
    }

    /// Adds a block entry, or replaces the one with the same key; the most specific comes first, as in the kernel.
    pub fn block(&mut self, detail: BlockDetail) {
        self.unblock(&detail);
        let entries = self.blocks.entry(detail.point_code).or_default();
        entries.push((detail, BlockHits::default()));
        entries.sort_by_key(|(detail, _)| (1 - (detail.match_na & 1), detail.ni, detail.network_appearance));
    }

    /// Gives the entry with the key of this one another end; its hits stay.
    pub fn shorten(&mut self, detail: BlockDetail) {
        let key = |one: &BlockDetail| (one.ni, one.match_na, one.network_appearance);
        for (held, _) in self.blocks.get_mut(&detail.point_code).into_iter().flatten() {
            if key(held) == key(&detail) {
                *held = detail;
            }
        }
    }

    /// Removes the block entry with the key of this one.
    pub fn unblock(&mut self, detail: &BlockDetail) {
        let key = |one: &BlockDetail| (one.ni, one.match_na, one.network_appearance);
        if let Some(entries) = self.blocks.get_mut(&detail.point_code) {
            entries.retain(|(other, _)| key(other) != key(detail));
            if entries.is_empty() {
                self.blocks.remove(&detail.point_code);
            }
        }
    }

    /// Judges one Ethernet frame at `now_ns` (clock of the block entries), and shows each user data chunk to
    /// `observe`. `remote` says which address is looked up among the peers: the source, but for frames that
    /// leave this host.
    pub fn classify(
        &mut self,
        frame: &[u8],
        remote: Remote,
        now_ns: u64,
        observe: impl FnMut(&Observed),
    ) -> FrameVerdict {
        self.located(frame, classify::sctp_span(frame, frame.len()), remote, now_ns, observe)
    }

    /// The same for a frame in which the SCTP packet was looked for already.
    pub fn located(
        &mut self,
        frame: &[u8],
        span: Result<SctpSpan, Reason>,
        remote: Remote,
        now_ns: u64,
        observe: impl FnMut(&Observed),
    ) -> FrameVerdict {
        let config = self.config;
        classify::located(
            frame,
            span,
            remote,
            &config,
            &mut HostEnv {
                host: self,
                acts: remote == Remote::Source || config.bridge & bridge_flag::BY_PORT != 0,
                now_ns,
                observe,
            },
        )
    }
}

impl Host {
    /// Carries out what [`Host::classify`] has just said about the messages of a frame, as the kernel program does:
    /// rewrites those that are to be neutralised. False if something was out of reach, so that the frame is to be dropped.
    pub fn rewrite(&mut self, frame: &mut [u8], verdict: &FrameVerdict, form: Form, now_ns: u64) -> bool {
        let (config, end, scope) = (self.config, verdict.end(), verdict.scope());
        let mut env = HostEnv { host: self, acts: true, now_ns, observe: |_: &Observed| {} };
        classify::rewrite(frame, verdict, |frame, off, chunk| {
            if chunk.flags & sctp::data_flag::BEGIN == 0 {
                return split::rewrite(frame, &config, scope, off, &chunk, end, &mut env);
            }
            neutralise::chunk(frame, off, &chunk, end, form)
        })
    }
}

/// Source and destination address of the IP packet in an Ethernet frame.
#[must_use]
pub fn endpoints(frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (ether_type, off) = ethernet::payload(frame).ok()?;
    let word = |at: usize| frame.be32_at(off + at);
    match ether_type {
        EtherType::IPV4 => Some((Ipv4Addr::from(word(12)?).into(), Ipv4Addr::from(word(16)?).into())),
        EtherType::IPV6 => {
            let address = |at: usize| Some(Ipv6Addr::from(frame.read_at::<16>(off + at)?));
            Some((address(8)?.into(), address(24)?.into()))
        }
        _ => None,
    }
}

/// The M3UA DATA message of a chunk that holds a whole one, with its user part.
#[must_use]
pub fn complete_message<'a>(seen: &Observed, frame: &'a [u8]) -> Option<(Data, &'a [u8])> {
    let whole = sctp::data_flag::BEGIN | sctp::data_flag::END;
    if seen.chunk.flags & whole != whole {
        return None;
    }
    let data = seen.data?;
    let user_part = frame.get(data.user_part..data.user_part + data.user_part_len)?;
    Some((data, user_part))
}

/// The moment of a frame, as an entry sees it.
struct Then {
    now: u64,
    last_hit: u64,
    linger: u64,
    half: u32,
}

impl Moment for Then {
    fn now(&self) -> u64 {
        self.now
    }

    fn last_hit(&self) -> u64 {
        self.last_hit
    }

    fn linger(&self) -> u64 {
        self.linger
    }

    fn half(&self) -> u32 {
        self.half
    }
}

/// Counts a hit of an entry with this end, as the kernel does; true for the 1st, 2nd, 4th, 8th, ...
const fn count_hit(hits: &mut BlockHits, expires_at: u64, now: u64) -> bool {
    let evidence = hits.count.wrapping_add(1) & hits.count == 0;
    hits.count = hits.count.wrapping_add(1);
    if expires_at == 0 || now < expires_at {
        hits.last = now;
    }
    evidence
}

struct HostEnv<'a, F> {
    host: &'a mut Host,
    acts: bool,
    now_ns: u64,
    observe: F,
}

impl<F: FnMut(&Observed)> Env<[u8]> for HostEnv<'_, F> {
    fn peer(&mut self, address: &Address) -> Option<Known> {
        self.host.peers.get(address).map(|peer| Known {
            point_code_bits: peer.point_code_bits,
            side: peer.side as u8,
            flavour: peer.flavour as u8,
        })
    }

    fn title_slot(&mut self, _half: u32, _digits: Symbols) -> u32 {
        // One slot for the whole list.
        TITLE_NO_SLOT + u32::from(!self.host.titles.is_empty())
    }

    fn title_entry(&mut self, _slot: u32, half: u32, digits: Symbols, from: u8) -> Option<BlockHit> {
        let moment = Then { now: self.now_ns, linger: self.host.config.linger, half, last_hit: 0 };
        self.host.titles.hit(digits, from, &moment)
    }

    fn blocked(&mut self, half: u32, opc: u32, ni: u8, network_appearance: Maybe) -> Option<BlockHit> {
        let (now, linger) = (self.now_ns, self.host.config.linger);
        let entries = self.host.blocks.get_mut(&opc)?;
        let (detail, hits) = entries.iter_mut().take(MAX_BLOCK_CHAIN).find(|(detail, hits)| {
            let moment = Then { now, linger, half, last_hit: hits.last };
            detail.matches(opc, ni, network_appearance.get(), &moment)
        })?;
        let evidence = count_hit(hits, detail.expires_at, now);
        Some(BlockHit { rule_id: detail.rule_id, action: detail.action(), evidence })
    }

    fn acts(&self) -> bool {
        self.acts
    }

    fn now(&mut self) -> u64 {
        self.now_ns
    }

    fn pick(&mut self, base: u32, owner: u64, now: u64, config: &Config) -> u32 {
        split::pick(base, owner, now, config, |slot| self.host.splits.get(slot as usize))
    }

    fn split(&mut self, slot: u32) -> Option<&mut Split> {
        if self.host.splits.is_empty() {
            self.host.splits.resize(SPLIT_SLOTS as usize, Split::zeroed());
        }
        self.host.splits.get_mut(slot as usize)
    }

    fn count(&mut self, reason: Code, action: Action) {
        if let Some(counter) = self.host.counters.get_mut(counter_index(false, reason, action) as usize) {
            *counter = counter.saturating_add(1);
        }
    }

    fn observe(&mut self, seen: &Observed) {
        (self.observe)(seen);
    }
}
