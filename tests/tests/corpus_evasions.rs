//! Messages in odd forms and in pieces: no attack passes as clean, everything benign passes, and each form has its name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use ss7guard_lab::corpus::{by_place, configuration, folders, labels, run_lines};

/// The finding that names a form; empty for forms that ordinary senders use, or that are no form of the message: tags
/// and addresses below, what lies beside it in the packet, and where it stands in its dialogue.
fn name_of(evasion: &str) -> &'static str {
    match evasion {
        "ber_indefinite_all" | "ber_indefinite_outer_only" => "indefinite_length",
        "ber_long_form_1" | "ber_long_form_2" | "ber_long_form_3" | "ber_long_form_4" => {
            "noncanonical_length"
        }
        "cgpa_gti1" | "cgpa_gti2" | "cgpa_gti3" => "global_title_form",
        "cgpa_nai_national" => "global_title_nature",
        "cgpa_with_pc" => "point_code_in_address",
        "imsi_high_tag_form" | "msisdn_high_tag_form" => "noncanonical_tag",
        "invoke_id_negative" => "negative_invoke_id",
        "invoke_in_end" => "invoke_in_end",
        "ip_frag" | "ip_frag_reverse" | "ipv6_frag" => "ip_fragments",
        "m3ua_last_param_unpadded" => "m3ua_unpadded",
        "m3ua_nonzero_pad" => "m3ua_padding",
        "m3ua_pd_first" | "m3ua_tlv_reverse" => "m3ua_parameter_order",
        "m3ua_unknown_params" => "m3ua_unknown_parameter",
        "opcode_nonminimal_int" => "noncanonical_integer",
        "opcode_oid" => "global_opcode",
        "sctp_bad_crc" => "bad_checksum",
        "sctp_frag_2packets" | "sctp_frag_3packets" | "sctp_frag_one_packet" => "sctp_fragments",
        "trailing_garbage" => "trailing_octets",
        "two_invokes_bad_second" => "several_invokes",
        "unidirectional" => "unidirectional",
        "xudt_seg2" | "xudt_seg4" => "sccp_segments",
        "ipv6"
        | "qinq"
        | "qinq_ipv6"
        | "vlan"
        | "xudt_unsegmented"
        | "sctp_bundle_bad_opc"
        | "sctp_bundle_last_of_6"
        | "sctp_bundle_middle"
        | "sctp_sack_bundled"
        | "sctp_unordered"
        | "invoke_in_orphan_continue" => "",
        "ac_mismatch" => "context_mismatch",
        "cdpa_ssn_swapped" => "ssn_mismatch",
        "cgpa_ssn0" => "ssn_missing",
        "no_dialogue_portion" => "version_downgrade",
        other => panic!("{other}: which finding names it?"),
    }
}

fn has_finding(record: &Value, name: &str) -> bool {
    record["findings"].as_array().is_some_and(|findings| findings.iter().any(|one| one["finding"] == name))
}

fn check(folder: &Path) {
    let networks = fs::read_to_string(folder.join("networks.json")).expect("networks.json");
    let networks: Value = serde_json::from_str(&networks).expect("networks.json");
    let directory = tempfile::tempdir().expect("directory");
    let config = directory.path().join("ss7guard.toml");
    fs::write(&config, configuration(&networks)).expect("configuration");
    let capture = folder.join("04_evasions.pcap").display().to_string();
    let config = config.display().to_string();
    let judged = run_lines(&["replay", &capture, "-c", &config, "-o", "json"]).expect("replay");
    let judged = by_place(&judged);
    let labels = labels(&folder.join("04_evasions.labels.jsonl")).expect("labels");
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut forms: BTreeMap<&str, u64> = BTreeMap::new();
    for (place, label) in by_place(&labels) {
        let found = judged.get(&place).unwrap_or_else(|| panic!("{place:?} was not judged"));
        if label["segment_only"] == true {
            assert_eq!(found["verdict"], "defer", "{place:?}");
            continue;
        }
        let acceptable = label["verdict_any"].as_array().expect("verdict_any");
        match label["label"].as_str() {
            Some("attack") => assert_ne!(found["verdict"], "allow", "{place:?}: {label} passes as clean"),
            _ => assert!(acceptable.contains(&found["verdict"]), "{place:?}: {label} is no attack: {found}"),
        }
        let evasion = label["evasion"].as_str().expect("evasion");
        let name = name_of(evasion);
        let bystander = label["kind"] == "bundled_benign";
        // A message whose length is a multiple of four has no padding to play with; an operation that version 1 has too
        // is nothing odd without a dialogue portion; the "other" context of some attacks is the right one.
        let by_chance =
            matches!(name, "m3ua_unpadded" | "m3ua_padding" | "version_downgrade" | "context_mismatch");
        let named = has_finding(found, name);
        assert!(name.is_empty() || bystander || by_chance || named, "{place:?}: {evasion}: {found}");
        *forms.entry(name).or_default() += u64::from(named);
        *counts.entry(label["label"].as_str().expect("label")).or_default() += 1;
    }
    println!("{}: {counts:?}", folder.display());
    for (name, count) in forms {
        assert!(name.is_empty() || count > 0, "{name} was never found");
    }
    assert!(counts["attack"] > 400 && counts["benign"] > 100, "{counts:?}");
}

#[test]
fn no_evasion_passes_as_clean_and_each_is_named() {
    for folder in folders() {
        check(&folder);
    }
}

#[test]
fn malformed_messages_have_a_verdict_and_a_reason() {
    for folder in folders() {
        let capture = folder.join("05_malformed.pcap").display().to_string();
        let judged = run_lines(&["replay", &capture, "-o", "json"]).expect("replay");
        assert!(judged.len() > 1_000, "{} judged", judged.len());
        for record in &judged {
            assert!(record["verdict"].is_string() && record["reason"].is_string(), "{record}");
        }
        let decoded = run_lines(&["decode", &capture, "-o", "json"]).expect("decode");
        println!("{}: {} judged, {} decoded", folder.display(), judged.len(), decoded.len());
    }
}
