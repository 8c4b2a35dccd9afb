//! What the fuzz targets share. A target is one file in `bin/`; its name is its name to `cargo xtask fuzz`.
//!
//! ```text
//!  input ─ bin/TARGET.rs ─┬─ the decoder as it is: bounds, places, work
//!                         ├─ tree.rs: the same message in canonical and in odd forms ─┐
//!                         └─ facts.rs: what was decoded; its record is sound JSON  <──┴─ must be equal
//! ```
//! Inputs are messages as they are on the wire, so that an artifact can be given to `ss7guard decode --hex`. What a
//! target has to choose (which odd forms, which network) it draws from the input, by `choice.rs`.

pub mod choice;
pub mod facts;
pub mod json;
pub mod tree;
pub mod wrap;

use ss7guard_userspace::inspect::ber::{MAX_DEPTH, Work};

/// Holds the elements looked at to a multiple of the octets read.
///
/// Each element has two octets at least, is read once, and is passed over once for each indefinite length around it,
/// of which there are [`MAX_DEPTH`] at most.
///
/// # Panics
/// There were more.
pub fn check_work(work: &Work, octets: usize) {
    let bound = octets * (MAX_DEPTH + 2) / 2 + MAX_DEPTH;
    assert!(work.elements() as usize <= bound, "{} elements in {octets} octets", work.elements());
}
