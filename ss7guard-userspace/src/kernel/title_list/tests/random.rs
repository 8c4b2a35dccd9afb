use ss7guard_common::abi::{Symbols, direction};

use super::memory::{Dice, LINGER, Memory, Model, exact, prefix};
use super::*;

/// How the digits of a list lie.
struct Shape {
    starts: &'static [&'static str],
    lengths: std::ops::RangeInclusive<u64>,
    entries: usize,
}

const SHAPES: [Shape; 6] = [
    // Prefixes of prefixes in the root table.
    Shape { starts: &["1", "12", "123", "9", "99"], lengths: 1..=6, entries: 40 },
    Shape { starts: &["4477", "4479", "49", "3", "90"], lengths: 3..=12, entries: 300 },
    // All in one word of the root table.
    Shape { starts: &["44770"], lengths: 5..=9, entries: 600 },
    Shape { starts: &["447700900"], lengths: 12..=15, entries: 400 },
    // One number and its neighbours.
    Shape { starts: &["99999999999", "999999999999"], lengths: 10..=15, entries: 200 },
    Shape { starts: &["4477009001234"], lengths: 13..=15, entries: 180 },
];

fn entry(dice: &mut Dice, shape: &Shape, rule_id: u32) -> TitleDetail {
    let start = shape.starts[dice.below(shape.starts.len() as u64) as usize];
    let len = shape.lengths.start() + dice.below(shape.lengths.end() - shape.lengths.start() + 1);
    let digits = dice.digits(start, len as usize);
    let detail = if dice.below(3) == 0 { exact(&digits, rule_id) } else { prefix(&digits, rule_id) };
    let directions = [direction::BOTH, direction::BOTH, direction::IN, direction::OUT];
    TitleDetail {
        action: [2, 2, 1, 0][dice.below(4) as usize],
        flags: detail.flags & !direction::BOTH | directions[dice.below(4) as usize],
        expires_at: if dice.below(3) == 0 { 1 + dice.below(2_000) } else { 0 },
        ..detail
    }
}

/// A number near an entry of the list.
fn number(dice: &mut Dice, shape: &Shape, list: &[TitleDetail]) -> Symbols {
    let pick = if list.is_empty() { 0 } else { dice.below(list.len() as u64) as usize };
    let near = list.get(pick).map_or(String::new(), |detail| {
        let (ascii, len) = Symbols(detail.symbols).to_ascii();
        String::from_utf8(ascii[..len].to_vec()).unwrap()
    });
    let len = 1 + dice.below(15) as usize;
    let digits = match dice.below(4) {
        0 => near.clone(),
        1 => dice.digits(&near, len),
        2 => dice.digits(shape.starts[0], len.max(shape.starts[0].len())),
        _ => dice.digits(&near[..near.len().saturating_sub(1)], len.max(near.len())),
    };
    Symbols::from_ascii(digits.as_bytes()).unwrap_or(Symbols(0x1 << 60))
}

/// Holds the tables against the model, and their size against that of a list that is made anew.
fn compare(list: &TitleList<Memory>, model: &Model, dice: &mut Dice, shape: &Shape, lookups: usize) {
    let entries: Vec<TitleDetail> = list.entries().iter().map(|entry| entry.detail).collect();
    for _ in 0..lookups {
        let number = number(dice, shape, &entries);
        let from = [direction::IN, direction::OUT][dice.below(2) as usize];
        let now = dice.below(2_500);
        let found = list.arrays().find_symbols(number, from, now);
        assert_eq!(found, model.find(number, from, now), "{:x} at {now}", number.0);
    }
}

fn is_as_made_anew(list: &TitleList<Memory>) {
    let before = (list.arrays().stores, list.tables.segments.in_use(), list.tables.chunks.in_use());
    let anew = TitleList::adopt(list.arrays().clone(), list.arrays().half, LINGER).unwrap();
    let after = (anew.arrays().stores, anew.tables.segments.in_use(), anew.tables.chunks.in_use());
    assert_eq!(before, after, "adopting a list that is right writes nothing");
}

