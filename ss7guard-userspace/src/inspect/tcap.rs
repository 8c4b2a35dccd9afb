//! TCAP (ITU-T Q.773): messages, dialogue portion, components.
//!
//! Input: the data of an SCCP message. Output: [`Tcap`], borrowed from it. ANSI TCAP is recognised and refused with
//! its own error. What an odd sender repeats (portions) is read all the same and noted, so that nothing hides
//! behind a first or a last one.

use std::ops::Deref;

use thiserror::Error;

use crate::inspect::ber::{BerError, Class, EXTERNAL, Element, INTEGER, NULL, OID, Oid, Reader, SEQUENCE};
use crate::inspect::ber::{Octets, Tag, Work};
use crate::inspect::digits::{self, Address};
use crate::inspect::findings::Finding;

/// Components of one message that are read; more are an error.
pub const MAX_COMPONENTS: usize = 64;

/// Message types (Q.773 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No dialogue.
    Unidirectional,
    /// Opens a dialogue.
    Begin,
    /// Closes it.
    End,
    /// Goes on with it.
    Continue,
    /// Breaks it off.
    Abort,
}

impl Kind {
    const fn from_tag(tag: Tag) -> Option<Self> {
        match (tag.class(), tag.number()) {
            (Class::Application, 1) => Some(Self::Unidirectional),
            (Class::Application, 2) => Some(Self::Begin),
            (Class::Application, 4) => Some(Self::End),
            (Class::Application, 5) => Some(Self::Continue),
            (Class::Application, 7) => Some(Self::Abort),
            _ => None,
        }
    }

    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unidirectional => "unidirectional",
            Self::Begin => "begin",
            Self::End => "end",
            Self::Continue => "continue",
            Self::Abort => "abort",
        }
    }
}

/// Why data is not a TCAP message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TcapError {
    /// Not BER.
    #[error(transparent)]
    Ber(#[from] BerError),
    /// No data.
    #[error("no TCAP message")]
    Empty,
    /// ANSI TCAP (T1.114): private tags.
    #[error("ANSI TCAP package type {0}")]
    Ansi(u32),
    /// Another tag.
    #[error("not a TCAP message type")]
    UnknownType,
    /// More components than [`MAX_COMPONENTS`].
    #[error("more than {MAX_COMPONENTS} components")]
    TooManyComponents,
    /// A transaction id that the message type demands is not there.
    #[error("{0} transaction id missing")]
    TransactionIdMissing(&'static str),
    /// A component that is not one of the five types, or lacks its invoke id or operation code.
    #[error("component at offset {offset}: {what}")]
    BadComponent {
        /// Offset of the component.
        offset: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An element that does not belong where it is.
    #[error("unexpected element at offset {offset}")]
    UnexpectedElement {
        /// Its offset.
        offset: usize,
    },
}

/// An operation or error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    /// Local, as in MAP.
    Local(i32),
    /// Global.
    Global(Oid<'a>),
}

/// Component types (Q.773 §4.2.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentKind {
    /// Asks for an operation.
    Invoke,
    /// Its result, or the last part of it.
    ReturnResultLast,
    /// Its error.
    ReturnError,
    /// A protocol error.
    Reject,
    /// A part of a result.
    ReturnResultNotLast,
}

impl ComponentKind {
    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::ReturnResultLast => "returnResultLast",
            Self::ReturnError => "returnError",
            Self::Reject => "reject",
            Self::ReturnResultNotLast => "returnResultNotLast",
        }
    }

    /// Whether this is a result.
    #[must_use]
    pub const fn is_result(self) -> bool {
        matches!(self, Self::ReturnResultLast | Self::ReturnResultNotLast)
    }
}

/// One component.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// Its type.
    pub kind: ComponentKind,
    /// Invoke id; `None` in a reject that could not tell it.
    pub invoke_id: Option<i32>,
    /// Linked id.
    pub linked_id: Option<i32>,
    /// Operation code; results may come without.
    pub operation: Option<Code<'a>>,
    /// Error code of a ReturnError.
    pub error: Option<Code<'a>>,
    /// Argument, result or error parameter.
    pub parameter: Option<Element<'a>>,
    /// Offset in the user part.
    pub offset: usize,
}

