//! The command line.

pub mod decode;
pub mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// SS7 signalling firewall
#[derive(Debug, Parser)]
#[command(name = "ss7guard", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decode captures to one JSON object per M3UA DATA message
    Decode(decode::DecodeArgs),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Decode(args) => decode::run(args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
