use super::*;
use crate::enforce::{CodeTarget, Directions, TitleTarget, Titles};
use ss7guard_common::abi::{bridge_flag, frame_flag};
use ss7guard_common::verdict::{Action, Reason};

fn read(text: &str) -> Result<Config, String> {
    Config::from_text(text, Path::new("t.toml")).map_err(|error| error.to_string())
}

#[test]
fn the_least_configuration_is_fresh_and_monitors() {
    let config = Config::default();
    assert_eq!(config.mode, Mode::Monitor);
    assert_eq!(config.signalling_ports, [2905]);
    let linger = 60_000_000_000;
    assert_eq!(config.kernel_record(), abi::Config { linger, ..abi::Config::fresh() });
    assert_eq!(config.category1.block, RuleBlock::None);
}

#[test]
fn the_shipped_example_says_the_defaults() {
    let text = include_str!("../../../packaging/ss7guard.toml");
    let config = read(text).unwrap();
    let fresh = Config::default();
    assert_eq!(config.kernel_record(), fresh.kernel_record());
    assert_eq!(
        (config.ring_bytes, config.block_entries, config.title_entries),
        (fresh.ring_bytes, fresh.block_entries, fresh.title_entries)
    );
    assert_eq!((config.run_dir, config.bpffs, config.events), (fresh.run_dir, fresh.bpffs, fresh.events));
    assert_eq!(
        (config.category1, config.attach, config.egress),
        (fresh.category1, fresh.attach, fresh.egress)
    );
    assert_eq!((config.blocks, config.agreements), (fresh.blocks, fresh.agreements));
}

#[test]
fn every_part_arrives() {
    let config = read(
        r#"
schema = 1
[network]
interfaces = ["eth1"]
mode = "enforce"
signalling_ports = [2905, 2906]
point_code_format = "8-8-8"
point_code_bits = 24
[limits]
ring_bytes = "1MiB"
[exceptions]
ip_fragment = "drop"
[[peer]]
name = "carrier"
address = "192.0.2.10"
side = "interconnect"
point_code_bits = 14
[[peer]]
address = "2001:db8::1"
side = "home"
[[block]]
pc = "1-2-3"
ni = 2
network_appearance = 7
ttl = "24h"
reason = "test"
[rules.category1]
mode = "enforce"
block = "opc"
ttl = "10m"
[[agreement]]
operations = ["anyTimeInterrogation", 58]
gt_prefixes = ["44"]
"#,
    )
    .unwrap();
    assert_eq!(config.mode, Mode::Enforce);
    assert_eq!(config.kernel_record().policy(Reason::IpFragment.into()), Action::Drop);
    assert_eq!(config.kernel_record().ports, [2905, 2906, 0, 0]);
    assert_eq!((config.peers[0].point_code_bits, config.peers[1].point_code_bits), (14, 24));
    assert_eq!(config.peers[1].side, Side::Home);
    let code = CodeTarget { point_code: 0x01_0203, ni: Some(2), network_appearance: Some(7) };
    assert_eq!(config.blocks[0].target, Target::Code(code));
    assert_eq!(config.agreements[0].operations, [71, 58]);
    assert_eq!(config.category1.ttl, Duration::from_secs(600));
}

#[test]
fn entries_for_global_titles_block_and_allow() {
    let config = read(
        r#"schema = 1
[[block]]
gt = "4477*"
direction = "in"
ttl = "24h"
on_block = "drop"
reason = "fraud"
[[allow]]
gt = "447700900123"
[rules.category1]
block = "gt"
"#,
    )
    .unwrap();
    let target = |text, directions, allows| {
        Target::Title(TitleTarget { titles: Titles::parse(text).unwrap(), directions, allows })
    };
    assert_eq!(config.blocks[0].target, target("4477*", Directions::In, false));
    assert_eq!(config.blocks[0].on_block, OnBlock::Drop);
    assert_eq!(config.blocks[1].target, target("447700900123", Directions::Any, true));
    assert_eq!(config.category1.block, RuleBlock::Gt);
    assert!(config.kernel_record().has(config_flag::GT_LIST));
    assert!(!Config::default().kernel_record().has(config_flag::GT_LIST));
}

