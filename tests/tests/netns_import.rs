//! Lists in files, and entries for global titles, while real associations carry traffic.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use ss7guard_lab::association::{HOME_POINT_CODE, Peer};
use ss7guard_lab::firewall::Firewall;
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::Wire;
use ss7guard_lab::traffic::Kind;

const PATIENCE: Duration = Duration::from_secs(15);

/// Who sends in these tests: a point code of a carrier, and a title; what is blocked in one list only.
const CARRIER: u32 = 0x1009;
const ROGUE: u32 = 0x203f;
const TITLE: &str = "15550100999";
const ROGUE_TITLE: &str = "447700900123";

/// An ASP in the world, the gateway on the host.
struct Link {
    asp: Peer,
    gateway: Peer,
}

impl Link {
    fn up(wire: &Wire) -> Self {
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("address"), 2905);
        let (world, host) = (at("10.7.0.11"), at("10.7.0.1"));
        let gateway = Peer::gateway(&wire.host, host, world, false).expect("gateway");
        let asp = Peer::asp(&wire.world, world, host).expect("ASP");
        asp.wait_active(PATIENCE).expect("association");
        Self { asp, gateway }
    }

    fn send(&self, opc: u32, title: &str, id: u32) {
        self.asp.send(1, message(opc, title, id));
    }

    fn arrived(&self) -> Vec<u32> {
        self.gateway.delivered().iter().map(|message| message.id).collect()
    }
}

fn message(opc: u32, title: &str, id: u32) -> Vec<u8> {
    let label = Label { opc, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
    m3ua::data(label, None, &Kind::UpdateLocation.begin_from(title, id))
}

/// A firewall that enforces, with room for so many entries of each kind.
fn firewall<'a>(wire: &'a Wire, entries: u32, rest: &str) -> Firewall<'a> {
    let network = "mode = \"enforce\"\nlinger = \"1s\"";
    let firewall = Firewall::new(&wire.host, network, rest).expect("firewall");
    let text = fs::read_to_string(firewall.config()).expect("configuration");
    let limits = format!("block_entries = {entries}\ntitle_entries = {entries}");
    fs::write(firewall.config(), text.replace("block_entries = 4096", &limits)).expect("configuration");
    firewall
}

fn file(firewall: &Firewall<'_>, name: &str, text: &str) -> PathBuf {
    let path = firewall.folder().join(name);
    fs::write(&path, text).expect("list");
    path
}

fn import(firewall: &Firewall<'_>, path: &Path, options: &[&str]) -> serde_json::Value {
    let path = path.display().to_string();
    firewall.json(&[&["block", "import", &path], options].concat()).expect("import")
}

fn counts(answer: &serde_json::Value) -> [u64; 4] {
    ["added", "renewed", "removed", "unchanged"].map(|key| answer[key].as_u64().expect(key))
}

#[test]
fn global_titles_are_blocked_and_allowed_by_the_longest_digits() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall =
        firewall(&wire, 4_096, "[[block]]\ngt = \"4477*\"\n[[allow]]\ngt = \"447700*\"\ndirection = \"in\"");
    firewall.start().expect("start");
    let link = Link::up(&wire);
    firewall.command(&["block", "add", "gt:447700900123", "--direction", "in"]).expect("block");
    link.send(CARRIER, "447711111111", 1);
    link.send(CARRIER, "447700111111", 2);
    link.send(CARRIER, ROGUE_TITLE, 3);
    link.send(CARRIER, "4477009001234", 4);
    link.send(CARRIER, TITLE, 5);
    link.gateway.wait_delivered(3, PATIENCE).expect("what is allowed");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(link.arrived(), [2, 4, 5]);
    assert_eq!(link.asp.retransmitted(), 0, "SCTP does not notice");
    let list = firewall.json(&["block", "list"]).expect("list");
    let entry = |at: usize| ["gt", "direction", "does", "hits", "rule"].map(|key| list[at][key].clone());
    assert_eq!(
        entry(0),
        [json!("4477*"), json!("any"), json!("neutralise"), json!(1), json!("configured_block")]
    );
    assert_eq!(entry(1)[..3], [json!("447700*"), json!("in"), json!("allow")]);
    assert_eq!(
        entry(2),
        [json!(ROGUE_TITLE), json!("in"), json!("neutralise"), json!(1), json!("operator_block")]
    );
    // A blocked point code stays blocked, whoever is allowed.
    firewall.command(&["block", "add", "2-1-1"]).expect("block");
    link.send(CARRIER, "447700111111", 6);
    // It is sent by another thread: it has to be stopped before its point code is free again.
    let end = Instant::now() + PATIENCE;
    while firewall.counted("blocked_point_code", "neutralise").expect("stats") == 0 {
        assert!(Instant::now() < end, "waited in vain for the message");
        thread::sleep(Duration::from_millis(10));
    }
    firewall.command(&["block", "del", "2-1-1", "--now"]).expect("unblock");
    firewall.command(&["block", "del", "gt:447700900123", "--direction", "in", "--now"]).expect("unblock");
    let error = firewall.command(&["block", "del", "gt:447700900123"]).expect_err("gone").to_string();
    assert!(error.contains("there is no such entry"), "{error}");
    link.send(CARRIER, ROGUE_TITLE, 7);
    link.gateway.wait_delivered(4, PATIENCE).expect("unblocked");
    firewall.command(&["block", "flush", "--now"]).expect("flush");
    link.send(CARRIER, "447711111111", 8);
    link.gateway.wait_delivered(5, PATIENCE).expect("flushed");
    assert_eq!(link.arrived(), [2, 4, 5, 7, 8]);
    assert_eq!(firewall.json(&["block", "list"]).expect("list"), json!([]));
}

