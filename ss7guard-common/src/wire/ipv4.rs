//! IPv4 (RFC 791): header with options, total length, fragments.

use crate::read::ReadAt;
use crate::verdict::Reason;
use crate::wire::{Network, SctpSpan};

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

/// Octets of the header without options.
pub const HEADER_LEN: usize = 20;

/// More-fragments flag and fragment offset; the reserved and don't-fragment bits are outside.
const FRAGMENT_MASK: u16 = 0x3fff;

/// The fragment offset alone.
const FRAGMENT_OFFSET_MASK: u16 = 0x1fff;

/// Finds the SCTP packet in the IPv4 packet at `off` of a frame of `len` octets.
#[inline(always)]
pub fn sctp<R: ReadAt + ?Sized>(frame: &R, off: usize, len: usize) -> Result<SctpSpan, Reason> {
    let octets: [u8; HEADER_LEN] = frame.read_at(off).ok_or(Reason::FrameTruncated)?;
    let [version_ihl, _, t0, t1, _, _, f0, f1, _, protocol, ..] = octets;
    let header = usize::from(version_ihl & 0x0f).wrapping_mul(4);
    if version_ihl >> 4 != 4 || header < HEADER_LEN {
        return Err(Reason::Ipv4Malformed);
    }
    let fragment = u16::from_be_bytes([f0, f1]);
    if protocol != protocol::SCTP {
        let first = fragment & FRAGMENT_OFFSET_MASK == 0;
        return Err(other_protocol(frame, protocol, off.wrapping_add(header), first));
    }
    let total = usize::from(u16::from_be_bytes([t0, t1]));
    let end = off.wrapping_add(total);
    if total < header || end > len {
        return Err(Reason::Ipv4Malformed);
    }
    if fragment & FRAGMENT_MASK != 0 {
        return Err(Reason::IpFragment);
    }
    Ok(SctpSpan { start: off.wrapping_add(header), end, network: Network { offset: off, v6: false } })
}

/// The reason for a protocol that is not SCTP; `off` is where its header would be, if `first` says that this is
/// a whole packet or a first fragment.
#[inline(always)]
pub(super) fn other_protocol<R: ReadAt + ?Sized>(frame: &R, protocol: u8, off: usize, first: bool) -> Reason {
    match protocol {
        protocol::IPIP | protocol::IPV6 | protocol::GRE | protocol::ESP | protocol::AH => Reason::Tunnel,
        protocol::UDP if first => {
            let ports = frame.be32_at(off).unwrap_or(0);
            let port = u32::from(SCTP_OVER_UDP_PORT);
            if ports >> 16 == port || ports & 0xffff == port { Reason::Tunnel } else { Reason::NotSctp }
        }
        _ => Reason::NotSctp,
    }
}
