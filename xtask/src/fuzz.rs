//! The fuzz tier: builds the targets in `fuzz/src/bin/` with AddressSanitizer and coverage counters, runs each from its
//! seeds, and says what it did in one line for each.
//!
//! What `cargo fuzz` does with a nightly is done here with any Rust that has the sanitizer's runtime: the same flags,
//! and `RUSTC_BOOTSTRAP` for the one of them that is not stable.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args as ClapArgs;

use crate::build::{self, root, target};
use crate::setup::{self, Need};
use crate::{coverage, sanitizer};

/// Longest input: what one frame carries, and some.
const MAX_LEN: usize = 2048;

/// Seconds for each target unless told otherwise: with the build, all of them end within ten minutes on two cores.
const USUAL_SECONDS: u64 = 50;

/// Seconds after which one input counts as a hang; the bound on work leaves no room for one.
const HANG_SECONDS: u64 = 10;

/// Flags of `cargo fuzz`: counters, comparisons and places for libFuzzer, and the sanitizer.
const COUNTERS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Zsanitizer=address",
    "-Ccodegen-units=1",
    "-Cforce-frame-pointers",
];

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Targets, by the names of their files in fuzz/src/bin [default: all]
    targets: Vec<String>,
    /// Executions of each target, without a limit of time
    #[arg(long, conflicts_with = "seconds")]
    runs: Option<u64>,
    /// Seconds for each target [default: 50]
    #[arg(long)]
    seconds: Option<u64>,
    /// Afterwards, run all that was found once more and print the line coverage of the decoder
    #[arg(long)]
    coverage: bool,
    /// Keep as seeds, of the seeds and what was found, the smallest inputs that reach as much
    #[arg(long)]
    merge: bool,
}

/// Where things of the fuzz tier are.
pub(crate) struct Place {
    /// The crate.
    pub(crate) source: PathBuf,
    /// What is built and found.
    pub(crate) output: PathBuf,
    /// The target triple; naming it keeps build scripts free of the flags.
    pub(crate) triple: String,
}

impl Place {
    fn new() -> Result<Self> {
        let triple = sanitizer::host_triple().context("rustc -vV names no host")?;
        Ok(Self { source: root()?.join("fuzz"), output: target()?.join("fuzz"), triple })
    }

