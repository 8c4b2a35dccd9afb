//! AF_XDP sockets over one pool on the two ports of a bridge, and the ports themselves.
//!
//! ```text
//!   world: wa0 ---- a0 | host: sockets | b0 ---- wb0 :world
//! ```

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use ss7guard_lab::capture::PacketSocket;
use ss7guard_lab::netns::{Namespace, cable};
use ss7guard_lab::redirect::{METADATA, Redirect};
use ss7guard_userspace::kernel::device;
use ss7guard_userspace::kernel::interface_index;
use ss7guard_userspace::kernel::xsk::{self, Copying, Kick, Pool, Port, Socket, Statistics};

const PATIENCE: Duration = Duration::from_secs(10);
/// Local Experimental EtherType 1 (IEEE Std 802): nothing else on the wire has it.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

struct Bridge {
    host: Namespace,
    a: PacketSocket,
    b: PacketSocket,
    _world: Namespace,
}

fn bridge() -> Bridge {
    let host = Namespace::new("host").expect("namespace");
    let world = Namespace::new("world").expect("namespace");
    cable(&host, "a0", &world, "wa0").expect("cable");
    cable(&host, "b0", &world, "wb0").expect("cable");
    let a = PacketSocket::open(&world, "wa0", false).expect("packet socket");
    let b = PacketSocket::open(&world, "wb0", false).expect("packet socket");
    Bridge { host, a, b, _world: world }
}

impl Bridge {
    /// Opens a socket on each port.
    fn sockets(&self, pool: &Pool, receive: u32, send: [u32; 2], copying: Copying) -> [Socket; 2] {
        let sockets = self.host.inside(|| {
            let port = |name, send| Port {
                interface: interface_index(name).expect("interface"),
                queue: 0,
                receive,
                send,
            };
            Ok(xsk::open(pool, &[port("a0", send[0]), port("b0", send[1])], copying)?)
        });
        sockets.expect("sockets").try_into().expect("two")
    }
}

/// A frame with a number; to everybody, so that each stack takes it.
fn frame(number: u16) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0, 0, 0, 0, 1]);
    frame.extend(ETHERTYPE);
    frame.extend(number.to_be_bytes());
    frame.resize(60 + usize::from(number % 1_400), number as u8);
    frame
}

/// Our frames that arrive until there are so many, in order.
fn arrived(socket: &PacketSocket, count: usize) -> Vec<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut frames = Vec::new();
    while frames.len() < count && Instant::now() < until {
        let frame = socket.receive(Duration::from_millis(100)).expect("packet socket");
        frames.extend(frame.filter(|frame| frame.get(12..14) == Some(&ETHERTYPE[..])));
    }
    frames
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Puts frames of our own on the TX ring; the numbers of their places.
fn send(pool: &mut Pool, socket: &mut Socket, numbers: std::ops::Range<u16>) -> Vec<u32> {
    let put = |number| {
        let octets = frame(number);
        let mut held = pool.take(octets.len() as u32).expect("a free frame");
        pool.octets_mut(&mut held).copy_from_slice(&octets);
        let place = held.number();
        socket.send(pool, held).expect("room on the ring");
        place
    };
    numbers.map(put).collect()
}

fn kick(socket: &mut Socket) {
    wait_for("everything sent", || socket.kick().expect("interface") == Kick::Taken);
}

/// Numbers of so many frames that have left.
fn completed(pool: &mut Pool, socket: &mut Socket, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    wait_for("completions", || {
        socket.completed(pool, |number| numbers.push(number));
        numbers.len() >= count
    });
    numbers
}

