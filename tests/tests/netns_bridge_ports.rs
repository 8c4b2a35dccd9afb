//! The ports of a bridge: links that are lost, MTUs, queues, a bridge of the kernel underneath, frames without SCTP.

use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Command;
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use ss7guard_lab::association::HOME_POINT_CODE;
use ss7guard_lab::bridged::{Accounts, Association, RULES, check_order, settled, wait_for, while_sending};
use ss7guard_lab::capture::{Capture, PacketSocket, sctp};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::{
    BRIDGE_HOME, BRIDGE_INTERCONNECT, BridgedWire, HOST_INTERFACE, Namespace, WORLD_INTERFACE,
};
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::kernel::xsk::{self, Copying, Pool, Port};
use ss7guard_userspace::kernel::{self, device};

const EACH: Duration = Duration::from_millis(2);
const SOON: Duration = Duration::from_millis(300);
const PORTS: [&str; 2] = [BRIDGE_INTERCONNECT, BRIDGE_HOME];

fn firewall<'a>(wire: &'a BridgedWire, rest: &str) -> Firewall<'a> {
    Firewall::bridge(&wire.bridge, "mode = \"enforce\"", &format!("{RULES}{rest}")).expect("configuration")
}

fn flags(wire: &BridgedWire, port: &str) -> device::Flags {
    wire.bridge.inside(|| Ok(device::flags(port)?)).expect("flags")
}

/// Sets one far end down and up; meanwhile something is done. The other port is down as long.
fn without_link(
    wire: &BridgedWire,
    firewall: &mut Firewall<'_>,
    far: [&str; 3],
    meanwhile: impl Fn(&mut Firewall<'_>),
) {
    let [interface, here, there] = far;
    let far = if interface == WORLD_INTERFACE { &wire.wire.world } else { &wire.wire.host };
    let bpffs = firewall.folder().join("bpf");
    far.ip(&["link", "set", interface, "down"]).expect("down");
    wait_for("that the loss is passed on", || !flags(wire, there).up).expect(there);
    assert!(device::is_passed_down(&bpffs, there) && !device::is_passed_down(&bpffs, here));
    assert!(flags(wire, here).up, "{here} stays, to see its link again");
    meanwhile(firewall);
    assert!(!flags(wire, there).up, "{here} still has no link");
    far.ip(&["link", "set", interface, "up"]).expect("up");
    wait_for("that the link is passed on", || flags(wire, there).running).expect(there);
    wait_for("the note", || !device::is_passed_down(&bpffs, there)).expect(there);
    // And it stays so.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        for port in PORTS {
            assert!(flags(wire, port).up, "{port} is down again: {:?}", firewall.log());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

const FAR_ENDS: [[&str; 3]; 2] =
    [[WORLD_INTERFACE, BRIDGE_INTERCONNECT, BRIDGE_HOME], [HOST_INTERFACE, BRIDGE_HOME, BRIDGE_INTERCONNECT]];

#[test]
fn a_lost_link_is_passed_on_and_associations_outlive_it() {
    let wire = BridgedWire::new().expect("namespaces");
    let mut firewall = firewall(&wire, "");
    firewall.start().expect("start");
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    let mut held_before = 0;
    let (_, next) = while_sending(slice::from_ref(&one), 0, EACH, || {
        for far in FAR_ENDS {
            let arrived = one.arrived().len();
            without_link(&wire, &mut firewall, far, |_| thread::sleep(SOON));
            wait_for("messages", || one.arrived().len() > arrived + 100).expect("traffic");
            // Another controller knows of it too.
            let arrived = one.arrived().len();
            let held = Cell::new(0);
            without_link(&wire, &mut firewall, far, |firewall| {
                firewall.end(Signal::TERM).expect("stop");
                held.set(Accounts::read_pins(firewall).expect("pins").both("held"));
                firewall.start().expect("start again while the link is lost");
                thread::sleep(SOON);
            });
            held_before = held.get();
            wait_for("messages", || one.arrived().len() > arrived + 100).expect("traffic");
        }
    });
    one.attacks_are_stopped(&firewall).expect("in the end");
    one.check(next).expect("everything in the end");
    settled(&firewall, held_before).expect("accounts");
}

#[test]
fn detaching_sets_a_port_up_again_whoever_has_set_it_down() {
    let wire = BridgedWire::new().expect("namespaces");
    let mut firewall = firewall(&wire, "");
    for killed in [false, true] {
        firewall.start().expect("start");
        for port in PORTS {
            wait_for("a link", || flags(&wire, port).running).expect(port);
        }
        wire.wire.world.ip(&["link", "set", WORLD_INTERFACE, "down"]).expect("down");
        wait_for("that the loss is passed on", || !flags(&wire, BRIDGE_HOME).up).expect("core0");
        if killed {
            firewall.end(Signal::KILL).expect("kill");
        }
        firewall.command(&["detach", "--all"]).expect("detach");
        if !killed {
            firewall.wait_end().expect("the controller ends");
        }
        assert!(flags(&wire, BRIDGE_HOME).up, "killed: {killed}");
        assert!(!flags(&wire, BRIDGE_HOME).promiscuous);
        wire.wire.world.ip(&["link", "set", WORLD_INTERFACE, "up"]).expect("up");
    }
}

/// A frame that is nobody's, of this length.
fn frame_of(len: usize) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame.resize(len, 0x5a);
    frame
}

/// Whether a frame of this length comes from the host to the world.
fn fits(host: &PacketSocket, world: &PacketSocket, len: usize) -> bool {
    host.send(&frame_of(len)).expect("send");
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        if world
            .receive(Duration::from_millis(50))
            .expect("receive")
            .is_some_and(|frame| frame == frame_of(len))
        {
            return true;
        }
    }
    false
}

