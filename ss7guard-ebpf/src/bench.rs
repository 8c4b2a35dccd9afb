//! Programs that the bench measures with: floors, a generator, and the classifier under random point codes.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(dead_code, reason = "the bench measures what arrives; the parts for what leaves stay unused")]

mod judge;
mod maps;
mod packet;
mod punt;

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, DevMap};
use aya_ebpf::programs::XdpContext;
use ss7guard_common::neutralise::WriteAt as _;

use crate::packet::Linear;

/// State of the generator; 0 for point codes that are not blocked, 1 for blocked ones; offset of the OPC. One element,
/// so that drawing a number costs little besides what is measured.
#[map]
static BENCH: Array<[u64; 3]> = Array::with_max_entries(1, 0);

/// What neutralising changes in the bench's frame: the SCTP checksum, and the first octets of the M3UA message.
#[map]
static RESTORE: Array<[u8; 16]> = Array::with_max_entries(1, 0);

/// Calling numbers of 15 digits, as octets of an address.
#[map]
static NUMBERS: Array<u64> = Array::with_max_entries(NUMBERS_LEN, 0);
const NUMBERS_LEN: u32 = 1 << 20;

/// The number's turn, and the offset of the digits in the frame.
#[map]
static CALLER: Array<[u64; 2]> = Array::with_max_entries(1, 0);

/// Where the generator sends to.
#[map]
static TX: DevMap = DevMap::with_max_entries(1, 0);

/// Where a bare bridge sends to.
#[map]
static THROUGH: DevMap = DevMap::with_max_entries(1, 0);

/// The floor: drops everything.
#[xdp(frags)]
pub fn bare_drop(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// The other floor: passes everything.
#[xdp(frags)]
pub fn bare_pass(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Sends what it is given to the interface in `TX`.
#[xdp]
pub fn generator(_ctx: XdpContext) -> u32 {
    TX.redirect(0, 0).unwrap_or(xdp_action::XDP_ABORTED)
}

/// The floor of a bridge: sends everything to the interface in `THROUGH`.
#[xdp(frags)]
pub fn bare_redirect(_ctx: XdpContext) -> u32 {
    THROUGH.redirect(0, 0).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Puts back what neutralising has changed in the run before; false if the frame is not the bench's.
#[inline(always)]
fn restore(ctx: &XdpContext) -> bool {
    // Ethernet 14, IPv4 20; the checksum is 8 octets into SCTP, the message behind its 12 and DATA's 16.
    const CHECKSUM_AT: usize = 42;
    const MESSAGE_AT: usize = 62;
    let Some([a, b, c, d, message @ ..]) = RESTORE.get(0).copied() else { return false };
    let mut frame = Linear(ctx.ctx);
    frame.write_at(CHECKSUM_AT, [a, b, c, d]) && frame.write_at(MESSAGE_AT, message)
}

/// The floor for what rewrites: puts the frame back and passes it.
#[xdp(frags)]
pub fn restore_pass(ctx: XdpContext) -> u32 {
    if restore(&ctx) { xdp_action::XDP_PASS } else { xdp_action::XDP_ABORTED }
}

/// The firewall's program over a frame that is put back before each run.
#[xdp(frags)]
pub fn restore_judge(ctx: XdpContext) -> u32 {
    if restore(&ctx) { judge::ingress(&ctx) } else { xdp_action::XDP_ABORTED }
}

/// Entries of the bench's block list: 2^20.
const ENTRY_MASK: u64 = (1 << 20) - 1;

/// The classifier over a frame whose point code is another one each time. Blocked point codes are odd, others even.
#[xdp(frags)]
pub fn random_opc(ctx: XdpContext) -> u32 {
    let Some(settings) = BENCH.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
    // SAFETY: an aligned map value of this type; one run at a time.
    let [state, mode, offset] = unsafe { &mut *settings };
    let number = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state = number;
    let random = number >> 33;
    let code = if *mode == 0 { (random & 0x7f_ffff) << 1 } else { blocked_code(random & ENTRY_MASK) };
    if !Linear(ctx.ctx).write_at(*offset as usize, (code as u32).to_be_bytes()) {
        return xdp_action::XDP_ABORTED;
    }
    judge::ingress(&ctx)
}

/// The classifier over a frame whose calling global title is another one each time.
#[xdp(frags)]
pub fn random_title(ctx: XdpContext) -> u32 {
    let Some(caller) = CALLER.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
    // SAFETY: an aligned map value of this type; one run at a time.
    let [turn, offset] = unsafe { &mut *caller };
    let Some(number) = NUMBERS.get(*turn as u32 & (NUMBERS_LEN - 1)) else { return xdp_action::XDP_ABORTED };
    *turn = turn.wrapping_add(1);
    if !Linear(ctx.ctx).write_at(*offset as usize, number.to_le_bytes()) {
        return xdp_action::XDP_ABORTED;
    }
    judge::ingress(&ctx)
}

/// Point code of an entry of the list, as the bench filled it: spread over the whole space, odd.
#[inline(always)]
const fn blocked_code(entry: u64) -> u64 {
    (entry.wrapping_mul(0x0058_4b6d) & 0x7f_ffff) << 1 | 1
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
