//! Costs as ratios taken in one run: the XDP program against a bare one, drop rates on a wire against other filters,
//! decoding against another decoder. Nothing is asserted: machines are shared and noisy; the table says what the
//! aim is and what was measured.

mod bridge;
mod decoding;
mod kernel;
mod memory;
mod plan;
mod rows;
mod stream;
mod titles;
mod typed;
mod wire;
mod worst;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};

use rows::Row;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// CPU time of the XDP program for each class of frame.
    Kernel,
    /// CPU time of the XDP program that looks up calling global titles, by the size of the list.
    Titles,
    /// Frames per second dropped on a veth pair.
    Wire,
    /// Frames that a bridge sends on at once, and those that it holds.
    Bridge,
    /// Messages per second and core decoded.
    Decoding,
    /// Memory of unfinished messages, and of a long capture.
    Memory,
}

/// Costs as ratios taken in one run
#[derive(Parser)]
#[command(name = "cargo xtask bench --")]
struct Args {
    /// Parts to measure [default: all]
    parts: Vec<Part>,
    /// Rounds of each measurement; medians are shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Messages of the capture that is decoded
    #[arg(long, default_value_t = 1_000_000)]
    messages: usize,
    /// Only this: 100,000 unfinished messages of one kind; prints octets used, accounted, and messages evicted
    #[arg(long, hide = true)]
    half_open: Option<String>,
    /// Also write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if let Some(kind) = &args.half_open {
        let (used, accounted, evicted) = memory::half_open(kind)?;
        println!("{used} {accounted} {evicted}");
        return Ok(());
    }
    let wants = |part| args.parts.is_empty() || args.parts.contains(&part);
    let mut rows: Vec<Row> = Vec::new();
    if wants(Part::Kernel) {
        rows.extend(kernel::measure(args.rounds).context("kernel rows")?);
    }
    if wants(Part::Titles) {
        rows.extend(titles::measure(args.rounds).context("rows of global titles")?);
    }
    if wants(Part::Wire) {
        rows.extend(wire::measure(args.rounds.min(3)).context("wire rows")?);
    }
    if wants(Part::Bridge) {
        rows.extend(bridge::measure(args.rounds.min(3)).context("rows of the bridge")?);
    }
    if wants(Part::Decoding) {
        rows.extend(typed::measure(args.messages, args.rounds).context("typed decoding rows")?);
        rows.extend(worst::measure(args.rounds).context("worst input")?);
        rows.extend(decoding::measure(args.messages).context("decoding rows")?);
    }
    if wants(Part::Memory) {
        rows.extend(memory::measure().context("memory rows")?);
    }
    rows::print(&rows);
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&rows)?)
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}
