//! One association, the messages one after the other, and what the other end does about each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;
use ss7guard_common::neutralise::Form;
use ss7guard_lab::association::{Peer, Settings};
use ss7guard_lab::m3ua::{self, Label};

use super::rewriting::Rewriting;

/// How long the other end may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Octets of a user part that SCTP cuts: three fragments.
const LONG: usize = 3_000;

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Whole,
    Bundle,
    Fragments,
}

impl Case {
    pub(super) const ALL: [Self; 3] = [Self::Whole, Self::Bundle, Self::Fragments];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Bundle => "bundle",
            Self::Fragments => "fragments",
        }
    }

    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Whole => "one message in a packet of its own",
            Self::Bundle => "one message between two BEATs in the same packet",
            Self::Fragments => "one message of 3000 octets in several packets, the first of them rewritten",
        }
    }
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) form: &'static str,
    pub(super) case: &'static str,
    /// Chunks that were rewritten, retransmissions included.
    #[serde(rename = "rewritten_chunks")]
    pub(super) rewritten: usize,
    pub(super) peer_did: Vec<String>,
    /// Nothing: it is safe.
    pub(super) why_not: Vec<String>,
    verdict: &'static str,
}

impl Finding {
    pub(super) fn is_safe(&self) -> bool {
        self.why_not.is_empty()
    }
}

/// To whom, and with which addresses.
pub(super) struct Trial {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) label: Label,
    pub(super) routing_context: Option<u32>,
    pub(super) network_appearance: Option<u32>,
    pub(super) watch: Duration,
}

impl Trial {
    /// Every case of each form. After an association has ended, the next case opens another.
    pub(super) fn run(&self, forms: &[Form]) -> Result<Vec<Finding>> {
        let rewriting = Arc::new(Rewriting::default());
        let mut asp = Some(self.open(&rewriting)?);
        let mut findings = Vec::new();
        for (form, case) in forms.iter().flat_map(|form| Case::ALL.map(|case| (*form, case))) {
            let there = match asp.take().filter(Peer::is_active) {
                Some(there) => Ok(there),
                None => self.open(&rewriting),
            };
            match there {
                Ok(there) => {
                    findings.push(self.case(&there, &rewriting, form, case));
                    asp = Some(there);
                }
                Err(error) => {
                    let why = format!("not sent: {error:#}");
                    findings.push(finding(form, case, 0, Vec::new(), vec![why]));
                }
            }
        }
        if let Some(asp) = asp.filter(Peer::is_active) {
            close(&asp);
        }
        Ok(findings)
    }

    fn open(&self, rewriting: &Arc<Rewriting>) -> Result<Peer> {
        // Without a traffic mode: the gateway's own setting stands (RFC 4666 §3.7.1).
        let context: Vec<Vec<u8>> = self
            .routing_context
            .map(|context| m3ua::parameter(0x0006, &context.to_be_bytes()))
            .into_iter()
            .collect();
        let settings = Settings {
            asp_active: m3ua::message(4, 1, &context),
            rewrite: Some(rewriting.on_packets()),
            ..Settings::default()
        };
        let asp = Peer::asp_here(self.local, self.peer, settings)?;
        asp.wait_active(PATIENCE).map_err(|error| {
            let heard: Vec<String> = asp.heard().iter().map(|message| describe(message)).collect();
            let ended = asp.ended().map_or_else(String::new, |how| format!("; {how}"));
            let heard = if heard.is_empty() { "nothing".to_owned() } else { heard.join(", ") };
            anyhow!("no association with {}: {error:#}; M3UA that came: {heard}{ended}", self.peer)
        })?;
        asp.beat(PATIENCE).with_context(|| format!("{} before anything else was sent", self.peer))?;
        // What still belongs to ASP Active (NTFY) comes now.
        thread::sleep(self.watch);
        Ok(asp)
    }

