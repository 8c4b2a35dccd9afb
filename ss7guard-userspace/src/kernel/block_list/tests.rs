use super::*;
use crate::config::OnBlock;
use crate::enforce::{BlockRequest, CodeTarget, Detail, Target};
use ss7guard_common::abi::Moment;
use std::collections::HashMap;
use std::time::Duration;

/// The arrays in memory.
struct Memory {
    bits: HashMap<u32, u64>,
    index: HashMap<u32, [u32; INDEX_LANES]>,
    details: Vec<BlockDetail>,
    hits: Vec<BlockHits>,
    half: u32,
}

const EMPTY: BlockDetail = BlockDetail {
    expires_at: 0,
    point_code: 0,
    network_appearance: 0,
    rule_id: 0,
    next: 0,
    ni: 0,
    match_na: 0,
    action: 0,
    used: 0,
    halves: 0,
    _pad: [0; 3],
};

const LINGER: u64 = 60;

struct Then {
    now: u64,
    last_hit: u64,
    half: u32,
}

impl Moment for Then {
    fn now(&self) -> u64 {
        self.now
    }
    fn last_hit(&self) -> u64 {
        self.last_hit
    }
    fn linger(&self) -> u64 {
        LINGER
    }
    fn half(&self) -> u32 {
        self.half
    }
}

impl Memory {
    fn new(slots: usize) -> Self {
        Self {
            bits: HashMap::new(),
            index: HashMap::new(),
            details: vec![EMPTY; slots],
            hits: vec![BlockHits::default(); slots],
            half: 0,
        }
    }

    /// The walk that the kernel program makes.
    fn find(&self, point_code: u32, ni: u8, na: Option<u32>, now_ns: u64) -> Option<&BlockDetail> {
        let (word, bit) = bitmap_position(point_code)?;
        if self.bits.get(&word).copied().unwrap_or(0) & bit == 0 {
            return None;
        }
        let (element, lane) = index_position(point_code);
        let mut slot = self.index.get(&element)?[lane];
        for _ in 0..MAX_BLOCK_CHAIN {
            if slot == BLOCK_NO_SLOT {
                return None;
            }
            let detail = &self.details[slot as usize];
            let moment = Then { now: now_ns, last_hit: self.hits[slot as usize].last, half: self.half };
            if detail.matches(point_code, ni, na, &moment) {
                return Some(detail);
            }
            slot = detail.next;
        }
        None
    }
}

impl Arrays for Memory {
    fn slots(&self) -> u32 {
        u32::try_from(self.details.len()).unwrap()
    }
    fn half(&self) -> Result<u32, KernelError> {
        Ok(self.half)
    }
    fn bits(&self, word: u32) -> Result<u64, KernelError> {
        Ok(self.bits.get(&word).copied().unwrap_or(0))
    }
    fn set_bits(&mut self, word: u32, value: u64) -> Result<(), KernelError> {
        self.bits.insert(word, value);
        Ok(())
    }
    fn index(&self, element: u32) -> Result<[u32; INDEX_LANES], KernelError> {
        Ok(self.index.get(&element).copied().unwrap_or_default())
    }
    fn set_index(&mut self, element: u32, value: [u32; INDEX_LANES]) -> Result<(), KernelError> {
        self.index.insert(element, value);
        Ok(())
    }
    fn detail(&self, slot: u32) -> Result<BlockDetail, KernelError> {
        Ok(self.details[slot as usize])
    }
    fn set_detail(&mut self, slot: u32, value: BlockDetail) -> Result<(), KernelError> {
        self.details[slot as usize] = value;
        Ok(())
    }
    fn hits(&self, slot: u32) -> Result<BlockHits, KernelError> {
        Ok(self.hits[slot as usize])
    }
    fn clear_hits(&mut self, slot: u32) -> Result<(), KernelError> {
        self.hits[slot as usize] = BlockHits::default();
        Ok(())
    }
}

/// The bit that says which half is live.
trait Flip {
    fn flip(&mut self) -> Result<(), KernelError>;
}

impl Flip for Memory {
    fn flip(&mut self) -> Result<(), KernelError> {
        self.half ^= 1;
        Ok(())
    }
}

fn request(point_code: u32, ni: Option<u8>, na: Option<u32>, rule_id: u32) -> BlockRequest {
    BlockRequest {
        target: Target::Code(CodeTarget { point_code, ni, network_appearance: na }),
        ttl: None,
        rule_id,
        on_block: OnBlock::Neutralise,
        reason: String::new(),
    }
}

