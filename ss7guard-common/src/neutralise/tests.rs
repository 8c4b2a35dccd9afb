//! Rewritten packets against a checksum over the whole packet.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::*;
use crate::wire::m3ua::tag;

/// CRC32c (RFC 9260 §A), bit by bit.
fn crc32c(octets: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for octet in octets {
        register ^= u32::from(*octet);
        for _ in 0..8 {
            register = register >> 1 ^ if register & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !register
}

fn checksum(packet: &[u8]) -> u32 {
    let mut packet = packet.to_vec();
    packet[8..12].fill(0);
    crc32c(&packet)
}

/// An M3UA DATA message with these parameters before its Protocol Data of `user` octets.
fn message(before: &[(u16, u32)], user: usize) -> Vec<u8> {
    let mut parameters = Vec::new();
    for (tag, value) in before {
        parameters.extend([&tag.to_be_bytes()[..], &[0, 8], &value.to_be_bytes()].concat());
    }
    parameters.extend(tag::PROTOCOL_DATA.to_be_bytes());
    parameters.extend(u16::try_from(16 + user).unwrap().to_be_bytes());
    parameters.extend([0, 0, 0x20, 0x3f, 0, 0, 0, 1, 3, 0, 0, 5]);
    parameters.extend((0..user).map(|octet| (octet * 7) as u8));
    parameters.resize(pad4(parameters.len()), 0);
    let length = u32::try_from(8 + parameters.len()).unwrap();
    [&[1, 0, 1, 1][..], &length.to_be_bytes(), &parameters].concat()
}

/// A packet of these DATA or I-DATA chunks (flags, payload), with its checksum, and where each chunk is.
fn packet(interleaved: bool, chunks: &[(u8, &[u8])]) -> (Vec<u8>, Vec<usize>) {
    let mut packet = vec![0x0b, 0x59, 0x0b, 0x59, 1, 2, 3, 4, 0, 0, 0, 0];
    let mut places = Vec::new();
    for (number, (flags, payload)) in (1u8..).zip(chunks) {
        places.push(packet.len());
        let header = if interleaved { I_DATA_HEADER_LEN } else { DATA_HEADER_LEN };
        let kind = if interleaved { chunk_type::I_DATA } else { chunk_type::DATA };
        packet.extend([kind, *flags]);
        packet.extend(u16::try_from(header + payload.len()).unwrap().to_be_bytes());
        packet.extend([9, 9, 9, number, 0, 1, 0, number]);
        packet.extend(if interleaved { &[0, 0, 0, 7, 0, 0, 0, 3][..] } else { &[0, 0, 0, 3] });
        packet.extend(*payload);
        packet.resize(pad4(packet.len()), 0);
    }
    let sum = checksum(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    (packet, places)
}

fn rewrite(packet: &mut [u8], at: usize, form: Form) -> Delta {
    let end = packet.len();
    let header = Chunk::from_word(packet.be32_at(at).unwrap());
    chunk(packet, at, &header, end, form).unwrap()
}

const WHOLE: u8 = data_flag::BEGIN | data_flag::END;

#[test]
fn every_form_of_every_message_keeps_a_good_checksum_good() {
    let heads: [&[(u16, u32)]; 3] = [&[], &[(6, 1)], &[(0x200, 7), (6, 1)]];
    for interleaved in [false, true] {
        for form in Form::ALL {
            for (user, head) in (40..300).zip(heads.into_iter().cycle()) {
                let bad = message(head, user);
                let good = message(&[(6, 2)], 77);
                let (mut frame, places) =
                    packet(interleaved, &[(WHOLE, &good), (WHOLE, &bad), (WHOLE, &good)]);
                let before = frame.clone();
                let delta = rewrite(&mut frame, places[1], form);
                assert!(correct(&mut frame[..], 0, delta));
                let sum = u32::from_le_bytes(*frame[8..].first_chunk().unwrap());
                assert_eq!(sum, checksum(&frame), "{form:?} {user} {head:?}");
                assert_eq!(frame[12..places[1]], before[12..places[1]]);
                assert_eq!(frame[places[2]..], before[places[2]..]);
                let header = if interleaved { I_DATA_HEADER_LEN } else { DATA_HEADER_LEN };
                let now = &frame[places[1] + header..][..bad.len()];
                match form {
                    Form::BeatAck => {
                        assert_eq!((now[2], now[3], &now[8..10]), (3, 6, &[0, 9][..]));
                        let length = usize::from(u16::from_be_bytes([now[10], now[11]]));
                        assert_eq!(length, bad.len() - 8);
                        assert_eq!((&now[4..8], &now[12..]), (&bad[4..8], &bad[12..]));
                    }
                    Form::BeatAckPlain => {
                        assert_eq!((&now[..2], &now[2..4], &now[4..]), (&bad[..2], &[3, 6][..], &bad[4..]));
                    }
                    Form::PpidZero => {
                        assert_eq!((now[0], &now[1..]), (0, &bad[1..]));
                        assert_eq!(frame[places[1] + header - 4..][..4], [0; 4]);
                    }
                }
            }
        }
    }
}

#[test]
fn several_of_one_packet_add_up_also_beyond_the_table() {
    let bad = message(&[(6, 1)], 1_500);
    let (mut frame, places) = packet(false, &[(WHOLE, &bad), (WHOLE, &bad), (WHOLE, &bad), (WHOLE, &bad)]);
    assert!(frame.len() > 6_000);
    let mut sum = Delta::default();
    for (at, form) in places.into_iter().zip(Form::ALL) {
        sum = sum.and(rewrite(&mut frame, at, form));
    }
    assert!(correct(&mut frame[..], 0, sum));
    assert_eq!(u32::from_le_bytes(*frame[8..].first_chunk().unwrap()), checksum(&frame));
}

#[test]
fn first_fragments_of_every_length_are_silenced() {
    let bad = message(&[(6, 1)], 200);
    for len in 1..64 {
        let (mut frame, places) = packet(false, &[(data_flag::BEGIN, &bad[..len])]);
        let delta = rewrite(&mut frame, places[0], Form::BeatAck);
        assert!(correct(&mut frame[..], 0, delta));
        assert_eq!(u32::from_le_bytes(*frame[8..].first_chunk().unwrap()), checksum(&frame), "{len}");
        let (ppid, now) = (&frame[24..28], &frame[28..28 + len]);
        match len {
            1..=3 => assert_eq!((ppid, now[0]), (&[0; 4][..], 0)),
            4..=11 => {
                assert_eq!((ppid, &now[2..4], &now[4..]), (&[0, 0, 0, 3][..], &[3, 6][..], &bad[4..len]));
            }
            // The length is that of the whole message, which the later fragments bring.
            _ => assert_eq!(
                (&now[2..4], &now[4..8], &now[8..10], u16::from_be_bytes([now[10], now[11]]) as usize),
                (&[3, 6][..], &bad[4..8], &[0, 9][..], bad.len() - 8)
            ),
        }
    }
}

#[test]
fn a_second_message_behind_a_lying_length_is_covered() {
    let mut both = message(&[(6, 1)], 60);
    both.extend(message(&[(6, 1)], 60));
    let (mut frame, places) = packet(false, &[(WHOLE, &both)]);
    let delta = rewrite(&mut frame, places[0], Form::BeatAck);
    assert!(correct(&mut frame[..], 0, delta));
    assert_eq!(u32::from_le_bytes(*frame[8..].first_chunk().unwrap()), checksum(&frame));
    let now = &frame[28..];
    assert_eq!(u32::from_be_bytes(*now[4..].first_chunk().unwrap()) as usize, both.len());
    assert_eq!(usize::from(u16::from_be_bytes([now[10], now[11]])), both.len() - 8);
}

#[test]
fn wrong_checksums_stay_wrong_and_absent_ones_absent() {
    let bad = message(&[], 90);
    let (sound, places) = packet(false, &[(WHOLE, &bad)]);
    let mut wrong = sound.clone();
    wrong[9] ^= 0x40;
    let delta = rewrite(&mut wrong, places[0], Form::BeatAck);
    assert!(correct(&mut wrong[..], 0, delta));
    assert_eq!(u32::from_le_bytes(*wrong[8..].first_chunk().unwrap()) ^ 0x4000, checksum(&wrong));
    let mut absent = sound;
    absent[8..12].fill(0);
    let delta = rewrite(&mut absent, places[0], Form::BeatAck);
    assert!(correct(&mut absent[..], 0, delta));
    assert_eq!(absent[8..12], [0; 4]);
}
