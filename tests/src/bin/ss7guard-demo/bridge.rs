//! The bridge: what passes the first time on the host is stopped in flight.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;
use ss7guard_lab::association::{HOME_POINT_CODE, Peer, Settings};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::BridgedWire;
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::cli::output::table;

use crate::{CARRIER_A, PATIENCE, verdict};

/// The rule; and a machine that is busy with something else is no controller that has stopped.
const RULES: &str = "[rules.category1]\nmode = \"enforce\"\n[hold]\nsilence = \"2s\"\n";

/// Each so many messages, the first among them, is an attack.
const EACH: u32 = 20;
const MESSAGES: u32 = 1_000;

/// The demo's second firewall: true if everything was as it must be.
pub(crate) fn bridge() -> Result<bool> {
    println!(
        "the same rule in a bridge: three namespaces, the firewall between the two ends, without an address"
    );
    let wire = BridgedWire::new()?;
    let mut firewall = Firewall::bridge(&wire.bridge, "mode = \"enforce\"", RULES)?;
    firewall.start()?;
    let at = |ip: &str| -> Result<SocketAddr> { Ok(SocketAddr::new(ip.parse()?, 2905)) };
    let (host, world) = (at("10.7.0.1")?, at("10.7.0.11")?);
    let gateway = Peer::gateway_with(&wire.wire.host, host, world, true, Settings::default())?;
    let asp = Peer::asp_with(&wire.wire.world, world, host, Settings::default())?;
    asp.wait_active(PATIENCE).context("the association through the bridge")?;
    let label = Label { opc: CARRIER_A, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
    for id in 0..MESSAGES {
        let kind = if id % EACH == 0 {
            Kind::ATTACKS[(id / EACH) as usize % Kind::ATTACKS.len()]
        } else {
            Kind::ROAMING[id as usize % Kind::ROAMING.len()]
        };
        asp.send((id % 8) as u16 + 1, m3ua::data(label, None, &kind.begin(id)));
    }
    let attacks = MESSAGES.div_ceil(EACH) as usize;
    let roaming = MESSAGES as usize - attacks;
    gateway.wait_delivered(roaming, PATIENCE).context("roaming through the bridge")?;
    asp.wait_acknowledged(PATIENCE).context("the association through the bridge")?;
    asp.beat(PATIENCE).context("the association after it")?;
    let delivered = gateway.delivered();
    let arrived = |attack: bool| delivered.iter().filter(|one| (one.id % EACH == 0) == attack).count();
    let stats = firewall.json(&["stats"])?;
    let hold = &stats["hold"];
    let count = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    let ended = [&asp, &gateway].iter().filter(|end| end.ended().is_some()).count();
    let errors = asp.m3ua_errors() + gateway.m3ua_errors();
    let lines = [
        ("attacks sent, one of them as the first message of all", attacks as u64, true),
        ("attacks delivered", arrived(true) as u64, arrived(true) == 0),
        ("roaming sent", roaming as u64, true),
        ("roaming delivered", arrived(false) as u64, arrived(false) == roaming),
        (
            "messages neutralised in flight",
            count(&hold["neutralised"]),
            count(&hold["neutralised"]) == attacks as u64,
        ),
        ("frames that were held", count(&hold["received"]), count(&hold["received"]) > 0),
        ("frames lost by the bridge", count(&hold["lost"]), count(&hold["lost"]) == 0),
        ("retransmissions", asp.retransmitted() as u64, asp.retransmitted() == 0),
        ("associations that ended, and M3UA errors", (ended + errors) as u64, ended + errors == 0),
    ];
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|(what, count, right)| vec![(*what).to_owned(), count.to_string(), verdict(*right)])
        .collect();
    println!("{}", table(&["in the bridge", "count", "verdict"], &rows));
    println!(
        "a frame waited {} us (half of them) to {} us (99 of 100), all of them at once on this machine",
        hold["p50_us"], hold["p99_us"]
    );
    Ok(lines.iter().all(|(_, _, right)| *right))
}
