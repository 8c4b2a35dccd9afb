//! `ss7guard block export` and `block import`: lists in files.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::file::{self, Contents, Row};
use super::{code_format, entries, with_lists};
use crate::cli::output::Output;
use crate::cli::{target, usage};
use crate::config::Config;
use crate::control::client::{Client, ClientError};
use crate::control::{ImportBegin, ImportCommit, ImportEntries, ImportEntry, MAX_LINE};
use crate::daemon::counts_json;
use crate::enforce::{Does, Target};
use crate::kernel::lists::exchange::{Basket, Exchange, Wanted};
use crate::kernel::{self, Maps};
use crate::screening::{RULES, Rule};

/// What is said of the format, behind the options.
pub(super) const FORMAT_HELP: &str = "\
The file is CSV; its first line names the columns, in any order: entry,ni,na,direction,does,ends,reason
  entry      a point code, or gt:4477* (all that start with it), or gt:447700900123 (exactly this)
  ni, na     for point codes; empty for any
  direction  for global titles: in, out; empty for any
  does       neutralise (also if empty), drop; for global titles also allow
  ends       a time such as 2026-12-24T12:00:00Z, a duration such as 4h; empty for good
  reason     up to 256 octets
Columns other than entry may be missing; blank lines and lines that begin with # are skipped. An entry that has ended is
left out, and told. Entries of the file become the operator's, also where a rule or the configuration had the same.";

/// Octets of a line that are not entries.
const LINE_FRAME: usize = 256;

/// Entries that are looked at before the progress is shown, without a controller.
const MOST: usize = 4_096;

/// Arguments of `block export`.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// Where to; - for standard output
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Whose entries: operator, configured, category1, ..., or all
    #[arg(long, default_value = "operator")]
    rule: String,
    /// Format of point codes: 3-8-3, 5-4-5, 8-8-8, decimal [default: that of the configuration]
    #[arg(long)]
    format: Option<String>,
    #[command(flatten)]
    controller: target::Target,
}

/// Arguments of `block import`.
#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// Where from; - for standard input
    file: PathBuf,
    /// Entries of the operator that are not in the file go; those of the configuration and of rules stay
    #[arg(long)]
    replace: bool,
    /// Check the file, and tell what would change
    #[arg(long)]
    dry_run: bool,
    /// Format of point codes: 3-8-3, 5-4-5, 8-8-8, decimal [default: that of the configuration]
    #[arg(long)]
    format: Option<String>,
    #[command(flatten)]
    controller: target::Target,
    #[command(flatten)]
    output: Output,
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Runs `block export`.
///
/// # Errors
/// An argument is wrong, the lists cannot be read, or the file cannot be written.
pub(super) fn export(args: &ExportArgs) -> Result<()> {
    let config = args.controller.config()?;
    let format = code_format(args.format.as_deref(), &config)?;
    let short = |rule: &Rule| rule.name.trim_end_matches("_block");
    let rule = RULES.into_iter().find(|rule| [rule.name, short(rule)].contains(&args.rule.as_str()));
    if args.rule != "all" && rule.is_none() {
        let names: Vec<&str> = RULES.iter().map(short).collect();
        return Err(usage(format!("--rule {:?}: write {} or all", args.rule, names.join(", "))));
    }
    let mut entries = entries(&config, true)?;
    // One that has ended goes on for retransmissions only.
    let is_wanted = |entry: &Value| rule.is_none_or(|rule| entry["rule_id"] == rule.id);
    entries.retain(|entry| is_wanted(entry) && entry["expired"] != true);
    let mut text = Vec::new();
    file::write(&mut text, &entries, format)?;
    if is_standard(&args.file) {
        io::stdout().write_all(&text)?;
        return Ok(());
    }
    std::fs::write(&args.file, &text).with_context(|| args.file.display().to_string())?;
    eprintln!("wrote {} entries to {}", entries.len(), args.file.display());
    Ok(())
}

