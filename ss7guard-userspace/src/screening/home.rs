//! The rules that need to know whose a number is: categories 2 and 3, short messages, addresses that are not the
//! sender's. Without operators in the configuration they are silent.
//!
//! A sender is the operator of the calling global title. What is unknown is an alert, never a pass: an attacker chooses
//! what we do not know.

use std::sync::Arc;

use crate::config::RuleMode;
use crate::inspect::digits::Digits;
use crate::inspect::gsm_map::Field;
use crate::inspect::message::Message;
use crate::screening::operators::Operator;
use crate::screening::{
    Category, Decision, Engine, Evidence, Operation, RULE_CATEGORY2, RULE_CATEGORY3, RULE_SMS, RULE_SPOOFING,
    Rule, Verdict, operations,
};
use crate::screening::{Says, Source};

/// updateLocation, updateGprsLocation: the argument names the node that the subscriber is said to be at.
const LOCATION_UPDATES: [i32; 2] = [2, 23];

impl Engine {
    /// Category 2: only a subscriber's home network asks or tells the network that serves it.
    pub(super) fn category2(&self, message: &Message<'_>) -> Option<Decision> {
        if self.operators.is_empty() || self.modes.category2 == RuleMode::Off {
            return None;
        }
        let asked = operations(message, Category::Cat2).next()?;
        let owner = message.identities.get(Field::Imsi).map(|imsi| self.operators.of_imsi(imsi.as_str()));
        let why = match (self.sender(message), owner) {
            (_, Some(Some(owner))) if owner.home => {
                "a home subscriber, and the message comes from outside".to_owned()
            }
            (None, _) => format!("{}: nobody known", sender_text(message)),
            (Some(sender), Some(Some(owner))) if sender.name != owner.name => {
                format!("the subscriber is {}'s, the calling global title {}'s", owner.name, sender.name)
            }
            (Some(sender), Some(None)) => {
                format!(
                    "the subscriber is nobody's that is known, the calling global title {}'s",
                    sender.name
                )
            }
            _ => return None,
        };
        Some(self.against(self.modes.category2, RULE_CATEGORY2, Some(Category::Cat2), Some(asked), why))
    }

    /// Category 3: only the network that serves a subscriber reports its location and asks for its data.
    pub(super) fn category3(&self, message: &Message<'_>) -> Option<Decision> {
        if self.operators.is_empty() || self.modes.category3 == RuleMode::Off {
            return None;
        }
        let asked = operations(message, Category::Cat3).next()?;
        let why = match self.sender(message) {
            None => format!("{}: nobody known", sender_text(message)),
            Some(sender) => self.elsewhere(message, asked, sender)?,
        };
        Some(self.against(self.modes.category3, RULE_CATEGORY3, Some(Category::Cat3), Some(asked), why))
    }

    /// Whether a location update names a node of another operator than its sender.
    fn elsewhere(&self, message: &Message<'_>, asked: Operation, sender: &Operator) -> Option<String> {
        if !LOCATION_UPDATES.contains(&asked.opcode) {
            return None;
        }
        [(Field::Vlr, "VLR"), (Field::Sgsn, "SGSN"), (Field::Msc, "MSC")].into_iter().find_map(
            |(field, name)| {
                let number = message.identities.get(field)?.as_str();
                match self.operators.of_gt(number) {
                    Some(owner) if owner.name == sender.name => None,
                    Some(owner) => Some(format!(
                        "the {name} {number} is {}'s, the calling global title {}'s",
                        owner.name, sender.name
                    )),
                    None => Some(format!("the {name} {number} is nobody's that is known")),
                }
            },
        )
    }

    /// Short messages: the service centre is the sender's own, and both are known.
    pub(super) fn sms(&self, message: &Message<'_>) -> Option<Decision> {
        if self.operators.is_empty() || self.modes.sms == RuleMode::Off {
            return None;
        }
        let asked = operations(message, Category::Sms).next()?;
        let centre = message.identities.get(Field::Smsc).map(Digits::as_str);
        let why = match (self.sender(message), centre) {
            (None, _) => format!("{}: nobody known", sender_text(message)),
            // A home subscriber's message, sent abroad, names the home service centre.
            (Some(_), Some(centre)) if self.operators.of_gt(centre).is_some_and(|owner| owner.home) => {
                return None;
            }
            (Some(sender), Some(centre)) => match self.operators.of_gt(centre) {
                Some(owner) if owner.name == sender.name => return None,
                Some(owner) => format!(
                    "the service centre {centre} is {}'s, the calling global title {}'s",
                    owner.name, sender.name
                ),
                None => format!("the service centre {centre} is nobody's that is known"),
            },
            (Some(_), None) => return None,
        };
        Some(self.against(self.modes.sms, RULE_SMS, Some(Category::Sms), Some(asked), why))
    }

    /// A home global title from outside, or a point code or global title that is not this peer's.
    pub(super) fn spoofing(&self, message: &Message<'_>, source: Source) -> Option<Decision> {
        if self.modes.spoofing == RuleMode::Off {
            return None;
        }
        let opc = message.m3ua.label.opc;
        let says = source.peer.and_then(|peer| self.says.get(&peer));
        let foreign = |says: &&Arc<Says>| !says.point_codes.is_empty() && !says.point_codes.contains(&opc);
        let mute = |says: &&Arc<Says>| {
            let speaks = |gt: &str| says.gt_prefixes.iter().any(|prefix| gt.starts_with(prefix.as_str()));
            !says.gt_prefixes.is_empty() && message.calling_gt().is_some_and(|gt| !speaks(gt))
        };
        let elsewhere = |says: &&Arc<Says>| {
            !says.ports.is_empty() && source.port.is_some_and(|port| !says.ports.contains(&port))
        };
        let why = if let (Some(_), Some(port)) = (says.filter(elsewhere), source.port) {
            format!("the SCTP port {port} is not one of this peer's")
        } else if says.filter(foreign).is_some() {
            format!("the originating point code {opc} is not one of this peer's")
        } else if says.filter(mute).is_some() {
            format!("{} is not one that this peer may speak for", sender_text(message))
        } else if self.sender(message).is_some_and(|sender| sender.home) {
            format!("{} is a home number, and the message comes from outside", sender_text(message))
        } else {
            return None;
        };
        Some(self.against(self.modes.spoofing, RULE_SPOOFING, None, None, why))
    }

    fn sender(&self, message: &Message<'_>) -> Option<&Operator> {
        self.operators.of_gt(message.calling_gt()?)
    }

    fn against(
        &self,
        mode: RuleMode,
        rule: Rule,
        category: Option<Category>,
        operation: Option<Operation>,
        why: String,
    ) -> Decision {
        let verdict = if self.enforces(mode) { Verdict::Block } else { Verdict::Alert };
        let evidence = vec![Evidence { operation, why }];
        Decision { verdict, category, rule: Some(rule), reason: rule.name, evidence }
    }
}

fn sender_text(message: &Message<'_>) -> String {
    match message.calling_gt() {
        Some(digits) => format!("the calling global title {digits}"),
        None => "no calling global title".to_owned(),
    }
}
