//! Frames that wait, each behind those of its host pair that came before it.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::hold::{Chunk, Fate, Piece};

/// A frame that leaves the queue.
#[derive(Debug, PartialEq, Eq)]
pub struct Released<T> {
    /// Its place in the kernel's table.
    pub slot: u32,
    /// Its number there.
    pub number: u32,
    /// When it came.
    pub since_ns: u64,
    /// Whether it goes on; else it is dropped.
    pub goes_on: bool,
    /// The frame.
    pub token: T,
}

/// A frame that comes.
#[derive(Debug)]
pub struct Arrived<T> {
    /// Its number among all frames.
    pub frame: u64,
    /// Its place in the kernel's table.
    pub slot: u32,
    /// Its number there.
    pub number: u32,
    /// When it came.
    pub since_ns: u64,
    /// Its user data chunks.
    pub chunks: Vec<Chunk>,
    /// Whether it is a fragment of an IP packet, which has to come whole first.
    pub fragment: bool,
    /// The frame.
    pub token: T,
}

/// Chunks that have one fate with other frames: those of an IP packet that came in fragments.
#[derive(Debug)]
struct Packet {
    frames: Vec<u64>,
    chunks: Vec<Chunk>,
    /// What was done about it, once that is.
    carried_out: Option<bool>,
}

#[derive(Debug)]
struct Waiting<T> {
    frame: u64,
    number: u32,
    since_ns: u64,
    chunks: Vec<Chunk>,
    /// Whether the rest of its IP packet is missing.
    fragment: bool,
    /// The packet that it is part of.
    packet: Option<u64>,
    /// Whether it cannot be cut.
    uncut: bool,
    token: T,
}

/// Everything that waits.
#[derive(Debug)]
pub struct Queue<T> {
    slots: HashMap<u32, VecDeque<Waiting<T>>>,
    /// Where each frame is that is not judged yet.
    open: HashMap<u64, u32>,
    /// Frames, or packets by their first frame, with each chunk that is not judged yet.
    pieces: HashMap<Piece, Vec<u64>>,
    /// IP packets that came in fragments, by the number of their first frame.
    packets: HashMap<u64, Packet>,
    /// Frames that wait for a judgement, oldest first.
    deadlines: VecDeque<(u64, u64)>,
    /// Places with frames that may leave.
    ready: HashSet<u32>,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            open: HashMap::new(),
            pieces: HashMap::new(),
            packets: HashMap::new(),
            deadlines: VecDeque::new(),
            ready: HashSet::new(),
            len: 0,
        }
    }
}

fn is_open(chunks: &[Chunk]) -> bool {
    chunks.iter().any(|chunk| chunk.fate.is_none())
}

impl<T> Queue<T> {
    /// Frames that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes a frame in. What of it has no fate is waited for.
    pub fn push(&mut self, arrived: Arrived<T>) {
        let Arrived { frame, slot, number, since_ns, chunks, fragment, token } = arrived;
        if fragment || is_open(&chunks) {
            self.open.insert(frame, slot);
            self.deadlines.push_back((since_ns, frame));
            for chunk in chunks.iter().filter(|chunk| chunk.fate.is_none()) {
                self.pieces.entry(chunk.piece).or_default().push(frame);
            }
        }
        let waiting =
            Waiting { frame, number, since_ns, chunks, fragment, packet: None, uncut: false, token };
        self.slots.entry(slot).or_default().push_back(waiting);
        self.ready.insert(slot);
        self.len += 1;
    }

    fn waiting(&mut self, frame: u64) -> Option<&mut Waiting<T>> {
        let slot = self.open.get(&frame)?;
        self.slots.get_mut(slot)?.iter_mut().find(|waiting| waiting.frame == frame)
    }

    /// The fate of a chunk is known: gives what was known of each copy of it that waits.
    pub fn decide(&mut self, piece: &Piece, fate: Fate, mut sink: impl FnMut(&Chunk)) {
        for frame in self.pieces.remove(piece).unwrap_or_default() {
            if let Some(packet) = self.packets.get_mut(&frame) {
                settle(&mut packet.chunks, piece, fate, &mut sink);
                let first = packet.frames.first().copied();
                if let Some(slot) = first.and_then(|first| self.open.get(&first)) {
                    self.ready.insert(*slot);
                }
                continue;
            }
            let Some(waiting) = self.waiting(frame) else { continue };
            settle(&mut waiting.chunks, piece, fate, &mut sink);
            if !waiting.fragment && !is_open(&waiting.chunks) {
                self.close(frame);
            }
        }
    }

