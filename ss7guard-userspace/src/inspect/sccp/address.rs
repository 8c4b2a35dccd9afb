//! SCCP addresses (Q.713 §3.4, §3.5) and global titles in all their forms.
//!
//! What an address looks like depends on the association's [`Flavour`].

use crate::inspect::digits::Digits;
use crate::inspect::findings::{Finding, Findings};
use crate::inspect::sccp::{Flavour, SSN_MANAGEMENT, SccpError};

/// An address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// How it is coded.
    pub flavour: Flavour,
    /// Signalling point code, 14 or 24 bits.
    pub point_code: Option<u32>,
    /// Subsystem number.
    pub ssn: Option<u8>,
    /// Whether routing is on SSN (and point code); else on the global title.
    pub route_on_ssn: bool,
    /// Bit 8 of the indicator: reserved for national use (ITU-T), or coded by a national standard (ANSI).
    pub national: bool,
    /// The global title.
    pub global_title: Option<GlobalTitle>,
}

impl Address {
    /// The digits of the global title, if there is one with digits.
    #[must_use]
    pub fn digits(&self) -> Option<&str> {
        self.global_title.as_ref().map(|title| title.digits.as_str()).filter(|digits| !digits.is_empty())
    }
}

/// A global title (Q.713 §3.4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalTitle {
    /// Global title indicator, 1 to 15.
    pub indicator: u8,
    /// Translation type, where the form has it.
    pub translation_type: Option<u8>,
    /// Numbering plan, where the form has it: 1 E.164, 6 E.212, 7 E.214, ...
    pub numbering_plan: Option<u8>,
    /// Encoding scheme, where the form has it: 1 BCD odd, 2 BCD even, ...
    pub encoding_scheme: Option<u8>,
    /// Nature of address, where the form has it: 4 international, 3 national, ...
    pub nature: Option<u8>,
    /// The digits; empty for encodings that are not BCD, and for the indicators 5 to 15.
    pub digits: Digits,
}

/// Decodes the octets of an address into `address`; `offset` is that of its length octet.
///
/// # Errors
/// It ends before what its indicator announces; what was read before stays in `address`.
pub fn decode(
    octets: &[u8],
    offset: usize,
    address: &mut Address,
    findings: &mut Findings,
) -> Result<(), SccpError> {
    let at = offset.saturating_add(1);
    let truncated = |what| SccpError::Truncated { what, offset: at };
    let (&indicator, mut rest) = octets.split_first().ok_or(truncated("address indicator"))?;
    address.route_on_ssn = indicator & 0x40 != 0;
    address.national = indicator & 0x80 != 0;
    // ANSI has the two indicator bits, and what they announce, the other way round.
    let (with_code, with_ssn) = match address.flavour {
        Flavour::Ansi => (indicator & 0x02 != 0, indicator & 0x01 != 0),
        Flavour::Itu | Flavour::China => (indicator & 0x01 != 0, indicator & 0x02 != 0),
    };
    if with_ssn && address.flavour == Flavour::Ansi {
        rest = subsystem(rest, &mut address.ssn).ok_or(truncated("subsystem number"))?;
    }
    if with_code {
        rest = point_code(rest, address).ok_or(truncated("point code"))?;
    }
    if with_ssn && address.flavour != Flavour::Ansi {
        rest = subsystem(rest, &mut address.ssn).ok_or(truncated("subsystem number"))?;
    }
    match indicator >> 2 & 0x0f {
        0 => {
            // Management is between neighbours: by point code.
            if address.ssn != Some(SSN_MANAGEMENT) {
                findings.note(Finding::GlobalTitleMissing, at);
            }
            Ok(())
        }
        form => {
            if with_code {
                findings.note(Finding::PointCodeInAddress, at);
            }
            let form = Form { indicator: form, flavour: address.flavour };
            global_title(form, rest, at, &mut address.global_title, findings)
        }
    }
}

/// Takes the subsystem number.
fn subsystem<'a>(octets: &'a [u8], ssn: &mut Option<u8>) -> Option<&'a [u8]> {
    let (&number, after) = octets.split_first()?;
    *ssn = Some(number);
    Some(after)
}

