//! Stopping by operation in the kernel, on the host itself: not even the first message of an attack arrives, if it is in plain
//! form; what an agreement names is left to the controller.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ss7guard_lab::association::{HOME_POINT_CODE, Peer, Settings};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::Wire;
use ss7guard_lab::traffic::Kind;

const PATIENCE: Duration = Duration::from_secs(60);

const RULES: &str = "[rules.category1]\nmode = \"enforce\"\nstop = true\n[[agreement]]\noperations = [58]\n\
                     gt_prefixes = [\"15550100999\"]\nreason = \"a partner\"\n";

#[test]
fn the_first_message_of_an_attack_in_plain_form_does_not_arrive() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", RULES).expect("firewall");
    firewall.start().expect("start");
    let at = |ip: &str| SocketAddr::new(ip.parse().expect("address"), 2905);
    let settings = || Settings { rto_min: Duration::from_secs(5), ..Settings::default() };
    let (host, world) = (at("10.7.0.1"), at("10.7.0.11"));
    let gateway = Peer::gateway_with(&wire.host, host, world, false, settings()).expect("gateway");
    let asp = Peer::asp_with(&wire.world, world, host, settings()).expect("ASP");
    asp.wait_active(PATIENCE).expect("association");
    let label = Label { opc: 0x1009, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
    let mut wanted = Vec::new();
    let mut attacks = 0;
    let mut together = Vec::new();
    for id in 0..200u32 {
        let kind = match id % 10 {
            0 => Kind::ATTACKS[id as usize / 10 % Kind::ATTACKS.len()],
            _ => Kind::ROAMING[id as usize % Kind::ROAMING.len()],
        };
        // The agreement names this one.
        let stopped = Kind::ATTACKS.contains(&kind) && kind != Kind::SendImsi;
        attacks += u64::from(stopped);
        if !stopped {
            wanted.push(id);
        }
        together.push(((id % 8) as u16 + 1, m3ua::data(label, None, &kind.begin(id))));
        // As many as fit into a packet: a message that SCTP cuts is for the controller.
        if together.len() == 4 {
            asp.send_together(std::mem::take(&mut together));
            asp.wait_acknowledged(PATIENCE).expect("acknowledged");
        }
    }
    gateway.wait_delivered(wanted.len(), PATIENCE).expect("delivered");
    let mut arrived: Vec<u32> = gateway.delivered().iter().map(|message| message.id).collect();
    arrived.sort_unstable();
    assert_eq!(arrived, wanted);
    assert_eq!(asp.retransmitted(), 0, "SCTP notices nothing");
    for end in [&asp, &gateway] {
        assert_eq!((end.m3ua_errors(), end.ended()), (0, None), "no ERR, no ABORT");
    }
    let by_kernel = firewall.counted("forbidden_operation", "neutralise").expect("stats");
    assert_eq!(by_kernel, attacks);
    let end = Instant::now() + PATIENCE;
    let told = loop {
        let alerts = firewall.alerts().expect("alerts");
        let told: Vec<_> = alerts.into_iter().filter(|alert| alert["reason"] == "category1").collect();
        if told.len() as u64 == attacks || Instant::now() > end {
            break told;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(told.len() as u64, attacks, "each is told");
    for alert in &told {
        assert_eq!(
            (&alert["verdict"], &alert["alert"]["action"]),
            (&"block".into(), &"neutralised".into()),
            "{alert}"
        );
    }
}
