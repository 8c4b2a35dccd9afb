//! Notes beside the pins: what was changed on an interface, so that any later process can put it back.
//!
//! A note is a symbolic link in the BPF file system, `KIND_IF`, whose target is its text; the file system has no files.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::kernel::attach::{escaped, interface_of};
use crate::kernel::{KernelError, bpffs};

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// Features that were switched off, by name, with commas between them.
    Offloads,
    /// Promiscuous mode was switched on.
    Promiscuous,
    /// The interface was set down since the other side of the bridge lost its link.
    LinkDown,
}

impl Note {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Offloads => "offloads_",
            Self::Promiscuous => "promisc_",
            Self::LinkDown => "linkdown_",
        }
    }

    fn path(self, bpffs: &Path, interface: &str) -> PathBuf {
        bpffs.join(format!("{}{}", self.prefix(), escaped(interface)))
    }

    /// The text of a note; `None` without one.
    pub(super) fn read(self, bpffs: &Path, interface: &str) -> Option<String> {
        fs::read_link(self.path(bpffs, interface)).ok().map(|text| text.to_string_lossy().into_owned())
    }

    /// Writes a note in the place of the one that is there. The text must not be empty.
    ///
    /// # Errors
    /// The file system refuses.
    pub(super) fn write(self, bpffs: &Path, interface: &str, text: &str) -> Result<(), KernelError> {
        self.forget(bpffs, interface)?;
        let path = self.path(bpffs, interface);
        symlink(text, &path).map_err(|error| KernelError::other(path.display().to_string(), error))
    }

    /// Removes a note if there is one.
    ///
    /// # Errors
    /// The file system refuses.
    pub(super) fn forget(self, bpffs: &Path, interface: &str) -> Result<(), KernelError> {
        let path = self.path(bpffs, interface);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(KernelError::other(path.display().to_string(), error))
            }
            _ => Ok(()),
        }
    }

    /// Interfaces with a note of this kind, attached or not.
    ///
    /// # Errors
    /// The pins cannot be listed.
    pub(super) fn interfaces(self, bpffs: &Path) -> Result<Vec<String>, KernelError> {
        Ok(bpffs::pins(bpffs)?
            .filter_map(|pin| {
                let name = pin.file_name()?.to_string_lossy().into_owned();
                name.strip_prefix(self.prefix()).map(interface_of)
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_written_read_replaced_and_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        let at = folder.path();
        assert_eq!(Note::Promiscuous.read(at, "eth0.7"), None);
        Note::Promiscuous.forget(at, "eth0.7").expect("nothing to forget");
        Note::Promiscuous.write(at, "eth0.7", "on").expect("written");
        Note::Offloads.write(at, "eth1", "rx-lro").expect("written");
        Note::Offloads.write(at, "eth1", "rx-lro,rx-gro-hw").expect("replaced");
        assert_eq!(Note::Promiscuous.read(at, "eth0.7").as_deref(), Some("on"));
        assert_eq!(Note::Offloads.read(at, "eth1").as_deref(), Some("rx-lro,rx-gro-hw"));
        assert_eq!(Note::LinkDown.read(at, "eth1"), None, "each kind by itself");
        assert_eq!(Note::Promiscuous.interfaces(at).expect("listed"), ["eth0.7"]);
        Note::Promiscuous.forget(at, "eth0.7").expect("forgotten");
        assert_eq!(Note::Promiscuous.read(at, "eth0.7"), None);
        assert!(Note::Promiscuous.interfaces(at).expect("listed").is_empty());
    }
}
