//! What only another kernel can show: kernel SCTP, a signalling gateway as people run it, offloads, lost frames. The
//! tests that use it (`tests/vm_*.rs`) run in the guest of `cargo xtask test vm`.

pub mod gateway;
pub mod node;
pub mod relay;
pub mod scene;
pub mod sctp;
pub mod straight;
