//! The bridge and messages in pieces, frame by frame: nothing of a message leaves before all of it is judged, what is
//! stopped is rewritten where it begins, and everything else arrives as it was sent, in order.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use ss7guard_lab::capture::PacketSocket;
use ss7guard_lab::capture::{self, checksum_is_right};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::frame::{Frame, chunk, sack};
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::{BridgedWire, HOST_INTERFACE, WORLD_INTERFACE};
use ss7guard_lab::pieces::{Slot, data_chunks, frames, i_data_chunks, ip_fragments, whole, xudt_segments};
use ss7guard_lab::traffic::Kind;

const RULES: &str = "[rules.category1]\nmode = \"enforce\"\n[[block]]\npc = \"4-7-7\"\n[findings]\nip_fragments = \"note\"\n\
                     sctp_fragments = \"note\"\nsccp_segments = \"note\"\n";

/// As long as a message may wait for its pieces.
const HOLD: Duration = Duration::from_millis(800);

/// So long nothing comes that is held; well below [`HOLD`].
const QUIET: Duration = Duration::from_millis(150);

const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    near: PacketSocket,
    far: PacketSocket,
    vtag: u32,
}

/// An SCTP packet with its checksum.
fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    let start = if frame[12] == 0x86 { 54 } else { 34 };
    let end = start + capture::sctp(&frame).expect("SCTP").len();
    let sum = crc32c::crc32c(&frame[start..end]);
    frame[start + 8..start + 12].copy_from_slice(&sum.to_le_bytes());
    frame
}

fn message(opc: u32, user_part: &[u8]) -> Vec<u8> {
    m3ua::data(Label { opc, dpc: 9, ni: 0, sls: 1 }, Some(7), user_part)
}

const CARRIER: u32 = 0x1009;

fn attack(id: u32) -> Vec<u8> {
    message(CARRIER, &Kind::AnyTimeInterrogation.begin(id))
}

fn benign(id: u32) -> Vec<u8> {
    message(CARRIER, &Kind::UpdateLocation.begin(id))
}

fn cut(octets: &[u8], at: &[usize]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = octets;
    let mut from = 0;
    for end in at {
        let (piece, after) = rest.split_at(end - from);
        pieces.push(piece.to_vec());
        (rest, from) = (after, *end);
    }
    pieces.push(rest.to_vec());
    pieces
}

const fn slot(tsn: u32) -> Slot {
    Slot { tsn, stream: 1, sequence: tsn, unordered: false }
}

impl Scene {
    fn new(wire: &BridgedWire) -> Self {
        Self {
            near: PacketSocket::open(&wire.wire.world, WORLD_INTERFACE, false).expect("near end"),
            far: PacketSocket::open(&wire.wire.host, HOST_INTERFACE, false).expect("far end"),
            vtag: 1_000,
        }
    }

    fn send(&self, frames: &[Vec<u8>]) {
        for frame in frames {
            self.near.send(frame).expect("send");
        }
    }

    /// Frames with our addresses that came to the far end: so many, and no more for now.
    fn arrived(&self, count: usize, what: &str) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let end = Instant::now() + PATIENCE;
        while frames.len() < count && Instant::now() < end {
            frames.extend(self.next(QUIET));
        }
        frames.extend(self.next(QUIET));
        assert_eq!(frames.len(), count, "{what}: frames that arrived");
        frames
    }

    fn next(&self, patience: Duration) -> Option<Vec<u8>> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let frame = self.far.receive(left).expect("receive")?;
            let addresses: &[&[u8]] = &[&[192, 0, 2, 1, 192, 0, 2, 2], &[0x20, 0x01, 0x0d, 0xb8]];
            if addresses
                .iter()
                .any(|addresses| frame.windows(addresses.len()).any(|octets| octets == *addresses))
            {
                return Some(frame);
            }
        }
    }

    /// Another association for each case: what was remembered of one does not matter to the next.
    const fn vtag(&mut self) -> u32 {
        self.vtag += 1;
        self.vtag
    }
}

