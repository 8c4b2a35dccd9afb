//! The controller and its lists: what rules and operators ask for.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::control::{BlockAdd, BlockDel, BlockFlush, BlockList, Fault};
use crate::daemon::Core;
use crate::daemon::judge::Order;
use crate::daemon::view::entry_json;
use crate::enforce::{BlockRequest, Detail, Listed, Target};
use crate::kernel::{self, ListError};
use crate::screening::RULE_OPERATOR;

/// Octets of the reason that an operator gives for an entry.
pub(super) const MAX_REASON_LEN: usize = 256;

/// How long an entry that ended stays in the list: longer than a tick of the kernel's coarse clock.
const LINGER_NS: u64 = 1_000_000_000;

/// Ended entries that one sweep frees; the kernel has ended them already.
const MOST_ENDED: usize = 10_000;

/// Ended entries that one sweep names in the log.
const MOST_TOLD: usize = 20;

/// Entries of one page of a listing: a few milliseconds of work.
const PAGE: usize = 2_000;

impl Core {
    /// Installs what a rule asked for. An entry that lasts longer stays as it is: a rule shortens nobody's word. While an
    /// import goes on, the request waits.
    pub(super) fn apply(&mut self, request: BlockRequest) {
        let Some(request) = self.unless_importing(request) else { return };
        let held = self.lists.get(&request.target);
        let wanted = request.detail(kernel::monotonic_ns()).expires_at();
        let lasts = |end: u64| if end == 0 { u64::MAX } else { end };
        if held.is_some_and(|held| lasts(held.expires_at()) >= lasts(wanted)) {
            return;
        }
        let shown = request.target.written(self.config.point_code_format);
        match self.install(&request) {
            Ok(()) => {
                self.entries.made += 1;
                log::info!("rule {}: {shown} is blocked: {}", request.rule_id, request.reason);
            }
            Err(error) => {
                self.judging.tell(Order::Again(request.target));
                self.refused(format!("{shown} cannot be blocked: {error}"));
            }
        }
    }

    /// Counts an entry that a rule asked for and that could not be made; the sweep tells of the last.
    pub(super) fn refused(&mut self, why: String) {
        self.entries.refused += 1;
        self.refusal = Some(why);
    }

    pub(super) fn install(&mut self, request: &BlockRequest) -> Result<(), ListError> {
        let detail = self.lists.add(request, kernel::monotonic_ns())?;
        self.installed(&detail, request.reason.as_str().into());
        Ok(())
    }

    /// Follows an entry that is in the list now. Reasons have the bound that the lists have.
    pub(super) fn installed(&mut self, detail: &Detail, reason: Rc<str>) {
        self.judging.tell(Order::Follow(*detail));
        self.give_reason(detail.target(), reason);
    }

    pub(super) fn give_reason(&mut self, target: Target, reason: Rc<str>) {
        if reason.is_empty() {
            self.reasons.remove(&target);
        } else {
            self.reasons.insert(target, reason);
        }
    }

    /// Forgets an entry that is no more in the list.
    pub(super) fn removed(&mut self, detail: &Detail) {
        self.judging.tell(Order::Forget(*detail));
        self.reasons.remove(&detail.target());
    }

    /// Follows an entry that was removed, or goes on for retransmissions only.
    fn ended(&mut self, detail: &Detail, removed: bool) {
        if removed {
            self.removed(detail);
        } else {
            self.shortened(detail);
        }
    }

    /// Follows an entry that goes on for retransmissions only.
    pub(super) fn shortened(&self, detail: &Detail) {
        self.judging.tell(Order::FollowEnd(*detail));
    }

