//! One M3UA DATA message, decoded as far as it goes, with an explicit outcome.

use std::fmt;

use ss7guard_common::wire::m3ua::{Data, SI_SCCP};

use crate::inspect::ber::{BerError, Work};
use crate::inspect::findings::{Finding, Findings};
use crate::inspect::gsm_map::{self, Identities, Protocol, contexts, extract, sms, subsystems};
use crate::inspect::sccp::{self, Flavour, Sccp, SccpError};
use crate::inspect::tcap::{self, Code, Component, ComponentKind, Tcap, TcapError};

/// Why a message could not be decoded to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// SCCP.
    Sccp(SccpError),
    /// TCAP.
    Tcap(TcapError),
    /// The argument or result of an operation.
    GsmMap(BerError),
}

impl Problem {
    /// The layer that gave up.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        match self {
            Self::Sccp(_) => "sccp",
            Self::Tcap(_) => "tcap",
            Self::GsmMap(_) => "gsm_map",
        }
    }

    /// The one spelling of the reason, for counters, JSON and tests.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Sccp(SccpError::ConnectionOriented(_)) => "sccp_connection_oriented",
            Self::Sccp(SccpError::UnknownType(_)) => "sccp_unknown_type",
            Self::Sccp(SccpError::Truncated { .. }) => "sccp_truncated",
            Self::Tcap(TcapError::Ber(error)) => match error {
                BerError::Truncated { .. } => "tcap_truncated",
                BerError::TagTooLong { .. } => "tcap_tag_too_long",
                BerError::BadLength { .. } => "tcap_bad_length",
                BerError::TooDeep { .. } => "tcap_too_deep",
                BerError::TooMany => "tcap_too_many_elements",
            },
            Self::Tcap(TcapError::Empty) => "tcap_empty",
            Self::Tcap(TcapError::Ansi(_)) => "tcap_ansi",
            Self::Tcap(TcapError::UnknownType) => "tcap_unknown_type",
            Self::Tcap(TcapError::TooManyComponents) => "tcap_too_many_components",
            Self::Tcap(TcapError::TransactionIdMissing(_)) => "tcap_transaction_id_missing",
            Self::Tcap(TcapError::BadComponent { .. }) => "tcap_bad_component",
            Self::Tcap(TcapError::UnexpectedElement { .. }) => "tcap_unexpected_element",
            Self::GsmMap(_) => "gsm_map_bad_parameter",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sccp(error) => error.fmt(f),
            Self::Tcap(error) => error.fmt(f),
            Self::GsmMap(error) => error.fmt(f),
        }
    }
}

/// How far decoding came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To the end.
    Decoded,
    /// Another user part than SCCP.
    NotSccp,
    /// SCCP management: no TCAP inside.
    Management,
    /// One of several SCCP segments: TCAP shows only in the whole.
    Segment,
    /// Not to the end.
    Undecodable(Problem),
}

/// A decoded message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Label and M3UA parameters.
    pub m3ua: Data,
    /// SCCP, as far as it could be decoded.
    pub sccp: Option<Sccp<'a>>,
    /// TCAP, as far as it could be decoded.
    pub tcap: Option<Tcap<'a>>,
    /// MAP or CAP.
    pub protocol: Protocol,
    /// Identities of all components, the first of each kind.
    pub identities: Identities,
    /// The short message that it carries, the first if there are several.
    pub sms: Option<sms::Sms>,
    /// Odd forms.
    pub findings: Findings,
    /// How far decoding came.
    pub outcome: Outcome,
}

impl<'a> Message<'a> {
    /// Decodes the user part of a message with this label, as ITU-T has it.
    #[must_use]
    pub fn decode(m3ua: Data, user_part: &'a [u8]) -> Self {
        Self::decode_as(m3ua, user_part, Flavour::Itu)
    }

