//! Imports under the eye of frames: between any two slices of one, a frame is judged by the whole old list or the new one.

use ss7guard_common::abi::{self, Mode};
use ss7guard_lab::frame::{Frame, data};
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::program::{PASS, Program};
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::config::OnBlock;
use ss7guard_userspace::enforce::{BlockRequest, Directions, Target, TitleTarget, Titles};
use ss7guard_userspace::kernel;
use ss7guard_userspace::kernel::lists::exchange::{Basket, Exchange, Wanted};

/// PPID of M3UA (RFC 4666 §7.1).
const M3UA: u32 = 3;

const FIRST: (u32, &str) = (0x1009, "447700900001");
const SECOND: (u32, &str) = (0x100a, "447700900002");

fn title(text: &str, allows: bool) -> Target {
    let titles = Titles::parse(text).expect("titles");
    Target::Title(TitleTarget { titles, directions: Directions::Any, allows })
}

/// A bundle: of each list's point code and title a message, which only that list blocks.
fn bundle() -> Vec<u8> {
    let message = |opc, title| {
        let label = Label { opc, dpc: 8, ni: 0, sls: 0 };
        data(3, M3UA, &m3ua::data(label, None, &Kind::UpdateLocation.begin_from(title, 7)))
    };
    let chunks = [FIRST, SECOND].map(|(code, title)| [message(code, "33"), message(9, title)]).concat();
    Frame::ipv4(132, &[]).sctp(1, &chunks).build()
}

/// Which of the four messages were rewritten: a BEAT ACK is of class 3, type 6 (RFC 4666 §3.1.2).
fn neutralised(frame: &[u8], original: &[u8]) -> Vec<bool> {
    let starts = original.windows(4).enumerate().filter(|(_, four)| *four == [1, 0, 1, 1]);
    starts.map(|(at, _)| frame[at..at + 4] == [1, 0, 3, 6]).collect()
}

/// The list of one of them, with entries that are in both.
fn basket(of: (u32, &str)) -> Basket {
    let mut basket = Basket::default();
    let mut put = |target| assert!(basket.put(target, Wanted::new(0, OnBlock::Neutralise, "".into())));
    put(Target::code(of.0));
    put(title(of.1, false));
    for number in 0..400 {
        put(Target::code(0x2000 + number));
        put(title(&format!("4477009{number:05}9*"), number % 3 == 0));
    }
    basket
}

#[test]
fn between_two_slices_a_frame_is_judged_by_one_list() {
    let mut program = Program::load(4_096, 1 << 20).expect("load");
    let mut record = abi::Config::fresh();
    record.mode = Mode::Enforce as u8;
    program.configure(&record).expect("configure");
    let frame = bundle();
    let expected = [vec![true, true, false, false], vec![false, false, true, true]];
    let mut now_ns = kernel::monotonic_ns();
    let mut switches = 0;
    let mut last = vec![false; 4];
    for round in 0..6usize {
        for most in [1, 7, 100] {
            let of = if (round + most) % 2 == 0 { FIRST } else { SECOND };
            let mut exchange = Exchange::new(basket(of), true, false);
            // Nothing of what was neutralised is sent again by then.
            now_ns += 120_000_000_000;
            loop {
                let done = exchange.slice(&mut program.list, most, now_ns).expect("slice").counts.is_some();
                let (action, out) = program.run(&frame).expect("run");
                let now = neutralised(&out, &frame);
                assert_eq!((action, now.len()), (PASS, 4));
                assert!(now == last || expected.contains(&now), "{now:?}");
                switches += usize::from(now != last);
                last = now;
                if done {
                    break;
                }
            }
            assert_eq!(last, expected[usize::from(of == SECOND)], "round {round}, slices of {most}");
        }
    }
    assert!(switches > 6, "{switches}");
}

#[test]
fn messages_are_held_against_titles_only_while_there_are_some() {
    let mut program = Program::load(64, 1 << 20).expect("load");
    let asked =
        |program: &Program| program.list.arrays().config().expect("record").has(abi::config_flag::GT_LIST);
    let request = |target| BlockRequest {
        target,
        ttl: None,
        rule_id: 1,
        on_block: OnBlock::Neutralise,
        reason: String::new(),
    };
    program.list.add(&request(Target::code(9)), 0).expect("code");
    assert!(!asked(&program));
    let (one, other) = (title("44*", false), title("4477*", true));
    program.list.add(&request(one), 0).expect("title");
    program.list.add(&request(other), 0).expect("title");
    program.list.remove(&one).expect("remove");
    assert!(asked(&program));
    program.list.remove(&other).expect("remove");
    assert!(!asked(&program));
    program.list.add(&request(one), 0).expect("title");
    program.list.remove_where(|_| true).expect("flush");
    assert!(!asked(&program) && program.list.is_empty());
    let mut exchange = Exchange::new(basket(FIRST), true, false);
    // Too many for this list: nothing is left of it.
    assert!((0..10_000).any(|_| exchange.slice(&mut program.list, 50, 1).is_err()));
    assert!(!asked(&program) && program.list.is_empty());
}
