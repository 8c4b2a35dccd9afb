//! IPv4 and IPv6: headers, addresses, fragments, extension headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use ss7guard_common::verdict::{Class, Reason};
use ss7guard_common::wire::ethernet::EtherType;
use ss7guard_common::wire::{SctpSpan, ipv4, ipv6};

use crate::explain::names;
use crate::explain::tree::{Node, View, named, octets_of};

/// Adds the nodes of the packet at `at`; gives where the SCTP packet in it is, if there is a whole one.
pub(super) fn explain(
    view: &View<'_>,
    ether_type: EtherType,
    at: usize,
    out: &mut Vec<Node>,
) -> Option<SctpSpan> {
    let len = view.octets.len();
    let (header, found) = match ether_type {
        EtherType::IPV4 => (v4(&view.layer("ipv4"), at), ipv4::sctp(view.octets, at, len)),
        EtherType::IPV6 => (v6(&view.layer("ipv6"), at), ipv6::sctp(view.octets, at, len)),
        _ => {
            let reason = Reason::NotIp;
            let mut node = view.opaque("payload", at, len, 0);
            node.remark(reason.as_str(), reason.description(), at, false);
            out.push(node);
            return None;
        }
    };
    let end = header.offset.saturating_add(header.len);
    out.push(header);
    match found {
        Ok(span) => {
            if span.end < len {
                let padding = view.opaque("link-layer padding", span.end, len, 0);
                out.push(padding);
            }
            Some(span)
        }
        Err(reason) => {
            let mut rest = view.opaque("payload", end.min(len), len, 0);
            let fault = reason.class() == Class::Exception;
            if matches!(reason, Reason::IpFragment) {
                "a fragment of an IP packet".clone_into(&mut rest.value);
            }
            rest.remark(reason.as_str(), reason.description(), end.min(len), fault);
            out.push(rest);
            None
        }
    }
}

fn v4(view: &View<'_>, at: usize) -> Node {
    let Some([first, service, t0, t1, i0, i1, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3]) =
        view.octets.get(at..).and_then(<[u8]>::first_chunk::<{ ipv4::HEADER_LEN }>).copied()
    else {
        return view.opaque("IPv4", at, view.octets.len(), ipv4::HEADER_LEN);
    };
    let place = |offset: usize| at.saturating_add(offset);
    let words = usize::from(first & 0x0f);
    let header_len = words.saturating_mul(4).max(ipv4::HEADER_LEN);
    let source = Ipv4Addr::new(s0, s1, s2, s3);
    let destination = Ipv4Addr::new(d0, d1, d2, d3);
    let fragment = u16::from_be_bytes([f0, f1]);
    let mut node = view.group("IPv4", at, header_len, format!("{source} to {destination}"));
    node.children = vec![
        view.field("version and header length", at, 1, format!("version {}, {words} words", first >> 4)),
        view.field("service", place(1), 1, format!("0x{service:02x}")),
        view.field("total length", place(2), 2, octets_of(u16::from_be_bytes([t0, t1]).into())),
        view.field("identification", place(4), 2, u16::from_be_bytes([i0, i1]).to_string()),
        view.field("flags and fragment offset", place(6), 2, fragment_v4(fragment)),
        view.field("time to live", place(8), 1, ttl.to_string()),
        view.field("protocol", place(9), 1, named(protocol, names::ip_protocol(protocol))),
        view.field("header checksum", place(10), 2, "not checked here"),
        view.field("source", place(12), 4, source.to_string()),
        view.field("destination", place(16), 4, destination.to_string()),
    ];
    if header_len > ipv4::HEADER_LEN {
        let options = header_len.saturating_sub(ipv4::HEADER_LEN);
        node.children.push(view.field("options", place(ipv4::HEADER_LEN), options, octets_of(options)));
    }
    node
}

fn fragment_v4(field: u16) -> String {
    let offset = u32::from(field & 0x1fff).saturating_mul(8);
    let more = field & 0x2000 != 0;
    let kept = if field & 0x4000 != 0 { ", don't fragment" } else { "" };
    match (offset, more) {
        (0, false) => format!("not a fragment{kept}"),
        (0, true) => format!("first fragment, more follow{kept}"),
        (offset, true) => format!("fragment at octet {offset}, more follow{kept}"),
        (offset, false) => format!("last fragment, at octet {offset}{kept}"),
    }
}

fn v6(view: &View<'_>, at: usize) -> Node {
    let Some(header) = view.octets.get(at..).and_then(<[u8]>::first_chunk::<{ ipv6::HEADER_LEN }>) else {
        return view.opaque("IPv6", at, view.octets.len(), ipv6::HEADER_LEN);
    };
    let place = |offset: usize| at.saturating_add(offset);
    let address = |offset: usize| {
        header
            .get(offset..)
            .and_then(<[u8]>::first_chunk::<16>)
            .map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
    };
    let (source, destination) = (address(8), address(24));
    let word = view.be32(at).unwrap_or_default();
    let payload = view.be16(place(4)).unwrap_or_default();
    let (next, hops) = (view.u8(place(6)).unwrap_or_default(), view.u8(place(7)).unwrap_or_default());
    let mut node = view.group("IPv6", at, ipv6::HEADER_LEN, format!("{source} to {destination}"));
    node.children = vec![
        view.field(
            "version, class, flow label",
            at,
            4,
            format!("version {}, class {}, flow {}", word >> 28, word >> 20 & 0xff, word & 0xf_ffff),
        ),
        view.field("payload length", place(4), 2, octets_of(payload.into())),
        view.field("next header", place(6), 1, named(next, names::ip_protocol(next))),
        view.field("hop limit", place(7), 1, hops.to_string()),
        view.field("source", place(8), 16, source.to_string()),
        view.field("destination", place(24), 16, destination.to_string()),
    ];
    extensions(view, next, place(ipv6::HEADER_LEN), &mut node);
    node
}

/// Adds the extension headers, which start at `at`, to the IPv6 header.
fn extensions(view: &View<'_>, mut header: u8, mut at: usize, node: &mut Node) {
    const FRAGMENT: u8 = 44;
    for _ in 0..=ipv6::MAX_EXT_HEADERS {
        if !matches!(header, 0 | 43 | FRAGMENT | 51 | 60 | 135 | 139 | 140) {
            return;
        }
        let (Some(next), Some(words)) = (view.u8(at), view.u8(at.saturating_add(1))) else { return };
        let len = match header {
            FRAGMENT => 8,
            51 => usize::from(words).saturating_add(2).saturating_mul(4),
            _ => usize::from(words).saturating_add(1).saturating_mul(8),
        };
        let name = names::ip_protocol(header).unwrap_or("extension header");
        let mut value = format!("then {}", named(next, names::ip_protocol(next)));
        let mut is_part = false;
        if let (FRAGMENT, Some(field)) = (header, view.be16(at.saturating_add(2))) {
            is_part = field & 0xfff9 != 0;
            let more = if field & 1 != 0 { ", more follow" } else { "" };
            let part = if is_part { "" } else { " (atomic: the packet is whole)" };
            value = format!("{value}; fragment at octet {}{more}{part}", field & 0xfff8);
        }
        node.children.push(view.field(name, at, len, value));
        node.len = node.len.saturating_add(len);
        if is_part {
            return;
        }
        header = next;
        at = at.saturating_add(len);
    }
}
