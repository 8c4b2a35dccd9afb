use super::*;

fn only(octets: &[u8]) -> (Element<'_>, Findings) {
    let mut work = Work::default();
    let mut reader = Reader::new(octets, 0);
    let element = reader.next(&mut work).unwrap().unwrap();
    assert!(reader.rest().is_empty());
    (element, work.findings)
}

fn error(octets: &[u8]) -> BerError {
    let mut work = Work::default();
    Reader::new(octets, 0).next(&mut work).unwrap_err()
}

#[test]
fn a_plain_element_has_no_findings() {
    let (element, findings) = only(&[0x80, 0x02, 0xaa, 0xbb]);
    assert_eq!(element.tag, Tag::context(0));
    assert_eq!(element.content, [0xaa, 0xbb]);
    assert!(findings.is_empty());
}

#[test]
fn an_extended_tag_reads_as_its_number_and_is_noted() {
    for octets in [&[0x9f, 0x00, 0x01, 0xaa][..], &[0x9f, 0x80, 0x00, 0x01, 0xaa]] {
        let (element, findings) = only(octets);
        assert_eq!(element.tag, Tag::context(0));
        assert_eq!(element.content, [0xaa]);
        assert!(findings.contains(Finding::NoncanonicalTag));
    }
}

#[test]
fn a_high_tag_that_needs_the_long_form_is_normal() {
    let (element, findings) = only(&[0xbf, 0x1f, 0x00]);
    assert_eq!(element.tag, Tag::context(31));
    assert!(findings.is_empty());
}

#[test]
fn long_lengths_are_read_and_noted_only_when_not_needed() {
    let (element, findings) = only(&[0x30, 0x82, 0x00, 0x01, 0xaa]);
    assert_eq!(element.content, [0xaa]);
    assert!(findings.contains(Finding::NoncanonicalLength));
    let mut long = vec![0x30, 0x81, 0x80];
    long.extend([0; 0x80]);
    assert!(only(&long).1.is_empty());
}

#[test]
fn extents_kept_from_an_outer_element_are_those_of_the_inner_ones() {
    // More siblings of indefinite length than are kept, each with one inside.
    let inner = [0x31, 0x80, 0x04, 0x01, 0xaa, 0, 0];
    let sibling = [&[0x30, 0x80][..], &inner, &[0, 0]].concat();
    let octets = [&[0x30, 0x80][..], &sibling.repeat(12), &[0, 0]].concat();
    let mut work = Work::default();
    let outer = Reader::new(&octets, 7).next(&mut work).unwrap().unwrap();
    assert_eq!(outer.content, sibling.repeat(12));
    let mut siblings = outer.inside();
    for _ in 0..12 {
        let sibling = siblings.next(&mut work).unwrap().unwrap();
        assert_eq!(sibling.content, inner);
        let inside = sibling.inside().next(&mut work).unwrap().unwrap();
        assert_eq!(inside.content, [0x04, 0x01, 0xaa]);
    }
    assert!(siblings.next(&mut work).unwrap().is_none());
}

#[test]
fn indefinite_lengths_nest_and_end_where_they_end() {
    let octets = [0x30, 0x80, 0xa0, 0x80, 0x04, 0x02, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x05, 0x00, 0x00];
    let (element, findings) = only(&octets);
    assert_eq!(element.content.len(), octets.len() - 4);
    assert!(findings.contains(Finding::IndefiniteLength));
}

#[test]
fn what_is_not_ber_has_a_reason() {
    assert!(matches!(error(&[0x30, 0x80, 0x04, 0x01, 0x00]), BerError::Truncated { .. }));
    assert_eq!(error(&[0x04, 0x80, 0x00, 0x00]), BerError::BadLength { offset: 0 });
    assert_eq!(error(&[0x04, 0xff]), BerError::BadLength { offset: 0 });
    assert_eq!(error(&[0x04, 0x85, 1, 0, 0, 0, 0]), BerError::BadLength { offset: 0 });
    assert_eq!(error(&[0x04, 0x05, 0x00]), BerError::Truncated { offset: 0 });
    assert_eq!(error(&[0x9f, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00]), BerError::TagTooLong { offset: 0 });
    let deep = [0x30, 0x80].repeat(MAX_DEPTH + 1);
    assert_eq!(error(&deep), BerError::TooDeep { offset: 0 });
}

#[test]
fn a_string_in_pieces_is_put_together() {
    let (element, _) = only(&[0xa0, 0x08, 0x04, 0x01, 0x01, 0x24, 0x03, 0x04, 0x01, 0x02]);
    let mut work = Work::default();
    assert_eq!(element.octets(&mut work).unwrap().as_slice(), [0x01, 0x02]);
    assert!(work.findings.contains(Finding::ConstructedString));
}

#[test]
fn integers_are_values_not_octets() {
    let cases: [(&[u8], Option<i32>, bool); 7] = [
        (&[0x46], Some(70), false),
        (&[0x00, 0x46], Some(70), true),
        (&[0x00, 0x80], Some(128), false),
        (&[0xff], Some(-1), false),
        (&[0xff, 0xff], Some(-1), true),
        (&[], None, false),
        (&[1, 2, 3, 4, 5], None, false),
    ];
    for (content, value, odd) in cases {
        let element = Element { tag: INTEGER, constructed: false, content, offset: 0, content_offset: 2 };
        let mut work = Work::default();
        assert_eq!(element.integer(&mut work), value, "{content:x?}");
        assert_eq!(!work.findings.is_empty(), odd, "{content:x?}");
    }
}

#[test]
fn a_padded_arc_reads_as_its_number_and_is_noted() {
    let mut findings = Findings::default();
    let plain = Oid::parse(&[0x04, 0x00, 0x00, 0x01, 0x00, 0x1c, 0x03], 0, &mut findings).unwrap();
    assert!(findings.is_empty());
    let padded = Oid::parse(&[0x04, 0x00, 0x00, 0x01, 0x80, 0x00, 0x1c, 0x03], 0, &mut findings).unwrap();
    assert!(findings.contains(Finding::NoncanonicalOid));
    assert_eq!(plain, padded);
    assert_eq!(plain.to_string(), "0.4.0.0.1.0.28.3");
    assert_eq!(Oid::parse(&[0x2b, 0x80], 0, &mut findings), None);
}

#[test]
fn hostile_octets_end_in_a_bounded_number_of_steps() {
    // Every second octet opens a container: the worst shape for the element budget.
    let octets = [0x30, 0x80].repeat(40_000);
    let mut work = Work::default();
    assert!(Reader::new(&octets, 0).next(&mut work).is_err());
    assert!(work.elements <= MAX_ELEMENTS + 1);
}
