//! The sockets of a bridge, one on each queue of each port.

use std::collections::HashMap;

use ss7guard_common::abi::{PORT_QUEUES, socket_index};
use ss7guard_common::verdict::{Action, Reason};

use super::view::Ages;
use super::{Counts, FIRST_NUMBER, Holder, Line, OnTheWay, SLACK};
use crate::config::{Config, PassOrDrop};
use crate::hold::packet::Limits;
use crate::hold::{Fate, Memory, Queue};
use crate::kernel::xsk::{self, Copying, Pool};
use crate::kernel::{BridgeMaps, HoldMaps, KernelError, device, interface_name, monotonic_ns};

impl Holder {
    /// Gives up what an earlier controller had in hand, and opens a socket on each queue of each port. `adopted`: frames may
    /// have passed before that nobody has seen.
    ///
    /// # Errors
    /// CAP_NET_RAW is missing, or the kernel refuses.
    pub(in crate::daemon) fn open(config: &Config, adopted: bool) -> Result<Self, KernelError> {
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
            on_the_way: vec![OnTheWay::default(); pool.frames() as usize],
            maps,
            pool,
            lines,
            queue: Queue::default(),
            memory: Memory::default(),
            leaving: HashMap::new(),
            in_flight: 0,
            next: FIRST_NUMBER,
            beat_ns: monotonic_ns(),
            silence_ns: u64::try_from(config.hold.silence.as_nanos()).unwrap_or(u64::MAX),
            room: room - SLACK,
            draining: false,
            hold_ns: u64::try_from(config.hold.time.as_nanos()).unwrap_or(u64::MAX),
            gap_ns: adopted.then(monotonic_ns),
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
            ages: Ages::default(),
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
}
