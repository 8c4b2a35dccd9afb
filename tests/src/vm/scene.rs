//! What the cases share: the wire with its offloads as wanted, and numbered messages of two senders.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::m3ua::{self, Label};
use crate::netns::{HOST_INTERFACE, Namespace, WORLD_INTERFACE, Wire};
use crate::traffic::Kind;
use crate::vm::gateway::B_POINT_CODE;

/// Address of the peer in the world.
pub const WORLD: &str = "10.7.0.11";
/// Address of the host behind the firewall.
pub const HOST: &str = "10.7.0.1";
/// Port of the plain reader.
pub const READER_PORT: u16 = 2906;

/// Originating point code that nobody blocks: 0-1-1.
pub const INNOCENT: u32 = 9;
/// Originating point code that is blocked: 0-1-2.
pub const BLOCKED: u32 = 10;

/// The section `[network]` of a firewall that enforces, in the driver.
pub const NETWORK: &str = "mode = \"enforce\"\nattach = \"native\"\nsignalling_ports = [2905, 2906]\n";

/// A block of [`BLOCKED`], with what is done to its messages.
#[must_use]
pub fn block(on_block: &str) -> String {
    format!("[[block]]\npc = \"0-1-2\"\non_block = \"{on_block}\"\n")
}

/// An address with a port.
///
/// # Panics
/// It is no address.
#[must_use]
pub fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

/// Switches offloads of SCTP off, so that frames on the wire are as on a real one.
///
/// # Errors
/// `ethtool` is missing.
pub fn bare(namespace: &Namespace, interface: &str) -> Result<()> {
    offload(namespace, interface, &[("tx-checksum-sctp", false), ("tx-sctp-segmentation", false)])
}

/// Switches features of an interface.
///
/// # Errors
/// `ethtool` is missing, or the interface cannot.
pub fn offload(namespace: &Namespace, interface: &str, features: &[(&str, bool)]) -> Result<()> {
    for (feature, on) in features {
        let state = if *on { "on" } else { "off" };
        let output = namespace.inside(|| {
            let mut ethtool = Command::new("ethtool");
            ethtool.args(["-K", interface, feature, state]).output().context("run ethtool")
        })?;
        ensure!(
            output.status.success(),
            "ethtool -K {interface} {feature} {state}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// A wire without offloads.
///
/// # Errors
/// Not root, or a tool is missing.
pub fn bare_wire() -> Result<Wire> {
    let wire = Wire::new()?;
    bare(&wire.host, HOST_INTERFACE)?;
    bare(&wire.world, WORLD_INTERFACE)?;
    Ok(wire)
}

/// Which parameters come before Protocol Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Routing Context.
    Context,
    /// Network Appearance and Routing Context.
    Appearance,
    /// None.
    Bare,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Context, Self::Appearance, Self::Bare];
}

/// A message from a point code to B, by which it is known again: `id`.
#[must_use]
pub fn message(form: Form, opc: u32, id: u32) -> Vec<u8> {
    carrying(form, opc, &Kind::ROAMING[id as usize % Kind::ROAMING.len()].begin(id))
}

/// The same with this user part.
#[must_use]
pub fn carrying(form: Form, opc: u32, user_part: &[u8]) -> Vec<u8> {
    let label = Label { opc, dpc: B_POINT_CODE, ni: 0, sls: 0 };
    match form {
        Form::Context => m3ua::data(label, None, user_part),
        Form::Appearance => m3ua::data(label, Some(0), user_part),
        Form::Bare => m3ua::protocol_data(label, user_part),
    }
}

/// Checks that exactly these innocent messages were delivered, each once, and nothing of [`BLOCKED`].
///
/// # Errors
/// Says what is missing, twice or too much.
pub fn check_delivered(
    what: &str,
    delivered: &[(u32, u32)],
    wanted: impl Iterator<Item = u32>,
) -> Result<()> {
    let blocked = delivered.iter().filter(|(opc, _)| *opc == BLOCKED).count();
    ensure!(blocked == 0, "{what}: {blocked} blocked messages were delivered");
    let mut ids: Vec<u32> = delivered.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    let mut wanted: Vec<u32> = wanted.collect();
    wanted.sort_unstable();
    let missing = wanted.iter().filter(|id| ids.binary_search(id).is_err()).count();
    ensure!(
        ids == wanted,
        "{what}: {} messages were delivered of {}; {missing} are missing",
        ids.len(),
        wanted.len()
    );
    Ok(())
}
