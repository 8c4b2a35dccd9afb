//! What the kernel's state looks like to a client, with or without a running controller.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use ss7guard_common::abi::{PuntCounter, Side};

use crate::control::Fault;
use crate::enforce::{Listed, Target};
use crate::kernel::{Attached, BridgeMaps, End, KernelError, Maps, interface_name, offloads};
use crate::reassembly::Account;
use crate::screening::rule;

/// One entry for listings. `wall_offset_ns` is what to add to the monotonic time `now_ns` to get nanoseconds since 1970, UTC.
#[must_use]
pub fn entry_json(entry: &Listed, now_ns: u64, wall_offset_ns: u64) -> Value {
    let expires_at = entry.detail.expires_at();
    let left_ms = expires_at.saturating_sub(now_ns) / 1_000_000;
    let rule_id = entry.detail.rule_id();
    let mut json = match entry.detail.target() {
        Target::Code(code) => json!({
            "point_code": code.point_code,
            "ni": code.ni,
            "network_appearance": code.network_appearance,
        }),
        Target::Title(title) => json!({
            "gt": title.titles.to_string(),
            "direction": title.directions.as_str(),
        }),
    };
    json["does"] = json!(entry.detail.does().as_str());
    json["hits"] = json!(entry.hits.count);
    json["rule"] = json!(rule(rule_id).map(|rule| rule.name));
    json["rule_id"] = json!(rule_id);
    json["left_ms"] = json!((expires_at != 0).then_some(left_ms));
    json["ends"] = json!((expires_at != 0).then(|| moment(expires_at.saturating_add(wall_offset_ns))));
    json["expired"] = json!(expires_at != 0 && left_ms == 0);
    json
}

/// A time in nanoseconds since 1970, UTC, as text with milliseconds.
fn moment(ns: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
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
pub fn maps_stats(maps: &Maps, bpffs: &Path) -> Result<Value, Fault> {
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
    let mut stats = json!({ "counters": rows, "ring": ring_json(maps)? });
    let ports = ports_json(bpffs).map_err(|error| Fault::new("kernel", error.to_string()))?;
    if !ports.is_empty() {
        stats["bridge"] = json!(ports);
    }
    Ok(stats)
}

/// The ports of a bridge, and what became of the frames that arrived at each: `entered` is the sum of the others.
fn ports_json(bpffs: &Path) -> Result<Vec<Value>, KernelError> {
    let maps = BridgeMaps::open(bpffs)?;
    let name = |index: u32| interface_name(index).unwrap_or_else(|_| format!("if{index}"));
    let port = |end: End| {
        let mut row = json!({
            "interface": name(end.ifindex),
            "to": name(end.other),
            "side": match end.side {
                Side::Interconnect => "interconnect",
                Side::Home => "home",
            },
        });
        for (counter, count) in maps.counters(end.index)? {
            row[counter.as_str()] = json!(count);
        }
        Ok(row)
    };
    maps.ports()?.into_iter().map(port).collect()
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