fn detail(request: &BlockRequest, now_ns: u64) -> BlockDetail {
    match request.detail(now_ns) {
        Detail::Code(detail) => detail,
        Detail::Title(_) => unreachable!("a request for a point code"),
    }
}

impl<A: Arrays> BlockList<A> {
    fn add(&mut self, request: &BlockRequest, now_ns: u64) -> Result<BlockDetail, ListError> {
        self.put(detail(request, now_ns))
    }
}

fn list(slots: usize) -> BlockList<Memory> {
    BlockList::adopt(Memory::new(slots), LINGER).unwrap()
}

#[test]
fn the_most_specific_entry_is_found_first() {
    let mut list = list(8);
    list.add(&request(5, None, None, 1), 0).unwrap();
    list.add(&request(5, Some(2), None, 2), 0).unwrap();
    list.add(&request(5, None, Some(9), 3), 0).unwrap();
    let rule = |ni, na| list.arrays().find(5, ni, na, 0).unwrap().rule_id;
    assert_eq!((rule(0, None), rule(2, None), rule(2, Some(9)), rule(0, Some(8))), (1, 2, 3, 1));
    assert!(list.arrays().find(4, 0, None, 0).is_none());
}

#[test]
fn an_entry_ends_by_the_clock() {
    let mut list = list(4);
    let ttl = BlockRequest { ttl: Some(Duration::from_nanos(10)), ..request(5, None, None, 1) };
    list.add(&ttl, 100).unwrap();
    assert!(list.arrays().find(5, 0, None, 109).is_some());
    assert!(list.arrays().find(5, 0, None, 110).is_none());
}

#[test]
fn what_was_neutralised_lately_is_neutralised_again_after_the_end() {
    let mut list = list(8);
    let ttl = BlockRequest { ttl: Some(Duration::from_nanos(10)), ..request(5, None, None, 1) };
    list.add(&ttl, 100).unwrap();
    list.arrays_mut().hits[1] = BlockHits { count: 1, last: 105 };
    let found = |list: &BlockList<Memory>, now| list.arrays().find(5, 0, None, now).is_some();
    assert!(found(&list, 110) && found(&list, 164) && !found(&list, 165));
    assert!(list.remove_ended(170, 9).unwrap().is_empty());
    assert_eq!(list.remove_ended(171, 9).unwrap().len(), 1);
    // One that drops delays only: what it stopped comes whenever it ends.
    list.add(&BlockRequest { on_block: OnBlock::Drop, ..ttl }, 200).unwrap();
    let slot = list.held.values().next().unwrap().slot as usize;
    list.arrays_mut().hits[slot] = BlockHits { count: 1, last: 205 };
    assert!(found(&list, 209) && !found(&list, 210));
}

#[test]
fn ending_an_entry_removes_it_unless_retransmissions_may_come() {
    let mut list = list(8);
    list.add(&request(5, None, None, 1), 100).unwrap();
    list.add(&request(6, None, None, 1), 100).unwrap();
    list.add(&BlockRequest { on_block: OnBlock::Drop, ..request(7, None, None, 1) }, 100).unwrap();
    let slots: Vec<usize> = list.held.values().map(|held| held.slot as usize).collect();
    list.arrays_mut().hits[slots[0]] = BlockHits { count: 3, last: 190 };
    list.arrays_mut().hits[slots[1]] = BlockHits { count: 3, last: 140 };
    list.arrays_mut().hits[slots[2]] = BlockHits { count: 3, last: 200 };
    assert_eq!(
        [5, 6, 7].map(|code| list.end(code, None, None, 200).map(|(_, removed)| removed).unwrap()),
        [false, true, true]
    );
    assert!(list.arrays().find(5, 0, None, 249).is_some());
    assert!(list.arrays().find(5, 0, None, 250).is_none());
    assert_eq!((list.len(), list.remove_ended(261, 9).unwrap().len(), list.len()), (1, 1, 0));
}

#[test]
fn renewing_an_entry_keeps_its_slot_and_hits() {
    let mut list = list(4);
    list.add(&request(5, None, None, 1), 0).unwrap();
    list.arrays_mut().hits[1] = BlockHits { count: 7, last: 0 };
    list.add(&request(5, None, None, 2), 0).unwrap();
    let entries = list.entries().unwrap();
    assert_eq!((entries.len(), entries[0].hits.count, entries[0].detail.rule_id), (1, 7, 2));
}

