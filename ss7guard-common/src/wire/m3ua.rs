//! M3UA (RFC 4666): common header, parameters, Protocol Data.
//!
//! The parser is strict in what it calls sound and stubborn in what it still reads: a message with a fault keeps
//! its fault, and the routing labels that a lenient receiver might act on are reported all the same, so that a
//! blocked sender gains nothing by sending malformed messages.

use crate::read::ReadAt;
use crate::verdict::{Code, Reason};
use crate::wire::{Maybe, pad4};

/// Octets of the common header.
pub const HEADER_LEN: usize = 8;

/// Octets of the header of every parameter.
pub const PARAMETER_HEADER_LEN: usize = 4;

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
    pub second_opc: Maybe,
    /// Network Appearance.
    pub network_appearance: Maybe,
    /// First Routing Context.
    pub routing_context: Maybe,
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
    pub fault: Code,
}

impl Parsed {
    /// No label, and why.
    #[inline(always)]
    #[must_use]
    pub const fn fault(reason: Reason) -> Self {
        Self { data: None, fault: Code::of(reason) }
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
    let fault = if version == 1 {
        length_fault(length, avail, first_fragment)
    } else {
        Code::of(Reason::M3uaVersion)
    };
    parameters(frame, off, avail, length, fault, first_fragment)
}

/// Holds the message length against the octets that are there.
///
/// RFC 4666 §3.1.4: the length includes the header and the padding of the last parameter; a receiver accepts a
/// message that leaves this last padding out of it.
#[inline(always)]
fn length_fault(length: u32, avail: usize, first_fragment: bool) -> Code {
    if length > 0xffff || (length as usize) < HEADER_LEN {
        return Code::of(Reason::M3uaLength);
    }
    let padded = pad4(length as usize);
    let there = pad4(avail);
    if padded < there {
        Code::of(Reason::M3uaTrailing)
    } else if padded > there && !first_fragment {
        Code::of(Reason::M3uaLength)
    } else {
        Code::NONE
    }
}

/// What the walk over the parameters has found. Offsets are 0 where nothing was found; numbers only, so that
/// the verifier need not follow every combination of them.
struct Walk {
    /// Bits of the parameters that may occur once.
    seen: usize,
    /// The first fault.
    fault: Code,
    protocol_data: usize,
    second_protocol_data: usize,
    network_appearance: usize,
    routing_context: usize,
}

/// Bits of [`Walk::seen`].
mod seen {
    pub(super) const NETWORK_APPEARANCE: usize = 1;
    pub(super) const ROUTING_CONTEXT: usize = 2;
    pub(super) const CORRELATION_ID: usize = 4;
}

impl Walk {
    /// Keeps the first fault of a message.
    #[inline(always)]
    fn fault(&mut self, reason: Reason) {
        self.fault = self.fault.or(reason);
    }

    /// Notes a parameter that may occur once; false if it was seen before.
    #[inline(always)]
    fn once(&mut self, bit: usize) -> bool {
        let before = self.seen & bit;
        self.seen |= bit;
        if before != 0 {
            self.fault(Reason::M3uaDuplicateParameter);
        }
        before == 0
    }

