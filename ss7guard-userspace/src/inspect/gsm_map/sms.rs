//! Short messages inside MAP (TS 23.040 §9.2): the sm-RP-UI of mo-ForwardSM, mt-ForwardSM and the forwardSM of the
//! versions 1 and 2.
//!
//! Header fields only: type, other party, protocol identifier, coding, ports and concatenation of the user data
//! header. The text is never kept.

pub mod address;
pub mod user_data;

use crate::inspect::ber::{BerError, Class, Element, OCTET_STRING, Reader, Work};
use crate::inspect::findings::Finding;
use crate::inspect::tcap::{Code, Component, ComponentKind};

pub use address::Party;
pub use user_data::{Coding, Concatenation, Ports};

/// Which way a short message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To a mobile.
    Terminated,
    /// From a mobile.
    Originated,
}

/// Message types (TS 23.040 §9.2.3.1) that an invoke carries; the reports are in results and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// SMS-DELIVER, to a mobile.
    Deliver,
    /// SMS-STATUS-REPORT, to a mobile.
    StatusReport,
    /// SMS-SUBMIT, from a mobile.
    Submit,
    /// SMS-COMMAND, from a mobile.
    Command,
}

impl Type {
    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::StatusReport => "status_report",
            Self::Submit => "submit",
            Self::Command => "command",
        }
    }
}

/// A short message without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sms {
    /// Its type.
    pub kind: Type,
    /// Originator of an SMS-DELIVER, recipient that an SMS-STATUS-REPORT is about, else destination.
    pub party: Option<Party>,
    /// TP-Protocol-Identifier (§9.2.3.9); optional in an SMS-STATUS-REPORT.
    pub pid: Option<u8>,
    /// TP-Data-Coding-Scheme (§9.2.3.10); not in an SMS-COMMAND, optional in an SMS-STATUS-REPORT.
    pub coding: Option<Coding>,
    /// Ports of the user data header.
    pub ports: Option<Ports>,
    /// Concatenation of the user data header.
    pub concatenation: Option<Concatenation>,
    /// Whether the user data header has a (U)SIM toolkit security header (IEI 70 to 7f).
    pub toolkit_security: bool,
}

impl Sms {
    const fn new(kind: Type) -> Self {
        Self {
            kind,
            party: None,
            pid: None,
            coding: None,
            ports: None,
            concatenation: None,
            toolkit_security: false,
        }
    }

    /// Whether a mobile acknowledges the message without showing it: short message type 0 (§9.2.3.9).
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.pid == Some(0x40)
    }

    /// Whether the user data are octets of no alphabet.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.coding.is_some_and(Coding::is_binary)
    }

    /// Whether the message is for the (U)SIM: data download (§9.2.3.9), class 2, or a toolkit security header.
    #[must_use]
    pub fn is_for_sim(&self) -> bool {
        const DATA_DOWNLOAD: u8 = 0x7f;
        const SIM_SPECIFIC: u8 = 2;
        self.pid == Some(DATA_DOWNLOAD)
            || self.coding.and_then(Coding::class) == Some(SIM_SPECIFIC)
            || self.toolkit_security
    }
}

/// A TPDU that ends early, or that says of itself what is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Adds the short message of a component, if it is one that carries one and none was found before. What is broken is
/// noted.
///
/// # Errors
/// The argument is not BER.
#[inline]
pub fn component(
    component: &Component<'_>,
    found: &mut Option<Sms>,
    work: &mut Work,
) -> Result<(), BerError> {
    match (component.operation, component.kind, &component.parameter) {
        (Some(Code::Local(code @ (44 | 46))), ComponentKind::Invoke, Some(argument)) => {
            let mut another = None;
            // Each is looked at, the first is kept.
            forwarded(code == 44, argument, if found.is_none() { found } else { &mut another }, work)
        }
        _ => Ok(()),
    }
}

/// sm-RP-DA, sm-RP-OA and sm-RP-UI (TS 29.002 §17.7.6).
#[inline(never)]
fn forwarded(
    is_mt: bool,
    argument: &Element<'_>,
    found: &mut Option<Sms>,
    work: &mut Work,
) -> Result<(), BerError> {
    const LMSI: u32 = 1;
    const MSISDN: u32 = 2;
    const ROAMING_NUMBER: u32 = 3;
    const SERVICE_CENTRE: u32 = 4;
    let (mut destination, mut origin) = (None, None);
    let mut elements = argument.inside();
    while argument.constructed
        && let Some(element) = elements.next(work)?
    {
        if element.tag.class() == Class::Context {
            let slot = if destination.is_none() { &mut destination } else { &mut origin };
            *slot = Some(element.tag.number());
        }
        if element.tag != OCTET_STRING {
            continue;
        }
        // One operation for both ways in the versions 1 and 2: the service centre is on the other side of the
        // mobile. Neither address is in the later messages of a dialogue, which only go to mobiles.
        let direction = match (is_mt, destination, origin) {
            (true, ..) | (_, Some(0 | LMSI | ROAMING_NUMBER), _) => Direction::Terminated,
            (_, Some(SERVICE_CENTRE), _) | (_, _, Some(MSISDN)) => Direction::Originated,
            _ => Direction::Terminated,
        };
        let decoded = if element.constructed {
            let mut joined = Joined::default();
            joined.add(element.inside(), 0, work)?;
            work.findings.note(Finding::ConstructedString, element.offset);
            decode(joined.octets.get(..joined.len).unwrap_or_default(), direction, found)
        } else {
            decode(element.content, direction, found)
        };
        if decoded.is_err() {
            work.findings.note(Finding::SmsMalformed, element.offset);
        }
        break;
    }
    Ok(())
}

