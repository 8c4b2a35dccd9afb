//! TCAP and MAP: a tree of BER elements with names where they are known, bounded in depth and number.

use crate::explain::elements::{Reads, Spot, known};
use crate::explain::tree::{Node, View, hex, named, octets_of};
use crate::explain::{codes, names};
use crate::inspect::ber::{BerError, Class, Element, INTEGER, OID, Oid, Reader, Tag, Work};
use crate::inspect::digits::{self, PLAN_E212};
use crate::inspect::findings::Findings;
use crate::inspect::gsm_map::Field;
use crate::inspect::gsm_map::extract::{self, Places};
use crate::inspect::message::{Message, Problem};
use crate::inspect::record;
use crate::inspect::tcap::TcapError;

/// Nesting that is shown; what is deeper is one node.
pub const MAX_DEPTH: usize = 24;

/// Elements of one message that are shown.
pub const MAX_ELEMENTS: usize = 4_000;

/// Octets of a value of which it is not known what it is that are shown: an IMSI has three at least.
const OPEN_OCTETS: usize = 2;

/// Adds the tree of the TCAP message in the SCCP data at `start` to `end` of the user part.
pub(super) fn explain(
    view: &View<'_>,
    start: usize,
    end: usize,
    message: &Message<'_>,
    returned: bool,
    out: &mut Vec<Node>,
) {
    let mut places = Places::default();
    let mut work = Work::default();
    for component in message.components() {
        // What is wrong with a parameter shows where the tree ends.
        let _ = extract::component(component, message.protocol, &mut places, &mut work);
    }
    let mut walk = Walk {
        view: view.layer("tcap"),
        message,
        places: &places,
        work: Work::default(),
        left: MAX_ELEMENTS,
        returned,
    };
    walk.inside(Reader::new(view.slice(start, end), start), Spot::Message, 0, out);
}

struct Walk<'a, 'm> {
    view: View<'a>,
    message: &'m Message<'m>,
    places: &'m Places,
    work: Work,
    left: usize,
    returned: bool,
}

impl<'a> Walk<'a, '_> {
    /// Adds the elements that a reader gives.
    fn inside(&mut self, mut reader: Reader<'a>, spot: Spot, depth: usize, nodes: &mut Vec<Node>) {
        let mut stage = 0;
        loop {
            let (at, end) = (reader.offset(), reader.offset().saturating_add(reader.rest().len()));
            if at >= end {
                return;
            }
            if self.left == 0 || depth > MAX_DEPTH {
                let mut rest = self.view.opaque("more elements", at, end, 0);
                let bound = if self.left == 0 { "elements" } else { "nesting" };
                rest.value =
                    format!("{}: the bound of {bound} is reached, the rest is not shown", rest.value);
                nodes.push(rest);
                return;
            }
            if spot == Spot::Message && stage > 0 {
                nodes.push(self.view.opaque("octets after the message", at, end, 0));
                return;
            }
            match reader.next(&mut self.work) {
                Ok(Some(element)) => {
                    self.left = self.left.saturating_sub(1);
                    let len = reader.offset().saturating_sub(at);
                    nodes.push(self.element(&element, len, spot, &mut stage, depth));
                }
                Ok(None) => return,
                Err(error) => {
                    let node = self.broken(error, reader.rest(), (at, end), spot, &mut stage, depth);
                    nodes.push(node);
                    return;
                }
            }
        }
    }

    /// What cannot be read. Of an element that is only cut off, what is there is shown.
    fn broken(
        &mut self,
        error: BerError,
        octets: &'a [u8],
        (at, end): (usize, usize),
        spot: Spot,
        stage: &mut u8,
        depth: usize,
    ) -> Node {
        let (name, fault) = match self.view.layer {
            _ if self.returned => ("returned_part", false),
            "gsm_map" => (Problem::GsmMap(error).reason(), true),
            _ => (Problem::Tcap(TcapError::Ber(error)).reason(), true),
        };
        let cut = if matches!(error, BerError::Truncated { .. }) { cut_element(octets, at) } else { None };
        let mut node = match cut {
            Some((element, _)) => self.element(&element, end.saturating_sub(at), spot, stage, depth),
            None => self.view.opaque("octets that are not BER", at, end, OPEN_OCTETS),
        };
        let mut text = error.to_string().replace("offset", "user part offset");
        if let Some((element, announced)) = cut {
            text = format!("{text}: it announces {announced} octets, {} are here", element.content.len());
        }
        if self.returned {
            text.push_str("; a service message may bring back only the beginning (Q.713 §4.11)");
        }
        let offset = node.offset;
        node.remark(name, text, offset, fault);
        node
    }

    fn element(
        &mut self,
        element: &Element<'a>,
        len: usize,
        spot: Spot,
        stage: &mut u8,
        depth: usize,
    ) -> Node {
        let (mut name, mut next, mut reads) = known(spot, element, stage);
        let layer = self.view.layer;
        if spot == Spot::Parameter || next == Spot::Parameter {
            self.view.layer = "gsm_map";
        }
        let identity = if self.view.layer == "gsm_map" { self.places.at(element.offset) } else { None };
        if let Some(found) = identity {
            name = found.field.as_str();
            next = if found.field.is_subscriber() { Spot::Secret } else { Spot::Unknown };
            reads = Reads::Unknown;
        }
        // The decoder looks into what must hold elements, whether its tag says so or not.
        let holds = element.constructed || !matches!(next, Spot::Unknown | Spot::Parameter | Spot::Secret);
        let head = element.content_offset.saturating_sub(element.offset);
        let form = form(element, self.view.slice(element.offset, element.content_offset));
        let mut value = String::new();
        let mut open = usize::MAX;
        if let Some(found) = identity {
            value = self.identity(element, found.field, found.digits.as_str());
            if found.field.is_subscriber() {
                open = head;
            }
        } else if spot == Spot::Secret {
            open = head;
        } else if !holds {
            (value, open) = self.value(element, reads, head);
        } else if let Reads::Reference { .. } = reads {
            next = Spot::Secret;
        }
        let text = if value.is_empty() { form } else { format!("{value}   {form}") };
        let mut node = self.view.partly(name, element.offset, len, open, text);
        if holds {
            node.octets = hex(self.view.slice(element.offset, element.content_offset), head);
            self.inside(element.inside(), next, depth.saturating_add(1), &mut node.children);
        }
        self.view.layer = layer;
        node
    }

    /// An identity or address in words.
    fn identity(&self, element: &Element<'_>, field: Field, digits: &str) -> String {
        let clear = self.view.reveal || !field.is_subscriber();
        let shown = if clear { digits.to_owned() } else { record::mask(digits) };
        let first = element.content.first().filter(|_| field != Field::Imsi && !element.constructed);
        first.map_or_else(|| shown.clone(), |first| format!("{shown}, {}", nature_plan(*first)))
    }

    /// The value of a primitive element in words, and how many of the element's octets may be shown.
    fn value(&mut self, element: &Element<'a>, reads: Reads, head: usize) -> (String, usize) {
        let mut quiet = Work::default();
        let short = element.content.len() <= 4;
        match (reads, element.tag) {
            (Reads::Number(names), _) if short => {
                let number = element.integer(&mut quiet);
                (number.map_or_else(String::new, |number| named(number, names(number))), usize::MAX)
            }
            (Reads::Operation, INTEGER) if short => {
                let protocol = self.message.protocol;
                let number = element.integer(&mut quiet);
                let shown = number.map_or_else(String::new, |n| named(n, codes::operation(protocol, n)));
                (shown, usize::MAX)
            }
            (_, INTEGER | ENUMERATED) if short => {
                (element.integer(&mut quiet).map_or_else(String::new, |n| n.to_string()), usize::MAX)
            }
            (_, OID) if element.content.len() <= 16 => {
                match Oid::parse(element.content, element.offset, &mut quiet.findings) {
                    Some(oid) => (codes::application_context(&oid), usize::MAX),
                    None => ("unreadable".to_owned(), usize::MAX),
                }
            }
            (Reads::Octets, _) => (String::new(), head.saturating_add(8)),
            (Reads::Reference { secret }, _) => {
                let mut findings = Findings::default();
                let Some(address) = digits::address(element.content, element.offset, &mut findings) else {
                    return (String::new(), usize::MAX);
                };
                let clear = self.view.reveal || !secret;
                let digits = address.digits.as_str();
                let shown = if clear { digits.to_owned() } else { record::mask(digits) };
                let imsi = if secret && address.plan == PLAN_E212 { "IMSI " } else { "" };
                let plan = element.content.first().map_or_else(String::new, |first| nature_plan(*first));
                let open = if clear { usize::MAX } else { head.saturating_add(1) };
                (format!("{imsi}{shown}, {plan}"), open)
            }
            _ if element.content.len() > OPEN_OCTETS && !self.view.reveal => {
                ("hidden: --reveal shows it".to_owned(), head)
            }
            _ => (String::new(), usize::MAX),
        }
    }
}