/// Class and type of what begins in a frame, chunk by chunk.
fn kinds(frame: &[u8]) -> Vec<(u8, u8)> {
    capture::chunks(frame).iter().filter(|chunk| chunk.begins).filter_map(capture::Chunk::kind).collect()
}

const BEAT_ACK: (u8, u8) = (3, 6);
const DATA: (u8, u8) = (1, 1);

fn check_sums(frames: &[Vec<u8>], what: &str) {
    for frame in frames {
        assert!(checksum_is_right(capture::sctp(frame).expect(what)), "{what}: checksum");
    }
}

/// Nobody sends a frame again here: where the machine stood still, so that the controller gave up what it held, the whole is
/// done anew.
#[test]
fn pieces_leave_together_and_with_one_fate() {
    const TURNS: u32 = 4;
    let wire = BridgedWire::new().expect("namespaces");
    for turn in 1..=TURNS {
        let hold = format!("[hold]\nsilence = \"5s\"\ntime = \"{}ms\"\n", HOLD.as_millis());
        let mut firewall = Firewall::bridge(&wire.bridge, "mode = \"enforce\"", &format!("{RULES}{hold}"))
            .expect("firewall");
        firewall.start().expect("start");
        let done = catch_unwind(AssertUnwindSafe(|| all(&wire)));
        let stats = firewall.json(&["stats"]).expect("stats");
        let hold = &stats["hold"];
        match done {
            Ok(()) => return check_accounts(hold),
            Err(_) if turn < TURNS && hold["stalls"].as_u64() > Some(0) => {
                println!("the controller stood still, turn {turn}: {hold}");
            }
            Err(panic) => {
                println!("{hold}");
                resume_unwind(panic);
            }
        }
    }
}

fn check_accounts(hold: &serde_json::Value) {
    let sum: u64 = ["emitted", "dropped", "purged", "unsent", "waiting"]
        .iter()
        .map(|key| hold[key].as_u64().expect("a count"))
        .sum();
    assert_eq!(hold["received"].as_u64(), Some(sum), "{hold}");
    assert_eq!((hold["lost"].as_u64(), hold["waiting"].as_u64()), (Some(0), Some(0)), "{hold}");
}

fn all(wire: &BridgedWire) {
    let mut scene = Scene::new(wire);
    for v6 in [false, true] {
        for interleaved in [false, true] {
            sctp_fragments(&mut scene, v6, interleaved);
        }
        ip_fragments_of_bundles(&mut scene, v6);
        fragments_in_fragments(&mut scene, v6);
        sccp_segments(&mut scene, v6);
        bundles(&mut scene, v6);
        packets_in_two(&mut scene, v6);
    }
    what_comes_alone(&mut scene);
    authenticated(&mut scene);
}

/// An attack and a harmless message, each in fragments cut in many places, with another message behind the first.
fn sctp_fragments(scene: &mut Scene, v6: bool, interleaved: bool) {
    let cuts: [&[usize]; 5] = [&[60], &[24, 80], &[30, 31, 90], &[10, 50], &[4, 11]];
    for at in cuts {
        for (payload, stopped) in [(attack(1), true), (benign(2), false)] {
            let what = format!("v6 {v6}, interleaved {interleaved}, cut at {at:?}, attack {stopped}");
            let vtag = scene.vtag();
            let make = if interleaved { i_data_chunks } else { data_chunks };
            let chunks = make(&cut(&payload, at), slot(50));
            let sent: Vec<Vec<u8>> = frames(&chunks, v6, vtag).into_iter().map(sealed).collect();
            let behind =
                frames(&make(&[benign(3)], slot(70)), v6, vtag).into_iter().map(sealed).collect::<Vec<_>>();
            let (last, first) = sent.split_last().expect("pieces");
            scene.send(first);
            scene.send(&behind);
            // Control goes on meanwhile.
            let control = [sealed(base(v6).sctp(vtag, &[sack()]).build())];
            scene.send(&control);
            let early = scene.arrived(1, &format!("{what}: what does not wait"));
            assert_eq!(early, control, "{what}: control alone overtakes");
            scene.send(std::slice::from_ref(last));
            let arrived = scene.arrived(sent.len() + 1, &what);
            let mut wanted = first.to_vec();
            wanted.extend(behind);
            wanted.push(last.clone());
            check_sums(&arrived, &what);
            check_fate(&arrived, &wanted, stopped, &what);
            // The same again, as SCTP does: the same fate, and nothing waits any more.
            scene.send(&sent);
            let again = scene.arrived(sent.len(), &format!("{what}, again"));
            check_fate(&again, &sent, stopped, &format!("{what}, again"));
        }
    }
}