    /// A frame is judged as far as it goes.
    fn close(&mut self, frame: u64) {
        if let Some(slot) = self.open.remove(&frame) {
            self.ready.insert(slot);
        }
    }

    /// The frames of an IP packet are all here, in the order of their offset: its chunks have fates, or are waited for. False
    /// if one of the frames has left already; the others go on then.
    pub fn join(&mut self, frames: &[u64], chunks: Vec<Chunk>) -> bool {
        let Some(first) = frames.first().copied() else { return false };
        let slot = self.open.get(&first).copied();
        let together = slot.is_some() && frames.iter().all(|frame| self.open.get(frame).copied() == slot);
        for frame in frames {
            let Some(waiting) = self.waiting(*frame) else { continue };
            waiting.fragment = false;
            waiting.packet = together.then_some(first);
            if !together {
                self.close(*frame);
            }
        }
        if together {
            for chunk in chunks.iter().filter(|chunk| chunk.fate.is_none()) {
                self.pieces.entry(chunk.piece).or_default().push(first);
            }
            self.packets.insert(first, Packet { frames: frames.to_vec(), chunks, carried_out: None });
            self.ready.extend(slot);
        }
        together
    }

    /// The frames with these numbers, if all of them wait in one line.
    #[must_use]
    pub fn tokens(&self, frames: &[u64]) -> Option<Vec<&T>> {
        let line = self.slots.get(self.open.get(frames.first()?)?)?;
        frames
            .iter()
            .map(|frame| line.iter().find(|waiting| waiting.frame == *frame).map(|waiting| &waiting.token))
            .collect()
    }

    /// What came before this moment and is not judged yet gets this fate: `sink` hears of each chunk. Gives how many frames
    /// there were.
    pub fn expire(&mut self, before_ns: u64, fate: Fate, mut sink: impl FnMut(&Chunk)) -> u64 {
        let mut expired = 0;
        while let Some((since_ns, frame)) = self.deadlines.front().copied() {
            let closed = !self.open.contains_key(&frame);
            if !closed && since_ns >= before_ns {
                break;
            }
            self.deadlines.pop_front();
            if closed {
                continue;
            }
            expired += 1;
            let Some(waiting) = self.waiting(frame) else { continue };
            waiting.fragment = false;
            let mut chunks = waiting.chunks.clone();
            if let Some(packet) = waiting.packet.and_then(|packet| self.packets.get(&packet)) {
                chunks.clone_from(&packet.chunks);
            }
            let mut pieces: Vec<Piece> = Vec::new();
            pieces.extend(chunks.iter().filter(|chunk| chunk.fate.is_none()).map(|chunk| chunk.piece));
            for piece in &pieces {
                self.decide(piece, fate, &mut sink);
            }
            if pieces.is_empty()
                && fate == Fate::Drop
                && let Some(waiting) = self.waiting(frame)
                && waiting.packet.is_none()
            {
                waiting.chunks.push(Chunk { fate: Some(Fate::Drop), ..NOTHING });
            }
            if self.waiting(frame).is_some_and(|waiting| waiting.packet.is_none()) {
                self.close(frame);
            }
        }
        expired
    }

    /// A frame that came before this moment, is the first of its line and is judged up to a chunk, can be cut there: `cut` gives
    /// what goes on, and leaves what stays, which waits on with the chunks that are left. One that it gives nothing for is
    /// not asked about again.
    pub fn cut(
        &mut self,
        before_ns: u64,
        mut cut: impl FnMut(&mut T, &[Chunk], u8) -> Option<T>,
        mut sink: impl FnMut(u32, T),
    ) {
        for (since_ns, frame) in &self.deadlines {
            if *since_ns >= before_ns {
                break;
            }
            let Some(slot) = self.open.get(frame) else { continue };
            let Some(waiting) = self.slots.get_mut(slot).and_then(VecDeque::front_mut) else { continue };
            if waiting.frame != *frame || waiting.uncut || waiting.fragment || waiting.packet.is_some() {
                continue;
            }
            let open = waiting.chunks.iter().position(|chunk| chunk.fate.is_none());
            let (judged, left) = waiting.chunks.split_at(open.unwrap_or(0));
            let Some(turn) = left.first().map(|chunk| chunk.turn).filter(|_| !judged.is_empty()) else {
                continue;
            };
            match cut(&mut waiting.token, judged, turn) {
                Some(goes_on) => {
                    let moved = |chunk: &Chunk| Chunk { turn: chunk.turn.saturating_sub(turn), ..*chunk };
                    waiting.chunks = left.iter().map(moved).collect();
                    sink(*slot, goes_on);
                }
                None => waiting.uncut = true,
            }
        }
    }

