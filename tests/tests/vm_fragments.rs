//! Messages in several DATA chunks: the first one of a blocked message becomes a heartbeat's answer, the rest follow it.

use ss7guard_lab::capture::Capture;
use ss7guard_lab::netns::{HOST_INTERFACE, WORLD_INTERFACE};
use ss7guard_lab::traffic::Kind;
use ss7guard_lab::vm::node::kind;
use ss7guard_lab::vm::scene::{
    self, BLOCKED, Form, INNOCENT, Scene, WORLD, bare_wire, block, carrying, check_beat_ack, check_delivered,
    check_plain_beat_ack,
};

/// Messages of about 1,290 octets on each way; each fifth one is blocked. Three chunks each, as the caller has seen to.
fn long_messages(mtu: Option<&str>, max_segment: Option<u32>, plain: bool) {
    const MESSAGES: u32 = 100;
    const LONG: usize = 1_250;
    let is_blocked = |id: u32| id % 5 == 2;
    let wire = bare_wire().expect("wire");
    if let Some(mtu) = mtu {
        wire.host.ip(&["link", "set", HOST_INTERFACE, "mtu", mtu]).expect("mtu");
        wire.world.ip(&["link", "set", WORLD_INTERFACE, "mtu", mtu]).expect("mtu");
    }
    let rest = format!("{}{}", block("neutralise"), if plain { scene::plain(WORLD) } else { String::new() });
    let scene = Scene::start(&wire, &wire.host, &rest, max_segment).expect("scene");
    let capture = Capture::start(&wire.host, HOST_INTERFACE).expect("capture");
    let innocent = || (0..MESSAGES).filter(|id| !is_blocked(*id));
    for id in 0..MESSAGES {
        let opc = if is_blocked(id) { BLOCKED } else { INNOCENT };
        let mut user_part = Kind::UpdateLocation.begin(id);
        user_part.resize(LONG, 0x5a);
        let octets = carrying(Form::ALL[id as usize % Form::ALL.len()], opc, &user_part);
        for (_, sender, _) in scene.ways() {
            sender.send(1 + (id % 4) as u16, &octets).expect("send");
        }
        // Not more at once than the ring of a veth interface holds.
        if id % 10 == 9 {
            scene.wait_delivered(innocent().filter(|other| *other <= id).count()).expect("messages");
        }
    }
    scene.wait_delivered(innocent().count()).expect("messages");
    for (name, _, receiver) in scene.ways() {
        check_delivered(name, &receiver.delivered(), innocent()).expect("delivered");
        println!("{name}: {} of {MESSAGES} delivered, each once, 0 blocked", innocent().count());
    }
    scene.check_unnoticed(false).expect("unnoticed");
    let blocked = MESSAGES as usize - innocent().count();
    let received = scene.reader.received();
    let answers: Vec<_> = received.iter().filter(|message| message.octets[2..4] == [3, 6]).collect();
    assert_eq!(answers.len(), blocked);
    for answer in answers {
        assert!(answer.octets.len() > LONG, "put together by the kernel: {} octets", answer.octets.len());
        let checked = if plain { check_plain_beat_ack } else { check_beat_ack }(&answer.octets);
        checked.expect("the form that was asked for");
    }
    let chunks = capture.chunks();
    let first: Vec<_> = chunks.iter().filter(|chunk| chunk.begins && !chunk.ends).collect();
    let rewritten = first.iter().filter(|chunk| chunk.kind() == Some(kind::BEAT_ACK)).count();
    let later = chunks.iter().filter(|chunk| !chunk.begins).count();
    println!("{} first fragments, {rewritten} of them rewritten, {later} later ones", first.len());
    assert_eq!((first.len(), rewritten), (2 * MESSAGES as usize, 2 * blocked));
    assert!(later >= 2 * first.len(), "three chunks a message");
    println!("tshark: {} packets, all good", capture.check_with_tshark().expect("checksums"));
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn fragments_in_one_packet() {
    long_messages(None, Some(500), false);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn fragments_in_one_packet_in_the_plain_form() {
    long_messages(None, Some(500), true);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn fragments_in_a_packet_each() {
    long_messages(Some("576"), None, false);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn fragments_in_a_packet_each_in_the_plain_form() {
    long_messages(Some("576"), None, true);
}
