//! Neutralising between real associations: what is blocked does not arrive, what is not arrives once and in order, and
//! SCTP does not notice; dropping, beside it, is noticed.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ss7guard_lab::association::{HOME_POINT_CODE, Peer, Settings};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::{HOST_INTERFACE, Wire};
use ss7guard_lab::traffic::Kind;

const PATIENCE: Duration = Duration::from_secs(60);

/// 2-1-1, 4-7-7, 4-7-6.
const INNOCENT: u32 = 0x1009;
const NEUTRALISED: u32 = 0x203f;
const DROPPED: u32 = 0x203e;

const BLOCKS: &str = "[[block]]\npc = \"4-7-7\"\n[[block]]\npc = \"4-7-6\"\non_block = \"drop\"";

/// Octets that make SCTP cut a message: three fragments.
const LONG: usize = 3_000;

/// Both ends of an association.
struct Link {
    asp: Peer,
    gateway: Peer,
}

impl Link {
    fn up(wire: &Wire, world: &str, interleaving: bool) -> Self {
        let host = if world.contains(':') { "fd07::1" } else { "10.7.0.1" };
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("address"), 2905);
        // A busy machine is no loss.
        let settings = || Settings { interleaving, rto_min: Duration::from_secs(5), ..Settings::default() };
        let gateway =
            Peer::gateway_with(&wire.host, at(host), at(world), false, settings()).expect("gateway");
        let asp = Peer::asp_with(&wire.world, at(world), at(host), settings()).expect("ASP");
        asp.wait_active(PATIENCE).expect("association");
        assert_eq!(asp.is_interleaved(), interleaving);
        Self { asp, gateway }
    }

    /// Point codes and numbers that arrived, sorted: streams do not wait for each other.
    fn arrived(&self) -> Vec<(u32, u32)> {
        let mut arrived: Vec<_> =
            self.gateway.delivered().iter().map(|message| (message.opc, message.id)).collect();
        arrived.sort_unstable();
        arrived
    }

    /// Nothing in the association shows that anything was stopped.
    fn is_unharmed(&self, what: &str) {
        assert_eq!(self.asp.retransmitted(), 0, "{what}: nothing had to be sent again");
        for end in [&self.asp, &self.gateway] {
            assert_eq!((end.m3ua_errors(), end.ended()), (0, None), "{what}: no ERR, no ABORT");
        }
    }
}

