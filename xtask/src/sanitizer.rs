//! What of the Rust toolchain the fuzz tier needs beside the compiler: the sanitizer's runtime, LLVM's coverage tools.

use std::path::PathBuf;
use std::process::Command;

/// A line of what the compiler says of itself.
fn rustc_says(key: &str) -> Option<String> {
    let output = Command::new("rustc").arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned())
}

/// The triple of this machine.
pub(crate) fn host_triple() -> Option<String> {
    rustc_says("host:")
}

/// Major version of the compiler's LLVM.
pub(crate) fn llvm() -> Option<u32> {
    rustc_says("LLVM version:")?.split('.').next()?.parse().ok()
}

/// Folder of this machine's target in the compiler's own folder.
fn target_folder() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let root = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    Some(root.join("lib/rustlib").join(host_triple()?))
}

/// Name of the file with AddressSanitizer's runtime.
pub(crate) fn runtime() -> Option<String> {
    let files = std::fs::read_dir(target_folder()?.join("lib")).ok()?;
    let mut names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
    names.find(|name| name.contains("rt.asan"))
}

/// Folder of llvm-profdata and llvm-cov that read what this compiler's programs write: the toolchain's own, or a
/// package of the same LLVM.
pub(crate) fn llvm_tools() -> Option<PathBuf> {
    let package = llvm().map(|llvm| PathBuf::from(format!("/usr/lib/llvm-{llvm}/bin")));
    let own = target_folder().map(|folder| folder.join("bin"));
    let is_whole =
        |folder: &PathBuf| ["llvm-profdata", "llvm-cov"].iter().all(|tool| folder.join(tool).exists());
    [own, package].into_iter().flatten().find(is_whole)
}
