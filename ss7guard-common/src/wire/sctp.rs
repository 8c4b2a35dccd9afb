//! SCTP (RFC 9260): common header, chunk framing, DATA and I-DATA (RFC 8260) headers.

use crate::read::ReadAt;
use crate::verdict::Reason;
use crate::wire::pad4;

/// Octets of the common header.
pub const HEADER_LEN: usize = 12;

/// Octets of the header of every chunk.
pub const CHUNK_HEADER_LEN: usize = 4;

/// Chunks looked at in one packet. A 1500-octet frame holds at most 22 MAP messages of the smallest useful
/// size (64 octets with their headers) and a SACK; senders bundle far fewer.
pub const MAX_CHUNKS: usize = 32;

/// Chunks of a packet without user data in which set-up is looked for. INIT, INIT ACK and SHUTDOWN COMPLETE are alone in
/// their packet (RFC 9260 §6.10); ABORT and ASCONF may follow a few others.
pub const MAX_SETUP_CHUNKS: usize = 4;

/// Chunk types (IANA, "SCTP parameters").
pub mod chunk_type {
    /// User data.
    pub const DATA: u8 = 0x00;
    /// User data with message interleaving (RFC 8260 §2.1).
    pub const I_DATA: u8 = 0x40;
    /// Opens an association.
    pub const INIT: u8 = 0x01;
    /// Answers an INIT.
    pub const INIT_ACK: u8 = 0x02;
    /// Ends an association at once.
    pub const ABORT: u8 = 0x06;
    /// Says that an association has ended.
    pub const SHUTDOWN_COMPLETE: u8 = 0x0e;
    /// Authenticates the chunks behind it in the packet (RFC 4895 §4.1).
    pub const AUTH: u8 = 0x0f;
    /// Changes the addresses of an association (RFC 5061 §4.1.1).
    pub const ASCONF: u8 = 0xc1;
}

/// Flags of DATA and I-DATA (RFC 9260 §3.3.1).
pub mod data_flag {
    /// Last fragment of a user message.
    pub const END: u8 = 0x01;
    /// First fragment of a user message.
    pub const BEGIN: u8 = 0x02;
    /// Unordered.
    pub const UNORDERED: u8 = 0x04;
}

/// Payload protocol identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ppid(pub u32);

impl Ppid {
    /// M3UA (RFC 4666 §7.1).
    pub const M3UA: Self = Self(3);
}

/// The common header (RFC 9260 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Verification tag.
    pub vtag: u32,
}

/// Reads the common header at `start` of a packet that ends before `end`.
#[inline(always)]
pub fn header<R: ReadAt + ?Sized>(frame: &R, start: usize, end: usize) -> Result<Header, Reason> {
    if end.wrapping_sub(start) < HEADER_LEN {
        return Err(Reason::SctpTruncated);
    }
    let [s0, s1, d0, d1, v0, v1, v2, v3, _, _, _, _]: [u8; HEADER_LEN] =
        frame.read_at(start).ok_or(Reason::SctpTruncated)?;
    Ok(Header {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        vtag: u32::from_be_bytes([v0, v1, v2, v3]),
    })
}

/// Type, flags and extent of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Chunk type.
    pub kind: u8,
    /// Chunk flags.
    pub flags: u8,
    /// Octets of the chunk with its header, without padding; at least 4, and inside the packet.
    pub len: usize,
    /// The header as one big-endian word.
    pub word: u32,
}

/// Reads the chunk header at `off` of a packet that ends before `end`.
#[inline(always)]
pub fn chunk<R: ReadAt + ?Sized>(frame: &R, off: usize, end: usize) -> Result<Chunk, Reason> {
    let chunk = Chunk::from_word(frame.be32_at(off).ok_or(Reason::ChunkMalformed)?);
    if chunk.len < CHUNK_HEADER_LEN || off.wrapping_add(chunk.len) > end {
        return Err(Reason::ChunkMalformed);
    }
    Ok(chunk)
}

impl Chunk {
    /// From the header as one big-endian word; the length is not checked.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u32) -> Self {
        Self { kind: (word >> 24) as u8, flags: (word >> 16) as u8, len: (word & 0xffff) as usize, word }
    }

    /// Offset of the chunk after this one, which starts at `off`.
    #[inline(always)]
    #[must_use]
    pub const fn next(&self, off: usize) -> usize {
        off.wrapping_add(pad4(self.len))
    }

    /// Whether this chunk sets up or ends an association, or changes its addresses.
    #[inline(always)]
    #[must_use]
    pub const fn is_setup(&self) -> bool {
        matches!(
            self.kind,
            chunk_type::INIT
                | chunk_type::INIT_ACK
                | chunk_type::ABORT
                | chunk_type::SHUTDOWN_COMPLETE
                | chunk_type::ASCONF
        )
    }

    /// Whether this chunk carries user data.
    #[inline(always)]
    #[must_use]
    pub const fn is_user_data(&self) -> bool {
        self.kind == chunk_type::DATA || self.kind == chunk_type::I_DATA
    }
}

/// Header of a DATA or I-DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserData {
    /// Transmission sequence number.
    pub tsn: u32,
    /// Stream identifier.
    pub stream: u16,
    /// Stream sequence number (DATA) or message identifier (I-DATA).
    pub sequence: u32,
    /// Payload protocol identifier; `None` in an I-DATA that is not a first fragment (RFC 8260 §2.1 puts the
    /// fragment sequence number there).
    pub ppid: Option<Ppid>,
    /// Offset of the payload in the frame.
    pub payload: usize,
}

/// Octets from the start of a DATA chunk to its payload (RFC 9260 §3.3.1).
pub const DATA_HEADER_LEN: usize = 16;

/// Octets from the start of an I-DATA chunk to its payload (RFC 8260 §2.1).
pub const I_DATA_HEADER_LEN: usize = 20;

/// Reads the header of the DATA or I-DATA chunk at `off`. A chunk without payload is malformed (RFC 9260 §6.2).
#[inline(always)]
pub fn user_data<R: ReadAt + ?Sized>(frame: &R, off: usize, chunk: &Chunk) -> Result<UserData, Reason> {
    let interleaved = chunk.kind == chunk_type::I_DATA;
    let header = if interleaved { I_DATA_HEADER_LEN } else { DATA_HEADER_LEN };
    if chunk.len <= header {
        return Err(Reason::ChunkMalformed);
    }
    let [_, _, _, _, t0, t1, t2, t3, s0, s1, a0, a1, b0, b1, b2, b3]: [u8; DATA_HEADER_LEN] =
        frame.read_at(off).ok_or(Reason::ChunkMalformed)?;
    let last = u32::from_be_bytes([b0, b1, b2, b3]);
    // In DATA the fourth word is the PPID; in I-DATA it is the message identifier, and the PPID follows it.
    let (sequence, ppid) = if !interleaved {
        (u32::from(u16::from_be_bytes([a0, a1])), Some(Ppid(last)))
    } else if chunk.flags & data_flag::BEGIN == 0 {
        (last, None)
    } else {
        let ppid = frame.be32_at(off.wrapping_add(DATA_HEADER_LEN)).ok_or(Reason::ChunkMalformed)?;
        (last, Some(Ppid(ppid)))
    };
    Ok(UserData {
        tsn: u32::from_be_bytes([t0, t1, t2, t3]),
        stream: u16::from_be_bytes([s0, s1]),
        sequence,
        ppid,
        payload: off.wrapping_add(header),
    })
}
