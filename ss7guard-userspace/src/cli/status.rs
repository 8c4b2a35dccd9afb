//! `ss7guard status` and `stats`.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use ss7guard_common::abi::BridgeCounter;

use crate::cli::output::{Format, Output, table};
use crate::cli::target::{Target, ask};
use crate::config::Config;
use crate::daemon::view::{maps_stats, maps_status};
use crate::enforce::Detail;
use crate::kernel::{self, Maps, block_list};

/// Arguments of `status` and `stats`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Shows what is attached and how it fares.
///
/// # Errors
/// Nothing is attached, or it cannot be read.
pub fn status(args: &StatusArgs) -> Result<ExitCode> {
    let config = args.target.config()?;
    let status = ask(&config, "status", &json!({}), || status_from_pins(&config))?;
    if args.output.format() == Format::Json {
        println!("{status}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (key, value) in status.as_object().into_iter().flatten() {
        match value {
            Value::Array(interfaces) => {
                for one in interfaces {
                    let mut how = format!("xdp {}, egress {}", text(&one["xdp"]), text(&one["egress"]));
                    for (key, what) in [("switched_off", "switched off"), ("merging", "merges frames by")] {
                        let names: Vec<String> =
                            one[key].as_array().into_iter().flatten().map(text).collect();
                        if !names.is_empty() {
                            how.push_str(&format!(", {what}: {}", names.join(" ")));
                        }
                    }
                    rows.push(vec![format!("interface {}", text(&one["interface"])), how]);
                }
            }
            Value::Object(inside) => {
                rows.extend(inside.iter().map(|(name, value)| vec![format!("{key} {name}"), text(value)]));
            }
            other => rows.push(vec![key.clone(), text(other)]),
        }
    }
    println!("{}", table(&["what", "value"], &rows));
    Ok(ExitCode::SUCCESS)
}

fn status_from_pins(config: &Config) -> Result<Value> {
    let maps = Maps::open(&config.bpffs)?;
    let attached = kernel::attached(&config.bpffs)?;
    let mut status = maps_status(&maps, &config.bpffs, &attached).map_err(|fault| anyhow!(fault.message))?;
    status["controller"] = json!("not running");
    let entries = kernel::scan(&config.bpffs)?;
    let codes = entries.iter().filter(|entry| matches!(entry.detail, Detail::Code(_))).count();
    status["block_entries"] = json!(codes);
    status["block_capacity"] = json!(block_list::capacity(&maps));
    status["title_entries"] = json!(entries.len() - codes);
    Ok(status)
}

/// Shows the counters.
///
/// # Errors
/// Nothing is attached, or they cannot be read.
pub fn stats(args: &StatusArgs) -> Result<ExitCode> {
    let config = args.target.config()?;
    let stats = ask(&config, "stats", &json!({}), || {
        let maps = Maps::open(&config.bpffs)?;
        let mut stats = maps_stats(&maps, &config.bpffs).map_err(|fault| anyhow!(fault.message))?;
        stats["controller"] = json!("not running");
        Ok(stats)
    })?;
    if args.output.format() == Format::Json {
        println!("{stats}");
        return Ok(ExitCode::SUCCESS);
    }
    let keys = ["direction", "class", "reason", "action", "count"];
    let rows: Vec<Vec<String>> = stats["counters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| keys.iter().map(|key| text(&row[*key])).collect())
        .collect();
    println!("{}", table(&keys, &rows));
    if let Some(ports) = stats["bridge"].as_array() {
        println!("{}", ports_table(ports));
    }
    for part in ["ring", "controller", "hold", "reassembly"] {
        let rows: Vec<Vec<String>> = match &stats[part] {
            Value::Object(inside) => {
                inside.iter().map(|(key, value)| vec![key.clone(), text(value)]).collect()
            }
            Value::Null => continue,
            other => vec![vec![part.to_owned(), text(other)]],
        };
        println!("{}", table(&[part, "count"], &rows));
    }
    Ok(ExitCode::SUCCESS)
}

/// The ports of a bridge side by side, and what became of what arrived at each.
fn ports_table(ports: &[Value]) -> String {
    let mut heads = vec!["port".to_owned()];
    heads.extend(ports.iter().map(|port| {
        let [name, side, to] = ["interface", "side", "to"].map(|key| text(&port[key]));
        format!("{name} ({side}) to {to}")
    }));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = BridgeCounter::ALL
        .iter()
        .map(|counter| {
            let counts = ports.iter().map(|port| text(&port[counter.as_str()]));
            std::iter::once(counter.as_str().to_owned()).chain(counts).collect()
        })
        .collect();
    table(&heads, &rows)
}