#[test]
fn a_full_list_refuses_and_changes_nothing() {
    let mut list = list(3);
    list.add(&request(1, None, None, 1), 0).unwrap();
    list.add(&request(2, None, None, 1), 0).unwrap();
    assert!(matches!(list.add(&request(3, None, None, 1), 0), Err(ListError::Full(2))));
    assert!(list.arrays().find(3, 0, None, 0).is_none());
    assert!(matches!(list.add(&request(1 << 24, None, None, 1), 0), Err(ListError::PointCode(_))));
    list.remove(1, None, None).unwrap();
    list.add(&request(3, None, None, 1), 0).unwrap();
    assert!(matches!(list.remove(1, None, None), Err(ListError::Missing)));
}

#[test]
fn one_point_code_has_a_bounded_chain() {
    let mut list = list(64);
    for na in 0..u32::try_from(MAX_BLOCK_CHAIN).unwrap() {
        list.add(&request(5, None, Some(na), 1), 0).unwrap();
    }
    assert!(matches!(list.add(&request(5, None, None, 1), 0), Err(ListError::ChainFull(5))));
}

#[test]
fn adoption_after_a_crash_finds_the_same_list() {
    let mut list = list(16);
    for code in 1..6 {
        list.add(&request(code, Some(1), None, code), 0).unwrap();
    }
    list.remove(3, Some(1), None).unwrap();
    let before = list.entries().unwrap();
    assert_eq!(scan(list.arrays()).unwrap(), before);
    let mut adopted = BlockList::adopt(list.arrays, LINGER).unwrap();
    assert_eq!(adopted.entries().unwrap(), before);
    assert_eq!(adopted.capacity(), 15);
    adopted.add(&request(3, Some(1), None, 9), 0).unwrap();
    assert_eq!(adopted.arrays().find(3, 1, None, 0).unwrap().rule_id, 9);
}

#[test]
fn a_slot_that_was_given_back_is_the_last_to_be_used_again() {
    let mut list = list(5);
    list.add(&request(1, None, None, 1), 0).unwrap();
    list.remove(1, None, None).unwrap();
    for code in 2..5 {
        list.add(&request(code, None, None, 1), 0).unwrap();
        assert_eq!(list.arrays().details[1].used, 0, "point code {code}");
    }
    list.add(&request(5, None, None, 1), 0).unwrap();
    assert_eq!(list.arrays().details[1].point_code, 5);
}

#[test]
fn entries_that_ended_go_oldest_first_and_no_more_than_asked() {
    let mut list = list(8);
    let ends = |code, ns| BlockRequest {
        ttl: Some(Duration::from_nanos(ns)),
        on_block: OnBlock::Drop,
        ..request(code, None, None, 1)
    };
    for (code, ns) in [(1, 30), (2, 10), (3, 20)] {
        list.add(&ends(code, ns), 0).unwrap();
    }
    list.add(&request(4, None, None, 1), 0).unwrap();
    // Renewed: the old end no longer counts.
    list.add(&ends(2, 40), 0).unwrap();
    let mut codes = |time, most| -> Vec<u32> {
        list.remove_ended(time, most).unwrap().iter().map(|entry| entry.detail.point_code).collect()
    };
    assert_eq!((codes(20, 9), codes(31, 1), codes(31, 9)), (vec![], vec![3], vec![1]));
    assert_eq!(codes(u64::MAX, 9), [2]);
    assert_eq!(list.len(), 1);
}

/// Arrays whose writer dies: after so many writes, none reaches them.
struct Dying {
    memory: Memory,
    writes_left: usize,
}

impl Dying {
    fn write(
        &mut self,
        write: impl FnOnce(&mut Memory) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or(KernelError::TooManyPeers(0))?;
        write(&mut self.memory)
    }
}

impl Flip for Dying {
    fn flip(&mut self) -> Result<(), KernelError> {
        self.write(Memory::flip)
    }
}

impl Arrays for Dying {
    fn slots(&self) -> u32 {
        self.memory.slots()
    }
    fn half(&self) -> Result<u32, KernelError> {
        self.memory.half()
    }
    fn bits(&self, word: u32) -> Result<u64, KernelError> {
        self.memory.bits(word)
    }
    fn set_bits(&mut self, word: u32, value: u64) -> Result<(), KernelError> {
        self.write(|memory| memory.set_bits(word, value))
    }
    fn index(&self, element: u32) -> Result<[u32; INDEX_LANES], KernelError> {
        self.memory.index(element)
    }
    fn set_index(&mut self, element: u32, value: [u32; INDEX_LANES]) -> Result<(), KernelError> {
        self.write(|memory| memory.set_index(element, value))
    }
    fn detail(&self, slot: u32) -> Result<BlockDetail, KernelError> {
        self.memory.detail(slot)
    }
    fn set_detail(&mut self, slot: u32, value: BlockDetail) -> Result<(), KernelError> {
        self.write(|memory| memory.set_detail(slot, value))
    }
    fn hits(&self, slot: u32) -> Result<BlockHits, KernelError> {
        self.memory.hits(slot)
    }
    fn clear_hits(&mut self, slot: u32) -> Result<(), KernelError> {
        self.write(|memory| memory.clear_hits(slot))
    }
}

