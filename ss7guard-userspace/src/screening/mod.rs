//! Screening: who may ask what about whom. All policy is here.
//!
//! ```text
//!  frame ─ host classifier ─ inspect ─ Engine::screen ─> Decision   (pipeline.rs runs the whole of it)
//! ```
//! No I/O, no clock: the same engine judges captures and live traffic.
#![forbid(unsafe_code)]

pub mod category;
mod home;
pub mod operators;
pub mod pipeline;

use std::collections::HashMap;
use std::sync::Arc;

use ss7guard_common::abi::Mode;
use ss7guard_common::wire::Address;

pub use category::Category;
pub use operators::Operators;
pub use pipeline::{Judged, Pipeline};

use crate::config::{Agreement, Category1, Config, RuleBlock, RuleMode, RuleModes};
use crate::inspect::findings::{Finding, Weight};
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
    /// What it holds, in words.
    pub about: &'static str,
}

/// A block entry of the configuration.
pub const RULE_CONFIGURED: Rule = Rule {
    id: 1,
    name: "configured_block",
    about: "a [[block]] entry of the configuration names the originating point code",
};
/// A block entry that a person made.
pub const RULE_OPERATOR: Rule = Rule {
    id: 2,
    name: "operator_block",
    about: "an entry that a person made names the originating point code",
};
/// Category 1 from the interconnect.
pub const RULE_CATEGORY1: Rule = Rule {
    id: 100,
    name: "category1",
    about: "category 1 operations never come from the interconnect, unless an agreement names operation and calling global title",
};
/// Category 2 from another network than the subscriber's own.
pub const RULE_CATEGORY2: Rule = Rule {
    id: 101,
    name: "category2",
    about: "category 2 operations come only from the home network of the subscriber",
};
/// Category 3 from a network that does not serve the subscriber.
pub const RULE_CATEGORY3: Rule = Rule {
    id: 102,
    name: "category3",
    about: "category 3 operations come only from an operator that is known, location updates only for nodes of its own",
};
/// Short messages by addresses that contradict each other.
pub const RULE_SMS: Rule =
    Rule { id: 103, name: "sms", about: "short messages come by a service centre of the sender" };
/// Addresses that the sender may not speak for.
pub const RULE_SPOOFING: Rule = Rule {
    id: 104,
    name: "spoofing",
    about: "no home global title comes from outside, and no point code or global title that is not the peer's",
};
/// Odd forms.
pub const RULE_FINDINGS: Rule = Rule {
    id: 110,
    name: "findings",
    about: "a form that no ordinary sender uses, or that receivers read differently",
};

/// Every rule.
pub const RULES: [Rule; 8] = [
    RULE_CONFIGURED,
    RULE_OPERATOR,
    RULE_CATEGORY1,
    RULE_CATEGORY2,
    RULE_CATEGORY3,
    RULE_SMS,
    RULE_SPOOFING,
    RULE_FINDINGS,
];

/// The rule with this number.
#[must_use]
pub fn rule(id: u32) -> Option<Rule> {
    RULES.into_iter().find(|rule| rule.id == id)
}

/// What is done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingAction {
    /// It is told with the message, and counts for nothing.
    Note,
    /// An alert.
    Alert,
    /// An alert in monitor mode; in enforce mode the message is blocked.
    Block,
}

impl FindingAction {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Note, Self::Alert, Self::Block];

    /// The name in configuration and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Alert => "alert",
            Self::Block => "block",
        }
    }
}

/// The action of each finding: by its weight, where the configuration does not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingActions {
    /// What the configuration says.
    pub set: HashMap<Finding, FindingAction>,
}

impl FindingActions {
    /// The action of a finding.
    #[must_use]
    pub fn of(&self, finding: Finding) -> FindingAction {
        self.set.get(&finding).copied().unwrap_or(match finding.weight() {
            Weight::Note => FindingAction::Note,
            Weight::Odd => FindingAction::Alert,
            Weight::Ambiguous => FindingAction::Block,
        })
    }
}

/// Why a decision is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The operation that it is about; `None` if it is about the message.
    pub operation: Option<Operation>,
    /// Why it is held against the message, or why not.
    pub why: String,
}

/// An operation in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Number of the component in the message, from 0.
    pub component: usize,
    /// Operation code.
    pub opcode: i32,
    /// Name of the operation.
    pub name: &'static str,
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
    modes: RuleModes,
    agreements: Arc<[Agreement]>,
    operators: Arc<Operators>,
    findings: FindingActions,
    /// What each peer may say of itself, by each of its addresses.
    says: Arc<HashMap<Address, Arc<Says>>>,
    mode: Mode,
    /// Whether a message itself can be stopped: it waits in a bridge until it is judged.
    holds: bool,
}

/// What a peer may say of itself; an empty list allows anything.
#[derive(Clone, Debug, Default)]
struct Says {
    point_codes: Vec<u32>,
    gt_prefixes: Vec<String>,
    ports: Vec<u16>,
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Which way it goes.
    pub direction: Direction,
    /// Address of the peer.
    pub peer: Option<Address>,
    /// Its SCTP port.
    pub port: Option<u16>,
}

