//! Who may be there, by which paths, and what interfaces do to frames: on real associations and interfaces.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use ss7guard_common::wire::Remote;
use ss7guard_lab::association::{HOME_POINT_CODE, Peer, Settings};
use ss7guard_lab::capture::chunks_of;
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::frame::{Frame, WHOLE, chunk, data, m3ua_data};
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::{HOST_INTERFACE, Wire};
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::config::Config;
use ss7guard_userspace::host::Host;
use ss7guard_userspace::inspect::findings::Finding;
use ss7guard_userspace::kernel::offloads;
use ss7guard_userspace::reassembly::{Arrival, Reassembler, What};

const PATIENCE: Duration = Duration::from_secs(15);

fn at(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("address"), 2905)
}

/// An ASP at this address and its gateway on the host.
fn association(wire: &Wire, world: &str) -> (Peer, Peer) {
    let gateway = Peer::gateway(&wire.host, at("10.7.0.1"), at(world), false).expect("gateway");
    (Peer::asp(&wire.world, at(world), at("10.7.0.1")).expect("ASP"), gateway)
}

fn message(id: u32) -> Vec<u8> {
    m3ua::data(
        Label { opc: 0x1009, dpc: HOME_POINT_CODE, ni: 0, sls: 0 },
        None,
        &Kind::UpdateLocation.begin(id),
    )
}

fn wait_for(holds: impl Fn() -> bool, what: &str) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

const PEER: &str =
    "[[peer]]\nname = \"carrier-a\"\naddresses = [\"10.7.0.11\", \"10.7.0.12\"]\nside = \"interconnect\"";

#[test]
fn an_unlisted_peers_init_is_dropped_and_a_listed_ones_is_not() {
    let wire = Wire::new().expect("namespaces");
    let rest = format!("[exceptions]\ninit_unknown_peer = \"drop\"\n{PEER}");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", &rest).expect("firewall");
    firewall.start().expect("start");
    let (stranger, _strangers_gateway) = association(&wire, "10.7.0.13");
    for address in ["10.7.0.11", "10.7.0.12"] {
        let (asp, gateway) = association(&wire, address);
        asp.wait_active(PATIENCE).expect("a listed address");
        asp.send(1, message(1));
        gateway.wait_delivered(1, PATIENCE).expect("its message");
    }
    wait_for(
        || firewall.counted("init_unknown_peer", "drop").is_ok_and(|count| count >= 2),
        "a second INIT of the stranger",
    );
    stranger.wait_active(Duration::from_millis(1)).expect_err("the stranger's association came up");
    firewall.command(&["detach", "--all"]).expect("detach");
    stranger.wait_active(PATIENCE).expect("it was the firewall that kept it out");
}

#[test]
fn enforce_is_refused_while_a_path_is_not_watched() {
    let wire = Wire::new().expect("namespaces");
    for arguments in [
        &["link", "add", "other0", "type", "veth", "peer", "name", "other1"][..],
        &["addr", "add", "10.8.0.1/24", "dev", "other0"],
        &["link", "set", "other0", "up"],
        &["link", "add", "link", HOST_INTERFACE, "name", "over0", "type", "macvlan"],
        &["addr", "add", "10.9.0.1/24", "dev", "over0"],
        &["link", "set", "over0", "up"],
    ] {
        wire.host.ip(arguments).expect("interfaces");
    }
    let peer = |address: &str| PEER.replace("10.7.0.12", address);
    let start = |network: &str, rest: &str| {
        let mut firewall = Firewall::new(&wire.host, network, rest).expect("firewall");
        let started = firewall.start().map_err(|error| error.to_string());
        let log = firewall.log().join("\n");
        let status = firewall.json(&["status"]).ok();
        (started, log, status)
    };
    let enforce = "mode = \"enforce\"";
    for (address, why) in [
        ("10.8.0.9", "peer \"carrier-a\": 10.8.0.9 is reached by \"other0\", which is not attached"),
        ("198.51.100.9", "peer \"carrier-a\": there is no route to 198.51.100.9"),
    ] {
        let (started, _, status) = start(enforce, &peer(address));
        let error = started.expect_err("refused");
        assert!(error.contains(why), "{error}");
        assert_eq!(status, None, "something stayed attached");
        let (started, log, _) = start("", &peer(address));
        started.expect("monitor mode");
        assert!(log.contains(why), "{log}");
    }
    for address in ["10.7.0.12", "10.9.0.9", "10.7.0.1"] {
        start(enforce, &peer(address)).0.expect(address);
    }
}

