use super::*;
use crate::inspect::digits::Digits;
use crate::inspect::testing::{octets, sealed};

/// Service centre's timestamp.
const SCTS: &str = "62 11 22 41 02 03 00";
/// +447700900123 as originator or destination.
const NUMBER: &str = "0c 91 44 77 00 09 10 32";
/// "hello" in septets.
const HELLO: &str = "e8 32 9b fd 06";

fn read(direction: Direction, hex: &str) -> (Option<Sms>, bool) {
    let hex = hex.replace("SCTS", SCTS).replace("NUMBER", NUMBER).replace("HELLO", HELLO);
    let mut sms = None;
    let result = decode(&octets(&hex), direction, &mut sms);
    (sms, result.is_ok())
}

fn whole(direction: Direction, hex: &str) -> Sms {
    let (sms, is_whole) = read(direction, hex);
    assert!(is_whole, "{hex}: {sms:?}");
    sms.unwrap()
}

fn broken(direction: Direction, hex: &str) -> Option<Sms> {
    let (sms, is_whole) = read(direction, hex);
    assert!(!is_whole, "{hex}: {sms:?}");
    sms
}

use Direction::{Originated, Terminated};

#[test]
fn each_type_gives_its_fields() {
    let number = Some(Party::Number(Digits::from_text("447700900123").unwrap()));
    // MTI 0 with no more messages; originator; PID, DCS, timestamp; five septets.
    let deliver = whole(Terminated, "04 NUMBER 00 00 SCTS 05 HELLO");
    let expected = Sms { party: number, pid: Some(0), coding: Some(Coding(0)), ..Sms::new(Type::Deliver) };
    assert_eq!(deliver, expected);
    assert!(!deliver.is_silent() && !deliver.is_binary() && !deliver.is_for_sim());
    // MTI 1; message reference; destination; PID, DCS; validity period: none, relative, absolute, enhanced; text.
    for (first, validity) in [("01", ""), ("11", "a7"), ("19", SCTS), ("09", SCTS)] {
        let submit = whole(Originated, &format!("{first} 2a NUMBER 00 00 {validity} 05 HELLO"));
        assert_eq!(submit, Sms { kind: Type::Submit, ..expected });
    }
    // MTI 2; message reference; recipient; timestamp, discharge time; status.
    let report = whole(Terminated, "06 2a NUMBER SCTS SCTS 00");
    assert_eq!(report, Sms { party: number, ..Sms::new(Type::StatusReport) });
    // The same with a parameter indicator: PID, DCS, user data.
    let report = whole(Terminated, "06 2a NUMBER SCTS SCTS 00 07 7f f6 02 aa bb");
    assert_eq!((report.pid, report.coding), (Some(0x7f), Some(Coding(0xf6))));
    // MTI 2; message reference; PID; command type, message number; destination; command data of two octets.
    let command = whole(Originated, "02 2a 00 01 07 NUMBER 02 aa bb");
    assert_eq!(command, Sms { party: number, pid: Some(0), ..Sms::new(Type::Command) });
}

#[test]
fn what_a_mobile_does_not_show_is_told() {
    // Short message type 0.
    assert!(whole(Terminated, "04 NUMBER 40 00 SCTS 00").is_silent());
    // (U)SIM data download, class 2, eight bits, with a command packet header (IEI 70).
    let download = whole(Terminated, "44 NUMBER 7f f6 SCTS 05 02 70 00 aa bb");
    assert!(download.is_for_sim() && download.is_binary() && !download.is_silent());
    assert!(download.toolkit_security);
    // Each of the three alone.
    assert!(whole(Terminated, "04 NUMBER 7f 00 SCTS 00").is_for_sim());
    assert!(whole(Terminated, "04 NUMBER 00 12 SCTS 00").is_for_sim());
    assert!(whole(Terminated, "44 NUMBER 00 04 SCTS 03 02 71 00").is_for_sim());
}

