//! The maps of a bridge. Layouts and meanings are in `ss7guard_common::abi`.

use core::arch::asm;

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, DevMap, PerCpuArray, XskMap};
use ss7guard_common::abi::{self, BridgeCounter, BridgePort, HoldBeat, HoldQueue, HoldSlot, port_index};

use crate::maps::MAPPED;
use crate::packet::hide;

// The controller makes the table of what waits as large as it is meant to be, where there is a bridge.
#[map]
static BRIDGE_PORTS: Array<BridgePort> = Array::pinned(abi::BRIDGE_PORTS, 0);
#[map]
static BRIDGE_OUT: DevMap = DevMap::pinned(abi::BRIDGE_PORTS, 0);
#[map]
static BRIDGE_COUNT: PerCpuArray<[u64; abi::BRIDGE_COUNTERS]> = PerCpuArray::pinned(abi::BRIDGE_PORTS, 0);
#[map]
static HOLD_SOCKETS: XskMap = XskMap::pinned(abi::BRIDGE_SOCKETS, 0);
#[map]
static HOLD_SLOTS: Array<HoldSlot> = Array::pinned(abi::HOLD_SLOTS, MAPPED);
#[map]
static HOLD_QUEUES: Array<HoldQueue> = Array::pinned(abi::BRIDGE_SOCKETS, MAPPED);
#[map]
static HOLD_BEAT: Array<HoldBeat> = Array::pinned(1, MAPPED);

/// The port of this interface, with its place in the table.
#[inline(always)]
pub fn port(ifindex: u32) -> Option<(u32, &'static BridgePort)> {
    // Nearly always the first place.
    let first = ifindex % abi::BRIDGE_PORTS;
    let port = BRIDGE_PORTS.get(first)?;
    if port.ifindex == ifindex {
        return Some((first, port));
    }
    let index = find_port(ifindex);
    Some((index, BRIDGE_PORTS.get(index)?))
}

/// A function of its own, so that the verifier checks it once. Beyond the table: none.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn find_port(ifindex: u32) -> u32 {
    port_index(ifindex, |index| BRIDGE_PORTS.get(index)).unwrap_or(abi::BRIDGE_PORTS)
}

/// The counters of a port.
#[derive(Clone, Copy)]
pub struct Counters(*mut [u64; abi::BRIDGE_COUNTERS]);

impl Counters {
    /// Counts one frame.
    #[inline(always)]
    pub fn add(self, counter: BridgeCounter) {
        // SAFETY: this processor's own element of the map; the number of a counter is within the array.
        let count = unsafe { &mut (*self.0)[counter as usize] };
        *count = count.wrapping_add(1);
    }
}

impl Counters {
    /// The same by the counter's number.
    #[inline(always)]
    pub fn add_number(self, number: u32) {
        // SAFETY: this processor's own element of the map; the mask is the array's length less one.
        let count = unsafe { &mut (*self.0)[hide(number as usize) & (abi::BRIDGE_COUNTERS - 1)] };
        *count = count.wrapping_add(1);
    }
}

const _: () = assert!(abi::BRIDGE_COUNTERS.is_power_of_two());

/// The counters of the port in this place.
#[inline(always)]
pub fn counters(index: u32) -> Option<Counters> {
    BRIDGE_COUNT.get_ptr_mut(index).map(Counters)
}

/// Sends a frame on by the other port of the bridge; `None` if that is not there.
#[inline(always)]
pub fn out(index: u32) -> Option<u32> {
    BRIDGE_OUT.redirect(index, u64::from(xdp_action::XDP_DROP)).ok()
}

/// Sends a frame to the controller; `None` if it is not there.
#[inline(always)]
pub fn to_controller(socket: u32) -> Option<u32> {
    HOLD_SOCKETS.redirect(socket, u64::from(xdp_action::XDP_DROP)).ok()
}

/// Whether the controller listens on a socket.
#[inline(always)]
pub fn is_open(socket: u32) -> bool {
    HOLD_SOCKETS.get(socket).is_some()
}

/// The controller's sign of life.
#[inline(always)]
pub fn beat() -> Option<HoldBeat> {
    HOLD_BEAT.get(0).copied()
}

/// Whether frames of this host pair wait.
#[inline(always)]
pub fn waits(slot: u32) -> bool {
    HOLD_SLOTS.get(slot).is_some_and(|slot| slot.pushed != slot.done)
}

/// Frames that are on the way to the controller through a socket.
#[inline(always)]
pub fn on_the_way(socket: u32) -> u32 {
    HOLD_QUEUES.get(socket).map_or(u32::MAX, |queue| queue.pushed.wrapping_sub(queue.taken))
}

/// Counts a frame that goes to the controller; gives its numbers, in its host pair and in its socket.
#[inline(always)]
pub fn push(slot: u32, socket: u32) -> Option<(u32, u32)> {
    let slot = HOLD_SLOTS.get_ptr_mut(slot)?;
    let queue = HOLD_QUEUES.get_ptr_mut(socket)?;
    // SAFETY: an aligned map value; only this queue's processor writes the word.
    let queue = unsafe { &mut (*queue).pushed };
    *queue = queue.wrapping_add(1);
    let mut before = 1u32;
    // SAFETY: `slot` is an aligned map value that starts with the count; the instruction adds to it atomically and gives
    // the value before. Pairs of one queue are counted by one processor, but where XDP runs generically by any.
    unsafe {
        asm!(
            "w2 = atomic_fetch_add((u32 *)(r1 + 0), w2)",
            inout("r2") before,
            in("r1") slot,
            options(nostack, preserves_flags)
        );
    }
    Some((before.wrapping_add(1), *queue))
}
