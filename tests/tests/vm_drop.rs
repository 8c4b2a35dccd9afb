//! What `on_block = "drop"` does to an association, as the documentation says it.

use ss7guard_lab::vm::node::{PATIENCE, kind};
use ss7guard_lab::vm::scene::{BLOCKED, Form, INNOCENT, Scene, bare_wire, block, message};
use std::time::{Duration, Instant};

#[test]
#[ignore = "for the guest of `cargo xtask test vm`"]
fn a_dropped_message_stops_its_stream_and_comes_again_until_its_entry_ends() {
    const IDS: std::ops::Range<u32> = 0..10;
    let wire = bare_wire().expect("wire");
    let scene = Scene::start(&wire, &wire.host, &block("drop"), None).expect("scene");
    for (_, sender, _) in scene.ways() {
        sender.send(1, &message(Form::Context, BLOCKED, 1_000)).expect("send");
        for id in IDS {
            sender.send(1, &message(Form::Context, INNOCENT, id)).expect("send");
            sender.send(2, &message(Form::Context, INNOCENT, 100 + id)).expect("send");
        }
    }
    // The other stream flows; the kernel brings the dropped message again and again.
    for (name, sender, receiver) in scene.ways() {
        receiver.wait("the other stream", |node| node.count(kind::DATA) >= IDS.len()).expect("messages");
        let end = Instant::now() + PATIENCE;
        while sender.statistics().expect("statistics").retransmitted < 3 {
            assert!(Instant::now() < end, "{name}: {:?}", sender.statistics());
            std::thread::sleep(Duration::from_millis(100));
        }
        let delivered: Vec<u32> = receiver.delivered().iter().map(|(_, id)| *id).collect();
        println!("{name}: {:?}; delivered {delivered:?}", sender.statistics().expect("statistics"));
        assert_eq!(
            delivered,
            IDS.map(|id| 100 + id).collect::<Vec<_>>(),
            "the stream of the dropped message"
        );
    }
    let dropped = scene.firewall.counted("blocked_point_code", "drop").expect("counters");
    println!("dropped: {dropped}");
    assert!(dropped >= 8, "two first attempts and three more each: {dropped}");
    // The entry ends: the message that was blocked is delivered, and its stream goes on.
    scene.firewall.command(&["block", "flush"]).expect("flush");
    scene.wait_delivered(2 * IDS.len() + 1).expect("messages");
    for (_, _, receiver) in scene.ways() {
        assert!(receiver.delivered().contains(&(BLOCKED, 1_000)));
    }
}