#[test]
fn a_bridge_has_its_ports_and_policies() {
    let text = "schema = 1\n[network]\ndeployment = \"bridge\"\nmode = \"enforce\"\n[[bridge]]\ninterconnect = \"ix0\"\n\
                home = \"core0\"\n[hold]\ntime = \"2s\"\nroom = 1024\non_controller_down = \"drop\"\n\
                on_hold_time = \"drop\"\n[frames]\nicmp = \"drop\"\nother = \"drop\"\n";
    let config = read(text).expect(text);
    assert_eq!(config.ports(), ["ix0", "core0"]);
    assert!(config.holds());
    let record = config.kernel_record();
    assert_eq!(record.bridge, bridge_flag::HOLD | bridge_flag::DOWN_DROPS | bridge_flag::BY_PORT);
    assert_eq!(record.frames, frame_flag::ICMP | frame_flag::OTHER);
    assert_eq!(record.policy(Reason::OtherUserPart.into()), Action::Pass);
    // In monitor mode nothing waits, unless it is asked for.
    let monitor = text.replace("enforce", "monitor");
    assert!(!read(&monitor).expect("monitor").holds());
    let always = monitor.replace("[hold]\n", "[hold]\nwhen = \"always\"\n");
    assert!(read(&always).expect("always").holds());
    let host = read("schema = 1\n[network]\ninterfaces = [\"a\"]\n").expect("host");
    assert_eq!((host.kernel_record().bridge, host.ports()), (0, vec!["a".to_owned()]));
}

#[test]
fn each_mistake_has_one_error_with_its_place() {
    let cases = [
        ("schema = 2", "t.toml:1:10: schema 2 is not known; write schema = 1"),
        ("schema = 1\n[network]\ninterface = 1", "t.toml:3:1: unknown field `interface`"),
        ("schema = 1\n[network]\nmode = \"enforced\"", "t.toml:3:8: unknown variant `enforced`"),
        ("schema = 1\n[network]\ndeployment = \"switch\"", "t.toml:3:14: unknown variant `switch`"),
        (
            "schema = 1\n[[bridge]]\ninterconnect = \"a\"\nhome = \"b\"",
            "t.toml:2:1: [[bridge]] is for deployment = \"bridge\"",
        ),
        (
            "schema = 1\n[network]\ndeployment = \"bridge\"\n[[bridge]]\ninterconnect = \"a\"\nhome = \"a\"",
            "t.toml:6:8: interface \"a\" is named twice",
        ),
        (
            "schema = 1\n[network]\ndeployment = \"bridge\"\ninterfaces = [\"a\"]",
            "t.toml:4:15: a bridge takes its interfaces from [[bridge]]",
        ),
        ("schema = 1\n[hold]\ntime = \"1s\"", "t.toml:2:1: [hold] is for deployment = \"bridge\""),
        (
            "schema = 1\n[network]\ndeployment = \"bridge\"\n[hold]\ntime = \"1m\"",
            "t.toml:5:8: \"1m\" does not fit: write a time from \"10ms\" to \"10s\"",
        ),
        (
            "schema = 1\n[network]\ndeployment = \"bridge\"\n[hold]\nroom = 100",
            "t.toml:5:8: 100 frames do not fit: write a power of two from 64 to 16384",
        ),
        ("schema = 1\n[frames]\narp = \"drop\"", "t.toml:2:1: [frames] is for deployment = \"bridge\""),
        (
            "schema = 1\n[network]\ndeployment = \"tap\"\nmode = \"enforce\"",
            "t.toml:4:8: a tap cannot enforce",
        ),
        ("schema = 1\n[network]\ninterfaces = [\"a\", \"a\"]", "t.toml:3:20: interface \"a\" is named twice"),
        ("schema = 1\n[network]\nsignalling_ports = []", "t.toml:3:20: write 1 to 4 ports"),
        ("schema = 1\n[network]\npoint_code_bits = 15", "t.toml:3:19: point codes of 15 bits"),
        (
            "schema = 1\n[network]\npoint_code_format = \"3-8\"",
            "t.toml:3:21: \"3-8\" is no point code format",
        ),
        ("schema = 1\n[limits]\nring_bytes = \"3MiB\"", "t.toml:3:14: 3145728 octets do not fit"),
        ("schema = 1\n[limits]\nblock_entries = 1", "t.toml:3:17: 1 is out of range"),
        (
            "schema = 1\n[limits]\ntitle_entries = 999",
            "t.toml:3:17: 999 is out of range: write 1000 to 2000000",
        ),
        ("schema = 1\n[exceptions]\nip_fragments = \"drop\"", "t.toml:3:1: \"ip_fragments\" is no exception"),
        ("schema = 1\n[exceptions]\nsccp = \"pass\"", "t.toml:3:1: \"sccp\" is no exception"),
        ("schema = 1\n[exceptions]\nip_fragment = \"dorp\"", "t.toml:3:15: \"dorp\" is no action"),
        (
            "schema = 1\n[[peer]]\naddress = \"1.2.3\"\nside = \"home\"",
            "t.toml:3:11: \"1.2.3\" is no IP address",
        ),
        ("schema = 1\n[[peer]]\naddress = \"1.2.3.4\"", "t.toml:2:1: missing field `side`"),
        ("schema = 1\n[[peer]]\nside = \"home\"", "t.toml:2:1: a peer has an address"),
        (
            "schema = 1\n[[peer]]\nside = \"home\"\naddress = \"1.2.3.4\"\naddresses = [\"1.2.3.5\"]",
            "t.toml:4:11: write address or addresses, not both",
        ),
        (
            "schema = 1\n[[peer]]\nside = \"home\"\naddresses = [\"1.2.3.4\", \"1.2.3.4\"]",
            "t.toml:4:25: peer 1.2.3.4 is there twice",
        ),
        (
            "schema = 1\n[[peer]]\nside = \"home\"\naddress = \"1.2.3.4\"\nports = [0]",
            "t.toml:5:10: 0 is no port",
        ),
        (
            "schema = 1\n[[peer]]\nside = \"home\"\naddress = \"1.2.3.4\"\ngt_prefixes = [\"+4\"]",
            "t.toml:5:16: \"+4\" is no GT prefix",
        ),
        (
            "schema = 1\n[exceptions]\nsctp_setup = \"drop\"",
            "t.toml:3:14: \"drop\" is no action for it: write \"pass\" or \"punt\"",
        ),
        (
            "schema = 1\n[[block]]\npc = \"8-1-1\"",
            "t.toml:3:6: \"8-1-1\" is no point code: field 1 is out of range",
        ),
        ("schema = 1\n[[block]]\npc = 1\nni = 4", "t.toml:4:6: \"4\" is no network indicator"),
        ("schema = 1\n[[block]]\npc = 1\nttl = \"soon\"", "t.toml:4:7: \"soon\" is no duration"),
        ("schema = 1\n[[block]]\nreason = \"x\"", "t.toml:2:1: an entry is for a point code, such as pc"),
        ("schema = 1\n[[block]]\npc = 1\ngt = \"44*\"", "t.toml:4:6: write pc or gt, not both"),
        ("schema = 1\n[[block]]\ngt = \"44**\"", "t.toml:3:6: \"44**\" is no calling global title: write 1"),
        ("schema = 1\n[[block]]\ngt = \"44*\"\nni = 1", "t.toml:4:6: ni is for point codes"),
        (
            "schema = 1\n[[block]]\ngt = \"44*\"\nnetwork_appearance = 1",
            "t.toml:4:22: network_appearance is for point codes",
        ),
        ("schema = 1\n[[block]]\npc = 1\ndirection = \"in\"", "t.toml:4:13: direction is for global titles"),
        (
            "schema = 1\n[[block]]\ngt = \"44*\"\ndirection = \"both\"",
            "t.toml:4:13: \"both\" is no direction: write \"in\", \"out\" or \"any\"",
        ),
        ("schema = 1\n[[allow]]\npc = 1", "t.toml:3:1: unknown field `pc`"),
        ("schema = 1\n[[allow]]\ngt = \"\"", "t.toml:3:6: \"\" is no calling global title"),
        (
            "schema = 1\n[[agreement]]\noperations = [\"spy\"]\ngt_prefixes = [\"4\"]",
            "t.toml:3:15: \"spy\" is no operation",
        ),
        (
            "schema = 1\n[[agreement]]\noperations = [71]\ngt_prefixes = [\"+4\"]",
            "t.toml:4:16: \"+4\" is no GT prefix",
        ),
        ("schema = ", "t.toml:1:10: "),
    ];
    for (text, expected) in cases {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(expected), "{error}\nshould start with\n{expected}");
    }
}

