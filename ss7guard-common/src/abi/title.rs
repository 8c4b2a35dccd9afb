//! The list of calling global titles: which entry is the longest that a number starts with.
//!
//! A number of up to 15 digits (ITU-T E.164) is a word of [`Symbols`]. Three arrays lead from it to the slot of an entry:
//!
//! ```text
//!  root: one word for the first 5 symbols ──┬─ leaf: a slot
//!                                           ├─ segment: sorted boundaries, each with the slot that holds from there on
//!                                           └─ chunk: one word for each pair of the next 2 symbols ── as above
//! ```
//! So a look-up reads one word of 1.3 MB that stay in the processor's cache, and for few numbers a handful more,
//! whatever the size of the list. Words are 8 octets and written by one store each; a word that is not complete yet
//! leads nowhere that a frame can see, because what leads to it is written last.

use bytemuck::{Pod, Zeroable};

use crate::abi::Moment;
use crate::verdict::Action;

/// Digits of a number that are looked at: E.164 and E.214 have no more.
pub const TITLE_DIGITS: usize = 15;

/// Symbols that the root table is indexed by.
pub const ROOT_SYMBOLS: u32 = 5;

/// Words of one root table: 11 symbols, [`ROOT_SYMBOLS`] times.
pub const ROOT_LEN: u32 = 161_051;

/// Elements of the root map: a table for each half of the lists.
pub const ROOT_WORDS: u32 = 2 * ROOT_LEN;

/// Words of a chunk: 11 symbols, twice.
pub const CHUNK_LEN: usize = 121;

/// Room of a chunk in its map; a power of two, so that an index is kept inside by one operation.
pub const CHUNK_ROOM: usize = 128;

/// Boundaries that a segment has at most; with more of them, a chunk takes its place.
pub const MAX_SEGMENT: usize = 32;

/// Halvings of a segment until one boundary is left.
const SEGMENT_STEPS: u32 = MAX_SEGMENT.ilog2() + 1;

/// Chunks between the root table and a segment: two symbols each, 5 to 15.
pub const MAX_CHUNKS_DEEP: usize = 5;

/// Slot that means "no entry"; slot 0 is never used.
pub const TITLE_NO_SLOT: u32 = 0;

/// Slots that can be told apart in a boundary.
pub const MAX_TITLE_SLOTS: u32 = 1 << SLOT_BITS;

/// Entries that are walked for one number: those of its 15 prefixes and of the number itself, each with six at most:
/// allowing or blocking, for one direction, the other, or both.
pub const MAX_TITLE_CHAIN: usize = 96;

const SLOT_BITS: u32 = 23;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

/// Bits of [`TitleDetail::directions`].
pub mod direction {
    /// From the interconnect.
    pub const IN: u8 = 1;
    /// From home.
    pub const OUT: u8 = 2;
    /// Both.
    pub const BOTH: u8 = IN | OUT;
}

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct TitleDetail {
    /// When the entry ends, as [`super::BlockDetail::expires_at`].
    pub expires_at: u64,
    /// The digits, as [`Symbols`].
    pub symbols: u64,
    /// Rule that made the entry; shown with events and hits.
    pub rule_id: u32,
    /// In each half of the lists, the entry that is asked if this one does not apply: the next with the same digits, or
    /// else the first of the longest prefix of them; [`TITLE_NO_SLOT`] if there is none.
    pub parent: [u32; 2],
    /// What to do: a number of [`Action`]: `Pass` for an entry that allows, `Drop` or `Neutralise`.
    pub action: u8,
    /// 1 while the slot is in use.
    pub used: u8,
    /// In which halves of the lists the entry is, as [`super::BlockDetail::halves`].
    pub halves: u8,
    /// Low bits: those of [`direction`]. [`TitleDetail::EXACT`]: numbers with these digits and no more.
    pub flags: u8,
}

super::kernel_abi!(TitleDetail, 32);

