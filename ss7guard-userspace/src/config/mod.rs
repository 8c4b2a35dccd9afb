//! The configuration file: TOML, strict, with errors that name file, line, column and what would be right.
//!
//! [`Config::load`] reads and checks the whole file; what comes out needs no further checking. The text form is in
//! [`raw`], the checks in [`check`].

mod check;
mod raw;
mod units;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ss7guard_common::abi::{self, Mode, Side, bridge_flag, config_flag};
use ss7guard_common::neutralise::Form;
use ss7guard_common::point_code::Format;
use ss7guard_common::verdict::{Action, Reason};
use ss7guard_common::wire::Address;

use crate::enforce::Target;
use crate::inspect::sccp::Flavour;
use crate::screening::FindingActions;
use crate::screening::operators::Operator;
use crate::screening::{Category, category};
pub use check::network_indicator;
pub use raw::{AttachMode, Deployment, EgressMode, HoldWhen, Offloads, OnBlock, PassOrDrop, RuleMode};
pub use units::{parse_duration, show_duration};

/// Where the configuration is looked for.
pub const DEFAULT_PATH: &str = "/etc/ss7guard/ss7guard.toml";

/// Why a configuration was refused.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1, where they are known.
    pub position: Option<(usize, usize)>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its addresses; more than one if it is multihomed. No other peer has one of them.
    pub addresses: Vec<IpAddr>,
    /// SCTP ports that it uses; any if there are none here.
    pub ports: Vec<u16>,
    /// On which side it is.
    pub side: Side,
    /// Width of its point codes in bits.
    pub point_code_bits: u8,
    /// How its SCCP addresses are coded.
    pub flavour: Flavour,
    /// Originating point codes that it may use; any if there are none here.
    pub point_codes: Vec<u32>,
    /// Calling global titles that it may speak for start with one of these; any if there are none here.
    pub gt_prefixes: Vec<String>,
    /// What its blocked messages are rewritten into.
    pub form: Form,
}

impl Peer {
    /// A peer of which nothing else is said: it may use any port, point code and global title.
    #[must_use]
    pub const fn unknown(side: Side, point_code_bits: u8, flavour: Flavour) -> Self {
        Self {
            name: None,
            addresses: Vec::new(),
            ports: Vec::new(),
            side,
            point_code_bits,
            flavour,
            point_codes: Vec::new(),
            gt_prefixes: Vec::new(),
            form: Form::BeatAck,
        }
    }

    /// Its name, or its first address.
    #[must_use]
    pub fn title(&self) -> String {
        let address = || self.addresses.first().map_or_else(String::new, IpAddr::to_string);
        self.name.clone().unwrap_or_else(address)
    }
}

/// An entry of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What messages it is for.
    pub target: Target,
    /// How long the entry lasts from loading; `None` for ever.
    pub ttl: Option<Duration>,
    /// What becomes of a message that matches, unless the entry allows.
    pub on_block: OnBlock,
    /// Why.
    pub reason: String,
}

/// An agreement: who may send operations that are otherwise never allowed from the interconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Operation codes.
    pub operations: Vec<i32>,
    /// Calling global titles start with one of these.
    pub gt_prefixes: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What a rule asks the kernel for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleBlock {
    /// Nothing.
    None,
    /// An entry for the originating point code.
    Opc,
    /// An entry for the calling global title.
    Gt,
}

/// The rule for category 1 operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category1 {
    /// Whether it looks, alerts, or enforces.
    pub mode: RuleMode,
    /// What it asks the kernel for when it enforces.
    pub block: RuleBlock,
    /// What its entries do.
    pub on_block: OnBlock,
    /// Whether the kernel stops messages in plain form by itself, so that not even the first arrives.
    pub stop: bool,
    /// How long its entries last.
    pub ttl: Duration,
}

/// How far each of the other rules goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleModes {
    /// Category 2.
    pub category2: RuleMode,
    /// Category 3.
    pub category3: RuleMode,
    /// Short messages.
    pub sms: RuleMode,
    /// Addresses that are not the sender's.
    pub spoofing: RuleMode,
}