fn base(v6: bool) -> Frame {
    if v6 { Frame::ipv6(132, &[]) } else { Frame::ipv4(132, &[]) }
}

/// Everything arrives in the order in which it was sent; only what begins an attack has changed.
fn check_fate(arrived: &[Vec<u8>], sent: &[Vec<u8>], stopped: bool, what: &str) {
    for (turn, (arrived, sent)) in arrived.iter().zip(sent).enumerate() {
        let changed = stopped && turn == 0;
        assert_eq!(arrived != sent, changed, "{what}: frame {turn}\n{arrived:02x?}\n{sent:02x?}");
        if changed {
            let (now, before) = (capture::chunks(arrived), capture::chunks(sent));
            assert_eq!((now.len(), now[0].tsn, now[0].ends), (1, before[0].tsn, before[0].ends), "{what}");
            let gone = now[0].is_beat_ack() || (now[0].ppid == 0 && now[0].octets.first() == Some(&0));
            assert!(gone, "{what}: {:02x?}", now[0]);
        }
    }
}

/// A packet with a harmless message, an attack, and one from a blocked point code, in IP fragments.
fn ip_fragments_of_bundles(scene: &mut Scene, v6: bool) {
    for (turn, size) in [64usize, 128, 248].into_iter().enumerate() {
        let what = format!("v6 {v6}, IP fragments of {size}");
        let vtag = scene.vtag();
        let chunks = [whole(&benign(1), slot(5)), whole(&attack(2), slot(6)), whole(&benign(3), slot(7))];
        let packet = sealed(base(v6).sctp(vtag, &chunks).build());
        let number = 100 + turn as u16 + if v6 { 50 } else { 0 };
        let mut fragments = ip_fragments(&packet, size, number);
        if turn == 1 {
            fragments.swap(0, 1);
        }
        let (last, first) = fragments.split_last().expect("fragments");
        scene.send(first);
        scene.arrived(0, &format!("{what}: before the last"));
        scene.send(std::slice::from_ref(last));
        let arrived = scene.arrived(fragments.len(), &what);
        let views: Vec<&[u8]> = arrived.iter().map(Vec::as_slice).collect();
        let (joined, _) = ss7guard_userspace::reassembly::assemble(views).expect(&what);
        assert_eq!(kinds(&joined), [DATA, BEAT_ACK, DATA], "{what}");
        check_sums(&[joined], &what);
        let places = |frames: &[Vec<u8>]| -> Vec<_> {
            frames.iter().map(|frame| ss7guard_userspace::reassembly::fragment_place(frame)).collect()
        };
        assert_eq!(places(&arrived), places(&fragments), "{what}: in order");
    }
}

/// SCTP fragments, each in IP fragments.
fn fragments_in_fragments(scene: &mut Scene, v6: bool) {
    for (payload, stopped) in [(attack(1), true), (benign(2), false)] {
        let what = format!("v6 {v6}, fragments in fragments, attack {stopped}");
        let vtag = scene.vtag();
        let chunks = data_chunks(&cut(&payload, &[90]), slot(50));
        let whole: Vec<Vec<u8>> = frames(&chunks, v6, vtag).into_iter().map(sealed).collect();
        let number = vtag as u16;
        let first = ip_fragments(&whole[0], 48, number);
        let second = ip_fragments(&whole[1], 48, number + 1_000);
        scene.send(&first);
        scene.send(&second[..1]);
        scene.arrived(0, &format!("{what}: before the last"));
        scene.send(&second[1..]);
        let arrived = scene.arrived(first.len() + second.len(), &what);
        let join = |frames: &[Vec<u8>]| {
            let views: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            ss7guard_userspace::reassembly::assemble(views).expect(&what).0
        };
        let joined = join(&arrived[..first.len()]);
        assert_eq!(kinds(&joined), [if stopped { BEAT_ACK } else { DATA }], "{what}");
        check_sums(&[joined], &what);
        assert_eq!(arrived[first.len()..], second, "{what}");
    }
}

