//! The maps, and typed access to them. Layouts and meanings are in `ss7guard_common::abi`.

use core::arch::asm;

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use ss7guard_common::abi::{self, BlockDetail, Config, PeerEntry, PeerTable, PuntCounter};
use ss7guard_common::classify::BlockHit;
use ss7guard_common::verdict::{Action, Code};
use ss7guard_common::wire::{Address, Maybe};

// The controller sets the sizes of the detail and hit arrays and of the ring before loading.
const DEFAULT_ENTRIES: u32 = 131_072;
const DEFAULT_RING: u32 = 16 * 1024 * 1024;

/// Octets of the copy buffer: an event header and the longest capture.
pub const SCRATCH_LEN: usize = size_of::<abi::Event>() + abi::EVENT_CAPTURE_LEN + 1;

#[map]
static CONFIG: Array<Config> = Array::pinned(1, 0);
#[map]
static BLOCK_BITS: Array<u64> = Array::pinned(abi::POINT_CODE_SPACE / 64, 0);
#[map]
static BLOCK_INDEX: Array<[u32; abi::INDEX_LANES]> =
    Array::pinned(abi::POINT_CODE_SPACE / abi::INDEX_LANES as u32, 0);
#[map]
static BLOCK_DETAIL: Array<BlockDetail> = Array::pinned(DEFAULT_ENTRIES, 0);
#[map]
static BLOCK_HITS: Array<u64> = Array::pinned(DEFAULT_ENTRIES, 0);
#[map]
static PEERS: Array<PeerEntry> = Array::pinned(abi::PEER_SLOTS, 0);
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(abi::COUNTER_SLOTS, 0);
#[map]
static PUNT_COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(abi::PUNT_COUNTERS, 0);
#[map]
pub static EVENTS: RingBuf = RingBuf::pinned(DEFAULT_RING, 0);
/// Where events are put together; one element for each direction, since either may interrupt the other.
#[map]
static SCRATCH: PerCpuArray<[u8; SCRATCH_LEN]> = PerCpuArray::with_max_entries(2, 0);

/// The CONFIG record.
#[inline(always)]
pub fn config() -> Option<&'static Config> {
    let config = CONFIG.get_ptr(0)?;
    // SAFETY: a map value of this type; the controller replaces fields, each of which is valid on its own.
    Some(unsafe { &*config })
}

/// Counts an outcome.
#[inline(always)]
pub fn count(egress: bool, reason: Code, action: Action) {
    bump(&COUNTERS, abi::counter_index(egress, reason, action));
}

/// Counts what became of an event.
#[inline(always)]
pub fn count_punt(counter: PuntCounter) {
    bump(&PUNT_COUNTERS, counter as u32);
}

#[inline(always)]
fn bump(counters: &PerCpuArray<u64>, index: u32) {
    if let Some(counter) = counters.get_ptr_mut(index) {
        // SAFETY: this processor's own element; programs that share an index do not interrupt each other.
        unsafe { *counter = (*counter).wrapping_add(1) };
    }
}

/// This processor's copy buffer for one direction.
#[inline(always)]
pub fn scratch(egress: bool) -> Option<*mut u8> {
    SCRATCH.get_ptr_mut(u32::from(egress)).map(|scratch| scratch.cast::<u8>())
}

/// Width of the point codes of the peer at this address.
#[inline(always)]
pub fn point_code_bits(config: &Config, address: &Address) -> Option<u8> {
    let table = PeerTable::unpack(config.peer_table)?;
    let entry = PEERS.get(abi::peer_slot(table, address))?;
    (entry.used == 1 && entry.address == address.0).then_some(entry.point_code_bits)
}

/// The block entry that applies to a message, with its hit counted.
#[inline(always)]
pub fn blocked(opc: u32, ni: u8, network_appearance: Maybe) -> Option<BlockHit> {
    let (word, bit) = abi::bitmap_position(opc)?;
    if BLOCK_BITS.get(word)? & bit == 0 {
        return None;
    }
    let hit = find_entry(opc, u32::from(ni), network_appearance.0);
    let action = Action::from_u8((hit & 0xff) as u8).filter(|_| hit != NO_ENTRY)?;
    Some(BlockHit { rule_id: (hit >> 32) as u32, action, evidence: hit & EVIDENCE != 0 })
}

const NO_ENTRY: u64 = 0;
const EVIDENCE: u64 = 1 << 8;

/// Walks the entries of one point code. Gives [`NO_ENTRY`], or the action, [`EVIDENCE`] and the rule in the high
/// half. A function of its own, so that the verifier checks it once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn find_entry(opc: u32, ni: u32, network_appearance: u64) -> u64 {
    let (element, lane) = abi::index_position(opc);
    let Some(lanes) = BLOCK_INDEX.get(element) else { return NO_ENTRY };
    let Some(&(mut slot)) = lanes.get(lane & (abi::INDEX_LANES - 1)) else { return NO_ENTRY };
    let network_appearance = Maybe(network_appearance).get();
    for _ in 0..abi::MAX_BLOCK_CHAIN {
        if slot == abi::BLOCK_NO_SLOT {
            return NO_ENTRY;
        }
        let Some(detail) = BLOCK_DETAIL.get(slot) else { return NO_ENTRY };
        // SAFETY: no argument; reads the kernel's clock as of the last tick.
        if detail.matches(opc, ni as u8, network_appearance, || unsafe { bpf_ktime_get_coarse_ns() }) {
            let evidence = if count_hit(slot) { EVIDENCE } else { 0 };
            let action = Action::from_u8(detail.action).unwrap_or(Action::Drop);
            return action as u64 | evidence | u64::from(detail.rule_id) << 32;
        }
        slot = detail.next;
    }
    NO_ENTRY
}

/// Counts a hit of this slot; true for the 1st, 2nd, 4th, 8th, ...
#[inline(always)]
fn count_hit(slot: u32) -> bool {
    let Some(hits) = BLOCK_HITS.get_ptr_mut(slot) else { return false };
    let mut before = 1u64;
    // SAFETY: `hits` is an aligned map value; the instruction adds to it atomically and gives the value before.
    // The target has the instruction, but its `AtomicU64` has no `fetch_add`.
    unsafe {
        asm!(
            "{value} = atomic_fetch_add((u64 *)({hits} + 0), {value})",
            value = inout(reg) before,
            hits = in(reg) hits,
            options(nostack, preserves_flags)
        );
    }
    before.wrapping_add(1) & before == 0
}
