//! Screening: who may ask what about whom. All policy is here.
//!
//! ```text
//!  frame ─ host classifier ─ inspect ─ Engine::screen ─> Decision   (pipeline.rs runs the whole of it)
//! ```
//! No I/O, no clock: the same engine judges captures and live traffic.

pub mod category;
pub mod pipeline;

use std::sync::Arc;

use ss7guard_common::abi::Mode;

pub use category::Category;
pub use pipeline::{Judged, Pipeline};

use crate::config::{Agreement, Category1, Config, RuleBlock, RuleMode};
use crate::inspect::gsm_map::{Protocol, operations};
use crate::inspect::message::{Message, Outcome};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the interconnect towards home.
    In,
    /// From home.
    Out,
}

impl Direction {
    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What is said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing against it.
    Allow,
    /// To be judged when the rest of it is there.
    Defer,
    /// It cannot be judged.
    Malformed,
    /// A person should know.
    Alert,
    /// It is stopped, or its sender is from now on.
    Block,
    /// The frame was dropped.
    Drop,
}

impl Verdict {
    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Defer => "defer",
            Self::Malformed => "malformed",
            Self::Alert => "alert",
            Self::Block => "block",
            Self::Drop => "drop",
        }
    }
}

/// A rule: its number in kernel entries and events, and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The number.
    pub id: u32,
    /// The name.
    pub name: &'static str,
}

/// A block entry of the configuration.
pub const RULE_CONFIGURED: Rule = Rule { id: 1, name: "configured_block" };
/// A block entry that a person made.
pub const RULE_OPERATOR: Rule = Rule { id: 2, name: "operator_block" };
/// Category 1 from the interconnect.
pub const RULE_CATEGORY1: Rule = Rule { id: 100, name: "category1" };

/// The rule with this number.
#[must_use]
pub fn rule(id: u32) -> Option<Rule> {
    [RULE_CONFIGURED, RULE_OPERATOR, RULE_CATEGORY1].into_iter().find(|rule| rule.id == id)
}

/// Why a decision is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Number of the component in the message, from 0.
    pub component: usize,
    /// Operation code.
    pub opcode: i32,
    /// Name of the operation.
    pub operation: &'static str,
    /// Why it is held against the message, or why not.
    pub why: String,
}

/// A decision about one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Category of the rule that spoke.
    pub category: Option<Category>,
    /// The rule that spoke.
    pub rule: Option<Rule>,
    /// The reason in one word: of the rule, the decoder or the frame classifier.
    pub reason: &'static str,
    /// The evidence.
    pub evidence: Vec<Evidence>,
}

impl Decision {
    /// A decision without a rule.
    #[must_use]
    pub const fn plain(verdict: Verdict, reason: &'static str) -> Self {
        Self { verdict, category: None, rule: None, reason, evidence: Vec::new() }
    }
}

/// The engine: the rules under one configuration.
#[derive(Clone, Debug)]
pub struct Engine {
    category1: Category1,
    agreements: Arc<[Agreement]>,
    mode: Mode,
}

impl Engine {
    /// The rules of this configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            category1: config.category1.clone(),
            agreements: config.agreements.clone().into(),
            mode: config.mode,
        }
    }

    /// Judges one decoded message.
    #[must_use]
    pub fn screen(&self, message: &Message<'_>, direction: Direction) -> Decision {
        let screened = self.category1(message, direction);
        match (&message.outcome, screened) {
            (_, Some(decision)) if decision.verdict > Verdict::Malformed => decision,
            (Outcome::Undecodable(problem), _) => Decision::plain(Verdict::Malformed, problem.reason()),
            (Outcome::Segment, _) => Decision::plain(Verdict::Defer, "sccp_segment"),
            (_, Some(decision)) => decision,
            (_, None) => Decision::plain(Verdict::Allow, "no_rule"),
        }
    }

    /// Category 1: never from the interconnect, unless an agreement names operation and sender. Every component is
    /// judged; one that is not allowed decides.
    fn category1(&self, message: &Message<'_>, direction: Direction) -> Option<Decision> {
        if self.category1.mode == RuleMode::Off
            || direction == Direction::Out
            || message.protocol != Protocol::Map
        {
            return None;
        }
        let mut evidence = Vec::new();
        let mut against = false;
        for (component, opcode) in message.invokes() {
            if category::of(opcode) != Some(Category::Cat1) {
                continue;
            }
            let agreement = self.agreement(opcode, message.calling_gt());
            let why = match (agreement, message.calling_gt()) {
                (Some(agreement), _) => format!("allowed by agreement: {}", agreement.reason),
                (None, Some(_)) => "no agreement names this operation and calling global title".to_owned(),
                (None, None) => "no calling global title that an agreement could name".to_owned(),
            };
            against |= agreement.is_none();
            let operation = operations::name(opcode).unwrap_or("unknown");
            evidence.push(Evidence { component, opcode, operation, why });
        }
        if evidence.is_empty() {
            return None;
        }
        if !against {
            return Some(Decision { evidence, ..Decision::plain(Verdict::Allow, "agreement") });
        }
        let blocks = self.enforces_category1() && self.category1.block != RuleBlock::None;
        Some(Decision {
            verdict: if blocks { Verdict::Block } else { Verdict::Alert },
            category: Some(Category::Cat1),
            rule: Some(RULE_CATEGORY1),
            reason: RULE_CATEGORY1.name,
            evidence,
        })
    }

    /// What could not be put together or read: nobody can say that it is harmless.
    #[must_use]
    pub const fn not_judgeable(&self, reason: &'static str) -> Decision {
        Decision::plain(Verdict::Malformed, reason)
    }

    fn enforces_category1(&self) -> bool {
        self.mode == Mode::Enforce && self.category1.mode == RuleMode::Enforce
    }

    fn agreement(&self, opcode: i32, calling_gt: Option<&str>) -> Option<&Agreement> {
        let calling_gt = calling_gt?;
        self.agreements.iter().find(|agreement| {
            agreement.operations.contains(&opcode)
                && agreement.gt_prefixes.iter().any(|prefix| calling_gt.starts_with(prefix.as_str()))
        })
    }
}

#[cfg(test)]
mod tests;