/// A message in SCCP segments, each a message of its own to M3UA.
fn sccp_segments(scene: &mut Scene, v6: bool) {
    for (kind, stopped) in [(Kind::AnyTimeInterrogation, true), (Kind::UpdateLocation, false)] {
        let what = format!("v6 {v6}, segments, attack {stopped}");
        let vtag = scene.vtag();
        let udt = kind.begin(vtag);
        let data_at = 4 + usize::from(udt[4]) + 1;
        let segments = xudt_segments(&udt, &cut(&udt[data_at..], &[40, 70]), vtag).expect("segments");
        let chunks: Vec<Vec<u8>> = (1u32..)
            .zip(&segments)
            .map(|(tsn, segment)| whole(&message(CARRIER, segment), slot(tsn)))
            .collect();
        let sent: Vec<Vec<u8>> = frames(&chunks, v6, vtag).into_iter().map(sealed).collect();
        scene.send(&sent[..2]);
        scene.arrived(0, &format!("{what}: before the last"));
        scene.send(&sent[2..]);
        let arrived = scene.arrived(3, &what);
        check_sums(&arrived, &what);
        for (arrived, sent) in arrived.iter().zip(&sent) {
            assert_eq!(kinds(arrived), [if stopped { BEAT_ACK } else { DATA }], "{what}");
            assert_eq!(arrived == sent, !stopped, "{what}");
        }
        scene.send(&sent);
        let again = scene.arrived(3, &format!("{what}, again"));
        assert_eq!(again, arrived, "{what}, again");
    }
}

/// One packet with what passes, what the kernel stops and what the controller stops.
fn bundles(scene: &mut Scene, v6: bool) {
    let what = format!("v6 {v6}, a bundle");
    let vtag = scene.vtag();
    let blocked = message(0x203f, &Kind::UpdateLocation.begin(4));
    let chunks = [
        whole(&benign(1), slot(5)),
        whole(&blocked, slot(6)),
        whole(&attack(2), slot(7)),
        whole(&benign(3), slot(8)),
    ];
    let sent = [sealed(base(v6).sctp(vtag, &chunks).build())];
    scene.send(&sent);
    let arrived = scene.arrived(1, &what);
    assert_eq!(kinds(&arrived[0]), [DATA, BEAT_ACK, BEAT_ACK, DATA], "{what}");
    check_sums(&arrived, &what);
}

/// A packet that ends with the beginning of another message: what is judged of it goes on, for the sender may wait for its
/// acknowledgement before it sends the rest.
fn packets_in_two(scene: &mut Scene, v6: bool) {
    for (payload, stopped) in [(attack(5), true), (benign(6), false)] {
        let what = format!("v6 {v6}, a packet in two, attack {stopped}");
        let vtag = scene.vtag();
        let mut pieces = data_chunks(&cut(&payload, &[60]), slot(12));
        let last = pieces.pop().expect("two pieces");
        let chunks = [sack(), whole(&benign(1), slot(10)), whole(&attack(2), slot(11)), pieces.remove(0)];
        scene.send(&[sealed(base(v6).sctp(vtag, &chunks).build())]);
        let rest = [
            sealed(base(v6).sctp(vtag, &[last]).build()),
            sealed(base(v6).sctp(vtag, &[whole(&benign(7), slot(14))]).build()),
        ];
        scene.send(&rest[1..]);
        let early = scene.arrived(1, &format!("{what}: what is judged"));
        assert_eq!(kinds(&early[0]), [DATA, BEAT_ACK], "{what}");
        check_sums(&early, &what);
        scene.send(&rest[..1]);
        let arrived = scene.arrived(3, &what);
        check_sums(&arrived, &what);
        assert_eq!(kinds(&arrived[0]), [if stopped { BEAT_ACK } else { DATA }], "{what}");
        let tsns: Vec<u32> = early
            .iter()
            .chain(&arrived)
            .flat_map(|frame| capture::chunks(frame))
            .map(|chunk| chunk.tsn)
            .collect();
        assert_eq!(tsns, [10, 11, 12, 14, 13], "{what}: each once, in the order in which they came");
        assert_eq!(arrived[1..], [rest[1].clone(), rest[0].clone()], "{what}");
    }
}

