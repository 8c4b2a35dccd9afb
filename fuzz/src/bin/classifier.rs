//! An Ethernet frame through the classifier of kernel and host, then every message in it through the decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ss7guard_common::abi::{
    ANY_NI, BOTH_HALVES, BlockDetail, Config, Mode, Side, Symbols, TitleDetail, config_flag, direction,
};
use ss7guard_common::classify::{FrameVerdict, Observed};
use ss7guard_common::neutralise::Form;
use ss7guard_common::read::MAX_OFFSET;
use ss7guard_common::verdict::{Action, Class, Reason};
use ss7guard_common::wire::{Address, Remote};
use ss7guard_fuzz::facts;
use ss7guard_userspace::host::{Host, Peer, complete_message, endpoints};
use ss7guard_userspace::inspect::gsm_map::Protocol;
use ss7guard_userspace::inspect::message::{Message, Outcome};
use ss7guard_userspace::inspect::sccp::Flavour;

/// Point codes of two carriers of the seed corpus: one blocked for every network indicator, one for NI 0.
const BLOCKED: [(u32, u8); 2] = [(4711, ANY_NI), (5033, 0)];

/// Calling global titles: what starts with 4 is blocked, but for what starts with 44.
const TITLES: [(&str, Action); 2] = [("4", Action::Neutralise), ("44", Action::Pass)];

/// Operations that are stopped.
const FORBIDDEN: [u8; 2] = [58, 71];

fuzz_target!(|frame: &[u8]| {
    let _ = endpoints(frame);
    for (mode, remote) in [
        (Mode::Monitor, Remote::Source),
        (Mode::Monitor, Remote::Destination),
        (Mode::Enforce, Remote::Source),
    ] {
        let (verdict, blocked) = judge(frame, mode, remote);
        match mode {
            Mode::Monitor => {
                let stops = verdict.verdict.drops() || verdict.verdict.neutralises();
                assert!(!stops, "{verdict:?} in monitor mode");
            }
            Mode::Enforce => {
                let stops = verdict.verdict.drops() || verdict.rewrites();
                assert!(stops || !blocked, "{verdict:?}, blocked {blocked}");
            }
        }
        if mode == Mode::Enforce {
            rewritten(frame, &verdict);
            with_padding(frame, verdict);
            with_vlan_tag(frame, verdict);
        }
    }
    let mut host = host(Mode::Monitor);
    let _ = host.classify(frame, Remote::Source, 0, |seen| {
        if let Some((data, user_part)) = complete_message(seen, frame) {
            facts::check(&Message::decode(data, user_part), user_part);
        }
    });
});

/// Tables with something in each.
fn host(mode: Mode) -> Host {
    let fresh = Config::fresh();
    let flags = fresh.flags | config_flag::GT_LIST | config_flag::OPERATIONS;
    let mut config = Config { mode: mode as u8, flags, ..fresh };
    config.set_operations(FORBIDDEN.into_iter());
    let mut host = Host::new(config);
    for (digits, action) in TITLES {
        let symbols = Symbols::from_ascii(digits.as_bytes()).unwrap_or(Symbols::NONE);
        host.titles.put(TitleDetail::new(symbols, action, direction::BOTH, 7));
    }
    for (point_code, ni) in BLOCKED {
        host.block(BlockDetail {
            expires_at: 0,
            point_code,
            network_appearance: 0,
            rule_id: point_code,
            next: 0,
            ni,
            match_na: 0,
            action: Action::Neutralise as u8,
            used: 1,
            halves: BOTH_HALVES,
            _pad: [0; 3],
        });
    }
    let peer = Peer { number: 0, side: Side::Interconnect, point_code_bits: 24, flavour: Flavour::Itu };
    host.peers.insert(Address::from_ipv4(0xc633_640a), peer);
    host
}

/// What was rewritten has nothing blocked in it any more, and as many octets.
fn rewritten(frame: &[u8], verdict: &FrameVerdict) {
    if !verdict.rewrites() {
        return;
    }
    for form in Form::ALL {
        let mut frame = frame.to_vec();
        let mut host = host(Mode::Enforce);
        let _ = host.classify(&frame, Remote::Source, 0, |_| {});
        assert!(host.rewrite(&mut frame, verdict, form, 0), "{form:?}: {verdict:?}");
        let (again, blocked) = judge(&frame, Mode::Enforce, Remote::Source);
        assert!(!blocked && !again.rewrites(), "{form:?}: {verdict:?}, then {again:?}");
    }
}

