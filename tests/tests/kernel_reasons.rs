//! A table of frames and the verdict that each must get, from the kernel program and from the host's classifier: at
//! least one row for every reason.

use std::collections::HashSet;
use std::path::Path;

use ss7guard_common::abi::{self, Mode, Symbols, TitleDetail, config_flag, direction};
use ss7guard_common::verdict::{Action, Reason};
use ss7guard_common::wire::Remote;
use ss7guard_lab::frame::{
    FIRST, Frame, LAST, PROTOCOL_DATA_AT, WHOLE, carrying, chunk, data, i_data, m3ua_data, sack,
};
use ss7guard_lab::m3ua;
use ss7guard_lab::program::{DROP, PASS, Program};
use ss7guard_lab::traffic::{CALLING_DIGITS_AT, Kind};
use ss7guard_userspace::config::Config;
use ss7guard_userspace::config::OnBlock;
use ss7guard_userspace::enforce::{BlockRequest, CodeTarget, Detail, Target};
use ss7guard_userspace::host::Host;

const BLOCKED: u32 = 0x203f;
const FREE: u32 = 0x1009;

/// An M3UA message with one octet changed.
fn changed(at: usize, value: u8) -> Vec<u8> {
    let mut message = m3ua_data(FREE);
    message[at] = value;
    message
}

/// DATA with another class and type.
fn class(class: u8, kind: u8) -> Vec<u8> {
    m3ua::message(class, kind, &[])
}

/// DATA with these raw parameters.
fn parameters(octets: &[u8]) -> Vec<u8> {
    m3ua::message(1, 1, &[octets.to_vec()])
}

/// A message from this point code and calling global title.
fn from_code(opc: u32, title: &str) -> Vec<u8> {
    let label = m3ua::Label { opc, dpc: 9, ni: 0, sls: 1 };
    m3ua::data(label, Some(7), &Kind::UpdateLocation.begin_from(title, 5))
}

/// A message with which a dialogue begins.
fn beginning(kind: Kind) -> Vec<u8> {
    m3ua::data(m3ua::Label { opc: FREE, dpc: 9, ni: 0, sls: 1 }, Some(7), &kind.begin(5))
}

fn from(title: &str) -> Vec<u8> {
    from_code(FREE, title)
}

/// A message with another octet in its calling address: this many behind the first digits.
fn odd_title(step: isize, value: u8) -> Vec<u8> {
    let mut message = m3ua_data(FREE);
    message[(PROTOCOL_DATA_AT + 16 + CALLING_DIGITS_AT).strict_add_signed(step)] = value;
    message
}

/// The list of calling global titles.
fn titles() -> Vec<TitleDetail> {
    let entry = |digits: &str, action: Action, flags| {
        TitleDetail::new(Symbols::from_ascii(digits.as_bytes()).expect("digits"), action, flags, 8)
    };
    vec![
        entry("4477", Action::Neutralise, direction::BOTH),
        entry("44770", Action::Neutralise, direction::IN),
        entry("447701", Action::Pass, direction::BOTH),
        entry("33600000001", Action::Neutralise, direction::IN | TitleDetail::EXACT),
        entry("351", Action::Neutralise, direction::OUT),
    ]
}

fn sctp(chunks: &[Vec<u8>]) -> Vec<u8> {
    Frame::ipv4(132, &[]).sctp(1, chunks).build()
}

fn init() -> Vec<u8> {
    chunk(1, 0, &[0; 16])
}

/// The same IPv4 frame from 192.0.2.77, which is not among the peers.
fn stranger(mut frame: Vec<u8>) -> Vec<u8> {
    frame[14 + 15] = 77;
    frame
}

