//! Signalling point codes and the ways in which people write them.
//!
//! A point code is not a number: the same integer means different nodes under different formats, so text is
//! always read and written with a [`Format`]. Decimal and hexadecimal (`0x...`) numbers are accepted everywhere.

use core::fmt;

/// How the fields of a point code are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// ITU-T international, 14 bits: zone-area-point (Q.708 §1).
    #[default]
    Itu383,
    /// 14 bits as 5-4-5, used nationally in some networks.
    Itu545,
    /// ANSI (T1.111.4) and GB 24-bit: network-cluster-member.
    Ansi888,
    /// A plain number of up to 24 bits.
    Decimal,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Itu383, Self::Itu545, Self::Ansi888, Self::Decimal];

    /// The name used in configuration and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Itu383 => "3-8-3",
            Self::Itu545 => "5-4-5",
            Self::Ansi888 => "8-8-8",
            Self::Decimal => "decimal",
        }
    }

    /// The format with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// Widths of the three fields in bits; `None` for plain numbers.
    const fn fields(self) -> Option<[u32; 3]> {
        match self {
            Self::Itu383 => Some([3, 8, 3]),
            Self::Itu545 => Some([5, 4, 5]),
            Self::Ansi888 => Some([8, 8, 8]),
            Self::Decimal => None,
        }
    }

    /// Bits of a point code in this format.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Itu383 | Self::Itu545 => 14,
            Self::Ansi888 | Self::Decimal => 24,
        }
    }
}

/// Why a text is not a point code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Neither a number nor three fields.
    Shape(Format),
    /// A field or number that is not decimal digits (or hexadecimal after `0x`).
    NotANumber,
    /// A field above its maximum.
    Field {
        /// Which field, counted from 1.
        index: u8,
        /// The largest value it can have.
        max: u32,
        /// The format.
        format: Format,
    },
    /// A number above the maximum.
    Number {
        /// The largest value.
        max: u32,
        /// The format.
        format: Format,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(Format::Decimal) => {
                f.write_str("expected a decimal number or 0x and hexadecimal digits")
            }
            Self::Shape(format) => write!(
                f,
                "expected three fields as in {}, a decimal number, or 0x and hexadecimal digits",
                format.as_str()
            ),
            Self::NotANumber => f.write_str("expected digits"),
            Self::Field { index, max, format } => {
                write!(f, "field {index} is out of range: 0 to {max} in format {}", format.as_str())
            }
            Self::Number { max, format } => {
                write!(f, "out of range: 0 to {max} in format {}", format.as_str())
            }
        }
    }
}

impl core::error::Error for ParseError {}

/// Reads a point code written in `format`, or as a decimal or `0x` hexadecimal number that fits the format.
///
/// # Errors
/// Says which field is out of range, or what was expected.
pub fn parse(text: &str, format: Format) -> Result<u32, ParseError> {
    let number_max = 1u32.wrapping_shl(format.bits()).wrapping_sub(1);
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if hex.is_some() || !text.contains('-') {
        let (digits, radix) = hex.map_or((text, 10), |digits| (digits, 16));
        let number = number(digits, radix).map_err(|error| match error {
            NumberError::Empty => ParseError::Shape(format),
            NumberError::NotANumber => ParseError::NotANumber,
            NumberError::TooLarge => ParseError::Number { max: number_max, format },
        })?;
        return if number <= number_max {
            Ok(number)
        } else {
            Err(ParseError::Number { max: number_max, format })
        };
    }
    let widths = format.fields().ok_or(ParseError::Shape(format))?;
    let mut parts = text.split('-');
    let mut code = 0u32;
    for (index, width) in (1u8..).zip(widths) {
        let part = parts.next().ok_or(ParseError::Shape(format))?;
        let max = 1u32.wrapping_shl(width).wrapping_sub(1);
        let out_of_range = ParseError::Field { index, max, format };
        let value = number(part, 10).map_err(|error| match error {
            NumberError::Empty => ParseError::Shape(format),
            NumberError::NotANumber => ParseError::NotANumber,
            NumberError::TooLarge => out_of_range,
        })?;
        if value > max {
            return Err(out_of_range);
        }
        code = code.wrapping_shl(width) | value;
    }
    if parts.next().is_some() { Err(ParseError::Shape(format)) } else { Ok(code) }
}

enum NumberError {
    Empty,
    NotANumber,
    TooLarge,
}

/// Digits alone: no sign, no blanks.
fn number(digits: &str, radix: u32) -> Result<u32, NumberError> {
    if digits.is_empty() {
        return Err(NumberError::Empty);
    }
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(NumberError::NotANumber);
    }
    u32::from_str_radix(digits, radix).map_err(|_| NumberError::TooLarge)
}

/// A point code together with the format it is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The code.
    pub code: u32,
    /// The format.
    pub format: Format,
}

impl fmt::Display for Shown {
    /// A code that is too wide for the format is shown as a decimal number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format.fields() {
            Some([a, b, c]) if self.code.checked_shr(self.format.bits()) == Some(0) => {
                let mask = |width: u32| 1u32.wrapping_shl(width).wrapping_sub(1);
                write!(
                    f,
                    "{}-{}-{}",
                    self.code.wrapping_shr(b.wrapping_add(c)) & mask(a),
                    self.code.wrapping_shr(c) & mask(b),
                    self.code & mask(c)
                )
            }
            _ => write!(f, "{}", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_same_text_is_another_node_in_another_format() {
        assert_eq!(parse("2-1-3", Format::Itu383), Ok(0x100b));
        assert_eq!(parse("2-1-3", Format::Itu545), Ok(0x0423));
        assert_eq!(parse("2-1-3", Format::Ansi888), Ok(0x02_0103));
    }

    #[test]
    fn every_code_survives_being_written_and_read() {
        for format in Format::ALL {
            for code in (0..1u32 << format.bits()).step_by(37) {
                let text = Shown { code, format }.to_string();
                assert_eq!(parse(&text, format), Ok(code), "{text}");
            }
        }
    }

    #[test]
    fn numbers_are_accepted_in_every_format() {
        assert_eq!(parse("4107", Format::Itu383), Ok(4107));
        assert_eq!(parse("0x100B", Format::Itu383), Ok(0x100b));
        assert_eq!(parse("16777215", Format::Ansi888), Ok(0xff_ffff));
    }

    #[test]
    fn a_field_out_of_range_is_named_with_its_maximum() {
        let error = parse("8-1-1", Format::Itu383).unwrap_err();
        assert_eq!(error.to_string(), "field 1 is out of range: 0 to 7 in format 3-8-3");
        let error = parse("16384", Format::Itu383).unwrap_err();
        assert_eq!(error.to_string(), "out of range: 0 to 16383 in format 3-8-3");
        assert_eq!(
            parse("99999999999", Format::Decimal),
            Err(ParseError::Number { max: 0xff_ffff, format: Format::Decimal })
        );
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in ["", "-", "1-2", "1-2-3-4", "1--3", "a-b-c", "+5", " 5", "0x", "0xg", "1-2-3"] {
            let format = if text == "1-2-3" { Format::Decimal } else { Format::Itu383 };
            assert!(parse(text, format).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_code_wider_than_its_format_is_shown_whole() {
        assert_eq!(Shown { code: 0x4000, format: Format::Itu383 }.to_string(), "16384");
        assert_eq!(Shown { code: u32::MAX, format: Format::Ansi888 }.to_string(), "4294967295");
    }
}
