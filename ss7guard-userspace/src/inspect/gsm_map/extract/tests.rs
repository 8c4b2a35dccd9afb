use super::*;
use crate::inspect::gsm_map::operations;
use crate::inspect::testing::sealed;

/// An operation, its parameter, and what is to be found in it.
type Case<'a> = (i32, &'a str, &'a [(Field, &'a str)]);

/// Identities of an operation's parameter.
fn identities(kind: ComponentKind, protocol: Protocol, opcode: i32, hex: &str) -> (Identities, Work) {
    let octets = sealed(hex);
    let mut work = Work::default();
    let parameter = Reader::new(&octets, 0).next(&mut work).unwrap();
    let one = Component {
        kind,
        invoke_id: Some(1),
        linked_id: None,
        operation: Some(Code::Local(opcode)),
        error: None,
        parameter,
        offset: 0,
    };
    let mut found = Identities::default();
    component(&one, protocol, &mut found, &mut work).unwrap();
    (found, work)
}

fn check(kind: ComponentKind, opcode: i32, hex: &str, expected: &[(Field, &str)]) {
    let (found, work) = identities(kind, Protocol::Map, opcode, hex);
    let mut wanted = Identities::default();
    for (field, digits) in expected {
        wanted.found[*field as usize] = Digits::from_text(digits);
    }
    assert_eq!(found, wanted, "{}", operations::name(opcode).unwrap_or("?"));
    assert!(work.findings.is_empty(), "{:?}", work.findings);
}

const IMSI: &str = "08 00 01 01 21 43 65 87 f9"; // 001010123456789
const IMSI_DIGITS: &str = "001010123456789";
const NUMBER: &str = "07 91 51 55 10 00 99 f9"; // 15550100999
const NUMBER_DIGITS: &str = "15550100999";

fn with(template: &str) -> String {
    template.replace("IMSI", IMSI).replace("NUM", NUMBER)
}

