//! Ethernet II and VLAN tags.

use ss7guard_common::verdict::Reason;
use ss7guard_common::wire::ethernet::{self, EtherType, HEADER_LEN, MAX_VLAN_TAGS};

use crate::explain::tree::{Node, View};

/// Adds the nodes of the link layer; gives what follows it, and where. `None` where the firewall would not go on.
pub(super) fn explain(view: &View<'_>, out: &mut Vec<Node>) -> Option<(EtherType, usize)> {
    let found = ethernet::payload(view.octets);
    let fault = |node: Node| match found {
        Err(reason) => node.fault(reason.as_str(), reason.description()),
        Ok((ether_type, _)) if ether_type.is_encapsulation() => {
            let reason = Reason::L2Encapsulated;
            node.fault(reason.as_str(), reason.description())
        }
        Ok(_) => node,
    };
    let Some(mut ether_type) = view.be16(12) else {
        let node = view.opaque("Ethernet II", 0, view.octets.len(), HEADER_LEN);
        out.push(fault(node));
        return None;
    };
    let mut header = view.group("Ethernet II", 0, HEADER_LEN, "");
    if view.slice(0, 12).iter().all(|octet| *octet == 0) {
        header.value = "a stand-in: the capture has no Ethernet header".to_owned();
    }
    header.children = vec![
        view.field("destination", 0, 6, mac(view.slice(0, 6))),
        view.field("source", 6, 6, mac(view.slice(6, 12))),
        view.field("type", 12, 2, type_name(ether_type)),
    ];
    out.push(header);
    let mut at = HEADER_LEN;
    for _ in 0..MAX_VLAN_TAGS.saturating_add(1) {
        let (true, Some(control)) = (EtherType(ether_type).is_vlan(), view.be16(at)) else { break };
        let value = format!("VLAN {}, priority {}", control & 0x0fff, control >> 13);
        let mut tag = view.layer("vlan").group("VLAN tag", at, 4, value);
        tag.children.push(view.layer("vlan").field("control", at, 2, ""));
        if let Some(next) = view.be16(at.saturating_add(2)) {
            ether_type = next;
            tag.children.push(view.layer("vlan").field("type", at.saturating_add(2), 2, type_name(next)));
        }
        out.push(tag);
        at = at.saturating_add(4);
    }
    if let Some(last) = out.pop() {
        out.push(fault(last));
    }
    found.ok()
}

fn mac(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

fn type_name(number: u16) -> String {
    let name = match number {
        0x0800 => "IPv4",
        0x86dd => "IPv6",
        0x0806 => "ARP",
        0x8847 | 0x8848 => "MPLS",
        0x8864 => "PPPoE session",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88e7 => "provider backbone bridge",
        _ if EtherType(number).is_vlan() => "VLAN tag",
        0..=0x05dc => "length of an 802.3 frame",
        _ => return format!("0x{number:04x}"),
    };
    format!("0x{number:04x} {name}")
}
