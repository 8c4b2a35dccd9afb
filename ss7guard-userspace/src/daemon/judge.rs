//! The judge: a thread of its own that sees what the kernel copies or hands over, and says what is to be done.
//!
//! Apart from the rest of the controller, so that neither a long listing nor an import keeps a frame of a bridge waiting.
//! It hears of changes of the lists by [`Order`]s, asks for entries by [`BlockRequest`]s, and shows its counters.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ss7guard_common::abi::{PuntCounter, event_flag};
use tokio::sync::mpsc as channel;

use crate::config::Config;
use crate::daemon::desk::{Desk, Lines, Sight, Tally, Watcher};
use crate::daemon::holder::{Holder, HolderView, Said};
use crate::daemon::seen::Seen;
use crate::enforce::{BlockRequest, Detail, Planner, Target};
use crate::kernel::{self, Events, KernelError, Maps};
use crate::reassembly::{Account, Arrival};
use crate::screening::Pipeline;

/// How often the event ring is looked at. The kernel wakes nobody for a few events.
const TICK: Duration = Duration::from_millis(5);

/// Events that are taken from the ring before held frames get a turn.
const MOST_EVENTS: usize = 256;

/// Changes of the lists that are followed before frames get a turn: some milliseconds of work.
const MOST_ORDERS: usize = 10_000;

/// How often the wall clock is looked at, and event lines are granted anew.
const SECOND_NS: u64 = 1_000_000_000;

/// Requests for entries that wait for the rest of the controller; the rules ask again for those beyond.
const MAX_REQUESTS: usize = 4_096;

/// Word from the rest of the controller.
pub(super) enum Order {
    /// An entry is in the lists.
    Follow(Detail),
    /// An entry of the lists has got another end.
    FollowEnd(Detail),
    /// An entry is no more in the lists.
    Forget(Detail),
    /// The rules may ask for this again.
    Again(Target),
    /// A client wants to follow events.
    Watch(Watcher),
    /// Interfaces by their index.
    Interfaces(HashMap<u32, String>),
    /// No more frames are coming, or this is to end.
    Stop,
}

/// What is to be seen of the judge from outside.
#[derive(Clone, Default)]
pub(super) struct View {
    pub(super) tally: Tally,
    pub(super) accounts: Option<[Account; 4]>,
    /// Records of the ring that were not events of this version.
    pub(super) foreign: u64,
    pub(super) forgotten: u64,
    pub(super) hold: Option<HolderView>,
}

/// The judge as the rest of the controller has it.
pub(super) struct Judging {
    orders: mpsc::Sender<Order>,
    view: Arc<Mutex<View>>,
    /// Until it is started.
    idle: Option<Box<Judge>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread has.
pub(super) struct Judge {
    config: Config,
    maps: Maps,
    ring: Events,
    pipeline: Pipeline,
    planner: Planner,
    seen: Seen,
    /// Where alerts go; standard output without.
    events_file: Option<File>,
    events_failed: bool,
    interfaces: HashMap<u32, String>,
    watchers: Vec<Watcher>,
    tally: Tally,
    lines: Lines,
    wall_offset_ns: u64,
    second_ns: u64,
    hold: Option<Holder>,
    orders: mpsc::Receiver<Order>,
    requests: channel::Sender<BlockRequest>,
    view: Arc<Mutex<View>>,
}

impl Judging {
    /// Gets everything ready; nothing is judged before [`Judging::start`]. Gives what the rules will ask for.
    pub(super) fn new(config: &Config) -> Result<(Self, channel::Receiver<BlockRequest>), KernelError> {
        let (orders, received) = mpsc::channel();
        let (requests, wanted) = channel::channel(MAX_REQUESTS);
        let view = Arc::new(Mutex::new(View::default()));
        let judge = Judge {
            maps: Maps::open(&config.bpffs)?,
            ring: Events::open(&config.bpffs)?,
            pipeline: Pipeline::without_blocks(config),
            planner: Planner::default(),
            seen: Seen::default(),
            events_file: None,
            events_failed: false,
            interfaces: HashMap::new(),
            watchers: Vec::new(),
            tally: Tally::default(),
            lines: Lines::FULL,
            wall_offset_ns: kernel::wall_offset_ns(),
            second_ns: 0,
            hold: None,
            orders: received,
            requests,
            view: Arc::clone(&view),
            config: config.clone(),
        };
        Ok((Self { orders, view, idle: Some(Box::new(judge)), thread: None }, wanted))
    }

