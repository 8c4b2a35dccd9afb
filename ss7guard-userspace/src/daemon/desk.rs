//! What becomes of one judgement: counters, a line in the events file, word to the monitors.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use ss7guard_common::abi::{Mode, event_flag};
use ss7guard_common::verdict::Action;
use ss7guard_common::wire::Remote;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::control::Monitor;
use crate::daemon::holder::Scene as HeldScene;
use crate::daemon::seen::Seen;
use crate::hold::Fate;
use crate::inspect::message::Outcome;
use crate::kernel::RingEvent;
use crate::report::{self, Scene};
use crate::screening::{Judged, Verdict};

/// Events that wait for a slow monitor; more are counted and left out.
pub(super) const MONITOR_QUEUE: usize = 4_096;

/// Event lines that are written in a second, for alerts and for malformed traffic each; an attacker must not fill the
/// disk, and malformed frames must not drown alerts. Beyond, they are counted, and still shown to monitors.
const MOST_LINES: u32 = 2_000;

/// What is left of [`MOST_LINES`].
pub(super) struct Lines {
    alerts: u32,
    malformed: u32,
}

impl Lines {
    pub(super) const FULL: Self = Self { alerts: MOST_LINES, malformed: MOST_LINES };

    /// Takes a line for this verdict; false if there is none left.
    fn take(&mut self, verdict: Verdict) -> bool {
        let left = match verdict {
            Verdict::Alert | Verdict::Block => &mut self.alerts,
            _ => &mut self.malformed,
        };
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    }
}

/// A client that follows events.
pub(super) struct Watcher {
    pub(super) filter: Monitor,
    pub(super) sender: mpsc::Sender<Value>,
    /// Events since the last that it got.
    pub(super) lost: u64,
}

/// Counters of the controller itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) messages: u64,
    pub(super) alerts: u64,
    pub(super) retransmissions: u64,
    pub(super) verdicts: BTreeMap<Verdict, u64>,
    pub(super) undecodable: BTreeMap<&'static str, u64>,
    /// Messages with each kind of finding.
    pub(super) findings: BTreeMap<&'static str, u64>,
    /// Entries that rules asked for faster than they could be made.
    pub(super) requests_lost: u64,
    pub(super) monitor_lost: u64,
    pub(super) lines_suppressed: u64,
    /// Frames that were not copied, as of the last look.
    pub(super) missed: u64,
}

/// How an event was seen.
pub(super) struct Sight {
    pub(super) remote: Remote,
    interface: String,
    time_ns: u64,
    dropped: bool,
    neutralised: bool,
    monitor: bool,
    /// What becomes of it, where that is for the controller to say.
    fate: Option<Fate>,
}

impl Sight {
    pub(super) fn of(event: &RingEvent<'_>, interfaces: &HashMap<u32, String>, wall_offset_ns: u64) -> Self {
        let flags = event.event.flags;
        let egress = flags & event_flag::EGRESS != 0;
        Self {
            remote: if egress { Remote::Destination } else { Remote::Source },
            interface: name_of(event.event.ifindex, interfaces),
            time_ns: event.event.time_ns.saturating_add(wall_offset_ns),
            dropped: flags & event_flag::DROPPED != 0,
            neutralised: flags & event_flag::NEUTRALISED != 0,
            monitor: flags & event_flag::MONITOR != 0,
            fate: None,
        }
    }

    /// Of a message in a frame that is held, with what becomes of it.
    pub(super) fn held(
        scene: &HeldScene<'_>,
        fate: Option<Fate>,
        interfaces: &HashMap<u32, String>,
        mode: Mode,
        wall_offset_ns: u64,
    ) -> Self {
        Self {
            remote: scene.remote,
            interface: name_of(scene.ifindex, interfaces),
            time_ns: scene.time_ns.saturating_add(wall_offset_ns),
            dropped: false,
            neutralised: false,
            monitor: mode == Mode::Monitor,
            fate,
        }
    }
}

fn name_of(ifindex: u32, interfaces: &HashMap<u32, String>) -> String {
    interfaces.get(&ifindex).cloned().unwrap_or_else(|| format!("if{ifindex}"))
}

impl Sight {
    /// What became of a message of this frame that has this action.
    const fn action(&self, action: Action) -> &'static str {
        match (action, self.fate) {
            (_, Some(Fate::Stop)) => "neutralised",
            (_, Some(Fate::Drop)) => "blocked",
            _ if self.dropped => "blocked",
            (Action::Neutralise, None) if self.neutralised => "neutralised",
            _ => "allowed",
        }
    }
}

/// What judging an event changes.
pub(super) struct Desk<'a> {
    pub(super) config: &'a Config,
    pub(super) tally: &'a mut Tally,
    pub(super) lines: &'a mut Lines,
    pub(super) seen: &'a mut Seen,
    pub(super) watchers: &'a mut Vec<Watcher>,
    /// Lines for the events file.
    pub(super) out: &'a mut Vec<u8>,
}

impl Desk<'_> {
    /// Counts one judgement, writes its alert line, and tells the monitors.
    pub(super) fn judge(&mut self, judged: &Judged<'_>, sight: &Sight) {
        if self.seen.before(judged) {
            self.tally.retransmissions += 1;
            return;
        }
        self.tally.messages += u64::from(judged.message.is_some());
        *self.tally.verdicts.entry(judged.decision.verdict).or_default() += 1;
        if let Some(Outcome::Undecodable(problem)) = judged.message.map(|message| message.outcome) {
            *self.tally.undecodable.entry(problem.reason()).or_default() += 1;
        }
        for finding in judged.message.into_iter().flat_map(|message| message.findings.kinds()) {
            *self.tally.findings.entry(finding.as_str()).or_default() += 1;
        }
        let alert = !matches!(judged.decision.verdict, Verdict::Allow | Verdict::Defer);
        self.tally.alerts += u64::from(alert);
        let written = alert && self.lines.take(judged.decision.verdict);
        self.tally.lines_suppressed += u64::from(alert && !written);
        if !written && self.watchers.is_empty() {
            return;
        }
        let kind = if alert { "alert" } else { "message" };
        let mut scene = Scene {
            time_ns: sight.time_ns,
            interface: &sight.interface,
            format: self.config.point_code_format,
            mode: if sight.monitor { "monitor" } else { "enforce" },
            action: sight.action(judged.action),
            reveal: false,
        };
        let masked = report::event(kind, judged, &scene);
        if written {
            self.out.extend_from_slice(masked.to_string().as_bytes());
            self.out.push(b'\n');
        }
        let tally = &mut *self.tally;
        self.watchers.retain_mut(|watcher| {
            scene.reveal = watcher.filter.reveal;
            let mut event = if scene.reveal { report::event(kind, judged, &scene) } else { masked.clone() };
            if !watcher.filter.wants(&event) {
                return !watcher.sender.is_closed();
            }
            if watcher.lost > 0 {
                event["lost_before"] = json!(watcher.lost);
            }
            match watcher.sender.try_send(event) {
                Ok(()) => watcher.lost = 0,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    watcher.lost += 1;
                    tally.monitor_lost += 1;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
            true
        });
    }
}