/// A fragment whose message never becomes whole goes on after its time, and what waited behind it then.
fn what_comes_alone(scene: &mut Scene) {
    let what = "a fragment alone";
    let vtag = scene.vtag();
    let pieces = cut(&attack(1), &[60]);
    let sent: Vec<Vec<u8>> =
        frames(&data_chunks(&pieces, slot(50)), false, vtag).into_iter().map(sealed).collect();
    let behind: Vec<Vec<u8>> =
        frames(&data_chunks(&[benign(3)], slot(70)), false, vtag).into_iter().map(sealed).collect();
    let begun = Instant::now();
    scene.send(&sent[..1]);
    scene.send(&behind);
    let arrived = scene.arrived(2, what);
    assert!(begun.elapsed() >= HOLD, "{what}: {:?}", begun.elapsed());
    assert_eq!(arrived, [sent[0].clone(), behind[0].clone()], "{what}");
    // Sent again, it does not wait any more; it is known by its octets.
    let begun = Instant::now();
    scene.send(&sent[..1]);
    assert_eq!(scene.arrived(1, what), sent[..1], "{what}, again");
    assert!(begun.elapsed() < HOLD, "{what}, again: {:?}", begun.elapsed());
}

/// An attack behind AUTH cannot be rewritten: its frame is dropped, as the policy is.
fn authenticated(scene: &mut Scene) {
    let vtag = scene.vtag();
    let auth = chunk(0x0f, 0, &[0, 0, 0, 1]);
    let sent = [
        sealed(base(false).sctp(vtag, &[auth.clone(), whole(&attack(1), slot(5))]).build()),
        sealed(base(false).sctp(vtag, &[auth, whole(&benign(2), slot(6))]).build()),
    ];
    scene.send(&sent);
    assert_eq!(scene.arrived(1, "authenticated"), sent[1..]);
}

/// Where time drops, a piece alone does not arrive; sent again with the rest, it does.
#[test]
fn a_piece_alone_is_dropped_where_that_is_said_and_arrives_with_the_rest() {
    let wire = BridgedWire::new().expect("namespaces");
    let hold =
        format!("[hold]\nsilence = \"5s\"\ntime = \"{}ms\"\non_hold_time = \"drop\"\n", HOLD.as_millis());
    let mut firewall =
        Firewall::bridge(&wire.bridge, "mode = \"enforce\"", &format!("{RULES}{hold}")).expect("firewall");
    firewall.start().expect("start");
    let mut scene = Scene::new(&wire);
    let vtag = scene.vtag();
    let chunks = data_chunks(&cut(&benign(1), &[60]), slot(50));
    let sent: Vec<Vec<u8>> = frames(&chunks, false, vtag).into_iter().map(sealed).collect();
    let count = |key: &str| {
        let stats = firewall.json(&["stats"]).expect("stats");
        (stats["hold"][key].as_u64().expect("a count"), stats["hold"]["stalls"].as_u64().expect("a count"))
    };
    for turn in 1..=2 {
        scene.send(&sent[..1]);
        let end = Instant::now() + PATIENCE;
        while count("hold_time_over").0 < turn {
            // One that stood still gives up what it has, and lets pieces pass for a while: no fault of the policy.
            if count("stalls").1 > 0 {
                println!("the controller stood still: the rest of this test cannot be seen");
                return;
            }
            assert!(Instant::now() < end, "its time comes to an end");
        }
        scene.arrived(0, "a piece alone");
    }
    scene.send(&sent);
    assert_eq!(scene.arrived(2, "both pieces"), sent);
    // The second alone, as if the first had been dropped and the rest had come.
    scene.send(&sent[1..]);
    assert_eq!(scene.arrived(1, "a piece of a message that was judged"), sent[1..]);
}
