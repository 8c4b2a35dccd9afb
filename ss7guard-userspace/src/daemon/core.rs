//! The state of the controller, and what it does with events.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write};
use std::rc::Rc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use ss7guard_common::abi::{PuntCounter, config_flag};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::control::{Fault, Monitor};
use crate::daemon::desk::{Desk, Lines, MONITOR_QUEUE, Sight, Tally, Watcher};
use crate::daemon::import::Importing;
use crate::daemon::seen::Seen;
use crate::daemon::view::{maps_stats, maps_status, reassembly_json};
use crate::enforce::{Listed, Planner, Target};
use crate::kernel::{self, Attached, Events, KernelLists, Loaded, Lock, Maps};
use crate::reassembly::Arrival;
use crate::screening::{Pipeline, RULE_CONFIGURED};

/// Events that are taken from the ring before clients get a turn.
const MOST_EVENTS: usize = 20_000;

/// How long entries go on after their end.
fn linger_ns(config: &Config) -> u64 {
    u64::try_from(config.linger.as_nanos()).unwrap_or(u64::MAX)
}

/// The controller.
pub struct Core {
    pub(super) config: Config,
    /// Held as long as the core lives.
    pub(super) lock: Option<Lock>,
    pub(super) loaded: Loaded,
    pub(super) lists: KernelLists,
    ring: Events,
    pub(super) pipeline: Pipeline,
    pub(super) planner: Planner,
    seen: Seen,
    /// Where alerts go; standard output without.
    pub(super) events_file: Option<File>,
    events_failed: bool,
    interfaces: HashMap<u32, String>,
    watchers: Vec<Watcher>,
    pub(super) reasons: HashMap<Target, Rc<str>>,
    pub(super) tally: Tally,
    /// The last entry that could not be made since the last sweep, which tells; the sender sets the pace of these.
    pub(super) refusal: Option<String>,
    /// The import that goes on, if there is one.
    pub(super) importing: Importing,
    lines: Lines,
    pub(super) wall_offset_ns: u64,
    started_ns: u64,
    /// Whether the pins were there before.
    pub adopted: bool,
    /// Whether everything was detached on request.
    pub detached: bool,
}

impl Core {
    /// Takes over the maps; writes nothing but what a dead writer left half-made.
    pub(super) fn new(config: Config, loaded: Loaded, maps: Maps) -> Result<Self> {
        let adopted = loaded.adopted;
        let lists = KernelLists::open(&config.bpffs, maps, linger_ns(&config))?;
        if adopted && lists.codes().capacity() + 1 != config.block_entries as usize {
            log::warn!(
                "the pinned block list has {} entries, the configuration says {}; the pinned size stays until `detach`",
                lists.codes().capacity() + 1,
                config.block_entries
            );
        }
        if adopted && lists.titles().capacity() != config.title_entries as usize {
            log::warn!(
                "the pinned list of global titles has {} entries, the configuration says {}; the pinned size stays until \
                 `detach`",
                lists.titles().capacity(),
                config.title_entries
            );
        }
        if adopted && lists.arrays().ring_bytes() != config.ring_bytes {
            log::warn!(
                "the pinned ring has {} octets, the configuration says {}; the pinned size stays until `detach`",
                lists.arrays().ring_bytes(),
                config.ring_bytes
            );
        }
        Ok(Self {
            ring: Events::open(&config.bpffs)?,
            pipeline: Pipeline::without_blocks(&config),
            lists,
            planner: Planner::default(),
            seen: Seen::default(),
            events_file: None,
            events_failed: false,
            interfaces: HashMap::new(),
            watchers: Vec::new(),
            reasons: HashMap::new(),
            tally: Tally::default(),
            refusal: None,
            importing: Importing::default(),
            lines: Lines::FULL,
            wall_offset_ns: kernel::wall_offset_ns(),
            started_ns: kernel::monotonic_ns(),
            adopted,
            detached: false,
            config,
            loaded,
            lock: None,
        })
    }

    /// Writes peers, the CONFIG record and the configuration's entries.
    pub(super) fn install_policy(&mut self) -> Result<()> {
        let before = self.lists.arrays().config()?;
        let mut record = self.config.kernel_record();
        record.lists = before.lists;
        // Cleared by the list itself, once it is empty.
        record.flags |= before.flags & config_flag::GT_LIST;
        record.seed = if before.seed == 0 { RandomState::new().hash_one(0) } else { before.seed };
        record.peer_table = self.lists.arrays_mut().write_peers(&self.config.peers)?;
        self.lists.arrays_mut().set_config(record)?;
        for block in self.config.blocks.clone() {
            self.install(&block.request()).context("block entries of the configuration")?;
        }
        Ok(())
    }

    /// Once everything is attached: entries of an older configuration go, and what the kernel has is known here too.
    pub(super) fn settle(&mut self) -> Result<()> {
        let configured: HashSet<Target> = self.config.blocks.iter().map(|block| block.target).collect();
        self.lists.end_where(kernel::monotonic_ns(), |detail| {
            detail.rule_id() == RULE_CONFIGURED.id && !configured.contains(&detail.target())
        })?;
        for Listed { detail, .. } in self.lists.entries()? {
            self.pipeline.host.follow(&detail);
        }
        let attached = self.interface_names();
        for name in attached.iter().filter(|name| !self.config.interfaces.contains(name)) {
            log::warn!("{name} is attached and not in the configuration; `ss7guard detach {name}` ends that");
        }
        self.interfaces =
            attached.into_iter().filter_map(|name| Some((kernel::interface_index(&name)?, name))).collect();
        Ok(())
    }

