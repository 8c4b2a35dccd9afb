//! Values of ASN.1 types with random fields, for any type that `rasn` can decode: a decoder that reads nothing and
//! makes up what it is asked for. It knows the names of the members, so that an IMSI is a sound IMSI.

use gsm_map::address;
use rasn::error::DecodeError;
use rasn::types::fields::Field;
use rasn::types::{self, Constraints, Constructed, DecodeChoice, Enumerated, Tag, TagTree};
use rasn::{Codec, Decode};

use super::random::Random;

type Result<T> = std::result::Result<T, DecodeError>;

/// A random value; `name` stands for a type that is not inside another (the argument of sendIMSI, say).
///
/// # Errors
/// The type has a part that MAP has not.
pub fn value<T: Decode>(random: &mut Random, name: &'static str) -> Result<T> {
    let often = *random.choose(&[10, 35, 70]);
    let mut maker =
        Maker { random: random.fork(), often, members: Vec::new(), next: 0, name: Some(name), inside: false };
    T::decode(&mut maker)
}

struct Maker {
    random: Random,
    /// How often in a hundred an optional member is there.
    often: usize,
    /// Members of the SEQUENCE that is being made.
    members: Vec<Field>,
    next: usize,
    /// Name of what comes next, where it is no member.
    name: Option<&'static str>,
    /// Whether what comes next is the content of an element that is there already.
    inside: bool,
}

/// What MAP has not.
fn foreign<T>(what: &str) -> Result<T> {
    Err(<DecodeError as rasn::de::Error>::custom(what, Codec::Ber))
}

impl Maker {
    /// The name of the value with this tag.
    fn name(&mut self, tag: Tag) -> &'static str {
        if let Some(name) = self.name.take() {
            return name;
        }
        let rest = self.members.get(self.next..).unwrap_or_default();
        let Some(offset) = rest.iter().position(|member| fits(member, tag)) else { return "" };
        self.next += offset + 1;
        self.members[self.next - 1].name
    }

    fn inside(&mut self, members: Vec<Field>, name: Option<&'static str>) -> Self {
        // Less and less the deeper it gets.
        Self { random: self.random.fork(), often: self.often * 3 / 4, members, next: 0, name, inside: false }
    }

    /// One of the tags that a CHOICE may have.
    fn leaf(&mut self, tree: &TagTree) -> Tag {
        match tree {
            TagTree::Leaf(tag) => *tag,
            TagTree::Choice(trees) => {
                let index = self.random.below(trees.len());
                self.leaf(&trees[index])
            }
        }
    }

    fn optional<T>(&mut self, tag: Tag, make: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        let name = self.name(tag);
        if !self.random.percent(self.often) {
            return Ok(None);
        }
        self.name = Some(name);
        make(self).map(Some)
    }
}

fn fits(member: &Field, tag: Tag) -> bool {
    member.tag == tag
        || matches!(member.tag_tree, TagTree::Choice(_)) && member.tag_tree == TagTree::Leaf(tag)
}

/// Octets of an OCTET STRING with this name.
fn octets(random: &mut Random, name: &str) -> Vec<u8> {
    let is = |words: &[&str]| words.contains(&name);
    if name.contains("imsi") || name == "user_identifier_alert" {
        let len = random.between(6, 15);
        return address::imsi(&random.digits(len)).unwrap_or_default();
    }
    if is(&["Imsi", "identity"]) {
        return address::imsi(&random.digits(15)).unwrap_or_default();
    }
    if is(&["sgsn_address", "ggsn_address", "v_gmlc_address", "h_gmlc_address", "ppr_address"])
        || is(&["additional_v_gmlc_address"])
    {
        return [&[0x04][..], &random.octets(4)].concat();
    }
    if name != "location_number" && (name.ends_with("number") || name.contains("address"))
        || name.contains("msisdn")
        || is(&[
            "MscNumber",
            "SgsnNumber",
            "MsIsdn",
            "Msisdn",
            "msrn",
            "dispatcher_list",
            "na_esrd",
            "na_esrk",
        ])
        || name.ends_with("Number")
        || name.contains("Address")
        || name == "mme_number_for_mt_sms"
    {
        let nature = *random.choose(&[1, 1, 1, 2, 0, 4]);
        let plan = *random.choose(&[1, 1, 1, 6, 0]);
        let len = random.between(1, 15);
        return address::isdn_address_string(&random.digits(len), nature, plan).unwrap_or_default();
    }
    if name == "lmsi" || name == "Lmsi" || name == "tmsi" {
        return random.octets(4);
    }
    let len = random.between(1, 8);
    random.octets(len)
}

