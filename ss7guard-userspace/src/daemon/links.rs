//! The link of one side of a bridge is the link of the other: who is cut off sees it at once, as on a cable.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::Bridge;
use crate::kernel::{KernelError, device};

/// What is seen of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Port {
    /// Whether it is up and has a link.
    link: bool,
    /// Whether it is down because the other one has no link.
    passed_down: bool,
    /// Whether it has not had its link yet, and may still get it.
    settling: bool,
}

/// What is to be done about the second of two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Down,
    Up,
    Nothing,
}

/// How long a port may take to get its link once it is set up: two ends have to agree on a speed, and the kernel tells of a
/// link a moment later. Without, each port would be set down because the other one has just been set up, for ever.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);

/// What the state of one port asks of the other. A port that was set down tells nothing of its link, and neither does one
/// that was set up just now.
const fn step(port: Port, other: Port) -> Step {
    match (port, other) {
        (Port { link: true, .. }, Port { passed_down: true, .. }) => Step::Up,
        (Port { link: false, passed_down: false, settling: false }, Port { passed_down: false, .. }) => {
            Step::Down
        }
        _ => Step::Nothing,
    }
}

/// The ports of the bridges, and which of them have not had their link yet.
pub(super) struct Links {
    bridges: Vec<Bridge>,
    settling: HashMap<String, Instant>,
}

impl Links {
    /// Drivers may lose the link for a moment when a program is attached: every port may settle first.
    pub(super) fn new(bridges: &[Bridge]) -> Self {
        let now = Instant::now();
        let ports = bridges.iter().flat_map(|bridge| [&bridge.interconnect, &bridge.home]);
        Self { bridges: bridges.to_vec(), settling: ports.map(|port| (port.clone(), now)).collect() }
    }

    /// Bridges with one of these ports are no more; what was done to the other port is taken back.
    pub(super) fn forget(&mut self, bpffs: &Path, ports: &[String]) {
        self.bridges.retain(|bridge| {
            let both = [&bridge.interconnect, &bridge.home];
            let gone = both.into_iter().any(|port| ports.contains(port));
            for port in both.into_iter().filter(|_| gone) {
                if let Err(error) = device::pass_link_up(bpffs, port) {
                    log::warn!("{port} could not be set up again: {error}");
                }
            }
            !gone
        });
    }

    fn look(&mut self, bpffs: &Path, interface: &str) -> Result<Port, KernelError> {
        let flags = device::flags(interface)?;
        let link = flags.up && flags.running;
        if link || self.settling.get(interface).is_some_and(|since| since.elapsed() > SETTLES_WITHIN) {
            self.settling.remove(interface);
        }
        let settling = self.settling.contains_key(interface);
        Ok(Port { link, passed_down: device::is_passed_down(bpffs, interface), settling })
    }

    /// Looks at both ports of each bridge, and passes on what has changed.
    pub(super) fn pass_on(&mut self, bpffs: &Path) -> Result<(), KernelError> {
        let bridges = self.bridges.clone();
        for Bridge { interconnect, home, .. } in bridges.iter().filter(|bridge| bridge.pass_link_loss) {
            for (here, there) in [(interconnect, home), (home, interconnect)] {
                match step(self.look(bpffs, here)?, self.look(bpffs, there)?) {
                    Step::Down if device::pass_link_down(bpffs, there)? => {
                        log::warn!("{here} has no link; {there} is set down until it has");
                    }
                    Step::Up if device::pass_link_up(bpffs, there)? => {
                        self.settling.insert(there.clone(), Instant::now());
                        log::info!("{here} has a link again; {there} is set up");
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_passed_on_once_and_taken_back() {
        let port = |link, passed_down| Port { link, passed_down, settling: false };
        let fine = port(true, false);
        let lost = port(false, false);
        let passed = port(false, true);
        assert_eq!(step(fine, fine), Step::Nothing);
        assert_eq!(step(lost, fine), Step::Down);
        // The one that was set down says nothing about its own link.
        assert_eq!((step(lost, passed), step(passed, lost)), (Step::Nothing, Step::Nothing));
        assert_eq!(step(fine, passed), Step::Up);
        assert_eq!(step(passed, fine), Step::Nothing);
        // Both have lost theirs: one of them is set down, the other waits.
        assert_eq!(step(lost, lost), Step::Down);
        // One that was set up just now has no link yet.
        let raised = Port { settling: true, ..lost };
        assert_eq!((step(raised, fine), step(fine, raised)), (Step::Nothing, Step::Nothing));
    }
}