#[test]
fn what_the_other_side_does_not_take_is_counted_whatever_its_mtu_becomes() {
    let wire = BridgedWire::new().expect("namespaces");
    let mtu = |mtu: &str| {
        wire.bridge.ip(&["link", "set", BRIDGE_INTERCONNECT, "mtu", mtu]).expect("MTU");
        wire.wire.world.ip(&["link", "set", WORLD_INTERFACE, "mtu", mtu]).expect("MTU");
    };
    mtu("1400");
    let mut firewall = firewall(&wire, "");
    firewall.start().expect("start");
    let host = PacketSocket::open(&wire.wire.host, HOST_INTERFACE, false).expect("packet socket");
    let world = PacketSocket::open(&wire.wire.world, WORLD_INTERFACE, false).expect("packet socket");
    let over = || Accounts::read(&firewall).expect("accounts").port(BRIDGE_HOME, "over_mtu");
    wait_for("the longest", || fits(&host, &world, 1_414)).expect("1414 octets");
    assert_eq!(over(), 0);
    assert!(!fits(&host, &world, 1_500) && !fits(&host, &world, 1_419));
    assert_eq!(over(), 2);
    mtu("1500");
    wait_for("that it is followed", || fits(&host, &world, 1_514)).expect("1514 octets");
    mtu("1300");
    let before = over();
    wait_for("that it is followed", || !fits(&host, &world, 1_414) && over() > before).expect("1414 octets");
    assert!(fits(&host, &world, 1_314));
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    one.roam(0..100);
    one.check(100).expect("short ones go on");
    settled(&firewall, 0).expect("accounts");
}

#[test]
fn every_queue_is_judged_and_each_flow_stays_in_order() {
    let wire = BridgedWire::with_queues(2).expect("namespaces");
    let mut firewall = firewall(&wire, "");
    firewall.start().expect("start");
    let log = firewall.log();
    assert!(log.iter().any(|line| line.contains("holding on 4 queues")), "{log:?}");
    let captures = [
        Capture::start(&wire.wire.host, HOST_INTERFACE).expect("capture"),
        Capture::start(&wire.wire.world, WORLD_INTERFACE).expect("capture"),
    ];
    let all: Vec<Association> = (11..19)
        .map(|peer| Association::up(&wire.wire, &format!("10.7.0.{peer}"), SOON).expect("association"))
        .collect();
    for id in 0..200 {
        for one in &all {
            one.roam(id..id + 1);
        }
    }
    for one in &all {
        one.check(200).expect("everything");
        one.attacks_are_stopped(&firewall).expect("on each queue");
    }
    settled(&firewall, 0).expect("accounts");
    let used = wire.bridge.inside(|| firewall.held_by_queue(2)).expect("queues");
    println!("frames by queue: {used:?}");
    assert!(used.iter().all(|count| *count > 0), "{used:?}");
    for capture in &captures {
        assert!(check_order(capture).expect("in order") > 0);
    }
}

