//! `explain` over every frame of the corpus: it never panics, says what `decode` and `replay` say, and shows no
//! subscriber's number unless it is told to.

use std::path::{Path, PathBuf};

use serde_json::Value;
use ss7guard_common::point_code::Format;
use ss7guard_common::wire::Remote;
use ss7guard_userspace::capture::Capture;
use ss7guard_userspace::config::Config;
use ss7guard_userspace::explain::verdict::{self, Subject};
use ss7guard_userspace::explain::{self, Scope, tree::Node};
use ss7guard_userspace::inspect::findings::Finding;
use ss7guard_userspace::inspect::gsm_map::Field;
use ss7guard_userspace::inspect::message::{Message, Outcome};
use ss7guard_userspace::inspect::record;
use ss7guard_userspace::reassembly::Arrival;
use ss7guard_userspace::screening::Pipeline;

const MASKED: Scope =
    Scope { format: Format::Itu383, reveal: false, flavour: ss7guard_userspace::inspect::sccp::Flavour::Itu };
const REVEALED: Scope = Scope { reveal: true, ..MASKED };

/// Every node of this name, in order.
fn named<'a>(nodes: &'a [Node], name: &str, found: &mut Vec<&'a Node>) {
    for node in nodes {
        if node.name == name {
            found.push(node);
        }
        named(&node.children, name, found);
    }
}

/// The first words of the values of every node of this name.
fn values(nodes: &[Node], name: &str) -> Vec<String> {
    let mut found = Vec::new();
    named(nodes, name, &mut found);
    let word = |node: &&Node| node.value.split([' ', ',']).next().unwrap_or_default().to_owned();
    found.iter().map(word).collect()
}

/// Octets of the digits as a message carries them, low nibble first.
fn swapped(digits: &str) -> String {
    digits.as_bytes().chunks_exact(2).flat_map(|pair| [pair[1] as char, pair[0] as char]).collect()
}

/// Digits of every subscriber whom `message` names.
fn subscribers(message: &Message<'_>) -> Vec<String> {
    [Field::Imsi, Field::Msisdn, Field::Msrn, Field::ForwardedTo]
        .into_iter()
        .filter_map(|field| message.identities.get(field))
        .map(|digits| digits.as_str().to_owned())
        .filter(|digits| digits.len() >= 8)
        .collect()
}

/// Operation code of a component of a record, local or global.
fn opcode(component: &Value) -> Option<String> {
    let global = component["opcode_oid"].as_str().map(str::to_owned);
    component["opcode"].as_i64().map(|code| code.to_string()).or(global)
}

#[derive(Default)]
struct Tally {
    frames: u64,
    messages: u64,
    imsis: u64,
    masked: u64,
}

/// The project's own captures: the full corpus has the same shapes, and would take a minute.
fn captures() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("folder").flatten().map(|one| one.path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    found.sort();
    found
}

fn check(path: &Path, tally: &mut Tally) {
    let config = Config::default();
    let mut capture = Capture::open(path).expect("capture");
    let mut pipeline: Option<(Pipeline, u64)> = None;
    while let Some(frame) = capture.next_frame().expect("frame") {
        let (pipeline, start_ns) =
            pipeline.get_or_insert_with(|| (Pipeline::new(&config, frame.time_ns), frame.time_ns));
        let (start_ns, place) = (*start_ns, format!("{}, frame {}", path.display(), frame.number));
        let clear = explain::frame(frame.octets, REVEALED);
        let masked = explain::frame(frame.octets, MASKED);
        let shown = Value::from(masked.iter().map(Node::to_json).collect::<Vec<_>>()).to_string();
        let (mut opcodes, mut imsis, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        let mut whole = true;
        let arrival = Arrival {
            number: frame.number,
            octets: frame.octets,
            remote: Remote::Source,
            now_ns: frame.time_ns,
        };
        let mut put_together = false;
        pipeline.frame(&arrival, |judged| {
            outcomes.push((judged.decision.verdict, judged.decision.reason));
            let Some(message) = judged.message else { return };
            put_together |= [Finding::IpFragments, Finding::SctpFragments, Finding::SccpSegments]
                .into_iter()
                .any(|finding| message.findings.contains(finding));
            tally.messages += 1;
            let record: Value =
                serde_json::from_slice(&record::to_json(message, &judged.place, true)).expect("record");
            let components = record["components"].as_array().cloned().unwrap_or_default();
            opcodes.extend(components.iter().filter_map(opcode));
            whole &= !matches!(message.outcome, Outcome::Undecodable(_));
            imsis.extend(record["imsi"].as_str().map(str::to_owned));
            // A node's number that a fault makes a subscriber's of shows where it is the node's.
            let odd = [Finding::OddDigits, Finding::UnexpectedForm];
            let sound = !odd.into_iter().any(|finding| message.findings.contains(finding));
            for digits in subscribers(message).into_iter().filter(|_| sound) {
                tally.masked += 1;
                assert!(!shown.contains(&digits), "{place}: {digits} shows");
                assert!(!shown.contains(&swapped(&digits)), "{place}: the octets of {digits} show");
            }
        });
        tally.frames += 1;
        if put_together {
            // What earlier frames brought does not show in this one alone.
            continue;
        }
        let named = values(&clear, "opcode");
        if whole {
            assert_eq!(named, opcodes, "{place}");
        } else {
            // The tree goes on where the decoder gives up.
            assert!(opcodes.iter().all(|code| named.contains(code)), "{place}: {opcodes:?}, {named:?}");
        }
        let found = values(&clear, "imsi");
        tally.imsis += imsis.len() as u64;
        assert!(imsis.iter().all(|imsi| found.contains(imsi)), "{place}: {imsis:?}, {found:?}");
        let subject =
            Subject::Frame { octets: frame.octets, number: frame.number, start_ns, now_ns: frame.time_ns };
        let judged: Vec<_> =
            verdict::judge(subject, &config, false).iter().map(verdict::Judgement::outcome).collect();
        assert_eq!(judged, outcomes, "{place}");
    }
}

#[test]
fn every_frame_is_explained_as_it_is_decoded_and_judged() {
    let mut tally = Tally::default();
    for path in captures() {
        check(&path, &mut tally);
    }
    let Tally { frames, messages, imsis, masked } = tally;
    assert!(frames > 1_000 && messages > 1_000 && imsis > 100, "{frames}, {messages}, {imsis}");
    println!("{frames} frames explained, {messages} messages, {imsis} IMSIs, {masked} subscribers masked");
}
