use super::*;
use crate::inspect::testing::{octets, sealed};

/// Begin with AARQ (application context 28.3) and a provideSubscriberInfo.
const PSI: &str = "62424804010203046b1e281c060700118605010101a011600f80020780a109060704000001001c036c1aa1180201010201463010800800011032547698f1a20480008100";

fn decoded<'a>(octets: &'a [u8], work: &mut Work) -> Result<Tcap<'a>, TcapError> {
    let mut message = None;
    decode(octets, 0, &mut message, work).map(|()| message.unwrap())
}

fn opcode(component: &Component<'_>) -> Option<i32> {
    match component.operation {
        Some(Code::Local(code)) => Some(code),
        _ => None,
    }
}

#[test]
fn a_begin_gives_context_and_component() {
    let data = octets(PSI);
    let mut work = Work::default();
    let message = decoded(&data, &mut work).unwrap();
    assert_eq!(message.kind, Kind::Begin);
    assert_eq!(message.otid.unwrap().as_slice(), [1, 2, 3, 4]);
    assert_eq!(message.dialogue.application_context.unwrap().to_string(), "0.4.0.0.1.0.28.3");
    assert_eq!(message.components.len(), 1);
    assert_eq!(opcode(&message.components[0]), Some(70));
    assert_eq!(message.components[0].invoke_id, Some(1));
    assert!(work.findings.is_empty());
}

#[test]
fn usual_dialogue_portions_are_read_like_any_other() {
    // The same with the protocol version left out, which takes the way element by element.
    let aarq = |version: &str| {
        format!("6b{{28{{06{{00118605010101}} a0{{60{{{version} a1{{06{{04000001001c03}}}}}}}}}}}}")
    };
    let aare = |version: &str| {
        format!(
            "6b{{28{{06{{00118605010101}} a0{{61{{{version} a1{{06{{04000001001c03}}}} a2{{02{{00}}}} a3{{a1{{02{{00}}}}}}}}}}}}}}"
        )
    };
    for portion in [aarq("80{0780}"), aarq(""), aare("80{0780}"), aare("")] {
        let portion = sealed(&portion);
        let usual = portion.windows(2).any(|pair| pair == [0x07, 0x80]);
        assert_eq!(usual_dialogue(&portion[2..]).is_some(), usual);
        let mut data = vec![0x62, 0x05 + portion.len() as u8, 0x48, 0x03, 1, 2, 3];
        data.extend(portion);
        let mut work = Work::default();
        let message = decoded(&data, &mut work).unwrap();
        assert_eq!(message.dialogue.application_context.unwrap().to_string(), "0.4.0.0.1.0.28.3");
        assert!(work.findings.is_empty());
    }
    // A name in another arc, or padded, is none of the usual.
    for name in ["2a000001001c03", "048000000100 1c"] {
        let portion = sealed(&aarq("80{0780}").replace("04000001001c03", name));
        assert_eq!(usual_dialogue(&portion[2..]), None);
    }
}

#[test]
fn map_open_gives_both_references() {
    let data = sealed(
        "62{48{00000001} 6b{28{06{00118605010101} a0{60{80{0780} a1{06{04000001001302}} \
         be{28{06{04000001010101} a0{a0{80{96 0010} 81{91 11}}}}}}}}}}",
    );
    let mut work = Work::default();
    let message = decoded(&data, &mut work).unwrap();
    assert_eq!(message.dialogue.application_context.unwrap().to_string(), "0.4.0.0.1.0.19.2");
    let reference = message.dialogue.destination_reference.unwrap();
    assert_eq!((reference.plan, reference.digits.as_str()), (6, "0001"));
    assert_eq!(message.dialogue.originating_reference.unwrap().digits.as_str(), "11");
}

#[test]
fn every_component_type_is_read() {
    let data = sealed(
        "65{48{01} 49{aabb} 6c{ \
         a1{02{01} 80{02} 02{07}} \
         a2{02{01}} a2{02{01} 30{02{3b} 04{00}}} \
         a3{02{01} 02{01}} \
         a4{05{} 80{02}} \
         a7{02{01} 30{02{16}}}}}",
    );
    let message = decoded(&data, &mut Work::default()).unwrap();
    let kinds: Vec<_> = message.components.iter().map(|component| component.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["invoke", "returnResultLast", "returnResultLast", "returnError", "reject", "returnResultNotLast"]
    );
    assert_eq!(message.components[0].linked_id, Some(2));
    let opcodes: Vec<_> = message.components.iter().map(opcode).collect();
    assert_eq!(opcodes, [Some(7), None, Some(59), None, None, Some(22)]);
    assert_eq!(message.components[3].error, Some(Code::Local(1)));
    assert_eq!(message.components[4].invoke_id, None);
    assert_eq!(message.dtid.unwrap().as_slice(), [0xaa, 0xbb]);
}

