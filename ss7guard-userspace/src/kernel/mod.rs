//! The kernel side as the controller sees it: the one place that speaks to BPF.
//!
//! Programs, links and maps are pinned in a BPF file system of the service's own and outlive the process: enforcement
//! goes on when the controller stops or dies. [`load`] puts new programs in the place of old ones without a gap,
//! [`attach`] makes and removes links, [`Maps`] are typed handles to the pinned maps, [`Lists`] is their only
//! writer for lists, [`Events`] reads the ring.

mod attach;
pub mod block_list;
mod bpffs;
mod bridge;
mod clock;
mod coverage;
pub mod device;
mod ethtool;
mod events;
mod grace;
mod hold;
pub mod lists;
mod load;
mod mapped;
mod maps;
mod notes;
pub mod offloads;
mod peers;
mod routes;
pub mod title_list;
pub mod xsk;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use attach::{Attached, Egress, attach, attached, detach, detach_all, interface_index, interface_name};
pub use block_list::{BlockList, ListError};
pub use bpffs::{Lock, ensure_mounted, unmount_if_empty};
pub use bridge::{BridgeMaps, End};
pub use clock::{monotonic_ns, wall_offset_ns};
pub use coverage::{Uncovered, uncovered};
pub use events::{Events, RingEvent};
pub use hold::HoldMaps;
pub use lists::{KernelLists, Lists, scan};
pub use load::{Loaded, load};
pub use maps::{Counter, Maps};
pub use title_list::{
    TitleArrays, TitleEntry, TitleImport, TitleKey, TitleList, TitleMaps, TitleProgress, TitleSizes,
    scan_titles,
};

/// What went wrong with the kernel.
#[derive(Debug, Error)]
pub enum KernelError {
    /// Capabilities that the process does not have.
    #[error("missing {0}: run as root or give the service these capabilities")]
    Capability(String),
    /// No such interface.
    #[error("interface {0:?} does not exist here; `ip link` lists those that do")]
    NoInterface(String),
    /// An interface has a program of ours and is no port of the bridge.
    #[error("{0:?} is attached and no port of a bridge; `ss7guard detach {0}` first")]
    NoPort(String),
    /// The pins were made for another deployment.
    #[error("the pins at {0} were made without a bridge; `ss7guard detach --all` first")]
    NoBridge(PathBuf),
    /// Somebody else's program is on the interface.
    #[error(
        "interface {0:?} already has an XDP program; remove it first (`ip link set dev {0} xdp off`), or stop the other ss7guard"
    )]
    Busy(String),
    /// The driver cannot, and generic attachment was not allowed.
    #[error(
        "interface {interface:?} cannot run XDP in its driver ({source}); attach = \"auto\" or \"generic\" would do"
    )]
    NoNativeXdp {
        /// The interface.
        interface: String,
        /// The system's word.
        source: io::Error,
    },
    /// Frames are merged before the program sees them.
    #[error(
        "interface {interface:?} merges frames before they can be judged ({list}): switch that off (`ethtool -K {interface} {off}`), or write offloads = \"switch\" or \"ignore\" in [network]",
        list = features.join(", "),
        off = features.iter().map(|feature| format!("{feature} off")).collect::<Vec<_>>().join(" ")
    )]
    MergesFrames {
        /// The interface.
        interface: String,
        /// What merges them, by the kernel's names.
        features: Vec<String>,
    },
    /// A path of an association goes past the firewall.
    #[error(
        "mode = \"enforce\" is refused: {}; name every interface by which peers are reached in network.interfaces, or write mode = \"monitor\"",
        sentence(.0)
    )]
    Uncovered(Vec<Uncovered>),
    /// Another controller holds the pins.
    #[error("another ss7guard controls the pins at {0}; stop it first")]
    Locked(PathBuf),
    /// The pins were made by another version.
    #[error(
        "the pins at {path} are of another version: {what}; detach with the version that made them, or remove them"
    )]
    ForeignPins {
        /// Where.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// There are no pins: nothing is attached.
    #[error("nothing is attached: no pins at {0}")]
    NotAttached(PathBuf),
    /// Nothing of ours is on this interface.
    #[error("nothing is attached to {interface:?}; attached are: {}", list(attached))]
    NotOn {
        /// The interface.
        interface: String,
        /// Where something is.
        attached: Vec<String>,
    },
    /// More addresses of peers than the table holds without a collision.
    #[error("{0} addresses of peers do not fit the kernel's peer table")]
    TooManyPeers(usize),
    /// The kernel cannot do what is needed.
    #[error("this kernel cannot do it: {0}")]
    Unsupported(String),
    /// Anything else; what was tried, and what the system said.
    #[error("{what}: {source}")]
    Other {
        /// What was tried.
        what: String,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The first few, and how many more there are.
fn sentence(uncovered: &[Uncovered]) -> String {
    const TOLD: usize = 4;
    let mut told: Vec<String> = uncovered.iter().take(TOLD).map(ToString::to_string).collect();
    if uncovered.len() > TOLD {
        told.push(format!("and {} more", uncovered.len() - TOLD));
    }
    told.join("; ")
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl KernelError {
    fn other(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other { what: what.into(), source: source.into() }
    }
}

/// Capabilities (linux/capability.h) that loading and attaching need, with their numbers.
const NEEDED: [(&str, u32); 3] = [("CAP_BPF", 39), ("CAP_NET_ADMIN", 12), ("CAP_PERFMON", 38)];

/// The capability that AF_XDP sockets need besides.
const FOR_HOLDING: (&str, u32) = ("CAP_NET_RAW", 13);

/// Holds the effective capabilities of this process against what is needed, by a bridge that holds frames or otherwise.
///
/// # Errors
/// Names those that are missing.
pub fn check_capabilities(holds: bool) -> Result<(), KernelError> {
    const CAP_SYS_ADMIN: u32 = 21;
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| KernelError::other("/proc/self/status", error))?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let has = |capability: u32| effective & (1 << capability) != 0;
    // CAP_SYS_ADMIN includes the two that were split from it in Linux 5.8.
    let missing: Vec<&str> = NEEDED
        .iter()
        .chain(holds.then_some(&FOR_HOLDING))
        .filter(|(name, number)| !has(*number) && (name.starts_with("CAP_NET") || !has(CAP_SYS_ADMIN)))
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(KernelError::Capability(missing.join(", "))) }
}
