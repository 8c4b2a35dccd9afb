use super::*;
use crate::inspect::gsm_map::subsystems::{AUC, EIR, GMLC, HLR, MSC, SGSN, VLR};
use crate::inspect::gsm_map::{self, operations};
use crate::inspect::tcap;
use crate::inspect::testing::sealed;

/// Findings of a TCAP message with this application context, to this subsystem.
fn findings(kind: &str, context: Option<&str>, components: &str, called_ssn: u8) -> Vec<Finding> {
    // AARQ with the application context name, in its EXTERNAL.
    let dialogue = context.map_or(String::new(), |name| {
        format!("6b{{28{{06 07 00 11 86 05 01 01 01 a0{{60{{80 02 07 80 a1{{06{{{name}}}}}}}}}}}}}")
    });
    let ids = if kind == "62" { "48 01 01" } else { "48 01 01 49 01 02" };
    let octets = sealed(&format!("{kind}{{{ids} {dialogue} 6c{{{components}}}}}"));
    let mut work = Work::default();
    let mut decoded = None;
    tcap::decode(&octets, 0, &mut decoded, &mut work).unwrap();
    let tcap = decoded.unwrap();
    let context = tcap.dialogue.application_context.as_ref().map(gsm_map::context);
    let protocol = gsm_map::protocol(context, Some(called_ssn), None);
    check(&tcap, context, protocol, Some(called_ssn), 0, &mut work);
    work.findings.iter().map(|(finding, _)| finding).collect()
}

fn map(context: u8, version: u8) -> String {
    format!("04 00 00 01 00 {context:02x} {version:02x}")
}

fn invoke(opcode: u8) -> String {
    format!("a1{{02 01 01 02 01 {opcode:02x}}}")
}

#[test]
fn the_table_has_every_operation_and_every_context() {
    let numbers: Vec<u32> = (0..64).filter(|number| name(*number).is_some()).collect();
    let expected: Vec<u32> = (1..48).filter(|number| *number != 30).collect();
    assert_eq!(numbers, expected);
    assert!(ROWS.is_sorted_by_key(|Row(number, _, [first, _], ..)| (*number, *first)));
    for Row(number, _, [first, last], initiator, responder) in ROWS {
        assert!((1..=4).contains(first) && first <= last && usize::from(*last) < VERSIONS);
        assert!(usize::from(*number) < CONTEXT_COUNT);
        assert!(initiator.iter().chain(*responder).all(|code| operations::name(i32::from(*code)).is_some()));
    }
    for code in -1..200 {
        assert_eq!(ALL.contains(code), operations::name(code).is_some(), "{code}");
    }
}

#[test]
fn operations_in_their_contexts_give_no_finding() {
    for (context, version, opcode, ssn) in [
        (1, 3, 2, HLR),
        (1, 2, 57, HLR),
        (14, 3, 56, HLR),
        (14, 2, 56, AUC),
        (16, 3, 7, VLR),
        (16, 3, 8, SGSN),
        (20, 2, 45, HLR),
        (21, 2, 46, MSC),
        (25, 2, 46, MSC),
        (25, 3, 44, SGSN),
        (29, 3, 71, HLR),
        (33, 4, 24, HLR),
        (13, 2, 43, EIR),
        (38, 3, 83, MSC),
        (38, 3, 86, GMLC),
    ] {
        let noted = findings("62", Some(&map(context, version)), &invoke(opcode), ssn);
        assert_eq!(noted, [], "{opcode} in {context}.{version}");
    }
}

#[test]
fn an_operation_of_another_context_is_noted() {
    use Finding::{ContextMismatch, ContextUnknown, OperationUnknown, SsnMismatch, VersionOneContext};
    for (context, version, opcode, ssn, expected) in [
        // provideSubscriberInfo under networkUnstructuredSs
        (19, 2, 70, VLR, &[ContextMismatch][..]),
        // insertSubscriberData is the responder's in networkLocUp.
        (1, 3, 7, VLR, &[ContextMismatch]),
        // sendParameters, of version 1
        (14, 3, 9, HLR, &[ContextMismatch]),
        // mt-ForwardSM, of version 3
        (25, 2, 44, MSC, &[ContextMismatch]),
        (29, 3, 71, MSC, &[SsnMismatch]),
        (29, 3, 71, subsystems::CAP, &[SsnMismatch]),
        (99, 3, 70, VLR, &[ContextUnknown]),
        (28, 2, 70, VLR, &[ContextUnknown]),
        (0, 0, 70, VLR, &[ContextUnknown]),
        (30, 3, 70, HLR, &[ContextUnknown, SsnMismatch]),
        (1, 1, 2, HLR, &[VersionOneContext]),
        (1, 3, 1, HLR, &[OperationUnknown]),
        (1, 3, 120, HLR, &[OperationUnknown]),
    ] {
        let noted = findings("62", Some(&map(context, version)), &invoke(opcode), ssn);
        assert_eq!(noted, expected, "{opcode} in {context}.{version} to {ssn}");
    }
}

