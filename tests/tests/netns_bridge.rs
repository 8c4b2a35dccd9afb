//! The bridge between real associations: an attack never arrives, everything else does, once and in order, and SCTP does
//! not notice.

use std::time::Duration;

use ss7guard_lab::association::Settings;
use ss7guard_lab::bridged::{Association, PATIENCE};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::netns::BridgedWire;

/// The rule; and a busy machine is no controller that has stopped.
const RULES: &str = "[rules.category1]\nmode = \"enforce\"\n[hold]\nsilence = \"5s\"\n";

#[test]
fn the_first_message_of_an_attack_never_arrives() {
    let wire = BridgedWire::new().expect("namespaces");
    let mut firewall = Firewall::bridge(&wire.bridge, "mode = \"enforce\"", RULES).expect("firewall");
    firewall.start().expect("start");
    for (world, interleaving) in [("10.7.0.11", false), ("10.7.0.12", true), ("fd07::13", false)] {
        let settings = || Settings { interleaving, rto_min: Duration::from_secs(5), ..Settings::default() };
        let one = Association::with(&wire.wire, world, true, settings).expect("association");
        one.asp.wait_active(PATIENCE).expect(world);
        for id in 0..900 {
            if id % 9 == 0 {
                one.attack(id / 9..id / 9 + 1);
            }
            one.roam(id..id + 1);
        }
        one.check(900).expect(world);
        assert_eq!(one.attacks(), [0u32; 0], "{world}");
        assert_eq!(one.asp.retransmitted(), 0, "{world}: nothing had to be sent again");
    }
    println!("{}", firewall.command(&["stats"]).expect("stats"));
    println!("{:#}", firewall.json(&["stats"]).expect("stats"));
}
