use super::*;
use crate::inspect::testing::sealed;
use std::path::Path;

fn engine(rules: &str) -> Engine {
    // These messages have no dialogue portion: that is another rule's matter.
    let text = format!("schema = 1\n{rules}\n[findings]\nversion_downgrade = \"note\"\n");
    Engine::new(&Config::from_text(&text, Path::new("t")).unwrap())
}

/// UDT from global title 447700900123 with a Begin that holds these components.
fn udt(components: &str) -> Vec<u8> {
    let tcap = sealed(&format!("62{{48{{01}} 6c{{{components}}}}}"));
    let called = sealed("{12 06 00 12 04 94 71}");
    let calling = sealed("{12 09 00 12 04 44 77 00 09 10 32}");
    let mut udt = vec![0x09, 0x00, 3];
    udt.push(u8::try_from(2 + called.len()).unwrap());
    udt.push(u8::try_from(1 + called.len() + calling.len()).unwrap());
    udt.extend(called);
    udt.extend(calling);
    udt.push(u8::try_from(tcap.len()).unwrap());
    udt.extend(tcap);
    udt
}

fn screen(engine: &Engine, components: &str, direction: Direction) -> Decision {
    use ss7guard_common::wire::m3ua::{Data, Label};
    let udt = udt(components);
    let data = Data { label: Label { si: 3, ..Label::default() }, ..Data::default() };
    engine.screen(&Message::decode(data, &udt), Source { direction, peer: None, port: None })
}

const ATI: &str = "a1{02{01} 02{47} 30{a0{81{91 44 77}} a1{80{}} 83{91 44 77}}}";
const PSI: &str = "a1{02{02} 02{46} 30{80{00 01 01 21 43 65 87 f9}}}";

#[test]
fn category_1_from_the_interconnect_is_an_alert_with_its_evidence() {
    let decision = screen(&engine(""), ATI, Direction::In);
    assert_eq!((decision.verdict, decision.category), (Verdict::Alert, Some(Category::Cat1)));
    assert_eq!(decision.rule, Some(RULE_CATEGORY1));
    assert_eq!(decision.evidence[0].operation.unwrap().name, "anyTimeInterrogation");
}

#[test]
fn our_own_category_1_is_nobodys_business() {
    assert_eq!(screen(&engine(""), ATI, Direction::Out).verdict, Verdict::Allow);
}

#[test]
fn a_second_component_does_not_hide_behind_the_first() {
    let both = format!("{PSI} {ATI}");
    let decision = screen(&engine(""), &both, Direction::In);
    assert_eq!((decision.verdict, decision.evidence[0].operation.unwrap().component), (Verdict::Alert, 1));
}

#[test]
fn an_agreement_allows_its_operation_from_its_sender_only() {
    let agreed = |operation: &str, prefix: &str| {
        let rules = format!(
            "[[agreement]]\noperations = [{operation}]\ngt_prefixes = [\"{prefix}\"]\nreason = \"r\""
        );
        screen(&engine(&rules), ATI, Direction::In).verdict
    };
    assert_eq!(agreed("71", "447700900"), Verdict::Allow);
    assert_eq!(agreed("71", "447700901"), Verdict::Alert);
    assert_eq!(agreed("58", "447700900"), Verdict::Alert);
}

#[test]
fn it_blocks_only_where_every_switch_says_so() {
    let verdict = |network: &str, rule: &str, block: &str| {
        let rules = format!(
            "[network]\nmode = \"{network}\"\n[rules.category1]\nmode = \"{rule}\"\nblock = \"{block}\""
        );
        screen(&engine(&rules), ATI, Direction::In).verdict
    };
    assert_eq!(verdict("enforce", "enforce", "opc"), Verdict::Block);
    assert_eq!(verdict("monitor", "enforce", "opc"), Verdict::Alert);
    assert_eq!(verdict("enforce", "monitor", "opc"), Verdict::Alert);
    assert_eq!(verdict("enforce", "enforce", "none"), Verdict::Alert);
    assert_eq!(verdict("enforce", "off", "opc"), Verdict::Allow);
}

#[test]
fn other_operations_and_cap_are_not_category_1() {
    assert_ne!(screen(&engine(""), PSI, Direction::In).rule, Some(RULE_CATEGORY1));
    // Code 22 in a dialogue with a CAP context is another operation.
    let cap = sealed(
        "62{48{01} 6b{28{06{00118605010101} a0{60{80{0780} a1{06{04000001003201}}}}}} 6c{a1{02{01} 02{16} 30{}}}}",
    );
    let message = Message::decode_tcap_only(&cap);
    assert_eq!(message.protocol, Protocol::Cap);
    assert_eq!(
        engine("").screen(&message, Source { direction: Direction::In, peer: None, port: None }).verdict,
        Verdict::Allow
    );
}

#[test]
fn what_cannot_be_decoded_is_malformed_with_its_reason() {
    let message = Message::decode_tcap_only(&[0x62, 0x05]);
    let decision = engine("").screen(&message, Source { direction: Direction::In, peer: None, port: None });
    assert_eq!((decision.verdict, decision.reason), (Verdict::Malformed, "tcap_truncated"));
}

#[test]
fn a_peer_speaks_for_its_own_global_titles_and_by_its_own_ports_from_any_of_its_addresses() {
    use ss7guard_common::wire::m3ua::{Data, Label};
    let engine = engine(
        "[[peer]]\naddresses = [\"192.0.2.1\", \"192.0.2.2\"]\nside = \"interconnect\"\nports = [2905]\n\
         gt_prefixes = [\"4477009\"]\n[[peer]]\naddress = \"192.0.2.3\"\nside = \"interconnect\"\n\
         gt_prefixes = [\"33\"]\n",
    );
    let udt = udt(PSI);
    let said = |last: u32, port: u16| {
        let data = Data { label: Label { si: 3, ..Label::default() }, ..Data::default() };
        let peer = Some(Address::from_ipv4(0xc000_0200 | last));
        let source = Source { direction: Direction::In, peer, port: Some(port) };
        engine.spoofing(&Message::decode(data, &udt), source)
    };
    for last in [1, 2] {
        assert_eq!(said(last, 2905), None);
        let why = &said(last, 2906).unwrap().evidence[0].why;
        assert!(why.contains("the SCTP port 2906"), "{why}");
    }
    let foreign = said(3, 2905).unwrap();
    assert_eq!((foreign.verdict, foreign.rule), (Verdict::Alert, Some(RULE_SPOOFING)));
    assert!(foreign.evidence[0].why.contains("may speak for"), "{foreign:?}");
    assert_eq!(said(9, 2905), None, "nothing is said of other addresses");
}

#[test]
fn a_port_tells_where_live_traffic_is_from_and_peers_tell_it_in_a_capture() {
    use ss7guard_common::abi::bridge_flag::BY_PORT;
    let text = "schema = 1\n[network]\ndeployment = \"bridge\"\n";
    let config = Config::from_text(text, std::path::Path::new("t.toml")).expect(text);
    assert_eq!(Pipeline::new(&config, 0).host.config.bridge & BY_PORT, 0);
    assert_eq!(Pipeline::without_blocks(&config).host.config.bridge & BY_PORT, BY_PORT);
}