/// Octets of a transaction id that are kept; Q.773 §4.2.1.2 allows 4.
const MAX_TRANSACTION_ID: usize = 8;

/// A transaction id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId {
    octets: [u8; MAX_TRANSACTION_ID],
    len: u8,
}

impl TransactionId {
    fn new(element: &Element<'_>, work: &mut Work) -> Self {
        if !(1..=4).contains(&element.content.len()) || element.constructed {
            work.findings.note(Finding::TransactionIdLength, element.offset);
        }
        // In pieces it is the same id; what only claims to be in pieces is taken as it stands.
        let read = element.octets(work).unwrap_or(Octets::Slice(element.content));
        let content = read.as_slice();
        let mut octets = [0; MAX_TRANSACTION_ID];
        if let ([a, b, c, d, ..], [e, f, g, h]) = (&mut octets, content) {
            [*a, *b, *c, *d] = [*e, *f, *g, *h];
        } else {
            for (slot, octet) in octets.iter_mut().zip(content) {
                *slot = *octet;
            }
        }
        let len = content.len().min(MAX_TRANSACTION_ID);
        Self { octets, len: u8::try_from(len).unwrap_or(0) }
    }

    /// Its octets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// What the dialogue portion tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialogue<'a> {
    /// Application context name.
    pub application_context: Option<Oid<'a>>,
    /// Destination reference of MAP-OpenInfo (TS 29.002 §17.4): in SS and USSD dialogues the IMSI.
    pub destination_reference: Option<Address>,
    /// Originating reference of MAP-OpenInfo: the VLR.
    pub originating_reference: Option<Address>,
}

/// A TCAP message.
#[derive(Clone, Debug)]
pub struct Tcap<'a> {
    /// Its type.
    pub kind: Kind,
    /// Originating transaction id.
    pub otid: Option<TransactionId>,
    /// Destination transaction id.
    pub dtid: Option<TransactionId>,
    /// P-abort cause.
    pub p_abort: Option<i32>,
    /// Dialogue portion.
    pub dialogue: Dialogue<'a>,
    /// Components.
    pub components: Components<'a>,
}

/// The components of a message. Most messages have one: it is kept in place, more are on the heap.
#[derive(Clone, Debug, Default)]
pub struct Components<'a> {
    only: Option<Component<'a>>,
    /// All of them, if there are several.
    several: Vec<Component<'a>>,
}

impl<'a> Components<'a> {
    fn push(&mut self, component: Component<'a>) {
        if self.only.is_none() && self.several.is_empty() {
            self.only = Some(component);
        } else {
            self.several.extend(self.only.take());
            self.several.push(component);
        }
    }
}

