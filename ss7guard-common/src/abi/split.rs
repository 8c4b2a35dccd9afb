//! What is remembered of messages whose routing label lies in two SCTP fragments.

use bytemuck::{Pod, Zeroable};

/// Places; a power of two.
pub const SPLIT_SLOTS: u32 = 4096;

/// Octets of a fragment that are remembered: up to the end of the label behind three parameters of eight octets.
pub const SPLIT_OCTETS: usize = 48;

/// Room for both fragments' octets; a power of two.
pub const SPLIT_ROOM: usize = 128;

/// Where the octets of a fragment are that came before the first one.
pub const SPLIT_LATER_AT: usize = 64;

/// What a place holds, as a number in [`Split::kind`].
pub mod split_kind {
    /// Nothing.
    pub const FREE: u8 = 0;
    /// All octets of a first fragment that went on, from the start of [`super::Split::octets`]; those of the second
    /// follow when it comes.
    pub const FIRST: u8 = 1;
    /// The beginning of a fragment that is none's second so far, at [`super::SPLIT_LATER_AT`].
    pub const LATER: u8 = 2;
    /// As [`FIRST`], and the message is blocked: the second fragment is rewritten whenever it comes.
    pub const BLOCKED: u8 = 3;
    /// The fragment of this place has come, and goes on whenever it comes again.
    pub const PASSED: u8 = 4;
    /// The first fragment came after this one, and the message is blocked: the first is rewritten whenever it comes.
    pub const STOPPED: u8 = 5;
}

/// One place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Split {
    /// Hash of the association and the TSN of the second fragment.
    pub owner: u64,
    /// When it was written, in the unit of [`super::BlockDetail::expires_at`].
    pub at: u64,
    /// Octets of the message.
    pub octets: [u8; SPLIT_ROOM],
    /// How many octets of the first fragment there are, or of the later one.
    pub len: u8,
    /// A number of [`split_kind`].
    pub kind: u8,
    /// If it is blocked, offset of the routing label in the message; if it is stopped, how many of its octets there are.
    pub label: u8,
    /// Zero.
    pub _pad: [u8; 5],
}

super::kernel_abi!(Split, 152);
