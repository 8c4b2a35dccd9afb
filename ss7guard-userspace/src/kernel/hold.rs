//! The kernel's tables of what waits in a bridge, and the sockets that it comes by.

use std::os::fd::AsFd;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use aya::maps::{Map, MapData, XskMap};
use ss7guard_common::abi::{HoldBeat, HoldQueue, HoldSlot, PORT_QUEUES, SOCKET_SLOTS, name, socket_index};

use crate::kernel::load::Flat;
use crate::kernel::mapped::Mapped;
use crate::kernel::{End, KernelError, grace};

/// Octets from the start of a [`HoldSlot`] to the word that the controller writes.
const DONE_AT: usize = 4;
/// The same for [`HoldQueue`].
const TAKEN_AT: usize = 4;

/// The tables.
pub struct HoldMaps {
    sockets: XskMap<MapData>,
    slots: Mapped<HoldSlot>,
    queues: Mapped<HoldQueue>,
    beat: Mapped<HoldBeat>,
}

impl HoldMaps {
    /// Opens the pinned tables.
    ///
    /// # Errors
    /// They are not there.
    pub fn open(bpffs: &Path) -> Result<Self, KernelError> {
        let what = || format!("open pin {}", name::HOLD_SOCKETS);
        let data = MapData::from_pin(bpffs.join(name::HOLD_SOCKETS))
            .map_err(|error| KernelError::other(what(), Flat::from_error(&error)))?;
        let map =
            Map::from_map_data(data).map_err(|error| KernelError::other(what(), Flat::from_error(&error)))?;
        Ok(Self {
            sockets: XskMap::try_from(map)
                .map_err(|error| KernelError::other(what(), Flat::from_error(&error)))?,
            slots: Mapped::open(bpffs, name::HOLD_SLOTS)?,
            queues: Mapped::open(bpffs, name::HOLD_QUEUES)?,
            beat: Mapped::open(bpffs, name::HOLD_BEAT)?,
        })
    }

    /// Gives up what an earlier controller had in hand: gives how many frames that were. Its sockets are gone, so that the
    /// kernel hands nothing over any more.
    pub fn give_up(&self, ports: &[End]) -> u64 {
        grace::wait_for_frames();
        let mut lost = 0;
        for port in ports {
            for socket in (0..PORT_QUEUES).filter_map(|queue| socket_index(port.index, queue)) {
                let Some(queue) = self.queues.read(socket) else { continue };
                self.set_taken(socket, queue.pushed);
                for slot in (0..SOCKET_SLOTS).map(|place| socket * SOCKET_SLOTS + place) {
                    let Some(HoldSlot { pushed, done }) = self.slots.read(slot) else { continue };
                    if pushed != done {
                        lost += u64::from(pushed.wrapping_sub(done));
                        self.set_done(slot, pushed);
                    }
                }
            }
        }
        lost
    }

    /// Frames of a queue that were handed over so far.
    #[must_use]
    pub fn pushed(&self, socket: u32) -> u32 {
        self.queues.read(socket).map_or(0, |queue| queue.pushed)
    }

    /// From now on, what is held of this queue comes by this socket.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn open_socket(&mut self, socket: u32, descriptor: impl AsFd) -> Result<(), KernelError> {
        self.sockets
            .set(socket, descriptor.as_fd().as_raw_fd(), 0)
            .map_err(|error| KernelError::other("put a socket into the kernel's table", error))
    }

    /// Nothing comes by this socket any more.
    pub fn close_socket(&mut self, socket: u32) {
        if let Err(error) = self.sockets.unset(socket) {
            log::debug!("socket {socket} was in the kernel's table no more: {error}");
        }
    }

    /// The frame with this number has left, and those before it.
    pub fn set_done(&self, slot: u32, number: u32) {
        self.slots.store_half(slot, DONE_AT, number);
    }

    /// So many frames of a queue have had their room replaced.
    pub fn set_taken(&self, socket: u32, number: u32) {
        self.queues.store_half(socket, TAKEN_AT, number);
    }

    /// Gives a sign of life.
    pub fn beat(&self, beat: HoldBeat) {
        let rest = u64::from(beat.room) | u64::from(beat.draining) << 32;
        self.beat.store(0, 2, beat.silence_ns);
        self.beat.store(0, 1, rest);
        self.beat.store(0, 0, beat.beat_ns);
    }
}