impl Engine {
    /// The rules of this configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let says = config.peers.iter().flat_map(|peer| {
            let says = Arc::new(Says {
                point_codes: peer.point_codes.clone(),
                gt_prefixes: peer.gt_prefixes.clone(),
                ports: peer.ports.clone(),
            });
            peer.addresses.iter().map(move |address| (Address::from(*address), Arc::clone(&says)))
        });
        Self {
            category1: config.category1.clone(),
            modes: config.modes,
            agreements: config.agreements.clone().into(),
            operators: Operators::new(&config.operators).into(),
            findings: config.findings.clone(),
            says: Arc::new(says.collect()),
            mode: config.mode,
            holds: config.holds(),
        }
    }

    /// Judges one decoded message: every rule looks at it, and the strongest decides; of equals the first. The evidence
    /// of the others is kept.
    #[must_use]
    pub fn screen(&self, message: &Message<'_>, source: Source) -> Decision {
        let fallback = match &message.outcome {
            Outcome::Undecodable(problem) => Decision::plain(Verdict::Malformed, problem.reason()),
            Outcome::Segment => Decision::plain(Verdict::Defer, "sccp_segment"),
            _ => Decision::plain(Verdict::Allow, "no_rule"),
        };
        if source.direction == Direction::Out {
            return fallback;
        }
        let mut decided: Option<Decision> = None;
        let spoken = [
            self.category1(message),
            self.category2(message),
            self.category3(message),
            self.sms(message),
            self.spoofing(message, source),
            self.odd_forms(message),
        ];
        for decision in spoken.into_iter().flatten() {
            match &mut decided {
                Some(strongest) if strongest.verdict >= decision.verdict => {
                    strongest.evidence.extend(decision.evidence);
                }
                Some(weaker) => {
                    let evidence = std::mem::take(&mut weaker.evidence);
                    *weaker = decision;
                    weaker.evidence.extend(evidence);
                }
                None => decided = Some(decision),
            }
        }
        match decided {
            // What an agreement allows is no clean message if it cannot be read to its end.
            Some(decision) if decision.verdict > fallback.verdict || fallback.verdict == Verdict::Allow => {
                decision
            }
            _ => fallback,
        }
    }

    /// What could not be put together or read: nobody can say that it is harmless.
    #[must_use]
    pub const fn not_judgeable(&self, reason: &'static str) -> Decision {
        Decision::plain(Verdict::Malformed, reason)
    }

    /// Category 1: never from the interconnect, unless an agreement names operation and sender. Every component is
    /// judged; one that is not allowed decides.
    fn category1(&self, message: &Message<'_>) -> Option<Decision> {
        if self.category1.mode == RuleMode::Off {
            return None;
        }
        let mut evidence = Vec::new();
        let mut against = false;
        for operation in operations(message, Category::Cat1) {
            let agreement = self.agreement(operation.opcode, message.calling_gt());
            let why = match (agreement, message.calling_gt()) {
                (Some(agreement), _) => format!("allowed by agreement: {}", agreement.reason),
                (None, Some(_)) => "no agreement names this operation and calling global title".to_owned(),
                (None, None) => "no calling global title that an agreement could name".to_owned(),
            };
            against |= agreement.is_none();
            evidence.push(Evidence { operation: Some(operation), why });
        }
        if evidence.is_empty() {
            return None;
        }
        if !against {
            return Some(Decision { evidence, ..Decision::plain(Verdict::Allow, "agreement") });
        }
        let stops = self.holds || self.category1.block != RuleBlock::None;
        let blocks = stops && self.enforces(self.category1.mode);
        Some(Decision {
            verdict: if blocks { Verdict::Block } else { Verdict::Alert },
            category: Some(Category::Cat1),
            rule: Some(RULE_CATEGORY1),
            reason: RULE_CATEGORY1.name,
            evidence,
        })
    }

    /// Odd forms, each with its action.
    fn odd_forms(&self, message: &Message<'_>) -> Option<Decision> {
        if message.findings.is_empty() {
            return None;
        }
        let strongest = message.findings.kinds().max_by_key(|finding| self.findings.of(*finding))?;
        let verdict = match self.findings.of(strongest) {
            FindingAction::Note => return None,
            FindingAction::Block if self.mode == Mode::Enforce => Verdict::Block,
            FindingAction::Alert | FindingAction::Block => Verdict::Alert,
        };
        let speaks = |finding: &Finding| self.findings.of(*finding) > FindingAction::Note;
        let evidence = message
            .findings
            .kinds()
            .filter(speaks)
            .map(|finding| {
                let why = match message.findings.offset(finding) {
                    Some(offset) => format!("{} at offset {offset}", finding.as_str()),
                    None => finding.as_str().to_owned(),
                };
                Evidence { operation: None, why }
            })
            .collect();
        let reason = strongest.as_str();
        Some(Decision { verdict, category: None, rule: Some(RULE_FINDINGS), reason, evidence })
    }

    fn enforces(&self, rule: RuleMode) -> bool {
        self.mode == Mode::Enforce && rule == RuleMode::Enforce
    }

    fn agreement(&self, opcode: i32, calling_gt: Option<&str>) -> Option<&Agreement> {
        let calling_gt = calling_gt?;
        self.agreements.iter().find(|agreement| {
            agreement.operations.contains(&opcode)
                && agreement.gt_prefixes.iter().any(|prefix| calling_gt.starts_with(prefix.as_str()))
        })
    }
}

/// The invokes of a MAP message in this category.
fn operations<'m>(message: &'m Message<'_>, wanted: Category) -> impl Iterator<Item = Operation> + 'm {
    let map = message.protocol == Protocol::Map;
    message.invokes().filter(move |(_, opcode)| map && category::of(*opcode) == Some(wanted)).map(
        |(component, opcode)| {
            let name = operations::name(opcode).unwrap_or("unknown");
            Operation { component, opcode, name }
        },
    )
}

#[cfg(test)]
mod tests;
