use super::*;

/// UDT from 15550100999 (SSN 9) to 491700000001 (SSN 7).
const UDT: &[u8] = &[
    0x09, 0x80, 0x03, 0x0e, 0x19, // type, class 0 with return on error, pointers
    0x0b, 0x12, 0x07, 0x00, 0x12, 0x04, 0x94, 0x71, 0x00, 0x00, 0x00, 0x10, // called
    0x0b, 0x12, 0x09, 0x00, 0x11, 0x04, 0x51, 0x55, 0x10, 0x00, 0x99, 0x09, // calling
    0x02, 0xaa, 0xbb, // data
];

fn message<'a>(octets: &'a [u8], findings: &mut Findings) -> Result<Sccp<'a>, SccpError> {
    let mut message = None;
    decode(octets, Flavour::Itu, &mut message, findings).map(|()| message.unwrap())
}

fn address_of(octets: &[u8], findings: &mut Findings) -> Address {
    let mut address = Address::default();
    address::decode(octets, 0, &mut address, findings).unwrap();
    address
}

fn decoded(octets: &[u8]) -> (Sccp<'_>, Findings) {
    let mut findings = Findings::default();
    (message(octets, &mut findings).unwrap(), findings)
}

#[test]
fn udt_gives_addresses_and_data() {
    let (message, findings) = decoded(UDT);
    assert_eq!(message.kind, Kind::Udt);
    assert_eq!((message.called.digits(), message.called.ssn), (Some("491700000001"), Some(7)));
    assert_eq!((message.calling.digits(), message.calling.ssn), (Some("15550100999"), Some(9)));
    assert_eq!((message.data, message.data_offset), (&[0xaa, 0xbb][..], 30));
    assert!(findings.is_empty());
}

#[test]
fn xudt_shows_its_segmentation() {
    let octets = [
        0x11, 0x81, 0x0f, 0x04, 0x06, 0x08, 0x0a, // type, class 1, hops, pointers
        0x02, 0x42, 0x06, // called: SSN 6
        0x02, 0x42, 0x08, // calling: SSN 8
        0x02, 0xaa, 0xbb, // data
        0x10, 0x04, 0x81, 0x01, 0x02, 0x03, 0x12, 0x01, 0x07, 0x00, // segmentation, importance, end
    ];
    let (message, _) = decoded(&octets);
    let part = message.segmentation.unwrap();
    assert_eq!((part.first, part.remaining, part.local_reference), (true, 1, 0x01_0203));
    assert!(part.is_part());
    assert_eq!(message.hop_counter, Some(15));
    assert_eq!((message.called.ssn, message.called.route_on_ssn), (Some(6), true));
}

#[test]
fn ludt_has_long_pointers_relative_to_their_second_octet() {
    let octets = [
        0x13, 0x01, 0x0f, // type, class, hops
        0x07, 0x00, 0x08, 0x00, 0x09, 0x00, 0x00, 0x00, // pointers, no optional part
        0x02, 0x42, 0x06, 0x02, 0x42, 0x08, // addresses
        0x03, 0x00, 0xaa, 0xbb, 0xcc, // long data
    ];
    let (message, findings) = decoded(&octets);
    assert_eq!((message.called.ssn, message.calling.ssn), (Some(6), Some(8)));
    assert_eq!(message.data, [0xaa, 0xbb, 0xcc]);
    assert_eq!(findings.kinds().collect::<Vec<_>>(), [Finding::GlobalTitleMissing]);
}

#[test]
fn every_global_title_form_gives_its_digits() {
    let cases: [(&[u8], &str); 5] = [
        (&[0x04, 0x84, 0x21, 0x43, 0x05], "12345"), // GTI 1, nature 4, odd
        (&[0x08, 0x0a, 0x21, 0xf3], "123"),         // GTI 2
        (&[0x0c, 0x00, 0x12, 0x21, 0x43], "1234"),  // GTI 3, E.164, even
        (&[0x10, 0x00, 0x71, 0x04, 0x21, 0x03], "123"), // GTI 4, E.214, odd
        (&[0x11, 0x02, 0x10, 0x00, 0x12, 0x04, 0x21], "12"), // GTI 4 after a point code
    ];
    for (octets, digits) in cases {
        let address = address_of(octets, &mut Findings::default());
        assert_eq!(address.digits(), Some(digits), "{octets:x?}");
    }
    let with_code = address_of(cases[4].0, &mut Findings::default());
    assert_eq!(with_code.point_code, Some(0x1002));
}

