//! The bridge: what goes on at once against a bare redirect, and what is held: order, loss, time and CPU.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;
use aya::maps::DevMap;
use aya::programs::{Xdp, XdpMode};
use serde_json::Value;
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::frame::{Frame, carrying, sack};
use ss7guard_lab::netns::{BRIDGE_HOME, BRIDGE_INTERCONNECT, BridgedWire, HOST_INTERFACE, Namespace, Wire};
use ss7guard_lab::program::Program;
use ss7guard_userspace::kernel;

use crate::rows::{Aim, Row, median};
use crate::stream::{self, Numbered, Outcome, isup, numbered};
use crate::wire::{generate, received, split_cores};

/// Frames of one measurement of the fast path.
const FRAMES: u32 = 1 << 20;

/// Frames of one stream, and how many a second.
const STREAM: u32 = 300_000;
const PER_SECOND: f64 = 50_000.0;

/// Frames of one measurement of CPU time, and how many a second.
const MESSAGES: u32 = 60_000;
const MESSAGES_PER_SECOND: f64 = 20_000.0;

const NETWORK: &str = "mode = \"enforce\"\nattach = \"native\"\n";
const RULES: &str = "[rules.category1]\nmode = \"enforce\"\n";

pub(crate) fn measure(rounds: usize) -> Result<Vec<Row>> {
    let mut rows = fast_path(rounds)?;
    rows.extend(held("5 % held", 50)?);
    rows.extend(held("everything held", 1_000)?);
    rows.extend(per_message(rounds)?);
    Ok(rows)
}

fn attach(bench: &mut Ebpf, namespace: &Namespace, interface: &str, program: &str) -> Result<()> {
    let xdp: &mut Xdp = bench.program_mut(program).context("program")?.try_into()?;
    namespace.inside(|| {
        xdp.attach(interface, XdpMode::Driver)?;
        Ok(())
    })
}

/// Makes the bench's program the bridge from the world to the host.
fn bare_bridge(bench: &mut Ebpf, bridge: &Namespace) -> Result<()> {
    bridge.inside(|| {
        let index = kernel::interface_index(BRIDGE_HOME).context("interface")?;
        let mut through: DevMap<_> = DevMap::try_from(bench.map_mut("THROUGH").context("THROUGH")?)?;
        Ok(through.set(0, index, None, 0)?)
    })?;
    attach(bench, bridge, BRIDGE_INTERCONNECT, "bare_redirect")
}

/// Frames per second that come through the bridge, ours or a bare one.
fn rate(ours: bool, frame: &[u8]) -> Result<f64> {
    let BridgedWire { wire, bridge } = BridgedWire::new()?;
    let program = Program::load(64, 1 << 20)?;
    let mut bench = crate::kernel::load(&program.bpffs())?;
    let mut firewall = Firewall::bridge(&bridge, NETWORK, RULES)?;
    if ours {
        firewall.start()?;
    } else {
        bare_bridge(&mut bench, &bridge)?;
    }
    attach(&mut bench, &wire.host, HOST_INTERFACE, "bare_drop")?;
    split_cores(&bridge, BRIDGE_INTERCONNECT)?;
    let before = received(&wire.host)?;
    let elapsed = generate(&mut bench, &wire.world, frame, FRAMES)?;
    std::thread::sleep(Duration::from_millis(50));
    let taken = received(&wire.host)? - before;
    if ours {
        let port = port(&firewall)?;
        let redirected = count(&port, "redirected")?;
        ensure!(redirected >= taken, "{taken} frames came, and {redirected} went on at once: {port}");
    }
    Ok(taken as f64 / elapsed.as_secs_f64())
}

fn fast_path(rounds: usize) -> Result<Vec<Row>> {
    let frames = [
        ("SCTP control (SACK)", Frame::ipv4(132, &[]).sctp(1, &[sack()]).build()),
        ("DATA that is no SCCP (ISUP)", carrying(&isup())),
    ];
    let mut rows = Vec::new();
    for (what, frame) in frames {
        let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (one, floor) = (rate(true, &frame)?, rate(false, &frame)?);
            ratios.push(one / floor);
            ours.push(one);
            bare.push(floor);
        }
        rows.push(Row {
            what: format!("bridge: {what} sent on"),
            value: format!("{:.2} M frames/s", median(&mut ours) / 1e6),
            against: format!("bare redirect, {:.2} M/s", median(&mut bare) / 1e6),
            ratio: median(&mut ratios),
            aim: Aim::AtLeast(0.8),
        });
    }
    Ok(rows)
}

/// The counters of the port that leads to the world.
fn port(firewall: &Firewall<'_>) -> Result<Value> {
    let stats = firewall.json(&["stats"])?;
    let ports = stats["bridge"].as_array().context("ports")?;
    let port = ports.iter().find(|port| port["interface"] == BRIDGE_INTERCONNECT);
    Ok(port.context("the port of the interconnect")?.clone())
}

fn count(of: &Value, name: &str) -> Result<u64> {
    of[name].as_u64().with_context(|| format!("{name} in {of}"))
}