#[test]
fn a_bridge_without_xdp_in_its_drivers_holds_too() {
    let wire = BridgedWire::new().expect("namespaces");
    let network = "mode = \"enforce\"\nattach = \"generic\"";
    let mut firewall = Firewall::bridge(&wire.bridge, network, RULES).expect("configuration");
    firewall.start().expect("start");
    let capture = Capture::start(&wire.wire.host, HOST_INTERFACE).expect("capture");
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    one.roam(0..500);
    one.check(500).expect("everything");
    one.attacks_are_stopped(&firewall).expect("stopped");
    assert!(settled(&firewall, 0).expect("accounts").both("held") > 100);
    assert!(check_order(&capture).expect("in order") > 0);
}

#[test]
fn a_bridge_of_the_kernel_takes_over_when_the_firewall_is_detached() {
    let wire = BridgedWire::new().expect("namespaces");
    wire.bridge.ip(&["link", "add", "br0", "type", "bridge"]).expect("bridge");
    for port in PORTS {
        wire.bridge.ip(&["link", "set", port, "master", "br0"]).expect("port");
    }
    wire.bridge.ip(&["link", "set", "br0", "up"]).expect("bridge");
    let mut firewall = firewall(&wire, "");
    let captures = [
        Capture::start(&wire.wire.host, HOST_INTERFACE).expect("capture"),
        Capture::start(&wire.wire.world, WORLD_INTERFACE).expect("capture"),
    ];
    // What this sees has come to the kernel's bridge.
    let passed = PORTS.map(|port| PacketSocket::open(&wire.bridge, port, false).expect("packet socket"));
    let reached = || {
        let mut count = 0;
        for socket in &passed {
            while let Some(frame) = socket.take().expect("packet socket") {
                count += usize::from(sctp(&frame).is_some());
            }
        }
        count
    };
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("without a firewall");
    one.roam(0..100);
    one.check(100).expect("without a firewall");
    assert!(reached() > 0);
    let mut next = 100;
    for round in 0..2 {
        let ((), after) = while_sending(slice::from_ref(&one), next, EACH, || {
            let more = || {
                let arrived = one.arrived().len();
                wait_for("messages", || one.arrived().len() > arrived + 100).expect("traffic");
            };
            more();
            firewall.start().expect("start");
            assert!(flags(&wire, BRIDGE_HOME).promiscuous);
            reached();
            one.attacks_are_stopped(&firewall).expect("with a firewall");
            more();
            assert_eq!(reached(), 0, "round {round}: with the program, nothing comes to the kernel's bridge");
            let accounts = Accounts::read(&firewall).expect("accounts");
            assert!(accounts.both("held") > 200 && accounts.both("redirected") > 0, "{accounts:?}");
            assert_eq!(accounts.both("passed_up"), 0, "{accounts:?}");
            firewall.command(&["detach", "--all"]).expect("detach");
            firewall.wait_end().expect("the controller ends");
            more();
            assert!(reached() > 0, "round {round}: traffic goes on without");
            for port in PORTS {
                assert!(flags(&wire, port).up && !flags(&wire, port).promiscuous, "{port}");
                assert!(!firewall.folder().join("bpf").join(format!("promisc_{port}")).exists());
            }
        });
        next = after;
    }
    one.check(next).expect("everything, each once");
    println!("sent again: {}", one.sent_again());
    for capture in &captures {
        assert!(check_order(capture).expect("in order, and none twice") > 0);
    }
}

