//! The maps, and typed access to them. Layouts and meanings are in `ss7guard_common::abi`.

use core::arch::asm;

use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use ss7guard_common::abi::{
    self, BlockDetail, BlockHits, ClockSample, Config, Moment, PeerEntry, PeerTable, PuntCounter, Split,
};
use ss7guard_common::classify::BlockHit;
use ss7guard_common::classify::split::pick;
use ss7guard_common::neutralise::Form;
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
static BLOCK_HITS: Array<BlockHits> = Array::pinned(DEFAULT_ENTRIES, 0);
#[map]
static PEERS: Array<PeerEntry> = Array::pinned(abi::PEER_SLOTS, 0);
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(abi::COUNTER_SLOTS, 0);
#[map]
static PUNT_COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(abi::PUNT_COUNTERS, 0);
#[map]
static SPLITS: Array<Split> = Array::pinned(abi::SPLIT_SLOTS, 0);
#[map]
static CLOCK: Array<ClockSample> = Array::pinned(1, 0);
#[map]
pub static EVENTS: RingBuf = RingBuf::pinned(DEFAULT_RING, 0);
/// Where events are put together; one element for each direction, since either may interrupt the other.
#[map]
static SCRATCH: PerCpuArray<[u8; SCRATCH_LEN]> = PerCpuArray::with_max_entries(2, 0);

/// The second, and the copies of set-up frames that were made in it; one element for each direction.
#[map]
static SETUP_COPIES: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(2, 0);

/// The CONFIG record.
#[inline(always)]
pub fn config() -> Option<&'static Config> {
    let config = CONFIG.get_ptr(0)?;
    // SAFETY: a map value of this type; the controller replaces fields, each of which is valid on its own.
    Some(unsafe { &*config })
}

/// The kernel's tick counter: one load, where reading a clock in nanoseconds costs as much as a whole judgement.
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: no argument.
    unsafe { bpf_jiffies64() }
}

/// Notes both clocks at this moment, and gives them.
#[inline(always)]
pub fn sample_clocks() -> Option<ClockSample> {
    let sample = CLOCK.get_ptr_mut(0)?;
    // SAFETY: no argument.
    let monotonic_ns = unsafe { bpf_ktime_get_ns() };
    let now = ClockSample { ticks: ticks(), monotonic_ns };
    // SAFETY: an aligned map value of this type; the start-up program runs alone.
    unsafe { *sample = now };
    Some(now)
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

/// Whether a set-up frame may be copied at this time, of which so many a second may; counts it if so.
#[inline(always)]
pub fn setup_copy(egress: bool, now_ns: u64, most: u32) -> bool {
    let Some(copies) = SETUP_COPIES.get_ptr_mut(u32::from(egress)) else { return false };
    let second = now_ns >> 30;
    // SAFETY: this processor's own element; what runs in one direction does not interrupt itself.
    let [of, count] = unsafe { *copies };
    let count = if of == second { count } else { 0 };
    if count >= u64::from(most) {
        return false;
    }
    // SAFETY: as above.
    unsafe { *copies = [second, count.wrapping_add(1)] };
    true
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

/// The form that neutralised messages of the peer at this address take; `None` if it is not among the peers.
#[inline(always)]
pub fn form(config: &Config, address: &Address) -> Option<Form> {
    let table = PeerTable::unpack(config.peer_table)?;
    let entry = PEERS.get(abi::peer_slot(table, address))?;
    (entry.used == 1 && entry.address == address.0).then_some(Form::from_u8(entry.form))
}

/// The place with this number among the messages whose label lies in two fragments.
#[inline(always)]
pub fn split(slot: u32) -> Option<&'static mut Split> {
    let split = SPLITS.get_ptr_mut(slot)?;
    // SAFETY: an aligned map value of this type, any bit pattern of which is valid. Fragments of one association come
    // one after the other; what two processors write at a time is a mix of octets, and judged as such.
    Some(unsafe { &mut *split })
}

/// The place of a message with this owner; see [`pick`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn pick_split(base: u32, owner: u64, now: u64) -> u32 {
    let Some(config) = config() else { return base };
    pick(base, owner, now, config, |slot| SPLITS.get(slot))
}

