//! Neutralising between real associations: what is blocked does not arrive, what is not arrives once and in order, and
//! SCTP does not notice; dropping, beside it, is noticed.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use ss7guard_lab::capture::{Capture, Chunk};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::netns::{HOST_INTERFACE, Wire};
use ss7guard_lab::proof::{
    BLOCKED, BLOCKS, DROPPED, Ends, Figures, INNOCENT, Link, MESSAGES, NEUTRALISED, PATIENCE, is_blocked,
    message,
};

/// Peers whose blocked messages keep their parameters.
const PLAIN: &str = "[[peer]]\nname = \"plain\"\naddresses = [\"10.7.0.17\", \"fd07::17\", \"10.7.0.18\"]\n\
                     side = \"interconnect\"\nneutralise_as = \"beat_ack_plain\"\n";

/// Octets that make SCTP cut a message: three fragments.
const LONG: usize = 3_000;

const INTERLEAVED: Ends = Ends { interleaving: true, tags: &[], losses: 0, rto_min: Duration::from_secs(5) };

fn innocent(ids: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    ids.map(|id| (INNOCENT, id)).collect()
}

/// Checks that what was rewritten is a BEAT ACK in the form that the peer has: with one parameter, Heartbeat Data, over
/// the rest, or with its parameters untouched.
fn check_form(world: &str, rewritten: &[Chunk]) {
    let is_plain = PLAIN.contains(&format!("\"{world}\""));
    assert!(!rewritten.is_empty(), "{world}");
    for chunk in rewritten {
        // What ends before its first parameter has no room for another form.
        if let Some(tag) = chunk.octets.get(8..12).map(|parameter| &parameter[..2]) {
            assert_eq!(tag != [0, 9], is_plain, "{world}: {:02x?}", &chunk.octets[..12]);
        }
    }
}

/// 10,000 messages, of which 1,000 are blocked.
fn ten_thousand(wire: &Wire, world: &str, ends: Ends) -> Link {
    let link = Link::up(wire, world, ends).expect(world);
    link.send_all(NEUTRALISED);
    link.gateway.wait_delivered((MESSAGES - BLOCKED) as usize, PATIENCE).expect(world);
    link.asp.wait_acknowledged(PATIENCE).expect(world);
    let figures = link.figures(NEUTRALISED);
    println!("{world}: {MESSAGES} messages, {BLOCKED} of them blocked: {figures:?}");
    assert_eq!(figures, Figures::unnoticed(9_000), "{world}");
    assert_eq!(link.arrived(), innocent((0..MESSAGES).filter(|id| !is_blocked(*id))), "{world}");
    check_form(world, &link.rewritten());
    link
}

/// Packets with two good and two bad messages each, in every order; then long ones, which SCTP cuts.
fn together_and_in_pieces(wire: &Wire, world: &str, ends: Ends) -> Link {
    let link = Link::up(wire, world, ends).expect(world);
    let mut next = 0..;
    let mut good = Vec::new();
    let mut bad_ones = 0;
    let mut send = |bad: [bool; 4], filling: usize| {
        let mut messages = Vec::new();
        for bad in bad {
            let id = next.next().expect("a number");
            if bad {
                bad_ones += 1;
            } else {
                good.push(id);
            }
            messages.push((1, message(if bad { NEUTRALISED } else { INNOCENT }, id, filling)));
        }
        link.asp.send_together(messages);
        link.gateway.wait_delivered(good.len(), PATIENCE).expect(world);
        if filling > 0 {
            link.asp.wait_acknowledged(PATIENCE).expect(world);
        }
    };
    for _ in 0..50 {
        send([true, false, false, true], 0);
        send([false, true, true, false], 0);
        send([false, false, false, true], 0);
        send([true, true, true, true], 0);
    }
    for _ in 0..20 {
        send([false, true, true, false], LONG);
    }
    link.asp.wait_acknowledged(PATIENCE).expect(world);
    let figures = link.figures(NEUTRALISED);
    println!("{world}: {} good messages and {bad_ones} blocked ones: {figures:?}", good.len());
    assert_eq!((good.len(), bad_ones), (390, 490));
    assert_eq!(figures, Figures::unnoticed(390), "{world}");
    assert_eq!(link.arrived(), innocent(good.into_iter()), "{world}");
    let rewritten = link.rewritten();
    check_form(world, &rewritten);
    assert!(rewritten.iter().all(|chunk| chunk.is_interleaved == ends.interleaving), "{world}");
    let first_fragments = rewritten.iter().filter(|chunk| !chunk.ends).count();
    assert!(first_fragments >= 30, "{world}: {first_fragments} first fragments were rewritten");
    link
}

