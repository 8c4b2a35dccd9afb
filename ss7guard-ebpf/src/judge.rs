//! Runs the shared classifier over each kind of packet memory.
//!
//! The judgement of one chunk is a function of its own with external linkage: the verifier then checks it once,
//! for any argument, instead of once on each path through the chunk loop.

use aya_ebpf::bindings::{__sk_buff, xdp_action, xdp_md};
use aya_ebpf::programs::{TcContext, XdpContext};
use ss7guard_common::abi::{Config, Split, Symbols, config_flag};
use ss7guard_common::classify::{
    self, BlockHit, ChunkVerdict, Env, FrameVerdict, Known, Scope, TitleVerdict, split, title,
};
use ss7guard_common::neutralise::crc::Delta;
use ss7guard_common::neutralise::{self, Form, WriteAt};
use ss7guard_common::read::ReadAt;
use ss7guard_common::verdict::{Action, Code, Reason};
use ss7guard_common::wire::m3ua::{self, Walked};
use ss7guard_common::wire::sctp::{Chunk, data_flag};
use ss7guard_common::wire::{Address, Maybe, Remote};

use crate::packet::{Linear, Paged, Skb};
use crate::{maps, punt};

/// Lists and counters of the kernel. `EGRESS`: the frame leaves through tc, and is only looked at.
struct Kernel<'a, const EGRESS: bool> {
    config: &'a Config,
    /// Whether it counts as one that comes from home.
    out: bool,
}

impl<'a, const EGRESS: bool> Kernel<'a, EGRESS> {
    #[inline(always)]
    const fn of(config: &'a Config, scope: u32) -> Self {
        Self { config, out: EGRESS || Scope(scope).remote_is_destination() }
    }
}

/// The parts of [`Env`] that do not depend on the reader.
macro_rules! kernel_env {
    ($reader:ty, $egress:literal, $judge:ident, $walk:ident, $title:ident, $forbidden:ident, $owner:ident, $fragment:ident, $note:ident, $stranger:ident) => {
        impl Env<$reader> for Kernel<'_, $egress> {
            #[inline(always)]
            fn peer(&mut self, address: &Address) -> Option<Known> {
                maps::peer(self.config, address)
            }

            #[inline(always)]
            fn title_slot(&mut self, half: u32, digits: Symbols) -> u32 {
                maps::find_title(digits.0, half)
            }

            #[inline(always)]
            fn title_entry(&mut self, slot: u32, half: u32, _digits: Symbols, from: u8) -> Option<BlockHit> {
                maps::title_hit(maps::applying_title(slot, half, u32::from(from)))
            }

            #[inline(always)]
            fn title(
                &mut self,
                frame: &$reader,
                _config: &Config,
                scope: Scope,
                off: usize,
                len: usize,
            ) -> TitleVerdict {
                TitleVerdict($title(frame.0, off as u32, len as u32, scope.0))
            }

            #[inline(always)]
            fn is_forbidden(
                &mut self,
                frame: &$reader,
                _config: &Config,
                scope: Scope,
                off: usize,
                len: usize,
            ) -> bool {
                $forbidden(frame.0, off as u32, len as u32, scope.0) != 0
            }

            #[inline(always)]
            fn blocked(
                &mut self,
                half: u32,
                opc: u32,
                ni: u8,
                network_appearance: Maybe,
            ) -> Option<BlockHit> {
                maps::blocked(half, opc, ni, network_appearance)
            }

            #[inline(always)]
            fn acts(&self) -> bool {
                !$egress
            }

            #[inline(always)]
            fn now(&mut self) -> u64 {
                maps::ticks()
            }

            #[inline(always)]
            fn split(&mut self, slot: u32) -> Option<&mut Split> {
                maps::split(slot)
            }

            #[inline(always)]
            fn note(&mut self, frame: &$reader, slot: u32, from: usize, payload: usize, len: usize) {
                $note(frame.0, slot, from as u32, payload as u32, len as u32);
            }

            #[inline(always)]
            fn pick(&mut self, base: u32, owner: u64, now: u64, _config: &Config) -> u32 {
                maps::pick_split(base, owner, now)
            }

            #[inline(always)]
            fn owner(
                &mut self,
                frame: &$reader,
                _config: &Config,
                scope: Scope,
                off: usize,
                chunk: Chunk,
                ahead: u32,
            ) -> u64 {
                $owner(frame.0, off as u32, chunk.word, scope.0, ahead)
            }

            #[inline(always)]
            fn append(&mut self, to: u32, from: u32, have: usize) -> usize {
                maps::append_split(to, from, have as u32) as usize
            }

            #[inline(always)]
            fn copy(&mut self, from: u32, to: u32) {
                maps::copy_split(from, to);
            }

            #[inline(always)]
            fn fragment(
                &mut self,
                frame: &$reader,
                _config: &Config,
                scope: Scope,
                off: usize,
                chunk: Chunk,
            ) -> ChunkVerdict {
                ChunkVerdict($fragment(frame.0, off as u32, chunk.word, scope.0))
            }

            #[inline(always)]
            fn count(&mut self, reason: Code, action: Action) {
                maps::count(self.out, reason, action);
            }

            #[inline(always)]
            fn is_stranger(&mut self, frame: &$reader, _config: &Config, scope: Scope) -> bool {
                $stranger(frame.0, scope.0) != 0
            }

            #[inline(always)]
            fn walk(
                &mut self,
                frame: &$reader,
                off: usize,
                avail: usize,
                fault: Code,
                first_fragment: bool,
            ) -> Walked {
                let how = fault.0 as u32 | u32::from(first_fragment) << FIRST_FRAGMENT_SHIFT;
                Walked($walk(frame.0, off as u32, avail as u32, how))
            }

            #[inline(always)]
            fn user_data(
                &mut self,
                frame: &$reader,
                _config: &Config,
                scope: Scope,
                off: usize,
                chunk: Chunk,
            ) -> ChunkVerdict {
                ChunkVerdict($judge(frame.0, off as u32, chunk.word, scope.0))
            }
        }
    };
}

