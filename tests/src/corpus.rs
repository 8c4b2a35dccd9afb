//! The labelled captures, and running the decoder over them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The folders of labelled captures: the project's own, and the full corpus where it lies beside the checkout or where
/// `SS7GUARD_CORPUS` says.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = || package.join("../../shared/corpus/dev");
    let full = std::env::var_os("SS7GUARD_CORPUS").map_or_else(beside, PathBuf::from);
    let mut folders = vec![package.join("corpus")];
    if full.is_dir() {
        folders.push(full);
    } else {
        println!("the full corpus is not there ({}): its part of this test did not run", full.display());
    }
    folders
}

/// The `ss7guard` binary under test: `SS7GUARD_BIN`, or the one beside the tests.
///
/// # Errors
/// There is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SS7GUARD_BIN") {
        return Ok(PathBuf::from(path));
    }
    let exe = std::env::current_exe()?;
    let found = exe.ancestors().skip(1).map(|folder| folder.join("ss7guard")).find(|path| path.is_file());
    found.context("no ss7guard binary beside the tests: run `cargo xtask test`, or set SS7GUARD_BIN")
}

/// Runs `ss7guard` and gives the JSON lines that it prints.
///
/// # Errors
/// It fails, or prints something else.
pub fn run_lines(arguments: &[&str]) -> Result<Vec<Value>> {
    let output = Command::new(binary()?).args(arguments).output().context("run ss7guard")?;
    ensure!(output.status.success(), "ss7guard {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).context("a JSON line"))
        .collect()
}

/// Labels of a file of the corpus.
///
/// # Errors
/// They cannot be read.
pub fn labels(path: &std::path::Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines().map(|line| serde_json::from_str(line).context("a label")).collect()
}

/// By frame and chunk.
#[must_use]
pub fn by_place(records: &[Value]) -> HashMap<(u64, u64), &Value> {
    records
        .iter()
        .map(|record| {
            ((record["frame"].as_u64().unwrap_or(0), record["chunk"].as_u64().unwrap_or(0)), record)
        })
        .collect()
}

/// A configuration made from the corpus' network data, as an operator would write it.
///
/// # Panics
/// The data is not as it should be.
#[must_use]
pub fn configuration(networks: &Value) -> String {
    let mut text = "schema = 1\n".to_owned();
    let mut home_addresses = Vec::new();
    for link in networks["links"].as_array().expect("links") {
        for key in ["home_ip", "home_ip6"] {
            let address = link[key].as_str().expect("address").to_owned();
            if !home_addresses.contains(&address) {
                home_addresses.push(address);
            }
        }
        for key in ["peer_ip", "peer_ip6"] {
            let (address, codes) = (&link[key], &link["allowed_opcs"]);
            writeln!(text, "[[peer]]\naddress = {address}\nside = \"interconnect\"\npoint_codes = {codes}")
                .expect("text");
        }
    }
    for address in home_addresses {
        writeln!(text, "[[peer]]\naddress = {address:?}\nside = \"home\"").expect("text");
    }
    for agreement in networks["cat1_agreements"].as_array().expect("agreements") {
        let (operations, prefix) = (&agreement["opcodes"], &agreement["cgpa_gt"]);
        writeln!(text, "[[agreement]]\noperations = {operations}\ngt_prefixes = [{prefix}]").expect("text");
    }
    let others = networks["networks"].as_array().expect("networks");
    for operator in std::iter::once(&networks["home"]).chain(others) {
        let text_of = |key: &str| operator[key].as_str().expect("text").to_owned();
        let imsi = text_of("mcc") + &text_of("mnc");
        let (name, home, gts) = (&operator["name"], operator["role"] == "home", &operator["gt_prefixes"]);
        writeln!(
            text,
            "[[operator]]\nname = {name}\nhome = {home}\ngt_prefixes = {gts}\nimsi_prefixes = [{imsi:?}]"
        )
        .expect("text");
    }
    text
}