#[test]
fn a_writer_that_dies_at_any_write_leaves_a_list_that_adoption_mends() {
    let settled = [(5, Some(2), None), (5, None, None), (6, None, None)];
    // One in front of a chain, inside, at its end, and alone.
    let changes =
        [(5, None, Some(9)), (5, Some(3), None), (5, None, None), (7, None, None), (5, Some(2), None)];
    let mut deaths = 0;
    for (change, writes_left) in changes.iter().flat_map(|change| (0..6).map(move |writes| (change, writes)))
    {
        let mut list =
            BlockList::adopt(Dying { memory: Memory::new(12), writes_left: usize::MAX }, LINGER).unwrap();
        for (code, ni, na) in settled {
            list.add(&request(code, ni, na, 1), 0).unwrap();
        }
        let (code, ni, na) = *change;
        list.arrays_mut().writes_left = writes_left;
        let is_removal = settled.contains(change);
        let result = if is_removal {
            list.remove(code, ni, na).map(drop)
        } else {
            list.add(&request(code, ni, na, 2), 0).map(drop)
        };
        deaths += usize::from(result.is_err());
        let mended = BlockList::adopt(list.arrays.memory, LINGER).unwrap();
        for entry in mended.entries().unwrap() {
            let detail = entry.detail;
            let na = (detail.match_na == 1).then_some(detail.network_appearance);
            let ni = if detail.ni == ANY_NI { 0 } else { detail.ni };
            let found = mended.arrays().find(detail.point_code, ni, na, 0);
            assert_eq!(found.map(Key::of), Some(Key::of(&detail)), "{change:?} after {writes_left} writes");
        }
        for (code, ni, na) in settled.into_iter().filter(|one| one != change) {
            assert!(mended.get(code, ni, na).is_some(), "{change:?} after {writes_left} writes");
        }
        if result.is_ok() {
            assert_eq!(mended.get(code, ni, na).is_some(), !is_removal);
        }
    }
    assert!(deaths > 10, "{deaths}");
}

/// Imports these entries in place of those of rule 1, in slices of so many.
fn import<A: Arrays + Flip>(
    list: &mut BlockList<A>,
    entries: &[BlockRequest],
    most: usize,
    mut look: impl FnMut(&BlockList<A>),
) -> Result<Import, ListError> {
    let goes = |detail: &BlockDetail| detail.rule_id == 1;
    let mut import = list.begin(list.arrays.half()?);
    for entry in entries {
        list.stage(&mut import, detail(entry, 0))?;
        look(list);
    }
    while !list.retire(&mut import, most, 1_000, goes)? {
        look(list);
    }
    list.arrays_mut().flip()?;
    look(list);
    while !list.settle(&mut import, most, 1_000, goes, &mut Progress::default())? {
        look(list);
    }
    Ok(import)
}

/// Rules that apply to point codes 5 to 9, without network indicator and with 3.
fn seen(memory: &Memory) -> Vec<Option<u32>> {
    let find = |code, ni| memory.find(code, ni, None, 1_000).map(|detail| detail.rule_id);
    (5..10).flat_map(|code| [find(code, 0), find(code, 3)]).collect()
}

#[test]
fn no_frame_sees_half_an_import() {
    for most in [1, 2, 100] {
        let mut list = list(24);
        for (code, ni, rule) in [(5, None, 1), (5, Some(3), 1), (6, None, 1), (7, None, 2), (8, None, 2)] {
            list.add(&request(code, ni, None, rule), 0).unwrap();
        }
        let old = seen(&list.arrays);
        let entries =
            [(5, None), (6, Some(3)), (7, None), (9, None)].map(|(code, ni)| request(code, ni, None, 3));
        let new = vec![Some(3), Some(3), None, Some(3), Some(3), Some(3), Some(2), Some(2), Some(3), Some(3)];
        let mut flips = 0;
        let mut last = old.clone();
        let done = import(&mut list, &entries, most, |list| {
            let now = seen(&list.arrays);
            assert!(now == old || now == new, "{now:?}");
            flips += usize::from(now != last);
            last = now;
        });
        let done = done.unwrap();
        assert_eq!((flips, done.staged, done.gone), (1, 4, 4));
        assert_eq!(seen(&list.arrays), new);
        let mut rules: Vec<_> =
            list.entries().unwrap().iter().map(|one| (one.detail.point_code, one.detail.rule_id)).collect();
        rules.sort_unstable();
        assert_eq!(rules, [(5, 3), (6, 3), (7, 3), (8, 2), (9, 3)]);
        assert!(list.entries().unwrap().iter().all(|entry| entry.detail.halves == BOTH_HALVES));
        assert_eq!(list.capacity() - list.len(), 23 - 5);
    }
}

