//! Messages whose routing label lies in two fragments.
//!
//! Some SCTP stacks fill a packet or the congestion window up with the first octets of the next message, so that its
//! first fragment may end before the label. It goes on, and its octets are remembered; when the second fragment comes,
//! the label is read from both. If the sender is blocked, the label in the second fragment is overwritten with zeros: no
//! receiver takes a message from 0 to 0 with service indicator 0 for SCCP. If the second fragment was first, its
//! octets are remembered instead, and the first fragment is rewritten as any other is.
//!
//! What cannot be put together so is stopped: a first fragment of less than four octets, which no stack is known to make;
//! one that finds its place taken; a message that does not show its label in its first 48 octets.

#![expect(clippy::manual_range_contains, reason = "two plain comparisons, which the verifier can follow")]

use crate::abi::{Config, SPLIT_LATER_AT, SPLIT_OCTETS, SPLIT_ROOM, SPLIT_SLOTS, Split, split_kind};
use crate::classify::{ChunkVerdict, Env, Observed, Scope, blocked, conclude};
use crate::neutralise::WriteAt;
use crate::neutralise::crc::Delta;
use crate::read::ReadAt;
use crate::verdict::{Action, Code, Reason};
use crate::wire::m3ua::{HEADER_LEN, tag};
use crate::wire::sctp::{self, Chunk, UserData, chunk_type, data_flag};
use crate::wire::{Maybe, pad4};

/// Parameters before Protocol Data that are looked at.
const MAX_BEFORE: usize = 4;

/// Octets of the routing label (RFC 4666 §3.3.1): OPC, DPC, SI, NI, MP, SLS.
const LABEL_LEN: usize = 12;

/// The label of a message in two fragments.
#[derive(Clone, Copy)]
struct Label {
    /// Its offset in the message.
    at: usize,
    opc: u32,
    ni: u8,
    network_appearance: Maybe,
}

/// Whose the fragment is that is `ahead` of this one, or behind it; 0 if that cannot be told. The fragments of a message
/// have consecutive TSNs, or with I-DATA one message identifier and consecutive fragment numbers (RFC 8260 §2.1).
#[inline(always)]
pub fn owner<R: ReadAt + ?Sized>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    chunk: Chunk,
    ahead: u32,
) -> u64 {
    match sctp::user_data(frame, off, &chunk) {
        Ok(user_data) => hash(frame, config, scope, off, chunk, &user_data, ahead).unwrap_or(0),
        Err(_) => 0,
    }
}

/// The first place that may be an owner's.
#[inline(always)]
const fn place(owner: u64) -> u32 {
    (owner >> 40) as u32 & (SPLIT_SLOTS - 1)
}

