//! Loading under another kernel, with the capabilities that a service should have and no more.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Output};

use aya::programs::loaded_programs;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use ss7guard_common::abi::name;
use ss7guard_lab::corpus::binary;
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::netns::{BridgedWire, HOST_INTERFACE, Wire};
use ss7guard_lab::vm::scene::NETWORK;
use tempfile::TempDir;

/// What the kernel says of the mitigation that the verifier knows.
const SPECTRE: &str = "/sys/devices/system/cpu/vulnerabilities/spectre_v1";

/// A user without rights.
const NOBODY: u32 = 65_534;

/// What the service needs (`ss7guard check` and the documentation say the same).
const NEEDED: [&str; 3] = ["bpf", "net_admin", "perfmon"];

/// Files of a service that runs as a user without rights: a BPF file system of its own is mounted for it.
struct Service {
    folder: TempDir,
}

impl Service {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
        for name in ["run", "bpf"] {
            fs::create_dir(path.join(name)).expect("folder");
        }
        mount("test", path.join("bpf"), "bpf", MountFlags::empty(), Some(c"mode=0700")).expect("bpffs");
        for name in ["run", "bpf"] {
            chown(path.join(name), Some(NOBODY), Some(NOBODY)).expect("owner");
        }
        let shown = path.display();
        let text = format!(
            "schema = 1\n[network]\ninterfaces = [\"{HOST_INTERFACE}\"]\n{NETWORK}[paths]\nrun_dir = \"{shown}/run\"\n\
             bpffs = \"{shown}/bpf\"\nevents = \"{shown}/run/events.jsonl\"\n[limits]\nring_bytes = \"4MiB\"\n\
             block_entries = 4096\n"
        );
        fs::write(path.join("ss7guard.toml"), text).expect("configuration");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command of ss7guard with these capabilities, as a user without rights who cannot gain any.
    fn run(&self, wire: &Wire, capabilities: &[&str], arguments: &[&str]) -> Output {
        let set = capabilities.iter().fold("-all".to_owned(), |set, one| format!("{set},+{one}"));
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
            .args([
                format!("--inh-caps={set}"),
                format!("--ambient-caps={set}"),
                format!("--bounding-set={set}"),
            ])
            .arg("--")
            .arg(binary().expect("binary"))
            .args(arguments)
            .arg("-c")
            .arg(self.path().join("ss7guard.toml"));
        wire.host.inside(|| Ok(command.output()?)).expect("setpriv (package util-linux)")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = unmount(self.path().join("bpf"), UnmountFlags::DETACH) {
            eprintln!("unmount: {error}");
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn three_capabilities_load_and_attach_in_the_driver() {
    // Without mitigations the verifier of some kernels asks for less.
    let command_line = fs::read_to_string("/proc/cmdline").expect("/proc/cmdline");
    assert!(!command_line.contains("mitigations=off"), "{command_line}");
    println!("spectre_v1: {}", fs::read_to_string(SPECTRE).expect(SPECTRE).trim());
    let wire = Wire::new().expect("wire");
    let service = Service::new();
    let output = service.run(&wire, &NEEDED, &["attach"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let status = service.run(&wire, &NEEDED, &["status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("status");
    println!("three capabilities: {}", status["interfaces"]);
    assert_eq!(status["interfaces"][0]["xdp"], "native");
    let output = service.run(&wire, &NEEDED, &["detach", "--all"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn fewer_capabilities_are_refused_with_one_error() {
    let wire = Wire::new().expect("wire");
    for missing in NEEDED {
        let service = Service::new();
        let fewer: Vec<&str> = NEEDED.into_iter().filter(|one| *one != missing).collect();
        let output = service.run(&wire, &fewer, &["attach"]);
        let said = stderr(&output);
        println!("without {missing}: {:?}: {}", output.status.code(), said.trim());
        assert_eq!(output.status.code(), Some(5), "a permission is missing: {said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        assert!(errors[0].contains(&format!("CAP_{}", missing.to_uppercase())), "{said}");
        let left = fs::read_dir(service.path().join("bpf")).expect("bpffs").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".debug")), "left behind: {left:?}");
    }
}

/// Starts a firewall and looks at what it has loaded.
fn check_budget(mut firewall: Firewall<'_>, wanted: &[&str]) {
    /// The kernel's limit is a million; what is left is room for the next feature.
    const BUDGET: u32 = 600_000;
    firewall.start().expect("start");
    let mut found = Vec::new();
    for program in loaded_programs().flatten() {
        let name = program.name_as_str().unwrap_or_default().to_owned();
        if name.starts_with("ss7guard") {
            let count = program.verified_instruction_count().expect("Linux 5.16 or later");
            println!(
                "{name}: {count} instructions verified, {} octets translated",
                program.size_translated().unwrap_or(0)
            );
            assert!(count < BUDGET, "{name}: {count}");
            found.push(name);
        }
    }
    for name in wanted {
        assert!(found.iter().any(|one| one == name), "{name} is not among {found:?}");
    }
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn the_programs_stay_within_the_verifiers_budget() {
    let wire = Wire::new().expect("wire");
    let firewall = Firewall::new(&wire.host, NETWORK, "").expect("firewall");
    check_budget(firewall, &[name::XDP_PROGRAM, name::TC_PROGRAM]);
}

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn the_program_of_a_bridge_stays_within_the_verifiers_budget() {
    let bridged = BridgedWire::new().expect("wire");
    let firewall = Firewall::bridge(&bridged.bridge, NETWORK, "").expect("firewall");
    check_budget(firewall, &[name::BRIDGE_PROGRAM]);
}
