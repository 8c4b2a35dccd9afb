//! The background process: the carriers' associations, and a socket on which it is told what to send.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ss7guard_lab::mix::Mix;
use ss7guard_lab::netns::{Namespace, Wire};
use ss7guard_lab::traffic::Kind;

use crate::arguments::no_lab;
use crate::carriers::{self, Carrier};
use crate::ground::{HOST, WORLD};
use crate::state::{Name, State};
use crate::talk::{Line, Outcome, Reply, Request, socket};

/// How often deliveries are collected.
const PERIOD: Duration = Duration::from_millis(100);
/// How often whoever asked is told.
const PROGRESS: Duration = Duration::from_secs(1);
/// Traffic is over when nothing has come for this long after the last message; a message that SCTP has to send again
/// comes sooner, unless it is stopped each time.
const QUIET: Duration = Duration::from_millis(2_500);
/// At the latest after this.
const SETTLE: Duration = Duration::from_secs(20);

struct Lab {
    carriers: Mutex<Vec<Carrier>>,
    /// Number of the next message; held while traffic runs.
    next_id: Mutex<u32>,
}

/// Runs until it is ended.
pub(crate) fn run(name: &Name) -> Result<()> {
    let state = State::find(name)?.ok_or_else(|| no_lab(name))?;
    let there = |role| Namespace::existing(&name.namespace(role));
    let wire = Wire { host: there(HOST)?, world: there(WORLD)? };
    let carriers: Vec<Carrier> =
        carriers::ALL.into_iter().map(|known| Carrier::connect(&wire, known)).collect::<Result<_>>()?;
    let lab = Arc::new(Lab { carriers: Mutex::new(carriers), next_id: Mutex::new(1) });
    // Whoever finds the socket finds the associations up.
    let path = socket(&state.dir);
    let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
    for stream in listener.incoming() {
        let mut line = Line::over(stream?);
        let lab = Arc::clone(&lab);
        thread::spawn(move || {
            // Whoever asked has gone away, or has said what is no request.
            if let Err(error) = lab.answer(&mut line) {
                let _ = line.say(&Reply::Refused(format!("{error:#}")));
            }
        });
    }
    Ok(())
}

impl Lab {
    fn carriers(&self) -> MutexGuard<'_, Vec<Carrier>> {
        self.carriers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, line: &mut Line) -> Result<()> {
        match line.hear()? {
            Request::Status => {
                let rows = self.carriers().iter_mut().map(Carrier::row).collect::<Result<_>>()?;
                line.say(&Reply::Status(rows))
            }
            Request::Traffic { mix, count, rate, seed } => {
                let plan = mix.parse::<Mix>()?.plan(count, seed);
                let mut next_id = match self.next_id.try_lock() {
                    Ok(next_id) => next_id,
                    Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                    Err(TryLockError::WouldBlock) => {
                        let why = "traffic is being sent already: wait for its end, or end its command";
                        return line.say(&Reply::Refused(why.to_owned()));
                    }
                };
                let mut run = Run { lab: self, first: *next_id, what: vec![0; plan.len()], plan, sent: 0 };
                let result = run.drive(rate.clamp(1, 2_000), line);
                *next_id = next_id.wrapping_add(u32::try_from(run.plan.len())?);
                result
            }
        }
    }
}

/// A message has been delivered, or answered.
const DELIVERED: u8 = 1;
const ANSWERED: u8 = 2;

/// One traffic run.
struct Run<'a> {
    lab: &'a Lab,
    /// Number of the first message.
    first: u32,
    plan: Vec<Kind>,
    /// What is known of each message.
    what: Vec<u8>,
    sent: usize,
}

impl Run<'_> {
    fn drive(&mut self, rate: u32, line: &mut Line) -> Result<()> {
        let start = Instant::now();
        let mut told = start;
        while self.sent < self.plan.len() {
            let due = usize::try_from(start.elapsed().as_millis() * u128::from(rate) / 1_000 + 1)?;
            self.send(due.min(self.plan.len()));
            self.collect();
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                // Whoever asked has gone away: nothing more is sent.
                line.say(&self.progress()?)?;
            }
            thread::sleep(PERIOD.min(Duration::from_millis(u64::from((1_000 / rate).max(5)))));
        }
        self.settle();
        line.say(&Reply::Done(self.outcomes()))
    }

    /// Sends what is due by now.
    fn send(&mut self, due: usize) {
        let mut carriers = self.lab.carriers();
        for index in self.sent..due {
            let kind = self.plan[index];
            carriers[carriers::sender(index, kind)].send(kind, self.id(index));
        }
        self.sent = self.sent.max(due);
    }

    /// A plan has far fewer messages than there are numbers.
    fn id(&self, index: usize) -> u32 {
        self.first.wrapping_add(index as u32)
    }

    /// Notes what has come; whether anything has.
    fn collect(&mut self) -> bool {
        let mut any = false;
        for carrier in self.lab.carriers().iter_mut() {
            let (delivered, answered) = carrier.collect();
            for (messages, bit) in [(delivered, DELIVERED), (answered, ANSWERED)] {
                for message in messages {
                    // What was stopped in an earlier run and comes only now is in the carrier's tally alone.
                    let index = message.id.wrapping_sub(self.first) as usize;
                    if let Some(what) = self.what.get_mut(index) {
                        *what |= bit;
                        any = true;
                    }
                }
            }
        }
        any
    }

    fn settle(&mut self) {
        let start = Instant::now();
        let mut last = start;
        while last.elapsed() < QUIET && start.elapsed() < SETTLE {
            if self.what.iter().all(|what| *what == DELIVERED | ANSWERED) {
                return;
            }
            if self.collect() {
                last = Instant::now();
            }
            thread::sleep(PERIOD);
        }
    }

    fn progress(&self) -> Result<Reply> {
        let count = |bit: u8| u32::try_from(self.what.iter().filter(|what| **what & bit != 0).count());
        Ok(Reply::Progress {
            sent: u32::try_from(self.sent)?,
            delivered: count(DELIVERED)?,
            answered: count(ANSWERED)?,
        })
    }

    /// By kind, and by carrier within a kind.
    fn outcomes(&self) -> Vec<Outcome> {
        let mut outcomes: BTreeMap<(Kind, usize), Outcome> = BTreeMap::new();
        for (index, (kind, what)) in self.plan.iter().zip(&self.what).take(self.sent).enumerate() {
            let sender = carriers::sender(index, *kind);
            let outcome = outcomes.entry((*kind, sender)).or_insert_with(|| Outcome {
                kind: kind.operation().to_owned(),
                attack: Kind::ATTACKS.contains(kind),
                carrier: carriers::ALL[sender].name.to_owned(),
                sent: 0,
                delivered: 0,
                answered: 0,
                stopped: 0,
            });
            outcome.sent += 1;
            outcome.delivered += u32::from(what & DELIVERED != 0);
            outcome.answered += u32::from(what & ANSWERED != 0);
            outcome.stopped = outcome.sent - outcome.delivered;
        }
        outcomes.into_values().collect()
    }
}
