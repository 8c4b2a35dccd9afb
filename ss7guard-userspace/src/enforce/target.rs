//! What messages an entry is for, and how people write that: a point code, or `gt:` and the digits of calling global titles.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use ss7guard_common::abi::{Symbols, TITLE_DIGITS, direction};
use ss7guard_common::point_code::{self, Format, Shown};

/// What an entry of a calling global title begins with, where a point code may stand too.
pub const TITLE_MARK: &str = "gt:";

/// What messages an entry is for. No two entries of the lists have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Those of an originating point code.
    Code(CodeTarget),
    /// Those of calling global titles.
    Title(TitleTarget),
}

/// The messages of an originating point code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeTarget {
    /// Originating point code.
    pub point_code: u32,
    /// Network indicator; `None` for any.
    pub ni: Option<u8>,
    /// Network Appearance that the message must carry.
    pub network_appearance: Option<u32>,
}

/// The messages of calling global titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TitleTarget {
    /// Which.
    pub titles: Titles,
    /// From which directions.
    pub directions: Directions,
    /// Whether the entry exempts them from entries with fewer digits, instead of blocking them.
    pub allows: bool,
}

/// One calling global title, or every one that starts with given digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Titles {
    /// The digits, 1 to [`TITLE_DIGITS`].
    pub symbols: Symbols,
    /// Whether numbers with more digits are others.
    pub exact: bool,
}

/// From which directions messages are that an entry is for.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Directions {
    /// From the interconnect.
    In,
    /// From home.
    Out,
    /// Both.
    #[default]
    Any,
}

impl Directions {
    const ALL: [Self; 3] = [Self::In, Self::Out, Self::Any];

    /// Bits of [`direction`].
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::In => direction::IN,
            Self::Out => direction::OUT,
            Self::Any => direction::BOTH,
        }
    }

    /// From bits of [`direction`].
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & direction::BOTH {
            direction::IN => Self::In,
            direction::OUT => Self::Out,
            _ => Self::Any,
        }
    }

    /// The name used in configuration and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Any => "any",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no direction: write \"in\", \"out\" or \"any\""))
    }
}

impl Titles {
    /// Exactly this number; `None` if it is not 1 to [`TITLE_DIGITS`] decimal digits.
    #[must_use]
    pub fn exactly(digits: &str) -> Option<Self> {
        Some(Self { symbols: Symbols::from_ascii(digits.as_bytes())?, exact: true })
    }

    /// Reads the digits, with a `*` behind them if they are a prefix.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_suffix('*').unwrap_or(text);
        let exact = digits.len() == text.len();
        if let Some(symbols) = Symbols::from_ascii(digits.as_bytes()) {
            return Ok(Self { symbols, exact });
        }
        let decimal = digits.bytes().all(|octet| octet.is_ascii_digit());
        Err(if decimal && digits.len() > TITLE_DIGITS {
            format!("{text:?} has {} digits: write {TITLE_DIGITS} at most", digits.len())
        } else {
            format!(
                "{text:?} is no calling global title: write 1 to {TITLE_DIGITS} decimal digits, with * behind them for \
                 every number that starts with them"
            )
        })
    }
}

impl fmt::Display for Titles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ascii, len) = self.symbols.to_ascii();
        f.write_str(&String::from_utf8_lossy(ascii.get(..len).unwrap_or_default()))?;
        f.write_str(if self.exact { "" } else { "*" })
    }
}

/// What stands for an entry: a point code, or calling global titles behind [`TITLE_MARK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// An originating point code.
    Code(u32),
    /// Calling global titles.
    Titles(Titles),
}

impl Written {
    /// Reads a point code in this format, or calling global titles.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str, format: Format) -> Result<Self, String> {
        match text.strip_prefix(TITLE_MARK) {
            Some(titles) => Titles::parse(titles).map(Self::Titles),
            None => point_code::parse(text, format)
                .map(Self::Code)
                .map_err(|error| format!("point code {text:?}: {error}")),
        }
    }
}

impl Target {
    /// The messages of an originating point code, whatever else is in them.
    #[must_use]
    pub const fn code(point_code: u32) -> Self {
        Self::Code(CodeTarget { point_code, ni: None, network_appearance: None })
    }

    /// How people write what the entry is for, with point codes in this format; the rest of the key has columns of its own.
    #[must_use]
    pub fn written(&self, format: Format) -> String {
        match self {
            Self::Code(code) => Shown { code: code.point_code, format }.to_string(),
            Self::Title(title) => format!("{TITLE_MARK}{}", title.titles),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_written_as_they_are_read() {
        for text in ["4477*", "447700900123", "0", "0*", "123456789012345", "123456789012345*"] {
            assert_eq!(Titles::parse(text).expect(text).to_string(), text);
        }
        assert_ne!(Titles::parse("44"), Titles::parse("44*"));
        assert_eq!(Titles::exactly("44"), Titles::parse("44").ok());
        assert_eq!(Titles::exactly("44*"), None);
    }

    #[test]
    fn what_is_no_title_is_told_what_would_be_right() {
        for text in ["", "*", "44**", "*44", "4*4", "+4477", "44 77", "44a", "0x44", "４４"] {
            let error = Titles::parse(text).expect_err(text);
            assert!(error.contains("write 1 to 15 decimal digits, with * behind them"), "{error}");
            assert!(error.starts_with(&format!("{text:?} is no calling global title")), "{error}");
        }
        for text in ["1234567890123456", "1234567890123456*"] {
            let error = Titles::parse(text).expect_err(text);
            assert!(error.contains("has 16 digits: write 15 at most"), "{error}");
        }
    }

    #[test]
    fn an_entry_is_a_point_code_or_titles() {
        let parse = |text: &str| Written::parse(text, Format::Itu383);
        assert_eq!(parse("2-1-3"), Ok(Written::Code(0x100b)));
        assert_eq!(parse("447"), Ok(Written::Code(447)));
        assert!(matches!(parse("gt:447"), Ok(Written::Titles(Titles { exact: true, .. }))));
        assert!(parse("GT:447").expect_err("mark").starts_with("point code \"GT:447\": expected"));
        assert!(parse("447*").is_err() && parse("gt:").is_err());
    }

    #[test]
    fn directions_survive_as_bits_and_names() {
        for one in Directions::ALL {
            assert_eq!(Directions::from_bits(one.bits()), one);
            assert_eq!(Directions::parse(one.as_str()), Ok(one));
        }
        assert!(Directions::parse("both").expect_err("name").contains("write \"in\", \"out\" or \"any\""));
    }
}