#[test]
fn a_context_of_another_protocol_hides_nothing_from_a_subsystem_of_map() {
    let psi = invoke(70);
    // An arc of nobody.
    assert_eq!(findings("62", Some("2a 03 04"), &psi, VLR), [Finding::ContextUnknown]);
    // INAP to its own subsystem.
    assert_eq!(findings("62", Some("04 00 01 01 01 00 00"), &invoke(0), 241), []);
    // CAP 2, to a CAP node and to a VLR.
    assert_eq!(findings("62", Some(&map(50, 1)), &invoke(0), subsystems::CAP), []);
    assert_eq!(findings("62", Some(&map(50, 1)), &psi, VLR), [Finding::SsnMismatch]);
}

#[test]
fn the_first_answer_names_the_context_too() {
    let context = map(1, 3);
    let result = "a2{02 01 01 30{02 01 02}}";
    // insertSubscriberData and activateTraceMode on the way of an updateLocation, then its result
    let both = format!("{} {}", invoke(7), invoke(50));
    assert_eq!(findings("65", Some(&context), &both, VLR), [Finding::SeveralInvokes]);
    assert_eq!(findings("65", Some(&context), result, VLR), []);
    assert_eq!(findings("65", Some(&context), &invoke(2), HLR), [Finding::ContextMismatch]);
    assert_eq!(findings("65", Some(&context), "a2{02 01 01 30{02 01 46}}", VLR), [Finding::ContextMismatch]);
    // Nothing has been asked for in a first message.
    let first = [Finding::UnexpectedPart, Finding::ContextMismatch];
    assert_eq!(findings("62", Some(&context), result, HLR), first);
    // Later messages say nothing of the context, nor who serves whom.
    assert_eq!(findings("65", None, &invoke(71), VLR), []);
    assert_eq!(findings("65", None, &invoke(120), VLR), [Finding::OperationUnknown]);
}

#[test]
fn without_dialogue_portion_only_version_one_is_there() {
    for opcode in [2, 3, 4, 7, 8, 9, 10, 19, 22, 28, 37, 43, 45, 46, 47, 48, 49, 50, 54] {
        let ssn = [HLR, VLR, MSC, EIR].into_iter().find(|ssn| subsystems::servers(opcode).contains(*ssn));
        let opcode = u8::try_from(opcode).unwrap();
        assert_eq!(findings("62", None, &invoke(opcode), ssn.unwrap()), [], "{opcode}");
    }
    for (opcode, ssn) in
        [(71, HLR), (58, HLR), (70, VLR), (44, MSC), (56, HLR), (59, HLR), (57, HLR), (38, VLR)]
    {
        assert_eq!(findings("62", None, &invoke(opcode), ssn), [Finding::VersionDowngrade], "{opcode}");
    }
}

#[test]
fn without_dialogue_portion_an_argument_of_version_three_is_noted() {
    for (component, ssn, downgrade) in [
        // sendRoutingInfo: msisdn; then with interrogationType and gmsc-Address
        ("a1{02 01 01 02 01 16 30{80 02 91 11}}", HLR, false),
        ("a1{02 01 01 02 01 16 30{80 02 91 11 83 01 00 86 02 91 11}}", HLR, true),
        // cancelLocation: bare imsi; then with identity and cancellationType under [3]
        ("a1{02 01 01 02 01 03 04 03 00 01 f1}", VLR, false),
        ("a1{02 01 01 02 01 03 a3{04 03 00 01 f1 0a 01 00}}", VLR, true),
        // updateLocation with vlr-Capability
        ("a1{02 01 01 02 01 02 30{04 03 00 01 f1 81 02 91 11 04 02 91 11}}", HLR, false),
        ("a1{02 01 01 02 01 02 30{04 03 00 01 f1 81 02 91 11 04 02 91 11 a6{80 02 05 e0}}}", HLR, true),
        // insertSubscriberData with vlrCamelSubscriptionInfo
        ("a1{02 01 01 02 01 07 30{80 03 00 01 f1 ad{}}}", VLR, true),
        // A tag far beyond those of the argument.
        ("a1{02 01 01 02 01 04 30{80 03 00 01 f1 9f 81 00 01 00}}", VLR, true),
    ] {
        let expected: &[Finding] = if downgrade { &[Finding::VersionDowngrade] } else { &[] };
        assert_eq!(findings("62", None, component, ssn), expected, "{component}");
    }
}
