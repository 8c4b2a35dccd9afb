//! The same BER value in other forms: an encoder of its own, apart from the firewall's reader.

/// A form that a value may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As short as can be.
    Plain,
    /// Tag numbers below 31 in the long form, with so many octets of leading zeros.
    LongTag(usize),
    /// Lengths in so many octets after the first.
    LongLength(usize),
    /// Indefinite lengths where the element is constructed.
    Indefinite,
    /// Strings of the argument in pieces.
    Pieces,
    /// Integers with a leading octet that says nothing.
    LongInteger,
}

impl Form {
    /// Every form, with its finding.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::LongTag(0), "noncanonical_tag"),
        (Self::LongTag(2), "noncanonical_tag"),
        (Self::LongLength(1), "noncanonical_length"),
        (Self::LongLength(2), "noncanonical_length"),
        (Self::LongLength(4), "noncanonical_length"),
        (Self::Indefinite, "indefinite_length"),
        (Self::Pieces, "constructed_string"),
        (Self::LongInteger, "noncanonical_integer"),
    ];
}

/// An element as it was read.
#[derive(Clone, Debug)]
struct Element {
    first: u8,
    /// Further octets of its tag.
    tag: Vec<u8>,
    inside: Inside,
}

#[derive(Clone, Debug)]
enum Inside {
    Value(Vec<u8>),
    Elements(Vec<Element>),
}

/// Reads elements in plain form.
fn read(mut octets: &[u8]) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    while let [first, rest @ ..] = octets {
        let tag_len =
            if first & 0x1f == 0x1f { rest.iter().position(|octet| octet & 0x80 == 0)? + 1 } else { 0 };
        let (tag, rest) = rest.split_at_checked(tag_len)?;
        let (length, rest) = rest.split_first()?;
        let (len, rest) = if *length < 0x80 {
            (usize::from(*length), rest)
        } else {
            let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (octets.iter().fold(0, |len, octet| len << 8 | usize::from(*octet)), rest)
        };
        let (content, after) = rest.split_at_checked(len)?;
        let inside = if first & 0x20 == 0 {
            Inside::Value(content.to_vec())
        } else {
            Inside::Elements(read(content)?)
        };
        elements.push(Element { first: *first, tag: tag.to_vec(), inside });
        octets = after;
    }
    Some(elements)
}

fn length(len: usize, form: Form) -> Vec<u8> {
    let octets = len.to_be_bytes();
    let short = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1);
    match form {
        Form::LongLength(more) => {
            let more = more.max(octets.len() - short);
            let mut out = vec![0x80 | u8::try_from(more).expect("few octets")];
            out.extend(&octets[octets.len() - more..]);
            out
        }
        _ if len < 0x80 => vec![octets[7]],
        _ => {
            let mut out = vec![0x80 | u8::try_from(octets.len() - short).expect("few octets")];
            out.extend(&octets[short..]);
            out
        }
    }
}

fn write(elements: &[Element], form: Form, in_argument: bool, out: &mut Vec<u8>) {
    for element in elements {
        let pieces = match &element.inside {
            // Strings of an argument: long enough to be no number, and with a context tag or that of a string.
            Inside::Value(value) => {
                form == Form::Pieces && in_argument && value.len() >= 4 && element.first & 0xdf != 0x02
            }
            Inside::Elements(_) => false,
        };
        let first = if pieces { element.first | 0x20 } else { element.first };
        match form {
            Form::LongTag(zeros) if first & 0x1f != 0x1f => {
                out.push(first | 0x1f);
                out.extend(std::iter::repeat_n(0x80, zeros));
                out.push(first & 0x1f);
            }
            _ => {
                out.push(first);
                out.extend(&element.tag);
            }
        }
        let mut content = Vec::new();
        match &element.inside {
            Inside::Elements(elements) => {
                // From the component portion inwards.
                let argument = in_argument || element.first == 0x6c;
                write(elements, form, argument, &mut content);
            }
            Inside::Value(value) if pieces => {
                let (left, right) = value.split_at(value.len() / 2);
                for piece in [left, right] {
                    content.extend([0x04, u8::try_from(piece.len()).expect("a short string")]);
                    content.extend(piece);
                }
            }
            Inside::Value(value) => {
                if form == Form::LongInteger && element.first == 0x02 && element.tag.is_empty() {
                    content.push(if value.first().is_some_and(|octet| octet & 0x80 != 0) { 0xff } else { 0 });
                }
                content.extend(value);
            }
        }
        if form == Form::Indefinite && matches!(element.inside, Inside::Elements(_)) {
            out.push(0x80);
            out.extend(content);
            out.extend([0, 0]);
        } else {
            out.extend(length(content.len(), form));
            out.extend(content);
        }
    }
}

/// The same TCAP message in another form; `None` if it is no plain BER.
#[must_use]
pub fn rewritten(tcap: &[u8], form: Form) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(&read(tcap)?, form, false, &mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_written_as_it_should() {
        let plain = [0x62, 0x0a, 0xa1, 0x08, 0x02, 0x01, 0x46, 0x80, 0x03, 1, 2, 3];
        let written = |form| rewritten(&plain, form).expect("plain");
        assert_eq!(written(Form::Plain), plain);
        assert_eq!(written(Form::Indefinite)[..4], [0x62, 0x80, 0xa1, 0x80]);
        assert_eq!(written(Form::LongTag(1))[..3], [0x7f, 0x80, 0x02]);
        assert_eq!(written(Form::LongLength(2))[..4], [0x62, 0x82, 0x00, 0x10]);
        assert_eq!(written(Form::LongInteger)[4..8], [0x02, 0x02, 0x00, 0x46]);
    }
}
