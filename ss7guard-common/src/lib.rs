//! What the kernel program and the controller share: wire formats, the frame classifier, verdicts and
//! their reasons, and the layout of the BPF maps.
//!
//! One code for both sides: the kernel program runs [`classify::frame`] over packet memory, the host runs it
//! over a slice, and a test holds the two against each other. Nothing here knows policy or does I/O; policy
//! arrives as the [`abi::Config`] record and as map entries behind [`classify::Env`].
#![no_std]
#![cfg_attr(not(feature = "user"), forbid(unsafe_code))]
#![cfg_attr(feature = "user", deny(unsafe_code))]
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

pub mod abi;
pub mod classify;
pub mod neutralise;
pub mod point_code;
pub mod read;
pub mod verdict;
pub mod wire;