/// Two interfaces that a bridge joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The one that leads to other networks.
    pub interconnect: String,
    /// The one that leads home.
    pub home: String,
    /// Whether one is set down while the other has no link.
    pub pass_link_loss: bool,
}

/// How a bridge holds frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// In which mode.
    pub when: HoldWhen,
    /// How long a message waits for its missing pieces.
    pub time: Duration,
    /// Frames of one receive queue that may wait; a power of two.
    pub room: u32,
    /// A controller that gives no sign of life for so long counts as stopped.
    pub silence: Duration,
    /// What becomes of what needs judgement while there is no controller.
    pub on_controller_down: PassOrDrop,
    /// What becomes of what finds no room.
    pub on_queue_full: PassOrDrop,
    /// What becomes of pieces whose message does not become whole in time.
    pub on_hold_time: PassOrDrop,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Interfaces to attach to, unless this is a bridge.
    pub interfaces: Vec<String>,
    /// How traffic flows.
    pub deployment: Deployment,
    /// The pairs of interfaces of a bridge.
    pub bridges: Vec<Bridge>,
    /// How a bridge holds frames.
    pub hold: Hold,
    /// Frames without SCTP that a bridge drops: bits of [`abi::frame_flag`].
    pub dropped_frames: u8,
    /// Whether verdicts are carried out.
    pub mode: Mode,
    /// How to attach.
    pub attach: AttachMode,
    /// How to see what leaves.
    pub egress: EgressMode,
    /// What is done about interfaces that merge frames.
    pub offloads: Offloads,
    /// Ports on which user data is expected to be M3UA.
    pub signalling_ports: Vec<u16>,
    /// Width of point codes of unknown peers.
    pub point_code_bits: u8,
    /// How SCCP addresses of unknown peers are coded.
    pub flavour: Flavour,
    /// How long an entry that neutralised something goes on after its end, for retransmissions.
    pub linger: Duration,
    /// How point codes are written and shown.
    pub point_code_format: Format,
    /// Control socket and lock.
    pub run_dir: PathBuf,
    /// The BPF file system of this service.
    pub bpffs: PathBuf,
    /// Where events go; `None` for standard output.
    pub events: Option<PathBuf>,
    /// Octets of the event ring; a power of two.
    pub ring_bytes: u32,
    /// Block entries that the kernel has room for.
    pub block_entries: u32,
    /// Entries by calling global title that the kernel has room for.
    pub title_entries: u32,
    /// Copies of set-up frames in a second, for each processor and direction.
    pub setup_copies: u32,
    /// Actions for reasons that differ from the fresh ones.
    pub exceptions: Vec<(Reason, Action)>,
    /// Peers.
    pub peers: Vec<Peer>,
    /// Entries that block or allow.
    pub blocks: Vec<Block>,
    /// The rule for category 1.
    pub category1: Category1,
    /// The other rules.
    pub modes: RuleModes,
    /// Actions for findings that differ from the fresh ones.
    pub findings: FindingActions,
    /// Operators.
    pub operators: Vec<Operator>,
    /// Agreements.
    pub agreements: Vec<Agreement>,
}

