//! The kernel side of ss7guard: mechanism only. Policy arrives as map entries and the CONFIG record.
//!
//! ```text
//!  NIC ── ss7guard_xdp ──┐                         ┌─ maps.rs     lists, counters, configuration
//!                        ├─ packet.rs ─ judge.rs ──┤
//!  tc egress ─ ss7guard_tc ┘  (reads)    (verdict)  └─ punt.rs     copies for the controller
//!  NIC ── ss7guard_bridge ─ bridge.rs ─ the same; then out by the other port, or to the controller
//! ```
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod bridge;
mod judge;
mod maps;
mod packet;
mod punt;

use aya_ebpf::bindings::{TC_ACT_OK, xdp_action};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use ss7guard_common::abi;

/// Judges every frame that arrives; drops what is blocked, copies what the controller must see.
#[xdp(frags)]
pub fn ss7guard_xdp(ctx: XdpContext) -> u32 {
    judge::ingress(&ctx)
}

/// Judges every frame that arrives at a port of a bridge; sends it on, drops it, or hands it to the controller first.
///
/// Inlined into what the macro makes of it, which would else be another frame of the stack.
#[xdp(frags)]
#[inline(always)]
pub fn ss7guard_bridge(ctx: XdpContext) -> u32 {
    bridge::ingress(&ctx)
}

/// Copies what leaves and what the controller must see; never drops.
#[classifier]
pub fn ss7guard_tc(ctx: TcContext) -> i32 {
    judge::egress(&ctx);
    TC_ACT_OK
}

/// Run once by the controller at start, on no interface: shows that maps and log work, and notes the clocks.
#[xdp]
pub fn ss7guard_hello(ctx: XdpContext) -> u32 {
    let Some(now) = maps::sample_clocks() else { return xdp_action::XDP_ABORTED };
    aya_log_ebpf::info!(&ctx, "kernel programs ready: abi {}, tick {}", abi::ABI_VERSION, now.ticks);
    xdp_action::XDP_PASS
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier refuses a program from which this can be reached.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