/// One of ten messages is blocked, and so many attempts of each are lost behind the firewall; each fourth is long.
fn lost(wire: &Wire, world: &str, losses: u32) -> Link {
    const SENT: u32 = 100;
    let ends = Ends { losses, rto_min: Duration::from_secs(1), ..Ends::default() };
    let link = Link::up(wire, world, ends).expect(world);
    for id in 0..SENT {
        let opc = if is_blocked(id) { NEUTRALISED } else { INNOCENT };
        link.asp.send((id % 8) as u16 + 1, message(opc, id, if id % 4 == 3 { LONG } else { 0 }));
    }
    link.gateway.wait_delivered(90, PATIENCE).expect(world);
    link.asp.wait_acknowledged(PATIENCE).expect(world);
    let figures = link.figures(NEUTRALISED);
    println!("{world}: {SENT} messages, 10 of them blocked, each lost {losses} times: {figures:?}");
    assert!(figures.retransmitted > 0, "{world}: nothing was lost");
    assert_eq!(Figures { retransmitted: 0, ..figures }, Figures::unnoticed(90), "{world}");
    assert_eq!(link.arrived(), innocent((0..SENT).filter(|id| !is_blocked(*id))), "{world}");
    let rewritten = link.rewritten();
    check_form(world, &rewritten);
    let mut attempts: HashMap<u32, Vec<&Chunk>> = HashMap::new();
    for chunk in &rewritten {
        attempts.entry(chunk.tsn).or_default().push(chunk);
    }
    assert_eq!(attempts.len(), 10, "{world}: messages that were rewritten");
    for attempts in attempts.values() {
        assert!(attempts.len() > losses as usize, "{world}: lost {losses} times, sent {}", attempts.len());
        assert!(attempts.iter().all(|chunk| *chunk == attempts[0]), "{world}: other octets: {attempts:02x?}");
    }
    link
}

/// The run of [`ten_thousand`] with messages that are dropped: it is noticed.
fn dropped(wire: &Wire, world: &str) -> Link {
    let link = Link::up(wire, world, Ends::default()).expect(world);
    link.send_all(DROPPED);
    let end = Instant::now() + PATIENCE;
    while link.asp.retransmitted() == 0 {
        assert!(Instant::now() < end, "a dropped message is sent again");
        thread::sleep(Duration::from_millis(20));
    }
    let figures = link.figures(DROPPED);
    println!("{world}: {MESSAGES} messages, {BLOCKED} of them dropped: {figures:?}");
    assert_eq!(figures.blocked, 0);
    link.asp.wait_acknowledged(Duration::from_millis(1)).expect_err("what is dropped stays unacknowledged");
    link
}

