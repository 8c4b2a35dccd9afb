//! `ss7guard block add|del|list|flush|export|import`: the lists of point codes and calling global titles.

mod exchange;
mod file;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ss7guard_common::point_code::Format as CodeFormat;

use crate::cli::output::{Format, Output, table};
use crate::cli::target::{self, ask, shown};
use crate::cli::usage;
use crate::config::{Config, OnBlock, network_indicator, parse_duration, show_duration};
use crate::control::{self, BlockAdd, BlockDel, BlockFlush};
use crate::daemon::view::entry_json;
use crate::enforce::{BlockRequest, CodeTarget, Directions, TITLE_MARK, Target, TitleTarget, Written};
use crate::kernel::{self, KernelLists, Lock, Maps};
use crate::screening::RULE_OPERATOR;

/// Arguments of `block`.
#[derive(Args, Debug)]
pub struct BlockArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Stop messages of an originating point code or of calling global titles, or renew the entry that does
    Add {
        #[command(flatten)]
        key: Key,
        /// How long, such as 90s, 4h, 7d [default: until it is removed]
        #[arg(long)]
        ttl: Option<String>,
        /// What becomes of a message that matches. What is dropped is only delayed: SCTP sends it again
        #[arg(long, value_enum, default_value_t, conflicts_with = "allow")]
        on_block: OnBlock,
        /// Why; shown by `list`
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        output: Output,
    },
    /// Remove an entry
    Del {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        end: End,
        #[command(flatten)]
        output: Output,
    },
    /// Show the entries with their hits
    List {
        #[command(flatten)]
        controller: target::Target,
        #[command(flatten)]
        output: Output,
    },
    /// Remove every entry of both lists
    Flush {
        #[command(flatten)]
        controller: target::Target,
        #[command(flatten)]
        end: End,
        #[command(flatten)]
        output: Output,
    },
    /// Write entries to a file, which `import` reads: CSV with the columns entry, ni, na, direction, does, ends, reason
    Export(exchange::ExportArgs),
    /// Read entries from a file: all of them take effect at one moment, or none if a line is wrong
    #[command(after_help = exchange::FORMAT_HELP)]
    Import(exchange::ImportArgs),
}

/// How an entry ends.
#[derive(Args, Clone, Copy, Debug)]
struct End {
    /// At once. Without, an entry that neutralised something in the last minute (network.linger) goes on for that long:
    /// a sender whose rewritten frame was lost sends the original again
    #[arg(long)]
    now: bool,
}

/// What makes an entry.
#[derive(Args, Debug)]
struct Key {
    /// A point code: in the format of the configuration, decimal, or 0x and hexadecimal. Or gt:4477* for every calling
    /// global title that starts with 4477, gt:447700900123 for exactly this one
    #[arg(value_name = "ENTRY", allow_hyphen_values = true)]
    entry: String,
    /// Format of the point code: 3-8-3, 5-4-5, 8-8-8, decimal [default: that of the configuration]
    #[arg(long)]
    format: Option<String>,
    /// Network indicator of a point code: 0 to 3, or any [default: any]
    #[arg(long)]
    ni: Option<String>,
    /// Network Appearance that messages of a point code must carry [default: none needed]
    #[arg(long)]
    na: Option<u32>,
    /// From where messages of the global titles come: in is from the interconnect, out is from home [default: any]
    #[arg(long, value_enum)]
    direction: Option<Directions>,
    /// An entry that exempts global titles from entries with fewer digits
    #[arg(long)]
    allow: bool,
    #[command(flatten)]
    controller: target::Target,
}

struct Parsed {
    config: Config,
    target: Target,
}

/// Reads the name of a format of point codes; that of the configuration without.
fn code_format(name: Option<&str>, config: &Config) -> Result<CodeFormat> {
    let Some(name) = name else { return Ok(config.point_code_format) };
    CodeFormat::from_name(name)
        .ok_or_else(|| usage(format!("--format {name:?}: write 3-8-3, 5-4-5, 8-8-8 or decimal")))
}

impl Key {
    fn parse(&self) -> Result<Parsed> {
        let config = self.controller.config()?;
        let format = code_format(self.format.as_deref(), &config)?;
        let target = match Written::parse(&self.entry, format).map_err(usage)? {
            Written::Code(point_code) => {
                let misplaced = [("--direction", self.direction.is_some()), ("--allow", self.allow)];
                self.refuse(misplaced, &format!("global titles ({TITLE_MARK}...): a point code has none"))?;
                let ni = self.ni.as_deref().map_or(Ok(None), network_indicator);
                let ni = ni.map_err(|message| usage(format!("--ni {message}")))?;
                Target::Code(CodeTarget { point_code, ni, network_appearance: self.na })
            }
            Written::Titles(titles) => {
                let misplaced = [("--ni", self.ni.is_some()), ("--na", self.na.is_some())];
                self.refuse(misplaced, "point codes: a global title has none")?;
                self.refuse([("--format", self.format.is_some())], "point codes: digits have none")?;
                let directions = self.direction.unwrap_or_default();
                Target::Title(TitleTarget { titles, directions, allows: self.allow })
            }
        };
        Ok(Parsed { config, target })
    }

