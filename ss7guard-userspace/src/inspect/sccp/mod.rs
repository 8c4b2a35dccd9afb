//! SCCP messages (ITU-T Q.713): connectionless types with their addresses and data.
//!
//! Input: the user part of M3UA Protocol Data with service indicator 3. Output: [`Sccp`], borrowed from it.
//! Connection-oriented types and SCCP management are recognised, not decoded. Segments are shown as such; putting
//! them together is another module's work.

pub mod address;

use thiserror::Error;

pub use address::{Address, GlobalTitle};
pub use ss7guard_common::wire::sccp::Flavour;

use crate::inspect::findings::{Finding, Findings};

/// Message types (Q.713 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Unitdata.
    Udt,
    /// Unitdata service: an undeliverable UDT on its way back.
    Udts,
    /// Extended unitdata.
    Xudt,
    /// Extended unitdata service.
    Xudts,
    /// Long unitdata.
    Ludt,
    /// Long unitdata service.
    Ludts,
}

impl Kind {
    /// The type with this number, if it is a connectionless one.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0x09 => Some(Self::Udt),
            0x0a => Some(Self::Udts),
            0x11 => Some(Self::Xudt),
            0x12 => Some(Self::Xudts),
            0x13 => Some(Self::Ludt),
            0x14 => Some(Self::Ludts),
            _ => None,
        }
    }

    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udt => "UDT",
            Self::Udts => "UDTS",
            Self::Xudt => "XUDT",
            Self::Xudts => "XUDTS",
            Self::Ludt => "LUDT",
            Self::Ludts => "LUDTS",
        }
    }

    /// Whether this is a returned message.
    #[must_use]
    pub const fn is_service(self) -> bool {
        matches!(self, Self::Udts | Self::Xudts | Self::Ludts)
    }
}

/// Why a user part is not a connectionless SCCP message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SccpError {
    /// A connection-oriented type (Q.713 §4.2 to §4.9, §4.12 to §4.17): not used by MAP or CAP.
    #[error("connection-oriented message type 0x{0:02x}")]
    ConnectionOriented(u8),
    /// A type that Q.713 does not know.
    #[error("unknown message type 0x{0:02x}")]
    UnknownType(u8),
    /// The message ends before what it announces.
    #[error("{what} at offset {offset} goes beyond the message")]
    Truncated {
        /// Which part.
        what: &'static str,
        /// Where it should be.
        offset: usize,
    },
}

/// Segmentation parameter (Q.713 §3.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// Whether this is the first segment.
    pub first: bool,
    /// Segments that follow, 0 to 15.
    pub remaining: u8,
    /// Segmentation local reference, as the three octets read big-endian.
    pub local_reference: u32,
}

impl Segmentation {
    /// Whether the message is one of several segments.
    #[must_use]
    pub const fn is_part(&self) -> bool {
        !(self.first && self.remaining == 0)
    }
}

/// A connectionless message.
#[derive(Clone, Debug)]
pub struct Sccp<'a> {
    /// Message type.
    pub kind: Kind,
    /// Protocol class (low nibble) and message handling (high nibble); the return cause in service messages.
    pub class_or_cause: u8,
    /// Hop counter of the extended and long types.
    pub hop_counter: Option<u8>,
    /// Called party address.
    pub called: Address,
    /// Calling party address.
    pub calling: Address,
    /// Segmentation, where the message has it.
    pub segmentation: Option<Segmentation>,
    /// The data: TCAP, or SCCP management.
    pub data: &'a [u8],
    /// Offset of the data in the user part.
    pub data_offset: usize,
}

/// SCCP management (Q.713 §5): the subsystem of that number.
pub const SSN_MANAGEMENT: u8 = 1;

impl Sccp<'_> {
    /// Whether this is for SCCP management.
    #[must_use]
    pub fn is_management(&self) -> bool {
        self.called.ssn == Some(SSN_MANAGEMENT)
    }

    /// Whether the data is a management message: a format identifier, affected subsystem and point code, multiplicity,
    /// and in one of them the congestion level (Q.713 §5.1 to §5.3).
    #[must_use]
    pub fn holds_management(&self) -> bool {
        matches!(self.data, [1..=5, _, _, _, _] | [6, _, _, _, _, _])
    }
}

/// Width of the pointers of a type.
#[derive(Clone, Copy)]
enum Pointers {
    /// One octet each.
    Short,
    /// Two octets each, least significant first (Q.713 §2.3, long unitdata).
    Long,
}