#[test]
fn codings_are_told_apart() {
    // (DCS, characters of seven bits, binary, class)
    for (dcs, septets, binary, class) in [
        (0x00, true, false, None),
        (0x04, false, true, None),
        (0x08, false, false, None),
        (0x10, true, false, Some(0)),
        (0x16, false, true, Some(2)),
        (0x20, false, false, None), // compressed
        (0x52, true, false, Some(2)),
        (0x80, true, false, None),
        (0xc0, true, false, None),
        (0xd0, true, false, None),
        (0xe0, false, false, None),
        (0xf2, true, false, Some(2)),
        (0xf6, false, true, Some(2)),
    ] {
        let coding = Coding(dcs);
        assert_eq!(
            (coding.is_septets(), coding.is_binary(), coding.class()),
            (septets, binary, class),
            "{dcs:#x}"
        );
    }
}

#[test]
fn the_user_data_header_gives_ports_and_concatenation() {
    // UDHL 11: ports of 16 bits, 2948 from 9200; concatenation with reference 42, part 1 of 2.
    let push = whole(Terminated, "44 NUMBER 00 04 SCTS 0d 0b 05 04 0b 84 23 f0 00 03 2a 02 01 aa");
    assert_eq!(push.ports, Some(Ports { source: 9200, destination: 2948 }));
    assert_eq!(push.concatenation, Some(Concatenation { reference: 42, total: 2, part: 1 }));
    // UDHL 10: ports of 8 bits, 240 from 241; concatenation with a reference of 16 bits.
    let other = whole(Originated, "41 2a NUMBER 00 04 0b 0a 04 02 f0 f1 08 04 01 02 03 03");
    assert_eq!(other.ports, Some(Ports { source: 241, destination: 240 }));
    assert_eq!(other.concatenation, Some(Concatenation { reference: 0x102, total: 3, part: 3 }));
    // The header counts in septets where the text does: 7 octets are 8 septets.
    let text = whole(Terminated, "44 NUMBER 00 00 SCTS 08 05 00 03 07 02 02 aa");
    assert_eq!(text.concatenation, Some(Concatenation { reference: 7, total: 2, part: 2 }));
    // The last of two counts.
    let twice = whole(Terminated, "44 NUMBER 00 04 SCTS 09 08 04 02 01 02 04 02 03 04");
    assert_eq!(twice.ports, Some(Ports { source: 4, destination: 3 }));
}

#[test]
fn what_contradicts_itself_is_malformed_and_read_all_the_same() {
    // TP-UDL beyond the data, in octets and in septets.
    assert_eq!(broken(Terminated, "04 NUMBER 7f f6 SCTS 8c aa bb").unwrap().pid, Some(0x7f));
    assert!(broken(Terminated, "04 NUMBER 00 00 SCTS a0 HELLO").is_some());
    // TP-UDL beyond what a message holds.
    let long = "aa".repeat(255);
    assert!(broken(Terminated, &format!("04 NUMBER 00 04 SCTS 8d {long}")).is_some());
    assert!(broken(Terminated, &format!("04 NUMBER 00 00 SCTS a1 {long}")).is_some());
    // UDH length beyond the data; ports before that are read.
    let header = broken(Terminated, "44 NUMBER 00 04 SCTS 07 20 05 04 0b 84 23 f0").unwrap();
    assert_eq!(header.ports, Some(Ports { source: 9200, destination: 2948 }));
    // TP-UDL is 2, so the header's second half is behind it.
    assert_eq!(broken(Terminated, "44 NUMBER 00 04 SCTS 02 06 05 04 0b 84 23 f0").unwrap().ports, None);
    // No room for a header; an element beyond the header; an element of another length; a lone identifier.
    assert!(broken(Terminated, "44 NUMBER 00 04 SCTS 00").is_some());
    assert!(broken(Terminated, "44 NUMBER 00 04 SCTS 04 03 05 04 0b").is_some());
    assert!(broken(Terminated, "44 NUMBER 00 04 SCTS 05 04 05 02 0b 84").is_some());
    assert!(broken(Terminated, "44 NUMBER 00 04 SCTS 02 01 05").is_some());
    // Part 3 of 2, part 0.
    for concatenation in ["2a 02 03", "2a 02 00"] {
        let sms = broken(Terminated, &format!("44 NUMBER 00 04 SCTS 06 05 00 03 {concatenation}"));
        assert_eq!(sms.unwrap().concatenation, None);
    }
    // The reserved type is an SMS-DELIVER to a mobile.
    let reserved = broken(Terminated, "07 NUMBER 40 00 SCTS 00").unwrap();
    assert!(reserved.kind == Type::Deliver && reserved.is_silent());
    // A parameter indicator that goes on for ever.
    assert!(broken(Terminated, "06 2a NUMBER SCTS SCTS 00 80 80 80").is_some());
    // Types that go the other way, or are in no invoke; nothing at all.
    for (direction, hex) in [(Terminated, "01"), (Originated, "00"), (Originated, "03"), (Terminated, "")] {
        assert_eq!(broken(direction, hex), None);
    }
}

