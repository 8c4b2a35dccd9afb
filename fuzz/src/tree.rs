//! BER as a tree, and back to octets: in the canonical form (X.690 §10), or in forms that are legal and odd.

use ss7guard_userspace::inspect::ber::{Class, MAX_DEPTH, OCTET_STRING, Reader, Tag, Work};

use crate::choice::Choice;

/// Nesting that is taken apart; what is deeper stays as it is.
const MAX_NESTING: usize = 24;

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its tag.
    pub tag: Tag,
    /// Its content.
    pub body: Body,
    /// Whether it is known to be a string, which may be cut into pieces.
    pub string: bool,
}

/// What an element holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Octets of a primitive element.
    Primitive(Vec<u8>),
    /// Octets of an element that says it holds elements, kept as they are.
    Raw(Vec<u8>),
    /// Elements.
    Nodes(Vec<Node>),
}

impl Node {
    /// A primitive element.
    #[must_use]
    pub fn primitive(tag: Tag, octets: &[u8]) -> Self {
        Self { tag, body: Body::Primitive(octets.to_vec()), string: false }
    }

    /// An element that holds elements which are octets already.
    #[must_use]
    pub fn raw(tag: Tag, octets: &[u8]) -> Self {
        Self { tag, body: Body::Raw(octets.to_vec()), string: false }
    }

    /// An element that holds elements.
    #[must_use]
    pub fn constructed(tag: Tag, nodes: Vec<Self>) -> Self {
        Self { tag, body: Body::Nodes(nodes), string: false }
    }

    /// Calls `visit` for every node, this one first.
    pub fn each(&mut self, visit: &mut impl FnMut(&mut Self)) {
        visit(self);
        if let Body::Nodes(nodes) = &mut self.body {
            nodes.iter_mut().for_each(|node| node.each(visit));
        }
    }
}

/// Whether an element of this type is read as a number, whatever its form says: then its octets are kept.
fn is_number(tag: Tag) -> bool {
    // BOOLEAN, INTEGER, BIT STRING, NULL, OBJECT IDENTIFIER, ENUMERATED; P-Abort cause (Q.773 §4.2.1.4).
    matches!((tag.class(), tag.number()), (Class::Universal, 1..=3 | 5 | 6 | 10) | (Class::Application, 10))
}

/// Octets as elements; `None` if they are not BER from the first to the last.
#[must_use]
pub fn read(octets: &[u8]) -> Option<Vec<Node>> {
    read_nested(octets, 0)
}

fn read_nested(octets: &[u8], depth: usize) -> Option<Vec<Node>> {
    let mut work = Work::default();
    let mut reader = Reader::new(octets, 0);
    let mut nodes = Vec::new();
    while let Some(element) = reader.next(&mut work).ok()? {
        let inside = || {
            (depth < MAX_NESTING && !is_number(element.tag))
                .then_some(())
                .and_then(|()| read_nested(element.content, depth + 1))
        };
        let body = match (element.constructed, element.content) {
            (false, content) => Body::Primitive(content.to_vec()),
            (true, content) => inside().map_or_else(|| Body::Raw(content.to_vec()), Body::Nodes),
        };
        nodes.push(Node { tag: element.tag, body, string: false });
    }
    Some(nodes)
}

/// The canonical form.
#[must_use]
pub fn canonical(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    for node in nodes {
        let content = match &node.body {
            Body::Primitive(octets) | Body::Raw(octets) => octets.clone(),
            Body::Nodes(nodes) => canonical(nodes),
        };
        put_tag(&mut out, node.tag, !matches!(node.body, Body::Primitive(_)), None);
        put_length(&mut out, content.len(), 0);
        out.extend(content);
    }
    out
}

/// A form that is legal and odd, the same for the same choices.
#[must_use]
pub fn odd(nodes: &[Node], choice: &mut Choice) -> Vec<u8> {
    let mut out = Vec::new();
    nodes.iter().for_each(|node| put_odd(&mut out, node, choice, 0));
    out
}

