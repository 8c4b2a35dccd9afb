//! Frames of a bridge in the controller's hands: taken off the sockets, judged, and sent on or dropped, in order.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ss7guard_common::abi::HoldBeat;
use ss7guard_common::neutralise::Form;
use ss7guard_common::wire::Remote;

use crate::hold::packet::{self, Done, Limits};
use crate::hold::split::split;
use crate::hold::{Fate, Memory, Queue, Released};
use crate::kernel::xsk::{self, Held, Pool, Socket};
use crate::kernel::{End, HoldMaps, monotonic_ns};

mod open;
mod said;
mod take;
mod view;

pub(super) use said::Said;
pub(super) use view::HolderView;

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

/// So long after frames that were not seen here, what does not become whole in time passes: its rest may have been among
/// them. Senders send again after that time at the latest (RFC 9260 §16: RTO.Max).
const GAP_NS: u64 = 60_000_000_000;

/// So long the judged part of a packet waits for the rest.
const CUT_NS: u64 = 20_000_000;

/// So long nothing has come of what the kernel has handed over: it was lost on the way.
const LOST_NS: u64 = 100_000_000;

/// Frame numbers of the hold; those of the event ring are below.
const FIRST_NUMBER: u64 = 1 << 63;

/// How the messages between two ends are rewritten: as one of them wishes, the receiver before the sender.
fn form(forms: &HashMap<IpAddr, Form>) -> impl Fn([Option<IpAddr>; 2]) -> Form + '_ {
    |ends| ends.iter().flatten().find_map(|end| forms.get(end)).copied().unwrap_or_default()
}

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

/// A frame on its way out.
#[derive(Clone, Copy, Default)]
struct OnTheWay {
    /// Its place in the kernel's table.
    slot: u32,
    /// Whether it is the first part of one that still waits.
    part: bool,
}

/// What has left or is leaving of one host pair.
#[derive(Clone, Copy, Default)]
struct Leaving {
    in_flight: u32,
    /// Number of the frame that was let go last.
    last: Option<u32>,
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
    /// Packets whose judged part went on before the rest.
    pub(super) cut: u64,
    /// Those parts for which there was no room.
    pub(super) cut_unsent: u64,
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
    /// By the number of a pool's frame.
    on_the_way: Vec<OnTheWay>,
    in_flight: usize,
    next: u64,
    beat_ns: u64,
    /// Without a sign of life for so long, the kernel lets frames pass.
    silence_ns: u64,
    room: u32,
    draining: bool,
    hold_ns: u64,
    /// When frames passed last that were not seen here.
    gap_ns: Option<u64>,
    on_hold_time: Fate,
    limits: Limits,
    forms: HashMap<IpAddr, Form>,
    counts: Counts,
    ages: view::Ages,
    taken: Vec<Held>,
    released: Vec<Released<InHand>>,
}

impl Holder {
    /// One turn: what has left, what came, what may leave. True if there was something to do.
    pub(super) fn turn(&mut self, now_ns: u64, judge: &mut dyn FnMut(&Scene<'_>, &mut Said)) -> bool {
        if !self.is_in_time() {
            self.purge();
            self.sign(monotonic_ns());
        }
        let mut busy = self.completed() > 0;
        for line in 0..self.lines.len() {
            busy |= self.receive(line, now_ns, judge);
        }
        if !self.is_in_time() {
            // What is in hand may have been overtaken: the next turn gives it up.
            return true;
        }
        self.expire(now_ns);
        self.cut(now_ns);
        self.release(now_ns);
        self.send();
        busy |= self.completed() > 0;
        self.refill();
        busy
    }

    /// Gives a sign of life if it is time for one; false if it is too late for it. Asked after each frame, whose judgement
    /// may take a slow machine long.
    pub(super) fn is_in_time(&mut self) -> bool {
        let now_ns = monotonic_ns();
        if self.stood_still(now_ns) {
            return false;
        }
        if now_ns.saturating_sub(self.beat_ns) >= self.silence_ns / 10 {
            self.sign(now_ns);
        }
        true
    }

    /// Whether the kernel may have given this controller up since its last sign of life, or will soon: what is in hand is
    /// too old then.
    const fn stood_still(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.beat_ns) > self.silence_ns / 4 * 3
    }

    /// Gives a sign of life.
    fn sign(&mut self, now_ns: u64) {
        self.beat_ns = now_ns;
        let beat = HoldBeat {
            beat_ns: now_ns,
            room: self.room,
            draining: u32::from(self.draining),
            silence_ns: self.silence_ns,
        };
        self.maps.beat(beat);
    }

