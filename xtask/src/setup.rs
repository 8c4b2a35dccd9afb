//! Set-up: probes what is there, installs what is missing, says what a person must do where it may not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;

use crate::build::{run, target};
use crate::{sanitizer, vm};

/// What is needed for what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// The fuzz targets, which need no kernel part.
    Fuzz,
    /// The same, and what reads coverage.
    Coverage,
    /// Building.
    Build,
    /// Building, and clippy for the kernel programs.
    Lint,
    /// Namespaces.
    Lab,
    /// Live tests, with the tools that they compare with.
    Live,
    /// Other kernels in a virtual machine.
    Vm,
    /// Measuring against other tools.
    Bench,
    /// All of it.
    All,
}

/// One thing that is looked for.
struct Probe {
    what: &'static str,
    needed: String,
    found: Option<String>,
    fix: Fix,
}

enum Fix {
    /// Debian packages.
    Packages(Vec<String>),
    /// A toolchain or component, by these arguments of rustup.
    Rustup(Vec<String>),
    /// The eBPF linker from source.
    Linker { llvm: u32 },
    /// A person must do it.
    Person(&'static str),
}

impl Fix {
    fn shown(&self) -> String {
        match self {
            Self::Packages(packages) => {
                format!("apt-get install --no-install-recommends {}", packages.join(" "))
            }
            Self::Linker { llvm } => {
                format!("cargo install bpf-linker --version {} (LLVM {llvm})", ebpf_build::LINKER_VERSION)
            }
            Self::Rustup(arguments) => format!("rustup {}", arguments.join(" ")),
            Self::Person(what) => (*what).to_owned(),
        }
    }
}

/// Sees to it that all that is needed is there; quiet if it is.
pub(crate) fn ensure(need: Need) -> Result<()> {
    set_up(need, false)
}

/// The same for everything, with the table.
pub(crate) fn verbose() -> Result<()> {
    set_up(Need::All, true)
}

fn set_up(need: Need, verbose: bool) -> Result<()> {
    // The linker's fix follows from the toolchain, so a second round may be due.
    for round in 0..3 {
        let probes = probe(need)?;
        let missing: Vec<&Probe> = probes.iter().filter(|probe| probe.found.is_none()).collect();
        if (verbose && round == 0) || !missing.is_empty() {
            print(&probes);
        }
        if missing.is_empty() {
            eprintln!("set-up: all is there");
            return Ok(());
        }
        install(&missing)?;
    }
    let missing: Vec<&str> =
        probe(need)?.into_iter().filter(|probe| probe.found.is_none()).map(|probe| probe.what).collect();
    if missing.is_empty() { Ok(()) } else { bail!("still missing: {}", missing.join(", ")) }
}

fn print(probes: &[Probe]) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["what", "needed", "found", "fix"]);
    for probe in probes {
        let fix = if probe.found.is_some() { String::new() } else { probe.fix.shown() };
        table.add_row([
            probe.what,
            probe.needed.as_str(),
            probe.found.as_deref().unwrap_or("missing"),
            fix.as_str(),
        ]);
    }
    eprintln!("{table}");
}

/// First line that a command prints, if it runs.
fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("there").trim().to_owned();
    Some(if text.is_empty() { "there".to_owned() } else { text })
}