#[inline(always)]
fn hash<R: ReadAt + ?Sized>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    chunk: Chunk,
    user_data: &UserData,
    ahead: u32,
) -> Option<u64> {
    let unordered = u32::from(chunk.flags & data_flag::UNORDERED);
    let mut number = user_data.tsn;
    if chunk.kind == chunk_type::I_DATA {
        let begins = chunk.flags & data_flag::BEGIN != 0;
        number = if begins { 0 } else { frame.be32_at(off.wrapping_add(sctp::DATA_HEADER_LEN))? };
    }
    let mut hash = config.seed ^ u64::from(number.wrapping_add(ahead));
    let mix = |hash: u64, word: u32| {
        let hash = (hash ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ hash >> 32
    };
    for which in [crate::wire::Remote::Source, crate::wire::Remote::Destination] {
        let [a, b, c, d] = scope.network().address(frame, which)?.0;
        hash = mix(mix(mix(mix(hash, a), b), c), d);
    }
    hash = mix(hash, user_data.sequence);
    hash = mix(hash, u32::from(user_data.stream) | unordered << 16 | u32::from(chunk.kind) << 24);
    // Ports, verification tag.
    hash = mix(hash, frame.be32_at(scope.start())?);
    hash = mix(hash, frame.be32_at(scope.start().wrapping_add(4))?);
    Some(hash | 1)
}

/// A big-endian word; the index wraps, callers have checked it.
#[inline(always)]
fn word(octets: &[u8; SPLIT_ROOM], at: usize) -> u32 {
    let octet = |step: usize| octets.get(at.wrapping_add(step) & (SPLIT_ROOM - 1)).map_or(0, |octet| *octet);
    u32::from_be_bytes([octet(0), octet(1), octet(2), octet(3)])
}

/// Reads the label of a message that begins with these octets, `have` of which are there.
#[inline(always)]
fn label<R: ReadAt + ?Sized>(frame: &R, octets: &[u8; SPLIT_ROOM], have: usize) -> Option<Label> {
    let mut network_appearance = Maybe::ABSENT;
    let mut at = HEADER_LEN;
    for _ in 0..=MAX_BEFORE {
        // All of a label has to be there, so that it can be overwritten.
        if at.wrapping_add(4 + LABEL_LEN) > have {
            return None;
        }
        let head = word(octets, at);
        let len = (head & 0xffff) as usize;
        let value = word(octets, at.wrapping_add(4));
        match (head >> 16) as u16 {
            tag::PROTOCOL_DATA => {
                let [_, ni, _, _] = word(octets, at.wrapping_add(12)).to_be_bytes();
                return Some(Label { at: at.wrapping_add(4), opc: value, ni, network_appearance });
            }
            tag::NETWORK_APPEARANCE => network_appearance = Maybe(u64::from(value)),
            _ => {}
        }
        if len < 4 || len > SPLIT_OCTETS {
            return None;
        }
        at = frame.forget(at.wrapping_add(pad4(len)), head);
    }
    None
}

/// Judges a first fragment that ends before its label, or a fragment that is not a first one.
#[inline(always)]
pub fn fragment<R: ReadAt + ?Sized, E: Env<R>>(
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
    let begins = chunk.flags & data_flag::BEGIN != 0;
    let avail = off.wrapping_add(chunk.len).wrapping_sub(user_data.payload);
    let owner = env.owner(frame, config, scope, off, chunk, begins as u32);
    let verdict = if owner == 0 {
        conclude(config, Code::of(Reason::SctpLaterFragment), env)
    } else if is_early(frame, config, scope, off, chunk, owner, env) {
        // For a moment only: SCTP sends it again, and the one that is missing before it.
        counted(Reason::SctpShortFirstFragment, Action::Drop, env)
    } else {
        let now = env.now();
        let slot = env.pick(place(owner), owner, now, config);
        let (outcome, len) = if begins {
            first(frame, config, scope, user_data.payload, avail, slot, owner, env)
        } else {
            later(frame, config, scope, user_data.payload, avail, slot, owner, env)
        };
        if len == 0 {
            outcome
        } else if begins {
            chain(frame, config, scope, off, chunk, slot, len, env)
        } else {
            let next = env.owner(frame, config, scope, off, chunk, 1);
            carry(config, slot, next, len, env)
        }
    };
    env.observe(&Observed { offset: off, chunk, user_data, data: None, verdict });
    verdict
}

/// Whether what is in a place still counts.
#[inline(always)]
fn is_fresh(held: &Split, config: &Config, now: u64) -> bool {
    held.kind != split_kind::FREE && now.wrapping_sub(held.at) < config.linger
}

/// What is remembered under this owner: a number of [`split_kind`].
#[inline(always)]
fn kind<R: ReadAt + ?Sized, E: Env<R>>(config: &Config, owner: u64, env: &mut E) -> u8 {
    let now = env.now();
    let slot = env.pick(place(owner), owner, now, config);
    match env.split(slot) {
        Some(held) if is_fresh(held, config, now) && held.owner == owner => held.kind,
        _ => split_kind::FREE,
    }
}

/// How far fragments that came too early are looked for.
const REACH: u32 = 3;

/// Whether another fragment of this message, which the judgement needs first, is missing while this one comes or has
/// come: a first one whose second is missing while a further one has passed already, or a further one while the one
/// behind the known ones is missing. If these passed, nothing would be left to be rewritten.
#[inline(always)]
fn is_early<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    chunk: Chunk,
    owner: u64,
    env: &mut E,
) -> bool {
    if kind(config, owner, env) != split_kind::FREE {
        return false;
    }
    let begins = chunk.flags & data_flag::BEGIN != 0;
    let mut step = 1;
    while step <= REACH {
        // Two or more ahead of a first one; one or more behind a further one.
        let (ahead, tells) = if begins {
            (step.wrapping_add(1), split_kind::LATER)
        } else {
            (step.wrapping_neg(), split_kind::FIRST)
        };
        let other = env.owner(frame, config, scope, off, chunk, ahead);
        if other != 0 && kind(config, other, env) == tells {
            return true;
        }
        step = step.wrapping_add(1);
    }
    false
}

