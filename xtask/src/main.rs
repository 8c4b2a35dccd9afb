//! Project tasks: `cargo xtask VERB`.

mod build;
mod coverage;
mod fuzz;
mod invariants;
mod lint;
mod run;
mod sanitizer;
mod setup;
mod test;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tasks of the ss7guard project
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what building and testing need; says what it found
    Setup,
    /// Build everything, the kernel programs included
    Build,
    /// Formatting, clippy on host and kernel code, architecture invariants
    Lint,
    /// Build and run the test tiers: unit, kernel, netns, cli, corpus; vm by name
    Test(test::Args),
    /// Run a command under another kernel in a virtual machine, with the host's files read-only
    Vm(vm::Args),
    /// Run the fuzz targets and the properties that they state
    Fuzz(fuzz::Args),
    /// The firewall at work between real associations in network namespaces
    Demo(run::Args),
    /// Costs as ratios taken in one run
    Bench(run::Args),
}

fn main() -> ExitCode {
    let result: Result<()> = match Cli::parse().verb {
        Verb::Setup => setup::verbose(),
        Verb::Build => setup::ensure(setup::Need::Build).and_then(|()| build::all(build::Profile::Dev)),
        Verb::Lint => setup::ensure(setup::Need::Lint).and_then(|()| lint::run()),
        Verb::Test(args) => test::run(&args),
        Verb::Vm(args) => vm::command(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Demo(args) => run::run("ss7guard-demo", setup::Need::Lab, &args),
        Verb::Bench(args) => run::run("ss7guard-bench", setup::Need::Bench, &args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
