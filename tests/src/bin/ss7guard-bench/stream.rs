//! Numbered frames of several host pairs at a steady rate: which arrive, in which order, and how much later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use rustix::event::{Timespec, poll};
use ss7guard_lab::capture::{PacketSocket, sctp};
use ss7guard_lab::frame::{Frame, PROTOCOL_DATA_AT, WHOLE, data, m3ua_data};
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::netns::{HOST_INTERFACE, Namespace, WORLD_INTERFACE, Wire};
use ss7guard_lab::random::Random;
use ss7guard_lab::traffic::Kind;

use crate::kernel::thread_cpu;

/// Host pairs that the frames are of.
pub(crate) const PAIRS: usize = 16;

/// Frames that are sent at once at most, when the sender is late: not more than the ring of a veth interface holds.
const BURST: usize = 64;

/// Where things are in the frames: without tags and options.
const SOURCE_AT: usize = 14 + 12 + 3;
const SCTP_AT: usize = 14 + 20;
const CHECKSUM_AT: usize = SCTP_AT + 8;
const TSN_AT: usize = SCTP_AT + 12 + 4;

/// ISUP over M3UA: user data that nobody has to judge.
pub(crate) fn isup() -> Vec<u8> {
    const INDICATOR_AT: usize = PROTOCOL_DATA_AT + 4 + 8;
    let mut message = m3ua_data(0x1008);
    message[INDICATOR_AT] = 5;
    message
}

/// A frame that is to be sent.
pub(crate) struct Numbered {
    frame: Vec<u8>,
    judged: bool,
}

/// So many frames, of which so many of a thousand need judgement: benign MAP. The others carry ISUP. Each has its place as
/// TSN, an own checksum, and one of the host pairs.
pub(crate) fn numbered(count: u32, judged_of_thousand: usize) -> Vec<Numbered> {
    let mut random = Random(0x0b21_d6e0_0000_0001);
    let isup = isup();
    let label = Label { opc: 0x1009, dpc: 9, ni: 0, sls: 1 };
    let one = |number: u32| {
        let judged = random.below(1_000) < judged_of_thousand;
        let map =
            || m3ua::data(label, None, &Kind::ROAMING[number as usize % Kind::ROAMING.len()].begin(number));
        let payload = if judged { map() } else { isup.clone() };
        let mut frame = Frame::ipv4(132, &[]).sctp(1, &[data(WHOLE, 3, &payload)]).build();
        frame[SOURCE_AT] = 1 + (number as usize % PAIRS) as u8;
        frame[TSN_AT..TSN_AT + 4].copy_from_slice(&number.to_be_bytes());
        let checksum = sctp(&frame).map_or(0, crc32c::crc32c);
        frame[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum.to_le_bytes());
        Numbered { frame, judged }
    };
    (0..count).map(one).collect()
}

/// What became of the frames.
pub(crate) struct Outcome {
    pub(crate) sent: usize,
    pub(crate) arrived: usize,
    /// Frames that came after a later one of their host pair.
    pub(crate) overtaken: usize,
    pub(crate) twice: usize,
    /// How long those on their way were that need judgement, in nanoseconds.
    pub(crate) judged_ns: Vec<f64>,
    /// The same of the others.
    pub(crate) other_ns: Vec<f64>,
    /// Frames per second.
    pub(crate) rate: f64,
}

