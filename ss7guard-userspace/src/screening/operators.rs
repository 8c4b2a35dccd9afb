//! Who owns a number: operators by the prefixes of their global titles and IMSIs.
//!
//! The longest prefix decides. The look-up takes one hash probe for each length of prefix that is in use.

use std::collections::HashMap;

/// An operator as the configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    /// Its name.
    pub name: String,
    /// Whether it is the network that is protected.
    pub home: bool,
    /// Its global titles start with one of these (digits, international format).
    pub gt_prefixes: Vec<String>,
    /// Its IMSIs start with one of these (country and network code).
    pub imsi_prefixes: Vec<String>,
}

/// Prefixes with what they lead to.
#[derive(Clone, Debug, Default)]
struct Prefixes {
    owners: HashMap<Vec<u8>, usize>,
    /// Lengths in use, longest first.
    lengths: Vec<usize>,
}

impl Prefixes {
    fn insert(&mut self, prefix: &str, owner: usize) {
        self.owners.insert(prefix.as_bytes().to_vec(), owner);
        if !self.lengths.contains(&prefix.len()) {
            self.lengths.push(prefix.len());
            self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    fn owner(&self, digits: &str) -> Option<usize> {
        self.lengths.iter().find_map(|len| self.owners.get(digits.as_bytes().get(..*len)?).copied())
    }
}

/// All operators.
#[derive(Clone, Debug, Default)]
pub struct Operators {
    list: Vec<Operator>,
    by_gt: Prefixes,
    by_imsi: Prefixes,
}

impl Operators {
    /// From a checked list: no prefix belongs to two of them.
    #[must_use]
    pub fn new(list: &[Operator]) -> Self {
        let mut operators = Self { list: list.to_vec(), ..Self::default() };
        for (index, operator) in list.iter().enumerate() {
            for prefix in &operator.gt_prefixes {
                operators.by_gt.insert(prefix, index);
            }
            for prefix in &operator.imsi_prefixes {
                operators.by_imsi.insert(prefix, index);
            }
        }
        operators
    }

    /// Whether there are none: rules that need them are silent then.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The operator of a global title or of a node's number.
    #[must_use]
    pub fn of_gt(&self, digits: &str) -> Option<&Operator> {
        self.list.get(self.by_gt.owner(digits)?)
    }

    /// The operator of an IMSI.
    #[must_use]
    pub fn of_imsi(&self, digits: &str) -> Option<&Operator> {
        self.list.get(self.by_imsi.owner(digits)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let operator = |name: &str, gt: &[&str]| Operator {
            name: name.to_owned(),
            gt_prefixes: gt.iter().map(|prefix| (*prefix).to_owned()).collect(),
            ..Operator::default()
        };
        let operators = Operators::new(&[operator("a", &["44", "4477"]), operator("b", &["447", "1"])]);
        let name = |digits| operators.of_gt(digits).map(|operator| operator.name.as_str());
        assert_eq!(name("4477001"), Some("a"));
        assert_eq!(name("447999"), Some("b"));
        assert_eq!(name("44"), Some("a"));
        assert_eq!(name("4"), None);
        assert_eq!(name("33"), None);
    }
}
