//! The ss7guard controller, decoder and command line.

pub mod capture;
pub mod cli;
pub mod host;
pub mod inspect;
pub mod json;
