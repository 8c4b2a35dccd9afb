//! What became of chunks: SCTP sends again what was lost, and the same chunk has the same fate.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use crate::hold::{Chunk, Fate, Piece};

/// Chunks that are remembered; the oldest is forgotten first. Only those that were stopped or came in pieces are: a whole
/// message is judged again, and alike.
const MOST: usize = 65_536;

/// The memory.
#[derive(Default)]
pub struct Memory {
    secret: RandomState,
    /// Hash and fate of each; no fate for one that was dropped because the rest of its message did not come in time.
    fates: HashMap<Piece, (u64, Option<Fate>)>,
    order: VecDeque<Piece>,
}

impl Memory {
    /// The hash of a chunk's octets.
    #[must_use]
    pub fn hash(&self, octets: &[u8]) -> u64 {
        self.secret.hash_one(octets)
    }

    /// The fate of this very chunk, octets and all, if it is known. Another one under its number is another one: else
    /// whoever sends something harmless first could send an attack under the same number.
    #[must_use]
    pub fn recall(&self, chunk: &Chunk) -> Option<Fate> {
        let (hash, fate) = *self.fates.get(&chunk.piece)?;
        fate.filter(|_| hash == chunk.hash)
    }

    /// Remembers what became of a chunk.
    pub fn note(&mut self, piece: Piece, hash: u64, fate: Fate) {
        self.keep(piece, hash, Some(fate));
    }

    /// Remembers a chunk that is not judged yet, for [`Memory::settle`].
    pub fn note_open(&mut self, piece: Piece, hash: u64) {
        self.keep(piece, hash, None);
    }

    /// Its message is judged: a chunk that is remembered has this fate when it comes again, or the worse one that it had.
    pub fn settle(&mut self, piece: &Piece, fate: Fate) {
        if let Some((_, held)) = self.fates.get_mut(piece) {
            *held = Some(held.map_or(fate, |held| held.max(fate)));
        }
    }

    fn keep(&mut self, piece: Piece, hash: u64, fate: Option<Fate>) {
        if self.fates.insert(piece, (hash, fate)).is_some() {
            return;
        }
        self.order.push_back(piece);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.fates.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(memory: &Memory, tsn: u32, octets: &[u8]) -> Chunk {
        Chunk {
            piece: Piece { ports: 1, vtag: 2, tsn },
            hash: memory.hash(octets),
            turn: 0,
            begins: true,
            authenticated: false,
            fate: None,
        }
    }

    #[test]
    fn the_same_chunk_is_known_and_another_under_its_number_is_not() {
        let mut memory = Memory::default();
        let bad = chunk(&memory, 7, b"bad");
        assert_eq!(memory.recall(&bad), None);
        memory.note(bad.piece, bad.hash, Fate::Stop);
        assert_eq!(memory.recall(&bad), Some(Fate::Stop));
        assert_eq!(memory.recall(&chunk(&memory, 7, b"good")), None);
        assert_eq!(memory.recall(&chunk(&memory, 8, b"bad")), None);
    }

    #[test]
    fn what_was_dropped_for_the_moment_is_judged_with_its_message() {
        let mut memory = Memory::default();
        let piece = chunk(&memory, 7, b"piece");
        memory.note_open(piece.piece, piece.hash);
        assert_eq!(memory.recall(&piece), None);
        memory.settle(&piece.piece, Fate::Pass);
        assert_eq!(memory.recall(&piece), Some(Fate::Pass));
        memory.settle(&piece.piece, Fate::Stop);
        memory.settle(&piece.piece, Fate::Pass);
        assert_eq!(memory.recall(&piece), Some(Fate::Stop));
        // Of others nothing is known.
        let other = chunk(&memory, 8, b"piece");
        memory.settle(&other.piece, Fate::Stop);
        assert_eq!(memory.recall(&other), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut memory = Memory::default();
        for tsn in 0..MOST as u32 + 5 {
            let one = chunk(&memory, tsn, b"x");
            memory.note(one.piece, one.hash, Fate::Pass);
        }
        assert_eq!((memory.fates.len(), memory.order.len()), (MOST, MOST));
        assert_eq!(memory.recall(&chunk(&memory, 4, b"x")), None);
        assert_eq!(memory.recall(&chunk(&memory, 5, b"x")), Some(Fate::Pass));
    }
}