#[test]
fn an_attack_has_its_calling_global_title_blocked_where_the_rule_says_so() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = firewall(&wire, 4_096, "[rules.category1]\nmode = \"enforce\"\nblock = \"gt\"");
    firewall.start().expect("start");
    let link = Link::up(&wire);
    let attack = |title, id| {
        let label = Label { opc: CARRIER, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        link.asp.send(1, m3ua::data(label, None, &Kind::SendImsi.begin_from(title, id)));
    };
    attack(ROGUE_TITLE, 1);
    link.gateway.wait_delivered(1, PATIENCE).expect("the first message passes in this deployment");
    wait_for(|| firewall.json(&["block", "list"]).is_ok_and(|list| !list[0].is_null()), "a kernel entry");
    let list = firewall.json(&["block", "list"]).expect("list");
    assert_eq!(
        ["gt", "direction", "rule", "reason"].map(|key| list[0][key].clone()),
        [json!(ROGUE_TITLE), json!("in"), json!("category1"), json!("sendIMSI from 447700900123")]
    );
    attack(ROGUE_TITLE, 2);
    link.send(CARRIER, ROGUE_TITLE, 3);
    link.send(CARRIER, TITLE, 4);
    link.gateway.wait_delivered(2, PATIENCE).expect("others of this carrier");
    assert_eq!(link.arrived(), [1, 4]);
}

#[test]
fn what_is_exported_is_imported_to_the_same_list() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = firewall(&wire, 4_096, "[[block]]\npc = \"1-1-1\"");
    firewall.start().expect("start");
    for add in [
        &["2-1-3", "--ni", "2", "--na", "7", "--on-block", "drop", "--reason", "a, \"b\""][..],
        &["4-7-7", "--ttl", "4h"],
        &["gt:4477*", "--ttl", "2d", "--direction", "in"],
        &["gt:4477", "--reason", "x"],
        &["gt:447700*", "--allow", "--direction", "out"],
    ] {
        firewall.command(&[&["block", "add"], add].concat()).expect("add");
    }
    let listed = || {
        let list = firewall.json(&["block", "list"]).expect("list");
        let mut list = list.as_array().expect("entries").clone();
        for entry in &mut list {
            // Clocks are read anew each time.
            entry["left_ms"] = json!(null);
            entry["ends"] = json!(entry["ends"].is_null());
        }
        list
    };
    let before = listed();
    assert_eq!(before.len(), 6);
    let exported = firewall.command(&["block", "export"]).expect("export");
    assert_eq!(
        exported.lines().count(),
        6,
        "the entry of the configuration is not the operator's: {exported}"
    );
    let path = file(&firewall, "list.csv", &exported);
    assert_eq!(counts(&import(&firewall, &path, &["--replace"])), [0, 0, 0, 5]);
    assert_eq!(listed(), before);
    firewall.command(&["block", "flush", "--now"]).expect("flush");
    firewall.command(&["block", "add", "gt:1*"]).expect("add");
    assert_eq!(counts(&import(&firewall, &path, &["--replace", "--dry-run"])), [5, 0, 1, 0]);
    assert_eq!(listed().len(), 1, "a dry run changes nothing");
    assert_eq!(counts(&import(&firewall, &path, &[])), [5, 0, 0, 0]);
    assert_eq!(counts(&import(&firewall, &path, &["--replace"])), [0, 0, 1, 5]);
    assert_eq!(
        listed(),
        before.into_iter().filter(|one| one["rule"] == "operator_block").collect::<Vec<_>>()
    );
    // The same without a controller; the reasons are the controller's.
    firewall.end(Signal::KILL).expect("kill");
    assert_eq!(counts(&import(&firewall, &path, &["--replace"])), [0, 0, 0, 5]);
    let one = file(&firewall, "one.csv", "entry,ends\ngt:4477*,4h\n");
    assert_eq!(counts(&import(&firewall, &one, &["--replace"])), [1, 0, 5, 0]);
    let list = firewall.json(&["block", "list"]).expect("list");
    assert_eq!((list.as_array().map(Vec::len), &list[0]["gt"]), (Some(1), &json!("4477*")), "{list}");
}

