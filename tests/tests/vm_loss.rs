//! Frames that are lost behind the firewall, after it has rewritten them: what the sender sends again becomes the same
//! octets again.

use std::collections::HashMap;

use ss7guard_lab::capture::{Capture, Chunk};
use ss7guard_lab::netns::{HOST_INTERFACE, Wire};
use ss7guard_lab::traffic::Kind;
use ss7guard_lab::vm::node::kind;
use ss7guard_lab::vm::relay::{Relay, Seen};
use ss7guard_lab::vm::scene::{
    self, BLOCKED, Behind, Form, INNER_INTERFACE, INNOCENT, Scene, WORLD, bare_wire, block, carrying,
    check_delivered, message,
};

/// A rule that loses the first `times` frames with each rewritten chunk.
fn loses(times: u32) -> impl FnMut(&[Chunk]) -> bool + Send + 'static {
    let mut attempts: HashMap<(u32, u16), u32> = HashMap::new();
    move |chunks| {
        let mut lost = false;
        for chunk in chunks.iter().filter(|chunk| chunk.kind() == Some(kind::BEAT_ACK)) {
            let attempt = attempts.entry((chunk.tsn, chunk.stream)).or_default();
            lost |= *attempt < times;
            *attempt += 1;
        }
        lost
    }
}

/// A scene with a relay between the firewall and the receivers.
fn with_relay(wire: &Wire, times: u32, plain: bool, work: impl FnOnce(&Scene, &Relay)) {
    let behind = Behind::new(wire).expect("namespace");
    // The host has lost its address, and is to know by which interface its peer is reached.
    wire.host.ip(&["route", "add", WORLD, "dev", HOST_INTERFACE]).expect("route");
    let relay =
        Relay::start(&wire.host, HOST_INTERFACE, INNER_INTERFACE, Box::new(loses(times))).expect("relay");
    let rest = format!("{}{}", block("neutralise"), if plain { scene::plain(WORLD) } else { String::new() });
    let scene = Scene::start(wire, &behind.namespace, &rest, None).expect("scene");
    let capture = Capture::start(&wire.host, HOST_INTERFACE).expect("capture");
    work(&scene, &relay);
    scene.check_unnoticed(true).expect("unnoticed");
    println!("tshark: {} packets, all good", capture.check_with_tshark().expect("checksums"));
    for (name, sender, _) in scene.ways() {
        let statistics = sender.statistics().expect("statistics");
        assert!(statistics.retransmitted > 0, "{name}: nothing was sent again: {statistics:?}");
    }
}

/// Checks that so many chunks were lost, and that every attempt of each had the same octets.
fn check_identical(seen: &[Seen], lost_chunks: usize, times: usize) {
    let mut attempts: HashMap<(u32, u16), Vec<&Chunk>> = HashMap::new();
    for chunk in seen.iter().flat_map(|seen| &seen.chunks) {
        attempts.entry((chunk.tsn, chunk.stream)).or_default().push(chunk);
    }
    let rewritten: Vec<_> = attempts
        .values()
        .filter(|chunks| chunks.iter().any(|one| one.kind() == Some(kind::BEAT_ACK)))
        .collect();
    assert_eq!(rewritten.len(), lost_chunks, "chunks that were rewritten");
    for chunks in &rewritten {
        assert!(chunks.len() > times, "lost {times} times and sent {} times", chunks.len());
        assert!(
            chunks.iter().all(|chunk| *chunk == chunks[0]),
            "another attempt has other octets: {chunks:02x?}"
        );
    }
    let lost = seen.iter().filter(|seen| seen.lost).count();
    println!("{lost} frames lost; {} rewritten chunks, each attempt the same", rewritten.len());
}

fn deliver(scene: &Scene, ids: std::ops::Range<u32>, is_blocked: impl Fn(u32) -> bool) {
    let innocent = || ids.clone().filter(|id| !is_blocked(*id));
    scene.wait_delivered(innocent().count()).expect("messages");
    for (name, _, receiver) in scene.ways() {
        check_delivered(name, &receiver.delivered(), innocent()).expect("delivered");
        println!("{name}: {} of {} delivered, each once, 0 blocked", innocent().count(), ids.len());
    }
}

