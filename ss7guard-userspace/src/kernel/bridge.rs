//! The ports of a bridge, in the kernel's tables.

use std::path::Path;

use aya::maps::{Array, DevMap, Map, MapData, PerCpuArray};
use ss7guard_common::abi::{
    BRIDGE_COUNTERS, BRIDGE_PORTS, BridgeCounter, BridgePort, HOLD_SLOTS, Side, name, port_index,
};

use crate::config::Bridge;
use crate::kernel::load::Flat;
use crate::kernel::{KernelError, device, interface_index};

/// A port of a bridge as the kernel has it: an end of the wire that the bridge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Its place in the kernel's table.
    pub index: u32,
    /// Index of the interface.
    pub ifindex: u32,
    /// Index of the interface that it is bridged with.
    pub other: u32,
    /// What it leads to.
    pub side: Side,
}

/// The tables.
pub struct BridgeMaps {
    ports: Array<MapData, BridgePort>,
    out: DevMap<MapData>,
    counts: PerCpuArray<MapData, [u64; BRIDGE_COUNTERS]>,
}

/// Elements of the table of what waits, with a bridge and without.
pub(super) const fn hold_slots(bridging: bool) -> u32 {
    if bridging { HOLD_SLOTS } else { 1 }
}

impl BridgeMaps {
    /// Opens the pinned tables.
    ///
    /// # Errors
    /// They are not there.
    pub fn open(bpffs: &Path) -> Result<Self, KernelError> {
        let what = |map: &str| format!("open pin {map}");
        let open = |map: &str| -> Result<Map, KernelError> {
            let data = MapData::from_pin(bpffs.join(map))
                .map_err(|error| KernelError::other(what(map), Flat::from_error(&error)))?;
            Map::from_map_data(data).map_err(|error| KernelError::other(what(map), Flat::from_error(&error)))
        };
        let wrong = |map: &str, error| KernelError::other(what(map), Flat::from_error(&error));
        Ok(Self {
            ports: Array::try_from(open(name::BRIDGE_PORTS)?)
                .map_err(|error| wrong(name::BRIDGE_PORTS, error))?,
            out: DevMap::try_from(open(name::BRIDGE_OUT)?).map_err(|error| wrong(name::BRIDGE_OUT, error))?,
            counts: PerCpuArray::try_from(open(name::BRIDGE_COUNT)?)
                .map_err(|error| wrong(name::BRIDGE_COUNT, error))?,
        })
    }

    fn table(&self) -> Result<Vec<BridgePort>, KernelError> {
        (0..BRIDGE_PORTS)
            .map(|index| self.ports.get(&index, 0))
            .collect::<Result<_, _>>()
            .map_err(|error| KernelError::other("read the table of ports", error))
    }

    /// The ports that the kernel has.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn ports(&self) -> Result<Vec<End>, KernelError> {
        let table = self.table()?;
        let used = (0u32..).zip(table).filter(|(_, port)| port.ifindex != 0);
        Ok(used
            .map(|(index, port)| End {
                index,
                ifindex: port.ifindex,
                other: port.other,
                side: if port.is_home() { Side::Home } else { Side::Interconnect },
            })
            .collect())
    }

    /// Writes the ports of these bridges; none for another deployment. What is right already is not touched: a frame
    /// that finds no port is nobody's.
    ///
    /// # Errors
    /// An interface is not there, or the kernel refuses.
    pub fn install(&mut self, bridges: &[Bridge]) -> Result<(), KernelError> {
        let wanted = table(bridges)?;
        let before = self.table()?;
        let failed = |error| KernelError::other("write the table of ports", error);
        for (index, port) in (0u32..).zip(&wanted) {
            if port.ifindex != 0 {
                self.out
                    .set(index, port.other, None, 0)
                    .map_err(|error| KernelError::other("write the way out of a bridge", error))?;
            }
        }
        for (index, (port, old)) in (0u32..).zip(wanted.iter().zip(&before)) {
            if port != old {
                self.ports.set(index, port, 0).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// What became of the frames that arrived at the port in this place.
    ///
    /// # Errors
    /// The counters cannot be read.
    pub fn counters(&self, index: u32) -> Result<Vec<(BridgeCounter, u64)>, KernelError> {
        let values = self
            .counts
            .get(&index, 0)
            .map_err(|error| KernelError::other("read the counters of a port", error))?;
        let sum = |counter: BridgeCounter| {
            values.iter().fold(0u64, |sum, counts| {
                sum.wrapping_add(counts.get(counter as usize).copied().unwrap_or_default())
            })
        };
        Ok(BridgeCounter::ALL.iter().map(|counter| (*counter, sum(*counter))).collect())
    }
}

/// The table of ports for these bridges.
fn table(bridges: &[Bridge]) -> Result<Vec<BridgePort>, KernelError> {
    /// Octets of an Ethernet header and of one VLAN tag, which a device takes besides its MTU.
    const AROUND: u32 = 14 + 4;
    let index = |name: &str| interface_index(name).ok_or_else(|| KernelError::NoInterface(name.to_owned()));
    let mut table = vec![BridgePort::default(); BRIDGE_PORTS as usize];
    for Bridge { interconnect, home, .. } in bridges {
        let ends = [(interconnect, home, Side::Interconnect), (home, interconnect, Side::Home)];
        for (here, there, side) in ends {
            let port = BridgePort {
                ifindex: index(here)?,
                other: index(there)?,
                longest: device::mtu(there)?.saturating_add(AROUND),
                side: side as u8,
                ..BridgePort::default()
            };
            let first = port.ifindex % BRIDGE_PORTS;
            let places = (first..BRIDGE_PORTS).chain(0..first);
            let free = places.into_iter().find(|at| table[*at as usize].ifindex == 0);
            let Some(free) = free else { return Err(KernelError::Unsupported("too many ports".to_owned())) };
            table[free as usize] = port;
        }
    }
    debug_assert!(
        table
            .iter()
            .filter(|port| port.ifindex != 0)
            .all(|port| { port_index(port.ifindex, |at| table.get(at as usize)).is_some() }),
        "the kernel finds each port"
    );
    Ok(table)
}
