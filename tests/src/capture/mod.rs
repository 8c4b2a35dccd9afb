//! Frames on an interface: all of them, with what SCTP says in them, and as a file for other tools.

mod packet;
mod socket;
mod tshark;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};

pub use self::packet::{Chunk, addressed, checksum_is_right, chunks, chunks_of, sctp};
pub use self::socket::PacketSocket;
pub use self::tshark::tshark_checksums;

use crate::netns::Namespace;

/// Octets of a frame at most; what an interface without offloads gives is shorter.
const LONGEST: usize = 65_536;

/// Whether the field of the checksum is 0.
fn is_being_checked(packet: &[u8]) -> bool {
    packet.get(8..12) == Some(&[0; 4])
}

/// When a frame was seen, and its octets.
type Timed = (SystemTime, Vec<u8>);

/// Frames of a while, and when they were seen.
#[derive(Debug)]
pub struct Capture {
    frames: Arc<Mutex<Vec<Timed>>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    /// Begins to note what an interface receives and sends. What XDP does to a frame is done by then.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn start(namespace: &Namespace, interface: &str) -> Result<Self> {
        let socket = PacketSocket::open(namespace, interface, true)?;
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, ended) = (Arc::clone(&frames), Arc::clone(&stop));
        let reader = thread::Builder::new().name("capture".to_owned()).spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                match socket.receive(Duration::from_millis(100)) {
                    Ok(Some(frame)) => {
                        noted.lock().unwrap_or_else(PoisonError::into_inner).push((SystemTime::now(), frame));
                    }
                    Ok(None) => {}
                    Err(error) => return eprintln!("capture: {error:#}"),
                }
            }
        })?;
        Ok(Self { frames, stop, reader: Some(reader) })
    }

    /// The frames that carry SCTP, so far.
    #[must_use]
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.iter().filter(|(_, frame)| sctp(frame).is_some()).map(|(_, frame)| frame.clone()).collect()
    }

    /// Every DATA chunk so far.
    #[must_use]
    pub fn chunks(&self) -> Vec<Chunk> {
        self.frames().iter().flat_map(|frame| chunks(frame)).collect()
    }

    /// Checks the checksum of every SCTP packet so far; gives their number.
    ///
    /// A packet is passed over if it was copied here just while the kernel's SCTP checked it: it sets the field to 0
    /// meanwhile, in the memory that both share. A packet that has come with a wrong checksum, 0 included, is counted by
    /// the kernel as `SctpChecksumErrors`.
    ///
    /// # Errors
    /// One is wrong, or there are none, or many were passed over.
    pub fn check_checksums(&self) -> Result<usize> {
        let frames = self.frames();
        let packets: Vec<&[u8]> = frames
            .iter()
            .filter_map(|frame| sctp(frame))
            .filter(|packet| !is_being_checked(packet))
            .collect();
        ensure!(!packets.is_empty(), "the capture is empty");
        ensure!(
            (frames.len() - packets.len()) * 100 <= frames.len(),
            "{} of {} packets have no checksum: is the offload off?",
            frames.len() - packets.len(),
            frames.len()
        );
        let wrong: Vec<&&[u8]> = packets.iter().filter(|packet| !checksum_is_right(packet)).collect();
        ensure!(
            wrong.is_empty(),
            "{} of {} packets have a wrong checksum; the first one of {} octets begins {:02x?}",
            wrong.len(),
            packets.len(),
            wrong[0].len(),
            &wrong[0][..wrong[0].len().min(48)]
        );
        Ok(packets.len())
    }

    /// The same, and tshark finds so too; gives the number of packets.
    ///
    /// # Errors
    /// A checksum is wrong, there are no packets, or tshark is missing.
    pub fn check_with_tshark(&self) -> Result<usize> {
        let ours = self.check_checksums()?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("frames.pcap");
        self.write(&path)?;
        let theirs = tshark_checksums(&path)?;
        ensure!(theirs >= ours, "{ours} packets are right, and tshark finds {theirs} good");
        Ok(theirs)
    }

    /// Writes the SCTP packets so far as a pcap file, without those that [`Self::check_checksums`] passes over.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        /// Magic of microseconds, version 2.4, no time zone, no accuracy, length at most, Ethernet.
        const HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, LONGEST as u32, 1];
        let mut out: Vec<u8> = HEADER.iter().flat_map(|word| word.to_le_bytes()).collect();
        for (at, frame) in self.frames.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if sctp(frame).is_none_or(is_being_checked) {
                continue;
            }
            let at = at.duration_since(SystemTime::UNIX_EPOCH)?;
            let len = u32::try_from(frame.len())?;
            for word in [u32::try_from(at.as_secs())?, at.subsec_micros(), len, len] {
                out.extend(word.to_le_bytes());
            }
            out.extend_from_slice(frame);
        }
        std::fs::write(path, out).with_context(|| path.display().to_string())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            eprintln!("a capture has panicked");
        }
    }
}
