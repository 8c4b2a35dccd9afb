//! A user part: bounds, and that type and order of parts do not change what an SCCP message says.
#![no_main]

use libfuzzer_sys::fuzz_target;
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

    for flavour in [Flavour::China, Flavour::Ansi] {
        facts::check(&Message::decode_as(wrap::sccp_label(), octets, flavour), octets);
    }
    if let (Some(sccp), Ok(())) = (&decoded, result) {
        again(sccp, &facts, &mut Choice::of(octets));
    }
});

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
