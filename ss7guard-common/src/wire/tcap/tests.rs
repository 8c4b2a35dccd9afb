extern crate std;

use std::vec;
use std::vec::Vec;

use super::*;

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match value.len() {
        len @ 0..=0x7f => out.push(len as u8),
        len @ 0x80..=0xff => out.extend([0x81, len as u8]),
        len => {
            out.push(0x82);
            out.extend((len as u16).to_be_bytes());
        }
    }
    out.extend(value);
    out
}

fn dialogue(context: u8, with_version: bool) -> Vec<u8> {
    let name = tlv(0xa1, &tlv(6, &[4, 0, 0, 1, 0, context, 3]));
    let version: &[u8] = if with_version { &[0x80, 2, 0x07, 0x80] } else { &[] };
    let aarq = tlv(0x60, &[version, &name].concat());
    tlv(0x6b, &tlv(0x28, &[tlv(6, &[0, 0x11, 0x86, 5, 1, 1, 1]), tlv(0xa0, &aarq)].concat()))
}

fn invoke(code: u8, argument: usize) -> Vec<u8> {
    tlv(0xa1, &[vec![2, 1, 1, 2, 1, code], tlv(0x30, &vec![0; argument])].concat())
}

fn begin(dialogue: &[u8], components: &[u8]) -> Vec<u8> {
    tlv(0x62, &[tlv(0x48, &[0, 0, 0, 9]), dialogue.to_vec(), tlv(0x6c, components)].concat())
}

fn udt(data: &[u8]) -> Vec<u8> {
    let mut out = vec![9, 0x80, 3, 5, 7, 2, 0x42, 6, 2, 0x42, 8, data.len() as u8];
    out.extend(data);
    out
}

fn xudt(data: &[u8], options: u8) -> Vec<u8> {
    let mut out = vec![0x11, 0x80, 15, 4, 6, 8, options, 2, 0x42, 6, 2, 0x42, 8, data.len() as u8];
    out.extend(data);
    out
}

fn code(message: &[u8]) -> Option<u8> {
    let read = operation(message, 0, message.len()).code();
    // Wherever it lies in a frame, and whatever is around it.
    let inside = [&[0x62; 5][..], message, &[0x62; 40]].concat();
    assert_eq!(operation(inside.as_slice(), 5, message.len()).code(), read);
    read
}

#[test]
fn an_ordinary_begin_is_read() {
    for with_version in [true, false] {
        for argument in [0, 10, 100] {
            let data = begin(&dialogue(29, with_version), &invoke(71, argument));
            assert_eq!(code(&udt(&data)), Some(71), "{with_version}, {argument}");
            assert_eq!(code(&xudt(&data, 0)), Some(71), "{with_version}, {argument}");
        }
    }
    let two = [invoke(2, 4), invoke(71, 4)].concat();
    assert_eq!(code(&udt(&begin(&dialogue(1, true), &two))), Some(2), "the first decides");
    assert_eq!(code(&udt(&begin(&dialogue(29, true), &invoke(0, 4)))), Some(0));
}

#[test]
fn what_is_not_plain_is_left_to_others() {
    let plain = begin(&dialogue(29, true), &invoke(71, 10));
    let cases: [(&str, Vec<u8>); 9] = [
        ("options: perhaps a segment", xudt(&plain, 1)),
        ("an application context of CAP", udt(&begin(&dialogue(50, true), &invoke(71, 10)))),
        ("no dialogue portion", udt(&begin(&[], &invoke(71, 10)))),
        ("a Continue", udt(&[&[0x65], &plain[1..]].concat())),
        ("a linked id", udt(&begin(&dialogue(29, true), &tlv(0xa1, &[2, 1, 1, 0x80, 1, 0, 2, 1, 71])))),
        ("an operation in two octets", udt(&begin(&dialogue(29, true), &tlv(0xa1, &[2, 1, 1, 2, 2, 0, 71])))),
        ("a negative operation", udt(&begin(&dialogue(29, true), &invoke(0xb9, 4)))),
        (
            "another type of message",
            udt(&plain).iter().enumerate().map(|(at, o)| if at == 0 { 1 } else { *o }).collect(),
        ),
        ("a result", udt(&begin(&dialogue(29, true), &[&[0xa2], &invoke(71, 4)[1..]].concat()))),
    ];
    for (what, message) in cases {
        assert_eq!(code(&message), None, "{what}");
    }
    // Lengths that are not in the fewest octets.
    let mut long = vec![0x62, 0x81, plain[1]];
    long.extend(&plain[2..]);
    assert_eq!(code(&udt(&long)), None);
    let mut open = vec![0x62, 0x80];
    open.extend(&plain[2..]);
    open.extend([0, 0]);
    assert_eq!(code(&udt(&open)), None);
}

#[test]
fn no_cut_reads_beyond_its_end() {
    let whole = udt(&begin(&dialogue(29, true), &invoke(71, 20)));
    for len in 0..whole.len() {
        assert_eq!(operation(&whole[..len], 0, len).code(), None, "{len}");
        assert_eq!(operation(whole.as_slice(), 0, len).code(), None, "{len} of more");
    }
    // One octet changed: read, or left; never a panic, and a length that grew is never believed.
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut odd = whole.clone();
            odd[at] = value;
            let _ = code(&odd);
        }
    }
}
