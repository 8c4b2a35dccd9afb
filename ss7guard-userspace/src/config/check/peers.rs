//! The peers: `[[peer]]`.

use std::collections::HashSet;
use std::net::IpAddr;

use ss7guard_common::abi::Side;
use ss7guard_common::neutralise::Form;
use ss7guard_common::point_code::Format;
use toml::Spanned;

use super::{Checked, digits, fault, flavour, point_code, point_code_bits};
use crate::config::Peer;
use crate::config::raw::{self, FormName, SideName};
use crate::inspect::sccp::Flavour;

pub(super) fn peers(
    peers: &[Spanned<raw::Peer>],
    default_bits: u8,
    default_flavour: Flavour,
    format: Format,
) -> Checked<Vec<Peer>> {
    let mut seen = HashSet::new();
    peers
        .iter()
        .map(|spanned| {
            let peer = spanned.get_ref();
            Ok(Peer {
                name: peer.name.clone(),
                addresses: addresses(spanned, &mut seen)?,
                ports: peer.ports.iter().map(port).collect::<Checked<_>>()?,
                side: match peer.side {
                    SideName::Interconnect => Side::Interconnect,
                    SideName::Home => Side::Home,
                },
                point_code_bits: match &peer.point_code_bits {
                    Some(bits) => point_code_bits(bits)?,
                    None => default_bits,
                },
                flavour: peer.sccp.map_or(default_flavour, flavour),
                point_codes: peer
                    .point_codes
                    .iter()
                    .map(|pc| point_code(pc, format))
                    .collect::<Checked<_>>()?,
                gt_prefixes: peer
                    .gt_prefixes
                    .iter()
                    .map(|prefix| digits(prefix, "GT", 21).map(|()| prefix.get_ref().clone()))
                    .collect::<Checked<_>>()?,
                form: match peer.neutralise_as {
                    FormName::BeatAck => Form::BeatAck,
                    FormName::BeatAckPlain => Form::BeatAckPlain,
                    FormName::PpidZero => Form::PpidZero,
                },
            })
        })
        .collect()
}

/// The addresses of a peer, which no peer before has.
fn addresses(spanned: &Spanned<raw::Peer>, seen: &mut HashSet<IpAddr>) -> Checked<Vec<IpAddr>> {
    let peer = spanned.get_ref();
    match (&peer.address, peer.addresses.as_slice()) {
        (Some(address), [_, ..]) => {
            return Err(fault(address, "write address or addresses, not both"));
        }
        (None, []) => {
            return Err(fault(
                spanned,
                "a peer has an address, such as address = \"192.0.2.10\", or addresses = [...] if it is multihomed",
            ));
        }
        _ => {}
    }
    peer.address
        .iter()
        .chain(&peer.addresses)
        .map(|spanned| {
            let text = spanned.get_ref();
            let address: IpAddr = text.parse().map_err(|_| {
                fault(
                    spanned,
                    format!("{text:?} is no IP address, such as \"192.0.2.10\" or \"2001:db8::10\""),
                )
            })?;
            if !seen.insert(address) {
                return Err(fault(spanned, format!("peer {address} is there twice")));
            }
            Ok(address)
        })
        .collect()
}

fn port(port: &Spanned<u16>) -> Checked<u16> {
    match *port.get_ref() {
        0 => Err(fault(port, "0 is no port: write 1 to 65535")),
        port => Ok(port),
    }
}