#[test]
fn a_list_that_does_not_fit_changes_nothing() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = firewall(&wire, 1_000, "");
    firewall.start().expect("start");
    firewall.command(&["block", "add", "4-7-7"]).expect("add");
    let mut codes = "entry\n".to_owned();
    (0..1_000).for_each(|code| writeln!(codes, "{code}").expect("text"));
    let mut titles = "entry\n".to_owned();
    (0..1_001).for_each(|title| writeln!(titles, "gt:44{title:05}").expect("text"));
    for controlled in [true, false] {
        for (text, message) in [
            (&codes, "1000 entries for point codes do not fit: the list holds 999 (limits.block_entries)"),
            (
                &titles,
                "1001 entries for global titles do not fit: the list holds 1000 (limits.title_entries)",
            ),
        ] {
            let path = file(&firewall, "big.csv", text).display().to_string();
            let error = firewall.command(&["block", "import", &path]).expect_err("full").to_string();
            assert!(error.contains(message), "{error}");
        }
        // Each fits, but not beside the other.
        let half = codes.lines().take(600).collect::<Vec<_>>().join("\n");
        let path = file(&firewall, "half.csv", &half);
        if controlled {
            assert_eq!(counts(&import(&firewall, &path, &[])), [599, 0, 0, 0]);
        }
        let ends: String = half.lines().skip(1).map(|code| format!("{code},4h\n")).collect();
        let path = file(&firewall, "ends.csv", &format!("entry,ends\n{ends}")).display().to_string();
        let error = firewall.command(&["block", "import", "--replace", &path]).expect_err("full").to_string();
        assert!(
            error.contains(
                "599 entries for point codes do not fit beside the 600 that are there until the switch"
            ),
            "{error}"
        );
        let list = firewall.json(&["block", "list"]).expect("list");
        assert_eq!(list.as_array().map(Vec::len), Some(600));
        if controlled {
            firewall.end(Signal::KILL).expect("kill");
        }
    }
}

#[test]
fn one_import_at_a_time_and_a_client_that_goes_leaves_nothing() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = firewall(&wire, 4_096, "");
    firewall.start().expect("start");
    let path = file(&firewall, "list.csv", "entry\n4-7-7\n").display().to_string();
    let socket = firewall.folder().join("run/control.sock");
    let mut client = BufReader::new(UnixStream::connect(&socket).expect("connect"));
    let mut ask = |request: &str| {
        writeln!(client.get_mut(), "{{\"v\":1,\"id\":1,{request}}}").expect("ask");
        let mut answer = String::new();
        client.read_line(&mut answer).expect("an answer");
        answer
    };
    assert!(ask("\"method\":\"import.entries\",\"params\":{\"entries\":[]}").contains("no import was begun"));
    assert!(ask("\"method\":\"import.begin\"").contains("\"ok\""));
    let entries =
        |entry: &str| format!("\"method\":\"import.entries\",\"params\":{{\"entries\":[{{\"e\":{entry}}}]}}");
    assert!(ask(&entries("{\"gt\":\"44*\"}")).contains("\"received\":1"));
    assert!(ask(&entries("{\"gt\":\"44*\"}")).contains("gt:44* is there twice"));
    let error = firewall.command(&["block", "import", &path]).expect_err("busy").to_string();
    assert!(error.contains("another import is running; try again when it is over"), "{error}");
    // What is only sent hinders nobody.
    firewall.command(&["block", "add", "2-1-3"]).expect("add");
    drop(client);
    wait_for(|| firewall.json(&["status"]).is_ok_and(|status| status["importing"] == false), "the place");
    let list = firewall.json(&["block", "list"]).expect("list");
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(counts(&import(&firewall, &PathBuf::from(&path), &[])), [1, 0, 0, 0]);
}

