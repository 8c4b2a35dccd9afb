//! Every message of the corpus in every form and in pieces: the same operations and identities, and the same verdict or
//! a stronger one.

use std::path::PathBuf;

use ss7guard_common::wire::Remote;
use ss7guard_lab::forms::{Form, rewritten};
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::pieces::{self, Slot};
use ss7guard_lab::random::Random;
use ss7guard_userspace::capture::Capture;
use ss7guard_userspace::config::Config;
use ss7guard_userspace::host::Host;
use ss7guard_userspace::inspect::findings::Finding;
use ss7guard_userspace::inspect::gsm_map::Field;
use ss7guard_userspace::inspect::message::{Message, Outcome};
use ss7guard_userspace::reassembly::{Arrival, Reassembler, What};
use ss7guard_userspace::screening::{Pipeline, Verdict};

/// What must not change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    calling: Option<String>,
    called: Option<String>,
    tcap: Option<String>,
    components: Vec<String>,
    identities: Vec<Option<String>>,
    references: String,
}

const FIELDS: [Field; 12] = [
    Field::Imsi,
    Field::Msisdn,
    Field::Vlr,
    Field::Msc,
    Field::Sgsn,
    Field::Smsc,
    Field::Scf,
    Field::Hlr,
    Field::Node,
    Field::Msrn,
    Field::Mlc,
    Field::ForwardedTo,
];

fn facts(message: &Message<'_>) -> Facts {
    let text = |digits: Option<&str>| digits.map(str::to_owned);
    Facts {
        calling: text(message.calling_gt()),
        called: text(message.called_gt()),
        tcap: message.tcap.as_ref().map(|tcap| format!("{:?} {:?} {:?}", tcap.kind, tcap.otid, tcap.dtid)),
        components: message
            .components()
            .iter()
            .map(|one| format!("{:?} {:?} {:?} {:?}", one.kind, one.invoke_id, one.operation, one.error))
            .collect(),
        identities: FIELDS
            .map(|field| message.identities.get(field).map(|digits| digits.as_str().to_owned()))
            .to_vec(),
        references: message.tcap.as_ref().map_or_else(String::new, |tcap| {
            let dialogue = &tcap.dialogue;
            format!(
                "{:?} {:?} {:?}",
                dialogue.application_context.as_ref().map(ToString::to_string),
                dialogue.destination_reference,
                dialogue.originating_reference
            )
        }),
    }
}

/// Different UDTs of the corpus that decode to their end.
fn samples() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for name in ["02_attacks.pcap", "04_evasions.pcap"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut capture = Capture::open(&path).expect("capture");
        let (mut host, mut reassembler) = (Host::default(), Reassembler::default());
        while let Some(frame) = capture.next_frame().expect("frame") {
            let octets = frame.octets.to_vec();
            let arrival =
                Arrival { number: frame.number, octets: &octets, remote: Remote::Source, now_ns: 0 };
            reassembler.frame(&mut host, &arrival, &mut |seen| {
                let What::Message(message, user_part) = seen.what else { return };
                let plain = message.outcome == Outcome::Decoded && message.findings.is_empty();
                if plain && user_part.first() == Some(&0x09) {
                    found.push(user_part.to_vec());
                }
            });
        }
    }
    found.sort();
    found.dedup();
    assert!(found.len() > 500, "{} samples", found.len());
    found
}

