//! The command line.

#[cfg(feature = "kernel")]
pub mod block;
pub mod check;
pub mod decode;
pub mod exit;
pub mod explain;
#[cfg(feature = "kernel")]
pub mod lab;
#[cfg(feature = "kernel")]
pub mod monitor;
pub mod octets;
pub mod output;
pub mod replay;
#[cfg(feature = "kernel")]
pub mod run;
#[cfg(feature = "kernel")]
pub mod status;
#[cfg(feature = "kernel")]
pub mod target;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;

/// SS7 signalling firewall
#[derive(Debug, Parser)]
#[command(
    name = "ss7guard",
    version,
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage or configuration, 3 --fail-on hit, 4 controller not running, \
                  5 permission missing, 6 not possible with this kernel or driver"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller in the foreground
    #[cfg(feature = "kernel")]
    Run(run::RunArgs),
    /// Validate a configuration
    Check(check::CheckArgs),
    /// Attach the kernel programs without running the controller
    #[cfg(feature = "kernel")]
    Attach(run::AttachArgs),
    /// Take the kernel programs off: ends enforcement
    #[cfg(feature = "kernel")]
    Detach(run::DetachArgs),
    /// Show what is attached
    #[cfg(feature = "kernel")]
    Status(status::StatusArgs),
    /// Show the counters
    #[cfg(feature = "kernel")]
    Stats(status::StatusArgs),
    /// Change or show the block list
    #[cfg(feature = "kernel")]
    Block(block::BlockArgs),
    /// Show events as they happen
    #[cfg(feature = "kernel")]
    Monitor(monitor::MonitorArgs),
    /// Decode captures to one JSON object per M3UA DATA message
    Decode(decode::DecodeArgs),
    /// Explain one frame or message octet by octet, and why it is judged as it is
    Explain(explain::ExplainArgs),
    /// Judge a capture as the firewall would
    Replay(replay::ReplayArgs),
    /// A firewall between real associations, to play with: up, down, status, traffic
    #[cfg(feature = "kernel")]
    #[command(disable_help_flag = true)]
    Lab(lab::LabArgs),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_target(false)
        .init();
    let cli = Cli::parse();
    let result = match &cli.command {
        #[cfg(feature = "kernel")]
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        #[cfg(feature = "kernel")]
        Command::Attach(args) => run::attach(args),
        #[cfg(feature = "kernel")]
        Command::Detach(args) => run::detach(args),
        #[cfg(feature = "kernel")]
        Command::Status(args) => status::status(args),
        #[cfg(feature = "kernel")]
        Command::Stats(args) => status::stats(args),
        #[cfg(feature = "kernel")]
        Command::Block(args) => block::run(args),
        #[cfg(feature = "kernel")]
        Command::Monitor(args) => monitor::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Replay(args) => replay::run(args),
        #[cfg(feature = "kernel")]
        Command::Lab(args) => lab::run(args),
    };
    result.unwrap_or_else(|error| {
        // A reader that has seen enough (`| head`) is no failure.
        if error.chain().any(is_closed_pipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {error:#}");
        ExitCode::from(code_of(&error))
    })
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A wrong argument.
#[derive(Debug)]
struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The error for a wrong argument.
fn usage(message: String) -> anyhow::Error {
    UsageError(message).into()
}

/// Exit code of an error.
fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() || error.is::<UsageError>() {
        return exit::USAGE;
    }
    #[cfg(feature = "kernel")]
    {
        use crate::control::client::ClientError;
        use crate::kernel::KernelError;
        match error.downcast_ref::<KernelError>() {
            Some(KernelError::Capability(_)) => return exit::PERMISSION,
            Some(KernelError::Unsupported(_) | KernelError::NoNativeXdp { .. }) => return exit::UNSUPPORTED,
            Some(KernelError::NotAttached(_)) => return exit::NOT_RUNNING,
            _ => {}
        }
        match error.downcast_ref::<ClientError>() {
            Some(ClientError::NotRunning(_) | ClientError::Silent(_)) => return exit::NOT_RUNNING,
            Some(ClientError::Permission(_)) => return exit::PERMISSION,
            _ => {}
        }
    }
    exit::FAILED
}
