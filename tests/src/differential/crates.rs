//! What the crates `m3ua`, `sccp`, `tcap` and `gsm_map` read.

use m3ua::M3uaMessage;
use sccp::{SccpAddress, SccpMessage, SubsystemNumber};
use serde_json::Value;
use ss7guard_common::wire::m3ua::SI_SCCP;
use tcap::{Component, DialoguePdu, ErrorCode, OperationCode, TcapMessage};

use super::operations::{self, Parameter};
use super::reading::{Layer, Reading, digits, hex, octets};

/// Reads an M3UA DATA message.
#[must_use]
pub fn read(message: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let parsed = M3uaMessage::decode(message).and_then(|message| message.protocol_data());
    let data = match parsed {
        Ok(data) => data,
        Err(error) => {
            reading.refuse(Layer::M3ua, &error);
            return reading;
        }
    };
    reading.note("opc", &data.opc);
    reading.note("dpc", &data.dpc);
    for (field, value) in [("si", data.si), ("ni", data.ni), ("mp", data.mp), ("sls", data.sls)] {
        reading.note(field, &value);
    }
    if data.si != SI_SCCP {
        return reading;
    }
    match SccpMessage::decode(&data.user_data) {
        Ok(sccp) => read_sccp(&sccp, &mut reading),
        Err(error) => reading.refuse(Layer::Sccp, &error),
    }
    reading
}

fn read_sccp(sccp: &SccpMessage, reading: &mut Reading) {
    reading.note(
        "sccp",
        &match sccp {
            SccpMessage::Udt(_) => "UDT",
            SccpMessage::Udts(_) => "UDTS",
            SccpMessage::Xudt(_) => "XUDT",
            SccpMessage::Xudts(_) => "XUDTS",
            SccpMessage::Ludt(_) => "LUDT",
            SccpMessage::Ludts(_) => "LUDTS",
        },
    );
    party(sccp.called_party(), ["cdpa_gt", "cdpa_ssn"], reading);
    party(sccp.calling_party(), ["cgpa_gt", "cgpa_ssn"], reading);
    // SCCP management (Q.713 §5): not TCAP.
    if sccp.called_party().ssn == Some(SubsystemNumber::SccpMgmt) {
        return;
    }
    match tcap::decode(sccp.data()) {
        Ok(tcap) => read_tcap(&tcap, reading),
        Err(error) => reading.refuse(Layer::Tcap, &error),
    }
}

fn party(address: &SccpAddress, [title, subsystem]: [&'static str; 2], reading: &mut Reading) {
    if let Some(digits) = address.global_title.digits().filter(|digits| !digits.is_empty()) {
        // The crate writes the codes 10 to 14 as `*`, `#`, `a`, `b`, `c` (3GPP TS 23.040 §9.1.2.3).
        let plain = |c: char| match c {
            '*' => 'a',
            '#' => 'b',
            'a'..='c' => char::from(c as u8 + 2),
            other => other,
        };
        reading.note(title, &digits.chars().map(plain).collect::<String>());
    }
    if let Some(number) = address.ssn {
        reading.note(subsystem, &number.value());
    }
}

fn read_tcap(tcap: &TcapMessage, reading: &mut Reading) {
    reading.note("tcap", &tcap.message_type().to_string().to_lowercase());
    if let Some(id) = tcap.otid() {
        reading.note("otid", &hex(id));
    }
    if let Some(id) = tcap.dtid() {
        reading.note("dtid", &hex(id));
    }
    match tcap.dialogue_portion().map(tcap::DialoguePortion::dialogue_pdu) {
        Some(Ok(Some(
            DialoguePdu::Aarq { application_context_name: name, .. }
            | DialoguePdu::Aare { application_context_name: name, .. }
            | DialoguePdu::Audt { application_context_name: name, .. },
        ))) => {
            let arcs: Vec<String> = name.iter().map(u32::to_string).collect();
            reading.note("ac", &arcs.join("."));
        }
        Some(Err(error)) => reading.refuse(Layer::Tcap, &error),
        _ => {}
    }
    let components: Vec<Parts<'_>> = tcap.components().iter().map(parts).collect();
    let list = |value: fn(&Parts<'_>) -> Option<String>| {
        let values = components.iter().map(|parts| value(parts).unwrap_or_else(|| "-".to_owned()));
        values.collect::<Vec<_>>().join(",")
    };
    reading.note("types", &list(|parts| Some(parts.kind.to_owned())));
    reading.note("invoke_ids", &list(|parts| parts.invoke_id.map(|id| id.to_string())));
    reading.note("opcodes", &list(|parts| parts.operation.clone()));
    reading.note("errors", &list(|parts| parts.error.clone()));
    for parts in &components {
        if let Some(octets) = parts.octets {
            read_parameter(parts, octets, reading);
        }
    }
}

/// The parts of a component.
struct Parts<'a> {
    kind: &'static str,
    invoke_id: Option<i8>,
    operation: Option<String>,
    error: Option<String>,
    octets: Option<&'a [u8]>,
    parameter: Option<Parameter>,
}

