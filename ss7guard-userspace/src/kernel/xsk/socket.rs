//! One AF_XDP socket in use: one queue of one interface, with its four rings.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt::xdp_statistics;
use rustix::net::xdp::XdpDescOptions;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::open::Port;
use super::pool::{Held, Pool};
use super::ring::{Consumer, Producer};
use crate::kernel::KernelError;

/// Frames that one call sends in copy mode: the kernel's TX budget (max_tx_budget; 32 unless a socket option raises it).
const BUDGET: u32 = 32;

/// What became of [`Socket::kick`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "frames may still wait"]
pub enum Kick {
    /// The kernel has taken every frame, or works on them without another call.
    Taken,
    /// Frames wait in the ring: the interface or the socket's memory is full at this moment. Kick again.
    Later,
    /// Frames wait in the ring: the interface is down.
    Down,
}

/// What the kernel counted on a socket, and what was not believed of it. All since the socket was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames too long for their place, or dropped for another reason.
    pub dropped: u64,
    /// Frames lost because the RX ring was full (Linux 5.9).
    pub ring_full: u64,
    /// Frames lost because the fill ring was empty (Linux 5.9).
    pub fill_empty: u64,
    /// Entries of the fill ring that the kernel refused.
    pub invalid_fill: u64,
    /// Entries of the TX ring that the kernel refused; their frames do not come back.
    pub invalid_send: u64,
    /// Entries of the kernel that cannot be.
    pub bad: u64,
}

/// A socket on one queue. When it is closed, the frames that the kernel has are lost to the pool: to begin anew, make a
/// new pool.
#[derive(Debug)]
pub struct Socket {
    pub(super) socket: OwnedFd,
    pub(super) pool: u64,
    pub(super) port: Port,
    pub(super) zero_copy: bool,
    pub(super) fill: Producer<1>,
    pub(super) completion: Consumer<1>,
    pub(super) rx: Consumer<2>,
    pub(super) tx: Producer<2>,
    /// Frames that the kernel has to receive into.
    pub(super) out: u32,
    pub(super) bad: u64,
}

impl Socket {
    /// Where it sits.
    #[must_use]
    pub const fn port(&self) -> Port {
        self.port
    }

    /// Whether the interface uses the pool as its own memory.
    #[must_use]
    pub const fn is_zero_copy(&self) -> bool {
        self.zero_copy
    }

    /// Takes frames off the RX ring, `most` at most, and hands them on in the order in which they came; how many.
    pub fn receive(&mut self, pool: &mut Pool, most: usize, mut sink: impl FnMut(Held)) -> usize {
        if pool.id() != self.pool {
            return 0;
        }
        let mut taken = 0;
        while taken < most
            && let Some([address, rest]) = self.rx.take()
        {
            let (len, options) = halves(rest);
            // A frame of several parts is not asked for (XDP_USE_SG).
            let whole = options & XdpDescOptions::XDP_PKT_CONTD.bits() == 0;
            let free = pool.free();
            match pool.received(address, len, whole) {
                Some(held) => {
                    self.out = self.out.saturating_sub(1);
                    taken += 1;
                    sink(held);
                }
                None => {
                    self.bad += 1;
                    // The frame was ours, only not whole: it is out no more.
                    self.out = self.out.saturating_sub(pool.free() - free);
                }
            }
        }
        self.rx.release();
        taken
    }

    /// Puts free frames on the fill ring until as many are out as the port is to have; how many are missing because the
    /// pool has no more.
    pub fn refill(&mut self, pool: &mut Pool) -> u32 {
        if pool.id() == self.pool {
            while self.out < self.port.receive
                && let Some(address) = pool.fill()
            {
                if !self.fill.put([address]) {
                    pool.unfill(address);
                    break;
                }
                self.out += 1;
            }
            self.fill.publish();
        }
        self.port.receive.saturating_sub(self.out)
    }