#[test]
fn frames_leave_by_either_port_and_come_back_when_they_are_gone() {
    let bridge = bridge();
    let mut pool = Pool::new(64).expect("pool");
    let [mut a, mut b] = bridge.sockets(&pool, 16, [8, 64], Copying::Avoid);
    assert!(!a.is_zero_copy() && !b.is_zero_copy(), "veth copies");
    assert_eq!(a.kick().expect("interface"), Kick::Taken, "nothing to send");

    let places = send(&mut pool, &mut a, 0..8);
    assert_eq!((a.waiting(), pool.free()), (8, 56));
    let held = pool.take(60).expect("free");
    let number = held.number();
    let held = a.send(&mut pool, held).expect_err("the ring is full");
    assert_eq!((held.number(), pool.octets(&held).len()), (number, 60), "the right to it came back");
    pool.give_back(held);
    kick(&mut a);
    assert_eq!(completed(&mut pool, &mut a, 8), places);
    assert_eq!((a.waiting(), pool.free()), (0, 64));
    assert_eq!(arrived(&bridge.a, 8), (0..8).map(frame).collect::<Vec<_>>());

    // More than one call of the kernel sends, and the ring more than once round.
    let mut at_once = 0;
    for round in 0..10 {
        let numbers = round * 50..(round + 1) * 50;
        let places = send(&mut pool, &mut b, numbers.clone());
        at_once += u32::from(b.kick().expect("interface") == Kick::Taken);
        kick(&mut b);
        assert_eq!(completed(&mut pool, &mut b, 50), places);
        assert_eq!(arrived(&bridge.b, 50), numbers.map(frame).collect::<Vec<_>>(), "round {round}");
    }
    assert!(at_once > 0, "one kick goes on after the kernel's first 32 frames");
    assert_eq!(pool.free(), 64);
    for socket in [&a, &b] {
        assert_eq!(socket.statistics().expect("statistics"), Statistics::default());
    }
}

#[test]
fn what_the_kernel_has_not_been_shown_can_be_taken_back() {
    let bridge = bridge();
    let mut pool = Pool::new(64).expect("pool");
    let [mut a, _b] = bridge.sockets(&pool, 16, [64, 64], Copying::Avoid);
    let shown = send(&mut pool, &mut a, 0..3);
    kick(&mut a);
    let mut places = send(&mut pool, &mut a, 3..8);
    let mut back = Vec::new();
    a.recall(&mut pool, |place| back.push(place));
    places.reverse();
    assert_eq!(back, places, "the last one first");
    a.recall(&mut pool, |_| panic!("there is nothing more"));
    assert_eq!(completed(&mut pool, &mut a, 3), shown);
    assert_eq!((a.waiting(), pool.free()), (0, 64));
    let places = send(&mut pool, &mut a, 8..10);
    kick(&mut a);
    assert_eq!(completed(&mut pool, &mut a, 2), places);
    assert_eq!(arrived(&bridge.a, 5), (0..3).chain(8..10).map(frame).collect::<Vec<_>>());
    assert_eq!(a.statistics().expect("statistics"), Statistics::default());
}

#[test]
fn a_frame_that_comes_in_by_one_port_leaves_by_the_other_in_its_place() {
    let bridge = bridge();
    let mut pool = Pool::new(64).expect("pool");
    let [mut a, mut b] = bridge.sockets(&pool, 32, [64, 64], Copying::Always);
    assert_eq!((a.refill(&mut pool), pool.free()), (0, 32));
    assert_eq!((b.refill(&mut pool), pool.free()), (0, 0));
    let _redirect = Redirect::attach(&bridge.host, "a0", &a).expect("program");
    for round in 0..20 {
        let numbers = round * 20..(round + 1) * 20;
        let sent: Vec<Vec<u8>> = numbers.map(frame).collect();
        for frame in &sent {
            bridge.a.send(frame).expect("sent");
        }
        let mut frames = Vec::new();
        wait_for("20 frames", || {
            a.wake_fill().expect("interface");
            // Others than ours (IPv6 of the stacks) go back at once.
            let mut all = Vec::new();
            a.receive(&mut pool, 64, |held| all.push(held));
            for held in all {
                if pool.octets(&held).get(12..14) == Some(&ETHERTYPE[..]) {
                    frames.push(held);
                } else {
                    pool.give_back(held);
                }
            }
            a.refill(&mut pool);
            frames.len() >= 20
        });
        let mut places = Vec::new();
        for (held, sent) in frames.into_iter().zip(&sent) {
            assert_eq!(pool.octets(&held), sent.as_slice(), "round {round}");
            assert_eq!(pool.before(&held, 16), Some(&METADATA[..]));
            places.push(held.number());
            b.send(&mut pool, held).expect("room");
        }
        kick(&mut b);
        assert_eq!(completed(&mut pool, &mut b, 20), places);
        assert_eq!(arrived(&bridge.b, 20), sent, "round {round}");
        assert_eq!((a.refill(&mut pool), b.refill(&mut pool)), (0, 0));
    }
    for socket in [&a, &b] {
        assert_eq!(socket.statistics().expect("statistics"), Statistics::default());
    }
}

