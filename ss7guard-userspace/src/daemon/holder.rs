//! Frames of a bridge in the controller's hands: taken off the sockets, judged, and sent on or dropped, in order.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ss7guard_common::abi::{
    HOLD_SLOTS, HOLD_STALE_NS, HoldBeat, HoldStamp, PORT_QUEUES, SOCKET_SLOTS, Side, socket_index,
};
use ss7guard_common::neutralise::Form;
use ss7guard_common::verdict::{Action, Reason};
use ss7guard_common::wire::Remote;

use crate::config::{Config, PassOrDrop};
use crate::hold::packet::{self, Done, Limits};
use crate::hold::queue::Arrived;
use crate::hold::{Chunk, Fate, Memory, Queue, Released};
use crate::kernel::xsk::{self, Copying, Held, Pool, Socket};
use crate::kernel::{BridgeMaps, End, HoldMaps, KernelError, device, interface_name, monotonic_ns};
use crate::reassembly::assemble;

mod said;
mod view;

pub(super) use said::Said;
pub(super) use view::HolderView;

/// How often the kernel gets a sign of life.
const BEAT_NS: u64 = 20_000_000;

/// Without a sign of life for so long, the kernel may have let frames pass: those in hand are old.
const PURGE_NS: u64 = HOLD_STALE_NS - 50_000_000;

/// Frames that are taken off a socket before others get a turn.
const MOST: usize = 64;

/// Frames of a socket that the kernel may be handing over at this moment, beyond those that it has counted.
const SLACK: u32 = 8;

/// While frames are on their way out, it is looked soon whether they have left.
const SOON: Duration = Duration::from_micros(50);

/// The same while an interface is down.
const DOWN: Duration = Duration::from_millis(1);

/// How long frames that wait are waited for at the end.
const LAST_NS: u64 = 1_000_000_000;

/// So long nothing has come of what the kernel has handed over: it was lost on the way.
const LOST_NS: u64 = 100_000_000;

/// Frame numbers of the hold; those of the event ring are below.
const FIRST_NUMBER: u64 = 1 << 63;

/// One frame in hand.
#[derive(Debug)]
struct InHand {
    held: Held,
    /// The line that it came by.
    line: usize,
}

/// One socket, and where it belongs.
struct Line {
    socket: Socket,
    /// Its place in the kernel's tables.
    index: u32,
    end: End,
    /// Number of the frame that came last.
    last: u32,
    /// What the kernel had handed over when it was first seen to be missing, and when that was.
    missing: Option<(u32, u64)>,
    /// The line by which its frames leave.
    out: usize,
    /// Whether there is something on the TX ring.
    kicks: bool,
    /// Whether the interface was down when it was last tried to send.
    down: bool,
}

/// What has left or is leaving of one host pair.
#[derive(Clone, Copy, Default)]
struct Leaving {
    in_flight: u32,
    /// Number of the frame that was let go last.
    last: u32,
    /// Number of the frame that came last.
    came: u32,
}

/// What became of frames; `received` is the sum of `emitted`, `dropped`, `purged`, `unsent` and those that wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) behind: u64,
    pub(super) emitted: u64,
    pub(super) dropped: u64,
    pub(super) purged: u64,
    pub(super) unsent: u64,
    pub(super) neutralised: u64,
    pub(super) expired: u64,
    /// Handed over by the kernel, and never came.
    pub(super) lost: u64,
    /// Those that an earlier controller had in hand.
    pub(super) lost_before: u64,
    pub(super) foreign: u64,
    pub(super) stalls: u64,
}

/// A frame that is to be judged.
pub(super) struct Scene<'a> {
    pub(super) number: u64,
    pub(super) octets: &'a [u8],
    pub(super) remote: Remote,
    pub(super) ifindex: u32,
    pub(super) time_ns: u64,
}

