use std::path::Path;

use ss7guard_common::wire::m3ua::{Data, Label};

use super::*;
use crate::config::Config;
use crate::explain::verdict::Subject;
use crate::inspect::testing::{octets, sealed};
use crate::screening::Verdict;

const MASKED: Scope =
    Scope { format: Format::Itu383, reveal: false, flavour: crate::inspect::sccp::Flavour::Itu };
const REVEALED: Scope = Scope { reveal: true, ..MASKED };

/// anyTimeInterrogation about 155500000005, from 447700900123.
const ATI: &str =
    "62{48{01} 6c{a1{02{01} 02{47} 30{a0{81{91 51 55 00 00 00 50}} a1{80{}} 83{91 44 77 00 09 10 32}}}}}";

/// A UDT with this TCAP message.
fn udt(tcap: &[u8]) -> Vec<u8> {
    let called = sealed("{12 06 00 12 04 94 71}");
    let calling = sealed("{12 93 00 12 04 44 77 00 09 10 32}");
    let at = |len: usize| u8::try_from(len).unwrap();
    let mut udt = vec![0x09, 0x80, 3, at(2 + called.len()), at(1 + called.len() + calling.len())];
    udt.extend([called, calling].concat());
    udt.push(at(tcap.len()));
    udt.extend(tcap);
    udt
}

/// An M3UA DATA message from 2-1-3 with Routing Context and this user part.
fn m3ua(user_part: &[u8]) -> Vec<u8> {
    let len = u8::try_from(16 + user_part.len()).unwrap();
    let mut message = octets("01000101 00000000 00060008 00000065 021000");
    message.push(len);
    message.extend(octets("0000100b 00000009 03020007"));
    message.extend(user_part);
    message.resize(message.len().next_multiple_of(4), 0);
    message[7] = u8::try_from(message.len()).unwrap();
    message
}

/// An SCTP packet with one chunk of this type, flags and value.
fn sctp(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut packet = octets("0b590b59 00000001 00000000");
    packet.extend([kind, flags, 0, u8::try_from(value.len() + 4).unwrap()]);
    packet.extend(value);
    packet
}

/// DATA with this payload.
fn data(flags: u8, payload: &[u8]) -> Vec<u8> {
    sctp(0, flags, &[octets("00000009 00010002 00000003"), payload.to_vec()].concat())
}

/// IPv4 from 192.0.2.1 to 192.0.2.2 with this SCTP packet in it.
fn ipv4(fragment: u16, inside: &[u8]) -> Vec<u8> {
    let mut frame = octets("020000000002 020000000001 0800 4500");
    frame.extend(u16::try_from(20 + inside.len()).unwrap().to_be_bytes());
    frame.extend([0, 1]);
    frame.extend(fragment.to_be_bytes());
    frame.extend(octets("4084 0000 c0000201 c0000202"));
    frame.extend(inside);
    frame
}

fn whole() -> Vec<u8> {
    ipv4(0, &data(3, &m3ua(&udt(&sealed(ATI)))))
}

/// The first node of this name, in depth first order.
fn find<'a>(nodes: &'a [Node], name: &str) -> Option<&'a Node> {
    nodes.iter().find_map(|node| if node.name == name { Some(node) } else { find(&node.children, name) })
}

fn value<'a>(nodes: &'a [Node], name: &str) -> &'a str {
    &find(nodes, name).unwrap_or_else(|| panic!("no {name} in {nodes:#?}")).value
}

/// Every fault, with its offset.
fn faults(nodes: &[Node]) -> Vec<(String, usize)> {
    nodes
        .iter()
        .flat_map(|node| {
            let own = node.remarks.iter().filter(|remark| remark.fault);
            let own = own.map(|remark| (remark.name.clone(), remark.offset));
            own.chain(faults(&node.children)).collect::<Vec<_>>()
        })
        .collect()
}

fn sccp_of(user_part: &[u8], base: usize, scope: Scope) -> Vec<Node> {
    let data = Data { label: Label { si: SI_SCCP, ..Label::default() }, ..Data::default() };
    sccp_message(user_part, base, &Message::decode(data, user_part), scope)
}

fn tcap_of(template: &str, scope: Scope) -> Vec<Node> {
    let octets = sealed(template);
    tcap_message(&octets, &Message::decode_tcap_only(&octets), scope)
}

