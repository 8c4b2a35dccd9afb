//! Addresses of short messages (TS 23.040 §9.1.2.5): digits, or a name in the GSM alphabet of seven bits.

use std::fmt;

use super::{Malformed, Octets};
use crate::inspect::digits::Digits;

/// Octets of the value of an address.
const MAX_VALUE: usize = 10;

/// Characters of a name: as many of seven bits as fit.
const MAX_NAME: usize = MAX_VALUE * 8 / 7;

/// The other party of a short message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// A number.
    Number(Digits),
    /// A name instead of a number.
    Name(Name),
}

/// A name of at most eleven characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    septets: [u8; MAX_NAME],
    len: u8,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for septet in self.septets.iter().take(usize::from(self.len)) {
            f.write_char(ALPHABET.chars().nth(usize::from(*septet)).unwrap_or('?'))?;
        }
        Ok(())
    }
}

/// The GSM alphabet of seven bits (TS 23.038 §6.2.1); the escape to its extension is shown as a no-break space.
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{a0}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                        ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Reads an address: its length in half octets, type of number and plan, value. `None` if it is empty.
pub(super) fn read(octets: &mut Octets<'_>) -> Result<Option<Party>, Malformed> {
    const ALPHANUMERIC: u8 = 0b101;
    let half_octets = octets.octet()?;
    let type_and_plan = octets.octet()?;
    let value = octets.take(usize::from(half_octets).div_ceil(2))?;
    if value.len() > MAX_VALUE {
        return Err(Malformed);
    }
    if value.is_empty() {
        return Ok(None);
    }
    if type_and_plan >> 4 & 0b111 == ALPHANUMERIC {
        return Ok(Some(Party::Name(name(half_octets, value))));
    }
    let mut digits = Digits::from_swapped(value);
    if half_octets & 1 != 0 {
        digits.drop_last();
    }
    Ok(Some(Party::Number(digits)))
}

fn name(half_octets: u8, value: &[u8]) -> Name {
    let bits = value.iter().rev().fold(0u128, |bits, octet| bits << 8 | u128::from(*octet));
    let len = half_octets.saturating_mul(4) / 7;
    let mut septets = [0; MAX_NAME];
    for (septet, shift) in septets.iter_mut().take(len.into()).zip((0u32..).step_by(7)) {
        *septet = (bits.wrapping_shr(shift) & 0x7f) as u8;
    }
    Name { septets, len }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_all_characters_in_their_places() {
        assert_eq!(ALPHABET.chars().count(), 128);
        for (place, character) in
            [(0x00, '@'), (0x0a, '\n'), (0x20, ' '), (0x41, 'A'), (0x5b, 'Ä'), (0x7a, 'z'), (0x7f, 'à')]
        {
            assert_eq!(ALPHABET.chars().nth(place), Some(character));
        }
    }

    #[test]
    fn numbers_and_names_are_read() {
        let party = |octets: &[u8]| read(&mut Octets(octets));
        let number = |text| Ok(Some(Party::Number(Digits::from_text(text).unwrap())));
        assert_eq!(party(&[0x0b, 0x91, 0x51, 0x55, 0x10, 0x00, 0x99, 0xf9]), number("15550100999"));
        assert_eq!(party(&[0x04, 0x81, 0x21, 0x43]), number("1234"));
        assert_eq!(party(&[0x00, 0x81]), Ok(None));
        // Eleven half octets: six characters, "Bank A".
        let name = party(&[0x0b, 0xd0, 0xc2, 0xb0, 0x7b, 0x0d, 0x0a, 0x02]);
        let Ok(Some(Party::Name(name))) = name else { panic!("{name:?}") };
        assert_eq!(name.to_string(), "Bank A");
        // Twenty half octets: eleven characters.
        let longest = party(&[20, 0xd0, 0x41, 0x61, 0x50, 0x28, 0x8c, 0x06, 0x81, 0x20, 0x10, 0x08]);
        assert!(matches!(longest, Ok(Some(Party::Name(Name { len: 11, .. })))));
        // More digits than an address has; fewer octets than digits.
        assert_eq!(party(&[21, 0x91, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), Err(Malformed));
        assert_eq!(party(&[0x0b, 0x91, 0x51, 0x55]), Err(Malformed));
        assert_eq!(party(&[0x0b]), Err(Malformed));
    }
}