impl TitleDetail {
    /// An entry for good, in both halves of the lists; `flags` as in [`TitleDetail::flags`].
    #[must_use]
    pub const fn new(digits: Symbols, action: Action, flags: u8, rule_id: u32) -> Self {
        Self {
            expires_at: 0,
            symbols: digits.0,
            rule_id,
            parent: [TITLE_NO_SLOT; 2],
            action: action as u8,
            used: 1,
            halves: super::BOTH_HALVES,
            flags,
        }
    }

    /// Bit of [`TitleDetail::flags`]: the digits are a whole number, not a prefix.
    pub const EXACT: u8 = 0x10;

    /// From which directions messages are that this entry applies to: bits of [`direction`].
    #[inline(always)]
    #[must_use]
    pub const fn directions(&self) -> u8 {
        self.flags & direction::BOTH
    }

    /// Whether the digits are a whole number.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.flags & Self::EXACT != 0
    }

    /// What to do with a message that this entry applies to.
    #[inline(always)]
    pub const fn action(&self) -> Action {
        match self.action {
            0 => Action::Pass,
            3 => Action::Neutralise,
            _ => Action::Drop,
        }
    }

    /// Whether this entry applies to a message from this direction at this moment.
    #[inline(always)]
    #[must_use]
    pub fn matches(&self, from: u8, moment: &impl Moment) -> bool {
        self.used == 1
            && self.flags & from & direction::BOTH != 0
            && self.halves >> (moment.half() & 1) & 1 == 1
            && super::applies(self.expires_at, self.action, moment)
    }
}

/// A number as symbols of four bits, the first digit in the highest: 0 for "no more digits", else the digit plus one. The
/// lowest symbol is always 0. So a number sorts before those that it is a prefix of, and the numbers that start with given
/// digits are those from them on until the last of them is one higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbols(pub u64);

impl Symbols {
    /// No digits.
    pub const NONE: Self = Self(0);

    /// From digits as ASCII; `None` if one is no decimal digit, or there are none or more than [`TITLE_DIGITS`].
    #[must_use]
    pub fn from_ascii(digits: &[u8]) -> Option<Self> {
        if digits.is_empty() || digits.len() > TITLE_DIGITS {
            return None;
        }
        let mut word = 0u64;
        for (place, digit) in digits.iter().enumerate() {
            if !digit.is_ascii_digit() {
                return None;
            }
            let symbol = u64::from(digit.wrapping_sub(b'0')).wrapping_add(1);
            word |= symbol.wrapping_shl(60u32.wrapping_sub((place as u32).wrapping_mul(4)));
        }
        Some(Self(word))
    }

    /// From the octets of an SCCP address as one little-endian word, low nibble first (Q.713 §3.4.2.3.1), of which only
    /// the nibbles under `keep` are digits, all of them decimal.
    #[inline(always)]
    #[must_use]
    pub const fn from_swapped(octets: u64, keep: u64) -> Self {
        let symbols = (octets & keep).wrapping_add(0x1111_1111_1111_1111 & keep).swap_bytes();
        Self((symbols & 0x0f0f_0f0f_0f0f_0f0f) << 4 | symbols >> 4 & 0x0f0f_0f0f_0f0f_0f0f)
    }

