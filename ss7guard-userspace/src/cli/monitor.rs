//! `ss7guard monitor`: events as they happen.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cli::output::{Format, Output};
use crate::cli::target::Target;
use crate::cli::usage;
use crate::control::Monitor;
use crate::control::client::{Client, ClientError};
use crate::inspect::gsm_map::operations;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerdictName {
    Allow,
    Alert,
    Block,
    Malformed,
    Drop,
    Defer,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DirectionName {
    In,
    Out,
}

fn name(value: &impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

/// Arguments of `monitor`.
#[derive(Args, Debug)]
pub struct MonitorArgs {
    /// Go on until interrupted; without it, the events of one second are shown
    #[arg(short, long)]
    follow: bool,
    /// Only messages that invoke this operation: a name of TS 29.002, its abbreviation, or a code
    #[arg(long)]
    op: Option<String>,
    /// Only this verdict
    #[arg(long, value_enum)]
    verdict: Option<VerdictName>,
    /// Only this direction
    #[arg(long, value_enum)]
    direction: Option<DirectionName>,
    /// End after so many events
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// Show subscriber numbers in full
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

/// Runs `monitor`.
///
/// # Errors
/// The controller is not running.
pub fn run(args: &MonitorArgs) -> Result<ExitCode> {
    let opcode =
        match &args.op {
            None => None,
            Some(text) => {
                let code = text.parse().ok().or_else(|| operations::code(text));
                Some(code.ok_or_else(|| {
                    usage(format!("--op {text:?} is neither an operation of MAP nor a code"))
                })?)
            }
        };
    let filter = Monitor {
        opcode,
        verdict: args.verdict.as_ref().and_then(name),
        direction: args.direction.as_ref().and_then(name),
        reveal: args.reveal,
    };
    let config = args.target.config()?;
    let mut client = Client::connect(&config.run_dir)?;
    client.send("monitor", &filter)?;
    let (sender, events) = mpsc::channel();
    // The reader ends with the process.
    thread::spawn(move || while sender.send(client.event()).is_ok() {});
    let mut left = args.count.unwrap_or(u64::MAX);
    let patience = if args.follow { Duration::from_secs(3_600) } else { Duration::from_secs(1) };
    while left > 0 {
        match events.recv_timeout(patience) {
            Ok(event) => match event? {
                Some(event) => print(&event, args.output.format())?,
                None => return Err(ClientError::NotRunning(config.run_dir).into()),
            },
            Err(RecvTimeoutError::Timeout) if args.follow => continue,
            Err(_) => break,
        }
        left -= 1;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(event: &Value, format: Format) -> Result<()> {
    let mut out = io::stdout().lock();
    let line = if format == Format::Json { event.to_string() } else { line(event) };
    writeln!(out, "{line}").context("standard output")
}

/// One event for people.
fn line(event: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let ss7 = &event["ss7"];
    let operations: Vec<String> = ss7["components"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|component| {
            let what =
                if component["operation"].is_null() { &component["opcode"] } else { &component["operation"] };
            if component["type"] == "invoke" {
                text(what)
            } else {
                format!("{}({})", text(&component["type"]), text(what))
            }
        })
        .collect();
    let mut line = format!(
        "{} {:3} {:9} {} -> {} gt {} -> {} {} {}",
        text(&event["timestamp"]),
        text(&event["direction"]),
        text(&event["verdict"]),
        text(&ss7["opc"]),
        text(&ss7["dpc"]),
        text(&ss7["calling_gt"]),
        text(&ss7["called_gt"]),
        text(&ss7["tcap"]),
        operations.join(" "),
    );
    for key in ["imsi", "msisdn"] {
        if let Some(digits) = ss7[key].as_str() {
            line.push_str(&format!(" {key} {digits}"));
        }
    }
    if event["verdict"] != "allow" {
        line.push_str(&format!(" ({})", text(&event["reason"])));
    }
    if let Some(lost) = event["lost_before"].as_u64() {
        line.push_str(&format!(" [{lost} events before this one were lost]"));
    }
    line
}
