//! The controller and its list: what rules and operators ask for.

use std::time::Duration;

use serde_json::{Value, json};
use ss7guard_common::abi::{ANY_NI, BlockDetail};

use crate::control::{BlockAdd, BlockDel, BlockFlush, Fault};
use crate::daemon::Core;
use crate::daemon::view::entry_json;
use crate::enforce::BlockRequest;
use crate::kernel::{self, ListError};
use crate::screening::RULE_OPERATOR;

/// Octets of the reason that an operator gives for an entry.
const MAX_REASON_LEN: usize = 256;

/// Reasons of entries that are remembered, for listings.
const MAX_REASONS: usize = 65_536;

/// What makes an entry one: point code, network indicator, Network Appearance.
pub(super) type Key = (u32, u8, Option<u32>);

pub(super) fn key(detail: &BlockDetail) -> Key {
    (detail.point_code, detail.ni, (detail.match_na == 1).then_some(detail.network_appearance))
}

pub(super) fn key_of(request: &BlockRequest) -> Key {
    (request.point_code, request.ni.unwrap_or(ANY_NI), request.network_appearance)
}

impl Core {
    /// Installs what a rule asked for. An entry that lasts longer stays as it is: a rule shortens nobody's word.
    pub(super) fn apply(&mut self, request: &BlockRequest) {
        let held = self.list.get(request.point_code, request.ni, request.network_appearance);
        let wanted = request.detail(kernel::monotonic_ns()).expires_at;
        let lasts = |end: u64| if end == 0 { u64::MAX } else { end };
        if held.is_some_and(|held| lasts(held.expires_at) >= lasts(wanted)) {
            return;
        }
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
                self.refusal = Some(format!("point code {} cannot be blocked: {error}", request.point_code));
            }
        }
    }

    pub(super) fn install(&mut self, request: &BlockRequest) -> Result<(), ListError> {
        let detail = self.list.add(request, kernel::monotonic_ns())?;
        self.pipeline.host.block(detail);
        let key = key_of(request);
        if self.reasons.len() < MAX_REASONS || self.reasons.contains_key(&key) {
            self.reasons.insert(key, request.reason.clone());
        }
        Ok(())
    }

    /// Forgets an entry that is no more in the list.
    pub(super) fn removed(&mut self, detail: &BlockDetail) {
        self.pipeline.host.unblock(detail);
        self.planner.forget(detail.point_code);
        self.reasons.remove(&key(detail));
    }

    pub(super) fn block_add(&mut self, add: &BlockAdd) -> Result<Value, Fault> {
        if add.ni.is_some_and(|ni| ni > 3) {
            return Err(Fault::new("range", "the network indicator is 0 to 3"));
        }
        if add.reason.len() > MAX_REASON_LEN {
            return Err(Fault::new("range", format!("a reason has at most {MAX_REASON_LEN} octets")));
        }
        let request = BlockRequest {
            point_code: add.point_code,
            ni: add.ni,
            network_appearance: add.network_appearance,
            ttl: add.ttl_s.map(Duration::from_secs),
            rule_id: RULE_OPERATOR.id,
            on_block: add.on_block,
            reason: add.reason.clone(),
        };
        self.install(&request).map_err(|error| fault(&error))?;
        Ok(json!({ "entries": self.list.len(), "capacity": self.list.capacity() }))
    }

    pub(super) fn block_del(&mut self, del: &BlockDel) -> Result<Value, Fault> {
        let BlockDel { point_code, ni, network_appearance, now } = *del;
        let ended = if now {
            self.list.remove(point_code, ni, network_appearance).map(|detail| (detail, true))
        } else {
            self.list.end(point_code, ni, network_appearance, kernel::monotonic_ns())
        };
        let (detail, removed) = ended.map_err(|error| fault(&error))?;
        self.ended(&detail, removed);
        Ok(json!({ "entries": self.list.len(), "removed": removed }))
    }

    pub(super) fn block_flush(&mut self, flush: &BlockFlush) -> Result<Value, Fault> {
        let ended = if flush.now {
            let removed = self.list.remove_where(|_| true);
            removed.map(|entries| entries.into_iter().map(|entry| (entry.detail, true)).collect::<Vec<_>>())
        } else {
            self.list.end_where(kernel::monotonic_ns(), |_| true)
        };
        let ended = ended.map_err(|error| fault(&error))?;
        for (detail, removed) in &ended {
            self.ended(detail, *removed);
        }
        let removed = ended.iter().filter(|(_, removed)| *removed).count();
        Ok(json!({ "removed": removed, "ending": ended.len() - removed }))
    }

    /// Follows an entry that was removed, or goes on for retransmissions only.
    fn ended(&mut self, detail: &BlockDetail, removed: bool) {
        if removed {
            self.removed(detail);
        } else {
            self.pipeline.host.shorten(*detail);
            self.planner.forget(detail.point_code);
        }
    }

    pub(super) fn block_list(&self) -> Result<Value, Fault> {
        let entries = self.list.entries().map_err(|error| fault(&error.into()))?;
        let now_ns = kernel::monotonic_ns();
        let rows: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let mut row = entry_json(entry, now_ns);
                row["reason"] = json!(self.reasons.get(&key(&entry.detail)));
                row
            })
            .collect();
        Ok(json!(rows))
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
