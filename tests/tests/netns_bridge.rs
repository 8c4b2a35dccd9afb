//! The bridge between real associations: an attack never arrives, everything else does, once and in order, and SCTP does
//! not notice.

use std::net::SocketAddr;
use std::time::Duration;

use ss7guard_lab::association::{HOME_POINT_CODE, Peer, Settings};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::BridgedWire;
use ss7guard_lab::traffic::Kind;

const PATIENCE: Duration = Duration::from_secs(60);

/// 2-1-1: the carrier of all of them.
const CARRIER: u32 = 0x1009;

/// The rule; and a busy machine is no controller that has stopped.
const RULES: &str = "[rules.category1]\nmode = \"enforce\"\n[hold]\nsilence = \"5s\"\n";

struct Link {
    asp: Peer,
    gateway: Peer,
}

impl Link {
    fn up(wire: &BridgedWire, world: &str, interleaving: bool, answers: bool) -> Self {
        let host = if world.contains(':') { "fd07::1" } else { "10.7.0.1" };
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("address"), 2905);
        let settings = || Settings { interleaving, rto_min: Duration::from_secs(5), ..Settings::default() };
        let gateway =
            Peer::gateway_with(&wire.wire.host, at(host), at(world), answers, settings()).expect("gateway");
        let asp = Peer::asp_with(&wire.wire.world, at(world), at(host), settings()).expect("ASP");
        asp.wait_active(PATIENCE).expect("association");
        Self { asp, gateway }
    }

    fn send(&self, kind: Kind, id: u32) {
        let label = Label { opc: CARRIER, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        self.asp.send((id % 8) as u16 + 1, m3ua::data(label, None, &kind.begin(id)));
    }

    fn check(&self, mut wanted: Vec<u32>, what: &str) {
        self.gateway.wait_delivered(wanted.len(), PATIENCE).expect(what);
        self.asp.wait_acknowledged(PATIENCE).expect(what);
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
fn the_first_message_of_an_attack_never_arrives() {
    let wire = BridgedWire::new().expect("namespaces");
    let mut firewall = Firewall::bridge(&wire.bridge, "mode = \"enforce\"", RULES).expect("firewall");
    firewall.start().expect("start");
    for (world, interleaving) in [("10.7.0.11", false), ("10.7.0.12", true), ("fd07::13", false)] {
        let link = Link::up(&wire, world, interleaving, true);
        let mut wanted = Vec::new();
        for id in 0..1_000 {
            if id % 10 == 0 {
                link.send(Kind::ATTACKS[id as usize / 10 % Kind::ATTACKS.len()], id);
            } else {
                link.send(Kind::ROAMING[id as usize % Kind::ROAMING.len()], id);
                wanted.push(id);
            }
        }
        link.check(wanted, world);
    }
    println!("{}", firewall.command(&["stats"]).expect("stats"));
    println!("{:#}", firewall.json(&["stats"]).expect("stats"));
}
