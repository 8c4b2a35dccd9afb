//! What the classifier says: of a chunk, and of a frame.

use crate::classify::{BlockHit, Scope};
use crate::read::ReadAt;
use crate::verdict::{Action, Code, Reason};
use crate::wire::{Address, Remote};

/// The judgement of one chunk or of the frame around it, packed into a word so that a kernel function can return it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ChunkVerdict(pub u64);

impl ChunkVerdict {
    /// A copy for the sake of set-up alone ([`Reason::BOUNDED`]): the bit below [`Self::PUNT`].
    pub(super) const SETUP: u64 = 1 << 8;
    pub(super) const PUNT: u64 = 1 << 9;
    /// A block entry matched; decides over what is merely punted, also in monitor mode.
    pub(super) const BLOCKED: u64 = 1 << 10;
    pub(super) const NEUTRALISE_SHIFT: u32 = 11;
    pub(super) const NEUTRALISE: u64 = 1 << Self::NEUTRALISE_SHIFT;
    pub(super) const DROP: u64 = 1 << 12;
    pub(super) const EVIDENCE: u64 = 1 << 13;
    /// No judgement: a fragment that is judged together with another one.
    pub(super) const SPLIT: Self = Self(1 << 63);
    /// Its content is to be judged by the controller.
    pub(super) const JUDGE: u64 = 1 << 15;
    /// It is stopped without an entry for its sender, which the controller is told each time.
    pub(super) const TOLD: u64 = 1 << 17;
    /// The frame carries user data.
    pub(super) const USER_DATA: u64 = 1 << 16;
    /// Set in every judgement, so that "none yet" is another number.
    pub(super) const JUDGED: u64 = 1 << 14;

    #[inline(always)]
    pub(super) const fn new(reason: Code, action: Action) -> Self {
        let word = reason.number() as u64 | Self::JUDGED;
        let bounded = reason.is_bounded() as u32;
        // Without a branch, as the verifier would follow both.
        let judge = Self::JUDGE & (bounded as u64).wrapping_sub(1);
        Self(match action {
            Action::Pass => word,
            Action::Punt => word | judge | Self::PUNT.wrapping_shr(bounded),
            Action::Drop => word | Self::DROP,
            Action::Neutralise => word | Self::NEUTRALISE,
        })
    }

    /// A message that is neutralised without an entry for its sender is always shown to the controller.
    #[inline(always)]
    pub(super) const fn told(self) -> Self {
        Self(if self.neutralises() { self.0 | Self::PUNT | Self::TOLD } else { self.0 })
    }

    /// The judgement of a message that a block entry matches.
    #[inline(always)]
    pub(super) const fn blocked(reason: Code, action: Action, hit: BlockHit) -> Self {
        let word = Self::new(reason, action).0 | Self::BLOCKED | (hit.rule_id as u64) << 32;
        Self(if hit.evidence { word | Self::PUNT | Self::EVIDENCE } else { word })
    }

    /// Number of the reason.
    #[inline(always)]
    #[must_use]
    pub const fn reason_number(self) -> u8 {
        self.0 as u8
    }

    /// The reason.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        Reason::from_u8(self.reason_number())
    }

    /// Whether the frame is to be dropped.
    #[inline(always)]
    #[must_use]
    pub const fn drops(self) -> bool {
        self.0 & Self::DROP != 0
    }

    /// Whether the message is to be rewritten.
    #[inline(always)]
    #[must_use]
    pub const fn neutralises(self) -> bool {
        self.0 & Self::NEUTRALISE != 0
    }

    /// The action that the judgement amounts to.
    pub const fn action(self) -> Action {
        if self.drops() {
            Action::Drop
        } else if self.neutralises() {
            Action::Neutralise
        } else if self.punts() {
            Action::Punt
        } else {
            Action::Pass
        }
    }

    /// Whether a copy is to go to the controller.
    #[inline(always)]
    #[must_use]
    pub const fn punts(self) -> bool {
        self.0 & (Self::PUNT | Self::SETUP) != 0
    }

    /// Whether the controller is to judge what it holds, which a bridge keeps back meanwhile.
    #[inline(always)]
    #[must_use]
    pub const fn wants_judgement(self) -> bool {
        self.0 & Self::JUDGE != 0
    }

    /// Whether the copy is wanted for the sake of set-up alone, so that it may be left out.
    #[inline(always)]
    #[must_use]
    pub const fn is_bounded(self) -> bool {
        self.0 & (Self::PUNT | Self::SETUP) == Self::SETUP
    }

    /// Whether the copy is evidence of a block entry's hit.
    #[inline(always)]
    #[must_use]
    pub const fn is_evidence(self) -> bool {
        self.0 & Self::EVIDENCE != 0
    }

    /// Whether a copy is wanted of what is stopped here, whatever becomes of the rest of the frame.
    #[inline(always)]
    #[must_use]
    pub const fn tells_what_is_stopped(self) -> bool {
        self.0 & (Self::EVIDENCE | Self::TOLD) != 0
    }

    /// Rule of the block entry that matched, 0 if none.
    #[inline(always)]
    #[must_use]
    pub const fn rule_id(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How strongly this judgement decides the frame: drop over neutralise over blocked over punt over pass.
    #[inline(always)]
    pub(super) const fn rank(self) -> u64 {
        self.0 & (Self::SETUP | Self::PUNT | Self::BLOCKED | Self::NEUTRALISE | Self::DROP)
    }
}

