//! What a bridge holds back: frames in the order in which they came, until each of their messages is judged.
//!
//! ```text
//!  frame ─ packet.rs ─ its chunks ─┬─ memory.rs ─ a chunk that was judged before has its fate already
//!                                  └─ queue.rs ── waits ─ fate ─ leaves, after all frames of its host pair before it
//! ```
//! No I/O and no clock: `now_ns` is an argument. Who judges is the caller's affair (`daemon/holder.rs`): it tells the fate
//! of each [`Piece`] once it is known. What comes in pieces has one fate; what is stopped is rewritten where it begins,
//! and the rest of it passes, so that its receiver puts together something that it ignores ([`crate::reassembly`]).
#![forbid(unsafe_code)]

pub mod memory;
pub mod packet;
pub mod queue;
pub mod split;

pub use crate::reassembly::Piece;
pub use memory::Memory;
pub use queue::{Queue, Released};

/// What becomes of a user data chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It goes on as it is.
    Pass,
    /// It is rewritten into something that its receiver ignores.
    Stop,
    /// The frame that it is in is dropped.
    Drop,
}

/// A user data chunk of a frame that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What it is.
    pub piece: Piece,
    /// Hash of its octets, under a key that nobody outside knows.
    pub hash: u64,
    /// Its place among the chunks of the packet, from 0.
    pub turn: u8,
    /// Whether a message begins with it.
    pub begins: bool,
    /// Whether it is authenticated (RFC 4895 §6.2): what is changed there, the receiver throws away.
    pub authenticated: bool,
    /// What becomes of it; `None` until it is judged.
    pub fate: Option<Fate>,
}
