//! The command line as people meet it: what it says, and with which exit code, above all when something is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use ss7guard_lab::corpus::binary;
use ss7guard_lab::frame::{carrying, m3ua_data};
use ss7guard_lab::netns::Namespace;
use ss7guard_lab::traffic::Kind;

fn ss7guard(arguments: &[&str]) -> Output {
    Command::new(binary().expect("binary")).args(arguments).output().expect("run ss7guard")
}

/// Runs it and holds exit code and error against what is expected.
fn refused(arguments: &[&str], code: i32, message: &str) {
    let output = ss7guard(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
    assert!(error.contains(message), "{arguments:?}: {error}");
    assert!(error.contains("error: "), "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

fn write(folder: &Path, name: &str, octets: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::write(&path, octets).expect("file");
    path.display().to_string()
}

/// A little-endian microsecond capture of this link type.
fn capture(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    file.extend(link.to_le_bytes());
    for frame in frames {
        let len = u32::try_from(frame.len()).expect("a short frame");
        for word in [1_700_000_000, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend_from_slice(frame);
    }
    file
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("folder");
    let typo = write(folder.path(), "typo.toml", "schema = 1\n[network]\ninterfacs = [\"eth0\"]\n");
    refused(&["check", "-c", &typo], 2, "typo.toml:3:1: unknown field `interfacs`");
    refused(&["run", "-c", &typo], 2, "typo.toml:3:1");
    refused(&["replay", "x.pcap", "-c", &typo], 2, "typo.toml:3:1");
    refused(&["check", "-c", "/does/not/exist.toml"], 2, "/does/not/exist.toml: No such file");
    let none = write(folder.path(), "none.toml", "schema = 1\n");
    refused(&["run", "-c", &none], 2, "network.interfaces is empty");
    let good = write(folder.path(), "good.toml", "schema = 1\n[network]\ninterfaces = [\"eth0\"]\n");
    let output = ss7guard(&["check", "-c", &good, "-o", "json"]);
    assert!(output.status.success());
    let checked: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&checked["ok"], &checked["mode"]), (&true.into(), &"monitor".into()));
    assert_eq!(checked["exceptions"]["ip_fragment"], "punt");
}

#[test]
fn point_codes_out_of_range_are_refused_with_the_range() {
    refused(
        &["block", "add", "8-1-1"],
        2,
        "point code \"8-1-1\": field 1 is out of range: 0 to 7 in format 3-8-3",
    );
    refused(&["block", "add", "32-1-1", "--format", "5-4-5"], 2, "0 to 31 in format 5-4-5");
    refused(&["block", "add", "1-256-1", "--format", "8-8-8"], 2, "0 to 255 in format 8-8-8");
    refused(&["block", "add", "16384"], 2, "0 to 16383 in format 3-8-3");
    refused(&["block", "add", "0x1000000", "--format", "decimal"], 2, "0 to 16777215");
    refused(&["block", "add", "1-1"], 2, "expected three fields");
    refused(&["block", "add", "1-1-1", "--format", "3-8"], 2, "write 3-8-3, 5-4-5, 8-8-8 or decimal");
    refused(&["block", "add", "1-1-1", "--ni", "4"], 2, "write 0 to 3 or \"any\"");
    refused(&["block", "add", "1-1-1", "--ttl", "soon"], 2, "is no duration");
    refused(&["monitor", "--op", "spy"], 2, "neither an operation of MAP nor a code");
}

#[test]
fn what_is_no_entry_is_refused_with_what_would_be_right() {
    for (arguments, message) in [
        (
            &["add", "gt:44x"][..],
            "\"44x\" is no calling global title: write 1 to 15 decimal digits, with * behind",
        ),
        (&["add", "gt:"], "\"\" is no calling global title"),
        (&["add", "gt:1234567890123456*"], "has 16 digits: write 15 at most"),
        (&["add", "gt:44*", "--ni", "2"], "--ni with \"gt:44*\": it is for point codes"),
        (&["add", "gt:44*", "--na", "2"], "--na with \"gt:44*\": it is for point codes"),
        (&["add", "gt:44*", "--format", "3-8-3"], "--format with \"gt:44*\": it is for point codes"),
        (&["add", "2-1-3", "--allow"], "--allow with \"2-1-3\": it is for global titles (gt:...)"),
        (&["del", "2-1-3", "--direction", "in"], "--direction with \"2-1-3\": it is for global titles"),
        (&["add", "gt:44*", "--direction", "both"], "[possible values: in, out, any]"),
        (&["add", "gt:44*", "--allow", "--on-block", "drop"], "cannot be used with"),
        (&["export", "--rule", "mine"], "--rule \"mine\": write configured, operator, category1, "),
        (&["import", "/does/not/exist.csv"], "/does/not/exist.csv: No such file"),
    ] {
        refused(&[&["block"], arguments].concat(), 2, message);
    }
}

#[test]
fn a_wrong_line_of_a_list_is_named_and_nothing_is_done() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().display();
    let text = format!("schema = 1\n[paths]\nrun_dir = \"{path}/run\"\nbpffs = \"{path}/bpf\"\n");
    let config = write(folder.path(), "c.toml", text);
    let import = |text: &str| {
        let list = write(folder.path(), "list.csv", text);
        let output = ss7guard(&["block", "import", &list, "-c", &config]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), error.replace(&format!("{path}/"), ""))
    };
    let wrong =
        "# ours\n\nentry,does,ends\n2-1-3,,\ngt:44*,deny,\n8-1-1,,\ngt:44*,,4h\n2-1-3,drop,\n2-1-4,,4w\n";
    assert_eq!(
        import(wrong),
        (
            Some(2),
            "error: list.csv: 4 lines are wrong\n  \
             list.csv:5: \"deny\" is nothing that an entry does: write \"neutralise\", \"drop\" or \"allow\"\n  \
             list.csv:6: point code \"8-1-1\": field 1 is out of range: 0 to 7 in format 3-8-3\n  \
             list.csv:8: \"2-1-3\" is there already, on line 4: keep one\n  \
             list.csv:9: \"4w\" is no end: write a time such as 2026-12-24T12:00:00Z, a duration such as 4h, or nothing \
             for good\n"
                .to_owned()
        )
    );
    assert_eq!(import("2-1-3\n").0, Some(2));
    // A right one gets as far as the controller.
    let (code, error) = import("entry,ends\n2-1-3,\n2-1-4,2001-01-01T00:00:00Z\n");
    assert_eq!(code, Some(4), "{error}");
    assert!(
        error.contains("note: list.csv: 1 entries have ended already and are left out (line 3)"),
        "{error}"
    );
    assert!(error.contains("the controller is not running"), "{error}");
}

