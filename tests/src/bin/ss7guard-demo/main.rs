//! The firewall at work on a live lab: real SCTP/M3UA associations with roaming traffic and attacks, a blocked point
//! code, an attack recognised and its source blocked, and a table of what was sent and what arrived. It fails if
//! any line of the table is not as it must be. Then the same in a bridge, where not even the first attack arrives.

mod bridge;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use ss7guard_common::point_code::{Format, Shown};
use ss7guard_lab::association::{HOME_POINT_CODE, Peer};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::Wire;
use ss7guard_lab::proof::{BLOCKED, DROPPED, Ends, Figures, Link, MESSAGES};
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::cli::output::table;

const PATIENCE: Duration = Duration::from_secs(20);

/// A carrier of the lab.
struct Carrier {
    name: &'static str,
    opc: u32,
    asp: Peer,
    gateway: Peer,
}

impl Carrier {
    fn connect(wire: &Wire, name: &'static str, opc: u32, address: &str, host: &str) -> Result<Self> {
        let at = |ip: &str| -> Result<SocketAddr> { Ok(SocketAddr::new(ip.parse()?, 2905)) };
        let gateway = Peer::gateway(&wire.host, at(host)?, at(address)?, true)?;
        let asp = Peer::asp(&wire.world, at(address)?, at(host)?)?;
        asp.wait_active(PATIENCE).with_context(|| name.to_owned())?;
        Ok(Self { name, opc, asp, gateway })
    }

    fn send(&self, kinds: &[Kind], ids: std::ops::Range<u32>) {
        for id in ids {
            let kind = kinds[id as usize % kinds.len()];
            let label = Label { opc: self.opc, dpc: HOME_POINT_CODE, ni: 0, sls: id as u8 & 15 };
            self.asp.send(1, m3ua::data(label, None, &kind.begin(id)));
        }
    }

    fn delivered(&self, ids: &std::ops::Range<u32>) -> usize {
        self.gateway.delivered().iter().filter(|one| one.opc == self.opc && ids.contains(&one.id)).count()
    }
}

/// One line of the table: what must have happened to a batch of messages.
struct Batch<'a> {
    carrier: &'a Carrier,
    what: &'static str,
    ids: std::ops::Range<u32>,
    must_arrive: bool,
}

impl Batch<'_> {
    fn sent(&self) -> usize {
        self.ids.len()
    }

    fn is_right(&self) -> bool {
        self.carrier.delivered(&self.ids) == if self.must_arrive { self.sent() } else { 0 }
    }

    fn row(&self) -> Vec<String> {
        let arrived = self.carrier.delivered(&self.ids);
        let code = Shown { code: self.carrier.opc, format: Format::Itu383 };
        vec![
            self.carrier.name.to_owned(),
            code.to_string(),
            self.what.to_owned(),
            self.sent().to_string(),
            arrived.to_string(),
            (self.sent() - arrived).to_string(),
            verdict(self.is_right()),
        ]
    }
}

fn verdict(right: bool) -> String {
    if right { "as it must be" } else { "WRONG" }.to_owned()
}

/// 2-1-1, 2-1-2, 4-7-7.
const CARRIER_A: u32 = 0x1009;
const CARRIER_B: u32 = 0x100a;
const ROGUE: u32 = 0x203f;
/// 4-7-5.
const NEUTRALISED: u32 = 0x203d;

/// What the demo's operator wrote.
const RULES: &str = "
[[peer]]
name = \"carrier A\"
address = \"10.7.0.11\"
side = \"interconnect\"

[[block]]
pc = \"4-7-7\"
reason = \"known to track subscribers\"

[rules.category1]
mode = \"enforce\"
block = \"opc\"
ttl = \"1h\"
";

fn main() -> ExitCode {
    match demo() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: the firewall did not do what it must");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<bool> {
    println!("lab: two namespaces on one wire; the host's end carries the firewall");
    let wire = Wire::new()?;
    let mut firewall = Firewall::new(&wire.host, "mode = \"enforce\"", RULES)?;
    firewall.start()?;
    let status = firewall.json(&["status"])?;
    let interface = &status["interfaces"][0];
    println!("firewall: XDP {}, egress {}, mode {}", interface["xdp"], interface["egress"], status["mode"]);

    let a = Carrier::connect(&wire, "carrier A", CARRIER_A, "10.7.0.11", "10.7.0.1")?;
    let b = Carrier::connect(&wire, "carrier B (IPv6)", CARRIER_B, "fd07::12", "fd07::1")?;
    let rogue = Carrier::connect(&wire, "rogue", ROGUE, "10.7.0.13", "10.7.0.1")?;
    println!("associations: three, each with ASP Up and ASP Active");

    let mut batches = vec![
        Batch { carrier: &a, what: "roaming", ids: 0..300, must_arrive: true },
        Batch { carrier: &b, what: "roaming", ids: 1_000..1_200, must_arrive: true },
        Batch { carrier: &rogue, what: "from a blocked point code", ids: 2_000..2_040, must_arrive: false },
    ];
    a.send(&Kind::ROAMING, 0..300);
    b.send(&Kind::ROAMING, 1_000..1_200);
    rogue.send(&Kind::ATTACKS, 2_000..2_040);
    a.gateway.wait_delivered(300, PATIENCE)?;
    b.gateway.wait_delivered(200, PATIENCE)?;

    println!("carrier B's network lets an attack through: anyTimeInterrogation");
    b.send(&[Kind::AnyTimeInterrogation], 3_000..3_001);
    b.gateway.wait_delivered(201, PATIENCE)?;
    wait(|| Ok(entries(&firewall)?.iter().any(|entry| entry["rule"] == "category1")), "a kernel entry")?;
    batches.push(Batch { carrier: &b, what: "attack, first message", ids: 3_000..3_001, must_arrive: true });
    b.send(&Kind::ATTACKS, 4_000..4_020);
    a.send(&Kind::ROAMING, 5_000..5_100);
    batches.push(Batch { carrier: &b, what: "attacks after it", ids: 4_000..4_020, must_arrive: false });
    batches.push(Batch { carrier: &a, what: "roaming meanwhile", ids: 5_000..5_100, must_arrive: true });
    a.gateway.wait_delivered(400, PATIENCE)?;
    // Long enough for retransmissions of what was stopped to come and be stopped too.
    thread::sleep(Duration::from_secs(2));

    let right = report(&firewall, &batches)?;
    let right = contrast(&wire, &firewall)? && right;
    Ok(bridge::bridge()? && right)
}

