//! Follows the paths of an operation through one parameter, in one pass over its elements.

use crate::inspect::ber::{BerError, Class, Element, OCTET_STRING, Reader, SEQUENCE, Work};
use crate::inspect::digits::{self, Digits};
use crate::inspect::findings::Finding;
use crate::inspect::gsm_map::Protocol;
use crate::inspect::gsm_map::paths::{self, Path, Root, Step};
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
}

/// How many fields there are.
const FIELDS: usize = 12;

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

    fn set(&mut self, field: Field, digits: Digits) {
        if let Some(slot) = self.found.get_mut(field as usize) {
            slot.get_or_insert(digits);
        }
    }
}

/// Adds the identities of one component to those found before.
///
/// # Errors
/// The parameter is not BER.
pub fn component(
    component: &Component<'_>,
    protocol: Protocol,
    found: &mut Identities,
    work: &mut Work,
) -> Result<(), BerError> {
    let (Some(Code::Local(opcode)), Some(parameter)) = (component.operation, &component.parameter) else {
        return Ok(());
    };
    let paths = match (protocol, component.kind) {
        (Protocol::Map, ComponentKind::Invoke) => paths::argument(opcode),
        (Protocol::Map, kind) if kind.is_result() => paths::result(opcode),
        (Protocol::Cap, ComponentKind::Invoke) => paths::cap_argument(opcode),
        _ => return Ok(()),
    };
    parameter_fields(parameter, paths, found, work)
}

fn parameter_fields(
    parameter: &Element<'_>,
    paths: &[Path],
    found: &mut Identities,
    work: &mut Work,
) -> Result<(), BerError> {
    if paths.is_empty() {
        return Ok(());
    }
    // A string in pieces is constructed, and still a bare value.
    if !parameter.constructed || parameter.tag == OCTET_STRING {
        return match paths.iter().find(|path| path.root == Root::Bare) {
            Some(path) => value(parameter, path.field, found, work),
            None => {
                work.findings.note(Finding::UnexpectedForm, parameter.offset);
                Ok(())
            }
        };
    }
    let mut active = 0u32;
    for (index, path) in paths.iter().enumerate() {
        let fits = match path.root {
            Root::Any => true,
            Root::Sequence => parameter.tag == SEQUENCE,
            Root::Context(number) => parameter.tag.class == Class::Context && parameter.tag.number == number,
            Root::Bare => false,
        };
        if fits {
            active |= bit(index);
        }
    }
    level(parameter.inside(), paths, active, 0, found, work)
}

/// Bit of a path in the set of those that still fit; no table has more than 32.
const fn bit(index: usize) -> u32 {
    if index < 32 { 1 << index } else { 0 }
}

/// One level of nesting. Recursion follows the paths, so its depth is that of the longest path.
fn level(
    mut reader: Reader<'_>,
    paths: &[Path],
    active: u32,
    depth: usize,
    found: &mut Identities,
    work: &mut Work,
) -> Result<(), BerError> {
    let mut strings = 0u8;
    let mut sequences = 0u8;
    let mut context_tags = 0u64;
    while let Some(element) = reader.next(work)? {
        let place = match element.tag {
            OCTET_STRING => {
                strings = strings.saturating_add(1);
                Step::O(strings.wrapping_sub(1))
            }
            SEQUENCE => {
                sequences = sequences.saturating_add(1);
                Step::S(sequences.wrapping_sub(1))
            }
            tag if tag.class == Class::Context => {
                // Lists of choices repeat tags by right; only the parameters of an argument may not.
                let tag_bit = if tag.number < 64 { 1u64.wrapping_shl(tag.number) } else { 0 };
                if depth == 0 && context_tags & tag_bit != 0 {
                    work.findings.note(Finding::DuplicateParameter, element.offset);
                }
                context_tags |= tag_bit;
                Step::C(tag.number)
            }
            _ => continue,
        };
        let mut deeper = 0u32;
        for (index, path) in paths.iter().enumerate() {
            if active & bit(index) == 0 {
                continue;
            }
            let fits = match path.steps.get(depth) {
                Some(Step::Each) => matches!(place, Step::S(_)),
                Some(step) => *step == place,
                None => false,
            };
            if !fits {
                continue;
            }
            if path.steps.len() == depth.saturating_add(1) {
                value(&element, path.field, found, work)?;
            } else {
                deeper |= bit(index);
            }
        }
        if deeper != 0 {
            if element.constructed {
                level(element.inside(), paths, deeper, depth.saturating_add(1), found, work)?;
            } else {
                work.findings.note(Finding::UnexpectedForm, element.offset);
            }
        }
    }
    Ok(())
}

/// Reads the value at the end of a path.
fn value(
    element: &Element<'_>,
    field: Field,
    found: &mut Identities,
    work: &mut Work,
) -> Result<(), BerError> {
    let octets = element.octets(work)?;
    let octets = octets.as_slice();
    let digits = if field == Field::Imsi {
        Some(digits::imsi(octets, element.offset, &mut work.findings))
    } else {
        digits::address(octets, element.offset, &mut work.findings).map(|address| address.digits)
    };
    match digits {
        Some(digits) => found.set(field, digits),
        None => work.findings.note(Finding::UnexpectedForm, element.offset),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