    /// How many digits there are.
    #[must_use]
    pub const fn len(self) -> u32 {
        // The last digit is the lowest symbol that is not 0.
        if self.0 == 0 { 0 } else { 16u32.wrapping_sub(self.0.trailing_zeros() >> 2) }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first so many digits.
    #[must_use]
    pub const fn prefix(self, len: u32) -> Self {
        let low = if len >= 16 { 0 } else { u64::MAX.wrapping_shr(len.wrapping_mul(4)) };
        Self(self.0 & !low)
    }

    /// The digits as ASCII, with their number.
    #[must_use]
    pub fn to_ascii(self) -> ([u8; TITLE_DIGITS], usize) {
        let mut ascii = [0; TITLE_DIGITS];
        for (place, digit) in ascii.iter_mut().enumerate() {
            let symbol = self.0.wrapping_shr(60u32.wrapping_sub((place as u32).wrapping_mul(4))) & 15;
            *digit = (symbol as u8).wrapping_add(b'0').wrapping_sub(1);
        }
        (ascii, self.len() as usize)
    }

    /// Index in a root table: the first five symbols as a number of base 11.
    #[inline(always)]
    #[must_use]
    pub const fn root_index(self) -> u32 {
        let top = self.0 >> 44;
        let pairs = (top >> 4 & 0x0f0f_0f0f).wrapping_mul(11).wrapping_add(top & 0x0f0f_0f0f);
        let quads = (pairs >> 8 & 0x00ff_00ff).wrapping_mul(121).wrapping_add(pairs & 0x00ff_00ff);
        (quads >> 16).wrapping_mul(14_641).wrapping_add(quads & 0xffff) as u32
    }
}

/// A word of the root table or of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct TitleWord(pub u64);

/// What a [`TitleWord`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TitleStep {
    /// The slot that holds for all numbers here.
    Leaf(u32),
    /// So many boundaries from an index of the segments on, the first of which holds from the start.
    Segment {
        /// Index of the first.
        start: u32,
        /// How many; 1 to [`MAX_SEGMENT`].
        len: u32,
    },
    /// A chunk with this index, by the next two symbols.
    Chunk(u32),
}

impl TitleWord {
    const SEGMENT: u64 = 1 << 62;
    const CHUNK: u64 = 2 << 62;

    /// A word that says this.
    #[must_use]
    pub const fn new(step: TitleStep) -> Self {
        Self(match step {
            TitleStep::Leaf(slot) => slot as u64,
            TitleStep::Segment { start, len } => Self::SEGMENT | (start as u64) << 24 | len as u64,
            TitleStep::Chunk(chunk) => Self::CHUNK | chunk as u64,
        })
    }

    /// What it says.
    #[inline(always)]
    #[must_use]
    pub const fn step(self) -> TitleStep {
        match self.0 >> 62 {
            0 => TitleStep::Leaf(self.0 as u32),
            1 => TitleStep::Segment { start: (self.0 >> 24) as u32, len: self.0 as u32 & 0x00ff_ffff },
            _ => TitleStep::Chunk(self.0 as u32),
        }
    }
}

/// A boundary of a segment: the symbols behind the root's, and the slot that holds from them on. The highest bit stays 0,
/// so that two are compared by the sign of their difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct TitleBoundary(pub u64);

impl TitleBoundary {
    /// The boundary at these symbols.
    #[must_use]
    pub const fn new(symbols: Symbols, slot: u32) -> Self {
        Self(symbols.0.wrapping_shl(4 * ROOT_SYMBOLS) >> 1 & !SLOT_MASK | slot as u64 & SLOT_MASK)
    }

    /// The slot.
    #[inline(always)]
    #[must_use]
    pub const fn slot(self) -> u32 {
        (self.0 & SLOT_MASK) as u32
    }
}

/// The arrays of the list.
pub trait TitleTables {
    /// A word of a root table.
    fn root(&self, index: u32) -> Option<u64>;
    /// A boundary of a segment.
    fn boundary(&self, index: u32) -> Option<u64>;
    /// A word of a chunk; the child is taken modulo [`CHUNK_ROOM`].
    fn child(&self, chunk: u32, child: usize) -> Option<u64>;
    /// `value`, unchanged, in a way that hides from the compiler how it was made: a branch in its place is mispredicted
    /// every second time.
    fn hide(&self, value: u64) -> u64;
}