fn parts(component: &Component) -> Parts<'_> {
    let none = Parts {
        kind: "reject",
        invoke_id: component.invoke_id(),
        operation: None,
        error: None,
        octets: None,
        parameter: None,
    };
    let known = |code: &OperationCode| match code {
        OperationCode::Local(code) => operations::operation(*code),
        OperationCode::Global(_) => None,
    };
    match component {
        Component::Invoke(invoke) => Parts {
            kind: "invoke",
            operation: Some(operation(&invoke.operation_code)),
            octets: invoke.parameter.as_ref().map(rasn::types::Any::as_bytes),
            parameter: known(&invoke.operation_code).and_then(|operation| operation.argument),
            ..none
        },
        Component::ReturnResultLast(result) | Component::ReturnResultNotLast(result) => {
            let value = result.result.as_ref();
            Parts {
                kind: if matches!(component, Component::ReturnResultLast(_)) {
                    "returnResultLast"
                } else {
                    "returnResultNotLast"
                },
                operation: value.map(|value| operation(&value.operation_code)),
                octets: value.and_then(|value| value.parameter.as_ref()).map(rasn::types::Any::as_bytes),
                parameter: value.and_then(|value| known(&value.operation_code)?.result),
                ..none
            }
        }
        Component::ReturnError(error) => Parts {
            kind: "returnError",
            error: Some(match &error.error_code {
                ErrorCode::Local(code) => code.to_string(),
                ErrorCode::Global(oid) => oid.to_string(),
            }),
            octets: error.parameter.as_ref().map(rasn::types::Any::as_bytes),
            parameter: match &error.error_code {
                ErrorCode::Local(code) => operations::error(*code),
                ErrorCode::Global(_) => None,
            },
            ..none
        },
        Component::Reject(_) => none,
    }
}

fn operation(code: &OperationCode) -> String {
    match code {
        OperationCode::Local(code) => code.to_string(),
        OperationCode::Global(oid) => oid.to_string(),
    }
}

/// Members of the types of `gsm_map` that hold identities, by their names.
const MEMBERS: &[(&str, &str)] = &[
    ("imsi", "imsi"),
    ("Imsi", "imsi"),
    ("msisdn", "msisdn"),
    ("Msisdn", "msisdn"),
    ("MsIsdn", "msisdn"),
    ("stored_msisdn", "msisdn"),
    ("vlr_number", "vlr"),
    ("new_vlr_number", "vlr"),
    ("msc_number", "msc"),
    ("MscNumber", "msc"),
    ("vmsc_address", "msc"),
    ("sgsn_number", "sgsn"),
    ("SgsnNumber", "sgsn"),
    ("service_centre_address", "smsc"),
    ("ServiceCentreAddressDa", "smsc"),
    ("ServiceCentreAddressOa", "smsc"),
    ("gsm_scf_address", "scf"),
    ("gmsc_or_gsm_scf_address", "scf"),
    ("hlr_number", "hlr"),
    ("HlrNumber", "hlr"),
    ("network_node_number", "node"),
    ("roaming_number", "msrn"),
    ("msrn", "msrn"),
    ("RoamingNumber", "msrn"),
    ("mlc_number", "mlc"),
    ("forwarded_to_number", "forwarded_to"),
];

fn read_parameter(parts: &Parts<'_>, whole: &[u8], reading: &mut Reading) {
    let Some(parameter) = parts.parameter else {
        reading.refuse(Layer::GsmMap, &format_args!("{} {:?} is not known", parts.kind, parts.operation));
        return;
    };
    match (parameter.read)(whole) {
        Ok(value) => {
            let mut found = Vec::new();
            members(&value, &mut found);
            // JSON has no order of members: they come in the order of the octets.
            let place = |value: &[u8]| whole.windows(value.len()).position(|window| window == value);
            found.sort_by_key(|(_, value)| place(value));
            for (field, value) in found {
                reading.note(field, &digits(field, &value));
            }
        }
        Err(error) => reading.refuse(Layer::GsmMap, &error),
    }
}

fn members(value: &Value, found: &mut Vec<(&'static str, Vec<u8>)>) {
    match value {
        Value::Object(members_of) => {
            for (name, value) in members_of {
                let member = MEMBERS.iter().find(|(member, _)| member == name);
                match (member, value) {
                    (Some((_, field)), Value::String(text)) => found.push((field, octets(text))),
                    _ => members(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, found)),
        _ => {}
    }
}