/// Octets of a SignalInfo (TS 29.002 §17.7.8); pieces beyond are cut off.
const MAX_TPDU: usize = 200;

/// A TPDU put together from the pieces of a constructed string.
struct Joined {
    octets: [u8; MAX_TPDU],
    len: usize,
}

impl Default for Joined {
    fn default() -> Self {
        Self { octets: [0; MAX_TPDU], len: 0 }
    }
}

impl Joined {
    #[cold]
    fn add(&mut self, mut pieces: Reader<'_>, depth: u8, work: &mut Work) -> Result<(), BerError> {
        const MAX_DEPTH: u8 = 4;
        while let Some(piece) = pieces.next(work)? {
            if !piece.constructed {
                for (slot, octet) in self.octets.iter_mut().skip(self.len).zip(piece.content) {
                    *slot = *octet;
                }
                self.len = self.len.saturating_add(piece.content.len()).min(MAX_TPDU);
            } else if depth < MAX_DEPTH {
                self.add(piece.inside(), depth.saturating_add(1), work)?;
            } else {
                return Err(BerError::TooDeep { offset: piece.offset });
            }
        }
        Ok(())
    }
}

/// Octets that are taken one after the other.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, Malformed> {
        let (octet, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*octet)
    }
}

/// Decodes a TPDU into `decoded`. What was read before an error stays there; `None` if that was not even the type.
///
/// # Errors
/// The TPDU is cut off, its lengths contradict each other, or its type does not go that way.
pub fn decode(tpdu: &[u8], direction: Direction, decoded: &mut Option<Sms>) -> Result<(), Malformed> {
    const TIMESTAMP: usize = 7;
    let mut octets = Octets(tpdu);
    let first = octets.octet()?;
    let (kind, is_reserved) = match (direction, first & 0b11) {
        (Direction::Terminated, 0b00) => (Type::Deliver, false),
        (Direction::Terminated, 0b10) => (Type::StatusReport, false),
        // §9.2.3.1: a mobile takes the reserved type for an SMS-DELIVER.
        (Direction::Terminated, 0b11) => (Type::Deliver, true),
        (Direction::Originated, 0b01) => (Type::Submit, false),
        (Direction::Originated, 0b10) => (Type::Command, false),
        _ => return Err(Malformed),
    };
    let sms = decoded.insert(Sms::new(kind));
    let has_header = first & 0b0100_0000 != 0;
    match kind {
        Type::Deliver => {
            sms.party = address::read(&mut octets)?;
            sms.pid = Some(octets.octet()?);
            let coding = *sms.coding.insert(Coding(octets.octet()?));
            octets.take(TIMESTAMP)?;
            user_data::read(&mut octets, coding, has_header, sms)?;
        }
        Type::Submit => {
            // message reference
            octets.octet()?;
            sms.party = address::read(&mut octets)?;
            sms.pid = Some(octets.octet()?);
            let coding = *sms.coding.insert(Coding(octets.octet()?));
            // validity period: none, enhanced, relative or absolute
            octets.take(match first >> 3 & 0b11 {
                0b00 => 0,
                0b10 => 1,
                _ => TIMESTAMP,
            })?;
            user_data::read(&mut octets, coding, has_header, sms)?;
        }
        Type::StatusReport => {
            octets.octet()?;
            sms.party = address::read(&mut octets)?;
            // service centre's timestamp, discharge time, status
            octets.take(TIMESTAMP)?;
            octets.take(TIMESTAMP)?;
            octets.octet()?;
            status_report_rest(&mut octets, has_header, sms)?;
        }
        Type::Command => {
            octets.octet()?;
            sms.pid = Some(octets.octet()?);
            // command type, message number
            octets.take(2)?;
            sms.party = address::read(&mut octets)?;
            user_data::read(&mut octets, Coding(0b0000_0100), has_header, sms)?;
        }
    }
    if is_reserved { Err(Malformed) } else { Ok(()) }
}

/// What may follow in an SMS-STATUS-REPORT, as the parameter indicator says (§9.2.3.27).
fn status_report_rest(octets: &mut Octets<'_>, has_header: bool, sms: &mut Sms) -> Result<(), Malformed> {
    let Ok(mut indicator) = octets.octet() else { return Ok(()) };
    let present = indicator;
    while indicator & 0x80 != 0 {
        indicator = octets.octet()?;
    }
    if present & 0b001 != 0 {
        sms.pid = Some(octets.octet()?);
    }
    if present & 0b010 != 0 {
        sms.coding = Some(Coding(octets.octet()?));
    }
    if present & 0b100 != 0 {
        user_data::read(octets, sms.coding.unwrap_or(Coding(0)), has_header, sms)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
