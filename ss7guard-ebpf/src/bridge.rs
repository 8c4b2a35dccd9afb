//! A bridge's port: what arrives goes on by the other port, at once or after the controller has judged it.
//!
//! ```text
//!  frame ─ judge ─┬─ drop
//!                 ├─ needs judgement, or may carry user data while a frame of its host pair waits ─ AF_XDP
//!                 └─ everything else ─ redirect
//! ```
//! Each frame that arrives is found in exactly one counter besides "entered".

use aya_ebpf::bindings::{xdp_action, xdp_md};
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::programs::XdpContext;
use ss7guard_common::abi::{
    BridgeCounter, Config, HOLD_FRAME_LEN, HOLD_SLOTS, HoldStamp, SOCKET_SLOTS, bridge_flag, event_flag,
    frame_kind, hold_slot, socket_index,
};
use ss7guard_common::classify::FrameVerdict;
use ss7guard_common::verdict::Reason;
use ss7guard_common::wire::Remote;

use crate::maps::bridge::{self as bridge_maps, Counters};
use crate::packet::{Linear, Paged, make_room, write_stamp};
use crate::{judge, maps, punt};

/// What is done with a frame that goes on.
#[derive(Clone, Copy)]
enum Way {
    /// On by the other port, at once.
    Go(BridgeCounter),
    /// To the controller; with the frame's place in the table of what waits.
    Hold(u32),
    /// Nowhere.
    Drop(BridgeCounter),
}

impl Way {
    const KIND_SHIFT: u32 = 24;
    const REST: u32 = (1 << Self::KIND_SHIFT) - 1;
    const GO: u32 = 0;
    const HOLD: u32 = 1;
    const DROP: u32 = 2;

    /// As one number, which is what the functions below can give and take.
    #[inline(always)]
    const fn word(self) -> u32 {
        match self {
            Self::Go(counter) => Self::GO << Self::KIND_SHIFT | counter as u32,
            Self::Hold(slot) => Self::HOLD << Self::KIND_SHIFT | slot & Self::REST,
            Self::Drop(counter) => Self::DROP << Self::KIND_SHIFT | counter as u32,
        }
    }

    #[inline(always)]
    const fn holds(word: u32) -> bool {
        word >> Self::KIND_SHIFT == Self::HOLD
    }
}

const _: () = assert!(HOLD_SLOTS - 1 <= Way::REST);

/// Handles a frame that arrived at a port. Gives the XDP action.
#[inline(always)]
pub fn ingress(ctx: &XdpContext) -> u32 {
    // SAFETY: the context of the running program.
    let ifindex = unsafe { (*ctx.ctx).ingress_ifindex };
    // A link that is older than the table.
    let Some((index, port)) = bridge_maps::port(ifindex) else { return xdp_action::XDP_PASS };
    let Some(counters) = bridge_maps::counters(index) else { return xdp_action::XDP_ABORTED };
    counters.add(BridgeCounter::Entered);
    let Some(config) = maps::config() else {
        counters.add(BridgeCounter::PassedUp);
        return xdp_action::XDP_PASS;
    };
    if Paged(ctx.ctx).len() > port.longest as usize {
        counters.add(BridgeCounter::OverMtu);
        return xdp_action::XDP_DROP;
    }
    let out = port.is_home();
    let verdict = judge::arrived(ctx, config, if out { Remote::Destination } else { Remote::Source });
    judge::trace(ctx, &verdict);
    let reason = verdict.verdict.reason_number();
    let foreign = reason == Reason::NotIp as u8 || reason == Reason::NotSctp as u8;
    if foreign {
        if config.frames != 0 && config.frames & frame_kind(&Linear(ctx.ctx)) != 0 {
            return take_way(ctx.ctx, index, Way::Drop(BridgeCounter::Refused).word(), 0);
        }
        return take_way(ctx.ctx, index, Way::Go(BridgeCounter::Redirected).word(), 0);
    }
    let mut way = Way::Go(BridgeCounter::Redirected).word();
    if config.bridge & bridge_flag::HOLD != 0 && !verdict.verdict.drops() && may_carry(&verdict) {
        way = find_way(ctx.ctx, index, u32::from(verdict.verdict.wants_judgement()));
    }
    let held = Way::holds(way);
    // What is held is judged as it lies there, after what was blocked in it has been rewritten: that is copied before.
    let judged_there = held && verdict.verdict.wants_judgement();
    if verdict.verdict.punts() && (!judged_there || verdict.verdict.tells_what_is_stopped()) {
        let mut flags = if out { event_flag::EGRESS } else { 0 };
        if judged_there {
            flags |= event_flag::HELD;
        }
        punt::ingress(ctx, config, &verdict, flags);
    }
    if verdict.verdict.drops() || !judge::carry_out(ctx, config, &verdict, out) {
        way = Way::Drop(BridgeCounter::Dropped).word();
    }
    take_way(ctx.ctx, index, way, u32::from(verdict.verdict.wants_judgement()))
}

/// Whether a frame may carry user data: it does, or it could not be read as far as that.
#[inline(always)]
const fn may_carry(verdict: &FrameVerdict) -> bool {
    let exception = Reason::EXCEPTIONS.wrapping_shr(verdict.verdict.reason_number() as u32) & 1 != 0;
    verdict.carries_user_data() || exception
}