    /// Tells the driver of new frames on the fill ring, if it waits for that (copy mode never does).
    ///
    /// # Errors
    /// The interface is gone.
    pub fn wake_fill(&self) -> Result<(), KernelError> {
        if !self.fill.needs_wakeup() {
            return Ok(());
        }
        match recv(&self.socket, &mut [0u8; 0][..], RecvFlags::DONTWAIT) {
            Ok(_) | Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS | Errno::NETDOWN) => Ok(()),
            Err(error) => Err(self.failed("receive", error)),
        }
    }

    /// Puts a frame on the TX ring; the kernel sees it with the next [`Socket::kick`].
    ///
    /// # Errors
    /// The ring is full, or the frame is not of this socket's pool: it comes back.
    pub fn send(&mut self, pool: &mut Pool, held: Held) -> Result<(), Held> {
        if pool.id() != self.pool {
            return Err(held);
        }
        let Some((address, len)) = pool.sent(&held) else { return Err(held) };
        if !self.tx.put([address, whole(len, 0)]) {
            pool.unsent(&held);
            return Err(held);
        }
        Ok(())
    }

    /// Takes back what was put on the TX ring since the last [`Socket::kick`]: each frame is free again, and its number
    /// goes to `sink`, the last one first.
    pub fn recall(&mut self, pool: &mut Pool, mut sink: impl FnMut(u32)) {
        if pool.id() != self.pool {
            return;
        }
        while let Some([address, _]) = self.tx.take_back() {
            match pool.completed(address) {
                Some(number) => sink(number),
                None => self.bad += 1,
            }
        }
    }

    /// Has the kernel send what is on the TX ring. In copy mode one call to the kernel sends 32 frames at most; it is
    /// called until the ring is empty, or nothing more can go.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn kick(&mut self) -> Result<Kick, KernelError> {
        self.tx.publish();
        // Linux before 6.17 does not show at once how far it has come; so the calls are counted by what there was.
        let calls = self.tx.pending().div_ceil(BUDGET);
        for _ in 0..calls {
            if self.tx.pending() == 0 || !self.tx.needs_wakeup() {
                return Ok(Kick::Taken);
            }
            match send(&self.socket, &[], SendFlags::DONTWAIT) {
                Ok(_) | Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS) => {}
                Err(Errno::NETDOWN) => return Ok(Kick::Down),
                Err(error) => return Err(self.failed("send", error)),
            }
        }
        // A driver without copies takes them by itself once it was called.
        Ok(if self.zero_copy || self.tx.pending() == 0 { Kick::Taken } else { Kick::Later })
    }

    /// Frames on the TX ring that the kernel has not taken, as far as it has said so.
    #[must_use]
    pub fn waiting(&mut self) -> u32 {
        self.tx.pending()
    }

    /// Learns which frames have left: each is free again, and its number goes to `sink`, in the order in which the kernel
    /// tells them; how many.
    pub fn completed(&mut self, pool: &mut Pool, mut sink: impl FnMut(u32)) -> usize {
        if pool.id() != self.pool {
            return 0;
        }
        let mut count = 0;
        while let Some([address]) = self.completion.take() {
            match pool.completed(address) {
                Some(number) => {
                    count += 1;
                    sink(number);
                }
                None => self.bad += 1,
            }
        }
        self.completion.release();
        count
    }

    /// What was counted on this socket.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn statistics(&self) -> Result<Statistics, KernelError> {
        let counted = xdp_statistics(&self.socket).map_err(|error| self.failed("statistics", error))?;
        Ok(Statistics {
            dropped: counted.rx_dropped,
            ring_full: counted.rx_ring_full.unwrap_or(0),
            fill_empty: counted.rx_fill_ring_empty_descs.unwrap_or(0),
            invalid_fill: counted.rx_invalid_descs,
            invalid_send: counted.tx_invalid_descs,
            bad: self.bad,
        })
    }

    fn failed(&self, what: &str, error: Errno) -> KernelError {
        let Port { interface, queue, .. } = self.port;
        KernelError::other(format!("AF_XDP on queue {queue} of interface {interface}: {what}"), error)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Length and options of a descriptor's second word (`struct xdp_desc`: two numbers of 32 bits in host order).
fn halves(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]))
}

/// The opposite of [`halves`].
fn whole(len: u32, options: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (len.to_ne_bytes(), options.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use rustix::net::xdp::XdpDesc;

    use super::*;

    #[test]
    fn a_descriptor_is_two_words() {
        assert_eq!((size_of::<XdpDesc>(), std::mem::offset_of!(XdpDesc, len)), (16, 8));
        assert_eq!(std::mem::offset_of!(XdpDesc, options), 12);
        assert_eq!(halves(whole(60, 1)), (60, 1));
        assert_eq!(whole(60, 1).to_ne_bytes(), *[60u32.to_ne_bytes(), 1u32.to_ne_bytes()].as_flattened());
    }
}