    /// When the oldest frame that is not judged came.
    #[must_use]
    pub fn oldest_open(&self) -> Option<u64> {
        self.deadlines.iter().find(|(_, frame)| self.open.contains_key(frame)).map(|(since_ns, _)| *since_ns)
    }

    /// Lets go what may leave, in order. `carry_out` sees the frames of a packet with its chunks, one of which at least is
    /// not to pass; it rewrites them, or says that they are to be dropped by giving false.
    pub fn release(
        &mut self,
        mut carry_out: impl FnMut(&mut [&mut T], &[Chunk]) -> bool,
        mut sink: impl FnMut(Released<T>),
    ) {
        for slot in std::mem::take(&mut self.ready) {
            let Some(line) = self.slots.get_mut(&slot) else { continue };
            while let Some(waiting) = line.front_mut() {
                let goes_on = match waiting.packet {
                    None if self.open.contains_key(&waiting.frame) => break,
                    None => passes(&waiting.chunks) || carry_out(&mut [&mut waiting.token], &waiting.chunks),
                    Some(packet) => {
                        let Some(packet) = self.packets.get_mut(&packet) else { break };
                        if is_open(&packet.chunks) {
                            break;
                        }
                        match packet.carried_out {
                            Some(goes_on) => goes_on,
                            None => {
                                let goes_on = passes(&packet.chunks) || {
                                    let mut tokens = in_order(line, &packet.frames);
                                    carry_out(&mut tokens, &packet.chunks)
                                };
                                packet.carried_out = Some(goes_on);
                                goes_on
                            }
                        }
                    }
                };
                let Some(waiting) = line.pop_front() else { break };
                self.open.remove(&waiting.frame);
                if let Some(first) = waiting.packet
                    && let Some(packet) = self.packets.get_mut(&first)
                {
                    packet.frames.retain(|frame| *frame != waiting.frame);
                    if packet.frames.is_empty() {
                        self.packets.remove(&first);
                    }
                }
                self.len -= 1;
                let Waiting { number, since_ns, token, .. } = waiting;
                sink(Released { slot, number, since_ns, goes_on, token });
            }
            if line.is_empty() {
                self.slots.remove(&slot);
            }
        }
    }

    /// Gives up everything that waits; `open` hears of each chunk that was not judged.
    pub fn clear(&mut self, mut open: impl FnMut(&Chunk), mut sink: impl FnMut(Released<T>)) {
        let packets = self.packets.values().flat_map(|packet| &packet.chunks);
        let waiting = self.slots.values().flatten().flat_map(|waiting| &waiting.chunks);
        packets.chain(waiting).filter(|chunk| chunk.fate.is_none()).for_each(&mut open);
        for (slot, line) in std::mem::take(&mut self.slots) {
            for Waiting { number, since_ns, token, .. } in line {
                sink(Released { slot, number, since_ns, goes_on: false, token });
            }
        }
        *self = Self::default();
    }
}

/// A chunk that is none: the fate of a frame without chunks.
const NOTHING: Chunk = Chunk {
    piece: Piece { ports: 0, vtag: 0, tsn: 0 },
    hash: 0,
    turn: 0,
    begins: false,
    authenticated: false,
    fate: None,
};

fn passes(chunks: &[Chunk]) -> bool {
    chunks.iter().all(|chunk| chunk.fate == Some(Fate::Pass))
}

/// Gives the chunks that are this piece their fate.
fn settle(chunks: &mut [Chunk], piece: &Piece, fate: Fate, sink: &mut impl FnMut(&Chunk)) {
    for chunk in chunks.iter_mut().filter(|chunk| chunk.piece == *piece && chunk.fate.is_none()) {
        chunk.fate = Some(fate);
        sink(chunk);
    }
}

/// These frames of a line, in this order.
fn in_order<'a, T>(line: &'a mut VecDeque<Waiting<T>>, frames: &[u64]) -> Vec<&'a mut T> {
    let place = |frame: u64| frames.iter().position(|one| *one == frame);
    let mut found: Vec<(usize, &mut T)> =
        line.iter_mut().filter_map(|waiting| Some((place(waiting.frame)?, &mut waiting.token))).collect();
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, token)| token).collect()
}

#[cfg(test)]
mod tests;