#[test]
fn an_import_that_does_not_fit_leaves_nothing_behind() {
    let mut list = list(6);
    for code in 5..8 {
        list.add(&request(code, None, None, 1), 0).unwrap();
    }
    let old = seen(&list.arrays);
    let mut import = list.begin(0);
    let fits = (10..20).all(|code| list.stage(&mut import, detail(&request(code, None, None, 3), 0)).is_ok());
    assert!(!fits);
    while !list.undo(&mut import, 1).unwrap() {}
    assert_eq!((seen(&list.arrays), list.len(), list.capacity()), (old, 3, 5));
    assert!(list.arrays.details.iter().all(|detail| detail.used == 0 || detail.halves == BOTH_HALVES));
}

#[test]
fn what_was_neutralised_lately_goes_on_when_an_import_leaves_it_out() {
    let mut list = list(8);
    list.add(&request(5, None, None, 1), 0).unwrap();
    list.arrays_mut().hits[1] = BlockHits { count: 1, last: 990 };
    import(&mut list, &[request(9, None, None, 3)], 9, |_| {}).unwrap();
    let found = |now| list.arrays.find(5, 0, None, now).is_some();
    assert!(found(1_001) && found(1_049) && !found(1_050));
}

#[test]
fn an_importer_that_dies_at_any_write_has_changed_nothing_or_all() {
    let (mut nothing, mut all) = (0, 0);
    for writes_left in 0.. {
        let mut list =
            BlockList::adopt(Dying { memory: Memory::new(24), writes_left: usize::MAX }, LINGER).unwrap();
        for (code, ni, rule) in [(5, None, 1), (5, Some(3), 1), (6, None, 1), (7, None, 2)] {
            list.add(&request(code, ni, None, rule), 0).unwrap();
        }
        let old = seen(&list.arrays.memory);
        let entries =
            [(5, None), (6, Some(3)), (7, None), (9, None)].map(|(code, ni)| request(code, ni, None, 3));
        list.arrays_mut().writes_left = writes_left;
        let whole = import(&mut list, &entries, 2, |_| {}).is_ok();
        let mended = BlockList::adopt(list.arrays.memory, LINGER).unwrap();
        let now = seen(&mended.arrays);
        if now == old {
            nothing += 1;
        } else {
            let new = [3, 3, 0, 3, 3, 3, 0, 0, 3, 3].map(|rule| (rule != 0).then_some(rule));
            assert_eq!(now, new, "after {writes_left} writes");
            all += 1;
        }
        assert!(mended.arrays.details.iter().all(|one| one.used == 0 || one.halves == BOTH_HALVES));
        if whole {
            break;
        }
    }
    assert!(nothing > 5 && all > 5, "{nothing} {all}");
}

#[test]
fn random_changes_leave_what_a_plain_model_has() {
    let mut list = list(40);
    let mut model: HashMap<(u32, Option<u8>, Option<u32>), u32> = HashMap::new();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u32::try_from(state % below).unwrap()
    };
    for round in 0..20_000 {
        // Neighbours in a bitmap word and an index element, and far ones.
        let code = [5, 6, 7, 70, 0xff_ffff][random(5) as usize];
        let ni = [None, Some(0), Some(3)][random(3) as usize];
        let na = [None, Some(1), Some(2)][random(3) as usize];
        if random(2) == 0 {
            let added = list.add(&request(code, ni, na, round), 0).is_ok();
            if added {
                model.insert((code, ni, na), round);
            }
        } else {
            assert_eq!(list.remove(code, ni, na).is_ok(), model.remove(&(code, ni, na)).is_some());
        }
        let seen_ni = u8::try_from(random(4)).unwrap();
        let seen_na = [None, Some(1), Some(3)][random(3) as usize];
        let expected = [(Some(seen_ni), seen_na), (None, seen_na), (Some(seen_ni), None), (None, None)]
            .iter()
            .filter_map(|(ni, na)| model.get(&(code, *ni, *na)))
            .next();
        let found = list.arrays().find(code, seen_ni, seen_na, 0).map(|detail| detail.rule_id);
        assert_eq!(found, expected.copied(), "round {round}");
        assert_eq!(list.len(), model.len());
    }
}
