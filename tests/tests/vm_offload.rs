//! A sender that leaves the checksum to its interface: the field is 0 when the firewall sees it, and stays so.

use ss7guard_lab::capture::{Capture, chunks, sctp};
use ss7guard_lab::netns::{HOST_INTERFACE, Namespace, WORLD_INTERFACE, Wire};
use ss7guard_lab::vm::node::kind;
use ss7guard_lab::vm::scene::{
    BEHIND_INTERFACE, BLOCKED, Behind, Form, INNER_INTERFACE, INNOCENT, Scene, block, check_delivered,
    message, offload,
};

/// Messages of a sender with checksum offload to receivers in a namespace; half of them blocked.
fn offloaded(wire: &Wire, receivers: &Namespace) {
    const MESSAGES: u32 = 40;
    let is_blocked = |id: u32| id % 2 == 1;
    offload(&wire.world, WORLD_INTERFACE, &[("tx-checksum-sctp", true)]).expect("offload");
    let scene = Scene::start(wire, receivers, &block("neutralise"), None).expect("scene");
    let capture = Capture::start(&wire.host, HOST_INTERFACE).expect("capture");
    for id in 0..MESSAGES {
        let opc = if is_blocked(id) { BLOCKED } else { INNOCENT };
        for (_, sender, _) in scene.ways() {
            sender.send(1 + (id % 2) as u16, &message(Form::ALL[id as usize % 3], opc, id)).expect("send");
        }
    }
    let innocent = || (0..MESSAGES).filter(|id| !is_blocked(*id));
    scene.wait_delivered(innocent().count()).expect("messages");
    for (name, _, receiver) in scene.ways() {
        check_delivered(name, &receiver.delivered(), innocent()).expect("delivered");
        println!("{name}: {} of {MESSAGES} delivered, each once, 0 blocked", innocent().count());
    }
    scene.reader.wait("what was blocked", |node| node.count(kind::BEAT_ACK) == 20).expect("messages");
    scene.check_unnoticed(false).expect("unnoticed");
    // Otherwise this case shows nothing.
    let frames = capture.frames();
    let rewritten =
        frames.iter().filter(|frame| chunks(frame).iter().any(|chunk| chunk.kind() == Some(kind::BEAT_ACK)));
    let without = rewritten.filter(|frame| sctp(frame).is_some_and(|packet| packet[8..12] == [0; 4])).count();
    println!("{without} rewritten packets without a checksum");
    assert!(without > 0, "no packet came without a checksum: the offload does not work here");
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn without_a_checksum_to_the_local_stack() {
    let wire = Wire::new().expect("wire");
    offloaded(&wire, &wire.host);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn without_a_checksum_over_a_bridge_that_completes_it() {
    const BRIDGE: &str = "br0";
    let wire = Wire::new().expect("wire");
    let behind = Behind::new(&wire).expect("namespace");
    wire.host.ip(&["link", "add", BRIDGE, "type", "bridge"]).expect("bridge");
    for interface in [HOST_INTERFACE, INNER_INTERFACE] {
        wire.host.ip(&["link", "set", interface, "master", BRIDGE]).expect("bridge");
    }
    wire.host.ip(&["link", "set", BRIDGE, "up"]).expect("bridge");
    let forwarded = Capture::start(&behind.namespace, BEHIND_INTERFACE).expect("capture");
    offloaded(&wire, &behind.namespace);
    let rewritten = forwarded.chunks().iter().filter(|chunk| chunk.is_beat_ack()).count();
    // Forty, and the answers to our own BEATs go the other way.
    assert!(rewritten >= 40, "{rewritten} rewritten chunks were forwarded");
    println!("tshark: {} packets, all good", forwarded.check_with_tshark().expect("checksums"));
}