/// Writes a node; `open` indefinite lengths are around it.
fn put_odd(out: &mut Vec<u8>, node: &Node, choice: &mut Choice, open: usize) {
    let pieces;
    let body = match &node.body {
        Body::Primitive(octets) if node.string && choice.one_in(2) => {
            pieces = Body::Nodes(cut(octets, choice, 0));
            &pieces
        }
        body => body,
    };
    let padding = choice.one_in(3).then(|| choice.below(3));
    put_tag(out, node.tag, !matches!(body, Body::Primitive(_)), padding);
    match body {
        Body::Nodes(nodes) => {
            let indefinite = open + 2 < MAX_DEPTH && !nodes.iter().any(is_end) && choice.one_in(3);
            if indefinite {
                out.push(0x80);
                nodes.iter().for_each(|node| put_odd(out, node, choice, open + 1));
                out.extend([0, 0]);
            } else {
                let mut content = Vec::new();
                nodes.iter().for_each(|node| put_odd(&mut content, node, choice, open));
                put_odd_length(out, &content, choice);
            }
        }
        Body::Primitive(content) | Body::Raw(content) => put_odd_length(out, content, choice),
    }
}

/// Whether an element may read as the end of contents (X.690 §8.1.5), which must not stand in an indefinite length.
fn is_end(node: &Node) -> bool {
    node.tag == Tag::universal(0)
}

/// A string in pieces, which may be in pieces themselves.
fn cut(octets: &[u8], choice: &mut Choice, depth: usize) -> Vec<Node> {
    let mut pieces = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + choice.below(rest.len()));
        rest = after;
        pieces.push(if depth < 3 && choice.one_in(4) {
            Node::constructed(OCTET_STRING, cut(piece, choice, depth + 1))
        } else {
            Node::primitive(OCTET_STRING, piece)
        });
    }
    pieces
}

fn put_odd_length(out: &mut Vec<u8>, content: &[u8], choice: &mut Choice) {
    let padding = if choice.one_in(3) { choice.below(4) + 1 } else { 0 };
    put_length(out, content.len(), padding);
    out.extend(content);
}

/// Writes a tag: in the shortest form, or with `padding` in the long form with so many zeros before the number, where
/// the reader's bound of four octets leaves room.
fn put_tag(out: &mut Vec<u8>, tag: Tag, constructed: bool, padding: Option<usize>) {
    let first = (tag.class() as u8) << 6 | if constructed { 0x20 } else { 0 };
    let number = tag.number();
    if number < 31 && padding.is_none() {
        out.push(first | number as u8);
        return;
    }
    out.push(first | 0x1f);
    let mut groups = 1;
    while groups < 4 && number >> (7 * groups) != 0 {
        groups += 1;
    }
    out.extend(std::iter::repeat_n(0x80, padding.unwrap_or(0).min(4 - groups)));
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push((number >> (7 * group)) as u8 & 0x7f | more);
    }
}

/// Writes a length: in the shortest form, or with `padding` octets more than the long form needs.
fn put_length(out: &mut Vec<u8>, length: usize, padding: usize) {
    if length < 0x80 && padding == 0 {
        out.push(length as u8);
        return;
    }
    let octets = length.to_be_bytes();
    let significant = octets.len() - octets.iter().take_while(|octet| **octet == 0).count();
    let kept = significant.max(1) + padding.saturating_sub(usize::from(length < 0x80));
    out.push(0x80 | kept as u8);
    out.extend(std::iter::repeat_n(0, kept.saturating_sub(octets.len())));
    out.extend(&octets[octets.len() - kept.min(octets.len())..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_tags_are_written_in_every_form() {
        let long = |length, padding| {
            let mut out = Vec::new();
            put_length(&mut out, length, padding);
            out
        };
        assert_eq!(long(5, 0), [5]);
        assert_eq!(long(5, 1), [0x81, 5]);
        assert_eq!(long(0x80, 0), [0x81, 0x80]);
        assert_eq!(long(0x1234, 2), [0x84, 0, 0, 0x12, 0x34]);
        let tag = |number, padding| {
            let mut out = Vec::new();
            put_tag(&mut out, Tag::context(number), true, padding);
            out
        };
        assert_eq!(tag(3, None), [0xa3]);
        assert_eq!(tag(3, Some(2)), [0xbf, 0x80, 0x80, 3]);
        assert_eq!(tag(0x81, None), [0xbf, 0x81, 1]);
    }

    #[test]
    fn odd_forms_read_as_what_they_stand_for() {
        let octets = [0x62, 0x0a, 0x48, 0x01, 0x07, 0x6c, 0x05, 0xa1, 0x03, 0x02, 0x01, 0x01];
        let nodes = read(&octets).unwrap();
        assert_eq!(canonical(&nodes), octets);
        for seed in 0..=255 {
            assert_eq!(read(&odd(&nodes, &mut Choice::of(&[seed]))).unwrap(), nodes, "{seed}");
        }
    }
}