#[test]
fn every_layer_of_a_frame_has_its_place() {
    let nodes = frame(&whole(), MASKED);
    assert_eq!(faults(&nodes), []);
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["Ethernet II", "IPv4", "SCTP", "DATA chunk", "M3UA DATA", "SCCP UDT", "begin"]);
    let offsets: Vec<usize> = nodes.iter().map(|node| node.offset).collect();
    assert_eq!(offsets, [0, 14, 34, 46, 62, 94, 120]);
    assert_eq!(nodes[6].part_offset, Some(26));
    assert_eq!(value(&nodes, "OPC"), "2-1-3 (4107)");
    assert_eq!(value(&nodes, "network indicator"), "2 national");
    assert_eq!(value(&nodes, "called party address"), "4917, SSN 6 HLR");
    assert_eq!(value(&nodes, "calling party address"), "447700900123, SSN 147 gsmSCF");
    assert!(value(&nodes, "opcode").starts_with("71 anyTimeInterrogation"));
    assert_eq!(find(&nodes, "scf").unwrap().layer, "gsm_map");
    assert_eq!(
        value(&nodes, "checksum"),
        "zero: left to the network card where it was captured, or not used (RFC 9653)"
    );
}

#[test]
fn tags_fragments_and_extension_headers_are_shown() {
    let mut tagged = octets("020000000002 020000000001 8100 2005");
    tagged.extend(&whole()[12..]);
    assert_eq!(value(&frame(&tagged, MASKED), "VLAN tag"), "VLAN 5, priority 1");
    let mut three = octets("020000000002 020000000001 8100 0001 8100 0002 8100 0003");
    three.extend([0x08, 0x00]);
    assert_eq!(faults(&frame(&three, MASKED)), [("too_many_vlan_tags".to_owned(), 22)]);
    let nodes = frame(&ipv4(0x2000, &[1; 24]), MASKED);
    assert_eq!(value(&nodes, "flags and fragment offset"), "first fragment, more follow");
    assert_eq!(faults(&nodes), [("ip_fragment".to_owned(), 34)]);
    let inside = data(3, &m3ua(&udt(&sealed(ATI))));
    let mut v6 = octets("020000000002 020000000001 86dd 60000000 0000 2c 40");
    v6.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].repeat(2));
    v6.extend(octets("84 00 0000 00000007"));
    v6.extend(&inside);
    v6[18..20].copy_from_slice(&u16::try_from(8 + inside.len()).unwrap().to_be_bytes());
    let nodes = frame(&v6, MASKED);
    assert_eq!(value(&nodes, "IPv6"), "2001:db8::1 to 2001:db8::1");
    assert!(value(&nodes, "fragment header").contains("atomic"));
    assert!(find(&nodes, "opcode").is_some());
}

#[test]
fn chunks_have_their_names_and_fragments_say_so() {
    let nodes = frame(&ipv4(0, &sctp(3, 0, &[0, 0, 0, 7, 0, 1, 0, 0, 0, 0, 0, 0])), MASKED);
    assert_eq!(value(&nodes, "cumulative TSN ack"), "7");
    let nodes = frame(&ipv4(0, &data(2, &m3ua(&udt(&sealed(ATI))))), MASKED);
    assert!(value(&nodes, "DATA chunk").contains("first fragment"));
    assert!(value(&nodes, "M3UA DATA").starts_with("first fragment"));
    assert_eq!(value(&nodes, "OPC"), "2-1-3 (4107)");
    assert!(find(&nodes, "opcode").is_none());
    let nodes = frame(&ipv4(0, &data(1, &[1, 2, 3, 4])), MASKED);
    assert!(value(&nodes, "payload").contains("a later fragment"));
    assert_eq!(find(&nodes, "payload").unwrap().octets, "********");
    let mut broken = ipv4(0, &data(3, &[0; 8]));
    broken[49] = 0xff;
    assert_eq!(faults(&frame(&broken, MASKED)), [("chunk_malformed".to_owned(), 46)]);
}

#[test]
fn parameters_of_m3ua_are_named_and_their_faults_placed() {
    let nodes = m3ua_message(&m3ua(&udt(&sealed(ATI))), MASKED);
    assert_eq!(find(&nodes, "Routing Context").unwrap().offset, 8);
    assert_eq!(value(&nodes, "message class"), "1 Transfer");
    let mut short = m3ua(&udt(&sealed(ATI)));
    short[11] = 2;
    assert_eq!(faults(&m3ua_message(&short, MASKED))[0], ("m3ua_parameter_length".to_owned(), 8));
    let mut twice = m3ua(&[9]);
    twice[17] = 6;
    assert!(faults(&m3ua_message(&twice, MASKED)).iter().any(|(name, _)| name.starts_with("m3ua_")));
}

#[test]
fn a_user_part_needs_no_frame() {
    let user_part = udt(&sealed(ATI));
    let nodes = sccp_of(&user_part, 1000, MASKED);
    assert_eq!((nodes[0].offset, nodes[0].part_offset), (1000, Some(0)));
    let called = find(&nodes, "called party address").unwrap();
    assert_eq!((called.offset, called.part_offset), (1005, Some(5)));
}