/// Sends three messages in each packet: from a title that the first list blocks and the second allows, from one with which
/// it is the other way round, and from a point code that the first list blocks and the second does not know.
struct Bundles<'a> {
    link: &'a Link,
    stop: AtomicBool,
    sent: AtomicU32,
}

impl Bundles<'_> {
    fn send(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let id = self.sent.fetch_add(1, Ordering::Relaxed) * 3;
            self.link.asp.send_together(vec![
                (1, message(CARRIER, ROGUE_TITLE, id)),
                (2, message(CARRIER, TITLE, id + 1)),
                (3, message(ROGUE, "33123456789", id + 2)),
            ]);
            // A bundle that waits for a window would be put into packets with others, and cut where they are full: what
            // lies before the cut does not show the calling title. So each waits for the acknowledgement of the last.
            let is_under_way = || self.link.asp.unacknowledged() > 0;
            wait_for(is_under_way, "the stack");
            while is_under_way() && !self.stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Holds what arrived against the lists: no bundle was judged by parts of both. Gives how often they changed.
    fn check(&self) -> usize {
        thread::sleep(Duration::from_secs(1));
        let sent = self.sent.load(Ordering::Relaxed);
        let mut bundles: BTreeMap<u32, [bool; 3]> = (0..sent).map(|bundle| (bundle, [false; 3])).collect();
        for id in self.link.arrived() {
            bundles.get_mut(&(id / 3)).expect("a bundle")[(id % 3) as usize] = true;
        }
        // The point code may be stopped in the second list too, for a second: what it sent may come again.
        let is_whole = |one: &[bool; 3]| *one == [false, true, false] || one[..2] == [true, false];
        let mixed: Vec<_> = bundles.iter().filter(|(_, arrived)| !is_whole(arrived)).collect();
        assert!(mixed.is_empty(), "of {sent} bundles, these were judged by both lists: {mixed:?}");
        assert!(bundles.values().any(|arrived| arrived[2]), "the point code is not in the second list");
        let first: Vec<bool> = bundles.values().map(|arrived| arrived[0]).collect();
        first.windows(2).filter(|two| two[0] != two[1]).count()
    }
}

/// Stops the sender, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` while bundles are sent; gives how often the list changed.
fn while_bundles_are_sent(firewall: &Firewall<'_>, link: &Link, work: impl FnOnce()) -> usize {
    let bundles = Bundles { link, stop: AtomicBool::new(false), sent: AtomicU32::new(0) };
    thread::scope(|scope| {
        let _stop = Stop(&bundles.stop);
        scope.spawn(|| bundles.send());
        thread::sleep(Duration::from_millis(200));
        work();
        thread::sleep(Duration::from_millis(200));
    });
    let cut = firewall.counted("global_title_unreadable", "punt").expect("stats");
    println!("{cut} messages were cut before their calling title");
    bundles.check()
}

/// The two lists, each with so many entries that are the same in both: half of them point codes, none of which sends.
fn lists(same: u32) -> [String; 2] {
    ["gt:15550100999,allow,\n8255,,\n", "gt:447700900123,allow,\n"].map(|differs| {
        let mut text = "entry,does,reason\ngt:447700*,,\ngt:15550*,,\n".to_owned();
        for number in 1..same / 2 {
            let star = if number % 5 == 0 { "*" } else { "" };
            writeln!(text, "{},,bulk\ngt:99{:08}{star},,bulk", 0x4000 + number, number * 37).expect("text");
        }
        text + differs
    })
}

const OPTIONS: [&str; 3] = ["--format", "8-8-8", "--replace"];