impl core::fmt::Debug for ChunkVerdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChunkVerdict")
            .field("reason", &self.reason())
            .field("drops", &self.drops())
            .field("neutralises", &self.neutralises())
            .field("punts", &self.punts())
            .field("rule_id", &self.rule_id())
            .finish()
    }
}

/// The verdict over a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct FrameVerdict {
    /// The deciding judgement, with the `punts`, `neutralises` and `drops` of all of them.
    pub verdict: ChunkVerdict,
    /// Offset of the deciding chunk, 0 if the frame itself decided.
    pub chunk_offset: usize,
    /// Octets of the deciding chunk.
    pub chunk_len: usize,
    /// The chunks that are to be rewritten: bit 0 is the first of the packet.
    pub(super) marked: u32,
    /// Where the packet is.
    pub(super) scope: Scope,
    /// Offset after its last octet.
    pub(super) end: usize,
}

impl FrameVerdict {
    #[inline(always)]
    pub(super) const fn whole(verdict: ChunkVerdict) -> Self {
        Self { verdict, chunk_offset: 0, chunk_len: 0, marked: 0, scope: Scope(0), end: 0 }
    }

    /// Takes a further judgement in: the strongest decides, the first of equals.
    #[inline(always)]
    pub(super) fn join(&mut self, other: ChunkVerdict, offset: usize, len: usize) {
        let flags = (self.verdict.0 | other.0)
            & (ChunkVerdict::SETUP
                | ChunkVerdict::PUNT
                | ChunkVerdict::JUDGE
                | ChunkVerdict::USER_DATA
                | ChunkVerdict::TOLD
                | ChunkVerdict::NEUTRALISE
                | ChunkVerdict::DROP
                | ChunkVerdict::EVIDENCE);
        if !self.judged() || other.rank() > self.verdict.rank() {
            self.verdict = other;
            self.chunk_offset = offset;
            self.chunk_len = len;
        }
        self.verdict.0 |= flags;
    }

    #[inline(always)]
    pub(super) const fn judged(&self) -> bool {
        self.verdict.0 & ChunkVerdict::JUDGED != 0
    }

    #[inline(always)]
    pub(super) fn forget<R: ReadAt + ?Sized>(&mut self, frame: &R, noise: u32) {
        self.verdict.0 = frame.forget(self.verdict.0 as usize, noise) as u64;
        self.chunk_offset = frame.forget(self.chunk_offset, noise);
        self.chunk_len = frame.forget(self.chunk_len, noise);
        self.marked = frame.forget(self.marked as usize, noise) as u32;
    }

    /// Whether the frame goes on with some of its messages rewritten by [`rewrite`].
    #[inline(always)]
    #[must_use]
    pub const fn rewrites(&self) -> bool {
        self.verdict.neutralises() && !self.verdict.drops()
    }

    /// Whether the frame carries user data, as far as it could be read.
    #[inline(always)]
    #[must_use]
    pub const fn carries_user_data(&self) -> bool {
        self.verdict.0 & ChunkVerdict::USER_DATA != 0
    }

    /// Where the packet is.
    #[inline(always)]
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Offset after the last octet of the SCTP packet.
    #[inline(always)]
    #[must_use]
    pub const fn end(&self) -> usize {
        self.end
    }

    /// The address of this end of the packet.
    #[inline(always)]
    pub fn address<R: ReadAt + ?Sized>(&self, frame: &R, which: Remote) -> Option<Address> {
        self.scope.network().address(frame, which)
    }
}
