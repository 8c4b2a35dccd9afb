//! CPU time of the XDP program for each class of frame, by BPF_PROG_TEST_RUN, against bare programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::maps::Array;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use rustix::time::{ClockId, clock_gettime};
use ss7guard_common::abi::{self, Mode};
use ss7guard_common::verdict::{Action, Reason};
use ss7guard_lab::frame::{Frame, WHOLE, carrying, data, m3ua_data, sack};
use ss7guard_lab::program::Program;
use ss7guard_userspace::config::{OnBlock, Peer};
use ss7guard_userspace::enforce::{BlockRequest, Target};
use ss7guard_userspace::kernel::Events;

use crate::rows::{Aim, Row, median};

/// Runs of a program in one measurement. Each call sleeps about 20 ms besides, so that it has to be many.
pub(crate) const REPEAT: u32 = 1_000_000;

/// Measurements before those that count: about as many hits of each entry.
const WARM_UP: usize = 9;

/// Entries of the large list.
const ENTRIES: u32 = 1 << 20;

/// Point code of an entry, as the kernel side computes it: odd, spread over 24 bits.
fn blocked_code(entry: u32) -> u32 {
    let spread = (u64::from(entry) * 0x0058_4b6d) & 0x7f_ffff;
    u32::try_from(spread << 1 | 1).unwrap_or(1)
}

/// The bench's programs, loaded over the maps of the firewall.
pub(crate) fn load(bpffs: &std::path::Path) -> Result<Ebpf> {
    let folder = std::env::var("SS7GUARD_EBPF_DIR").context("SS7GUARD_EBPF_DIR: run `cargo xtask bench`")?;
    let object = std::fs::read(format!("{folder}/bench"))?;
    let mut ebpf = EbpfLoader::new().default_map_pin_directory(bpffs).load(&object)?;
    for name in [
        "bare_drop",
        "bare_pass",
        "bare_redirect",
        "generator",
        "random_opc",
        "random_title",
        "restore_pass",
        "restore_judge",
    ] {
        let xdp: &mut Xdp = ebpf.program_mut(name).context(name)?.try_into()?;
        xdp.load()?;
    }
    Ok(ebpf)
}

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU nanoseconds of one run.
fn cost(run: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = thread_cpu();
    run()?;
    Ok((thread_cpu() - before).as_nanos() as f64 / f64::from(REPEAT))
}

/// CPU nanoseconds of one run of this program of the bench.
pub(crate) fn bench_run(ebpf: &mut Ebpf, program: &str, frame: &[u8]) -> Result<f64> {
    let xdp: &mut Xdp = ebpf.program_mut(program).context("program")?.try_into()?;
    cost(|| {
        let options = TestRunOptions { data_in: Some(frame), repeat: REPEAT, ..TestRunOptions::default() };
        xdp.test_run(options)?;
        Ok(())
    })
}

/// How a row is run.
#[derive(Clone, Copy)]
enum How {
    /// The firewall's program on a fixed frame.
    Fixed,
    /// The same code with another point code each time; 0 for those that are not blocked, 1 for blocked ones.
    Random(u64),
    /// The same code with the frame put back before each run, as is done in its floor.
    Restored,
}

struct Case {
    what: &'static str,
    frame: Vec<u8>,
    how: How,
    /// Whether SCCP is copied to the controller.
    copies: bool,
    aim: Aim,
}