    /// Frees entries that have ended; while an import goes on, they wait.
    pub(super) fn remove_ended(&mut self) {
        if self.is_importing() {
            return;
        }
        let now_ns = kernel::monotonic_ns();
        let expired = match self.lists.remove_ended(now_ns.saturating_sub(LINGER_NS), MOST_ENDED) {
            Ok(expired) => expired,
            Err(error) => {
                log::error!("sweep: {error}");
                return;
            }
        };
        let more = expired.len().saturating_sub(MOST_TOLD);
        for (position, Listed { detail, hits }) in expired.into_iter().enumerate() {
            self.removed(&detail);
            self.entries.expired += 1;
            if position < MOST_TOLD {
                let shown = detail.target().written(self.config.point_code_format);
                log::info!("the entry for {shown} has ended after {} hits", hits.count);
            }
        }
        if more > 0 {
            log::info!("{more} more entries have ended");
        }
    }

    pub(super) fn block_add(&mut self, add: &BlockAdd) -> Result<Value, Fault> {
        self.refuse_while_importing()?;
        let target = add.entry.target().map_err(|message| Fault::new("range", message))?;
        check_reason(&add.reason)?;
        let request = BlockRequest {
            target,
            ttl: add.ttl_s.map(Duration::from_secs),
            rule_id: RULE_OPERATOR.id,
            on_block: add.on_block,
            reason: add.reason.clone(),
        };
        self.install(&request).map_err(|error| fault(&error))?;
        Ok(json!({ "entries": self.lists.len() }))
    }

    pub(super) fn block_del(&mut self, del: &BlockDel) -> Result<Value, Fault> {
        self.refuse_while_importing()?;
        let target = del.entry.target().map_err(|message| Fault::new("range", message))?;
        let ended = if del.now {
            self.lists.remove(&target).map(|detail| (detail, true))
        } else {
            self.lists.end(&target, kernel::monotonic_ns())
        };
        let (detail, removed) = ended.map_err(|error| fault(&error))?;
        self.ended(&detail, removed);
        Ok(json!({ "entries": self.lists.len(), "removed": removed }))
    }

    pub(super) fn block_flush(&mut self, flush: &BlockFlush) -> Result<Value, Fault> {
        self.refuse_while_importing()?;
        let ended = if flush.now {
            let removed = self.lists.remove_where(|_| true);
            removed.map(|entries| entries.into_iter().map(|entry| (entry.detail, true)).collect::<Vec<_>>())
        } else {
            self.lists.end_where(kernel::monotonic_ns(), |_| true)
        };
        let ended = ended.map_err(|error| fault(&error))?;
        for (detail, removed) in &ended {
            self.ended(detail, *removed);
        }
        let removed = ended.iter().filter(|(_, removed)| *removed).count();
        Ok(json!({ "removed": removed, "ending": ended.len() - removed }))
    }

    /// A page of the entries, and whether there may be more.
    pub(super) fn block_list(&self, list: &BlockList) -> Result<Value, Fault> {
        if list.whole {
            self.refuse_while_importing()?;
        }
        let after = list.after.as_ref().map(crate::control::Named::target).transpose();
        let after = after.map_err(|message| Fault::new("range", message))?;
        let entries = self.lists.entries_after(after, PAGE).map_err(|error| fault(&error.into()))?;
        let now_ns = kernel::monotonic_ns();
        let rows: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let mut row = entry_json(entry, now_ns, self.wall_offset_ns);
                row["reason"] = json!(self.reasons.get(&entry.detail.target()).map(|reason| &**reason));
                row
            })
            .collect();
        Ok(json!({ "entries": rows, "more": rows.len() == PAGE, "imports": self.importing.count }))
    }
}

/// Refuses a reason that is too long.
pub(super) fn check_reason(reason: &str) -> Result<(), Fault> {
    if reason.len() <= MAX_REASON_LEN {
        return Ok(());
    }
    Err(Fault::new("range", format!("a reason has at most {MAX_REASON_LEN} octets")))
}

/// An error of the lists, for a client.
pub(super) fn fault(error: &ListError) -> Fault {
    let code = match error {
        ListError::Full(_)
        | ListError::ChainFull(_)
        | ListError::TitlesFull(_)
        | ListError::TitlesCrowded(_)
        | ListError::NoRoom(_) => "full",
        ListError::PointCode(_) | ListError::Digits => "range",
        ListError::Missing => "missing",
        ListError::Kernel(_) => "kernel",
    };
    Fault::new(code, error.to_string())
}