fn probe(need: Need) -> Result<Vec<Probe>> {
    if need < Need::Build {
        return Ok(fuzz_probes(need == Need::Coverage).into_iter().chain([c_compiler()]).collect());
    }
    let toolchains = ebpf_build::toolchains();
    // A linker that no toolchain fits is as good as none: the distribution's compiler has moved on.
    let linker = ebpf_build::linker(&ebpf_build::tools_dir(&target()?))
        .filter(|linker| ebpf_build::fitting(&toolchains, linker).is_some());
    let toolchain = match &linker {
        Some(linker) => ebpf_build::fitting(&toolchains, linker),
        // Without a linker yet, one for which it can be had: a nightly's LLVM may be newer than any package.
        None => toolchains.iter().find(|one| linker_can_be_had(one.llvm)).cloned(),
    };
    let llvm = toolchain.as_ref().map(|toolchain| toolchain.llvm);
    let mut probes = vec![
        c_compiler(),
        Probe {
            what: "eBPF toolchain",
            needed: "rustc with the source of core".to_owned(),
            found: toolchain.as_ref().map(|found| format!("{} (LLVM {})", found.name, found.llvm)),
            fix: toolchain_fix(&toolchains),
        },
    ];
    if let Some(llvm) = llvm {
        probes.push(Probe {
            what: "bpf-linker",
            needed: format!("any for LLVM {llvm}"),
            found: linker.map(|found| found.version),
            fix: Fix::Linker { llvm },
        });
    }
    if let Some(toolchain) = toolchain.filter(|_| matches!(need, Need::Lint | Need::All)) {
        probes.push(Probe {
            what: "its clippy",
            needed: "lint".to_owned(),
            found: toolchain.clippy().map(|_| "there".to_owned()),
            fix: clippy_fix(&toolchain),
        });
    }
    let tool = |what, arguments: &[&str], package: &str, why: &str| Probe {
        what,
        needed: why.to_owned(),
        found: says(what, arguments),
        fix: Fix::Packages(vec![package.to_owned()]),
    };
    if need >= Need::Lab {
        probes.push(tool("ip", &["-V"], "iproute2", "namespaces"));
        probes.push(Probe {
            what: "root",
            needed: "namespaces, BPF".to_owned(),
            found: is_root().then(|| "root".to_owned()),
            fix: Fix::Person("demo, test and bench make namespaces and load BPF; run them as root"),
        });
        probes.push(Probe {
            what: "kernel BTF",
            needed: "BPF".to_owned(),
            found: Path::new("/sys/kernel/btf/vmlinux").exists().then(|| "there".to_owned()),
            fix: Fix::Person("use a kernel with CONFIG_DEBUG_INFO_BTF and CONFIG_BPF_SYSCALL"),
        });
    }
    if matches!(need, Need::Vm | Need::All) {
        probes.push(tool(vm::QEMU, &["--version"], "qemu-system-x86", "other kernels"));
        probes.push(tool("osmo-stp", &["--version"], "osmo-stp", "other kernels"));
    }
    if need >= Need::Live {
        probes.push(tool("ethtool", &["--version"], "ethtool", "live tests"));
        probes.push(tool("tshark", &["--version"], "tshark", "live tests"));
    }
    if need >= Need::Bench {
        probes.push(tool("nft", &["--version"], "nftables", "comparison"));
        probes.push(tool("xdp-filter", &["--version"], "xdp-tools", "comparison"));
    }
    if need == Need::All {
        // Without what only a person can provide, everything but the fuzz tier works all the same.
        let can_be_had = |probe: &Probe| probe.found.is_some() || !matches!(probe.fix, Fix::Person(_));
        probes.extend(fuzz_probes(true).into_iter().filter(can_be_had));
    }
    Ok(probes)
}

/// What `cargo xtask fuzz` needs: libFuzzer is C++, built by its crate.
fn fuzz_probes(coverage: bool) -> Vec<Probe> {
    let mut probes = vec![
        Probe {
            what: "C++ compiler",
            needed: "fuzz".to_owned(),
            found: says("c++", &["--version"]),
            fix: Fix::Packages(words(&["g++", "libc6-dev"])),
        },
        Probe {
            what: "AddressSanitizer",
            needed: "fuzz".to_owned(),
            found: sanitizer::runtime(),
            fix: Fix::Person(
                "the distribution's Rust has no sanitizer runtime: install Rust by rustup (https://rustup.rs)",
            ),
        },
    ];
    if coverage {
        let packages = sanitizer::llvm().map(|llvm| format!("llvm-{llvm}")).filter(|name| apt_knows(name));
        probes.push(Probe {
            what: "llvm-cov",
            needed: "fuzz --coverage".to_owned(),
            found: sanitizer::llvm_tools().map(|folder| folder.display().to_string()),
            fix: match packages {
                Some(package) => Fix::Packages(vec![package]),
                None if says("rustup", &["--version"]).is_some() => {
                    Fix::Rustup(words(&["component", "add", "llvm-tools"]))
                }
                None => Fix::Person("install llvm-profdata and llvm-cov of your Rust's LLVM (rustc -vV)"),
            },
        });
    }
    probes
}

fn c_compiler() -> Probe {
    Probe {
        what: "C compiler",
        needed: "for crates that build C".to_owned(),
        found: says("cc", &["--version"]),
        fix: Fix::Packages(vec!["gcc".to_owned(), "libc6-dev".to_owned()]),
    }
}

/// Whether tshark is there, which some tests compare with.
pub(crate) fn has_tshark() -> bool {
    says("tshark", &["--version"]).is_some()
}

fn is_root() -> bool {
    says("id", &["-u"]).as_deref() == Some("0")
}