/// What the two ways of stopping a message do to an association: the same 10,000 messages on each, of which 1,000 are
/// blocked.
fn contrast(wire: &Wire, firewall: &Firewall<'_>) -> Result<bool> {
    println!(
        "the same {MESSAGES} messages, {BLOCKED} of them blocked, neutralised on one association and dropped on another"
    );
    for (code, way) in [("4-7-5", "neutralise"), ("4-7-6", "drop")] {
        firewall.command(&["block", "add", code, "--on-block", way])?;
    }
    let neutralised = Link::up(wire, "10.7.0.14", Ends::default()).context("neutralise")?;
    neutralised.send_all(NEUTRALISED);
    neutralised.gateway.wait_delivered((MESSAGES - BLOCKED) as usize, PATIENCE).context("neutralise")?;
    neutralised.asp.wait_acknowledged(PATIENCE).context("neutralise")?;
    let dropped = Link::up(wire, "10.7.0.15", Ends::default()).context("drop")?;
    dropped.send_all(DROPPED);
    wait(|| Ok(dropped.asp.retransmitted() > 0), "a dropped message that is sent again")?;
    // Long enough to show whether the rest arrives all the same; and for the neutralised ones, whether anything comes
    // after all.
    thread::sleep(Duration::from_secs(10));
    neutralised.asp.beat(PATIENCE).context("the association after neutralising")?;
    let innocent = (MESSAGES - BLOCKED) as usize;
    let (mut right, mut rows) = (true, Vec::new());
    for (way, link, opc) in [("neutralise", &neutralised, NEUTRALISED), ("drop", &dropped, DROPPED)] {
        let figures = link.figures(opc);
        let is_right = match way {
            "neutralise" => figures == Figures::unnoticed(innocent),
            _ => figures.blocked == 0 && figures.retransmitted > 0 && figures.m3ua_errors == 0,
        };
        right &= is_right;
        let mut row = vec![way.to_owned(), BLOCKED.to_string(), figures.blocked.to_string()];
        let others = [innocent, figures.innocent, figures.retransmitted, figures.ended, figures.m3ua_errors];
        row.extend(others.map(|count| count.to_string()));
        row.push(verdict(is_right));
        rows.push(row);
    }
    println!(
        "{}",
        table(
            &[
                "on_block",
                "blocked",
                "delivered",
                "innocent",
                "delivered",
                "retransmissions",
                "aborts",
                "M3UA errors",
                "verdict"
            ],
            &rows
        )
    );
    Ok(right)
}

fn entries(firewall: &Firewall<'_>) -> Result<Vec<Value>> {
    Ok(firewall.json(&["block", "list"])?.as_array().cloned().unwrap_or_default())
}

fn report(firewall: &Firewall<'_>, batches: &[Batch<'_>]) -> Result<bool> {
    let alerts = firewall.alerts()?;
    if let Some(alert) = alerts.iter().find(|alert| alert["alert"]["category"] == "cat1") {
        println!("the alert:\n{}", serde_json::to_string_pretty(alert)?);
    }
    let mut right = batches.iter().all(Batch::is_right);
    let rows: Vec<Vec<String>> = batches.iter().map(Batch::row).collect();
    println!("{}", table(&["carrier", "OPC", "messages", "sent", "delivered", "stopped", "verdict"], &rows));

    let attacks = alerts.iter().filter(|alert| alert["alert"]["category"] == "cat1").count();
    let evidence = alerts.iter().filter(|alert| alert["reason"] == "blocked_point_code").count();
    let entries = entries(firewall)?;
    let hits = |rule: &str| -> u64 {
        entries.iter().filter(|entry| entry["rule"] == rule).filter_map(|entry| entry["hits"].as_u64()).sum()
    };
    let stats = firewall.json(&["stats"])?;
    let ring = |key: &str| stats["ring"][key].as_u64().unwrap_or(u64::MAX);
    let lost = ring("overrun") + ring("unreadable");
    let (configured, by_rule) = (hits("configured_block"), hits("category1"));
    let lines = [
        ("category 1 attacks recognised in passing traffic", attacks as u64, attacks == 1),
        ("kernel entries made by the rule", entries.len() as u64 - 1, entries.len() == 2),
        ("hits of the configured entry (with retransmissions)", configured, configured >= 40),
        ("hits of the rule's entry (with retransmissions)", by_rule, by_rule > 0),
        ("stopped messages shown as evidence", evidence as u64, evidence > 0),
        ("frames copied to the controller", ring("sent"), ring("sent") > 0),
        ("frames lost on the way to the controller", lost, lost == 0),
    ];
    right &= lines.iter().all(|(_, _, right)| *right);
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|(what, count, right)| vec![(*what).to_owned(), count.to_string(), verdict(*right)])
        .collect();
    println!("{}", table(&["what", "count", "verdict"], &rows));
    Ok(right)
}

fn wait(holds: impl Fn() -> Result<bool>, what: &str) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > end {
            bail!("waited in vain for {what}");
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
