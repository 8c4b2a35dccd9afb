//! SCTP packets in frames, and their user data, as a test reads them: apart from the firewall's own reader.

/// A DATA or I-DATA chunk in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Whether it is I-DATA (RFC 8260).
    pub is_interleaved: bool,
    /// Transmission sequence number.
    pub tsn: u32,
    /// Stream identifier.
    pub stream: u16,
    /// Whether it is the first fragment of its message.
    pub begins: bool,
    /// Whether it is the last one.
    pub ends: bool,
    /// Payload protocol identifier; in an I-DATA chunk that does not begin a message, the number of the fragment.
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

    /// Whether it begins a message that is, or has become, a BEAT ACK.
    #[must_use]
    pub fn is_beat_ack(&self) -> bool {
        self.kind() == Some((3, 6))
    }
}

/// The SCTP packet in an Ethernet frame, with any VLAN tags, with IPv4 without options or IPv6 without extension headers.
#[must_use]
pub fn sctp(frame: &[u8]) -> Option<&[u8]> {
    Some(addressed(frame)?.1)
}

/// The same, after its addresses: source and destination.
#[must_use]
pub fn addressed(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    const SCTP: u8 = 132;
    let mut at = 12;
    let kind = loop {
        let kind = u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?);
        at += 2;
        match kind {
            0x8100 | 0x88a8 => at += 2,
            _ => break kind,
        }
    };
    let ip = frame.get(at..)?;
    let word = |at: usize| Some(usize::from(u16::from_be_bytes(ip.get(at..at + 2)?.try_into().ok()?)));
    match kind {
        0x0800 if ip.first()? & 15 == 5 && *ip.get(9)? == SCTP => {
            Some((ip.get(12..20)?, ip.get(20..word(2)?)?))
        }
        0x86dd if *ip.get(6)? == SCTP => Some((ip.get(8..40)?, ip.get(40..40 + word(4)?)?)),
        _ => None,
    }
}

/// The DATA and I-DATA chunks of a frame, in order.
#[must_use]
pub fn chunks(frame: &[u8]) -> Vec<Chunk> {
    sctp(frame).map(chunks_of).unwrap_or_default()
}

/// The DATA and I-DATA chunks of an SCTP packet, in order.
#[must_use]
pub fn chunks_of(packet: &[u8]) -> Vec<Chunk> {
    const DATA: u8 = 0;
    const I_DATA: u8 = 64;
    let mut found = Vec::new();
    let mut rest = packet.get(12..).unwrap_or_default();
    while let [kind, flags, high, low, ..] = *rest {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(chunk) = rest.get(..len).filter(|chunk| chunk.len() >= 4) else { break };
        let header = if kind == I_DATA { 20 } else { 16 };
        if matches!(kind, DATA | I_DATA) && chunk.len() >= header {
            let word = |at: usize| chunk[at..at + 4].try_into().map(u32::from_be_bytes).expect("four octets");
            found.push(Chunk {
                is_interleaved: kind == I_DATA,
                tsn: word(4),
                stream: u16::from_be_bytes([chunk[8], chunk[9]]),
                begins: flags & 2 != 0,
                ends: flags & 1 != 0,
                ppid: word(header - 4),
                octets: chunk[header..].to_vec(),
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
