//! What became of each frame of a bridge, as the firewall counts it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use ss7guard_userspace::kernel::{BridgeMaps, End, interface_name};

use super::PATIENCE;
use crate::firewall::Firewall;
use crate::netns::{BRIDGE_HOME, BRIDGE_INTERCONNECT};

/// What `ss7guard stats` says of a bridge at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Accounts {
    ports: Vec<Value>,
    hold: Value,
}

impl Accounts {
    /// Reads them, from the controller or from the pins.
    ///
    /// # Errors
    /// There are none.
    pub fn read(firewall: &Firewall<'_>) -> Result<Self> {
        let stats = firewall.json(&["stats"])?;
        let ports = stats["bridge"].as_array().context("no ports")?.clone();
        Ok(Self { ports, hold: stats["hold"].clone() })
    }

    /// Reads what the kernel counts, whatever the controller does.
    ///
    /// # Errors
    /// There are no pins.
    pub fn read_pins(firewall: &Firewall<'_>) -> Result<Self> {
        let ports = firewall.in_namespace(|| {
            let maps = BridgeMaps::open(&firewall.folder().join("bpf"))?;
            let port = |end: End| -> Result<Value> {
                let mut port = json!({ "interface": interface_name(end.ifindex)? });
                for (counter, count) in maps.counters(end.index)? {
                    port[counter.as_str()] = json!(count);
                }
                Ok(port)
            };
            maps.ports()?.into_iter().map(port).collect()
        })?;
        Ok(Self { ports, hold: Value::Null })
    }

    /// A count of one port.
    #[must_use]
    pub fn port(&self, interface: &str, counter: &str) -> u64 {
        let port = self.ports.iter().find(|port| port["interface"] == interface);
        port.and_then(|port| port[counter].as_u64())
            .unwrap_or_else(|| panic!("{interface} {counter}: {self:?}"))
    }

    /// A count of both ports together.
    #[must_use]
    pub fn both(&self, counter: &str) -> u64 {
        self.port(BRIDGE_INTERCONNECT, counter) + self.port(BRIDGE_HOME, counter)
    }

    /// A count of the controller.
    #[must_use]
    pub fn hold(&self, counter: &str) -> u64 {
        self.hold[counter].as_u64().unwrap_or_else(|| panic!("{counter}: {self:?}"))
    }

    /// Everything that arrived is accounted for; `before` is what was held before this controller began.
    ///
    /// # Errors
    /// Sums that should agree do not.
    fn check(&self, before: u64) -> Result<()> {
        for port in &self.ports {
            let counts = port.as_object().context("a port")?;
            let of = |wanted: bool| {
                counts
                    .iter()
                    .filter(move |(name, _)| (*name == "entered") == wanted)
                    .filter_map(|(_, n)| n.as_u64())
            };
            let (entered, rest): (u64, u64) = (of(true).sum(), of(false).sum());
            ensure!(entered == rest, "{entered} frames entered, {rest} are accounted for: {port}");
        }
        let (held, came) = (self.both("held") - before, self.hold("received") + self.hold("lost"));
        ensure!(held == came, "{held} frames were held, {came} came or were lost: {self:?}");
        let received = self.hold("received");
        let parts = ["emitted", "dropped", "purged", "unsent", "waiting"];
        let parts: u64 = parts.into_iter().map(|part| self.hold(part)).sum();
        ensure!(received == parts, "{received} frames came, {parts} are accounted for: {self:?}");
        for never in ["foreign", "socket_dropped", "socket_ring_full", "socket_fill_empty", "socket_bad"] {
            ensure!(self.hold(never) == 0, "{never}: {self:?}");
        }
        ensure!(self.hold("leaving") == 0 && self.hold("waiting") == 0, "not quiet: {self:?}");
        Ok(())
    }
}

/// The accounts once traffic is quiet, with every sum right; `before` is what was held before this controller began.
///
/// # Errors
/// They do not come right.
pub fn settled(firewall: &Firewall<'_>, before: u64) -> Result<Accounts> {
    let end = Instant::now() + PATIENCE / 3;
    loop {
        let accounts = Accounts::read(firewall)?;
        thread::sleep(Duration::from_millis(100));
        let again = Accounts::read(firewall)?;
        match again.check(before) {
            Ok(()) if accounts.ports == again.ports => return Ok(again),
            Ok(()) if Instant::now() > end => bail!("traffic does not become quiet: {again:?}"),
            Err(error) if Instant::now() > end => return Err(error),
            _ => {}
        }
    }
}
