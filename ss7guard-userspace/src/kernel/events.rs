//! Reading the event ring.

use std::path::Path;

use aya::maps::{MapData, RingBuf};
use ss7guard_common::abi::{ABI_VERSION, Event};

use crate::kernel::{KernelError, maps};

/// One event with its frame.
#[derive(Clone, Copy, Debug)]
pub struct RingEvent<'a> {
    /// The header.
    pub event: Event,
    /// The captured octets of the frame.
    pub frame: &'a [u8],
}

/// The consumer of the ring; there is one at a time, the holder of the lock.
pub struct Events {
    ring: RingBuf<MapData>,
    /// Records that were not events of this version.
    pub foreign: u64,
}

impl Events {
    /// Opens the pinned ring.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(bpffs: &Path) -> Result<Self, KernelError> {
        Ok(Self { ring: maps::ring(bpffs)?, foreign: 0 })
    }

    /// Hands up to `most` waiting events to `sink`; gives how many there were. It never waits: the caller comes back
    /// every few milliseconds, since a consumer that is always caught up makes every event cost the kernel a
    /// wake-up.
    pub fn drain(&mut self, most: usize, mut sink: impl FnMut(RingEvent<'_>)) -> usize {
        for count in 0..most {
            let Some(record) = self.ring.next() else { return count };
            match parse(&record) {
                Some(event) => sink(event),
                None => self.foreign += 1,
            }
        }
        most
    }
}

fn parse(record: &[u8]) -> Option<RingEvent<'_>> {
    let (header, frame) = record.split_at_checked(size_of::<Event>())?;
    let event: Event = bytemuck::pod_read_unaligned(header);
    if u32::from(event.abi_version) != ABI_VERSION & 0xff {
        return None;
    }
    let frame = frame.get(..usize::try_from(event.captured_len).ok()?)?;
    Some(RingEvent { event, frame })
}
