//! The kernel's SCTP through sockets, one association each (RFC 6458, section 4), with what the C library has no names
//! for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytemuck::{Pod, Zeroable};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType};

use crate::netns::Namespace;

/// IP protocol number of SCTP, and level of its socket options.
const SCTP: u8 = 132;

/// Numbers of linux/sctp.h.
mod number {
    pub(super) const INITMSG: i32 = 2;
    pub(super) const NODELAY: i32 = 3;
    pub(super) const MAXSEG: i32 = 13;
    pub(super) const FRAGMENT_INTERLEAVE: i32 = 18;
    pub(super) const RECVRCVINFO: i32 = 32;
    pub(super) const GET_ASSOC_STATS: i32 = 112;
    pub(super) const INTERLEAVING_SUPPORTED: i32 = 125;
    /// Types of control messages.
    pub(super) const SNDINFO: i32 = 2;
    pub(super) const RCVINFO: i32 = 3;
}

/// Where the counters begin in `struct sctp_assoc_stats`: after the association's id and an address.
const STATISTICS_AT: usize = 136;

/// Octets of a message at most.
const LONGEST: usize = 65_536;

/// `struct sctp_sndinfo` (RFC 6458, section 5.3.4); the PPID in network order.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct SendInfo {
    stream: u16,
    flags: u16,
    ppid: u32,
    context: u32,
    association: i32,
}

/// `struct sctp_rcvinfo` (RFC 6458, section 5.3.5); the PPID in network order.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ReceiveInfo {
    stream: u16,
    ssn: u16,
    flags: u16,
    unused: u16,
    ppid: u32,
    tsn: u32,
    cumulative_tsn: u32,
    context: u32,
    association: i32,
}

/// Room for one control message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 128]);

/// A message as the kernel delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Stream identifier.
    pub stream: u16,
    /// Payload protocol identifier.
    pub ppid: u32,
    /// What was sent.
    pub octets: Vec<u8>,
}

/// What an association has counted since it began (`struct sctp_assoc_stats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Chunks that were sent again.
    pub retransmitted: u64,
    /// Chunks that arrived again.
    pub duplicates: u64,
    /// SACKs with gaps, received.
    pub gaps: u64,
    /// Ordered DATA chunks sent.
    pub sent: u64,
}

/// What an end of an association does otherwise than by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// No chunk carries more octets.
    pub max_segment: Option<u32>,
    /// It offers I-DATA (RFC 8260).
    pub interleaving: bool,
}

/// One association.
#[derive(Debug)]
pub struct Association {
    socket: OwnedFd,
}

impl Association {
    /// Connects from `local` to `remote`, in a namespace.
    ///
    /// # Errors
    /// The kernel has no SCTP, or nobody answers.
    pub fn connect(
        namespace: &Namespace,
        local: SocketAddr,
        remote: SocketAddr,
        options: Options,
    ) -> Result<Self> {
        namespace.inside(|| {
            let socket = socket(local, options)?;
            rustix::net::bind(&socket, &local).with_context(|| format!("bind {local}"))?;
            rustix::net::connect(&socket, &remote).with_context(|| format!("connect {local} to {remote}"))?;
            Ok(Self { socket })
        })
    }

    /// Sends a message; with `more`, the kernel waits for the next one, to put both in one packet.
    ///
    /// # Errors
    /// The association has ended.
    pub fn send(&self, stream: u16, octets: &[u8], more: bool) -> Result<()> {
        const M3UA: u32 = 3;
        let info = SendInfo { stream, flags: 0, ppid: M3UA.to_be(), context: 0, association: 0 };
        let mut control = Control([0; 128]);
        let header = size_of::<libc::cmsghdr>();
        let len = header + size_of::<SendInfo>();
        // `struct cmsghdr`: length, level, type; its data follows without a gap.
        control.0[..8].copy_from_slice(&(len as u64).to_ne_bytes());
        control.0[8..12].copy_from_slice(&i32::from(SCTP).to_ne_bytes());
        control.0[12..16].copy_from_slice(&number::SNDINFO.to_ne_bytes());
        control.0[header..len].copy_from_slice(bytemuck::bytes_of(&info));
        let mut part = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
        let message = message_header(&mut part, &mut control, len);
        let flags = if more { libc::MSG_MORE } else { 0 };
        // SAFETY: the header points to one part and one control message, which live until the end of the call; the kernel
        // only reads them.
        let sent = unsafe { libc::sendmsg(self.socket.as_raw_fd(), &raw const message, flags) };
        ensure!(sent >= 0, "send: {}", io::Error::last_os_error());
        ensure!(usize::try_from(sent) == Ok(octets.len()), "sent {sent} octets of {}", octets.len());
        Ok(())
    }

