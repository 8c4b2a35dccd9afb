//! From decisions to entries of the lists: a pure plan; the kernel side applies it.

mod detail;
mod target;

use std::collections::HashMap;
use std::time::Duration;

use crate::config::{Block, Config, OnBlock, RuleBlock};
use crate::inspect::message::Message;
use crate::screening::{Decision, Direction, Judged, RULE_CATEGORY1, RULE_CONFIGURED, Verdict};

pub use detail::{Detail, Does, Listed};
pub use target::{CodeTarget, Directions, TITLE_MARK, Target, TitleTarget, Titles, Written};

/// An entry that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// What messages it is for.
    pub target: Target,
    /// How long it lasts; `None` for ever.
    pub ttl: Option<Duration>,
    /// The rule that asks for it.
    pub rule_id: u32,
    /// What becomes of a message that matches, unless the entry allows.
    pub on_block: OnBlock,
    /// Why, for people.
    pub reason: String,
}

impl BlockRequest {
    /// The entry as the kernel has it; `now_ns` is the monotonic clock.
    #[must_use]
    pub fn detail(&self, now_ns: u64) -> Detail {
        let ttl_ns = self.ttl.map(|ttl| u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX));
        let expires_at = ttl_ns.map_or(0, |ttl| now_ns.saturating_add(ttl));
        Detail::new(self.target, expires_at, self.rule_id, self.on_block)
    }
}

impl Block {
    /// The request for this entry of the configuration.
    #[must_use]
    pub fn request(&self) -> BlockRequest {
        BlockRequest {
            target: self.target,
            ttl: self.ttl,
            rule_id: RULE_CONFIGURED.id,
            on_block: self.on_block,
            reason: self.reason.clone(),
        }
    }
}

/// Targets that are remembered as asked for; the oldest knowledge is dropped beyond, which costs a second request.
const MAX_ASKED: usize = 65_536;

/// Turns decisions into requests, and asks again for an entry only when half of its time is over.
#[derive(Debug, Default)]
pub struct Planner {
    /// When each target may be asked for again, on the caller's clock.
    again_at_ns: HashMap<Target, u64>,
    /// Whether it was said that a message had no global title that an entry could be made for.
    told: bool,
}

impl Planner {
    /// The entry that a decision asks for, if any.
    pub fn plan(&mut self, judged: &Judged<'_>, config: &Config, now_ns: u64) -> Option<BlockRequest> {
        let request = self.wanted(judged, &judged.decision, config)?;
        let again_at_ns = self.again_at_ns.entry(request.target).or_default();
        if *again_at_ns > now_ns {
            return None;
        }
        *again_at_ns = now_ns.saturating_add(config.category1.ttl.as_nanos() as u64 / 2);
        if self.again_at_ns.len() > MAX_ASKED {
            self.again_at_ns.retain(|_, again| *again > now_ns);
            if self.again_at_ns.len() > MAX_ASKED {
                self.again_at_ns.clear();
            }
        }
        Some(request)
    }

    /// Forgets a target whose entry was removed.
    pub fn forget(&mut self, target: &Target) {
        self.again_at_ns.remove(target);
    }

    fn wanted(&mut self, judged: &Judged<'_>, decision: &Decision, config: &Config) -> Option<BlockRequest> {
        let by_rule = decision.verdict == Verdict::Block && decision.rule == Some(RULE_CATEGORY1);
        // What comes from home is never a reason to block.
        if !by_rule || judged.direction != Direction::In {
            return None;
        }
        let message = judged.message?;
        let target = match config.category1.block {
            RuleBlock::None => return None,
            RuleBlock::Opc => Target::code(message.m3ua.label.opc),
            RuleBlock::Gt => self.title(message)?,
        };
        let operation = decision.evidence.iter().find_map(|evidence| evidence.operation);
        let operation = operation.map_or("category 1", |operation| operation.name);
        let from = message.calling_gt().unwrap_or("no global title");
        Some(BlockRequest {
            target,
            ttl: Some(config.category1.ttl),
            rule_id: RULE_CATEGORY1.id,
            on_block: config.category1.on_block,
            reason: format!("{operation} from {from}"),
        })
    }

    /// Exactly the calling global title of a message, if the list can hold it.
    fn title(&mut self, message: &Message) -> Option<Target> {
        let digits = message.calling_gt();
        let titles = digits.and_then(Titles::exactly);
        if titles.is_none() && !self.told {
            self.told = true;
            log::warn!(
                "rules.category1.block = \"gt\" makes no entry for a message with calling global title {}: an entry has 1 \
                 to 15 decimal digits (said once)",
                digits.map_or_else(|| "none".to_owned(), |digits| format!("{digits:?}"))
            );
        }
        let target = TitleTarget { titles: titles?, directions: Directions::In, allows: false };
        Some(Target::Title(target))
    }
}
