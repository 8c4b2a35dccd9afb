//! Changes of the tables: planned out of sight of any frame, then carried out store by store, each of which leads some
//! numbers from what holds for them before the change to what holds after it.

use ss7guard_common::abi::{CHUNK_LEN, Symbols, TitleBoundary, TitleStep, TitleWord};

use super::key::{Keys, NODE, around, end_of, node_of, start_of};
use super::space::Owner;
use super::sweep::{Boundaries, Links, Region, Sweep, roots};
use super::tables::{NoRoom, Place, Side, Tables, TitleArrays};

/// What is to be done for one change of a list.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Words to be replaced, each by the second.
    words: Vec<(Place, TitleWord, TitleWord)>,
    /// What is to be asked after which entry.
    links: Links,
    /// Whether some word could not be brought into its final form yet, for the list is not wholly in the tables.
    pub(super) is_partial: bool,
}

impl Change {
    /// What is asked after the entry in this slot, if the change says so.
    pub(super) fn after(&self, slot: u32) -> Option<u32> {
        self.links.iter().find(|(of, _)| *of == slot).map(|(_, after)| *after)
    }
}

struct Plan<'a> {
    list: &'a Keys,
    side: Side,
    low: u64,
    high: u64,
    sweep: Option<Sweep<'a>>,
    boundaries: Boundaries,
    change: Change,
}

impl<'a> Plan<'a> {
    /// The place in the list at the start of this region. Regions come in order, so that it is mostly the last one.
    fn sweep(&mut self, region: Region) -> Sweep<'a> {
        match self.sweep.take() {
            Some(sweep) if sweep.reaches(region.low) => sweep,
            _ => Sweep::at(self.list, region.low),
        }
    }
}

impl<A: TitleArrays> Tables<A> {
    /// What is to be done after the entry with this key was put into `list`, or taken out of it.
    pub(super) fn plan(&mut self, list: &Keys, side: Side, key: u64) -> Result<Change, NoRoom> {
        let node = node_of(key);
        if start_of(node) >= side.until {
            return Ok(Change::default());
        }
        let before = list.range(node..key).next_back();
        if let Some((_, before)) = before {
            // The tables lead to the first entry of a node, which stays.
            let after = list.range(key + 1..node + NODE).next().map(|(_, slot)| *slot);
            let after = after.or_else(|| around(list, node)).unwrap_or(0);
            let links = match list.get(&key) {
                Some(slot) => vec![(*before, *slot), (*slot, after)],
                None => vec![(*before, after)],
            };
            return Ok(Change { links, ..Change::default() });
        }
        self.plan_node(list, side, node)
    }

    /// What is to be done so that the tables say of a node's numbers what the list says.
    pub(super) fn plan_node(&mut self, list: &Keys, side: Side, node: u64) -> Result<Change, NoRoom> {
        let mut plan = Plan {
            list,
            side,
            low: start_of(node),
            high: end_of(node),
            sweep: None,
            boundaries: Boundaries::new(),
            change: Change::default(),
        };
        for index in roots(node) {
            if let Err(error) = self.plan_word(&mut plan, Place::Root(index), Region::root(index)) {
                self.forget(&plan.change, side);
                return Err(error);
            }
        }
        Ok(plan.change)
    }

    fn plan_word(&mut self, plan: &mut Plan<'_>, place: Place, region: Region) -> Result<(), NoRoom> {
        if region.low >= plan.side.until || !region.is_reachable() {
            return Ok(());
        }
        let word = self.word(plan.side.half, place);
        if let TitleStep::Chunk(chunk) = word.step() {
            let is_open = region.high() > plan.side.until;
            plan.change.is_partial |= is_open;
            let sweep = plan.sweep(region);
            let is_dense = is_open || sweep.is_dense(region, &mut plan.boundaries, &mut plan.change.links);
            plan.sweep = Some(sweep);
            if is_dense {
                return self.plan_children(plan, chunk, region);
            }
        }
        let mut sweep = plan.sweep(region);
        let new =
            self.grow(&mut sweep, region, plan.side.owner, &mut plan.boundaries, &mut plan.change.links)?;
        plan.sweep = Some(sweep);
        if new != word {
            plan.change.words.push((place, word, new));
        }
        Ok(())
    }