#[test]
fn whatever_is_cut_is_shown_as_far_as_it_goes_with_its_fault() {
    let user_part = udt(&sealed(ATI));
    for cut in 1..user_part.len() {
        let nodes = sccp_of(&user_part[..cut], 0, MASKED);
        assert_eq!(nodes[0].name, "SCCP UDT");
        assert!(!faults(&nodes).is_empty(), "{cut}");
        assert!(faults(&nodes).iter().all(|(_, offset)| *offset <= cut), "{cut}: {:?}", faults(&nodes));
    }
    let whole = sealed(ATI);
    let cut = &whole[..whole.len() - 3];
    let nodes = tcap_message(cut, &Message::decode_tcap_only(cut), MASKED);
    assert!(value(&nodes, "opcode").starts_with("71 anyTimeInterrogation"));
    assert!(faults(&nodes).contains(&("tcap_truncated".to_owned(), 0)));
    assert!(
        nodes[0].remarks[0].text.ends_with("it announces 39 octets, 36 are here"),
        "{:?}",
        nodes[0].remarks
    );
}

#[test]
fn an_xudt_shows_its_segmentation() {
    let user_part = octets("11810f 0406080a 024206 024208 02aabb 1004c1010203 120107 00");
    let nodes = sccp_of(&user_part, 0, MASKED);
    assert_eq!(value(&nodes, "hop counter"), "15");
    let segmentation = find(&nodes, "segmentation").unwrap();
    assert_eq!(segmentation.offset, 16);
    assert_eq!(segmentation.value, "first segment, 1 more follow, in sequence, local reference 010203");
    assert_eq!(value(&nodes, "importance"), "7");
    assert_eq!(find(&nodes, "content").unwrap().octets, "****");
    assert!(value(&nodes, "content").starts_with("a segment"));
}

#[test]
fn subscribers_are_masked_in_values_and_octets() {
    let nodes = tcap_of(ATI, MASKED);
    let msisdn = find(&nodes, "msisdn").unwrap();
    assert!(
        msisdn.value.starts_with("15550*****05, nature 1 international, plan 1 E.164"),
        "{}",
        msisdn.value
    );
    assert_eq!(msisdn.octets, "8107**************");
    assert!(value(&nodes, "scf").starts_with("447700900123"));
    let nodes = tcap_of(ATI, REVEALED);
    assert_eq!(find(&nodes, "msisdn").unwrap().octets, "810791515500000050");
    // In pieces, in an unknown place, and as a global title.
    let pieces = tcap_of("62{48{01} 6c{a1{02{01} 02{3a} 24{04{91 51 55} 04{00 00 00 50}}}}}", MASKED);
    assert_eq!(find(&pieces, "msisdn").unwrap().octets, "240b");
    assert_eq!(find(&pieces, "piece").unwrap().octets, "0403******");
    let elsewhere = tcap_of("62{48{01} 6c{a1{02{01} 02{47} 30{9e{91 51 55 00 00 00 50}}}}}", MASKED);
    assert_eq!(find(&elsewhere, "parameter").unwrap().children[0].octets, "9e07**************");
    let mut title = udt(&sealed(ATI));
    title[9] = 0x62;
    let called = sccp_of(&title, 0, MASKED);
    assert_eq!(find(&called, "digits").unwrap().octets, "****");
}

#[test]
fn dialogue_and_components_are_named() {
    let aarq = "6b{28{06{00118605010101} a0{60{80{0780} a1{06{04000001001302}} \
                be{28{06{04000001010101} a0{a0{80{96 00 01 01 21 43 65 87 f9} 81{91 44 77}}}}}}}}}";
    let invoke = "a1{02{05} 80{04} 02{3b} 30{04{0f} 04{aa 18 0c 36}}}";
    let nodes = tcap_of(&format!("62{{48{{01}} {aarq} 6c{{{invoke} a3{{02{{01}} 02{{1b}}}}}}}}"), MASKED);
    assert!(value(&nodes, "application-context-name").contains("constructed"));
    assert!(value(&nodes, "object identifier").contains("networkUnstructuredSs version 2"));
    let reference = find(&nodes, "destinationReference").unwrap();
    assert!(reference.value.starts_with("IMSI 00101********89"), "{}", reference.value);
    assert_eq!(reference.octets, "800996****************");
    assert!(value(&nodes, "originationReference").starts_with("4477"));
    assert!(value(&nodes, "linkedId").starts_with('4'));
    assert!(value(&nodes, "opcode").starts_with("59 processUnstructuredSS-Request"));
    assert!(value(&nodes, "errorCode").starts_with("27 absentSubscriber"));
}