fn cases() -> Vec<Case> {
    let case = |what, frame, aim| Case { what, frame, how: How::Fixed, copies: false, aim };
    let passed = carrying(&m3ua_data(0x1008));
    let blocked = carrying(&m3ua_data(blocked_code(12_345)));
    let five: Vec<Vec<u8>> = (0..5).map(|_| data(WHOLE, 3, &m3ua_data(0x1008))).collect();
    vec![
        case("not SCTP (ARP)", Frame::other(0x0806, &[0; 46]).build(), Aim::AtMost(1.4)),
        case("not SCTP (UDP)", Frame::ipv4(17, &[]).payload(&[0; 40]).build(), Aim::AtMost(1.4)),
        case("SCTP control (SACK)", Frame::ipv4(132, &[]).sctp(1, &[sack()]).build(), Aim::None),
        case("DATA passed, one point code", passed.clone(), Aim::None),
        Case {
            how: How::Random(0),
            ..case("DATA passed, random point codes, 1,048,576 entries", passed.clone(), Aim::AtMost(3.2))
        },
        case("DATA blocked (TTL, rule, hits), one point code", blocked.clone(), Aim::AtMost(2.6)),
        Case {
            how: How::Random(1),
            ..case("DATA blocked, random among 1,048,576 entries", blocked, Aim::None)
        },
        Case {
            how: How::Restored,
            ..case("DATA neutralised (TTL, rule, hits)", neutralised(), Aim::AtMost(3.0))
        },
        case("bundle of 5 DATA passed", Frame::ipv4(132, &[]).sctp(1, &five).build(), Aim::None),
        Case { copies: true, ..case("DATA copied to the controller", passed, Aim::None) },
    ]
}

/// Point code of the entry that neutralises: even, as no other.
const NEUTRALISED: u32 = 0x2002;

/// A message of that point code, with a checksum, since none would be corrected.
fn neutralised() -> Vec<u8> {
    let mut frame = carrying(&m3ua_data(NEUTRALISED));
    if let Some(checksum) = frame.get_mut(42..46) {
        checksum.copy_from_slice(&[0x5a; 4]);
    }
    frame
}

/// Every row, interleaved round by round so that drift of the machine hits all alike.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Row>> {
    let mut program = Program::load(ENTRIES + 2, 16 << 20)?;
    fill(&mut program)?;
    let peers = write_peers(&mut program)?;
    let bpffs = program.bpffs();
    let mut bench = load(&bpffs)?;
    put_back(&mut bench, &neutralised())?;
    let done = Arc::new(AtomicBool::new(false));
    let reader = reader(bpffs, Arc::clone(&done));
    let cases = cases();
    let mut costs: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    let mut floor_costs = Vec::new();
    // The first hits of an entry are copied as evidence; what is to be measured comes after them.
    program.configure(&record(false, peers))?;
    for _ in 0..WARM_UP {
        random_run(&mut bench, 1, &carrying(&m3ua_data(1)))?;
    }
    for _ in 0..rounds {
        for (index, case) in cases.iter().enumerate() {
            program.configure(&record(case.copies, peers))?;
            let floor = match case.how {
                How::Restored => bench_run(&mut bench, "restore_pass", &case.frame)?,
                _ => f64::midpoint(
                    bench_run(&mut bench, "bare_drop", &case.frame)?,
                    bench_run(&mut bench, "bare_pass", &case.frame)?,
                ),
            };
            let cost = match case.how {
                How::Fixed => cost(|| {
                    program.loaded.run_xdp(&case.frame, REPEAT)?;
                    Ok(())
                })?,
                How::Restored => {
                    let before = neutralisations(&program)?;
                    let cost = bench_run(&mut bench, "restore_judge", &case.frame)?;
                    let count = neutralisations(&program)? - before;
                    ensure!(count == u64::from(REPEAT), "{count} of {REPEAT} messages were neutralised");
                    cost
                }
                How::Random(mode) => random_run(&mut bench, mode, &case.frame)?,
            };
            floor_costs.push(floor);
            costs[index].push(cost);
            ratios[index].push(cost / floor);
        }
    }
    done.store(true, Ordering::Relaxed);
    ensure!(reader.join().is_ok(), "the reader of the ring has panicked");
    let hits: u64 = program.list.entries()?.iter().map(|entry| entry.hits.count).sum();
    ensure!(hits >= u64::from(REPEAT), "the blocked rows did not block: {hits} hits");
    let floor = median(&mut floor_costs);
    Ok(cases
        .iter()
        .zip(costs.iter_mut().zip(&mut ratios))
        .map(|(case, (costs, ratios))| Row {
            what: format!("XDP: {}", case.what),
            value: format!("{:.1} ns CPU", median(costs)),
            against: format!("bare XDP program, {floor:.1} ns"),
            ratio: median(ratios),
            aim: case.aim,
        })
        .collect())
}