fn message(opc: u32, id: u32, filling: usize) -> Vec<u8> {
    let label = Label { opc, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
    let mut user_part = Kind::ROAMING[id as usize % Kind::ROAMING.len()].begin(id);
    user_part.resize(user_part.len() + filling, 0xa5);
    m3ua::data(label, None, &user_part)
}

fn innocent(ids: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    ids.map(|id| (INNOCENT, id)).collect()
}

/// 10,000 messages on eight streams, each tenth of them blocked, all at once: the stack fills its packets up, and cuts
/// messages before and in their labels.
fn ten_thousand(wire: &Wire, world: &str) -> Link {
    let link = Link::up(wire, world, false);
    let is_blocked = |id: u32| id % 10 == 3;
    for ten in 0..1_000 {
        for id in ten * 10..(ten + 1) * 10 {
            let opc = if is_blocked(id) { NEUTRALISED } else { INNOCENT };
            link.asp.send((id % 8) as u16 + 1, message(opc, id, 0));
        }
    }
    link.gateway.wait_delivered(9_000, PATIENCE).expect(world);
    link.asp.wait_acknowledged(PATIENCE).expect(world);
    assert_eq!(link.arrived(), innocent((0..10_000).filter(|id| !is_blocked(*id))), "{world}");
    link.is_unharmed(world);
    link
}

/// Packets with two good and two bad messages each, in every order; then long ones, which SCTP cuts.
fn together_and_in_pieces(wire: &Wire, world: &str, interleaving: bool) -> Link {
    let link = Link::up(wire, world, interleaving);
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
    assert_eq!((good.len(), bad_ones), (390, 490));
    assert_eq!(link.arrived(), innocent(good.into_iter()), "{world}");
    link.is_unharmed(world);
    link
}

/// What is dropped is sent again and again, while another stream goes on.
fn dropped(wire: &Wire, world: &str) -> Link {
    let host = if world.contains(':') { "fd07::1" } else { "10.7.0.1" };
    let at = |ip: &str| SocketAddr::new(ip.parse().expect("address"), 2905);
    let gateway = Peer::gateway(&wire.host, at(host), at(world), false).expect("gateway");
    let asp = Peer::asp(&wire.world, at(world), at(host)).expect("ASP");
    asp.wait_active(PATIENCE).expect("association");
    let link = Link { asp, gateway };
    for id in 0..5 {
        link.asp.send(2, message(DROPPED, id, 0));
    }
    let end = Instant::now() + PATIENCE;
    while link.asp.retransmitted() == 0 {
        assert!(Instant::now() < end, "a dropped message is sent again");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(link.arrived(), []);
    link
}

#[test]
fn what_is_neutralised_does_not_arrive_and_sctp_does_not_notice() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", BLOCKS).expect("firewall");
    firewall.start().expect("start");
    let links = thread::scope(|scope| {
        let wire = &wire;
        let cases = [
            scope.spawn(|| ten_thousand(wire, "10.7.0.11")),
            scope.spawn(|| ten_thousand(wire, "fd07::12")),
            scope.spawn(|| together_and_in_pieces(wire, "10.7.0.13", false)),
            scope.spawn(|| together_and_in_pieces(wire, "10.7.0.14", true)),
            scope.spawn(|| together_and_in_pieces(wire, "fd07::15", true)),
        ];
        let dropping = scope.spawn(|| dropped(wire, "10.7.0.16"));
        let links = cases.map(|case| case.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        drop(dropping.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        links
    });
    assert!(firewall.counted("blocked_point_code", "neutralise").expect("stats") >= 2_000);
    let cut = firewall.counted("sctp_short_first_fragment", "punt").expect("stats");
    let for_nobody: u64 = links.iter().map(|link| link.gateway.for_nobody()).sum();
    println!(
        "{cut} messages were cut before their label; {for_nobody} of them were blocked and came without label"
    );
    assert!(cut > 100 && for_nobody > 0 && for_nobody < cut, "{cut} {for_nobody}");
    assert_eq!(firewall.counted("sctp_short_first_fragment", "neutralise").expect("stats"), 0);
    assert!(firewall.counted("blocked_point_code", "drop").expect("stats") > 0);
    // As long as an unacknowledged message would need to be given up.
    thread::sleep(Duration::from_secs(60));
    for (number, link) in links.iter().enumerate() {
        let what = format!("association {number} after a minute");
        link.asp.beat(PATIENCE).expect(&what);
        link.is_unharmed(&what);
        let before = link.gateway.delivered().len();
        link.asp.send(1, message(NEUTRALISED, 50_000, 0));
        link.asp.send(1, message(INNOCENT, 50_001, 0));
        link.gateway.wait_delivered(before + 1, PATIENCE).expect(&what);
        assert_eq!(link.arrived().last(), Some(&(INNOCENT, 50_001)), "{what}");
        assert_eq!(link.gateway.delivered().len(), before + 1, "{what}");
    }
}

#[test]
#[ignore = "needs tshark"]
fn tshark_finds_every_checksum_good() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", BLOCKS).expect("firewall");
    firewall.start().expect("start");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("after.pcapng");
    // What a socket sees on this interface is what XDP has let through.
    let mut command = Command::new("dumpcap");
    command.args(["-q", "-i", HOST_INTERFACE, "-w"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let mut capture = wire.host.inside(|| Ok(command.spawn()?)).expect("dumpcap");
    let end = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < end, "dumpcap begins");
        thread::sleep(Duration::from_millis(50));
    }
    drop(together_and_in_pieces(&wire, "10.7.0.13", false));
    drop(together_and_in_pieces(&wire, "fd07::14", true));
    thread::sleep(Duration::from_secs(1));
    let pid = i32::try_from(capture.id()).ok().and_then(rustix::process::Pid::from_raw).expect("pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("end the capture");
    capture.wait().expect("dumpcap");
    let fields = |filter: &str| {
        let output = Command::new("tshark")
            .args([
                "-o",
                "sctp.checksum:CRC 32c",
                "-Y",
                filter,
                "-T",
                "fields",
                "-e",
                "sctp.checksum.status",
                "-r",
            ])
            .arg(&file)
            .output()
            .expect("tshark");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // 1 is good.
    let statuses = fields("sctp");
    assert!(statuses.len() > 200 && statuses.iter().all(|status| status == "1"), "{:?}", statuses.first());
    let heartbeats = fields("m3ua.message_class == 3 && m3ua.message_type == 6");
    assert!(heartbeats.len() > 100, "{} frames hold a BEAT ACK", heartbeats.len());
}
