//! The lab for people, through its real commands: up, traffic with a mix, status, down, and nothing is left of it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use ss7guard_lab::corpus::binary;

/// A lab with a name of this test's own; it goes away with its owner.
struct Lab {
    name: String,
    is_up: bool,
}

impl Lab {
    fn new(role: char) -> Self {
        Self { name: format!("t{}{role}", std::process::id()), is_up: false }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(&[arguments, &["--name", &self.name]].concat()).output().expect("run ss7guard lab")
    }

    /// Standard output of a command that must go well.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["-o", "json"]].concat())).expect("JSON")
    }

    fn refused(&self, arguments: &[&str], code: i32, message: &str) {
        refused(&self.run(arguments), code, message);
    }

    fn up(&mut self, arguments: &[&str]) -> String {
        let text = self.ok(&[&["up"], arguments].concat());
        self.is_up = true;
        text
    }

    fn down(&mut self) {
        self.is_up = false;
        self.ok(&["down"]);
    }

    fn state(&self) -> PathBuf {
        PathBuf::from(format!("/run/ss7guard-lab-{}.json", self.name))
    }

    fn pid(&self, of: &str) -> u64 {
        let state: Value = serde_json::from_slice(&fs::read(self.state()).expect("state")).expect("JSON");
        state[of]["pid"].as_u64().expect("pid")
    }

    /// What there is on this machine with the lab's name in it.
    fn traces(&self) -> Vec<String> {
        let mut found = Vec::new();
        for folder in ["/run", "/run/netns"] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                found.push(entry.path().display().to_string());
            }
        }
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        found.extend(mounts.lines().map(str::to_owned));
        for entry in fs::read_dir("/proc").expect("processes").flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&line).replace('\0', " "));
        }
        found.retain(|trace| trace.contains(&format!("ss7guard-lab-{}", self.name)));
        found
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.is_up {
            let _ = self.run(&["down"]);
        }
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary().expect("binary"));
    command.arg("lab").args(arguments);
    command
}

fn refused(output: &Output, code: i32, message: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(message) && error.contains("error: "), "{error}");
}

/// Sum of a column over the outcomes that hold.
fn sum(outcome: &Value, column: &str, holds: impl Fn(&Value) -> bool) -> u64 {
    let rows = outcome["outcomes"].as_array().expect("outcomes");
    rows.iter().filter(|row| holds(row)).map(|row| row[column].as_u64().expect("a number")).sum()
}

fn is_attack(row: &Value) -> bool {
    row["attack"] == true
}

fn is_roaming(row: &Value) -> bool {
    !is_attack(row)
}

fn ss7guard(arguments: &[&str], config: &Path) -> Value {
    let output = Command::new(binary().expect("binary"))
        .args(arguments)
        .args(["-o", "json", "-c"])
        .arg(config)
        .output()
        .expect("run ss7guard");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn up_traffic_status_and_down_in_the_host_deployment() {
    let mut lab = Lab::new('h');
    lab.refused(&["down"], 4, "there is no lab: `ss7guard lab --name");
    lab.refused(&["traffic"], 4, "there is no lab");
    let folder = tempfile::tempdir().expect("folder");
    let dir = folder.path().join(format!("ss7guard-lab-{}", lab.name));
    let hints = lab.up(&["--mode", "enforce", "--dir", dir.to_str().expect("path")]);
    let config = dir.join("ss7guard.toml");
    assert!(hints.contains(&format!("ss7guard status -c {}", config.display())), "{hints}");
    lab.refused(&["up"], 1, "there is a lab already");

    let status = lab.json(&["status"]);
    assert_eq!((&status["firewall"], &status["peers"]), (&true.into(), &true.into()), "{status}");
    for carrier in status["carriers"].as_array().expect("carriers") {
        assert_eq!(carrier["association"], "active", "{status}");
    }
    assert_eq!(ss7guard(&["status"], &config)["mode"], "enforce");

    let plan = ["traffic", "--mix", "attack=5%,updateLocation=20%", "--count", "200", "--rate", "400"];
    let first = lab.json(&[&plan[..], &["--seed", "7"]].concat());
    assert_eq!(sum(&first, "sent", is_attack), 10, "{first}");
    assert_eq!(sum(&first, "sent", |row| row["kind"] == "updateLocation"), 40 + 25, "{first}");
    assert_eq!(
        (sum(&first, "delivered", is_roaming), sum(&first, "answered", is_roaming)),
        (190, 190),
        "{first}"
    );
    assert!(sum(&first, "delivered", is_attack) >= 1, "the first message of an attack passes: {first}");
    let end = Instant::now() + Duration::from_secs(15);
    while ss7guard(&["block", "list"], &config)[0]["rule"] != "category1" {
        assert!(Instant::now() < end, "waited in vain for the rule's entry");
        thread::sleep(Duration::from_millis(50));
    }
    let second = lab.json(&plan);
    assert_eq!(
        (sum(&second, "delivered", is_attack), sum(&second, "stopped", is_attack)),
        (0, 10),
        "{second}"
    );
    assert_eq!(sum(&second, "answered", is_roaming), 190, "{second}");
    let status = lab.json(&["status"]);
    assert_eq!(status["carriers"][2]["sent"], 20, "{status}");
    assert_eq!(
        ["sent", "answered"].map(|what| {
            status["carriers"][0][what].as_u64().expect("A")
                + status["carriers"][1][what].as_u64().expect("B")
        }),
        [380, 380]
    );
    assert!(!lab.traces().is_empty());
    lab.down();
    assert_eq!(lab.traces(), Vec::<String>::new());
    assert!(!dir.exists(), "its folder is gone");
    assert!(folder.path().exists(), "and no other");
}

#[test]
fn after_a_crash_down_takes_away_the_rest_and_no_process_of_somebody_else() {
    let mut lab = Lab::new('c');
    lab.up(&[]);
    for process in ["firewall", "peers"] {
        kill(lab.pid(process));
    }
    let end = Instant::now() + Duration::from_secs(10);
    while lab.json(&["status"])["peers"] == true || lab.json(&["status"])["firewall"] == true {
        assert!(Instant::now() < end, "they have ended");
        thread::sleep(Duration::from_millis(20));
    }
    lab.refused(&["traffic"], 1, "the lab's peers do not answer");
    // Another process has got the firewall's number.
    let mut other = Bystander(Command::new("sleep").arg("600").spawn().expect("sleep"));
    let text = fs::read_to_string(lab.state()).expect("state");
    let theirs = text.replace(&lab.pid("firewall").to_string(), &other.0.id().to_string());
    fs::write(lab.state(), theirs).expect("state");
    assert_eq!(lab.json(&["status"])["firewall"], false, "known by its start time too");
    lab.down();
    assert_eq!(lab.traces(), Vec::<String>::new());
    assert!(matches!(other.0.try_wait(), Ok(None)), "the other process runs on");
}

/// A process that has nothing to do with the lab.
struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kill(pid: u64) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
}

