//! Replay over the corpus: every category 1 attack is found, and no benign message is held to be one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use ss7guard_lab::corpus::{by_place, folders, labels, run_lines};

/// A configuration made from the corpus' network data, as an operator would write it.
fn configuration(networks: &Value) -> String {
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
            writeln!(text, "[[peer]]\naddress = {}\nside = \"interconnect\"", link[key]).expect("text");
        }
    }
    for address in home_addresses {
        writeln!(text, "[[peer]]\naddress = {address:?}\nside = \"home\"").expect("text");
    }
    for agreement in networks["cat1_agreements"].as_array().expect("agreements") {
        let (operations, prefix) = (&agreement["opcodes"], &agreement["cgpa_gt"]);
        writeln!(text, "[[agreement]]\noperations = {operations}\ngt_prefixes = [{prefix}]").expect("text");
    }
    text
}

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
