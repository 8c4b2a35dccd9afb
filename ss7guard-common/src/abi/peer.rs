//! The peer table: what the kernel knows about the source address of a packet.
//!
//! A small perfect-hash table: the controller picks a seed under which no two peers share a slot, so that the
//! kernel needs one array look-up and one comparison. Two tables live in the map; the CONFIG record names the
//! active one together with its seed.

use bytemuck::{Pod, Zeroable};

use crate::wire::Address;

/// Slots of one table; a power of two.
pub const PEER_TABLE_LEN: u32 = 4096;

/// Elements of the map: two tables.
pub const PEER_SLOTS: u32 = 2 * PEER_TABLE_LEN;

/// On which side of the firewall a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Other networks. Peers that are not configured are on this side.
    Interconnect = 0,
    /// The operator's own nodes.
    Home = 1,
}

impl Side {
    /// The name used in configuration and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interconnect => "interconnect",
            Self::Home => "home",
        }
    }
}

/// One slot of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PeerEntry {
    /// The address, as in [`Address`].
    pub address: [u32; 4],
    /// 1 if the slot is in use.
    pub used: u8,
    /// A number of [`Side`].
    pub side: u8,
    /// Width of this peer's point codes: 14, 16 or 24 bits.
    pub point_code_bits: u8,
    /// How messages to or from this peer are neutralised: a number of [`crate::neutralise::Form`].
    pub form: u8,
    /// How SCCP addresses to or from this peer are coded: a number of [`crate::wire::sccp::Flavour`].
    pub flavour: u8,
    /// Zero.
    pub _pad: [u8; 3],
}

super::kernel_abi!(PeerEntry, 24);

/// The active table and its seed, packed into one word of the CONFIG record; 0 stands for no peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerTable {
    /// Which of the two tables: 0 or 1.
    pub half: u32,
    /// Seed of the hash; odd.
    pub seed: u32,
}

impl PeerTable {
    /// As stored in the CONFIG record.
    #[must_use]
    pub const fn pack(self) -> u64 {
        (self.seed as u64) << 32 | self.half as u64
    }

    /// From the CONFIG record; `None` if there are no peers.
    #[inline(always)]
    #[must_use]
    pub const fn unpack(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        Some(Self { half: word as u32 & 1, seed: (word >> 32) as u32 })
    }
}

/// Element of the map where this address is, if it is in the table.
#[inline(always)]
#[must_use]
pub const fn peer_slot(table: PeerTable, address: &Address) -> u32 {
    let [a, b, c, d] = address.0;
    let seed = table.seed;
    let mut hash = a.wrapping_mul(seed).wrapping_add(b);
    hash = hash.wrapping_mul(seed).wrapping_add(c);
    hash = hash.wrapping_mul(seed).wrapping_add(d);
    hash = (hash ^ (hash >> 15)).wrapping_mul(seed);
    let slot = (hash >> 20) & (PEER_TABLE_LEN - 1);
    slot | if table.half & 1 == 1 { PEER_TABLE_LEN } else { 0 }
}
