//! What a decoder read in a message, in one form for all of them.

use std::collections::BTreeMap;

/// The layers, from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// M3UA.
    M3ua,
    /// SCCP.
    Sccp,
    /// TCAP.
    Tcap,
    /// The parameters of all components.
    GsmMap,
}

/// Every field that is compared, with its layer.
pub const FIELDS: [(&str, Layer); 31] = [
    ("opc", Layer::M3ua),
    ("dpc", Layer::M3ua),
    ("si", Layer::M3ua),
    ("ni", Layer::M3ua),
    ("mp", Layer::M3ua),
    ("sls", Layer::M3ua),
    ("sccp", Layer::Sccp),
    ("cdpa_gt", Layer::Sccp),
    ("cdpa_ssn", Layer::Sccp),
    ("cgpa_gt", Layer::Sccp),
    ("cgpa_ssn", Layer::Sccp),
    ("tcap", Layer::Tcap),
    ("otid", Layer::Tcap),
    ("dtid", Layer::Tcap),
    ("ac", Layer::Tcap),
    ("types", Layer::Tcap),
    ("invoke_ids", Layer::Tcap),
    ("opcodes", Layer::Tcap),
    ("errors", Layer::Tcap),
    ("imsi", Layer::GsmMap),
    ("msisdn", Layer::GsmMap),
    ("vlr", Layer::GsmMap),
    ("msc", Layer::GsmMap),
    ("sgsn", Layer::GsmMap),
    ("smsc", Layer::GsmMap),
    ("scf", Layer::GsmMap),
    ("hlr", Layer::GsmMap),
    ("node", Layer::GsmMap),
    ("msrn", Layer::GsmMap),
    ("mlc", Layer::GsmMap),
    ("forwarded_to", Layer::GsmMap),
];

/// What one decoder read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Several values where a decoder does not say which came first.
    fields: BTreeMap<&'static str, Vec<String>>,
    /// The layer at which it gave up, and why.
    pub refused: Option<(Layer, String)>,
    /// Fields that it does not look at.
    pub blind: Vec<&'static str>,
}

impl Reading {
    /// Notes a field; the first value counts, and an empty one is none.
    pub fn note(&mut self, field: &'static str, value: &impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.fields.entry(field).or_insert_with(|| vec![value]);
        }
    }

    /// Notes a further value of a field, of which any may be the first in the message.
    pub fn also(&mut self, field: &'static str, value: String) {
        if !value.is_empty() {
            self.fields.entry(field).or_default().push(value);
        }
    }

    /// Whether two decoders read the same here.
    #[must_use]
    pub fn agrees(&self, other: &Self, field: &str) -> bool {
        match (self.fields.get(field), other.fields.get(field)) {
            (None, None) => true,
            (Some(one), Some(another)) => one.iter().any(|value| another.contains(value)),
            _ => false,
        }
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.first().map(String::as_str)
    }

    /// Gives up at a layer; the first time counts.
    pub fn refuse(&mut self, layer: Layer, why: &impl ToString) {
        if self.refused.is_none() {
            self.refused = Some((layer, why.to_string()));
        }
    }

    /// Whether it read the fields of this layer to the end, and this one among them.
    #[must_use]
    pub fn covers(&self, field: &str, layer: Layer) -> bool {
        !self.blind.contains(&field) && self.refused.as_ref().is_none_or(|(refused, _)| layer < *refused)
    }
}

/// Digits of octets with the low nibble first, without a filler at the end (TS 29.002 §17.7.8, TBCD-STRING); other
/// values than decimal digits as `a` to `f`.
#[must_use]
pub fn tbcd(octets: &[u8]) -> String {
    let nibbles = octets.iter().flat_map(|octet| [octet & 0x0f, octet >> 4]);
    let digits: String = nibbles.map(|nibble| char::from_digit(nibble.into(), 16).unwrap_or('?')).collect();
    digits.strip_suffix('f').unwrap_or(&digits).to_owned()
}

/// Digits of an identity: an AddressString starts with an octet for nature and plan, an IMSI does not.
#[must_use]
pub fn digits(field: &str, octets: &[u8]) -> String {
    if field == "imsi" { tbcd(octets) } else { tbcd(octets.get(1..).unwrap_or_default()) }
}

/// Octets of hexadecimal digits, with or without colons.
#[must_use]
pub fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()
}

/// Octets as hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