#[test]
fn frames_that_find_no_place_are_counted() {
    let bridge = bridge();
    let mut pool = Pool::new(8).expect("pool");
    let [mut a, _b] = bridge.sockets(&pool, 16, [8, 8], Copying::Always);
    assert_eq!(a.refill(&mut pool), 8, "the pool is short of so many");
    let _redirect = Redirect::attach(&bridge.host, "a0", &a).expect("program");
    for number in 0..20 {
        bridge.a.send(&frame(number)).expect("sent");
    }
    wait_for("losses", || a.statistics().expect("statistics").fill_empty >= 12);
    let mut frames = Vec::new();
    assert_eq!(a.receive(&mut pool, 3, |held| frames.push(held)), 3, "no more than asked for");
    a.receive(&mut pool, 64, |held| frames.push(held));
    assert_eq!((frames.len(), pool.free(), a.refill(&mut pool)), (8, 0, 16));
    for held in frames {
        pool.give_back(held);
    }
    assert_eq!((a.refill(&mut pool), pool.free()), (8, 0));
}

#[test]
fn a_queue_has_one_socket_and_a_successor_gets_it() {
    let bridge = bridge();
    let pool = Pool::new(8).expect("pool");
    let first = bridge.sockets(&pool, 8, [8, 8], Copying::Always);
    let other = Pool::new(8).expect("pool");
    let refused = bridge.host.inside(|| {
        let interface = interface_index("a0").expect("interface");
        let port = Port { interface, queue: 0, receive: 8, send: 8 };
        Ok(xsk::open(&other, &[port], Copying::Always).expect_err("taken").to_string())
    });
    let refused = refused.expect("namespace");
    assert!(refused.contains("bind: ") && refused.contains("busy"), "{refused}");
    drop(first);
    let _second = bridge.sockets(&other, 8, [8, 8], Copying::Always);
}

#[test]
fn a_port_that_is_down_keeps_its_frames_and_sends_them_when_it_is_up() {
    let bridge = bridge();
    let mut pool = Pool::new(8).expect("pool");
    let [mut a, _b] = bridge.sockets(&pool, 8, [8, 8], Copying::Always);
    let folder = tempfile::tempdir().expect("folder");
    let up = |up| -> Result<bool> {
        bridge.host.inside(|| {
            Ok(if up {
                device::pass_link_up(folder.path(), "a0")?
            } else {
                device::pass_link_down(folder.path(), "a0")?
            })
        })
    };
    assert!(up(false).expect("down"));
    assert!(!up(false).expect("down already"));
    let places = send(&mut pool, &mut a, 0..4);
    assert_eq!(a.kick().expect("still there"), Kick::Down);
    assert_eq!(a.waiting(), 4);
    assert!(up(true).expect("up"));
    assert!(!up(true).expect("nothing noted any more"));
    kick(&mut a);
    assert_eq!(completed(&mut pool, &mut a, 4), places);
}

#[test]
fn a_port_is_changed_and_put_back() {
    let bridge = bridge();
    let pair = "link add four numrxqueues 4 type veth peer name one numrxqueues 1";
    bridge.host.ip(&pair.split(' ').collect::<Vec<_>>()).expect("veth");
    bridge.host.ip(&["link", "set", "b0", "promisc", "on"]).expect("promiscuous");
    bridge.host.ip(&["link", "set", "b0", "mtu", "3000"]).expect("MTU");
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let done: Result<()> = bridge.host.inside(|| {
        assert_eq!((device::rx_queues("four")?, device::rx_queues("one")?), (4, 1));
        assert_eq!((device::mtu("a0")?, device::mtu("b0")?), (1_500, 3_000));
        let flags = |name| device::flags(name).expect("flags");
        assert!(flags("a0").up && flags("a0").running && !flags("a0").promiscuous);
        assert!(!flags("four").up && !flags("four").running);
        device::make_promiscuous(at, "a0")?;
        device::make_promiscuous(at, "a0")?;
        device::make_promiscuous(at, "b0")?;
        assert!(flags("a0").promiscuous && flags("b0").promiscuous);
        assert!(device::pass_link_down(at, "a0")?);
        assert!(!flags("a0").up && flags("a0").promiscuous && device::is_passed_down(at, "a0"));
        assert!(!device::pass_link_down(at, "four")?, "it was down before");
        for name in ["a0", "b0", "four"] {
            device::restore(at, name)?;
        }
        assert!(flags("a0").up && !flags("a0").promiscuous, "as it was");
        assert!(flags("b0").promiscuous, "it was so before");
        assert!(!flags("four").up, "it was so before");
        assert_eq!(at.read_dir()?.count(), 0, "no note is left");
        Ok(())
    });
    done.expect("ports");
}
