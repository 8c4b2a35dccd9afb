//! One sender and a plain reader over any wire: IPv6, VLAN tags, I-DATA.

use anyhow::{Result, ensure};

use crate::capture::{Capture, Chunk, sctp};
use crate::firewall::Firewall;
use crate::netns::{HOST_INTERFACE, Namespace, WORLD_INTERFACE, Wire, cable};
use crate::vm::node::{Node, Waiting, kind};
use crate::vm::scene::{
    BLOCKED, Form, INNOCENT, NETWORK, READER_PORT, at, bare, block, carrying, check_beat_ack, check_counters,
    check_delivered, check_plain_beat_ack, message, offload, plain,
};
use crate::vm::sctp::Options;

/// A wire without offloads, whose addresses lie over these VLAN tags (names of `ip link`, the outer one first).
///
/// The sender's interface leaves the tags in the frames, as a cable has them.
///
/// # Errors
/// Not root, a tool is missing, or the kernel has no VLANs.
pub fn tagged_wire(tags: &[&str]) -> Result<Wire> {
    let wire = Wire { host: Namespace::new("host")?, world: Namespace::new("world")? };
    cable(&wire.host, HOST_INTERFACE, &wire.world, WORLD_INTERFACE)?;
    for (namespace, interface, number) in
        [(&wire.host, HOST_INTERFACE, "1"), (&wire.world, WORLD_INTERFACE, "11")]
    {
        bare(namespace, interface)?;
        offload(namespace, interface, &[("tx-vlan-hw-insert", false), ("tx-vlan-stag-hw-insert", false)])?;
        let mut below = interface.to_owned();
        for (id, tag) in ["5", "6"].iter().zip(tags) {
            let name = format!("vlan{id}");
            let link = ["link", "add", "link", &below, "name", &name, "type", "vlan", "proto", tag, "id", id];
            namespace.ip(&link)?;
            // A veth interface takes one tag beyond its MTU.
            namespace.ip(&["link", "set", &name, "mtu", "1480", "up"])?;
            below = name;
        }
        namespace.ip(&["addr", "add", &format!("10.7.0.{number}/24"), "dev", &below])?;
        namespace.ip(&["addr", "add", &format!("fd07::{number}/64"), "dev", &below, "nodad"])?;
    }
    Ok(wire)
}

/// What differs from case to case.
#[derive(Clone, Copy, Debug, Default)]
pub struct Case {
    /// IPv6.
    pub v6: bool,
    /// I-DATA.
    pub interleaving: bool,
    /// Rewritten as `beat_ack_plain`.
    pub plain: bool,
    /// Ethernet types of tags that the sender's frames must have.
    pub tags: &'static [u16],
}

