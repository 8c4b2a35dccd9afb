//! An M3UA message: places, faults, and that neither its place in the frame nor parameters that are to be skipped
//! change what is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ss7guard_common::wire::m3ua::{self, Data, Label, MAX_PARAMETERS, PARAMETER_HEADER_LEN, Parsed};
use ss7guard_common::wire::pad4;

/// Octets before the message in the second reading.
const SHIFT: usize = 44;

fuzz_target!(|octets: &[u8]| {
    for first_fragment in [false, true] {
        let parsed = m3ua::parse(octets, 0, octets.len(), first_fragment);
        assert!(parsed.data.is_some() || parsed.fault.reason().is_some(), "no label and no reason");
        let Some(data) = &parsed.data else { continue };
        check(octets, data);
        elsewhere(octets, &parsed, first_fragment);
        if !first_fragment && parsed.fault.is_none() {
            with_another_parameter(octets, data);
        }
    }
});

/// The label is the octets before the user part, and the user part is in the message.
fn check(octets: &[u8], data: &Data) {
    assert!(data.user_part + data.user_part_len <= octets.len());
    let word = |back: usize| {
        let at = data.user_part - back;
        u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
    };
    let [si, ni, mp, sls] = word(4).to_be_bytes();
    assert_eq!(data.label, Label { opc: word(12), dpc: word(8), si, ni, mp, sls });
}

/// The same message further on in a frame, with octets after it.
fn elsewhere(octets: &[u8], parsed: &Parsed, first_fragment: bool) {
    let mut frame = vec![0xa5; SHIFT];
    frame.extend(octets);
    frame.extend([0xa5; 7]);
    let mut other = m3ua::parse(frame.as_slice(), SHIFT, octets.len(), first_fragment);
    if let Some(data) = &mut other.data {
        data.user_part -= SHIFT;
    }
    assert_eq!(other, *parsed);
}

/// A parameter that nobody knows, before the others (RFC 4666 §3.2: it is skipped).
fn with_another_parameter(octets: &[u8], data: &Data) {
    const UNKNOWN: [u8; PARAMETER_HEADER_LEN + 4] = [0x77, 0x77, 0, 8, 1, 2, 3, 4];
    let (header, parameters) = octets.split_at(m3ua::HEADER_LEN);
    if count(parameters) >= MAX_PARAMETERS {
        return;
    }
    let mut longer = header.to_vec();
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    longer[4..8].copy_from_slice(&(length + UNKNOWN.len() as u32).to_be_bytes());
    longer.extend(UNKNOWN);
    longer.extend(parameters);
    let other = m3ua::parse(longer.as_slice(), 0, longer.len(), false);
    if u32::from_be_bytes([longer[4], longer[5], longer[6], longer[7]]) > 0xffff {
        return;
    }
    let expected = Data { user_part: data.user_part + UNKNOWN.len(), ..*data };
    assert_eq!(other.data, Some(expected));
    assert!(other.fault.is_none(), "{:?}", other.fault.reason());
}

/// How many parameters there are.
fn count(parameters: &[u8]) -> usize {
    let (mut rest, mut count) = (parameters, 0);
    while let [_, _, high, low, ..] = rest {
        let len = pad4(usize::from(u16::from_be_bytes([*high, *low])).max(PARAMETER_HEADER_LEN));
        rest = rest.get(len..).unwrap_or_default();
        count += 1;
    }
    count
}
