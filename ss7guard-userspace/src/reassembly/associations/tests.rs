use super::*;

const WAY: Way = Way { vtag: 7, source_port: 2905, destination_port: 2905 };
const FORTH: Member = Member { association: WAY, forth: true };
const BACK: Member = Member { association: WAY, forth: false };

/// ASPSM or ASPTM with this routing context.
fn asp(class: u8, kind: u8, context: Option<u32>) -> Vec<u8> {
    let mut octets = vec![1, 0, class, kind, 0, 0, 0, 8];
    if let Some(context) = context {
        octets.extend([0, 6, 0, 8]);
        octets.extend(context.to_be_bytes());
    }
    octets
}

fn is_outside(all: &Associations, member: Member, tsn: u32) -> bool {
    all.outside(member, tsn) == Some(Finding::DataOutsideState)
}

fn begun() -> Associations {
    let mut all = Associations::new(LIMITS);
    all.begin(&WAY, 0);
    all
}

#[test]
fn data_before_traffic_is_on_is_outside() {
    let mut all = begun();
    assert_eq!(all.outside(FORTH, 1), Some(Finding::DataWithoutAsp), "nobody has said anything");
    all.message(FORTH, 1, &asp(3, 1, None));
    all.message(BACK, 1, &asp(3, 4, None));
    assert!(is_outside(&all, FORTH, 2), "up is not active");
    all.message(FORTH, 2, &asp(4, 1, Some(1)));
    assert!(!is_outside(&all, FORTH, 3) && !is_outside(&all, BACK, 2));
}

#[test]
fn data_after_traffic_is_off_is_outside_and_what_was_sent_before_is_not() {
    for (off, ack, context) in [((4, 2), (4, 4), Some(1)), ((3, 2), (3, 5), None)] {
        let mut all = begun();
        all.message(FORTH, 10, &asp(4, 1, Some(1)));
        all.message(FORTH, 20, &asp(off.0, off.1, context));
        assert!(!is_outside(&all, FORTH, 19), "sent before, came later");
        assert!(is_outside(&all, FORTH, 21));
        assert!(!is_outside(&all, BACK, 500), "not acknowledged yet");
        all.message(BACK, 501, &asp(ack.0, ack.1, context));
        assert!(!is_outside(&all, BACK, 500) && is_outside(&all, BACK, 502));
        all.message(FORTH, 22, &asp(4, 1, Some(1)));
        assert!(!is_outside(&all, FORTH, 23) && !is_outside(&all, BACK, 503), "on again");
    }
}

#[test]
fn one_of_two_routing_contexts_leaves_the_other_on() {
    let mut all = begun();
    all.message(FORTH, 1, &asp(4, 1, Some(1)));
    all.message(FORTH, 2, &asp(4, 1, Some(2)));
    all.message(FORTH, 3, &asp(4, 2, Some(1)));
    assert!(!is_outside(&all, FORTH, 4));
    all.message(FORTH, 5, &asp(4, 2, Some(2)));
    assert!(is_outside(&all, FORTH, 6));
}

#[test]
fn what_is_not_known_is_held_against_nobody() {
    let all = Associations::new(LIMITS);
    assert_eq!(all.outside(FORTH, 1), None, "not seen from its beginning");
    let mut all = begun();
    all.message(FORTH, 1, &asp(4, 1, None));
    all.message(BACK, 1, &asp(4, 1, None));
    all.message(FORTH, 2, &asp(4, 2, None));
    assert!(!is_outside(&all, FORTH, 3), "both ends turned traffic on");
    let mut all = begun();
    all.message(FORTH, 1, &asp(4, 1, None));
    all.message(FORTH, 2, &asp(4, 2, Some(3)));
    all.message(FORTH, 3, &asp(4, 2, None));
    assert!(!is_outside(&all, FORTH, 4), "a part of what was turned on whole");
    let mut all = begun();
    for context in 0..=MAX_CONTEXTS as u32 {
        all.message(FORTH, context, &asp(4, 1, Some(context)));
    }
    all.message(FORTH, 100, &asp(3, 2, None));
    assert!(!is_outside(&all, FORTH, 101), "more contexts than are followed");
}

#[test]
fn a_tag_is_wrong_if_the_path_has_others_and_was_not_flooded() {
    let at = |last: u32| Address::from_ipv4(0xc000_0200 | last);
    let path = Path { source: at(1), destination: at(2), source_port: 2905, destination_port: 2905 };
    let mut all = Associations::new(LIMITS);
    assert!(!all.is_wrong(&path, 1));
    all.note_tag(&path, 1, 0);
    assert!(!all.is_wrong(&path, 1) && all.is_wrong(&path, 2));
    for tag in 2..1_000 {
        all.note_tag(&path, tag, 0);
    }
    assert!(!all.is_wrong(&path, 5_000));
    assert!(all.tags.get(&path).is_some_and(|tags| tags.len() == MAX_TAGS + 1));
    all.forget_path(&path);
    assert!(!all.is_wrong(&path, 2));
}