#[test]
fn arguments_of_every_shape_give_their_identities() {
    use Field::{ForwardedTo, Hlr, Imsi, Mlc, Msc, Msisdn, Msrn, Node, Scf, Sgsn, Smsc, Vlr};
    let i = IMSI_DIGITS;
    let n = NUMBER_DIGITS;
    // (opcode, parameter, fields).
    let cases: &[Case<'_>] = &[
        (2, "30{04 IMSI 81 NUM 04 NUM}", &[(Imsi, i), (Msc, n), (Vlr, n)]),
        (2, "30{04 IMSI 80 NUM 04 NUM}", &[(Imsi, i), (Msrn, n), (Vlr, n)]),
        (3, "04 IMSI", &[(Imsi, i)]),
        (3, "a3{04 IMSI 0a 01 00}", &[(Imsi, i)]),
        (3, "a3{30{04 IMSI 04 04 00 00 00 01}}", &[(Imsi, i)]),
        (3, "30{04 IMSI 04 04 00 00 00 01}", &[(Imsi, i)]),
        (4, "30{80 IMSI 81 NUM 82 NUM}", &[(Imsi, i), (Msc, n), (Msisdn, n)]),
        (7, "30{80 IMSI 81 NUM}", &[(Imsi, i), (Msisdn, n)]),
        (7, "30{a7{a0{04 01 21 30{30{84 01 07 85 NUM}}}}}", &[(ForwardedTo, n)]),
        (7, "30{ad{a0{30{30{0a 01 02 02 01 01 80 NUM 81 01 00}}}}}", &[(Scf, n)]),
        (7, "30{ad{a2{30{30{04 01 11} 04 NUM}}}}", &[(Scf, n)]),
        (7, "30{ad{a5{30{04 01 00} 02 01 01 80 NUM}}}", &[(Scf, n)]),
        (7, "30{ad{a6{a0{30{80 01 01 81 01 01 82 NUM 83 01 00}}}}}", &[(Scf, n)]),
        (7, "30{ad{a9{a0{30{04 NUM 02 01 01 04 NUM 0a 01 00}}}}}", &[(Scf, n)]),
        (7, "30{b1{a0{a0{30{80 01 01 81 01 01 82 NUM 83 01 00}}}}}", &[(Scf, n)]),
        (7, "30{80 IMSI bf1f{80 01 00}}", &[(Imsi, i)]),
        (7, "30{b1{a5{30{04 01 00} 02 01 01 80 NUM}} 9f22 NUM}", &[(Scf, n), (Sgsn, n)]),
        (8, "30{80 IMSI}", &[(Imsi, i)]),
        (9, "30{80 IMSI 0a 01 00}", &[(Imsi, i)]),
        (9, "30{81 04 00 00 00 01 0a 01 00}", &[]),
        (5, "30{04 IMSI 04 NUM a0{04 01 21 a1{30{85 NUM}}}}", &[(Imsi, i), (Msisdn, n), (ForwardedTo, n)]),
        (5, "30{04 IMSI 04 NUM a3{b1{30{04 01 00} 02 01 01 80 NUM}}}", &[(Imsi, i), (Msisdn, n), (Scf, n)]),
        (
            6,
            "30{a2{88 NUM} 83 IMSI a5{30{30{0a 01 02 02 01 01 80 NUM 81 01 00}}} 89 NUM}",
            &[(ForwardedTo, n), (Imsi, i), (Scf, n), (Msisdn, n)],
        ),
        (21, "30{04 04 00 00 00 01 82 NUM 04 02 00 00}", &[(Msisdn, n)]),
        (22, "30{80 NUM 83 01 00 86 NUM}", &[(Msisdn, n), (Scf, n)]),
        (23, "30{04 IMSI 04 NUM 04 05 04 c0 00 02 01}", &[(Imsi, i), (Sgsn, n)]),
        (24, "30{80 IMSI 82 NUM}", &[(Imsi, i)]),
        (37, "30{04 NUM 30{04 03 00 01 f1}}", &[(Hlr, n)]),
        (36, "30{30{04 IMSI 04 04 00 00 00 01}}", &[(Imsi, i)]),
        (37, "30{0a 01 00 04 NUM 30{04 03 00 01 f1}}", &[(Hlr, n)]),
        (37, "30{81 NUM a2{80 IMSI 81 NUM} a3{80 IMSI}}", &[(Imsi, i), (Msisdn, n)]),
        (42, "30{04 IMSI 80 00}", &[(Imsi, i)]),
        (44, "30{80 IMSI 84 NUM 04 02 00 00}", &[(Imsi, i), (Smsc, n)]),
        // No address in a further message of the same dialogue.
        (44, "30{85 00 85 00 04 02 00 00}", &[]),
        // The tags of what follows the TPDU are not those of the addresses.
        (44, "30{81 04 00 00 00 01 84 NUM 04 02 00 00 80 00 83 NUM a4{80 01 61}}", &[(Smsc, n)]),
        (46, "30{83 NUM 84 NUM 04 02 00 00}", &[(Msrn, n), (Smsc, n)]),
        (46, "30{84 NUM 82 NUM 04 02 00 00 a0{82 01 61}}", &[(Smsc, n), (Msisdn, n)]),
        (48, "04 IMSI", &[(Imsi, i)]),
        (50, "30{80 IMSI 81 01 01 82 01 01}", &[(Imsi, i)]),
        (53, "30{04 IMSI 82 NUM 80 NUM}", &[(Imsi, i), (Vlr, n), (Msisdn, n)]),
        (54, "30{04 IMSI 04 NUM}", &[(Imsi, i)]),
        (55, "04 04 00 00 00 01", &[]),
        (55, "30{04 04 00 00 00 01 02 01 02 05 00 04 NUM}", &[(Msc, n)]),
        (45, "30{80 NUM 81 01 ff 82 NUM 8c IMSI}", &[(Msisdn, n), (Smsc, n), (Imsi, i)]),
        (46, "30{84 NUM 82 NUM 04 02 00 00 04 IMSI}", &[(Smsc, n), (Msisdn, n), (Imsi, i)]),
        (47, "30{04 NUM 04 NUM 0a 01 00}", &[(Msisdn, n), (Smsc, n)]),
        (47, "30{04 NUM 04 NUM 0a 01 00 89 IMSI}", &[(Msisdn, n), (Smsc, n), (Imsi, i)]),
        (64, "30{04 NUM 04 NUM 04 IMSI}", &[(Msisdn, n), (Smsc, n), (Imsi, i)]),
        (55, "30{04 04 00 00 00 01 02 01 02 83 NUM}", &[(Vlr, n)]),
        (56, "04 IMSI", &[(Imsi, i)]),
        (56, "30{80 IMSI 02 01 05}", &[(Imsi, i)]),
        (58, "04 NUM", &[(Msisdn, n)]),
        (62, "30{a0{81 NUM} a1{80 00} 82 NUM}", &[(Msisdn, n), (Scf, n)]),
        (64, "30{04 NUM 04 NUM}", &[(Msisdn, n), (Smsc, n)]),
        (65, "30{a0{80 IMSI} 81 NUM a2{80 01 21 83 NUM}}", &[(Imsi, i), (Scf, n), (ForwardedTo, n)]),
        (67, "30{04 IMSI 04 NUM}", &[(Imsi, i), (Vlr, n)]),
        (67, "a3{04 IMSI 80 NUM 81 NUM}", &[(Imsi, i), (Vlr, n), (Sgsn, n)]),
        (67, "a3{04 IMSI a2{81 NUM 86 NUM} a3{83 NUM}}", &[(Imsi, i), (Vlr, n), (Msc, n), (Sgsn, n)]),
        (68, "a3{80 01 00 84 IMSI}", &[(Imsi, i)]),
        (68, "30{80 01 00}", &[]),
        (70, "30{80 IMSI a2{80 00}}", &[(Imsi, i)]),
        (71, "30{a0{81 NUM} a1{80 00} 83 NUM}", &[(Msisdn, n), (Scf, n)]),
        (83, "30{30{80 01 00} 04 NUM 82 IMSI 83 NUM}", &[(Mlc, n), (Imsi, i), (Msisdn, n)]),
        (85, "30{80 NUM a1{80 IMSI}}", &[(Mlc, n), (Imsi, i)]),
        (86, "30{0a 01 00 30{80 01 00} 30{04 NUM} 80 NUM 81 IMSI}", &[(Node, n), (Msisdn, n), (Imsi, i)]),
        (84, "30{81 IMSI}", &[(Imsi, i)]),
        (
            86,
            "30{0a 01 00 30{80 01 00} 30{04 NUM a3{80 NUM}} 81 IMSI ba{81 NUM}}",
            &[(Node, n), (Msc, n), (Imsi, i), (Sgsn, n)],
        ),
        (
            89,
            "30{02 01 00 80 01 00 81 IMSI a3{81 NUM 86 NUM} a7{83 NUM}}",
            &[(Imsi, i), (Vlr, n), (Msc, n), (Sgsn, n)],
        ),
        (89, "30{02 01 00 80 01 00 81 IMSI 82 NUM}", &[(Imsi, i), (Msisdn, n)]),
    ];
    for (opcode, template, expected) in cases {
        check(ComponentKind::Invoke, *opcode, &with(template), expected);
    }
}