/// Decodes one user part into `decoded`. `None` stays there if a part does not lie inside the message; where only an
/// address is broken, the rest is there.
///
/// # Errors
/// The type is not a connectionless one, or a part does not lie inside the message.
pub fn decode<'a>(
    octets: &'a [u8],
    flavour: Flavour,
    decoded: &mut Option<Sccp<'a>>,
    findings: &mut Findings,
) -> Result<(), SccpError> {
    let first = *octets.first().ok_or(SccpError::Truncated { what: "message type", offset: 0 })?;
    let kind = Kind::from_u8(first).ok_or(match first {
        0x01..=0x08 | 0x0b..=0x10 => SccpError::ConnectionOriented(first),
        other => SccpError::UnknownType(other),
    })?;
    let class_or_cause = octet(octets, 1, "protocol class")?;
    let (hop_counter, pointers_at, width, optional) = match kind {
        Kind::Udt | Kind::Udts => (None, 2, Pointers::Short, false),
        Kind::Xudt | Kind::Xudts => (Some(octet(octets, 2, "hop counter")?), 3, Pointers::Short, true),
        Kind::Ludt | Kind::Ludts => (Some(octet(octets, 2, "hop counter")?), 3, Pointers::Long, true),
    };
    let step = match width {
        Pointers::Short => 1,
        Pointers::Long => 2,
    };
    let at = |index: usize| {
        let place = index.saturating_mul(step).saturating_add(pointers_at);
        pointer(octets, place, width)
    };
    let (called_at, calling_at, data_at) = (at(0)?, at(1)?, at(2)?);
    let (Some(called_at), Some(calling_at), Some(data_at)) = (called_at, calling_at, data_at) else {
        return Err(SccpError::Truncated { what: "mandatory part", offset: 0 });
    };
    if called_at > calling_at || calling_at > data_at {
        findings.note(Finding::PointerOrder, pointers_at);
    }
    let called = short_part(octets, called_at, "called address")?;
    let calling = short_part(octets, calling_at, "calling address")?;
    let (data, data_offset) = match width {
        Pointers::Short => (short_part(octets, data_at, "data")?, data_at.saturating_add(1)),
        Pointers::Long => (long_part(octets, data_at)?, data_at.saturating_add(2)),
    };
    let segmentation = match if optional { at(3)? } else { None } {
        Some(start) => optional_part(octets, start)?,
        None => None,
    };
    let sccp = decoded.insert(Sccp {
        kind,
        class_or_cause,
        hop_counter,
        called: Address { flavour, ..Address::default() },
        calling: Address { flavour, ..Address::default() },
        segmentation,
        data,
        data_offset,
    });
    address::decode(called, called_at, &mut sccp.called, findings)?;
    address::decode(calling, calling_at, &mut sccp.calling, findings)
}

fn octet(octets: &[u8], at: usize, what: &'static str) -> Result<u8, SccpError> {
    octets.get(at).copied().ok_or(SccpError::Truncated { what, offset: at })
}

/// Where the pointer at `at` points; `None` for a zero pointer (no such part).
fn pointer(octets: &[u8], at: usize, width: Pointers) -> Result<Option<usize>, SccpError> {
    let low = octet(octets, at, "pointer")?;
    // Q.713 §2.3: relative to the pointer's own octet, of a long one to its second.
    let (value, origin) = match width {
        Pointers::Short => (usize::from(low), at),
        Pointers::Long => {
            let second = at.saturating_add(1);
            let high = octet(octets, second, "pointer")?;
            (usize::from(u16::from_le_bytes([low, high])), second)
        }
    };
    Ok(if value == 0 { None } else { Some(origin.saturating_add(value)) })
}

/// A part that starts with its length in one octet.
fn short_part<'a>(octets: &'a [u8], at: usize, what: &'static str) -> Result<&'a [u8], SccpError> {
    let len = usize::from(octet(octets, at, what)?);
    let start = at.saturating_add(1);
    octets.get(start..start.saturating_add(len)).ok_or(SccpError::Truncated { what, offset: start })
}

/// Long data: its length in two octets, least significant first (Q.713 §3.20).
fn long_part(octets: &[u8], at: usize) -> Result<&[u8], SccpError> {
    let what = "long data";
    let low = octet(octets, at, what)?;
    let high = octet(octets, at.saturating_add(1), what)?;
    let len = usize::from(u16::from_le_bytes([low, high]));
    let start = at.saturating_add(2);
    octets.get(start..start.saturating_add(len)).ok_or(SccpError::Truncated { what, offset: start })
}

/// Optional parameters (Q.713 §3.1): name, length, value, until end of optional parameters.
fn optional_part(octets: &[u8], mut at: usize) -> Result<Option<Segmentation>, SccpError> {
    const END: u8 = 0x00;
    const SEGMENTATION: u8 = 0x10;
    let mut found = None;
    loop {
        let name = octet(octets, at, "optional parameter")?;
        if name == END {
            return Ok(found);
        }
        let value = short_part(octets, at.saturating_add(1), "optional parameter")?;
        if let (SEGMENTATION, [flags, a, b, c], None) = (name, value, found) {
            found = Some(Segmentation {
                first: flags & 0x80 != 0,
                remaining: flags & 0x0f,
                local_reference: u32::from_be_bytes([0, *a, *b, *c]),
            });
        }
        // At least two octets further each time: the loop ends with the message.
        at = at.saturating_add(2).saturating_add(value.len());
    }
}

#[cfg(test)]
mod tests;
