//! What becomes of a bridge's traffic when its controller is killed, stands still, begins anew or cannot keep up.

use std::fs;
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use ss7guard_lab::bridged::{
    Accounts, Association, CARRIER, RULES, check_order, settled, wait_for, while_sending,
};
use ss7guard_lab::capture::{Capture, PacketSocket};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::frame;
use ss7guard_lab::netns::{BRIDGE_INTERCONNECT, BridgedWire, HOST_INTERFACE, WORLD_INTERFACE};
use ss7guard_lab::proof;

/// Time between two messages of an association.
const EACH: Duration = Duration::from_millis(2);

/// What is lost is sent again soon.
const SOON: Duration = Duration::from_millis(300);

/// Longer than anything that is no loss.
const LATE: Duration = Duration::from_secs(5);

fn firewall<'a>(wire: &'a BridgedWire, hold: &str) -> Firewall<'a> {
    let rest = format!("{RULES}[hold]\n{hold}");
    let mut firewall = Firewall::bridge(&wire.bridge, "mode = \"enforce\"", &rest).expect("configuration");
    firewall.start().expect("start");
    firewall
}

/// Captures at both far ends.
fn captures(wire: &BridgedWire) -> [Capture; 2] {
    [
        Capture::start(&wire.wire.host, HOST_INTERFACE).expect("capture"),
        Capture::start(&wire.wire.world, WORLD_INTERFACE).expect("capture"),
    ]
}

fn in_order(captures: &[Capture; 2]) {
    for capture in captures {
        assert!(check_order(capture).expect("in order") > 0);
    }
}

fn held(firewall: &Firewall<'_>) -> u64 {
    Accounts::read_pins(firewall).expect("pins").both("held")
}

/// How often the controller has said that it stood still.
fn stalls(firewall: &Firewall<'_>) -> usize {
    firewall.log().iter().filter(|line| line.contains("the controller stood still")).count()
}

/// Stops the controller, and waits until there is something in its hands.
fn stop_with_frames_in_hand(firewall: &Firewall<'_>) {
    wait_for("a frame in its hands", || {
        firewall.signal(Signal::STOP).expect("stop");
        let (before, stopped) = (held(firewall), Instant::now());
        while stopped.elapsed() < SOON {
            if held(firewall) > before {
                return true;
            }
        }
        firewall.signal(Signal::CONT).expect("go on");
        false
    })
    .expect("held");
}

