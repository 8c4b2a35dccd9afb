//! A user part: bounds, that type and order of parts do not change what an SCCP message says, and that the kernel reads
//! the same calling global title as the decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ss7guard_common::abi::TITLE_DIGITS;
use ss7guard_common::wire::sccp::calling_title;
use ss7guard_fuzz::choice::Choice;
use ss7guard_fuzz::facts::{self, Facts};
use ss7guard_fuzz::wrap;
use ss7guard_userspace::inspect::findings::Findings;
use ss7guard_userspace::inspect::message::Message;
use ss7guard_userspace::inspect::sccp::{self, Flavour, Kind, Sccp};

fuzz_target!(|octets: &[u8]| {
    let mut decoded = None;
    let result = sccp::decode(octets, Flavour::Itu, &mut decoded, &mut Findings::default());
    assert!(result.is_err() || decoded.is_some());

    let message = Message::decode(wrap::sccp_label(), octets);
    facts::check(&message, octets);
    let facts = Facts::of(&message);
    assert_eq!(Facts::of(&Message::decode(wrap::sccp_label(), octets)), facts);
    let parts = |sccp: Option<&Sccp<'_>>| {
        sccp.map(|sccp| (sccp.kind, sccp.called, sccp.calling, sccp.segmentation, sccp.data_offset))
    };
    assert_eq!(parts(message.sccp.as_ref()), parts(decoded.as_ref()));

    for flavour in Flavour::ALL {
        same_caller(octets, flavour);
    }
    for flavour in [Flavour::China, Flavour::Ansi] {
        facts::check(&Message::decode_as(wrap::sccp_label(), octets, flavour), octets);
    }
    if let (Some(sccp), Ok(())) = (&decoded, result) {
        again(sccp, &facts, &mut Choice::of(octets));
    }
});

/// The kernel's reading of the calling global title against the decoder's.
fn same_caller(octets: &[u8], flavour: Flavour) {
    let title = calling_title(octets, 0, octets.len(), flavour);
    let mut decoded = None;
    let result = sccp::decode(octets, flavour, &mut decoded, &mut Findings::default());
    let (Some(sccp), Ok(())) = (decoded, result) else { return };
    let Some(read) = sccp.calling.global_title else {
        assert!(title.digits().is_empty());
        return;
    };
    let digits = read.digits.as_bytes().iter().take(TITLE_DIGITS);
    let decimal: Vec<u8> = digits.clone().copied().take_while(u8::is_ascii_digit).collect();
    const LAND_MOBILE: u8 = 6;
    if read.numbering_plan == Some(LAND_MOBILE) || decimal.is_empty() {
        assert!(title.digits().is_empty() && title.is_unreadable());
    } else {
        let (ascii, len) = title.digits().to_ascii();
        assert_eq!(ascii[..len], decimal);
        assert_eq!(title.is_unreadable(), decimal.len() < digits.len());
    }
}

/// The same addresses and data in another type of message, with the parts in another order.
fn again(sccp: &Sccp<'_>, facts: &Facts, choice: &mut Choice) {
    let (called, calling) = (wrap::address(&sccp.called), wrap::address(&sccp.calling));
    let kinds = if sccp.kind.is_service() {
        [Kind::Udts, Kind::Xudts, Kind::Ludts]
    } else {
        [Kind::Udt, Kind::Xudt, Kind::Ludt]
    };
    let kind = kinds[choice.below(3)];
    if let Some(octets) = wrap::sccp(kind, &called, &calling, sccp.data, choice) {
        let message = Message::decode(wrap::sccp_label(), &octets);
        let other = message.sccp.as_ref().expect("a message made of its parts");
        assert_eq!(other.kind, kind);
        assert_eq!((other.called, other.calling, other.data), (sccp.called, sccp.calling, sccp.data));
        // The segments of a message are not decoded; these are whole.
        if facts.outcome != "segment" {
            assert_eq!(Facts::of(&message), *facts, "{kind:?}");
        }
    }
}
