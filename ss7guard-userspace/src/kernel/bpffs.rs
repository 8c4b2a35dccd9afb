//! The BPF file system of the service, and the lock on it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, StatxFlags, flock, statfs, statx};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::kernel::KernelError;

/// BPF_FS_MAGIC (linux/magic.h).
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(BPF_FS_MAGIC))
}

/// What a file system that was mounted here says of its origin; one with another origin is left mounted.
const SOURCE: &str = "ss7guard";

/// Sees to it that a BPF file system is at this path; true if it was mounted just now.
///
/// # Errors
/// There is none, and it may not be mounted.
pub fn ensure_mounted(path: &Path) -> Result<bool, KernelError> {
    let what = || format!("BPF file system at {}", path.display());
    fs::create_dir_all(path).map_err(|error| KernelError::other(what(), error))?;
    if is_bpffs(path) {
        return Ok(false);
    }
    match mount(SOURCE, path, "bpf", MountFlags::empty(), Some(c"mode=0700")) {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::ACCESS) => Err(KernelError::Capability(format!(
            "CAP_SYS_ADMIN to mount the BPF file system at {} (or have it mounted: mount -t bpf bpf {})",
            path.display(),
            path.display()
        ))),
        Err(Errno::NODEV) => Err(KernelError::Unsupported("it has no BPF file system".to_owned())),
        Err(error) => Err(KernelError::other(what(), error)),
    }
}

/// Unmounts the file system if [`ensure_mounted`] has mounted it, now or in an earlier life, and nothing is pinned there
/// any more.
///
/// # Errors
/// It cannot be unmounted.
pub fn unmount_if_empty(path: &Path) -> Result<(), KernelError> {
    if !is_bpffs(path) || !is_ours(path)? || pins(path)?.next().is_some() {
        return Ok(());
    }
    unmount(path, UnmountFlags::DETACH)
        .map_err(|error| KernelError::other(format!("unmount {}", path.display()), error))
}

/// Whether the mount at this path says that it is ours.
fn is_ours(path: &Path) -> Result<bool, KernelError> {
    let what = || format!("mount at {}", path.display());
    let mount = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)
        .map_err(|error| KernelError::other(what(), error))?
        .stx_mnt_id;
    let table =
        fs::read_to_string("/proc/self/mountinfo").map_err(|error| KernelError::other(what(), error))?;
    Ok(source_of(&table, mount) == Some(SOURCE))
}

/// The source of a mount in the text of /proc/self/mountinfo: the second word after the lone hyphen (proc_pid_mountinfo(5)).
fn source_of(table: &str, mount: u64) -> Option<&str> {
    let line =
        table.lines().find(|line| line.split(' ').next().and_then(|id| id.parse().ok()) == Some(mount))?;
    line.split_once(" - ")?.1.split(' ').nth(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_a_mount_is_found_by_its_number() {
        let table = "29 1 0:26 / /run rw shared:7 - tmpfs tmpfs rw\n\
                     129 29 0:55 / /run/a\\040-\\040b rw - bpf ss7guard rw,mode=700\n\
                     12 29 0:56 / /run/c rw - bpf bpf rw\n";
        assert_eq!(source_of(table, 129), Some("ss7guard"));
        assert_eq!(source_of(table, 12), Some("bpf"));
        assert_eq!(source_of(table, 9), None);
    }
}