    /// Decodes the user part of a message of an association with this flavour of addresses.
    #[must_use]
    pub fn decode_as(m3ua: Data, user_part: &'a [u8], flavour: Flavour) -> Self {
        let mut message = Self::empty(m3ua);
        if m3ua.label.si == SI_SCCP {
            let mut work = Work::default();
            message.outcome = match message.decode_sccp(user_part, flavour, &mut work) {
                Ok(outcome) => outcome,
                Err(problem) => Outcome::Undecodable(problem),
            };
            message.findings = work.findings;
        }
        message
    }

    #[inline(always)]
    fn empty(m3ua: Data) -> Self {
        Self {
            m3ua,
            sccp: None,
            tcap: None,
            protocol: Protocol::default(),
            identities: Identities::default(),
            sms: None,
            findings: Findings::default(),
            outcome: Outcome::NotSccp,
        }
    }

    /// Decodes the data of SCCP segments that were put together; `sccp` is that of the segment which came last.
    #[must_use]
    pub fn decode_joined(m3ua: Data, sccp: &Sccp<'_>, data: &'a [u8]) -> Self {
        let mut message = Self::empty(m3ua);
        message.sccp = Some(Sccp {
            kind: sccp.kind,
            class_or_cause: sccp.class_or_cause,
            hop_counter: sccp.hop_counter,
            called: sccp.called,
            calling: sccp.calling,
            segmentation: sccp.segmentation,
            data,
            data_offset: 0,
        });
        let mut work = Work::default();
        message.outcome = match message.decode_data(sccp.kind.is_service(), &mut work) {
            Ok(outcome) => outcome,
            Err(problem) => Outcome::Undecodable(problem),
        };
        message.findings = work.findings;
        message
    }

    /// Decodes a bare TCAP message.
    #[must_use]
    pub fn decode_tcap_only(octets: &'a [u8]) -> Self {
        let mut message = Self::decode(Data::default(), &[]);
        let mut work = Work::default();
        message.outcome = match message.decode_tcap(octets, 0, &mut work) {
            Ok(()) => Outcome::Decoded,
            Err(problem) => Outcome::Undecodable(problem),
        };
        message.findings = work.findings;
        message
    }

    fn decode_sccp(
        &mut self,
        user_part: &'a [u8],
        flavour: Flavour,
        work: &mut Work,
    ) -> Result<Outcome, Problem> {
        sccp::decode(user_part, flavour, &mut self.sccp, &mut work.findings).map_err(Problem::Sccp)?;
        let Some(sccp) = &self.sccp else { return Ok(Outcome::NotSccp) };
        if sccp.is_management() {
            if sccp.holds_management() {
                return Ok(Outcome::Management);
            }
            // A translator on the way may put another subsystem number there.
            work.findings.note(Finding::ManagementMismatch, sccp.data_offset);
        }
        if !sccp.kind.is_service() {
            subsystems::note_missing(sccp, user_part, &mut work.findings);
        }
        if sccp.segmentation.is_some_and(|part| part.is_part()) {
            return Ok(Outcome::Segment);
        }
        let service = sccp.kind.is_service();
        self.decode_data(service, work)
    }

    /// Decodes what SCCP carries.
    fn decode_data(&mut self, service: bool, work: &mut Work) -> Result<Outcome, Problem> {
        let Some((data, offset)) = self.sccp.as_ref().map(|sccp| (sccp.data, sccp.data_offset)) else {
            return Ok(Outcome::NotSccp);
        };
        match self.decode_tcap(data, offset, work) {
            // A service message may bring back only the beginning of what was sent (Q.713 §4.11).
            Err(_) if service => Ok(Outcome::Decoded),
            other => other.map(|()| Outcome::Decoded),
        }
    }

