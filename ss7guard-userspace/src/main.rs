//! The `ss7guard` command.
fn main() {}
