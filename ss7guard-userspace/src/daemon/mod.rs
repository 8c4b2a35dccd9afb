//! The controller: thin glue between the kernel's events, the engine, the block list and the control socket.
//!
//! Two threads. One judges what the kernel copies or hands over ([`judge`], [`holder`]). The other has the lists
//! ([`core`]): it makes the entries that the rules ask for, sweeps once a second, and serves the clients of the control
//! socket in between ([`server`]).

mod blocks;
mod core;
mod desk;
mod holder;
mod import;
mod judge;
mod links;
mod seen;
mod server;
mod start;
pub mod view;

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;
use crate::daemon::server::Door;
use crate::daemon::start::Claim;

pub use core::Core;
pub(crate) use import::counts_json;

/// How often it is looked whether the judge is there, and whether the ports of a bridge have a link.
const TICK: Duration = Duration::from_millis(50);

/// How often expired entries are swept and losses reported.
const SWEEP: Duration = Duration::from_secs(1);

/// Loads and attaches, or adopts what is there; gives the core.
///
/// # Errors
/// A permission is missing, another controller is there, an interface is not, or the kernel refuses. Nothing has changed
/// then.
pub fn start(config: &Config) -> Result<Core> {
    Claim::take(config)?.start(|_| Ok(()))
}

/// Runs the controller until it is told to stop. What is attached stays attached.
///
/// # Errors
/// It cannot start, or its socket cannot be made.
pub fn run(config: &Config) -> Result<()> {
    let claim = Claim::take(config)?;
    // These can fail too, and must not after the kernel has begun to judge.
    let door = Door::open(config)?;
    let events = events_file(config)?;
    let core = claim.start(|core| core.judging.start(events, core.adopted))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, serve(config, core, door))
}

/// Opens the events file; `None` if events go to standard output.
fn events_file(config: &Config) -> Result<Option<File>> {
    let Some(path) = &config.events else { return Ok(None) };
    let what = || format!("events file {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(what)?;
    }
    Ok(Some(OpenOptions::new().create(true).append(true).open(path).with_context(what)?))
}

async fn serve(config: &Config, mut core: Core, door: Door) -> Result<()> {
    let mut wanted = core.wanted.take().context("requests of the rules")?;
    let interfaces = core.interface_names().join(",");
    let origin = if core.adopted { "adopted" } else { "new" };
    let core = Rc::new(RefCell::new(core));
    let _door = door.serve(Rc::clone(&core))?;
    eprintln!("ready: {interfaces} mode={} pins={origin}", config.mode.as_str());
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                ensure!(!core.borrow().judging.has_ended(), "the judge ended by a fault");
                core.borrow_mut().look_at_links();
            }
            Some(request) = wanted.recv() => core.borrow_mut().apply(request),
            _ = sweep.tick() => core.borrow_mut().sweep(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // Only when nothing else is ready, or one time in a few.
            () = tokio::task::yield_now(), if core.borrow().is_importing() => core.borrow_mut().import_slice(),
        }
        if core.borrow().detached {
            log::info!("detached; stopping");
            return Ok(());
        }
    }
    core.borrow_mut().judging.stop();
    while let Ok(request) = wanted.try_recv() {
        core.borrow_mut().apply(request);
    }
    log::info!("stopping; the kernel goes on enforcing (`ss7guard detach` ends it)");
    Ok(())
}
