//! A firewall to play with: named network namespaces, SCTP/M3UA peers in the background, traffic on demand.
//! `ss7guard lab ...` hands over to this program.

mod arguments;
mod carriers;
mod down;
mod ground;
mod peers;
mod process;
mod prove;
mod state;
mod status;
mod talk;
mod traffic;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Cli, Command};

fn main() -> ExitCode {
    let Cli { name, command } = Cli::parse();
    let result = match command {
        Command::Up(args) => up::up(name, &args),
        Command::Down => down::down(&name),
        Command::Status(output) => status::status(&name, output),
        Command::Traffic(args) => traffic::traffic(&name, &args),
        Command::ProveNeutralise(args) => prove::prove(&args),
        Command::Peers => peers::run(&name),
        Command::Held { program, arguments } => process::held(&program, &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref::<arguments::Refusal>().map_or(1, |refusal| refusal.code))
        }
    }
}
