//! ss7guard against independent decoders: the crates `m3ua`, `sccp`, `tcap` and `gsm_map`, and tshark. Where they read
//! something else, the table of known disagreements must say why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ss7guard_common::wire::{Remote, m3ua};
use ss7guard_lab::corpus::folders;
use ss7guard_lab::differential::forms::{Form, provide_subscriber_info};
use ss7guard_lab::differential::known::{KNOWN, Ruling, disagreements};
use ss7guard_lab::differential::reading::{Reading, hex};
use ss7guard_lab::differential::{crates, ours, sample, structures, tshark};
use ss7guard_userspace::capture::Capture;
use ss7guard_userspace::host::{Host, complete_message};

/// What all generated messages follow from.
const SEED: u64 = 29_002;

/// Messages of each operation's argument, and of its answers.
const EACH: usize = 30;

/// Disagreements of one set of messages.
#[derive(Default)]
struct Tally {
    messages: usize,
    /// Messages that the other decoder read to the end.
    whole: usize,
    known: BTreeMap<&'static str, usize>,
    unknown: BTreeMap<String, (usize, String)>,
    /// What is special about the message that is compared.
    about: &'static str,
}

impl Tally {
    fn compare(&mut self, source: &'static str, message: &[u8], theirs: &Reading, acceptance: bool) {
        let parsed = m3ua::parse(message, 0, message.len(), false);
        let data = parsed.data.expect("a DATA message");
        let user_part = &message[data.user_part..data.user_part + data.user_part_len];
        let (ours, odd) = ours::read(data, user_part);
        self.messages += 1;
        self.whole += usize::from(theirs.refused.is_none());
        for found in disagreements(source, &ours, odd, theirs, acceptance) {
            let known = KNOWN.iter().find(|known| known.is(&found));
            if let Some(known) = known.filter(|known| known.ruling != Ruling::Open || odd) {
                *self.known.entry(known.name).or_default() += 1;
                continue;
            }
            let clean = if known.is_some() { " (held to be clean)" } else { "" };
            let opcodes = if found.field.ends_with("_gt") { None } else { ours.get("opcodes") };
            let what = format!("{source} {} {} opcodes {opcodes:?}{clean}", found.field, self.about);
            let example = || {
                let value =
                    |reading: &Reading| format!("{:?} {:?}", reading.get(found.field), reading.refused);
                format!("ours {}, theirs {}: {}", value(&ours), value(theirs), hex(user_part))
            };
            self.unknown.entry(what).or_insert_with(|| (0, example())).0 += 1;
        }
    }

    fn conclude(&self, what: &str) {
        println!("{what}: {} messages, {} read whole, {:?}", self.messages, self.whole, self.known);
        for (kind, (count, example)) in &self.unknown {
            println!("  {count} x {kind}: {example}");
        }
        assert!(self.unknown.is_empty(), "{what}: {} kinds of unknown disagreements", self.unknown.len());
    }
}

/// The captures: the project's own, and the full corpus where it is.
fn captures() -> Vec<PathBuf> {
    let mut captures = Vec::new();
    for folder in folders() {
        for name in ["01_benign", "02_attacks", "04_evasions"] {
            captures.extend(Some(folder.join(format!("{name}.pcap"))).filter(|path| path.exists()));
        }
    }
    captures
}

/// The DATA messages of a capture that are whole.
fn messages_of(capture: &std::path::Path) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut host = Host::default();
    let mut capture = Capture::open(capture).expect("a capture");
    while let Some(frame) = capture.next_frame().expect("a frame") {
        let octets = frame.octets;
        let _ = host.classify(octets, Remote::Source, 0, |seen| {
            if complete_message(seen, octets).is_some() {
                messages.push(octets[seen.user_data.payload..seen.offset + seen.chunk.len].to_vec());
            }
        });
    }
    messages
}

/// The same message in every form, and with every other structure.
fn odd_messages() -> Vec<(&'static str, Vec<u8>)> {
    let forms = Form::ALL.map(|form| (form.as_str(), provide_subscriber_info(form)));
    forms.into_iter().chain(structures::provide_subscriber_info()).collect()
}

/// Messages with nothing special about them.
fn plain(messages: Vec<Vec<u8>>) -> Vec<(&'static str, Vec<u8>)> {
    messages.into_iter().map(|message| ("", message)).collect()
}

fn against_crates(messages: &[(&'static str, Vec<u8>)]) -> Tally {
    let mut tally = Tally::default();
    for (about, message) in messages {
        tally.about = about;
        tally.compare("crates", message, &crates::read(message), true);
    }
    tally
}

fn against_tshark(messages: &[(&'static str, Vec<u8>)], acceptance: bool) -> Tally {
    let version = tshark::version().expect("tshark is not there: apt-get install tshark");
    println!("{version}");
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("messages.pcap");
    let frames: Vec<_> = (1..).zip(messages).map(|(tsn, (_, message))| sample::frame(message, tsn)).collect();
    tshark::write_capture(&capture, &frames).expect("a capture");
    let readings = tshark::read(&capture).expect("readings");
    assert_eq!(readings.len(), messages.len());
    let mut tally = Tally::default();
    for ((about, message), theirs) in messages.iter().zip(&readings) {
        tally.about = about;
        tally.compare("tshark", message, theirs, acceptance);
    }
    tally
}

#[test]
fn the_crates_read_generated_messages_as_we_do() {
    let tally = against_crates(&plain(sample::messages(SEED, EACH)));
    tally.conclude("generated, crates");
    assert!(tally.messages > 4_000 && tally.whole == tally.messages);
}

#[test]
fn the_crates_read_captures_as_we_do() {
    for capture in captures() {
        against_crates(&plain(messages_of(&capture))).conclude(&format!("{}, crates", capture.display()));
    }
}

#[test]
fn the_crates_read_odd_messages_as_we_do() {
    against_crates(&odd_messages()).conclude("odd messages, crates");
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_generated_messages_as_we_do() {
    let tally = against_tshark(&plain(sample::messages(SEED, EACH)), false);
    tally.conclude("generated, tshark");
    // Octets without a meaning in TPDUs and the like end its dissection.
    assert!(tally.whole * 2 > tally.messages);
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_captures_as_we_do() {
    for capture in captures() {
        against_tshark(&plain(messages_of(&capture)), true)
            .conclude(&format!("{}, tshark", capture.display()));
    }
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_odd_messages_as_we_do() {
    against_tshark(&odd_messages(), true).conclude("odd messages, tshark");
}

#[test]
fn the_table_for_people_is_the_table_in_code() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/differential.md");
    let text = std::fs::read_to_string(path).expect("docs/differential.md");
    let rows: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    assert_eq!(rows, names);
    for (known, row) in KNOWN.iter().zip(text.lines().filter(|line| line.starts_with("| `"))) {
        let ruling = match known.ruling {
            Ruling::Ours => "ss7guard",
            Ruling::Open => "open",
            Ruling::Gap => "gap",
        };
        assert!(row.contains(&format!("| {ruling} |")) && row.contains(known.clause), "{row}");
    }
}
