//! Frames that come: taken off a socket, judged as far as that goes, and put into line.

use ss7guard_common::abi::{HOLD_SLOTS, HoldStamp, SOCKET_SLOTS, Side};
use ss7guard_common::wire::Remote;

use super::{Holder, InHand, LOST_NS, MOST, Said, Scene};
use crate::hold::queue::Arrived;
use crate::hold::{Chunk, Fate, packet};
use crate::kernel::xsk::Held;
use crate::reassembly::assemble;

impl Holder {
    /// The stamp in front of a frame, if it is one of this socket's.
    pub(super) fn stamp(&mut self, line: usize, held: &Held) -> Option<HoldStamp> {
        let octets = self.pool.before(held, size_of::<HoldStamp>() as u32)?;
        let stamp: HoldStamp = bytemuck::try_pod_read_unaligned(octets).ok()?;
        let own = stamp.slot < HOLD_SLOTS && stamp.slot / SOCKET_SLOTS == self.lines[line].index;
        if !own {
            self.counts.foreign += 1;
        }
        own.then_some(stamp)
    }

    /// Counts what was lost before this frame.
    pub(super) fn came(&mut self, line: usize, stamp: &HoldStamp) {
        let line = &mut self.lines[line];
        let step = stamp.queue_number.wrapping_sub(line.last);
        if step < u32::MAX / 2 {
            self.counts.lost += u64::from(step.saturating_sub(1));
            line.last = stamp.queue_number;
        }
        self.leaving.entry(stamp.slot).or_default().came = stamp.number;
    }

    pub(super) fn receive(
        &mut self,
        line: usize,
        now_ns: u64,
        judge: &mut dyn FnMut(&Scene<'_>, &mut Said),
    ) -> bool {
        let mut taken = std::mem::take(&mut self.taken);
        self.lines[line].socket.receive(&mut self.pool, MOST, |held| taken.push(held));
        let busy = !taken.is_empty();
        if busy {
            self.lines[line].missing = None;
        } else {
            self.missed(line, now_ns);
        }
        for held in taken.drain(..) {
            self.counts.received += 1;
            match self.stamp(line, &held) {
                Some(stamp) => {
                    self.came(line, &stamp);
                    self.take_in(line, held, &stamp, judge);
                    self.is_in_time();
                }
                None => {
                    self.counts.dropped += 1;
                    self.pool.give_back(held);
                }
            }
        }
        self.taken = taken;
        busy
    }

    /// What was handed over long ago and never came, is lost: else the kernel would think the way full for ever. What it
    /// has counted this very moment comes when its poll ends.
    fn missed(&mut self, line: usize, now_ns: u64) {
        let line = &mut self.lines[line];
        let pushed = self.maps.pushed(line.index);
        match line.missing {
            _ if pushed == line.last => line.missing = None,
            None => line.missing = Some((pushed, now_ns)),
            Some((then, since_ns)) if now_ns.saturating_sub(since_ns) > LOST_NS => {
                self.counts.lost += u64::from(then.wrapping_sub(line.last));
                line.last = then;
                line.missing = None;
            }
            Some(_) => {}
        }
    }

    /// Judges a frame as far as that goes, and puts it into its line.
    fn take_in(
        &mut self,
        line: usize,
        held: Held,
        stamp: &HoldStamp,
        judge: &mut dyn FnMut(&Scene<'_>, &mut Said),
    ) {
        let end = self.lines[line].end;
        let frame = self.next;
        self.next += 1;
        let mut said = Said::default();
        let mut chunks = Vec::new();
        if stamp.judge == 0 {
            self.counts.behind += 1;
        } else {
            let octets = self.pool.octets(&held);
            let remote = if end.side == Side::Home { Remote::Destination } else { Remote::Source };
            let scene = Scene { number: frame, octets, remote, ifindex: end.ifindex, time_ns: stamp.time_ns };
            judge(&scene, &mut said);
            chunks = packet::chunks(octets, &self.memory);
            self.apply(&mut chunks, &said);
        }
        let fragment = said.fragment || !said.packet.is_empty();
        let (slot, number, since_ns) = (stamp.slot, stamp.number, stamp.time_ns);
        let token = InHand { held, line };
        self.queue.push(Arrived { frame, slot, number, since_ns, chunks, fragment, token });
        if !said.packet.is_empty() {
            self.join(&said);
        }
        self.decided(&said);
    }

    /// Chunks of which something was said have their fate: those that wait, and those that come again.
    pub(in crate::daemon) fn decided(&mut self, said: &Said) {
        let Self { queue, memory, .. } = self;
        for (piece, fate) in &said.decided {
            queue.decide(piece, *fate, |chunk| memory.note(chunk.piece, chunk.hash, *fate));
            memory.settle(piece, *fate);
        }
    }

    /// A frame has passed unjudged, because there was no controller or no room: what comes of it again passes too, unless
    /// something else is said of it.
    pub(in crate::daemon) fn passed(&mut self, frame: &[u8]) {
        for chunk in packet::chunks(frame, &self.memory) {
            if chunk.fate.is_none() {
                self.memory.note(chunk.piece, chunk.hash, Fate::Pass);
            }
        }
    }

    /// The fates of a frame's chunks, by what was said of it and what became of them before.
    fn apply(&mut self, chunks: &mut [Chunk], said: &Said) {
        for chunk in chunks {
            let before = chunk.fate;
            chunk.fate =
                said.fate(&chunk.piece).map_or(before, |fate| Some(before.map_or(fate, |b| b.max(fate))));
            if let Some(fate) = chunk.fate
                && before != Some(fate)
                && (fate != Fate::Pass || said.is_in_pieces(&chunk.piece))
            {
                self.memory.note(chunk.piece, chunk.hash, fate);
            }
        }
    }

    /// The IP fragments of a packet are all here.
    fn join(&mut self, said: &Said) {
        let Self { queue, pool, memory, .. } = self;
        let mut chunks = queue
            .tokens(&said.packet)
            .and_then(|tokens| assemble(tokens.into_iter().map(|token| pool.octets(&token.held))))
            .map_or_else(Vec::new, |(packet, _)| packet::chunks(&packet, memory));
        self.apply(&mut chunks, said);
        self.queue.join(&said.packet, chunks);
    }
}
