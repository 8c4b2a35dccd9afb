//! The link of one side of a bridge is the link of the other: who is cut off sees it at once, as on a cable.

use std::path::Path;

use crate::config::Bridge;
use crate::kernel::{KernelError, device};

/// What is seen of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Port {
    /// Whether it is up and has a link.
    link: bool,
    /// Whether it is down because the other one has no link.
    passed_down: bool,
}

/// What is to be done about the second of two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Down,
    Up,
    Nothing,
}

/// What the state of one port asks of the other. A port that was set down tells nothing of its link.
const fn step(port: Port, other: Port) -> Step {
    match (port, other) {
        (Port { link: true, .. }, Port { passed_down: true, .. }) => Step::Up,
        (Port { link: false, passed_down: false }, Port { passed_down: false, .. }) => Step::Down,
        _ => Step::Nothing,
    }
}

fn look(bpffs: &Path, interface: &str) -> Result<Port, KernelError> {
    let flags = device::flags(interface)?;
    Ok(Port { link: flags.up && flags.running, passed_down: device::is_passed_down(bpffs, interface) })
}

/// Looks at both ports of each bridge, and passes on what has changed.
pub(super) fn pass_on(bpffs: &Path, bridges: &[Bridge]) -> Result<(), KernelError> {
    for Bridge { interconnect, home, .. } in bridges.iter().filter(|bridge| bridge.pass_link_loss) {
        for (here, there) in [(interconnect, home), (home, interconnect)] {
            match step(look(bpffs, here)?, look(bpffs, there)?) {
                Step::Down if device::pass_link_down(bpffs, there)? => {
                    log::warn!("{here} has no link; {there} is set down until it has");
                }
                Step::Up if device::pass_link_up(bpffs, there)? => {
                    log::info!("{here} has a link again; {there} is set up");
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_passed_on_once_and_taken_back() {
        let port = |link, passed_down| Port { link, passed_down };
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
    }
}
