//! Ethernet II with up to two VLAN tags (IEEE 802.3 §3.2, IEEE 802.1Q §9).
//!
//! Output: Ethernet type of the payload and its offset. Not done: 802.2 LLC payloads (they carry no IP here).

use crate::read::ReadAt;
use crate::verdict::Reason;

/// VLAN tags that are looked through: a service and a customer tag.
pub const MAX_VLAN_TAGS: usize = 2;

/// Octets of an untagged header.
pub const HEADER_LEN: usize = 14;

/// An Ethernet type, host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);

    /// A tag of 802.1Q, 802.1ad, or the older QinQ types that switches still emit.
    #[inline(always)]
    #[must_use]
    pub const fn is_vlan(self) -> bool {
        matches!(self.0, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
    }

    /// Types whose payload is another frame or packet that this parser does not look into:
    /// MPLS (RFC 3032 §5), PPPoE session (RFC 2516), MACsec (802.1AE), provider backbone (802.1ah).
    #[inline(always)]
    #[must_use]
    pub const fn is_encapsulation(self) -> bool {
        matches!(self.0, 0x8847 | 0x8848 | 0x8864 | 0x88e5 | 0x88e7)
    }
}

/// Ethernet type of the payload and the payload's offset.
#[inline(always)]
pub fn payload<R: ReadAt + ?Sized>(frame: &R) -> Result<(EtherType, usize), Reason> {
    let mut ether_type = EtherType(frame.be16_at(12).ok_or(Reason::FrameTruncated)?);
    let mut off = HEADER_LEN;
    for _ in 0..MAX_VLAN_TAGS {
        if !ether_type.is_vlan() {
            return Ok((ether_type, off));
        }
        // A tag is two octets of control information, then the type of what follows.
        ether_type = EtherType(frame.be16_at(off.wrapping_add(2)).ok_or(Reason::FrameTruncated)?);
        off = off.wrapping_add(4);
    }
    if ether_type.is_vlan() { Err(Reason::TooManyVlanTags) } else { Ok((ether_type, off)) }
}