    #[inline(always)]
    fn forget<R: ReadAt + ?Sized>(&mut self, frame: &R, noise: u32) {
        self.seen = frame.forget(self.seen, noise);
        self.fault = Code(frame.forget(self.fault.0, noise));
        self.protocol_data = frame.forget(self.protocol_data, noise);
        self.second_protocol_data = frame.forget(self.second_protocol_data, noise);
        self.network_appearance = frame.forget(self.network_appearance, noise);
        self.routing_context = frame.forget(self.routing_context, noise);
    }
}

#[inline(always)]
fn parameters<R: ReadAt + ?Sized>(
    frame: &R,
    off: usize,
    avail: usize,
    length: u32,
    fault: Code,
    first_fragment: bool,
) -> Parsed {
    let end = off.wrapping_add(avail);
    let mut walk = Walk {
        seen: 0,
        fault,
        protocol_data: 0,
        second_protocol_data: 0,
        network_appearance: 0,
        routing_context: 0,
    };
    walk.forget(frame, length);
    let mut at = off.wrapping_add(HEADER_LEN);
    for turn in 0..=MAX_PARAMETERS {
        if at >= end {
            break;
        }
        if turn == MAX_PARAMETERS {
            walk.fault(Reason::M3uaTooManyParameters);
            break;
        }
        let left = end.wrapping_sub(at);
        if left < PARAMETER_HEADER_LEN {
            if !first_fragment {
                walk.fault(Reason::M3uaParameterLength);
            }
            break;
        }
        let Some(word) = frame.be32_at(at) else {
            walk.fault(Reason::M3uaParameterLength);
            break;
        };
        let len = (word & 0xffff) as usize;
        if len < PARAMETER_HEADER_LEN {
            walk.fault(Reason::M3uaParameterLength);
            break;
        }
        let whole = len <= left;
        if !whole && !first_fragment {
            walk.fault(Reason::M3uaParameterLength);
        }
        parameter(&mut walk, (word >> 16) as u16, at, len, left);
        walk.forget(frame, word);
        at = frame.forget(at.wrapping_add(pad4(len)), word);
    }
    finish(frame, &walk, end, first_fragment)
}

/// Notes one parameter of `len` octets, of which `left` are there.
#[inline(always)]
#[expect(clippy::collapsible_match, reason = "a guard that notes what it saw would hide that it does")]
fn parameter(walk: &mut Walk, tag: u16, at: usize, len: usize, left: usize) {
    match tag {
        tag::PROTOCOL_DATA => {
            if len < PROTOCOL_DATA_HEADER_LEN {
                walk.fault(Reason::M3uaShortProtocolData);
            } else if left < PROTOCOL_DATA_HEADER_LEN {
                // Its label is not here: a first fragment that is too short, or a fault that was noted.
            } else if walk.protocol_data == 0 {
                walk.protocol_data = at;
            } else {
                walk.fault(Reason::M3uaDuplicateParameter);
                walk.second_protocol_data = at;
            }
        }
        tag::NETWORK_APPEARANCE => {
            if walk.once(seen::NETWORK_APPEARANCE) {
                if len != 8 {
                    walk.fault(Reason::M3uaParameterLength);
                } else if len <= left {
                    walk.network_appearance = at;
                }
            }
        }
        tag::ROUTING_CONTEXT => {
            if walk.once(seen::ROUTING_CONTEXT) {
                if len < 8 || len & 3 != 0 {
                    walk.fault(Reason::M3uaParameterLength);
                } else if len <= left {
                    walk.routing_context = at;
                }
            }
        }
        tag::CORRELATION_ID => {
            if walk.once(seen::CORRELATION_ID) && len != 8 {
                walk.fault(Reason::M3uaParameterLength);
            }
        }
        // RFC 4666 §3.2: parameters that are not known are skipped.
        _ => {}
    }
}

/// Reads what the walk has found.
#[inline(always)]
fn finish<R: ReadAt + ?Sized>(frame: &R, walk: &Walk, end: usize, first_fragment: bool) -> Parsed {
    let missing = if first_fragment { Reason::SctpShortFirstFragment } else { Reason::M3uaNoProtocolData };
    let at = walk.protocol_data;
    let fields = label(frame, at.wrapping_add(4)).zip(frame.be16_at(at.wrapping_add(2)));
    let Some((label, len)) = fields.filter(|_| at != 0) else {
        return Parsed { data: None, fault: walk.fault.or(missing) };
    };
    let held = usize::from(len).min(end.wrapping_sub(at));
    let value = |at: usize| {
        let value = if at == 0 { None } else { frame.be32_at(at.wrapping_add(4)) };
        Maybe(frame.forget(Maybe::from(value).0 as usize, label.dpc) as u64)
    };
    let data = Data {
        label,
        second_opc: value(walk.second_protocol_data),
        network_appearance: value(walk.network_appearance),
        routing_context: value(walk.routing_context),
        user_part: at.wrapping_add(PROTOCOL_DATA_HEADER_LEN),
        user_part_len: held.wrapping_sub(PROTOCOL_DATA_HEADER_LEN),
    };
    Parsed { data: Some(data), fault: walk.fault }
}

#[inline(always)]
fn label<R: ReadAt + ?Sized>(frame: &R, at: usize) -> Option<Label> {
    let [si, ni, mp, sls] = frame.read_at(at.wrapping_add(8))?;
    Some(Label { opc: frame.be32_at(at)?, dpc: frame.be32_at(at.wrapping_add(4))?, si, ni, mp, sls })
}
