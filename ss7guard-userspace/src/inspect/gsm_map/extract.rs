//! Follows the tables of an operation through one parameter, in one pass over its elements.

use crate::inspect::ber::{BerError, Class, Element, OCTET_STRING, Reader, SEQUENCE, Work};
use crate::inspect::digits::{self, Digits};
use crate::inspect::findings::Finding;
use crate::inspect::gsm_map::order::Order;
use crate::inspect::gsm_map::paths::{self, Key, On, Then};
use crate::inspect::gsm_map::{Protocol, cap};
use crate::inspect::tcap::{Code, Component, ComponentKind};

/// An identity or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// International mobile subscriber identity.
    Imsi,
    /// Subscriber's number.
    Msisdn,
    /// vlr-Number.
    Vlr,
    /// msc-Number.
    Msc,
    /// sgsn-Number.
    Sgsn,
    /// serviceCentreAddress.
    Smsc,
    /// gsmSCF-Address, or gmsc-OrGsmSCF-Address.
    Scf,
    /// hlr-Number.
    Hlr,
    /// networkNode-Number.
    Node,
    /// roamingNumber.
    Msrn,
    /// mlc-Number.
    Mlc,
    /// A number that calls are forwarded to.
    ForwardedTo,
    /// Calling party of a CAP call.
    Calling,
    /// Called party of a CAP call or short message.
    Called,
}

/// How many fields there are.
const FIELDS: usize = 14;

impl Field {
    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imsi => "imsi",
            Self::Msisdn => "msisdn",
            Self::Vlr => "vlr",
            Self::Msc => "msc",
            Self::Sgsn => "sgsn",
            Self::Smsc => "smsc",
            Self::Scf => "scf",
            Self::Hlr => "hlr",
            Self::Node => "node",
            Self::Msrn => "msrn",
            Self::Mlc => "mlc",
            Self::ForwardedTo => "forwarded_to",
            Self::Calling => "calling",
            Self::Called => "called",
        }
    }

    /// Whether the value is a subscriber's, which output masks.
    #[must_use]
    pub const fn is_subscriber(self) -> bool {
        matches!(
            self,
            Self::Imsi | Self::Msisdn | Self::Msrn | Self::ForwardedTo | Self::Calling | Self::Called
        )
    }
}

/// Takes what the tables lead to.
pub trait Sink {
    /// Where the digits of this element's value go; `None` if they are only looked at.
    fn slot(&mut self, field: Field, element: &Element<'_>) -> Option<&mut Digits>;
}

/// What was found: the first of each field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    found: [Option<Digits>; FIELDS],
}

impl Identities {
    /// The first value of a field.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&Digits> {
        self.found.get(field as usize)?.as_ref()
    }

    /// Whether none was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.iter().all(Option::is_none)
    }
}

impl Sink for Identities {
    /// The first of a field counts.
    #[inline]
    fn slot(&mut self, field: Field, _element: &Element<'_>) -> Option<&mut Digits> {
        let slot = self.found.get_mut(field as usize)?;
        if slot.is_some() { None } else { Some(slot.insert(Digits::default())) }
    }
}

/// Values of one message that [`Places`] keeps; more are only looked at.
pub const MAX_PLACES: usize = 256;

/// Every value with the element that holds it.
#[derive(Clone, Debug, Default)]
pub struct Places {
    found: Vec<Found>,
}

/// A value and its place.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What it is.
    pub field: Field,
    /// Offset of its element in the user part.
    pub offset: usize,
    /// Its digits.
    pub digits: Digits,
}

impl Places {
    /// The value of the element at this offset of the user part.
    #[must_use]
    pub fn at(&self, offset: usize) -> Option<&Found> {
        self.found.iter().find(|found| found.offset == offset)
    }

    /// All of them, in the order in which they were found.
    #[must_use]
    pub fn all(&self) -> &[Found] {
        &self.found
    }
}

impl Sink for Places {
    fn slot(&mut self, field: Field, element: &Element<'_>) -> Option<&mut Digits> {
        if self.found.len() >= MAX_PLACES {
            return None;
        }
        self.found.push(Found { field, offset: element.offset, digits: Digits::default() });
        self.found.last_mut().map(|found| &mut found.digits)
    }
}

/// Hands the identities of one component to `found`.
///
/// # Errors
/// The parameter is not BER.
pub fn component(
    component: &Component<'_>,
    protocol: Protocol,
    found: &mut impl Sink,
    work: &mut Work,
) -> Result<(), BerError> {
    let Some(parameter) = &component.parameter else { return Ok(()) };
    let forms = match (protocol, component.kind, component.operation, component.error) {
        (Protocol::Map, ComponentKind::Invoke, Some(Code::Local(code)), _) => paths::argument(code),
        (Protocol::Map, kind, Some(Code::Local(code)), _) if kind.is_result() => paths::result(code),
        (Protocol::Map, ComponentKind::ReturnError, _, Some(Code::Local(code))) => paths::error(code),
        (Protocol::Cap, ComponentKind::Invoke, Some(Code::Local(code)), _) => cap::argument(code),
        _ => return Ok(()),
    };
    let order = match (protocol, component.kind, component.operation) {
        (Protocol::Map, ComponentKind::Invoke, Some(Code::Local(code))) => Order::of(code, parameter.tag),
        _ => Order::NONE,
    };
    whole(parameter, forms, order, found, work)
}

