//! What the list of calling global titles says of the sender of a message.
//!
//! The longest entry that the number starts with decides; of two with the same digits, the one that allows. An entry that
//! has ended, or is for the other direction, is passed over for the next shorter one.

use crate::abi::{
    Config, MAX_TITLE_CHAIN, Moment, Side, TITLE_NO_SLOT, TitleDetail, bridge_flag, config_flag, direction,
};
use crate::classify::{BlockHit, Env, Scope};
use crate::read::ReadAt;
use crate::verdict::Action;
use crate::wire::Remote;
use crate::wire::sccp::{self, Flavour};

/// What is said of the sender, packed into a word so that a kernel function can return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TitleVerdict(pub u64);

impl TitleVerdict {
    const UNREADABLE: u64 = 1 << 8;
    const EVIDENCE: u64 = 1 << 9;
    const HIT: u64 = 1 << 10;

    /// Nothing against it.
    pub const NONE: Self = Self(0);

    /// An entry that matched.
    #[inline(always)]
    const fn of(hit: BlockHit) -> Self {
        let evidence = if hit.evidence { Self::EVIDENCE } else { 0 };
        Self(Self::HIT | evidence | hit.action as u64 | (hit.rule_id as u64) << 32)
    }

    /// The block entry that matched.
    #[inline(always)]
    #[must_use]
    pub const fn hit(self) -> Option<BlockHit> {
        if self.0 & Self::HIT == 0 {
            return None;
        }
        let action = if self.0 & 3 == Action::Neutralise as u64 { Action::Neutralise } else { Action::Drop };
        Some(BlockHit { rule_id: (self.0 >> 32) as u32, action, evidence: self.0 & Self::EVIDENCE != 0 })
    }

    /// Whether its global title could not be read, so that an entry for it may have been missed.
    #[inline(always)]
    #[must_use]
    pub const fn is_unreadable(self) -> bool {
        self.0 & Self::UNREADABLE != 0
    }
}

/// The judgement behind [`Env::title`].
#[inline(always)]
pub fn judge<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    off: usize,
    len: usize,
    env: &mut E,
) -> TitleVerdict {
    let title = sccp::calling_title(frame, off, len, flavour(frame, config, scope, env));
    let rest = TitleVerdict(if title.is_unreadable() { TitleVerdict::UNREADABLE } else { 0 });
    let digits = title.digits();
    if digits.is_empty() {
        return rest;
    }
    let half = scope.half();
    let slot = env.title_slot(half, digits);
    if slot == TITLE_NO_SLOT {
        return rest;
    }
    let from = from(frame, config, scope, env);
    match env.title_entry(slot, half, digits, from) {
        Some(hit) if !matches!(hit.action, Action::Pass) => TitleVerdict::of(hit),
        _ => rest,
    }
}

/// From which direction a message comes: out is what leaves this host, came by the home port of a bridge, or, where there
/// is none, comes from a home peer.
#[inline(always)]
pub(super) fn from<R: ReadAt + ?Sized, E: Env<R>>(
    frame: &R,
    config: &Config,
    scope: Scope,
    env: &mut E,
) -> u8 {
    if scope.remote_is_destination() {
        return direction::OUT;
    }
    if config.bridge & bridge_flag::BY_PORT != 0 {
        return direction::IN;
    }
    let sender = match scope.remote(frame) {
        Some(address) => env.peer(&address),
        None => None,
    };
    if sender.is_some_and(|peer| peer.side == Side::Home as u8) { direction::OUT } else { direction::IN }
}

/// How SCCP addresses are coded between the ends of a packet: as one of them is known to do, interconnect before home.
#[inline(always)]
fn flavour<R: ReadAt + ?Sized, E: Env<R>>(frame: &R, config: &Config, scope: Scope, env: &mut E) -> Flavour {
    let mut home = config.default_flavour;
    if config.has(config_flag::PEER_FLAVOURS) {
        for which in [Remote::Destination, Remote::Source] {
            if let Some(address) = scope.network().address(frame, which)
                && let Some(peer) = env.peer(&address)
            {
                if peer.side == Side::Interconnect as u8 {
                    return Flavour::from_u8(peer.flavour);
                }
                home = peer.flavour;
            }
        }
    }
    Flavour::from_u8(home)
}

/// Asks the entries from this slot on, each of which leads to the next: gives the slot of the one that applies to a
/// message from this direction, or [`TITLE_NO_SLOT`].
#[inline(always)]
pub fn applying<'a, M: Moment>(
    first: u32,
    from: u8,
    half: u32,
    detail: impl Fn(u32) -> Option<&'a TitleDetail>,
    moment: impl Fn(u32) -> M,
) -> u32 {
    let mut slot = first;
    for _ in 0..MAX_TITLE_CHAIN {
        if slot == TITLE_NO_SLOT {
            break;
        }
        let Some(entry) = detail(slot) else { return TITLE_NO_SLOT };
        if entry.matches(from, &moment(slot)) {
            return slot;
        }
        let [first, second] = entry.parent;
        slot = if half & 1 == 1 { second } else { first };
    }
    TITLE_NO_SLOT
}
