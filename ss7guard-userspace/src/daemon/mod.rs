//! The controller: thin glue between the kernel's events, the engine, the block list and the control socket.
//!
//! One thread: a tick every few milliseconds drains the event ring ([`core`]), a slower one sweeps and reports,
//! clients of the control socket are served in between ([`server`]).

mod core;
mod desk;
mod seen;
mod server;
pub mod view;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;
use crate::kernel::{self, Lock, Maps};

pub use core::Core;

/// How often the event ring is looked at. The kernel wakes nobody for a few events.
const TICK: Duration = Duration::from_millis(5);

/// How often expired entries are swept and losses reported.
const SWEEP: Duration = Duration::from_secs(1);

/// Loads and attaches, or adopts what is there; gives the core. `attach` and `run` share it.
///
/// # Errors
/// A permission is missing, another controller is there, an interface is not, or the kernel refuses.
pub fn start(config: &Config) -> Result<Core> {
    kernel::check_capabilities()?;
    kernel::ensure_mounted(&config.bpffs)?;
    let lock = Lock::take(&config.bpffs)?;
    let mut loaded = kernel::load(config)?;
    let adopted = loaded.adopted;
    let result = prepare(config, &mut loaded);
    if result.is_err() && !adopted {
        // What this call has made goes with it.
        if let Err(error) = kernel::detach_all(&config.bpffs) {
            log::warn!("clean-up: {error}");
        }
    }
    let maps = result?;
    let core = Core::new(config.clone(), lock, maps, adopted)?;
    Ok(core)
}

/// CONFIG and peers, then the links: no frame is judged before the configuration is there.
fn prepare(config: &Config, loaded: &mut kernel::Loaded) -> Result<Maps> {
    let mut maps = Maps::open(&config.bpffs)?;
    let mut record = config.kernel_record();
    record.peer_table = maps.write_peers(&config.peers)?;
    maps.set_config(record)?;
    kernel::attach(loaded, config, &config.interfaces)?;
    Ok(maps)
}

/// Runs the controller until it is told to stop. What is attached stays attached.
///
/// # Errors
/// It cannot start, or its socket cannot be made.
pub fn run(config: &Config) -> Result<()> {
    let core = start(config)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, serve(config, core))
}

async fn serve(config: &Config, core: Core) -> Result<()> {
    let interfaces = core.interface_names().join(",");
    let origin = if core.adopted { "adopted" } else { "new" };
    let core = Rc::new(RefCell::new(core));
    let _socket = server::listen(config, Rc::clone(&core))?;
    eprintln!("ready: {interfaces} mode={} pins={origin}", config.mode.as_str());
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => core.borrow_mut().drain(),
            _ = sweep.tick() => core.borrow_mut().sweep(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        if core.borrow().detached {
            log::info!("detached; stopping");
            return Ok(());
        }
    }
    core.borrow_mut().drain();
    log::info!("stopping; the kernel goes on enforcing (`ss7guard detach` ends it)");
    Ok(())
}
