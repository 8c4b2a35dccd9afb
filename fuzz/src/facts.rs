//! What a decoded message says, free of the octets that said it; and what holds for every decoded message.

use ss7guard_userspace::inspect::digits::Address;
use ss7guard_userspace::inspect::gsm_map::{Field, Identities, Protocol};
use ss7guard_userspace::inspect::message::{Message, Outcome};
use ss7guard_userspace::inspect::record::{self, Place};
use ss7guard_userspace::inspect::tcap::{Code, ComponentKind, Kind, TransactionId};

use crate::json;

/// What TCAP and MAP say.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// `decoded`, or the reason why not.
    pub outcome: &'static str,
    /// Message type.
    pub kind: Option<Kind>,
    /// Originating and destination transaction id.
    pub ids: [Option<TransactionId>; 2],
    /// P-Abort cause.
    pub p_abort: Option<i32>,
    /// Arcs of the application context.
    pub context: Option<Vec<u32>>,
    /// References of MAP-OpenInfo.
    pub references: [Option<Address>; 2],
    /// Components.
    pub components: Vec<Part>,
    /// MAP or CAP.
    pub protocol: Protocol,
    /// Identities.
    pub identities: Identities,
}

/// A component.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its type.
    pub kind: ComponentKind,
    /// Invoke id and linked id.
    pub ids: [Option<i32>; 2],
    /// Operation and error code.
    pub codes: [Option<Number>; 2],
}

/// An operation or error code.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// Local.
    Local(i32),
    /// Global.
    Global(Vec<u32>),
}

impl From<Code<'_>> for Number {
    fn from(code: Code<'_>) -> Self {
        match code {
            Code::Local(code) => Self::Local(code),
            Code::Global(oid) => Self::Global(oid.arcs().collect()),
        }
    }
}

impl Facts {
    /// What a message says.
    #[must_use]
    pub fn of(message: &Message<'_>) -> Self {
        let tcap = message.tcap.as_ref();
        let dialogue = tcap.map(|tcap| tcap.dialogue).unwrap_or_default();
        Self {
            outcome: match message.outcome {
                Outcome::Decoded => "decoded",
                Outcome::NotSccp => "not_sccp",
                Outcome::Management => "management",
                Outcome::Segment => "segment",
                Outcome::Undecodable(problem) => problem.reason(),
            },
            kind: tcap.map(|tcap| tcap.kind),
            ids: [tcap.and_then(|tcap| tcap.otid), tcap.and_then(|tcap| tcap.dtid)],
            p_abort: tcap.and_then(|tcap| tcap.p_abort),
            context: dialogue.application_context.map(|name| name.arcs().collect()),
            references: [dialogue.destination_reference, dialogue.originating_reference],
            components: message
                .components()
                .iter()
                .map(|one| Part {
                    kind: one.kind,
                    ids: [one.invoke_id, one.linked_id],
                    codes: [one.operation.map(Number::from), one.error.map(Number::from)],
                })
                .collect(),
            protocol: message.protocol,
            identities: message.identities,
        }
    }

    /// Whether decoding ended at a bound of the reader, which another form of the same message may keep within.
    #[must_use]
    pub fn hit_a_bound(&self) -> bool {
        matches!(self.outcome, "tcap_too_deep" | "tcap_too_many_elements" | "gsm_map_bad_parameter")
    }
}

/// Checks what holds for every decoded message of `octets`.
///
/// # Panics
/// It does not hold.
pub fn check(message: &Message<'_>, octets: &[u8]) {
    let inside = |part: &[u8], offset: usize| octets.get(offset..offset + part.len()) == Some(part);
    if let Some(sccp) = &message.sccp {
        assert!(inside(sccp.data, sccp.data_offset), "SCCP data at {}", sccp.data_offset);
    }
    for component in message.components() {
        assert!(component.offset < octets.len(), "component at {}", component.offset);
        if let Some(parameter) = &component.parameter {
            assert!(component.offset < parameter.offset && parameter.offset < parameter.content_offset);
            assert!(inside(parameter.content, parameter.content_offset), "parameter at {}", parameter.offset);
        }
    }
    for (finding, offset) in message.findings.iter() {
        assert!(offset as usize <= octets.len(), "{finding:?} at {offset}");
    }
    let place = Place { frame: 1, ..Place::default() };
    let (masked, clear) = (record::to_json(message, &place, false), record::to_json(message, &place, true));
    json::check(&masked);
    json::check(&clear);
    let text = std::str::from_utf8(&masked).expect("checked above");
    for (field, key) in [(Field::Imsi, "imsi"), (Field::Msisdn, "msisdn"), (Field::Msrn, "msrn")] {
        let said = text.split_once(&format!("\"{key}\":\"")).and_then(|(_, rest)| rest.split('"').next());
        let expected = message.identities.get(field).map(|digits| record::mask(digits.as_str()));
        assert_eq!(said, expected.as_deref(), "{key} is masked");
    }
}
