//! From the user part of an M3UA DATA message to typed SCCP, TCAP and MAP: decoding without I/O or clock.
//!
//! ```text
//!  user part ─ sccp/ ─ tcap.rs ─ gsm_map/ ─> message.rs (typed) ─> record.rs (one JSON object)
//!                 └─ ber.rs (canonicalising reader) and findings.rs (forms that are legal but odd)
//! ```
//! Bytes come from hostile peers: nothing here panics, allocates by a claimed length, or loops without a bound.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::panic
    )
)]

pub mod ber;
pub mod digits;
pub mod findings;
pub mod gsm_map;
pub mod m3ua;
pub mod message;
pub mod record;
pub mod sccp;
pub mod tcap;

#[cfg(test)]
pub(crate) mod testing;
