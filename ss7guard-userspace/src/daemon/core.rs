//! The state of the controller, and what it does with events.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use ss7guard_common::abi::PuntCounter;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::control::{BlockAdd, BlockDel, Fault, Monitor};
use crate::daemon::desk::{Desk, Lines, MONITOR_QUEUE, Sight, Tally, Watcher};
use crate::daemon::seen::Seen;
use crate::daemon::view::{entry_json, maps_stats, maps_status};
use crate::enforce::{BlockRequest, Planner};
use crate::kernel::{self, Attached, BlockList, Entry, Events, ListError, Lock, Maps};
use crate::screening::{Pipeline, RULE_CONFIGURED, RULE_OPERATOR};

/// Events that are taken from the ring before clients get a turn.
const MOST_EVENTS: usize = 20_000;

/// How long an entry that ended stays in the list: longer than a tick of the kernel's coarse clock.
const LINGER_NS: u64 = 1_000_000_000;

/// Ended entries that one sweep frees; the kernel has ended them already.
const MOST_ENDED: usize = 10_000;

/// Reasons of entries that are remembered, for listings.
const MAX_REASONS: usize = 65_536;

/// The controller.
pub struct Core {
    config: Config,
    _lock: Lock,
    list: BlockList<Maps>,
    ring: Events,
    pipeline: Pipeline,
    planner: Planner,
    seen: Seen,
    log: Option<File>,
    log_failed: bool,
    interfaces: HashMap<u32, String>,
    watchers: Vec<Watcher>,
    reasons: HashMap<(u32, u8, Option<u32>), String>,
    tally: Tally,
    lines: Lines,
    wall_offset_ns: u64,
    started_ns: u64,
    /// Whether the pins were there before.
    pub adopted: bool,
    /// Whether everything was detached on request.
    pub detached: bool,
}

impl Core {
    pub(super) fn new(config: Config, lock: Lock, maps: Maps, adopted: bool) -> Result<Self> {
        let list = BlockList::adopt(maps)?;
        if adopted && list.capacity() + 1 != config.block_entries as usize {
            log::warn!(
                "the pinned block list has {} entries, the configuration says {}; the pinned size stays until `detach`",
                list.capacity() + 1,
                config.block_entries
            );
        }
        if adopted && list.arrays().ring_bytes() != config.ring_bytes {
            log::warn!(
                "the pinned ring has {} octets, the configuration says {}; the pinned size stays until `detach`",
                list.arrays().ring_bytes(),
                config.ring_bytes
            );
        }
        let mut core = Self {
            ring: Events::open(&config.bpffs)?,
            pipeline: Pipeline::without_blocks(&config),
            list,
            planner: Planner::default(),
            seen: Seen::default(),
            log: None,
            log_failed: false,
            interfaces: HashMap::new(),
            watchers: Vec::new(),
            reasons: HashMap::new(),
            tally: Tally::default(),
            lines: Lines::FULL,
            wall_offset_ns: kernel::wall_offset_ns(),
            started_ns: kernel::monotonic_ns(),
            adopted,
            detached: false,
            config,
            _lock: lock,
        };
        core.configured_blocks()?;
        for Entry { detail, .. } in core.list.entries()? {
            core.pipeline.host.block(detail);
        }
        core.interfaces = core
            .interface_names()
            .into_iter()
            .filter_map(|name| Some((kernel::interface_index(&name)?, name)))
            .collect();
        Ok(core)
    }

    /// Makes the list hold the configuration's entries: those of an older configuration go.
    fn configured_blocks(&mut self) -> Result<()> {
        let blocks = self.config.blocks.clone();
        self.list.remove_where(|detail| {
            detail.rule_id == RULE_CONFIGURED.id
                && !blocks.iter().any(|block| {
                    block.point_code == detail.point_code
                        && block.ni.unwrap_or(ss7guard_common::abi::ANY_NI) == detail.ni
                        && block.network_appearance.is_some() == (detail.match_na == 1)
                })
        })?;
        for block in blocks {
            self.install(&block.request()).context("block entries of the configuration")?;
        }
        Ok(())
    }

