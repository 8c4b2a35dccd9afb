//! Lists of global titles and numbers to look up in them, by number plans as they are.

use std::collections::HashSet;

use ss7guard_common::abi::{Symbols, TitleDetail, direction};
use ss7guard_common::verdict::Action;
use ss7guard_lab::random::Random;

/// Prefixes that operators have; see `tests/data/SOURCES.md`.
const OPERATORS: &str = include_str!("../../../data/operator-prefixes.txt");

/// Digits of every number: the most that there are.
const DIGITS: usize = 15;

/// Lengths of prefixes with their weights in tenths of a per cent, and how many there are at most, so that short ones do
/// not cover everything.
const LENGTHS: [(usize, usize, usize); 10] = [
    (3, 2, 20),
    (4, 10, 100),
    (5, 50, 1_000),
    (6, 120, usize::MAX),
    (7, 180, usize::MAX),
    (8, 180, usize::MAX),
    (9, 160, usize::MAX),
    (10, 140, usize::MAX),
    (11, 90, usize::MAX),
    (12, 70, usize::MAX),
];

/// Which numbers are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Random digits.
    Uniform,
    /// Behind an operator's prefix, and no entry applies.
    Missing,
    /// An entry applies.
    Listed,
}

/// A list of entries, with numbers to look up.
pub(crate) struct Plan {
    operators: Vec<&'static str>,
    random: Random,
    listed: Vec<String>,
    prefixes: HashSet<String>,
}

impl Plan {
    /// So many different prefixes of 3 to 12 digits: those of operators, cut or with more digits.
    pub(crate) fn new(entries: usize) -> Self {
        let operators: Vec<&str> = OPERATORS.lines().collect();
        let mut plan = Self {
            operators,
            random: Random(0x7171_e5e5_0000_0001 | entries as u64),
            listed: Vec::new(),
            prefixes: HashSet::new(),
        };
        let mut made = [0; LENGTHS.len()];
        while plan.listed.len() < entries {
            let mut weight = plan.random.below(1_000);
            let index = LENGTHS.iter().position(|(_, share, _)| {
                let here = weight < *share;
                weight = weight.saturating_sub(*share);
                here
            });
            let index = index.unwrap_or(LENGTHS.len() - 1);
            let (len, _, most) = LENGTHS[index];
            if made[index] >= most {
                continue;
            }
            let prefix = plan.behind_an_operator(len);
            if plan.prefixes.insert(prefix.clone()) {
                plan.listed.push(prefix);
                made[index] += 1;
            }
        }
        plan
    }

    /// An operator's prefix, cut to this length or filled up with random digits.
    fn behind_an_operator(&mut self, len: usize) -> String {
        let operator = self.operators[self.random.below(self.operators.len())];
        self.filled(operator.get(..len).unwrap_or(operator).to_owned(), len)
    }

    fn filled(&mut self, mut digits: String, len: usize) -> String {
        while digits.len() < len {
            digits.push(char::from(b'0' + u8::try_from(self.random.below(10)).unwrap_or(0)));
        }
        digits
    }

    /// The entries: each tenth allows, the others drop.
    pub(crate) fn entries(&self) -> Vec<TitleDetail> {
        let entry = |(number, prefix): (usize, &String)| {
            Some(TitleDetail::new(
                Symbols::from_ascii(prefix.as_bytes())?,
                if number % 10 == 9 { Action::Pass } else { Action::Drop },
                direction::BOTH,
                7,
            ))
        };
        self.listed.iter().enumerate().filter_map(entry).collect()
    }

    /// So many numbers of 15 digits, as the octets of an address.
    pub(crate) fn numbers(&mut self, which: Numbers, count: usize) -> Vec<u64> {
        (0..count).map(|_| octets(&self.number(which))).collect()
    }

    fn number(&mut self, which: Numbers) -> String {
        loop {
            let start = match which {
                Numbers::Uniform => String::new(),
                Numbers::Missing => self.operators[self.random.below(self.operators.len())].to_owned(),
                Numbers::Listed => self.listed[self.random.below(self.listed.len())].clone(),
            };
            let number = self.filled(start, DIGITS);
            let found = (3..=12).any(|len| self.prefixes.contains(&number[..len]));
            if which != Numbers::Missing || !found {
                return number;
            }
        }
    }
}

/// Fifteen digits, low nibble first, with a filler, as one little-endian word.
fn octets(digits: &str) -> u64 {
    let nibbles = digits.bytes().enumerate();
    nibbles.fold(0, |word, (place, digit)| word | u64::from(digit - b'0') << (4 * place))
}