    /// Names of all targets.
    fn all(&self) -> Result<Vec<String>> {
        let folder = self.source.join("src/bin");
        let mut names: Vec<String> = fs::read_dir(&folder)
            .with_context(|| folder.display().to_string())?
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_string_lossy().strip_suffix(".rs")?.to_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Builds the targets with these flags and gives the folder of the programs.
    pub(crate) fn build(&self, folder: &str, flags: &[&str]) -> Result<PathBuf> {
        let into = self.output.join(folder);
        let mut command = build::cargo(&["build", "--release", "--locked", "--quiet", "--bins", "--target"])?;
        command
            .arg(&self.triple)
            .arg("--target-dir")
            .arg(&into)
            .current_dir(&self.source)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        build::run(&mut command)?;
        Ok(into.join(&self.triple).join("release"))
    }

    pub(crate) fn corpus(&self, name: &str) -> PathBuf {
        self.output.join("corpus").join(name)
    }

    pub(crate) fn seeds(&self, name: &str) -> PathBuf {
        self.source.join("seeds").join(name)
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure(if args.coverage { Need::Coverage } else { Need::Fuzz })?;
    let place = Place::new()?;
    let all = place.all()?;
    if let Some(unknown) = args.targets.iter().find(|name| !all.contains(name)) {
        bail!("there is no target {unknown}; there are {}", all.join(", "));
    }
    let names = if args.targets.is_empty() { &all } else { &args.targets };
    let programs = place.build("build", COUNTERS)?;
    eprintln!(
        "{:<12} {:>12} {:>9} {:>8} {:>9} {:>7}  findings",
        "target", "executions", "exec/s", "seconds", "features", "corpus"
    );
    let mut red = Vec::new();
    for name in names {
        let outcome = one(&place, &programs, name, args)?;
        eprintln!("{}", outcome.line(name));
        if !outcome.findings.is_empty() || !outcome.ended {
            red.push(name.clone());
        } else if args.merge {
            merge(&place, &programs, name)?;
        }
    }
    if args.coverage {
        coverage::print(&place, names)?;
    }
    if red.is_empty() {
        Ok(())
    } else {
        bail!(
            "findings in {}; an artifact is run again by {}/TARGET FILE",
            red.join(", "),
            programs.display()
        )
    }
}

/// What a run came to.
#[derive(Default)]
struct Outcome {
    executions: u64,
    seconds: f64,
    /// Coverage features reached, from the seeds and what was found since.
    features: u64,
    corpus: u64,
    /// Artifacts, each an input that breaks a property.
    findings: Vec<PathBuf>,
    /// Whether the program says that it ended well.
    ended: bool,
}

impl Outcome {
    fn line(&self, name: &str) -> String {
        let findings = match self.findings.as_slice() {
            [] if self.ended => "none".to_owned(),
            [] => "it did not end well; see its log".to_owned(),
            found => found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" "),
        };
        format!(
            "{name:<12} {:>12} {:>9.0} {:>8.1} {:>9} {:>7}  {findings}",
            self.executions,
            self.executions as f64 / self.seconds.max(0.001),
            self.seconds,
            self.features,
            self.corpus,
        )
    }

    /// Takes in a line that libFuzzer prints.
    fn read(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(executions) = first.strip_prefix('#').and_then(|number| number.parse().ok()) {
            self.executions = self.executions.max(executions);
            let after = |key: &str| {
                let mut words = line.split_whitespace().skip_while(|word| *word != key);
                words.nth(1).and_then(|word| word.split('/').next()?.parse().ok())
            };
            self.features = after("ft:").unwrap_or(self.features);
            self.corpus = after("corp:").unwrap_or(self.corpus);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.findings.push(PathBuf::from(path.trim()));
        }
    }
}

/// Runs one target over its seeds and what earlier runs found, and shows what it says of a finding.
fn one(place: &Place, programs: &Path, name: &str, args: &Args) -> Result<Outcome> {
    let corpus = place.corpus(name);
    let artifacts = place.output.join("artifacts").join(name);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut command = Command::new(programs.join(name));
    command.arg(format!("-max_len={MAX_LEN}")).arg(format!("-timeout={HANG_SECONDS}"));
    match args.runs {
        Some(runs) => command.arg(format!("-runs={runs}")),
        None => command.arg(format!("-max_total_time={}", args.seconds.unwrap_or(USUAL_SECONDS))),
    };
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(artifacts.join(""));
    command.arg(prefix);
    let dictionary = place.source.join("dictionaries").join(format!("{name}.dict"));
    if dictionary.exists() {
        let mut argument = OsString::from("-dict=");
        argument.push(dictionary);
        command.arg(argument);
    }
    command.arg(&corpus);
    if place.seeds(name).exists() {
        command.arg(place.seeds(name));
    }
    // Frames of a finding are named where addr2line is; nothing else is needed from the sanitizer's surroundings.
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let start = std::time::Instant::now();
    let mut child = command.spawn().with_context(|| build::shown(&command))?;
    let stderr = child.stderr.take().context("standard error")?;
    let mut outcome = Outcome::default();
    let mut log = Vec::new();
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        outcome.read(&line);
        log.push(line);
    }
    outcome.ended = child.wait()?.success();
    outcome.seconds = start.elapsed().as_secs_f64();
    if !outcome.ended {
        // The panic and its place come before the sanitizer's stack.
        let is_said = |line: &&String| !line.starts_with('#') && !line.starts_with("INFO:");
        log.iter().filter(is_said).take(40).for_each(|line| eprintln!("{line}"));
    }
    fs::write(place.output.join(format!("{name}.log")), log.join("\n"))?;
    Ok(outcome)
}

/// Replaces the seeds by the smallest inputs that reach what seeds and corpus reach together.
fn merge(place: &Place, programs: &Path, name: &str) -> Result<()> {
    let merged = place.output.join("merged").join(name);
    if merged.exists() {
        fs::remove_dir_all(&merged)?;
    }
    fs::create_dir_all(&merged)?;
    fs::create_dir_all(place.seeds(name))?;
    let mut command = Command::new(programs.join(name));
    // Whether an edge was reached counts, not how often: seeds are few.
    command.args(["-merge=1", "-use_counters=0", "-use_value_profile=0"]).arg(format!("-max_len={MAX_LEN}"));
    command.arg(&merged).arg(place.seeds(name)).arg(place.corpus(name));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    build::run(&mut command)?;
    for entry in fs::read_dir(place.seeds(name))?.flatten() {
        fs::remove_file(entry.path())?;
    }
    let mut count = 0;
    for entry in fs::read_dir(&merged)?.flatten() {
        fs::copy(entry.path(), place.seeds(name).join(entry.file_name()))?;
        count += 1;
    }
    ensure!(count > 0, "{name}: nothing was merged");
    eprintln!("{name}: {count} seeds");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_prints_is_counted() {
        let mut outcome = Outcome::default();
        for line in [
            "INFO: Seed: 1",
            "#2\tINITED cov: 5 ft: 6 corp: 1/1b exec/s: 0 rss: 40Mb",
            "#9000\tREDUCE cov: 50 ft: 61 corp: 12/1Kb lim: 4 exec/s: 0 rss: 41Mb L: 1/1 MS: 1",
            "    #0 0x5555 in main",
            "artifact_prefix='/x/'; Test unit written to /x/crash-00",
        ] {
            outcome.read(line);
        }
        assert_eq!((outcome.executions, outcome.features, outcome.corpus), (9000, 61, 12));
        assert_eq!(outcome.findings, [PathBuf::from("/x/crash-00")]);
    }
}