/// Whether the host's interface merges frames, for a generic program.
fn merges(wire: &Wire) -> bool {
    let plan = wire.host.inside(|| Ok(offloads::look(HOST_INTERFACE, false)?)).expect("features");
    plan.switchable.contains(&"rx-gro-list".to_owned())
}

#[test]
fn what_merges_frames_is_refused_or_switched_until_detach() {
    let wire = Wire::new().expect("namespaces");
    let turned = wire.host.inside(|| {
        let mut ethtool = std::process::Command::new("ethtool");
        Ok(ethtool.args(["-K", HOST_INTERFACE, "rx-gro-list", "on"]).status()?)
    });
    assert!(turned.expect("run `ethtool`").success());
    assert!(merges(&wire));
    let generic = "mode = \"enforce\"\nattach = \"generic\"";
    let mut firewall = Firewall::new(&wire.host, generic, "").expect("firewall");
    let error = firewall.start().expect_err("refused").to_string();
    assert!(error.contains("merges frames before they can be judged (rx-gro-list)"), "{error}");
    assert!(merges(&wire), "nothing was switched");
    drop(firewall);
    // In the driver the program comes before such merging.
    let mut native =
        Firewall::new(&wire.host, "mode = \"enforce\"\nattach = \"native\"", "").expect("firewall");
    native.start().expect("in the driver");
    drop(native);
    let switch = format!("{generic}\noffloads = \"switch\"");
    let mut firewall = Firewall::new(&wire.host, &switch, "").expect("firewall");
    firewall.start().expect("switched");
    assert!(!merges(&wire), "switched off");
    let status = firewall.json(&["status"]).expect("status");
    assert_eq!(status["interfaces"][0]["switched_off"], serde_json::json!(["rx-gro-list"]), "{status}");
    firewall.end(Signal::KILL).expect("kill");
    assert!(!merges(&wire), "as long as the program is attached");
    firewall.start().expect("adopted");
    firewall.end(Signal::KILL).expect("kill");
    firewall.command(&["detach", "--all"]).expect("detach");
    assert!(merges(&wire), "switched on again by another process");
}

/// Alerts with this reason.
fn alerts(firewall: &Firewall<'_>, reason: &str) -> Vec<Value> {
    let alerts = firewall.alerts().unwrap_or_default();
    alerts.into_iter().filter(|alert| alert["reason"] == reason).collect()
}

#[test]
fn data_after_asp_inactive_is_told_and_data_before_it_is_not() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "", "").expect("firewall");
    firewall.start().expect("start");
    let (asp, gateway) = association(&wire, "10.7.0.11");
    asp.wait_active(PATIENCE).expect("association");
    asp.send(0, message(1));
    gateway.wait_delivered(1, PATIENCE).expect("in its state");
    asp.send(0, m3ua::message(4, 2, &[]));
    asp.send(0, message(2));
    gateway.wait_delivered(2, PATIENCE).expect("this deployment tells");
    wait_for(|| !alerts(&firewall, "data_outside_state").is_empty(), "the alert");
    let told = alerts(&firewall, "data_outside_state");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].to_string().contains("00000002"), "{}", told[0]);
}