#[test]
fn odd_forms_are_remarked_where_they_are() {
    let nodes = tcap_of("62 80 48 81 01 05 6c{a1{02{01} 02{47} 30{}}} 00 00", MASKED);
    let remarked = |name: &str, finding: &str| find(&nodes, name).unwrap().has_remark(finding);
    assert!(nodes[0].value.contains("indefinite length"));
    assert!(remarked("begin", "indefinite_length"));
    assert!(remarked("otid", "noncanonical_length"));
    assert!(find(&nodes, "otid").unwrap().value.contains("length in long form"));
}

#[test]
fn depth_and_number_are_bounded() {
    let mut deep = Vec::new();
    for _ in 0..200 {
        let len = deep.len();
        let mut outer = vec![0x30, 0x82, (len >> 8) as u8, len as u8];
        outer.append(&mut deep);
        deep = outer;
    }
    deep[0] = 0x62;
    let many = [vec![0x62, 0x82, 0x7f, 0xfe], [0x30, 0].repeat(0x3fff)].concat();
    for octets in [deep, many] {
        let nodes = tcap_message(&octets, &Message::decode_tcap_only(&octets), MASKED);
        assert!(find(&nodes, "more elements").unwrap().value.contains("bound"));
    }
}

#[test]
fn mutated_frames_are_explained_without_a_panic() {
    let seed = whole();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below
    };
    for _ in 0..5_000 {
        let mut octets = seed.clone();
        for _ in 0..=random(4) {
            let at = random(octets.len());
            octets[at] = [0, 1, 4, 0x30, 0x80, 0x81, 0xa1, 0xff, random(256) as u8][random(9)];
        }
        octets.truncate(octets.len() - [0, 0, 0, 1, 40][random(5)]);
        let _ = frame(&octets, MASKED);
        let _ = sccp_of(octets.get(94..).unwrap_or_default(), 94, REVEALED);
    }
}

#[test]
fn the_verdict_tells_what_would_change_it() {
    // The message has no dialogue portion: that is another rule's matter.
    let text = "schema = 1\n[findings]\nversion_downgrade = \"note\"\n";
    let config = Config::from_text(text, Path::new("t")).unwrap();
    let octets = whole();
    let subject = Subject::Frame { octets: &octets, number: 1, start_ns: 0, now_ns: 0 };
    let judgements = verdict::judge(subject, &config, false);
    assert_eq!(judgements[0].outcome(), (Verdict::Alert, "category1"));
    let words = verdict::words(&judgements[0], &config).join("\n");
    assert!(words.contains("rule category1 (100)") && words.contains("192.0.2.1 is no [[peer]]"), "{words}");
    let changes: Vec<(String, Verdict, &str)> = verdict::changes(subject, &config, 0, &judgements[0], false)
        .into_iter()
        .map(|change| (change.setting, change.verdict, change.reason))
        .collect();
    let has = |setting: &str, verdict: Verdict, reason: &str| {
        changes.iter().any(|change| change.0.contains(setting) && (change.1, change.2) == (verdict, reason))
    };
    assert!(has("gt_prefixes = [\"447700900123\"]", Verdict::Allow, "agreement"), "{changes:?}");
    assert!(has("side = \"home\"", Verdict::Allow, "no_rule"), "{changes:?}");
    assert!(has("rules.category1.mode = \"off\"", Verdict::Allow, "no_rule"), "{changes:?}");
    assert!(has("[[block]] pc = \"2-1-3\"", Verdict::Alert, "blocked_point_code"), "{changes:?}");
    let title = "[[block]] gt = \"447700900123\"";
    assert!(has(title, Verdict::Alert, "blocked_global_title"), "{changes:?}");
    assert!(
        has("network.mode = \"enforce\" and rules.category1.mode", Verdict::Block, "category1"),
        "{changes:?}"
    );
}

#[test]
fn a_blocked_title_is_told_with_what_would_let_it_pass() {
    let text = "schema = 1\n[network]\nmode = \"enforce\"\n[[block]]\ngt = \"4477*\"\n";
    let config = Config::from_text(text, Path::new("t")).unwrap();
    let octets = whole();
    let subject = Subject::Frame { octets: &octets, number: 1, start_ns: 0, now_ns: 0 };
    let judgements = verdict::judge(subject, &config, false);
    assert_eq!(judgements[0].outcome(), (Verdict::Block, "blocked_global_title"));
    let words = verdict::words(&judgements[0], &config).join("\n");
    assert!(words.contains("it is stopped") && words.contains("neutralised"), "{words}");
    let changes = verdict::changes(subject, &config, 0, &judgements[0], false);
    for setting in ["without the [[block]] entries for global titles", "[[allow]] gt = \"447700900123\""] {
        let change = changes.iter().find(|change| change.setting == setting).expect(setting);
        assert_eq!(change.verdict, Verdict::Alert, "{setting}");
    }
}