#[test]
fn results_of_every_shape_give_their_identities() {
    use Field::{ForwardedTo, Hlr, Imsi, Msc, Msisdn, Msrn, Node, Scf, Sgsn, Smsc, Vlr};
    let i = IMSI_DIGITS;
    let n = NUMBER_DIGITS;
    let cases: &[Case<'_>] = &[
        (2, "30{04 NUM}", &[(Hlr, n)]),
        (2, "04 NUM", &[(Hlr, n)]),
        (4, "04 NUM", &[(Msrn, n)]),
        (4, "30{04 NUM}", &[(Msrn, n)]),
        (4, "30{04 NUM 04 NUM}", &[(Msrn, n), (Msc, n)]),
        (9, "30{80 IMSI a2{81 NUM} a1{04 01 00} a1{04 01 00}}", &[(Imsi, i), (Msisdn, n)]),
        (10, "a0{04 01 21 30{30{85 NUM}}}", &[(ForwardedTo, n)]),
        (11, "a2{30{30{04 01 00}}}", &[]),
        (14, "81 NUM", &[(ForwardedTo, n)]),
        (14, "a3{30{84 01 00 89 NUM}}", &[(ForwardedTo, n)]),
        (22, "a3{89 IMSI 30{85 NUM}}", &[(Imsi, i), (ForwardedTo, n)]),
        (
            22,
            "a3{a8{30{85 NUM} a0{a1{30{30{0a 01 02 02 01 01 80 NUM 81 01 00}}}}}}",
            &[(ForwardedTo, n), (Scf, n)],
        ),
        (
            22,
            "a3{89 IMSI a7{a0{81 NUM} a3{83 NUM}} 8c NUM b1{04 NUM}}",
            &[(Imsi, i), (Vlr, n), (Sgsn, n), (Msisdn, n), (Msrn, n)],
        ),
        (22, "30{04 IMSI 30{85 NUM}}", &[(Imsi, i), (ForwardedTo, n)]),
        (22, "a3{89 IMSI 04 NUM 82 NUM}", &[(Imsi, i), (Msrn, n), (Msc, n)]),
        (22, "30{04 IMSI 04 NUM}", &[(Imsi, i), (Msrn, n)]),
        (45, "30{04 IMSI a0{81 NUM}}", &[(Imsi, i), (Node, n)]),
        (45, "30{04 IMSI a0{81 NUM a6{81 NUM}}}", &[(Imsi, i), (Node, n), (Sgsn, n)]),
        (45, "30{04 IMSI a0{80 NUM}}", &[(Imsi, i), (Msrn, n)]),
        (47, "04 NUM", &[(Msisdn, n)]),
        (47, "30{04 NUM}", &[(Msisdn, n)]),
        (55, "a3{04 IMSI}", &[(Imsi, i)]),
        (55, "30{04 IMSI}", &[(Imsi, i)]),
        (62, "30{a1{30{30{85 NUM}}}}", &[(ForwardedTo, n)]),
        (62, "30{a4{a2{a0{30{04 NUM 02 01 01 04 NUM 0a 01 00}}}}}", &[(Scf, n)]),
        (62, "30{aa{30{04 NUM}}}", &[(Msisdn, n)]),
        (65, "30{a0{a0{04 01 21 a1{30{8a NUM}}}} 89 NUM}", &[(ForwardedTo, n), (Smsc, n)]),
        (70, "30{30{a0{02 01 00} a8{80 01 00 81 IMSI 82 NUM}}}", &[(Imsi, i), (Msisdn, n)]),
        (83, "30{04 01 00 ad{80 NUM}}", &[(Msc, n)]),
        (58, "04 IMSI", &[(Imsi, i)]),
        (70, "30{30{a0{02 01 00 81 NUM}}}", &[(Vlr, n)]),
        (71, "30{30{a0{02 01 00 81 NUM 86 NUM}}}", &[(Vlr, n), (Msc, n)]),
        (85, "30{a0{80 IMSI} a1{04 NUM}}", &[(Imsi, i), (Node, n)]),
    ];
    for (opcode, template, expected) in cases {
        check(ComponentKind::ReturnResultLast, *opcode, &with(template), expected);
    }
}

