//! A message in forms that BER allows beside the usual one (X.690 §8), and in some that the recommendations of TCAP
//! do not allow: what an evader writes for the same content.

use super::sample;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As everybody writes it.
    Plain,
    /// Every tag number in the long form (X.690 §8.1.2.4).
    ExtendedTags,
    /// The same with a leading group of zeros, which §8.1.2.4.2 c does not allow.
    PaddedTags,
    /// Every length in two octets more than it needs (§8.1.3.5).
    LongLengths,
    /// Every constructed element with a length of indefinite form (§8.1.3.6).
    IndefiniteLengths,
    /// Every OCTET STRING and every primitive element with a context tag of an argument in pieces (§8.7.3).
    ConstructedStrings,
    /// Every INTEGER with an octet more than it needs, which §8.3.2 does not allow.
    PaddedIntegers,
    /// Every arc of an object identifier with a leading group of zeros, which §8.19.2 does not allow.
    PaddedOids,
    /// A transaction id of 8 octets, which Q.773 §4.2.1.2 does not allow.
    LongTransactionId,
    /// All of the first five at once, as far as they go together.
    Everything,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 10] = [
        Self::Plain,
        Self::ExtendedTags,
        Self::PaddedTags,
        Self::LongLengths,
        Self::IndefiniteLengths,
        Self::ConstructedStrings,
        Self::PaddedIntegers,
        Self::PaddedOids,
        Self::LongTransactionId,
        Self::Everything,
    ];

    /// The form in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ExtendedTags => "extended tags",
            Self::PaddedTags => "padded tags",
            Self::LongLengths => "long lengths",
            Self::IndefiniteLengths => "indefinite lengths",
            Self::ConstructedStrings => "constructed strings",
            Self::PaddedIntegers => "padded integers",
            Self::PaddedOids => "padded object identifiers",
            Self::LongTransactionId => "long transaction id",
            Self::Everything => "all at once",
        }
    }

    const fn is(self, one: Self) -> bool {
        self as u8 == one as u8
    }
}

/// A Begin with provideSubscriberInfo: IMSI 001012345678911, application context 0.4.0.0.1.0.28.3.
const PROVIDE_SUBSCRIBER_INFO: [u8; 68] = [
    0x62, 0x42, 0x48, 0x04, 0x01, 0x02, 0x03, 0x04, 0x6b, 0x1e, 0x28, 0x1c, 0x06, 0x07, 0x00, 0x11, 0x86,
    0x05, 0x01, 0x01, 0x01, 0xa0, 0x11, 0x60, 0x0f, 0x80, 0x02, 0x07, 0x80, 0xa1, 0x09, 0x06, 0x07, 0x04,
    0x00, 0x00, 0x01, 0x00, 0x1c, 0x03, 0x6c, 0x1a, 0xa1, 0x18, 0x02, 0x01, 0x01, 0x02, 0x01, 0x46, 0x30,
    0x10, 0x80, 0x08, 0x00, 0x01, 0x21, 0x43, 0x65, 0x87, 0x19, 0xf1, 0xa2, 0x04, 0x80, 0x00, 0x81, 0x00,
];

/// provideSubscriberInfo in this form, as an M3UA DATA message with a UDT.
#[must_use]
pub fn provide_subscriber_info(form: Form) -> Vec<u8> {
    let mut tcap = Vec::new();
    write(&PROVIDE_SUBSCRIBER_INFO, form, false, &mut tcap);
    sample::data_with(("491700000001", 7), ("15550100999", 6), tcap)
}

/// Writes the elements in `octets`, which are in the usual form, in another one.
fn write(mut octets: &[u8], form: Form, in_argument: bool, out: &mut Vec<u8>) {
    while let [tag, len, rest @ ..] = octets {
        let (content, after) = rest.split_at(usize::from(*len));
        element(*tag, content, form, in_argument, out);
        octets = after;
    }
}

