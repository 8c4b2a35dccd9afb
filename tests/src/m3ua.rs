//! M3UA messages as peers write them (RFC 4666), apart from the firewall's own reader.

/// A parameter with its padding.
///
/// # Panics
/// The value is longer than a parameter can be.
#[must_use]
pub fn parameter(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut out = tag.to_be_bytes().to_vec();
    out.extend(u16::try_from(value.len() + 4).expect("a short parameter").to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// A message of this class and type.
#[must_use]
pub fn message(class: u8, kind: u8, parameters: &[Vec<u8>]) -> Vec<u8> {
    let body = parameters.concat();
    let mut out = vec![1, 0, class, kind];
    out.extend(u32::try_from(body.len() + 8).expect("a short message").to_be_bytes());
    out.extend(body);
    out
}

/// ASP Up.
#[must_use]
pub fn asp_up() -> Vec<u8> {
    message(3, 1, &[])
}

/// ASP Active for a routing context, traffic mode override.
#[must_use]
pub fn asp_active(routing_context: u32) -> Vec<u8> {
    message(
        4,
        1,
        &[parameter(0x000b, &1u32.to_be_bytes()), parameter(0x0006, &routing_context.to_be_bytes())],
    )
}

/// Error code "invalid version" (RFC 4666 §3.8.1).
pub const INVALID_VERSION: u32 = 0x01;

/// Error code "unexpected message" (RFC 4666 §3.8.1).
pub const UNEXPECTED_MESSAGE: u32 = 0x06;

/// ERR with this error code.
#[must_use]
pub fn error(code: u32) -> Vec<u8> {
    message(0, 0, &[parameter(0x000c, &code.to_be_bytes())])
}

/// BEAT, with Heartbeat Data that its answer repeats.
#[must_use]
pub fn beat() -> Vec<u8> {
    message(3, 3, &[parameter(0x0009, b"ss7guard")])
}

/// The answer to an ASP state or traffic maintenance message; `None` for others.
#[must_use]
pub fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let (class, kind) = (*request.get(2)?, *request.get(3)?);
    let ack = match (class, kind) {
        (3, 1..=3) | (4, 1) => kind + 3,
        (4, 2) => 4,
        _ => return None,
    };
    let ack = if class == 4 && kind == 1 { 3 } else { ack };
    let mut out = request.to_vec();
    out[3] = ack;
    Some(out)
}

/// A routing label.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Originating point code.
    pub opc: u32,
    /// Destination point code.
    pub dpc: u32,
    /// Network indicator.
    pub ni: u8,
    /// Signalling link selection.
    pub sls: u8,
}

/// DATA with Network Appearance (if given), Routing Context and an SCCP user part.
#[must_use]
pub fn data(label: Label, network_appearance: Option<u32>, user_part: &[u8]) -> Vec<u8> {
    data_in(label, network_appearance, Some(1), user_part)
}

/// DATA with Network Appearance and Routing Context (where given) and a user part.
#[must_use]
pub fn data_in(
    label: Label,
    network_appearance: Option<u32>,
    routing_context: Option<u32>,
    user_part: &[u8],
) -> Vec<u8> {
    let mut parameters = Vec::new();
    if let Some(appearance) = network_appearance {
        parameters.push(parameter(0x0200, &appearance.to_be_bytes()));
    }
    if let Some(context) = routing_context {
        parameters.push(parameter(0x0006, &context.to_be_bytes()));
    }
    let mut protocol_data = label.opc.to_be_bytes().to_vec();
    protocol_data.extend(label.dpc.to_be_bytes());
    protocol_data.extend([3, label.ni, 0, label.sls]);
    protocol_data.extend_from_slice(user_part);
    parameters.push(parameter(0x0210, &protocol_data));
    message(1, 1, &parameters)
}

/// Originating point code and user part of a DATA message made by [`data`].
#[must_use]
pub fn read_data(message: &[u8]) -> Option<(u32, &[u8])> {
    if message.get(2..4)? != [1, 1] {
        return None;
    }
    let mut at = 8;
    while at + 4 <= message.len() {
        let tag = u16::from_be_bytes([message[at], message[at + 1]]);
        let len = usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
        if tag == 0x0210 {
            let value = message.get(at + 4..at + len)?;
            // Another user part than SCCP is nobody's here.
            if *value.get(8)? != 3 {
                return None;
            }
            return Some((u32::from_be_bytes(value.get(..4)?.try_into().ok()?), value.get(12..)?));
        }
        at += len.next_multiple_of(4).max(4);
    }
    None
}