/// Places that a message may have, one after the other.
const WAYS: u32 = 4;

/// The place of this owner among those from `base` on; else the first that is free, or else `base`.
#[inline(always)]
pub fn pick<'a>(
    base: u32,
    owner: u64,
    now: u64,
    config: &Config,
    split: impl Fn(u32) -> Option<&'a Split>,
) -> u32 {
    let mut free = base;
    let mut found = false;
    for way in 0..WAYS {
        let slot = base.wrapping_add(way) & (SPLIT_SLOTS - 1);
        let Some(held) = split(slot) else { continue };
        let fresh = is_fresh(held, config, now);
        if fresh && held.owner == owner {
            return slot;
        }
        if !found && (!fresh || is_spare(held)) {
            free = slot;
            found = true;
        }
    }
    free
}

/// Whether what a place holds may give way to what is more.
#[inline(always)]
const fn is_spare(held: &Split) -> bool {
    held.kind == split_kind::LATER || held.kind == split_kind::PASSED
}

/// Judges a first fragment. If it and the second one do not show the label: how many octets of the message are there,
/// for [`chain`], and no judgement.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "plain numbers; a struct would go over the kernel's small stack"
)]
fn first<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    payload: usize,
    avail: usize,
    slot: u32,
    owner: u64,
    env: &mut E,
) -> (ChunkVerdict, usize) {
    let alone = Code::of(Reason::SctpShortFirstFragment);
    let now = env.now();
    let Some(held) = env.split(slot) else { return (conclude(config, alone, env), 0) };
    let fresh = is_fresh(held, config, now);
    let ours = fresh && held.owner == owner;
    let came_late = ours && held.kind == split_kind::LATER;
    let taken = fresh && !ours && !is_spare(held);
    let have = avail.wrapping_add(held.len as usize);
    // Below four octets not even class and type show. No stack is known to do that.
    if taken || avail < 4 || avail > SPLIT_OCTETS {
        return (conclude(config, alone, env), 0);
    }
    if ours && held.kind == split_kind::STOPPED {
        let have = held.label as usize;
        return (judged(frame, config, scope, slot, have, env), 0);
    }
    if came_late {
        env.note(frame, slot, 0, payload, avail);
        let Some(held) = env.split(slot) else { return (conclude(config, alone, env), 0) };
        // Behind the first one's octets. No more than there are: this may be done again.
        let len = held.len as usize;
        let mut at = 0;
        while at < SPLIT_OCTETS {
            if at >= len {
                break;
            }
            let from = SPLIT_LATER_AT.wrapping_add(at) & (SPLIT_ROOM - 1);
            let octet = held.octets.get(from).map_or(0, |octet| *octet);
            // The bound has to be where the verifier sees it.
            let to = frame.forget(avail.wrapping_add(at), owner as u32) & (SPLIT_ROOM - 1);
            if let Some(to) = held.octets.get_mut(to) {
                *to = octet;
            }
            at = at.wrapping_add(1);
        }
        held.at = now;
        if label(frame, &held.octets, have).is_none() {
            return (ChunkVerdict(0), have);
        }
        return (judged(frame, config, scope, slot, have, env), 0);
    }
    if !ours {
        held.owner = owner;
        held.at = now;
        held.len = avail as u8;
        held.kind = split_kind::FIRST;
        env.note(frame, slot, 0, payload, avail);
    }
    // Judged with the second fragment.
    (counted(Reason::SctpShortFirstFragment, Action::Punt, env), 0)
}

/// Judges a message whose first fragment is at hand, by so many octets in this place that show its label.
#[inline(always)]
fn judged<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    slot: u32,
    have: usize,
    env: &mut E,
) -> ChunkVerdict {
    let now = env.now();
    let Some(held) = env.split(slot) else {
        return conclude(config, Code::of(Reason::SctpShortFirstFragment), env);
    };
    held.at = now;
    let hit = match label(frame, &held.octets, have) {
        Some(label) => find(env, scope, &label),
        None => None,
    };
    if let Some(held) = env.split(slot) {
        held.kind = if hit.is_some() { split_kind::STOPPED } else { split_kind::PASSED };
        held.label = have as u8;
    }
    match hit {
        Some(hit) => blocked(config, scope, Reason::BlockedPointCode, hit, env),
        None => conclude(config, Reason::SctpFirstFragment.into(), env),
    }
}

