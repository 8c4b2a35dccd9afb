//! An M3UA node over the kernel's SCTP: it notes all that it is given, and answers maintenance if it is a gateway.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::netns::Namespace;
use crate::vm::sctp::{Association, Listener, Message, Options, Statistics};
use crate::{m3ua, traffic};

/// How long anything in an emulated machine may take.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How often the end of a node is looked for.
const TICK: Duration = Duration::from_millis(200);

/// Class and type of M3UA messages (RFC 4666, section 3.1.2).
pub mod kind {
    /// Error.
    pub const ERR: (u8, u8) = (0, 0);
    /// Payload Data.
    pub const DATA: (u8, u8) = (1, 1);
    /// ASP Up Acknowledgement.
    pub const ASPUP_ACK: (u8, u8) = (3, 4);
    /// Heartbeat Acknowledgement.
    pub const BEAT_ACK: (u8, u8) = (3, 6);
    /// ASP Active.
    pub const ASPAC: (u8, u8) = (4, 1);
    /// ASP Active Acknowledgement.
    pub const ASPAC_ACK: (u8, u8) = (4, 3);
}

#[derive(Debug, Default)]
struct Shared {
    received: Vec<Message>,
    ended: Option<String>,
}

/// A node with one association. Dropping it ends the association.
#[derive(Debug)]
pub struct Node {
    association: Arc<Association>,
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

/// A gateway that waits for its node.
#[derive(Debug)]
pub struct Waiting {
    listener: Listener,
}

impl Waiting {
    /// Waits at an address.
    ///
    /// # Errors
    /// It cannot listen.
    pub fn at(namespace: &Namespace, local: SocketAddr, options: Options) -> Result<Self> {
        Ok(Self { listener: Listener::bind(namespace, local, options)? })
    }

    /// The node that has connected. It answers maintenance as a gateway.
    ///
    /// # Errors
    /// None has.
    pub fn accept(&self) -> Result<Node> {
        Node::over(self.listener.accept(PATIENCE)?, true)
    }
}

impl Node {
    /// An association alone; nothing is said on it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn connect(
        namespace: &Namespace,
        local: SocketAddr,
        remote: SocketAddr,
        options: Options,
    ) -> Result<Self> {
        Self::over(Association::connect(namespace, local, remote, options)?, false)
    }

    /// Becomes active for a routing context, as an application server process.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn activate(&self, routing_context: u32) -> Result<()> {
        self.send(0, &m3ua::asp_up())?;
        self.wait("ASP Up Ack", |node| node.count(kind::ASPUP_ACK) > 0)?;
        self.send(0, &m3ua::asp_active(routing_context))?;
        self.wait("ASP Active Ack", |node| node.count(kind::ASPAC_ACK) > 0)
    }

    fn over(association: Association, gateway: bool) -> Result<Self> {
        let association = Arc::new(association);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, noted, ended) = (Arc::clone(&association), Arc::clone(&shared), Arc::clone(&stop));
        let reader = thread::Builder::new().name("reader".to_owned()).spawn(move || {
            if let Err(error) = read(&theirs, &noted, &ended, gateway) {
                noted.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(format!("{error:#}"));
            }
        })?;
        Ok(Self { association, shared, stop, reader: Some(reader) })
    }

    fn with<T>(&self, look: impl FnOnce(&Shared) -> T) -> T {
        look(&self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends an M3UA message on a stream.
    ///
    /// # Errors
    /// The association has ended.
    pub fn send(&self, stream: u16, octets: &[u8]) -> Result<()> {
        self.association.send(stream, octets, false)
    }

    /// Sends messages, each on its stream, in one packet if they fit.
    ///
    /// # Errors
    /// The association has ended.
    pub fn send_bundled(&self, messages: &[(u16, Vec<u8>)]) -> Result<()> {
        let last = messages.len().saturating_sub(1);
        messages
            .iter()
            .enumerate()
            .try_for_each(|(at, (stream, octets))| self.association.send(*stream, octets, at < last))
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// It does not come to be, or the association ends.
    pub fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            if let Some(ended) = self.with(|shared| shared.ended.clone()) {
                bail!("{what}: {ended}");
            }
            if Instant::now() > end {
                bail!("{what}: not in {PATIENCE:?}; received {:?}", self.tally());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// How many messages of this class and type were received.
    #[must_use]
    pub fn count(&self, kind: (u8, u8)) -> usize {
        self.with(|shared| shared.received.iter().filter(|message| kind_of(message) == kind).count())
    }

    /// How many messages of each class and type were received.
    #[must_use]
    pub fn tally(&self) -> HashMap<(u8, u8), usize> {
        let mut tally = HashMap::new();
        self.with(|shared| {
            for message in &shared.received {
                *tally.entry(kind_of(message)).or_default() += 1;
            }
        });
        tally
    }

    /// How many messages were received.
    #[must_use]
    pub fn received_count(&self) -> usize {
        self.with(|shared| shared.received.len())
    }

    /// All that was received, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Message> {
        self.with(|shared| shared.received.clone())
    }

    /// Originating point codes and numbers (as [`traffic::transaction_id`]) of the DATA messages that were received.
    #[must_use]
    pub fn delivered(&self) -> Vec<(u32, u32)> {
        self.with(|shared| {
            shared
                .received
                .iter()
                .filter_map(|message| {
                    let (opc, user_part) = m3ua::read_data(&message.octets)?;
                    Some((opc, traffic::transaction_id(user_part)?))
                })
                .collect()
        })
    }

    /// Sends a heartbeat and waits for its answer.
    ///
    /// # Errors
    /// None comes.
    pub fn beat(&self) -> Result<()> {
        let before = self.count(kind::BEAT_ACK);
        self.send(0, &m3ua::beat())?;
        self.wait("BEAT Ack", |node| node.count(kind::BEAT_ACK) > before)
    }

    /// What the association has counted.
    ///
    /// # Errors
    /// It has ended.
    pub fn statistics(&self) -> Result<Statistics> {
        self.association.statistics().with_context(|| format!("received {:?}", self.tally()))
    }

    /// Why the association has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        self.with(|shared| shared.ended.clone())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            eprintln!("a node's reader has panicked");
        }
    }
}

fn kind_of(message: &Message) -> (u8, u8) {
    match message.octets.get(2..4) {
        Some([class, kind]) => (*class, *kind),
        _ => (u8::MAX, u8::MAX),
    }
}

fn read(association: &Association, shared: &Mutex<Shared>, stop: &AtomicBool, gateway: bool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = association.receive(TICK)? else { continue };
        if gateway && let Some(answer) = m3ua::answer(&message.octets) {
            association.send(message.stream, &answer, false)?;
        }
        shared.lock().unwrap_or_else(PoisonError::into_inner).received.push(message);
    }
    Ok(())
}