/// Follows the form that a parameter has.
fn whole(
    parameter: &Element<'_>,
    forms: &[On],
    order: Order,
    found: &mut impl Sink,
    work: &mut Work,
) -> Result<(), BerError> {
    let key = match parameter.tag {
        OCTET_STRING => Some(Key::O(0)),
        SEQUENCE => Some(Key::S(0)),
        tag if tag.class() == Class::Context => Some(Key::C(tag.number())),
        _ => None,
    };
    if let Some(On(_, then)) = forms.iter().find(|On(on, _)| Some(*on) == key) {
        return follow(parameter, *then, order, found, work);
    }
    if forms.is_empty() {
        return Ok(());
    }
    work.findings.note(Finding::UnexpectedForm, parameter.offset);
    // A receiver that does not look at the outermost tag would read the elements all the same.
    match forms.iter().find(|On(_, then)| !matches!(then, Then::Take(_) | Then::TakeIsup(_) | Then::Pass)) {
        Some(On(_, then)) if parameter.constructed => follow(parameter, *then, order, found, work),
        _ => Ok(()),
    }
}

/// Does with an element what a table says.
fn follow(
    element: &Element<'_>,
    then: Then,
    order: Order,
    found: &mut impl Sink,
    work: &mut Work,
) -> Result<(), BerError> {
    let level = match then {
        Then::Take(field) => return value(element, field, Form::Map, found, work),
        Then::TakeIsup(field) => return value(element, field, Form::Isup, found, work),
        Then::Pass => return Ok(()),
        Then::Into(table) => Level { table, leading: 0, once: true },
        Then::List(table) => Level { table, leading: 0, once: false },
        Then::Choices(leading, table) => Level { table, leading, once: true },
    };
    if element.constructed {
        level.follow(element.inside(), order, found, work)
    } else {
        work.findings.note(Finding::UnexpectedForm, element.offset);
        Ok(())
    }
}

/// The elements inside one element.
struct Level {
    table: &'static [On],
    /// How many of them are CHOICEs without tags of their own.
    leading: u8,
    /// Whether a tag may be there only once.
    once: bool,
}

impl Level {
    /// Recursion follows the tables, so its depth is that of the deepest table.
    fn follow(
        &self,
        mut reader: Reader<'_>,
        mut order: Order,
        found: &mut impl Sink,
        work: &mut Work,
    ) -> Result<(), BerError> {
        let mut index = 0u8;
        let mut strings = 0u8;
        let mut sequences = 0u8;
        // Tags seen among the leading elements, and after them.
        let (mut leading_tags, mut later_tags) = (0u64, 0u64);
        while let Some(element) = reader.next(work)? {
            if !order.follows(element.tag) {
                work.findings.note(Finding::ParameterOrder, element.offset);
            }
            let is_leading = index < self.leading;
            index = index.saturating_add(1);
            let key = match element.tag {
                OCTET_STRING => {
                    strings = strings.saturating_add(1);
                    Key::O(strings.wrapping_sub(1))
                }
                SEQUENCE => {
                    sequences = sequences.saturating_add(1);
                    Key::S(sequences.wrapping_sub(1))
                }
                tag if tag.class() == Class::Context => {
                    let number = tag.number();
                    let tags = if is_leading { &mut leading_tags } else { &mut later_tags };
                    let tag = if number < 64 { 1u64.wrapping_shl(number) } else { 0 };
                    // An empty one is a NULL for "none"; two of these do not contradict each other.
                    if self.once && *tags & tag != 0 && !element.content.is_empty() {
                        work.findings.note(Finding::DuplicateParameter, element.offset);
                    }
                    *tags |= tag;
                    if is_leading { Key::Leading(number) } else { Key::C(number) }
                }
                tag => {
                    // What the types of TS 29.002 are made of; nothing else has a universal tag there.
                    let known = matches!(tag.number(), 1 | 2 | 3 | 5 | 6 | 10 | 17);
                    if tag.class() == Class::Universal && !known {
                        work.findings.note(Finding::UnexpectedForm, element.offset);
                    }
                    continue;
                }
            };
            let fits = |on: Key| on == key || (on == Key::Each && matches!(key, Key::S(_)));
            match self.table.iter().find(|On(on, _)| fits(*on)) {
                Some(On(_, then)) => follow(&element, *then, Order::NONE, found, work)?,
                None if is_leading && matches!(key, Key::Leading(_)) => {
                    work.findings.note(Finding::UnexpectedForm, element.offset);
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// How the digits of a field are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An IMSI or AddressString.
    Map,
    /// A number of ISUP.
    Isup,
}

/// Reads the value of a field.
fn value(
    element: &Element<'_>,
    field: Field,
    form: Form,
    found: &mut impl Sink,
    work: &mut Work,
) -> Result<(), BerError> {
    let octets = element.octets(work)?;
    let octets = octets.as_slice();
    if octets.is_empty() {
        work.findings.note(Finding::UnexpectedForm, element.offset);
        return Ok(());
    }
    let mut another = Digits::default();
    let digits = found.slot(field, element).unwrap_or(&mut another);
    if form == Form::Isup {
        digits::isup(octets, element.offset, digits, &mut work.findings);
    } else if field == Field::Imsi {
        digits::imsi(octets, element.offset, digits, &mut work.findings);
    } else {
        digits::address_digits(octets, element.offset, digits, &mut work.findings);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
