//! Building, and running commands so that a person sees which.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// Profile of the host crates.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Unoptimised.
    Dev,
    /// Optimised.
    Release,
}

impl Profile {
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// The workspace.
pub(crate) fn root() -> Result<PathBuf> {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(crate_folder.parent().context("xtask has no workspace")?.to_path_buf())
}

/// Its target directory.
pub(crate) fn target() -> Result<PathBuf> {
    Ok(match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(folder)?,
        None => root()?.join("target"),
    })
}

/// A cargo command in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()?).args(arguments);
    Ok(command)
}

/// Runs a command after saying which.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("+ {}", shown(command));
    let status = command.status().with_context(|| shown(command))?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |line, argument| format!("{line} {}", argument.to_string_lossy()))
}

/// Builds the kernel programs, with the bench's if `bench`.
pub(crate) fn ebpf(bench: bool) -> Result<()> {
    let (root, target) = (root()?, target()?);
    eprintln!("+ build the kernel programs");
    if let Err(error) = ebpf_build::build(&root, &target, "ss7guard", &[]) {
        bail!("{error}; `cargo xtask setup` says what is missing");
    }
    if bench {
        ebpf_build::build(&root, &target, "bench", &["bench"])?;
    }
    Ok(())
}

/// Builds the kernel programs and every crate of the workspace with its tests.
pub(crate) fn all(profile: Profile) -> Result<()> {
    ebpf(false)?;
    let mut arguments = vec!["build", "--locked", "--workspace", "--all-targets"];
    if matches!(profile, Profile::Release) {
        arguments.push("--release");
    }
    run(&mut cargo(&arguments)?)
}
