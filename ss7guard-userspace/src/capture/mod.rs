//! Frames from capture files: pcap and pcapng, from a file or standard input, in constant memory.

use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::ops::Range;
use std::path::Path;

use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use thiserror::Error;

/// Longest record that is read; longer ones are an error (the limit of other tools too).
const MAX_RECORD: usize = 1 << 18;

/// Why a capture could not be read.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file could not be opened or read.
    #[error("{name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// The system's word.
        source: io::Error,
    },
    /// Neither pcap nor pcapng.
    #[error("{name}: neither pcap nor pcapng (the file starts with {magic})")]
    UnknownFormat {
        /// The file.
        name: String,
        /// Its first octets.
        magic: String,
    },
    /// The file ends inside a record.
    #[error("{name}: the file ends in the middle of the record after frame {frame}")]
    Truncated {
        /// The file.
        name: String,
        /// Frames that were whole.
        frame: u64,
    },
    /// A record that contradicts itself.
    #[error("{name}: the record after frame {frame} is broken: {what}")]
    Broken {
        /// The file.
        name: String,
        /// Frames that were whole.
        frame: u64,
        /// What the parser says.
        what: String,
    },
    /// A link type that holds no IP frames this reader knows.
    #[error(
        "{name}: link type {link_type} is not supported (Ethernet 1, raw IP 101, Linux cooked 113 and 276 are)"
    )]
    LinkType {
        /// The file.
        name: String,
        /// Its number.
        link_type: i32,
    },
}

/// How a frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Ethernet,
    RawIp,
    /// Linux cooked capture: 16 octets, protocol in the last two.
    Cooked,
    /// Linux cooked capture version 2: 20 octets, protocol in the first two.
    Cooked2,
}

impl Link {
    fn from_linktype(linktype: Linktype) -> Option<Self> {
        match linktype.0 {
            1 => Some(Self::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(Self::RawIp),
            113 => Some(Self::Cooked),
            276 => Some(Self::Cooked2),
            _ => None,
        }
    }

    /// Puts the frame into `frame`, with an Ethernet header where it has another one.
    fn put_ethernet(self, octets: &[u8], frame: &mut Vec<u8>) {
        frame.clear();
        let (protocol, header) = match self {
            Self::Ethernet => {
                frame.extend_from_slice(octets);
                return;
            }
            Self::RawIp => match octets.first().map(|first| first >> 4) {
                Some(6) => ([0x86, 0xdd], 0),
                _ => ([0x08, 0x00], 0),
            },
            Self::Cooked => ([at(octets, 14), at(octets, 15)], 16),
            Self::Cooked2 => ([at(octets, 0), at(octets, 1)], 20),
        };
        frame.extend_from_slice(&[0; 12]);
        frame.extend_from_slice(&protocol);
        frame.extend_from_slice(octets.get(header..).unwrap_or_default());
    }
}

fn at(octets: &[u8], index: usize) -> u8 {
    octets.get(index).copied().unwrap_or_default()
}

/// One frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured: nanoseconds since 1970, UTC.
    pub time_ns: u64,
    /// Its octets, from an Ethernet header on.
    pub octets: &'a [u8],
}

/// A capture being read.
pub struct Capture {
    name: String,
    reader: Box<dyn PcapReaderIterator + Send>,
    interfaces: Vec<Interface>,
    frames: u64,
    /// The frame handed out last, if it had to be put together.
    frame: Vec<u8>,
    /// Octets of the block handed out last, which stay in the reader's buffer until the next one is asked for.
    held: usize,
}

/// What the capture says of an interface.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Link,
    ticks_per_second: u64,
    /// Seconds to add to each time stamp.
    offset_s: i64,
}

impl Capture {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// The file cannot be read or is no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = path.display().to_string();
        if name == "-" {
            return Self::read("standard input".to_owned(), io::stdin());
        }
        match File::open(path) {
            Ok(file) => Self::read(name, file),
            Err(source) => Err(CaptureError::Io { name, source }),
        }
    }

    /// Reads a capture from anything; `name` is used in errors.
    ///
    /// # Errors
    /// It cannot be read or is no capture.
    pub fn read(name: String, mut input: impl Read + Send + 'static) -> Result<Self, CaptureError> {
        // Enough for the longest file header, so that the format shows in one look.
        let mut head = Vec::new();
        if let Err(source) = input.by_ref().take(4096).read_to_end(&mut head) {
            return Err(CaptureError::Io { name, source });
        }
        let magic: Vec<u8> = head.iter().take(4).copied().collect();
        let head = io::Cursor::new(head);
        let reader = create_reader(4 * MAX_RECORD, head.chain(input)).map_err(|error| match error {
            PcapError::HeaderNotRecognized | PcapError::Incomplete(_) | PcapError::Eof
                if !is_capture(&magic) =>
            {
                let shown: String = magic.iter().map(|octet| format!("{octet:02x}")).collect();
                let magic = if shown.is_empty() { "nothing".to_owned() } else { shown };
                CaptureError::UnknownFormat { name: name.clone(), magic }
            }
            _ => CaptureError::Truncated { name: name.clone(), frame: 0 },
        })?;
        Ok(Self { name, reader, interfaces: Vec::new(), frames: 0, frame: Vec::new(), held: 0 })
    }

    /// The next frame; `None` at the end of the capture.
    ///
    /// # Errors
    /// The capture is cut or broken here, or has a link type that is not supported.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        self.reader.consume(mem::take(&mut self.held));
        loop {
            match self.reader.next() {
                Ok((size, block)) => match record(&block, &mut self.interfaces, &mut self.frame) {
                    Ok(None) => self.reader.consume(size),
                    Ok(Some(Found { time_ns, place })) => {
                        self.held = size;
                        self.frames += 1;
                        let octets = match place {
                            Some(place) => self.reader.data().get(place).unwrap_or_default(),
                            None => &self.frame,
                        };
                        return Ok(Some(Frame { number: self.frames, time_ns, octets }));
                    }
                    Err(Odd::LinkType(link_type)) => {
                        return Err(CaptureError::LinkType { name: self.name.clone(), link_type });
                    }
                    Err(Odd::Contradiction(what)) => return Err(self.broken(what)),
                },
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::UnexpectedEof) => return Err(self.truncated()),
                Err(PcapError::Incomplete(_)) => {
                    if self.reader.reader_exhausted() {
                        return Err(self.truncated());
                    }
                    if self.reader.refill().is_err() {
                        return Err(self.broken("it is too long"));
                    }
                }
                Err(_) => return Err(self.broken("its header contradicts itself")),
            }
        }
    }

    fn truncated(&self) -> CaptureError {
        CaptureError::Truncated { name: self.name.clone(), frame: self.frames }
    }

    fn broken(&self, what: &str) -> CaptureError {
        CaptureError::Broken { name: self.name.clone(), frame: self.frames, what: what.to_owned() }
    }

    /// Frames read so far.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }
}

