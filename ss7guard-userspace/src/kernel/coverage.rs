//! Whether every configured path of an association leads by an interface that is watched.
//!
//! A multihomed peer sends by any of its addresses (RFC 9260 §6.4); one that comes in elsewhere goes past the firewall.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use crate::config::Peer;
use crate::kernel::routes::{Link, Netlink, Route};
use crate::kernel::{KernelError, interface_index};

/// Interfaces under one another that are followed.
const MAX_DEPTH: u32 = 8;

/// A path that no attached interface covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncovered {
    /// The peer, by its name or first address.
    pub peer: String,
    /// The address.
    pub address: IpAddr,
    /// The interface by which it is reached; `None` if there is no route.
    pub interface: Option<String>,
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {:?}: ", self.peer)?;
        match &self.interface {
            Some(interface) => {
                write!(f, "{} is reached by {interface:?}, which is not attached", self.address)
            }
            None => write!(f, "there is no route to {}", self.address),
        }
    }
}

/// Addresses of peers that are not reached by one of these interfaces.
///
/// # Errors
/// The kernel does not answer.
pub fn uncovered(peers: &[Peer], interfaces: &[String]) -> Result<Vec<Uncovered>, KernelError> {
    if peers.is_empty() {
        return Ok(Vec::new());
    }
    let netlink = Netlink::open()?;
    let links = netlink.links()?;
    let attached: HashSet<u32> = interfaces.iter().filter_map(|name| interface_index(name)).collect();
    let mut found = Vec::new();
    for peer in peers {
        for address in &peer.addresses {
            let interface = match netlink.route(*address)? {
                Route::Here => continue,
                Route::By(index) if covers(&links, &attached, index, 0) => continue,
                Route::By(index) => Some(name(&links, index)),
                Route::None => None,
            };
            found.push(Uncovered { peer: peer.title(), address: *address, interface });
        }
    }
    Ok(found)
}

fn name(links: &[Link], index: u32) -> String {
    let link = links.iter().find(|link| link.index == index);
    link.map_or_else(|| format!("interface {index}"), |link| link.name.clone())
}

/// Whether what arrives by this interface passes an attached one: itself, the one under a VLAN, or every part of a bond
/// or bridge.
fn covers(links: &[Link], attached: &HashSet<u32>, index: u32, depth: u32) -> bool {
    if attached.contains(&index) {
        return true;
    }
    let Some(link) = links.iter().find(|link| link.index == index) else { return false };
    if depth == MAX_DEPTH {
        return false;
    }
    let under = |index| covers(links, attached, index, depth + 1);
    match (link.kind.as_str(), link.lower) {
        ("vlan" | "macvlan" | "ipvlan", Some(lower)) => under(lower),
        ("bond" | "team" | "bridge", _) => {
            let mut parts = links.iter().filter(|part| part.master == Some(index)).peekable();
            parts.peek().is_some() && parts.all(|part| under(part.index))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, kind: &str, lower: Option<u32>, master: Option<u32>) -> Link {
        Link { index, name: format!("if{index}"), kind: kind.to_owned(), lower, master }
    }

    #[test]
    fn what_lies_under_an_interface_covers_it() {
        let links = [
            link(1, "", None, None),
            link(2, "", None, Some(4)),
            link(3, "", None, Some(4)),
            link(4, "bond", None, None),
            link(5, "vlan", Some(4), None),
            // The far end of a veth lies in another namespace: its number says nothing here.
            link(6, "veth", Some(1), None),
            link(7, "bond", None, None),
        ];
        let holds = |attached: &[u32], index| covers(&links, &attached.iter().copied().collect(), index, 0);
        assert!(holds(&[1], 1));
        assert!(!holds(&[2], 1));
        assert!(holds(&[4], 4) && holds(&[2, 3], 4));
        assert!(!holds(&[2], 4), "half a bond");
        assert!(holds(&[2, 3], 5) && holds(&[4], 5) && holds(&[5], 5));
        assert!(!holds(&[1], 6), "veth");
        assert!(!holds(&[1], 7), "a bond without parts");
        assert!(!holds(&[1], 99));
    }

    #[test]
    fn interfaces_over_one_another_in_a_circle_end() {
        let links = [link(1, "vlan", Some(2), None), link(2, "vlan", Some(1), None)];
        assert!(!covers(&links, &HashSet::new(), 1, 0));
    }
}
