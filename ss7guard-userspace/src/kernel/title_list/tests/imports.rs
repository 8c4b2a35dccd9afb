use ss7guard_common::abi::{Symbols, direction};

use super::memory::{Dice, LINGER, Memory, exact, list, prefix, seen};
use super::*;

fn watch(list: &mut TitleList<Memory>, numbers: &[&str]) {
    let number = |number: &&str| (Symbols::from_ascii(number.as_bytes()).unwrap(), direction::IN);
    list.tables.arrays.watched = numbers.iter().map(number).collect();
}

/// A list of several forms of tables: 40 numbers below one prefix, entries in the root table, chains.
pub(super) fn old_list(list: &mut TitleList<Memory>) {
    for (rule, digits) in (1..).zip(["44", "4477", "447700", "49", "1"]) {
        list.put(prefix(digits, rule)).unwrap();
    }
    list.put(TitleDetail { action: 0, ..prefix("4477", 6) }).unwrap();
    list.put(TitleDetail { flags: direction::OUT, ..prefix("447700", 7) }).unwrap();
    for number in 0..40 {
        list.put(exact(&format!("4477009{number:03}"), 100 + number)).unwrap();
    }
}

pub(super) fn new_entries() -> Vec<TitleDetail> {
    let mut entries: Vec<TitleDetail> =
        (20..70).map(|number| exact(&format!("4477009{number:03}"), 200 + number)).collect();
    entries.push(prefix("447", 201));
    entries.push(prefix("44", 202));
    entries.push(prefix("491", 203));
    entries.push(TitleDetail { action: 0, ..exact("4477009030", 204) });
    entries
}

/// Removes the entry with this key, or puts it there if there is none.
pub(super) fn change(list: &mut TitleList<Memory>, detail: TitleDetail) {
    if list.remove(&TitleKey::of(&detail)).is_err() {
        list.put(detail).unwrap();
    }
}

/// What the import leaves: what the old list had from 4477 on stays.
pub(super) fn goes(detail: &TitleDetail) -> bool {
    detail.rule_id >= 100 || matches!(detail.rule_id, 1 | 4 | 5)
}

pub(super) const NUMBERS: [&str; 14] = [
    "4477009000",
    "4477009020",
    "4477009030",
    "4477009039",
    "4477009069",
    "44770090301",
    "447700",
    "4477",
    "447",
    "44",
    "4915",
    "4",
    "1234",
    "44781",
];

/// Imports in slices of so many entries; false when the writer has died.
pub(super) fn import(
    list: &mut TitleList<Memory>,
    most: usize,
    mut between: impl FnMut(&mut TitleList<Memory>),
) -> TitleImport {
    let mut import = list.begin(list.arrays().half);
    for detail in new_entries() {
        list.stage(&mut import, detail).unwrap();
        between(list);
    }
    while !list.retire(&mut import, most, 1_000, goes).unwrap() {
        between(list);
    }
    if list.arrays().stores < list.arrays().dies_after {
        list.tables.arrays.half ^= 1;
    }
    while !list.settle(&mut import, most, 1_000, goes, &mut TitleProgress::default()) {
        between(list);
    }
    import
}

/// What frames see of the numbers before and after the import.
pub(super) fn before_and_after() -> [Vec<Option<u32>>; 2] {
    let mut list = list(150);
    old_list(&mut list);
    watch(&mut list, &NUMBERS);
    let before = list.arrays().look();
    let mut anew = memory::list(150);
    for entry in list.entries().iter().filter(|entry| !goes(&entry.detail)) {
        anew.put(entry.detail).unwrap();
    }
    for detail in new_entries() {
        anew.put(detail).unwrap();
    }
    watch(&mut anew, &NUMBERS);
    [before, anew.arrays().look()]
}

#[test]
fn no_frame_sees_half_an_import() {
    let [before, after] = before_and_after();
    assert_eq!(before.iter().zip(&after).filter(|(old, new)| old == new).count(), 4);
    for most in [1, 7, 10_000] {
        let mut list = list(150);
        old_list(&mut list);
        watch(&mut list, &NUMBERS);
        list.tables.arrays.allowed = [before.clone(), after.clone()];
        list.tables.arrays.by_flip = true;
        let done = import(&mut list, most, |_| {});
        assert_eq!((done.staged, done.gone), (54, 43));
        assert_eq!(list.arrays().look(), after);
    }
}

#[test]
fn an_import_that_is_given_up_at_any_step_leaves_nothing_behind() {
    let [before, _] = before_and_after();
    let steps = {
        let mut list = list(150);
        old_list(&mut list);
        let mut steps = 0;
        import(&mut list, 5, |_| steps += 1);
        steps
    };
    for given_up in [0, 1, 30, 54, 55, 56, 60, 64, 66, 68, 80, 1_000, steps - 60, 100_000] {
        let mut list = list(150);
        old_list(&mut list);
        watch(&mut list, &NUMBERS);
        list.tables.arrays.allowed = [before.clone(), before.clone()];
        let entries = list.entries();
        let sizes = (list.tables.segments.in_use(), list.tables.chunks.in_use());
        let free = list.tables.free.len();
        let mut import = list.begin(0);
        let mut left = given_up;
        for detail in new_entries() {
            if left > 0 {
                left -= 1;
                list.stage(&mut import, detail).unwrap();
            }
        }
        while left > 0 && !list.retire(&mut import, 5, 1_000, goes).unwrap() {
            left -= 1;
        }
        while !list.undo(&mut import, 5) {}
        assert_eq!(list.entries(), entries);
        assert_eq!((list.tables.segments.in_use(), list.tables.chunks.in_use()), sizes);
        assert_eq!(list.tables.free.len(), free);
        assert!(list.arrays().details.iter().all(|one| one.used == 0 || one.halves == BOTH_HALVES));
        assert!(
            list.arrays().root.chunks(161_051).collect::<Vec<_>>().windows(2).all(|both| both[0] == both[1])
        );
    }
}

