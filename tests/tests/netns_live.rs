//! The firewall between real SCTP associations: what arrives on the far side decides.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use ss7guard_lab::association::{HOME_POINT_CODE, Peer};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::{HOST_INTERFACE, Wire};
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::control::MAX_CLIENTS;
use ss7guard_userspace::kernel::Maps;

const PATIENCE: Duration = Duration::from_secs(15);

/// Both ends of an association: the ASP in the world, the gateway on the host.
struct Link {
    asp: Peer,
    gateway: Peer,
}

impl Link {
    fn up(wire: &Wire, peer: u8, answers: bool) -> Self {
        Self::between(wire, &format!("10.7.0.{peer}"), "10.7.0.1", answers)
    }

    fn between(wire: &Wire, world: &str, host: &str, answers: bool) -> Self {
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("address"), 2905);
        let gateway = Peer::gateway(&wire.host, at(host), at(world), answers).expect("gateway");
        let asp = Peer::asp(&wire.world, at(world), at(host)).expect("ASP");
        asp.wait_active(PATIENCE).expect("association");
        Self { asp, gateway }
    }

    fn send(&self, stream: u16, opc: u32, kind: Kind, id: u32) {
        let label = Label { opc, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        self.asp.send(stream, m3ua::data(label, None, &kind.begin(id)));
    }

    fn roam(&self, opc: u32, ids: std::ops::Range<u32>) {
        for id in ids {
            self.send(1, opc, Kind::ROAMING[id as usize % Kind::ROAMING.len()], id);
        }
    }

    /// Point codes and numbers that arrived, in order.
    fn arrived(&self) -> Vec<(u32, u32)> {
        self.gateway.delivered().iter().map(|message| (message.opc, message.id)).collect()
    }
}

/// 4-7-7, 2-1-1, 2-1-2.
const ROGUE: u32 = 0x203f;
const CARRIER_A: u32 = 0x1009;
const CARRIER_B: u32 = 0x100a;

fn from(opc: u32, ids: std::ops::Range<u32>) -> Vec<(u32, u32)> {
    ids.map(|id| (opc, id)).collect()
}

#[test]
fn without_a_firewall_everything_arrives_once_and_in_order() {
    let wire = Wire::new().expect("namespaces");
    let v4 = Link::up(&wire, 11, true);
    let v6 = Link::between(&wire, "fd07::12", "fd07::1", false);
    v4.roam(CARRIER_A, 0..200);
    v6.roam(CARRIER_B, 0..200);
    v4.gateway.wait_delivered(200, PATIENCE).expect("IPv4");
    v6.gateway.wait_delivered(200, PATIENCE).expect("IPv6");
    v4.asp.wait_delivered(200, PATIENCE).expect("answers");
    assert_eq!(v4.arrived(), from(CARRIER_A, 0..200));
    assert_eq!(v6.arrived(), from(CARRIER_B, 0..200));
}

#[test]
fn a_blocked_point_code_is_stopped_and_nobody_else_is() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall =
        Firewall::new(&wire.host, "mode = \"enforce\"", "[[block]]\npc = \"4-7-7\"\nreason = \"test\"")
            .expect("firewall");
    firewall.start().expect("start");
    let status = firewall.json(&["status"]).expect("status");
    assert_eq!(status["interfaces"][0]["xdp"], "native", "{status}");
    let rogue = Link::up(&wire, 11, false);
    let a = Link::up(&wire, 12, false);
    let b = Link::between(&wire, "fd07::13", "fd07::1", false);
    rogue.roam(ROGUE, 0..50);
    a.roam(CARRIER_A, 100..300);
    b.roam(CARRIER_B, 300..500);
    a.gateway.wait_delivered(200, PATIENCE).expect("carrier A");
    b.gateway.wait_delivered(200, PATIENCE).expect("carrier B");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(rogue.arrived(), [], "blocked messages arrived");
    assert_eq!(a.arrived(), from(CARRIER_A, 100..300));
    assert_eq!(b.arrived(), from(CARRIER_B, 300..500));
    assert!(firewall.counted("blocked_point_code", "neutralise").expect("stats") > 0);
    let status = firewall.json(&["status"]).expect("status");
    assert_eq!(status["ring"]["overrun"], 0, "{status}");
    let list = firewall.json(&["block", "list"]).expect("list");
    assert!(list[0]["hits"].as_u64() > Some(0), "{list}");
}

