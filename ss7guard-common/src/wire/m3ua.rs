//! M3UA (RFC 4666): common header, parameters, Protocol Data.
//!
//! The parser is strict in what it calls sound and stubborn in what it still reads: a message with a fault keeps
//! its fault, and the routing labels that a lenient receiver might act on are reported all the same, so that a
//! blocked sender gains nothing by sending malformed messages.

use crate::read::ReadAt;
use crate::verdict::Reason;
use crate::wire::pad4;

/// Octets of the common header.
pub const HEADER_LEN: usize = 8;

/// Parameters looked at in one message. RFC 4666 §3.3.1 defines four for DATA.
pub const MAX_PARAMETERS: usize = 8;

/// Parameter tags (RFC 4666 §3.2).
pub mod tag {
    /// Routing Context.
    pub const ROUTING_CONTEXT: u16 = 0x0006;
    /// Correlation Id.
    pub const CORRELATION_ID: u16 = 0x0013;
    /// Network Appearance.
    pub const NETWORK_APPEARANCE: u16 = 0x0200;
    /// Protocol Data.
    pub const PROTOCOL_DATA: u16 = 0x0210;
}

/// Service indicator of SCCP (Q.704 §14.2.1).
pub const SI_SCCP: u8 = 3;

/// Octets of Protocol Data before the user part: parameter header 4, OPC 4, DPC 4, SI, NI, MP, SLS.
pub const PROTOCOL_DATA_HEADER_LEN: usize = 16;

/// The routing label of Protocol Data (RFC 4666 §3.3.1), host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// Originating point code, all 32 bits of the field.
    pub opc: u32,
    /// Destination point code, all 32 bits of the field.
    pub dpc: u32,
    /// Service indicator.
    pub si: u8,
    /// Network indicator; sound values are 0 to 3.
    pub ni: u8,
    /// Message priority.
    pub mp: u8,
    /// Signalling link selection.
    pub sls: u8,
}

/// What was found in a DATA message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Label of the (first) Protocol Data.
    pub label: Label,
    /// OPC of a second Protocol Data, if the message has one (a fault).
    pub second_opc: Option<u32>,
    /// Network Appearance.
    pub network_appearance: Option<u32>,
    /// First Routing Context.
    pub routing_context: Option<u32>,
    /// Offset of the user part (SCCP) in the frame.
    pub user_part: usize,
    /// Octets of the user part that are in this chunk; fewer than sent in a first fragment.
    pub user_part_len: usize,
}

/// Result of parsing the payload of one DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The message, if it is a DATA message in which a routing label was found.
    pub data: Option<Data>,
    /// Why it is not a sound DATA message; [`Reason::M3uaControl`] for the other sound messages.
    pub fault: Option<Reason>,
}

impl Parsed {
    #[inline(always)]
    const fn fault(reason: Reason) -> Self {
        Self { data: None, fault: Some(reason) }
    }
}

/// Whether RFC 4666 §3.1.2 defines this message class and type, DATA aside.
#[inline(always)]
const fn is_control(class: u8, kind: u8) -> bool {
    match class {
        0 => kind <= 1,
        2 | 3 => kind >= 1 && kind <= 6,
        4 | 9 => kind >= 1 && kind <= 4,
        _ => false,
    }
}

/// Whether the octets at `off` start like an M3UA DATA message.
#[inline(always)]
pub fn looks_like_data<R: ReadAt + ?Sized>(frame: &R, off: usize) -> bool {
    matches!(frame.read_at::<4>(off), Some([1, _, 1, 1]))
}

/// Parses the `avail` octets at `off`: a whole user message, or its first fragment if `first_fragment`.
#[inline(always)]
pub fn parse<R: ReadAt + ?Sized>(frame: &R, off: usize, avail: usize, first_fragment: bool) -> Parsed {
    let short = if first_fragment { Reason::SctpShortFirstFragment } else { Reason::M3uaTruncated };
    if avail < HEADER_LEN {
        return Parsed::fault(short);
    }
    let Some([version, _, class, kind]) = frame.read_at(off) else { return Parsed::fault(short) };
    let Some(length) = frame.be32_at(off.wrapping_add(4)) else { return Parsed::fault(short) };
    if class != 1 || kind != 1 {
        return Parsed::fault(if version != 1 {
            Reason::M3uaVersion
        } else if is_control(class, kind) {
            Reason::M3uaControl
        } else {
            Reason::M3uaUnknownType
        });
    }
    let fault =
        if version == 1 { length_fault(length, avail, first_fragment) } else { Some(Reason::M3uaVersion) };
    parameters(frame, off, avail, fault, first_fragment)
}