impl<'a> Deref for Components<'a> {
    type Target = [Component<'a>];

    #[inline]
    fn deref(&self) -> &Self::Target {
        if self.several.is_empty() { self.only.as_slice() } else { &self.several }
    }
}

const OTID: Tag = Tag::application(8);
const DTID: Tag = Tag::application(9);
const P_ABORT_CAUSE: Tag = Tag::application(10);
const DIALOGUE_PORTION: Tag = Tag::application(11);
const COMPONENT_PORTION: Tag = Tag::application(12);

/// Decodes the data of an SCCP message, which starts at `offset` of the user part, into `decoded`. What was read
/// before an error stays there; `None` if that was not even the message type.
///
/// # Errors
/// See [`TcapError`].
pub fn decode<'a>(
    octets: &'a [u8],
    offset: usize,
    decoded: &mut Option<Tcap<'a>>,
    work: &mut Work,
) -> Result<(), TcapError> {
    let mut outer = Reader::new(octets, offset);
    let message = outer.next(work)?.ok_or(TcapError::Empty)?;
    let kind = Kind::from_tag(message.tag).ok_or(match message.tag.class() {
        Class::Private => TcapError::Ansi(message.tag.number()),
        _ => TcapError::UnknownType,
    })?;
    if !outer.rest().is_empty() {
        work.findings.note(Finding::TrailingOctets, outer.offset());
    }
    if kind == Kind::Unidirectional {
        work.findings.note(Finding::Unidirectional, message.offset);
    }
    let tcap = decoded.insert(Tcap {
        kind,
        otid: None,
        dtid: None,
        p_abort: None,
        dialogue: Dialogue::default(),
        components: Components::default(),
    });
    let needs_otid = matches!(kind, Kind::Begin | Kind::Continue);
    let needs_dtid = matches!(kind, Kind::End | Kind::Continue | Kind::Abort);
    let mut parts = Parts::default();
    let mut reader = message.inside();
    while let Some(element) = reader.next(work)? {
        match element.tag {
            OTID => {
                parts.note(1, needs_otid, &element, work);
                tcap.otid = Some(TransactionId::new(&element, work));
            }
            DTID => {
                parts.note(2, needs_dtid, &element, work);
                tcap.dtid = Some(TransactionId::new(&element, work));
            }
            P_ABORT_CAUSE => {
                parts.note(3, kind == Kind::Abort, &element, work);
                tcap.p_abort = element.integer(work);
            }
            DIALOGUE_PORTION => {
                parts.note(4, true, &element, work);
                dialogue(&element, &mut tcap.dialogue, work)?;
            }
            COMPONENT_PORTION => {
                parts.note(5, kind != Kind::Abort && !element.content.is_empty(), &element, work);
                components(&element, kind, &mut tcap.components, work)?;
            }
            _ => return Err(TcapError::UnexpectedElement { offset: element.offset }),
        }
    }
    if kind == Kind::End
        && let Some(invoke) = tcap.components.iter().find(|one| one.kind == ComponentKind::Invoke)
    {
        work.findings.note(Finding::InvokeInEnd, invoke.offset);
    }
    if needs_otid && tcap.otid.is_none() {
        return Err(TcapError::TransactionIdMissing("originating"));
    }
    if needs_dtid && tcap.dtid.is_none() {
        return Err(TcapError::TransactionIdMissing("destination"));
    }
    Ok(())
}

/// Watches the order in which the parts of a message come (Q.773 §4.2.1).
#[derive(Default)]
struct Parts {
    /// Place of the last one.
    last: u8,
    /// The portions that were there, a bit for each place.
    seen: u8,
}

impl Parts {
    #[inline(always)]
    fn note(&mut self, place: u8, belongs: bool, element: &Element<'_>, work: &mut Work) {
        if place <= self.last || !belongs {
            self.note_odd(place, element, work);
        }
        self.last = place;
        self.seen |= 1u8.wrapping_shl(place.into());
    }

    #[cold]
    fn note_odd(&self, place: u8, element: &Element<'_>, work: &mut Work) {
        let is_portion = matches!(element.tag, DIALOGUE_PORTION | COMPONENT_PORTION);
        let again = self.seen & 1u8.wrapping_shl(place.into()) != 0;
        let finding = if is_portion && again { Finding::DuplicatePortion } else { Finding::UnexpectedPart };
        work.findings.note(finding, element.offset);
    }
}

/// The dialogue portion (Q.773 §4.2.3): an EXTERNAL with a dialogue PDU in it.
fn dialogue<'a>(portion: &Element<'a>, found: &mut Dialogue<'a>, work: &mut Work) -> Result<(), TcapError> {
    const SINGLE_ASN1_TYPE: Tag = Tag::context(0);
    if let Some(name) = usual_dialogue(portion.content) {
        found.application_context = Oid::parse(name, portion.content_offset, &mut work.findings);
        return Ok(());
    }
    let mut reader = portion.inside();
    while let Some(external) = reader.next(work)? {
        if external.tag != EXTERNAL {
            continue;
        }
        let mut inside = external.inside();
        while let Some(element) = inside.next(work)? {
            if element.tag == SINGLE_ASN1_TYPE {
                let mut pdus = element.inside();
                while let Some(pdu) = pdus.next(work)? {
                    dialogue_pdu(&pdu, found, work)?;
                }
            }
        }
    }
    Ok(())
}

