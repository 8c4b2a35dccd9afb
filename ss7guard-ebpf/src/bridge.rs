//! A bridge's port: what arrives goes on by the other port, at once or after the controller has judged it.
//!
//! ```text
//!  frame ─ judge ─┬─ drop
//!                 ├─ needs judgement, or may carry user data while a frame of its host pair waits ─ AF_XDP
//!                 └─ everything else ─ redirect
//! ```
//! Each frame that arrives is found in exactly one counter besides "entered".

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::programs::XdpContext;
use ss7guard_common::abi::{
    BridgeCounter, Config, HOLD_FRAME_LEN, HOLD_STALE_NS, HoldStamp, bridge_flag, event_flag, frame_kind,
    hold_slot, socket_index,
};
use ss7guard_common::classify::FrameVerdict;
use ss7guard_common::verdict::Reason;
use ss7guard_common::wire::Remote;

use crate::maps::bridge::{self as bridge_maps, Counters};
use crate::packet::{Linear, Paged, make_room, write_stamp};
use crate::{judge, maps, punt};

/// What is done with a frame that goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// At once.
    Redirect(BridgeCounter),
    /// To the controller, by this socket.
    Hold(u32),
    /// Nowhere.
    Drop(BridgeCounter),
}

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
            counters.add(BridgeCounter::Refused);
            return xdp_action::XDP_DROP;
        }
        return redirect(index, counters, BridgeCounter::Redirected);
    }
    let mut slot = 0;
    let mut way = Way::Redirect(BridgeCounter::Redirected);
    if config.bridge & bridge_flag::HOLD != 0 && !verdict.verdict.drops() && may_carry(&verdict) {
        // SAFETY: the context of the running program.
        let queue = unsafe { (*ctx.ctx).rx_queue_index };
        slot = hold_slot(&Linear(ctx.ctx), index << 6 | queue & 63, config.seed);
        way = find_way(ctx, config, &verdict, slot, socket_index(index, queue));
    }
    let held = matches!(way, Way::Hold(_));
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
        counters.add(BridgeCounter::Dropped);
        return xdp_action::XDP_DROP;
    }
    match way {
        Way::Redirect(counter) => redirect(index, counters, counter),
        Way::Drop(counter) => {
            counters.add(counter);
            xdp_action::XDP_DROP
        }
        Way::Hold(socket) => {
            let judge = u32::from(verdict.verdict.wants_judgement());
            hold(ctx, config, counters, index, Holding { slot, socket, judge })
        }
    }
}

/// Whether a frame may carry user data: it does, or it could not be read as far as that.
#[inline(always)]
const fn may_carry(verdict: &FrameVerdict) -> bool {
    let exception = Reason::EXCEPTIONS.wrapping_shr(verdict.verdict.reason_number() as u32) & 1 != 0;
    verdict.carries_user_data() || exception
}

/// What is done with a frame that may carry user data.
#[inline(always)]
fn find_way(
    ctx: &XdpContext,
    config: &Config,
    verdict: &FrameVerdict,
    slot: u32,
    socket: Option<u32>,
) -> Way {
    let judge = verdict.verdict.wants_judgement();
    let waits = bridge_maps::waits(slot);
    if !judge && !waits {
        return Way::Redirect(BridgeCounter::Redirected);
    }
    let socket = match socket {
        Some(socket) if bridge_maps::is_open(socket) => socket,
        _ => return down(config, judge),
    };
    let Some(beat) = bridge_maps::beat() else { return down(config, judge) };
    // SAFETY: no argument; reads the kernel's clock.
    let age = unsafe { bpf_ktime_get_ns() }.wrapping_sub(beat.beat_ns);
    // A sign of life of this very moment may be younger than this look at the clock.
    if age as i64 > HOLD_STALE_NS as i64 || (beat.draining != 0 && !waits) {
        return down(config, judge);
    }
    let len = Linear(ctx.ctx).len();
    if len > HOLD_FRAME_LEN || Paged(ctx.ctx).len() > len {
        return too_long(config);
    }
    if bridge_maps::on_the_way(socket) >= beat.room {
        return if config.bridge & bridge_flag::FULL_DROPS != 0 {
            Way::Drop(BridgeCounter::FullDropped)
        } else {
            Way::Redirect(BridgeCounter::FullPassed)
        };
    }
    Way::Hold(socket)
}

/// There is no controller.
#[inline(always)]
const fn down(config: &Config, judge: bool) -> Way {
    if !judge {
        Way::Redirect(BridgeCounter::Overtook)
    } else if config.bridge & bridge_flag::DOWN_DROPS != 0 {
        Way::Drop(BridgeCounter::DownDropped)
    } else {
        Way::Redirect(BridgeCounter::DownPassed)
    }
}

/// The frame has no room in a buffer of the controller.
#[inline(always)]
const fn too_long(config: &Config) -> Way {
    if config.bridge & bridge_flag::FULL_DROPS != 0 {
        Way::Drop(BridgeCounter::LongDropped)
    } else {
        Way::Redirect(BridgeCounter::LongPassed)
    }
}

#[inline(always)]
fn redirect(index: u32, counters: Counters, counter: BridgeCounter) -> u32 {
    match bridge_maps::out(index) {
        Some(action) => {
            counters.add(counter);
            action
        }
        None => {
            counters.add(BridgeCounter::NoWay);
            xdp_action::XDP_DROP
        }
    }
}

/// A frame that is to be held.
struct Holding {
    slot: u32,
    socket: u32,
    judge: u32,
}

/// Stamps a frame and hands it to the controller.
#[inline(always)]
fn hold(ctx: &XdpContext, config: &Config, counters: Counters, index: u32, holding: Holding) -> u32 {
    if !make_room(ctx) {
        return match too_long(config) {
            Way::Redirect(counter) => redirect(index, counters, counter),
            _ => {
                counters.add(BridgeCounter::LongDropped);
                xdp_action::XDP_DROP
            }
        };
    }
    let Holding { slot, socket, judge } = holding;
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
