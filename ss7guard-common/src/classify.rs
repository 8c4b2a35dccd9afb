//! The frame classifier: from the octets of a frame to a verdict with its reason.
//!
//! ```text
//!  frame ─ ethernet ─ ipv4 | ipv6 ─ sctp header ─┬─ chunk ─ user_data ─ m3ua ─ block list ─ policy ─┐
//!                                                └─ next chunk ...                                  ├─ FrameVerdict
//!                                                                                                   ┘
//! ```
//! What differs between kernel and host is behind [`Env`]: the lists, the counters, and how the judgement of one
//! chunk is called (a function of its own in the kernel, for the verifier's sake).

use crate::abi::{Config, Mode, config_flag, direction};
use crate::neutralise::{self, WriteAt, crc::Delta};
use crate::read::{MAX_OFFSET, ReadAt};
use crate::verdict::{Action, Code, Reason};
use crate::wire::ethernet::{self, EtherType};
use crate::wire::m3ua::{self, Data, Parsed, SI_SCCP};
use crate::wire::sctp::{self, Chunk, Ppid, UserData, chunk_type, data_flag};
use crate::wire::{Remote, SctpSpan, ipv4, ipv6, tcap};

mod env;
mod outcome;
mod scope;
pub mod split;
pub mod title;

pub use env::{BlockHit, Env, Known, Observed};
pub use outcome::{ChunkVerdict, FrameVerdict};
pub use scope::Scope;
pub use title::TitleVerdict;

/// Rewrites the messages of a packet that are to be neutralised, and corrects its checksum. False if something was out
/// of reach: the frame is to be dropped then, for it may be half rewritten.
#[inline(always)]
pub fn rewrite<W: WriteAt + ?Sized>(
    frame: &mut W,
    verdict: &FrameVerdict,
    one: impl FnMut(&mut W, usize, Chunk) -> Option<Delta>,
) -> bool {
    rewrite_marked(frame, verdict.scope.start(), verdict.end, verdict.marked, one)
}

/// Rewrites the chunks of the packet from `start` to `end` that are marked, bit 0 being the first, and corrects its
/// checksum; as [`rewrite`].
#[inline(always)]
pub fn rewrite_marked<W: WriteAt + ?Sized>(
    frame: &mut W,
    start: usize,
    end: usize,
    marked: u32,
    mut one: impl FnMut(&mut W, usize, Chunk) -> Option<Delta>,
) -> bool {
    let mut left = marked;
    let mut sum = Delta::default();
    let mut off = start.wrapping_add(sctp::HEADER_LEN);
    for _ in 0..sctp::MAX_CHUNKS {
        if left == 0 {
            break;
        }
        let Ok(chunk) = sctp::chunk(frame, off, end) else { return false };
        if left & 1 == 1 {
            let Some(delta) = one(frame, off, chunk) else { return false };
            sum = sum.and(delta);
        }
        left >>= 1;
        let noise = chunk.word;
        left = frame.forget(left as usize, noise) as u32;
        sum = Delta(frame.forget(sum.0 as usize, noise) as u32);
        off = frame.forget(chunk.next(off), noise);
    }
    left == 0 && neutralise::correct(frame, start, sum)
}

/// The action as it is carried out: in monitor mode, and where nothing can be carried out, nothing is stopped.
#[inline(always)]
fn carried_out<R: ReadAt + ?Sized, E: Env<R>>(config: &Config, action: Action, env: &E) -> Action {
    match (action, config.mode()) {
        (Action::Drop | Action::Neutralise, Mode::Enforce) if env.acts() => action,
        (Action::Drop | Action::Neutralise, _) => Action::Punt,
        (action, _) => action,
    }
}

/// Counts an outcome that is not a block, and makes the judgement.
#[inline(always)]
fn conclude<R: ReadAt + ?Sized, E: Env<R>>(config: &Config, reason: Code, env: &mut E) -> ChunkVerdict {
    let action = carried_out(config, config.policy(reason), env);
    env.count(reason, action);
    ChunkVerdict::new(reason, action).told()
}

/// Judges a frame of `len` octets.
#[inline(always)]
pub fn frame<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    len: usize,
    remote: Remote,
    config: &Config,
    env: &mut E,
) -> FrameVerdict {
    located(frame, sctp_span(frame, len), remote, config, env)
}

