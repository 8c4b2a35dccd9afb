//! A bridge between kernel SCTP, osmo-stp and a plain reader: attacks are held, known and stopped in flight, with nobody
//! blocked; everything else arrives once, and no end notices.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use ss7guard_lab::capture::Capture;
use ss7guard_lab::netns::{BridgedWire, HOST_INTERFACE, WORLD_INTERFACE};
use ss7guard_lab::traffic::Kind;
use ss7guard_lab::vm::node::{Waiting, kind};
use ss7guard_lab::vm::scene::{
    Form, HOST, INNOCENT, READER_PORT, Scene, WORLD, Ways, at, bare_bridged_wire, carrying, check_beat_ack,
    check_delivered, wait_delivered,
};
use ss7guard_lab::vm::sctp::Options;

const RULES: &str = "[rules.category1]\nmode = \"enforce\"\n";

/// An emulated machine may keep a controller from running for longer than an idle one ever does.
const PATIENT: &str = "[hold]\nsilence = \"10s\"\n";

/// How many streams the messages go over.
const STREAMS: u16 = 8;

const fn is_attack(id: u32) -> bool {
    id % 10 == 3
}

fn benign(until: u32) -> impl Iterator<Item = u32> {
    (0..until).filter(|id| !is_attack(*id))
}

fn kind_of(id: u32) -> Kind {
    if is_attack(id) {
        Kind::ATTACKS[id as usize / 10 % Kind::ATTACKS.len()]
    } else {
        Kind::ROAMING[id as usize % Kind::ROAMING.len()]
    }
}

/// Sends messages with these numbers in every form over all streams, both ways; one of ten is an attack. No more are under
/// way than the ring of a veth interface holds.
fn send(ways: &Ways<'_>, ids: std::ops::Range<u32>, user_part: impl Fn(u32) -> Vec<u8>, each: impl Fn()) {
    const UNDER_WAY: usize = 64;
    let mut delivered = benign(ids.start).count();
    let ids: Vec<u32> = ids.collect();
    for some in ids.chunks(UNDER_WAY) {
        for id in some {
            let stream = 1 + u16::try_from(id % u32::from(STREAMS)).expect("a small number");
            let octets = carrying(Form::ALL[*id as usize % Form::ALL.len()], INNOCENT, &user_part(*id));
            for (_, sender, _) in ways {
                sender.send(stream, &octets).expect("send");
            }
            each();
        }
        delivered += some.iter().filter(|id| !is_attack(**id)).count();
        wait_delivered(ways, delivered).expect("messages");
    }
}

/// Settings of the kernel's SCTP at both ends.
fn set(bridged: &BridgedWire, settings: &[(&str, &str)]) {
    for (namespace, address) in [(&bridged.wire.host, HOST), (&bridged.wire.world, WORLD)] {
        // Whoever asks for a socket has the module loaded, with which the settings come.
        drop(Waiting::at(namespace, at(address, READER_PORT), Options::default()).expect("SCTP"));
        for (name, value) in settings {
            let path = format!("/proc/sys/net/sctp/{name}");
            namespace.inside(|| Ok(fs::write(&path, value)?)).expect(&path);
        }
    }
}

/// A wire on which a chunk is sent again if it was lost, and not because an emulated machine is slow to judge it.
fn patient_wire() -> BridgedWire {
    let bridged = bare_bridged_wire().expect("wire");
    set(&bridged, &[("rto_min", "3000")]);
    bridged
}

/// What the controller says of the frames in its hands.
fn held(scene: &Scene) -> Value {
    let stats = scene.firewall.json(&["stats"]).expect("stats");
    let held = stats["hold"].clone();
    assert!(held.is_object(), "{stats:#}");
    println!("hold: {held}");
    println!("ports: {}", stats["bridge"]);
    held
}

fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| panic!("{name} in {of}"))
}

/// Checks that each benign message was delivered once on each way and no attack was, and that nobody noticed. Gives whether
/// nothing was lost: a controller that an emulated machine keeps from running for 150 ms gives up what it has in hand, says
/// so, and SCTP sends that again.
fn check(scene: &Scene, until: u32, lost: bool) -> bool {
    let held = held(scene);
    let stalls = number(&held, "stalls");
    if stalls > 0 {
        println!("the controller stood still {stalls} times: {} frames given up", number(&held, "purged"));
    }
    let lost = lost || stalls > 0;
    for (name, _, receiver) in scene.ways() {
        check_delivered(name, &receiver.delivered(), benign(until)).expect("delivered");
        println!("{name}: {} of {until} delivered, each once, 0 attacks", benign(until).count());
    }
    scene.check_unnoticed(lost).expect("unnoticed");
    // What is left of an attack is what the reader passes over.
    let received = scene.reader.received();
    let answers: Vec<_> = received.iter().filter(|message| message.octets[2..4] == [3, 6]).collect();
    assert_eq!(answers.len(), until as usize - benign(until).count());
    for answer in answers {
        check_beat_ack(&answer.octets).expect("a well-formed message");
    }
    !lost
}

fn check_captures(captures: [Capture; 2]) {
    for capture in captures {
        println!("tshark: {} packets, all good", capture.check_with_tshark().expect("checksums"));
    }
}