kernel_env!(
    Linear,
    false,
    judge_linear,
    walk_linear,
    title_linear,
    forbidden_linear,
    owner_linear,
    fragment_linear,
    note_linear,
    stranger_linear
);
kernel_env!(
    Paged,
    false,
    judge_paged,
    walk_paged,
    title_paged,
    forbidden_paged,
    owner_paged,
    fragment_paged,
    note_paged,
    stranger_paged
);
kernel_env!(
    Skb,
    true,
    judge_skb,
    walk_skb,
    title_skb,
    forbidden_skb,
    owner_skb,
    fragment_skb,
    note_skb,
    stranger_skb
);

/// What a judge returns when it cannot read the configuration: pass, as everything does without one.
const NO_CONFIG: u64 = 0;

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn judge_linear(ctx: *mut xdp_md, off: u32, chunk: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return NO_CONFIG };
    let env = &mut Kernel::<false>::of(config, scope);
    classify::user_data(&Linear(ctx), config, Scope(scope), off as usize, Chunk::from_word(chunk), env).0
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn judge_paged(ctx: *mut xdp_md, off: u32, chunk: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return NO_CONFIG };
    let env = &mut Kernel::<false>::of(config, scope);
    classify::user_data(&Paged(ctx), config, Scope(scope), off as usize, Chunk::from_word(chunk), env).0
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn judge_skb(ctx: *mut __sk_buff, off: u32, chunk: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return NO_CONFIG };
    let env = &mut Kernel::<true>::of(config, scope);
    classify::user_data(&Skb(ctx), config, Scope(scope), off as usize, Chunk::from_word(chunk), env).0
}

/// Bit of a walk's last argument: the message is a first fragment. Below it, the fault that was found before.
const FIRST_FRAGMENT_SHIFT: u32 = 8;