/// Content of a part that the crate hands through without a look: as TS 29.002 has it where it holds identities, else
/// an element that every extensible SEQUENCE may have.
fn opaque(random: &mut Random, name: &str) -> Vec<u8> {
    let mut own = |tag: u8, name: &str| {
        let octets = octets(random, name);
        [vec![tag, u8::try_from(octets.len()).unwrap_or(0)], octets].concat()
    };
    match name {
        "lcs_location_info" => own(0x04, "network_node_number"),
        "location_information_gprs" => own(0x83, "sgsn_number"),
        "mnp_info_res" => [own(0x81, "imsi"), own(0x82, "msisdn")].concat(),
        "forwarding_data" => own(0x85, "forwarded_to_number"),
        _ => vec![0x9f, 0x3c, 0x01, 0x2a],
    }
}

impl rasn::Decoder for Maker {
    type Ok = ();
    type Error = DecodeError;
    type AnyDecoder<const R: usize, const E: usize> = Self;

    fn codec(&self) -> Codec {
        Codec::Ber
    }

    fn decode_any(&mut self, tag: Tag) -> Result<types::Any> {
        let name = self.name(tag);
        let content = opaque(&mut self.random, name);
        // Those that the crate has without a tag of their own, but for CHOICEs, are SEQUENCEs.
        let bare = !self.inside && matches!(name, "lcs_location_info" | "location_type");
        Ok(types::Any::new(if bare { [vec![0x30, content.len() as u8], content].concat() } else { content }))
    }

    fn decode_bit_string(&mut self, tag: Tag, _: &Constraints) -> Result<types::BitString> {
        self.name(tag);
        let len = self.random.between(1, 30);
        Ok((0..len).map(|_| self.random.percent(50)).collect())
    }

    fn decode_bool(&mut self, tag: Tag) -> Result<bool> {
        self.name(tag);
        Ok(self.random.percent(50))
    }

    fn decode_enumerated<E: Enumerated>(&mut self, tag: Tag) -> Result<E> {
        self.name(tag);
        Ok(*self.random.choose(E::VARIANTS))
    }

    fn decode_integer<I: types::IntegerType>(&mut self, tag: Tag, _: &Constraints) -> Result<I> {
        self.name(tag);
        // Small: also ENUMERATED types that keep unknown values are read as integers.
        let number = self.random.below(4) as i64;
        I::try_from(number).or_else(|_| foreign("a small integer does not fit"))
    }

    fn decode_real<R: types::RealType>(&mut self, _: Tag, _: &Constraints) -> Result<R> {
        foreign("REAL")
    }

    fn decode_null(&mut self, tag: Tag) -> Result<()> {
        self.name(tag);
        Ok(())
    }

    fn decode_object_identifier(&mut self, _: Tag) -> Result<types::ObjectIdentifier> {
        foreign("OBJECT IDENTIFIER")
    }

    fn decode_sequence<const RC: usize, const EC: usize, D, DF, F>(
        &mut self,
        tag: Tag,
        _: Option<DF>,
        decode_fn: F,
    ) -> Result<D>
    where
        D: Constructed<RC, EC>,
        DF: FnOnce() -> D,
        F: FnOnce(&mut Self::AnyDecoder<RC, EC>) -> Result<D>,
    {
        self.name(tag);
        decode_fn(&mut self.inside(D::FIELDS.iter().collect(), None))
    }

    fn decode_sequence_of<D: Decode>(&mut self, tag: Tag, _: &Constraints) -> Result<Vec<D>> {
        let name = self.name(tag);
        let mut inside = self.inside(Vec::new(), None);
        inside.inside = true;
        let items = if D::TAG == Tag::EOC { 1 } else { self.random.between(1, 3) };
        let item = |_| {
            inside.name = Some(name);
            D::decode(&mut inside)
        };
        (0..items).map(item).collect()
    }

    fn decode_set_of<D: Decode + Eq + std::hash::Hash>(
        &mut self,
        _: Tag,
        _: &Constraints,
    ) -> Result<types::SetOf<D>> {
        foreign("SET OF")
    }