/// The value below which so many of a hundred are.
fn of_hundred(values: &mut [f64], most: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * most / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// A stream through the bridge, of which so many frames of a thousand need judgement.
fn held(what: &str, judged_of_thousand: usize) -> Result<Vec<Row>> {
    let BridgedWire { wire, bridge } = BridgedWire::new()?;
    let mut firewall = Firewall::bridge(&bridge, NETWORK, RULES)?;
    firewall.start()?;
    let frames = numbered(STREAM, judged_of_thousand);
    let Outcome { sent, arrived, overtaken, twice, mut judged_ns, mut other_ns, rate } =
        stream::run(&wire, &frames, PER_SECOND)?;
    let (port, stats) = (port(&firewall)?, firewall.json(&["stats"])?);
    let hold = &stats["hold"];
    println!("{what}: port {port}\n{what}: hold {hold}");
    let entered = count(&port, "entered")?;
    let through = count(&port, "redirected")? + count(hold, "emitted")?;
    let mut unjudged = 0;
    for passed in ["full_passed", "down_passed", "long_passed", "overtook"] {
        unjudged += count(&port, passed)?;
    }
    ensure!(twice == 0, "{twice} frames came twice");
    // A few frames besides ours come through, too.
    let outside = (sent as u64).saturating_sub(entered) + through.saturating_sub(arrived as u64);
    let lost_outside = outside.min((sent - arrived) as u64);
    let us = |ns: f64| ns / 1_000.0;
    let what = format!("bridge: {:.0} frames/s, {what}", rate.round());
    let (half, most) = (of_hundred(&mut judged_ns, 50), of_hundred(&mut judged_ns, 99));
    let mut rows = vec![
        Row {
            what: format!("{what}: frames out of order"),
            value: format!("{overtaken}"),
            against: format!("{arrived} frames, {} held", count(&port, "held")?),
            ratio: overtaken as f64,
            aim: Aim::AtMost(0.0),
        },
        Row {
            what: format!("{what}: frames lost"),
            value: format!("{}", sent - arrived),
            against: format!("{sent} frames; {lost_outside} before or behind the bridge"),
            ratio: (sent - arrived) as f64,
            aim: Aim::AtMost(0.0),
        },
        Row {
            what: format!("{what}: frames sent on unjudged"),
            value: format!("{unjudged}"),
            against: format!("{arrived} frames"),
            ratio: unjudged as f64,
            aim: Aim::AtMost(0.0),
        },
    ];
    let fast = if other_ns.is_empty() {
        "none at once".to_owned()
    } else {
        format!("others, {:.0}, {:.0}", us(of_hundred(&mut other_ns, 50)), us(of_hundred(&mut other_ns, 99)))
    };
    let told = format!("hold says {}, {}", count(hold, "p50_us")?, count(hold, "p99_us")?);
    rows.push(Row {
        what: format!("{what}: judged, from sender to receiver"),
        value: format!("{:.0} us, 99 % {:.0} us", us(half), us(most)),
        against: format!("{fast}; {told}"),
        ratio: if other_ns.is_empty() { f64::NAN } else { half / of_hundred(&mut other_ns, 50) },
        aim: Aim::None,
    });
    Ok(rows)
}

/// CPU time of a message that is judged, in nanoseconds: of its sender, in which its way through the kernel is, and of the
/// controller.
fn cost(world: &Namespace, firewall: Option<&Firewall<'_>>, frames: &[Numbered]) -> Result<f64> {
    let cpu = || firewall.map_or(Ok(Duration::ZERO), Firewall::cpu);
    let before = cpu()?;
    let sent = stream::send(world, frames, MESSAGES_PER_SECOND)?;
    std::thread::sleep(Duration::from_millis(200));
    let all = sent.cpu + cpu()?.saturating_sub(before);
    Ok(all.as_nanos() as f64 / frames.len() as f64)
}

fn per_message(rounds: usize) -> Result<Vec<Row>> {
    let frames = numbered(MESSAGES, 1_000);
    let (mut bridge_ns, mut host_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bare_bridge_ns, mut bare_host_ns) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let ours = {
            let BridgedWire { wire, bridge } = BridgedWire::new()?;
            let mut firewall = Firewall::bridge(&bridge, NETWORK, RULES)?;
            firewall.start()?;
            cost(&wire.world, Some(&firewall), &frames)?
        };
        let bare = {
            let BridgedWire { wire, bridge } = BridgedWire::new()?;
            let program = Program::load(64, 1 << 20)?;
            let mut bench = crate::kernel::load(&program.bpffs())?;
            bare_bridge(&mut bench, &bridge)?;
            cost(&wire.world, None, &frames)?
        };
        let wire = Wire::new()?;
        let bare_host = cost(&wire.world, None, &frames)?;
        let mut firewall = Firewall::new(&wire.host, NETWORK, RULES)?;
        firewall.start()?;
        let host = cost(&wire.world, Some(&firewall), &frames)?;
        ratios.push((ours - bare) / (host - bare_host));
        bridge_ns.push(ours);
        host_ns.push(host);
        bare_bridge_ns.push(bare);
        bare_host_ns.push(bare_host);
    }
    let us = |values: &mut [f64]| median(values) / 1_000.0;
    let row = Row {
        what: "bridge: CPU for a held message, bare bridge subtracted".to_owned(),
        value: format!("{:.1} us - {:.1} us", us(&mut bridge_ns), us(&mut bare_bridge_ns)),
        against: format!("host, copied: {:.1} us - {:.1} us", us(&mut host_ns), us(&mut bare_host_ns)),
        ratio: median(&mut ratios),
        aim: Aim::None,
    };
    Ok(vec![row])
}