    /// Opens the events file; before, events go nowhere.
    pub(super) fn open_log(&mut self) -> Result<()> {
        if let Some(path) = &self.config.events {
            let what = || format!("events file {}", path.display());
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(what)?;
            }
            self.log = Some(OpenOptions::new().create(true).append(true).open(path).with_context(what)?);
        }
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
            pipeline.frame(desk.tally.events, event.frame, sight.remote, event.event.time_ns, |judged| {
                desk.judge(judged, &sight, event.frame);
                requests.extend(planner.plan(judged, desk.config, now_ns));
            });
        });
        self.write_log(&out);
        for request in requests {
            self.apply(&request);
        }
    }

    fn write_log(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let written = match &mut self.log {
            Some(file) => file.write_all(lines),
            None if self.config.events.is_none() => io::stdout().write_all(lines),
            None => Ok(()),
        };
        match written {
            Ok(()) => self.log_failed = false,
            Err(error) if !self.log_failed => {
                self.log_failed = true;
                log::error!("events are lost: {error}");
            }
            Err(_) => {}
        }
    }

    /// Installs what a rule asked for.
    fn apply(&mut self, request: &BlockRequest) {
        match self.install(request) {
            Ok(()) => {
                self.tally.entries_made += 1;
                log::info!(
                    "rule {}: point code {} is blocked: {}",
                    request.rule_id,
                    request.point_code,
                    request.reason
                );
            }
            Err(error) => {
                self.tally.entries_refused += 1;
                self.planner.forget(request.point_code);
                log::error!("point code {} cannot be blocked: {error}", request.point_code);
            }
        }
    }

    fn install(&mut self, request: &BlockRequest) -> Result<(), ListError> {
        let detail = self.list.add(request, kernel::monotonic_ns())?;
        self.pipeline.host.block(detail);
        if self.reasons.len() < MAX_REASONS {
            let ni = request.ni.unwrap_or(ss7guard_common::abi::ANY_NI);
            self.reasons.insert((request.point_code, ni, request.network_appearance), request.reason.clone());
        }
        Ok(())
    }

    /// Frees expired entries, follows the wall clock, reports losses.
    pub(super) fn sweep(&mut self) {
        self.wall_offset_ns = kernel::wall_offset_ns();
        self.lines = Lines::FULL;
        let now_ns = kernel::monotonic_ns();
        match self.list.remove_ended(now_ns.saturating_sub(LINGER_NS), MOST_ENDED) {
            Ok(expired) => {
                for Entry { detail, hits } in expired {
                    self.pipeline.host.unblock(&detail);
                    self.tally.entries_expired += 1;
                    self.planner.forget(detail.point_code);
                    log::info!("the entry for point code {} has ended after {hits} hits", detail.point_code);
                }
            }
            Err(error) => log::error!("sweep: {error}"),
        }
        let overruns = self.list.arrays().punt_counter(PuntCounter::Overrun).unwrap_or(self.tally.overruns);
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

    pub(super) fn block_add(&mut self, add: &BlockAdd) -> Result<Value, Fault> {
        if add.ni.is_some_and(|ni| ni > 3) {
            return Err(Fault::new("range", "the network indicator is 0 to 3"));
        }
        let request = BlockRequest {
            point_code: add.point_code,
            ni: add.ni,
            network_appearance: add.network_appearance,
            ttl: add.ttl_s.map(Duration::from_secs),
            rule_id: RULE_OPERATOR.id,
            reason: add.reason.clone(),
        };
        self.install(&request).map_err(|error| fault(&error))?;
        Ok(json!({ "entries": self.list.len(), "capacity": self.list.capacity() }))
    }

    pub(super) fn block_del(&mut self, del: &BlockDel) -> Result<Value, Fault> {
        let detail = self
            .list
            .remove(del.point_code, del.ni, del.network_appearance)
            .map_err(|error| fault(&error))?;
        self.pipeline.host.unblock(&detail);
        self.planner.forget(del.point_code);
        Ok(json!({ "entries": self.list.len() }))
    }

    pub(super) fn block_flush(&mut self) -> Result<Value, Fault> {
        let removed = self.list.remove_where(|_| true).map_err(|error| fault(&error))?;
        self.pipeline.host.blocks.clear();
        self.planner = Planner::default();
        Ok(json!({ "removed": removed.len() }))
    }

    pub(super) fn block_list(&self) -> Result<Value, Fault> {
        let entries = self.list.entries().map_err(|error| fault(&error.into()))?;
        let now_ns = kernel::monotonic_ns();
        let rows: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let detail = &entry.detail;
                let na = (detail.match_na == 1).then_some(detail.network_appearance);
                let mut row = entry_json(entry, now_ns);
                row["reason"] = json!(self.reasons.get(&(detail.point_code, detail.ni, na)));
                row
            })
            .collect();
        Ok(json!(rows))
    }

    pub(super) fn detach(&mut self, interfaces: &[String]) -> Result<Value, Fault> {
        let failed = |error: kernel::KernelError| Fault::new("kernel", error.to_string());
        let mut gone = Vec::new();
        if interfaces.is_empty() {
            gone = kernel::detach_all(&self.config.bpffs).map_err(failed)?;
            self.detached = true;
        } else {
            for interface in interfaces {
                kernel::detach(&self.config.bpffs, interface).map_err(failed)?;
                gone.push(interface.clone());
            }
        }
        Ok(json!({ "detached": gone }))
    }

    pub(super) fn status(&self) -> Result<Value, Fault> {
        let mut status = maps_status(self.list.arrays(), &self.attached())?;
        status["controller"] = json!("running");
        status["pid"] = json!(std::process::id());
        status["uptime_s"] = json!(kernel::monotonic_ns().saturating_sub(self.started_ns) / 1_000_000_000);
        status["pins"] = json!(if self.adopted { "adopted" } else { "new" });
        status["block_entries"] = json!(self.list.len());
        status["block_capacity"] = json!(self.list.capacity());
        status["point_code_format"] = json!(self.config.point_code_format.as_str());
        Ok(status)
    }

    pub(super) fn stats(&self) -> Result<Value, Fault> {
        let mut stats = maps_stats(self.list.arrays())?;
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
            "entries_made": tally.entries_made,
            "entries_refused": tally.entries_refused,
            "entries_expired": tally.entries_expired,
            "monitor_lost": tally.monitor_lost,
            "lines_suppressed": tally.lines_suppressed,
        });
        Ok(stats)
    }
}

fn fault(error: &ListError) -> Fault {
    let code = match error {
        ListError::Full(_) | ListError::ChainFull(_) => "full",
        ListError::PointCode(_) => "range",
        ListError::Missing => "missing",
        ListError::Kernel(_) => "kernel",
    };
    Fault::new(code, error.to_string())
}