/// Folder of the `llvm-config` of this major version: a package's own, or one on the search path.
fn llvm_folder(llvm: u32) -> Option<PathBuf> {
    let package = PathBuf::from(format!("/usr/lib/llvm-{llvm}/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let fits = |folder: &PathBuf| {
        let config = folder.join("llvm-config");
        config.exists()
            && says(&config.to_string_lossy(), &["--version"])
                .is_some_and(|version| version.split('.').next() == Some(llvm.to_string().as_str()))
    };
    [package].into_iter().chain(std::env::split_paths(&path)).find(fits)
}

/// Whether a linker with this LLVM can be built or fetched here.
fn linker_can_be_had(llvm: u32) -> bool {
    llvm_folder(llvm).is_some() || has_binstall() || apt_knows(&llvm_package(llvm))
}

fn has_binstall() -> bool {
    says("cargo-binstall", &["-V"]).is_some()
}

fn llvm_package(llvm: u32) -> String {
    format!("llvm-{llvm}-dev")
}

fn apt_knows(package: &str) -> bool {
    says("apt-cache", &["show", package]).is_some_and(|line| line.starts_with("Package"))
}

/// Debian's rustc with its source: the compiler's LLVM is packaged too, so that the linker can be built to match.
const DEBIAN_TOOLCHAIN: [&str; 3] = ["rustc-web", "rust-web-src", "cargo-web"];

/// How to get a toolchain: the distribution's packages where it has them, else rustup.
fn toolchain_fix(there: &[ebpf_build::Toolchain]) -> Fix {
    if has_debian_toolchain() {
        Fix::Packages(DEBIAN_TOOLCHAIN.into_iter().map(str::to_owned).collect())
    } else if !there.is_empty() {
        // Another nightly would not help: it is the linker that cannot be had.
        Fix::Person("install the development files of your Rust's LLVM (rustc -vV), or cargo-binstall")
    } else if says("rustup", &["--version"]).is_some() {
        Fix::Rustup(match ebpf_build::nightly() {
            // What a person has installed stays at its version.
            Some(nightly) => words(&["component", "add", "rust-src", "--toolchain", &nightly]),
            None => {
                words(&["toolchain", "install", "nightly", "--component", "rust-src", "--profile", "minimal"])
            }
        })
    } else {
        Fix::Person(
            "install rustup (https://rustup.rs), or Debian 12's rustc-web, rust-web-src and cargo-web",
        )
    }
}

fn clippy_fix(toolchain: &ebpf_build::Toolchain) -> Fix {
    if let Some(name) = toolchain.rustup_name() {
        Fix::Rustup(words(&["component", "add", "clippy", "--toolchain", &name]))
    } else if has_debian_toolchain() {
        Fix::Packages(words(&["rust-web-clippy"]))
    } else {
        Fix::Person("install the clippy that comes with the distribution's rustc")
    }
}

fn has_debian_toolchain() -> bool {
    apt_knows(DEBIAN_TOOLCHAIN[0]) || says("apt-get", &["--version"]).is_some() && is_debian_12()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Before its lists are fetched, a new machine's apt knows of no package.
fn is_debian_12() -> bool {
    std::fs::read_to_string("/etc/debian_version").is_ok_and(|version| version.starts_with("12"))
}

fn install(missing: &[&Probe]) -> Result<()> {
    let mut packages = Vec::new();
    for probe in missing {
        if let Fix::Packages(names) = &probe.fix {
            packages.extend(names.iter().cloned());
        }
    }
    if !packages.is_empty() {
        apt(&packages)?;
    }
    for probe in missing {
        match &probe.fix {
            Fix::Rustup(arguments) => run(Command::new("rustup").args(arguments))?,
            Fix::Linker { llvm } => linker(*llvm)?,
            Fix::Packages(_) | Fix::Person(_) => {}
        }
    }
    for probe in missing {
        if let Fix::Person(what) = &probe.fix {
            bail!("{} is missing: {what}", probe.what);
        }
    }
    Ok(())
}

fn apt(packages: &[String]) -> Result<()> {
    let command = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !is_root() {
        bail!("packages are missing and this is not root; as root: {command}");
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        command
    };
    run(apt().args(["update", "-q"]))?;
    run(apt().args(["install", "-q", "-y", "--no-install-recommends"]).args(packages))
}

/// Installs the linker for this LLVM: a prebuilt one if cargo-binstall is there, else from source.
fn linker(llvm: u32) -> Result<()> {
    let tools = ebpf_build::tools_dir(&target()?);
    let mut folder = llvm_folder(llvm);
    if folder.is_none() && has_binstall() {
        let mut command = Command::new("cargo-binstall");
        command
            .args(["--no-confirm", "--version", ebpf_build::LINKER_VERSION, "--root"])
            .arg(&tools)
            .arg("bpf-linker");
        return run(&mut command);
    }
    if folder.is_none() {
        apt(&[llvm_package(llvm)])?;
        folder = llvm_folder(llvm);
    }
    let Some(folder) = folder else { bail!("there is no llvm-config of LLVM {llvm}") };
    // The first llvm-config on the search path is the one that the linker is built with.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path)))?;
    let mut command = Command::new("cargo");
    command
        .env("PATH", path)
        .args(["install", "bpf-linker", "--version", ebpf_build::LINKER_VERSION, "--locked", "--quiet"])
        // What is in its place has been found not to fit.
        .arg("--force")
        .args(["--no-default-features", "--features", &format!("llvm-{llvm}"), "--root"])
        .arg(&tools);
    run(&mut command)?;
    Ok(std::fs::write(tools.join(ebpf_build::LLVM_NOTE), format!("{llvm}\n"))?)
}
