//! Real SCTP associations with M3UA on top: a userland stack over raw sockets, one thread for each endpoint.
//!
//! A client is an ASP: it brings the association up, then ASP Up and ASP Active. A server answers, and if it is told
//! to, ends every dialogue that is begun with it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dcsctp::api::{DcSctpSocket, Message, Options, PpId, SendOptions, SocketEvent, SocketTime, StreamId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, Protocol, RawProtocol, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::netns::Namespace;
use crate::{m3ua, traffic};

/// PPID of M3UA.
const M3UA: PpId = PpId(3);

/// IP protocol number of SCTP.
const SCTP: u32 = 132;

/// Which end of an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Asp,
    Gateway { answers: bool },
}

/// A DATA message that reached the user of M3UA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Originating point code.
    pub opc: u32,
    /// Its number, as [`traffic::transaction_id`].
    pub id: u32,
    /// When.
    pub at: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    active: bool,
    closed: bool,
    retransmitted: usize,
    unsent: usize,
    errors: usize,
    beats_answered: usize,
    delivered: Vec<Delivered>,
}

enum Order {
    Send { stream: u16, payload: Vec<u8> },
    Stop,
}

/// One end of an association. Dropping it ends its thread without a word to the other end.
#[derive(Debug)]
pub struct Peer {
    orders: Sender<Order>,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// An ASP that connects from `local` to `remote`.
    ///
    /// # Errors
    /// No raw socket.
    pub fn asp(namespace: &Namespace, local: SocketAddr, remote: SocketAddr) -> Result<Self> {
        Self::start(namespace, local, remote, Role::Asp)
    }

    /// A signalling gateway at `local` for the one client at `remote`; with `answers`, it ends every dialogue.
    ///
    /// # Errors
    /// No raw socket.
    pub fn gateway(
        namespace: &Namespace,
        local: SocketAddr,
        remote: SocketAddr,
        answers: bool,
    ) -> Result<Self> {
        Self::start(namespace, local, remote, Role::Gateway { answers })
    }

    fn start(namespace: &Namespace, local: SocketAddr, remote: SocketAddr, role: Role) -> Result<Self> {
        let socket = namespace.inside(|| raw_socket(local, remote))?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (orders, inbox) = mpsc::channel();
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(format!("peer {local}"))
            .spawn(move || Endpoint::new(socket, local, remote, role, theirs).run(&inbox))?;
        Ok(Self { orders, shared, thread: Some(thread) })
    }

