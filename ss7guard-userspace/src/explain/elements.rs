//! What the elements of TCAP are called, by where they are (Q.773 §4.2, TS 29.002 §17.4).

use crate::explain::codes;
use crate::inspect::ber::{Class, Element, NULL, SEQUENCE, Tag};
use crate::inspect::tcap::{ComponentKind, Kind};

/// What is known about the elements inside an element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// The message itself.
    Message,
    /// Its portions.
    Portions,
    /// EXTERNAL around a dialogue PDU.
    Dialogue,
    /// What is in EXTERNAL.
    DialogueExternal,
    /// A dialogue PDU.
    DialoguePdu,
    /// Inside the result of an AARE.
    AssociateResult,
    /// Inside the diagnostic of an AARE.
    Diagnostic,
    /// Inside application-context-name.
    ContextName,
    /// Inside user-information.
    UserInformation,
    /// What is in its EXTERNAL.
    UserExternal,
    /// The MAP dialogue PDU.
    MapDialogue,
    /// MAP-OpenInfo.
    MapOpen,
    /// Components.
    Components,
    /// The parts of a component.
    Component(ComponentKind),
    /// The sequence of a result.
    ResultSequence,
    /// A parameter of MAP or CAP.
    Parameter,
    /// Pieces of a subscriber's number, or of another value that must not show.
    Secret,
    /// Nothing.
    Unknown,
}

