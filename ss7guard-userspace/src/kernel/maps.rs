//! Typed handles to the pinned maps, checked for their version before use.

use std::path::Path;

use aya::Pod;
use aya::maps::{Array, Map, MapData, MapInfo, PerCpuArray, RingBuf};
use ss7guard_common::abi::{
    self, ABI_VERSION, BlockDetail, BlockHits, ClockSample, Config, INDEX_LANES, PeerEntry, PuntCounter,
    Split, TitleDetail, counter_index, name,
};
use ss7guard_common::verdict::{Action, Reason};

use crate::kernel::KernelError;
use crate::kernel::clock::Ticks;
use crate::kernel::load::{Flat, pinned};

/// One counter of the classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Whether it counts what leaves.
    pub egress: bool,
    /// The reason.
    pub reason: Reason,
    /// The action.
    pub action: Action,
    /// How often.
    pub count: u64,
}

/// The pinned maps.
pub struct Maps {
    pub(super) config: Array<MapData, Config>,
    pub(super) bits: Array<MapData, u64>,
    pub(super) index: Array<MapData, [u32; INDEX_LANES]>,
    pub(super) detail: Array<MapData, BlockDetail>,
    pub(super) hits: Array<MapData, BlockHits>,
    pub(super) peers: Array<MapData, PeerEntry>,
    counters: PerCpuArray<MapData, u64>,
    punt_counters: PerCpuArray<MapData, u64>,
    ring_bytes: u32,
    pub(super) ticks: Ticks,
}

impl Maps {
    /// Whether there are pinned maps at this path.
    #[must_use]
    pub fn present(bpffs: &Path) -> bool {
        pinned(bpffs, name::CONFIG)
    }

    /// Refuses pins of another version; opens nothing that the start-up program has yet to write.
    pub(super) fn check(bpffs: &Path) -> Result<(), KernelError> {
        check_shape(bpffs)?;
        check_version(bpffs, &array(bpffs, name::CONFIG)?)
    }

    /// Opens the pinned maps.
    ///
    /// # Errors
    /// There are none, or they are of another version.
    pub fn open(bpffs: &Path) -> Result<Self, KernelError> {
        if !Self::present(bpffs) {
            return Err(KernelError::NotAttached(bpffs.to_path_buf()));
        }
        check_shape(bpffs)?;
        let maps = Self {
            config: array(bpffs, name::CONFIG)?,
            bits: array(bpffs, name::BLOCK_BITS)?,
            index: array(bpffs, name::BLOCK_INDEX)?,
            detail: array(bpffs, name::BLOCK_DETAIL)?,
            hits: array(bpffs, name::BLOCK_HITS)?,
            peers: array(bpffs, name::PEERS)?,
            counters: per_cpu(bpffs, name::COUNTERS)?,
            punt_counters: per_cpu(bpffs, name::PUNT_COUNTERS)?,
            ring_bytes: info(bpffs, name::EVENTS)?.max_entries(),
            ticks: ticks(bpffs)?,
        };
        check_version(bpffs, &maps.config)?;
        Ok(maps)
    }

    /// The CONFIG record.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn config(&self) -> Result<Config, KernelError> {
        let record = self.config.get(&0, 0).map_err(|error| KernelError::other("read CONFIG", error))?;
        Ok(Config { linger: self.ticks.length_of(record.linger), ..record })
    }

    /// Replaces the CONFIG record, with the next generation.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_config(&mut self, mut record: Config) -> Result<(), KernelError> {
        record.generation = self.config()?.generation.wrapping_add(1);
        record.linger = self.ticks.ticks_in(record.linger);
        self.config.set(0, record, 0).map_err(|error| KernelError::other("write CONFIG", error))
    }

    /// Octets of the event ring.
    #[must_use]
    pub const fn ring_bytes(&self) -> u32 {
        self.ring_bytes
    }

    /// Every counter of the classifier that is not zero.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn counters(&self) -> Result<Vec<Counter>, KernelError> {
        let mut counters = Vec::new();
        for egress in [false, true] {
            for reason in Reason::ALL.iter().copied() {
                for action in Action::ALL {
                    let count = sum(&self.counters, counter_index(egress, reason.into(), action))?;
                    if count > 0 {
                        counters.push(Counter { egress, reason, action, count });
                    }
                }
            }
        }
        Ok(counters)
    }

    /// What became of the events.
    ///
    /// # Errors
    /// The counter cannot be read.
    pub fn punt_counter(&self, counter: PuntCounter) -> Result<u64, KernelError> {
        sum(&self.punt_counters, counter as u32)
    }
}

fn sum(counters: &PerCpuArray<MapData, u64>, index: u32) -> Result<u64, KernelError> {
    let values = counters.get(&index, 0).map_err(|error| KernelError::other("read a counter", error))?;
    Ok(values.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value)))
}

fn info(bpffs: &Path, map: &str) -> Result<MapInfo, KernelError> {
    MapInfo::from_pin(bpffs.join(map))
        .map_err(|error| KernelError::other(format!("open pin {map}"), Flat::from_error(&error)))
}

