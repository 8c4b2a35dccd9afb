//! The command line.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use ss7guard_lab::mix::Mix;
use ss7guard_userspace::cli::exit;
use ss7guard_userspace::cli::output::Output;

use crate::prove::ProveArgs;
use crate::state::Name;

/// A firewall between real SCTP/M3UA associations, to play with: one machine, root, namespaces of its own
#[derive(Debug, Parser)]
#[command(name = "ss7guard-lab", bin_name = "ss7guard lab", version)]
pub(crate) struct Cli {
    /// Another lab beside the usual one
    #[arg(long, global = true, default_value_t)]
    pub(crate) name: Name,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the namespaces, start the peers and the firewall
    Up(UpArgs),
    /// Take away what `up` made, also after a crash
    Down,
    /// What runs, the associations, and what each carrier sent
    Status(Output),
    /// Send roaming traffic with attacks in it, and say what became of them
    Traffic(TrafficArgs),
    /// Ask your own STP, in a maintenance window, whether it takes neutralised messages as it should
    ProveNeutralise(ProveArgs),
    /// The background process with the peers
    #[command(hide = true)]
    Peers,
    /// Runs a program once a line comes on standard input
    #[command(hide = true)]
    Held {
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// How the firewall is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Deployment {
    /// On the interface of the SCTP endpoint
    Host,
    /// Between the endpoint and the carriers: what needs judgement waits for it
    Bridge,
    /// On a mirror port: sees all, stops nothing
    Tap,
}

/// What it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Reports only
    Monitor,
    /// Stops what it is told to
    Enforce,
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Bridge => "bridge",
            Self::Tap => "tap",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        })
    }
}

#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// Where the firewall sits
    #[arg(long, value_enum, default_value = "host")]
    pub(crate) deployment: Deployment,
    /// Whether it stops anything
    #[arg(long, value_enum, default_value = "monitor")]
    pub(crate) mode: Mode,
    /// Folder for the configuration, logs and sockets; new or empty [default: /run/ss7guard-lab]
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TrafficArgs {
    /// Shares by name: roaming, attack, or an operation; roaming is what is left
    #[arg(long, default_value = "attack=5%", value_name = "NAME=SHARE%,...")]
    pub(crate) mix: Mix,
    /// Messages a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) rate: u32,
    /// Messages in all [default: 1000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: Option<u32>,
    /// Seconds in all, instead of a count
    #[arg(long, conflicts_with = "count", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: Option<u32>,
    /// Order of the messages: the same seed, the same order
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// An error with an exit code of its own.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u8,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

fn refusal(code: u8, message: impl Into<String>) -> anyhow::Error {
    Refusal { code, message: message.into() }.into()
}

/// What was asked for cannot be.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    refusal(exit::USAGE, message)
}

/// There is no lab of this name.
pub(crate) fn no_lab(name: &Name) -> anyhow::Error {
    refusal(exit::NOT_RUNNING, format!("there is no lab: `ss7guard lab{} up` makes one", name.option()))
}

/// Refuses anybody but root.
pub(crate) fn need_root() -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(refusal(exit::PERMISSION, "the lab makes network namespaces and loads BPF programs: run it as root"))
}

/// Refuses anybody who may not open a raw socket.
pub(crate) fn need_raw_socket() -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(refusal(exit::PERMISSION, "SCTP over a raw socket needs CAP_NET_RAW: run it as root"))
}