/// A controller is killed with frames in hand, and another one begins; gives which attacks of those that were made
/// between arrived.
fn killed(policy: &str, between: impl Fn(&Firewall<'_>, &Association)) -> Vec<u32> {
    let wire = BridgedWire::new().expect("namespaces");
    let mut firewall = firewall(&wire, &format!("on_controller_down = \"{policy}\""));
    let captures = captures(&wire);
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    one.attacks_are_stopped(&firewall).expect("before");
    let (held_before, next) = while_sending(slice::from_ref(&one), 0, EACH, || {
        wait_for("messages", || one.arrived().len() > 100).expect("traffic");
        stop_with_frames_in_hand(&firewall);
        firewall.end(Signal::KILL).expect("kill");
        between(&firewall, &one);
        let held_before = held(&firewall);
        firewall.start().expect("start again");
        let arrived = one.arrived().len();
        wait_for("messages", || one.arrived().len() > arrived + 100).expect("traffic");
        held_before
    });
    one.attacks_are_stopped(&firewall).expect("after");
    one.roam(next..next + 50);
    one.check(next + 50).expect("everything in the end");
    let accounts = settled(&firewall, held_before).expect("accounts");
    assert!(accounts.hold("lost_before") > 0, "{accounts:?}");
    assert!(firewall.log().iter().any(|line| line.contains("were held when the last controller ended")));
    assert!(one.sent_again() > 0, "what was in hand is lost");
    in_order(&captures);
    // The others had their own check.
    one.attacks().into_iter().filter(|id| *id < 1_000).collect()
}

#[test]
fn a_killed_controller_lets_traffic_pass_and_the_next_one_stops_attacks_again() {
    let attacks = killed("pass", |firewall, one| {
        one.attack(100..101);
        wait_for("the attack, that nobody judges", || one.attacks() == [100]).expect("as configured");
        let accounts = Accounts::read_pins(firewall).expect("pins");
        assert!(accounts.both("down_passed") > 0, "{accounts:?}");
        assert_eq!(accounts.both("down_dropped"), 0, "{accounts:?}");
    });
    assert_eq!(attacks, [100], "only the one in between");
}

#[test]
fn a_killed_controller_stops_what_needs_judgement_until_the_next_one_is_there() {
    let attacks = killed("drop", |firewall, one| {
        one.attack(100..101);
        let before = one.gateway.delivered().len();
        let dropped = || Accounts::read_pins(firewall).expect("pins").both("down_dropped");
        wait_for("frames that are dropped", || dropped() > 5).expect("dropped");
        assert_eq!(one.gateway.delivered().len(), before, "nothing arrives unjudged");
        let accounts = Accounts::read_pins(firewall).expect("pins");
        assert_eq!(accounts.both("down_passed"), 0, "{accounts:?}");
    });
    assert!(attacks.is_empty(), "SCTP has sent it again, and it was judged then");
}

#[test]
fn messages_in_fragments_arrive_though_a_part_of_them_passed_unjudged() {
    fragments_and_stalls("");
}

/// What did not become whole in time is dropped then, and has to be judged all the same when it comes again.
#[test]
fn messages_in_fragments_arrive_though_a_part_of_them_was_dropped() {
    fragments_and_stalls("on_hold_time = \"drop\"");
}

fn fragments_and_stalls(hold: &str) {
    const FILLING: usize = 3_000;
    const COUNT: u32 = 500;
    let wire = BridgedWire::new().expect("namespaces");
    let firewall = firewall(&wire, hold);
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for id in 0..COUNT {
                one.asp.send((id % 8) as u16 + 1, proof::message(CARRIER, id, FILLING));
                thread::sleep(EACH);
            }
        });
        while !sender.is_finished() {
            let down = || Accounts::read_pins(&firewall).expect("pins").both("down_passed");
            let (before, stalls) = (down(), stalls(&firewall));
            firewall.signal(Signal::STOP).expect("stop");
            wait_for("frames that pass", || down() > before + 20 || sender.is_finished()).expect("passed");
            firewall.signal(Signal::CONT).expect("go on");
            let noticed = || self::stalls(&firewall) > stalls || sender.is_finished();
            wait_for("that the controller notices", noticed).expect("noticed");
            thread::sleep(SOON);
        }
    });
    one.check(COUNT).expect("everything in the end");
    let accounts = settled(&firewall, 0).expect("accounts");
    assert!(accounts.hold("stalls") > 0, "{accounts:?}");
}

#[test]
fn a_controller_that_stood_still_gives_up_what_is_old() {
    let wire = BridgedWire::new().expect("namespaces");
    let firewall = firewall(&wire, "");
    let captures = captures(&wire);
    let both = ["10.7.0.11", "10.7.0.12"];
    let both = both.map(|world| Association::up(&wire.wire, world, SOON).expect("association"));
    let ((), next) = while_sending(&both, 0, EACH, || {
        for _ in 0..3 {
            let arrived = both[0].arrived().len();
            wait_for("messages", || both[0].arrived().len() > arrived + 100).expect("traffic");
            let count = |counter| Accounts::read_pins(&firewall).expect("pins").both(counter);
            let before = count("down_passed");
            firewall.signal(Signal::STOP).expect("stop");
            let stopped = Instant::now();
            wait_for("that the kernel notices", || count("down_passed") > before).expect("noticed");
            thread::sleep(Duration::from_secs(1).saturating_sub(stopped.elapsed()));
            let stalls = stalls(&firewall);
            firewall.signal(Signal::CONT).expect("go on");
            wait_for("that the controller notices", || self::stalls(&firewall) > stalls).expect("noticed");
        }
        let arrived = both[0].arrived().len();
        wait_for("messages", || both[0].arrived().len() > arrived + 100).expect("traffic");
    });
    for one in &both {
        one.attacks_are_stopped(&firewall).expect("after");
        one.check(next).expect("everything in the end");
    }
    let accounts = settled(&firewall, 0).expect("accounts");
    assert!(accounts.hold("stalls") >= 3 && accounts.hold("purged") > 0, "{accounts:?}");
    in_order(&captures);
}