    /// Interfaces that are attached.
    #[must_use]
    pub fn interface_names(&self) -> Vec<String> {
        self.attached().into_iter().map(|one| one.interface).collect()
    }

    fn attached(&self) -> Vec<Attached> {
        kernel::attached(&self.config.bpffs).unwrap_or_default()
    }

    /// Judges what waits in the ring.
    pub(super) fn drain(&mut self) {
        self.loaded.flush_log();
        self.note_missed();
        let mut out = Vec::new();
        let mut requests = Vec::new();
        let now_ns = kernel::monotonic_ns();
        let Self {
            ring,
            pipeline,
            planner,
            seen,
            tally,
            lines,
            config,
            interfaces,
            watchers,
            wall_offset_ns,
            ..
        } = self;
        let mut desk = Desk { config, tally, lines, seen, watchers, out: &mut out };
        ring.drain(MOST_EVENTS, |event| {
            desk.tally.events += 1;
            let sight = Sight::of(&event, interfaces, *wall_offset_ns);
            let arrival = Arrival {
                number: desk.tally.events,
                octets: event.frame,
                remote: sight.remote,
                now_ns: event.event.time_ns,
            };
            pipeline.frame(&arrival, |judged| {
                desk.judge(judged, &sight);
                requests.extend(planner.plan(judged, desk.config, now_ns));
            });
        });
        self.write_log(&out);
        for request in requests {
            self.apply(request);
        }
    }

    /// What associations are in is not known any more if frames that tell it were not copied.
    fn note_missed(&mut self) {
        let lost = [PuntCounter::Overrun, PuntCounter::Bounded, PuntCounter::Unreadable];
        let count = |counter| self.lists.arrays().punt_counter(counter).unwrap_or(0);
        let missed = lost.into_iter().map(count).sum();
        if missed > self.tally.missed {
            self.pipeline.reassembler.missed();
        }
        self.tally.missed = missed;
    }

    fn write_log(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let written = match &mut self.events_file {
            Some(file) => file.write_all(lines),
            None => io::stdout().write_all(lines),
        };
        match written {
            Ok(()) => self.events_failed = false,
            Err(error) if !self.events_failed => {
                self.events_failed = true;
                log::error!("events are lost: {error}");
            }
            Err(_) => {}
        }
    }

    /// Frees expired entries, follows the wall clock, reports losses.
    pub(super) fn sweep(&mut self) {
        self.wall_offset_ns = kernel::wall_offset_ns();
        self.lines = Lines::FULL;
        self.remove_ended();
        if let Some(refusal) = self.refusal.take() {
            log::error!("{refusal}; {} entries were refused so far", self.tally.entries_refused);
        }
        let overruns = self.lists.arrays().punt_counter(PuntCounter::Overrun).unwrap_or(self.tally.overruns);
        if overruns > self.tally.overruns {
            log::warn!("the event ring overflowed: {} frames were not seen", overruns - self.tally.overruns);
            self.tally.overruns = overruns;
        }
    }

    pub(super) fn watch(&mut self, filter: Monitor) -> mpsc::Receiver<Value> {
        let (sender, receiver) = mpsc::channel(MONITOR_QUEUE);
        self.watchers.push(Watcher { filter, sender, lost: 0 });
        receiver
    }

    pub(super) fn detach(&mut self, interfaces: &[String]) -> Result<Value, Fault> {
        let failed = |error: kernel::KernelError| Fault::new("kernel", error.to_string());
        let gone = if interfaces.is_empty() {
            let gone = kernel::detach_all(&self.config.bpffs).map_err(failed)?;
            self.detached = true;
            gone
        } else {
            kernel::detach(&self.config.bpffs, interfaces).map_err(failed)?;
            interfaces.to_vec()
        };
        Ok(json!({ "detached": gone }))
    }

    pub(super) fn status(&self) -> Result<Value, Fault> {
        let mut status = maps_status(self.lists.arrays(), &self.config.bpffs, &self.attached())?;
        status["controller"] = json!("running");
        status["pid"] = json!(std::process::id());
        status["uptime_s"] = json!(kernel::monotonic_ns().saturating_sub(self.started_ns) / 1_000_000_000);
        status["pins"] = json!(if self.adopted { "adopted" } else { "new" });
        status["block_entries"] = json!(self.lists.codes().len());
        status["block_capacity"] = json!(self.lists.codes().capacity());
        status["title_entries"] = json!(self.lists.titles().len());
        status["importing"] = json!(self.importing.is_taken());
        status["title_capacity"] = json!(self.lists.titles().capacity());
        status["point_code_format"] = json!(self.config.point_code_format.as_str());
        Ok(status)
    }

    pub(super) fn stats(&self) -> Result<Value, Fault> {
        let mut stats = maps_stats(self.lists.arrays())?;
        let tally = &self.tally;
        let verdicts: BTreeMap<&str, u64> =
            tally.verdicts.iter().map(|(verdict, count)| (verdict.as_str(), *count)).collect();
        stats["controller"] = json!({
            "events": tally.events,
            "foreign_events": self.ring.foreign,
            "messages": tally.messages,
            "verdicts": verdicts,
            "alerts": tally.alerts,
            "retransmissions": tally.retransmissions,
            "forgotten_chunks": self.seen.forgotten,
            "undecodable": tally.undecodable,
            "findings": tally.findings,
            "entries_made": tally.entries_made,
            "entries_refused": tally.entries_refused,
            "entries_expired": tally.entries_expired,
            "monitor_lost": tally.monitor_lost,
            "lines_suppressed": tally.lines_suppressed,
        });
        stats["reassembly"] = reassembly_json(&self.pipeline.reassembler.accounts());
        Ok(stats)
    }
}
