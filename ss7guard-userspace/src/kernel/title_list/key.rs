//! What makes an entry one, and how the digits of entries lie inside each other.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use ss7guard_common::abi::{Symbols, TITLE_DIGITS, TitleDetail, direction};
use ss7guard_common::verdict::Action;

/// What makes an entry one. In order: by digits, a prefix before the whole number with the same digits; then as the
/// kernel asks entries with the same digits: those that allow first, and each for one direction before both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TitleKey {
    /// The digits.
    pub symbols: Symbols,
    /// Whether they are a whole number, not a prefix.
    pub exact: bool,
    /// Whether the entry allows.
    pub allow: bool,
    /// Bits of [`direction`].
    pub directions: u8,
}

impl TitleKey {
    /// The key of this entry.
    #[must_use]
    pub const fn of(detail: &TitleDetail) -> Self {
        Self {
            symbols: Symbols(detail.symbols),
            exact: detail.is_exact(),
            allow: matches!(detail.action(), Action::Pass),
            directions: detail.directions(),
        }
    }

    /// Whether there can be such an entry: 1 to 15 decimal digits, and some direction.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        let word = self.symbols.0;
        is_number(word) && word != 0 && word & 15 == 0 && self.directions & direction::BOTH != 0
    }

    /// All of it in one word with the same order: the lowest symbol of the digits is never used.
    pub(super) const fn packed(self) -> u64 {
        let low = (self.exact as u64) << 3 | (!self.allow as u64) << 2;
        self.symbols.0 & !15 | low | (self.directions & direction::BOTH) as u64
    }
}

impl Ord for TitleKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.packed().cmp(&other.packed())
    }
}

impl PartialOrd for TitleKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The digits as `gt:4477*` for a prefix, `gt:447700900123` for a whole number.
impl fmt::Display for TitleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ascii, len) = self.symbols.to_ascii();
        let digits = ascii.get(..len.min(TITLE_DIGITS)).and_then(|digits| std::str::from_utf8(digits).ok());
        write!(f, "gt:{}{}", digits.unwrap_or_default(), if self.exact { "" } else { "*" })
    }
}

/// Packed keys, each with its slot.
pub(super) type Keys = BTreeMap<u64, u32>;

const EXACT: u64 = 8;

/// The packed keys of a node, entries with the same digits that are prefix or whole number alike, are this many.
pub(super) const NODE: u64 = 8;

/// The node of a packed key: the lowest key that it could have.
pub(super) const fn node_of(packed: u64) -> u64 {
    packed & !(NODE - 1)
}

/// The first number that an entry with this packed key is about.
pub(super) const fn start_of(packed: u64) -> u64 {
    packed & !15
}

/// The first number that it is not about any more, as it would be counted: no symbol is above 10, but for the first one.
pub(super) const fn end_of(packed: u64) -> u64 {
    let start = start_of(packed);
    let len = Symbols(start).len();
    // A whole number ends where it would go on with its first further digit.
    let shift = if packed & EXACT != 0 && len < 15 { 60 - 4 * len } else { 64 - 4 * len };
    carried(start + (1 << shift))
}

/// A number whose last symbol may be 11, with that carried over.
pub(super) const fn carried(mut word: u64) -> u64 {
    loop {
        let low = word.trailing_zeros() & !3;
        if low >= 60 || word >> low & 15 != 11 {
            return word;
        }
        word += 5 << low;
    }
}

/// Whether the word is digits and then nothing.
pub(super) const fn is_number(word: u64) -> bool {
    const ONES: u64 = 0x1111_1111_1111_1111;
    let some = (word | word >> 1 | word >> 2 | word >> 3) & ONES;
    // 11 to 15 have the bits 8 and 4, or 8, 2 and 1.
    let eight = word >> 3 & ONES;
    let above = eight & (word >> 2 | word >> 1 & word);
    some.count_ones() == Symbols(word).len() && above == 0
}

/// The first entry of a node.
pub(super) fn first_of(keys: &Keys, node: u64) -> Option<(u64, u32)> {
    keys.range(node..node + NODE).next().map(|(key, slot)| (*key, *slot))
}

/// The first entry of the longest node that this one lies in.
pub(super) fn around(keys: &Keys, node: u64) -> Option<u32> {
    let digits = Symbols(start_of(node));
    let longest = if node & EXACT != 0 { digits.len() } else { digits.len().saturating_sub(1) };
    (1..=longest).rev().find_map(|len| first_of(keys, digits.prefix(len).0)).map(|(_, slot)| slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digits: &str, exact: bool, allow: bool, directions: u8) -> TitleKey {
        TitleKey { symbols: Symbols::from_ascii(digits.as_bytes()).unwrap(), exact, allow, directions }
    }

    #[test]
    fn keys_sort_as_the_kernel_asks_and_say_what_they_are() {
        let both = direction::BOTH;
        let keys = [
            key("44", false, true, direction::IN),
            key("44", false, true, both),
            key("44", false, false, direction::IN),
            key("44", false, false, direction::OUT),
            key("44", false, false, both),
            key("44", true, true, both),
            key("44", true, false, both),
            key("440", false, true, both),
            key("45", false, true, both),
        ];
        assert!(keys.is_sorted());
        for key in keys {
            assert_eq!(keys.iter().filter(|other| other.packed() == key.packed()).count(), 1);
            assert!(key.is_valid());
        }
        assert_eq!((keys[0].to_string(), keys[5].to_string()), ("gt:44*".into(), "gt:44".into()));
        let odd = |word| TitleKey { symbols: Symbols(word), ..keys[0] }.is_valid();
        assert!(!odd(0) && !odd(0x5050 << 48) && !odd(0xb << 60) && !odd(0x5f << 56) && !odd(0x51 << 56 | 1));
        assert!(odd(0xa1 << 56) && !key("44", true, true, 0).is_valid());
    }

    #[test]
    fn what_an_entry_is_about_ends_where_counting_goes_on() {
        let end = |digits, exact| Symbols(end_of(key(digits, exact, false, 3).packed()));
        let number = |digits: &str| Symbols::from_ascii(digits.as_bytes()).unwrap();
        assert_eq!((end("44", false), end("44", true)), (number("45"), number("440")));
        assert_eq!((end("4499", false), end("4499", true)), (number("45"), number("44990")));
        assert_eq!(end("999", false).0, 11 << 60);
        assert_eq!(end("123456789012345", true), end("123456789012345", false));
        assert_eq!(end("123456789012349", true), number("12345678901235"));
    }
}