#[test]
fn no_cut_or_changed_tpdu_panics() {
    let tpdu = octets(&format!("44 {NUMBER} 00 04 {SCTS} 0d 0b 05 04 0b 84 23 f0 00 03 2a 02 01 aa"));
    for direction in [Terminated, Originated] {
        for len in 0..tpdu.len() {
            let mut sms = None;
            assert!(decode(&tpdu[..len], direction, &mut sms).is_err());
        }
        for place in 0..tpdu.len() {
            for value in 0..=255 {
                let mut changed = tpdu.clone();
                changed[place] = value;
                let mut sms = None;
                let _ = decode(&changed, direction, &mut sms);
            }
        }
    }
}

/// The type and the findings of an operation's argument.
fn of_argument(opcode: i32, template: &str) -> (Option<Type>, Vec<Finding>) {
    let octets = sealed(&template.replace("NUM", "07 91 51 55 10 00 99 f9").replace("IMSI", "03 00 01 f1"));
    let mut work = Work::default();
    let one = Component {
        kind: ComponentKind::Invoke,
        invoke_id: Some(1),
        linked_id: None,
        operation: Some(Code::Local(opcode)),
        error: None,
        parameter: Reader::new(&octets, 0).next(&mut work).unwrap(),
        offset: 0,
    };
    let mut sms = None;
    component(&one, &mut sms, &mut work).unwrap();
    (sms.map(|sms| sms.kind), work.findings.iter().map(|(finding, _)| finding).collect())
}

#[test]
fn the_addresses_tell_the_direction() {
    use Type::{Command, Deliver, StatusReport, Submit};
    let deliver = format!("04{{04 {NUMBER} 00 00 {SCTS} 00}}");
    let submit = format!("04{{01 2a {NUMBER} 00 00 00}}");
    let report = format!("04{{06 2a {NUMBER} {SCTS} {SCTS} 00}}");
    let command = format!("04{{02 2a 00 01 07 {NUMBER} 00}}");
    for (opcode, addresses, tpdu, kind) in [
        (44, "80 IMSI 84 NUM", &deliver, Deliver),
        (44, "80 IMSI 84 NUM", &report, StatusReport),
        (44, "85 00 85 00", &deliver, Deliver),
        (46, "84 NUM 82 NUM", &submit, Submit),
        (46, "84 NUM 82 NUM", &command, Command),
        // forwardSM of the versions 1 and 2, to a mobile: by IMSI, by LMSI, by roaming number, in a later message.
        (46, "80 IMSI 84 NUM", &deliver, Deliver),
        (46, "81 04 00 00 00 01 84 NUM", &report, StatusReport),
        (46, "83 NUM 84 NUM", &deliver, Deliver),
        (46, "85 00 85 00", &deliver, Deliver),
        // The destination is not told.
        (46, "85 00 82 NUM", &submit, Submit),
    ] {
        let argument = format!("30{{{addresses} {tpdu}}}");
        assert_eq!(of_argument(opcode, &argument), (Some(kind), vec![]), "{argument}");
    }
    // An SMS-SUBMIT to a mobile; an operation without short message; no TPDU.
    let wrong = format!("30{{80 IMSI 84 NUM {submit}}}");
    assert_eq!(of_argument(44, &wrong), (None, vec![Finding::SmsMalformed]));
    assert_eq!(of_argument(45, &wrong), (None, vec![]));
    assert_eq!(of_argument(44, "30{80 IMSI 84 NUM}"), (None, vec![]));
    assert_eq!(of_argument(44, "04 00"), (None, vec![]));
}

#[test]
fn a_tpdu_in_pieces_is_put_together() {
    let argument = format!("30{{80 IMSI 84 NUM 24{{04{{04 {NUMBER}}} 24{{04{{00 00 {SCTS} 00}}}}}}}}");
    assert_eq!(of_argument(44, &argument), (Some(Type::Deliver), vec![Finding::ConstructedString]));
}
