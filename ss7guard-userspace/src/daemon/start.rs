//! Starting: everything that may be refused is tried before anything changes, and what was changed is put back.

use anyhow::Result;
use ss7guard_common::abi::{self, Mode};

use crate::config::{Block, Config, Deployment};
use crate::daemon::Core;
use crate::enforce::{Detail, Target};
use crate::kernel::{self, KernelError, Lock, Maps};

/// The right to load and attach, with the BPF file system in place; nothing else has been touched.
pub(super) struct Claim<'a> {
    config: &'a Config,
    lock: Option<Lock>,
    /// Whether this start has mounted the file system; unmounted again if nothing comes of it.
    mounted: bool,
}

impl<'a> Claim<'a> {
    /// Checks capabilities and interfaces, mounts the file system if need be, and locks it.
    ///
    /// # Errors
    /// A capability or an interface is missing, or another controller is there.
    pub(super) fn take(config: &'a Config) -> Result<Self, KernelError> {
        kernel::check_capabilities(config.holds())?;
        if let Some(unknown) = config.ports().into_iter().find(|name| kernel::interface_index(name).is_none())
        {
            return Err(KernelError::NoInterface(unknown));
        }
        let mounted = kernel::ensure_mounted(&config.bpffs)?;
        let mut claim = Self { config, lock: None, mounted };
        claim.lock = Some(Lock::take(&config.bpffs)?);
        check_paths(config)?;
        Ok(claim)
    }

    /// Loads and attaches, or adopts what is there; then begins.
    ///
    /// # Errors
    /// The pins are of another version, the policy does not fit, an interface is busy, the kernel refuses, or it cannot
    /// begin. New pins are gone then; adopted ones have the policy that they had, or the new one if only the beginning
    /// failed.
    pub(super) fn start(mut self, begin: impl FnOnce(&mut Core) -> Result<()>) -> Result<Core> {
        let fresh = !Maps::present(&self.config.bpffs);
        match bring_up(self.config, begin) {
            Ok(mut core) => {
                core.lock = self.lock.take();
                self.mounted = false;
                Ok(core)
            }
            Err(error) => {
                if fresh && let Err(problem) = kernel::detach_all(&self.config.bpffs) {
                    log::warn!("clean-up: {problem}");
                }
                Err(error)
            }
        }
    }
}

/// Refuses to enforce on some of the paths only; in monitor mode that is a warning. A tap sees copies of what it is given,
/// and a bridge lies on paths of which this host has no part.
fn check_paths(config: &Config) -> Result<(), KernelError> {
    if config.deployment != Deployment::Host {
        return Ok(());
    }
    let mut interfaces = config.interfaces.clone();
    interfaces.extend(kernel::attached(&config.bpffs)?.into_iter().map(|one| one.interface));
    let uncovered = kernel::uncovered(&config.peers, &interfaces)?;
    if !uncovered.is_empty() && config.mode == Mode::Enforce {
        return Err(KernelError::Uncovered(uncovered));
    }
    for path in uncovered {
        log::warn!("{path}: what comes that way is not seen");
    }
    Ok(())
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        drop(self.lock.take());
        if self.mounted
            && let Err(error) = kernel::unmount_if_empty(&self.config.bpffs)
        {
            log::warn!("clean-up: {error}");
        }
    }
}

/// Loads; then policy, then links: no frame is judged before the policy is there. Then begins.
fn bring_up(config: &Config, begin: impl FnOnce(&mut Core) -> Result<()>) -> Result<Core> {
    let loaded = kernel::load(config)?;
    let mut core = Core::new(config.clone(), loaded, Maps::open(&config.bpffs)?)?;
    let before = Before::of(&core)?;
    let result = core.install_policy().and_then(|()| {
        kernel::attach(&mut core.loaded, config, &config.ports())?;
        Ok(())
    });
    if let Err(error) = result {
        if core.adopted
            && let Err(problem) = before.restore(&mut core)
        {
            log::error!("the policy that was there could not be put back: {problem}");
        }
        return Err(error);
    }
    core.settle()?;
    begin(&mut core)?;
    Ok(core)
}

/// The policy that adopted maps have.
struct Before {
    record: abi::Config,
    /// Entries that the configuration renews, and those that it adds.
    blocks: Vec<(Target, Option<Detail>)>,
}

impl Before {
    fn of(core: &Core) -> Result<Self, KernelError> {
        let held = |block: &Block| (block.target, core.lists.get(&block.target));
        Ok(Self {
            record: core.lists.arrays().config()?,
            blocks: core.config.blocks.iter().map(held).collect(),
        })
    }

    fn restore(self, core: &mut Core) -> Result<()> {
        // The peers that this record points to are still there: new ones go into the other table.
        core.lists.arrays_mut().set_config(self.record)?;
        for (target, held) in self.blocks {
            match held {
                Some(detail) => drop(core.lists.put(detail)?),
                None if core.lists.get(&target).is_some() => drop(core.lists.remove(&target)?),
                None => {}
            }
        }
        Ok(())
    }
}
