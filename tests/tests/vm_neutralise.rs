//! Blocked messages between kernel SCTP, osmo-stp and a plain reader: nobody gets them, nobody notices.

use std::thread;
use std::time::Duration;

use ss7guard_lab::capture::{Capture, chunks};
use ss7guard_lab::netns::HOST_INTERFACE;
use ss7guard_lab::vm::node::kind;
use ss7guard_lab::vm::scene::{
    BLOCKED, Form, INNOCENT, Scene, bare_wire, block, check_beat_ack, check_delivered, message,
};

/// How many streams the messages go over.
const STREAMS: u16 = 8;

/// Sends messages with these numbers in every form over all streams, both ways; one of ten is blocked. No more are under
/// way than an emulated machine takes: XDP on a veth interface loses what its ring of 256 frames has no room for.
fn send(scene: &Scene, ids: std::ops::Range<u32>, mut delivered: usize) {
    const UNDER_WAY: usize = 64;
    let ids: Vec<u32> = ids.collect();
    for some in ids.chunks(UNDER_WAY) {
        for id in some {
            let opc = if is_blocked(*id) { BLOCKED } else { INNOCENT };
            let stream = 1 + u16::try_from(id % u32::from(STREAMS)).expect("a small number");
            let octets = message(Form::ALL[*id as usize % Form::ALL.len()], opc, *id);
            for (_, sender, _) in scene.ways() {
                sender.send(stream, &octets).expect("send");
            }
        }
        delivered += some.iter().filter(|id| !is_blocked(**id)).count();
        scene.wait_delivered(delivered).expect("messages");
    }
}

const fn is_blocked(id: u32) -> bool {
    id % 10 == 3
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn ten_thousand_messages_with_a_thousand_blocked_go_unnoticed() {
    const MESSAGES: u32 = 10_000;
    const LATER: u32 = 20;
    /// Two intervals of SCTP's heartbeats, as Linux has them.
    const A_WHILE: Duration = Duration::from_secs(60);
    let wire = bare_wire().expect("wire");
    let scene = Scene::start(&wire, &wire.host, &block("neutralise"), None).expect("scene");
    let capture = Capture::start(&wire.host, HOST_INTERFACE).expect("capture");
    send(&scene, 0..MESSAGES, 0);
    let check = |until: u32| {
        let innocent = || (0..until).filter(|id| !is_blocked(*id));
        for (name, _, receiver) in scene.ways() {
            check_delivered(name, &receiver.delivered(), innocent()).expect("delivered");
            println!("{name}: {} of {until} delivered, each once, 0 blocked", innocent().count());
        }
        scene.check_unnoticed(false).expect("unnoticed");
        let blocked = u64::from(until / 10);
        // What is left of a blocked message is what the reader passes over.
        let answers: Vec<_> =
            scene.reader.received().into_iter().filter(|message| message.octets[2..4] == [3, 6]).collect();
        assert_eq!(answers.len() as u64, blocked);
        for answer in &answers {
            check_beat_ack(&answer.octets).expect("a well-formed message");
        }
        let counted = scene.firewall.counted("blocked_point_code", "neutralise").expect("counters");
        println!("neutralised: {counted}");
        assert_eq!(counted, 2 * blocked);
    };
    check(MESSAGES);
    thread::scope(|scope| {
        scope.spawn(|| {
            println!("tshark: {} packets, all good", capture.check_with_tshark().expect("checksums"));
        });
        thread::sleep(A_WHILE);
    });
    for (_, sender, _) in scene.ways() {
        sender.beat().expect("the association lives");
    }
    send(&scene, MESSAGES..MESSAGES + LATER, 9_000);
    check(MESSAGES + LATER);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn bundles_lose_their_blocked_messages_only() {
    const BUNDLES: u32 = 50;
    const PLACES: [&[u32]; 5] = [&[0], &[3], &[1, 2], &[0, 3], &[0, 1, 2, 3]];
    let wire = bare_wire().expect("wire");
    let scene = Scene::start(&wire, &wire.host, &block("neutralise"), None).expect("scene");
    let capture = Capture::start(&wire.host, HOST_INTERFACE).expect("capture");
    let is_blocked = |id: u32| PLACES[(id / 4 / BUNDLES) as usize].contains(&(id % 4));
    let end = 4 * BUNDLES * u32::try_from(PLACES.len()).expect("a few");
    let innocent = || (0..end).filter(|id| !is_blocked(*id));
    for first in (0..end).step_by(4) {
        let opc = |id| if is_blocked(id) { BLOCKED } else { INNOCENT };
        let form = |id: u32| Form::ALL[id as usize % Form::ALL.len()];
        let bundle = (first..first + 4).map(|id| (1 + (id % 4) as u16, message(form(id), opc(id), id)));
        let bundle: Vec<_> = bundle.collect();
        for (_, sender, _) in scene.ways() {
            sender.send_bundled(&bundle).expect("send");
        }
        // Not more at once than the ring of a veth interface holds.
        if first % 64 == 60 {
            scene.wait_delivered(innocent().filter(|id| *id < first + 4).count()).expect("messages");
        }
    }
    scene.wait_delivered(innocent().count()).expect("messages");
    for (name, _, receiver) in scene.ways() {
        check_delivered(name, &receiver.delivered(), innocent()).expect("delivered");
        println!("{name}: {} of {end} delivered, each once, 0 blocked", innocent().count());
    }
    scene.check_unnoticed(false).expect("unnoticed");
    let blocked = end as usize - innocent().count();
    assert_eq!(scene.reader.count(kind::BEAT_ACK), blocked);
    println!("tshark: {} packets, all good", capture.check_with_tshark().expect("checksums"));
    let bundles = capture.frames().iter().filter(|frame| chunks(frame).len() >= 4).count();
    println!("{bundles} packets with four chunks or more");
    assert!(bundles as u32 > BUNDLES, "the sender does not bundle: {bundles}");
}
