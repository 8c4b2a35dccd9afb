use super::imports::{NUMBERS, before_and_after, change as toggle, import, old_list};
use super::memory::{LINGER, Memory, exact, list, prefix, seen};
use super::*;

/// Takes over what a writer has left that died; its list is right, and whole.
fn mended(mut memory: Memory) -> TitleList<Memory> {
    memory.dies_after = usize::MAX;
    memory.watched.clear();
    let half = memory.half;
    let list = TitleList::adopt(memory, half, LINGER).unwrap();
    assert!(list.arrays().details.iter().all(|one| one.used == 0 || one.halves == BOTH_HALVES));
    // What was mended needs no mending.
    if list.arrays().stores.is_multiple_of(8) {
        let anew = TitleList::adopt(list.arrays().clone(), half, LINGER).unwrap();
        assert_eq!(anew.arrays().stores, list.arrays().stores);
    }
    list
}

#[test]
fn a_writer_that_dies_at_any_store_leaves_a_list_that_adoption_mends() {
    let mut settled = list(60);
    old_list(&mut settled);
    let before = seen(&settled, &NUMBERS);
    let changes = [
        exact("4477009050", 300),
        prefix("44770", 301),
        TitleDetail { action: 0, ..prefix("44", 302) },
        TitleDetail { flags: 1, ..prefix("4477", 303) },
        prefix("447700", 3),
        exact("4477009003", 103),
        prefix("4477", 2),
    ];
    let mut deaths = 0;
    for change in changes {
        let key = TitleKey::of(&change);
        let mut writes = 0;
        loop {
            let mut list = settled.clone();
            list.tables.arrays.dies_after = list.arrays().stores + writes;
            let is_there = list.get(&key).is_some();
            toggle(&mut list, change);
            let died = list.arrays().stores == list.arrays().dies_after;
            let mut mended = mended(list.tables.arrays);
            if mended.get(&key).is_some() == is_there {
                deaths += 1;
                assert_eq!(seen(&mended, &NUMBERS), before, "{change:?} after {writes} stores");
                toggle(&mut mended, change);
            }
            assert_eq!(mended.get(&key).is_some(), !is_there);
            if !died {
                break;
            }
            // Long rows of stores are all alike.
            writes += 1 + writes / 6;
        }
    }
    assert!(deaths > 40, "{deaths}");
}

#[test]
fn an_importer_that_dies_at_any_store_has_changed_nothing_or_all() {
    let [before, after] = before_and_after();
    let mut settled = list(150);
    old_list(&mut settled);
    let (mut nothing, mut all) = (0, 0);
    let mut writes = 0;
    loop {
        let mut list = settled.clone();
        list.tables.arrays.dies_after = list.arrays().stores + writes;
        import(&mut list, 5, |_| {});
        let died = list.arrays().stores == list.arrays().dies_after;
        let mended = mended(list.tables.arrays);
        let now = seen(&mended, &NUMBERS);
        if now == before {
            nothing += 1;
        } else {
            assert_eq!(now, after, "after {writes} stores");
            all += 1;
        }
        if !died {
            break;
        }
        writes += 1 + writes / 12;
    }
    assert!(nothing > 5 && all > 5, "{nothing} {all}");
}

#[test]
fn arrays_of_noise_are_taken_over_without_a_panic() {
    let mut dice = super::memory::Dice(99);
    let mut memory = Memory::new(30, 300, 20);
    for index in 0..memory.root.len() {
        if dice.below(40) == 0 {
            memory.root[index] = dice.below(u64::MAX) & (3 << 62 | 0x1f << 24 | 0x1f);
        }
    }
    for detail in &mut memory.details {
        detail.used = 1;
        detail.halves = dice.below(4) as u8;
        detail.flags = dice.below(256) as u8;
        detail.symbols = dice.below(u64::MAX) & !0xff;
        if dice.below(2) == 0 {
            detail.symbols = prefix("447700", 0).symbols;
        }
    }
    for chunk in memory.chunks_mut() {
        for word in chunk {
            *word = 2 << 62 | dice.below(24);
        }
    }
    let list = mended(memory);
    assert!(!list.is_empty());
}
