//! The record that precedes each copied frame in the event ring.

use bytemuck::{Pod, Zeroable};

/// Octets of a frame that an event can hold; longer frames are cut and flagged.
pub const EVENT_CAPTURE_LEN: usize = 16 * 1024 - 1;

/// Bits of [`Event::flags`].
pub mod event_flag {
    /// The frame comes from home: it leaves (tc egress), or came by the home port of a bridge. Unset: it arrived.
    pub const EGRESS: u8 = 0x01;
    /// The frame was dropped.
    pub const DROPPED: u8 = 0x02;
    /// The captured octets are fewer than the frame has.
    pub const TRUNCATED: u8 = 0x04;
    /// A block entry matched; sent for the 1st, 2nd, 4th, 8th, ... hit of the entry.
    pub const BLOCK_EVIDENCE: u8 = 0x08;
    /// Monitor mode was on.
    pub const MONITOR: u8 = 0x10;
    /// Messages of the frame were neutralised after the copy was made.
    pub const NEUTRALISED: u8 = 0x20;
    /// What is left of the frame waits in a bridge for its judgement: this copy is of what was stopped already.
    pub const HELD: u8 = 0x40;
}

/// Header of one event; `captured_len` octets of the frame follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds of the kernel's monotonic clock.
    pub time_ns: u64,
    /// Index of the interface in its network namespace.
    pub ifindex: u32,
    /// Octets of the frame.
    pub frame_len: u32,
    /// Octets that follow.
    pub captured_len: u32,
    /// Offset in the frame of the chunk that decided the verdict, 0 if no chunk did.
    pub chunk_offset: u32,
    /// TSN of that chunk, 0 if no chunk decided.
    pub tsn: u32,
    /// Rule of the block entry that matched, 0 if none did.
    pub rule_id: u32,
    /// Stream of that chunk.
    pub stream: u16,
    /// Octets of that chunk, with its header.
    pub chunk_len: u16,
    /// Number of the deciding [`crate::verdict::Reason`].
    pub reason: u8,
    /// Number of its [`crate::verdict::Class`].
    pub class: u8,
    /// Bits of [`event_flag`].
    pub flags: u8,
    /// Low octet of [`super::ABI_VERSION`].
    pub abi_version: u8,
}

super::kernel_abi!(Event, 40);