#[test]
fn strangers_are_looked_for_only_where_something_is_to_be_done_about_them() {
    use ss7guard_common::abi::config_flag::{KNOWN_PEERS, PEER_FORMS};
    let flags = |text: &str| read(&format!("schema = 1\n{text}")).unwrap().kernel_record().flags;
    let peer = "[[peer]]\naddresses = [\"192.0.2.1\", \"192.0.2.2\"]\nside = \"interconnect\"\n";
    let drop = "[exceptions]\nunknown_peer = \"drop\"\n";
    assert_eq!(flags(peer), 0);
    assert_eq!(flags(drop), 0, "nobody is known");
    assert_eq!(flags(&format!("{drop}{peer}")), KNOWN_PEERS);
    assert_eq!(flags(&format!("[exceptions]\ninit_unknown_peer = \"punt\"\n{peer}")), KNOWN_PEERS);
    assert_eq!(flags(&format!("{peer}neutralise_as = \"ppid_zero\"\n")), PEER_FORMS);
}

#[test]
fn every_address_of_a_peer_is_the_same_peer() {
    let text = "schema = 1\n[[peer]]\naddresses = [\"192.0.2.1\", \"2001:db8::1\"]\nside = \"home\"\nsccp = \"ansi\"\n\
                [[peer]]\naddress = \"192.0.2.2\"\nside = \"home\"\n";
    let known = read(text).unwrap().peer_map();
    let at = |text: &str| known[&text.parse::<std::net::IpAddr>().unwrap().into()];
    assert_eq!(at("192.0.2.1"), at("2001:db8::1"));
    assert_ne!(at("192.0.2.1").number, at("192.0.2.2").number);
}
