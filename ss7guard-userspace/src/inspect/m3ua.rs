//! Odd forms of an M3UA DATA message (RFC 4666 §3.1.4, §3.2, §3.3.1). What it says is read by the frame classifier;
//! here is only what a person may want to know about how it was said.

use ss7guard_common::wire::m3ua::{HEADER_LEN, MAX_PARAMETERS, PARAMETER_HEADER_LEN, tag};
use ss7guard_common::wire::pad4;

use crate::inspect::findings::{Finding, Findings};

/// Place of a parameter in the order of RFC 4666 §3.3.1; `None` for those that DATA does not have.
const fn place(tag: u16) -> Option<u8> {
    match tag {
        tag::NETWORK_APPEARANCE => Some(0),
        tag::ROUTING_CONTEXT => Some(1),
        tag::PROTOCOL_DATA => Some(2),
        tag::CORRELATION_ID => Some(3),
        _ => None,
    }
}

/// Notes the odd forms of the message in the payload of a user data chunk; offsets are from its first octet.
pub fn note(payload: &[u8], findings: &mut Findings) {
    let mut at = HEADER_LEN;
    let mut last = 0;
    for _ in 0..MAX_PARAMETERS {
        let Some([t0, t1, l0, l1]) = payload.get(at..).and_then(<[u8]>::first_chunk::<PARAMETER_HEADER_LEN>)
        else {
            break;
        };
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        match place(u16::from_be_bytes([*t0, *t1])) {
            Some(place) if place < last => findings.note(Finding::M3uaParameterOrder, at),
            Some(place) => last = place,
            None => findings.note(Finding::M3uaUnknownParameter, at),
        }
        if len < PARAMETER_HEADER_LEN {
            break;
        }
        let end = at.saturating_add(len);
        at = at.saturating_add(pad4(len));
        if payload.get(end..at).is_some_and(|padding| padding.iter().any(|octet| *octet != 0)) {
            findings.note(Finding::M3uaPadding, end);
        }
    }
    let said = payload.get(4..8).and_then(<[u8]>::first_chunk).map_or(0, |len| u32::from_be_bytes(*len));
    if said % 4 != 0 {
        findings.note(Finding::M3uaUnpadded, 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(parameters: &[u8], said: u8) -> Vec<(Finding, u32)> {
        let mut message = vec![1, 0, 1, 1, 0, 0, 0, said];
        message.extend_from_slice(parameters);
        let mut findings = Findings::default();
        note(&message, &mut findings);
        findings.iter().collect()
    }

    const RC: [u8; 8] = [0, 6, 0, 8, 0, 0, 0, 1];
    // Two octets of user part and two of padding.
    const PD: [u8; 20] = [2, 0x10, 0, 18, 0, 0, 0, 1, 0, 0, 0, 2, 3, 0, 0, 0, 9, 9, 0, 0];

    #[test]
    fn the_usual_message_has_no_finding() {
        assert_eq!(noted(&[RC.as_slice(), &PD].concat(), 36), []);
    }

    #[test]
    fn order_padding_and_unknown_parameters_are_noted() {
        assert_eq!(noted(&[PD.as_slice(), &RC].concat(), 36), [(Finding::M3uaParameterOrder, 28)]);
        let unknown = [0x7f, 1, 0, 8, 1, 2, 3, 4];
        assert_eq!(noted(&[unknown.as_slice(), &PD].concat(), 36), [(Finding::M3uaUnknownParameter, 8)]);
        let mut padded = PD;
        padded[19] = 1;
        assert_eq!(noted(&padded, 28), [(Finding::M3uaPadding, 26)]);
        assert_eq!(noted(&PD, 26), [(Finding::M3uaUnpadded, 4)]);
    }

    #[test]
    fn lengths_that_lead_nowhere_end_it() {
        assert_eq!(noted(&[0, 6, 0, 0], 12), []);
        assert_eq!(noted(&[0, 6, 0xff, 0xff, 1], 12), []);
        assert_eq!(noted(&[], 8), []);
    }
}