#[test]
fn monitor_mode_stops_nothing_and_reports() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "", "[[block]]\npc = \"4-7-7\"").expect("firewall");
    firewall.start().expect("start");
    let link = Link::up(&wire, 11, false);
    link.roam(ROGUE, 0..20);
    link.gateway.wait_delivered(20, PATIENCE).expect("all of it");
    wait_for(|| firewall.alerts().is_ok_and(|alerts| alerts.len() >= 20), "20 alerts");
    let alert = &firewall.alerts().expect("alerts")[0];
    assert_eq!(
        (&alert["reason"], &alert["alert"]["action"]),
        (&"blocked_point_code".into(), &"allowed".into())
    );
}

#[test]
fn an_attack_is_recognised_and_its_point_code_blocked_where_the_rule_says_so() {
    let wire = Wire::new().expect("namespaces");
    let rule = "[rules.category1]\nmode = \"enforce\"\nblock = \"opc\"\nttl = \"1h\"";
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", rule).expect("firewall");
    firewall.start().expect("start");
    let innocent = Link::up(&wire, 11, false);
    let attacker = Link::up(&wire, 12, false);
    for (id, kind) in (0u32..).zip(Kind::ATTACKS.into_iter().take(1)) {
        attacker.send(1, CARRIER_B, kind, id);
    }
    attacker.gateway.wait_delivered(1, PATIENCE).expect("the first message passes in this deployment");
    wait_for(|| firewall.json(&["block", "list"]).is_ok_and(|list| !list[0].is_null()), "a kernel entry");
    let list = firewall.json(&["block", "list"]).expect("list");
    assert_eq!((&list[0]["point_code"], &list[0]["rule"]), (&CARRIER_B.into(), &"category1".into()));
    attacker.roam(CARRIER_B, 100..120);
    innocent.roam(CARRIER_A, 200..300);
    innocent.gateway.wait_delivered(100, PATIENCE).expect("the innocent carrier");
    thread::sleep(Duration::from_secs(1));
    assert_eq!(attacker.arrived(), [(CARRIER_B, 0)]);
    let alerts = firewall.alerts().expect("alerts");
    assert_eq!(alerts[0]["alert"]["evidence"][0]["operation"], "anyTimeInterrogation");
    assert_eq!(alerts[0]["alert"]["category"], "cat1");
}

#[test]
fn an_attack_in_fragments_is_put_together_and_recognised() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"monitor\"", "").expect("configuration");
    firewall.start().expect("controller");
    let a = Link::up(&wire, 11, false);
    let label = Label { opc: CARRIER_A, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
    let message = m3ua::data(label, None, &Kind::AnyTimeInterrogation.begin(77));
    // A parameter that a receiver skips, larger than a packet: SCTP cuts the message before its label.
    let filling =
        m3ua::message(1, 1, &[[vec![0, 4, 0x0b, 0xb8], vec![b'x'; 2_996]].concat(), message[8..].to_vec()]);
    a.asp.send(1, filling);
    a.gateway.wait_delivered(1, PATIENCE).expect("delivered");
    let found =
        || firewall.alerts().expect("alerts").into_iter().find(|alert| alert["alert"]["category"] == "cat1");
    wait_for(|| found().is_some(), "the alert");
    let stats = firewall.json(&["stats"]).expect("stats");
    assert!(stats["reassembly"]["sctp_fragments_completed"].as_u64() >= Some(1), "{}", stats["reassembly"]);
}

#[test]
fn an_entry_ends_by_the_kernels_clock_and_a_dropped_message_was_only_delayed() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", "").expect("firewall");
    firewall.start().expect("start");
    let link = Link::up(&wire, 11, false);
    let before = Instant::now();
    firewall.command(&["block", "add", "4-7-7", "--ttl", "2s", "--on-block", "drop"]).expect("block");
    firewall.signal(Signal::STOP).expect("stop the controller");
    link.send(1, ROGUE, Kind::UpdateLocation, 7);
    link.gateway.wait_delivered(1, PATIENCE).expect("SCTP sends it again and the kernel lets it pass");
    let arrived = link.gateway.delivered()[0].at - before;
    assert!(
        arrived >= Duration::from_millis(1_990),
        "stopped while the entry lives, but it came after {arrived:?}"
    );
    assert!(link.asp.retransmitted() > 0);
    firewall.signal(Signal::CONT).expect("go on");
}

