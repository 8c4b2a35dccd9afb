//! The parameter of an operation, after an octet for component type and protocol and one for the code: identities are
//! the same in every form of the encoding and behind every type of message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ss7guard_fuzz::choice::Choice;
use ss7guard_fuzz::facts;
use ss7guard_fuzz::tree::{self, Body, Node};
use ss7guard_fuzz::{check_work, wrap};
use ss7guard_userspace::inspect::ber::{BerError, Class, OCTET_STRING, Reader, Work};
use ss7guard_userspace::inspect::gsm_map::{Identities, Protocol, extract};
use ss7guard_userspace::inspect::message::{Message, Outcome};
use ss7guard_userspace::inspect::sccp::{Address, Kind};
use ss7guard_userspace::inspect::tcap::{Code, Component, ComponentKind};

/// Strings that are tried for whether an identity is read from them.
const MAX_STRINGS: usize = 12;

fuzz_target!(|octets: &[u8]| {
    let [head, code, parameter @ ..] = octets else { return };
    let operation = Operation {
        kind: match head & 3 {
            0 | 3 => ComponentKind::Invoke,
            1 => ComponentKind::ReturnResultLast,
            _ => ComponentKind::ReturnError,
        },
        protocol: if head & 0x80 == 0 { Protocol::Map } else { Protocol::Cap },
        code: *code,
    };
    let mut reader = Reader::new(parameter, 0);
    if !matches!(reader.next(&mut Work::default()), Ok(Some(_))) {
        return;
    }
    let parameter = &parameter[..reader.offset()];
    let mut work = Work::default();
    let (found, result) = operation.identities(parameter, &mut work);
    check_work(&work, parameter.len());

    let mut choice = Choice::of(octets);
    in_messages(&operation, parameter, &found, result, &mut choice);
    if result.is_ok() {
        in_other_forms(&operation, parameter, &found, &mut choice);
    }
});

struct Operation {
    kind: ComponentKind,
    protocol: Protocol,
    code: u8,
}

impl Operation {
    /// Identities of a parameter, with nothing around it.
    fn identities(&self, parameter: &[u8], work: &mut Work) -> (Identities, Result<(), BerError>) {
        let code = Some(Code::Local(i32::from(self.code)));
        let is_error = self.kind == ComponentKind::ReturnError;
        let component = Component {
            kind: self.kind,
            invoke_id: Some(1),
            linked_id: None,
            operation: code.filter(|_| !is_error),
            error: code.filter(|_| is_error),
            parameter: Reader::new(parameter, 0).next(work).ok().flatten(),
            offset: 0,
        };
        let mut found = Identities::default();
        let result = extract::component(&component, self.protocol, &mut found, work);
        (found, result)
    }
}

/// The same parameter in whole messages.
fn in_messages(
    operation: &Operation,
    parameter: &[u8],
    found: &Identities,
    result: Result<(), BerError>,
    choice: &mut Choice,
) {
    let tcap = wrap::tcap(operation.kind, operation.protocol, operation.code, parameter);
    let check = |message: &Message<'_>| {
        assert_eq!(message.protocol, operation.protocol);
        // What a short message is in may be broken where no identity is.
        let decoded = message.outcome == Outcome::Decoded;
        let short_message = operation.protocol == Protocol::Map && matches!(operation.code, 44 | 46);
        assert!(decoded == result.is_ok() || (short_message && !decoded), "{:?}", message.outcome);
        assert_eq!(message.identities, *found);
        if operation.kind == ComponentKind::Invoke {
            assert!(message.invokes().eq([(0, i32::from(operation.code))]));
        }
    };
    let message = Message::decode_tcap_only(&tcap);
    facts::check(&message, &tcap);
    check(&message);
    let address = wrap::address(&Address { ssn: Some(6), route_on_ssn: true, ..Address::default() });
    let kind = [Kind::Udt, Kind::Xudt, Kind::Ludt][choice.below(3)];
    if let Some(octets) = wrap::sccp(kind, &address, &address, &tcap, choice) {
        check(&Message::decode(wrap::sccp_label(), &octets));
    }
}

/// The same parameter, canonical and odd, with its strings in pieces.
fn in_other_forms(operation: &Operation, parameter: &[u8], found: &Identities, choice: &mut Choice) {
    let Some(mut nodes) = tree::read(parameter) else { return };
    mark_strings(operation, &mut nodes, found);
    for form in [tree::canonical(&nodes), tree::odd(&nodes, choice), tree::odd(&nodes, choice)] {
        let mut work = Work::default();
        let (other, result) = operation.identities(&form, &mut work);
        check_work(&work, form.len());
        match result {
            Ok(()) => assert_eq!(other, *found, "{form:02x?}"),
            Err(error) => assert!(matches!(error, BerError::TooDeep { .. } | BerError::TooMany), "{error}"),
        }
    }
}

/// Marks the elements that are strings: those whose octets show in an identity. Nothing else says what a context tag
/// stands for.
fn mark_strings(operation: &Operation, nodes: &mut [Node], found: &Identities) {
    let mut tried = 0;
    while tried < MAX_STRINGS {
        // Another digit in the candidate with this number, then the old one again.
        let Some(other) = with_candidate(nodes, tried, change) else { return };
        let (changed, _) = operation.identities(&other, &mut Work::default());
        with_candidate(nodes, tried, change);
        if changed != *found {
            with_candidate(nodes, tried, |node| node.string = true);
        }
        tried += 1;
    }
}

/// Changes two digits; twice, none.
fn change(node: &mut Node) {
    if let Body::Primitive(octets) = &mut node.body {
        let at = usize::from(octets.len() > 1);
        if let Some(octet) = octets.get_mut(at) {
            *octet ^= 0x11;
        }
    }
}

/// Does something to the candidate with this number and gives the canonical form of all; `None` if there are fewer.
fn with_candidate(nodes: &mut [Node], number: usize, act: impl Fn(&mut Node)) -> Option<Vec<u8>> {
    let mut seen = 0;
    let mut done = false;
    for node in &mut *nodes {
        node.each(&mut |node| {
            let is_candidate = matches!(node.body, Body::Primitive(_))
                && (node.tag == OCTET_STRING || node.tag.class() == Class::Context);
            if is_candidate && seen == number {
                act(node);
                done = true;
            }
            seen += usize::from(is_candidate);
        });
    }
    done.then(|| tree::canonical(nodes))
}
