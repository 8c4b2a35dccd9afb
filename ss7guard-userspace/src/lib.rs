//! The ss7guard controller, decoder and command line.

pub mod capture;
pub mod cli;
pub mod config;
#[cfg(feature = "kernel")]
pub mod control;
#[cfg(feature = "kernel")]
pub mod daemon;
pub mod enforce;
pub mod explain;
pub mod hold;
pub mod host;
pub mod inspect;
pub mod json;
#[cfg(feature = "kernel")]
pub mod kernel;
pub mod reassembly;
pub mod report;
pub mod screening;