    fn with<T>(&self, look: impl FnOnce(&Shared) -> T) -> T {
        look(&self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the association carries traffic.
    ///
    /// # Errors
    /// It does not within the time.
    pub fn wait_active(&self, patience: Duration) -> Result<()> {
        self.wait(patience, "the association did not come up", |shared| shared.active)
    }

    /// Waits until so many messages were delivered here.
    ///
    /// # Errors
    /// They are not within the time; says how many were.
    pub fn wait_delivered(&self, count: usize, patience: Duration) -> Result<()> {
        self.wait(patience, &format!("{count} messages were not delivered"), |shared| {
            shared.delivered.len() >= count
        })
    }

    fn wait(&self, patience: Duration, what: &str, done: impl Fn(&Shared) -> bool) -> Result<()> {
        let end = Instant::now() + patience;
        while !self.with(&done) {
            if Instant::now() > end {
                bail!("{what} in {patience:?} (delivered: {})", self.with(|shared| shared.delivered.len()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Sends a payload on a stream.
    pub fn send(&self, stream: u16, payload: Vec<u8>) {
        // A stopped peer sends nothing; its absence shows where the message should arrive.
        let _ = self.orders.send(Order::Send { stream, payload });
    }

    /// Every message that was delivered here.
    #[must_use]
    pub fn delivered(&self) -> Vec<Delivered> {
        self.with(|shared| shared.delivered.clone())
    }

    /// The same, and forgets them.
    #[must_use]
    pub fn take_delivered(&self) -> Vec<Delivered> {
        std::mem::take(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner).delivered)
    }

    /// Whether the association carries traffic.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.with(|shared| shared.active && !shared.closed)
    }

    /// Messages that the stack did not take: its send buffer is full, or the association has ended.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.with(|shared| shared.unsent)
    }

    /// M3UA ERR messages that came from the other end (RFC 4666 §3.8.1).
    #[must_use]
    pub fn m3ua_errors(&self) -> usize {
        self.with(|shared| shared.errors)
    }

    /// Sends a BEAT and waits for its BEAT ACK.
    ///
    /// # Errors
    /// It is not answered within the time.
    pub fn beat(&self, patience: Duration) -> Result<()> {
        let answered = self.with(|shared| shared.beats_answered);
        self.send(0, m3ua::beat());
        self.wait(patience, "the BEAT was not answered", |shared| shared.beats_answered > answered)
    }

    /// Packets that were sent again.
    #[must_use]
    pub fn retransmitted(&self) -> usize {
        self.with(|shared| shared.retransmitted)
    }

    /// Whether the association has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.with(|shared| shared.closed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("a peer's thread has panicked");
        }
    }
}

struct Endpoint {
    socket: OwnedFd,
    sctp: Box<dyn DcSctpSocket>,
    local: SocketAddr,
    remote: SocketAddr,
    role: Role,
    started: Instant,
    shared: Arc<Mutex<Shared>>,
}

impl Endpoint {
    fn new(
        socket: OwnedFd,
        local: SocketAddr,
        remote: SocketAddr,
        role: Role,
        shared: Arc<Mutex<Shared>>,
    ) -> Self {
        let options = Options {
            local_port: local.port(),
            remote_port: remote.port(),
            mtu: 1_400,
            announced_maximum_incoming_streams: 17,
            announced_maximum_outgoing_streams: 17,
            rto_initial: Duration::from_millis(500),
            rto_min: Duration::from_millis(300),
            rto_max: Duration::from_millis(1_000),
            max_retransmissions: None,
            ..Options::default()
        };
        let sctp = dcsctp::new_socket("lab", &options);
        Self { socket, sctp, local, remote, role, started: Instant::now(), shared }
    }

    fn run(&mut self, inbox: &Receiver<Order>) {
        if self.role == Role::Asp {
            self.sctp.connect();
        }
        loop {
            loop {
                match inbox.try_recv() {
                    Ok(Order::Send { stream, payload }) => self.send(stream, payload),
                    Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => return,
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            if let Err(error) = self.pump(Duration::from_millis(5)) {
                eprintln!("peer {}: {error}", self.local);
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&mut self, stream: u16, payload: Vec<u8>) {
        let sent = self.sctp.send(Message::new(StreamId(stream), M3UA, payload), &SendOptions::default());
        let mut shared = self.lock();
        if let Err(error) = sent {
            // Once is enough: a full buffer refuses all that follows.
            if shared.unsent == 0 {
                eprintln!("peer {}: {error:?}", self.local);
            }
            shared.unsent += 1;
        }
    }

    fn pump(&mut self, patience: Duration) -> io::Result<()> {
        let now = SocketTime::zero() + self.started.elapsed();
        self.sctp.advance_time(now);
        self.flush()?;
        let wait = (self.sctp.poll_timeout() - now).min(patience);
        let mut ready = [PollFd::new(&self.socket, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        if poll(&mut ready, Some(&timeout))? > 0 {
            let mut packet = [0u8; 65_536];
            for _ in 0..64 {
                let Ok((len, _)) = rustix::net::recv(self.socket.as_fd(), &mut packet, RecvFlags::DONTWAIT)
                else {
                    break;
                };
                // A raw IPv4 socket hands the IP header out, a raw IPv6 socket does not.
                let start = if self.local.is_ipv4() { usize::from(packet[0] & 15) * 4 } else { 0 };
                let Some(octets) = packet.get(start..len) else { continue };
                let port = |at: usize| octets.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
                if port(2) == Some(self.local.port()) && port(0) == Some(self.remote.port()) {
                    self.sctp.advance_time(SocketTime::zero() + self.started.elapsed());
                    self.sctp.handle_input(octets);
                }
            }
        }
        while let Some(message) = self.sctp.get_next_message() {
            self.receive(&message.payload);
        }
        if let Some(metrics) = self.sctp.get_metrics() {
            self.lock().retransmitted = metrics.rtx_packets_count;
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(event) = self.sctp.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => {
                    rustix::net::send(self.socket.as_fd(), &packet, SendFlags::empty())?;
                }
                SocketEvent::OnConnected() if self.role == Role::Asp => self.send(0, m3ua::asp_up()),
                SocketEvent::OnClosed() | SocketEvent::OnAborted(..) => self.lock().closed = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// The M3UA layer: maintenance messages are answered, DATA is noted.
    fn receive(&mut self, message: &[u8]) {
        if let Some((opc, user_part)) = m3ua::read_data(message) {
            if let Some(id) = traffic::transaction_id(user_part) {
                self.lock().delivered.push(Delivered { opc, id, at: Instant::now() });
            }
            if self.role == (Role::Gateway { answers: true })
                && let Some(end) = traffic::end_for(user_part)
            {
                let label = m3ua::Label { opc: HOME_POINT_CODE, dpc: opc, ni: 0, sls: 0 };
                self.send(1, m3ua::data(label, None, &end));
            }
            return;
        }
        if message.get(2..4) == Some(&[0, 0]) {
            self.lock().errors += 1;
        }
        match (self.role, message.get(2..4)) {
            (Role::Asp, Some([3, 4])) => self.send(0, m3ua::asp_active(1)),
            (Role::Asp, Some([4, 3])) => self.lock().active = true,
            (Role::Asp, Some([3, 6])) => self.lock().beats_answered += 1,
            (Role::Gateway { .. }, Some([class, kind])) => {
                if let Some(answer) = m3ua::answer(message) {
                    self.send(0, answer);
                }
                if (*class, *kind) == (4, 1) {
                    self.lock().active = true;
                }
            }
            _ => {}
        }
    }
}

/// Point code of the home node: 1-1-1.
pub const HOME_POINT_CODE: u32 = 0x0809;

fn raw_socket(local: SocketAddr, remote: SocketAddr) -> Result<OwnedFd> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let protocol = RawProtocol::new(SCTP).map(Protocol::from_raw);
    let socket = rustix::net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .context("raw socket (CAP_NET_RAW)")?;
    let bare = |ip: IpAddr| SocketAddr::new(ip, 0);
    rustix::net::bind(&socket, &bare(local.ip())).with_context(|| format!("bind {local}"))?;
    rustix::net::connect(&socket, &bare(remote.ip())).with_context(|| format!("connect {remote}"))?;
    Ok(socket)
}
