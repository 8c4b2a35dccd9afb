//! IPv6 (RFC 8200) with its extension header chain.

use crate::read::ReadAt;
use crate::verdict::Reason;
use crate::wire::ipv4::{other_protocol, protocol};
use crate::wire::{Network, SctpSpan};

/// Extension headers that are looked through. RFC 8200 §4.1 recommends an order in which six can occur.
pub const MAX_EXT_HEADERS: usize = 6;

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;

mod field {
    pub(super) const PAYLOAD_LENGTH: usize = 4;
    pub(super) const NEXT_HEADER: usize = 6;
}

/// Extension header numbers (RFC 8200 §4, RFC 4302, RFC 6275, RFC 7401, RFC 5533).
mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HIP: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

/// Finds the SCTP packet in the IPv6 packet at `off` of a frame of `len` octets.
#[inline(always)]
pub fn sctp<R: ReadAt + ?Sized>(frame: &R, off: usize, len: usize) -> Result<SctpSpan, Reason> {
    let version = frame.u8_at(off).ok_or(Reason::FrameTruncated)?;
    if version >> 4 != 6 {
        return Err(Reason::Ipv6Malformed);
    }
    let payload =
        usize::from(frame.be16_at(off.wrapping_add(field::PAYLOAD_LENGTH)).ok_or(Reason::FrameTruncated)?);
    let end = off.wrapping_add(HEADER_LEN).wrapping_add(payload);
    let mut header = frame.u8_at(off.wrapping_add(field::NEXT_HEADER)).ok_or(Reason::FrameTruncated)?;
    let mut at = off.wrapping_add(HEADER_LEN);
    for _ in 0..=MAX_EXT_HEADERS {
        match header {
            protocol::SCTP => {
                // Checked late so that other protocols' oddities stay none of our business.
                return if end > len || at > end {
                    Err(Reason::Ipv6Malformed)
                } else {
                    Ok(SctpSpan { start: at, end, network: Network { offset: off, v6: true } })
                };
            }
            next::HOP_BY_HOP
            | next::ROUTING
            | next::DESTINATION
            | next::MOBILITY
            | next::HIP
            | next::SHIM6
            | protocol::AH => {
                let word = frame.be16_at(at).ok_or(Reason::Ipv6Malformed)?;
                let [following, words] = word.to_be_bytes();
                let size = if header == protocol::AH {
                    // RFC 4302 §2.2: in 4-octet words, minus 2.
                    usize::from(words).wrapping_add(2).wrapping_mul(4)
                } else {
                    // RFC 8200 §4.3: in 8-octet units, not counting the first.
                    usize::from(words).wrapping_add(1).wrapping_mul(8)
                };
                header = following;
                at = frame.forget(at.wrapping_add(size), u32::from(word));
            }
            next::FRAGMENT => {
                let [following, _, high, low] = frame.read_at(at).ok_or(Reason::Ipv6Malformed)?;
                let offset_flags = u16::from_be_bytes([high, low]);
                // RFC 8200 §4.5: 13 bits offset, 2 reserved, 1 more-fragments.
                if offset_flags & 0xfff9 != 0 {
                    return Err(fragment_of(following));
                }
                // An atomic fragment (RFC 6946) is a whole packet.
                header = following;
                at = at.wrapping_add(8);
            }
            _ => return Err(other_protocol(frame, header, at, true)),
        }
    }
    Err(Reason::TooManyExtHeaders)
}

/// A fragment whose fragmentable part starts with this header. An extension header may hide anything behind it.
#[inline(always)]
fn fragment_of(header: u8) -> Reason {
    match header {
        protocol::SCTP
        | next::HOP_BY_HOP
        | next::ROUTING
        | next::FRAGMENT
        | next::DESTINATION
        | next::MOBILITY
        | next::HIP
        | next::SHIM6
        | protocol::AH => Reason::IpFragment,
        protocol::IPIP | protocol::IPV6 | protocol::GRE | protocol::ESP => Reason::Tunnel,
        _ => Reason::NotSctp,
    }
}
