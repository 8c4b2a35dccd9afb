//! The test tiers. Each is a set of test targets of the package `ss7guard-tests`, found by the prefix of its file.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args as ClapArgs, ValueEnum};

use crate::build::{self, Profile};
use crate::setup::{self, Need};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// Everything that needs no privilege.
    Unit,
    /// The kernel programs by BPF_PROG_TEST_RUN.
    Kernel,
    /// Real associations in namespaces.
    Netns,
    /// The command line.
    Cli,
    /// The labelled corpus, where it is.
    Corpus,
}

impl Tier {
    const ALL: [Self; 5] = [Self::Unit, Self::Kernel, Self::Netns, Self::Cli, Self::Corpus];

    const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Kernel => "kernel",
            Self::Netns => "netns",
            Self::Cli => "cli",
            Self::Corpus => "corpus",
        }
    }
}

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Tiers to run [default: all]
    tiers: Vec<Tier>,
    /// Handed to the test programs
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    tiers: Vec<String>,
    red: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let tiers = if args.tiers.is_empty() { Tier::ALL.to_vec() } else { args.tiers.clone() };
    let unprivileged = tiers.iter().all(|tier| *tier == Tier::Unit);
    setup::ensure(if unprivileged { Need::Build } else { Need::Lab })?;
    build::all(Profile::Dev)?;
    let mut tally = Tally::default();
    for tier in tiers {
        eprintln!("\n=== {} ===", tier.name());
        let start = Instant::now();
        let result =
            if tier == Tier::Unit { unit(args, &mut tally) } else { package(tier, args, &mut tally) };
        if let Err(error) = result {
            eprintln!("{}: {error:#}", tier.name());
            tally.red.push(tier.name().to_owned());
        }
        tally.tiers.push(format!("{} {:.0} s", tier.name(), start.elapsed().as_secs_f64()));
    }
    eprintln!(
        "\ntiers: {}; tests passed {}, failed {}, ignored {}",
        tally.tiers.join(", "),
        tally.passed,
        tally.failed,
        tally.ignored
    );
    if tally.red.is_empty() { Ok(()) } else { bail!("red: {}", tally.red.join(", ")) }
}

fn unit(args: &Args, tally: &mut Tally) -> Result<()> {
    let mut arguments = vec!["test", "--locked"];
    let lab = ["test", "--locked", "-p", "ss7guard-tests", "--lib"];
    let rest: Vec<&str> = args.rest.iter().map(String::as_str).collect();
    if !rest.is_empty() {
        arguments.push("--");
        arguments.extend(&rest);
    }
    counted(&arguments, tally)?;
    counted(&lab, tally)?;
    // The build without kernel part is a product of its own.
    build::run(&mut build::cargo(&[
        "check",
        "--locked",
        "--quiet",
        "-p",
        "ss7guard-userspace",
        "--no-default-features",
    ])?)
}

fn package(tier: Tier, args: &Args, tally: &mut Tally) -> Result<()> {
    let folder = build::root()?.join("tests/tests");
    let prefix = format!("{}_", tier.name());
    let mut names: Vec<String> = fs::read_dir(&folder)?
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_string_lossy().strip_suffix(".rs")?.to_owned()))
        .filter(|name| name.starts_with(&prefix))
        .collect();
    names.sort();
    ensure!(!names.is_empty(), "there is no test target {prefix}*.rs");
    let mut arguments = vec!["test", "--locked", "-p", "ss7guard-tests"];
    for name in &names {
        arguments.extend(["--test", name]);
    }
    arguments.push("--no-fail-fast");
    let with_tshark = matches!(tier, Tier::Corpus | Tier::Netns) && setup::has_tshark();
    if with_tshark || !args.rest.is_empty() {
        arguments.push("--");
        // Comparisons with tshark are ignored, and counted so, where it is not installed.
        arguments.extend(with_tshark.then_some("--include-ignored"));
        arguments.extend(args.rest.iter().map(String::as_str));
    }
    counted(&arguments, tally)
}

/// Runs tests, shows what they print, and counts their results.
fn counted(arguments: &[&str], tally: &mut Tally) -> Result<()> {
    let target = build::target()?;
    let mut command = build::cargo(arguments)?;
    command
        .env("SS7GUARD_BIN", target.join(Profile::Dev.folder()).join("ss7guard"))
        .env("SS7GUARD_EBPF_DIR", ebpf_build::target_dir(&target).join("bpfel-unknown-none/release"))
        .stdout(Stdio::piped());
    eprintln!("+ {}", build::shown(&command));
    let mut child = command.spawn().context("cargo test")?;
    let stdout = child.stdout.take().context("standard output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        if let Some(result) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let before = result.split(what).next().unwrap_or_default().trim();
                before.rsplit([' ', ';']).next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
            };
            tally.passed += count(" passed");
            tally.failed += count(" failed");
            tally.ignored += count(" ignored");
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "{} ended with {status}", build::shown(&command));
    Ok(())
}
