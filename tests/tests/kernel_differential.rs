//! Kernel verdict against host verdict on 200,000 mutated frames.

use ss7guard_common::abi::{self, Mode, Side, Symbols, TitleDetail, config_flag, direction};
use ss7guard_common::neutralise::Form;
use ss7guard_common::verdict::{Action, Reason};
use ss7guard_common::wire::Remote;
use ss7guard_lab::frame::{FIRST, Frame, LAST, WHOLE, chunk, data, i_data, m3ua_data, sack};
use ss7guard_lab::program::{DROP, PASS, Program};
use ss7guard_lab::random::Random;
use ss7guard_userspace::config::{Config, OnBlock, Peer};
use ss7guard_userspace::enforce::{BlockRequest, CodeTarget, Detail, Target};
use ss7guard_userspace::host::Host;
use ss7guard_userspace::inspect::sccp::Flavour;

const FRAMES: usize = 200_000;

/// Sound frames of every kind, to be mutated.
fn seeds() -> Vec<Vec<u8>> {
    let ok = data(WHOLE, 3, &m3ua_data(0x1009));
    let bad = data(WHOLE, 3, &m3ua_data(0x203f));
    let short = data(FIRST, 3, &m3ua_data(0x203f)[..20]);
    let tiny = data(FIRST, 3, &m3ua_data(0x203f)[..3]);
    let first = data(FIRST, 3, &m3ua_data(0x203f)[..50]);
    let many =
        [sack(), ok.clone(), bad.clone(), first, data(LAST, 3, &[1; 30]), short.clone(), tiny, bad.clone()];
    let mut auth = vec![15, 0, 0, 28, 0, 0, 0, 1];
    auth.resize(28, 7);
    // The label in two fragments, in either order, in one packet and in two.
    let rest = |code, from: usize, tsn| {
        let mut chunk = data(LAST, 3, &m3ua_data(code)[from..]);
        chunk[7] = tsn;
        chunk
    };
    let good_short = data(FIRST, 3, &m3ua_data(0x1009)[..20]);
    let dropped = data(WHOLE, 3, &m3ua_data(0x2040));
    vec![
        Frame::ipv4(132, &[]).sctp(1, std::slice::from_ref(&ok)).build(),
        Frame::ipv4(132, &[]).sctp(1, &many).build(),
        Frame::ipv4(132, &[1; 12]).tag(0x8100).sctp(1, &[bad.clone(), ok.clone()]).build(),
        Frame::ipv4(132, &[])
            .tag(0x8100)
            .tag(0x88a8)
            .sctp(1, &[i_data(WHOLE, 3, &m3ua_data(0x203f))])
            .build(),
        Frame::ipv6(132, &[]).sctp(1, &[sack(), bad.clone()]).build(),
        Frame::ipv6(132, &[(0, vec![0; 7]), (44, vec![0; 7]), (60, vec![0; 7])])
            .sctp(1, std::slice::from_ref(&ok))
            .build(),
        Frame::ipv4(132, &[]).sctp(0, &[chunk(1, 0, &[7; 16])]).build(),
        Frame::ipv6(132, &[]).sctp(1, &[sack(), chunk(0x0f, 0, &[0; 24]), chunk(0xc1, 0, &[0; 12])]).build(),
        Frame::ipv4(132, &[]).sctp(1, &[data(WHOLE, 3, &[1, 0, 4, 1, 0, 0, 0, 8])]).build(),
        Frame::ipv4(17, &[]).payload(&[0x26, 0xab, 0, 1, 0, 8, 0, 0]).build(),
        Frame::ipv4(132, &[]).sctp(1, &[bad.clone(), auth, bad.clone()]).build(),
        Frame::ipv4(132, &[]).sctp(1, &[bad.clone(), dropped]).build(),
        Frame::ipv4(132, &[]).sctp(1, std::slice::from_ref(&short)).build(),
        Frame::ipv4(132, &[]).sctp(1, &[rest(0x203f, 20, 10), ok.clone()]).build(),
        Frame::ipv4(132, &[]).sctp(1, &[short.clone(), rest(0x203f, 20, 10)]).build(),
        Frame::ipv6(132, &[]).sctp(1, &[rest(0x203f, 20, 10), short.clone(), bad.clone()]).build(),
        Frame::ipv6(132, &[]).sctp(1, &[rest(0x1009, 20, 10), good_short]).build(),
        Frame::other(0x0806, &[0; 46]).build(),
    ]
}

fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut frame = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(6) {
        let at = random.below(frame.len());
        match random.below(8) {
            0..=2 => frame[at] ^= 1 << random.below(8),
            3 => frame[at] = u8::try_from(random.below(256)).expect("an octet"),
            4 => frame[at] = [0, 1, 2, 3, 4, 0x10, 0x40, 0x7f, 0x80, 0xff][random.below(10)],
            5 => frame.truncate(at.max(14)),
            6 => frame.insert(at, u8::try_from(random.below(256)).expect("an octet")),
            _ => {
                let len = random.below(40).min(frame.len() - at);
                let piece = frame[at..at + len].to_vec();
                let to = random.below(frame.len());
                frame.splice(to..to, piece);
            }
        }
    }
    frame
}

