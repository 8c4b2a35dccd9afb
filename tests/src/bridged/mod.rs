//! Associations through a bridge, the firewall's accounts of it, and the order in which frames came.

mod accounts;
mod order;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

pub use self::accounts::{Accounts, settled};
pub use self::order::check_order;

use crate::association::{HOME_POINT_CODE, Peer, Settings};
use crate::firewall::Firewall;
use crate::m3ua::{self, Label};
use crate::netns::Wire;
use crate::traffic::Kind;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// 2-1-1: the carrier of all messages.
pub const CARRIER: u32 = 0x1009;

/// Rules that stop category 1.
pub const RULES: &str = "[rules.category1]\nmode = \"enforce\"\n";

/// Numbers of attacks begin here; those of other messages are below.
pub const ATTACKS: u32 = 1 << 24;

/// Both ends of an association, the ASP in the world and the gateway on the host.
pub struct Association {
    /// Who sends.
    pub asp: Peer,
    /// Who receives, and ends every dialogue.
    pub gateway: Peer,
}

impl Association {
    /// Brings it up from this address of the world.
    ///
    /// # Errors
    /// It does not come up.
    pub fn up(wire: &Wire, world: &str, rto_min: Duration) -> Result<Self> {
        let association = Self::begin(wire, world, rto_min)?;
        association.asp.wait_active(PATIENCE)?;
        Ok(association)
    }

    /// The same, and does not wait until it is up.
    ///
    /// # Errors
    /// No raw socket.
    pub fn begin(wire: &Wire, world: &str, rto_min: Duration) -> Result<Self> {
        Self::with(wire, world, true, || Settings { rto_min, ..Settings::default() })
    }

    /// Begins one with these settings at both ends, the gateway of which ends dialogues or does not; does not wait until it
    /// is up.
    ///
    /// # Errors
    /// No raw socket.
    pub fn with(wire: &Wire, world: &str, answers: bool, settings: impl Fn() -> Settings) -> Result<Self> {
        let host = if world.contains(':') { "fd07::1" } else { "10.7.0.1" };
        let at = |ip: &str| -> Result<SocketAddr> { Ok(SocketAddr::new(ip.parse()?, 2905)) };
        let gateway = Peer::gateway_with(&wire.host, at(host)?, at(world)?, answers, settings())?;
        let asp = Peer::asp_with(&wire.world, at(world)?, at(host)?, settings())?;
        Ok(Self { asp, gateway })
    }

    /// Sends one message.
    pub fn send(&self, kind: Kind, id: u32) {
        let label = Label { opc: CARRIER, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        self.asp.send((id % 8) as u16 + 1, m3ua::data(label, None, &kind.begin(id)));
    }

    /// Sends ordinary messages with these numbers.
    pub fn roam(&self, ids: Range<u32>) {
        for id in ids {
            self.send(Kind::ROAMING[id as usize % Kind::ROAMING.len()], id);
        }
    }

    /// Sends attacks, the numbers of which are from [`ATTACKS`] on.
    pub fn attack(&self, ids: Range<u32>) {
        for id in ids {
            self.send(Kind::ATTACKS[id as usize % Kind::ATTACKS.len()], ATTACKS + id);
        }
    }

    /// Numbers of the ordinary messages that arrived, sorted.
    #[must_use]
    pub fn arrived(&self) -> Vec<u32> {
        self.numbers(0..ATTACKS)
    }

    /// Numbers of the attacks that arrived, sorted, without [`ATTACKS`].
    #[must_use]
    pub fn attacks(&self) -> Vec<u32> {
        self.numbers(ATTACKS..u32::MAX).into_iter().map(|id| id - ATTACKS).collect()
    }

    fn numbers(&self, within: Range<u32>) -> Vec<u32> {
        let delivered = self.gateway.delivered();
        let mut numbers: Vec<u32> =
            delivered.iter().map(|message| message.id).filter(|id| within.contains(id)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Waits until the ordinary messages with the numbers below this one have arrived, each once, and everything is
    /// acknowledged, and the association is as it was.
    ///
    /// # Errors
    /// They have not within the time, or it is not.
    pub fn check(&self, below: u32) -> Result<()> {
        wait_for(&format!("{below} messages"), || self.arrived().len() >= below as usize)?;
        self.asp.wait_acknowledged(PATIENCE)?;
        self.gateway.wait_acknowledged(PATIENCE)?;
        let arrived = self.arrived();
        ensure!(arrived == (0..below).collect::<Vec<_>>(), "arrived: {arrived:?} of {below}");
        for end in [&self.asp, &self.gateway] {
            ensure!(end.ended().is_none(), "the association has ended: {:?}", end.ended());
            ensure!(end.m3ua_errors() == 0, "there are ERR messages");
        }
        Ok(())
    }

    /// Sends attacks until it is clear that they are stopped. One that arrives is none the less a fault, unless the kernel
    /// says that at that moment there was no controller for it, because the machine stood still.
    ///
    /// # Errors
    /// One arrives, or the controller is never there.
    pub fn attacks_are_stopped(&self, firewall: &Firewall<'_>) -> Result<()> {
        const EACH: u32 = 5;
        let passed = || Accounts::read_pins(firewall).map(|accounts| accounts.both("down_passed"));
        for round in 0..10 {
            let (before, from) = (passed()?, 1_000 + round * EACH);
            let arrived = self.attacks().len();
            self.attack(from..from + EACH);
            self.asp.wait_acknowledged(PATIENCE)?;
            thread::sleep(Duration::from_millis(50));
            if self.attacks().len() == arrived {
                return Ok(());
            }
            ensure!(
                passed()? > before,
                "attacks arrived though the controller was there: {:?}",
                self.attacks()
            );
            eprintln!("the machine stood still: {:?} passed", self.attacks());
            thread::sleep(Duration::from_millis(500));
        }
        bail!("the controller was never there")
    }

    /// Packets that either end has sent again.
    #[must_use]
    pub fn sent_again(&self) -> usize {
        self.asp.retransmitted() + self.gateway.retransmitted()
    }
}

/// Ordinary messages on each association, from this number on, one each time so much has gone by, while the work is
/// done; gives what the work gives, and the number after the last one.
pub fn while_sending<T>(
    associations: &[Association],
    from: u32,
    each: Duration,
    work: impl FnOnce() -> T,
) -> (T, u32) {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut next = from;
            while !done.load(Ordering::Relaxed) {
                for association in associations {
                    association.roam(next..next + 1);
                }
                next += 1;
                thread::sleep(each);
            }
            next
        });
        // Also if the work panics.
        let ending = Done(&done);
        let result = work();
        drop(ending);
        let next = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (result, next)
    })
}

/// Waits until something is so.
///
/// # Errors
/// It is not within the time.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done() {
        ensure!(Instant::now() < end, "{what}: not in {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
