//! The ss7guard controller, decoder and command line.

pub mod capture;
pub mod cli;
pub mod config;
pub mod enforce;
pub mod host;
pub mod inspect;
pub mod json;
pub mod report;
pub mod screening;