    /// Refuses the options that are given and make no sense.
    fn refuse<const N: usize>(&self, misplaced: [(&str, bool); N], why: &str) -> Result<()> {
        match misplaced.into_iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(usage(format!("{option} with {:?}: it is for {why}", self.entry))),
            None => Ok(()),
        }
    }
}

/// An entry as people read it.
fn shown_target(target: &Target, config: &Config) -> String {
    match target {
        Target::Code(code) => shown(u64::from(code.point_code), config.point_code_format),
        Target::Title(_) => target.written(config.point_code_format),
    }
}

/// Runs `block`.
///
/// # Errors
/// An argument is wrong, or the list refuses.
pub fn run(args: &BlockArgs) -> Result<ExitCode> {
    match &args.verb {
        Verb::Add { key, ttl, on_block, reason, output } => {
            add(key, ttl.as_deref(), *on_block, reason, *output)
        }
        Verb::Del { key, end, output } => del(key, *end, *output),
        Verb::List { controller, output } => list(controller, *output),
        Verb::Flush { controller, end, output } => flush(controller, *end, *output),
        Verb::Export(args) => exchange::export(args),
        Verb::Import(args) => exchange::import(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The lists without a controller: one process may change them at a time.
fn with_lists<T>(config: &Config, change: impl FnOnce(&mut KernelLists) -> Result<T>) -> Result<T> {
    let _lock = Lock::take(&config.bpffs)?;
    let maps = Maps::open(&config.bpffs)?;
    let linger_ns = maps.config()?.linger;
    let mut lists = KernelLists::open(&config.bpffs, maps, linger_ns)?;
    change(&mut lists)
}

fn add(key: &Key, ttl: Option<&str>, on_block: OnBlock, reason: &str, output: Output) -> Result<()> {
    let Parsed { config, target } = key.parse()?;
    let ttl = ttl.map(parse_duration).transpose().map_err(|message| usage(format!("--ttl {message}")))?;
    let params = BlockAdd {
        entry: target.into(),
        ttl_s: ttl.map(|ttl| ttl.as_secs()),
        on_block,
        reason: reason.to_owned(),
    };
    ask(&config, "block.add", &params, || {
        let reason = reason.to_owned();
        let request = BlockRequest { target, ttl, rule_id: RULE_OPERATOR.id, on_block, reason };
        with_lists(&config, |lists| Ok(lists.add(&request, kernel::monotonic_ns())?)).map(|_| json!({}))
    })?;
    if output.is_json_wanted() {
        let mut entry = json!(params.entry);
        entry["ttl_s"] = json!(params.ttl_s);
        entry["reason"] = json!(reason);
        if !key.allow {
            entry["on_block"] = json!(on_block);
        }
        println!("{}", json!({ if key.allow { "allowed" } else { "blocked" }: entry }));
        return Ok(());
    }
    let what = shown_target(&target, &config);
    let until = ttl.map_or_else(|| "until removed".to_owned(), |ttl| format!("for {}", show_duration(ttl)));
    let done = if key.allow { "allowed" } else { "blocked" };
    println!("{done} {what} {until}");
    if ttl.is_some() && on_block == OnBlock::Drop {
        eprintln!(
            "note: a dropped DATA is only delayed: SCTP sends it again and delivers it when the entry ends"
        );
    }
    Ok(())
}

fn del(key: &Key, end: End, output: Output) -> Result<()> {
    let Parsed { config, target } = key.parse()?;
    let params = BlockDel { entry: target.into(), now: end.now };
    let answer = ask(&config, "block.del", &params, || {
        with_lists(&config, |lists| {
            let removed = if end.now {
                lists.remove(&target)?;
                true
            } else {
                lists.end(&target, kernel::monotonic_ns())?.1
            };
            Ok(json!({ "removed": removed }))
        })
    })?;
    if output.is_json_wanted() {
        println!("{}", json!({ "removed": params.entry }));
        return Ok(());
    }
    let what = shown_target(&target, &config);
    if answer["removed"] == json!(false) {
        println!("{what} ends: {}", ends_later(&config));
    } else {
        println!("removed {what}");
    }
    Ok(())
}

/// What is said of entries that go on for retransmissions.
fn ends_later(config: &Config) -> String {
    format!(
        "it neutralised something lately and goes on for {} at most, lest a retransmission deliver it (--now ends it)",
        show_duration(config.linger)
    )
}

fn flush(controller: &target::Target, end: End, output: Output) -> Result<()> {
    let config = controller.config()?;
    let answer = ask(&config, "block.flush", &BlockFlush { now: end.now }, || {
        with_lists(&config, |lists| {
            let (removed, ending) = if end.now {
                (lists.remove_where(|_| true)?.len(), 0)
            } else {
                let ended = lists.end_where(kernel::monotonic_ns(), |_| true)?;
                let removed = ended.iter().filter(|(_, removed)| *removed).count();
                (removed, ended.len() - removed)
            };
            Ok(json!({ "removed": removed, "ending": ending }))
        })
    })?;
    if output.is_json_wanted() {
        println!("{}", json!({ "removed": answer["removed"], "ending": answer["ending"] }));
        return Ok(());
    }
    println!("removed {} entries", answer["removed"]);
    if answer["ending"] != json!(0) {
        println!("{} more end: {}", answer["ending"], ends_later(&config));
    }
    Ok(())
}

/// Every entry, as the controller has them or as they are pinned. With `whole`, nothing if an import is running.
fn entries(config: &Config, whole: bool) -> Result<Vec<Value>> {
    let mut entries: Vec<Value> = Vec::new();
    let mut imports = None;
    loop {
        let after = entries.last().map(|last| control::Named {
            point_code: last["point_code"].as_u64().and_then(|code| u32::try_from(code).ok()),
            ni: last["ni"].as_u64().and_then(|ni| u8::try_from(ni).ok()),
            network_appearance: last["network_appearance"].as_u64().and_then(|na| u32::try_from(na).ok()),
            gt: last["gt"].as_str().map(str::to_owned),
            direction: last["direction"].as_str().and_then(|text| Directions::parse(text).ok()),
            allow: last["does"] == "allow",
        });
        let mut page = ask(config, "block.list", &control::BlockList { after, whole }, || {
            // Reading needs no lock, and must not write.
            let entries = kernel::scan(&config.bpffs)?;
            let (now_ns, wall_offset_ns) = (kernel::monotonic_ns(), kernel::wall_offset_ns());
            let rows: Vec<Value> =
                entries.iter().map(|entry| entry_json(entry, now_ns, wall_offset_ns)).collect();
            Ok(json!({ "entries": rows, "more": false }))
        })?;
        // A list that was changed as a whole is read as a whole.
        if imports.replace(page["imports"].clone()).is_some_and(|before| before != page["imports"]) && whole {
            entries.clear();
            imports = None;
            continue;
        }
        match page["entries"].take() {
            Value::Array(rows) => entries.extend(rows),
            _ => return Err(anyhow!("the controller's answer is no list")),
        }
        if page["more"] != json!(true) {
            return Ok(entries);
        }
    }
}

fn list(controller: &target::Target, output: Output) -> Result<()> {
    let config = controller.config()?;
    let entries = entries(&config, false)?;
    if output.format() == Format::Json {
        println!("{}", Value::Array(entries));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = entries.iter().map(|entry| row(entry, &config)).collect();
    let head = ["entry", "NI", "NA", "direction", "does", "left", "hits", "rule", "reason"];
    println!("{}", table(&head, &rows));
    Ok(())
}

fn row(entry: &Value, config: &Config) -> Vec<String> {
    let number =
        |key: &str, none: &str| entry[key].as_u64().map_or_else(|| none.to_owned(), |n| n.to_string());
    let left = match (entry["expired"].as_bool(), entry["left_ms"].as_u64()) {
        (Some(true), _) => "ended".to_owned(),
        (_, Some(left)) => show_duration(Duration::from_millis(left)),
        (_, None) => "for good".to_owned(),
    };
    let (what, ni) = match entry["gt"].as_str() {
        Some(titles) => (format!("{TITLE_MARK}{titles}"), String::new()),
        None => {
            let code = shown(entry["point_code"].as_u64().unwrap_or(0), config.point_code_format);
            (code, number("ni", "any"))
        }
    };
    vec![
        what,
        ni,
        number("network_appearance", ""),
        entry["direction"].as_str().unwrap_or_default().to_owned(),
        entry["does"].as_str().unwrap_or_default().to_owned(),
        left,
        number("hits", "0"),
        entry["rule"].as_str().map_or_else(|| number("rule_id", ""), str::to_owned),
        entry["reason"].as_str().unwrap_or_default().to_owned(),
    ]
}
