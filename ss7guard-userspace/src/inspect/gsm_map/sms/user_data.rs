//! User data of short messages: coding and header, not the text (TS 23.040 §9.2.3.10, §9.2.3.16, §9.2.3.24).

use super::{Malformed, Octets, Sms};

/// Application ports (TS 23.040 §9.2.3.24.3, §9.2.3.24.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Originator.
    pub source: u16,
    /// Destination.
    pub destination: u16,
}

/// A part of a concatenated message (TS 23.040 §9.2.3.24.1, §9.2.3.24.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concatenation {
    /// Reference number, the same in all parts.
    pub reference: u16,
    /// Number of parts.
    pub total: u8,
    /// Number of this part, from 1.
    pub part: u8,
}

/// TP-Data-Coding-Scheme (TS 23.038 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coding(pub u8);

impl Coding {
    /// Whether the user data are characters of seven bits and not compressed: its length counts these, not octets.
    #[must_use]
    pub const fn is_septets(self) -> bool {
        match self.0 >> 4 {
            0b0000..=0b0111 => self.0 & 0b0010_0000 == 0 && self.0 & 0b1100 == 0,
            0b1110 => false,
            0b1111 => self.0 & 0b0100 == 0,
            // 1100 and 1101: message waiting; reserved groups count as the default alphabet.
            _ => true,
        }
    }

    /// Whether the user data are octets of no alphabet.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        match self.0 >> 4 {
            0b0000..=0b0111 => self.0 & 0b1100 == 0b0100,
            0b1111 => self.0 & 0b0100 != 0,
            _ => false,
        }
    }

    /// Message class, 0 to 3: for display only, ME-, (U)SIM- or TE-specific.
    #[must_use]
    pub const fn class(self) -> Option<u8> {
        match self.0 >> 4 {
            0b0000..=0b0111 if self.0 & 0b0001_0000 != 0 => Some(self.0 & 0b11),
            0b1111 => Some(self.0 & 0b11),
            _ => None,
        }
    }
}

/// User data length and user data with their header (§9.2.3.16, §9.2.3.24).
pub(super) fn read(
    octets: &mut Octets<'_>,
    coding: Coding,
    has_header: bool,
    sms: &mut Sms,
) -> Result<(), Malformed> {
    const MAX_SEPTETS: u8 = 160;
    const MAX_OCTETS: u8 = 140;
    let length = octets.octet()?;
    let (len, most) = if coding.is_septets() {
        (usize::from(length).saturating_mul(7).div_ceil(8), MAX_SEPTETS)
    } else {
        (usize::from(length), MAX_OCTETS)
    };
    // What there is of a header is read, also where the length says more than there is.
    let data = octets.0.get(..len).unwrap_or(octets.0);
    let read = if has_header { header(data, sms) } else { Ok(()) };
    let is_whole = octets.0.len() >= len && length <= most;
    if is_whole { read } else { Err(Malformed) }
}

/// The information elements before the text (§9.2.3.24). Of one that comes again the last counts, as there.
fn header(data: &[u8], sms: &mut Sms) -> Result<(), Malformed> {
    let mut data = Octets(data);
    let len = usize::from(data.octet()?);
    let is_whole = data.0.len() >= len;
    let mut elements = Octets(data.0.get(..len).unwrap_or(data.0));
    let mut result = if is_whole { Ok(()) } else { Err(Malformed) };
    while let Ok(identifier) = elements.octet() {
        let len = elements.octet()?;
        match (identifier, elements.take(usize::from(len))?) {
            (0x00, [reference, total, part]) => {
                let reference = u16::from(*reference);
                result = result.and(concatenation(sms, reference, *total, *part));
            }
            (0x08, [high, low, total, part]) => {
                let reference = u16::from_be_bytes([*high, *low]);
                result = result.and(concatenation(sms, reference, *total, *part));
            }
            (0x04, [destination, source]) => {
                sms.ports = Some(Ports { source: (*source).into(), destination: (*destination).into() });
            }
            (0x05, [a, b, c, d]) => {
                sms.ports = Some(Ports {
                    source: u16::from_be_bytes([*c, *d]),
                    destination: u16::from_be_bytes([*a, *b]),
                });
            }
            (0x00 | 0x04 | 0x05 | 0x08, _) => result = Err(Malformed),
            (0x70..=0x7f, _) => sms.toolkit_security = true,
            _ => {}
        }
    }
    result
}

/// §9.2.3.24.1: a part 0 or beyond the total makes the element void.
fn concatenation(sms: &mut Sms, reference: u16, total: u8, part: u8) -> Result<(), Malformed> {
    if part == 0 || part > total {
        return Err(Malformed);
    }
    sms.concatenation = Some(Concatenation { reference, total, part });
    Ok(())
}
