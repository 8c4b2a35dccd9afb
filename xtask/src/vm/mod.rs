//! `vm`: a command under another kernel, in a virtual machine that sees the host's files and cannot change them.

mod cpio;
mod guest;
mod kernel;

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args as ClapArgs;

use crate::setup::{self, Need};

pub(crate) use guest::{Job, QEMU, quoted, run};
pub(crate) use kernel::Series;

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Kernel of the guest
    #[arg(long, default_value = "6.1")]
    kernel: Series,
    /// Seconds until the guest is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// Command, run as root in this folder
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// Runs a command in a guest; its failure is this one's.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::ensure(Need::Vm)?;
    let words: Vec<String> = args.command.iter().map(|word| quoted(word)).collect();
    let job = Job {
        series: args.kernel,
        script: words.join(" "),
        environment: &[],
        patience: Duration::from_secs(args.timeout),
    };
    match run(&job, |line| println!("{line}"))? {
        0 => Ok(()),
        code => bail!("{} ended with exit code {code}", args.command.join(" ")),
    }
}