const ENUMERATED: Tag = Tag::universal(10);

/// An element with a tag of one octet and a definite length that goes on beyond the octets that are there, and that
/// length.
fn cut_element(octets: &[u8], offset: usize) -> Option<(Element<'_>, u64)> {
    const CLASSES: [Class; 4] = [Class::Universal, Class::Application, Class::Context, Class::Private];
    let (first, rest) = octets.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (announced, content) = match length {
        0..=0x7f => (u64::from(*length), rest),
        0x81..=0x84 => {
            let (octets, content) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)), content)
        }
        _ => return None,
    };
    if first & 0x1f == 0x1f {
        return None;
    }
    let class = CLASSES.get(usize::from(first >> 6)).copied()?;
    let head = octets.len().saturating_sub(content.len());
    let element = Element {
        tag: Tag::new(class, u32::from(first & 0x1f)),
        constructed: first & 0x20 != 0,
        content,
        offset,
        content_offset: offset.saturating_add(head),
    };
    Some((element, announced))
}

/// Nature of address and numbering plan of an AddressString.
fn nature_plan(octet: u8) -> String {
    let (nature, plan) = (octet >> 4 & 7, octet & 0x0f);
    format!(
        "nature {}, plan {}",
        named(nature, names::map_nature(nature)),
        named(plan, names::numbering_plan(plan))
    )
}

/// Tag, length, and what is odd about their form.
fn form(element: &Element<'_>, header: &[u8]) -> String {
    let number = element.tag.number();
    let tag = match element.tag.class() {
        Class::Universal => codes::universal(number)
            .map_or_else(|| format!("[UNIVERSAL {number}]"), |name| format!("[{name}]")),
        Class::Application => format!("[APPLICATION {number}]"),
        Class::Context => format!("[{number}]"),
        Class::Private => format!("[PRIVATE {number}]"),
    };
    let long_tag = header.first().is_some_and(|first| first & 0x1f == 0x1f);
    let tag_len = if long_tag {
        header.iter().skip(1).take_while(|octet| **octet & 0x80 != 0).count().saturating_add(2)
    } else {
        1
    };
    let mut text = format!("{tag} {}", octets_of(element.content.len()));
    if element.constructed {
        text.push_str(", constructed");
    }
    if long_tag {
        text.push_str(", tag in long form");
    }
    match header.get(tag_len) {
        Some(0x80) => text.push_str(", indefinite length"),
        Some(first) if *first > 0x80 => text.push_str(", length in long form"),
        _ => {}
    }
    text
}