#[test]
fn an_import_that_does_not_fit_changes_nothing() {
    let [before, _] = before_and_after();
    // Entries, then boundaries, then chunks are too few.
    for (entries, segments, chunks, room) in [(60, 2_000, 90, 60), (150, 420, 90, 150), (150, 2_000, 6, 150)]
    {
        let mut list = TitleList::adopt(Memory::new(entries, segments, chunks), 0, LINGER).unwrap();
        old_list(&mut list);
        watch(&mut list, &NUMBERS);
        list.tables.arrays.allowed = [before.clone(), before.clone()];
        let mut import = list.begin(0);
        let mut fits = true;
        let more = (0..80).map(|number| exact(&format!("49{}55{number:03}", number % 2), 300 + number));
        for detail in new_entries().into_iter().chain(more) {
            fits = fits && list.stage(&mut import, detail).is_ok();
        }
        while fits {
            match list.retire(&mut import, 5, 1_000, goes) {
                Ok(done) => assert!(!done, "{entries} {segments} {chunks}"),
                Err(_) => fits = false,
            }
        }
        while !list.undo(&mut import, 5) {}
        assert_eq!((list.len(), list.capacity()), (47, room));
    }
}

#[test]
fn one_change_is_seen_whole() {
    let mut dice = Dice(77);
    let mut list = list(150);
    old_list(&mut list);
    let mut entries: Vec<TitleDetail> = new_entries();
    entries.extend(list.entries().iter().map(|entry| entry.detail));
    for _ in 0..200 {
        let detail = entries[dice.below(entries.len() as u64) as usize];
        list.tables.arrays.watched.clear();
        let mut after = list.clone();
        change(&mut after, detail);
        watch(&mut list, &NUMBERS);
        watch(&mut after, &NUMBERS);
        let memory = &mut list.tables.arrays;
        memory.allowed = [memory.look(), after.arrays().look()];
        change(&mut list, detail);
        assert_eq!(list.arrays().look(), after.arrays().look());
    }
}

#[test]
fn what_was_neutralised_lately_goes_on_when_an_import_leaves_it_out() {
    let mut list = list(150);
    list.put(TitleDetail { action: 3, ..prefix("44", 1) }).unwrap();
    list.tables.arrays.hits[1] = BlockHits { count: 1, last: 990 };
    import(&mut list, 100, |_| {});
    let find = |now| list.arrays().find("4499", direction::IN, now);
    assert_eq!(find(1_000), Some(202), "an entry with the same digits takes its place");
    let mut list = memory::list(150);
    list.put(TitleDetail { action: 3, ..prefix("1", 1) }).unwrap();
    list.tables.arrays.hits[1] = BlockHits { count: 1, last: 990 };
    import(&mut list, 100, |_| {});
    let find = |now| list.arrays().find("123", direction::IN, now);
    assert_eq!((find(1_000), find(990 + LINGER)), (Some(1), None));
    assert_eq!(list.remove_ended(u64::MAX, 9).len(), 1);
}

#[test]
fn an_import_that_was_left_is_undone_by_the_next() {
    let mut list = list(150);
    old_list(&mut list);
    let entries = list.entries();
    let mut left = list.begin(0);
    for detail in new_entries() {
        list.stage(&mut left, detail).unwrap();
    }
    list.retire(&mut left, 10, 0, goes).unwrap();
    let mut import = list.begin(0);
    while !list.undo(&mut import, 1_000) {}
    assert_eq!(list.entries(), entries);
}

#[test]
fn changes_while_an_import_runs_are_seen_whole_and_stay() {
    let own = [
        prefix("44770090", 50),
        exact("447799", 51),
        TitleDetail { flags: direction::IN, ..prefix("4477", 52) },
        prefix("4", 53),
        exact("4477009045", 54),
        prefix("447700", 3),
    ];
    let numbers = [NUMBERS.as_slice(), &["447799", "4477009045", "4477009345", "4999"]].concat();
    let mut dice = Dice(4_711);
    let mut list = list(150);
    old_list(&mut list);
    let mut steps = 0;
    import(&mut list, 5, |list| {
        steps += 1;
        // Between the flip and the first slice after it, nothing is changed.
        if steps % 41 != 0 || list.arrays().half != list.half {
            return;
        }
        let detail = own[dice.below(own.len() as u64) as usize];
        let mut after = list.clone();
        change(&mut after, detail);
        watch(list, &numbers);
        watch(&mut after, &numbers);
        let memory = &mut list.tables.arrays;
        memory.allowed = [memory.look(), after.arrays().look()];
        change(list, detail);
        assert_eq!(list.arrays().look(), after.arrays().look());
        list.tables.arrays.watched.clear();
    });
    assert!(steps > 41 * 40, "{steps}");
    let mut anew = memory::list(150);
    for entry in list.entries() {
        anew.put(entry.detail).unwrap();
    }
    assert_eq!(seen(&list, &numbers), seen(&anew, &numbers));
    let sizes = |list: &TitleList<Memory>| (list.tables.segments.in_use(), list.tables.chunks.in_use());
    assert_eq!(sizes(&list), sizes(&anew));
}
