//! The ss7guard controller, decoder and command line.

pub mod host;