#[test]
fn random_lists_say_what_a_plain_list_says() {
    for (seed, shape) in (1..).zip(&SHAPES) {
        let mut dice = Dice(0x2545_f491_4f6c_dd1d * seed);
        let mut list = memory::list(u32::try_from(shape.entries).unwrap());
        let mut model = Model::default();
        let mut rule = 0;
        for round in 0..5 {
            for _ in 0..shape.entries {
                rule += 1;
                let entries = list.len() as u64;
                if dice.below(shape.entries as u64) >= entries || round % 4 == 0 {
                    let detail = entry(&mut dice, shape, rule);
                    if list.put(detail).is_ok() {
                        model.put(detail);
                    }
                } else {
                    let keys: Vec<u64> = list.live.keys().copied().collect();
                    let slot = list.live[&keys[dice.below(entries) as usize]];
                    let detail = list.arrays().detail(slot);
                    list.remove(&TitleKey::of(&detail)).unwrap();
                    assert!(model.remove(&detail));
                }
                assert_eq!(list.len(), model.len());
                compare(&list, &model, &mut dice, shape, 2);
            }
            compare(&list, &model, &mut dice, shape, 400);
            is_as_made_anew(&list);
        }
        list.remove_where(|_| true).unwrap();
        assert_eq!((list.tables.segments.in_use(), list.tables.chunks.in_use()), (0, 0));
        assert!(list.arrays().root.iter().all(|word| *word == 0));
    }
}

#[test]
fn random_imports_with_changes_in_between_say_what_a_plain_list_says() {
    for (seed, shape) in (1..).zip(&SHAPES) {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 20));
        let mut list = memory::list(u32::try_from(shape.entries).unwrap());
        let mut model = Model::default();
        let mut rule = 0;
        for round in 0..4u32 {
            // What an import made has even rules, and goes at the next; others have odd ones, and stay.
            let goes = |detail: &TitleDetail| detail.rule_id.is_multiple_of(2);
            let mut import = list.begin(list.arrays().half);
            let mut staged = Model::default();
            let mut done = false;
            let most = [1, 3, 50, 10_000][dice.below(4) as usize];
            let (stages, gives_up) = (dice.below(shape.entries as u64 / 3), dice.below(3) == 0);
            for _ in 0..stages {
                rule += 2;
                let detail = entry(&mut dice, shape, rule);
                if list.stage(&mut import, detail).is_ok() {
                    staged.put(detail);
                }
                compare(&list, &model, &mut dice, shape, 1);
            }
            let mut steps = 0;
            while !done {
                done = list.retire(&mut import, most, 0, goes).unwrap();
                steps += 1;
                if steps % 7 == 0 {
                    change(&mut list, &mut model, &mut dice, shape, &mut rule);
                }
                compare(&list, &model, &mut dice, shape, 1);
                if gives_up && dice.below(40) == 0 {
                    break;
                }
            }
            if !done || gives_up {
                while !list.undo(&mut import, most) {
                    if dice.below(10) == 0 {
                        change(&mut list, &mut model, &mut dice, shape, &mut rule);
                    }
                    compare(&list, &model, &mut dice, shape, 1);
                }
            } else {
                for entries in model.0.values_mut() {
                    entries.retain(|detail| !goes(detail));
                }
                for detail in staged.0.values().flatten() {
                    model.put(*detail);
                }
                list.tables.arrays.half ^= 1;
                while !list.settle(&mut import, most, 0, goes, &mut TitleProgress::default()) {
                    if list.half == list.arrays().half && dice.below(10) == 0 {
                        change(&mut list, &mut model, &mut dice, shape, &mut rule);
                    }
                    compare(&list, &model, &mut dice, shape, 1);
                }
            }
            assert_eq!(list.len(), model.len(), "round {round}");
            compare(&list, &model, &mut dice, shape, 400);
            is_as_made_anew(&list);
        }
    }
}

/// Puts or removes an entry that no import has made.
fn change(list: &mut TitleList<Memory>, model: &mut Model, dice: &mut Dice, shape: &Shape, rule: &mut u32) {
    let odd: Vec<TitleDetail> =
        list.entries().iter().map(|entry| entry.detail).filter(|detail| detail.rule_id % 2 == 1).collect();
    if dice.below(2) == 0 && !odd.is_empty() {
        let detail = odd[dice.below(odd.len() as u64) as usize];
        list.remove(&TitleKey::of(&detail)).unwrap();
        assert!(model.remove(&detail));
        return;
    }
    *rule += 2;
    let detail = entry(dice, shape, *rule + 1);
    // The same key in an import takes its place, whoever was first.
    if list.get(&TitleKey::of(&detail)).is_none() && list.put(detail).is_ok() {
        model.put(detail);
    }
}
