//! Octets given by hand on the command line, and what they start with.

use anyhow::{Result, bail};

/// What octets given by hand start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// An Ethernet frame.
    Ethernet,
    /// An M3UA message.
    M3ua,
    /// An SCCP message.
    Sccp,
    /// A TCAP message.
    Tcap,
}

impl Layer {
    /// Told by the first octets; whatever is nothing else is taken for an Ethernet frame.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        // A MAC address may start like a message: what follows it is looked at first.
        let after_macs = octets.get(12..15).unwrap_or_default();
        match (octets, after_macs) {
            (
                _,
                [0x08, 0x00, 0x45..=0x4f] | [0x86, 0xdd, 0x60..=0x6f] | [0x81, 0x00, _] | [0x88, 0xa8, _],
            ) => Self::Ethernet,
            ([1, 0, 1, 1, ..], _) => Self::M3ua,
            ([0x09 | 0x0a | 0x11..=0x14, ..], _) => Self::Sccp,
            // Message types of ITU-T and of ANSI.
            ([0x61 | 0x62 | 0x64 | 0x65 | 0x67 | 0xe1..=0xe6 | 0xf6, ..], _) => Self::Tcap,
            _ => Self::Ethernet,
        }
    }

    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::M3ua => "m3ua",
            Self::Sccp => "sccp",
            Self::Tcap => "tcap",
        }
    }
}

/// Octets of a text of hexadecimal digits; blanks and colons between octets are skipped.
///
/// # Errors
/// There are other characters, half an octet, or none.
pub fn octets_of(hex: &str) -> Result<Vec<u8>> {
    let mut digits = Vec::with_capacity(hex.len());
    for (index, c) in hex.chars().enumerate() {
        match c.to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None if c.is_whitespace() || c == ':' => {}
            None => bail!("--hex: {c:?} at position {} is not a hexadecimal digit", index + 1),
        }
    }
    if digits.len() % 2 != 0 {
        bail!("--hex: {} digits; octets have two each", digits.len());
    }
    if digits.is_empty() {
        bail!("--hex: no octets");
    }
    Ok(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_shows_in_the_first_octets() {
        let mut frame = vec![0x0a; 12];
        frame.extend([0x08, 0x00, 0x45, 0x00]);
        assert_eq!(Layer::of(&frame), Layer::Ethernet);
        assert_eq!(Layer::of(&[1, 0, 1, 1, 0, 0, 0, 8]), Layer::M3ua);
        assert_eq!(Layer::of(&[0x09, 0x80]), Layer::Sccp);
        assert_eq!(Layer::of(&[0x62, 0x00]), Layer::Tcap);
        assert_eq!(Layer::of(&[0xe2, 0x00]), Layer::Tcap);
        assert_eq!(Layer::of(&[]), Layer::Ethernet);
    }

    #[test]
    fn hexadecimal_text_may_have_blanks_and_colons() {
        assert_eq!(octets_of("62 0a:Ff\n").unwrap(), [0x62, 0x0a, 0xff]);
        for (text, error) in [
            ("6g", "--hex: 'g' at position 2 is not a hexadecimal digit"),
            ("621", "--hex: 3 digits; octets have two each"),
            ("", "--hex: no octets"),
        ] {
            assert_eq!(octets_of(text).unwrap_err().to_string(), error);
        }
    }
}
