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
    match packet.get(FIELD..FIELD + 4) {
        Some([0, 0, 0, 0]) => Checksum::Absent,
        Some(field) if sum(packet).is_some_and(|sum| field == sum) => Checksum::Right,
        _ => Checksum::Wrong,
    }
}

/// What the field of an SCTP packet should say, as it is on the wire: least significant octet first, unlike every other
/// field. `None` if the packet ends before the field does.
pub(crate) fn sum(packet: &[u8]) -> Option<[u8; 4]> {
    let sum = crc32c::crc32c(packet.get(..FIELD)?);
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    Some(crc32c::crc32c_append(sum, packet.get(FIELD + 4..)?).to_le_bytes())
}
