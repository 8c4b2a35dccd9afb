//! What the dearest input costs: every input of the fuzzers' corpora by octet, the worst against the mean.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use ss7guard_common::wire::m3ua::{Data, Label, SI_SCCP};
use ss7guard_userspace::inspect::message::Message;

use crate::rows::{Aim, Row, median};
use crate::typed::cost;

/// Shorter inputs cost what every message costs, whatever is in them.
const SHORTEST: usize = 64;

/// Decodings of one input in each measurement.
const REPEAT: u32 = 500;

/// SCCP and TCAP messages that the fuzzers found: those committed as seeds, and those of runs on this machine.
fn inputs() -> Result<Vec<(bool, Vec<u8>)>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for (is_sccp, name) in [(true, "sccp"), (false, "tcap")] {
        for folder in [root.join("fuzz/seeds").join(name), root.join("target/fuzz/corpus").join(name)] {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let octets = fs::read(entry.path())?;
                if octets.len() >= SHORTEST {
                    found.push((is_sccp, octets));
                }
            }
        }
    }
    ensure!(!found.is_empty(), "no inputs in fuzz/seeds");
    Ok(found)
}

fn decode(is_sccp: bool, octets: &[u8]) {
    let label = Label { si: SI_SCCP, ..Label::default() };
    let data = Data { label, ..Data::default() };
    if is_sccp {
        black_box(Message::decode(data, black_box(octets)));
    } else {
        black_box(Message::decode_tcap_only(black_box(octets)));
    }
}

pub(crate) fn measure(rounds: usize) -> Result<Vec<Row>> {
    let inputs = inputs()?;
    let per_octet: Vec<f64> = inputs
        .iter()
        .map(|(is_sccp, octets)| {
            let mut costs: Vec<f64> = (0..rounds)
                .map(|_| cost(REPEAT as usize, || (0..REPEAT).for_each(|_| decode(*is_sccp, octets))))
                .collect();
            median(&mut costs) / octets.len() as f64
        })
        .collect();
    let mean = per_octet.iter().sum::<f64>() / per_octet.len() as f64;
    let worst = per_octet.iter().copied().max_by(f64::total_cmp).context("an input")?;
    Ok(vec![Row {
        what: format!("decode, worst of {} fuzzed inputs of >= {SHORTEST} octets", inputs.len()),
        value: format!("{worst:.2} ns an octet"),
        against: format!("their mean, {mean:.2} ns"),
        ratio: worst / mean,
        aim: Aim::AtMost(20.0),
    }])
}
