//! Wire formats up to the MTP3 routing label, one file for a protocol.
//!
//! Every function takes offsets from the start of the frame, reads through [`crate::read::ReadAt`], and says
//! with a [`crate::verdict::Reason`] what it could not make sense of. Every loop has a named bound.

use crate::read::ReadAt;

pub mod ethernet;
pub mod ipv4;
pub mod ipv6;
pub mod m3ua;
pub mod sccp;
pub mod sctp;
pub mod tcap;

/// `n` rounded up to the next multiple of four, as chunks and parameters are padded.
#[inline(always)]
#[must_use]
pub const fn pad4(n: usize) -> usize {
    n.wrapping_add(3) & !3
}

/// What the network layer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SctpSpan {
    /// Offset of the SCTP common header.
    pub start: usize,
    /// Offset after the last octet of the SCTP packet (link-layer padding is outside).
    pub end: usize,
    /// Where the IP header is.
    pub network: Network,
}

/// Where an IP header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its offset; 14 to 22.
    pub offset: usize,
    /// Whether it is IPv6.
    pub v6: bool,
}

impl Network {
    /// An address of this header; `None` if it is not in the frame.
    #[inline(always)]
    pub fn address<R: ReadAt + ?Sized>(self, frame: &R, which: Remote) -> Option<Address> {
        let at = |source: usize, destination: usize| {
            self.offset.wrapping_add(match which {
                Remote::Source => source,
                Remote::Destination => destination,
            })
        };
        if !self.v6 {
            return frame.be32_at(at(12, 16)).map(Address::from_ipv4);
        }
        let octets: [u8; 16] = frame.read_at(at(8, 24))?;
        Some(Address::from_ipv6(u128::from_be_bytes(octets)))
    }
}

/// Which address of a packet is the remote end's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// The source: the frame arrives, or is seen by a third party.
    Source,
    /// The destination: the frame leaves.
    Destination,
}

/// An IP address as four host-order words; IPv4 is held in its IPv4-mapped form (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(pub [u32; 4]);

impl Address {
    /// From the four octets of an IPv4 address, read as one big-endian number.
    #[inline(always)]
    #[must_use]
    pub const fn from_ipv4(address: u32) -> Self {
        Self([0, 0, 0xffff, address])
    }

    /// From the octets of an IPv6 address.
    #[must_use]
    pub const fn from_ipv6(address: u128) -> Self {
        Self([(address >> 96) as u32, (address >> 64) as u32, (address >> 32) as u32, address as u32])
    }

    /// The address for printing.
    #[must_use]
    pub fn to_ip(self) -> core::net::IpAddr {
        let [a, b, c, d] = self.0.map(u128::from);
        core::net::Ipv6Addr::from(a << 96 | b << 64 | c << 32 | d).to_canonical()
    }
}

impl From<core::net::IpAddr> for Address {
    fn from(address: core::net::IpAddr) -> Self {
        match address {
            core::net::IpAddr::V4(v4) => Self::from_ipv4(v4.to_bits()),
            core::net::IpAddr::V6(v6) => Self::from_ipv6(v6.to_bits()),
        }
    }
}

/// A 32-bit number that may be absent, as one word; see [`crate::verdict::Code`] for why this is no `Option`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maybe(pub u64);

impl Maybe {
    /// No number.
    pub const ABSENT: Self = Self(u64::MAX);

    /// The number, if there is one.
    #[inline(always)]
    #[must_use]
    pub const fn get(self) -> Option<u32> {
        if self.0 > u32::MAX as u64 { None } else { Some(self.0 as u32) }
    }
}

impl Default for Maybe {
    fn default() -> Self {
        Self::ABSENT
    }
}

impl From<Option<u32>> for Maybe {
    #[inline(always)]
    fn from(number: Option<u32>) -> Self {
        number.map_or(Self::ABSENT, |number| Self(number as u64))
    }
}