/// What comes out of these frames: the facts and findings of the one message in them, and its verdict.
fn judged(frames: &[Vec<u8>]) -> (Facts, Vec<&'static str>, Verdict) {
    let mut pipeline = Pipeline::new(&Config::default(), 0);
    let mut found = Vec::new();
    for (number, octets) in (1..).zip(frames) {
        let arrival = Arrival { number, octets, remote: Remote::Source, now_ns: number };
        pipeline.frame(&arrival, |judged| match judged.message {
            Some(message) if message.outcome != Outcome::Segment => {
                let findings = message.findings.kinds().map(Finding::as_str).collect();
                found.push((facts(message), findings, judged.decision.verdict));
            }
            _ => assert_eq!(judged.decision.verdict, Verdict::Defer, "{:?}", judged.decision),
        });
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

const LABEL: Label = Label { opc: 1, dpc: 2, ni: 0, sls: 1 };

fn slot(random: &mut Random) -> Slot {
    Slot {
        tsn: u32::try_from(random.below(1 << 32)).expect("32 bits"),
        stream: 1,
        sequence: u32::try_from(random.below(65_536)).expect("16 bits"),
        unordered: random.below(4) == 0,
    }
}

fn payload(user_part: &[u8]) -> Vec<u8> {
    m3ua::data(LABEL, Some(7), user_part)
}

fn plain(user_part: &[u8]) -> (Facts, Vec<&'static str>, Verdict) {
    let slot = Slot { tsn: 1, stream: 1, sequence: 1, unordered: false };
    judged(&pieces::frames(&[pieces::whole(&payload(user_part), slot)], false, 1))
}

/// A UDT with other data.
fn with_data(udt: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let at = 4 + usize::from(udt[4]);
    let mut out = udt[..at].to_vec();
    out.push(u8::try_from(data.len()).ok()?);
    out.extend(data);
    Some(out)
}

#[test]
fn another_form_says_the_same_and_has_its_name() {
    let mut counts = [0; Form::ALL.len()];
    for udt in samples() {
        let (facts, _, verdict) = plain(&udt);
        let tcap = &udt[5 + usize::from(udt[4])..];
        for (count, (form, name)) in counts.iter_mut().zip(Form::ALL) {
            let Some(other) = rewritten(tcap, form).filter(|other| other != tcap) else { continue };
            let Some(other) = with_data(&udt, &other) else { continue };
            let (other_facts, findings, other_verdict) = plain(&other);
            assert_eq!(other_facts, facts, "{form:?} of {udt:02x?}");
            // Not every string is read, nor every integer (that of an AARE is not).
            let always = !matches!(form, Form::Pieces | Form::LongInteger);
            if always || findings.contains(&name) {
                assert!(findings.contains(&name), "{form:?} of {udt:02x?}: {findings:?}");
                *count += 1;
            }
            assert!(other_verdict >= verdict && findings.is_empty() == (other_verdict == Verdict::Allow));
        }
    }
    println!("{counts:?}");
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[test]
fn pieces_in_any_order_give_the_message() {
    let mut random = Random(7);
    for udt in samples() {
        let (facts, _, verdict) = plain(&udt);
        let payload = payload(&udt);
        for v6 in [false, true] {
            let slot = slot(&mut random);
            let parts = 2 + random.below(5);
            let cut = random.cut(&payload, parts);
            let data = pieces::frames(&pieces::data_chunks(&cut, slot), v6, 1);
            let i_data = pieces::frames(&pieces::i_data_chunks(&cut, slot), v6, 1);
            let whole = pieces::frames(&[pieces::whole(&payload, slot)], v6, 1).remove(0);
            let ip = pieces::ip_fragments(&whole, 8 * (1 + random.below(8)), 77);
            for (mut frames, name) in
                [(data, "sctp_fragments"), (i_data, "sctp_fragments"), (ip, "ip_fragments")]
            {
                // Some come twice, and all in any order.
                let again = frames[random.below(frames.len() - 1)].clone();
                frames.push(again);
                let last = frames.len() - 1;
                frames.swap(last, random.below(last));
                let (other, findings, other_verdict) = judged(&distinct_end(frames, &mut random));
                assert_eq!(other, facts, "{name} of {udt:02x?}");
                assert!(findings.contains(&name), "{findings:?}");
                assert_eq!(other_verdict, verdict);
            }
        }
    }
}

/// The frames in another order; a repetition does not come after the message is whole, where it starts another IP packet.
fn distinct_end(mut frames: Vec<Vec<u8>>, random: &mut Random) -> Vec<Vec<u8>> {
    loop {
        random.shuffle(&mut frames);
        let (last, before) = frames.split_last().expect("frames");
        if !before.contains(last) {
            return frames;
        }
    }
}

#[test]
fn segments_in_any_order_give_the_message() {
    let mut random = Random(11);
    for udt in samples() {
        let (facts, _, verdict) = plain(&udt);
        let tcap = &udt[5 + usize::from(udt[4])..];
        let parts = 2 + random.below(6);
        let cut = random.cut(tcap, parts);
        let mut segments = pieces::xudt_segments(&udt, &cut, 0x1234).expect("segments");
        random.shuffle(&mut segments);
        let chunks: Vec<Vec<u8>> = segments
            .iter()
            .enumerate()
            .map(|(index, segment)| {
                let index = u32::try_from(index).expect("few");
                let slot = Slot { tsn: 100 + index, stream: 1, sequence: index, unordered: false };
                pieces::whole(&payload(segment), slot)
            })
            .collect();
        let (other, findings, other_verdict) = judged(&pieces::frames(&chunks, false, 1));
        assert_eq!(other, facts, "{udt:02x?}");
        assert!(findings.contains(&"sccp_segments"), "{findings:?}");
        assert_eq!(other_verdict, verdict);
    }
}

#[test]
fn two_associations_do_not_mix() {
    let mut random = Random(3);
    let samples = samples();
    for pair in samples.windows(2).step_by(7) {
        let slot = slot(&mut random);
        let mut frames = Vec::new();
        for (vtag, udt) in [(1, &pair[0]), (2, &pair[1])] {
            let cut = random.cut(&payload(udt), 4);
            frames.extend(pieces::frames(&pieces::data_chunks(&cut, slot), false, vtag));
        }
        random.shuffle(&mut frames);
        let (mut host, mut reassembler) = (Host::default(), Reassembler::default());
        let mut found = Vec::new();
        for (number, octets) in (1..).zip(&frames) {
            let arrival = Arrival { number, octets, remote: Remote::Source, now_ns: 0 };
            reassembler.frame(&mut host, &arrival, &mut |seen| {
                if let What::Message(message, _) = seen.what {
                    found.push(facts(message));
                }
            });
        }
        let wanted: Vec<Facts> = pair.iter().map(|udt| plain(udt).0).collect();
        assert!(found == wanted || found.iter().rev().eq(&wanted), "{found:?}");
    }
}

#[test]
fn a_contradiction_is_no_clean_message() {
    let udt = samples().remove(0);
    let slot = Slot { tsn: 5, stream: 1, sequence: 1, unordered: false };
    let cut = Random(5).cut(&payload(&udt), 3);
    let mut frames = pieces::frames(&pieces::data_chunks(&cut, slot), false, 1);
    let mut other = frames[1].clone();
    let at = 14 + 20 + 12 + 16;
    other[at] ^= 1;
    frames.insert(1, other);
    let (_, findings, verdict) = judged(&frames);
    assert!(findings.contains(&"tsn_conflict"), "{findings:?}");
    assert!(verdict >= Verdict::Alert);
}

/// Swaps source and destination of an untagged IPv4 frame and of its SCTP ports.
fn back(frame: &[u8]) -> Vec<u8> {
    let mut out = frame.to_vec();
    out[26..30].copy_from_slice(&frame[30..34]);
    out[30..34].copy_from_slice(&frame[26..30]);
    out[34..36].copy_from_slice(&frame[36..38]);
    out[36..38].copy_from_slice(&frame[34..36]);
    out
}

#[test]
fn an_address_that_is_not_the_associations_is_noted() {
    use ss7guard_lab::frame::{Frame, chunk};
    // Initiate tag, window, streams, initial TSN; then an IPv4 address parameter: a second address of the sender.
    let init = |tag: u32, address: [u8; 4]| {
        let mut value = tag.to_be_bytes().to_vec();
        value.extend([0, 1, 0, 0, 0, 2, 0, 2, 0, 0, 0, 1, 0, 5, 0, 8]);
        value.extend(address);
        value
    };
    let second = [198, 51, 100, 7];
    let opens = Frame::ipv4(132, &[]).sctp(0, &[chunk(1, 0, &init(7, second))]).build();
    let answer = back(&Frame::ipv4(132, &[]).sctp(7, &[chunk(2, 0, &init(9, [198, 51, 100, 8]))]).build());
    let udt = samples().remove(0);
    let slot = Slot { tsn: 1, stream: 1, sequence: 1, unordered: false };
    let whole = pieces::frames(&[pieces::whole(&payload(&udt), slot)], false, 9).remove(0);
    let from = |address: [u8; 4]| {
        let mut frame = whole.clone();
        frame[26..30].copy_from_slice(&address);
        frame
    };
    let foreign = |frame: Vec<u8>| {
        let (_, findings, _) = judged(&[opens.clone(), answer.clone(), frame]);
        findings.contains(&"foreign_address")
    };
    assert!(!foreign(whole.clone()), "the address that the INIT came from");
    assert!(!foreign(from(second)), "an address that the INIT names");
    assert!(foreign(from([203, 0, 113, 1])), "another one");
    // Nothing is known of an association whose set-up was not seen.
    let (_, findings, _) = judged(&[from([203, 0, 113, 1])]);
    assert!(!findings.contains(&"foreign_address"), "{findings:?}");
}