    fn plan_children(&mut self, plan: &mut Plan<'_>, chunk: u32, region: Region) -> Result<(), NoRoom> {
        let first = if plan.low <= region.low { 0 } else { region.child_of(plan.low) };
        for child in first..CHUNK_LEN {
            let inside = region.child(child);
            if inside.low >= plan.high {
                break;
            }
            self.plan_word(plan, Place::Child(chunk, child), inside)?;
        }
        Ok(())
    }

    /// Writes what the list says of a region where nothing leads to yet; gives the word that will. `sweep` is at its start,
    /// and then at its end.
    pub(super) fn grow(
        &mut self,
        sweep: &mut Sweep<'_>,
        region: Region,
        owner: Owner,
        boundaries: &mut Boundaries,
        links: &mut Links,
    ) -> Result<TitleWord, NoRoom> {
        if !region.is_reachable() {
            return Ok(TitleWord(0));
        }
        let (start, links_before) = (sweep.clone(), links.len());
        if sweep.collect(region, boundaries, links) || !region.is_divisible() {
            return self.write(boundaries, owner);
        }
        *sweep = start;
        links.truncate(links_before);
        let chunk = self.take_chunk(owner)?;
        for child in 0..CHUNK_LEN {
            match self.grow(sweep, region.child(child), owner, boundaries, links) {
                Ok(word) => self.arrays.set_child(chunk, child, word.0),
                Err(error) => {
                    for rest in child..CHUNK_LEN {
                        self.arrays.set_child(chunk, rest, 0);
                    }
                    self.give(TitleWord::new(TitleStep::Chunk(chunk)), owner, false);
                    return Err(error);
                }
            }
        }
        Ok(TitleWord::new(TitleStep::Chunk(chunk)))
    }

    /// Carries a change out.
    pub(super) fn carry_out(&mut self, change: &Change, side: Side) {
        for (slot, after) in &change.links {
            self.set_parents(*slot, side.halves, *after);
        }
        for (place, _, new) in &change.words {
            self.set_word(side.halves, *place, *new);
        }
        for (_, old, _) in &change.words {
            self.give(*old, side.owner, side.owner == Owner::Live);
        }
    }

    /// Gives back what was written for a change that is not carried out.
    pub(super) fn forget(&mut self, change: &Change, side: Side) {
        for (_, _, new) in &change.words {
            self.give(*new, side.owner, false);
        }
    }

    /// Whether the tables say of a region what the list says, in the form that they would be given now; takes the elements
    /// that do, if nobody has them.
    pub(super) fn holds(
        &mut self,
        sweep: &mut Sweep<'_>,
        region: Region,
        word: TitleWord,
        boundaries: &mut Boundaries,
        links: &mut Links,
    ) -> bool {
        if !region.is_reachable() {
            return word.0 == 0;
        }
        if let Some(slot) = sweep.whole(region) {
            return word == TitleWord::new(TitleStep::Leaf(slot));
        }
        let (start, links_before) = (sweep.clone(), links.len());
        if sweep.collect(region, boundaries, links) || !region.is_divisible() {
            return self.is_written(boundaries, word);
        }
        *sweep = start;
        links.truncate(links_before);
        let TitleStep::Chunk(chunk) = word.step() else { return false };
        if !self.chunks.claim(chunk, 1, Owner::Live) {
            return false;
        }
        // All children, so that the sweep comes to the end of the region.
        let mut all = true;
        for child in 0..CHUNK_LEN {
            let word = TitleWord(self.arrays.child(chunk, child));
            all &= self.holds(sweep, region.child(child), word, boundaries, links);
        }
        all
    }

    fn is_written(&mut self, boundaries: &Boundaries, word: TitleWord) -> bool {
        match word.step() {
            TitleStep::Leaf(leaf) => matches!(boundaries.as_slice(), [(_, slot)] if *slot == leaf),
            TitleStep::Segment { start, len } => {
                len as usize == boundaries.len()
                    && len > 1
                    && self.segments.claim(start, len, Owner::Live)
                    && (start..).zip(boundaries).all(|(index, (at, slot))| {
                        self.arrays.boundary(index) == TitleBoundary::new(Symbols(*at), *slot).0
                    })
            }
            TitleStep::Chunk(_) => false,
        }
    }
}