#[test]
fn at_a_mirror_port_every_attack_is_told_and_none_is_stopped() {
    let mut lab = Lab::new('t');
    lab.refused(&["up", "--deployment", "tap", "--mode", "enforce"], 2, "use --mode monitor with it");
    lab.up(&["--deployment", "tap"]);
    let outcome = lab.json(&["traffic", "--mix", "attack=10%", "--seconds", "1"]);
    assert_eq!(
        (sum(&outcome, "sent", is_attack), sum(&outcome, "answered", |_| true)),
        (10, 100),
        "{outcome}"
    );
    let events = PathBuf::from(format!("/run/ss7guard-lab-{}/events.jsonl", lab.name));
    let told = || fs::read_to_string(&events).unwrap_or_default().matches("\"category\":\"cat1\"").count();
    let end = Instant::now() + Duration::from_secs(15);
    while told() < 10 {
        assert!(Instant::now() < end, "{} of 10 attacks are told", told());
        thread::sleep(Duration::from_millis(50));
    }
    lab.down();
    assert_eq!(lab.traces(), Vec::<String>::new());
}

#[test]
fn through_a_bridge_not_even_the_first_attack_is_delivered() {
    let mut lab = Lab::new('b');
    lab.up(&["--deployment", "bridge", "--mode", "enforce"]);
    let outcome = lab.json(&["traffic", "--mix", "attack=10%", "--count", "200", "--rate", "200"]);
    assert_eq!(
        ["sent", "delivered"].map(|what| sum(&outcome, what, is_attack)),
        [20, 0],
        "every attack is stopped: {outcome}"
    );
    assert_eq!(
        ["sent", "delivered", "answered"].map(|what| sum(&outcome, what, is_roaming)),
        [180, 180, 180],
        "{outcome}"
    );
    lab.down();
    assert_eq!(lab.traces(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right_and_nothing_is_made() {
    let lab = Lab::new('r');
    lab.refused(
        &["traffic", "--mix", "attack=5"],
        2,
        "a share is 0% to 100% with at most two decimals, as attack=5%",
    );
    lab.refused(&["traffic", "--rate", "2001"], 2, "1..=2000");
    lab.refused(&["traffic", "--seconds", "86400", "--rate", "2000"], 2, "at most 1000000, that is 500 s");
    lab.refused(&["up", "--name", "Nope!"], 2, "1 to 20 small letters and digits");
    let full = tempfile::tempdir().expect("folder");
    fs::write(full.path().join("mine"), "").expect("file");
    lab.refused(&["up", "--dir", full.path().to_str().expect("path")], 1, "is not empty: name a new folder");
    let alone = tempfile::tempdir().expect("folder");
    let program = alone.path().join("ss7guard");
    fs::copy(binary().expect("binary"), &program).expect("copy");
    let output = Command::new(&program).args(["lab", "up"]).output().expect("run");
    refused(&output, 1, "ss7guard-lab is not there: build it with `cargo build");
    // Whoever is not root; the program must be where everybody can reach it.
    fs::set_permissions(alone.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let beside = binary().expect("binary").with_file_name("ss7guard-lab");
    fs::copy(beside, alone.path().join("ss7guard-lab")).expect("copy");
    for verb in ["up", "down", "status", "traffic"] {
        let output = Command::new(&program)
            .args(["lab", verb, "--name", &lab.name])
            .uid(65_534)
            .gid(65_534)
            .output()
            .expect("run");
        refused(&output, 5, "run it as root");
    }
    assert_eq!(lab.traces(), Vec::<String>::new());
}
