//! Numbered messages on one association, some of them from a blocked point code, and what becomes of them: what arrives,
//! what is sent again, who complains.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::association::{HOME_POINT_CODE, Loses, Peer, Settings, Tagged};
use crate::capture::{Chunk, chunks_of};
use crate::m3ua::{self, Label};
use crate::netns::{HOST_INTERFACE, WORLD_INTERFACE, Wire};
use crate::traffic::Kind;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Originating point code that nobody blocks: 2-1-1.
pub const INNOCENT: u32 = 0x1009;
/// One whose messages are neutralised: 4-7-7.
pub const NEUTRALISED: u32 = 0x203f;
/// One whose messages are dropped: 4-7-6.
pub const DROPPED: u32 = 0x203e;

/// The blocks that these need.
pub const BLOCKS: &str = "[[block]]\npc = \"4-7-7\"\n[[block]]\npc = \"4-7-6\"\non_block = \"drop\"\n";

/// Messages of [`Link::send_all`].
pub const MESSAGES: u32 = 10_000;
/// Those of them that are from a blocked point code.
pub const BLOCKED: u32 = MESSAGES / 10;

/// What differs from association to association.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// I-DATA instead of DATA.
    pub interleaving: bool,
    /// Ethernet types of VLAN tags.
    pub tags: &'static [u16],
    /// How many attempts of each rewritten chunk are lost behind the firewall.
    pub losses: u32,
    /// Shortest time after which a packet is sent again: a busy machine is no loss.
    pub rto_min: Duration,
}

impl Default for Ends {
    fn default() -> Self {
        Self { interleaving: false, tags: &[], losses: 0, rto_min: Duration::from_secs(5) }
    }
}

/// Both ends of an association, the ASP in the world and the gateway on the host.
pub struct Link {
    /// Who sends.
    pub asp: Peer,
    /// Who receives.
    pub gateway: Peer,
    rewritten: Arc<Mutex<Vec<Chunk>>>,
}

impl Link {
    /// Brings it up from this address of the world.
    ///
    /// # Errors
    /// It does not come up as it should.
    pub fn up(wire: &Wire, world: &str, ends: Ends) -> Result<Self> {
        let host = if world.contains(':') { "fd07::1" } else { "10.7.0.1" };
        let at = |ip: &str| -> Result<SocketAddr> { Ok(SocketAddr::new(ip.parse()?, 2905)) };
        let settings = |interface, loses| Settings {
            interleaving: ends.interleaving,
            rto_min: ends.rto_min,
            tagged: (!ends.tags.is_empty()).then_some(Tagged { interface, tags: ends.tags }),
            loses,
            ..Settings::default()
        };
        let rewritten = Arc::default();
        let loses = losing(Arc::clone(&rewritten), ends.losses);
        let theirs = settings(HOST_INTERFACE, Some(loses));
        let gateway = Peer::gateway_with(&wire.host, at(host)?, at(world)?, false, theirs)?;
        let asp = Peer::asp_with(&wire.world, at(world)?, at(host)?, settings(WORLD_INTERFACE, None))?;
        asp.wait_active(PATIENCE)?;
        ensure!(
            asp.is_interleaved() == ends.interleaving,
            "{world}: interleaving is not as it was asked for"
        );
        Ok(Self { asp, gateway, rewritten })
    }

    /// Sends 10,000 messages on eight streams, all at once, each tenth of them from this point code: the stack fills its
    /// packets up, and cuts messages before and in their labels.
    pub fn send_all(&self, blocked: u32) {
        for id in 0..MESSAGES {
            let opc = if is_blocked(id) { blocked } else { INNOCENT };
            self.asp.send((id % 8) as u16 + 1, message(opc, id, 0));
        }
    }

    /// What became of messages, of which those from this point code are blocked.
    #[must_use]
    pub fn figures(&self, blocked: u32) -> Figures {
        let delivered = self.gateway.delivered();
        let from = |opc: u32| delivered.iter().filter(|message| message.opc == opc).count();
        let ends = [&self.asp, &self.gateway];
        Figures {
            blocked: from(blocked),
            innocent: from(INNOCENT),
            retransmitted: self.asp.retransmitted(),
            ended: ends.iter().filter(|end| end.ended().is_some()).count(),
            m3ua_errors: ends.iter().map(|end| end.m3ua_errors()).sum(),
        }
    }

    /// Point codes and numbers that arrived, sorted: streams do not wait for each other.
    #[must_use]
    pub fn arrived(&self) -> Vec<(u32, u32)> {
        let mut arrived: Vec<_> =
            self.gateway.delivered().iter().map(|message| (message.opc, message.id)).collect();
        arrived.sort_unstable();
        arrived
    }

    /// Chunks that had become a BEAT ACK when they came to the host, each attempt of them.
    #[must_use]
    pub fn rewritten(&self) -> Vec<Chunk> {
        self.rewritten.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Notes rewritten chunks, of a peer that sends no BEAT ACK, and loses the packets with the first attempts of each.
fn losing(noted: Arc<Mutex<Vec<Chunk>>>, losses: u32) -> Loses {
    let mut attempts: HashMap<u32, u32> = HashMap::new();
    Box::new(move |packet| {
        let mut lost = false;
        for chunk in chunks_of(packet).into_iter().filter(Chunk::is_beat_ack) {
            let attempt = attempts.entry(chunk.tsn).or_default();
            lost |= *attempt < losses;
            *attempt += 1;
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(chunk);
        }
        lost
    })
}

/// What became of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Blocked messages that were delivered.
    pub blocked: usize,
    /// Others that were delivered.
    pub innocent: usize,
    /// Packets that were sent again.
    pub retransmitted: usize,
    /// Ends at which the association is over: by ABORT, or in order.
    pub ended: usize,
    /// M3UA ERR messages that either end received.
    pub m3ua_errors: usize,
}

impl Figures {
    /// Those of an association in which nobody notices anything, with so many innocent messages.
    #[must_use]
    pub const fn unnoticed(innocent: usize) -> Self {
        Self { blocked: 0, innocent, retransmitted: 0, ended: 0, m3ua_errors: 0 }
    }
}

/// Whether the message with this number of [`Link::send_all`] is from the blocked point code.
#[must_use]
pub const fn is_blocked(id: u32) -> bool {
    id % 10 == 3
}

/// A message to the host with this number, and so many octets more than it needs.
#[must_use]
pub fn message(opc: u32, id: u32, filling: usize) -> Vec<u8> {
    let label = Label { opc, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
    let mut user_part = Kind::ROAMING[id as usize % Kind::ROAMING.len()].begin(id);
    user_part.resize(user_part.len() + filling, 0xa5);
    m3ua::data(label, None, &user_part)
}
