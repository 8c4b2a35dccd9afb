//! A TCAP message: bounds, records, and that no form of an encoding hides or changes what it asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ss7guard_fuzz::choice::Choice;
use ss7guard_fuzz::facts::{self, Facts};
use ss7guard_fuzz::tree::{self, Body, Node};
use ss7guard_fuzz::{check_work, wrap};
use ss7guard_userspace::inspect::ber::{Reader, Tag, Work};
use ss7guard_userspace::inspect::message::Message;
use ss7guard_userspace::inspect::sccp::{Address, Kind};
use ss7guard_userspace::inspect::tcap;

fuzz_target!(|octets: &[u8]| {
    let mut work = Work::default();
    let mut decoded = None;
    let alone = tcap::decode(octets, 0, &mut decoded, &mut work);
    check_work(&work, octets.len());
    assert!(alone.is_err() || decoded.is_some());

    let message = Message::decode_tcap_only(octets);
    facts::check(&message, octets);
    let facts = Facts::of(&message);
    assert_eq!(Facts::of(&Message::decode_tcap_only(octets)), facts);

    let mut choice = Choice::of(octets);
    in_sccp(octets, &facts, &mut choice);
    if !facts.hit_a_bound() {
        in_other_forms(octets, &facts, &mut choice);
    }
});

/// The same message in a type of SCCP message.
fn in_sccp(octets: &[u8], facts: &Facts, choice: &mut Choice) {
    let address = wrap::address(&Address { ssn: Some(6), route_on_ssn: true, ..Address::default() });
    let kind = [Kind::Udt, Kind::Xudt, Kind::Ludt][choice.below(3)];
    if let Some(user_part) = wrap::sccp(kind, &address, &address, octets, choice) {
        let message = Message::decode(wrap::sccp_label(), &user_part);
        assert_eq!(Facts::of(&message), *facts, "{kind:?}");
    }
}

/// The same message, canonical and odd.
fn in_other_forms(octets: &[u8], facts: &Facts, choice: &mut Choice) {
    let mut reader = Reader::new(octets, 0);
    let Ok(Some(_)) = reader.next(&mut Work::default()) else { return };
    let (first, rest) = octets.split_at(reader.offset());
    let Some(mut nodes) = tree::read(first) else { return };
    let mut as_it_stands = false;
    for node in &mut nodes {
        node.each(&mut |node| {
            as_it_stands |= is_invoke_with_linked_id_in_pieces(node) || is_broken_id(node);
        });
        if let Body::Nodes(parts) = &mut node.body {
            for part in parts {
                part.string = matches!(part.tag, OTID | DTID);
            }
        }
    }
    if as_it_stands {
        return;
    }
    let forms = [tree::canonical(&nodes), tree::odd(&nodes, choice), tree::odd(&nodes, choice)];
    for form in forms {
        let form = [&form, rest].concat();
        let message = Message::decode_tcap_only(&form);
        let other = Facts::of(&message);
        if !other.hit_a_bound() {
            assert_eq!(other, *facts, "{form:02x?}");
        }
    }
}

const OTID: Tag = Tag::application(8);
const DTID: Tag = Tag::application(9);

/// A linked id is a number, though its tag does not say so; one that claims to hold elements is read as it stands.
fn is_invoke_with_linked_id_in_pieces(node: &Node) -> bool {
    let Body::Nodes(parts) = &node.body else { return false };
    node.tag == Tag::context(1)
        && parts.get(1).is_some_and(|one| one.tag == Tag::context(0) && matches!(one.body, Body::Nodes(_)))
}

/// A transaction id whose pieces are no elements is read as it stands too.
fn is_broken_id(node: &Node) -> bool {
    let mut broken = false;
    if matches!(node.tag, OTID | DTID) {
        node.clone().each(&mut |node| broken |= matches!(node.body, Body::Raw(_)));
    }
    broken
}