#[inline(always)]
fn walk<R: ReadAt>(frame: &R, off: u32, avail: u32, how: u32) -> u64 {
    let (fault, first_fragment) = (how as usize & 0xff, how >> FIRST_FRAGMENT_SHIFT & 1 == 1);
    m3ua::walk(frame, off as usize, avail as usize, Code(fault), first_fragment).0
}

/// Walks over the parameters of a message. Functions of their own, as the judges are.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn walk_linear(ctx: *mut xdp_md, off: u32, avail: u32, how: u32) -> u64 {
    walk(&Linear(ctx), off, avail, how)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn walk_paged(ctx: *mut xdp_md, off: u32, avail: u32, how: u32) -> u64 {
    walk(&Paged(ctx), off, avail, how)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn walk_skb(ctx: *mut __sk_buff, off: u32, avail: u32, how: u32) -> u64 {
    walk(&Skb(ctx), off, avail, how)
}

/// What the list of global titles says of the sender of an SCCP message. Functions of their own, as the judges are.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn title_linear(ctx: *mut xdp_md, off: u32, len: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<false>::of(config, scope);
    title::judge(&Linear(ctx), config, Scope(scope), off as usize, len as usize, env).0
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn title_paged(ctx: *mut xdp_md, off: u32, len: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<false>::of(config, scope);
    title::judge(&Paged(ctx), config, Scope(scope), off as usize, len as usize, env).0
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn title_skb(ctx: *mut __sk_buff, off: u32, len: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<true>::of(config, scope);
    title::judge(&Skb(ctx), config, Scope(scope), off as usize, len as usize, env).0
}

/// Whether an SCCP message begins a dialogue with an operation that is stopped: 1, else 0. Functions of their own, as the
/// judges are.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn forbidden_linear(ctx: *mut xdp_md, off: u32, len: u32, scope: u32) -> u32 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<false>::of(config, scope);
    u32::from(classify::is_forbidden(&Linear(ctx), config, Scope(scope), off as usize, len as usize, env))
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn forbidden_paged(ctx: *mut xdp_md, off: u32, len: u32, scope: u32) -> u32 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<false>::of(config, scope);
    u32::from(classify::is_forbidden(&Paged(ctx), config, Scope(scope), off as usize, len as usize, env))
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn forbidden_skb(ctx: *mut __sk_buff, off: u32, len: u32, scope: u32) -> u32 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<true>::of(config, scope);
    u32::from(classify::is_forbidden(&Skb(ctx), config, Scope(scope), off as usize, len as usize, env))
}

/// Whether the sender of a packet is on a signalling port and not among the peers: 1, else 0. Functions of their own, as
/// the judges are.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn stranger_linear(ctx: *mut xdp_md, scope: u32) -> u32 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<false>::of(config, scope);
    u32::from(classify::is_stranger(&Linear(ctx), config, Scope(scope), env))
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn stranger_paged(ctx: *mut xdp_md, scope: u32) -> u32 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<false>::of(config, scope);
    u32::from(classify::is_stranger(&Paged(ctx), config, Scope(scope), env))
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn stranger_skb(ctx: *mut __sk_buff, scope: u32) -> u32 {
    let Some(config) = maps::config() else { return 0 };
    let env = &mut Kernel::<true>::of(config, scope);
    u32::from(classify::is_stranger(&Skb(ctx), config, Scope(scope), env))
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn fragment_linear(ctx: *mut xdp_md, off: u32, chunk: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return NO_CONFIG };
    let env = &mut Kernel::<false>::of(config, scope);
    split::fragment(&Linear(ctx), config, Scope(scope), off as usize, Chunk::from_word(chunk), env).0
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn fragment_paged(ctx: *mut xdp_md, off: u32, chunk: u32, scope: u32) -> u64 {
    let Some(config) = maps::config() else { return NO_CONFIG };
    let env = &mut Kernel::<false>::of(config, scope);
    split::fragment(&Paged(ctx), config, Scope(scope), off as usize, Chunk::from_word(chunk), env).0
}

/// Whose a fragment ahead is; see [`split::owner`].
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn owner_linear(ctx: *mut xdp_md, off: u32, chunk: u32, scope: u32, ahead: u32) -> u64 {
    let Some(config) = maps::config() else { return 0 };
    split::owner(&Linear(ctx), config, Scope(scope), off as usize, Chunk::from_word(chunk), ahead)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn owner_paged(ctx: *mut xdp_md, off: u32, chunk: u32, scope: u32, ahead: u32) -> u64 {
    let Some(config) = maps::config() else { return 0 };
    split::owner(&Paged(ctx), config, Scope(scope), off as usize, Chunk::from_word(chunk), ahead)
}

/// Never called, as the next.
#[inline(always)]
const fn owner_skb(_ctx: *mut __sk_buff, _off: u32, _chunk: u32, _scope: u32, _ahead: u32) -> u64 {
    0
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn note_linear(ctx: *mut xdp_md, slot: u32, from: u32, payload: u32, len: u32) -> u32 {
    let Some(held) = maps::split(slot) else { return 0 };
    split::note(&Linear(ctx), held, from as usize, payload as usize, len as usize);
    1
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn note_paged(ctx: *mut xdp_md, slot: u32, from: u32, payload: u32, len: u32) -> u32 {
    let Some(held) = maps::split(slot) else { return 0 };
    split::note(&Paged(ctx), held, from as usize, payload as usize, len as usize);
    1
}

/// Never called, as the next.
#[inline(always)]
const fn note_skb(_ctx: *mut __sk_buff, _slot: u32, _from: u32, _payload: u32, _len: u32) -> u32 {
    0
}

/// Never called: what leaves is only looked at.
#[inline(always)]
const fn fragment_skb(_ctx: *mut __sk_buff, _off: u32, _chunk: u32, _scope: u32) -> u64 {
    NO_CONFIG
}

/// Rewrites one chunk; see [`classify::rewrite`]. Low half of `how`: the end of the packet; above it, the form. Gives the checksum's change, or [`NOT_REWRITTEN`].
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn rewrite_linear(ctx: *mut xdp_md, off: u32, chunk: u32, how: u32, scope: u32) -> u64 {
    rewrite_one(Linear(ctx), off, chunk, how, scope)
}

#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn rewrite_paged(ctx: *mut xdp_md, off: u32, chunk: u32, how: u32, scope: u32) -> u64 {
    rewrite_one(Paged(ctx), off, chunk, how, scope)
}

/// More than a checksum.
const NOT_REWRITTEN: u64 = u64::MAX;

#[inline(always)]
fn rewrite_one<W: WriteAt>(mut frame: W, off: u32, chunk: u32, how: u32, scope: u32) -> u64
where
    for<'a> Kernel<'a, false>: Env<W>,
{
    let (chunk, off) = (Chunk::from_word(chunk), off as usize);
    let (end, form) = ((how & 0xffff) as usize, Form::from_u8((how >> 16) as u8));
    let delta = if chunk.flags & data_flag::BEGIN == 0 {
        let Some(config) = maps::config() else { return NOT_REWRITTEN };
        let env = &mut Kernel::<false>::of(config, scope);
        split::rewrite(&mut frame, config, Scope(scope), off, &chunk, end, env)
    } else {
        neutralise::chunk(&mut frame, off, &chunk, end, form)
    };
    match delta {
        Some(delta) => u64::from(delta.0),
        None => NOT_REWRITTEN,
    }
}

/// Carries out what a verdict says about messages in a frame that arrived: true if all of them are neutralised.
#[inline(always)]
fn rewrite(ctx: &XdpContext, config: &Config, verdict: &FrameVerdict) -> bool {
    let mut frame = Linear(ctx.ctx);
    let mut form = Form::BeatAck;
    if config.has(config_flag::PEER_FORMS) {
        // The receiver's wish before the sender's.
        for which in [Remote::Destination, Remote::Source] {
            if let Some(address) = verdict.address(&frame, which)
                && let Some(wish) = maps::form(config, &address)
            {
                form = wish;
                break;
            }
        }
    }
    let how = verdict.end() as u32 | (form as u32) << 16;
    let scope = verdict.scope().0;
    let delta = |word: u64| (word != NOT_REWRITTEN).then_some(Delta(word as u32));
    if verdict.end() <= frame.len() {
        classify::rewrite(&mut frame, verdict, |frame, off, chunk| {
            delta(rewrite_linear(frame.0, off as u32, chunk.word, how, scope))
        })
    } else {
        classify::rewrite(&mut Paged(ctx.ctx), verdict, |frame, off, chunk| {
            delta(rewrite_paged(frame.0, off as u32, chunk.word, how, scope))
        })
    }
}

/// Whether the classifier gave up on the linear part for want of octets, so that the rest may tell more.
#[inline(always)]
const fn wants_more(reason: Reason) -> bool {
    matches!(reason, Reason::FrameTruncated | Reason::Ipv4Malformed | Reason::Ipv6Malformed)
}

/// What is said of a frame that arrived. `remote` is the end of the packet that is not home.
#[inline(always)]
pub fn arrived(ctx: &XdpContext, config: &Config, remote: Remote) -> FrameVerdict {
    let env = &mut Kernel::<false> { config, out: matches!(remote, Remote::Destination) };
    let linear = Linear(ctx.ctx);
    let span = classify::sctp_span(&linear, linear.len());
    match span {
        // A frame in several buffers shows here: its SCTP packet ends beyond the linear part.
        Err(reason) if wants_more(reason) && Paged(ctx.ctx).len() > linear.len() => {
            let paged = Paged(ctx.ctx);
            classify::frame(&paged, paged.len(), remote, config, env)
        }
        span => classify::located(&linear, span, remote, config, env),
    }
}

/// Carries out what a verdict says about messages of a frame; false, and counted, if the frame is to be dropped instead.
#[inline(always)]
pub fn carry_out(ctx: &XdpContext, config: &Config, verdict: &FrameVerdict, out: bool) -> bool {
    if !verdict.rewrites() || rewrite(ctx, config, verdict) {
        return true;
    }
    maps::count(out, Code(verdict.verdict.reason_number() as usize + 1), Action::Drop);
    false
}

/// Judges a frame that arrived. Gives the XDP action.
#[inline(always)]
pub fn ingress(ctx: &XdpContext) -> u32 {
    let Some(config) = maps::config() else { return xdp_action::XDP_PASS };
    let verdict = arrived(ctx, config, Remote::Source);
    trace(ctx, &verdict);
    if verdict.verdict.punts() {
        punt::ingress(ctx, config, &verdict, 0);
    }
    // After the copy: the controller judges what was sent.
    if verdict.verdict.drops() || !carry_out(ctx, config, &verdict, false) {
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_PASS
}

/// Judges a frame that leaves.
#[inline(always)]
pub fn egress(ctx: &TcContext) {
    let Some(config) = maps::config() else { return };
    let env = &mut Kernel::<true> { config, out: true };
    let skb = Skb(ctx.skb.skb);
    let verdict = classify::frame(&skb, skb.len(), Remote::Destination, config, env);
    trace(ctx, &verdict);
    if verdict.verdict.punts() {
        punt::egress(ctx, config, &verdict);
    }
}

/// Logs a verdict; compiled only with the feature `trace`.
#[inline(always)]
pub fn trace<C: aya_ebpf::EbpfContext>(_ctx: &C, _verdict: &FrameVerdict) {
    #[cfg(feature = "trace")]
    aya_log_ebpf::debug!(
        _ctx,
        "reason {} punts {} drops {} rule {}",
        _verdict.verdict.reason_number(),
        u8::from(_verdict.verdict.punts()),
        u8::from(_verdict.verdict.drops()),
        _verdict.verdict.rule_id()
    );
}
