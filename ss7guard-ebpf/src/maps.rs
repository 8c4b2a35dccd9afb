//! The maps, and typed access to them. Layouts and meanings are in `ss7guard_common::abi`.

pub mod bridge;

use core::arch::asm;

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use ss7guard_common::abi::{
    self, BlockDetail, BlockHits, ClockSample, Config, Moment, PeerEntry, PeerTable, PuntCounter, Split,
    Symbols, TITLE_NO_SLOT, TitleDetail, TitleTables, title_slot,
};
use ss7guard_common::classify::split::{append, pick};
use ss7guard_common::classify::title::applying;
use ss7guard_common::classify::{BlockHit, Known};
use ss7guard_common::neutralise::Form;
use ss7guard_common::verdict::{Action, Code};
use ss7guard_common::wire::{Address, Maybe};

use crate::packet::hide;

/// The controller writes these arrays through a mapping of its own.
const MAPPED: u32 = BPF_F_MMAPABLE;

// The controller sets the sizes of the lists' arrays and of the ring before loading.
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
static TITLE_ROOT: Array<u64> = Array::pinned(abi::ROOT_WORDS, MAPPED);
#[map]
static TITLE_SEGMENTS: Array<u64> = Array::pinned(DEFAULT_ENTRIES, MAPPED);
#[map]
static TITLE_CHUNKS: Array<[u64; abi::CHUNK_ROOM]> = Array::pinned(DEFAULT_ENTRIES, MAPPED);
#[map]
static TITLE_DETAIL: Array<TitleDetail> = Array::pinned(DEFAULT_ENTRIES, MAPPED);
#[map]
static TITLE_HITS: Array<BlockHits> = Array::pinned(DEFAULT_ENTRIES, MAPPED);
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

#[inline(always)]
fn peer_entry(config: &Config, address: &Address) -> Option<&'static PeerEntry> {
    let table = PeerTable::unpack(config.peer_table)?;
    let entry = PEERS.get(abi::peer_slot(table, address))?;
    (entry.used == 1 && entry.address == address.0).then_some(entry)
}

/// The peer at this address.
#[inline(always)]
pub fn peer(config: &Config, address: &Address) -> Option<Known> {
    let PeerEntry { point_code_bits, side, flavour, .. } = *peer_entry(config, address)?;
    Some(Known { point_code_bits, side, flavour })
}

/// The form that neutralised messages of the peer at this address take; `None` if it is not among the peers.
#[inline(always)]
pub fn form(config: &Config, address: &Address) -> Option<Form> {
    peer_entry(config, address).map(|entry| Form::from_u8(entry.form))
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

/// The arrays of the list of global titles.
struct Tables;

impl TitleTables for Tables {
    #[inline(always)]
    fn root(&self, index: u32) -> Option<u64> {
        TITLE_ROOT.get(index).copied()
    }

    #[inline(always)]
    fn boundary(&self, index: u32) -> Option<u64> {
        TITLE_SEGMENTS.get(index).copied()
    }

    #[inline(always)]
    fn child(&self, chunk: u32, child: usize) -> Option<u64> {
        TITLE_CHUNKS.get(chunk)?.get(child & (abi::CHUNK_ROOM - 1)).copied()
    }

    #[inline(always)]
    fn hide(&self, value: u64) -> u64 {
        hide(value as usize) as u64
    }
}

/// Where to ask about a calling global title; see [`title_slot`]. Functions of their own, so that the verifier checks
/// them once.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn find_title(digits: u64, half: u32) -> u32 {
    title_slot(Symbols(digits), half, &Tables)
}

/// The entry that applies to a message from this direction, asked from this slot on; see [`applying`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn applying_title(slot: u32, half: u32, from: u32) -> u32 {
    applying(
        slot,
        from as u8,
        half,
        |slot| TITLE_DETAIL.get(slot),
        |slot| Present { hits: &TITLE_HITS, slot, half },
    )
}

/// The entry in this slot, with its hit counted.
#[inline(always)]
pub fn title_hit(slot: u32) -> Option<BlockHit> {
    if slot == TITLE_NO_SLOT {
        return None;
    }
    let detail = TITLE_DETAIL.get(slot)?;
    let evidence = count_hit(&TITLE_HITS, detail.expires_at, slot);
    Some(BlockHit { rule_id: detail.rule_id, action: detail.action(), evidence })
}

/// Puts the octets of a later fragment behind those of a message; see [`append`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn append_split(to: u32, from: u32, have: u32) -> u32 {
    let Some(from) = SPLITS.get(from) else { return 0 };
    let Some(to) = split(to) else { return 0 };
    append(to, from, have as usize) as u32
}

/// Now, as an entry sees it.
struct Present {
    hits: &'static Array<BlockHits>,
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
        self.hits.get(self.slot).map_or(0, |hits| hits.last)
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
    if detail.matches(opc, ni, network_appearance.get(), &Present { hits: &BLOCK_HITS, slot, half }) {
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
    let evidence = count_hit(&BLOCK_HITS, detail.expires_at, slot);
    BlockHit { rule_id: detail.rule_id, action: detail.action(), evidence }
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
        if detail.matches(opc, ni as u8, network_appearance, &Present { hits: &BLOCK_HITS, slot, half }) {
            return slot;
        }
        slot = detail.next;
    }
    abi::BLOCK_NO_SLOT
}

/// Counts a hit of this slot, whose entry ends at this time; true for the 1st, 2nd, 4th, 8th, ...
#[inline(always)]
fn count_hit(hits: &Array<BlockHits>, expires_at: u64, slot: u32) -> bool {
    let Some(hits) = hits.get_ptr_mut(slot) else { return false };
    let now = ticks();
    if expires_at == 0 || now < expires_at {
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