/// Goes on with the fragments that came before the first one, which is at hand and shows no label with the second: puts
/// them behind those until they show it. If one is missing, what is there waits for it.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "as above")]
fn chain<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    chunk: Chunk,
    slot: u32,
    mut have: usize,
    env: &mut E,
) -> ChunkVerdict {
    let mut ahead = 2;
    while ahead <= REACH.wrapping_add(1) {
        let other = env.owner(frame, config, scope, off, chunk, ahead);
        if other == 0 || have > SPLIT_OCTETS {
            break;
        }
        if kind(config, other, env) != split_kind::LATER {
            let beyond = env.owner(frame, config, scope, off, chunk, ahead.wrapping_add(1));
            if kind(config, beyond, env) == split_kind::LATER {
                // As in `is_early`.
                return counted(Reason::SctpShortFirstFragment, Action::Drop, env);
            }
            return carry(config, slot, other, have, env);
        }
        let now = env.now();
        let from = env.pick(place(other), other, now, config);
        let len = env.append(slot, from, have);
        if len == 0 {
            break;
        }
        have = frame.forget(have.wrapping_add(len), other as u32);
        let shows = match env.split(slot) {
            Some(held) => label(frame, &held.octets, have).is_some(),
            None => false,
        };
        if shows {
            return judged(frame, config, scope, slot, have, env);
        }
        ahead = ahead.wrapping_add(1);
    }
    conclude(config, Code::of(Reason::SctpShortFirstFragment), env)
}

/// Puts the octets of a later fragment behind those of a message; gives how many there were.
#[inline(always)]
pub fn append(to: &mut Split, from: &Split, have: usize) -> usize {
    let len = from.len as usize;
    let mut at = 0;
    while at < SPLIT_OCTETS {
        if at >= len {
            break;
        }
        let octet =
            from.octets.get(SPLIT_LATER_AT.wrapping_add(at) & (SPLIT_ROOM - 1)).map_or(0, |octet| *octet);
        if let Some(place) = to.octets.get_mut(have.wrapping_add(at) & (SPLIT_ROOM - 1)) {
            *place = octet;
        }
        at = at.wrapping_add(1);
    }
    len
}

/// Judges a fragment that is not a first one. If it still does not show the label: how many octets of the message are
/// there, for [`carry`], and no judgement.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "as above")]
fn later<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    payload: usize,
    avail: usize,
    slot: u32,
    owner: u64,
    env: &mut E,
) -> (ChunkVerdict, usize) {
    let alone = Code::of(Reason::SctpLaterFragment);
    let now = env.now();
    let Some(held) = env.split(slot) else { return (conclude(config, alone, env), 0) };
    let fresh = is_fresh(held, config, now);
    let len = if avail > SPLIT_OCTETS { SPLIT_OCTETS } else { avail };
    let first_len = held.len as usize;
    let ours = fresh && held.owner == owner;
    if ours && (held.kind == split_kind::PASSED || held.kind == split_kind::STOPPED) {
        return (conclude(config, alone, env), 0);
    }
    if !fresh || is_spare(held) {
        held.owner = owner;
        held.at = now;
        held.len = len as u8;
        held.kind = split_kind::LATER;
        env.note(frame, slot, SPLIT_LATER_AT, payload, len);
        return (conclude(config, alone, env), 0);
    }
    if held.owner != owner {
        return (conclude(config, alone, env), 0);
    }
    env.note(frame, slot, first_len, payload, len);
    let Some(held) = env.split(slot) else { return (conclude(config, alone, env), 0) };
    let have = first_len.wrapping_add(len);
    let Some(label) = label(frame, &held.octets, have) else { return (ChunkVerdict(0), have) };
    let hit = find(env, scope, &label);
    if let Some(held) = env.split(slot) {
        held.kind = if hit.is_some() { split_kind::BLOCKED } else { split_kind::PASSED };
        held.label = label.at as u8;
        held.at = now;
    }
    let verdict = match hit {
        Some(hit) => blocked(config, scope, Reason::BlockedPointCode, hit, env),
        None => conclude(config, alone, env),
    };
    (verdict, 0)
}