    /// The next message; `None` if none comes in this time.
    ///
    /// # Errors
    /// The association has ended.
    pub fn receive(&self, patience: Duration) -> Result<Option<Message>> {
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs())?,
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        if poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout))? == 0 {
            return Ok(None);
        }
        let mut octets = vec![0u8; LONGEST];
        let mut control = Control([0; 128]);
        let room = control.0.len();
        let mut part = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
        let mut message = message_header(&mut part, &mut control, room);
        // SAFETY: the header points to room for a message and for control messages, with their right lengths; both live
        // until the end of the call.
        let len = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, 0) };
        ensure!(len >= 0, "receive: {}", io::Error::last_os_error());
        ensure!(len > 0, "the other end has ended the association");
        ensure!(message.msg_flags & libc::MSG_EOR != 0, "a message of more than {LONGEST} octets");
        octets.truncate(usize::try_from(len)?);
        let header = size_of::<libc::cmsghdr>();
        let kind = i32::from_ne_bytes(control.0[12..16].try_into()?);
        ensure!(message.msg_controllen > header && kind == number::RCVINFO, "a message without its stream");
        let info: ReceiveInfo =
            bytemuck::pod_read_unaligned(&control.0[header..header + size_of::<ReceiveInfo>()]);
        Ok(Some(Message { stream: info.stream, ppid: u32::from_be(info.ppid), octets }))
    }

    /// What it has counted.
    ///
    /// # Errors
    /// The association has ended.
    pub fn statistics(&self) -> Result<Statistics> {
        let mut octets = [0u8; 512];
        let mut len = 512 as libc::socklen_t;
        let fd = self.socket.as_raw_fd();
        let (to, len_to) = (octets.as_mut_ptr().cast(), &raw mut len);
        // SAFETY: `octets` has `len` octets, into which the kernel writes, and says in `len` how many.
        let result = unsafe { libc::getsockopt(fd, i32::from(SCTP), number::GET_ASSOC_STATS, to, len_to) };
        ensure!(result == 0, "statistics of an association: {}", io::Error::last_os_error());
        let counter = |index: usize| {
            let at = STATISTICS_AT + 8 * index;
            octets[at..at + 8].try_into().map(u64::from_ne_bytes).expect("eight octets")
        };
        // Order: greatest RTO, SACKs in and out, packets out and in, retransmitted, out of sequence, duplicates, gaps,
        // unordered chunks out and in, ordered chunks out and in, control chunks out and in.
        Ok(Statistics {
            retransmitted: counter(5),
            duplicates: counter(7),
            gaps: counter(8),
            sent: counter(11),
        })
    }
}

/// A socket that waits for associations.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
}

impl Listener {
    /// Listens in a namespace.
    ///
    /// # Errors
    /// The kernel has no SCTP, or the address is taken.
    pub fn bind(namespace: &Namespace, local: SocketAddr, options: Options) -> Result<Self> {
        namespace.inside(|| {
            let socket = socket(local, options)?;
            rustix::net::bind(&socket, &local).with_context(|| format!("bind {local}"))?;
            rustix::net::listen(&socket, 8)?;
            Ok(Self { socket })
        })
    }

    /// The next association.
    ///
    /// # Errors
    /// None comes in this time.
    pub fn accept(&self, patience: Duration) -> Result<Association> {
        let timeout = Timespec { tv_sec: i64::try_from(patience.as_secs())?, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout))? == 0 {
            bail!("no association in {patience:?}");
        }
        let socket = rustix::net::accept(&self.socket).context("accept")?;
        Ok(Association { socket })
    }
}

fn socket(local: SocketAddr, options: Options) -> Result<OwnedFd> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let protocol = RawProtocol::new(u32::from(SCTP)).map(Protocol::from_raw);
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, protocol)
        .context("an SCTP socket: has the kernel the module sctp?")?;
    // `struct sctp_initmsg`: streams out and in, attempts and greatest RTO as the system has them.
    set(&socket, number::INITMSG, &[17u16, 17, 0, 0])?;
    set(&socket, number::NODELAY, &1i32)?;
    set(&socket, number::RECVRCVINFO, &1i32)?;
    // `struct sctp_assoc_value`: an association, which is this one, and the value.
    if let Some(octets) = options.max_segment {
        set(&socket, number::MAXSEG, &[0u32, octets])?;
    }
    if options.interleaving {
        std::fs::write("/proc/sys/net/sctp/intl_enable", "1").context("net.sctp.intl_enable")?;
        set(&socket, number::FRAGMENT_INTERLEAVE, &1i32)?;
        set(&socket, number::INTERLEAVING_SUPPORTED, &[0u32, 1])?;
    }
    Ok(socket)
}

fn set<T: Pod>(socket: &OwnedFd, option: i32, value: &T) -> Result<()> {
    let octets = bytemuck::bytes_of(value);
    let len = libc::socklen_t::try_from(octets.len())?;
    let (fd, from) = (socket.as_raw_fd(), octets.as_ptr().cast());
    // SAFETY: `octets` has `len` octets, which the kernel reads.
    let result = unsafe { libc::setsockopt(fd, i32::from(SCTP), option, from, len) };
    ensure!(result == 0, "SCTP option {option}: {}", io::Error::last_os_error());
    Ok(())
}

/// A header for one part and control messages of this length.
fn message_header(part: &mut libc::iovec, control: &mut Control, len: usize) -> libc::msghdr {
    // SAFETY: a structure of pointers and numbers, all of which may be zero.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = len;
    header
}

/// A counter of SCTP in a namespace, as in /proc/net/sctp/snmp: "SctpChecksumErrors", "SctpAborteds", ...
///
/// # Errors
/// There is no such counter, as while the module is not loaded.
pub fn counter(namespace: &Namespace, name: &str) -> Result<u64> {
    let text = namespace.inside(|| Ok(std::fs::read_to_string("/proc/thread-self/net/sctp/snmp")?))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| name.to_owned())?;
    Ok(line.trim().parse()?)
}