#[rustfmt::skip]
fn table() -> Vec<(&'static str, Reason, Vec<u8>)> {
    use Reason as R;
    let ok = || data(WHOLE, 3, &m3ua_data(FREE));
    let bad = || data(WHOLE, 3, &m3ua_data(BLOCKED));
    let v6 = |extensions: &[(u8, Vec<u8>)]| Frame::ipv6(132, extensions).sctp(1, &[ok()]).build();
    let option = |octets: usize| vec![0; octets];
    let mut trailing = m3ua_data(FREE);
    trailing.extend(m3ua_data(FREE));
    let mut unpadded = m3ua::message(1, 1, &[vec![0x02, 0x10, 0, 17, 0, 0, 0x10, 9, 0, 0, 0, 9, 3, 0, 0, 0, 9]]);
    unpadded[7] = 25;
    let mut twice = m3ua_data(FREE)[8..].to_vec();
    let again = twice[16..].to_vec();
    twice.extend(again);
    let mut second_blocked = m3ua_data(FREE)[8..].to_vec();
    second_blocked.extend(&m3ua_data(BLOCKED)[PROTOCOL_DATA_AT..]);
    let mut wide = m3ua_data(FREE);
    wide[PROTOCOL_DATA_AT + 4] = 1;
    let mut blocked_wrong_ni = m3ua_data(BLOCKED);
    blocked_wrong_ni[PROTOCOL_DATA_AT + 13] = 9;
    let mut cut = sctp(&[ok()]);
    cut.truncate(100);
    let mut short_ihl = sctp(&[ok()]);
    short_ihl[14] = 0x44;
    let mut v6_long = v6(&[]);
    v6_long.truncate(80);
    let mut too_long_chunk = sctp(&[ok()]);
    too_long_chunk[14 + 20 + 12 + 2] = 0xff;
    vec![
        ("ARP", R::NotIp, Frame::other(0x0806, &[0; 46]).build()),
        ("802.3 length", R::NotIp, Frame::other(46, &[0; 46]).build()),
        ("UDP", R::NotSctp, Frame::ipv4(17, &[]).payload(&[0; 16]).build()),
        ("ICMPv6", R::NotSctp, Frame::ipv6(58, &[]).payload(&[0; 16]).build()),
        ("fragment of another protocol", R::NotSctp, Frame::ipv4(17, &[]).fragment(0x2000).payload(&[0; 16]).build()),
        ("SACK alone", R::SctpControl, sctp(&[sack()])),
        ("no chunk", R::SctpControl, sctp(&[])),
        ("BEAT", R::M3uaControl, sctp(&[data(WHOLE, 3, &class(3, 3))])),
        ("ASP Up", R::M3uaState, sctp(&[data(WHOLE, 3, &class(3, 1))])),
        ("ASP Inactive Ack", R::M3uaState, sctp(&[data(WHOLE, 3, &class(4, 4))])),
        ("ASP Active and SCCP", R::Sccp, sctp(&[data(WHOLE, 3, &class(4, 1)), ok()])),
        ("INIT", R::SctpSetup, sctp(&[init()])),
        ("INIT ACK", R::SctpSetup, sctp(&[chunk(2, 0, &[0; 16])])),
        ("ABORT after a SACK", R::SctpSetup, sctp(&[sack(), chunk(6, 0, &[])])),
        ("SHUTDOWN COMPLETE", R::SctpSetup, sctp(&[chunk(14, 0, &[])])),
        ("ASCONF after AUTH", R::SctpSetup, sctp(&[chunk(15, 0, &[0; 24]), chunk(0xc1, 0, &[0; 12])])),
        ("HEARTBEAT", R::SctpControl, sctp(&[chunk(4, 0, &[0; 8])])),
        ("user data from a stranger", R::UnknownPeer, stranger(sctp(&[ok()]))),
        ("ASP Up from a stranger", R::UnknownPeer, stranger(sctp(&[data(WHOLE, 3, &class(3, 1))]))),
        ("a stranger, blocked", R::BlockedPointCode, stranger(sctp(&[bad()]))),
        ("a stranger, another port", R::Sccp, stranger(Frame::ipv4(132, &[]).sctp_ports(9, 9, 1, &[ok()]).build())),
        ("INIT from a stranger", R::InitUnknownPeer, stranger(sctp(&[init()]))),
        ("INIT from a stranger, another port", R::SctpSetup, stranger(Frame::ipv4(132, &[]).sctp_ports(9, 9, 0, &[init()]).build())),
        ("DUNA", R::M3uaControl, sctp(&[data(WHOLE, 3, &class(2, 1))])),
        ("registration", R::M3uaControl, sctp(&[data(WHOLE, 3, &class(9, 1))])),
        ("Diameter on its port", R::OtherPayload, Frame::ipv4(132, &[]).sctp_ports(3868, 3868, 1, &[data(WHOLE, 46, &[0; 20])]).build()),
        ("blocked", R::BlockedPointCode, sctp(&[bad()])),
        ("blocked, after a SACK and a free one", R::BlockedPointCode, sctp(&[sack(), ok(), bad()])),
        ("blocked, I-DATA", R::BlockedPointCode, sctp(&[i_data(WHOLE, 3, &m3ua_data(BLOCKED))])),
        ("blocked, first fragment", R::BlockedPointCode, sctp(&[data(FIRST, 3, &m3ua_data(BLOCKED)[..60])])),
        ("blocked, on another port", R::BlockedPointCode, Frame::ipv4(132, &[]).sctp_ports(9, 9, 1, &[bad()]).build()),
        ("blocked, PPID 0", R::BlockedPointCode, sctp(&[data(WHOLE, 0, &m3ua_data(BLOCKED))])),
        ("blocked, NI 9", R::BlockedPointCode, sctp(&[data(WHOLE, 3, &blocked_wrong_ni)])),
        ("blocked in a second Protocol Data", R::BlockedPointCode, sctp(&[data(WHOLE, 3, &parameters(&second_blocked))])),
        ("blocked, VLAN", R::BlockedPointCode, Frame::ipv4(132, &[]).tag(0x8100).sctp(1, &[bad()]).build()),
        ("blocked, QinQ", R::BlockedPointCode, Frame::ipv4(132, &[]).tag(0x8100).tag(0x88a8).sctp(1, &[bad()]).build()),
        ("blocked, IPv4 options", R::BlockedPointCode, Frame::ipv4(132, &option(40)).sctp(1, &[bad()]).build()),
        ("blocked, IPv6 with three extension headers", R::BlockedPointCode,
            Frame::ipv6(132, &[(0, vec![0; 7]), (43, vec![0; 7]), (60, [vec![1], vec![0; 14]].concat())]).sctp(1, &[bad()]).build()),
        ("blocked, atomic IPv6 fragment", R::BlockedPointCode, Frame::ipv6(132, &[(44, vec![0; 7])]).sctp(1, &[bad()]).build()),
        ("blocked, in the second buffer of a long frame", R::BlockedPointCode, sctp(&[chunk(0x84, 0, &[0; 5_000]), bad()])),
        ("SCCP", R::Sccp, sctp(&[ok()])),
        ("an octet of SCCP, last padding not counted", R::GlobalTitleUnreadable, sctp(&[data(WHOLE, 3, &unpadded)])),
        ("SCCP, unknown parameter first", R::Sccp, sctp(&[data(WHOLE, 3, &parameters(&[vec![0x7f, 1, 0, 6, 1, 2, 0, 0], m3ua_data(FREE)[8..].to_vec()].concat()))])),
        ("ISUP", R::OtherUserPart, sctp(&[data(WHOLE, 3, &changed(PROTOCOL_DATA_AT + 12, 5))])),
        ("first fragment", R::SctpFirstFragment, sctp(&[data(FIRST, 3, &m3ua_data(FREE)[..80])])),
        ("last fragment", R::SctpLaterFragment, sctp(&[data(LAST, 3, &[0; 20])])),
        ("middle fragment, I-DATA", R::SctpLaterFragment, sctp(&[i_data(0, 1, &[0; 20])])),
        ("first fragment before the label", R::SctpShortFirstFragment, sctp(&[data(FIRST, 3, &m3ua_data(FREE)[..PROTOCOL_DATA_AT + 8])])),
        ("first fragment of four octets", R::SctpShortFirstFragment, sctp(&[data(FIRST, 3, &m3ua_data(FREE)[..4])])),
        ("cut in the Ethernet header of a tag", R::FrameTruncated, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0, 0]),
        ("cut in the IP header", R::FrameTruncated, sctp(&[ok()])[..20].to_vec()),
        ("three tags", R::TooManyVlanTags, Frame::ipv4(132, &[]).tag(0x8100).tag(0x8100).tag(0x8100).sctp(1, &[ok()]).build()),
        ("MPLS", R::L2Encapsulated, Frame::other(0x8847, &[0; 60]).build()),
        ("header length 16", R::Ipv4Malformed, short_ihl),
        ("IPv4 total length beyond the frame", R::Ipv4Malformed, cut),
        ("IPv6 payload length beyond the frame", R::Ipv6Malformed, v6_long),
        ("seven extension headers", R::TooManyExtHeaders, v6(&vec![(60, vec![0; 7]); 7])),
        ("IPv4 first fragment", R::IpFragment, Frame::ipv4(132, &[]).fragment(0x2000).sctp(1, &[ok()]).build()),
        ("IPv4 later fragment", R::IpFragment, Frame::ipv4(132, &[]).fragment(0x0010).sctp(1, &[ok()]).build()),
        ("IPv6 fragment", R::IpFragment, v6(&[(44, vec![0, 0, 1, 0, 0, 0, 1])])),
        ("GRE", R::Tunnel, Frame::ipv4(47, &[]).payload(&[0; 20]).build()),
        ("SCTP in UDP", R::Tunnel, Frame::ipv4(17, &[]).payload(&[0x26, 0xab, 0x26, 0xab, 0, 20, 0, 0]).build()),
        ("ESP after IPv6", R::Tunnel, Frame::ipv6(50, &[]).payload(&[0; 20]).build()),
        ("SCTP header of eight octets", R::SctpTruncated, Frame::ipv4(132, &[]).payload(&[0; 8]).build()),
        ("chunk length 3", R::ChunkMalformed, sctp(&[vec![3, 0, 0, 3]])),
        ("chunk beyond the packet", R::ChunkMalformed, too_long_chunk),
        ("three octets after the last chunk", R::ChunkMalformed, sctp(&[sack(), vec![0, 0, 0]])),
        ("DATA without payload", R::ChunkMalformed, sctp(&[data(WHOLE, 3, &[])])),
        ("33 chunks", R::TooManyChunks, sctp(&vec![vec![0x84, 0, 0, 4]; 33])),
        ("beyond 16 KiB", R::FrameTooLong, Frame::ipv4(132, &[]).sctp(1, &[chunk(0x84, 0, &vec![0; 16_400]), sack()]).build()),
        ("blocked, under AUTH", R::BlockedUnderAuth, sctp(&[chunk(0x0f, 0, &[0; 24]), data(WHOLE, 3, &m3ua_data(BLOCKED))])),
        ("verification tag 0", R::DataVtagZero, Frame::ipv4(132, &[]).sctp(0, &[ok()]).build()),
        ("PPID 0", R::UnexpectedPpid, sctp(&[data(WHOLE, 0, &m3ua_data(FREE))])),
        ("PPID byte-swapped", R::UnexpectedPpid, sctp(&[data(WHOLE, 0x0300_0000, &m3ua_data(FREE))])),
        ("another protocol on a signalling port", R::UnexpectedPpid, sctp(&[data(WHOLE, 5, &[0; 20])])),
        ("four octets of M3UA", R::M3uaTruncated, sctp(&[data(WHOLE, 3, &[1, 0, 1, 1])])),
        ("M3UA version 2", R::M3uaVersion, sctp(&[data(WHOLE, 3, &changed(0, 2))])),
        ("class 15", R::M3uaUnknownType, sctp(&[data(WHOLE, 3, &class(15, 1))])),
        ("type 99", R::M3uaUnknownType, sctp(&[data(WHOLE, 3, &class(1, 99))])),
        ("length beyond the chunk", R::M3uaLength, sctp(&[data(WHOLE, 3, &changed(6, 9))])),
        ("length of four", R::M3uaLength, sctp(&[data(WHOLE, 3, &[1, 0, 1, 1, 0, 0, 0, 4])])),
        ("two messages in one chunk", R::M3uaTrailing, sctp(&[data(WHOLE, 3, &trailing)])),
        ("parameter of two octets", R::M3uaParameterLength, sctp(&[data(WHOLE, 3, &changed(11, 2))])),
        ("Network Appearance of twelve octets", R::M3uaParameterLength, sctp(&[data(WHOLE, 3, &parameters(&[vec![2, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 7], m3ua_data(FREE)[16..].to_vec()].concat()))])),
        ("nine parameters", R::M3uaTooManyParameters, sctp(&[data(WHOLE, 3, &parameters(&[m3ua_data(FREE)[PROTOCOL_DATA_AT..].to_vec(), [0x7f, 1, 0, 4].repeat(8)].concat()))])),
        ("Protocol Data twice", R::M3uaDuplicateParameter, sctp(&[data(WHOLE, 3, &parameters(&twice))])),
        ("Routing Context twice", R::M3uaDuplicateParameter, sctp(&[data(WHOLE, 3, &parameters(&[vec![0, 6, 0, 8, 0, 0, 0, 1], m3ua_data(FREE)[16..].to_vec()].concat()))])),
        ("no Protocol Data", R::M3uaNoProtocolData, sctp(&[data(WHOLE, 3, &parameters(&[0, 6, 0, 8, 0, 0, 0, 1]))])),
        ("Protocol Data of eight octets", R::M3uaShortProtocolData, sctp(&[data(WHOLE, 3, &parameters(&[2, 0x10, 0, 8, 0, 0, 0, 1]))])),
        ("NI 4", R::NetworkIndicatorInvalid, sctp(&[data(WHOLE, 3, &changed(PROTOCOL_DATA_AT + 13, 4))])),
        ("15-bit OPC from a 14-bit peer", R::PointCodeTooWide, sctp(&[data(WHOLE, 3, &changed(PROTOCOL_DATA_AT + 6, 0x40))])),
        ("25-bit OPC, not masked", R::PointCodeTooWide, sctp(&[data(WHOLE, 3, &wide)])),
        ("blocked calling title", R::BlockedGlobalTitle, sctp(&[data(WHOLE, 3, &from("447700900123"))])),
        ("blocked calling title, IPv6, I-DATA", R::BlockedGlobalTitle,
            Frame::ipv6(132, &[]).sctp(1, &[i_data(WHOLE, 3, &from("4477"))]).build()),
        ("blocked calling title, first fragment", R::BlockedGlobalTitle, sctp(&[data(FIRST, 3, &from("447700900123")[..80])])),
        ("blocked calling title, in the second buffer", R::BlockedGlobalTitle, sctp(&[chunk(0x84, 0, &[0; 5_000]), data(WHOLE, 3, &from("44771"))])),
        ("blocked calling title, trailing octets", R::BlockedGlobalTitle, sctp(&[data(WHOLE, 3, &[from("44771"), vec![0; 8]].concat())])),
        ("calling title that starts otherwise", R::Sccp, sctp(&[data(WHOLE, 3, &from("4478"))])),
        ("allowed under a blocked one", R::Sccp, sctp(&[data(WHOLE, 3, &from("4477011"))])),
        ("blocked number, whole", R::BlockedGlobalTitle, sctp(&[data(WHOLE, 3, &from("33600000001"))])),
        ("longer than a blocked number", R::Sccp, sctp(&[data(WHOLE, 3, &from("336000000012"))])),
        ("blocked for the other direction", R::Sccp, sctp(&[data(WHOLE, 3, &from("351"))])),
        ("blocked point code, allowed title", R::BlockedPointCode, sctp(&[data(WHOLE, 3, &from_code(BLOCKED, "4477011"))])),
        ("calling title with a letter", R::GlobalTitleUnreadable, sctp(&[data(WHOLE, 3, &odd_title(0, 0xba))])),
        ("calling title of E.212", R::GlobalTitleUnreadable, sctp(&[data(WHOLE, 3, &odd_title(-2, 0x62))])),
        ("calling title of form 9", R::GlobalTitleUnreadable, sctp(&[data(WHOLE, 3, &odd_title(-5, 0x26))])),
        ("connection request", R::GlobalTitleUnreadable, sctp(&[data(WHOLE, 3, &odd_title(-23, 0x01))])),
        ("first fragment up to the called address", R::GlobalTitleUnreadable, sctp(&[data(FIRST, 3, &m3ua_data(FREE)[..60])])),
        ("forbidden operation", R::ForbiddenOperation, sctp(&[data(WHOLE, 3, &beginning(Kind::AnyTimeInterrogation))])),
        ("forbidden operation, IPv6, I-DATA", R::ForbiddenOperation,
            Frame::ipv6(132, &[]).sctp(1, &[i_data(WHOLE, 3, &beginning(Kind::SendImsi))]).build()),
        ("forbidden operation, in the second buffer", R::ForbiddenOperation,
            sctp(&[chunk(0x84, 0, &[0; 5_000]), data(WHOLE, 3, &beginning(Kind::SendImsi))])),
        ("another operation", R::Sccp, sctp(&[data(WHOLE, 3, &beginning(Kind::SendRoutingInfo))])),
        ("forbidden operation in a first fragment", R::SctpFirstFragment,
            sctp(&[data(FIRST, 3, &beginning(Kind::AnyTimeInterrogation))])),
        ("15-bit DPC", R::PointCodeTooWide, sctp(&[data(WHOLE, 3, &changed(PROTOCOL_DATA_AT + 10, 0x40))])),
    ]
}

