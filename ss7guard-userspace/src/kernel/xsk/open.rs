//! Opening the sockets of a pool: the kernel's order is pool, ring sizes, ring memory, queue.

use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{
    set_xdp_rx_ring_size, set_xdp_tx_ring_size, set_xdp_umem_completion_ring_size,
    set_xdp_umem_fill_ring_size, set_xdp_umem_reg, xdp_mmap_offsets, xdp_options,
};
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, SocketAddrXdpWithSharedUmem, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING,
    XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpOptionsFlags, XdpRingOffset,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use super::memory::Words;
use super::pool::Pool;
use super::ring::{Consumer, Layout, Producer};
use super::socket::Socket;
use crate::kernel::KernelError;

/// The kernel gives a queue free some time after the last socket on it was closed; so long we wait for it.
const QUEUE_PATIENCE: Duration = Duration::from_secs(1);

/// Whether frames are copied between the interface's memory and the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// They are: every driver can.
    Always,
    /// The interface uses the pool as its own memory if all drivers can; else as [`Copying::Always`].
    Avoid,
}

/// Where a socket sits, and how large its rings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Index of the interface.
    pub interface: u32,
    /// Its queue.
    pub queue: u32,
    /// Frames that lie ready to be received into. Rings have the next power of two.
    pub receive: u32,
    /// Frames that can wait to be sent. With all frames of the pool ([`Pool::frames`]) there is always room.
    pub send: u32,
}

/// Opens a socket on each of these queues, all over one pool. Nothing is received before [`Socket::refill`] and before a
/// program redirects to the socket.
///
/// The kernel copies on all sockets of a pool or on none; so if one driver cannot do without, all are opened anew.
///
/// # Errors
/// A capability is missing (CAP_NET_RAW), an interface is gone, a queue is taken, or the kernel refuses.
pub fn open(pool: &Pool, ports: &[Port], copying: Copying) -> Result<Vec<Socket>, KernelError> {
    if copying == Copying::Avoid {
        match open_each(pool, ports, SocketAddrXdpFlags::XDP_ZEROCOPY) {
            Err(error) => log::info!("frames are copied, since the driver cannot do without: {error}"),
            sockets => return sockets,
        }
    }
    open_each(pool, ports, SocketAddrXdpFlags::XDP_COPY)
}

fn open_each(pool: &Pool, ports: &[Port], mode: SocketAddrXdpFlags) -> Result<Vec<Socket>, KernelError> {
    let mut sockets: Vec<Socket> = Vec::with_capacity(ports.len());
    for port in ports {
        let socket = Socket::open(pool, sockets.first(), *port, mode)?;
        sockets.push(socket);
    }
    Ok(sockets)
}

impl Socket {
    /// Opens one socket; `first` is one that has registered the pool.
    fn open(
        pool: &Pool,
        first: Option<&Self>,
        port: Port,
        mode: SocketAddrXdpFlags,
    ) -> Result<Self, KernelError> {
        let failed = |what: &str| {
            let what = format!("AF_XDP on queue {} of interface {}: {what}", port.queue, port.interface);
            move |error: Errno| match error {
                Errno::PERM => KernelError::Capability("CAP_NET_RAW".to_owned()),
                Errno::AFNOSUPPORT => {
                    KernelError::Unsupported("it has no AF_XDP (CONFIG_XDP_SOCKETS)".to_owned())
                }
                error => KernelError::other(what, error),
            }
        };
        let size = |frames: u32| frames.checked_next_power_of_two().unwrap_or(0);
        let (receive, sending) = (size(port.receive), size(port.send));
        let socket = socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)
            .map_err(failed("socket"))?;
        if first.is_none() {
            set_xdp_umem_reg(&socket, pool.registration())
                .map_err(failed("register the pool (without CAP_IPC_LOCK, LimitMEMLOCK= bounds it)"))?;
        }
        // Each queue has its own rings, also where the pool is shared.
        set_xdp_umem_fill_ring_size(&socket, receive).map_err(failed("fill ring"))?;
        set_xdp_umem_completion_ring_size(&socket, sending).map_err(failed("completion ring"))?;
        set_xdp_rx_ring_size(&socket, receive).map_err(failed("RX ring"))?;
        set_xdp_tx_ring_size(&socket, sending).map_err(failed("TX ring"))?;
        let offsets = xdp_mmap_offsets(&socket).map_err(failed("offsets"))?;
        let ring = |at: &XdpRingOffset, size: u32, words: usize, page: u64| {
            let layout = Layout::new(at).ok_or(Errno::OVERFLOW)?;
            let octets = layout.octets(size, words).ok_or(Errno::OVERFLOW)?;
            Words::of(&socket, octets, page).map(|memory| (memory, layout, size))
        };
        let missing = || failed("map the rings")(Errno::OVERFLOW);
        let map = failed("map the rings");
        let maps = || -> Result<_, Errno> {
            Ok((
                ring(&offsets.fr, receive, 1, XDP_UMEM_PGOFF_FILL_RING)?,
                ring(&offsets.cr, sending, 1, XDP_UMEM_PGOFF_COMPLETION_RING)?,
                ring(&offsets.rx, receive, 2, XDP_PGOFF_RX_RING)?,
                ring(&offsets.tx, sending, 2, XDP_PGOFF_TX_RING)?,
            ))
        };
        let (fill, completion, rx, tx) = maps().map_err(map)?;
        bind_to(&socket, first, port, mode).map_err(failed("bind"))?;
        let zero_copy =
            xdp_options(&socket).is_ok_and(|options| options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY));
        Ok(Self {
            pool: pool.id(),
            port,
            zero_copy,
            fill: Producer::new(fill.0, fill.1, fill.2).ok_or_else(missing)?,
            completion: Consumer::new(completion.0, completion.1, completion.2).ok_or_else(missing)?,
            rx: Consumer::new(rx.0, rx.1, rx.2).ok_or_else(missing)?,
            tx: Producer::new(tx.0, tx.1, tx.2).ok_or_else(missing)?,
            out: 0,
            bad: 0,
            socket,
        })
    }
}

/// Binds a socket to its queue. The later sockets take the mode of the first; they may not name one.
fn bind_to(
    socket: &OwnedFd,
    first: Option<&Socket>,
    port: Port,
    mode: SocketAddrXdpFlags,
) -> Result<(), Errno> {
    let address = |flags| SocketAddrXdp::new(flags, port.interface, port.queue);
    let until = Instant::now() + QUEUE_PATIENCE;
    loop {
        let result = match first {
            None => bind(socket, &address(mode | SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP)),
            Some(first) => bind(
                socket,
                &SocketAddrXdpWithSharedUmem {
                    addr: address(SocketAddrXdpFlags::XDP_SHARED_UMEM),
                    shared_umem_fd: first.as_fd(),
                },
            ),
        };
        match result {
            Err(Errno::BUSY) if Instant::now() < until => thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}
