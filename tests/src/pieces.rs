//! Messages in pieces: SCTP fragments, IP fragments, SCCP segments.

use crate::frame::{FIRST, Frame, LAST, WHOLE, chunk};

/// Where a user message is in its association.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// TSN of its first fragment.
    pub tsn: u32,
    /// Stream.
    pub stream: u16,
    /// Stream sequence number, or message identifier.
    pub sequence: u32,
    /// Whether it is unordered.
    pub unordered: bool,
}

fn flags(index: usize, count: usize, unordered: bool) -> u8 {
    let first = if index == 0 { FIRST } else { 0 };
    let last = if index + 1 == count { LAST } else { 0 };
    first | last | if unordered { 4 } else { 0 }
}

/// DATA chunks with these pieces of a message (RFC 9260 §3.3.1).
///
/// # Panics
/// The pieces are more than can be counted.
#[must_use]
pub fn data_chunks(pieces: &[Vec<u8>], slot: Slot) -> Vec<Vec<u8>> {
    let fragment = |(index, piece): (usize, &Vec<u8>)| {
        let mut value = slot.tsn.wrapping_add(u32::try_from(index).expect("few")).to_be_bytes().to_vec();
        value.extend(slot.stream.to_be_bytes());
        value.extend(&slot.sequence.to_be_bytes()[2..]);
        value.extend(3u32.to_be_bytes());
        value.extend(piece);
        chunk(0x00, flags(index, pieces.len(), slot.unordered), &value)
    };
    pieces.iter().enumerate().map(fragment).collect()
}

/// I-DATA chunks with these pieces of a message (RFC 8260 §2.1).
///
/// # Panics
/// The pieces are more than can be counted.
#[must_use]
pub fn i_data_chunks(pieces: &[Vec<u8>], slot: Slot) -> Vec<Vec<u8>> {
    let fragment = |(index, piece): (usize, &Vec<u8>)| {
        let number = u32::try_from(index).expect("few");
        let mut value = slot.tsn.wrapping_add(number).to_be_bytes().to_vec();
        value.extend(slot.stream.to_be_bytes());
        value.extend([0, 0]);
        value.extend(slot.sequence.to_be_bytes());
        value.extend(if index == 0 { 3u32 } else { number }.to_be_bytes());
        value.extend(piece);
        chunk(0x40, flags(index, pieces.len(), slot.unordered), &value)
    };
    pieces.iter().enumerate().map(fragment).collect()
}

/// One frame for each chunk, from 192.0.2.1 to 192.0.2.2 or between addresses of IPv6, with this verification tag.
#[must_use]
pub fn frames(chunks: &[Vec<u8>], v6: bool, vtag: u32) -> Vec<Vec<u8>> {
    let frame = |chunk: &Vec<u8>| {
        let frame = if v6 { Frame::ipv6(132, &[]) } else { Frame::ipv4(132, &[]) };
        frame.sctp(vtag, std::slice::from_ref(chunk)).build()
    };
    chunks.iter().map(frame).collect()
}

/// The IP packet of an untagged frame as fragments with at most `size` octets each, a multiple of eight.
///
/// # Panics
/// The frame is none of these.
#[must_use]
pub fn ip_fragments(frame: &[u8], size: usize, identification: u16) -> Vec<Vec<u8>> {
    const LINK: usize = 14;
    let v6 = frame[12] == 0x86;
    let header = if v6 { 40 } else { usize::from(frame[LINK] & 0x0f) * 4 };
    let field = |at: usize| usize::from(u16::from_be_bytes([frame[LINK + at], frame[LINK + at + 1]]));
    let end = LINK + if v6 { 40 + field(4) } else { field(2) };
    let content = &frame[LINK + header..end];
    let pieces: Vec<&[u8]> = content.chunks(size).collect();
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            let more = index + 1 < pieces.len();
            let offset = u16::try_from(index * size / 8).expect("a packet");
            let mut out = frame[..LINK + header].to_vec();
            if v6 {
                out[LINK + 6] = 44;
                out[LINK + 4..LINK + 6]
                    .copy_from_slice(&u16::try_from(piece.len() + 8).expect("short").to_be_bytes());
                out.extend([132, 0]);
                out.extend((offset << 3 | u16::from(more)).to_be_bytes());
                out.extend(u32::from(identification).to_be_bytes());
            } else {
                let total = u16::try_from(header + piece.len()).expect("short");
                out[LINK + 2..LINK + 4].copy_from_slice(&total.to_be_bytes());
                out[LINK + 4..LINK + 6].copy_from_slice(&identification.to_be_bytes());
                out[LINK + 6..LINK + 8]
                    .copy_from_slice(&(offset | if more { 0x2000 } else { 0 }).to_be_bytes());
            }
            out.extend_from_slice(piece);
            out.resize(out.len().max(60), 0);
            out
        })
        .collect()
}

/// A UDT as XUDT segments with these pieces of its data (Q.713 §4.18, Q.714 §4.1.1.2.2); `None` if it is no UDT, or the
/// pieces are more than 16.
#[must_use]
pub fn xudt_segments(udt: &[u8], pieces: &[Vec<u8>], local_reference: u32) -> Option<Vec<Vec<u8>>> {
    let [0x09, class, called_at, calling_at, _, ..] = udt else { return None };
    let part = |at: usize| udt.get(at..at + 1 + usize::from(*udt.get(at)?));
    let (called, calling) = (part(2 + usize::from(*called_at))?, part(3 + usize::from(*calling_at))?);
    let after_first = pieces.len().checked_sub(1).filter(|after| *after < 16)?;
    let mut segments = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let to_data = 2 + called.len() + calling.len();
        let mut out = vec![0x11, class | 1, 15, 4];
        out.push(u8::try_from(3 + called.len()).ok()?);
        out.push(u8::try_from(to_data).ok()?);
        // The optional part comes after the data.
        out.push(u8::try_from(to_data + piece.len()).ok()?);
        out.extend(called);
        out.extend(calling);
        out.push(u8::try_from(piece.len()).ok()?);
        out.extend(piece);
        let first = if index == 0 { 0x80 } else { 0 };
        out.extend([0x10, 4, first | u8::try_from(after_first - index).ok()?]);
        out.extend(&local_reference.to_be_bytes()[1..]);
        out.push(0);
        segments.push(out);
    }
    Some(segments)
}

/// A whole message in one DATA chunk.
#[must_use]
pub fn whole(payload: &[u8], slot: Slot) -> Vec<u8> {
    let mut chunks = data_chunks(&[payload.to_vec()], slot);
    let whole = chunks.remove(0);
    debug_assert_eq!(whole[1] & WHOLE, WHOLE);
    whole
}