/// Everything that is in hand.
pub(super) struct Holder {
    maps: HoldMaps,
    pool: Pool,
    lines: Vec<Line>,
    queue: Queue<InHand>,
    memory: Memory,
    leaving: HashMap<u32, Leaving>,
    /// By the number of a pool's frame: the host pair of the one that is on its way out.
    on_the_way: Vec<u32>,
    in_flight: usize,
    next: u64,
    beat_ns: u64,
    room: u32,
    draining: bool,
    hold_ns: u64,
    on_hold_time: Fate,
    limits: Limits,
    forms: HashMap<IpAddr, Form>,
    counts: Counts,
    ages: view::Ages,
    taken: Vec<Held>,
    released: Vec<Released<InHand>>,
}

impl Holder {
    /// Gives up what an earlier controller had in hand, and opens a socket on each queue of each port.
    ///
    /// # Errors
    /// CAP_NET_RAW is missing, or the kernel refuses.
    pub(super) fn open(config: &Config) -> Result<Self, KernelError> {
        let ends = BridgeMaps::open(&config.bpffs)?.ports()?;
        let maps = HoldMaps::open(&config.bpffs)?;
        let lost_before = maps.give_up(&ends);
        if lost_before > 0 {
            log::warn!(
                "{lost_before} frames were held when the last controller ended; SCTP sends them again"
            );
        }
        let mut places = Vec::new();
        for end in &ends {
            let name = interface_name(end.ifindex)?;
            let queues = device::rx_queues(&name)?;
            if queues > PORT_QUEUES {
                log::warn!(
                    "{name} has {queues} receive queues; frames of those from {PORT_QUEUES} on are not held"
                );
            }
            places.extend((0..queues.min(PORT_QUEUES)).map(|queue| (*end, queue)));
        }
        let room = config.hold.room;
        let frames = room.saturating_mul(2).saturating_mul(places.len() as u32);
        let pool = Pool::new(frames)?;
        let wanted: Vec<xsk::Port> = places
            .iter()
            .map(|(end, queue)| xsk::Port {
                interface: end.ifindex,
                queue: *queue,
                receive: room,
                send: frames,
            })
            .collect();
        let sockets = xsk::open(&pool, &wanted, Copying::Avoid)?;
        let mut lines = Vec::new();
        for (socket, (end, queue)) in sockets.into_iter().zip(&places) {
            let others: Vec<usize> = (0..)
                .zip(&places)
                .filter(|(_, (other, _))| other.ifindex == end.other)
                .map(|(line, _)| line)
                .collect();
            let out = others.get(*queue as usize % others.len().max(1)).copied();
            let (Some(index), Some(out)) = (socket_index(end.index, *queue), out) else { continue };
            let last = maps.pushed(index);
            lines.push(Line {
                socket,
                index,
                end: *end,
                last,
                missing: None,
                out,
                kicks: false,
                down: false,
            });
        }
        let mut holder = Self {
            on_the_way: vec![0; pool.frames() as usize],
            maps,
            pool,
            lines,
            queue: Queue::default(),
            memory: Memory::default(),
            leaving: HashMap::new(),
            in_flight: 0,
            next: FIRST_NUMBER,
            beat_ns: monotonic_ns(),
            room: room - SLACK,
            draining: false,
            hold_ns: u64::try_from(config.hold.time.as_nanos()).unwrap_or(u64::MAX),
            on_hold_time: match config.hold.on_hold_time {
                PassOrDrop::Pass => Fate::Pass,
                PassOrDrop::Drop => Fate::Drop,
            },
            limits: Limits {
                drop_authenticated: config.kernel_record().policy(Reason::BlockedUnderAuth.into())
                    == Action::Drop,
            },
            forms: config
                .peers
                .iter()
                .flat_map(|peer| peer.addresses.iter().map(move |address| (*address, peer.form)))
                .collect(),
            counts: Counts { lost_before, ..Counts::default() },
            ages: view::Ages::default(),
            taken: Vec::new(),
            released: Vec::new(),
        };
        holder.refill();
        for line in 0..holder.lines.len() {
            let Line { index, socket, .. } = &holder.lines[line];
            holder.maps.open_socket(*index, socket)?;
        }
        holder.sign(holder.beat_ns);
        let queues = holder.lines.len();
        let how = if holder.lines.iter().all(|line| line.socket.is_zero_copy()) {
            "without copies"
        } else {
            "copied"
        };
        log::info!("holding on {queues} queues, {room} frames each, {how}");
        Ok(holder)
    }

