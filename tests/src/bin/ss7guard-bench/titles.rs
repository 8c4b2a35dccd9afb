//! CPU time of the XDP program while it looks up calling global titles, by the size of the list.

use anyhow::{Context as _, Result, ensure};
use aya::Ebpf;
use aya::maps::Array;
use ss7guard_common::abi::{self, Mode, config_flag};
use ss7guard_common::verdict::{Action, Reason};
use ss7guard_lab::frame::carrying;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::program::Program;
use ss7guard_lab::traffic::{CALLING_DIGITS_AT, Kind};

use crate::kernel::{REPEAT, bench_run, load};
use crate::plan::{Numbers, Plan};
use crate::rows::{Aim, Row, median};

/// Sizes of the list.
const SIZES: [usize; 3] = [10, 100_000, 1_000_000];

/// Numbers in the program's array.
const NUMBERS: usize = 1 << 20;

/// Offset of the user part: Ethernet 14, IPv4 20, SCTP 12, DATA 16, M3UA 8, two parameters of 8, Protocol Data 16.
const USER_PART_AT: usize = 14 + 20 + 12 + 16 + 8 + 16 + 16;

const ALL: [Numbers; 3] = [Numbers::Uniform, Numbers::Missing, Numbers::Listed];

/// A message from a number of fifteen digits.
fn frame() -> Vec<u8> {
    let user_part = Kind::UpdateLocation.begin_from("155501009990000", 5);
    carrying(&m3ua::data(Label { opc: 0x1008, dpc: 9, ni: 0, sls: 1 }, Some(7), &user_part))
}

/// What one size of the list cost.
#[derive(Default)]
struct Costs {
    /// Nanoseconds of each of [`ALL`], round by round.
    ns: [Vec<f64>; 3],
    /// The same, against the bare program.
    ratios: [Vec<f64>; 3],
    /// The same, against the smallest list in the same round.
    growth: [Vec<f64>; 3],
    /// Messages that an entry has stopped, of each million.
    stopped: [u64; 3],
}

/// Every row, interleaved round by round.
pub(crate) fn measure(rounds: usize) -> Result<Vec<Row>> {
    let mut program = Program::load_with_titles(u32::try_from(SIZES[2])?)?;
    let mut record = abi::Config::fresh();
    record.mode = Mode::Enforce as u8;
    record.flags |= config_flag::GT_LIST;
    record.set_policy(Reason::Sccp, Action::Pass);
    program.configure(&record)?;
    let mut bench = load(&program.bpffs())?;
    let frame = frame();
    let mut floors = Vec::new();
    let mut plans: Vec<(Plan, Costs)> = SIZES.map(|size| (Plan::new(size), Costs::default())).into();
    for _ in 0..rounds {
        let mut smallest = [f64::NAN; 3];
        for (size, (plan, costs)) in SIZES.into_iter().zip(&mut plans) {
            program.replace_titles(plan.entries())?;
            ensure!(
                program.list.titles().len() == size,
                "the list has {} entries",
                program.list.titles().len()
            );
            for (index, which) in ALL.into_iter().enumerate() {
                call_from(&mut bench, &plan.numbers(which, NUMBERS))?;
                let floor = f64::midpoint(
                    bench_run(&mut bench, "bare_drop", &frame)?,
                    bench_run(&mut bench, "bare_pass", &frame)?,
                );
                let before = stopped(&program)?;
                let cost = bench_run(&mut bench, "random_title", &frame)?;
                let count = stopped(&program)? - before;
                match which {
                    Numbers::Missing => ensure!(count == 0, "{count} numbers that are not listed were found"),
                    // One in ten entries allows, and a longer one may lie behind it.
                    Numbers::Listed => ensure!(count > u64::from(REPEAT) / 2, "{count} numbers were found"),
                    Numbers::Uniform => {}
                }
                costs.stopped[index] = count;
                if size == SIZES[0] {
                    smallest[index] = cost;
                }
                costs.ns[index].push(cost);
                costs.ratios[index].push(cost / floor);
                costs.growth[index].push(cost / smallest[index]);
                floors.push(floor);
            }
        }
    }
    let floor = median(&mut floors);
    Ok(rows(&mut plans, floor))
}

/// A row for each size and kind of numbers, then what a longer list costs.
fn rows(plans: &mut [(Plan, Costs)], floor: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (size, (_, costs)) in SIZES.into_iter().zip(plans.iter_mut()) {
        for (index, which) in ALL.into_iter().enumerate() {
            let share = costs.stopped[index] as f64 * 100.0 / f64::from(REPEAT);
            let aim = if size == 100_000 && which == Numbers::Missing { Aim::AtMost(5.0) } else { Aim::None };
            rows.push(Row {
                what: format!("XDP: calling number {}, {size} prefixes, {share:.1} % stopped", name(which)),
                value: format!("{:.1} ns CPU", median(&mut costs.ns[index])),
                against: format!("bare XDP program, {floor:.1} ns"),
                ratio: median(&mut costs.ratios[index]),
                aim,
            });
        }
    }
    for (size, (_, costs)) in SIZES.into_iter().zip(plans.iter_mut()).skip(1) {
        for (index, which) in ALL.into_iter().enumerate() {
            let most = if size == 100_000 { 1.5 } else { 1.9 };
            rows.push(Row {
                what: format!("XDP: calling number {}, {size} prefixes", name(which)),
                value: format!("{:.1} ns CPU", median(&mut costs.ns[index])),
                against: "the same program with 10".to_owned(),
                ratio: median(&mut costs.growth[index]),
                aim: if which == Numbers::Listed { Aim::None } else { Aim::AtMost(most) },
            });
        }
    }
    rows
}

const fn name(which: Numbers) -> &'static str {
    match which {
        Numbers::Uniform => "at random",
        Numbers::Missing => "of a real plan, not listed",
        Numbers::Listed => "listed",
    }
}

/// Messages that an entry for their calling global title has stopped so far.
fn stopped(program: &Program) -> Result<u64> {
    let counters = program.list.arrays().counters()?;
    let of = counters.iter().filter(|one| one.reason == Reason::BlockedGlobalTitle);
    Ok(of.map(|one| one.count).sum())
}

/// Tells the bench's program which numbers to call from.
fn call_from(bench: &mut Ebpf, numbers: &[u64]) -> Result<()> {
    let mut array: Array<_, u64> = Array::try_from(bench.map_mut("NUMBERS").context("NUMBERS")?)?;
    for (index, number) in (0..).zip(numbers) {
        array.set(index, *number, 0)?;
    }
    let mut caller: Array<_, [u64; 2]> = Array::try_from(bench.map_mut("CALLER").context("CALLER")?)?;
    Ok(caller.set(0, [0, u64::try_from(USER_PART_AT + CALLING_DIGITS_AT)?], 0)?)
}