#[test]
fn parts_that_do_not_belong_where_they_are_are_read_and_noted() {
    let invoke = "6c{a1{02{01} 02{46}}}";
    for template in [
        format!("62{{{invoke} 48{{01}}}}"),                     // in another order
        format!("62{{48{{01}} 48{{02}} {invoke}}}"),            // twice
        format!("62{{48{{01}} 49{{02}} {invoke}}}"),            // none in a Begin
        format!("64{{48{{01}} 49{{02}} {invoke}}}"),            // none in an End
        format!("62{{48{{01}} 4a{{02}} {invoke}}}"),            // P-abort cause
        format!("67{{49{{01}} {invoke}}}"),                     // components in an Abort
        "62{48{01} 6c{}}".to_owned(),                           // no components
        "62{48{01} 6c{a2{02{01} 30{02{46} 30{}}}}}".to_owned(), // a result that answers nothing
    ] {
        let data = sealed(&template);
        let mut work = Work::default();
        assert!(decoded(&data, &mut work).is_ok(), "{template}");
        assert!(work.findings.contains(Finding::UnexpectedPart), "{template}");
    }
    let usual = sealed(&format!("65{{48{{01}} 49{{02}} {invoke}}}"));
    let mut work = Work::default();
    assert!(decoded(&usual, &mut work).is_ok() && work.findings.is_empty());
}

#[test]
fn ids_out_of_range_are_noted() {
    for (template, odd) in [
        ("62{48{01} 6c{a1{02{80} 80{7f} 02{46}}}}", false),
        ("62{48{01} 6c{a1{02{0080} 02{46}}}}", true),
        ("62{48{01} 6c{a1{02{01} 80{0080} 02{46}}}}", true),
    ] {
        let data = sealed(template);
        let mut work = Work::default();
        assert!(decoded(&data, &mut work).is_ok(), "{template}");
        assert_eq!(work.findings.contains(Finding::InvokeIdRange), odd, "{template}");
    }
}

#[test]
fn a_second_component_portion_is_read_and_noted() {
    let data = sealed("62{48{01} 6c{a1{02{01} 02{47}}} 6c{a1{02{02} 02{46}}}}");
    let mut work = Work::default();
    let message = decoded(&data, &mut work).unwrap();
    let opcodes: Vec<_> = message.components.iter().filter_map(opcode).collect();
    assert_eq!(opcodes, [71, 70]);
    assert!(work.findings.contains(Finding::DuplicatePortion));
}

#[test]
fn what_is_not_itu_tcap_has_its_error() {
    let error = |hex: &str| decoded(&octets(hex), &mut Work::default()).unwrap_err();
    assert_eq!(error(""), TcapError::Empty);
    assert_eq!(error("e200"), TcapError::Ansi(2));
    assert_eq!(error("3000"), TcapError::UnknownType);
    assert_eq!(error("6200"), TcapError::TransactionIdMissing("originating"));
    assert_eq!(error("6400"), TcapError::TransactionIdMissing("destination"));
    assert_eq!(error("62054801010500"), TcapError::UnexpectedElement { offset: 5 });
    assert!(matches!(error("6207480101 6c02a500"), TcapError::BadComponent { .. }));
}

#[test]
fn odd_transaction_ids_are_kept_and_noted() {
    let mut work = Work::default();
    let data = octets("620748050102030405");
    let message = decoded(&data, &mut work).unwrap();
    assert_eq!(message.otid.unwrap().as_slice(), [1, 2, 3, 4, 5]);
    assert!(work.findings.contains(Finding::TransactionIdLength));
}

#[test]
fn a_second_argument_is_noted() {
    for component in
        ["a1{02{01} 02{46} 30{} 30{}}", "a2{02{01} 30{02{46} 30{} 30{}}}", "a3{02{01} 02{01} 30{} 30{}}"]
    {
        let data = sealed(&format!("65{{48{{01}} 49{{02}} 6c{{{component}}}}}"));
        let mut work = Work::default();
        decoded(&data, &mut work).unwrap();
        assert!(work.findings.contains(Finding::TrailingOctets), "{component}");
    }
}

#[test]
fn what_came_before_a_broken_component_is_kept() {
    let data = sealed("62{48{01} 6c{a1{02{01} 02{47}} a9{02{02}}}}");
    let mut message = None;
    let error = decode(&data, 0, &mut message, &mut Work::default()).unwrap_err();
    assert!(matches!(error, TcapError::BadComponent { .. }));
    let message = message.unwrap();
    assert_eq!((message.kind, message.components.len()), (Kind::Begin, 1));
    assert_eq!(opcode(&message.components[0]), Some(71));
}

#[test]
fn no_cut_message_panics() {
    let data = octets(PSI);
    for cut in 0..data.len() {
        assert!(decoded(&data[..cut], &mut Work::default()).is_err(), "{cut}");
    }
}

#[test]
fn a_transaction_id_in_pieces_is_the_same_id() {
    let read = |hex: &str| {
        let octets = sealed(hex);
        let (mut decoded, mut work) = (None, Work::default());
        decode(&octets, 0, &mut decoded, &mut work).unwrap();
        (decoded.unwrap().otid.unwrap(), work.findings)
    };
    let (whole, _) = read("62{48{09 0a 0b 0c}}");
    let (pieces, findings) = read("62{68{04{09 0a} 24{04{0b 0c}}}}");
    assert_eq!(pieces, whole);
    assert!(findings.contains(Finding::ConstructedString));
    // No elements inside, whatever the tag says.
    assert_eq!(read("62{68{09 0a 0b 0c}}").0, whole);
}
