//! The command line.

pub mod check;
pub mod decode;
pub mod exit;
pub mod output;
pub mod replay;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;

/// SS7 signalling firewall
#[derive(Debug, Parser)]
#[command(name = "ss7guard", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Validate a configuration
    Check(check::CheckArgs),
    /// Decode captures to one JSON object per M3UA DATA message
    Decode(decode::DecodeArgs),
    /// Judge a capture as the firewall would
    Replay(replay::ReplayArgs),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_target(false)
        .init();
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Check(args) => check::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Replay(args) => replay::run(args),
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

/// Exit code of an error.
fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() { exit::USAGE } else { exit::FAILED }
}
