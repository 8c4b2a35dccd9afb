//! Exit codes of the command line.

/// Something failed at run time.
pub const FAILED: u8 = 1;
/// The command line or the configuration is wrong. (clap uses the same.)
pub const USAGE: u8 = 2;
/// `replay --fail-on` found such a verdict.
pub const THREATS_FOUND: u8 = 3;
/// The controller is not running, or its socket cannot be reached.
pub const NOT_RUNNING: u8 = 4;
/// A permission is missing.
pub const PERMISSION: u8 = 5;
/// Kernel or driver cannot do what is asked.
pub const UNSUPPORTED: u8 = 6;
