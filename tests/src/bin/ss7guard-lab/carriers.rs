//! The carriers of the lab with their associations.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use ss7guard_common::point_code::{Format, Shown};
use ss7guard_lab::association::{Delivered, HOME_POINT_CODE, Peer};
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::Wire;
use ss7guard_lab::traffic::Kind;

/// How one is known.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) opc: u32,
    pub(crate) address: &'static str,
    pub(crate) host: &'static str,
}

/// Two carriers with roaming traffic, one with attacks: 2-1-1, 2-1-2 and 4-7-7.
pub(crate) const ALL: [Known; 3] = [
    Known { name: "carrier A", opc: 0x1009, address: "10.7.0.11", host: "10.7.0.1" },
    Known { name: "carrier B", opc: 0x100a, address: "fd07::12", host: "fd07::1" },
    Known { name: "rogue", opc: 0x203f, address: "10.7.0.13", host: "10.7.0.1" },
];

/// Index of the rogue one.
pub(crate) const ROGUE: usize = 2;

/// Who sends the message at this place of a plan.
pub(crate) fn sender(index: usize, kind: Kind) -> usize {
    if Kind::ATTACKS.contains(&kind) { ROGUE } else { index % ROGUE }
}

/// Its point code as a person reads it.
pub(crate) fn point_code(opc: u32) -> String {
    Shown { code: opc, format: Format::Itu383 }.to_string()
}

/// What became of its messages since `up`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) answered: u64,
}

/// A carrier with both ends of its association.
pub(crate) struct Carrier {
    pub(crate) known: Known,
    pub(crate) asp: Peer,
    gateway: Peer,
    pub(crate) tally: Tally,
}

/// What `status` shows of one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) carrier: String,
    pub(crate) point_code: String,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) association: String,
    #[serde(flatten)]
    pub(crate) tally: Tally,
    /// SCTP packets that were sent again, by both ends.
    pub(crate) retransmitted: usize,
    /// Messages for which SCTP had no room, because others have waited too long.
    pub(crate) unsent: usize,
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Port of M3UA (RFC 4666 §1.4.8).
const PORT: u16 = 2905;

impl Known {
    fn ends(&self) -> Result<(SocketAddr, SocketAddr)> {
        let at = |text: &str| -> Result<SocketAddr> { Ok(SocketAddr::new(text.parse()?, PORT)) };
        Ok((at(self.address)?, at(self.host)?))
    }
}

impl Carrier {
    /// Brings its association up.
    pub(crate) fn connect(wire: &Wire, known: Known) -> Result<Self> {
        let (here, there) = known.ends()?;
        let gateway = Peer::gateway(&wire.host, there, here, true)?;
        let asp = Peer::asp(&wire.world, here, there)?;
        asp.wait_active(PATIENCE).with_context(|| known.name)?;
        Ok(Self { known, asp, gateway, tally: Tally::default() })
    }

    /// Sends one message.
    pub(crate) fn send(&mut self, kind: Kind, id: u32) {
        let label = Label { opc: self.known.opc, dpc: HOME_POINT_CODE, ni: 0, sls: (id & 15) as u8 };
        self.asp.send(1, m3ua::data(label, None, &kind.begin(id)));
        self.tally.sent += 1;
    }

    /// What has come since the last time: to the home gateway, and back as answers.
    pub(crate) fn collect(&mut self) -> (Vec<Delivered>, Vec<Delivered>) {
        let (delivered, answered) = (self.gateway.take_delivered(), self.asp.take_delivered());
        self.tally.delivered += delivered.len() as u64;
        self.tally.answered += answered.len() as u64;
        (delivered, answered)
    }

    /// As `status` shows it.
    pub(crate) fn row(&mut self) -> Result<Row> {
        self.collect();
        let (from, to) = self.known.ends()?;
        let association = if self.asp.is_active() && self.gateway.is_active() { "active" } else { "ended" };
        Ok(Row {
            carrier: self.known.name.to_owned(),
            point_code: point_code(self.known.opc),
            from,
            to,
            association: association.to_owned(),
            tally: self.tally,
            retransmitted: self.asp.retransmitted() + self.gateway.retransmitted(),
            unsent: self.asp.unsent() + self.gateway.unsent(),
        })
    }
}
