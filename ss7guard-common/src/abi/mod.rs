//! Layout of the BPF maps: one definition for the kernel program and the controller.
//!
//! All structs are `repr(C)` with explicit padding and hold integers in host byte order. A change of any of them,
//! or of the meaning or number of a reason, raises [`ABI_VERSION`]; the controller refuses pins of another version.

mod block;
mod bridge;
mod config;
mod counters;
mod event;
mod peer;
mod split;
mod title;

use block::applies;
pub use block::{
    ANY_NI, BLOCK_NO_SLOT, BOTH_HALVES, BlockDetail, BlockHits, ClockSample, INDEX_LANES, MAX_BLOCK_CHAIN,
    Moment, POINT_CODE_SPACE, bitmap_position, index_position,
};
pub use bridge::{
    BRIDGE_COUNTERS, BRIDGE_PORTS, BRIDGE_SOCKETS, BridgeCounter, BridgePort, HOLD_FRAME_LEN, HOLD_SLOTS,
    HoldBeat, HoldQueue, HoldSlot, HoldStamp, PORT_QUEUES, SOCKET_SLOTS, bridge_flag, frame_flag, frame_kind,
    hold_slot, port_index, socket_index,
};
pub use config::{Config, Mode, PORTS, REASON_SLOTS, SETUP_COPIES, config_flag};
pub use counters::{COUNTER_SLOTS, PUNT_COUNTERS, PuntCounter, counter_index};
pub use event::{EVENT_CAPTURE_LEN, Event, event_flag};
pub use peer::{PEER_SLOTS, PEER_TABLE_LEN, PeerEntry, PeerTable, Side, peer_slot};

pub use title::{
    CHUNK_LEN, CHUNK_ROOM, MAX_CHUNKS_DEEP, MAX_SEGMENT, MAX_TITLE_CHAIN, MAX_TITLE_SLOTS, ROOT_LEN,
    ROOT_SYMBOLS, ROOT_WORDS, Symbols, TITLE_DIGITS, TITLE_NO_SLOT, TitleBoundary, TitleDetail, TitleStep,
    TitleTables, TitleWord, direction, title_slot,
};

pub use split::{SPLIT_LATER_AT, SPLIT_OCTETS, SPLIT_ROOM, SPLIT_SLOTS, Split, split_kind};

/// Version of everything in this module.
pub const ABI_VERSION: u32 = 4;

/// Names of the maps and programs, as pinned and as shown by tools; the kernel keeps 15 characters.
pub mod name {
    /// `Array<Config>`, one element.
    pub const CONFIG: &str = "CONFIG";
    /// `Array<u64>`: one bit for each point code that has an entry.
    pub const BLOCK_BITS: &str = "BLOCK_BITS";
    /// `Array<[u32; INDEX_LANES]>`: first detail slot of each point code.
    pub const BLOCK_INDEX: &str = "BLOCK_INDEX";
    /// `Array<BlockDetail>`.
    pub const BLOCK_DETAIL: &str = "BLOCK_DETAIL";
    /// `Array<BlockHits>`: hits of each detail slot, written by the kernel alone.
    pub const BLOCK_HITS: &str = "BLOCK_HITS";
    /// `Array<PeerEntry>`: two tables, one of which is active.
    pub const PEERS: &str = "PEERS";
    /// `PerCpuArray<u64>`, indexed by `counter_index`.
    pub const COUNTERS: &str = "COUNTERS";
    /// `PerCpuArray<u64>`, indexed by `PuntCounter`.
    pub const PUNT_COUNTERS: &str = "PUNT_COUNTERS";
    /// Ring buffer of [`super::Event`] records, each followed by the captured octets.
    pub const EVENTS: &str = "EVENTS";
    /// `Array<ClockSample>`, one element.
    pub const CLOCK: &str = "CLOCK";
    /// `Array<Split>`: messages whose label lies in two fragments.
    pub const SPLITS: &str = "SPLITS";
    /// `Array<u64>`, mapped: the root tables of the list of global titles, one for each half.
    pub const TITLE_ROOT: &str = "TITLE_ROOT";
    /// `Array<u64>`, mapped: boundaries.
    pub const TITLE_SEGMENTS: &str = "TITLE_SEGMENTS";
    /// `Array<[u64; CHUNK_ROOM]>`, mapped.
    pub const TITLE_CHUNKS: &str = "TITLE_CHUNKS";
    /// `Array<TitleDetail>`, mapped.
    pub const TITLE_DETAIL: &str = "TITLE_DETAIL";
    /// `Array<BlockHits>`: hits of each entry for global titles, written by the kernel alone.
    pub const TITLE_HITS: &str = "TITLE_HITS";
    /// `Array<BridgePort>`.
    pub const BRIDGE_PORTS: &str = "BRIDGE_PORTS";
    /// `DevMap`: for each port, the interface on the other side.
    pub const BRIDGE_OUT: &str = "BRIDGE_OUT";
    /// `PerCpuArray<[u64; BRIDGE_COUNTERS]>`, one element for each port.
    pub const BRIDGE_COUNT: &str = "BRIDGE_COUNT";
    /// `XskMap`: the sockets of the controller.
    pub const HOLD_SOCKETS: &str = "HOLD_SOCKETS";
    /// `Array<HoldSlot>`, mapped.
    pub const HOLD_SLOTS: &str = "HOLD_SLOTS";
    /// `Array<HoldQueue>`, mapped.
    pub const HOLD_QUEUES: &str = "HOLD_QUEUES";
    /// `Array<HoldBeat>`, one element, mapped.
    pub const HOLD_BEAT: &str = "HOLD_BEAT";
    /// Every map that is pinned.
    pub const PINNED_MAPS: [&str; 23] = [
        BRIDGE_PORTS,
        BRIDGE_OUT,
        BRIDGE_COUNT,
        HOLD_SOCKETS,
        HOLD_SLOTS,
        HOLD_QUEUES,
        HOLD_BEAT,
        TITLE_ROOT,
        TITLE_SEGMENTS,
        TITLE_CHUNKS,
        TITLE_DETAIL,
        TITLE_HITS,
        SPLITS,
        CLOCK,
        CONFIG,
        BLOCK_BITS,
        BLOCK_INDEX,
        BLOCK_DETAIL,
        BLOCK_HITS,
        PEERS,
        COUNTERS,
        PUNT_COUNTERS,
        EVENTS,
    ];
    /// The XDP program.
    pub const XDP_PROGRAM: &str = "ss7guard_xdp";
    /// The XDP program of a bridge's ports.
    pub const BRIDGE_PROGRAM: &str = "ss7guard_bridge";
    /// The tc egress program.
    pub const TC_PROGRAM: &str = "ss7guard_tc";
    /// The start-up self-test program.
    pub const HELLO_PROGRAM: &str = "ss7guard_hello";
}

/// Derives nothing; states that a type may cross the kernel boundary, and checks its size.
macro_rules! kernel_abi {
    ($type:ty, $size:literal) => {
        const _: () = assert!(size_of::<$type>() == $size);

        #[cfg(feature = "user")]
        #[expect(unsafe_code, reason = "the trait of the map library is unsafe; bytemuck proves its demand")]
        // SAFETY: the type is `bytemuck::Pod`: any bit pattern is valid and there is no padding.
        unsafe impl aya::Pod for $type {}

        const _: fn() = || {
            fn pod<T: bytemuck::Pod>() {}
            pod::<$type>();
        };
    };
}
pub(crate) use kernel_abi;