    /// Tells the judge something; it hears it before it judges anything that comes later.
    pub(super) fn tell(&self, order: Order) {
        // One that has ended is found by `has_ended`.
        let _ = self.orders.send(order);
    }

    /// Starts judging, and holding frames if that is to be.
    ///
    /// # Errors
    /// The sockets of a bridge cannot be opened, or there is no thread to be had.
    pub(super) fn start(&mut self, events_file: Option<File>, adopted: bool) -> anyhow::Result<()> {
        let Some(mut judge) = self.idle.take() else { return Ok(()) };
        judge.events_file = events_file;
        // What is in the lists, perhaps a million entries, before the kernel hands anything over and waits.
        judge.obey(usize::MAX);
        if judge.config.holds() {
            judge.hold = Some(Holder::open(&judge.config, adopted)?);
        }
        let thread = thread::Builder::new().name("judge".to_owned()).spawn(move || judge.run())?;
        self.thread = Some(thread);
        Ok(())
    }

    /// Whether it has ended though nobody told it to.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Lets it finish what it has in hand.
    pub(super) fn stop(&mut self) {
        self.tell(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the judge ended by a fault");
        }
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judge {
    fn run(mut self) {
        let mut looked_ns = 0;
        while self.obey(MOST_ORDERS) {
            let mut busy = false;
            if let Some(mut hold) = self.hold.take() {
                busy = self.serve(&mut hold);
                self.hold = Some(hold);
            }
            let now_ns = kernel::monotonic_ns();
            if now_ns.saturating_sub(looked_ns) >= TICK.as_nanos() as u64 {
                let events = self.drain();
                busy |= events == MOST_EVENTS;
                if events < MOST_EVENTS {
                    looked_ns = now_ns;
                }
                self.second(now_ns);
                self.show();
            }
            if !busy {
                match &self.hold {
                    Some(hold) => hold.wait(TICK),
                    None => thread::sleep(TICK),
                }
            }
        }
        if let Some(mut hold) = self.hold.take() {
            hold.drain_and_close(|hold| {
                self.serve(hold);
            });
        }
        while self.drain() == MOST_EVENTS {}
        self.show();
    }

    /// Does what it is told, so many things at most; false if it is to end.
    fn obey(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let host = &mut self.pipeline.host;
            match self.orders.try_recv() {
                Ok(Order::Follow(detail)) => host.follow(&detail),
                Ok(Order::FollowEnd(detail)) => {
                    host.follow_end(&detail);
                    self.planner.forget(&detail.target());
                }
                Ok(Order::Forget(detail)) => {
                    host.forget(&detail);
                    self.planner.forget(&detail.target());
                }
                Ok(Order::Again(target)) => self.planner.forget(&target),
                Ok(Order::Watch(watcher)) => self.watchers.push(watcher),
                Ok(Order::Interfaces(interfaces)) => self.interfaces = interfaces,
                Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => return false,
                Err(mpsc::TryRecvError::Empty) => break,
            }
        }
        true
    }

    /// Judges what waits in the ring; gives how many events there were.
    fn drain(&mut self) -> usize {
        self.note_missed();
        let mut out = Vec::new();
        let mut requests = Vec::new();
        let now_ns = kernel::monotonic_ns();
        let Self {
            ring,
            pipeline,
            planner,
            seen,
            tally,
            lines,
            config,
            interfaces,
            watchers,
            wall_offset_ns,
            hold,
            ..
        } = self;
        let mut desk = Desk { config, tally, lines, seen, watchers, out: &mut out };
        let events = ring.drain(MOST_EVENTS, |event| {
            if let Some(hold) = hold {
                // If it is too late, its next turn finds so.
                hold.is_in_time();
            }
            desk.tally.events += 1;
            let sight = Sight::of(&event, interfaces, *wall_offset_ns);
            let arrival = Arrival {
                number: desk.tally.events,
                octets: event.frame,
                remote: sight.remote,
                now_ns: event.event.time_ns,
            };
            if event.event.flags & event_flag::HELD != 0 {
                // The rest of it is judged where it waits.
                pipeline.stopped(&arrival, |judged| {
                    desk.judge(judged, &sight);
                    requests.extend(planner.plan(judged, desk.config, now_ns));
                });
                return;
            }
            let mut said = Said::default();
            pipeline.frame(&arrival, |judged| {
                said.judged(judged, desk.config);
                desk.judge(judged, &sight);
                requests.extend(planner.plan(judged, desk.config, now_ns));
            });
            // A piece that the kernel let pass may be what held ones waited for.
            if let Some(hold) = hold {
                let stopped = event_flag::DROPPED | event_flag::NEUTRALISED;
                if event.event.flags & stopped == 0 {
                    hold.passed(event.frame);
                }
                hold.decided(&said);
            }
        });
        self.write_log(&out);
        self.ask(requests);
        events
    }

    /// Judges the frames that wait; true if there was something to do.
    fn serve(&mut self, hold: &mut Holder) -> bool {
        let mut out = Vec::new();
        let mut requests = Vec::new();
        let now_ns = kernel::monotonic_ns();
        let Self {
            pipeline, planner, seen, tally, lines, config, interfaces, watchers, wall_offset_ns, ..
        } = self;
        let mut desk = Desk { config, tally, lines, seen, watchers, out: &mut out };
        let busy = hold.turn(now_ns, &mut |scene, said| {
            desk.tally.events += 1;
            let arrival =
                Arrival { number: scene.number, octets: scene.octets, remote: scene.remote, now_ns };
            let packet = pipeline.frame(&arrival, |judged| {
                let fate = said.judged(judged, desk.config);
                let sight = Sight::held(scene, fate, interfaces, desk.config.mode, *wall_offset_ns);
                desk.judge(judged, &sight);
                requests.extend(planner.plan(judged, desk.config, now_ns));
            });
            said.packet.extend_from_slice(packet);
        });
        if !out.is_empty() {
            self.write_log(&out);
        }
        self.ask(requests);
        busy
    }

    /// Hands requests for entries on.
    fn ask(&mut self, requests: Vec<BlockRequest>) {
        for request in requests {
            let target = request.target;
            if self.requests.try_send(request).is_err() {
                self.planner.forget(&target);
                self.tally.requests_lost += 1;
            }
        }
    }

    /// What associations are in is not known any more if frames that tell it were not copied.
    fn note_missed(&mut self) {
        let lost = [PuntCounter::Overrun, PuntCounter::Bounded, PuntCounter::Unreadable];
        let count = |counter| self.maps.punt_counter(counter).unwrap_or(0);
        let missed = lost.into_iter().map(count).sum();
        if missed > self.tally.missed {
            self.pipeline.reassembler.missed();
            if let Some(hold) = &mut self.hold {
                hold.note_gap();
            }
        }
        self.tally.missed = missed;
    }

    fn write_log(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let written = match &mut self.events_file {
            Some(file) => file.write_all(lines),
            None => io::stdout().write_all(lines),
        };
        match written {
            Ok(()) => self.events_failed = false,
            Err(error) if !self.events_failed => {
                self.events_failed = true;
                log::error!("events are lost: {error}");
            }
            Err(_) => {}
        }
    }

    fn second(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.second_ns) >= SECOND_NS {
            self.second_ns = now_ns;
            self.wall_offset_ns = kernel::wall_offset_ns();
            self.lines = Lines::FULL;
        }
    }

    /// Shows the counters.
    fn show(&self) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if view.tally.events == self.tally.events && view.accounts.is_some() && self.hold.is_none() {
            return;
        }
        *view = View {
            tally: self.tally.clone(),
            accounts: Some(self.pipeline.reassembler.accounts()),
            foreign: self.ring.foreign,
            forgotten: self.seen.forgotten,
            hold: self.hold.as_ref().map(Holder::view),
        };
    }
}