/// The application context name in a dialogue portion that has the form which nearly all have: an AARQ, or an AARE
/// that accepts, with a name of seven octets in the arc of MAP and nothing else. What is read here is what reading it
/// element by element gives, at a fraction of the cost.
fn usual_dialogue(content: &[u8]) -> Option<&[u8]> {
    const AARQ: [u8; 23] = [
        0x28, 0x1c, 0x06, 0x07, 0x00, 0x11, 0x86, 0x05, 0x01, 0x01, 0x01, 0xa0, 0x11, 0x60, 0x0f, 0x80, 0x02,
        0x07, 0x80, 0xa1, 0x09, 0x06, 0x07,
    ];
    const AARE: [u8; 23] = [
        0x28, 0x28, 0x06, 0x07, 0x00, 0x11, 0x86, 0x05, 0x01, 0x01, 0x01, 0xa0, 0x1d, 0x61, 0x1b, 0x80, 0x02,
        0x07, 0x80, 0xa1, 0x09, 0x06, 0x07,
    ];
    // result accepted, result-source-diagnostic user null
    const ACCEPTED: [u8; 12] = [0xa2, 0x03, 0x02, 0x01, 0x00, 0xa3, 0x05, 0xa1, 0x03, 0x02, 0x01, 0x00];
    let (start, rest) = content.split_first_chunk::<23>()?;
    let (name, end) = rest.split_first_chunk::<7>()?;
    let usual = match end.len() {
        0 => *start == AARQ,
        12 => *start == AARE && *end == ACCEPTED,
        _ => false,
    };
    (usual && name.starts_with(&[0x04, 0x00, 0x00, 0x01, 0x00]) && name.is_ascii()).then_some(name.as_slice())
}

/// AARQ, AARE or ABRT (Q.773 §4.2.3.1).
fn dialogue_pdu<'a>(pdu: &Element<'a>, found: &mut Dialogue<'a>, work: &mut Work) -> Result<(), TcapError> {
    const APPLICATION_CONTEXT_NAME: Tag = Tag::context(1);
    const USER_INFORMATION: Tag = Tag::context(30);
    // In an ABRT, context tag 1 is not an application context.
    let is_abort = pdu.tag == Tag::application(4);
    let mut reader = pdu.inside();
    while let Some(element) = reader.next(work)? {
        match element.tag {
            APPLICATION_CONTEXT_NAME if !is_abort => {
                let mut names = element.inside();
                while let Some(name) = names.next(work)? {
                    if name.tag == OID {
                        let oid = Oid::parse(name.content, name.offset, &mut work.findings);
                        found.application_context = oid.or(found.application_context);
                    }
                }
            }
            USER_INFORMATION => user_information(&element, found, work)?,
            _ => {}
        }
    }
    Ok(())
}

/// MAP-OpenInfo in the user information (TS 29.002 §17.4): `EXTERNAL { [0] { [0] open { [0] dest, [1] orig } } }`.
fn user_information(
    element: &Element<'_>,
    found: &mut Dialogue<'_>,
    work: &mut Work,
) -> Result<(), TcapError> {
    const SINGLE_ASN1_TYPE: Tag = Tag::context(0);
    const MAP_OPEN: Tag = Tag::context(0);
    const DESTINATION_REFERENCE: Tag = Tag::context(0);
    const ORIGINATING_REFERENCE: Tag = Tag::context(1);
    let mut externals = element.inside();
    while let Some(external) = externals.next(work)? {
        let mut parts = external.inside();
        while let Some(part) = parts.next(work)? {
            if part.tag != SINGLE_ASN1_TYPE || !part.constructed {
                continue;
            }
            let mut pdus = part.inside();
            while let Some(pdu) = pdus.next(work)? {
                if pdu.tag != MAP_OPEN || !pdu.constructed {
                    continue;
                }
                let mut references = pdu.inside();
                while let Some(reference) = references.next(work)? {
                    let slot = match reference.tag {
                        DESTINATION_REFERENCE => &mut found.destination_reference,
                        ORIGINATING_REFERENCE => &mut found.originating_reference,
                        _ => continue,
                    };
                    let octets = reference.octets(work)?;
                    *slot = digits::address(octets.as_slice(), reference.offset, &mut work.findings);
                }
            }
        }
    }
    Ok(())
}

fn components<'a>(
    portion: &Element<'a>,
    message: Kind,
    found: &mut Components<'a>,
    work: &mut Work,
) -> Result<(), TcapError> {
    let mut reader = portion.inside();
    while let Some(element) = reader.next(work)? {
        if found.len() == MAX_COMPONENTS {
            return Err(TcapError::TooManyComponents);
        }
        if message == Kind::Begin && element.tag != Tag::context(1) {
            work.findings.note(Finding::UnexpectedPart, element.offset);
        }
        component(&element, found, work)?;
    }
    Ok(())
}