#[test]
fn a_wrong_tag_is_told_once_the_association_was_seen() {
    let tagged = |kind: u8, tag: u32| chunk(kind, 0, &[&tag.to_be_bytes()[..], &[0; 12]].concat());
    let there = |vtag, chunks: &[Vec<u8>]| Frame::ipv4(132, &[]).sctp(vtag, chunks).build();
    let back = |vtag, chunks: &[Vec<u8>]| {
        let mut frame = there(vtag, chunks);
        frame[26..34].rotate_left(4);
        frame
    };
    let ok = data(WHOLE, 3, &m3ua_data(0x1009));
    let config = Config::default();
    let mut host = Host::new(config.kernel_record());
    let mut reassembler = Reassembler::default();
    let mut number = 0;
    let mut wrong = |reassembler: &mut Reassembler, frame: &[u8]| {
        number += 1;
        let mut found = None;
        let arrival = Arrival { number, octets: frame, remote: Remote::Source, now_ns: number };
        reassembler.frame(&mut host, &arrival, &mut |seen| {
            if let What::Message(message, _) = seen.what {
                found = Some(message.findings.contains(Finding::WrongVtag));
            }
        });
        found
    };
    assert_eq!(
        wrong(&mut reassembler, &there(9, std::slice::from_ref(&ok))),
        Some(false),
        "nothing is known"
    );
    assert_eq!(wrong(&mut reassembler, &there(0, &[tagged(1, 0x1111)])), None);
    assert_eq!(wrong(&mut reassembler, &back(0x1111, &[tagged(2, 0x2222)])), None);
    assert_eq!(wrong(&mut reassembler, &there(0x2222, std::slice::from_ref(&ok))), Some(false));
    assert_eq!(wrong(&mut reassembler, &back(0x1111, std::slice::from_ref(&ok))), Some(false));
    assert_eq!(wrong(&mut reassembler, &there(9, std::slice::from_ref(&ok))), Some(true));
    // A new association between the same ends: both tags are theirs.
    let _ = wrong(&mut reassembler, &there(0, &[tagged(1, 0x3333)]));
    let _ = wrong(&mut reassembler, &back(0x3333, &[tagged(2, 0x4444)]));
    assert_eq!(wrong(&mut reassembler, &there(0x2222, std::slice::from_ref(&ok))), Some(false));
    assert_eq!(wrong(&mut reassembler, &there(0x4444, std::slice::from_ref(&ok))), Some(false));
    // The end of one of them: not known any more.
    let _ = wrong(&mut reassembler, &there(0x4444, &[chunk(6, 0, &[])]));
    assert_eq!(wrong(&mut reassembler, &there(9, std::slice::from_ref(&ok))), Some(false));
    let _ = wrong(&mut reassembler, &there(0, &[tagged(1, 0x5555)]));
    let _ = wrong(&mut reassembler, &back(0x5555, &[tagged(2, 0x6666)]));
    assert_eq!(wrong(&mut reassembler, &there(9, std::slice::from_ref(&ok))), Some(true));
    reassembler.missed();
    assert_eq!(
        wrong(&mut reassembler, &there(9, std::slice::from_ref(&ok))),
        Some(false),
        "something was missed"
    );
}

/// What is done to the next packet with user data; see [`spoiled`].
const NOTHING: u8 = 0;
const CHECKSUM: u8 = 1;
const TAG: u8 = 2;

/// Spoils one packet with user data, as somebody else's octets on the wire would; SCTP sends what was in it again.
fn spoiled(mut packet: Vec<u8>, how: &AtomicU8) -> Vec<u8> {
    if chunks_of(&packet).is_empty() {
        return packet;
    }
    match how.swap(NOTHING, Ordering::Relaxed) {
        CHECKSUM => packet[8] ^= 1,
        TAG => {
            packet[4] ^= 1;
            packet[8..12].fill(0);
            let sum = crc32c::crc32c(&packet).to_le_bytes();
            packet[8..12].copy_from_slice(&sum);
        }
        _ => {}
    }
    packet
}

#[test]
fn wrong_checksums_and_tags_on_the_wire_are_told_and_counted() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "", "").expect("firewall");
    firewall.start().expect("start");
    let how = Arc::new(AtomicU8::new(NOTHING));
    let theirs = Arc::clone(&how);
    let settings = Settings {
        rewrite: Some(Box::new(move |packet| Some(spoiled(packet, &theirs)))),
        ..Settings::default()
    };
    let gateway = Peer::gateway(&wire.host, at("10.7.0.1"), at("10.7.0.11"), false).expect("gateway");
    let asp = Peer::asp_with(&wire.world, at("10.7.0.11"), at("10.7.0.1"), settings).expect("ASP");
    asp.wait_active(PATIENCE).expect("association");
    asp.send(1, message(1));
    gateway.wait_delivered(1, PATIENCE).expect("a good one");
    let found = |finding: &str| {
        let stats = firewall.json(&["stats"]).expect("stats");
        stats["controller"]["findings"][finding].as_u64().unwrap_or(0)
    };
    for (id, way, finding) in [(2, CHECKSUM, "bad_checksum"), (3, TAG, "wrong_vtag")] {
        assert_eq!(found(finding), 0, "{finding} before");
        how.store(way, Ordering::Relaxed);
        asp.send(1, message(id));
        gateway.wait_delivered(id as usize, PATIENCE).expect("what was sent again");
        wait_for(|| found(finding) == 1, finding);
        wait_for(|| !alerts(&firewall, finding).is_empty(), finding);
        let told = alerts(&firewall, finding);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].to_string().contains(&format!("{id:08x}")), "{}", told[0]);
    }
}