/// Judges a frame in which [`sctp_span`] looked for the SCTP packet already.
#[inline(always)]
pub fn located<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    span: Result<SctpSpan, Reason>,
    remote: Remote,
    config: &Config,
    env: &mut E,
) -> FrameVerdict {
    match span {
        Ok(span) => packet(frame, &span, remote, config, env),
        Err(reason) => FrameVerdict::whole(conclude(config, reason.into(), env)),
    }
}

/// Finds the SCTP packet in a frame of `len` octets.
#[inline(always)]
pub fn sctp_span<R: ReadAt + ?Sized>(frame: &R, len: usize) -> Result<SctpSpan, Reason> {
    match ethernet::payload(frame)? {
        (EtherType::IPV4, off) => ipv4::sctp(frame, off, len),
        (EtherType::IPV6, off) => ipv6::sctp(frame, off, len),
        (other, _) if other.is_encapsulation() => Err(Reason::L2Encapsulated),
        _ => Err(Reason::NotIp),
    }
}

/// Judges an SCTP packet: every chunk of it.
#[inline(always)]
fn packet<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    span: &SctpSpan,
    remote: Remote,
    config: &Config,
    env: &mut E,
) -> FrameVerdict {
    let header = match sctp::header(frame, span.start, span.end) {
        Ok(header) => header,
        Err(reason) => return FrameVerdict::whole(conclude(config, reason.into(), env)),
    };
    let mut scope = Scope::new(span, remote, header.vtag == 0, config.lists);
    if stranger(frame, config, scope, env) {
        scope.0 |= Scope::STRANGER;
    }
    // From here on it does not matter how the packet was found.
    let mut scope = Scope(frame.forget(scope.0 as usize, header.vtag) as u32);
    let start = frame.forget(span.start, header.vtag);
    let end = frame.forget(span.end, header.vtag);

    let mut result = FrameVerdict::whole(ChunkVerdict(0));
    let mut fault = Code::NONE;
    let mut off = start.wrapping_add(sctp::HEADER_LEN);
    for turn in 0..=sctp::MAX_CHUNKS {
        if off >= end {
            break;
        }
        if turn == sctp::MAX_CHUNKS {
            fault = Reason::TooManyChunks.into();
            break;
        }
        if off > MAX_OFFSET {
            fault = Reason::FrameTooLong.into();
            break;
        }
        let chunk = match sctp::chunk(frame, off, end) {
            Ok(chunk) => chunk,
            Err(reason) => {
                fault = reason.into();
                break;
            }
        };
        if chunk.is_user_data() {
            let mut verdict = env.user_data(frame, config, scope, off, chunk);
            if verdict.0 == ChunkVerdict::SPLIT.0 {
                verdict = env.fragment(frame, config, scope, off, chunk);
            }
            result.join(verdict, off, chunk.len);
            result.verdict.0 |= ChunkVerdict::USER_DATA;
            let neutralises = (verdict.0 >> ChunkVerdict::NEUTRALISE_SHIFT) as u32 & 1;
            result.marked |= neutralises.wrapping_shl(turn as u32);
        }
        off = chunk.next(off);
        if off >= end {
            break;
        }
        scope = Scope(frame.forget(scope.after(&chunk).0 as usize, chunk.word) as u32);
        result.forget(frame, chunk.word);
        off = frame.forget(off, chunk.word);
    }
    if !result.judged() {
        let control = control(frame, scope, start, end);
        // A fault behind an INIT hides it from nobody.
        if fault.is_none() || matches!(control, Reason::InitUnknownPeer) {
            result.join(conclude(config, control.into(), env), 0, 0);
        }
    }
    if !fault.is_none() {
        result.join(conclude(config, fault, env), 0, 0);
    }
    result.scope = scope;
    result.end = end;
    result
}

/// What a packet without user data is about.
#[inline(always)]
fn control<R: ReadAt + ?Sized>(frame: &R, scope: Scope, start: usize, end: usize) -> Reason {
    let mut off = start.wrapping_add(sctp::HEADER_LEN);
    for _ in 0..sctp::MAX_SETUP_CHUNKS {
        if off >= end {
            break;
        }
        // Nothing there reads as a chunk without length.
        let chunk = Chunk::from_word(frame.be32_at(off).unwrap_or(0));
        if chunk.len < sctp::CHUNK_HEADER_LEN || off.wrapping_add(chunk.len) > end {
            break;
        }
        if chunk.is_setup() {
            let init = chunk.kind == chunk_type::INIT;
            return if init && scope.stranger() { Reason::InitUnknownPeer } else { Reason::SctpSetup };
        }
        off = frame.forget(chunk.next(off), chunk.word);
    }
    Reason::SctpControl
}

