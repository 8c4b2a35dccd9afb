//! The `ss7guard` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ss7guard_userspace::cli::main()
}