fn element(tag: u8, content: &[u8], form: Form, in_argument: bool, out: &mut Vec<u8>) {
    const CONSTRUCTED: u8 = 0x20;
    const OTID: u8 = 0x48;
    let mut tag = tag;
    let everything = form.is(Form::Everything);
    let mut inside = Vec::new();
    match tag {
        _ if tag & CONSTRUCTED != 0 => {
            // The argument is the SEQUENCE in the invoke.
            write(content, form, in_argument || tag == 0x30, &mut inside);
        }
        OTID if form.is(Form::LongTransactionId) => inside = [content, content].concat(),
        0x02 if form.is(Form::PaddedIntegers) || everything => inside = [&[0], content].concat(),
        0x06 if form.is(Form::PaddedOids) => {
            let starts = [true].into_iter().chain(content.iter().map(|octet| octet & 0x80 == 0));
            for (octet, starts_arc) in content.iter().zip(starts) {
                inside.extend(starts_arc.then_some(0x80));
                inside.push(*octet);
            }
        }
        // An empty one is a NULL.
        _ if in_argument && !content.is_empty() && (form.is(Form::ConstructedStrings) || everything) => {
            tag |= CONSTRUCTED;
            for piece in content.chunks(2) {
                element(
                    0x04,
                    piece,
                    if everything { Form::LongLengths } else { Form::Plain },
                    false,
                    &mut inside,
                );
            }
        }
        _ => inside = content.to_vec(),
    }
    match form {
        Form::ExtendedTags | Form::Everything => out.extend([tag | 0x1f, tag & 0x1f]),
        Form::PaddedTags => out.extend([tag | 0x1f, 0x80, tag & 0x1f]),
        _ => out.push(tag),
    }
    let short = u8::try_from(inside.len()).expect("a short element");
    let indefinite = (form.is(Form::IndefiniteLengths) || everything) && tag & CONSTRUCTED != 0;
    match short {
        _ if indefinite => out.push(0x80),
        _ if form.is(Form::LongLengths) || everything => out.extend([0x83, 0, 0, short]),
        0..0x80 => out.push(short),
        _ => out.extend([0x81, short]),
    }
    out.extend(inside);
    if indefinite {
        out.extend([0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use ss7guard_common::wire::m3ua;
    use ss7guard_userspace::inspect::findings::Finding;
    use ss7guard_userspace::inspect::gsm_map::Field;
    use ss7guard_userspace::inspect::message::{Message, Outcome};

    use super::*;

    #[test]
    fn every_form_has_the_same_content_and_its_finding() {
        for form in Form::ALL {
            let octets = provide_subscriber_info(form);
            let parsed = m3ua::parse(octets.as_slice(), 0, octets.len(), false);
            let data = parsed.data.expect("a DATA message");
            let user_part = &octets[data.user_part..data.user_part + data.user_part_len];
            let message = Message::decode(data, user_part);
            assert_eq!(message.outcome, Outcome::Decoded, "{form:?}");
            assert_eq!(message.invokes().next(), Some((0, 70)), "{form:?}");
            let imsi = message.identities.get(Field::Imsi).expect("an IMSI");
            assert_eq!(imsi.as_str(), "001012345678911", "{form:?}");
            let finding = match form {
                Form::Plain => {
                    assert!(message.findings.is_empty());
                    continue;
                }
                Form::ExtendedTags | Form::PaddedTags | Form::Everything => Finding::NoncanonicalTag,
                Form::LongLengths => Finding::NoncanonicalLength,
                Form::IndefiniteLengths => Finding::IndefiniteLength,
                Form::ConstructedStrings => Finding::ConstructedString,
                Form::PaddedIntegers => Finding::NoncanonicalInteger,
                Form::PaddedOids => Finding::NoncanonicalOid,
                Form::LongTransactionId => Finding::TransactionIdLength,
            };
            assert!(message.findings.contains(finding), "{form:?}");
        }
    }
}
