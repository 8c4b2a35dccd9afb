//! `ss7guard lab`: hands over to `ss7guard-lab`, which the firewall itself does not need.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

/// Arguments of `lab`.
#[derive(Args, Debug)]
pub struct LabArgs {
    /// up, down, status, traffic, ...; `--help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Becomes the program beside this one.
///
/// # Errors
/// It is not there.
pub fn run(args: &LabArgs) -> Result<ExitCode> {
    let program = std::env::current_exe().context("where this program is")?.with_file_name("ss7guard-lab");
    let error = Command::new(&program).args(&args.arguments).exec();
    if error.kind() == ErrorKind::NotFound {
        return Err(anyhow!(
            "{} is not there: build it with `cargo build --release -p ss7guard-tests --bin ss7guard-lab` (`cargo xtask \
             build` for a debug build) and put it beside ss7guard",
            program.display()
        ));
    }
    Err(error).with_context(|| program.display().to_string())
}