#[test]
fn without_a_controller_the_clients_say_so() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().display();
    let text = format!("schema = 1\n[paths]\nrun_dir = \"{path}/run\"\nbpffs = \"{path}/bpf\"\n");
    let config = write(folder.path(), "c.toml", text);
    for verb in [&["status"][..], &["stats"], &["block", "list"], &["monitor"], &["block", "add", "1-1-1"]] {
        refused(&[verb, &["-c", &config]].concat(), 4, "the controller is not running");
    }
    refused(&["detach", "--all", "-c", &config], 4, "nothing is attached");
}

#[test]
fn captures_that_are_none_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let frame = carrying(&m3ua_data(9));
    let mut cut = capture(1, &[frame.clone(), frame.clone()]);
    cut.truncate(cut.len() - 7);
    let cut = write(folder.path(), "cut.pcap", cut);
    refused(&["decode", &cut], 1, "cut.pcap: the file ends in the middle of the record after frame 1");
    refused(&["replay", &cut], 1, "after frame 1");
    let other = write(folder.path(), "other.pcap", capture(147, &[frame]));
    refused(&["decode", &other], 1, "link type 147 is not supported");
    let text = write(folder.path(), "text", "this is no capture at all");
    refused(&["decode", &text], 1, "neither pcap nor pcapng");
    refused(&["decode", "/does/not/exist"], 1, "/does/not/exist: No such file");
    refused(&["decode", "--hex", "0x12"], 1, "'x' at position 2 is not a hexadecimal digit");
    refused(&["decode", "--hex", "123"], 1, "3 digits");
    refused(&["decode", "--hex", "ffffffff"], 1, "no M3UA DATA message");
}

