//! Frames by hand, for table tests: Ethernet with tags, IPv4 and IPv6, SCTP with any chunks.

use crate::m3ua::{self, Label};
use crate::traffic::Kind;

/// A frame being built from the outside in.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Ethernet type and control information of each tag.
    tags: Vec<(u16, u16)>,
    ether_type: u16,
    /// IP header with its extension headers, and where its length is.
    ip: Vec<u8>,
    v6: bool,
    /// SCTP packet, or whatever is inside.
    inside: Vec<u8>,
}

impl Frame {
    /// IPv4 from 192.0.2.1 to 192.0.2.2 with this protocol and these option octets (a multiple of four).
    #[must_use]
    pub fn ipv4(protocol: u8, options: &[u8]) -> Self {
        let words = u8::try_from(5 + options.len() / 4).expect("short options");
        let mut ip =
            vec![0x40 | words, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        ip.extend_from_slice(options);
        Self { ether_type: 0x0800, ip, ..Self::default() }
    }

    /// IPv6 from 2001:db8::1 to 2001:db8::2 with these extension headers (next header, header octets), then `protocol`.
    #[must_use]
    pub fn ipv6(protocol: u8, extensions: &[(u8, Vec<u8>)]) -> Self {
        let mut ip = vec![0x60, 0, 0, 0, 0, 0, extensions.first().map_or(protocol, |(kind, _)| *kind), 64];
        for last in [1, 2] {
            ip.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        for (index, (_, octets)) in extensions.iter().enumerate() {
            let next = extensions.get(index + 1).map_or(protocol, |(kind, _)| *kind);
            ip.push(next);
            ip.extend_from_slice(octets);
        }
        Self { ether_type: 0x86dd, ip, v6: true, ..Self::default() }
    }

    /// Another Ethernet type with these octets.
    #[must_use]
    pub fn other(ether_type: u16, octets: &[u8]) -> Self {
        Self { ether_type, inside: octets.to_vec(), ..Self::default() }
    }

    /// Puts a tag in front: 0x8100, 0x88a8, ...
    #[must_use]
    pub fn tag(mut self, ether_type: u16) -> Self {
        self.tags.insert(0, (ether_type, 5));
        self
    }

    /// Sets flags and offset of the IPv4 fragment field.
    #[must_use]
    pub fn fragment(mut self, field: u16) -> Self {
        self.ip[6..8].copy_from_slice(&field.to_be_bytes());
        self
    }

    /// An SCTP packet from port 2905 to 2905 with this tag and these chunks.
    #[must_use]
    pub fn sctp(self, vtag: u32, chunks: &[Vec<u8>]) -> Self {
        self.sctp_ports(2905, 2905, vtag, chunks)
    }

    /// An SCTP packet between these ports.
    #[must_use]
    pub fn sctp_ports(mut self, source: u16, destination: u16, vtag: u32, chunks: &[Vec<u8>]) -> Self {
        self.inside = source.to_be_bytes().to_vec();
        self.inside.extend(destination.to_be_bytes());
        self.inside.extend(vtag.to_be_bytes());
        self.inside.extend([0; 4]);
        self.inside.extend(chunks.concat());
        self
    }

    /// Raw octets after the IP header.
    #[must_use]
    pub fn payload(mut self, octets: &[u8]) -> Self {
        self.inside = octets.to_vec();
        self
    }

    /// The octets, at least 60.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        for (kind, control) in &self.tags {
            out.extend(kind.to_be_bytes());
            out.extend(control.to_be_bytes());
        }
        out.extend(self.ether_type.to_be_bytes());
        let mut ip = self.ip.clone();
        if self.v6 {
            let len = u16::try_from(ip.len() - 40 + self.inside.len()).expect("a short packet");
            ip[4..6].copy_from_slice(&len.to_be_bytes());
        } else if !ip.is_empty() {
            let len = u16::try_from(ip.len() + self.inside.len()).expect("a short packet");
            ip[2..4].copy_from_slice(&len.to_be_bytes());
        }
        out.extend(ip);
        out.extend_from_slice(&self.inside);
        out.resize(out.len().max(60), 0);
        out
    }
}

/// A chunk with its padding.
#[must_use]
pub fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, flags];
    out.extend(u16::try_from(value.len() + 4).expect("a short chunk").to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// Whole message: both fragment bits.
pub const WHOLE: u8 = 3;
/// First fragment.
pub const FIRST: u8 = 2;
/// Last fragment.
pub const LAST: u8 = 1;

/// DATA with these flags, PPID and payload.
#[must_use]
pub fn data(flags: u8, ppid: u32, payload: &[u8]) -> Vec<u8> {
    let mut value = vec![0, 0, 0, 9, 0, 1, 0, 2];
    value.extend(ppid.to_be_bytes());
    value.extend_from_slice(payload);
    chunk(0x00, flags, &value)
}

/// I-DATA with these flags, PPID and payload.
#[must_use]
pub fn i_data(flags: u8, ppid: u32, payload: &[u8]) -> Vec<u8> {
    let mut value = vec![0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 2];
    value.extend(ppid.to_be_bytes());
    value.extend_from_slice(payload);
    chunk(0x40, flags, &value)
}

/// SACK.
#[must_use]
pub fn sack() -> Vec<u8> {
    chunk(3, 0, &[0; 12])
}

/// An M3UA DATA message from `opc`, with Network Appearance 7 and Routing Context, and a real MAP message.
#[must_use]
pub fn m3ua_data(opc: u32) -> Vec<u8> {
    m3ua::data(Label { opc, dpc: 9, ni: 0, sls: 1 }, Some(7), &Kind::UpdateLocation.begin(5))
}

/// Offset of Protocol Data in [`m3ua_data`].
pub const PROTOCOL_DATA_AT: usize = 24;

/// A frame with one DATA chunk that holds this payload.
#[must_use]
pub fn carrying(payload: &[u8]) -> Vec<u8> {
    Frame::ipv4(132, &[]).sctp(1, &[data(WHOLE, 3, payload)]).build()
}
