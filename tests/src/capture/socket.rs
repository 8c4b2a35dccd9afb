//! A socket for whole frames.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags};

use super::LONGEST;
use crate::netns::Namespace;

/// A socket for whole frames on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens it; with `both`, it also gets the frames that this host sends.
    ///
    /// # Errors
    /// There is no such interface, or `CAP_NET_RAW` is missing.
    pub fn open(namespace: &Namespace, interface: &str, both: bool) -> Result<Self> {
        /// PACKET_IGNORE_OUTGOING (linux/if_packet.h).
        const IGNORE_OUTGOING: i32 = 23;
        const ROOM: usize = 64 << 20;
        namespace.inside(|| {
            let every = (libc::ETH_P_ALL as u16).to_be();
            let family = rustix::net::AddressFamily::from_raw(libc::AF_PACKET as u16);
            let protocol = rustix::net::RawProtocol::new(u32::from(every));
            let socket = rustix::net::socket_with(
                family,
                rustix::net::SocketType::RAW,
                rustix::net::SocketFlags::CLOEXEC,
                protocol.map(rustix::net::Protocol::from_raw),
            )
            .context("a packet socket")?;
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM)?;
            let name = std::ffi::CString::new(interface)?;
            // SAFETY: a string with its end.
            let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
            ensure!(index > 0, "no interface {interface}");
            // SAFETY: a structure of numbers, all of which may be zero.
            let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = every;
            address.sll_ifindex = i32::try_from(index)?;
            let (fd, len) = (socket.as_raw_fd(), size_of::<libc::sockaddr_ll>() as libc::socklen_t);
            // SAFETY: the address has this length.
            let bound = unsafe { libc::bind(fd, (&raw const address).cast(), len) };
            ensure!(bound == 0, "bind to {interface}: {}", io::Error::last_os_error());
            if !both {
                let on = 1i32;
                let (from, len) = ((&raw const on).cast(), size_of::<i32>() as libc::socklen_t);
                // SAFETY: one number of this length.
                let set = unsafe { libc::setsockopt(fd, libc::SOL_PACKET, IGNORE_OUTGOING, from, len) };
                ensure!(set == 0, "PACKET_IGNORE_OUTGOING: {}", io::Error::last_os_error());
            }
            Ok(Self { socket })
        })
    }

    /// The next frame; `None` if none comes in this time (less than a second).
    ///
    /// # Errors
    /// The socket fails.
    pub fn receive(&self, patience: Duration) -> Result<Option<Vec<u8>>> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
        if poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout))? == 0 {
            return Ok(None);
        }
        self.take()
    }

    /// The next frame if one is there.
    ///
    /// # Errors
    /// The socket fails.
    pub fn take(&self) -> Result<Option<Vec<u8>>> {
        let mut octets = vec![0u8; LONGEST];
        let taken = self.take_into(&mut octets)?;
        Ok(taken.map(|len| {
            octets.truncate(len);
            octets
        }))
    }

    /// The same into room that is there; gives the frame's length.
    ///
    /// # Errors
    /// The socket fails.
    pub fn take_into(&self, room: &mut [u8]) -> Result<Option<usize>> {
        match rustix::net::recv(&self.socket, room, RecvFlags::DONTWAIT) {
            Ok((len, _)) => Ok(Some(len)),
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// When the kernel got the frame that was taken last, in nanoseconds of the wall clock. The kernel notes that from the
    /// first such question on.
    ///
    /// # Errors
    /// No frame was taken.
    pub fn stamp_ns(&self) -> Result<u64> {
        /// SIOCGSTAMPNS (linux/sockios.h, on machines of 64 bits).
        const STAMP: libc::Ioctl = 0x8907;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the kernel writes two numbers there.
        let asked = unsafe { libc::ioctl(self.socket.as_raw_fd(), STAMP, &raw mut time) };
        ensure!(asked == 0, "SIOCGSTAMPNS: {}", io::Error::last_os_error());
        Ok(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The interface refuses it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        rustix::net::send(&self.socket, frame, SendFlags::empty()).context("send a frame")?;
        Ok(())
    }

    /// The socket, to wait for it.
    #[must_use]
    pub fn as_poll(&self) -> PollFd<'_> {
        PollFd::new(&self.socket, PollFlags::IN)
    }
}
