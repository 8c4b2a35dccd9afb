//! Which toolchain and linker are there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A toolchain that can build `core` from source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// A name for people.
    pub name: String,
    /// Its compiler.
    pub rustc: PathBuf,
    /// Its cargo.
    pub cargo: PathBuf,
    /// Major version of its LLVM; the linker's must be the same.
    pub llvm: u32,
}

impl Toolchain {
    /// Its clippy, where it is installed.
    #[must_use]
    pub fn clippy(&self) -> Option<PathBuf> {
        let clippy = self.rustc.with_file_name("cargo-clippy");
        (clippy.exists() && self.rustc.with_file_name("clippy-driver").exists()).then_some(clippy)
    }

    /// Its name to rustup, if it is one of rustup's.
    #[must_use]
    pub fn rustup_name(&self) -> Option<String> {
        let root = self.rustc.parent()?.parent()?;
        let of_rustup = root.parent()?.file_name()? == "toolchains";
        of_rustup.then(|| root.file_name().map(|name| name.to_string_lossy().into_owned()))?
    }
}

/// The linker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linker {
    /// The directory that holds it.
    pub directory: PathBuf,
    /// What it says of itself.
    pub version: String,
    /// Major version of its LLVM, where it was noted at its installation. A prebuilt one carries a recent LLVM.
    pub llvm: Option<u32>,
}

/// File beside the linker that `cargo xtask setup` installs: the major version of its LLVM.
pub const LLVM_NOTE: &str = "llvm-version";

/// Every toolchain here that can build `core`: nightlies of rustup with their source, then the distribution's.
#[must_use]
pub fn toolchains() -> Vec<Toolchain> {
    let roots = rustup_nightlies().into_iter().chain([PathBuf::from("/usr")]);
    roots.filter_map(|root| in_sysroot(&root)).collect()
}

/// The toolchain that fits this linker: one with the same LLVM, where the linker's is known.
#[must_use]
pub fn fitting(toolchains: &[Toolchain], linker: &Linker) -> Option<Toolchain> {
    toolchains.iter().find(|toolchain| linker.llvm.is_none_or(|llvm| llvm == toolchain.llvm)).cloned()
}

/// Name of the nightly that rustup has, with its source or without.
#[must_use]
pub fn nightly() -> Option<String> {
    Some(rustup_nightlies().first()?.file_name()?.to_string_lossy().into_owned())
}

/// Directories of the nightlies that rustup has installed.
fn rustup_nightlies() -> Vec<PathBuf> {
    let home = std::env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".rustup")));
    let Some(entries) = home.and_then(|home| std::fs::read_dir(home.join("toolchains")).ok()) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("nightly"))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    // The newest dated one, or the undated one, which sorts last.
    found.reverse();
    found
}

/// The toolchain under this directory, if it is whole.
fn in_sysroot(root: &Path) -> Option<Toolchain> {
    let rustc = root.join("bin/rustc");
    let cargo = root.join("bin/cargo");
    if !rustc.exists() || !cargo.exists() {
        return None;
    }
    let sysroot = PathBuf::from(output(Command::new(&rustc).args(["--print", "sysroot"]))?.trim());
    if !sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists() {
        return None;
    }
    let version = output(Command::new(&rustc).arg("-vV"))?;
    let line = |key: &str| version.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let llvm = line("LLVM version:")?.split('.').next()?.parse().ok()?;
    Some(Toolchain { name: format!("rustc {}", line("release:")?), rustc, cargo, llvm })
}

/// The linker in `tools`, or on the search path.
#[must_use]
pub fn linker(tools: &Path) -> Option<Linker> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    [tools.join("bin")].into_iter().chain(std::env::split_paths(&path)).find_map(|directory| {
        let linker = directory.join("bpf-linker");
        if !linker.exists() {
            return None;
        }
        let version = output(Command::new(&linker).arg("--version"))?.trim().to_owned();
        let note = std::fs::read_to_string(directory.parent()?.join(LLVM_NOTE)).ok();
        let llvm = note.and_then(|note| note.trim().parse().ok());
        Some(Linker { directory, version, llvm })
    })
}

/// Standard output of a command that succeeds.
fn output(command: &mut Command) -> Option<String> {
    // A proxy of rustup must not be asked for another toolchain than its own.
    let output = command.env_remove("RUSTUP_TOOLCHAIN").stderr(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_gets_the_toolchain_of_its_llvm() {
        let toolchain = |llvm| Toolchain {
            name: format!("rustc {llvm}"),
            rustc: PathBuf::new(),
            cargo: PathBuf::new(),
            llvm,
        };
        let all = [toolchain(23), toolchain(22)];
        let linker = |llvm| Linker { directory: PathBuf::new(), version: String::new(), llvm };
        assert_eq!(fitting(&all, &linker(Some(22))), Some(toolchain(22)));
        assert_eq!(fitting(&all, &linker(None)), Some(toolchain(23)));
        assert_eq!(fitting(&all, &linker(Some(21))), None);
    }
}
