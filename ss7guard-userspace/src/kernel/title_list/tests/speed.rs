//! Not run by default: `cargo test --release -p ss7guard-userspace title_list -- --ignored --nocapture`.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::memory::{Dice, LINGER, Memory, exact, prefix};
use super::*;

/// Slices of a step: the longest, and all together.
#[derive(Default)]
struct Slices {
    longest: Duration,
    all: Duration,
}

impl Slices {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = spent();
        let done = work();
        let took = spent() - begun;
        self.longest = self.longest.max(took);
        self.all += took;
        done
    }
}

/// Processor time of this thread, which others do not disturb.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

/// Prefixes of some operators' ranges, cut or extended.
fn like_a_number_plan(dice: &mut Dice, entries: usize) -> Vec<TitleDetail> {
    let lengths = [3, 4, 5, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 11, 11, 12];
    let ranges: Vec<String> = (0..29_000)
        .map(|_| {
            let country = ["1", "44", "49", "33", "7", "234", "971", "91", "86", "55", "62"];
            let start = country[dice.below(country.len() as u64) as usize];
            let len = 4 + dice.below(5) as usize;
            dice.digits(start, len)
        })
        .collect();
    let mut keys = BTreeSet::new();
    std::iter::repeat_with(|| {
        let range = &ranges[dice.below(ranges.len() as u64) as usize];
        let len = lengths[dice.below(lengths.len() as u64) as usize];
        prefix(&dice.digits(range, len), 1)
    })
    .filter(|detail| keys.insert(detail.symbols))
    .take(entries)
    .collect()
}

fn dense(dice: &mut Dice, entries: usize, len: usize, below: &[&str]) -> Vec<TitleDetail> {
    let starts = below.iter().cycle().take(entries);
    starts.map(|start| exact(&dice.digits(start, len), 1)).collect()
}

fn measure(what: &str, entries: &[TitleDetail]) {
    const MOST: usize = 2_000;
    let sizes = TitleSizes::new(1_000_000);
    let memory = Memory::new(1_000_000, sizes.segments as usize, sizes.chunks as usize);
    let mut list = TitleList::adopt(memory, 0, LINGER).unwrap();
    let before = resident_mib();
    for round in 0..2 {
        let (mut stage, mut retire, mut settle) = (Slices::default(), Slices::default(), Slices::default());
        let mut import = list.begin(list.arrays().half);
        for slice in entries.chunks(MOST) {
            stage.time(|| {
                for detail in slice {
                    list.stage(&mut import, *detail).unwrap();
                }
            });
        }
        while !retire.time(|| list.retire(&mut import, MOST, 0, |_| true)).unwrap() {}
        list.tables.arrays.half ^= 1;
        let mut progress = TitleProgress::default();
        while !settle.time(|| list.settle(&mut import, MOST, 0, |_| true, &mut progress)) {
            progress = TitleProgress::default();
        }
        println!(
            "{what}, import {round}: {} entries, stage {:?} (longest {:?}), retire {:?} ({:?}), settle {:?} ({:?}); {} \
             boundaries, {} chunks; {} MiB more",
            list.len(),
            stage.all,
            stage.longest,
            retire.all,
            retire.longest,
            settle.all,
            settle.longest,
            list.tables.segments.in_use(),
            list.tables.chunks.in_use(),
            resident_mib().saturating_sub(before)
        );
    }
    let mut dice = Dice(5);
    let (mut puts, mut removes) = (Slices::default(), Slices::default());
    for round in 0..20_000 {
        let (ascii, len) =
            ss7guard_common::abi::Symbols(entries[dice.below(entries.len() as u64) as usize].symbols)
                .to_ascii();
        let start = std::str::from_utf8(&ascii[..len.min(8)]).unwrap();
        let detail = exact(&dice.digits(start, 12), round);
        if list.get(&TitleKey::of(&detail)).is_none() && puts.time(|| list.put(detail)).is_ok() {
            removes.time(|| list.remove(&TitleKey::of(&detail))).unwrap();
        }
    }
    println!(
        "{what}: put {:?} (longest {:?}), remove {:?} ({:?}), waits {}",
        puts.all / 20_000,
        puts.longest,
        removes.all / 20_000,
        removes.longest,
        list.arrays().waits
    );
    for digits in ["4", "44", "447", "4477", "44770"] {
        let (mut put, mut remove) = (Slices::default(), Slices::default());
        let detail = TitleDetail { flags: 1, ..prefix(digits, 1) };
        put.time(|| list.put(detail)).unwrap();
        remove.time(|| list.remove(&TitleKey::of(&detail))).unwrap();
        println!("{what}: {digits} put {:?}, removed {:?}", put.all, remove.all);
    }
    let begun = spent();
    let memory = list.tables.arrays;
    let (half, stores) = (memory.half, memory.stores);
    let list = TitleList::adopt(memory, half, LINGER).unwrap();
    assert_eq!(list.arrays().stores, stores);
    println!("{what}: adopted in {:?}", spent() - begun);
}

#[test]
#[ignore = "takes a release build and a quiet machine"]
fn a_million_entries() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    measure("number plan", &like_a_number_plan(&mut dice, 990_000));
    measure("12 digits below 44770", &dense(&mut dice, 990_000, 12, &["44770"]));
    let five = ["44770", "44771", "44772", "44773", "44774"];
    measure("12 digits in five ranges", &dense(&mut dice, 990_000, 12, &five));
    measure("15 digits below 44770", &dense(&mut dice, 990_000, 15, &["44770"]));
    measure("15 digits anywhere", &dense(&mut dice, 990_000, 15, &[""]));
}
