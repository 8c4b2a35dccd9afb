//! `demo` and `bench`: set up, build, run the program.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::build::{self, Profile};
use crate::setup::{self, Need};

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Handed to the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(program: &str, need: Need, args: &Args) -> Result<()> {
    setup::ensure(need)?;
    build::ebpf(need == Need::Bench)?;
    build::run(&mut build::cargo(&[
        "build",
        "--locked",
        "--release",
        "-p",
        "ss7guard-userspace",
        "-p",
        "ss7guard-tests",
        "--bin",
        "ss7guard",
        "--bin",
        program,
    ])?)?;
    let folder = build::target()?.join(Profile::Release.folder());
    let mut command = std::process::Command::new(folder.join(program));
    command.args(&args.rest).env("SS7GUARD_BIN", folder.join("ss7guard")).env(
        "SS7GUARD_EBPF_DIR",
        ebpf_build::target_dir(&build::target()?).join("bpfel-unknown-none/release"),
    );
    build::run(&mut command)
}
