//! The test tiers. Each is a set of test targets of the package `ss7guard-tests`, found by the prefix of its file.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args as ClapArgs, ValueEnum};

use crate::build::{self, Profile};
use crate::setup::{self, Need};
use crate::vm::{self, Job, Series};

/// How long the tests may take under one kernel; several times what they need on two idle cores.
const GUEST_PATIENCE: Duration = Duration::from_secs(3_600);

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
    /// Kernel SCTP and a signalling gateway under other kernels, in virtual machines.
    Vm,
}

impl Tier {
    /// Those that run if none is named: the virtual machines take minutes.
    const USUAL: [Self; 5] = [Self::Unit, Self::Kernel, Self::Netns, Self::Cli, Self::Corpus];

    const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Kernel => "kernel",
            Self::Netns => "netns",
            Self::Cli => "cli",
            Self::Corpus => "corpus",
            Self::Vm => "vm",
        }
    }
}

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Tiers to run [default: all but vm]
    tiers: Vec<Tier>,
    /// Kernel of the tier vm [default: each in turn]
    #[arg(long)]
    kernel: Option<Series>,
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
    let tiers = if args.tiers.is_empty() { Tier::USUAL.to_vec() } else { args.tiers.clone() };
    ensure!(args.kernel.is_none() || tiers.contains(&Tier::Vm), "--kernel is for the tier vm");
    let unprivileged = tiers.iter().all(|tier| *tier == Tier::Unit);
    setup::ensure(if unprivileged { Need::Build } else { Need::Live })?;
    if tiers.contains(&Tier::Vm) {
        setup::ensure(Need::Vm)?;
    }
    build::all(Profile::Dev)?;
    let mut tally = Tally::default();
    for tier in tiers {
        eprintln!("\n=== {} ===", tier.name());
        let start = Instant::now();
        let result = match tier {
            Tier::Unit => unit(args, &mut tally),
            Tier::Vm => guests(args, &mut tally),
            _ => package(tier, args, &mut tally),
        };
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

/// The test targets of a tier, as arguments of cargo.
fn targets(tier: Tier) -> Result<Vec<String>> {
    let folder = build::root()?.join("tests/tests");
    let prefix = format!("{}_", tier.name());
    let mut names: Vec<String> = fs::read_dir(&folder)?
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_string_lossy().strip_suffix(".rs")?.to_owned()))
        .filter(|name| name.starts_with(&prefix))
        .collect();
    names.sort();
    ensure!(!names.is_empty(), "there is no test target {prefix}*.rs");
    Ok(names.into_iter().flat_map(|name| ["--test".to_owned(), name]).collect())
}

fn package(tier: Tier, args: &Args, tally: &mut Tally) -> Result<()> {
    let targets = targets(tier)?;
    let mut arguments = vec!["test", "--locked", "-p", "ss7guard-tests"];
    arguments.extend(targets.iter().map(String::as_str));
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

/// Runs the tests of the tier vm in a guest of each kernel.
fn guests(args: &Args, tally: &mut Tally) -> Result<()> {
    let targets = targets(Tier::Vm)?;
    let mut build = build::cargo(&["test", "--locked", "-p", "ss7guard-tests", "--no-run"])?;
    build.args(&targets).arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let built = build.output().context("cargo test")?;
    ensure!(built.status.success(), "{} ended with {}", build::shown(&build), built.status);
    let programs: Vec<String> = built
        .stdout
        .split(|octet| *octet == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(message["executable"].as_str()?.to_owned()))
        .filter(|program| program.contains("/vm_"))
        .collect();
    ensure!(programs.len() * 2 == targets.len(), "cargo built {programs:?}");
    // Elsewhere these tests are ignored; the rest goes to each program, and one that fails does not stop the others.
    let rest: String = args.rest.iter().map(|word| format!(" {}", vm::quoted(word))).collect();
    let steps: Vec<String> = programs
        .iter()
        .map(|program| format!("{} --include-ignored --nocapture{rest} || code=1", vm::quoted(program)))
        .collect();
    let script = format!("code=0; {}; exit $code", steps.join("; "));
    let mut red = Vec::new();
    for series in args.kernel.map_or(Series::ALL.to_vec(), |series| vec![series]) {
        eprintln!("\n--- Linux {} ---", series.name());
        // More than the guest's processors: the longest test waits most of its time.
        let threads = ("RUST_TEST_THREADS", "4".to_owned());
        let environment = [("SS7GUARD_BIN", binary()?.display().to_string()), threads];
        let job = Job { series, script: script.clone(), environment: &environment, patience: GUEST_PATIENCE };
        let code = vm::run(&job, |line| {
            println!("{line}");
            count(line, tally);
        })?;
        if code != 0 {
            red.push(series.name());
        }
    }
    ensure!(red.is_empty(), "tests fail under Linux {}", red.join(" and "));
    Ok(())
}

/// The binary under test.
fn binary() -> Result<PathBuf> {
    Ok(build::target()?.join(Profile::Dev.folder()).join("ss7guard"))
}

/// Adds the results in a line that a test program ends with.
fn count(line: &str, tally: &mut Tally) {
    let Some(result) = line.strip_prefix("test result: ") else { return };
    let count = |what: &str| {
        let before = result.split(what).next().unwrap_or_default().trim();
        before.rsplit([' ', ';']).next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    tally.passed += count(" passed");
    tally.failed += count(" failed");
    tally.ignored += count(" ignored");
}

/// Runs tests, shows what they print, and counts their results.
fn counted(arguments: &[&str], tally: &mut Tally) -> Result<()> {
    let target = build::target()?;
    let mut command = build::cargo(arguments)?;
    command
        .env("SS7GUARD_BIN", binary()?)
        .env("SS7GUARD_EBPF_DIR", ebpf_build::target_dir(&target).join("bpfel-unknown-none/release"))
        .stdout(Stdio::piped());
    eprintln!("+ {}", build::shown(&command));
    let mut child = command.spawn().context("cargo test")?;
    let stdout = child.stdout.take().context("standard output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        count(&line, tally);
    }
    let status = child.wait()?;
    ensure!(status.success(), "{} ended with {status}", build::shown(&command));
    Ok(())
}
