//! `ss7guard block add|del|list|flush`: the block list.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ss7guard_common::point_code::{self, Format as CodeFormat};

use crate::cli::output::{Format, Output, table};
use crate::cli::target::{Target, ask, shown};
use crate::cli::usage;
use crate::config::{Config, OnBlock, network_indicator, parse_duration, show_duration};
use crate::control::{BlockAdd, BlockDel, BlockFlush};
use crate::daemon::view::entry_json;
use crate::enforce::BlockRequest;
use crate::kernel::{self, BlockList, Lock, Maps};
use crate::screening::RULE_OPERATOR;

/// Arguments of `block`.
#[derive(Args, Debug)]
pub struct BlockArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Stop messages of an originating point code, or renew the entry that does
    Add {
        #[command(flatten)]
        key: Key,
        /// How long, such as 90s, 4h, 7d [default: until it is removed]
        #[arg(long)]
        ttl: Option<String>,
        /// What becomes of a message that matches. What is dropped is only delayed: SCTP sends it again
        #[arg(long, value_enum, default_value_t)]
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
        target: Target,
        #[command(flatten)]
        output: Output,
    },
    /// Remove every entry
    Flush {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        end: End,
        #[command(flatten)]
        output: Output,
    },
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
    /// Point code: in the format of the configuration, decimal, or 0x and hexadecimal
    #[arg(allow_hyphen_values = true)]
    point_code: String,
    /// Format of the point code: 3-8-3, 5-4-5, 8-8-8, decimal [default: that of the configuration]
    #[arg(long)]
    format: Option<String>,
    /// Network indicator: 0 to 3, or any
    #[arg(long, default_value = "any")]
    ni: String,
    /// Network Appearance that the message must carry [default: none needed]
    #[arg(long)]
    na: Option<u32>,
    #[command(flatten)]
    target: Target,
}

struct Parsed {
    config: Config,
    point_code: u32,
    ni: Option<u8>,
    na: Option<u32>,
}

impl Key {
    fn parse(&self) -> Result<Parsed> {
        let config = self.target.config()?;
        let format = match &self.format {
            None => config.point_code_format,
            Some(name) => CodeFormat::from_name(name)
                .ok_or_else(|| usage(format!("--format {name:?}: write 3-8-3, 5-4-5, 8-8-8 or decimal")))?,
        };
        let point_code = point_code::parse(&self.point_code, format)
            .map_err(|error| usage(format!("point code {:?}: {error}", self.point_code)))?;
        let ni = network_indicator(&self.ni).map_err(|message| usage(format!("--ni {message}")))?;
        Ok(Parsed { config, point_code, ni, na: self.na })
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
        Verb::List { target, output } => list(target, *output),
        Verb::Flush { target, end, output } => flush(target, *end, *output),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The list without a controller: one process may change it at a time.
fn with_list<T>(config: &Config, change: impl FnOnce(&mut BlockList<Maps>) -> Result<T>) -> Result<T> {
    let _lock = Lock::take(&config.bpffs)?;
    let maps = Maps::open(&config.bpffs)?;
    let linger_ns = maps.config()?.linger;
    let mut list = BlockList::adopt(maps, linger_ns)?;
    change(&mut list)
}

fn add(key: &Key, ttl: Option<&str>, on_block: OnBlock, reason: &str, output: Output) -> Result<()> {
    let parsed = key.parse()?;
    let ttl = ttl.map(parse_duration).transpose().map_err(|message| usage(format!("--ttl {message}")))?;
    let params = BlockAdd {
        point_code: parsed.point_code,
        ni: parsed.ni,
        network_appearance: parsed.na,
        ttl_s: ttl.map(|ttl| ttl.as_secs()),
        on_block,
        reason: reason.to_owned(),
    };
    ask(&parsed.config, "block.add", &params, || {
        let request = BlockRequest {
            point_code: parsed.point_code,
            ni: parsed.ni,
            network_appearance: parsed.na,
            ttl,
            rule_id: RULE_OPERATOR.id,
            on_block,
            reason: reason.to_owned(),
        };
        with_list(&parsed.config, |list| Ok(list.add(&request, kernel::monotonic_ns())?)).map(|_| json!({}))
    })?;
    if output.is_json_wanted() {
        println!("{}", json!({ "blocked": params }));
        return Ok(());
    }
    let code = shown(u64::from(parsed.point_code), parsed.config.point_code_format);
    let until = ttl.map_or_else(|| "until removed".to_owned(), |ttl| format!("for {}", show_duration(ttl)));
    println!("blocked {code} {until}");
    if ttl.is_some() && on_block == OnBlock::Drop {
        eprintln!(
            "note: a dropped DATA is only delayed: SCTP sends it again and delivers it when the entry ends"
        );
    }
    Ok(())
}

fn del(key: &Key, end: End, output: Output) -> Result<()> {
    let parsed = key.parse()?;
    let Parsed { point_code, ni, na, .. } = parsed;
    let params = BlockDel { point_code, ni, network_appearance: na, now: end.now };
    let answer = ask(&parsed.config, "block.del", &params, || {
        with_list(&parsed.config, |list| {
            let removed = if end.now {
                list.remove(point_code, ni, na)?;
                true
            } else {
                list.end(point_code, ni, na, kernel::monotonic_ns())?.1
            };
            Ok(json!({ "removed": removed }))
        })
    })?;
    if output.is_json_wanted() {
        println!("{}", json!({ "removed": params }));
        return Ok(());
    }
    let code = shown(u64::from(parsed.point_code), parsed.config.point_code_format);
    if answer["removed"] == json!(false) {
        println!("{code} ends: {}", ends_later(&parsed.config));
    } else {
        println!("removed {code}");
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

fn flush(target: &Target, end: End, output: Output) -> Result<()> {
    let config = target.config()?;
    let answer = ask(&config, "block.flush", &BlockFlush { now: end.now }, || {
        with_list(&config, |list| {
            let (removed, ending) = if end.now {
                (list.remove_where(|_| true)?.len(), 0)
            } else {
                let ended = list.end_where(kernel::monotonic_ns(), |_| true)?;
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

fn list(target: &Target, output: Output) -> Result<()> {
    let config = target.config()?;
    let entries = ask(&config, "block.list", &json!({}), || {
        // Reading needs no lock, and must not write.
        let entries = kernel::scan(&Maps::open(&config.bpffs)?)?;
        let now_ns = kernel::monotonic_ns();
        Ok(entries.iter().map(|entry| entry_json(entry, now_ns)).collect())
    })?;
    let entries = entries.as_array().ok_or_else(|| anyhow!("the controller's answer is no list"))?;
    if output.format() == Format::Json {
        println!("{}", Value::Array(entries.clone()));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = entries.iter().map(|entry| row(entry, &config)).collect();
    println!("{}", table(&["point code", "NI", "NA", "does", "left", "hits", "rule", "reason"], &rows));
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
    vec![
        shown(entry["point_code"].as_u64().unwrap_or(0), config.point_code_format),
        number("ni", "any"),
        number("network_appearance", ""),
        entry["on_block"].as_str().unwrap_or_default().to_owned(),
        left,
        number("hits", "0"),
        entry["rule"].as_str().map_or_else(|| number("rule_id", ""), str::to_owned),
        entry["reason"].as_str().unwrap_or_default().to_owned(),
    ]
}