    /// Everything in hand is older than what the kernel has let pass meanwhile: it is given up.
    fn purge(&mut self) {
        self.counts.stalls += 1;
        self.note_gap();
        let before = self.counts.purged;
        let mut given_up = Vec::new();
        let Self { queue, memory, .. } = self;
        // They come again, and their message may be judged by then.
        queue.clear(|chunk| memory.note_open(chunk.piece, chunk.hash), |released| given_up.push(released));
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

    fn expire(&mut self, now_ns: u64) {
        let Self { queue, memory, .. } = self;
        let after_gap = self.gap_ns.is_some_and(|gap_ns| now_ns.saturating_sub(gap_ns) < GAP_NS);
        let fate = if after_gap { Fate::Pass } else { self.on_hold_time };
        let before_ns = now_ns.saturating_sub(self.hold_ns);
        self.counts.expired += queue.expire(before_ns, fate, |chunk| match fate {
            // It comes again, and by then the rest may be here.
            Fate::Drop => memory.note_open(chunk.piece, chunk.hash),
            fate => memory.note(chunk.piece, chunk.hash, fate),
        });
    }

    /// Some frames were not seen here: the rest of a message may have passed already.
    pub(super) fn note_gap(&mut self) {
        self.gap_ns = Some(monotonic_ns());
    }

    /// Lets go the judged part of packets whose rest waits for more: the sender may wait for its acknowledgement.
    fn cut(&mut self, now_ns: u64) {
        let before_ns = now_ns.saturating_sub(CUT_NS);
        if self.queue.oldest_open().is_none_or(|since_ns| since_ns >= before_ns) {
            return;
        }
        let mut parts = Vec::new();
        let Self { queue, pool, forms, limits, counts, .. } = self;
        queue.cut(
            before_ns,
            |token, judged, turn| {
                let (mut before, behind) = split(pool.octets(&token.held), turn)?;
                match packet::carry_out(&mut [&mut before], judged, *limits, &form(forms)) {
                    Done::GoesOn(neutralised) => counts.neutralised += u64::from(neutralised),
                    Done::Drop => return None,
                }
                let mut goes_on = pool.take(before.len() as u32)?;
                let Some(mut stays) = pool.take(behind.len() as u32) else {
                    pool.give_back(goes_on);
                    return None;
                };
                pool.octets_mut(&mut goes_on).copy_from_slice(&before);
                pool.octets_mut(&mut stays).copy_from_slice(&behind);
                pool.give_back(std::mem::replace(&mut token.held, stays));
                counts.cut += 1;
                Some(InHand { held: goes_on, line: token.line })
            },
            |slot, part| parts.push((slot, part)),
        );
        for (slot, part) in parts {
            if !self.put_out(slot, part, true) {
                self.counts.cut_unsent += 1;
            }
        }
    }

    /// Puts a frame, or the first part of one, on its way out; false, and it is gone, if there is no room or no link.
    fn put_out(&mut self, slot: u32, token: InHand, part: bool) -> bool {
        let out = self.lines[token.line].out;
        let frame = token.held.number();
        let line = &mut self.lines[out];
        if line.down {
            // As on a cable that leads nowhere: it does not wait for a better day.
            self.pool.give_back(token.held);
            return false;
        }
        match line.socket.send(&mut self.pool, token.held) {
            Ok(()) => {
                line.kicks = true;
                self.on_the_way[frame as usize] = OnTheWay { slot, part };
                self.in_flight += 1;
                self.leaving.entry(slot).or_default().in_flight += 1;
                true
            }
            Err(held) => {
                self.pool.give_back(held);
                false
            }
        }
    }

    /// Lets go what may leave.
    fn release(&mut self, now_ns: u64) {
        let mut released = std::mem::take(&mut self.released);
        let Self { queue, pool, forms, limits, counts, .. } = self;
        queue.release(
            |tokens, chunks| {
                let form = form(forms);
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
            if self.put_out(slot, token, false) {
                self.leaving.entry(slot).or_default().last = Some(number);
                self.counts.emitted += 1;
                self.ages.note(now_ns.saturating_sub(since_ns));
            } else {
                self.counts.unsent += 1;
                self.let_go(slot, number);
            }
        }
        self.released = released;
    }

    /// A frame is no more in hand, and does not leave.
    fn let_go(&mut self, slot: u32, number: u32) {
        self.leaving.entry(slot).or_default().last = Some(number);
        self.settle(slot);
    }

    /// Tells the kernel how far a host pair is, once nothing of it is on its way out.
    fn settle(&mut self, slot: u32) {
        let Some(leaving) = self.leaving.get(&slot) else { return };
        if leaving.in_flight == 0
            && let Some(last) = leaving.last
        {
            self.maps.set_done(slot, last);
            if last == leaving.came {
                self.leaving.remove(&slot);
            }
        }
    }

    fn send(&mut self) {
        for line in 0..self.lines.len() {
            if !self.lines[line].kicks {
                continue;
            }
            // The process may have been stopped anywhere in this turn; the next one gives up the rest.
            if self.stood_still(monotonic_ns()) {
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
        let whole = gone.iter().filter(|frame| !self.on_the_way[**frame as usize].part).count() as u64;
        self.counts.emitted -= whole;
        self.counts.purged += whole;
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
            let OnTheWay { slot, .. } = self.on_the_way[*frame as usize];
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
            let age_ns = monotonic_ns().saturating_sub(since_ns);
            let next_ns = if age_ns <= CUT_NS { CUT_NS } else { self.hold_ns };
            most = most.min(Duration::from_nanos(next_ns.saturating_sub(age_ns)));
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
