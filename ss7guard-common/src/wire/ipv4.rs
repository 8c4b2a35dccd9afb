//! IPv4 (RFC 791): header with options, total length, fragments.

use crate::read::ReadAt;
use crate::verdict::Reason;
use crate::wire::{Address, Remote, SctpSpan};

/// IP protocol numbers, shared with IPv6's next header field.
pub mod protocol {
    /// IPv4 in IP.
    pub const IPIP: u8 = 4;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// Generic routing encapsulation.
    pub const GRE: u8 = 47;
    /// IPsec, encrypted.
    pub const ESP: u8 = 50;
    /// IPsec, authentication header.
    pub const AH: u8 = 51;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// UDP port of encapsulated SCTP (RFC 6951 §5.1).
pub const SCTP_OVER_UDP_PORT: u16 = 9899;

mod field {
    pub(super) const TOTAL_LENGTH: usize = 2;
    pub(super) const FRAGMENT: usize = 6;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const SOURCE: usize = 12;
    pub(super) const DESTINATION: usize = 16;
}

/// More-fragments flag and fragment offset; the reserved and don't-fragment bits are outside.
const FRAGMENT_MASK: u16 = 0x3fff;

/// The fragment offset alone.
const FRAGMENT_OFFSET_MASK: u16 = 0x1fff;

/// Finds the SCTP packet in the IPv4 packet at `off` of a frame of `len` octets.
#[inline(always)]
pub fn sctp<R: ReadAt + ?Sized>(
    frame: &R,
    off: usize,
    len: usize,
    remote: Remote,
) -> Result<SctpSpan, Reason> {
    let version_ihl = frame.u8_at(off).ok_or(Reason::FrameTruncated)?;
    let header = usize::from(version_ihl & 0x0f).wrapping_mul(4);
    if version_ihl >> 4 != 4 || header < 20 {
        return Err(Reason::Ipv4Malformed);
    }
    let protocol = frame.u8_at(off.wrapping_add(field::PROTOCOL)).ok_or(Reason::FrameTruncated)?;
    let fragment = frame.be16_at(off.wrapping_add(field::FRAGMENT)).ok_or(Reason::FrameTruncated)?;
    if protocol != protocol::SCTP {
        let first = fragment & FRAGMENT_OFFSET_MASK == 0;
        return Err(other_protocol(frame, protocol, off.wrapping_add(header), first));
    }
    let total =
        usize::from(frame.be16_at(off.wrapping_add(field::TOTAL_LENGTH)).ok_or(Reason::FrameTruncated)?);
    let end = off.wrapping_add(total);
    if total < header || end > len {
        return Err(Reason::Ipv4Malformed);
    }
    if fragment & FRAGMENT_MASK != 0 {
        return Err(Reason::IpFragment);
    }
    let field = match remote {
        Remote::Source => field::SOURCE,
        Remote::Destination => field::DESTINATION,
    };
    let remote = frame.be32_at(off.wrapping_add(field)).ok_or(Reason::FrameTruncated)?;
    Ok(SctpSpan { start: off.wrapping_add(header), end, remote: Address::from_ipv4(remote) })
}

/// The reason for a protocol that is not SCTP; `off` is where its header would be, if `first` says that this is
/// a whole packet or a first fragment.
#[inline(always)]
pub(super) fn other_protocol<R: ReadAt + ?Sized>(frame: &R, protocol: u8, off: usize, first: bool) -> Reason {
    match protocol {
        protocol::IPIP | protocol::IPV6 | protocol::GRE | protocol::ESP | protocol::AH => Reason::Tunnel,
        protocol::UDP if first => {
            let source = frame.be16_at(off);
            let destination = frame.be16_at(off.wrapping_add(2));
            if source == Some(SCTP_OVER_UDP_PORT) || destination == Some(SCTP_OVER_UDP_PORT) {
                Reason::Tunnel
            } else {
                Reason::NotSctp
            }
        }
        _ => Reason::NotSctp,
    }
}
