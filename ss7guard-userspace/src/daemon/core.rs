//! The state of the controller: the lists, what is attached, and what it tells of itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use ss7guard_common::abi::{PuntCounter, config_flag};
use tokio::sync::mpsc;

use crate::config::{Config, Deployment};
use crate::control::{Fault, Monitor};
use crate::daemon::desk::{MONITOR_QUEUE, Watcher};
use crate::daemon::import::Importing;
use crate::daemon::judge::{Judging, Order};
use crate::daemon::links::Links;
use crate::daemon::view::{maps_stats, maps_status, reassembly_json};
use crate::enforce::{BlockRequest, Listed, Target};
use crate::kernel::{self, Attached, BridgeMaps, KernelLists, Loaded, Lock, Maps};
use crate::screening::RULE_CONFIGURED;

/// How long entries go on after their end.
fn linger_ns(config: &Config) -> u64 {
    u64::try_from(config.linger.as_nanos()).unwrap_or(u64::MAX)
}

/// What became of entries.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) made: u64,
    pub(super) refused: u64,
    pub(super) expired: u64,
}

/// The controller.
pub struct Core {
    pub(super) config: Config,
    /// Held as long as the core lives.
    pub(super) lock: Option<Lock>,
    pub(super) loaded: Loaded,
    pub(super) lists: KernelLists,
    pub(super) judging: Judging,
    /// What the rules ask for; taken by whoever serves.
    pub(super) wanted: Option<mpsc::Receiver<BlockRequest>>,
    pub(super) reasons: HashMap<Target, Rc<str>>,
    pub(super) entries: Entries,
    /// Events that were lost, as of the last look.
    overruns: u64,
    /// The last entry that could not be made since the last sweep, which tells; the sender sets the pace of these.
    pub(super) refusal: Option<String>,
    /// The import that goes on, if there is one.
    pub(super) importing: Importing,
    pub(super) wall_offset_ns: u64,
    started_ns: u64,
    links: Links,
    /// Whether the links of a bridge could not be looked at, which was told.
    links_failed: bool,
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
        let (judging, wanted) = Judging::new(&config)?;
        Ok(Self {
            judging,
            wanted: Some(wanted),
            lists,
            reasons: HashMap::new(),
            entries: Entries::default(),
            overruns: 0,
            refusal: None,
            importing: Importing::default(),
            wall_offset_ns: kernel::wall_offset_ns(),
            started_ns: kernel::monotonic_ns(),
            links: Links::new(&config.bridges),
            links_failed: false,
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
            self.judging.tell(Order::Follow(detail));
        }
        let attached = self.interface_names();
        let configured = self.config.ports();
        for name in attached.iter().filter(|name| !configured.contains(name)) {
            log::warn!("{name} is attached and not in the configuration; `ss7guard detach {name}` ends that");
        }
        let indexes = attached.into_iter().filter_map(|name| Some((kernel::interface_index(&name)?, name)));
        self.judging.tell(Order::Interfaces(indexes.collect()));
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

    /// Frees expired entries, follows the wall clock, reports losses.
    pub(super) fn sweep(&mut self) {
        self.loaded.flush_log();
        self.wall_offset_ns = kernel::wall_offset_ns();
        self.remove_ended();
        self.follow_ports();
        if let Some(refusal) = self.refusal.take() {
            log::error!("{refusal}; {} entries were refused so far", self.entries.refused);
        }
        let overruns = self.lists.arrays().punt_counter(PuntCounter::Overrun).unwrap_or(self.overruns);
        if overruns > self.overruns {
            log::warn!("the event ring overflowed: {} frames were not seen", overruns - self.overruns);
            self.overruns = overruns;
        }
    }

    /// What changes of a port, its MTU, changes in the kernel's table.
    fn follow_ports(&self) {
        if self.config.deployment != Deployment::Bridge || self.detached {
            return;
        }
        let installed =
            BridgeMaps::open(&self.config.bpffs).and_then(|mut maps| maps.install(&self.config.bridges));
        if let Err(error) = installed {
            log::warn!("ports of the bridge: {error}");
        }
    }

    /// Passes loss of link on from one side of a bridge to the other.
    pub(super) fn look_at_links(&mut self) {
        if self.detached {
            return;
        }
        match self.links.pass_on(&self.config.bpffs) {
            Ok(()) => self.links_failed = false,
            Err(error) if !self.links_failed => {
                self.links_failed = true;
                log::warn!("links of the bridge: {error}");
            }
            Err(_) => {}
        }
    }

    pub(super) fn watch(&self, filter: Monitor) -> mpsc::Receiver<Value> {
        let (sender, receiver) = mpsc::channel(MONITOR_QUEUE);
        self.judging.tell(Order::Watch(Watcher { filter, sender, lost: 0 }));
        receiver
    }

    pub(super) fn detach(&mut self, interfaces: &[String]) -> Result<Value, Fault> {
        let failed = |error: kernel::KernelError| Fault::new("kernel", error.to_string());
        let gone = if interfaces.is_empty() {
            // First what waits, in order: afterwards nothing, or something else, carries the frames behind it.
            self.judging.stop();
            self.detached = true;
            kernel::detach_all(&self.config.bpffs).map_err(failed)?
        } else {
            kernel::detach(&self.config.bpffs, interfaces).map_err(failed)?;
            self.links.forget(&self.config.bpffs, interfaces);
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
        if let Some(hold) = &self.judging.view().hold {
            status["hold"] = hold.brief();
        }
        status["point_code_format"] = json!(self.config.point_code_format.as_str());
        Ok(status)
    }

    pub(super) fn stats(&self) -> Result<Value, Fault> {
        let mut stats = maps_stats(self.lists.arrays(), &self.config.bpffs)?;
        let view = self.judging.view().clone();
        let tally = &view.tally;
        let verdicts: BTreeMap<&str, u64> =
            tally.verdicts.iter().map(|(verdict, count)| (verdict.as_str(), *count)).collect();
        stats["controller"] = json!({
            "events": tally.events,
            "foreign_events": view.foreign,
            "messages": tally.messages,
            "verdicts": verdicts,
            "alerts": tally.alerts,
            "retransmissions": tally.retransmissions,
            "forgotten_chunks": view.forgotten,
            "undecodable": tally.undecodable,
            "findings": tally.findings,
            "entries_made": self.entries.made,
            "entries_refused": self.entries.refused + tally.requests_lost,
            "entries_expired": self.entries.expired,
            "monitor_lost": tally.monitor_lost,
            "lines_suppressed": tally.lines_suppressed,
        });
        if let Some(accounts) = &view.accounts {
            stats["reassembly"] = reassembly_json(accounts);
        }
        if let Some(hold) = &view.hold {
            stats["hold"] = hold.json();
        }
        Ok(stats)
    }
}