/// Sends messages alone, in bundles and in fragments, some of them blocked, and checks that nobody notices and that every
/// checksum is good.
///
/// # Errors
/// Somebody notices, or the case is not what it should be.
pub fn check_unnoticed(wire: &Wire, case: Case) -> Result<()> {
    const ALONE: u32 = 1_000;
    const IN_BUNDLES: u32 = 200;
    const LONG: u32 = 40;
    const OCTETS: usize = 3_000;
    let (world, host) = if case.v6 { ("fd07::11", "fd07::1") } else { ("10.7.0.11", "10.7.0.1") };
    let rest = if case.plain { plain(world) } else { String::new() };
    let mut firewall = Firewall::new(&wire.host, NETWORK, &format!("{}{rest}", block("neutralise")))?;
    firewall.start()?;
    let sent = Capture::start(&wire.world, WORLD_INTERFACE)?;
    let arrived = Capture::start(&wire.host, HOST_INTERFACE)?;
    let options = Options { interleaving: case.interleaving, ..Options::default() };
    let waiting = Waiting::at(&wire.host, at(host, READER_PORT), options)?;
    let sender = Node::connect(&wire.world, at(world, 10_003), at(host, READER_PORT), options)?;
    let reader = waiting.accept()?;
    sender.activate(1)?;
    let is_blocked = |id: u32| id % 10 == 3 || id >= ALONE && id % 4 == 1;
    let opc = |id| if is_blocked(id) { BLOCKED } else { INNOCENT };
    let form = |id: u32| Form::ALL[id as usize % Form::ALL.len()];
    let innocent = |until: u32| (0..until).filter(move |id| !is_blocked(*id));
    // Not more at once than the ring of a veth interface holds.
    let wait = |until: u32| {
        let count = innocent(until).count();
        reader.wait(&format!("{count} messages"), |node| node.count(kind::DATA) >= count)?;
        sender.beat()
    };
    for id in 0..ALONE {
        sender.send(1 + (id % 8) as u16, &message(form(id), opc(id), id))?;
        if id % 64 == 63 {
            wait(id + 1)?;
        }
    }
    for first in (ALONE..ALONE + IN_BUNDLES).step_by(4) {
        let bundle = (first..first + 4).map(|id| (1 + (id % 4) as u16, message(form(id), opc(id), id)));
        sender.send_bundled(&bundle.collect::<Vec<_>>())?;
        wait(first + 4)?;
    }
    let end = ALONE + IN_BUNDLES + LONG;
    for id in ALONE + IN_BUNDLES..end {
        let mut user_part = crate::traffic::Kind::UpdateLocation.begin(id);
        user_part.resize(OCTETS, 0x5a);
        sender.send(1 + (id % 4) as u16, &carrying(form(id), opc(id), &user_part))?;
        wait(id + 1)?;
    }
    check_delivered("reader", &reader.delivered(), innocent(end))?;
    let blocked = end as usize - innocent(end).count();
    let received = reader.received();
    let answers: Vec<_> = received.iter().filter(|message| message.octets[2..4] == [3, 6]).collect();
    ensure!(answers.len() == blocked, "{} of {blocked} blocked messages became BEAT ACK", answers.len());
    for answer in answers {
        if case.plain { check_plain_beat_ack(&answer.octets)? } else { check_beat_ack(&answer.octets)? }
    }
    let statistics = sender.statistics()?;
    ensure!(statistics.retransmitted == 0, "{statistics:?}");
    ensure!(sender.ended().is_none() && reader.ended().is_none(), "the association has ended");
    ensure!(sender.count(kind::ERR) + reader.count(kind::ERR) == 0, "M3UA errors: {:?}", sender.tally());
    check_counters(&wire.host)?;
    check_counters(&wire.world)?;
    check_case(case, &sent, &arrived)?;
    println!(
        "{case:?}: {} of {end} delivered, 0 of {blocked} blocked, {statistics:?}; tshark: {} packets, all good",
        innocent(end).count(),
        arrived.check_with_tshark()?
    );
    Ok(())
}

/// Otherwise the case shows nothing.
fn check_case(case: Case, sent: &Capture, arrived: &Capture) -> Result<()> {
    let tags: Vec<u8> = case.tags.iter().flat_map(|tag| tag.to_be_bytes()).collect();
    // Where frames come in, the kernel has taken the outer tag off before they are captured.
    let to_reader =
        |frame: &&Vec<u8>| sctp(frame).is_some_and(|packet| packet[2..4] == READER_PORT.to_be_bytes());
    let frames = sent.frames();
    let are_tagged = frames.iter().filter(to_reader).all(|frame| {
        let found = (0..case.tags.len()).flat_map(|tag| &frame[12 + 4 * tag..14 + 4 * tag]);
        found.eq(&tags)
    });
    ensure!(are_tagged, "frames without tags {:04x?}", case.tags);
    let rewritten: Vec<_> = arrived.chunks().into_iter().filter(Chunk::is_beat_ack).collect();
    ensure!(!rewritten.is_empty(), "nothing was rewritten");
    ensure!(
        arrived.chunks().iter().all(|chunk| chunk.is_interleaved == case.interleaving),
        "interleaving is not as it was asked for"
    );
    ensure!(rewritten.iter().any(|chunk| !chunk.ends), "no first fragment was rewritten");
    Ok(())
}
