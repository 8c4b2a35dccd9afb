//! Messages made by the independent crates: every operation with random fields, in TCAP, SCCP and M3UA.

use gsm_map::application_context::map_ac;
use m3ua::{M3uaMessage, ProtocolData};
use rasn::types::Any;
use sccp::{
    ExtendedUnitData, GlobalTitle, LongUnitData, SccpAddress, SccpMessage, SubsystemNumber, UnitData,
};
use tcap::{
    Abort, AbortReason, AbortSource, Begin, Component, Continue, DialoguePortion, End, ErrorCode,
    GeneralProblem, Invoke, OperationCode, PAbortCause, Reject, ReturnError, ReturnResult, ReturnResultValue,
    TcapMessage,
};

use super::operations::{ERRORS, OPERATIONS, Operation};
use super::random::Random;
use crate::frame::{Frame, WHOLE, chunk};

/// Octets of data that a UDT or XUDT can hold beside long addresses.
const MOST_SHORT_DATA: usize = 200;

/// Messages for every operation, so many for each of its parameters; the same for the same seed.
#[must_use]
pub fn messages(seed: u64, each: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let mut made = Vec::new();
    for operation in OPERATIONS {
        for _ in 0..each {
            made.push(m3ua(&asked(operation, &mut random), &mut random));
            made.push(m3ua(&answered(operation, &mut random), &mut random));
        }
    }
    made
}

/// The DATA message in an Ethernet frame, with a TSN of its own.
#[must_use]
pub fn frame(message: &[u8], tsn: u32) -> Vec<u8> {
    const PPID_M3UA: u32 = 3;
    let mut value = tsn.to_be_bytes().to_vec();
    // Stream 1; stream sequence numbers follow the TSN.
    value.extend([0, 1]);
    value.extend((tsn as u16).to_be_bytes());
    value.extend(PPID_M3UA.to_be_bytes());
    value.extend_from_slice(message);
    Frame::ipv4(132, &[]).sctp(1, &[chunk(0, WHOLE, &value)]).build()
}

/// A DATA message around a TCAP message.
#[must_use]
pub fn m3ua(tcap: &TcapMessage, random: &mut Random) -> Vec<u8> {
    let tcap = tcap::encode(tcap).expect("a TCAP message");
    let user_part = sccp(tcap, random);
    let code = |random: &mut Random| random.below(1 << 14) as u32;
    let (opc, dpc) = (code(random), code(random));
    let ni = random.below(4) as u8;
    let (mp, sls) = (random.below(4) as u8, random.below(16) as u8);
    let appearance = random.percent(40).then(|| random.below(1000) as u32);
    let context = random.percent(80).then(|| random.below(1000) as u32);
    M3uaMessage::data(appearance, context, ProtocolData::new(opc, dpc, 3, ni, mp, sls, user_part), None)
        .encode()
}

/// A DATA message with a UDT between two global titles with their subsystem numbers.
#[must_use]
pub fn data_with(called: (&str, u8), calling: (&str, u8), data: Vec<u8>) -> Vec<u8> {
    let party = |(digits, ssn): (&str, u8)| {
        let title = GlobalTitle::Gt0100 {
            translation_type: 0,
            numbering_plan: 1,
            encoding_scheme: 1,
            nature_of_address: 4,
            digits: digits.to_owned(),
        };
        SccpAddress::with_gt(title, Some(SubsystemNumber::from_u8(ssn)))
    };
    let user_part = UnitData::new(party(called), party(calling), data).encode().expect("a UDT");
    M3uaMessage::data(None, Some(1), ProtocolData::new(1001, 2002, 3, 0, 0, 5, user_part), None).encode()
}

/// The message that asks for an operation.
fn asked(operation: &Operation, random: &mut Random) -> TcapMessage {
    let mut components = vec![invoke(operation, 1, random)];
    if random.percent(10) {
        let another = *random.choose(OPERATIONS);
        components.push(invoke(&another, 2, random));
    }
    let components = Some(components);
    let context = map_ac(operation.context.0, operation.context.1);
    match random.below(10) {
        0 | 1 => TcapMessage::Continue(Continue {
            otid: id(random),
            dtid: id(random),
            dialogue_portion: random.percent(50).then(|| DialoguePortion::aare_accept(&context)),
            components,
        }),
        _ => TcapMessage::Begin(Begin {
            otid: id(random),
            dialogue_portion: random.percent(90).then(|| DialoguePortion::aarq(&context)),
            components,
        }),
    }
}

