//! Independent decoders, to hold ours against: the crates `m3ua`, `sccp`, `tcap` and `gsm_map`, and tshark.

pub mod arbitrary;
pub mod crates;
pub mod forms;
pub mod known;
pub mod operations;
pub mod ours;
pub mod random;
pub mod reading;
pub mod sample;
pub mod structures;
pub mod tshark;
