//! What the SCTP packets of an endpoint go through: a raw socket between two addresses, or whole frames with VLAN tags.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, Protocol, RawProtocol, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::settings::Tagged;
use crate::capture::{PacketSocket, addressed};
use crate::netns::Namespace;

/// IP protocol number of SCTP.
const SCTP: u8 = 132;

/// Octets that wait in a socket at most.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Where packets go out and come in.
pub(super) enum Line {
    /// The kernel adds and takes off everything below SCTP.
    Raw { socket: OwnedFd, v4: bool },
    /// Frames with tags.
    Frames { socket: PacketSocket, envelope: Envelope },
}

impl Line {
    pub(super) fn open(
        namespace: &Namespace,
        local: SocketAddr,
        remote: SocketAddr,
        tagged: Option<Tagged>,
    ) -> Result<Self> {
        match tagged {
            None => namespace.inside(|| Self::here(local, remote)),
            Some(tagged) => {
                let socket = PacketSocket::open(namespace, tagged.interface, false)?;
                Ok(Self::Frames { socket, envelope: Envelope::new(local.ip(), remote.ip(), tagged.tags)? })
            }
        }
    }

    /// A raw socket between these addresses in the namespace of this thread; it gets every SCTP packet between them.
    pub(super) fn here(local: SocketAddr, remote: SocketAddr) -> Result<Self> {
        let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let protocol = RawProtocol::new(u32::from(SCTP)).map(Protocol::from_raw);
        let socket = rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
            .context("raw socket (CAP_NET_RAW)")?;
        // Room for a burst, beyond what the machine allows everybody.
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
            .context("receive buffer (CAP_NET_ADMIN)")?;
        let bare = |ip: IpAddr| SocketAddr::new(ip, 0);
        rustix::net::bind(&socket, &bare(local.ip())).with_context(|| format!("bind {local}"))?;
        rustix::net::connect(&socket, &bare(remote.ip())).with_context(|| format!("connect {remote}"))?;
        Ok(Self::Raw { socket, v4: local.is_ipv4() })
    }

    pub(super) fn as_poll(&self) -> PollFd<'_> {
        match self {
            Self::Raw { socket, .. } => PollFd::new(socket, PollFlags::IN),
            Self::Frames { socket, .. } => socket.as_poll(),
        }
    }

    /// The next packet, from its common header on; `None` if none waits.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        match self {
            Self::Raw { socket, v4 } => {
                let mut octets = vec![0u8; 65_536];
                let (len, _) = rustix::net::recv(socket, &mut octets[..], RecvFlags::DONTWAIT).ok()?;
                octets.truncate(len);
                // A raw IPv4 socket hands the IP header out, a raw IPv6 socket does not.
                let start = if *v4 { usize::from(octets.first()? & 15) * 4 } else { 0 };
                octets.get(start..).map(<[u8]>::to_vec)
            }
            Self::Frames { socket, envelope } => loop {
                let frame = socket.take().ok().flatten()?;
                if let Some(packet) = envelope.inside(&frame) {
                    break Some(packet.to_vec());
                }
            },
        }
    }

    pub(super) fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Raw { socket, .. } => {
                rustix::net::send(socket, packet, SendFlags::empty())?;
                Ok(())
            }
            Self::Frames { socket, envelope } => {
                socket.send(&envelope.around(packet)).map_err(|error| io::Error::other(format!("{error:#}")))
            }
        }
    }
}

/// What is around an SCTP packet in a frame.
pub(super) struct Envelope {
    ethernet: Vec<u8>,
    /// Source and destination address.
    addresses: Vec<u8>,
    v4: bool,
}

impl Envelope {
    fn new(local: IpAddr, remote: IpAddr, tags: &[u16]) -> Result<Self> {
        /// Anybody on a wire with two ends.
        const TO: [u8; 6] = [0xff; 6];
        const FROM: [u8; 6] = [2, 0, 0, 0, 0, 7];
        let (addresses, v4) = match (local, remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => ([local.octets(), remote.octets()].concat(), true),
            (IpAddr::V6(local), IpAddr::V6(remote)) => ([local.octets(), remote.octets()].concat(), false),
            _ => bail!("{local} and {remote} are of two families"),
        };
        let mut ethernet = [TO, FROM].concat();
        for (identifier, kind) in (7u16..).zip(tags) {
            ethernet.extend(kind.to_be_bytes());
            ethernet.extend(identifier.to_be_bytes());
        }
        ethernet.extend(if v4 { [0x08, 0x00] } else { [0x86, 0xdd] });
        Ok(Self { ethernet, addresses, v4 })
    }

    fn around(&self, packet: &[u8]) -> Vec<u8> {
        let len = |more: usize| u16::try_from(packet.len() + more).expect("a short packet").to_be_bytes();
        let mut frame = self.ethernet.clone();
        if self.v4 {
            let [high, low] = len(20);
            let mut header = vec![0x45, 0, high, low, 0, 0, 0x40, 0, 64, SCTP, 0, 0];
            header.extend_from_slice(&self.addresses);
            let sum: u32 =
                header.chunks_exact(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded twice");
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            frame.extend(header);
        } else {
            frame.extend([0x60, 0, 0, 0]);
            frame.extend(len(0));
            frame.extend([SCTP, 64]);
            frame.extend_from_slice(&self.addresses);
        }
        frame.extend_from_slice(packet);
        frame
    }

    /// The packet in a frame that comes from the other end. The kernel has taken the outer tag off.
    fn inside<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let (local, remote) = self.addresses.split_at(self.addresses.len() / 2);
        let (addresses, packet) = addressed(frame)?;
        (addresses.strip_prefix(remote)? == local).then_some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_found_by_its_other_end_only() {
        let packet: Vec<u8> = (0..40).collect();
        for (ips, tags) in [
            (["10.7.0.1", "10.7.0.11"], &[0x8100u16][..]),
            (["fd07::1", "fd07::11"], &[0x88a8, 0x8100]),
            (["10.7.0.1", "10.7.0.11"], &[]),
        ] {
            let [here, there] = ips.map(|ip| ip.parse().expect("address"));
            let frame = Envelope::new(here, there, tags).expect("one family").around(&packet);
            let found = |[here, there]: [IpAddr; 2]| {
                Envelope::new(here, there, tags).expect("one family").inside(&frame).map(<[u8]>::to_vec)
            };
            assert_eq!(found([there, here]), Some(packet.clone()));
            assert_eq!(found([here, there]), None);
        }
    }
}
