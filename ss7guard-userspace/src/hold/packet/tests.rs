use super::*;
use crate::hold::split::split;

/// The checksum of an SCTP packet (RFC 9260 §A), least significant octet first on the wire.
fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    let span = classify::sctp_span(frame.as_slice(), frame.len()).expect("SCTP");
    let at = span.start + 8;
    frame[at..at + 4].fill(0);
    let sum = crc32c::crc32c(&frame[span.start..span.end]);
    frame[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    frame
}

fn is_sealed(frame: &[u8]) -> bool {
    sealed(frame.to_vec()) == frame
}

/// A DATA chunk.
fn data(flags: u8, tsn: u32, payload: &[u8]) -> Vec<u8> {
    let mut chunk = vec![0, flags];
    chunk.extend((16 + payload.len() as u16).to_be_bytes());
    chunk.extend(tsn.to_be_bytes());
    chunk.extend([0, 1, 0, 1, 0, 0, 0, 3]);
    chunk.extend(payload);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// An M3UA DATA message with this many octets behind its label.
fn message(len: usize) -> Vec<u8> {
    let parameter = 4 + 12 + len;
    let mut message = vec![1, 0, 1, 1];
    message.extend((8 + parameter.next_multiple_of(4) as u32).to_be_bytes());
    message.extend([2, 0x10]);
    message.extend((parameter as u16).to_be_bytes());
    message.extend([0, 0, 0x10, 9, 0, 0, 8, 9, 3, 0, 0, 1]);
    message.extend(vec![0x55; len]);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// An IPv4 frame from 10.7.0.11 to 10.7.0.1 with these octets, of which this is the place in the packet.
fn ip(protocol: u8, offset: usize, more: bool, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0]);
    frame.extend((20 + content.len() as u16).to_be_bytes());
    frame.extend([0, 77]);
    frame.extend(((offset as u16 / 8) | (u16::from(more) << 13)).to_be_bytes());
    frame.extend([64, protocol, 0, 0, 10, 7, 0, 11, 10, 7, 0, 1]);
    frame.extend(content);
    frame
}

fn packet(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = vec![0x0b, 0x59, 0x0b, 0x5a, 0, 0, 0, 9, 0, 0, 0, 0];
    octets.extend(chunks.concat());
    octets
}

fn frame(chunks: &[Vec<u8>]) -> Vec<u8> {
    sealed(ip(132, 0, false, &packet(chunks)))
}

const LIMITS: Limits = Limits { drop_authenticated: true };

fn carried_out(frame: &mut [u8], chunks: &[Chunk]) -> Done {
    carry_out(&mut [frame], chunks, LIMITS, &|_| Form::BeatAck)
}

fn fated(mut chunks: Vec<Chunk>, fates: &[Fate]) -> Vec<Chunk> {
    assert_eq!(chunks.len(), fates.len());
    for (chunk, fate) in chunks.iter_mut().zip(fates) {
        chunk.fate = Some(*fate);
    }
    chunks
}

/// Message class and type of each whole message or first fragment.
fn kinds(frame: &[u8]) -> Vec<[u8; 2]> {
    let span = classify::sctp_span(frame, frame.len()).expect("SCTP");
    let mut off = span.start + sctp::HEADER_LEN;
    let mut kinds = Vec::new();
    while off < span.end {
        let chunk = sctp::chunk(frame, off, span.end).expect("a chunk");
        if chunk.is_user_data() && chunk.flags & sctp::data_flag::BEGIN != 0 {
            kinds.push([frame[off + 18], frame[off + 19]]);
        }
        off = chunk.next(off);
    }
    kinds
}

const DATA: [u8; 2] = [1, 1];
const BEAT_ACK: [u8; 2] = [3, 6];

