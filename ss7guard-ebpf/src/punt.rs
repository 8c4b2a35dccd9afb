//! Copies of frames for the controller: an event header and the octets of the frame, through the ring buffer.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::programs::{TcContext, XdpContext};
use ss7guard_common::abi::{ABI_VERSION, Config, EVENT_CAPTURE_LEN, Event, Mode, PuntCounter, event_flag};
use ss7guard_common::classify::FrameVerdict;
use ss7guard_common::read::ReadAt;
use ss7guard_common::verdict::{Class, Reason};
use ss7guard_common::wire::sctp;

use crate::maps::{self, EVENTS};
use crate::packet::{Paged, Skb, hide};

/// Sends a frame that arrived, with these bits of [`event_flag`].
#[inline(always)]
pub fn ingress(ctx: &XdpContext, config: &Config, verdict: &FrameVerdict, flags: u8) {
    let frame = Paged(ctx.ctx);
    // SAFETY: the context of the running program.
    let ifindex = unsafe { (*ctx.ctx).ingress_ifindex };
    let mut event = event(&frame, frame.len(), ifindex, flags, config, verdict);
    if verdict.verdict.drops() {
        event.flags |= event_flag::DROPPED;
    }
    if is_beyond(false, &event, config, verdict) {
        return;
    }
    // SAFETY: `send` gives room for `len` octets at `to`.
    send(false, event, |to, len| unsafe { frame.copy(0, to, len) });
}

/// Sends a frame that leaves.
#[inline(always)]
pub fn egress(ctx: &TcContext, config: &Config, verdict: &FrameVerdict) {
    let frame = Skb(ctx.skb.skb);
    // SAFETY: the context of the running program.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    let event = event(&frame, frame.len(), ifindex, event_flag::EGRESS, config, verdict);
    if is_beyond(true, &event, config, verdict) {
        return;
    }
    // SAFETY: as above.
    send(true, event, |to, len| unsafe { frame.copy(0, to, len) });
}

/// Whether this is one set-up frame too many in this second; counts it then.
#[inline(always)]
fn is_beyond(egress: bool, event: &Event, config: &Config, verdict: &FrameVerdict) -> bool {
    let beyond =
        verdict.verdict.is_bounded() && !maps::setup_copy(egress, event.time_ns, config.setup_copies);
    if beyond {
        maps::count_punt(PuntCounter::Bounded);
    }
    beyond
}

#[inline(always)]
fn event<R: ReadAt>(
    frame: &R,
    frame_len: usize,
    ifindex: u32,
    mut flags: u8,
    config: &Config,
    verdict: &FrameVerdict,
) -> Event {
    let judged = verdict.verdict;
    if verdict.rewrites() {
        flags |= event_flag::NEUTRALISED;
    }
    if judged.is_evidence() {
        flags |= event_flag::BLOCK_EVIDENCE;
    }
    if config.mode() == Mode::Monitor {
        flags |= event_flag::MONITOR;
    }
    let mut captured = frame_len;
    if captured > EVENT_CAPTURE_LEN {
        captured = EVENT_CAPTURE_LEN;
        flags |= event_flag::TRUNCATED;
    }
    let mut tsn = 0;
    let mut stream = 0;
    if verdict.chunk_offset != 0 {
        let off = verdict.chunk_offset;
        tsn = frame.be32_at(off.wrapping_add(4)).unwrap_or(0);
        stream = frame.be16_at(off.wrapping_add(8)).unwrap_or(0);
    }
    Event {
        // SAFETY: no argument; reads the kernel's clock.
        time_ns: unsafe { bpf_ktime_get_ns() },
        ifindex,
        frame_len: frame_len as u32,
        captured_len: captured as u32,
        chunk_offset: verdict.chunk_offset as u32,
        tsn,
        rule_id: judged.rule_id(),
        stream,
        chunk_len: verdict.chunk_len as u16,
        reason: judged.reason_number(),
        class: class_number(judged.reason_number()),
        flags,
        abi_version: ABI_VERSION as u8,
    }
}

/// Number of the class of a reason, computed as a table of bits so that no branch tree ends up in the program.
#[inline(always)]
const fn class_number(reason: u8) -> u8 {
    const CLASSES: [u64; 2] = class_bits();
    let low = CLASSES[0] >> (reason & 63) & 1;
    let high = CLASSES[1] >> (reason & 63) & 1;
    (low | high << 1) as u8
}

/// Bit 0 and bit 1 of the class number, each as a bitmap over the reasons.
const fn class_bits() -> [u64; 2] {
    let mut bits = [0u64; 2];
    let mut index = 0;
    while index < Reason::COUNT {
        let class: Class = Reason::ALL[index].class();
        bits[0] |= (class as u64 & 1) << index;
        bits[1] |= (class as u64 >> 1 & 1) << index;
        index += 1;
    }
    bits
}

/// Puts the event and the frame together and into the ring; counts what became of it.
#[inline(always)]
fn send(egress: bool, event: Event, copy: impl FnOnce(*mut u8, usize) -> bool) {
    let Some(scratch) = maps::scratch(egress) else { return };
    if event.captured_len == 0 {
        maps::count_punt(PuntCounter::Unreadable);
        return;
    }
    // One octet or more for any argument: the verifier of Linux 6.1 learns nothing from a comparison with zero, and the
    // helpers take no length that may be zero.
    let len = (hide(event.captured_len as usize).wrapping_sub(1) & EVENT_CAPTURE_LEN).wrapping_add(1);
    // SAFETY: the scratch buffer holds an event and a capture, in this order; map values are 8-aligned.
    unsafe { scratch.cast::<Event>().write(event) };
    // SAFETY: as above; the header's size lies inside the buffer.
    let body = unsafe { scratch.add(size_of::<Event>()) };
    if !copy(body, len) {
        maps::count_punt(PuntCounter::Unreadable);
        return;
    }
    // SAFETY: header and `len` octets were written.
    let record = unsafe { core::slice::from_raw_parts(scratch, size_of::<Event>() + len) };
    // Nobody is woken: the controller looks by itself every few milliseconds. A wake-up for each event costs the
    // sender many times the copy.
    if EVENTS.output::<[u8]>(record, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        maps::count_punt(PuntCounter::Overrun);
        return;
    }
    maps::count_punt(PuntCounter::Sent);
    if event.flags & event_flag::TRUNCATED != 0 {
        maps::count_punt(PuntCounter::Truncated);
    }
}

const _: () = assert!(sctp::CHUNK_HEADER_LEN == 4 && EVENT_CAPTURE_LEN.wrapping_add(1).is_power_of_two());
