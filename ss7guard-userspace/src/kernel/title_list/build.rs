//! Making the tables of a whole list, slice by slice, where no frame sees them.

use ss7guard_common::abi::{CHUNK_LEN, ROOT_LEN, TitleStep, TitleWord};

use super::key::Keys;
use super::space::Space;
use super::sweep::{Boundaries, Links, Region, Sweep};
use super::tables::{NoRoom, Place, Side, Tables, TitleArrays};

/// Words of the tables that take as long as one entry.
const WORDS_PER_ENTRY: usize = 8;

/// How far the tables are.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    /// The word of the root table that is being made.
    root: u32,
    /// The open chunks below it, each with the child that comes next.
    path: Vec<(u32, usize, Region)>,
    /// Nodes that were changed below an open chunk, which may have another form for it.
    pub(super) again: Vec<u64>,
}

impl Build {
    /// The word that comes next.
    fn next(&self) -> (Place, Region) {
        match self.path.last() {
            Some((chunk, child, region)) => (Place::Child(*chunk, *child), region.child(*child)),
            None => (Place::Root(self.root), Region::root(self.root)),
        }
    }

    /// The first number that the tables do not have yet.
    pub(super) fn until(&self) -> u64 {
        self.next().1.low
    }

    /// Goes on behind the word.
    fn advance(&mut self) {
        while let Some((_, child, _)) = self.path.last_mut() {
            *child += 1;
            if *child < CHUNK_LEN {
                return;
            }
            self.path.pop();
        }
        self.root += 1;
    }
}

impl<A: TitleArrays> Tables<A> {
    /// Makes a slice of the tables of a coming list: about so many entries are looked at. True when they are complete.
    pub(super) fn build(
        &mut self,
        list: &Keys,
        mut side: Side,
        build: &mut Build,
        most: usize,
    ) -> Result<bool, NoRoom> {
        let mut left = most.max(1).saturating_mul(WORDS_PER_ENTRY);
        let mut sweep = Sweep::at(list, build.until());
        let (mut boundaries, mut links) = (Boundaries::new(), Links::new());
        while build.root < ROOT_LEN {
            if left == 0 {
                return Ok(false);
            }
            let is_beyond_share = |space: &Space| space.in_use_coming() > space.share();
            if is_beyond_share(&self.segments) || is_beyond_share(&self.chunks) {
                return Err(NoRoom);
            }
            left -= 1;
            let (place, region) = build.next();
            let word = if !region.is_reachable() {
                TitleWord(0)
            } else if let Some(slot) = sweep.whole(region) {
                TitleWord::new(TitleStep::Leaf(slot))
            } else {
                let start = sweep.clone();
                links.clear();
                if sweep.collect(region, &mut boundaries, &mut links) || !region.is_divisible() {
                    left = left.saturating_sub(links.len() * WORDS_PER_ENTRY);
                    for (slot, after) in &links {
                        self.set_parents(*slot, side.halves, *after);
                    }
                    self.write(&boundaries, side.owner)?
                } else {
                    sweep = start;
                    let chunk = self.take_chunk(side.owner)?;
                    for child in 0..CHUNK_LEN {
                        self.arrays.set_child(chunk, child, 0);
                    }
                    self.set_word(side.halves, place, TitleWord::new(TitleStep::Chunk(chunk)));
                    build.path.push((chunk, 0, region));
                    left = left.saturating_sub(CHUNK_LEN / 4);
                    continue;
                }
            };
            if self.word(side.half, place) != word {
                self.set_word(side.halves, place, word);
            }
            build.advance();
        }
        // Changes below a chunk that was open may have left it sparser than it was when it was begun.
        side.until = u64::MAX;
        while let Some(node) = build.again.pop() {
            let change = self.plan_node(list, side, node)?;
            self.carry_out(&change, side);
        }
        Ok(true)
    }
}