/// The senders of all frames but a stranger's.
fn peers() -> Config {
    let text =
        "schema = 1\n[[peer]]\naddresses = [\"192.0.2.1\", \"2001:db8::1\"]\nside = \"interconnect\"\n";
    Config::from_text(text, Path::new("peers")).expect("configuration")
}

/// A configuration in which every reason shows in the event: nothing is dropped, everything is punted.
fn everything_punts() -> abi::Config {
    let mut record = abi::Config { setup_copies: u32::MAX, ..abi::Config::fresh() };
    record.flags |= config_flag::KNOWN_PEERS | config_flag::GT_LIST | config_flag::OPERATIONS;
    record.set_operations([58, 71].into_iter());
    for reason in Reason::ALL {
        record.set_policy(*reason, Action::Punt);
    }
    record
}

fn block() -> BlockRequest {
    BlockRequest {
        target: Target::code(BLOCKED),
        ttl: None,
        rule_id: 7,
        on_block: OnBlock::Neutralise,
        reason: String::new(),
    }
}

#[test]
fn every_reason_has_a_row_and_kernel_and_host_agree_on_each() {
    let table = table();
    let covered: HashSet<Reason> = table.iter().map(|(_, reason, _)| *reason).collect();
    let missing: Vec<_> = Reason::ALL.iter().filter(|reason| !covered.contains(reason)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");

    let mut record = everything_punts();
    let mut program = Program::load(64, 1 << 20).expect("load");
    record.peer_table = program.list.arrays_mut().write_peers(&peers().peers).expect("peers");
    program.configure(&record).expect("configure");
    program.list.add(&block(), 0).expect("block");
    let mut host = Host::new(record);
    host.peers = peers().peer_map();
    host.follow(&block().detail(0));
    for entry in titles() {
        program.list.put(Detail::Title(entry)).expect("title");
        host.titles.put(entry);
    }
    for (name, reason, frame) in &table {
        let verdict = host.classify(frame, Remote::Source, 0, |_| {});
        assert_eq!(verdict.verdict.reason(), Some(*reason), "host: {name}");
        assert_eq!(program.judge(frame).expect("run"), PASS, "kernel: {name}");
        let mut events = Vec::new();
        program.events.drain(16, |event| events.push((event.event, event.frame.to_vec())));
        let [(event, octets)] = events.as_slice() else { panic!("{name}: {} events", events.len()) };
        assert_eq!(Reason::from_u8(event.reason), Some(*reason), "kernel: {name}");
        assert_eq!(event.class, reason.class() as u8, "{name}");
        assert_eq!(usize::try_from(event.frame_len), Ok(frame.len()), "{name}");
        assert_eq!(octets[..], frame[..octets.len()], "{name}");
        assert_eq!(event.chunk_offset as usize, verdict.chunk_offset, "{name}");
        let by_entry = matches!(reason, Reason::BlockedPointCode | Reason::BlockedUnderAuth);
        let rule = if by_entry {
            7
        } else if *reason == Reason::BlockedGlobalTitle {
            8
        } else {
            0
        };
        assert_eq!(event.rule_id, rule, "{name}");
        if event.chunk_offset != 0 && !reason_without_chunk(*reason) {
            assert_eq!((event.tsn, event.stream), (9, 1), "{name}");
        }
    }
}

/// Reasons whose rows do not have a whole DATA header.
fn reason_without_chunk(reason: Reason) -> bool {
    reason == Reason::ChunkMalformed
}

#[test]
fn enforce_drops_what_policy_says_and_monitor_drops_nothing() {
    let mut program = Program::load(64, 1 << 20).expect("load");
    program.list.add(&block(), 0).expect("block");
    for entry in titles() {
        program.list.put(Detail::Title(entry)).expect("title");
    }
    let mut record = abi::Config::fresh();
    record.flags |= config_flag::KNOWN_PEERS | config_flag::GT_LIST;
    record.peer_table = program.list.arrays_mut().write_peers(&peers().peers).expect("peers");
    for reason in
        Reason::ALL.iter().filter(|reason| reason.class() == ss7guard_common::verdict::Class::Exception)
    {
        record.set_policy(*reason, Action::Drop);
    }
    for mode in [Mode::Monitor, Mode::Enforce] {
        record.mode = mode as u8;
        program.configure(&record).expect("configure");
        for (name, reason, frame) in &table() {
            let drops = mode == Mode::Enforce && reason.class() == ss7guard_common::verdict::Class::Exception;
            let action = program.judge(frame).expect("run");
            assert_eq!(action, if drops { DROP } else { PASS }, "{mode:?}: {name}");
        }
    }
}

#[test]
fn hits_are_counted_and_evidence_is_sent_for_the_1st_2nd_4th_and_8th() {
    let mut program = Program::load(64, 1 << 20).expect("load");
    program.list.add(&block(), 0).expect("block");
    let mut record = abi::Config::fresh();
    record.mode = Mode::Enforce as u8;
    program.configure(&record).expect("configure");
    for _ in 0..9 {
        assert_eq!(program.judge(&carrying(&m3ua_data(BLOCKED))).expect("run"), PASS);
    }
    assert_eq!(program.list.entries().expect("entries")[0].hits.count, 9);
    assert_eq!(program.events.drain(100, |_| {}), 4);
    let counters = program.list.arrays().counters().expect("counters");
    let counted = counters.iter().find(|one| one.reason == Reason::BlockedPointCode).expect("a counter");
    assert_eq!((counted.action, counted.count), (Action::Neutralise, 9));
}

#[test]
fn network_indicator_and_appearance_are_part_of_the_key_where_asked() {
    let mut program = Program::load(64, 1 << 20).expect("load");
    let mut record = abi::Config::fresh();
    record.mode = Mode::Enforce as u8;
    program.configure(&record).expect("configure");
    let frame = carrying(&m3ua_data(BLOCKED));
    for (ni, na, action) in
        [(Some(2), None, PASS), (Some(0), None, DROP), (None, Some(8), PASS), (None, Some(7), DROP)]
    {
        let target = Target::Code(CodeTarget { point_code: BLOCKED, ni, network_appearance: na });
        let request = BlockRequest { target, on_block: OnBlock::Drop, ..block() };
        program.list.add(&request, 0).expect("block");
        assert_eq!(program.judge(&frame).expect("run"), action, "NI {ni:?}, NA {na:?}");
        program.list.remove(&target).expect("remove");
        assert_eq!(program.judge(&frame).expect("run"), PASS);
    }
}

#[test]
fn copies_of_set_up_are_bounded_and_other_copies_are_not() {
    let mut program = Program::load(64, 1 << 20).expect("load");
    let record = abi::Config { setup_copies: 0, ..abi::Config::fresh() };
    program.configure(&record).expect("configure");
    let active = data(WHOLE, 3, &class(4, 1));
    let ok = data(WHOLE, 3, &m3ua_data(FREE));
    for (frame, copies) in [
        (sctp(&[init()]), 0),
        (sctp(std::slice::from_ref(&active)), 0),
        // What is copied for itself is not left out because something bounded comes with it.
        (sctp(&[active, ok]), 1),
    ] {
        assert_eq!(program.judge(&frame).expect("run"), PASS);
        assert_eq!(program.events.drain(16, |_| {}), copies);
    }
    let bounded = program.list.arrays().punt_counter(abi::PuntCounter::Bounded).expect("counter");
    assert_eq!(bounded, 2);
}

#[test]
fn a_stranger_is_dropped_where_policy_says_so_and_nobody_else_is() {
    let mut program = Program::load(64, 1 << 20).expect("load");
    let mut record = peers().kernel_record();
    record.mode = Mode::Enforce as u8;
    record.peer_table = program.list.arrays_mut().write_peers(&peers().peers).expect("peers");
    let known = sctp(&[data(WHOLE, 3, &m3ua_data(FREE))]);
    let faulty = stranger(sctp(&[init(), vec![0, 0, 0]]));
    for (reason, dropped, flag) in [
        (None, [false; 4], false),
        (Some(Reason::UnknownPeer), [true, false, false, false], true),
        (Some(Reason::InitUnknownPeer), [false, true, true, false], true),
    ] {
        for settable in [Reason::UnknownPeer, Reason::InitUnknownPeer] {
            record.set_policy(settable, if reason == Some(settable) { Action::Drop } else { Action::Pass });
        }
        record.flags = if flag { config_flag::KNOWN_PEERS } else { 0 };
        program.configure(&record).expect("configure");
        let frames = [stranger(known.clone()), stranger(sctp(&[init()])), faulty.clone(), known.clone()];
        for (number, (frame, dropped)) in frames.iter().zip(dropped).enumerate() {
            let action = program.judge(frame).expect("run");
            assert_eq!(action, if dropped { DROP } else { PASS }, "{reason:?}, frame {number}");
        }
    }
}
