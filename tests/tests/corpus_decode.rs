//! The decoder against the labels of the corpus: every field that a label has, on every message.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use ss7guard_lab::corpus::{by_place, folders, labels, run_lines};

const PLAIN: [&str; 25] = [
    "opc", "dpc", "si", "ni", "sls", "sccp", "cdpa_gt", "cdpa_ssn", "cgpa_gt", "cgpa_ssn", "tcap", "otid",
    "dtid", "ac", "imsi", "msisdn", "vlr", "msc", "sgsn", "smsc", "scf", "hlr", "node", "msrn", "rc",
];

/// Share of the labels that must agree, for each field.
const LEAST: f64 = 0.999;

/// One aspect of all components, in order.
fn aspect(record: &Value, key: &str) -> Option<Value> {
    let components = record["components"].as_array()?;
    Some(
        components
            .iter()
            .filter(|component| key != "opcode" || component["type"] != "returnError")
            .map(|component| component[key].clone())
            .collect(),
    )
}

/// Compares a capture in every folder that has it; gives in how many.
fn compare(name: &str) -> usize {
    let folders: Vec<_> =
        folders().into_iter().filter(|folder| folder.join(format!("{name}.pcap")).exists()).collect();
    for folder in &folders {
        compare_in(folder, name);
    }
    folders.len()
}

fn compare_in(folder: &Path, name: &str) {
    let capture = folder.join(format!("{name}.pcap"));
    let decoded =
        run_lines(&["decode", "--reveal", "-o", "json", &capture.display().to_string()]).expect("decode");
    let labels = labels(&folder.join(format!("{name}.labels.jsonl"))).expect("labels");
    let decoded = by_place(&decoded);
    let mut score: BTreeMap<&str, (u64, u64, Option<String>)> = BTreeMap::new();
    let mut messages = 0;
    for (place, label) in by_place(&labels) {
        if label["segment_only"] == true {
            continue;
        }
        messages += 1;
        let record = decoded.get(&place).copied().unwrap_or(&Value::Null);
        let mut hold = |field, expected: &Value, found: &Value| {
            let (agree, all, example) = score.entry(field).or_default();
            *all += 1;
            if expected == found {
                *agree += 1;
            } else if example.is_none() {
                *example = Some(format!("{place:?}: label {expected}, decoded {found}"));
            }
        };
        for field in PLAIN {
            if !label[field].is_null() {
                hold(field, &label[field], &record[field]);
            }
        }
        for key in ["type", "invoke_id", "opcode", "error"] {
            if let Some(expected) = aspect(label, key) {
                hold(key, &expected, &aspect(record, key).unwrap_or(Value::Null));
            }
        }
    }
    assert!(messages > 500, "{messages} messages");
    for (field, (agree, all, example)) in &score {
        assert!(*agree as f64 >= LEAST * *all as f64, "{field}: {agree} of {all}, e.g. {example:?}");
    }
    println!("{name}: {messages} messages, {} fields compared", score.len());
}

#[test]
fn benign_traffic_decodes_as_its_labels_say() {
    println!("compared in {} folders", compare("01_benign"));
}

#[test]
fn attacks_decode_as_their_labels_say() {
    assert!(compare("02_attacks") > 0);
}

#[test]
fn campaigns_decode_as_their_labels_say() {
    println!("compared in {} folders", compare("03_campaigns"));
}

#[test]
fn evasions_decode_as_their_labels_say() {
    assert!(compare("04_evasions") > 0);
}

/// Captures of real traffic, which are not part of the project. Left out of the comparison: messages that came over M2PA
/// or MTP3 alone, which this firewall does not see.
#[test]
fn real_captures_decode_as_another_decoder_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/real");
    if !folder.is_dir() {
        println!("the real captures are not there ({}): this test did not run", folder.display());
        return;
    }
    let mut messages = 0;
    for name in ["araditc_e2e", "araditc_perf_5k", "pycrate_tcapmap_pcapr_lt1", "wireshark_samples_tcap"] {
        let capture = folder.join(format!("{name}.pcap")).display().to_string();
        let decoded = run_lines(&["decode", "--reveal", "-o", "json", &capture]).expect("decode");
        let decoded = by_place(&decoded);
        let said = labels(&folder.join(format!("{name}.oracle.json"))).expect("oracle");
        for (place, said) in by_place(&said) {
            if said["mtp3"] == true {
                continue;
            }
            messages += 1;
            let record = decoded.get(&place).copied().unwrap_or(&Value::Null);
            for field in PLAIN.iter().filter(|field| !said[**field].is_null()) {
                assert_eq!(record[*field], said[*field], "{name} {place:?} {field}");
            }
            for key in ["type", "opcode", "error"] {
                if let Some(expected) = aspect(said, key) {
                    assert_eq!(Some(expected), aspect(record, key), "{name} {place:?} {key}");
                }
            }
        }
    }
    println!("{messages} messages of real captures compared");
    assert!(messages > 4_000, "{messages}");
}