    fn case(&self, asp: &Peer, rewriting: &Rewriting, form: Form, case: Case) -> Finding {
        let heard_before = asp.heard().len();
        let again_before = asp.retransmitted();
        rewriting.begin(form);
        let message = |filling| {
            m3ua::data_in(self.label, self.network_appearance, self.routing_context, &unitdata(filling))
        };
        match case {
            Case::Whole => asp.send(1, message(64)),
            Case::Bundle => {
                asp.send_together(vec![(0, m3ua::beat()), (1, message(64)), (0, m3ua::beat())]);
            }
            Case::Fragments => asp.send(1, message(LONG)),
        }
        let (mut did, mut why_not) = (Vec::new(), Vec::new());
        match asp.wait_acknowledged(PATIENCE) {
            Ok(()) => did.push("acknowledged".to_owned()),
            Err(error) => why_not.push(format!("{error:#}")),
        }
        match asp.beat(PATIENCE) {
            Ok(()) => did.push("BEAT answered".to_owned()),
            Err(_) => why_not.push("no BEAT is answered any more".to_owned()),
        }
        thread::sleep(self.watch);
        let again = asp.retransmitted() - again_before;
        if again > 0 {
            why_not.push(format!("{again} packets had to be sent again"));
        }
        why_not.extend(asp.ended());
        for message in asp.heard().iter().skip(heard_before) {
            let what = describe(message);
            if is_other_traffic(message, self.label) {
                did.push(format!("{what} of others"));
            } else {
                why_not.push(what);
            }
        }
        if rewriting.rewritten() == 0 {
            why_not.push("the message did not leave".to_owned());
        }
        finding(form, case, rewriting.rewritten(), did, why_not)
    }
}

fn finding(form: Form, case: Case, rewritten: usize, peer_did: Vec<String>, why_not: Vec<String>) -> Finding {
    let verdict = if why_not.is_empty() { "safe" } else { "not safe" };
    Finding { form: form.as_str(), case: case.name(), rewritten, peer_did, why_not, verdict }
}

/// Leaves in order; what does not go well then is no finding.
fn close(asp: &Peer) {
    asp.send(0, m3ua::message(4, 2, &[]));
    asp.send(0, m3ua::message(3, 2, &[]));
    let _ = asp.wait_acknowledged(PATIENCE);
    let _ = asp.shutdown(PATIENCE);
}

/// An SCCP UDT (Q.713 §4.10) of class 0 that asks for no return and goes to a subsystem that is not known: should it
/// be read in spite of all, nobody is meant.
fn unitdata(filling: usize) -> Vec<u8> {
    let mut out = vec![0x09, 0x00, 3, 5, 7, 2, 0x42, 0x00, 2, 0x42, 0x00];
    let data = u8::try_from(filling.min(255)).unwrap_or(u8::MAX);
    out.push(data);
    out.resize(out.len() + filling, 0);
    out
}

/// Whether a message is DATA that has nothing to do with what was sent: not from there to here.
fn is_other_traffic(message: &[u8], sent: Label) -> bool {
    m3ua::read_data(message).is_some_and(|(opc, _)| opc != sent.dpc)
}

/// A message in words (RFC 4666 §3.1.2).
fn describe(message: &[u8]) -> String {
    let (class, kind) = (message.get(2).copied().unwrap_or(0xff), message.get(3).copied().unwrap_or(0xff));
    let word = |at: usize| {
        message.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    match (class, kind) {
        // The first parameter is the mandatory one.
        (0, 0) => format!("M3UA ERR, code {:#04x}", word(12)),
        (0, 1) => format!("M3UA NTFY, status type {}, information {}", word(12) >> 16, word(12) & 0xffff),
        (1, 1) => "M3UA DATA".to_owned(),
        (2, kind) => {
            let names = ["DUNA", "DAVA", "DAUD", "SCON", "DUPU", "DRST"];
            let name = names.get(usize::from(kind).wrapping_sub(1)).unwrap_or(&"unknown");
            format!("M3UA {name}")
        }
        (class, kind) => format!("M3UA message of class {class}, type {kind}"),
    }
}