#[test]
fn unused_global_title_indicators_are_no_error() {
    let address = address_of(&[0x3c, 0x01, 0x02], &mut Findings::default());
    assert_eq!(address.global_title.unwrap().indicator, 15);
    assert_eq!(address.digits(), None);
}

#[test]
fn hexadecimal_digits_are_shown_and_noted() {
    let mut findings = Findings::default();
    let address = address_of(&[0x10, 0x00, 0x12, 0x04, 0x2b], &mut findings);
    assert_eq!(address.digits(), Some("b2"));
    assert!(findings.contains(Finding::OddDigits));
}

#[test]
fn a_filler_that_no_encoding_scheme_announces_is_noted() {
    for (octets, digits) in [
        (&[0x08, 0x0a, 0x21, 0xf3][..], "123"),         // GTI 2: no scheme
        (&[0x10, 0x00, 0x10, 0x04, 0x21, 0xf3], "123"), // GTI 4, scheme 0
    ] {
        let mut findings = Findings::default();
        assert_eq!(address_of(octets, &mut findings).digits(), Some(digits));
        assert!(findings.contains(Finding::OddDigits), "{octets:x?}");
    }
    let mut findings = Findings::default();
    assert_eq!(address_of(&[0x08, 0x0a, 0x21, 0x43], &mut findings).digits(), Some("1234"));
    assert!(!findings.contains(Finding::OddDigits));
}

#[test]
fn other_types_have_their_reason() {
    let error = |octets: &[u8]| message(octets, &mut Findings::default()).unwrap_err();
    assert_eq!(error(&[0x01, 0x00]), SccpError::ConnectionOriented(1));
    assert_eq!(error(&[0x55]), SccpError::UnknownType(0x55));
    assert_eq!(error(&[]), SccpError::Truncated { what: "message type", offset: 0 });
}

#[test]
fn pointers_outside_or_in_another_order_are_seen() {
    for cut in 0..UDT.len() {
        assert!(message(&UDT[..cut], &mut Findings::default()).is_err(), "{cut}");
    }
    let mut swapped = UDT.to_vec();
    swapped[2] = 0x0f; // called points to the calling address
    swapped[3] = 0x02;
    let (message, findings) = decoded(&swapped);
    assert_eq!(message.called.digits(), Some("15550100999"));
    assert!(findings.contains(Finding::PointerOrder));
}

#[test]
fn flavours_have_addresses_of_their_own() {
    let read = |flavour, octets: &[u8]| {
        let mut address = Address { flavour, ..Address::default() };
        address::decode(octets, 0, &mut address, &mut Findings::default()).unwrap();
        address
    };
    // ANSI: national, routing on global title, form 2; SSN, then the point code: member, cluster, network.
    let octets = [0x8b, 0x06, 0x03, 0x02, 0x01, 0x0e, 0x51, 0x55, 0x10];
    let address = read(Flavour::Ansi, &octets);
    assert_eq!((address.ssn, address.point_code, address.national), (Some(6), Some(0x01_0203), true));
    assert_eq!(address.digits(), Some("155501"));
    assert_eq!(address.global_title.unwrap().translation_type, Some(0x0e));
    // ANSI form 1: translation type, plan and scheme.
    let title = read(Flavour::Ansi, &[0x85, 0x08, 0x0a, 0x12, 0x51, 0x55]).global_title.unwrap();
    assert_eq!((title.translation_type, title.numbering_plan), (Some(0x0a), Some(1)));
    assert_eq!(title.digits.as_str(), "1555");
    // China: as ITU-T, with a point code of three octets.
    let address = read(Flavour::China, &[0x43, 0x03, 0x02, 0x01, 0x08]);
    assert_eq!((address.ssn, address.point_code), (Some(8), Some(0x01_0203)));
}
