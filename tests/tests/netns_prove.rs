//! `ss7guard lab prove-neutralise` against gateways that behave and gateways that do not.

use std::process::{Command, Output};
use std::thread;

use serde_json::Value;
use ss7guard_lab::association::{Manners, Peer, Settings};
use ss7guard_lab::corpus::binary;
use ss7guard_lab::netns::Wire;

const CONSENT: &str = "--yes-in-a-maintenance-window";

fn prove(wire: &Wire, local: &str, peer: &str, more: &[&str]) -> Output {
    let mut command = Command::new(binary().expect("binary"));
    command.args(["lab", "prove-neutralise", "--peer", peer, "--local", local, "--watch", "1"]);
    command.args(["--opc", "2-1-1", "--dpc", "1-1-1", "-o", "json"]).args(more);
    wire.world.inside(|| Ok(command.output()?)).expect("run ss7guard lab")
}

/// Case by case: form, case, verdict and why.
fn cases(output: &Output) -> Vec<(String, String, bool, String)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} {error}"));
    let of = |case: &Value, key: &str| case[key].as_str().expect("text").to_owned();
    let cases = result["cases"].as_array().expect("cases").iter();
    cases
        .map(|case| {
            (of(case, "form"), of(case, "case"), case["verdict"] == "safe", case["why_not"].to_string())
        })
        .collect()
}

#[test]
fn a_gateway_that_behaves_is_safe_and_each_bad_manner_is_told() {
    let wire = Wire::new().expect("namespaces");
    let manners = [
        ("10.7.0.11", "10.7.0.1", Manners::Good, "", ""),
        ("fd07::12", "fd07::1", Manners::Good, "", ""),
        ("10.7.0.13", "10.7.0.1", Manners::AnswersError, "beat_ack", "M3UA ERR, code 0x06"),
        ("10.7.0.14", "10.7.0.1", Manners::Aborts, "beat_ack", "ABORT"),
        ("10.7.0.15", "10.7.0.1", Manners::FallsSilent, "beat_ack", "no BEAT is answered any more"),
        ("10.7.0.16", "10.7.0.1", Manners::IgnoresPpid, "ppid_zero", "M3UA ERR, code 0x01"),
    ];
    thread::scope(|scope| {
        for (local, peer, manners, bad, why) in manners {
            let wire = &wire;
            scope.spawn(move || {
                let at = |ip: &str| std::net::SocketAddr::new(ip.parse().expect("address"), 2905);
                let settings = Settings { manners, ..Settings::default() };
                let gateway =
                    Peer::gateway_with(&wire.host, at(peer), at(local), false, settings).expect("gateway");
                // One that has fallen silent stays so, whatever comes.
                let forms = if manners == Manners::FallsSilent { "beat_ack" } else { "all" };
                let output = prove(wire, local, peer, &[CONSENT, "--routing-context", "1", "--form", forms]);
                let cases = cases(&output);
                assert_eq!(cases.len(), if forms == "all" { 9 } else { 3 }, "{manners:?}: {cases:?}");
                assert_eq!(output.status.success(), bad.is_empty(), "{manners:?}: {cases:?}");
                for (form, case, safe, why_not) in &cases {
                    let is_bad = !bad.is_empty() && form.starts_with(bad);
                    assert_eq!(*safe, !is_bad, "{manners:?} {form} {case}: {why_not}");
                    if is_bad {
                        assert!(why_not.contains(why), "{manners:?} {form} {case}: {why_not}");
                    }
                }
                assert_eq!(gateway.delivered(), [], "{manners:?}: the message itself never arrives");
            });
        }
    });
}

#[test]
fn nothing_is_sent_without_consent_or_with_what_cannot_be() {
    let wire = Wire::new().expect("namespaces");
    let refused = |more: &[&str], code: i32, message: &str| {
        let output = prove(&wire, "10.7.0.11", "10.7.0.1", more);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(message), "{error}");
    };
    refused(
        &[],
        2,
        "nothing was sent: add --yes-in-a-maintenance-window if 10.7.0.1:2905 may lose its traffic now",
    );
    refused(&[], 2, "fragments: one message of 3000 octets");
    refused(&[CONSENT, "--point-code-format", "3-8"], 2, "write 3-8-3, 5-4-5, 8-8-8 or decimal");
    refused(&[CONSENT, "--point-code-format", "decimal"], 2, "point code \"2-1-1\"");
    refused(&[CONSENT, "--form", "abort"], 2, "possible values: beat_ack, beat_ack_plain, ppid_zero, all");
    // Nobody answers.
    refused(&[CONSENT], 1, "no association with 10.7.0.1:2905");
}
