//! Imports from a client: what it sends is kept until it commits, and then goes into the lists in slices, between the
//! events. One at a time; while one goes into the lists, rules wait and operators are refused.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::config::OnBlock;
use crate::control::{Fault, ImportBegin, ImportCommit, ImportEntries};
use crate::daemon::Core;
use crate::daemon::blocks::{check_reason, fault};
use crate::daemon::judge::Order;
use crate::enforce::{BlockRequest, Does, Target};
use crate::kernel::lists::exchange::{Basket, Exchange, Slice, Wanted};
use crate::kernel::{self, ListError};

/// How long a slice takes; an event waits for so long.
const SLICE: Duration = Duration::from_millis(2);

/// Entries that are looked at before the clock is.
const MOST: usize = 128;

/// How often the client hears how far it is.
const TELL: Duration = Duration::from_millis(200);

/// Requests of rules that wait for the end of an import; the rules ask again for those beyond.
const MAX_WAITING: usize = 65_536;

/// Words to the client; a client that does not listen misses some that say how far it is.
const WORDS: usize = 16;

/// The place for the one import.
#[derive(Default)]
pub(super) struct Importing {
    stage: Stage,
    /// Imports that went into the lists.
    pub(super) count: u64,
    /// What rules asked for meanwhile.
    waiting: HashMap<Target, BlockRequest>,
}

#[derive(Default)]
enum Stage {
    #[default]
    None,
    /// A client sends.
    Receiving,
    /// It goes into the lists.
    Running(Box<Running>),
}

struct Running {
    exchange: Exchange,
    client: mpsc::Sender<Word>,
    told: Instant,
    begun: Instant,
}

impl Importing {
    /// Whether a client sends, or its list goes into the lists.
    pub(super) const fn is_taken(&self) -> bool {
        !matches!(self.stage, Stage::None)
    }
}

/// What a client hears after its commit.
pub(super) enum Word {
    /// How far it is.
    Progress(Value),
    /// The end.
    Done(Result<Value, Fault>),
}

/// What a client has sent.
pub(super) struct Upload {
    basket: Basket,
    replaces: bool,
}

impl Core {
    /// Whether an import goes into the lists.
    pub(super) fn is_importing(&self) -> bool {
        matches!(self.importing.stage, Stage::Running(_))
    }

    pub(super) fn refuse_while_importing(&self) -> Result<(), Fault> {
        if self.is_importing() {
            return Err(Fault::new("busy", "an import is running; try again when it is over"));
        }
        Ok(())
    }

    /// Keeps a request for the end of the import that goes on; gives it back if there is none.
    pub(super) fn unless_importing(&mut self, request: BlockRequest) -> Option<BlockRequest> {
        if !self.is_importing() {
            return Some(request);
        }
        let waiting = &mut self.importing.waiting;
        if waiting.len() < MAX_WAITING || waiting.contains_key(&request.target) {
            waiting.insert(request.target, request);
        } else {
            self.judging.tell(Order::Again(request.target));
            self.refused(format!("more than {MAX_WAITING} entries of rules wait for the end of the import"));
        }
        None
    }

    /// Takes the place for a client.
    pub(super) fn import_begin(&mut self, begin: &ImportBegin) -> Result<Upload, Fault> {
        if self.importing.is_taken() {
            return Err(Fault::new("busy", "another import is running; try again when it is over"));
        }
        self.importing.stage = Stage::Receiving;
        Ok(Upload { basket: Basket::default(), replaces: begin.replace })
    }

    /// The client is gone, or has failed, before its commit.
    pub(super) fn import_dropped(&mut self) {
        if matches!(self.importing.stage, Stage::Receiving) {
            self.importing.stage = Stage::None;
        }
    }