    fn decode_tcap(&mut self, octets: &'a [u8], offset: usize, work: &mut Work) -> Result<(), Problem> {
        let mut result = tcap::decode(octets, offset, &mut self.tcap, work).map_err(Problem::Tcap);
        let Some(tcap) = &self.tcap else { return result };
        let ssn = |address: fn(&Sccp<'a>) -> Option<u8>| self.sccp.as_ref().and_then(address);
        let context = tcap.dialogue.application_context.as_ref().map(gsm_map::context);
        self.protocol = gsm_map::protocol(context, ssn(|sccp| sccp.called.ssn), ssn(|sccp| sccp.calling.ssn));
        // A message on its way back has its sender as called party.
        let performer = self.sccp.as_ref().filter(|sccp| !sccp.kind.is_service());
        let performer = performer.and_then(|sccp| sccp.called.ssn).filter(|ssn| *ssn != 0);
        contexts::check(tcap, context, self.protocol, performer, offset, work);
        for component in tcap.components.iter() {
            // Every component is looked at, also after one that is broken.
            let one = extract::component(component, self.protocol, &mut self.identities, work);
            result = result.and(one.map_err(Problem::GsmMap));
            if self.protocol == Protocol::Map {
                let one = sms::component(component, &mut self.sms, work);
                result = result.and(one.map_err(Problem::GsmMap));
            }
        }
        result
    }

    /// The invokes of the message with a local operation code.
    pub fn invokes(&self) -> impl Iterator<Item = (usize, i32)> + '_ {
        self.components().iter().enumerate().filter_map(|(index, component)| match component {
            Component { kind: ComponentKind::Invoke, operation: Some(Code::Local(code)), .. } => {
                Some((index, *code))
            }
            _ => None,
        })
    }

    /// The components; none if TCAP was not decoded.
    #[must_use]
    pub fn components(&self) -> &[Component<'a>] {
        self.tcap.as_ref().map_or(&[], |tcap| &tcap.components)
    }

    /// Digits of the calling global title.
    #[must_use]
    pub fn calling_gt(&self) -> Option<&str> {
        self.sccp.as_ref()?.calling.digits()
    }

    /// Digits of the called global title.
    #[must_use]
    pub fn called_gt(&self) -> Option<&str> {
        self.sccp.as_ref()?.called.digits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ss7guard_common::wire::m3ua::Label;

    fn data(si: u8) -> Data {
        Data { label: Label { si, ..Label::default() }, ..Data::default() }
    }

    #[test]
    fn another_user_part_is_no_error() {
        assert_eq!(Message::decode(data(5), &[1, 2, 3]).outcome, Outcome::NotSccp);
    }

    #[test]
    fn what_cannot_be_decoded_has_layer_and_reason() {
        let message = Message::decode(data(3), &[0x06, 0x00]);
        let Outcome::Undecodable(problem) = message.outcome else { panic!("{:?}", message.outcome) };
        assert_eq!((problem.layer(), problem.reason()), ("sccp", "sccp_connection_oriented"));
        let message = Message::decode_tcap_only(&[0x62, 0x05]);
        let Outcome::Undecodable(problem) = message.outcome else { panic!("{:?}", message.outcome) };
        assert_eq!((problem.layer(), problem.reason()), ("tcap", "tcap_truncated"));
    }

    #[test]
    fn management_and_segments_are_outcomes_of_their_own() {
        let mut management =
            vec![0x09, 0x00, 0x03, 0x05, 0x07, 0x02, 0x42, 0x01, 0x02, 0x42, 0x01, 0x05, 1, 8, 1, 2, 0];
        assert_eq!(Message::decode(data(3), &management).outcome, Outcome::Management);
        // The same subsystem, and something else inside.
        management[12] = 0x62;
        let message = Message::decode(data(3), &management);
        assert!(message.findings.contains(Finding::ManagementMismatch), "{:?}", message.findings);
        let segment = [
            0x11, 0x01, 0x0f, 0x04, 0x06, 0x08, 0x09, 0x02, 0x42, 0x06, 0x02, 0x42, 0x08, 0x01, 0x62, 0x10,
            0x04, 0x81, 0, 0, 1, 0,
        ];
        assert_eq!(Message::decode(data(3), &segment).outcome, Outcome::Segment);
    }
}