#[test]
fn a_controller_that_begins_anew_loses_nothing() {
    let wire = BridgedWire::new().expect("namespaces");
    let mut firewall = firewall(&wire, "");
    let captures = captures(&wire);
    let both = ["10.7.0.11", "10.7.0.12"];
    let both = both.map(|world| Association::up(&wire.wire, world, LATE).expect("association"));
    let mut stood_still = 0;
    let mut held_before = 0;
    let ((), next) = while_sending(&both, 0, EACH, || {
        for round in 0..4 {
            let arrived = both[0].arrived().len();
            wait_for("messages", || both[0].arrived().len() > arrived + 100).expect("traffic");
            let accounts = Accounts::read(&firewall).expect("accounts");
            assert_eq!(accounts.hold("lost_before"), 0, "round {round}: {accounts:?}");
            firewall.end(Signal::TERM).expect("stop");
            wait_for("its last words", || {
                firewall.log().iter().any(|line| line.contains("the kernel goes on"))
            })
            .expect("log");
            stood_still += stalls(&firewall);
            if round == 2 {
                // An upgrade: another configuration.
                let text = fs::read_to_string(firewall.config()).expect("configuration");
                fs::write(
                    firewall.config(),
                    text.replace("[hold]\n", "[hold]\nroom = 512\ntime = \"300ms\"\n"),
                )
                .expect("configuration");
            }
            held_before = held(&firewall);
            firewall.start().expect("start again");
        }
    });
    for one in &both {
        one.attacks_are_stopped(&firewall).expect("after");
        one.roam(next..next + 50);
        one.check(next + 50).expect("everything");
    }
    assert!(firewall.log().iter().any(|line| line.contains("512 frames each")), "{:?}", firewall.log());
    let accounts = settled(&firewall, held_before).expect("accounts");
    stood_still += stalls(&firewall);
    let again: usize = both.iter().map(Association::sent_again).sum();
    let lost = wire.lost().expect("drops of the cables");
    let what = format!("{again} packets sent again, {stood_still} stalls, {lost} frames lost by the cables");
    println!("{} messages twice: {what}", next + 50);
    for never in ["dropped", "refused", "over_mtu", "down_dropped", "full_dropped", "long_dropped", "no_way"]
    {
        assert_eq!(accounts.both(never), 0, "{never}: {accounts:?}");
    }
    assert!(
        stood_still > 0 || (accounts.hold("purged"), accounts.hold("lost")) == (0, 0),
        "{what}: {accounts:?}"
    );
    // Else the machine was too slow for the lab, and that is no fault of the bridge.
    assert!(again == 0 || stood_still > 0 || lost > 0, "{what}: {accounts:?}");
    in_order(&captures);
}

/// A burst that finds the controller stopped: more than there is room for.
fn full(policy: &str) -> (Accounts, usize) {
    const BURST: usize = 200;
    let wire = BridgedWire::new().expect("namespaces");
    let firewall = firewall(&wire, &format!("room = 64\non_queue_full = \"{policy}\""));
    let capture = Capture::start(&wire.wire.host, HOST_INTERFACE).expect("capture");
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    one.roam(0..100);
    one.check(100).expect("traffic");
    let world = PacketSocket::open(&wire.wire.world, WORLD_INTERFACE, false).expect("packet socket");
    let octets = frame::carrying(&frame::m3ua_data(0x1009));
    firewall.signal(Signal::STOP).expect("stop");
    for _ in 0..BURST {
        world.send(&octets).expect("send");
    }
    one.roam(100..200);
    let entered = || Accounts::read_pins(&firewall).expect("pins").port(BRIDGE_INTERCONNECT, "entered");
    wait_for("the burst", || entered() > BURST as u64).expect("arrived");
    firewall.signal(Signal::CONT).expect("go on");
    one.check(200).expect("everything in the end");
    // Faster than anybody can judge.
    for _ in 0..20 {
        for _ in 0..BURST {
            world.send(&octets).expect("send");
        }
        thread::sleep(Duration::from_millis(1));
    }
    one.attack(0..5);
    one.roam(200..300);
    one.check(300).expect("everything in the end");
    let accounts = settled(&firewall, 0).expect("accounts");
    let arrived = capture.frames().iter().filter(|frame| frame.get(26..30) == Some(&[192, 0, 2, 1])).count();
    (accounts, arrived)
}

#[test]
fn what_finds_no_room_passes_where_that_is_the_policy() {
    let (accounts, arrived) = full("pass");
    assert!(accounts.both("full_passed") > 0, "{accounts:?}");
    assert_eq!(accounts.both("full_dropped"), 0, "{accounts:?}");
    assert!(arrived > 200, "{arrived} of the burst arrived: {accounts:?}");
}

#[test]
fn what_finds_no_room_is_dropped_where_that_is_the_policy() {
    let (accounts, _) = full("drop");
    assert!(accounts.both("full_dropped") > 0, "{accounts:?}");
    assert_eq!(accounts.both("full_passed"), 0, "{accounts:?}");
}
