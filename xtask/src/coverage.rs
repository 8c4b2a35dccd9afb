//! Line coverage of the decoder by the corpora of the fuzz targets.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::build;
use crate::fuzz::Place;
use crate::sanitizer;

/// What is measured, relative to the workspace.
const MEASURED: &str = "ss7guard-userspace/src/inspect/";

/// Lines that may be missed, in hundredths: below this the corpora do not reach the decoder.
const AIM: f64 = 90.0;

/// Runs seeds and corpora of these targets once and prints the line coverage of each file of the decoder.
pub(crate) fn print(place: &Place, names: &[String]) -> Result<()> {
    let tools = sanitizer::llvm_tools().context("llvm-profdata and llvm-cov of rustc's LLVM")?;
    let programs = place.build("coverage", &["-Cinstrument-coverage", "-Ccodegen-units=1"])?;
    let profiles = place.output.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    fs::create_dir_all(&profiles)?;
    for name in names {
        let mut command = Command::new(programs.join(name));
        // No input is made: the folders are run once.
        command.arg("-runs=0").arg(place.corpus(name));
        if place.seeds(name).exists() {
            command.arg(place.seeds(name));
        }
        command.env("LLVM_PROFILE_FILE", profiles.join(format!("{name}.profraw")));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        build::run(&mut command)?;
    }
    let merged = profiles.join("all.profdata");
    let mut command = Command::new(tools.join("llvm-profdata"));
    command.args(["merge", "--sparse", "-o"]).arg(&merged);
    command.args(names.iter().map(|name| profiles.join(format!("{name}.profraw"))));
    build::run(&mut command)?;

    let mut command = Command::new(tools.join("llvm-cov"));
    command.args(["export", "--summary-only", "--instr-profile"]).arg(&merged);
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            command.arg("--object");
        }
        command.arg(programs.join(name));
    }
    let output = command.stderr(Stdio::inherit()).output().with_context(|| build::shown(&command))?;
    ensure!(output.status.success(), "llvm-cov ended with {}", output.status);
    let report = serde_json::from_slice(&output.stdout).context("report of llvm-cov")?;
    let files = measured(&report);
    ensure!(!files.is_empty(), "llvm-cov knows of no file of {MEASURED}");
    let (mut covered, mut lines) = (0, 0);
    for (name, file_covered, file_lines) in &files {
        eprintln!(
            "{name:<28} {file_covered:>5} of {file_lines:>5} lines  {:>5.1} %",
            share(*file_covered, *file_lines)
        );
        covered += file_covered;
        lines += file_lines;
    }
    eprintln!("{MEASURED}: {covered} of {lines} lines, {:.1} % (aim: {AIM} %)", share(covered, lines));
    Ok(())
}

fn share(covered: u64, lines: u64) -> f64 {
    covered as f64 * 100.0 / lines.max(1) as f64
}

/// Name, covered lines and lines of each measured file. Tests are not in these programs.
fn measured(report: &serde_json::Value) -> Vec<(String, u64, u64)> {
    let files = report["data"][0]["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let (_, name) = file["filename"].as_str()?.split_once(MEASURED)?;
            let lines = &file["summary"]["lines"];
            Some((name.to_owned(), lines["covered"].as_u64()?, lines["count"].as_u64()?))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_decoder_are_measured() {
        let report = serde_json::json!({"data": [{"files": [
            {"filename": "/x/ss7guard-userspace/src/inspect/ber.rs", "summary": {"lines": {"count": 10, "covered": 9}}},
            {"filename": "/x/ss7guard-userspace/src/json.rs", "summary": {"lines": {"count": 10, "covered": 1}}},
        ]}]});
        assert_eq!(measured(&report), [("ber.rs".to_owned(), 9, 10)]);
    }
}