#[test]
fn an_error_may_carry_the_imsi() {
    let octets = sealed(&with("30{81 IMSI}"));
    let mut work = Work::default();
    let parameter = Reader::new(&octets, 0).next(&mut work).unwrap();
    let mut one = Component {
        kind: ComponentKind::ReturnError,
        invoke_id: Some(1),
        linked_id: None,
        operation: None,
        error: Some(Code::Local(6)), // absentSubscriberSM
        parameter,
        offset: 0,
    };
    let mut found = Identities::default();
    component(&one, Protocol::Map, &mut found, &mut work).unwrap();
    assert_eq!(found.get(Field::Imsi).unwrap().as_str(), IMSI_DIGITS);
    one.error = Some(Code::Local(1)); // unknownSubscriber
    let mut found = Identities::default();
    component(&one, Protocol::Map, &mut found, &mut work).unwrap();
    assert_eq!(found, Identities::default());
}

#[test]
fn cap_arguments_give_identities_and_locations() {
    use Field::{Called, Calling, ForwardedTo, Imsi, Msc, Msisdn, Scf, Sgsn, Smsc, Vlr};
    for (opcode, template, fields) in [
        (0, "30{80 01 01 9f32 IMSI bf34{81 NUM 86 NUM} 9f37 NUM}", &[Imsi, Vlr, Msc][..]),
        // A call to a mobile, a call from a mobile, one that was forwarded.
        (0, "30{80 01 01 82 ISUP 83 ISUP 9f32 IMSI}", &[Called, Calling, Imsi]),
        (0, "30{80 01 01 83 ISUP 9f32 IMSI 9f38 NUM}", &[Called, Calling, Imsi]),
        (0, "30{80 01 01 9f32 IMSI bf3b{80 NUM 81 ISUP}}", &[Imsi, Msc, ForwardedTo]),
        (17, "30{80 02 00 00 9f35 ISUP}", &[Calling]),
        (20, "30{a0{04 ISUP}}", &[Called]),
        (24, "30{80 01 07 a2{a5{9f32 ISUP}}}", &[Called]),
        (24, "30{80 01 0d a2{a8{9f34 ISUP}}}", &[ForwardedTo]),
        (24, "30{80 01 32 a2{bf32{bf32{81 NUM 86 NUM}}}}", &[Vlr, Msc]),
        (32, "30{a0{04 ISUP} 9e ISUP 9f34 NUM}", &[Called, Calling, Scf]),
        (60, "30{80 01 01 82 NUM 84 IMSI a6{83 NUM} 87 NUM 8f NUM}", &[Msisdn, Imsi, Sgsn, Smsc, Msc]),
        (60, "30{80 01 01 81 NUM 82 NUM 84 IMSI}", &[Called, Msisdn, Imsi]),
        (60, "30{80 01 01 84 IMSI 94 NUM}", &[Called, Imsi]),
        (62, "30{80 NUM 81 NUM 82 NUM}", &[Calling, Called, Smsc]),
        (78, "30{80 01 01 81 01 01 82 NUM 83 IMSI ac{83 NUM}}", &[Msisdn, Imsi, Sgsn]),
        (80, "30{80 01 02 a2{a0{a0{83 NUM}}}}", &[Sgsn]),
        (80, "30{80 01 0e a2{a1{a2{83 NUM}}}}", &[Sgsn]),
        (80, "30{80 01 0c a2{a4{a3{83 NUM}}}}", &[Sgsn]),
    ] {
        // The same number, odd, international.
        let template = with(&template.replace("ISUP", "08 84 10 51 55 10 00 99 09"));
        let (found, work) = identities(ComponentKind::Invoke, Protocol::Cap, opcode, &template);
        let mut wanted = Identities::default();
        for field in fields {
            let digits = if *field == Field::Imsi { IMSI_DIGITS } else { NUMBER_DIGITS };
            wanted.found[*field as usize] = Digits::from_text(digits);
        }
        assert_eq!(found, wanted, "{opcode}: {template}");
        assert!(work.findings.is_empty(), "{opcode}: {:?}", work.findings);
    }
}

