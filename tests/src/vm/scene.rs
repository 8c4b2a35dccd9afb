//! What the cases share: the wire with its offloads as wanted, and numbered messages of two senders.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::firewall::Firewall;
use crate::m3ua::{self, Label};
use crate::netns::{
    BRIDGE_HOME, BRIDGE_INTERCONNECT, BridgedWire, HOST_INTERFACE, Namespace, WORLD_INTERFACE, Wire,
};
use crate::traffic::Kind;
use crate::vm::gateway::{self, B_POINT_CODE, Gateway};
use crate::vm::node::{Node, Waiting, kind};
use crate::vm::sctp::{self, Options};

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

/// A bridged wire without offloads: what is redirected has lost the mark that its checksum is still to be made.
///
/// # Errors
/// Not root, or a tool is missing.
pub fn bare_bridged_wire() -> Result<BridgedWire> {
    let bridged = BridgedWire::new()?;
    let ends = [
        (&bridged.wire.host, HOST_INTERFACE),
        (&bridged.wire.world, WORLD_INTERFACE),
        (&bridged.bridge, BRIDGE_HOME),
        (&bridged.bridge, BRIDGE_INTERCONNECT),
    ];
    ends.into_iter().try_for_each(|(namespace, interface)| bare(namespace, interface))?;
    Ok(bridged)
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
        Form::Bare => m3ua::data_in(label, None, None, user_part),
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

/// A namespace behind the firewall's host, which relays or bridges to it and has no address itself.
#[derive(Debug)]
pub struct Behind {
    /// The namespace; it has the address [`HOST`].
    pub namespace: Namespace,
}

/// Interface of the firewall's host towards what is behind it.
pub const INNER_INTERFACE: &str = "in0";
/// Interface of what is behind it.
pub const BEHIND_INTERFACE: &str = "sig1";

impl Behind {
    /// Makes it, without offloads, and takes the address from the firewall's host.
    ///
    /// # Errors
    /// Not root, or a tool is missing.
    pub fn new(wire: &Wire) -> Result<Self> {
        let namespace = Namespace::new("behind")?;
        let (inner, behind) = (INNER_INTERFACE, BEHIND_INTERFACE);
        let name = namespace.name();
        wire.host.ip(&["link", "add", inner, "type", "veth", "peer", "name", behind, "netns", name])?;
        wire.host.ip(&["addr", "flush", "dev", HOST_INTERFACE])?;
        namespace.ip(&["addr", "add", &format!("{HOST}/24"), "dev", behind])?;
        bare(&wire.host, inner)?;
        bare(&namespace, behind)?;
        wire.host.ip(&["link", "set", inner, "up"])?;
        namespace.ip(&["link", "set", behind, "up"])?;
        Ok(Self { namespace })
    }
}

/// A firewall between peers in the world and two receivers: a plain reader, and osmo-stp, which passes on to B.
pub struct Scene<'a> {
    /// The peer of osmo-stp.
    pub a: Node,
    /// Where osmo-stp passes messages on to.
    pub b: Node,
    /// The peer of the reader.
    pub c: Node,
    /// The reader.
    pub reader: Node,
    /// osmo-stp.
    pub gateway: Gateway,
    /// The firewall.
    pub firewall: Firewall<'a>,
    world: &'a Namespace,
    receivers: &'a Namespace,
}

impl<'a> Scene<'a> {
    /// Starts the firewall with this configuration, and the receivers in a namespace; brings all associations up. With
    /// `max_segment`, the peers in the world send no chunk with more octets.
    ///
    /// # Errors
    /// Something does not come up.
    pub fn start(
        wire: &'a Wire,
        receivers: &'a Namespace,
        rest: &str,
        max_segment: Option<u32>,
    ) -> Result<Self> {
        Self::with(Firewall::new(&wire.host, NETWORK, rest)?, wire, receivers, max_segment)
    }

    /// The same with a firewall that is a bridge between the world and the host, where the receivers are.
    ///
    /// # Errors
    /// Something does not come up.
    pub fn bridged(bridged: &'a BridgedWire, rest: &str, max_segment: Option<u32>) -> Result<Self> {
        let firewall = Firewall::bridge(&bridged.bridge, NETWORK, rest)?;
        Self::with(firewall, &bridged.wire, &bridged.wire.host, max_segment)
    }

    fn with(
        mut firewall: Firewall<'a>,
        wire: &'a Wire,
        receivers: &'a Namespace,
        max_segment: Option<u32>,
    ) -> Result<Self> {
        const C_PORT: u16 = 10_003;
        let options = Options { max_segment, ..Options::default() };
        firewall.start()?;
        let gateway = Gateway::start(receivers, WORLD, HOST)?;
        let (a_at, b_at) = (at(WORLD, gateway::A_PORT), at("127.0.0.1", gateway::B_PORT));
        let b = Node::connect(receivers, b_at, at("127.0.0.1", gateway::PORT), Options::default())?;
        b.activate(gateway::B_CONTEXT)?;
        let a = Node::connect(&wire.world, a_at, at(HOST, gateway::PORT), options)?;
        a.activate(gateway::A_CONTEXT)?;
        let waiting = Waiting::at(receivers, at(HOST, READER_PORT), Options::default())?;
        let c = Node::connect(&wire.world, at(WORLD, C_PORT), at(HOST, READER_PORT), options)?;
        let reader = waiting.accept()?;
        c.activate(gateway::A_CONTEXT)?;
        Ok(Self { a, b, c, reader, gateway, firewall, world: &wire.world, receivers })
    }

