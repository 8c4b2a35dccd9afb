//! Octets as BER elements: places, work, and that the form of an encoding does not change what it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ss7guard_fuzz::check_work;
use ss7guard_fuzz::choice::Choice;
use ss7guard_fuzz::tree::{self, Body, Node};
use ss7guard_userspace::inspect::ber::{Element, INTEGER, MAX_JOINED, OCTET_STRING, Oid, Reader, Work};
use ss7guard_userspace::inspect::findings::Findings;

fuzz_target!(|octets: &[u8]| {
    let mut work = Work::default();
    walk(Reader::new(octets, 0), octets, 0, &mut work);
    check_work(&work, octets.len());
    number(octets);
    object_identifier(octets);

    let Some(mut nodes) = tree::read(octets) else { return };
    let plain = tree::canonical(&nodes);
    let mut work = Work::default();
    let mut reader = Reader::new(&plain, 0);
    while reader.next(&mut work).expect("canonical BER is BER").is_some() {}
    assert!(work.findings.is_empty(), "{:?} in {plain:02x?}", work.findings);
    assert_eq!(tree::read(&plain).as_ref(), Some(&nodes), "{plain:02x?}");

    let mut choice = Choice::of(octets);
    for node in &mut nodes {
        node.each(&mut |node| node.string = node.tag == OCTET_STRING);
    }
    let odd = tree::odd(&nodes, &mut choice);
    if odd.len() < octets.len() * 16 + 64 {
        same(&nodes, Reader::new(&odd, 0), &mut Work::default());
    }
});

/// Reads everything, and holds each element to be where it says.
fn walk(mut reader: Reader<'_>, whole: &[u8], depth: usize, work: &mut Work) {
    loop {
        let (start, left) = (reader.offset(), reader.rest().len());
        let element = match reader.next(work) {
            Ok(Some(element)) => element,
            Ok(None) => {
                assert_eq!(left, 0);
                return;
            }
            Err(error) => {
                assert_eq!((reader.offset(), reader.rest().len()), (start, left), "{error} moves the reader");
                return;
            }
        };
        let taken = left - reader.rest().len();
        assert!(taken >= 2 && reader.offset() == start + taken);
        assert!(element.offset == start && element.content_offset >= start + 2);
        let end = element.content_offset + element.content.len();
        assert!(end <= reader.offset());
        assert_eq!(&whole[element.content_offset..end], element.content);
        let mut alone = Work::default();
        if let Ok(joined) = element.octets(&mut alone) {
            assert!(joined.as_slice().len() <= element.content.len());
        }
        check_work(&alone, element.content.len());
        if element.constructed && depth < 24 {
            walk(element.inside(), whole, depth + 1, work);
        }
    }
}

/// Holds elements read against the nodes that they were made of.
fn same(nodes: &[Node], mut reader: Reader<'_>, work: &mut Work) {
    for node in nodes {
        let element = reader.next(work).expect("legal BER is BER").expect("no element is lost");
        assert_eq!(element.tag, node.tag);
        match &node.body {
            Body::Nodes(nodes) => {
                assert!(element.constructed);
                same(nodes, element.inside(), work);
            }
            Body::Raw(octets) => {
                assert_eq!((element.constructed, element.content), (true, octets.as_slice()))
            }
            Body::Primitive(octets) => {
                let read = element.octets(work).expect("the pieces are BER");
                let kept = if element.constructed { octets.len().min(MAX_JOINED) } else { octets.len() };
                assert_eq!(read.as_slice(), &octets[..kept]);
            }
        }
    }
    assert!(reader.next(work).expect("legal BER is BER").is_none(), "an element too many");
}

/// An integer keeps its value in the shortest form and in longer ones.
fn number(content: &[u8]) {
    let read = |content: &[u8]| {
        let element = Element { tag: INTEGER, constructed: false, content, offset: 0, content_offset: 2 };
        element.integer(&mut Work::default())
    };
    let Some(value) = read(content) else { return };
    let octets = value.to_be_bytes();
    let fill = if value < 0 { 0xff } else { 0 };
    let shortest = (0..3).find(|at| octets[*at] != fill || (octets[at + 1] ^ fill) & 0x80 != 0).unwrap_or(3);
    assert_eq!(read(&octets[shortest..]), Some(value));
    for padding in [1, 4, 9] {
        assert_eq!(read(&[&vec![fill; padding], &octets[shortest..]].concat()), Some(value));
    }
}

/// An object identifier keeps its arcs in the shortest form and in longer ones.
fn object_identifier(content: &[u8]) {
    let mut findings = Findings::default();
    let Some(oid) = Oid::parse(content, 0, &mut findings) else { return };
    let arcs: Vec<u32> = oid.arcs().collect();
    let first = arcs[0] * 40 + arcs[1];
    let (mut plain, mut padded) = (Vec::new(), Vec::new());
    for value in [first].into_iter().chain(arcs[2..].iter().copied()) {
        let groups = (1..5).rev().find(|group| value >> (7 * group) != 0).map_or(1, |group| group + 1);
        padded.push(0x80);
        for group in (0..groups).rev() {
            let octet = (value >> (7 * group)) as u8 & 0x7f | if group > 0 { 0x80 } else { 0 };
            plain.push(octet);
            padded.push(octet);
        }
    }
    let mut none = Findings::default();
    assert_eq!(Oid::parse(&plain, 0, &mut none), Some(oid));
    assert!(none.is_empty());
    assert_eq!(Oid::parse(&padded, 0, &mut findings), Some(oid));
    assert_eq!(oid.to_string(), arcs.iter().map(u32::to_string).collect::<Vec<_>>().join("."));
}