/// Judges a frame, checks the judgement, and says whether a message in it is blocked.
fn judge(frame: &[u8], mode: Mode, remote: Remote) -> (FrameVerdict, bool) {
    let mut host = host(mode);
    let mut blocked = false;
    let mut chunks = 0;
    let verdict = host.classify(frame, remote, 0, |seen| {
        check(frame, seen);
        chunks += 1;
        blocked |= by_entry(seen.verdict.reason());
    });
    assert!(verdict.verdict.reason().is_some());
    assert!(verdict.chunk_offset + verdict.chunk_len <= frame.len());
    let counted: u64 = host.counters().map(|(_, _, count)| count).sum();
    assert!(counted >= 1.max(chunks), "{counted} outcomes of {chunks} chunks");
    let again = host.classify(frame, remote, 0, |_| {});
    // Of several blocked messages, the one decides whose entry is due for evidence.
    let (one, other) = (verdict.verdict.reason(), again.verdict.reason());
    // A fragment that came too early is dropped until the one that is missing is there.
    if one != Some(Reason::SctpShortFirstFragment) || !verdict.verdict.drops() {
        assert!(one == other || by_entry(one) && by_entry(other), "{one:?}, then {other:?}");
        assert_eq!(again.verdict.drops(), verdict.verdict.drops());
    }
    (verdict, blocked)
}

fn by_entry(reason: Option<Reason>) -> bool {
    use Reason::{BlockedGlobalTitle, BlockedPointCode, BlockedUnderAuth};
    matches!(reason, Some(BlockedPointCode | BlockedGlobalTitle | BlockedUnderAuth))
}

/// What was seen of a chunk lies in the frame, and a message from a blocked point code is seen as such.
fn check(frame: &[u8], seen: &Observed) {
    let end = seen.offset + seen.chunk.len;
    assert!(end <= frame.len() && seen.user_data.payload <= end);
    let reason = seen.verdict.reason().expect("every verdict has a reason");
    let Some(data) = &seen.data else {
        assert!(!matches!(reason.class(), Class::Message), "{reason:?} without a label");
        return;
    };
    assert!(data.user_part + data.user_part_len <= end);
    let is_blocked =
        |opc| BLOCKED.iter().any(|(code, ni)| *code == opc && (*ni == ANY_NI || *ni == data.label.ni));
    let expected = is_blocked(data.label.opc) || data.second_opc.get().is_some_and(is_blocked);
    // Under SCTP AUTH nothing can be rewritten.
    let auth = reason == Reason::BlockedUnderAuth;
    assert_eq!(reason == Reason::BlockedPointCode, expected && !auth, "{data:?}");
    if !expected && let Some((data, user_part)) = complete_message(seen, frame) {
        let message = Message::decode(data, user_part);
        if reason == Reason::ForbiddenOperation {
            // The decoder reads the same, but for what breaks off behind the operation.
            let broken = matches!(message.outcome, Outcome::Undecodable(_));
            let first = message.invokes().next().map(|(_, code)| code);
            let forbidden = first.is_some_and(|code| FORBIDDEN.iter().any(|one| i32::from(*one) == code));
            assert!(broken || (forbidden && message.protocol == Protocol::Map), "{message:?}");
        }
        let title = message.sccp.as_ref().and_then(|sccp| sccp.calling.global_title);
        const LAND_MOBILE: u8 = 6;
        if let Some(title) = title.filter(|title| title.numbering_plan != Some(LAND_MOBILE)) {
            let digits = title.digits.as_str();
            let expected = digits.starts_with('4') && !digits.starts_with("44");
            assert_eq!(reason == Reason::BlockedGlobalTitle, expected && !auth, "{digits}, {reason:?}");
        }
    }
}

/// Link-layer padding changes no judgement of what an SCCP packet holds.
fn with_padding(frame: &[u8], verdict: FrameVerdict) {
    let held = verdict
        .verdict
        .reason()
        .is_some_and(|reason| matches!(reason.class(), Class::Control | Class::Message));
    if held && frame.len() + 9 < MAX_OFFSET {
        let (other, _) = judge(&[frame, &[0x5a; 9]].concat(), Mode::Enforce, Remote::Source);
        assert_eq!(other, verdict, "with padding");
    }
}

/// A VLAN tag changes no judgement.
fn with_vlan_tag(frame: &[u8], verdict: FrameVerdict) {
    let Some((macs, rest @ ([0x08, 0x00, ..] | [0x86, 0xdd, ..]))) = frame.split_at_checked(12) else {
        return;
    };
    if frame.len() + 4 < MAX_OFFSET {
        let (other, _) =
            judge(&[macs, &[0x81, 0x00, 0x00, 0x05], rest].concat(), Mode::Enforce, Remote::Source);
        assert_eq!(other.verdict, verdict.verdict, "with a VLAN tag");
        assert_eq!(other.chunk_len, verdict.chunk_len);
    }
}