    /// Both ways.
    #[must_use]
    pub fn ways(&self) -> Ways<'_> {
        [("osmo-stp", &self.a, &self.b), ("reader", &self.c, &self.reader)]
    }

    /// [`wait_delivered`] on both ways.
    ///
    /// # Errors
    /// They are not.
    pub fn wait_delivered(&self, count: usize) -> Result<()> {
        wait_delivered(&self.ways(), count)
    }

    /// Checks that nobody has noticed anything: no M3UA error, no abort, no wrong checksum, and chunks sent again only if
    /// frames were lost.
    ///
    /// # Errors
    /// Somebody has.
    pub fn check_unnoticed(&self, lost: bool) -> Result<()> {
        for node in [&self.a, &self.b, &self.c, &self.reader] {
            ensure!(node.ended().is_none(), "an association has ended: {:?}", node.ended());
            ensure!(node.count(kind::ERR) == 0, "M3UA errors were received: {:?}", node.tally());
        }
        for (name, sender, _) in self.ways() {
            let statistics = sender.statistics()?;
            println!(
                "{name}: {statistics:?}; received by the sender, by class and type: {:?}",
                sender.tally()
            );
            ensure!(lost || statistics.retransmitted == 0, "{name}: {statistics:?}");
        }
        check_counters(self.world)?;
        check_counters(self.receivers)?;
        let log = self.gateway.log()?;
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
        ensure!(errors.is_empty(), "osmo-stp: {}", errors.join("\n"));
        Ok(())
    }
}

/// Ways of messages: their names, who sends, who receives.
pub type Ways<'a> = [(&'static str, &'a Node, &'a Node); 2];

/// Waits until so many DATA messages were delivered at the end of each way; then asks for a heartbeat, whose answer says
/// that the association lives.
///
/// # Errors
/// They are not.
pub fn wait_delivered(ways: &Ways<'_>, count: usize) -> Result<()> {
    for (name, sender, receiver) in ways {
        receiver.wait(&format!("{name}: {count} messages"), |node| node.count(kind::DATA) >= count)?;
        sender.beat()?;
    }
    Ok(())
}

/// Checks that the kernel's SCTP has counted no abort and no wrong checksum in a namespace.
///
/// # Errors
/// It has.
pub fn check_counters(namespace: &Namespace) -> Result<()> {
    for name in ["SctpAborteds", "SctpChecksumErrors"] {
        let count = sctp::counter(namespace, name)?;
        ensure!(count == 0, "{}: {name} {count}", namespace.name());
    }
    Ok(())
}

/// Makes the blocked messages of the peer at an address keep their parameters.
#[must_use]
pub fn plain(address: &str) -> String {
    format!(
        "[[peer]]\nname = \"plain\"\naddress = \"{address}\"\nside = \"interconnect\"\n\
         neutralise_as = \"beat_ack_plain\"\n"
    )
}

/// The same in the form `beat_ack_plain`: class and type are those of a BEAT ACK, the parameters are those of DATA.
///
/// # Errors
/// It is another message.
pub fn check_plain_beat_ack(octets: &[u8]) -> Result<()> {
    let len = u32::try_from(octets.len())?;
    let header = [&[1, 0, 3, 6], &len.to_be_bytes()[..]].concat();
    ensure!(octets.get(..8) == Some(&header[..]), "header {:02x?}, {len} octets", octets.get(..8));
    let mut data = octets.to_vec();
    data[2..4].copy_from_slice(&[1, 1]);
    let opc = m3ua::read_data(&data).map(|(opc, _)| opc);
    ensure!(opc == Some(BLOCKED), "the parameters of DATA are gone: {:02x?}", octets.get(..32));
    Ok(())
}

/// Checks that a blocked message arrived as a Heartbeat Acknowledgement that a receiver may pass over: one parameter,
/// Heartbeat Data, over the rest (RFC 4666, section 3.5.6).
///
/// # Errors
/// It is another message, or its lengths do not fit.
pub fn check_beat_ack(octets: &[u8]) -> Result<()> {
    const HEARTBEAT_DATA: u16 = 9;
    let len = u32::try_from(octets.len())?;
    let header = [&[1, 0, 3, 6], &len.to_be_bytes()[..]].concat();
    ensure!(octets.get(..8) == Some(&header[..]), "header {:02x?}, {len} octets", octets.get(..8));
    let parameter = [HEARTBEAT_DATA.to_be_bytes(), u16::try_from(len - 8)?.to_be_bytes()].concat();
    ensure!(octets.get(8..12) == Some(&parameter[..]), "parameter {:02x?}, {len} octets", octets.get(8..12));
    Ok(())
}
