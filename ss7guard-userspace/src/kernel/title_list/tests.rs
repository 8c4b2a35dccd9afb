mod crashes;
mod imports;
mod memory;
mod random;
mod speed;

use super::*;
use memory::{LINGER, Memory, exact, list, prefix, seen};
use ss7guard_common::abi::direction;

#[test]
fn the_longest_entry_that_applies_is_found_and_then_the_next_one() {
    let mut list = list(20);
    list.put(prefix("44", 1)).unwrap();
    list.put(TitleDetail { expires_at: 100, ..prefix("4477", 2) }).unwrap();
    list.put(TitleDetail { action: 0, ..prefix("4477", 3) }).unwrap();
    list.put(TitleDetail { flags: direction::OUT, ..prefix("4477009", 4) }).unwrap();
    list.put(exact("447700900123", 5)).unwrap();
    let find = |list: &TitleList<Memory>, number, from, now| list.arrays().find(number, from, now);
    let (inwards, outwards) = (direction::IN, direction::OUT);
    assert_eq!(find(&list, "447700900123", inwards, 0), Some(5));
    assert_eq!(find(&list, "4477009001234", inwards, 0), Some(3));
    assert_eq!(find(&list, "4477009001234", outwards, 0), Some(4));
    assert_eq!(find(&list, "447799", inwards, 0), Some(3));
    assert_eq!((find(&list, "44", inwards, 0), find(&list, "4", inwards, 0)), (Some(1), None));
    // What allows goes: the block with the same digits holds, until it ends.
    let allows = TitleKey { allow: true, ..TitleKey::of(&prefix("4477", 3)) };
    assert_eq!(list.remove(&allows).unwrap().rule_id, 3);
    assert_eq!(find(&list, "447799", inwards, 99), Some(2));
    assert_eq!(find(&list, "447799", inwards, 100), Some(1));
    assert!(matches!(list.remove(&allows), Err(ListError::Missing)));
    assert_eq!(list.get(&TitleKey::of(&prefix("44", 0))).map(|detail| detail.rule_id), Some(1));
    let listed: Vec<u32> = list.entries().iter().map(|entry| entry.detail.rule_id).collect();
    assert_eq!((listed, scan_titles(list.arrays(), 0)), (vec![1, 2, 4, 5], list.entries()));
}

#[test]
fn short_prefixes_and_whole_numbers_of_few_digits_are_found() {
    let mut list = list(20);
    for (rule, digits) in (1..).zip(["1", "12", "123", "1234", "9", "999"]) {
        list.put(prefix(digits, rule)).unwrap();
    }
    list.put(exact("12", 7)).unwrap();
    list.put(exact("1234", 8)).unwrap();
    let find = |list: &TitleList<Memory>, number| list.arrays().find(number, direction::IN, 0);
    let found: Vec<_> = ["1", "12", "120", "123", "1234", "12345", "13", "9", "998", "9999999", "2"]
        .map(|number| find(&list, number).unwrap_or(0))
        .into();
    assert_eq!(found, [1, 7, 2, 3, 8, 4, 1, 5, 5, 6, 0]);
    list.remove(&TitleKey::of(&prefix("1", 0))).unwrap();
    list.remove(&TitleKey::of(&exact("12", 0))).unwrap();
    assert_eq!((find(&list, "1"), find(&list, "12"), find(&list, "1234")), (None, Some(2), Some(8)));
    let lingers = list.arrays().stores;
    list.remove_where(|_| true).unwrap();
    assert!(list.is_empty() && list.arrays().stores > lingers && list.arrays().root.iter().all(|w| *w == 0));
}

#[test]
fn an_entry_that_neutralised_something_goes_on_for_retransmissions() {
    let mut list = list(8);
    list.put(TitleDetail { action: 3, ..prefix("44", 1) }).unwrap();
    list.put(TitleDetail { action: 2, ..prefix("45", 2) }).unwrap();
    list.put(TitleDetail { action: 0, ..prefix("46", 3) }).unwrap();
    for hits in &mut list.tables.arrays.hits {
        *hits = BlockHits { count: 1, last: 190 };
    }
    let keys: Vec<TitleKey> = list.entries().iter().map(|entry| TitleKey::of(&entry.detail)).collect();
    let removed = keys.iter().map(|key| list.end(key, 200).unwrap().1);
    assert_eq!(removed.collect::<Vec<_>>(), [false, true, true]);
    let find = |list: &TitleList<Memory>, now| list.arrays().find("44", direction::IN, now);
    assert_eq!((find(&list, 190 + LINGER - 1), find(&list, 190 + LINGER)), (Some(1), None));
    assert!(list.remove_ended(200 + LINGER, 9).is_empty());
    assert_eq!(list.remove_ended(201 + LINGER, 9).len(), 1);
    assert!(list.is_empty());
}

#[test]
fn renewing_keeps_hits_and_a_full_list_refuses() {
    let mut list = list(3);
    list.put(prefix("1", 1)).unwrap();
    list.tables.arrays.hits[1].count = 7;
    list.put(TitleDetail { expires_at: 9, ..prefix("1", 2) }).unwrap();
    list.put(prefix("2", 3)).unwrap();
    list.put(prefix("3", 4)).unwrap();
    let entry = list.entries()[0];
    assert_eq!((entry.hits.count, entry.detail.rule_id, entry.detail.expires_at), (7, 2, 9));
    assert!(matches!(list.put(prefix("4", 5)), Err(ListError::TitlesFull(3))));
    assert_eq!(seen(&list, &["4"]), [None]);
    assert!(matches!(list.put(TitleDetail { flags: 0, ..prefix("4", 5) }), Err(ListError::Digits)));
    assert!(matches!(list.put(TitleDetail { symbols: 0, ..prefix("4", 5) }), Err(ListError::Digits)));
    assert_eq!(list.remove_ended(10, 9).len(), 1);
    list.put(prefix("4", 5)).unwrap();
    assert_eq!((list.len(), seen(&list, &["4"])), (3, vec![Some(5)]));
}

#[test]
fn tables_that_are_full_refuse_and_change_nothing() {
    let mut list = TitleList::adopt(Memory::new(500, 64, 4), 0, LINGER).unwrap();
    let mut held = Vec::new();
    for number in 0..400u32 {
        let digits = format!("44770{:07}", u64::from(number) * 7_919_993 % 10_000_000);
        let before = list.arrays().clone();
        match list.put(exact(&digits, number)) {
            Ok(_) => held.push(digits),
            Err(ListError::TitlesCrowded(_)) => assert!(before.same_tables(list.arrays())),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(held.len() < 100 && list.len() == held.len(), "{}", held.len());
    let digits: Vec<&str> = held.iter().map(String::as_str).collect();
    assert!(seen(&list, &digits).iter().all(Option::is_some));
    list.remove_where(|_| true).unwrap();
    assert_eq!((list.tables.segments.in_use(), list.tables.chunks.in_use()), (0, 0));
}