#[test]
fn kernel_and_host_agree_on_mutated_frames() {
    // Everything is punted, so that each event shows the reason; faults would be dropped, were they enforced.
    let mut record = abi::Config { setup_copies: u32::MAX, ..abi::Config::fresh() };
    record.flags |= config_flag::KNOWN_PEERS | config_flag::GT_LIST | config_flag::PEER_FLAVOURS;
    for reason in Reason::ALL {
        record.set_policy(*reason, Action::Punt);
    }
    for reason in [Reason::ChunkMalformed, Reason::UnexpectedPpid, Reason::BlockedUnderAuth] {
        record.set_policy(reason, Action::Drop);
    }
    for reason in [Reason::SctpShortFirstFragment, Reason::M3uaTrailing, Reason::M3uaVersion] {
        record.set_policy(reason, Action::Neutralise);
    }
    let request = BlockRequest {
        target: Target::Code(CodeTarget { point_code: 0x203f, ni: Some(0), network_appearance: None }),
        ttl: None,
        rule_id: 7,
        on_block: OnBlock::Neutralise,
        reason: String::new(),
    };
    let drops = BlockRequest { target: Target::code(0x2040), on_block: OnBlock::Drop, ..request.clone() };
    let mut program = Program::load(64, 1 << 22).expect("load");
    // The sender of the IPv4 seeds; that of the IPv6 seeds is a stranger, and some mutations make strangers.
    let peer = Peer {
        addresses: vec![[192, 0, 2, 1].into()],
        ..Peer::unknown(Side::Interconnect, 14, Flavour::Itu)
    };
    let config = Config { peers: vec![peer], ..Config::default() };
    record.peer_table = program.list.arrays_mut().write_peers(&config.peers).expect("peers");
    let mut host = Host::new(record);
    host.peers = config.peer_map();
    for request in [&request, &drops] {
        program.list.add(request, 0).expect("block");
        host.follow(&request.detail(0));
    }
    // Entries at several digits of the seeds' calling number, so that mutations meet each of them.
    let title = |digits: &str, action: Action, flags| {
        TitleDetail::new(Symbols::from_ascii(digits.as_bytes()).expect("digits"), action, flags, 9)
    };
    for entry in [
        title("15550100", Action::Pass, direction::BOTH),
        title("1555", Action::Neutralise, direction::BOTH),
        title("155500", Action::Drop, direction::IN),
        title("1", Action::Neutralise, direction::BOTH),
        title("15550100999", Action::Neutralise, direction::OUT | TitleDetail::EXACT),
        title("155501", Action::Pass, direction::BOTH | TitleDetail::EXACT),
    ] {
        program.list.put(Detail::Title(entry)).expect("title");
        host.titles.put(entry);
    }
    let seeds = seeds();
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    let mut rewritten = 0;
    let mut reasons = std::collections::BTreeMap::<&str, u64>::new();
    for mode in [Mode::Monitor, Mode::Enforce] {
        record.mode = mode as u8;
        program.configure(&record).expect("configure");
        host.config = record;
        for number in 0..FRAMES / 2 {
            let frame = mutate(&mut random, &seeds);
            let verdict = host.classify(&frame, Remote::Source, 0, |_| {});
            let (action, out) = program.run(&frame).expect("run");
            let mut wanted = frame.clone();
            let expected = if verdict.verdict.drops() { DROP } else { PASS };
            assert_eq!(action, expected, "{mode:?} frame {number}: {verdict:?}\n{frame:02x?}");
            if verdict.rewrites() {
                assert!(host.rewrite(&mut wanted, &verdict, Form::BeatAck, 0), "frame {number}: {verdict:?}");
                rewritten += 1;
            }
            assert_eq!(out, wanted, "{mode:?} frame {number}: {verdict:?}\n{frame:02x?}");
            let mut events = Vec::new();
            program.events.drain(4, |event| events.push(event.event));
            assert_eq!(!events.is_empty(), verdict.verdict.punts(), "frame {number}: {verdict:?}");
            let reason = verdict.verdict.reason().expect("a reason");
            *reasons.entry(reason.as_str()).or_default() += 1;
            if let Some(event) = events.first() {
                let found = (event.reason, event.chunk_offset as usize, event.rule_id);
                let wanted = (reason as u8, verdict.chunk_offset, verdict.verdict.rule_id());
                assert_eq!(found, wanted, "{mode:?} frame {number}: {verdict:?}\n{frame:02x?}");
            }
        }
    }
    let counters = program.list.arrays().counters().expect("counters");
    for (reason, action, count) in host.counters() {
        let kernel = counters.iter().find(|one| (one.reason, one.action) == (reason, action));
        assert_eq!(kernel.map(|one| one.count), Some(count), "{reason:?} {action:?}");
    }
    assert!(rewritten > FRAMES / 50, "{rewritten} frames rewritten");
    println!("{FRAMES} frames, {rewritten} rewritten, {} reasons met: {reasons:?}", reasons.len());
    assert!(reasons.len() > 25, "mutations met {} reasons only: {reasons:?}", reasons.len());
}