/// Adds a component to those found, if it could be read.
fn component<'a>(
    element: &Element<'a>,
    found: &mut Components<'a>,
    work: &mut Work,
) -> Result<(), TcapError> {
    let bad = |what| TcapError::BadComponent { offset: element.offset, what };
    let kind = match (element.tag.class(), element.tag.number()) {
        (Class::Context, 1) => ComponentKind::Invoke,
        (Class::Context, 2) => ComponentKind::ReturnResultLast,
        (Class::Context, 3) => ComponentKind::ReturnError,
        (Class::Context, 4) => ComponentKind::Reject,
        (Class::Context, 7) => ComponentKind::ReturnResultNotLast,
        _ => return Err(bad("unknown type")),
    };
    let (mut invoke_id, mut linked_id, mut operation, mut error) = (None, None, None, None);
    let parameter;
    let mut reader = element.inside();
    let first = reader.next(work)?.ok_or(bad("empty"))?;
    match (first.tag, kind) {
        (INTEGER, _) => {
            let id = first.integer(work).ok_or(bad("invoke id out of range"))?;
            note_id(id, &first, work);
            invoke_id = Some(id);
        }
        // Q.773 §4.2.2: a reject that cannot tell the invoke id has NULL there.
        (NULL, ComponentKind::Reject) => {}
        _ => return Err(bad("no invoke id")),
    }
    match kind {
        ComponentKind::Invoke => {
            let mut next = reader.next(work)?.ok_or(bad("no operation code"))?;
            if next.tag == Tag::context(0) {
                linked_id = next.integer(work);
                note_id(linked_id.unwrap_or(i32::MAX), &next, work);
                next = reader.next(work)?.ok_or(bad("no operation code"))?;
            }
            operation = Some(code(&next, work).ok_or(bad("no operation code"))?);
            parameter = reader.next(work)?;
        }
        ComponentKind::ReturnResultLast | ComponentKind::ReturnResultNotLast => {
            let mut inside = match reader.next(work)? {
                Some(sequence) if sequence.tag == SEQUENCE => sequence.inside(),
                Some(_) => return Err(bad("result is not a sequence")),
                None => reader,
            };
            if let Some(element) = inside.next(work)? {
                operation = Some(code(&element, work).ok_or(bad("no operation code"))?);
            }
            parameter = inside.next(work)?;
            note_rest(&inside, work);
        }
        ComponentKind::ReturnError => {
            let next = reader.next(work)?.ok_or(bad("no error code"))?;
            error = Some(code(&next, work).ok_or(bad("no error code"))?);
            parameter = reader.next(work)?;
        }
        ComponentKind::Reject => parameter = reader.next(work)?,
    }
    note_rest(&reader, work);
    if invoke_id.is_some_and(i32::is_negative) {
        work.findings.note(Finding::NegativeInvokeId, first.offset);
    }
    if kind == ComponentKind::Invoke && found.iter().any(|other| other.kind == ComponentKind::Invoke) {
        work.findings.note(Finding::SeveralInvokes, element.offset);
    }
    found.push(Component { kind, invoke_id, linked_id, operation, error, parameter, offset: element.offset });
    Ok(())
}

/// Notes octets after the last part that a component may have.
fn note_rest(reader: &Reader<'_>, work: &mut Work) {
    if !reader.rest().is_empty() {
        work.findings.note(Finding::TrailingOctets, reader.offset());
    }
}

/// Notes an invoke or linked id that is out of range.
#[inline(always)]
fn note_id(id: i32, element: &Element<'_>, work: &mut Work) {
    if i8::try_from(id).is_err() {
        work.findings.note(Finding::InvokeIdRange, element.offset);
    }
}

/// A local or global code.
fn code<'a>(element: &Element<'a>, work: &mut Work) -> Option<Code<'a>> {
    match element.tag {
        INTEGER => element.integer(work).map(Code::Local),
        OID => {
            work.findings.note(Finding::GlobalOpcode, element.offset);
            Oid::parse(element.content, element.offset, &mut work.findings).map(Code::Global)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