/// Holds the message length against the octets that are there.
///
/// RFC 4666 §3.1.4: the length includes the header and the padding of the last parameter; a receiver accepts a
/// message that leaves this last padding out of it.
#[inline(always)]
fn length_fault(length: u32, avail: usize, first_fragment: bool) -> Option<Reason> {
    if length > 0xffff || (length as usize) < HEADER_LEN {
        return Some(Reason::M3uaLength);
    }
    let padded = pad4(length as usize);
    let there = pad4(avail);
    if padded < there {
        Some(Reason::M3uaTrailing)
    } else if padded > there && !first_fragment {
        Some(Reason::M3uaLength)
    } else {
        None
    }
}

/// Which of the parameters that may occur once were seen.
#[derive(Clone, Copy, Default)]
struct Seen {
    network_appearance: bool,
    routing_context: bool,
    correlation_id: bool,
    protocol_data: bool,
}

#[inline(always)]
fn parameters<R: ReadAt + ?Sized>(
    frame: &R,
    off: usize,
    avail: usize,
    mut fault: Option<Reason>,
    first_fragment: bool,
) -> Parsed {
    let end = off.wrapping_add(avail);
    let mut data = Data::default();
    let mut seen = Seen::default();
    let mut at = off.wrapping_add(HEADER_LEN);
    let mut ran_out = false;
    for turn in 0..=MAX_PARAMETERS {
        if at >= end {
            break;
        }
        if turn == MAX_PARAMETERS {
            note(&mut fault, Reason::M3uaTooManyParameters);
            break;
        }
        if end.wrapping_sub(at) < 4 {
            note(&mut fault, Reason::M3uaParameterLength);
            ran_out = true;
            break;
        }
        let Some([t0, t1, l0, l1]) = frame.read_at(at) else {
            note(&mut fault, Reason::M3uaParameterLength);
            break;
        };
        let tag = u16::from_be_bytes([t0, t1]);
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if len < 4 {
            note(&mut fault, Reason::M3uaParameterLength);
            break;
        }
        let left = end.wrapping_sub(at);
        let whole = len <= left;
        if !whole {
            ran_out = true;
            if !first_fragment {
                note(&mut fault, Reason::M3uaParameterLength);
            }
        }
        match tag {
            tag::PROTOCOL_DATA => {
                if len < PROTOCOL_DATA_HEADER_LEN {
                    note(&mut fault, Reason::M3uaShortProtocolData);
                    break;
                }
                if left < PROTOCOL_DATA_HEADER_LEN {
                    break;
                }
                let Some(label) = label(frame, at.wrapping_add(4)) else { break };
                if seen.protocol_data {
                    note(&mut fault, Reason::M3uaDuplicateParameter);
                    data.second_opc = Some(label.opc);
                } else {
                    seen.protocol_data = true;
                    data.label = label;
                    data.user_part = at.wrapping_add(PROTOCOL_DATA_HEADER_LEN);
                    let held = if whole { len } else { left };
                    data.user_part_len = held.wrapping_sub(PROTOCOL_DATA_HEADER_LEN);
                }
            }
            tag::NETWORK_APPEARANCE => {
                if seen.network_appearance {
                    note(&mut fault, Reason::M3uaDuplicateParameter);
                } else if len != 8 {
                    note(&mut fault, Reason::M3uaParameterLength);
                } else if whole {
                    data.network_appearance = frame.be32_at(at.wrapping_add(4));
                }
                seen.network_appearance = true;
            }
            tag::ROUTING_CONTEXT => {
                if seen.routing_context {
                    note(&mut fault, Reason::M3uaDuplicateParameter);
                } else if len < 8 || len & 3 != 0 {
                    note(&mut fault, Reason::M3uaParameterLength);
                } else if whole {
                    data.routing_context = frame.be32_at(at.wrapping_add(4));
                }
                seen.routing_context = true;
            }
            tag::CORRELATION_ID => {
                if seen.correlation_id {
                    note(&mut fault, Reason::M3uaDuplicateParameter);
                } else if len != 8 {
                    note(&mut fault, Reason::M3uaParameterLength);
                }
                seen.correlation_id = true;
            }
            // RFC 4666 §3.2: parameters that are not known are skipped.
            _ => {}
        }
        at = at.wrapping_add(pad4(len));
    }
    if !seen.protocol_data {
        let missing = if first_fragment && (ran_out || at >= end) {
            Reason::SctpShortFirstFragment
        } else {
            Reason::M3uaNoProtocolData
        };
        return Parsed { data: None, fault: fault.or(Some(missing)) };
    }
    Parsed { data: Some(data), fault }
}

/// Keeps the first fault of a message.
#[inline(always)]
fn note(fault: &mut Option<Reason>, reason: Reason) {
    if fault.is_none() {
        *fault = Some(reason);
    }
}

#[inline(always)]
fn label<R: ReadAt + ?Sized>(frame: &R, at: usize) -> Option<Label> {
    let [si, ni, mp, sls] = frame.read_at(at.wrapping_add(8))?;
    Some(Label { opc: frame.be32_at(at)?, dpc: frame.be32_at(at.wrapping_add(4))?, si, ni, mp, sls })
}