#[test]
fn short_message_addresses_out_of_place_are_noted() {
    // Tags that neither address has.
    for template in ["30{86 NUM 84 NUM 04 02 00 00}", "30{84 NUM 8c IMSI 04 02 00 00}"] {
        let (_, work) = identities(ComponentKind::Invoke, Protocol::Map, 46, &with(template));
        assert!(work.findings.contains(Finding::UnexpectedForm), "{template}");
    }
    let (found, work) =
        identities(ComponentKind::Invoke, Protocol::Map, 44, &with("30{80 IMSI 80 IMSI 04 02 00 00}"));
    assert!(found.get(Field::Imsi).is_some());
    assert!(work.findings.contains(Finding::DuplicateParameter));
}

#[test]
fn the_outermost_tag_does_not_hide_an_identity() {
    let (found, work) = identities(ComponentKind::Invoke, Protocol::Map, 70, &with("a3{80 IMSI}"));
    assert_eq!(found.get(Field::Imsi).unwrap().as_str(), IMSI_DIGITS);
    assert!(work.findings.contains(Finding::UnexpectedForm));
}

#[test]
fn cap_codes_are_not_read_as_map() {
    let hex = with("30{80 01 01 9f32 IMSI}");
    let (found, _) = identities(ComponentKind::Invoke, Protocol::Cap, 0, &hex);
    assert_eq!(found.get(Field::Imsi).unwrap().as_str(), IMSI_DIGITS);
    // Opcode 20 is connect in CAP, releaseResources in MAP.
    let (found, _) = identities(ComponentKind::Invoke, Protocol::Cap, 20, &with("30{04 NUM}"));
    assert_eq!(found, Identities::default());
}

#[test]
fn odd_encodings_give_the_same_identity_and_a_finding() {
    for (template, finding) in [
        ("30{9f00 IMSI}", Finding::NoncanonicalTag),
        ("30{80 8108 00 01 01 21 43 65 87 f9}", Finding::NoncanonicalLength),
        ("30{a0{04 04 00 01 01 21 04 04 43 65 87 f9}}", Finding::ConstructedString),
        ("30{80 IMSI 80 IMSI}", Finding::DuplicateParameter),
    ] {
        let (found, work) = identities(ComponentKind::Invoke, Protocol::Map, 70, &with(template));
        assert_eq!(found.get(Field::Imsi).map(Digits::as_str), Some(IMSI_DIGITS), "{template}");
        assert!(work.findings.contains(finding), "{template}");
    }
}

#[test]
fn a_parameter_of_another_form_is_noted() {
    let (found, work) = identities(ComponentKind::Invoke, Protocol::Map, 70, &with("04 IMSI"));
    assert_eq!(found, Identities::default());
    assert!(work.findings.contains(Finding::UnexpectedForm));
}