/// Copies the octets of one place to another; 1 if both are there.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn copy_split(from: u32, to: u32) -> u32 {
    let Some(from) = SPLITS.get(from) else { return 0 };
    let Some(to) = split(to) else { return 0 };
    for (to, from) in to.octets.iter_mut().zip(&from.octets) {
        *to = *from;
    }
    1
}

/// Now, as an entry sees it.
struct Present {
    slot: u32,
    half: u32,
}

impl Moment for Present {
    #[inline(always)]
    fn now(&self) -> u64 {
        ticks()
    }

    #[inline(always)]
    fn last_hit(&self) -> u64 {
        BLOCK_HITS.get(self.slot).map_or(0, |hits| hits.last)
    }

    #[inline(always)]
    fn linger(&self) -> u64 {
        config().map_or(0, |config| config.linger)
    }

    #[inline(always)]
    fn half(&self) -> u32 {
        self.half
    }
}

/// The block entry that applies to a message, with its hit counted.
#[inline(always)]
pub fn blocked(half: u32, opc: u32, ni: u8, network_appearance: Maybe) -> Option<BlockHit> {
    let (word, bit) = abi::bitmap_position(opc)?;
    if BLOCK_BITS.get(word)? & bit == 0 {
        return None;
    }
    let (element, lane) = abi::index_position(opc);
    let slot = *BLOCK_INDEX.get(element)?.get(lane & (abi::INDEX_LANES - 1))?;
    let detail = BLOCK_DETAIL.get(slot)?;
    // Most point codes have one entry.
    if detail.matches(opc, ni, network_appearance.get(), &Present { slot, half }) {
        return Some(hit(detail, slot));
    }
    if detail.next == abi::BLOCK_NO_SLOT {
        return None;
    }
    let slot = find_further(opc, u32::from(ni) | half << 8, network_appearance.0, detail.next);
    if slot == abi::BLOCK_NO_SLOT {
        return None;
    }
    Some(hit(BLOCK_DETAIL.get(slot)?, slot))
}

#[inline(always)]
fn hit(detail: &BlockDetail, slot: u32) -> BlockHit {
    BlockHit { rule_id: detail.rule_id, action: detail.action(), evidence: count_hit(detail, slot) }
}

/// Walks the further entries of one point code; gives the slot of the one that matches. Low octet of `ni`: the network
/// indicator; the octet above it: the half of the lists. A function of its own, so that the verifier checks it once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn find_further(opc: u32, ni: u32, network_appearance: u64, mut slot: u32) -> u32 {
    let network_appearance = Maybe(network_appearance).get();
    let half = ni >> 8;
    for _ in 1..abi::MAX_BLOCK_CHAIN {
        if slot == abi::BLOCK_NO_SLOT {
            break;
        }
        let Some(detail) = BLOCK_DETAIL.get(slot) else { break };
        if detail.matches(opc, ni as u8, network_appearance, &Present { slot, half }) {
            return slot;
        }
        slot = detail.next;
    }
    abi::BLOCK_NO_SLOT
}

/// Counts a hit of this slot; true for the 1st, 2nd, 4th, 8th, ...
#[inline(always)]
fn count_hit(detail: &BlockDetail, slot: u32) -> bool {
    let Some(hits) = BLOCK_HITS.get_ptr_mut(slot) else { return false };
    let now = ticks();
    if detail.expires_at == 0 || now < detail.expires_at {
        // SAFETY: an aligned map value of this type; a plain store, of which any may win.
        unsafe { (&raw mut (*hits).last).write(now) };
    }
    let mut before = 1u64;
    // SAFETY: `hits` is an aligned map value that starts with the count; the instruction adds to it atomically and gives
    // the value before. The target has the instruction, but its `AtomicU64` has no `fetch_add`.
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