/// The slot of the first entry to ask about a number in this half of the lists, or [`TITLE_NO_SLOT`].
#[inline(always)]
pub fn title_slot(symbols: Symbols, half: u32, tables: &impl TitleTables) -> u32 {
    let table = if half & 1 == 1 { ROOT_LEN } else { 0 };
    let Some(mut word) = tables.root(table.wrapping_add(symbols.root_index())) else { return TITLE_NO_SLOT };
    let mut rest = symbols.0.wrapping_shl(4 * ROOT_SYMBOLS);
    for _ in 0..MAX_CHUNKS_DEEP {
        if word >> 62 != 2 {
            break;
        }
        let child = (rest >> 60).wrapping_mul(11).wrapping_add(rest >> 56 & 15);
        rest <<= 8;
        let Some(next) = tables.child(word as u32, tables.hide(child) as usize) else { return TITLE_NO_SLOT };
        word = next;
    }
    if word >> 62 == 0 {
        return word as u32;
    }
    let mut len = word as u32 & 0x00ff_ffff;
    let mut at = (word >> 24) as u32;
    let key = symbols.0.wrapping_shl(4 * ROOT_SYMBOLS) >> 1 & !SLOT_MASK | SLOT_MASK;
    for _ in 0..SEGMENT_STEPS {
        if len <= 1 {
            break;
        }
        let half = len >> 1;
        let Some(boundary) = tables.boundary(at.wrapping_add(half)) else { return TITLE_NO_SLOT };
        // All ones if the key lies before it.
        let before = tables.hide((key.wrapping_sub(boundary) as i64 >> 63) as u64) as u32;
        at = at.wrapping_add(half & !before);
        len = len.wrapping_sub(half);
    }
    tables.boundary(at).map_or(TITLE_NO_SLOT, |boundary| TitleBoundary(boundary).slot())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(digits: &str) -> Symbols {
        Symbols::from_ascii(digits.as_bytes()).expect("digits")
    }

    #[test]
    fn digits_come_back() {
        for digits in ["0", "9", "44", "447700900123", "123456789012345"] {
            let word = symbols(digits);
            let (ascii, len) = word.to_ascii();
            assert_eq!(&ascii[..len], digits.as_bytes());
            assert_eq!(word.len() as usize, digits.len());
            assert_eq!(word.0 & 15, 0);
        }
        assert_eq!(Symbols::from_ascii(b""), None);
        assert_eq!(Symbols::from_ascii(b"1234567890123456"), None);
        assert_eq!(Symbols::from_ascii(b"44a"), None);
        assert_eq!(symbols("4477").prefix(2), symbols("44"));
        assert_eq!(symbols("4477").prefix(0), Symbols::NONE);
        assert_eq!(symbols("4477").prefix(9), symbols("4477"));
    }

    #[test]
    fn a_number_sorts_before_those_that_it_starts() {
        assert!(symbols("44") < symbols("440") && symbols("44999") < symbols("45"));
        assert!(symbols("44") > symbols("43999"));
    }

    #[test]
    fn swapped_octets_are_the_same_number() {
        // 4477009 in four octets, the last nibble a filler.
        let octets = u64::from_le_bytes([0x44, 0x77, 0x00, 0xf9, 0, 0, 0, 0]);
        assert_eq!(Symbols::from_swapped(octets, (1 << 28) - 1), symbols("4477009"));
        assert_eq!(Symbols::from_swapped(octets, 0), Symbols::NONE);
    }

    #[test]
    fn every_five_symbols_have_a_place_of_their_own_in_order() {
        let mut before = None;
        for number in 0..11u64.pow(5) {
            let mut word = 0;
            let mut rest = number;
            for place in 0..5 {
                word |= (rest % 11) << (44 + 4 * place);
                rest /= 11;
            }
            let index = Symbols(word).root_index();
            assert_eq!(u64::from(index), number);
            assert!(before < Some(index));
            before = Some(index);
        }
        assert_eq!(before, Some(ROOT_LEN - 1));
    }

    #[test]
    fn words_say_what_they_were_made_to_say() {
        for step in [
            TitleStep::Leaf(7),
            TitleStep::Segment { start: 0xffff_ffff, len: 32 },
            TitleStep::Chunk(0x00ff_ffff),
        ] {
            assert_eq!(TitleWord::new(step).step(), step);
        }
        let boundary = TitleBoundary::new(symbols("44770091"), 8_000_000);
        assert_eq!(boundary.slot(), 8_000_000);
        assert_eq!(boundary.0 >> 63, 0);
    }
}