/// CPU nanoseconds of the classifier with another point code each time.
fn random_run(bench: &mut Ebpf, mode: u64, frame: &[u8]) -> Result<f64> {
    let mut settings: Array<_, [u64; 3]> = Array::try_from(bench.map_mut("BENCH").context("BENCH")?)?;
    let [state, _, _] = settings.get(&0, 0)?;
    // Ethernet 14, IPv4 20, SCTP 12, DATA 16, M3UA 8, two parameters of 8, Protocol Data 4.
    settings.set(0, [state, mode, 90], 0)?;
    bench_run(bench, "random_opc", frame)
}

/// Tells the bench's programs what to put back.
fn put_back(bench: &mut Ebpf, frame: &[u8]) -> Result<()> {
    let mut restore: Array<_, [u8; 16]> = Array::try_from(bench.map_mut("RESTORE").context("RESTORE")?)?;
    let octets = [frame.get(42..46).context("checksum")?, frame.get(62..74).context("message")?].concat();
    let octets: [u8; 16] = octets.try_into().map_err(|_| anyhow::anyhow!("sixteen octets"))?;
    Ok(restore.set(0, octets, 0)?)
}

/// Messages that were neutralised so far.
fn neutralisations(program: &Program) -> Result<u64> {
    let counters = program.list.arrays().counters()?;
    let of = counters.iter().filter(|one| one.action == Action::Neutralise);
    Ok(of.map(|one| one.count).sum())
}

/// Fills the list with entries that have everything an entry can have; one of them neutralises.
fn fill(program: &mut Program) -> Result<()> {
    let now_ns = ss7guard_userspace::kernel::monotonic_ns();
    let codes = (0..ENTRIES).map(|entry| (blocked_code(entry), OnBlock::Drop));
    for (point_code, on_block) in codes.chain([(NEUTRALISED, OnBlock::Neutralise)]) {
        let request = BlockRequest {
            target: Target::code(point_code),
            ttl: Some(Duration::from_secs(86_400)),
            rule_id: 7,
            on_block,
            reason: String::new(),
        };
        program.list.add(&request, now_ns)?;
    }
    ensure!(program.list.len() == ENTRIES as usize + 1, "the entries are not distinct");
    Ok(())
}

/// A few peers, so that the look-up of the sender costs what it costs in life.
fn write_peers(program: &mut Program) -> Result<u64> {
    let peers: Vec<Peer> = (1..20)
        .map(|host| Peer {
            addresses: vec![[192, 0, 2, host].into()],
            ..Peer::unknown(abi::Side::Interconnect, 24, ss7guard_userspace::inspect::sccp::Flavour::Itu)
        })
        .collect();
    Ok(program.list.arrays_mut().write_peers(&peers)?)
}

fn record(copies: bool, peers: u64) -> abi::Config {
    let mut record = abi::Config::fresh();
    record.mode = Mode::Enforce as u8;
    record.default_point_code_bits = 24;
    record.peer_table = peers;
    record.set_policy(Reason::Sccp, if copies { Action::Punt } else { Action::Pass });
    record
}

/// Empties the ring as the controller does.
fn reader(bpffs: std::path::PathBuf, done: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut events = match Events::open(&bpffs) {
            Ok(events) => events,
            Err(error) => {
                eprintln!("ring: {error}");
                return;
            }
        };
        while !done.load(Ordering::Relaxed) {
            events.drain(100_000, |_| {});
            thread::sleep(Duration::from_millis(1));
        }
    })
}
