//! A table of unfinished things: bounded in octets and in time, the one that was quiet longest goes first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Bounds of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of everything in it, the table's own share included.
    pub octets: usize,
    /// Octets of one entry.
    pub entry_octets: usize,
    /// Octets that the table itself spends on an entry: keys, nodes, allocator (`cargo xtask bench memory` shows whether
    /// it is enough).
    pub overhead: usize,
    /// Nanoseconds without a new piece after which an entry is given up.
    pub idle_ns: u64,
}

/// What happened in a table since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pieces that came.
    pub pieces: u64,
    /// Things that were put together.
    pub completed: u64,
    /// Pieces that repeat an earlier one.
    pub repeated: u64,
    /// Pieces that contradict earlier ones.
    pub conflicts: u64,
    /// Entries given up because nothing came in time.
    pub timed_out: u64,
    /// Entries given up because the table was full.
    pub evicted: u64,
    /// Pieces refused because their entry was full.
    pub refused: u64,
}

struct Entry<V> {
    value: V,
    octets: usize,
    /// Its place in the order of last activity.
    age: (u64, u64),
}

/// The table.
pub(super) struct Table<K, V> {
    entries: HashMap<K, Entry<V>>,
    ages: BTreeMap<(u64, u64), K>,
    octets: usize,
    limits: Limits,
    turn: u64,
    pub(super) counts: Counts,
}

impl<K: Clone + Eq + Hash, V: Default> Table<K, V> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            entries: HashMap::new(),
            ages: BTreeMap::new(),
            octets: 0,
            limits,
            turn: 0,
            counts: Counts::default(),
        }
    }

    /// Octets in use.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// Unfinished entries.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// The entry of this key, made if there is none, as touched at `now_ns` and grown by `octets`; `None` if it may
    /// not grow so far. What was quiet longest makes room.
    pub(super) fn grow(&mut self, key: &K, octets: usize, now_ns: u64) -> Option<&mut V> {
        let held = self.entries.get(key).map_or(0, |entry| entry.octets);
        if held.saturating_add(octets) > self.limits.entry_octets {
            return None;
        }
        let share =
            if self.entries.contains_key(key) { octets } else { octets.saturating_add(self.limits.overhead) };
        self.turn = self.turn.wrapping_add(1);
        let age = (now_ns, self.turn);
        // Touched before others are given up, so that it is not the one.
        if let Some(entry) = self.entries.get_mut(key) {
            self.ages.remove(&entry.age);
            entry.age = age;
            self.ages.insert(age, key.clone());
        }
        while self.octets.saturating_add(share) > self.limits.octets {
            match self.ages.first_key_value() {
                Some((_, oldest)) if oldest != key => {
                    let oldest = oldest.clone();
                    self.remove(&oldest);
                    self.counts.evicted = self.counts.evicted.saturating_add(1);
                }
                _ => return None,
            }
        }
        self.octets = self.octets.saturating_add(share);
        let overhead = self.limits.overhead;
        let entry = self.entries.entry(key.clone()).or_insert_with(|| {
            self.ages.insert(age, key.clone());
            Entry { value: V::default(), octets: overhead, age }
        });
        entry.octets = entry.octets.saturating_add(octets);
        Some(&mut entry.value)
    }

    /// Octets that an entry holds besides, less than it has just let go of.
    pub(super) fn grow_held(&mut self, key: &K, octets: usize) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.octets = entry.octets.saturating_add(octets);
            self.octets = self.octets.saturating_add(octets);
        }
    }

    /// Octets that an entry no longer holds.
    pub(super) fn shrink(&mut self, key: &K, octets: usize) {
        if let Some(entry) = self.entries.get_mut(key) {
            let octets = octets.min(entry.octets.saturating_sub(self.limits.overhead));
            entry.octets = entry.octets.saturating_sub(octets);
            self.octets = self.octets.saturating_sub(octets);
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.ages.remove(&entry.age);
        self.octets = self.octets.saturating_sub(entry.octets);
        Some(entry.value)
    }

    /// Gives up what has been quiet too long; `unfinished` tells which of them count as lost.
    pub(super) fn expire(&mut self, now_ns: u64, unfinished: impl Fn(&V) -> bool) {
        while let Some((&(last, _), key)) = self.ages.first_key_value() {
            if now_ns.saturating_sub(last) < self.limits.idle_ns {
                return;
            }
            let key = key.clone();
            if self.remove(&key).is_some_and(|value| unfinished(&value)) {
                self.counts.timed_out = self.counts.timed_out.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { octets: 4 * (100 + 10), entry_octets: 100 + 20, overhead: 100, idle_ns: 100 };

    #[test]
    fn the_quietest_makes_room() {
        let mut table: Table<u32, u32> = Table::new(LIMITS);
        for key in 0..4 {
            assert!(table.grow(&key, 10, u64::from(key)).is_some());
        }
        assert!(table.grow(&0, 0, 10).is_some());
        assert!(table.grow(&9, 10, 11).is_some());
        assert_eq!((table.get(&1), table.len(), table.counts.evicted), (None, 4, 1));
        assert!(table.octets() <= LIMITS.octets);
    }

    #[test]
    fn an_entry_has_its_own_bound_and_leaves_nothing_behind() {
        let mut table: Table<u32, u32> = Table::new(LIMITS);
        assert!(table.grow(&1, 20, 0).is_some());
        assert!(table.grow(&1, 1, 0).is_none());
        table.shrink(&1, 5);
        assert!(table.grow(&1, 5, 0).is_some());
        table.remove(&1);
        assert_eq!((table.octets(), table.len()), (0, 0));
    }

    #[test]
    fn what_is_quiet_is_given_up() {
        let mut table: Table<u32, u32> = Table::new(LIMITS);
        table.grow(&1, 1, 0);
        table.grow(&2, 1, 50);
        table.expire(100, |_| true);
        assert_eq!((table.len(), table.counts.timed_out, table.ages.len()), (1, 1, 1));
    }
}