/// Takes the point code: least significant octet first (Q.713 §3.4.2.1; T1.112.3 has member, cluster, network).
fn point_code<'a>(octets: &'a [u8], address: &mut Address) -> Option<&'a [u8]> {
    let (code, after) = if address.flavour == Flavour::Itu {
        let ([low, high], after) = octets.split_first_chunk()?;
        (u32::from(u16::from_le_bytes([*low, *high])) & 0x3fff, after)
    } else {
        let ([low, middle, high], after) = octets.split_first_chunk()?;
        (u32::from_le_bytes([*low, *middle, *high, 0]), after)
    };
    address.point_code = Some(code);
    Some(after)
}

/// The form of a global title.
#[derive(Clone, Copy)]
struct Form {
    indicator: u8,
    flavour: Flavour,
}

fn global_title(
    form: Form,
    octets: &[u8],
    offset: usize,
    decoded: &mut Option<GlobalTitle>,
    findings: &mut Findings,
) -> Result<(), SccpError> {
    let truncated = SccpError::Truncated { what: "global title", offset };
    let title = decoded.insert(GlobalTitle {
        indicator: form.indicator,
        translation_type: None,
        numbering_plan: None,
        encoding_scheme: None,
        nature: None,
        digits: Digits::default(),
    });
    // Whether the last nibble is a filler.
    let odd;
    let digits = match (form.flavour, form.indicator) {
        (Flavour::Ansi, 1) => {
            // As the third form of ITU-T.
            let ([translation, plan], digits) = octets.split_first_chunk().ok_or(truncated)?;
            title.translation_type = Some(*translation);
            odd = scheme(title, *plan);
            digits
        }
        (_, 1) => {
            let (&nature, digits) = octets.split_first().ok_or(truncated)?;
            title.nature = Some(nature & 0x7f);
            odd = Some(nature & 0x80 != 0);
            digits
        }
        (_, 2) => {
            // Encoding and plan are implied by the translation type; digits are in practice BCD.
            let (&translation, digits) = octets.split_first().ok_or(truncated)?;
            title.translation_type = Some(translation);
            odd = None;
            digits
        }
        (Flavour::Itu | Flavour::China, 3) => {
            let ([translation, plan], digits) = octets.split_first_chunk().ok_or(truncated)?;
            title.translation_type = Some(*translation);
            odd = scheme(title, *plan);
            digits
        }
        (Flavour::Itu | Flavour::China, 4) => {
            let ([translation, plan, nature], digits) = octets.split_first_chunk().ok_or(truncated)?;
            title.translation_type = Some(*translation);
            title.nature = Some(nature & 0x7f);
            odd = scheme(title, *plan);
            digits
        }
        _ => return Ok(()),
    };
    if title.encoding_scheme.is_some_and(|scheme| !matches!(scheme, 0..=2)) {
        findings.note(Finding::OddDigits, offset);
        return Ok(());
    }
    if form.flavour != Flavour::Ansi {
        note_form(title, offset, findings);
    }
    title.digits.read_swapped(digits);
    match odd {
        Some(true) => title.digits.drop_last(),
        Some(false) => {}
        None => {
            // Nothing in the address says whether 15 is a filler or a signal: Q.713 §3.4.2.3.1 has 0 for the one and
            // "ST" for 15; §3.4.2.3.2 leaves it to the translation type, and scheme 0 is "unknown".
            if digits.last().is_some_and(|octet| octet >> 4 == 0x0f) {
                findings.note(Finding::OddDigits, offset);
            }
            title.digits.drop_filler();
        }
    }
    if !title.digits.is_decimal() {
        findings.note(Finding::OddDigits, offset);
    }
    Ok(())
}

/// Notes a form that international traffic does not have (Q.713 Annex B.4).
fn note_form(title: &GlobalTitle, offset: usize, findings: &mut Findings) {
    const INTERNATIONAL: u8 = 4;
    if title.indicator != 4 {
        findings.note(Finding::GlobalTitleForm, offset);
    } else if title.nature != Some(INTERNATIONAL) {
        findings.note(Finding::GlobalTitleNature, offset);
    }
}

/// Notes plan and encoding scheme; gives whether the number of digits is odd, where the scheme says it.
fn scheme(title: &mut GlobalTitle, plan: u8) -> Option<bool> {
    title.numbering_plan = Some(plan >> 4);
    title.encoding_scheme = Some(plan & 0x0f);
    match plan & 0x0f {
        1 => Some(true),
        2 => Some(false),
        _ => None,
    }
}
