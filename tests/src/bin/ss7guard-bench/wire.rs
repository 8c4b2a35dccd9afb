//! Frames per second dropped on a veth pair: the firewall, a bare XDP program, xdp-filter, nftables.
//!
//! The generator sends live frames from BPF_PROG_TEST_RUN on one core; the receiver's NAPI thread has the other.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;
use aya::maps::DevMap;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use rustix::thread::{CpuSet, sched_setaffinity};
use ss7guard_common::abi::Mode;
use ss7guard_lab::frame::{carrying, m3ua_data};
use ss7guard_lab::netns::{HOST_INTERFACE, Namespace, WORLD_INTERFACE, Wire};
use ss7guard_lab::program::Program;
use ss7guard_userspace::config::OnBlock;
use ss7guard_userspace::enforce::{BlockRequest, Target};
use ss7guard_userspace::kernel;

use crate::rows::{Aim, Row, median};

/// Frames of one measurement.
const FRAMES: u32 = 1 << 21;

/// The point code that every rule stops.
const BLOCKED: u32 = 0x203f;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Receiver {
    Bare,
    Firewall,
    XdpFilter,
    Nftables,
}

impl Receiver {
    const ALL: [Self; 4] = [Self::Bare, Self::Firewall, Self::XdpFilter, Self::Nftables];
}

/// A command in a namespace, with `/sys` of that namespace.
fn in_namespace(namespace: &Namespace, script: &str) -> Result<String> {
    let output = Command::new("ip").args(["netns", "exec", namespace.name(), "sh", "-c", script]).output()?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Frames that the host's interface has taken in.
pub(crate) fn received(namespace: &Namespace) -> Result<u64> {
    let text =
        in_namespace(namespace, &format!("cat /sys/class/net/{HOST_INTERFACE}/statistics/rx_packets"))?;
    Ok(text.trim().parse()?)
}

/// Gives the NAPI of an interface a thread of its own on the second core.
pub(crate) fn split_cores(namespace: &Namespace, interface: &str) -> Result<()> {
    in_namespace(namespace, &format!("echo 1 > /sys/class/net/{interface}/threaded"))?;
    let threads = Command::new("pgrep").args(["-f", &format!("napi/{interface}")]).output()?;
    for pid in String::from_utf8_lossy(&threads.stdout).lines() {
        Command::new("taskset").args(["-pc", "1", pid]).output().context("taskset")?;
    }
    Ok(())
}

/// Sends so many of this frame from the world as fast as the first core does; gives how long that took.
pub(crate) fn generate(bench: &mut Ebpf, world: &Namespace, frame: &[u8], frames: u32) -> Result<Duration> {
    // The map resolves the index in the namespace of whoever sets it.
    world.inside(|| {
        let index = kernel::interface_index(WORLD_INTERFACE).context("interface")?;
        let mut transmit: DevMap<_> = DevMap::try_from(bench.map_mut("TX").context("TX")?)?;
        Ok(transmit.set(0, index, None, 0)?)
    })?;
    let generator: &mut Xdp = bench.program_mut("generator").context("generator")?.try_into()?;
    let start = Instant::now();
    world.inside(|| {
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first)?;
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(64),
            ..TestRunOptions::default()
        };
        generator.test_run(options).context("generator")?;
        Ok(start.elapsed())
    })
}

/// Frames per second that the receiver took in while the generator ran.
fn rate(receiver: Receiver) -> Result<f64> {
    let wire = Wire::new()?;
    let mut program = Program::load(64, 1 << 20)?;
    let mut record = ss7guard_common::abi::Config::fresh();
    record.mode = Mode::Enforce as u8;
    program.configure(&record)?;
    let request = BlockRequest {
        target: Target::code(BLOCKED),
        ttl: Some(Duration::from_secs(3_600)),
        rule_id: 7,
        on_block: OnBlock::Drop,
        reason: String::new(),
    };
    program.list.add(&request, kernel::monotonic_ns())?;
    let mut bench = crate::kernel::load(&program.bpffs())?;
    match receiver {
        Receiver::Bare => wire.host.inside(|| {
            let xdp: &mut Xdp = bench.program_mut("bare_drop").context("program")?.try_into()?;
            xdp.attach(HOST_INTERFACE, XdpMode::Driver)?;
            Ok(())
        })?,
        Receiver::Firewall => wire.host.inside(|| {
            let config = ss7guard_userspace::config::Config {
                bpffs: program.bpffs(),
                egress: ss7guard_userspace::config::EgressMode::Off,
                ..Default::default()
            };
            kernel::attach(&mut program.loaded, &config, &[HOST_INTERFACE.to_owned()])?;
            Ok(())
        })?,
        Receiver::XdpFilter => {
            in_namespace(
                &wire.host,
                &format!(
                    "mount -t bpf bpf /sys/fs/bpf && xdp-filter load {HOST_INTERFACE} -m native && \
                     xdp-filter ip -m src 192.0.2.1"
                ),
            )?;
        }
        Receiver::Nftables => {
            let rule = format!(
                "nft 'add table netdev t; add chain netdev t c {{ type filter hook ingress device {HOST_INTERFACE} \
                 priority 0; }}; add rule netdev t c ip protocol sctp @ll,720,32 {BLOCKED:#x} counter drop'"
            );
            in_namespace(&wire.host, &rule)?;
            // Redirected frames are taken in only by an interface with NAPI.
            in_namespace(&wire.host, &format!("ethtool -K {HOST_INTERFACE} gro on"))?;
        }
    }
    split_cores(&wire.host, HOST_INTERFACE)?;
    let frame = carrying(&m3ua_data(BLOCKED));
    let before = received(&wire.host)?;
    let elapsed = generate(&mut bench, &wire.world, &frame, FRAMES)?;
    thread::sleep(Duration::from_millis(50));
    let taken = received(&wire.host)? - before;
    if receiver == Receiver::Firewall {
        let hits = program.list.entries()?[0].hits.count;
        ensure!(hits * 10 >= taken * 9, "the firewall dropped {hits} of {taken}");
    }
    Ok(taken as f64 / elapsed.as_secs_f64())
}

pub(crate) fn measure(rounds: usize) -> Result<Vec<Row>> {
    let mut rates: Vec<[f64; 4]> = Vec::new();
    for _ in 0..rounds {
        let mut round = [0.0; 4];
        for (slot, receiver) in round.iter_mut().zip(Receiver::ALL) {
            *slot = rate(receiver)?;
        }
        rates.push(round);
    }
    let mut ours: Vec<f64> = rates.iter().map(|round| round[1]).collect();
    let value = format!("{:.2} M frames/s", median(&mut ours) / 1e6);
    let row = |against: &str, other: usize, aim| {
        let mut ratios: Vec<f64> = rates.iter().map(|round| round[1] / round[other]).collect();
        let mut others: Vec<f64> = rates.iter().map(|round| round[other]).collect();
        Row {
            what: "veth: blocked DATA dropped".to_owned(),
            value: value.clone(),
            against: format!("{against}, {:.2} M/s", median(&mut others) / 1e6),
            ratio: median(&mut ratios),
            aim,
        }
    };
    Ok(vec![
        row("bare XDP_DROP", 0, Aim::AtLeast(0.5)),
        row("xdp-filter by source address", 2, Aim::AtLeast(1.5)),
        row("nftables at ingress, fixed offset", 3, Aim::AtLeast(3.0)),
    ])
}