    /// Keeps what the client has sent.
    pub(super) fn import_entries(
        &self,
        upload: &mut Upload,
        entries: &ImportEntries,
    ) -> Result<Value, Fault> {
        let range = |message: &str| Fault::new("range", message);
        for one in &entries.entries {
            let target = one.entry.target().map_err(|message| range(&message))?;
            check_reason(&one.reason)?;
            let on_block = match (one.does, one.entry.allow) {
                (Does::Allow, true) => OnBlock::default(),
                (Does::Neutralise, false) => OnBlock::Neutralise,
                (Does::Drop, false) => OnBlock::Drop,
                _ => return Err(range("an entry that allows, and no other, does \"allow\"")),
            };
            let expires_at = one.ends_ms.map_or(0, |ends_ms| {
                let ends_ns = u64::try_from(ends_ms).unwrap_or(0).saturating_mul(1_000_000);
                ends_ns.saturating_sub(self.wall_offset_ns).max(1)
            });
            let wanted = Wanted::new(expires_at, on_block, one.reason.as_str().into());
            if !upload.basket.put(target, wanted) {
                let shown = target.written(self.config.point_code_format);
                return Err(range(&format!("{shown} is there twice")));
            }
        }
        upload.basket.check_room(&self.lists).map_err(|error| fault(&error))?;
        Ok(json!({ "received": upload.basket.len() }))
    }

    /// No more is coming: from here on the client's going changes nothing.
    pub(super) fn import_commit(&mut self, upload: Upload, commit: &ImportCommit) -> mpsc::Receiver<Word> {
        let (client, words) = mpsc::channel(WORDS);
        let exchange = Exchange::new(upload.basket, upload.replaces, commit.dry_run);
        let now = Instant::now();
        let running = Running { exchange, client, told: now, begun: now };
        self.importing.stage = Stage::Running(Box::new(running));
        words
    }

    /// Does a slice of the import.
    pub(super) fn import_slice(&mut self) {
        let Stage::Running(mut running) = std::mem::take(&mut self.importing.stage) else { return };
        let begun = Instant::now();
        while begun.elapsed() < SLICE {
            match running.exchange.slice(&mut self.lists, MOST, kernel::monotonic_ns()) {
                Ok(slice) => {
                    self.follow_slice(&running.exchange, &slice);
                    if let Some(counts) = slice.counts {
                        self.import_over(&running, Ok(counts_json(&counts)));
                        return;
                    }
                }
                Err(error) => {
                    self.import_over(&running, Err(error));
                    return;
                }
            }
        }
        // The last place is for the end.
        if running.told.elapsed() >= TELL && running.client.capacity() > 1 {
            running.told = Instant::now();
            let (done, of) = running.exchange.progress();
            // One that is gone misses it.
            let _ = running.client.try_send(Word::Progress(json!({ "done": done, "of": of })));
        }
        self.importing.stage = Stage::Running(running);
    }

    fn follow_slice(&mut self, exchange: &Exchange, slice: &Slice) {
        for detail in &slice.gone {
            self.removed(detail);
        }
        for detail in &slice.live {
            match exchange.reason(&detail.target()) {
                Some(reason) => self.installed(detail, reason),
                None => self.shortened(detail),
            }
        }
        for (target, reason) in &slice.same {
            self.give_reason(*target, Rc::clone(reason));
        }
    }

    fn import_over(&mut self, running: &Running, result: Result<Value, ListError>) {
        self.importing.stage = Stage::None;
        let took = running.begun.elapsed().as_millis();
        let result = match result {
            Ok(counts) => {
                if !running.exchange.is_dry_run() {
                    self.importing.count += 1;
                    log::info!("imported in {took} ms: {counts}");
                }
                Ok(counts)
            }
            Err(error) => {
                log::error!("import: {error}");
                Err(fault(&error))
            }
        };
        // One that is gone misses it.
        let _ = running.client.try_send(Word::Done(result));
        for request in std::mem::take(&mut self.importing.waiting).into_values() {
            self.apply(request);
        }
    }
}

/// What an import has changed, or would.
pub(crate) fn counts_json(counts: &crate::kernel::lists::exchange::Counts) -> Value {
    json!({
        "added": counts.added,
        "renewed": counts.renewed,
        "removed": counts.removed,
        "unchanged": counts.unchanged,
    })
}
