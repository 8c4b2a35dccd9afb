//! The configuration as it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use ss7guard_common::verdict::Action;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) schema: Spanned<u32>,
    #[serde(default)]
    pub(super) network: Network,
    #[serde(default)]
    pub(super) paths: Paths,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) exceptions: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default)]
    pub(super) findings: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default)]
    pub(super) peer: Vec<Spanned<Peer>>,
    #[serde(default)]
    pub(super) operator: Vec<Spanned<Operator>>,
    #[serde(default)]
    pub(super) block: Vec<Spanned<Block>>,
    #[serde(default)]
    pub(super) allow: Vec<Allow>,
    #[serde(default)]
    pub(super) rules: Rules,
    #[serde(default)]
    pub(super) agreement: Vec<Spanned<Agreement>>,
    #[serde(default)]
    pub(super) bridge: Vec<Spanned<Bridge>>,
    pub(super) hold: Option<Spanned<Hold>>,
    pub(super) frames: Option<Spanned<Frames>>,
}

/// Two interfaces that a bridge joins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bridge {
    pub(super) interconnect: Spanned<String>,
    pub(super) home: Spanned<String>,
    pub(super) pass_link_loss: Option<bool>,
}

/// What becomes of a frame where it cannot be judged, or is of no interest.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PassOrDrop {
    /// It goes on.
    #[default]
    Pass,
    /// It does not.
    Drop,
}

/// When a bridge holds what needs judgement.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum HoldWhen {
    /// In enforce mode; in monitor mode it is judged from copies, and nothing waits.
    #[default]
    Enforce,
    /// In either mode.
    Always,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Hold {
    pub(super) when: HoldWhen,
    pub(super) time: Option<Spanned<String>>,
    pub(super) room: Option<Spanned<u32>>,
    pub(super) silence: Option<Spanned<String>>,
    pub(super) on_controller_down: PassOrDrop,
    pub(super) on_queue_full: PassOrDrop,
    pub(super) on_hold_time: PassOrDrop,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Frames {
    pub(super) arp: PassOrDrop,
    pub(super) neighbour_discovery: PassOrDrop,
    pub(super) icmp: PassOrDrop,
    pub(super) link_local: PassOrDrop,
    pub(super) other_ip: PassOrDrop,
    pub(super) other: PassOrDrop,
}

/// How traffic flows past the firewall.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Deployment {
    /// On the host of the SCTP endpoint.
    #[default]
    Host,
    /// Between two interfaces, on a link to the interconnect.
    Bridge,
    /// On a mirror port: no verdict is carried out.
    Tap,
}

/// How to attach the XDP program.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// In the driver; where it cannot, generically, with a warning.
    #[default]
    Auto,
    /// In the driver only.
    Native,
    /// Generically.
    Generic,
}

/// How to see what leaves.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum EgressMode {
    /// By TCX; by clsact where the kernel lacks it.
    #[default]
    Auto,
    /// By TCX only.
    Tcx,
    /// By clsact.
    Clsact,
    /// Not at all.
    Off,
}

/// What is done about an interface that merges frames before they can be judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Offloads {
    /// In enforce mode the interface is refused; in monitor mode there is a warning. Nothing is switched.
    #[default]
    Refuse,
    /// It is switched off, and on again at detach.
    Switch,
    /// A warning.
    Ignore,
}

/// How far a rule goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum RuleMode {
    /// It does not look.
    Off,
    /// It alerts.
    #[default]
    Monitor,
    /// It alerts, and blocks if it is told how.
    Enforce,
}

/// What becomes of a message that a block entry matches.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, Hash, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnBlock {
    /// It is rewritten into one that the receiver ignores; SCTP does not notice.
    #[default]
    Neutralise,
    /// Its frame is dropped; SCTP sends it again, and delivers it when the entry ends.
    Drop,
}

impl OnBlock {
    /// The action of the entry.
    pub const fn action(self) -> Action {
        match self {
            Self::Neutralise => Action::Neutralise,
            Self::Drop => Action::Drop,
        }
    }

    /// The name used in configuration and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.action().as_str()
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum GlobalMode {
    #[default]
    Monitor,
    Enforce,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Network {
    pub(super) interfaces: Vec<Spanned<String>>,
    pub(super) deployment: Deployment,
    pub(super) mode: Option<Spanned<GlobalMode>>,
    pub(super) attach: AttachMode,
    pub(super) egress: EgressMode,
    pub(super) offloads: Offloads,
    pub(super) signalling_ports: Option<Spanned<Vec<u16>>>,
    pub(super) point_code_bits: Option<Spanned<u8>>,
    pub(super) sccp: FlavourName,
    pub(super) point_code_format: Option<Spanned<String>>,
    pub(super) linger: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Paths {
    pub(super) run_dir: Option<PathBuf>,
    pub(super) bpffs: Option<PathBuf>,
    pub(super) events: Option<PathBuf>,
}

/// A number of octets, or a text such as "16MiB".
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Octets(u64),
    Text(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) ring_bytes: Option<Spanned<Size>>,
    pub(super) block_entries: Option<Spanned<u32>>,
    pub(super) title_entries: Option<Spanned<u32>>,
    pub(super) setup_copies: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FlavourName {
    #[default]
    Itu,
    China,
    Ansi,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SideName {
    Interconnect,
    Home,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Peer {
    pub(super) name: Option<String>,
    pub(super) address: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) addresses: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) ports: Vec<Spanned<u16>>,
    pub(super) side: SideName,
    pub(super) point_code_bits: Option<Spanned<u8>>,
    pub(super) sccp: Option<FlavourName>,
    #[serde(default)]
    pub(super) point_codes: Vec<Spanned<TextOrNumber>>,
    #[serde(default)]
    pub(super) gt_prefixes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) neutralise_as: FormName,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FormName {
    #[default]
    BeatAck,
    BeatAckPlain,
    PpidZero,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operator {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) home: bool,
    #[serde(default)]
    pub(super) gt_prefixes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) imsi_prefixes: Vec<Spanned<String>>,
}

/// A point code or indicator as text or number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrNumber {
    Number(i64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    pub(super) pc: Option<Spanned<TextOrNumber>>,
    pub(super) gt: Option<Spanned<String>>,
    pub(super) ni: Option<Spanned<TextOrNumber>>,
    pub(super) network_appearance: Option<Spanned<u32>>,
    pub(super) direction: Option<Spanned<String>>,
    pub(super) ttl: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) on_block: OnBlock,
    #[serde(default)]
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allow {
    pub(super) gt: Spanned<String>,
    pub(super) direction: Option<Spanned<String>>,
    pub(super) ttl: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rules {
    pub(super) category1: Category1,
    pub(super) category2: Rule,
    pub(super) category3: Rule,
    pub(super) sms: Rule,
    pub(super) spoofing: Rule,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rule {
    pub(super) mode: RuleMode,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum BlockName {
    #[default]
    None,
    Opc,
    Gt,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Category1 {
    pub(super) mode: RuleMode,
    pub(super) block: BlockName,
    pub(super) on_block: OnBlock,
    pub(super) stop: bool,
    pub(super) ttl: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agreement {
    pub(super) operations: Vec<Spanned<TextOrNumber>>,
    pub(super) gt_prefixes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) reason: String,
}