#[test]
fn blocking_outlives_a_killed_controller_and_the_next_one_adopts_it() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", "").expect("firewall");
    firewall.start().expect("start");
    let link = Link::up(&wire, 11, false);
    firewall.command(&["block", "add", "4-7-7", "--reason", "test", "--on-block", "drop"]).expect("block");
    firewall.end(Signal::KILL).expect("kill");
    link.send(1, ROGUE, Kind::UpdateLocation, 7);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(link.arrived(), [], "the kernel goes on blocking");
    let status = firewall.json(&["status"]).expect("status from the pins");
    assert_eq!(status["controller"], "not running");
    let hits = firewall.json(&["block", "list"]).expect("list")[0]["hits"].as_u64();
    assert!(hits > Some(0));
    let counted = firewall.counted("blocked_point_code", "drop").expect("stats");
    firewall.start().expect("start again");
    let status = firewall.json(&["status"]).expect("status");
    assert_eq!((&status["pins"], &status["block_entries"]), (&"adopted".into(), &1.into()));
    assert!(firewall.json(&["block", "list"]).expect("list")[0]["hits"].as_u64() >= hits);
    assert!(firewall.counted("blocked_point_code", "drop").expect("stats") >= counted);
    assert_eq!(link.arrived(), [], "and so does the next controller");
    firewall.command(&["detach", "--all"]).expect("detach");
    link.gateway.wait_delivered(1, PATIENCE).expect("detach ends it");
}

#[test]
fn an_answer_that_leaves_is_an_event_with_direction_out() {
    for egress in ["tcx", "clsact"] {
        let wire = Wire::new().expect("namespaces");
        let mut firewall =
            Firewall::new(&wire.host, &format!("egress = \"{egress}\""), "").expect("firewall");
        firewall.start().expect("start");
        let status = firewall.json(&["status"]).expect("status");
        assert_eq!(status["interfaces"][0]["egress"], egress);
        let link = Link::up(&wire, 11, true);
        let monitor = firewall
            .spawn(&["monitor", "-f", "-n", "1", "--direction", "out", "-o", "json"])
            .expect("monitor");
        thread::sleep(Duration::from_millis(300));
        link.send(1, CARRIER_A, Kind::UpdateLocation, 7);
        link.asp.wait_delivered(1, PATIENCE).expect("the answer");
        let output = monitor.wait_with_output().expect("monitor");
        let event: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an event");
        assert_eq!((&event["direction"], &event["ss7"]["tcap"]), (&"out".into(), &"end".into()), "{event}");
        assert_eq!(event["ss7"]["dtid"], "00000007");
        assert_eq!(event["ss7"]["opc_number"], HOME_POINT_CODE);
    }
}

#[test]
fn a_second_controller_and_a_foreign_program_are_refused_with_nothing_changed() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "", "").expect("firewall");
    firewall.start().expect("start");
    let error = firewall.command(&["run"]).unwrap_err().to_string();
    assert!(error.contains("another ss7guard controls the pins"), "{error}");
    let mut other = Firewall::new(&wire.host, "", "").expect("firewall");
    let error = other.start().unwrap_err().to_string();
    assert!(error.contains("already has an XDP program"), "{error}");
    let error = other.command(&["detach", "--all"]).unwrap_err().to_string();
    assert!(error.contains("nothing is attached"), "{error}");
    assert_eq!(firewall.json(&["status"]).expect("status")["controller"], "running");
}

#[test]
fn pins_of_another_version_are_refused_and_go_on_working() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall =
        Firewall::new(&wire.host, "mode = \"enforce\"", "[[block]]\npc = \"4-7-7\"").expect("firewall");
    firewall.start().expect("start");
    firewall.end(Signal::TERM).expect("stop");
    let bpffs = firewall.folder().join("bpf");
    let mut maps = Maps::open(&bpffs).expect("maps");
    let mut record = maps.config().expect("CONFIG");
    record.abi_version += 1;
    maps.set_config(record).expect("write");
    let error = firewall.start().unwrap_err().to_string();
    assert!(error.contains("are of another version"), "{error}");
    let link = Link::up(&wire, 11, false);
    link.roam(ROGUE, 0..3);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(link.arrived(), [], "what the other version blocks stays blocked");
}