impl Default for Config {
    /// A fresh configuration: monitor mode, no interfaces, no peers.
    fn default() -> Self {
        match Self::from_text("schema = 1\n", Path::new("built-in")) {
            Ok(config) => config,
            // The text is a constant, and a test reads it.
            Err(error) => unreachable!("{error}"),
        }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, has an unknown key, or a value out of its range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: path.to_path_buf(),
            position: None,
            message: error.to_string(),
        })?;
        Self::from_text(&text, path)
    }

    /// Reads and checks a text; `path` is used in errors.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let raw: raw::File = toml::from_str(text).map_err(|error| ConfigError {
            file: path.to_path_buf(),
            position: error.span().map(|span| position(text, span.start)),
            message: error.message().to_owned(),
        })?;
        check::check(raw).map_err(|fault| ConfigError {
            file: path.to_path_buf(),
            position: fault.span.map(|span| position(text, span.start)),
            message: fault.message,
        })
    }

    /// The record for the kernel program, with generation 0 and without a peer table.
    #[must_use]
    pub fn kernel_record(&self) -> abi::Config {
        let mut record = abi::Config::fresh();
        record.mode = self.mode as u8;
        record.default_point_code_bits = self.point_code_bits;
        record.ports = [0; abi::PORTS];
        for (slot, port) in record.ports.iter_mut().zip(&self.signalling_ports) {
            *slot = *port;
        }
        record.linger = u64::try_from(self.linger.as_nanos()).unwrap_or(u64::MAX);
        for (reason, action) in &self.exceptions {
            record.set_policy(*reason, *action);
        }
        record.setup_copies = self.setup_copies;
        if self.deployment == Deployment::Bridge {
            self.bridge_policy(&mut record);
        }
        if self.category1.stop && self.mode == Mode::Enforce && self.category1.mode == RuleMode::Enforce {
            record.flags |= config_flag::OPERATIONS;
            record.set_operations(self.never_from_outside());
        }
        record.default_flavour = self.flavour as u8;
        if self.peers.iter().any(|peer| peer.flavour != self.flavour) {
            record.flags |= config_flag::PEER_FLAVOURS;
        }
        if self.peers.iter().any(|peer| peer.form != Form::BeatAck) {
            record.flags |= config_flag::PEER_FORMS;
        }
        if self.blocks.iter().any(|block| matches!(block.target, Target::Title(_))) {
            record.flags |= config_flag::GT_LIST;
        }
        let strangers = [Reason::UnknownPeer, Reason::InitUnknownPeer];
        if !self.peers.is_empty()
            && strangers.iter().any(|reason| record.policy((*reason).into()) != Action::Pass)
        {
            record.flags |= config_flag::KNOWN_PEERS;
        }
        record
    }

    /// Operations that no partner at all may send.
    fn never_from_outside(&self) -> impl Iterator<Item = u8> + '_ {
        let agreed = |code: &i32| self.agreements.iter().any(|agreement| agreement.operations.contains(code));
        let codes = (0..=127i32).filter(|code| category::of(*code) == Some(Category::Cat1));
        codes.filter(move |code| !agreed(code)).filter_map(|code| u8::try_from(code).ok())
    }

    /// What a bridge does otherwise.
    fn bridge_policy(&self, record: &mut abi::Config) {
        let drops = |does: PassOrDrop, flag: u8| if does == PassOrDrop::Drop { flag } else { 0 };
        record.frames = self.dropped_frames;
        record.bridge = bridge_flag::BY_PORT
            | drops(self.hold.on_controller_down, bridge_flag::DOWN_DROPS)
            | drops(self.hold.on_queue_full, bridge_flag::FULL_DROPS);
        if self.holds() {
            record.bridge |= bridge_flag::HOLD;
            // Nobody judges these: what is not SCCP would wait for nothing.
            record.set_policy(Reason::OtherUserPart, Action::Pass);
        }
    }

    /// Whether this is a bridge that holds what needs judgement.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.deployment == Deployment::Bridge
            && (self.mode == Mode::Enforce || self.hold.when == HoldWhen::Always)
    }

    /// Interfaces that the programs are attached to.
    #[must_use]
    pub fn ports(&self) -> Vec<String> {
        if self.deployment == Deployment::Bridge {
            let pairs = self.bridges.iter();
            return pairs.flat_map(|one| [one.interconnect.clone(), one.home.clone()]).collect();
        }
        self.interfaces.clone()
    }

    /// Known peers, by address.
    #[must_use]
    pub fn peer_map(&self) -> HashMap<Address, crate::host::Peer> {
        let peers = self.peers.iter().enumerate();
        peers
            .flat_map(|(number, peer)| {
                let known = crate::host::Peer {
                    number,
                    side: peer.side,
                    point_code_bits: peer.point_code_bits,
                    flavour: peer.flavour,
                };
                peer.addresses.iter().map(move |address| (Address::from(*address), known))
            })
            .collect()
    }
}

/// Line and column of an offset, from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