#[test]
fn the_chunks_of_a_frame_are_found_with_what_they_are() {
    let mut memory = Memory::default();
    let sack = vec![3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    let auth = vec![15, 0, 0, 8, 0, 0, 0, 1];
    let frame = frame(&[sack, data(3, 5, &message(8)), auth, data(2, 6, &message(8))]);
    let found = chunks(&frame, &memory);
    let told: Vec<_> =
        found.iter().map(|one| (one.piece.tsn, one.turn, one.begins, one.authenticated)).collect();
    assert_eq!(told, [(5, 1, true, false), (6, 3, true, true)]);
    assert!(found.iter().all(|one| one.piece.ports == 0x0b59_0b5a && one.piece.vtag == 9));
    assert!(found.iter().all(|one| one.fate.is_none()));
    memory.note(found[1].piece, found[1].hash, Fate::Stop);
    let again = chunks(&frame, &memory);
    assert_eq!((again[0].fate, again[1].fate), (None, Some(Fate::Stop)));
    assert_eq!(chunks(&frame[..20], &memory), []);
}

#[test]
fn what_is_stopped_becomes_a_beat_ack_and_the_rest_stays() {
    let memory = Memory::default();
    let whole = frame(&[data(3, 5, &message(8)), data(3, 6, &message(12)), data(3, 7, &message(9))]);
    let mut changed = whole.clone();
    let chunks = fated(chunks(&whole, &memory), &[Fate::Stop, Fate::Pass, Fate::Stop]);
    assert_eq!(carried_out(&mut changed, &chunks), Done::GoesOn(2));
    assert_eq!(kinds(&changed), [BEAT_ACK, DATA, BEAT_ACK]);
    assert!(is_sealed(&changed));
    let mut untouched = whole.clone();
    let all_pass = fated(super::chunks(&whole, &memory), &[Fate::Pass; 3]);
    assert_eq!(carried_out(&mut untouched, &all_pass), Done::GoesOn(0));
    assert_eq!(untouched, whole);
}

#[test]
fn a_message_in_fragments_is_changed_where_it_begins() {
    let memory = Memory::default();
    let octets = message(40);
    let (first, rest) = octets.split_at(24);
    let whole = frame(&[data(2, 5, first), data(1, 6, rest)]);
    let mut changed = whole.clone();
    let both = fated(chunks(&whole, &memory), &[Fate::Stop; 2]);
    assert_eq!(carried_out(&mut changed, &both), Done::GoesOn(1));
    assert_eq!(kinds(&changed), [BEAT_ACK]);
    assert!(is_sealed(&changed) && changed[changed.len() - rest.len()..] == *rest);
    // The rest alone passes: its beginning has left already, changed or not.
    let alone = frame(&[data(1, 6, rest)]);
    let mut same = alone.clone();
    assert_eq!(carried_out(&mut same, &fated(chunks(&alone, &memory), &[Fate::Stop])), Done::GoesOn(0));
    assert_eq!(same, alone);
}

#[test]
fn what_is_authenticated_is_not_changed() {
    let memory = Memory::default();
    let auth = vec![15, 0, 0, 8, 0, 0, 0, 1];
    let whole = frame(&[auth, data(3, 5, &message(8))]);
    let chunks = fated(chunks(&whole, &memory), &[Fate::Stop]);
    let mut same = whole.clone();
    assert_eq!(carried_out(&mut same, &chunks), Done::Drop);
    let passes = Limits { drop_authenticated: false };
    assert_eq!(carry_out(&mut [&mut same], &chunks, passes, &|_| Form::BeatAck), Done::GoesOn(0));
    assert_eq!(same, whole);
}

#[test]
fn a_packet_in_ip_fragments_is_changed_where_its_octets_lie() {
    let memory = Memory::default();
    let whole = frame(&[data(3, 5, &message(40)), data(3, 6, &message(60))]);
    let content = &whole[34..];
    // The header of the second message lies in two fragments.
    for size in [16, 24, 48, 120] {
        let mut fragments: Vec<Vec<u8>> = content
            .chunks(size)
            .enumerate()
            .map(|(turn, part)| ip(132, turn * size, (turn + 1) * size < content.len(), part))
            .collect();
        let repeated = fragments[1].clone();
        fragments.push(repeated);
        let views: Vec<&[u8]> = fragments.iter().map(Vec::as_slice).collect();
        let (joined, _) = assemble(views).expect("the packet");
        let chunks = fated(chunks(&joined, &memory), &[Fate::Pass, Fate::Stop]);
        let mut room: Vec<&mut [u8]> = fragments.iter_mut().map(Vec::as_mut_slice).collect();
        assert_eq!(carry_out(&mut room, &chunks, LIMITS, &|_| Form::BeatAck), Done::GoesOn(1), "{size}");
        let views: Vec<&[u8]> = fragments.iter().map(Vec::as_slice).collect();
        let (changed, _) = assemble(views).expect("the packet");
        assert_eq!(kinds(&changed), [DATA, BEAT_ACK], "{size}");
        assert!(is_sealed(&changed), "{size}");
    }
}

#[test]
fn the_receiver_says_which_form_before_the_sender() {
    let memory = Memory::default();
    let whole = frame(&[data(3, 5, &message(8))]);
    let chunks = fated(chunks(&whole, &memory), &[Fate::Stop]);
    let form = |ends: [Option<IpAddr>; 2]| {
        assert_eq!(
            ends.map(|end| end.map(|end| end.to_string())),
            [Some("10.7.0.1".to_owned()), Some("10.7.0.11".to_owned())]
        );
        Form::PpidZero
    };
    let mut changed = whole.clone();
    assert_eq!(carry_out(&mut [&mut changed], &chunks, LIMITS, &form), Done::GoesOn(1));
    assert!(is_sealed(&changed) && changed != whole);
}

#[test]
fn a_packet_is_split_before_any_chunk_but_the_first() {
    let sack = vec![3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    let parts = [sack, data(3, 5, &message(8)), data(3, 6, &message(9)), data(2, 7, &message(40)[..20])];
    let whole = frame(&parts);
    let memory = Memory::default();
    for turn in 1..4u8 {
        let (before, behind) = split(&whole, turn).expect("two packets");
        assert!(is_sealed(&before) && is_sealed(&behind), "{turn}");
        let all = [chunks(&before, &memory), chunks(&behind, &memory)].concat();
        let pieces =
            |chunks: &[Chunk]| -> Vec<_> { chunks.iter().map(|one| (one.piece, one.hash)).collect() };
        assert_eq!(pieces(&all), pieces(&chunks(&whole, &memory)), "{turn}");
        assert_eq!(chunks(&behind, &memory)[0].turn, 0, "{turn}");
        for part in [&before, &behind] {
            assert_eq!(part[..16], whole[..16], "{turn}: Ethernet and the start of IP");
            // A header with its checksum sums up to nothing.
            let sum: u32 = part[14..34].chunks(2).map(|p| u32::from(p[0]) << 8 | u32::from(p[1])).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{turn}");
        }
    }
    assert_eq!(split(&whole, 0), None, "nothing before it");
    assert_eq!(split(&whole, 4), None, "no such chunk");
    let mut wrong = whole.clone();
    *wrong.last_mut().expect("octets") ^= 1;
    assert_eq!(split(&wrong, 2), None, "a wrong checksum is nobody's to make right");
    let mut left_out = whole.clone();
    left_out[42..46].fill(0);
    assert_eq!(split(&left_out, 2), None, "left to the network card");
    let auth = vec![15, 0, 0, 8, 0, 0, 0, 1];
    let signed = frame(&[auth, data(3, 5, &message(8)), data(2, 6, &message(40)[..20])]);
    assert_eq!(split(&signed, 2), None, "authenticated");
}
