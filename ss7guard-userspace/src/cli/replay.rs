//! `ss7guard replay`: the whole engine over a capture, without a kernel.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use ss7guard_common::point_code::Shown;
use ss7guard_common::wire::Remote;

use crate::capture::Capture;
use crate::cli::exit;
use crate::cli::output::{Format, Output, table};
use crate::config::Config;
use crate::inspect::gsm_map::operations;
use crate::reassembly::Arrival;
use crate::report;
use crate::screening::{Judged, Pipeline, Verdict};

/// Verdicts that make `replay` exit with 3.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    /// Alerts and blocks.
    Alert,
    /// Blocks.
    Block,
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Capture file (pcap or pcapng), or `-` for standard input
    file: PathBuf,
    /// Configuration file; without it, a fresh configuration: everything is from the interconnect, monitor mode
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Show subscriber numbers in full
    #[arg(long)]
    reveal: bool,
    /// Exit with 3 if there is such a verdict
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    output: Output,
}

/// Runs `replay`.
///
/// # Errors
/// Configuration or capture cannot be read.
pub fn run(args: &ReplayArgs) -> Result<ExitCode> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => {
            eprintln!("note: no configuration given; every peer counts as interconnect, mode is monitor");
            Config::default()
        }
    };
    let mut capture = Capture::open(&args.file)?;
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let json = args.output.format() == Format::Json;
    let mut summary = Summary::default();
    let mut pipeline: Option<Pipeline> = None;
    let mut line = Vec::new();
    while let Some(frame) = capture.next_frame()? {
        // Times to live of block entries start with the capture.
        let pipeline = pipeline.get_or_insert_with(|| Pipeline::new(&config, frame.time_ns));
        let mut written = Ok(());
        let arrival = Arrival {
            number: frame.number,
            octets: frame.octets,
            remote: Remote::Source,
            now_ns: frame.time_ns,
        };
        pipeline.frame(&arrival, |judged| {
            summary.add(judged, &config);
            if json && written.is_ok() {
                line.clear();
                report::write_judged(&mut line, judged, args.reveal);
                line.push(b'\n');
                written = out.write_all(&line);
            }
        });
        written.context("standard output")?;
    }
    if !json {
        summary.print(&mut out, capture.frames()).context("standard output")?;
    }
    out.flush().context("standard output")?;
    let hit = match args.fail_on {
        Some(FailOn::Alert) => summary.count(Verdict::Alert) + summary.count(Verdict::Block) > 0,
        Some(FailOn::Block) => summary.count(Verdict::Block) > 0,
        None => false,
    };
    Ok(if hit { ExitCode::from(exit::THREATS_FOUND) } else { ExitCode::SUCCESS })
}

/// Sources that are listed.
const TOP: usize = 10;

/// Distinct sources that are counted; beyond, they are counted together.
const MAX_SOURCES: usize = 100_000;

#[derive(Default)]
struct Summary {
    verdicts: BTreeMap<Verdict, u64>,
    /// By verdict, reason and operation.
    reasons: BTreeMap<(Verdict, &'static str, String), u64>,
    /// Alerts and blocks by point code and calling global title.
    sources: BTreeMap<(String, String), u64>,
}

impl Summary {
    fn add(&mut self, judged: &Judged<'_>, config: &Config) {
        let verdict = judged.decision.verdict;
        *self.verdicts.entry(verdict).or_default() += 1;
        if verdict == Verdict::Allow {
            return;
        }
        let operation = match judged.decision.evidence.iter().find_map(|evidence| evidence.operation) {
            Some(operation) => operation.name.to_owned(),
            None => judged
                .message
                .and_then(|message| message.invokes().next())
                .and_then(|(_, opcode)| operations::name(opcode))
                .unwrap_or_default()
                .to_owned(),
        };
        *self.reasons.entry((verdict, judged.decision.reason, operation)).or_default() += 1;
        let (Verdict::Alert | Verdict::Block, Some(message)) = (verdict, judged.message) else { return };
        let code = message.m3ua.label.opc;
        let opc = Shown { code, format: config.point_code_format };
        let mut source = (format!("{opc} ({code})"), message.calling_gt().unwrap_or("none").to_owned());
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            source = ("others".to_owned(), "others".to_owned());
        }
        *self.sources.entry(source).or_default() += 1;
    }

    fn count(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    fn print(&self, out: &mut impl Write, frames: u64) -> io::Result<()> {
        let messages: u64 = self.verdicts.values().sum();
        writeln!(out, "{frames} frames, {messages} messages judged")?;
        let rows: Vec<Vec<String>> = self
            .verdicts
            .iter()
            .map(|(verdict, count)| vec![verdict.as_str().to_owned(), count.to_string()])
            .collect();
        writeln!(out, "{}", table(&["verdict", "messages"], &rows))?;
        if !self.reasons.is_empty() {
            let rows: Vec<Vec<String>> = self
                .reasons
                .iter()
                .map(|((verdict, reason, operation), count)| {
                    vec![
                        verdict.as_str().to_owned(),
                        (*reason).to_owned(),
                        operation.clone(),
                        count.to_string(),
                    ]
                })
                .collect();
            writeln!(out, "{}", table(&["verdict", "reason", "operation", "messages"], &rows))?;
        }
        if !self.sources.is_empty() {
            let mut sources: Vec<_> = self.sources.iter().collect();
            sources.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let rows: Vec<Vec<String>> = sources
                .iter()
                .take(TOP)
                .map(|((opc, gt), count)| vec![opc.clone(), gt.clone(), count.to_string()])
                .collect();
            writeln!(out, "{}", table(&["source OPC", "calling GT", "alerts"], &rows))?;
        }
        Ok(())
    }
}
