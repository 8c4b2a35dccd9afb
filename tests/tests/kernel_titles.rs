//! The list of calling global titles in the kernel's arrays: written, hit, replaced and taken over.

use ss7guard_common::abi::{self, Mode, Symbols, TitleDetail, config_flag, direction};
use ss7guard_common::verdict::Action;
use ss7guard_common::wire::Remote;
use ss7guard_lab::frame::{Frame, WHOLE, data};
use ss7guard_lab::m3ua;
use ss7guard_lab::program::{DROP, PASS, Program};
use ss7guard_lab::random::Random;
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::enforce::Detail;
use ss7guard_userspace::host::{Host, Titles};
use ss7guard_userspace::kernel::block_list::Arrays as _;
use ss7guard_userspace::kernel::{KernelLists, Maps, TitleMaps, scan_titles};

fn from(title: &str) -> Vec<u8> {
    let label = m3ua::Label { opc: 0x1009, dpc: 9, ni: 0, sls: 1 };
    let message = m3ua::data(label, Some(7), &Kind::UpdateLocation.begin_from(title, 5));
    Frame::ipv4(132, &[]).sctp(1, &[data(WHOLE, 3, &message)]).build()
}

/// Digits that begin as many entries do.
fn digits(random: &mut Random, most: usize) -> String {
    let mut digits = ["4477009", "4477", "1", "49", "9999999"][random.below(5)].to_owned();
    let len = 1 + random.below(most);
    while digits.len() < len {
        digits.push(char::from(b'0' + random.below(10) as u8));
    }
    digits.truncate(len);
    digits
}

fn entry(random: &mut Random, rule_id: u32) -> TitleDetail {
    let exact = if random.below(3) == 0 { TitleDetail::EXACT } else { 0 };
    TitleDetail::new(
        Symbols::from_ascii(digits(random, 15).as_bytes()).expect("digits"),
        [Action::Drop, Action::Drop, Action::Pass][random.below(3)],
        exact | [direction::BOTH, direction::BOTH, direction::IN, direction::OUT][random.below(4)],
        rule_id,
    )
}

/// Judges messages from random numbers as kernel and host do.
fn compare(program: &mut Program, host: &mut Host, random: &mut Random) {
    let mut dropped = 0;
    for _ in 0..1_500 {
        let frame = from(&digits(random, 14));
        let expected = host.classify(&frame, Remote::Source, 0, |_| {}).verdict.action();
        let action = program.judge(&frame).expect("run");
        assert_eq!(action, if matches!(expected, Action::Drop) { DROP } else { PASS }, "{frame:02x?}");
        dropped += usize::from(action == DROP);
    }
    assert!((100..1_400).contains(&dropped), "{dropped}");
}

#[test]
fn what_is_written_as_memory_is_what_the_kernel_finds() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut program = Program::load_with_titles(2_000).expect("load");
    let mut record = abi::Config { mode: Mode::Enforce as u8, ..abi::Config::fresh() };
    record.flags |= config_flag::GT_LIST;
    program.configure(&record).expect("configure");
    let mut host = Host::new(record);
    for rule in 1..=900 {
        let entry = entry(&mut random, rule);
        program.list.put(Detail::Title(entry)).expect("title");
        host.titles.put(entry);
    }
    compare(&mut program, &mut host, &mut random);
    for listed in program.list.titles().entries().iter().step_by(3) {
        program.list.remove(&Detail::Title(listed.detail).target()).expect("remove");
        host.titles.remove(&listed.detail);
    }
    compare(&mut program, &mut host, &mut random);
    let hits: u64 = program.list.titles().entries().iter().map(|entry| entry.hits.count).sum();
    assert!(hits > 100, "{hits}");

    let mut entries: Vec<TitleDetail> = (1_000..2_500).map(|rule| entry(&mut random, rule)).collect();
    host.titles = Titles::default();
    for entry in &entries {
        host.titles.put(*entry);
    }
    program.replace_titles(std::mem::take(&mut entries)).expect("replace");
    compare(&mut program, &mut host, &mut random);

    // Another process takes over.
    let listed = program.list.titles().entries();
    let half = program.list.arrays().half().expect("half");
    let maps = TitleMaps::open(&program.bpffs()).expect("map");
    assert_eq!(scan_titles(&maps, half), listed);
    let maps = Maps::open(&program.bpffs()).expect("maps");
    program.list = KernelLists::open(&program.bpffs(), maps, 60_000_000_000).expect("adopt");
    assert_eq!(program.list.titles().entries(), listed);
    compare(&mut program, &mut host, &mut random);
    program.list.remove_where(|_| true).expect("remove");
    assert_eq!(program.judge(&from("447700900123")).expect("run"), PASS);
}
