//! The kernel programs by BPF_PROG_TEST_RUN, with their maps in a BPF file system that goes away.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ss7guard_common::abi::{self, TitleDetail};
use ss7guard_userspace::config::Config;
use ss7guard_userspace::enforce::Detail;
use ss7guard_userspace::kernel::{self, Events, KernelLists, Loaded, Maps};
use tempfile::TempDir;

/// XDP_DROP.
pub const DROP: u32 = 1;
/// XDP_PASS.
pub const PASS: u32 = 2;

/// The loaded programs with their maps.
pub struct Program {
    /// The programs.
    pub loaded: Loaded,
    /// The lists.
    pub list: KernelLists,
    /// The event ring.
    pub events: Events,
    folder: TempDir,
}

impl Program {
    /// Loads the programs with room for this many block entries.
    ///
    /// # Errors
    /// Not root, or the kernel refuses.
    pub fn load(block_entries: u32, ring_bytes: u32) -> Result<Self> {
        Self::with(&Config { block_entries, ring_bytes, title_entries: 1_000, ..Config::default() })
    }

    /// Loads the programs with room for this many entries by global title.
    ///
    /// # Errors
    /// Not root, or the kernel refuses.
    pub fn load_with_titles(title_entries: u32) -> Result<Self> {
        Self::with(&Config { title_entries, ..Config::default() })
    }

    fn with(config: &Config) -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "BPF_PROG_TEST_RUN needs root (CAP_BPF, CAP_NET_ADMIN)"
        );
        let folder = tempfile::tempdir()?;
        let config = Config { bpffs: folder.path().join("bpf"), ..config.clone() };
        kernel::ensure_mounted(&config.bpffs)?;
        let loaded = kernel::load(&config)?;
        let list = KernelLists::open(&config.bpffs, Maps::open(&config.bpffs)?, 60_000_000_000)?;
        let events = Events::open(&config.bpffs)?;
        Ok(Self { loaded, list, events, folder })
    }

    /// The BPF file system with the maps.
    #[must_use]
    pub fn bpffs(&self) -> std::path::PathBuf {
        self.folder.path().join("bpf")
    }

    /// Sets the CONFIG record.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&mut self, record: &abi::Config) -> Result<()> {
        Ok(self.list.arrays_mut().set_config(*record)?)
    }

    /// Makes these the whole list of calling global titles.
    ///
    /// # Errors
    /// It does not fit.
    pub fn replace_titles(&mut self, entries: Vec<TitleDetail>) -> Result<()> {
        let mut import = self.list.begin()?;
        for entry in entries {
            self.list.stage(&mut import, Detail::Title(entry))?;
        }
        self.list.commit(&mut import);
        let goes = |detail: &Detail| matches!(detail, Detail::Title(_));
        while !self.list.advance(&mut import, usize::MAX, 0, goes)?.done {}
        Ok(())
    }

    /// Judges a frame; gives the XDP action.
    ///
    /// # Errors
    /// The kernel refuses the run.
    pub fn judge(&mut self, frame: &[u8]) -> Result<u32> {
        self.loaded.run_xdp(frame, 1).context("BPF_PROG_TEST_RUN")
    }
}

impl Program {
    /// Judges a frame; gives the XDP action and the frame as it goes on.
    ///
    /// # Errors
    /// The kernel refuses the run.
    pub fn run(&mut self, frame: &[u8]) -> Result<(u32, Vec<u8>)> {
        self.loaded.rewrite_xdp(frame).context("BPF_PROG_TEST_RUN")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let path = self.bpffs();
        if let Err(error) = kernel::detach_all(&path) {
            eprintln!("{error}");
        }
        unmount(&path);
    }
}

fn unmount(path: &Path) {
    if let Err(error) = rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH) {
        eprintln!("unmount {}: {error}", path.display());
    }
}