    fn decode_octet_string<'buf, T>(&'buf mut self, tag: Tag, _: &Constraints) -> Result<T>
    where
        T: From<&'buf [u8]> + From<Vec<u8>>,
    {
        let name = self.name(tag);
        Ok(T::from(octets(&mut self.random, name)))
    }

    fn decode_utf8_string(&mut self, _: Tag, _: &Constraints) -> Result<types::Utf8String> {
        foreign("UTF8String")
    }

    fn decode_visible_string(&mut self, _: Tag, _: &Constraints) -> Result<types::VisibleString> {
        foreign("VisibleString")
    }

    fn decode_general_string(&mut self, _: Tag, _: &Constraints) -> Result<types::GeneralString> {
        foreign("GeneralString")
    }

    fn decode_graphic_string(&mut self, _: Tag, _: &Constraints) -> Result<types::GraphicString> {
        foreign("GraphicString")
    }

    fn decode_ia5_string(&mut self, _: Tag, _: &Constraints) -> Result<types::Ia5String> {
        foreign("IA5String")
    }

    fn decode_printable_string(&mut self, _: Tag, _: &Constraints) -> Result<types::PrintableString> {
        foreign("PrintableString")
    }

    fn decode_numeric_string(&mut self, _: Tag, _: &Constraints) -> Result<types::NumericString> {
        foreign("NumericString")
    }

    fn decode_teletex_string(&mut self, _: Tag, _: &Constraints) -> Result<types::TeletexString> {
        foreign("TeletexString")
    }

    fn decode_bmp_string(&mut self, _: Tag, _: &Constraints) -> Result<types::BmpString> {
        foreign("BMPString")
    }

    fn decode_explicit_prefix<D: Decode>(&mut self, tag: Tag) -> Result<D> {
        let name = self.name(tag);
        D::decode(&mut self.inside(Vec::new(), Some(name)))
    }

    fn decode_optional_with_explicit_prefix<D: Decode>(&mut self, tag: Tag) -> Result<Option<D>> {
        self.optional(tag, |maker| maker.decode_explicit_prefix(tag))
    }

    fn decode_utc_time(&mut self, _: Tag) -> Result<types::UtcTime> {
        foreign("UTCTime")
    }

    fn decode_generalized_time(&mut self, _: Tag) -> Result<types::GeneralizedTime> {
        foreign("GeneralizedTime")
    }

    fn decode_date(&mut self, _: Tag) -> Result<types::Date> {
        foreign("DATE")
    }

    fn decode_set<const RC: usize, const EC: usize, FIELDS, SET, D, F>(
        &mut self,
        _: Tag,
        _: D,
        _: F,
    ) -> Result<SET>
    where
        SET: Decode + Constructed<RC, EC>,
        FIELDS: Decode,
        D: Fn(&mut Self::AnyDecoder<RC, EC>, usize, Tag) -> Result<FIELDS>,
        F: FnOnce(Vec<FIELDS>) -> Result<SET>,
    {
        foreign("SET")
    }

    fn decode_choice<D: DecodeChoice>(&mut self, _: &Constraints) -> Result<D> {
        // The member that is this CHOICE, then the alternative in it.
        self.name(Tag::EOC);
        let index = self.random.below(D::VARIANTS.len());
        let tag = self.leaf(&D::VARIANTS[index]);
        self.name = D::IDENTIFIERS.get(index).copied();
        D::from_tag(self, tag)
    }

    fn decode_optional<D: Decode>(&mut self) -> Result<Option<D>> {
        self.optional(D::TAG, D::decode)
    }

    fn decode_optional_with_tag<D: Decode>(&mut self, tag: Tag) -> Result<Option<D>> {
        self.optional(tag, |maker| D::decode_with_tag(maker, tag))
    }

    fn decode_optional_with_constraints<D: Decode>(&mut self, _: &Constraints) -> Result<Option<D>> {
        self.decode_optional()
    }

    fn decode_optional_with_tag_and_constraints<D: Decode>(
        &mut self,
        tag: Tag,
        _: &Constraints,
    ) -> Result<Option<D>> {
        self.decode_optional_with_tag(tag)
    }

    fn decode_extension_addition_with_explicit_tag_and_constraints<D: Decode>(
        &mut self,
        tag: Tag,
        _: &Constraints,
    ) -> Result<Option<D>> {
        self.decode_optional_with_explicit_prefix(tag)
    }

    fn decode_extension_addition_with_tag_and_constraints<D: Decode>(
        &mut self,
        tag: Tag,
        _: &Constraints,
    ) -> Result<Option<D>> {
        self.decode_optional_with_tag(tag)
    }

    fn decode_extension_addition_group<const RC: usize, const EC: usize, D: Decode + Constructed<RC, EC>>(
        &mut self,
    ) -> Result<Option<D>> {
        self.decode_optional()
    }
}