/// Whether this arrived on a signalling port from an address that is not among the peers. They are looked up only if
/// something is to be done about it.
#[inline(always)]
fn stranger<R: ReadAt + ?Sized, E: Env<R>>(frame: &R, config: &Config, scope: Scope, env: &mut E) -> bool {
    config.has(config_flag::KNOWN_PEERS)
        && !scope.remote_is_destination()
        && env.is_stranger(frame, config, scope)
}

/// The look-up behind [`Env::is_stranger`].
#[inline(always)]
pub fn is_stranger<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    env: &mut E,
) -> bool {
    if !scope.signalling(frame, config) {
        return false;
    }
    match scope.remote(frame) {
        Some(remote) => env.peer(&remote).is_none(),
        None => true,
    }
}

/// Judges the user data chunk at `off`.
#[inline(always)]
pub fn user_data<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    chunk: Chunk,
    env: &mut E,
) -> ChunkVerdict {
    let user_data = match sctp::user_data(frame, off, &chunk) {
        Ok(user_data) => user_data,
        Err(reason) => return conclude(config, reason.into(), env),
    };
    let parsed = content(frame, config, scope, off, &chunk, &user_data, env);
    // From here on it does not matter how the fault was found.
    let fault = Code(frame.forget(parsed.fault.0, user_data.tsn));
    let verdict = match &parsed.data {
        Some(data) => judge(frame, config, scope, &chunk, data, fault, env),
        None if is_split(config, scope, fault, env) => return ChunkVerdict::SPLIT,
        None => conclude(config, by_sender(config, scope, fault), env),
    };
    env.observe(&Observed { offset: off, chunk, user_data, data: parsed.data, verdict });
    verdict
}

/// Whether a fragment without label may be part of a message whose label lies in two: where the policy is to let none of
/// them through unjudged.
#[inline(always)]
fn is_split<R: ReadAt + ?Sized, E: Env<R>>(config: &Config, scope: Scope, fault: Code, env: &E) -> bool {
    let short = Code::of(Reason::SctpShortFirstFragment);
    let fragment = fault.0 == short.0 || fault.0 == Code::of(Reason::SctpLaterFragment).0;
    fragment
        && !scope.stranger()
        && matches!(carried_out(config, config.policy(short), env), Action::Neutralise)
}

/// What is said of a message that is not blocked: that its sender is unknown, where it is, unless its form is a fault that
/// more is done about.
#[inline(always)]
const fn by_sender(config: &Config, scope: Scope, found: Code) -> Code {
    if !scope.stranger() {
        return found;
    }
    let unknown = Code::of(Reason::UnknownPeer);
    let said = Reason::EXCEPTIONS | 1u64.wrapping_shl(Reason::ForbiddenOperation as u32);
    let told = said & (config.punts | config.neutralises | config.drops);
    let keeps = told.wrapping_shr(found.number() as u32) & 1 != 0;
    if keeps && !matches!(config.policy(unknown), Action::Drop) { found } else { unknown }
}

/// Reads what a user data chunk holds. Without a label there is always a fault, if only "not for us".
#[inline(always)]
fn content<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    chunk: &Chunk,
    user_data: &UserData,
    env: &mut E,
) -> Parsed {
    let m3ua = user_data.ppid == Some(Ppid::M3UA);
    if !m3ua && !scope.signalling(frame, config) && user_data.ppid.is_some() {
        return Parsed::fault(Reason::OtherPayload);
    }
    if chunk.flags & data_flag::BEGIN == 0 {
        return Parsed::fault(Reason::SctpLaterFragment);
    }
    // M3UA under a foreign PPID: some receivers never look at the PPID.
    if !m3ua && !m3ua::looks_like_data(frame, user_data.payload) {
        return Parsed::fault(Reason::UnexpectedPpid);
    }
    let first_fragment = chunk.flags & data_flag::END == 0;
    let avail = off.wrapping_add(chunk.len).wrapping_sub(user_data.payload);
    let at = user_data.payload;
    let mut parsed = m3ua::parse_with(frame, at, avail, first_fragment, |fault| {
        env.walk(frame, at, avail, fault, first_fragment)
    });
    if parsed.data.is_some() {
        if !m3ua {
            parsed.fault = Reason::UnexpectedPpid.into();
        } else if scope.vtag_zero() {
            parsed.fault = Reason::DataVtagZero.into();
        }
    }
    parsed
}

