//! By which interface an address is reached, asked of the kernel by rtnetlink (rtnetlink(7)).
//!
//! The answer is about packets that leave. What an address sends may arrive by another interface, if its network routes
//! that way; nobody here can know that.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::kernel::KernelError;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Octets of `nlmsghdr`.
const HEADER_LEN: usize = 16;
/// Octets of `rtmsg`, and where its type is.
const RTMSG_LEN: usize = 12;
const RTMSG_TYPE: usize = 7;
/// Octets of `ifinfomsg`, and where its index is.
const IFINFOMSG_LEN: usize = 16;
const IFINFOMSG_INDEX: usize = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
/// Octets of one answer; the kernel writes at most 32 KiB at a time.
const ANSWER_LEN: usize = 64 << 10;

/// How an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It is this host's own.
    Here,
    /// By the interface with this index.
    By(u32),
    /// Not at all.
    None,
}

/// An interface, as far as it matters what lies under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// "vlan", "bond", "bridge", ...; empty for a device.
    pub(super) kind: String,
    /// The interface that it was made over, or the far end of a veth.
    pub(super) lower: Option<u32>,
    /// The bond or bridge that it is a part of.
    pub(super) master: Option<u32>,
}

/// A conversation with the kernel.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// Opens it in this network namespace.
    ///
    /// # Errors
    /// No socket.
    pub(super) fn open() -> Result<Self, KernelError> {
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
            .map(Self)
            .map_err(|error| KernelError::other("netlink", error))
    }

    /// Sends a request, and shows each answer with its type until there are no more.
    fn ask(&self, kind: u16, flags: u16, body: &[u8], mut each: impl FnMut(u16, &[u8])) -> Result<(), Errno> {
        let mut request = Vec::with_capacity(HEADER_LEN + body.len());
        request.extend(((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        request.extend([0; 8]);
        request.extend_from_slice(body);
        rustix::net::sendto(&self.0, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut answer = vec![0u8; ANSWER_LEN];
        loop {
            let (_, len) = rustix::net::recv(&self.0, answer.as_mut_slice(), RecvFlags::empty())?;
            let mut rest = answer.get(..len).unwrap_or_default();
            while let Some((kind, message, after)) = message(rest) {
                match kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => {
                        let code = message.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                        return if code == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(-code)) };
                    }
                    kind => each(kind, message),
                }
                rest = after;
            }
            if flags & NLM_F_DUMP == 0 || len == 0 {
                return Ok(());
            }
        }
    }

    /// How packets to this address go.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub(super) fn route(&self, address: IpAddr) -> Result<Route, KernelError> {
        let (family, octets) = match address {
            IpAddr::V4(v4) => (AF_INET, v4.octets().to_vec()),
            IpAddr::V6(v6) => (AF_INET6, v6.octets().to_vec()),
        };
        let mut body = vec![family, (octets.len() * 8) as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        body.extend(((4 + octets.len()) as u16).to_ne_bytes());
        body.extend(RTA_DST.to_ne_bytes());
        body.extend(octets);
        let mut route = Route::None;
        let asked = self.ask(RTM_GETROUTE, 0, &body, |kind, message| {
            if kind == RTM_NEWROUTE {
                route = read_route(message);
            }
        });
        match asked {
            Ok(()) => Ok(route),
            Err(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ACCESS | Errno::INVAL) => Ok(Route::None),
            Err(error) => Err(KernelError::other(format!("route to {address}"), error)),
        }
    }

    /// Every interface.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub(super) fn links(&self) -> Result<Vec<Link>, KernelError> {
        let mut links = Vec::new();
        self.ask(RTM_GETLINK, NLM_F_DUMP, &[0; IFINFOMSG_LEN], |kind, message| {
            if kind == RTM_NEWLINK {
                links.extend(read_link(message));
            }
        })
        .map_err(|error| KernelError::other("list of interfaces", error))?;
        Ok(links)
    }
}

/// The first message: its type, what is in it, and what follows.
fn message(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = u32::from_ne_bytes(*octets.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*octets.get(4..)?.first_chunk()?);
    let inside = octets.get(HEADER_LEN..len)?;
    Some((kind, inside, octets.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

/// The attributes of a message or of an attribute.
fn attributes(mut octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    /// Bits of the type that are flags.
    const FLAGS: u16 = 0xc000;
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(*octets.first_chunk()?));
        let kind = u16::from_ne_bytes(*octets.get(2..)?.first_chunk()?) & !FLAGS;
        let value = octets.get(4..len)?;
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|octet| *octet == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

fn read_route(message: &[u8]) -> Route {
    let out = attributes(message.get(RTMSG_LEN..).unwrap_or_default())
        .find(|(kind, _)| *kind == RTA_OIF)
        .and_then(|(_, value)| number(value));
    match (message.get(RTMSG_TYPE), out) {
        (Some(&RTN_LOCAL), _) => Route::Here,
        (Some(&RTN_UNICAST), Some(index)) => Route::By(index),
        _ => Route::None,
    }
}

fn read_link(message: &[u8]) -> Option<Link> {
    let mut link = Link { index: number(message.get(IFINFOMSG_INDEX..)?)?, ..Link::default() };
    for (kind, value) in attributes(message.get(IFINFOMSG_LEN..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_LINK => link.lower = number(value),
            IFLA_MASTER => link.master = number(value),
            IFLA_LINKINFO => {
                let kind = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                link.kind = kind.map_or_else(String::new, |(_, value)| text(value));
            }
            _ => {}
        }
    }
    Some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_cut_off_end_the_reading() {
        // Length 40, of which 20 are there; an attribute of length 3; an attribute beyond its message.
        assert_eq!(message(&[40, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), None);
        assert_eq!(message(&[4, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(attributes(&[3, 0, 4, 0, 9]).count(), 0);
        assert_eq!(attributes(&[200, 0, 4, 0, 9, 9, 9, 9]).count(), 0);
        assert_eq!(read_route(&[]), Route::None);
        assert_eq!(read_link(&[0; 7]), None);
    }

    #[test]
    fn a_route_is_local_by_an_interface_or_none() {
        let with = |kind: u8| {
            let mut octets = vec![2, 32, 0, 0, 254, 0, 0, kind, 0, 0, 0, 0];
            octets.extend([8u16.to_ne_bytes(), RTA_OIF.to_ne_bytes()].concat());
            octets.extend(7u32.to_ne_bytes());
            read_route(&octets)
        };
        assert_eq!([with(1), with(2), with(6)], [Route::By(7), Route::Here, Route::None]);
    }
}