fn wall_ns() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Sends the frames from the world at this rate, and looks at what comes to the host.
pub(crate) fn run(wire: &Wire, frames: &[Numbered], per_second: f64) -> Result<Outcome> {
    let receiver = PacketSocket::open(&wire.host, HOST_INTERFACE, false)?;
    // Nothing was received: from now on there are stamps.
    let _ = receiver.stamp_ns();
    let done = AtomicBool::new(false);
    let (sent, arrived) = thread::scope(|scope| {
        let arrived = scope.spawn(|| receive(&receiver, &done));
        let sent = send(&wire.world, frames, per_second);
        done.store(true, Ordering::Relaxed);
        let arrived = arrived.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (sent, arrived)
    });
    let Sent { at_ns, elapsed, cpu: _ } = sent?;
    let arrived = arrived?;
    let mut came = vec![false; frames.len()];
    let mut latest = [None; PAIRS];
    let (mut overtaken, mut twice) = (0, 0);
    let (mut judged_ns, mut other_ns) = (Vec::new(), Vec::new());
    for (number, stamp_ns) in &arrived {
        let index = *number as usize;
        let Some(frame) = frames.get(index) else { continue };
        twice += usize::from(std::mem::replace(&mut came[index], true));
        let latest = &mut latest[index % PAIRS];
        overtaken += usize::from(*latest > Some(index));
        *latest = (*latest).max(Some(index));
        let took = stamp_ns.saturating_sub(at_ns[index]) as f64;
        if frame.judged { &mut judged_ns } else { &mut other_ns }.push(took);
    }
    Ok(Outcome {
        sent: frames.len(),
        arrived: came.iter().filter(|came| **came).count(),
        overtaken,
        twice,
        judged_ns,
        other_ns,
        rate: frames.len() as f64 / elapsed.as_secs_f64(),
    })
}

/// When the frames were sent, how long it took, and how much CPU.
pub(crate) struct Sent {
    at_ns: Vec<u64>,
    elapsed: Duration,
    /// Of the sender, in which the frames' way through the kernel is, too.
    pub(crate) cpu: Duration,
}

/// Sends the frames at this rate, by a thread that sleeps while none is due.
pub(crate) fn send(world: &Namespace, frames: &[Numbered], per_second: f64) -> Result<Sent> {
    /// How long it sleeps at least.
    const NAP: Duration = Duration::from_micros(60);
    let socket = PacketSocket::open(world, WORLD_INTERFACE, false)?;
    let mut at_ns = Vec::with_capacity(frames.len());
    thread::scope(|scope| {
        let sender = scope.spawn(|| -> Result<Sent> {
            // SAFETY: sets a number of this thread: how much later than asked for it may be woken, in nanoseconds.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000 as libc::c_ulong) };
            let (start, cpu) = (Instant::now(), thread_cpu());
            while at_ns.len() < frames.len() {
                let due = (start.elapsed().as_secs_f64() * per_second) as usize;
                let until = due.min(at_ns.len() + BURST).min(frames.len());
                for numbered in &frames[at_ns.len()..until] {
                    at_ns.push(wall_ns());
                    socket.send(&numbered.frame)?;
                }
                thread::sleep(NAP);
            }
            Ok(Sent { at_ns, elapsed: start.elapsed(), cpu: thread_cpu().saturating_sub(cpu) })
        });
        sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Number and time of each of our frames, in the order in which they came.
fn receive(socket: &PacketSocket, done: &AtomicBool) -> Result<Vec<(u32, u64)>> {
    /// So long after the end of sending, nothing comes any more.
    const LAST: Duration = Duration::from_millis(1_500);
    let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let mut room = vec![0u8; 4_096];
    let mut found = Vec::new();
    let mut ended: Option<Instant> = None;
    while ended.is_none_or(|at| at.elapsed() < LAST) {
        if ended.is_none() && done.load(Ordering::Relaxed) {
            ended = Some(Instant::now());
        }
        poll(&mut [socket.as_poll()], Some(&wait))?;
        while let Some(len) = socket.take_into(&mut room)? {
            let frame = &room[..len];
            if frame.get(12..14) == Some(&[8, 0]) && frame.get(SOURCE_AT - 3..SOURCE_AT) == Some(&[192, 0, 2])
            {
                let number = frame.get(TSN_AT..TSN_AT + 4).context("a short frame")?;
                found.push((u32::from_be_bytes(number.try_into()?), socket.stamp_ns()?));
            }
        }
    }
    Ok(found)
}
