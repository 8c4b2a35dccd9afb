//! Real SCTP associations with M3UA on top: a userland stack over raw sockets, one thread for each endpoint.
//!
//! A client is an ASP: it brings the association up, then ASP Up and ASP Active. A server answers, and if it is told
//! to, ends every dialogue that is begun with it.

mod endpoint;
mod line;
mod settings;

use std::net::SocketAddr;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use self::settings::{Loses, Manners, Rewrite, Settings, Tagged};

use self::endpoint::Endpoint;
use self::line::Line;
use crate::m3ua;
use crate::netns::Namespace;

/// Point code of the home node: 1-1-1.
pub const HOME_POINT_CODE: u32 = 0x0809;

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
    unacknowledged: usize,
    interleaved: bool,
    ended: Option<String>,
    heard: Vec<Vec<u8>>,
    delivered: Vec<Delivered>,
    for_nobody: u64,
}

enum Order {
    Send { stream: u16, payload: Vec<u8> },
    SendTogether(Vec<(u16, Vec<u8>)>),
    Shutdown,
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
        Self::asp_with(namespace, local, remote, Settings::default())
    }

    /// The same with these settings.
    ///
    /// # Errors
    /// No raw socket.
    pub fn asp_with(
        namespace: &Namespace,
        local: SocketAddr,
        remote: SocketAddr,
        settings: Settings,
    ) -> Result<Self> {
        let line = Line::open(namespace, local, remote, settings.tagged)?;
        Self::start(line, local, remote, Role::Asp, settings)
    }

    /// The same in the namespace where this is called.
    ///
    /// # Errors
    /// No raw socket.
    pub fn asp_here(local: SocketAddr, remote: SocketAddr, settings: Settings) -> Result<Self> {
        Self::start(Line::here(local, remote)?, local, remote, Role::Asp, settings)
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
        Self::gateway_with(namespace, local, remote, answers, Settings::default())
    }

    /// The same with these settings.
    ///
    /// # Errors
    /// No raw socket.
    pub fn gateway_with(
        namespace: &Namespace,
        local: SocketAddr,
        remote: SocketAddr,
        answers: bool,
        settings: Settings,
    ) -> Result<Self> {
        let line = Line::open(namespace, local, remote, settings.tagged)?;
        Self::start(line, local, remote, Role::Gateway { answers }, settings)
    }

    fn start(
        line: Line,
        local: SocketAddr,
        remote: SocketAddr,
        role: Role,
        settings: Settings,
    ) -> Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (orders, inbox) = mpsc::channel();
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(format!("peer {local}"))
            .spawn(move || Endpoint::new(line, local, remote, role, settings, theirs).run(&inbox))?;
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
            if let Some(how) = self.ended() {
                bail!("{what}: the association has ended: {how}");
            }
            if Instant::now() > end {
                bail!("{what} in {patience:?} (delivered: {})", self.with(|shared| shared.delivered.len()));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Sends a payload on a stream.
    pub fn send(&self, stream: u16, payload: Vec<u8>) {
        // A stopped peer sends nothing; its absence shows where the message should arrive.
        let _ = self.orders.send(Order::Send { stream, payload });
    }

    /// Sends payloads, each on its stream, in as few packets as they fit in.
    pub fn send_together(&self, messages: Vec<(u16, Vec<u8>)>) {
        let _ = self.orders.send(Order::SendTogether(messages));
    }

    /// Ends the association in order (SHUTDOWN), and waits for that.
    ///
    /// # Errors
    /// It does not end within the time.
    pub fn shutdown(&self, patience: Duration) -> Result<()> {
        let _ = self.orders.send(Order::Shutdown);
        self.wait(patience, "the association did not end", |shared| shared.closed)
    }

    /// Waits until the other end has acknowledged all that was sent.
    ///
    /// # Errors
    /// It has not within the time.
    pub fn wait_acknowledged(&self, patience: Duration) -> Result<()> {
        // What has been ordered must first reach the stack.
        thread::sleep(Duration::from_millis(20));
        self.wait(patience, "not everything was acknowledged", |shared| shared.unacknowledged == 0)
    }

    /// Messages that wait to be sent, and chunks that wait for their acknowledgement.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.with(|shared| shared.unacknowledged)
    }

    /// M3UA messages in the order in which they came, without BEAT and BEAT ACK, and without the DATA that a gateway gets.
    #[must_use]
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.with(|shared| shared.heard.clone())
    }

    /// Why the association has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        self.with(|shared| shared.ended.clone())
    }

    /// Whether both ends use I-DATA.
    #[must_use]
    pub fn is_interleaved(&self) -> bool {
        self.with(|shared| shared.interleaved)
    }

    /// DATA messages that came and are for no user part here.
    #[must_use]
    pub fn for_nobody(&self) -> u64 {
        self.with(|shared| shared.for_nobody)
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

    /// Messages for which there was no room, or no association any more.
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