fn joined<T>(case: ScopedJoinHandle<'_, T>) -> T {
    case.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Everything without tags, at the same time; but one flood after the other: XDP on a veth interface loses what its ring
/// of 256 frames has no room for.
fn bare(wire: &Wire) -> Vec<Link> {
    thread::scope(|scope| {
        let floods = scope.spawn(|| {
            ["10.7.0.11", "fd07::12", "10.7.0.18"].map(|world| ten_thousand(wire, world, Ends::default()))
        });
        let others = [
            scope.spawn(|| together_and_in_pieces(wire, "10.7.0.13", Ends::default())),
            scope.spawn(|| together_and_in_pieces(wire, "10.7.0.14", INTERLEAVED)),
            scope.spawn(|| together_and_in_pieces(wire, "fd07::15", INTERLEAVED)),
            scope.spawn(|| together_and_in_pieces(wire, "10.7.0.17", Ends::default())),
            scope.spawn(|| together_and_in_pieces(wire, "fd07::17", INTERLEAVED)),
        ];
        joined(floods).into_iter().chain(others.map(joined)).collect()
    })
}

/// Frames that the peers tag themselves, so that the program finds the tags where a network card leaves them.
fn tagged(wire: &Wire) -> Vec<Link> {
    const ONE: &[u16] = &[0x8100];
    const TWO: &[u16] = &[0x88a8, 0x8100];
    thread::scope(|scope| {
        let under = |tags, interleaving| Ends { tags, interleaving, ..Ends::default() };
        let cases = [
            scope.spawn(move || ten_thousand(wire, "10.7.0.11", under(ONE, false))),
            scope.spawn(move || together_and_in_pieces(wire, "fd07::12", under(ONE, true))),
            scope.spawn(move || together_and_in_pieces(wire, "10.7.0.13", under(TWO, false))),
            scope.spawn(move || together_and_in_pieces(wire, "fd07::17", under(TWO, true))),
        ];
        cases.map(joined).into()
    })
}

/// Rewritten frames that are lost, in both forms.
fn lossy(wire: &Wire) -> Vec<Link> {
    thread::scope(|scope| {
        let cases = [
            scope.spawn(|| lost(wire, "10.7.0.11", 1)),
            scope.spawn(|| lost(wire, "fd07::12", 2)),
            scope.spawn(|| lost(wire, "fd07::17", 1)),
            scope.spawn(|| lost(wire, "10.7.0.17", 2)),
        ];
        cases.map(joined).into()
    })
}

/// Runs cases behind a firewall that enforces.
fn behind_the_firewall(work: impl FnOnce(&Wire, &Firewall<'_>)) {
    let wire = Wire::new().expect("namespaces");
    let mut firewall =
        Firewall::new(&wire.host, "mode = \"enforce\"", &format!("{BLOCKS}{PLAIN}")).expect("firewall");
    firewall.start().expect("start");
    work(&wire, &firewall);
}

/// Each association lives, and still loses what is blocked and nothing else.
fn check_alive(links: &[Link], when: &str) {
    for (number, link) in links.iter().enumerate() {
        let what = format!("association {number} {when}");
        link.asp.beat(PATIENCE).expect(&what);
        let before = link.figures(NEUTRALISED);
        link.asp.send(1, message(NEUTRALISED, 50_000, 0));
        link.asp.send(1, message(INNOCENT, 50_001, 0));
        link.gateway.wait_delivered(before.innocent + 1, PATIENCE).expect(&what);
        assert_eq!(link.arrived().last(), Some(&(INNOCENT, 50_001)), "{what}");
        let now = link.figures(NEUTRALISED);
        let retransmitted = now.retransmitted;
        assert_eq!(now, Figures { innocent: before.innocent + 1, retransmitted, ..before }, "{what}");
    }
}

fn check_not_sent_again(links: &[Link]) {
    for link in links {
        assert_eq!(link.asp.retransmitted(), 0);
    }
}

#[test]
fn what_is_neutralised_does_not_arrive_and_sctp_does_not_notice() {
    behind_the_firewall(|wire, firewall| {
        let links = bare(wire);
        assert!(firewall.counted("blocked_point_code", "neutralise").expect("stats") >= 3_000);
        let cut = firewall.counted("sctp_short_first_fragment", "punt").expect("stats");
        let for_nobody: u64 = links.iter().map(|link| link.gateway.for_nobody()).sum();
        println!(
            "{cut} messages were cut before their label; {for_nobody} of them were blocked and came without label"
        );
        assert!(cut > 100 && for_nobody > 0 && for_nobody < cut, "{cut} {for_nobody}");
        assert_eq!(firewall.counted("sctp_short_first_fragment", "neutralise").expect("stats"), 0);
        // As long as an unacknowledged message would need to be given up.
        thread::sleep(Duration::from_secs(60));
        check_alive(&links, "after a minute");
        check_not_sent_again(&links);
    });
}

#[test]
fn under_one_and_two_vlan_tags_sctp_does_not_notice_either() {
    behind_the_firewall(|wire, firewall| {
        let links = tagged(wire);
        assert!(firewall.counted("blocked_point_code", "neutralise").expect("stats") >= 2_000);
        check_alive(&links, "under tags");
        check_not_sent_again(&links);
    });
}

#[test]
fn a_rewritten_frame_that_is_lost_once_or_twice_comes_again_with_the_same_octets() {
    behind_the_firewall(|wire, _| check_alive(&lossy(wire), "after losses"));
}

#[test]
fn the_same_run_with_drop_shows_retransmissions() {
    behind_the_firewall(|wire, firewall| {
        drop(dropped(wire, "10.7.0.16"));
        assert!(firewall.counted("blocked_point_code", "drop").expect("stats") > 0);
        assert_eq!(firewall.counted("blocked_point_code", "neutralise").expect("stats"), 0);
    });
}

#[test]
#[ignore = "needs tshark"]
fn tshark_finds_every_checksum_good() {
    for (what, cases) in [("bare", bare as fn(&Wire) -> Vec<Link>), ("tagged", tagged), ("lossy", lossy)] {
        behind_the_firewall(|wire, _| {
            // What a socket sees on this interface is what XDP has let through.
            let capture = Capture::start(&wire.host, HOST_INTERFACE).expect("capture");
            let links = cases(wire);
            let rewritten: usize = links.iter().map(|link| link.rewritten().len()).sum();
            let captured = capture.chunks().iter().filter(|chunk| chunk.is_beat_ack()).count();
            let good = capture.check_with_tshark().expect(what);
            println!("{what}: {good} packets with {captured} rewritten chunks, all good");
            // Those that the host sends are answers to nobody's BEAT: there are none.
            assert_eq!(captured, rewritten, "{what}: rewritten chunks in the capture and at the gateways");
        });
    }
}