/// The message that answers it: a result, an error, a reject or an abort.
fn answered(operation: &Operation, random: &mut Random) -> TcapMessage {
    let invoke_id = random.octet() as i8;
    let result = operation.result.map(|result| ReturnResult {
        invoke_id,
        result: random.percent(95).then(|| ReturnResultValue {
            operation_code: OperationCode::Local(operation.code),
            parameter: Some(Any::new((result.make)(random))),
        }),
    });
    let component = match (random.below(20), result) {
        (0, _) => {
            let (code, parameter) = *random.choose(ERRORS);
            let parameter = Some(Any::new((parameter.make)(random)));
            Component::ReturnError(ReturnError { invoke_id, error_code: ErrorCode::Local(code), parameter })
        }
        (1, _) => Component::Reject(Reject::general(
            random.percent(50).then_some(invoke_id),
            GeneralProblem::MISTYPED_COMPONENT,
        )),
        (2, _) => return abort(random),
        (3, Some(result)) => Component::ReturnResultNotLast(result),
        (_, Some(result)) => Component::ReturnResultLast(result),
        (_, None) => Component::ReturnError(ReturnError {
            invoke_id,
            error_code: ErrorCode::Local(34),
            parameter: None,
        }),
    };
    let context = map_ac(operation.context.0, operation.context.1);
    let dialogue_portion = random.percent(60).then(|| DialoguePortion::aare_accept(&context));
    let components = Some(vec![component]);
    if random.percent(20) {
        TcapMessage::Continue(Continue { otid: id(random), dtid: id(random), dialogue_portion, components })
    } else {
        TcapMessage::End(End { dtid: id(random), dialogue_portion, components })
    }
}

fn abort(random: &mut Random) -> TcapMessage {
    let reason = if random.percent(50) {
        AbortReason::PAbort(PAbortCause(random.below(5) as i64))
    } else {
        AbortReason::UAbort(DialoguePortion::abrt(AbortSource::DialogueServiceUser))
    };
    TcapMessage::Abort(Abort { dtid: id(random), reason: Some(reason) })
}

fn invoke(operation: &Operation, invoke_id: i8, random: &mut Random) -> Component {
    Component::Invoke(Invoke {
        invoke_id,
        linked_id: random.percent(10).then_some(7),
        operation_code: OperationCode::Local(operation.code),
        parameter: operation.argument.map(|argument| Any::new((argument.make)(random))),
    })
}

/// A transaction id of 1 to 4 octets, mostly 4.
fn id(random: &mut Random) -> tcap::TransactionId {
    let len = if random.percent(70) { 4 } else { random.between(1, 4) };
    random.octets(len).into()
}

fn sccp(data: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let (called, calling) = (address(random), address(random));
    let long = data.len() > MOST_SHORT_DATA;
    let message = match random.below(10) {
        _ if long => SccpMessage::Ludt(LongUnitData::new(called, calling, data)),
        0 => SccpMessage::Ludt(LongUnitData::new(called, calling, data)),
        1..=3 => SccpMessage::Xudt(ExtendedUnitData::new(called, calling, data)),
        _ => SccpMessage::Udt(UnitData::new(called, calling, data)),
    };
    message.encode().expect("an SCCP message")
}

fn address(random: &mut Random) -> SccpAddress {
    const SUBSYSTEMS: [u8; 9] = [6, 7, 8, 9, 145, 147, 148, 149, 150];
    let len = random.between(1, 16);
    let digits = random.digits(len);
    // Types without a meaning of their own in a network.
    let translation_type = random.below(2) as u8;
    let encoding_scheme = 1;
    let numbering_plan = *random.choose(if len < 6 { &[1, 7] } else { &[1, 7, 6] });
    let nature_of_address = *random.choose(&[4, 3, 1]);
    let global_title = match random.below(20) {
        0 => GlobalTitle::NoTitle,
        1 => GlobalTitle::Gt0001 { nature_of_address, odd_even: false, digits },
        2 => GlobalTitle::Gt0010 { translation_type, digits },
        3 => GlobalTitle::Gt0011 { translation_type, numbering_plan, encoding_scheme, digits },
        _ => GlobalTitle::Gt0100 {
            translation_type,
            numbering_plan,
            encoding_scheme,
            nature_of_address,
            digits,
        },
    };
    SccpAddress {
        route_on_ssn: global_title == GlobalTitle::NoTitle || random.percent(10),
        point_code: random.percent(15).then(|| random.below(1 << 14) as u16),
        ssn: Some(SubsystemNumber::from_u8(*random.choose(&SUBSYSTEMS))),
        global_title,
    }
}