/// What is done with a frame that may carry user data: a [`Way`]. `judge` is 1 if it needs judgement.
///
/// This and [`take_way`] are functions of their own, as the judges are: what comes after the verdict would else be checked
/// again for each way through the classifier, and would take room on the stack that the judges need.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn find_way(ctx: *mut xdp_md, port: u32, judge: u32) -> u32 {
    let Some(config) = maps::config() else { return Way::Go(BridgeCounter::Redirected).word() };
    // SAFETY: the context of the running program.
    let queue = unsafe { (*ctx).rx_queue_index };
    let socket = socket_index(port, queue);
    let slot = hold_slot(&Linear(ctx), socket.unwrap_or(0), config.seed);
    way(ctx, config, slot, socket, judge != 0).word()
}

#[inline(always)]
fn way(ctx: *mut xdp_md, config: &Config, slot: u32, socket: Option<u32>, judge: bool) -> Way {
    // A queue without a socket has nothing that waits.
    let waits = socket.is_some() && bridge_maps::waits(slot);
    if !judge && !waits {
        return Way::Go(BridgeCounter::Redirected);
    }
    let socket = match socket {
        Some(socket) if bridge_maps::is_open(socket) => socket,
        _ => return down(config, judge),
    };
    let Some(beat) = bridge_maps::beat() else { return down(config, judge) };
    // SAFETY: no argument; reads the kernel's clock.
    let age = unsafe { bpf_ktime_get_ns() }.wrapping_sub(beat.beat_ns);
    // A sign of life of this very moment may be younger than this look at the clock.
    if age as i64 > beat.silence_ns as i64 || (beat.draining != 0 && !waits) {
        return down(config, judge);
    }
    let len = Linear(ctx).len();
    if len > HOLD_FRAME_LEN || Paged(ctx).len() > len {
        return too_long(config);
    }
    if bridge_maps::on_the_way(socket) >= beat.room {
        return if config.bridge & bridge_flag::FULL_DROPS != 0 {
            Way::Drop(BridgeCounter::FullDropped)
        } else {
            Way::Go(BridgeCounter::FullPassed)
        };
    }
    Way::Hold(slot)
}

/// There is no controller.
#[inline(always)]
const fn down(config: &Config, judge: bool) -> Way {
    if !judge {
        Way::Go(BridgeCounter::Overtook)
    } else if config.bridge & bridge_flag::DOWN_DROPS != 0 {
        Way::Drop(BridgeCounter::DownDropped)
    } else {
        Way::Go(BridgeCounter::DownPassed)
    }
}

/// The frame has no room in a buffer of the controller.
#[inline(always)]
const fn too_long(config: &Config) -> Way {
    if config.bridge & bridge_flag::FULL_DROPS != 0 {
        Way::Drop(BridgeCounter::LongDropped)
    } else {
        Way::Go(BridgeCounter::LongPassed)
    }
}

/// On by the other port, if the other side is there; with the number of the counter for it.
#[inline(always)]
fn leave(counters: Counters, port: u32, counter: u32) -> u32 {
    match bridge_maps::out(port) {
        Some(action) => {
            counters.add_number(counter);
            action
        }
        None => no_way(counters),
    }
}

/// The other side is not there.
#[inline(always)]
fn no_way(counters: Counters) -> u32 {
    counters.add(BridgeCounter::NoWay);
    xdp_action::XDP_DROP
}

/// Does with a frame what [`find_way`] has said. Gives the XDP action.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn take_way(ctx: *mut xdp_md, port: u32, way: u32, judge: u32) -> u32 {
    let Some(counters) = bridge_maps::counters(port) else { return xdp_action::XDP_ABORTED };
    let rest = way & Way::REST;
    match way >> Way::KIND_SHIFT {
        Way::HOLD => hold(ctx, counters, port, rest, judge),
        Way::GO => leave(counters, port, rest),
        _ => {
            counters.add_number(rest);
            xdp_action::XDP_DROP
        }
    }
}

/// Stamps a frame and hands it to the controller.
#[inline(always)]
fn hold(ctx: *mut xdp_md, counters: Counters, port: u32, slot: u32, judge: u32) -> u32 {
    if !make_room(ctx) {
        let Some(config) = maps::config() else { return no_way(counters) };
        return match too_long(config) {
            Way::Go(counter) => leave(counters, port, counter as u32),
            _ => {
                counters.add(BridgeCounter::LongDropped);
                xdp_action::XDP_DROP
            }
        };
    }
    let socket = slot / SOCKET_SLOTS;
    let Some((number, queue_number)) = bridge_maps::push(slot, socket) else {
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: no argument; reads the kernel's clock.
    let time_ns = unsafe { bpf_ktime_get_ns() };
    let stamped = write_stamp(ctx, HoldStamp { slot, number, queue_number, judge, time_ns });
    match bridge_maps::to_controller(socket) {
        Some(action) if stamped => {
            counters.add(BridgeCounter::Held);
            action
        }
        // It went away this very moment.
        _ => {
            counters.add(BridgeCounter::DownDropped);
            xdp_action::XDP_DROP
        }
    }
}