/// Blocked messages among others, one of twenty; all of their first attempts are lost.
fn lost_among_others(times: u32, plain: bool) {
    const MESSAGES: std::ops::Range<u32> = 0..100;
    let is_blocked = |id: u32| id % 20 == 3;
    let wire = bare_wire().expect("wire");
    with_relay(&wire, times, plain, |scene, relay| {
        for id in MESSAGES {
            let opc = if is_blocked(id) { BLOCKED } else { INNOCENT };
            for (_, sender, _) in scene.ways() {
                sender
                    .send(1 + (id % 4) as u16, &message(Form::ALL[id as usize % 3], opc, id))
                    .expect("send");
            }
        }
        deliver(scene, MESSAGES, is_blocked);
        check_identical(&relay.seen(), 2 * 5, times as usize);
    });
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn lost_once_the_same_octets_come_again() {
    lost_among_others(1, false);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn lost_twice_in_the_plain_form_the_same_octets_come_again() {
    lost_among_others(2, true);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn bundles_and_first_fragments_are_lost_and_come_again() {
    const MESSAGES: std::ops::Range<u32> = 0..40;
    const LONG: usize = 5_000;
    let is_blocked = |id: u32| matches!(id % 8, 1 | 2);
    let wire = bare_wire().expect("wire");
    with_relay(&wire, 1, false, |scene, relay| {
        let opc = |id| if is_blocked(id) { BLOCKED } else { INNOCENT };
        for first in MESSAGES.step_by(4) {
            for (_, sender, _) in scene.ways() {
                let bundle =
                    (first..first + 4).map(|id| (1 + (id % 4) as u16, message(Form::Context, opc(id), id)));
                sender.send_bundled(&bundle.collect::<Vec<_>>()).expect("send");
            }
        }
        deliver(scene, MESSAGES, is_blocked);
        check_identical(&relay.seen(), 2 * 10, 1);
        // Longer than osmo-stp relays: for the reader only.
        for id in 100..104 {
            let mut user_part = Kind::UpdateLocation.begin(id);
            user_part.resize(LONG, 0x5a);
            scene.c.send(1, &carrying(Form::Context, BLOCKED, &user_part)).expect("send");
        }
        scene.c.send(1, &message(Form::Context, INNOCENT, 200)).expect("send");
        scene
            .reader
            .wait("what follows", |node| node.delivered().contains(&(INNOCENT, 200)))
            .expect("message");
        assert!(scene.reader.delivered().iter().all(|(opc, _)| *opc == INNOCENT));
        check_identical(&relay.seen(), 2 * 10 + 4, 1);
    });
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn an_entry_that_ends_between_two_attempts_lets_nothing_through() {
    let wire = bare_wire().expect("wire");
    with_relay(&wire, 2, false, |scene, relay| {
        for (_, sender, _) in scene.ways() {
            sender.send(1, &message(Form::Context, BLOCKED, 1)).expect("send");
        }
        let rewritten = |count: usize| {
            let seen = relay.seen();
            let chunks = seen.iter().flat_map(|seen| &seen.chunks);
            chunks.filter(|chunk| chunk.kind() == Some(kind::BEAT_ACK)).count() >= count
        };
        scene.a.wait("both first attempts", |_| rewritten(2)).expect("attempts");
        scene.firewall.command(&["block", "flush"]).expect("flush");
        let listed = scene.firewall.json(&["block", "list"]).expect("list");
        println!("listed after the flush: {listed}");
        for (_, sender, _) in scene.ways() {
            sender.send(1, &message(Form::Context, INNOCENT, 2)).expect("send");
        }
        deliver(scene, 1..3, |id| id == 1);
        check_identical(&relay.seen(), 2, 2);
    });
}
