//! Entries by calling global title, on the host: looked up by every prefix in turn, the longest first. Slow, and plain
//! enough to hold the kernel's tables against.

use std::collections::HashMap;

use ss7guard_common::abi::{BlockHits, Moment, Symbols, TITLE_DIGITS, TitleDetail, direction};
use ss7guard_common::classify::BlockHit;
use ss7guard_common::verdict::Action;

use crate::host::{Then, count_hit};

/// Digits, and whether they are a whole number.
type Node = (Symbols, bool);

/// The entries.
#[derive(Clone, Debug, Default)]
pub struct Titles(HashMap<Node, Vec<(TitleDetail, BlockHits)>>);

/// What makes an entry one, besides its digits; in the order in which entries with the same digits are asked: those that
/// allow, then those that block, and each for one direction before both.
fn order(detail: &TitleDetail) -> (bool, bool, u8) {
    let blocks = detail.action() != Action::Pass;
    (blocks, detail.directions() == direction::BOTH, detail.directions())
}

const fn node(detail: &TitleDetail) -> Node {
    (Symbols(detail.symbols), detail.is_exact())
}

impl Titles {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an entry, or replaces the one with the same key.
    pub fn put(&mut self, detail: TitleDetail) {
        self.remove(&detail);
        let entries = self.0.entry(node(&detail)).or_default();
        entries.push((detail, BlockHits::default()));
        entries.sort_by_key(|(detail, _)| order(detail));
    }

    /// Gives the entry with the key of this one another end; its hits stay.
    pub fn shorten(&mut self, detail: TitleDetail) {
        for (held, _) in self.0.get_mut(&node(&detail)).into_iter().flatten() {
            if order(held) == order(&detail) {
                *held = detail;
            }
        }
    }

    /// Removes the entry with the key of this one.
    pub fn remove(&mut self, detail: &TitleDetail) {
        if let Some(entries) = self.0.get_mut(&node(detail)) {
            entries.retain(|(other, _)| order(other) != order(detail));
            if entries.is_empty() {
                self.0.remove(&node(detail));
            }
        }
    }

    /// The entry that applies to a number, with its hit counted.
    pub(super) fn hit(&mut self, digits: Symbols, from: u8, moment: &Then) -> Option<BlockHit> {
        let most = u32::try_from(TITLE_DIGITS).unwrap_or(0);
        let prefixes = (1..=digits.len().min(most)).rev().map(|len| (digits.prefix(len), false));
        for node in std::iter::once((digits, true)).chain(prefixes) {
            for (detail, hits) in self.0.get_mut(&node).into_iter().flatten() {
                if detail.matches(from, &Then { last_hit: hits.last, ..*moment }) {
                    let evidence = count_hit(hits, detail.expires_at, moment.now());
                    return Some(BlockHit { rule_id: detail.rule_id, action: detail.action(), evidence });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
