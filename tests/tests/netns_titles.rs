//! Blocking by calling global title between real associations: what a blocked number sends does not arrive, what comes
//! over the same association from others does, and SCTP does not notice.

use std::time::Duration;

use ss7guard_lab::association::{HOME_POINT_CODE, Peer, Settings};
use ss7guard_lab::bridged::Association;
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::Wire;
use ss7guard_lab::traffic::Kind;

const PATIENCE: Duration = Duration::from_secs(60);

/// 2-1-1: the carrier of all of them.
const CARRIER: u32 = 0x1009;

/// One prefix is blocked, with an exception, and one number; another one would be blocked if it came from home.
const LISTS: &str = "
[[block]]
gt = \"4477*\"
[[allow]]
gt = \"447700*\"
[[block]]
gt = \"336000000001\"
[[block]]
gt = \"351*\"
direction = \"out\"
";

/// Callers, and whether they are stopped.
const CALLERS: [(&str, bool); 8] = [
    ("447712345678", true),
    ("447700900123", false),
    ("44771", true),
    ("336000000001", true),
    ("3360000000012", false),
    ("351910000001", false),
    ("15550100999", false),
    ("447", false),
];

struct Link {
    asp: Peer,
    gateway: Peer,
}

impl Link {
    fn up(wire: &Wire, world: &str, interleaving: bool) -> Self {
        let settings = || Settings { interleaving, rto_min: Duration::from_secs(5), ..Settings::default() };
        let Association { asp, gateway } =
            Association::with(wire, world, false, settings).expect("association");
        asp.wait_active(PATIENCE).expect("association");
        Self { asp, gateway }
    }

    /// Messages of each caller in bundles, `filling` octets longer, so that SCTP cuts long ones; gives the numbers of
    /// those that must arrive.
    fn send(&self, ids: std::ops::Range<u32>, filling: usize) -> Vec<u32> {
        let mut wanted = Vec::new();
        for first in ids.step_by(4) {
            let mut together = Vec::new();
            for id in first..first + 4 {
                let (caller, stopped) = CALLERS[id as usize % CALLERS.len()];
                let kind = Kind::ROAMING[id as usize % Kind::ROAMING.len()];
                let mut user_part = kind.begin_from(caller, id);
                user_part.resize(user_part.len() + filling, 0xa5);
                let label = Label { opc: CARRIER, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
                together.push((1, m3ua::data(label, None, &user_part)));
                if !stopped {
                    wanted.push(id);
                }
            }
            self.asp.send_together(together);
            self.asp.wait_acknowledged(PATIENCE).expect("acknowledged");
        }
        wanted
    }

    fn check(&self, mut wanted: Vec<u32>, what: &str) {
        self.gateway.wait_delivered(wanted.len(), PATIENCE).expect(what);
        let mut arrived: Vec<u32> = self.gateway.delivered().iter().map(|message| message.id).collect();
        arrived.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(arrived, wanted, "{what}");
        assert_eq!(self.asp.retransmitted(), 0, "{what}: nothing had to be sent again");
        for end in [&self.asp, &self.gateway] {
            assert_eq!((end.m3ua_errors(), end.ended()), (0, None), "{what}: no ERR, no ABORT");
        }
    }
}

#[test]
fn a_blocked_title_is_stopped_and_its_carrier_is_not() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", LISTS).expect("firewall");
    firewall.start().expect("start");
    for (world, interleaving) in [("10.7.0.11", false), ("10.7.0.12", true), ("fd07::13", false)] {
        let link = Link::up(&wire, world, interleaving);
        let mut wanted = link.send(0..80, 0);
        wanted.extend(link.send(80..96, 3_000));
        link.check(wanted, world);
    }
    let stopped = 3 * 96 * 3 / 8;
    assert_eq!(firewall.counted("blocked_global_title", "neutralise").expect("stats"), stopped);
    // The first fragments that were not stopped were read, too.
    assert_eq!(firewall.counted("global_title_unreadable", "punt").expect("stats"), 0);
    let list = firewall.command(&["block", "list", "-o", "json"]).expect("list");
    assert!(list.contains("4477*") && list.contains("447700*"), "{list}");
}

#[test]
fn an_entry_comes_and_goes_while_messages_flow() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", "").expect("firewall");
    firewall.start().expect("start");
    let link = Link::up(&wire, "10.7.0.11", false);
    let message = |id: u32| {
        let label = Label { opc: CARRIER, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        m3ua::data(label, None, &Kind::UpdateLocation.begin_from("4477", id))
    };
    let send = |id: u32| {
        link.asp.send(1, message(id));
        link.asp.wait_acknowledged(PATIENCE).expect("acknowledged");
    };
    send(0);
    firewall.command(&["block", "add", "gt:44*"]).expect("add");
    send(1);
    firewall.command(&["block", "add", "gt:447*", "--allow"]).expect("allow");
    send(2);
    firewall.command(&["block", "del", "gt:447*", "--allow"]).expect("del");
    send(3);
    firewall.command(&["block", "del", "gt:44*", "--now"]).expect("del");
    send(4);
    link.check(vec![0, 2, 4], "entries");
}

#[test]
fn a_category_1_attack_has_its_callers_title_blocked() {
    let rules = "[rules.category1]\nmode = \"enforce\"\nblock = \"gt\"\n";
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", rules).expect("firewall");
    firewall.start().expect("start");
    let link = Link::up(&wire, "10.7.0.11", false);
    let send = |kind: Kind, caller: &str, id: u32| {
        let label = Label { opc: CARRIER, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        link.asp.send(1, m3ua::data(label, None, &kind.begin_from(caller, id)));
        link.asp.wait_acknowledged(PATIENCE).expect("acknowledged");
    };
    send(Kind::AnyTimeInterrogation, "24177000001", 0);
    let end = std::time::Instant::now() + PATIENCE;
    while !firewall.command(&["block", "list", "-o", "json"]).expect("list").contains("24177000001") {
        assert!(std::time::Instant::now() < end, "an entry for the attacker");
        std::thread::sleep(Duration::from_millis(50));
    }
    send(Kind::AnyTimeInterrogation, "24177000001", 1);
    send(Kind::UpdateLocation, "24177000002", 2);
    send(Kind::UpdateLocation, "24177000001", 3);
    // The first one was seen when it had passed.
    link.check(vec![0, 2], "the others behind the same carrier");
}