/// What a value is.
#[derive(Clone, Copy)]
pub(super) enum Reads {
    /// Octets of which nothing is known.
    Unknown,
    /// Octets that say nothing about a subscriber.
    Octets,
    /// An integer with names.
    Number(fn(i32) -> Option<&'static str>),
    /// An operation code.
    Operation,
    /// An AddressString of the dialogue portion; the destination reference is a subscriber's.
    Reference { secret: bool },
}

/// Name of an element, what is inside, and what its value is, by where it is. `stage` counts what came before.
pub(super) fn known(spot: Spot, element: &Element<'_>, stage: &mut u8) -> (&'static str, Spot, Reads) {
    let (class, number) = (element.tag.class(), element.tag.number());
    let before = *stage;
    *stage = stage.saturating_add(1);
    let unknown = ("element", Spot::Unknown, Reads::Unknown);
    match (spot, class, number) {
        (Spot::Message, ..) => {
            let name = match (class, number) {
                (Class::Application, 1) => Kind::Unidirectional.as_str(),
                (Class::Application, 2) => Kind::Begin.as_str(),
                (Class::Application, 4) => Kind::End.as_str(),
                (Class::Application, 5) => Kind::Continue.as_str(),
                (Class::Application, 7) => Kind::Abort.as_str(),
                (Class::Private, _) => return ("ANSI TCAP package", Spot::Unknown, Reads::Unknown),
                _ => return unknown,
            };
            (name, Spot::Portions, Reads::Unknown)
        }
        (Spot::Portions, Class::Application, 8) => ("otid", Spot::Unknown, Reads::Octets),
        (Spot::Portions, Class::Application, 9) => ("dtid", Spot::Unknown, Reads::Octets),
        (Spot::Portions, Class::Application, 10) => {
            ("p-abortCause", Spot::Unknown, Reads::Number(codes::p_abort_cause))
        }
        (Spot::Portions, Class::Application, 11) => ("dialoguePortion", Spot::Dialogue, Reads::Unknown),
        (Spot::Portions, Class::Application, 12) => ("components", Spot::Components, Reads::Unknown),
        (Spot::Dialogue, Class::Universal, 8) => ("external", Spot::DialogueExternal, Reads::Unknown),
        (Spot::DialogueExternal | Spot::UserExternal, Class::Universal, 6) => {
            ("direct-reference", Spot::Unknown, Reads::Octets)
        }
        (Spot::DialogueExternal, Class::Context, 0) => {
            ("single-ASN1-type", Spot::DialogueExternal, Reads::Unknown)
        }
        (Spot::DialogueExternal, Class::Application, 0) => ("AARQ", Spot::DialoguePdu, Reads::Unknown),
        (Spot::DialogueExternal, Class::Application, 1) => ("AARE", Spot::DialoguePdu, Reads::Unknown),
        (Spot::DialogueExternal, Class::Application, 4) => ("ABRT", Spot::DialoguePdu, Reads::Unknown),
        (Spot::DialoguePdu, Class::Context, 0) => ("protocol-version", Spot::Unknown, Reads::Octets),
        (Spot::DialoguePdu, Class::Context, 1) => {
            ("application-context-name", Spot::ContextName, Reads::Unknown)
        }
        (Spot::DialoguePdu, Class::Context, 2) => ("result", Spot::AssociateResult, Reads::Unknown),
        (Spot::DialoguePdu, Class::Context, 3) => {
            ("result-source-diagnostic", Spot::Diagnostic, Reads::Unknown)
        }
        (Spot::DialoguePdu, Class::Context, 30) => {
            ("user-information", Spot::UserInformation, Reads::Unknown)
        }
        (Spot::ContextName, Class::Universal, 6) => ("object identifier", Spot::Unknown, Reads::Octets),
        (Spot::AssociateResult, Class::Universal, 2) => (
            "associate-result",
            Spot::Unknown,
            Reads::Number(|number| match number {
                0 => Some("accepted"),
                1 => Some("reject-permanent"),
                _ => None,
            }),
        ),
        (Spot::Diagnostic, Class::Context, 1) => ("dialogue-service-user", Spot::Diagnostic, Reads::Unknown),
        (Spot::Diagnostic, Class::Context, 2) => {
            ("dialogue-service-provider", Spot::Diagnostic, Reads::Unknown)
        }
        (Spot::Diagnostic, Class::Universal, 2) => (
            "diagnostic",
            Spot::Unknown,
            Reads::Number(|number| match number {
                0 => Some("null"),
                1 => Some("no reason given"),
                2 => Some("application context name not supported, or no common dialogue portion"),
                _ => None,
            }),
        ),
        (Spot::UserInformation, Class::Universal, 8) => ("external", Spot::UserExternal, Reads::Unknown),
        (Spot::UserExternal, Class::Context, 0) => ("single-ASN1-type", Spot::MapDialogue, Reads::Unknown),
        (Spot::MapDialogue, Class::Context, 0) => ("map-open", Spot::MapOpen, Reads::Unknown),
        (Spot::MapDialogue, Class::Context, 1) => ("map-accept", Spot::Unknown, Reads::Unknown),
        (Spot::MapDialogue, Class::Context, 2) => ("map-close", Spot::Unknown, Reads::Unknown),
        (Spot::MapDialogue, Class::Context, 3) => ("map-refuse", Spot::Unknown, Reads::Unknown),
        (Spot::MapDialogue, Class::Context, 4) => ("map-userAbort", Spot::Unknown, Reads::Unknown),
        (Spot::MapDialogue, Class::Context, 5) => ("map-providerAbort", Spot::Unknown, Reads::Unknown),
        (Spot::MapOpen, Class::Context, 0) => {
            ("destinationReference", Spot::Secret, Reads::Reference { secret: true })
        }
        (Spot::MapOpen, Class::Context, 1) => {
            ("originationReference", Spot::Unknown, Reads::Reference { secret: false })
        }
        (Spot::Components, Class::Context, number) => {
            let kind = match number {
                1 => ComponentKind::Invoke,
                2 => ComponentKind::ReturnResultLast,
                3 => ComponentKind::ReturnError,
                4 => ComponentKind::Reject,
                7 => ComponentKind::ReturnResultNotLast,
                _ => return unknown,
            };
            (kind.as_str(), Spot::Component(kind), Reads::Unknown)
        }
        (Spot::Component(kind), ..) => component(kind, element.tag, before, stage),
        (Spot::ResultSequence, ..) if before == 0 => ("opcode", Spot::Unknown, Reads::Operation),
        (Spot::ResultSequence, ..) => ("parameter", Spot::Parameter, Reads::Unknown),
        (Spot::Parameter, ..) => ("element", Spot::Parameter, Reads::Unknown),
        (Spot::Secret, ..) => ("piece", Spot::Secret, Reads::Unknown),
        _ => unknown,
    }
}

/// The parts of a component.
fn component(kind: ComponentKind, tag: Tag, before: u8, stage: &mut u8) -> (&'static str, Spot, Reads) {
    const NO_NAMES: Reads = Reads::Number(|_| None);
    match (kind, before) {
        (ComponentKind::Reject, 0) if tag == NULL => ("invokeId not known", Spot::Unknown, Reads::Octets),
        (_, 0) => ("invokeId", Spot::Unknown, NO_NAMES),
        (ComponentKind::Invoke, 1) if tag == Tag::context(0) => {
            // The operation code comes next, as if this had not been here.
            *stage = before;
            ("linkedId", Spot::Unknown, NO_NAMES)
        }
        (ComponentKind::Invoke, 1) => ("opcode", Spot::Unknown, Reads::Operation),
        (ComponentKind::ReturnError, 1) => ("errorCode", Spot::Unknown, Reads::Number(codes::map_error)),
        (ComponentKind::ReturnResultLast | ComponentKind::ReturnResultNotLast, 1) if tag == SEQUENCE => {
            ("result", Spot::ResultSequence, Reads::Unknown)
        }
        (ComponentKind::Reject, 1) => {
            let name = match tag.number() {
                0 => "generalProblem",
                1 => "invokeProblem",
                2 => "returnResultProblem",
                3 => "returnErrorProblem",
                _ => "problem",
            };
            (name, Spot::Unknown, NO_NAMES)
        }
        _ => ("parameter", Spot::Parameter, Reads::Unknown),
    }
}