/// What is wrong with a block.
enum Odd {
    LinkType(i32),
    Contradiction(&'static str),
}

/// A frame in a block.
struct Found {
    /// Nanoseconds since 1970.
    time_ns: u64,
    /// Its place in the block; `None` if it was put together elsewhere.
    place: Option<Range<usize>>,
}

/// Takes one block in: notes interfaces, finds the frame, if the block holds one. A frame without an Ethernet header is
/// put together in `frame`.
fn record(
    block: &PcapBlockOwned<'_>,
    interfaces: &mut Vec<Interface>,
    frame: &mut Vec<u8>,
) -> Result<Option<Found>, Odd> {
    // Octets before the frame in a record of pcap, and in blocks of pcapng.
    const RECORD: usize = 16;
    const ENHANCED: usize = 28;
    const SIMPLE: usize = 12;
    let (interface, ticks, octets, start) = match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let link = Link::from_linktype(header.network).ok_or(Odd::LinkType(header.network.0))?;
            let ticks_per_second = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            interfaces.push(Interface { link, ticks_per_second, offset_s: 0 });
            return Ok(None);
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = *interfaces.first().ok_or(Odd::Contradiction("a record before the header"))?;
            let ticks = u64::from(packet.ts_sec)
                .saturating_mul(interface.ticks_per_second)
                .saturating_add(u64::from(packet.ts_usec));
            (interface, ticks, captured(packet.data, packet.caplen)?, RECORD)
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => {
            interfaces.clear();
            return Ok(None);
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
            let link =
                Link::from_linktype(description.linktype).ok_or(Odd::LinkType(description.linktype.0))?;
            let ticks_per_second = description.ts_resolution().unwrap_or(1_000_000).max(1);
            interfaces.push(Interface { link, ticks_per_second, offset_s: description.if_tsoffset });
            return Ok(None);
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let index = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
            let interface = *interfaces
                .get(index)
                .ok_or(Odd::Contradiction("it names an interface that is not there"))?;
            let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            (interface, ticks, captured(packet.data, packet.caplen)?, ENHANCED)
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            let interface =
                *interfaces.first().ok_or(Odd::Contradiction("it names an interface that is not there"))?;
            let len = packet.origlen.min(u32::try_from(packet.data.len()).unwrap_or(u32::MAX));
            (interface, 0, captured(packet.data, len)?, SIMPLE)
        }
        PcapBlockOwned::NG(_) => return Ok(None),
    };
    let place = match interface.link {
        Link::Ethernet => Some(start..start + octets.len()),
        other => {
            other.put_ethernet(octets, frame);
            None
        }
    };
    let whole = match (ticks.checked_mul(1_000), interface.ticks_per_second) {
        // The usual ones without a division.
        (Some(nanoseconds), 1_000_000) => nanoseconds.into(),
        (_, 1_000_000_000) => ticks.into(),
        (_, per_second) => u128::from(ticks) * 1_000_000_000 / u128::from(per_second),
    };
    let offset_ns = i128::from(interface.offset_s) * 1_000_000_000;
    let time_ns = i128::try_from(whole).unwrap_or(i128::MAX).saturating_add(offset_ns);
    Ok(Some(Found { time_ns: u64::try_from(time_ns).unwrap_or(0), place }))
}

/// The captured octets without the padding of the block.
fn captured(data: &[u8], len: u32) -> Result<&[u8], Odd> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    data.get(..len).ok_or(Odd::Contradiction("it says more octets than it holds"))
}

fn is_capture(magic: &[u8]) -> bool {
    matches!(
        magic,
        [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1]
            | [0x0a, 0x0d, 0x0d, 0x0a]
    )
}

#[cfg(test)]
mod tests;
