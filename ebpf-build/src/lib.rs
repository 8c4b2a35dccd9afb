//! Finds a toolchain that can build the eBPF crate, and builds it.
//!
//! The crate needs `core` from source for its target, and a linker that speaks BPF; neither comes with a stable
//! toolchain. Two roads lead there: a rustup nightly with `rust-src`, and a distribution's rustc with its source
//! package, which `RUSTC_BOOTSTRAP=1` (for this one child process) lets build `core`. Used by the build script of
//! the controller and by `cargo xtask`.

mod toolchain;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use toolchain::{LLVM_NOTE, Linker, Toolchain, fitting, linker, nightly, toolchains};

/// Version of the linker that `cargo xtask setup` installs.
pub const LINKER_VERSION: &str = "0.13.0";

/// Why there is no object.
#[derive(Debug)]
pub enum Error {
    /// No toolchain that can build `core` for the target.
    NoToolchain,
    /// No linker.
    NoLinker,
    /// The toolchain that fits has no clippy.
    NoClippy,
    /// The child could not be started.
    Start(std::io::Error),
    /// The child failed; it has said why.
    Failed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToolchain => f.write_str(
                "no Rust toolchain here can build `core` from source for BPF and has the linker's LLVM",
            ),
            Self::NoLinker => f.write_str("bpf-linker is not installed"),
            Self::NoClippy => f.write_str("the toolchain that builds the kernel programs has no clippy"),
            Self::Start(error) => write!(f, "the eBPF build could not be started: {error}"),
            Self::Failed => f.write_str("the eBPF build failed"),
        }
    }
}

impl std::error::Error for Error {}

/// Target directory of the eBPF crate: one for all profiles, so that `core` is built once.
#[must_use]
pub fn target_dir(target: &Path) -> PathBuf {
    target.join("ebpf")
}

/// Where the linker is installed by `cargo xtask setup`.
#[must_use]
pub fn tools_dir(target: &Path) -> PathBuf {
    target.join("tools")
}

/// Builds one binary of the eBPF crate and gives the path of the object. `root` is the workspace, `target` its target
/// directory.
///
/// # Errors
/// Toolchain or linker are missing, or the build fails.
pub fn build(root: &Path, target: &Path, bin: &str, features: &[&str]) -> Result<PathBuf, Error> {
    let mut command = cargo(root, target, "build")?;
    command.args(["--release", "--locked", "--quiet", "--bin", bin]);
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
    let status = command.status().map_err(Error::Start)?;
    if !status.success() {
        return Err(Error::Failed);
    }
    Ok(target_dir(target).join("bpfel-unknown-none").join("release").join(bin))
}

/// A cargo command in the eBPF crate, with the toolchain and linker that fit it.
///
/// # Errors
/// Toolchain or linker are missing.
pub fn cargo(root: &Path, target: &Path, verb: &str) -> Result<Command, Error> {
    let (toolchain, linker) = chosen(target)?;
    Ok(command(&toolchain.cargo, verb, root, target, &toolchain, linker))
}

/// A clippy command in the eBPF crate: the clippy of the very toolchain that builds it. It is started by its path, for
/// `cargo clippy` would look in cargo's home first and find rustup's, which is for another compiler.
///
/// # Errors
/// Toolchain or linker are missing, or the toolchain has no clippy.
pub fn clippy(root: &Path, target: &Path) -> Result<Command, Error> {
    let (toolchain, linker) = chosen(target)?;
    let clippy = toolchain.clippy().ok_or(Error::NoClippy)?;
    let mut command = command(&clippy, "clippy", root, target, &toolchain, linker);
    command.env("CARGO", &toolchain.cargo);
    Ok(command)
}

fn chosen(target: &Path) -> Result<(Toolchain, Linker), Error> {
    let linker = linker(&tools_dir(target)).ok_or(Error::NoLinker)?;
    let toolchain = fitting(&toolchains(), &linker).ok_or(Error::NoToolchain)?;
    Ok((toolchain, linker))
}

fn command(
    program: &Path,
    verb: &str,
    root: &Path,
    target: &Path,
    toolchain: &Toolchain,
    linker: Linker,
) -> Command {
    let mut command = Command::new(program);
    clean_environment(&mut command);
    let mut path = linker.directory.into_os_string();
    path.push(":");
    if let Some(directory) = toolchain.rustc.parent() {
        path.push(directory);
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command
        .current_dir(root.join("ss7guard-ebpf"))
        .env("PATH", path)
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .arg(verb)
        .arg("--target-dir")
        .arg(target_dir(target));
    command
}

/// Takes away what an outer cargo, its build scripts and rustup's proxies have set for themselves.
fn clean_environment(command: &mut Command) {
    for (key, _) in std::env::vars_os() {
        if belongs_to_outer_build(&key) {
            command.env_remove(&key);
        }
    }
}

fn belongs_to_outer_build(key: &OsStr) -> bool {
    let Some(key) = key.to_str() else { return false };
    const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP", "CARGO_NET", "CARGO_REGISTR", "CARGO_SOURCE"];
    const EXACT: [&str; 11] = [
        "TARGET",
        "HOST",
        "OUT_DIR",
        "PROFILE",
        "NUM_JOBS",
        "DEBUG",
        "OPT_LEVEL",
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "RUSTUP_TOOLCHAIN",
        "RUST_RECURSION_COUNT",
    ];
    if KEPT.iter().any(|kept| key.starts_with(kept)) {
        return false;
    }
    EXACT.contains(&key)
        || ["CARGO", "RUSTC", "RUSTFLAGS", "RUSTDOC", "__CARGO", "DEP_"]
            .iter()
            .any(|own| key.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_build_is_forgotten_and_the_user_is_not() {
        for key in ["CARGO_MANIFEST_DIR", "RUSTC", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "TARGET", "CARGO"]
        {
            assert!(belongs_to_outer_build(OsStr::new(key)), "{key}");
        }
        for key in ["HOME", "PATH", "CARGO_HOME", "CARGO_HTTP_CAINFO", "RUSTUP_HOME", "HTTPS_PROXY"] {
            assert!(!belongs_to_outer_build(OsStr::new(key)), "{key}");
        }
    }
}