/// Block lists first, then the fault, then what the label says. The order matters: a blocked sender must not get
/// away by adding a fault to its message, or by choosing another network indicator. A point code that is blocked stays
/// so whatever global title stands behind it, for the sender chooses that.
#[inline(always)]
fn judge<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    chunk: &Chunk,
    data: &Data,
    fault: Code,
    env: &mut E,
) -> ChunkVerdict {
    let label = &data.label;
    let mut hit = env.blocked(scope.half(), label.opc, label.ni, data.network_appearance);
    if hit.is_none()
        && let Some(second) = data.second_opc.get()
    {
        hit = env.blocked(scope.half(), second, label.ni, data.network_appearance);
    }
    if let Some(hit) = hit {
        return blocked(config, scope, Reason::BlockedPointCode, hit, env);
    }
    let mut title = TitleVerdict::NONE;
    if label.si == SI_SCCP && config.has(config_flag::GT_LIST) {
        title = env.title(frame, config, scope, data.user_part, data.user_part_len);
        if let Some(hit) = title.hit() {
            return blocked(config, scope, Reason::BlockedGlobalTitle, hit, env);
        }
    }
    let whole = data_flag::BEGIN | data_flag::END;
    let forbidden = label.si == SI_SCCP
        && config.has(config_flag::OPERATIONS)
        && chunk.flags & whole == whole
        && fault.is_none()
        && env.is_forbidden(frame, config, scope, data.user_part, data.user_part_len);
    if forbidden && scope.authenticated() {
        return conclude(config, Reason::BlockedUnderAuth.into(), env);
    }
    let found = if forbidden {
        Reason::ForbiddenOperation
    } else if label.ni > 3 {
        Reason::NetworkIndicatorInvalid
    } else if too_wide(frame, config, scope, label.opc | label.dpc, env) {
        Reason::PointCodeTooWide
    } else if title.is_unreadable() {
        Reason::GlobalTitleUnreadable
    } else if chunk.flags & data_flag::END == 0 {
        Reason::SctpFirstFragment
    } else if label.si == SI_SCCP {
        Reason::Sccp
    } else {
        Reason::OtherUserPart
    };
    conclude(config, by_sender(config, scope, fault.or(found)), env)
}

/// Whether an SCCP message of `len` octets at `off` comes from the interconnect and begins a dialogue with an operation that
/// is stopped; the judgement behind [`Env::is_forbidden`].
#[inline(always)]
pub fn is_forbidden<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    len: usize,
    env: &mut E,
) -> bool {
    let Some(code) = tcap::operation(frame, off, len).code() else { return false };
    config.stops_operation(code) && title::from(frame, config, scope, env) == direction::IN
}

/// The judgement of a message that a block entry matches, and counts it.
#[inline(always)]
fn blocked<R: ReadAt + ?Sized, E: Env<R>>(
    config: &Config,
    scope: Scope,
    reason: Reason,
    hit: BlockHit,
    env: &mut E,
) -> ChunkVerdict {
    let (reason, action) = if scope.authenticated() && matches!(hit.action, Action::Neutralise) {
        let reason = Code::of(Reason::BlockedUnderAuth);
        (reason, config.policy(reason))
    } else {
        (Code::of(reason), hit.action)
    };
    let action = carried_out(config, action, env);
    env.count(reason, action);
    ChunkVerdict::blocked(reason, action, hit)
}

/// Whether point codes (their bits together) are wider than the remote end's network has. The peer is looked up only
/// if they are wider than the narrowest width there is.
#[inline(always)]
fn too_wide<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    codes: u32,
    env: &mut E,
) -> bool {
    const NARROWEST_BITS: u32 = 14;
    if codes >> NARROWEST_BITS == 0 {
        return false;
    }
    let known = match scope.remote(frame) {
        Some(remote) => env.peer(&remote),
        None => None,
    };
    let bits = known.map_or(config.default_point_code_bits, |peer| peer.point_code_bits);
    u64::from(codes).wrapping_shr(u32::from(bits)) != 0
}