fn check_version(bpffs: &Path, config: &Array<MapData, Config>) -> Result<(), KernelError> {
    let record = config.get(&0, 0).map_err(|error| KernelError::other("read CONFIG", error))?;
    match record.abi_version {
        // A record of zeros is that of a map which was made and never written.
        ABI_VERSION | 0 => Ok(()),
        version => Err(KernelError::ForeignPins {
            path: bpffs.to_path_buf(),
            what: format!("they have ABI {version}, this is ABI {ABI_VERSION}"),
        }),
    }
}

/// The tick counter by the sample that the start-up program took.
pub(super) fn ticks(bpffs: &Path) -> Result<Ticks, KernelError> {
    let clock: Array<MapData, ClockSample> = array(bpffs, name::CLOCK)?;
    let sample = clock.get(&0, 0).map_err(|error| KernelError::other("read CLOCK", error))?;
    Ticks::new(sample)
        .ok_or_else(|| KernelError::Unsupported("the start-up program has not noted its clocks".to_owned()))
}

/// Whether the pinned maps have room for what a bridge holds.
pub(super) fn has_hold(bpffs: &Path) -> Result<bool, KernelError> {
    Ok(info(bpffs, name::HOLD_SLOTS)?.max_entries() == abi::HOLD_SLOTS)
}

/// Holds the sizes of the pinned maps against this version's.
fn check_shape(bpffs: &Path) -> Result<(), KernelError> {
    let index_len = abi::POINT_CODE_SPACE / INDEX_LANES as u32;
    let counts = 8 * abi::BRIDGE_COUNTERS;
    let shapes: [(&str, usize, Option<u32>); 20] = [
        (name::BRIDGE_PORTS, size_of::<abi::BridgePort>(), Some(abi::BRIDGE_PORTS)),
        (name::BRIDGE_COUNT, counts, Some(abi::BRIDGE_PORTS)),
        (name::HOLD_SLOTS, size_of::<abi::HoldSlot>(), None),
        (name::HOLD_QUEUES, size_of::<abi::HoldQueue>(), Some(abi::BRIDGE_SOCKETS)),
        (name::HOLD_BEAT, size_of::<abi::HoldBeat>(), Some(1)),
        (name::TITLE_ROOT, 8, Some(abi::ROOT_WORDS)),
        (name::TITLE_SEGMENTS, 8, None),
        (name::TITLE_CHUNKS, 8 * abi::CHUNK_ROOM, None),
        (name::TITLE_DETAIL, size_of::<TitleDetail>(), None),
        (name::TITLE_HITS, size_of::<BlockHits>(), None),
        (name::SPLITS, size_of::<Split>(), Some(abi::SPLIT_SLOTS)),
        (name::CLOCK, size_of::<ClockSample>(), Some(1)),
        (name::CONFIG, size_of::<Config>(), Some(1)),
        (name::BLOCK_BITS, 8, Some(abi::POINT_CODE_SPACE / 64)),
        (name::BLOCK_INDEX, 4 * INDEX_LANES, Some(index_len)),
        (name::BLOCK_DETAIL, size_of::<BlockDetail>(), None),
        (name::BLOCK_HITS, size_of::<BlockHits>(), None),
        (name::PEERS, size_of::<PeerEntry>(), Some(abi::PEER_SLOTS)),
        (name::COUNTERS, 8, Some(abi::COUNTER_SLOTS)),
        (name::PUNT_COUNTERS, 8, Some(abi::PUNT_COUNTERS)),
    ];
    let foreign = |what: String| KernelError::ForeignPins { path: bpffs.to_path_buf(), what };
    for (map, value_size, entries) in shapes {
        if !pinned(bpffs, map) {
            return Err(foreign(format!("there is no {map}")));
        }
        let info = info(bpffs, map)?;
        let same = usize::try_from(info.value_size()) == Ok(value_size)
            && entries.is_none_or(|entries| entries == info.max_entries());
        if !same {
            return Err(foreign(format!(
                "{map} has {} entries of {} octets, expected {value_size} octets",
                info.max_entries(),
                info.value_size()
            )));
        }
    }
    Ok(())
}

fn open(bpffs: &Path, map: &str) -> Result<Map, KernelError> {
    let what = || format!("open pin {map}");
    let data = MapData::from_pin(bpffs.join(map))
        .map_err(|error| KernelError::other(what(), Flat::from_error(&error)))?;
    Map::from_map_data(data).map_err(|error| KernelError::other(what(), Flat::from_error(&error)))
}

fn array<V: Pod>(bpffs: &Path, map: &str) -> Result<Array<MapData, V>, KernelError> {
    Array::try_from(open(bpffs, map)?).map_err(|error| KernelError::other(format!("open pin {map}"), error))
}

fn per_cpu(bpffs: &Path, map: &str) -> Result<PerCpuArray<MapData, u64>, KernelError> {
    PerCpuArray::try_from(open(bpffs, map)?)
        .map_err(|error| KernelError::other(format!("open pin {map}"), error))
}

/// The event ring.
pub(super) fn ring(bpffs: &Path) -> Result<RingBuf<MapData>, KernelError> {
    RingBuf::try_from(open(bpffs, name::EVENTS)?)
        .map_err(|error| KernelError::other("open the event ring", error))
}