/// Remembers the octets so far for the fragment after this one. Stops what still has no label after [`SPLIT_OCTETS`].
#[inline(always)]
fn carry<R: ReadAt + ?Sized, E: Env<R>>(
    config: &Config,
    slot: u32,
    owner: u64,
    len: usize,
    env: &mut E,
) -> ChunkVerdict {
    let now = env.now();
    let next = env.pick(place(owner), owner, now, config);
    let taken = match env.split(next) {
        Some(held) => is_fresh(held, config, now) && held.owner != owner && !is_spare(held),
        None => true,
    };
    if owner == 0 || taken || len > SPLIT_OCTETS || next == slot {
        return counted(Reason::SctpShortFirstFragment, Action::Drop, env);
    }
    env.copy(slot, next);
    if let Some(held) = env.split(next) {
        held.owner = owner;
        held.at = now;
        held.len = len as u8;
        held.kind = split_kind::FIRST;
    }
    if let Some(held) = env.split(slot) {
        held.kind = split_kind::PASSED;
    }
    counted(Reason::SctpShortFirstFragment, Action::Punt, env)
}

#[inline(always)]
fn find<R: ReadAt + ?Sized, E: Env<R>>(
    env: &mut E,
    scope: Scope,
    label: &Label,
) -> Option<crate::classify::BlockHit> {
    env.blocked(scope.half(), label.opc, label.ni, label.network_appearance)
}

#[inline(always)]
fn counted<R: ReadAt + ?Sized, E: Env<R>>(reason: Reason, action: Action, env: &mut E) -> ChunkVerdict {
    env.count(reason.into(), action);
    ChunkVerdict::new(Code::of(reason), action)
}

/// Writes octets of a fragment down, from this index on: at most [`SPLIT_OCTETS`].
#[inline(always)]
pub fn note<R: ReadAt + ?Sized>(frame: &R, held: &mut Split, from: usize, payload: usize, len: usize) {
    let mut at = 0;
    while at < SPLIT_OCTETS {
        if at >= len {
            break;
        }
        let Some(octet) = frame.u8_at(payload.wrapping_add(at)) else { break };
        if let Some(place) = held.octets.get_mut(from.wrapping_add(at) & (SPLIT_ROOM - 1)) {
            *place = octet;
        }
        at = at.wrapping_add(1);
    }
}

/// Overwrites the label of a blocked message in its second fragment; see [`crate::neutralise::chunk`] for the result.
#[inline(always)]
pub fn rewrite<W: WriteAt + ?Sized, E: Env<W>>(
    frame: &mut W,
    config: &Config,
    scope: Scope,
    off: usize,
    chunk: &Chunk,
    end: usize,
    env: &mut E,
) -> Option<Delta> {
    let user_data = sctp::user_data(frame, off, chunk).ok()?;
    let owner = env.owner(frame, config, scope, off, *chunk, 0);
    let now = env.now();
    let slot = env.pick(place(owner), owner, now, config);
    let held = env.split(slot)?;
    if held.owner != owner || held.kind != split_kind::BLOCKED {
        return None;
    }
    // The label may have begun in the fragments before; what is here of it goes.
    let (label, before) = (held.label as usize, held.len as usize);
    let skip = label.saturating_sub(before);
    let count = label.wrapping_add(LABEL_LEN).wrapping_sub(before.max(label));
    if skip > SPLIT_ROOM || count > LABEL_LEN {
        return None;
    }
    // So many octets that end where the label does: behind it the packet may end, before it is the chunk's header.
    let at = user_data.payload.wrapping_add(skip).wrapping_add(count).wrapping_sub(LABEL_LEN);
    let kept = LABEL_LEN.wrapping_sub(count);
    let octets: [u8; LABEL_LEN] = frame.read_at(at)?;
    let [a, b, c, d, e, f, g, h, i, j, k, l] = octets;
    let cut = |word: u32, index: usize| match kept.saturating_sub(index) {
        0 => 0,
        1 => word & 0xff00_0000,
        2 => word & 0xffff_0000,
        3 => word & 0xffff_ff00,
        _ => word,
    };
    let words = [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_be_bytes);
    let [x, y, z] = words;
    let now = [cut(x, 0), cut(y, 4), cut(z, 8)];
    let [[a, b, c, d], [e, f, g, h], [i, j, k, l]] = now.map(u32::to_be_bytes);
    if !frame.write_at(at, [a, b, c, d, e, f, g, h, i, j, k, l]) {
        return None;
    }
    let delta = Delta::of(x ^ now[0]).then(y ^ now[1]).then(z ^ now[2]);
    Some(delta.before(end.wrapping_sub(at.wrapping_add(LABEL_LEN))))
}
