//! What the kernel's state looks like to a client, with or without a running controller.

use std::path::Path;

use serde_json::{Value, json};
use ss7guard_common::abi::PuntCounter;

use crate::control::Fault;
use crate::kernel::{Attached, Entry, Maps, offloads};
use crate::reassembly::Account;
use crate::screening::rule;

/// One entry for listings.
#[must_use]
pub fn entry_json(entry: &Entry, now_ns: u64) -> Value {
    let detail = &entry.detail;
    let left_ms = detail.expires_at.saturating_sub(now_ns) / 1_000_000;
    let action = detail.action();
    json!({
        "point_code": detail.point_code,
        "ni": (detail.ni <= 3).then_some(detail.ni),
        "network_appearance": (detail.match_na == 1).then_some(detail.network_appearance),
        "on_block": action.as_str(),
        "hits": entry.hits.count,
        "rule": rule(detail.rule_id).map(|rule| rule.name),
        "rule_id": detail.rule_id,
        "left_ms": (detail.expires_at != 0).then_some(left_ms),
        "expired": detail.expires_at != 0 && left_ms == 0,
    })
}

/// What is attached, and what the interfaces do to frames: `switched_off` until detach, `merging` them all the same, and
/// other features that show in what is copied.
#[must_use]
pub fn attached_json(bpffs: &Path, attached: &[Attached]) -> Value {
    attached
        .iter()
        .map(|one| {
            let found = offloads::look(&one.interface, one.native == Some(true)).unwrap_or_default();
            let notes: serde_json::Map<String, Value> =
                found.harmless.into_iter().map(|(feature, why)| (feature, json!(why))).collect();
            let merging = [found.switchable, found.fixed].concat();
            json!({
                "interface": one.interface,
                "xdp": one.xdp_name(),
                "egress": one.egress_name(),
                "switched_off": offloads::switched(bpffs, &one.interface),
                "merging": merging,
                "features": notes,
            })
        })
        .collect()
}

/// What the pins alone tell of the state.
///
/// # Errors
/// The maps cannot be read.
pub fn maps_status(maps: &Maps, bpffs: &Path, attached: &[Attached]) -> Result<Value, Fault> {
    let record = maps.config().map_err(|error| Fault::new("kernel", error.to_string()))?;
    Ok(json!({
        "mode": record.mode().as_str(),
        "generation": record.generation,
        "abi": record.abi_version,
        "interfaces": attached_json(bpffs, attached),
        "ring_bytes": maps.ring_bytes(),
        "ring": ring_json(maps)?,
    }))
}

fn ring_json(maps: &Maps) -> Result<Value, Fault> {
    let mut ring = json!({});
    for counter in PuntCounter::ALL {
        let count = maps.punt_counter(counter).map_err(|error| Fault::new("kernel", error.to_string()))?;
        ring[counter.as_str()] = json!(count);
    }
    Ok(ring)
}

/// The counters that the pins alone tell.
///
/// # Errors
/// The maps cannot be read.
pub fn maps_stats(maps: &Maps) -> Result<Value, Fault> {
    let counters = maps.counters().map_err(|error| Fault::new("kernel", error.to_string()))?;
    let rows: Vec<Value> = counters
        .iter()
        .map(|counter| {
            json!({
                "direction": if counter.egress { "out" } else { "in" },
                "class": counter.reason.class().as_str(),
                "reason": counter.reason.as_str(),
                "action": counter.action.as_str(),
                "count": counter.count,
            })
        })
        .collect();
    Ok(json!({ "counters": rows, "ring": ring_json(maps)? }))
}

/// What was put together, and what was given up: a key for each table and count.
#[must_use]
pub fn reassembly_json(accounts: &[Account]) -> Value {
    let mut all = serde_json::Map::new();
    for Account { table, counts, octets } in accounts {
        for (what, count) in [
            ("pieces", counts.pieces),
            ("completed", counts.completed),
            ("repeated", counts.repeated),
            ("conflicts", counts.conflicts),
            ("timed_out", counts.timed_out),
            ("evicted", counts.evicted),
            ("refused", counts.refused),
            ("octets", *octets as u64),
        ] {
            all.insert(format!("{table}_{what}"), json!(count));
        }
    }
    Value::Object(all)
}
