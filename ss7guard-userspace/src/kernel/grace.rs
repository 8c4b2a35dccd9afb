//! Waiting for frames that are under way.

use std::time::Duration;

use rustix::thread::{MembarrierCommand, membarrier};

/// What takes the place of a barrier that the kernel does not offer: no program runs for nearly as long.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

/// Comes back when every frame that a program had begun with before has been left by it; takes some milliseconds. What
/// nothing leads to any more can then be used anew.
pub(super) fn wait_for_frames() {
    // In the kernel this is `synchronize_rcu`, and programs run inside of what that waits for. Kernels with processors
    // set apart (`nohz_full`) refuse it.
    if membarrier(MembarrierCommand::Global).is_err() {
        std::thread::sleep(LONG_ENOUGH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_comes_to_an_end() {
        let begun = std::time::Instant::now();
        wait_for_frames();
        assert!(begun.elapsed() < 10 * LONG_ENOUGH);
    }
}