#[test]
fn no_frame_is_judged_by_half_a_list() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = firewall(&wire, 20_000, "");
    firewall.start().expect("start");
    let link = Link::up(&wire);
    let [first, second] = lists(10_000);
    let (first, second) = (file(&firewall, "first.csv", &first), file(&firewall, "second.csv", &second));
    import(&firewall, &first, &OPTIONS);
    let changes = while_bundles_are_sent(&firewall, &link, || {
        for _ in 0..5 {
            assert_eq!(counts(&import(&firewall, &second, &OPTIONS)), [1, 0, 2, 10_000]);
            // Until nothing of the first list goes on for retransmissions.
            thread::sleep(Duration::from_millis(1_500));
            let [added, renewed, removed, unchanged] = counts(&import(&firewall, &first, &OPTIONS));
            assert_eq!([added + renewed, removed, unchanged], [2, 1, 10_000]);
        }
    });
    assert_eq!(changes, 10);
    assert_eq!(firewall.counted("global_title_unreadable", "punt").expect("stats"), 0);
}

#[test]
fn a_million_entries_are_imported_while_traffic_goes_on() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = firewall(&wire, 1_100_000, "");
    firewall.start().expect("start");
    let link = Link::up(&wire);
    let [first, second] = lists(1_000_000);
    let [few, _] = lists(0);
    let few = file(&firewall, "few.csv", &few);
    let (first, second) = (file(&firewall, "first.csv", &first), file(&firewall, "second.csv", &second));
    import(&firewall, &few, &OPTIONS);
    let changes = while_bundles_are_sent(&firewall, &link, || {
        let answer = import(&firewall, &second, &OPTIONS);
        println!("a million entries: {answer}");
        assert_eq!(counts(&answer), [999_999, 0, 2, 2]);
        thread::sleep(Duration::from_millis(1_500));
        let answer = import(&firewall, &first, &OPTIONS);
        println!("two of a million: {answer}");
        assert_eq!(answer["unchanged"], 1_000_000);
    });
    assert_eq!(changes, 2);
    assert_eq!(firewall.counted("global_title_unreadable", "punt").expect("stats"), 0);
    let status = firewall.json(&["status"]).expect("status");
    assert_eq!(status["ring"]["overrun"], 0, "events went on being judged: {status}");
}

#[test]
fn a_controller_that_dies_in_an_import_leaves_the_old_list_or_the_new_one() {
    let wire = Wire::new().expect("namespaces");
    let mut firewall = firewall(&wire, 50_000, "");
    let [first, second] = lists(20_000);
    // With another effect, so that each entry is written.
    let second = second.replace(",,bulk", ",drop,bulk");
    firewall.start().expect("start");
    let first = file(&firewall, "first.csv", &first);
    let second = file(&firewall, "second.csv", &second).display().to_string();
    let (mut old, mut new) = (0, 0);
    for wait_ms in [0, 50, 100, 150, 200, 300, 400, 500, 700, 900, 1_200, 1_600, 2_200, 3_000] {
        import(&firewall, &first, &OPTIONS);
        let mut client =
            firewall.spawn(&[&["block", "import", &second], &OPTIONS[..]].concat()).expect("import");
        // One that finds no controller does it by itself.
        wait_for(|| firewall.json(&["status"]).is_ok_and(|status| status["importing"] == true), "the import");
        thread::sleep(Duration::from_millis(wait_ms));
        firewall.end(Signal::KILL).expect("kill");
        client.wait().expect("client");
        for adopted in [false, true] {
            if adopted {
                firewall.start().expect("start again");
            }
            let list = firewall.json(&["block", "list"]).expect("list");
            let list = list.as_array().expect("entries");
            let drops = list.iter().filter(|one| one["does"] == "drop").count();
            let rogue = list.iter().any(|one| one["point_code"] == ROGUE);
            assert!(
                (list.len(), drops, rogue) == (20_002, 0, true)
                    || (list.len(), drops, rogue) == (20_001, 19_998, false),
                "after {wait_ms} ms, adopted: {adopted}: {} entries, {drops} {rogue}",
                list.len()
            );
            (old, new) = if rogue { (old + 1, new) } else { (old, new + 1) };
        }
        if !list_is_old(&firewall) {
            break;
        }
    }
    assert!(old > 0 && new > 0, "{old} {new}");
}

fn list_is_old(firewall: &Firewall<'_>) -> bool {
    let list = firewall.json(&["block", "list"]).expect("list");
    list.as_array().expect("entries").iter().any(|one| one["point_code"] == ROGUE)
}

/// Waits until something holds.
fn wait_for(holds: impl Fn() -> bool, what: &str) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
