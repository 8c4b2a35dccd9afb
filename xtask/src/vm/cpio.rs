//! The archive that a kernel unpacks as its first file system: cpio in the "newc" form
//! (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

/// Type bits of a mode: a directory.
const DIRECTORY: u32 = 0o040_000;
/// A regular file.
const REGULAR: u32 = 0o100_000;

/// An archive under construction.
#[derive(Default)]
pub(super) struct Archive {
    octets: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory.
    pub(super) fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY | 0o755, &[]);
    }

    /// Adds a file; it may be executed.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) {
        self.entry(name, REGULAR | 0o755, content);
    }

    /// The archive with its end mark.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.octets
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        // Inode, mode, owner, group, links, time, size, four numbers of devices, length of the name, no checksum.
        let size = content.len();
        let fields = [self.entries as usize, mode as usize, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() + 1, 0];
        self.octets.extend_from_slice(b"070701");
        for field in fields {
            self.octets.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.octets.extend_from_slice(name.as_bytes());
        self.octets.push(0);
        self.pad();
        self.octets.extend_from_slice(content);
        self.pad();
    }

    /// Header with name, and content, each end at a multiple of four octets.
    fn pad(&mut self) {
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_reads_it() {
        let mut archive = Archive::default();
        archive.file("init", b"12345");
        let octets = archive.finish();
        assert_eq!(&octets[..6], b"070701");
        assert_eq!(&octets[14..22], b"000081ed", "mode");
        assert_eq!(&octets[54..62], b"00000005", "size");
        assert_eq!(&octets[94..102], b"00000005", "length of the name with its zero");
        assert_eq!(&octets[110..116], b"init\0\0");
        assert_eq!(&octets[116..121], b"12345");
        assert_eq!(&octets[124..130], b"070701", "the end mark begins at a multiple of four");
        assert!(octets.len().is_multiple_of(4));
    }
}