#[test]
fn a_start_that_cannot_hold_leaves_nothing_behind() {
    let wire = BridgedWire::new().expect("namespaces");
    let pool = Pool::new(64).expect("pool");
    let taken = wire.bridge.inside(|| {
        let interface = kernel::interface_index(BRIDGE_INTERCONNECT).unwrap_or_default();
        Ok(xsk::open(&pool, &[Port { interface, queue: 0, receive: 16, send: 16 }], Copying::Always)?)
    });
    let taken = taken.expect("socket");
    let mut firewall = firewall(&wire, "");
    let untouched = PORTS.map(|port| flags(&wire, port));
    let problem = firewall.start().expect_err("the queue is taken").to_string();
    assert!(problem.contains(BRIDGE_INTERCONNECT), "{problem}");
    let bpffs = firewall.folder().join("bpf");
    let pins = || std::fs::read_dir(&bpffs).map_or(0, Iterator::count);
    assert_eq!(pins(), 0, "{problem}");
    assert_eq!(PORTS.map(|port| flags(&wire, port)), untouched, "{problem}");
    let links = wire.bridge.inside(|| {
        let output = Command::new("ip").args(["-d", "link"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let links = links.expect("ip");
    assert!(links.contains(BRIDGE_HOME) && !links.contains("prog/xdp"), "{links}");
    drop(taken);
    firewall.start().expect("start");
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    one.roam(0..20);
    one.check(20).expect("messages");
}

#[test]
fn without_a_controller_traffic_goes_on_and_blocks_are_carried_out() {
    const ROGUE: u32 = 0x203f;
    let wire = BridgedWire::new().expect("namespaces");
    let firewall = firewall(&wire, "[[block]]\npc = \"4-7-7\"\n");
    firewall.command(&["attach", "--bridge", BRIDGE_INTERCONNECT, BRIDGE_HOME]).expect("attach");
    let one = Association::up(&wire.wire, "10.7.0.11", SOON).expect("association");
    one.roam(0..100);
    for id in 1_000..1_020 {
        let label = Label { opc: ROGUE, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        one.asp.send(1, m3ua::data(label, None, &Kind::UpdateLocation.begin(id)));
    }
    one.attack(0..3);
    one.check(100).expect("everything but what is blocked");
    wait_for("attacks, that nobody judges", || one.attacks() == [0, 1, 2]).expect("attacks");
    let count = firewall.counted("blocked_point_code", "neutralise").expect("stats");
    assert!(count >= 20, "{count}");
    let accounts = Accounts::read_pins(&firewall).expect("pins");
    assert!(accounts.both("down_passed") > 0, "{accounts:?}");
    assert_eq!((accounts.both("held"), accounts.both("down_dropped")), (0, 0), "{accounts:?}");
    firewall.command(&["detach", "--all"]).expect("detach");
}

/// Whether an echo request from the world to the host is answered.
fn ping(world: &Namespace, to: &str) -> bool {
    use rustix::net::{AddressFamily, Protocol, RawProtocol, RecvFlags, SendFlags, SocketFlags, SocketType};
    let to: SocketAddr = SocketAddr::new(to.parse().expect("address"), 0);
    let (family, protocol, request, answer) = match to {
        SocketAddr::V4(_) => (AddressFamily::INET, 1, [8, 0, 0xc1, 0xfe], 0u8),
        SocketAddr::V6(_) => (AddressFamily::INET6, 58, [128, 0, 0, 0], 129),
    };
    world
        .inside(|| {
            let protocol = RawProtocol::new(protocol).map(Protocol::from_raw);
            let socket = rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
            rustix::net::connect(&socket, &to)?;
            // Type, code, checksum (of ICMPv6 the kernel makes it), identifier 0x3601 and number 0x0800.
            rustix::net::send(&socket, &[&request[..], &[0x36, 1, 0, 0]].concat(), SendFlags::empty())?;
            let until = Instant::now() + Duration::from_secs(1);
            let mut octets = [0u8; 256];
            while Instant::now() < until {
                if let Ok((len, _)) = rustix::net::recv(&socket, &mut octets[..], RecvFlags::DONTWAIT) {
                    let start = if to.is_ipv4() { 20 } else { 0 };
                    if octets[..len].get(start) == Some(&answer) {
                        return Ok(true);
                    }
                }
                thread::sleep(Duration::from_millis(5));
            }
            Ok(false)
        })
        .expect("raw socket")
}

#[test]
fn frames_without_sctp_pass_unless_they_are_not_to() {
    const HOSTS: [&str; 2] = ["10.7.0.1", "fd07::1"];
    let wire = BridgedWire::new().expect("namespaces");
    let mut all = firewall(&wire, "");
    all.start().expect("start");
    for host in HOSTS {
        wait_for("an echo", || ping(&wire.wire.world, host)).expect(host);
    }
    assert_eq!(settled(&all, 0).expect("accounts").both("refused"), 0);
    drop(all);
    let mut some = firewall(&wire, "[frames]\nicmp = \"drop\"\n");
    some.start().expect("start");
    for (turn, host) in (1u64..).zip(HOSTS) {
        assert!(!ping(&wire.wire.world, host), "{host}");
        let refused = settled(&some, 0).expect("accounts").port(BRIDGE_INTERCONNECT, "refused");
        assert!(refused >= turn, "{host}: {refused}");
    }
    for (world, next) in [("10.7.0.11", 100), ("fd07::12", 100)] {
        let one = Association::up(&wire.wire, world, SOON).expect("association");
        one.roam(0..next);
        one.check(next).expect("SCTP goes on");
    }
    settled(&some, 0).expect("accounts");
}
