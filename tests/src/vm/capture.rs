//! Frames on an interface: all of them, with what SCTP says in them, and as a file for other tools.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags};

use crate::netns::Namespace;

/// Octets of a frame at most; what an interface without offloads gives is shorter.
const LONGEST: usize = 65_536;

/// A socket for whole frames on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens it; with `both`, it also gets the frames that this host sends.
    ///
    /// # Errors
    /// There is no such interface, or `CAP_NET_RAW` is missing.
    pub fn open(namespace: &Namespace, interface: &str, both: bool) -> Result<Self> {
        /// PACKET_IGNORE_OUTGOING (linux/if_packet.h).
        const IGNORE_OUTGOING: i32 = 23;
        const ROOM: usize = 64 << 20;
        namespace.inside(|| {
            let every = (libc::ETH_P_ALL as u16).to_be();
            let family = rustix::net::AddressFamily::from_raw(libc::AF_PACKET as u16);
            let protocol = rustix::net::RawProtocol::new(u32::from(every));
            let socket = rustix::net::socket_with(
                family,
                rustix::net::SocketType::RAW,
                rustix::net::SocketFlags::CLOEXEC,
                protocol.map(rustix::net::Protocol::from_raw),
            )
            .context("a packet socket")?;
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, ROOM)?;
            let name = std::ffi::CString::new(interface)?;
            // SAFETY: a string with its end.
            let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
            ensure!(index > 0, "no interface {interface}");
            // SAFETY: a structure of numbers, all of which may be zero.
            let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = every;
            address.sll_ifindex = i32::try_from(index)?;
            let (fd, len) = (socket.as_raw_fd(), size_of::<libc::sockaddr_ll>() as libc::socklen_t);
            // SAFETY: the address has this length.
            let bound = unsafe { libc::bind(fd, (&raw const address).cast(), len) };
            ensure!(bound == 0, "bind to {interface}: {}", io::Error::last_os_error());
            if !both {
                let on = 1i32;
                let (from, len) = ((&raw const on).cast(), size_of::<i32>() as libc::socklen_t);
                // SAFETY: one number of this length.
                let set = unsafe { libc::setsockopt(fd, libc::SOL_PACKET, IGNORE_OUTGOING, from, len) };
                ensure!(set == 0, "PACKET_IGNORE_OUTGOING: {}", io::Error::last_os_error());
            }
            Ok(Self { socket })
        })
    }

    /// The next frame; `None` if none comes in this time (less than a second).
    ///
    /// # Errors
    /// The socket fails.
    pub fn receive(&self, patience: Duration) -> Result<Option<Vec<u8>>> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
        if poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout))? == 0 {
            return Ok(None);
        }
        self.take()
    }

    /// The next frame if one is there.
    ///
    /// # Errors
    /// The socket fails.
    pub fn take(&self) -> Result<Option<Vec<u8>>> {
        let mut octets = vec![0u8; LONGEST];
        match rustix::net::recv(&self.socket, &mut octets[..], RecvFlags::DONTWAIT) {
            Ok((len, _)) => {
                octets.truncate(len);
                Ok(Some(octets))
            }
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The interface refuses it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        rustix::net::send(&self.socket, frame, SendFlags::empty()).context("send a frame")?;
        Ok(())
    }

    /// The socket, to wait for it.
    #[must_use]
    pub fn as_poll(&self) -> PollFd<'_> {
        PollFd::new(&self.socket, PollFlags::IN)
    }
}

/// A DATA chunk in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Transmission sequence number.
    pub tsn: u32,
    /// Stream identifier.
    pub stream: u16,
    /// Whether it is the first fragment of its message.
    pub begins: bool,
    /// Whether it is the last one.
    pub ends: bool,
    /// Payload protocol identifier.
    pub ppid: u32,
    /// User data.
    pub octets: Vec<u8>,
}

impl Chunk {
    /// Class and type, if it begins an M3UA message and reaches so far.
    #[must_use]
    pub fn kind(&self) -> Option<(u8, u8)> {
        match self.octets.get(2..4) {
            Some([class, kind]) if self.begins => Some((*class, *kind)),
            _ => None,
        }
    }
}

/// The SCTP packet in an Ethernet frame with IPv4.
#[must_use]
pub fn sctp(frame: &[u8]) -> Option<&[u8]> {
    const SCTP: u8 = 132;
    if frame.get(12..14)? != [8, 0] || *frame.get(23)? != SCTP {
        return None;
    }
    let header = usize::from(frame[14] & 15) * 4;
    let len = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    frame.get(14 + header..14 + len)
}

/// Its DATA chunks, in order.
#[must_use]
pub fn chunks(frame: &[u8]) -> Vec<Chunk> {
    const DATA: u8 = 0;
    let mut found = Vec::new();
    let Some(packet) = sctp(frame) else { return found };
    let mut rest = packet.get(12..).unwrap_or_default();
    while let [kind, flags, high, low, ..] = *rest {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(chunk) = rest.get(..len).filter(|chunk| chunk.len() >= 4) else { break };
        if kind == DATA && chunk.len() >= 16 {
            let word = |at: usize| chunk[at..at + 4].try_into().map(u32::from_be_bytes).expect("four octets");
            found.push(Chunk {
                tsn: word(4),
                stream: u16::from_be_bytes([chunk[8], chunk[9]]),
                begins: flags & 2 != 0,
                ends: flags & 1 != 0,
                ppid: word(12),
                octets: chunk[16..].to_vec(),
            });
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// Whether the checksum of an SCTP packet is right (RFC 9260, appendix A): CRC32c, least significant octet first.
#[must_use]
pub fn checksum_is_right(packet: &[u8]) -> bool {
    let mut bare = packet.to_vec();
    bare[8..12].fill(0);
    packet[8..12] == crc32c::crc32c(&bare).to_le_bytes()
}

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

/// What tshark says of the checksums of the SCTP packets in a file: how many it finds right.
///
/// # Errors
/// It finds one that is not, or it cannot be run.
pub fn tshark_checksums(path: &Path) -> Result<usize> {
    /// Values of the field (Wireshark's epan/proto.h).
    const GOOD: &str = "1";
    const UNVERIFIED: &str = "2";
    // The name of the algorithm until Wireshark 4.0, a mere switch later.
    for setting in ["sctp.checksum:crc-32c", "sctp.checksum:TRUE"] {
        let output = Command::new("tshark")
            .args(["-n", "-o", setting, "-T", "fields", "-e", "sctp.checksum.status", "-r"])
            .arg(path)
            .output()
            .context("run tshark")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || text.lines().all(|status| status == UNVERIFIED) {
            continue;
        }
        let wrong = text.lines().enumerate().filter(|(_, status)| *status != GOOD);
        let wrong = wrong.take(5).fold(String::new(), |mut line, (frame, status)| {
            let _ = write!(line, " frame {}: {status:?}", frame + 1);
            line
        });
        ensure!(wrong.is_empty(), "tshark finds checksums that are not good:{wrong}");
        return Ok(text.lines().count());
    }
    bail!("tshark checks no checksum of SCTP in {}", path.display())
}