    /// One turn: what has left, what came, what may leave. True if there was something to do.
    pub(super) fn turn(&mut self, now_ns: u64, judge: &mut dyn FnMut(&Scene<'_>, &mut Said)) -> bool {
        if now_ns.saturating_sub(self.beat_ns) > PURGE_NS {
            self.purge();
        }
        if now_ns.saturating_sub(self.beat_ns) >= BEAT_NS {
            self.sign(now_ns);
        }
        let mut busy = self.completed() > 0;
        for line in 0..self.lines.len() {
            busy |= self.receive(line, now_ns, judge);
        }
        self.expire(now_ns);
        self.release(now_ns);
        self.send();
        busy |= self.completed() > 0;
        self.refill();
        busy
    }

    /// Gives a sign of life.
    fn sign(&mut self, now_ns: u64) {
        self.beat_ns = now_ns;
        let beat = HoldBeat { beat_ns: now_ns, room: self.room, draining: u32::from(self.draining) };
        self.maps.beat(beat);
    }

    /// Everything in hand is older than what the kernel has let pass meanwhile: it is given up.
    fn purge(&mut self) {
        self.counts.stalls += 1;
        let before = self.counts.purged;
        let mut given_up = Vec::new();
        self.queue.clear(|released| given_up.push(released));
        for Released { slot, number, token, .. } in given_up {
            self.pool.give_back(token.held);
            self.counts.purged += 1;
            self.let_go(slot, number);
        }
        for line in 0..self.lines.len() {
            loop {
                let mut taken = std::mem::take(&mut self.taken);
                let count = self.lines[line].socket.receive(&mut self.pool, MOST, |held| taken.push(held));
                for held in taken.drain(..) {
                    let stamp = self.stamp(line, &held);
                    self.pool.give_back(held);
                    self.counts.received += 1;
                    self.counts.purged += 1;
                    if let Some(stamp) = stamp {
                        self.came(line, &stamp);
                        self.let_go(stamp.slot, stamp.number);
                    }
                }
                self.taken = taken;
                if count == 0 {
                    break;
                }
            }
        }
        self.refill();
        let purged = self.counts.purged - before;
        log::warn!(
            "the controller stood still; {purged} frames in hand were given up, SCTP sends them again"
        );
    }

    /// The stamp in front of a frame, if it is one of this socket's.
    fn stamp(&mut self, line: usize, held: &Held) -> Option<HoldStamp> {
        let octets = self.pool.before(held, size_of::<HoldStamp>() as u32)?;
        let stamp: HoldStamp = bytemuck::try_pod_read_unaligned(octets).ok()?;
        let own = stamp.slot < HOLD_SLOTS && stamp.slot / SOCKET_SLOTS == self.lines[line].index;
        if !own {
            self.counts.foreign += 1;
        }
        own.then_some(stamp)
    }

    /// Counts what was lost before this frame.
    fn came(&mut self, line: usize, stamp: &HoldStamp) {
        let line = &mut self.lines[line];
        let step = stamp.queue_number.wrapping_sub(line.last);
        if step < u32::MAX / 2 {
            self.counts.lost += u64::from(step.saturating_sub(1));
            line.last = stamp.queue_number;
        }
        self.leaving.entry(stamp.slot).or_default().came = stamp.number;
    }

    fn receive(&mut self, line: usize, now_ns: u64, judge: &mut dyn FnMut(&Scene<'_>, &mut Said)) -> bool {
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

    /// Chunks of which something was said have their fate, wherever they wait.
    pub(super) fn decided(&mut self, said: &Said) {
        let Self { queue, memory, .. } = self;
        for (piece, fate) in &said.decided {
            queue.decide(piece, *fate, |chunk| memory.note(chunk.piece, chunk.hash, *fate));
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

    fn expire(&mut self, now_ns: u64) {
        let Self { queue, memory, .. } = self;
        let fate = self.on_hold_time;
        let before_ns = now_ns.saturating_sub(self.hold_ns);
        self.counts.expired +=
            queue.expire(before_ns, fate, |chunk| memory.note(chunk.piece, chunk.hash, fate));
    }

    /// Lets go what may leave.
    fn release(&mut self, now_ns: u64) {
        let mut released = std::mem::take(&mut self.released);
        let Self { queue, pool, forms, limits, counts, .. } = self;
        queue.release(
            |tokens, chunks| {
                let form = |ends: [Option<IpAddr>; 2]| {
                    let known = ends.iter().flatten().find_map(|end| forms.get(end));
                    known.copied().unwrap_or_default()
                };
                let done = match tokens {
                    [one] => packet::carry_out(&mut [pool.octets_mut(&mut one.held)], chunks, *limits, &form),
                    fragments => {
                        let mut copies: Vec<Vec<u8>> =
                            fragments.iter().map(|one| pool.octets(&one.held).to_vec()).collect();
                        let mut views: Vec<&mut [u8]> = copies.iter_mut().map(Vec::as_mut_slice).collect();
                        let done = packet::carry_out(&mut views, chunks, *limits, &form);
                        for (one, copy) in fragments.iter_mut().zip(&copies) {
                            pool.octets_mut(&mut one.held).copy_from_slice(copy);
                        }
                        done
                    }
                };
                match done {
                    Done::GoesOn(neutralised) => {
                        counts.neutralised += u64::from(neutralised);
                        true
                    }
                    Done::Drop => false,
                }
            },
            |one| released.push(one),
        );
        for Released { slot, number, since_ns, goes_on, token } in released.drain(..) {
            if !goes_on {
                self.pool.give_back(token.held);
                self.counts.dropped += 1;
                self.let_go(slot, number);
                continue;
            }
            let out = self.lines[token.line].out;
            let frame = token.held.number();
            let line = &mut self.lines[out];
            if line.down {
                // As on a cable that leads nowhere: it does not wait for a better day.
                self.pool.give_back(token.held);
                self.counts.unsent += 1;
                self.let_go(slot, number);
                continue;
            }
            match line.socket.send(&mut self.pool, token.held) {
                Ok(()) => {
                    line.kicks = true;
                    self.on_the_way[frame as usize] = slot;
                    self.in_flight += 1;
                    let leaving = self.leaving.entry(slot).or_default();
                    leaving.in_flight += 1;
                    leaving.last = number;
                    self.counts.emitted += 1;
                    self.ages.note(now_ns.saturating_sub(since_ns));
                }
                Err(held) => {
                    self.pool.give_back(held);
                    self.counts.unsent += 1;
                    self.let_go(slot, number);
                }
            }
        }
        self.released = released;
    }

    /// A frame is no more in hand, and does not leave.
    fn let_go(&mut self, slot: u32, number: u32) {
        self.leaving.entry(slot).or_default().last = number;
        self.settle(slot);
    }

    /// Tells the kernel how far a host pair is, once nothing of it is on its way out.
    fn settle(&mut self, slot: u32) {
        let Some(leaving) = self.leaving.get(&slot) else { return };
        if leaving.in_flight == 0 {
            self.maps.set_done(slot, leaving.last);
            if leaving.last == leaving.came {
                self.leaving.remove(&slot);
            }
        }
    }

    /// Whether the kernel may have given this controller up since its last sign of life.
    fn stood_still(&self) -> bool {
        monotonic_ns().saturating_sub(self.beat_ns) > PURGE_NS
    }

    fn send(&mut self) {
        for line in 0..self.lines.len() {
            if !self.lines[line].kicks {
                continue;
            }
            // The process may have been stopped anywhere in this turn; the next one gives up the rest.
            if self.stood_still() {
                self.recall(line);
                continue;
            }
            let line = &mut self.lines[line];
            match line.socket.kick() {
                Ok(kick) => {
                    line.kicks = kick != xsk::Kick::Taken;
                    line.down = kick == xsk::Kick::Down;
                }
                Err(error) => {
                    log::error!("{error}");
                    (line.kicks, line.down) = (false, false);
                }
            }
        }
    }

    /// Gives up what was to leave by this line and is not shown to the kernel yet.
    fn recall(&mut self, line: usize) {
        let mut gone = Vec::new();
        let Line { socket, kicks, down, .. } = &mut self.lines[line];
        socket.recall(&mut self.pool, |frame| gone.push(frame));
        *kicks = socket.waiting() > 0;
        *down &= *kicks;
        self.counts.emitted -= gone.len() as u64;
        self.counts.purged += gone.len() as u64;
        self.left(&gone);
    }

    /// Learns what has left; gives how many frames.
    fn completed(&mut self) -> usize {
        let mut count = 0;
        for line in 0..self.lines.len() {
            let mut gone = Vec::new();
            count += self.lines[line].socket.completed(&mut self.pool, |frame| gone.push(frame));
            self.left(&gone);
        }
        count
    }

    /// These frames are no more on their way out.
    fn left(&mut self, frames: &[u32]) {
        for frame in frames {
            let slot = self.on_the_way[*frame as usize];
            self.in_flight = self.in_flight.saturating_sub(1);
            if let Some(leaving) = self.leaving.get_mut(&slot) {
                leaving.in_flight = leaving.in_flight.saturating_sub(1);
            }
            self.settle(slot);
        }
    }

    /// Replaces the room of what was taken.
    fn refill(&mut self) {
        for line in &mut self.lines {
            let missing = line.socket.refill(&mut self.pool);
            self.maps.set_taken(line.index, line.last.wrapping_sub(missing));
            if let Err(error) = line.socket.wake_fill() {
                log::debug!("{error}");
            }
        }
    }

    /// Waits for a frame, for so long at most.
    pub(super) fn wait(&self, most: Duration) {
        let mut most = most;
        if self.lines.iter().any(|line| line.down) {
            // What is on its way there does not leave soon.
            most = DOWN;
        } else if self.in_flight > 0 || self.lines.iter().any(|line| line.kicks) {
            most = SOON;
        } else if let Some(since_ns) = self.queue.oldest_open() {
            let left = since_ns.saturating_add(self.hold_ns).saturating_sub(monotonic_ns());
            most = most.min(Duration::from_nanos(left));
        }
        let Ok(timeout) = Timespec::try_from(most) else { return };
        let mut polled: Vec<PollFd<'_>> =
            self.lines.iter().map(|line| PollFd::new(&line.socket, PollFlags::IN)).collect();
        // Woken early or not at all: the next turn looks for itself.
        let _ = poll(&mut polled, Some(&timeout));
    }

    /// Lets what waits come to its end, with nothing new, and closes the sockets.
    pub(super) fn drain_and_close(&mut self, mut turn: impl FnMut(&mut Self)) {
        self.draining = true;
        let begun_ns = monotonic_ns();
        self.sign(begun_ns);
        loop {
            turn(self);
            let waits = !self.queue.is_empty()
                || self.in_flight > 0
                || self.lines.iter().any(|line| self.maps.pushed(line.index) != line.last);
            if !waits || monotonic_ns().saturating_sub(begun_ns) > LAST_NS {
                break;
            }
            self.wait(SOON);
        }
        for line in 0..self.lines.len() {
            self.maps.close_socket(self.lines[line].index);
        }
    }

    /// What is to be seen from outside.
    pub(super) fn view(&self) -> HolderView {
        let now_ns = monotonic_ns();
        let mut sockets = xsk::Statistics::default();
        for line in &self.lines {
            let one = line.socket.statistics().unwrap_or_default();
            sockets.dropped += one.dropped;
            sockets.ring_full += one.ring_full;
            sockets.fill_empty += one.fill_empty;
            sockets.bad += one.bad;
        }
        HolderView {
            counts: self.counts,
            waiting: self.queue.len() as u64,
            in_flight: self.in_flight as u64,
            oldest_ns: self.queue.oldest_open().map_or(0, |since_ns| now_ns.saturating_sub(since_ns)),
            ages: self.ages.clone(),
            sockets,
        }
    }
}
