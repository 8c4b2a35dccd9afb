//! The checksum of an SCTP packet: CRC32c over the packet with the field zeroed (RFC 9260 §6.8, Appendix A).

use ss7guard_common::wire::SctpSpan;

/// Offset of the field in the common header.
const FIELD: usize = 8;

/// What the checksum field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// What it should.
    Right,
    /// Nothing: the packet was captured before the checksum was put in (a local sender with offload), or its ends agreed
    /// to do without (RFC 9653).
    Absent,
    /// Something else: a receiver discards the packet.
    Wrong,
}

/// Checks the packet of a frame.
pub(super) fn of(frame: &[u8], span: &SctpSpan) -> Checksum {
    let Some(packet) = frame.get(span.start..span.end) else { return Checksum::Wrong };
    let Some((before, rest)) = packet.split_at_checked(FIELD) else { return Checksum::Wrong };
    let Some((field, after)) = rest.split_first_chunk::<4>() else { return Checksum::Wrong };
    if *field == [0; 4] {
        return Checksum::Absent;
    }
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]), after);
    // Least significant octet first, unlike every other field.
    if u32::from_le_bytes(*field) == sum { Checksum::Right } else { Checksum::Wrong }
}
