//! What was said of a frame while it was judged, as fates of its chunks.

use ss7guard_common::abi::Mode;
use ss7guard_common::verdict::Reason;

use crate::config::{Config, OnBlock};
use crate::hold::{Fate, Piece};
use crate::inspect::message::Outcome;
use crate::screening::{Judged, RULE_CATEGORY1, Verdict};

/// The fates that are known, and the chunks whose fate is not.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Said {
    pub(super) decided: Vec<(Piece, Fate)>,
    deferred: Vec<Piece>,
    /// Chunks of messages that came in several.
    in_pieces: Vec<Piece>,
    /// Frames of the IP packet that this one has completed, in the order of their offset.
    pub(in crate::daemon) packet: Vec<u64>,
    /// Whether this is a fragment of an IP packet that is not whole.
    pub(super) fragment: bool,
}

impl Said {
    /// Takes one judgement; gives the fate of what it is about, `None` if that has to wait.
    pub(in crate::daemon) fn judged(&mut self, judged: &Judged<'_>, config: &Config) -> Option<Fate> {
        let verdict = judged.decision.verdict;
        if judged.pieces.is_empty() {
            self.fragment |= verdict == Verdict::Defer && judged.reason == Reason::IpFragment;
            return None;
        }
        let is_segment = judged.message.is_some_and(|message| matches!(message.outcome, Outcome::Segment));
        if verdict == Verdict::Defer || (is_segment && verdict < Verdict::Block) {
            self.deferred.extend_from_slice(judged.pieces);
            return None;
        }
        let stops = config.mode == Mode::Enforce && verdict >= Verdict::Block;
        let drops =
            judged.decision.rule == Some(RULE_CATEGORY1) && config.category1.on_block == OnBlock::Drop;
        let fate = match (stops, drops) {
            (false, _) => Fate::Pass,
            (true, false) => Fate::Stop,
            (true, true) => Fate::Drop,
        };
        self.decided.extend(judged.pieces.iter().map(|piece| (*piece, fate)));
        if judged.pieces.len() > 1 {
            self.in_pieces.extend_from_slice(judged.pieces);
        }
        Some(fate)
    }

    /// The fate of a chunk of this frame, as far as it was said: nothing against what nothing was said of.
    pub(super) fn fate(&self, piece: &Piece) -> Option<Fate> {
        let decided = self.decided.iter().filter(|(one, _)| one == piece).map(|(_, fate)| *fate).max();
        match decided {
            None if self.deferred.contains(piece) => None,
            fate => Some(fate.unwrap_or(Fate::Pass)),
        }
    }

    /// Whether a chunk belongs to a message that came in several.
    pub(super) fn is_in_pieces(&self, piece: &Piece) -> bool {
        self.in_pieces.contains(piece)
    }
}