#[test]
fn a_start_that_fails_leaves_the_policy_of_adopted_pins_as_it_was() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", "").expect("firewall");
    firewall.start().expect("start");
    firewall.command(&["block", "add", "4-7-7"]).expect("block");
    firewall.end(Signal::KILL).expect("kill");
    // The second entry does not fit: the list holds 4095.
    let mut text =
        fs::read_to_string(firewall.config()).expect("configuration").replace("enforce", "monitor");
    text.push_str("[[block]]\npc = \"4-7-7\"\nttl = \"1s\"\n");
    for code in 1..=4_095 {
        text.push_str(&format!("[[block]]\npc = \"{code}\"\n"));
    }
    fs::write(firewall.config(), text).expect("configuration");
    let error = firewall.start().unwrap_err().to_string();
    assert!(error.contains("the block list is full"), "{error}");
    let status = firewall.json(&["status"]).expect("status");
    assert_eq!((&status["mode"], &status["block_entries"]), (&"enforce".into(), &1.into()), "{status}");
    let list = firewall.json(&["block", "list"]).expect("list");
    assert_eq!((&list[0]["point_code"], &list[0]["left_ms"]), (&ROGUE.into(), &serde_json::Value::Null));
}

#[test]
fn one_interface_is_detached_by_a_controller_that_has_adopted_it() {
    for egress in ["tcx", "clsact"] {
        let wire = Wire::new().expect("namespaces");
        let rogue = format!("mode = \"enforce\"\negress = \"{egress}\"");
        let mut firewall =
            Firewall::new(&wire.host, &rogue, "[[block]]\npc = \"4-7-7\"\non_block = \"drop\"")
                .expect("firewall");
        firewall.start().expect("start");
        firewall.end(Signal::KILL).expect("kill");
        firewall.start().expect("start again");
        let link = Link::up(&wire, 11, false);
        link.send(1, ROGUE, Kind::UpdateLocation, 7);
        thread::sleep(Duration::from_millis(500));
        assert_eq!(link.arrived(), [], "blocked");
        let error = firewall.command(&["detach", HOST_INTERFACE, "nope0"]).unwrap_err().to_string();
        assert!(error.contains("nothing is attached to \"nope0\""), "{error}");
        firewall.command(&["detach", HOST_INTERFACE]).expect("detach");
        link.gateway.wait_delivered(1, PATIENCE).expect("nothing judges any more");
        assert_eq!(firewall.json(&["status"]).expect("status")["controller"], "running");
    }
}

#[test]
fn monitors_that_went_away_unheard_leave_room_for_others() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "", "").expect("firewall");
    firewall.start().expect("start");
    let socket = firewall.folder().join("run/control.sock");
    let monitors: Vec<UnixStream> = (0..MAX_CLIENTS)
        .map(|_| {
            let mut stream = UnixStream::connect(&socket).expect("connect");
            stream.write_all(b"{\"v\":1,\"id\":1,\"method\":\"monitor\"}\n").expect("ask");
            stream
        })
        .collect();
    wait_for(|| firewall.json(&["status"]).is_err(), "a full house");
    drop(monitors);
    wait_for(|| firewall.json(&["status"]).is_ok(), "room again");
}

#[test]
fn a_run_directory_has_one_controller() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "", "").expect("firewall");
    firewall.start().expect("start");
    let mut other = Firewall::new(&wire.host, "", "").expect("firewall");
    let run_dir = |of: &Firewall<'_>| of.folder().join("run").display().to_string();
    let text = fs::read_to_string(other.config()).expect("configuration");
    let (ours, theirs) = (run_dir(&other), run_dir(&firewall));
    fs::write(other.config(), text.replace(&ours, &theirs)).expect("configuration");
    let error = other.start().unwrap_err().to_string();
    assert!(error.contains("another ss7guard has its control socket in"), "{error}");
    assert_eq!(firewall.json(&["status"]).expect("status")["controller"], "running");
}

/// Waits until something holds.
fn wait_for(holds: impl Fn() -> bool, what: &str) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