fn captures(bridged: &BridgedWire) -> [Capture; 2] {
    let ends = [(&bridged.wire.host, HOST_INTERFACE), (&bridged.wire.world, WORLD_INTERFACE)];
    ends.map(|(namespace, interface)| Capture::start(namespace, interface).expect("capture"))
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn each_tenth_message_is_an_attack_and_is_stopped_in_flight() {
    const MESSAGES: u32 = 4_000;
    const LATER: u32 = 20;
    /// Two intervals of SCTP's heartbeats, as Linux has them.
    const A_WHILE: Duration = Duration::from_secs(60);
    let bridged = patient_wire();
    let scene = Scene::bridged(&bridged, &format!("{PATIENT}{RULES}"), None).expect("scene");
    let captures = captures(&bridged);
    send(&scene.ways(), 0..MESSAGES, |id| kind_of(id).begin(id), || {});
    check(&scene, MESSAGES, false);
    thread::scope(|scope| {
        scope.spawn(|| check_captures(captures));
        thread::sleep(A_WHILE);
    });
    for (_, sender, _) in scene.ways() {
        sender.beat().expect("the association lives");
    }
    send(&scene.ways(), MESSAGES..MESSAGES + LATER, |id| kind_of(id).begin(id), || {});
    let nothing_lost = check(&scene, MESSAGES + LATER, false);
    let held = held(&scene);
    let (attacks, neutralised) = (2 * u64::from((MESSAGES + LATER) / 10), number(&held, "neutralised"));
    assert!(neutralised >= attacks, "{neutralised}");
    for never in ["lost", "unsent", "dropped", "foreign"] {
        assert_eq!(number(&held, never), 0, "{never}");
    }
    if nothing_lost {
        assert_eq!(neutralised, attacks);
        for never in ["purged", "hold_time_over"] {
            assert_eq!(number(&held, never), 0, "{never}");
        }
    }
}

/// Messages of about 1,200 octets made of whole MAP operations; the kernel makes three chunks of each.
fn long_messages(mtu: Option<&str>, max_segment: Option<u32>) {
    const MESSAGES: u32 = 200;
    const OCTETS: usize = 1_100;
    let bridged = patient_wire();
    if let Some(mtu) = mtu {
        bridged.wire.host.ip(&["link", "set", HOST_INTERFACE, "mtu", mtu]).expect("mtu");
        bridged.wire.world.ip(&["link", "set", WORLD_INTERFACE, "mtu", mtu]).expect("mtu");
    }
    let scene = Scene::bridged(&bridged, &format!("{PATIENT}{RULES}"), max_segment).expect("scene");
    let captures = captures(&bridged);
    for first in (0..MESSAGES).step_by(10) {
        send(&scene.ways(), first..first + 10, |id| kind_of(id).long_begin(id, OCTETS), || {});
    }
    let nothing_lost = check(&scene, MESSAGES, false);
    let attacks = MESSAGES as usize - benign(MESSAGES).count();
    let chunks = captures[0].chunks();
    let first: Vec<_> = chunks.iter().filter(|chunk| chunk.begins && !chunk.ends).collect();
    let rewritten = first.iter().filter(|chunk| chunk.kind() == Some(kind::BEAT_ACK)).count();
    let later = chunks.iter().filter(|chunk| !chunk.begins).count();
    println!("{} first fragments, {rewritten} of them rewritten, {later} later ones", first.len());
    assert!(first.len() >= 2 * MESSAGES as usize && rewritten >= 2 * attacks);
    if nothing_lost {
        assert_eq!((first.len(), rewritten), (2 * MESSAGES as usize, 2 * attacks));
    }
    assert!(later >= 2 * first.len(), "three chunks a message");
    check_captures(captures);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn long_messages_in_one_packet() {
    long_messages(None, Some(500));
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn long_messages_in_several_packets() {
    long_messages(Some("576"), None);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn associations_outlive_the_controller_in_mid_traffic_and_attacks_wait_for_the_next() {
    const MESSAGES: u32 = 1_000;
    const DEATHS: usize = 2;
    let bridged = bare_bridged_wire().expect("wire");
    // Ten attempts of SCTP are to outlast an emulated machine that loads the programs anew; and what was lost with the
    // controller is not waited for much longer.
    set(&bridged, &[("rto_max", "15000")]);
    let hold = format!("{PATIENT}on_controller_down = \"drop\"\n{RULES}");
    let mut scene = Scene::bridged(&bridged, &hold, None).expect("scene");
    let captures = captures(&bridged);
    let mut lost_before = 0;
    for death in 0..DEATHS {
        let share = MESSAGES / DEATHS as u32;
        let start = death as u32 * share;
        let sent = AtomicUsize::new(0);
        let Scene { a, b, c, reader, firewall, .. } = &mut scene;
        let ways: Ways<'_> = [("osmo-stp", a, b), ("reader", c, reader)];
        thread::scope(|scope| {
            let (ways, sent) = (&ways, &sent);
            let note = move || {
                sent.fetch_add(1, Ordering::Relaxed);
            };
            let sender =
                scope.spawn(move || send(ways, start..start + share, |id| kind_of(id).begin(id), note));
            while sent.load(Ordering::Relaxed) < share as usize / 2 {
                thread::sleep(Duration::from_millis(1));
            }
            firewall.end(Signal::KILL).expect("kill");
            thread::sleep(Duration::from_millis(500));
            assert!(sent.load(Ordering::Relaxed) < share as usize, "the controller ended after the traffic");
            firewall.start().expect("start");
            sender.join().expect("sender");
        });
        lost_before += number(&held(&scene), "lost_before");
    }
    check(&scene, MESSAGES, true);
    println!("{lost_before} frames were in hand when a controller ended");
    for (_, sender, _) in scene.ways() {
        sender.beat().expect("the association lives");
    }
    check_captures(captures);
}