#[test]
fn decode_takes_each_layer_in_hexadecimal() {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let user_part = Kind::AnyTimeInterrogation.begin(5);
    let tcap = &user_part[5 + user_part[4] as usize..];
    let message = ss7guard_lab::m3ua::data(
        ss7guard_lab::m3ua::Label { opc: 9, dpc: 8, ni: 0, sls: 0 },
        None,
        &user_part,
    );
    for octets in [&carrying(&message)[..], &message, &user_part, tcap] {
        let output = ss7guard(&["decode", "-o", "json", "--hex", &hex(octets)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let record: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!(record["components"][0]["operation"], "anyTimeInterrogation", "{record}");
        // Masked unless revealed.
        assert_eq!(record["msisdn"], "15550****05");
        let output = ss7guard(&["decode", "-o", "json", "--reveal", "--hex", &hex(octets)]);
        let record: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!(record["msisdn"], "15550000005");
    }
}

#[test]
fn explain_shows_each_layer_and_says_why() {
    let folder = tempfile::tempdir().expect("folder");
    let label = ss7guard_lab::m3ua::Label { opc: 9, dpc: 8, ni: 0, sls: 0 };
    let message = ss7guard_lab::m3ua::data(label, None, &Kind::AnyTimeInterrogation.begin(5));
    let file = write(folder.path(), "ati.pcap", capture(1, &[carrying(&message)]));
    let output = ss7guard(&["explain", &file, "--frame", "1", "-o", "table"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "IPv4: 192.0.2.1 to 192.0.2.2",
        "DATA chunk: TSN 9, stream 1: whole user message",
        "OPC: 0-1-1 (9)",
        "calling party address: 15550100999, SSN 147 gsmSCF",
        "opcode: 71 anyTimeInterrogation",
        "msisdn: 15550****05, nature 1 international, plan 1 E.164",
        "verdict alert",
        "rule category1 (100)",
        "operations = [\"anyTimeInterrogation\"], gt_prefixes = [\"15550100999\"] -> allow (agreement)",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("15550000005"), "{text}");
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let user_part = Kind::AnyTimeInterrogation.begin(5);
    let tcap = &user_part[5 + user_part[4] as usize..];
    for octets in [&carrying(&message)[..], &message, &user_part, tcap] {
        let output = ss7guard(&["explain", "-o", "json", "--reveal", "--hex", &hex(octets)]);
        let explained: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
        assert_eq!(explained["verdicts"][0]["verdict"], "alert", "{explained}");
        assert!(explained["tree"].to_string().contains("15550000005"), "{explained}");
    }
    refused(&["explain", &file, "--frame", "2"], 2, "ati.pcap has 1 frame");
    refused(&["explain", &file, "--frame", "0"], 2, "0 is not in 1..");
    refused(&["explain", &file], 2, "--frame");
    refused(&["explain", "--hex", "zz"], 1, "'z' at position 1 is not a hexadecimal digit");
    // Nothing to be read is no error: it is what is to be explained.
    let output = ss7guard(&["explain", "-o", "table", "--hex", "ffffffff"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("FAULT frame_truncated at offset 0"), "{text}");
}

#[test]
fn replay_fails_on_demand() {
    let folder = tempfile::tempdir().expect("folder");
    let label = ss7guard_lab::m3ua::Label { opc: 9, dpc: 8, ni: 0, sls: 0 };
    let frame = |kind: Kind| carrying(&ss7guard_lab::m3ua::data(label, None, &kind.begin(5)));
    let clean = write(folder.path(), "clean.pcap", capture(1, &[frame(Kind::UpdateLocation)]));
    let attack = write(
        folder.path(),
        "attack.pcap",
        capture(1, &[frame(Kind::UpdateLocation), frame(Kind::SendImsi)]),
    );
    let code = |file: &str, fail_on: &str| ss7guard(&["replay", file, "--fail-on", fail_on]).status.code();
    assert_eq!(
        (code(&clean, "alert"), code(&attack, "alert"), code(&attack, "block")),
        (Some(0), Some(3), Some(0))
    );
    let output = ss7guard(&["replay", &attack, "-o", "table"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("2 frames, 2 messages judged") && text.contains("sendIMSI"), "{text}");
}

#[test]
fn an_unknown_interface_changes_nothing() {
    let namespace = Namespace::new("none").expect("namespace");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().display();
    let text = format!(
        "schema = 1\n[network]\ninterfaces = [\"nope0\"]\n[paths]\nrun_dir = \"{path}/run\"\nbpffs = \"{path}/bpf\"\n"
    );
    let config = write(folder.path(), "c.toml", text);
    let mut command = Command::new(binary().expect("binary"));
    command.args(["run", "-c", &config]);
    let output = namespace.inside(|| Ok(command.output()?)).expect("run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("interface \"nope0\" does not exist here"), "{error}");
    // No run directory, no mount, no pins.
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("folder").flatten().map(|one| one.file_name()).collect();
    assert_eq!(left, ["c.toml"]);
}

#[test]
fn without_privilege_the_capability_is_named() {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().expect("folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let copy = folder.path().join("ss7guard");
    fs::copy(binary().expect("binary"), &copy).expect("copy");
    let config = write(folder.path(), "c.toml", "schema = 1\n[network]\ninterfaces = [\"lo\"]\n");
    let output =
        Command::new(copy).args(["run", "-c", &config]).uid(NOBODY).gid(NOBODY).output().expect("run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(error.contains("missing CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"), "{error}");
}
