//! Writing the peer table: a seed under which no two peers share a slot, then the other half, then the switch.

use bytemuck::Zeroable as _;
use ss7guard_common::abi::{PEER_SLOTS, PEER_TABLE_LEN, PeerEntry, PeerTable, peer_slot};
use ss7guard_common::wire::Address;

use crate::config::Peer;
use crate::kernel::{KernelError, Maps};

/// Seeds that are tried; with a few hundred peers one of the first hundred does.
const MAX_SEEDS: u32 = 1 << 20;

/// A seed under which these addresses have different slots.
fn find_seed(addresses: &[Address], half: u32) -> Option<PeerTable> {
    let mut taken = vec![0u32; PEER_SLOTS as usize];
    (1..=MAX_SEEDS).find_map(|round| {
        // Odd, and spread over the whole range.
        let seed = round.wrapping_mul(0x9e37_79b9) | 1;
        let table = PeerTable { half, seed };
        let fits = addresses.iter().all(|address| {
            let slot = taken.get_mut(peer_slot(table, address) as usize);
            slot.is_some_and(|last| std::mem::replace(last, round) != round)
        });
        fits.then_some(table)
    })
}

impl Maps {
    /// Writes the peers into the table that is not in use, and gives the word that switches to it.
    ///
    /// # Errors
    /// They do not fit, or cannot be written.
    pub fn write_peers(&mut self, peers: &[Peer]) -> Result<u64, KernelError> {
        if peers.is_empty() {
            return Ok(0);
        }
        let half = PeerTable::unpack(self.config()?.peer_table).map_or(0, |active| 1 - active.half);
        // One slot for each address of a peer, with the same content.
        let listed: Vec<(Address, &Peer)> = peers
            .iter()
            .flat_map(|peer| peer.addresses.iter().map(move |address| (Address::from(*address), peer)))
            .collect();
        let addresses: Vec<Address> = listed.iter().map(|(address, _)| *address).collect();
        let too_many = || KernelError::TooManyPeers(listed.len());
        let table = find_seed(&addresses, half).ok_or_else(too_many)?;
        let first = half * PEER_TABLE_LEN;
        let mut entries = vec![PeerEntry::zeroed(); PEER_TABLE_LEN as usize];
        for (address, peer) in &listed {
            let slot = entries.get_mut((peer_slot(table, address) - first) as usize).ok_or_else(too_many)?;
            *slot = PeerEntry {
                address: address.0,
                used: 1,
                side: peer.side as u8,
                point_code_bits: peer.point_code_bits,
                form: peer.form as u8,
                flavour: peer.flavour as u8,
                _pad: [0; 3],
            };
        }
        for (slot, entry) in (first..).zip(entries) {
            self.peers.set(slot, entry, 0).map_err(|error| KernelError::other("write PEERS", error))?;
        }
        Ok(table.pack())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_seed_is_found_for_neighbouring_addresses_of_both_families() {
        let v4 = (0..150u8).map(|host| IpAddr::from(Ipv4Addr::new(10, 20, 1, host)));
        let v6 = (0..150u16).map(|host| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)));
        let addresses: Vec<Address> = v4.chain(v6).map(Address::from).collect();
        for half in [0, 1] {
            let table = find_seed(&addresses, half).unwrap();
            let slots: HashSet<u32> = addresses.iter().map(|address| peer_slot(table, address)).collect();
            assert_eq!(slots.len(), addresses.len());
            assert!(slots.iter().all(|slot| slot / PEER_TABLE_LEN == half));
            assert_eq!(PeerTable::unpack(table.pack()), Some(table));
        }
    }
}
