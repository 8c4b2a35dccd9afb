//! Digit strings: global titles, E.164 numbers, IMSIs.

use crate::inspect::findings::{Finding, Findings};

/// Digits that one string can hold: an AddressString has at most 20 octets (TS 29.002 §17.7.8), a global title
/// fewer.
pub const MAX_DIGITS: usize = 40;

/// Digits as ASCII: `0` to `9`, and for the other values of a nibble `a` to `f`.
#[derive(Clone, Copy)]
pub struct Digits {
    ascii: [u8; MAX_DIGITS],
    len: u8,
    /// How many of them are letters.
    letters: u8,
}

impl Default for Digits {
    fn default() -> Self {
        Self { ascii: [0; MAX_DIGITS], len: 0, letters: 0 }
    }
}

impl PartialEq for Digits {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Digits {}

impl std::hash::Hash for Digits {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl std::fmt::Debug for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The eight nibbles of four octets as ASCII, low nibble first, and how many of them are letters.
#[inline]
fn ascii_of(octets: [u8; 4]) -> ([u8; 8], u8) {
    const FROM_DIGIT_TO_LETTER: u64 = (b'a' - b'0' - 10) as u64;
    // One nibble for each octet of the word.
    let word = u64::from(u32::from_le_bytes(octets));
    let word = (word | word << 16) & 0x0000_ffff_0000_ffff;
    let word = (word | word << 8) & 0x00ff_00ff_00ff_00ff;
    let word = (word | word << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 for each nibble of 10 to 15; the sums stay below 256 in each octet.
    let letters = word.wrapping_add(0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    let ascii =
        word.wrapping_add(0x3030_3030_3030_3030).wrapping_add(letters.wrapping_mul(FROM_DIGIT_TO_LETTER));
    (ascii.to_le_bytes(), letters.count_ones() as u8)
}

impl Digits {
    /// From octets with the low nibble first (BCD of Q.713 §3.4.2.3.1, TBCD of TS 29.002 §17.7.8). Digits beyond
    /// [`MAX_DIGITS`] are cut off.
    #[inline]
    #[must_use]
    pub fn from_swapped(octets: &[u8]) -> Self {
        let mut digits = Self::default();
        digits.read_swapped(octets);
        digits
    }

    /// The same, in place of the digits that are here: without a copy of the whole.
    #[inline]
    pub fn read_swapped(&mut self, octets: &[u8]) {
        self.letters = 0;
        let (fours, rest) = octets.as_chunks::<4>();
        let (slots, _) = self.ascii.as_chunks_mut::<8>();
        let mut slots = slots.iter_mut();
        for four in fours {
            let Some(slot) = slots.next() else { break };
            let (ascii, letters) = ascii_of(*four);
            *slot = ascii;
            self.letters = self.letters.wrapping_add(letters);
        }
        if let Some(slot) = slots.next()
            && !rest.is_empty()
        {
            let octet = |index: usize| rest.get(index).copied().unwrap_or_default();
            // Zeros stand where nothing is, and count no letters; the length leaves them out.
            let (ascii, letters) = ascii_of([octet(0), octet(1), octet(2), 0]);
            *slot = ascii;
            self.letters = self.letters.wrapping_add(letters);
        }
        self.len = u8::try_from(octets.len().saturating_mul(2).min(MAX_DIGITS)).unwrap_or(0);
    }

    /// From text; `None` for other characters than digits and `a` to `f`, or for too many.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut digits = Self::default();
        if text.len() > MAX_DIGITS || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        digits.ascii.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        digits.len = u8::try_from(text.len()).ok()?;
        digits.letters = u8::try_from(text.bytes().filter(u8::is_ascii_lowercase).count()).ok()?;
        Some(digits)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The digits as ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.ascii.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The digits as ASCII, with zeros up to the most there can be.
    #[must_use]
    pub const fn padded(&self) -> &[u8; MAX_DIGITS] {
        &self.ascii
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the last digit away.
    #[inline]
    pub fn drop_last(&mut self) {
        if self.as_bytes().last().is_some_and(u8::is_ascii_lowercase) {
            self.letters = self.letters.saturating_sub(1);
        }
        self.len = self.len.saturating_sub(1);
    }

    /// Takes a filler (`f`) in the last place away.
    #[inline]
    pub fn drop_filler(&mut self) {
        if self.letters > 0 && self.as_bytes().last() == Some(&b'f') {
            self.drop_last();
        }
    }

    /// Whether all are decimal.
    #[must_use]
    pub const fn is_decimal(&self) -> bool {
        self.letters == 0
    }
}

/// Reads an IMSI (TS 29.002 §17.7.8): TBCD, 3 to 8 octets, a filler in the last nibble only. Odd ones are noted.
#[inline]
pub fn imsi(octets: &[u8], offset: usize, digits: &mut Digits, findings: &mut Findings) {
    digits.read_swapped(octets);
    digits.drop_filler();
    if !(6..=15).contains(&digits.len()) || !digits.is_decimal() {
        findings.note(Finding::OddDigits, offset);
    }
}

/// Reads the digits of an AddressString or ISDN-AddressString (TS 29.002 §17.7.8): one octet nature and numbering
/// plan, which it gives, then TBCD. `None` if the octet is missing.
#[inline]
pub fn address_digits(
    octets: &[u8],
    offset: usize,
    digits: &mut Digits,
    findings: &mut Findings,
) -> Option<u8> {
    let (nature_plan, rest) = octets.split_first()?;
    digits.read_swapped(rest);
    digits.drop_filler();
    if digits.is_empty() || (!digits.is_decimal() && digits.as_bytes().contains(&b'f')) {
        findings.note(Finding::OddDigits, offset);
    }
    Some(*nature_plan)
}

/// Reads the digits of an ISUP number (Q.763 §3.9, §3.10): odd or even and nature, plan and indicators, BCD. The end of
/// dialling (`f` in the last place, Q.763 §3.9 f) is no digit.
pub fn isup(octets: &[u8], offset: usize, digits: &mut Digits, findings: &mut Findings) {
    let (header, rest) = octets.split_at_checked(2).unwrap_or((octets, &[]));
    digits.read_swapped(rest);
    if header.first().is_some_and(|first| first & 0x80 != 0) {
        digits.drop_last();
    }
    digits.drop_filler();
    // A calling party whose number is not available has none; 11 and 12 are codes of operators.
    if header.len() < 2 || digits.as_bytes().contains(&b'f') {
        findings.note(Finding::OddDigits, offset);
    }
}

/// An AddressString with nature and plan; `None` if it is empty.
pub fn address(octets: &[u8], offset: usize, findings: &mut Findings) -> Option<Address> {
    let mut digits = Digits::default();
    let nature_plan = address_digits(octets, offset, &mut digits, findings)?;
    Some(Address { nature: nature_plan >> 4 & 7, plan: nature_plan & 0x0f, digits })
}

/// An address of the MAP layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Nature of address: 1 international, 2 national, ...
    pub nature: u8,
    /// Numbering plan: 1 E.164, 6 E.212 (land mobile), ...
    pub plan: u8,
    /// The digits.
    pub digits: Digits,
}

/// Numbering plan E.212, which marks an IMSI in an AddressString (TS 29.002 §17.7.8).
pub const PLAN_E212: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filler_in_the_last_place_is_dropped() {
        let mut digits = Digits::from_swapped(&[0x00, 0x01, 0xf1]);
        digits.drop_filler();
        assert_eq!(digits.as_str(), "00101");
    }

    #[test]
    fn an_imsi_with_a_filler_inside_is_odd() {
        let mut findings = Findings::default();
        let mut digits = Digits::default();
        imsi(&[0x00, 0xf1, 0x10, 0x32], 7, &mut digits, &mut findings);
        assert_eq!(digits.as_str(), "001f0123");
        assert!(findings.contains(Finding::OddDigits));
    }

    #[test]
    fn every_nibble_and_every_length_is_read() {
        let octets: Vec<u8> = (0..=255).collect();
        for octets in octets.windows(20) {
            for len in 0..=octets.len() {
                let text: String =
                    octets[..len].iter().map(|o| format!("{:x}{:x}", o & 15, o >> 4)).collect();
                let mut digits = Digits::from_swapped(&octets[..len]);
                assert_eq!(digits.as_str(), text);
                assert_eq!(digits.is_decimal(), text.bytes().all(|b| b.is_ascii_digit()));
                assert_eq!(Digits::from_text(&text), Some(digits));
                digits.drop_last();
                assert_eq!(digits.as_str(), &text[..text.len().saturating_sub(1)]);
                assert_eq!(digits.is_decimal(), digits.as_str().bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }

    #[test]
    fn isup_numbers_have_their_parity_in_the_first_octet() {
        let mut findings = Findings::default();
        let mut digits = Digits::default();
        // Odd, international; E.164; 3 digits and a filler.
        isup(&[0x84, 0x10, 0x21, 0x03], 0, &mut digits, &mut findings);
        assert_eq!(digits.as_str(), "123");
        // Even, national, with the end of dialling; not available.
        isup(&[0x03, 0x10, 0x21, 0x43], 0, &mut digits, &mut findings);
        assert_eq!(digits.as_str(), "1234");
        isup(&[0x03, 0x10, 0x21, 0xf3], 0, &mut digits, &mut findings);
        assert_eq!(digits.as_str(), "123");
        isup(&[0x00, 0x0b], 0, &mut digits, &mut findings);
        assert!(digits.is_empty() && findings.is_empty());
        isup(&[0x00], 0, &mut digits, &mut findings);
        assert!(findings.contains(Finding::OddDigits));
    }

    #[test]
    fn overlong_digit_strings_are_cut() {
        assert_eq!(Digits::from_swapped(&[0x11; 50]).len(), MAX_DIGITS);
    }

    #[test]
    fn address_shows_nature_and_plan() {
        let mut findings = Findings::default();
        let address = address(&[0x91, 0x51, 0x55, 0x10], 0, &mut findings).unwrap();
        assert_eq!((address.nature, address.plan, address.digits.as_str()), (1, 1, "155501"));
        assert!(findings.is_empty());
    }
}
