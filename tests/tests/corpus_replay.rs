//! Replay over the corpus: every category 1 attack is found, and no benign message is held to be one.

use std::fs;
use std::path::Path;

use serde_json::Value;
use ss7guard_lab::corpus::{by_place, configuration, folders, labels, run_lines};

#[test]
fn every_category_1_attack_is_found_and_nothing_benign_is() {
    for folder in folders() {
        check(&folder);
    }
}

fn check(folder: &Path) {
    let networks = fs::read_to_string(folder.join("networks.json")).expect("networks.json");
    let networks: Value = serde_json::from_str(&networks).expect("networks.json");
    let directory = tempfile::tempdir().expect("directory");
    let config = directory.path().join("ss7guard.toml");
    fs::write(&config, configuration(&networks)).expect("configuration");
    let mut attacks = 0;
    let mut agreed = 0;
    let mut benign = 0;
    for name in ["01_benign", "02_attacks"] {
        if !folder.join(format!("{name}.pcap")).exists() {
            continue;
        }
        let capture = folder.join(format!("{name}.pcap")).display().to_string();
        let config = config.display().to_string();
        let judged = run_lines(&["replay", &capture, "-c", &config, "-o", "json"]).expect("replay");
        let judged = by_place(&judged);
        let labels = labels(&folder.join(format!("{name}.labels.jsonl"))).expect("labels");
        for (place, label) in by_place(&labels) {
            let found = judged.get(&place).unwrap_or_else(|| panic!("{name} {place:?} was not judged"));
            let flagged = found["category"] == "cat1";
            if label["category"] == "cat1" && label["dir"] == "in" && label["response"] != true {
                attacks += 1;
                assert!(flagged, "{name} {place:?}: {label} was missed: {found}");
                assert_eq!(found["verdict"], "alert", "{name} {place:?}");
            } else {
                assert!(!flagged, "{name} {place:?}: {label} was held to be category 1: {found}");
            }
            benign += u64::from(label["label"] == "benign");
            agreed += u64::from(label["kind"] == "ati_by_agreement" && label["dir"] == "in");
        }
    }
    assert!(attacks > 20 && benign > 500, "{attacks} attacks, {benign} benign");
    println!(
        "{attacks} category 1 attacks found, {benign} benign messages let be, {agreed} of them by agreement"
    );
}