/// Runs `block import`.
///
/// # Errors
/// A line is wrong, there is no room, or the controller refuses. Nothing has changed then.
pub(super) fn import(args: &ImportArgs) -> Result<()> {
    let begun = Instant::now();
    let config = args.controller.config()?;
    let format = code_format(args.format.as_deref(), &config)?;
    let now_ms = Timestamp::now().as_millisecond();
    let (name, contents) = if is_standard(&args.file) {
        let name = "standard input".to_owned();
        let contents = file::read(&name, io::stdin().lock(), format, now_ms);
        (name, contents)
    } else {
        let name = args.file.display().to_string();
        let file = File::open(&args.file).map_err(|error| usage(format!("{name}: {error}")))?;
        let contents = file::read(&name, file, format, now_ms);
        (name, contents)
    };
    let Contents { rows, ended } = contents.map_err(usage)?;
    if !ended.is_empty() {
        let lines: Vec<String> = ended.iter().take(5).map(u64::to_string).collect();
        let more = if ended.len() > 5 { ", ..." } else { "" };
        eprintln!(
            "note: {name}: {} entries have ended already and are left out (line {}{more})",
            ended.len(),
            lines.join(", ")
        );
    }
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{msg:10} {wide_bar} {percent:>3}%")?);
    let counts = match Client::connect(&config.run_dir) {
        Ok(client) => by_controller(client, args, rows, &bar),
        Err(ClientError::NotRunning(path)) => {
            if !Maps::present(&config.bpffs) {
                return Err(ClientError::NotRunning(path).into());
            }
            on_pins(&config, args, rows, &bar)
        }
        Err(error) => Err(error.into()),
    };
    bar.finish_and_clear();
    let mut counts = counts?;
    if args.output.is_json_wanted() {
        counts["ended"] = json!(ended.len());
        counts["dry_run"] = json!(args.dry_run);
        counts["took_ms"] = json!(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        println!("{counts}");
        return Ok(());
    }
    let would = if args.dry_run { "would change: " } else { "" };
    println!(
        "{would}{} added, {} renewed, {} removed, {} unchanged, in {:.1} s",
        counts["added"],
        counts["renewed"],
        counts["removed"],
        counts["unchanged"],
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Sends the entries in lines, and follows the import.
fn by_controller(mut client: Client, args: &ImportArgs, rows: Vec<Row>, bar: &ProgressBar) -> Result<Value> {
    client.call("import.begin", &ImportBegin { replace: args.replace })?;
    bar.set_message("sending");
    bar.set_length(rows.len() as u64);
    let mut entries = Vec::new();
    let mut octets = LINE_FRAME;
    for row in rows {
        let entry = entry(row);
        let len = serde_json::to_string(&entry)?.len() + 1;
        if octets + len > MAX_LINE {
            send(&mut client, &mut entries, bar)?;
            octets = LINE_FRAME;
        }
        octets += len;
        entries.push(entry);
    }
    send(&mut client, &mut entries, bar)?;
    bar.set_message("importing");
    bar.set_position(0);
    Ok(client.follow("import.commit", &ImportCommit { dry_run: args.dry_run }, |event| {
        bar.set_length(event["of"].as_u64().unwrap_or(0));
        bar.set_position(event["done"].as_u64().unwrap_or(0));
    })?)
}

fn send(client: &mut Client, entries: &mut Vec<ImportEntry>, bar: &ProgressBar) -> Result<()> {
    let count = entries.len() as u64;
    client.call("import.entries", &ImportEntries { entries: std::mem::take(entries) })?;
    bar.inc(count);
    Ok(())
}

fn entry(row: Row) -> ImportEntry {
    let allows = matches!(row.target, Target::Title(title) if title.allows);
    ImportEntry {
        entry: row.target.into(),
        does: if allows { Does::Allow } else { row.on_block.into() },
        ends_ms: row.ends_ms,
        reason: row.reason,
    }
}

/// Does it without a controller. Reasons are the controller's to keep: they are lost.
fn on_pins(config: &Config, args: &ImportArgs, rows: Vec<Row>, bar: &ProgressBar) -> Result<Value> {
    let offset_ns = kernel::wall_offset_ns();
    let mut basket = Basket::default();
    for row in rows {
        let expires_at = row.ends_ms.map_or(0, |ends_ms| {
            let end = Duration::from_millis(u64::try_from(ends_ms).unwrap_or(0));
            u64::try_from(end.as_nanos()).unwrap_or(u64::MAX).saturating_sub(offset_ns).max(1)
        });
        let reason: Rc<str> = row.reason.as_str().into();
        basket.put(row.target, Wanted::new(expires_at, row.on_block, reason));
    }
    with_lists(config, |lists| {
        basket.check_room(lists)?;
        let mut exchange = Exchange::new(basket, args.replace, args.dry_run);
        bar.set_message("importing");
        loop {
            let slice =
                exchange.slice(lists, MOST, kernel::monotonic_ns()).map_err(|error| anyhow!(error))?;
            if let Some(counts) = slice.counts {
                return Ok(counts_json(&counts));
            }
            let (done, of) = exchange.progress();
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        }
    })
}
