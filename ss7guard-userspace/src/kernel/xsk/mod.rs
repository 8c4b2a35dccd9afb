//! Frames in this process's hands: AF_XDP sockets over one pool of frames (Linux, Documentation/networking/af_xdp.rst).
//!
//! ```text
//!   XDP program --redirect--> RX ring ---receive---> Held ---send---> TX ring --kick--> the wire
//!                                ^                     |                                  |
//!                           fill ring <--refill-- free list <--give_back / completed-- completion ring
//! ```
//!
//! All sockets share one [`Pool`], so that a frame that came in by one port leaves by the other without a copy of ours. A
//! frame is in one place at a time: [`Held`] is the right to a frame, it cannot be copied, and the pool notes for each
//! frame where it is. What the kernel writes into the rings is believed only as far as that note agrees.
//!
//! Unsafe code is in `memory.rs`; `pool.rs` proves that the kernel has no hand on a frame whose octets are read.

mod memory;
mod open;
mod pool;
mod ring;
mod socket;

pub use open::{Copying, Port, open};
pub use pool::{FRAME_LEN, FRAME_ROOM, Held, MIN_FRAME, Pool};
pub use socket::{Kick, Socket, Statistics};
