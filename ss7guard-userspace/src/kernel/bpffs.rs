//! The BPF file system of the service, and the lock on it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, statfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::kernel::KernelError;

/// BPF_FS_MAGIC (linux/magic.h).
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(BPF_FS_MAGIC))
}

/// Sees to it that a BPF file system is at this path.
///
/// # Errors
/// There is none, and it may not be mounted.
pub fn ensure_mounted(path: &Path) -> Result<(), KernelError> {
    let what = || format!("BPF file system at {}", path.display());
    fs::create_dir_all(path).map_err(|error| KernelError::other(what(), error))?;
    if is_bpffs(path) {
        return Ok(());
    }
    match mount("bpf", path, "bpf", MountFlags::empty(), Some(c"mode=0700")) {
        Ok(()) => Ok(()),
        Err(Errno::PERM | Errno::ACCESS) => Err(KernelError::Capability(format!(
            "CAP_SYS_ADMIN to mount the BPF file system at {} (or have it mounted: mount -t bpf bpf {})",
            path.display(),
            path.display()
        ))),
        Err(Errno::NODEV) => Err(KernelError::Unsupported("it has no BPF file system".to_owned())),
        Err(error) => Err(KernelError::other(what(), error)),
    }
}

/// Unmounts the file system if nothing is pinned there any more.
///
/// # Errors
/// It cannot be unmounted.
pub fn unmount_if_empty(path: &Path) -> Result<(), KernelError> {
    if !is_bpffs(path) || pins(path)?.next().is_some() {
        return Ok(());
    }
    unmount(path, UnmountFlags::DETACH)
        .map_err(|error| KernelError::other(format!("unmount {}", path.display()), error))
}

/// Paths of everything pinned, the kernel's own iterators aside.
pub(super) fn pins(path: &Path) -> Result<impl Iterator<Item = PathBuf>, KernelError> {
    let entries =
        fs::read_dir(path).map_err(|error| KernelError::other(path.display().to_string(), error))?;
    Ok(entries
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().ends_with(".debug"))
        .map(|entry| entry.path()))
}

/// The right to change what is pinned at a path; one process has it at a time.
#[derive(Debug)]
pub struct Lock {
    _directory: File,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// Somebody else has it.
    pub fn take(path: &Path) -> Result<Self, KernelError> {
        let directory =
            File::open(path).map_err(|error| KernelError::other(path.display().to_string(), error))?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _directory: directory }),
            Err(Errno::WOULDBLOCK) => Err(KernelError::Locked(path.to_path_buf())),
            Err(error) => Err(KernelError::other(format!("lock {}", path.display()), error)),
        }
    }
}
