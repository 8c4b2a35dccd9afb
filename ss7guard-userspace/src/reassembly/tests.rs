use super::*;

use std::ops::Range;

const VTAG: u32 = 0x0102_0304;
const FIRST: u8 = data_flag::BEGIN;
const LAST: u8 = data_flag::END;
const WHOLE: u8 = FIRST | LAST;
/// From an Ethernet header to the SCTP common header, and to the first chunk.
const TO_SCTP: usize = 34;

/// A chunk of a stream: DATA, or I-DATA with this fragment sequence number.
fn chunk(tsn: u32, flags: u8, number: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let header = if number.is_some() { 20 } else { 16 };
    let mut out = vec![if number.is_some() { 0x40 } else { 0 }, flags];
    out.extend(u16::try_from(header + payload.len()).unwrap().to_be_bytes());
    out.extend(tsn.to_be_bytes());
    out.extend([0, 1]);
    match number {
        None => out.extend([0, 1, 0, 0, 0, 3]),
        Some(number) => {
            out.extend([0, 0, 0, 0, 0, 1]);
            out.extend(if flags & FIRST != 0 { 3 } else { number }.to_be_bytes());
        }
    }
    out.extend(payload);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// From this host of 192.0.2.0/24, with these chunks.
fn frame(host: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let chunks = chunks.concat();
    let mut out = vec![0; 12];
    out.extend([0x08, 0x00, 0x45, 0]);
    out.extend(u16::try_from(20 + 12 + chunks.len()).unwrap().to_be_bytes());
    out.extend([0, 1, 0, 0, 64, 132, 0, 0, 192, 0, 2, host, 192, 0, 2, 99]);
    out.extend([0x0b, 0x59, 0x0b, 0x5a]);
    out.extend(VTAG.to_be_bytes());
    out.extend([0; 4]);
    out.extend(chunks);
    out
}

/// The octets of the IP payload of a frame as a fragment.
fn ip_fragment(frame: &[u8], part: Range<usize>) -> Vec<u8> {
    let content = &frame[TO_SCTP..];
    let more = if part.end < content.len() { 0x2000 } else { 0 };
    let mut out = frame[..TO_SCTP].to_vec();
    out[16..18].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
    out[20..22].copy_from_slice(&(u16::try_from(part.start / 8).unwrap() | more).to_be_bytes());
    out.extend(&content[part]);
    // What a link pads does not count.
    out.extend([0xee; 3]);
    out
}

/// An M3UA DATA message of SCCP.
fn m3ua(user_part: &[u8]) -> Vec<u8> {
    let len = 4 + 12 + user_part.len();
    let mut out = vec![1, 0, 1, 1];
    out.extend(u32::try_from(8 + len.next_multiple_of(4)).unwrap().to_be_bytes());
    out.extend([0x02, 0x10]);
    out.extend(u16::try_from(len).unwrap().to_be_bytes());
    out.extend([0, 0, 0, 1, 0, 0, 0, 2, 3, 0, 0, 1]);
    out.extend(user_part);
    out.resize(8 + len.next_multiple_of(4), 0);
    out
}

/// An XUDT with a segment (Q.713 §4.18).
fn segment(first: bool, remaining: u8, data: &[u8]) -> Vec<u8> {
    let len = u8::try_from(data.len()).unwrap();
    let mut out = vec![0x11, 1, 15, 4, 6, 8, 8 + len];
    out.extend([2, 0x42, 8, 2, 0x42, 6, len]);
    out.extend(data);
    out.extend([0x10, 4, if first { 0x80 } else { 0 } | remaining, 0, 0, 1, 0]);
    out
}

fn piece(tsn: u32) -> Piece {
    Piece { ports: 0x0b59_0b5a, vtag: VTAG, tsn }
}

fn pieces(tsns: &[u32]) -> Vec<Piece> {
    tsns.iter().map(|tsn| piece(*tsn)).collect()
}

/// What was seen, its chunks, and the frames of its packet.
type Shown = (&'static str, Vec<Piece>, Vec<u64>);

/// What is seen in these frames, which have the numbers from 1 on.
fn shown(reassembler: &mut Reassembler, frames: &[Vec<u8>]) -> Vec<Shown> {
    let mut host = Host::default();
    let mut found = Vec::new();
    for (number, octets) in (1..).zip(frames) {
        let arrival = Arrival { number, octets, remote: Remote::Source, now_ns: number };
        reassembler.frame(&mut host, &arrival, &mut |seen| {
            let what = match seen.what {
                What::Message(message, _) if message.outcome == Outcome::Segment => "segment",
                What::Message(..) => "message",
                What::Part => "part",
                What::Unread => "unread",
                What::GaveUp(why) => why,
            };
            found.push((what, seen.pieces.to_vec(), seen.packets.to_vec()));
        });
    }
    found
}

fn all(frames: &[Vec<u8>]) -> Vec<Shown> {
    shown(&mut Reassembler::default(), frames)
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let longer = |order: Vec<usize>| {
        (0..count).map(move |at| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(longer).collect()
}

/// A message in four fragments, one frame each, by either chunk.
fn fragments(interleaved: bool) -> Vec<Vec<u8>> {
    let message = m3ua(&[9; 50]);
    let parts: Vec<&[u8]> = message.chunks(message.len().div_ceil(4)).collect();
    (0..4)
        .map(|at| {
            let flags = [FIRST, 0, 0, LAST][at as usize];
            // The TSNs of I-DATA need not be in a row.
            let (tsn, number) = if interleaved { (70 + 5 * at, Some(at)) } else { (70 + at, None) };
            frame(1, &[chunk(tsn, flags, number, parts[at as usize])])
        })
        .collect()
}

#[test]
fn a_message_in_one_chunk_is_made_of_that_chunk() {
    let message = m3ua(&[9; 20]);
    let bundle = frame(1, &[chunk(7, WHOLE, None, &message), chunk(8, WHOLE, None, &message)]);
    let again = frame(2, &[chunk(7, WHOLE, None, &message)]);
    let whole = |tsn| ("message", pieces(&[tsn]), Vec::new());
    assert_eq!(all(&[bundle.clone(), again]), [whole(7), whole(8), whole(7)]);

    let span = classify::sctp_span(&*bundle, bundle.len()).unwrap();
    let mut found = Vec::new();
    let _ = Host::default().classify(&bundle, Remote::Source, 0, |seen| {
        found.extend(Piece::of(&bundle, &span, seen));
    });
    assert_eq!(found, pieces(&[7, 8]));
}

#[test]
fn what_cannot_be_read_is_made_of_its_chunk_and_a_frame_of_none() {
    let mut other = chunk(7, WHOLE, None, &[1, 2, 3]);
    other[15] = 9;
    assert_eq!(all(&[frame(1, &[other])]), [("unread", pieces(&[7]), Vec::new())]);
    let mut cut = frame(1, &[chunk(7, WHOLE, None, &m3ua(&[9; 20]))]);
    cut.truncate(TO_SCTP + 20);
    assert_eq!(all(&[cut]), [("unread", Vec::new(), Vec::new())]);
}

#[test]
fn fragments_in_every_order_give_their_chunks_in_the_messages_order() {
    for (interleaved, tsns) in [(false, [70, 71, 72, 73]), (true, [70, 75, 80, 85])] {
        let frames = fragments(interleaved);
        for order in orders(4) {
            let sent: Vec<Vec<u8>> = order.iter().map(|at| frames[*at].clone()).collect();
            let mut expected: Vec<Shown> =
                order.iter().map(|at| ("part", pieces(&tsns[*at..=*at]), Vec::new())).collect();
            expected[3] = ("message", pieces(&tsns), Vec::new());
            assert_eq!(all(&sent), expected, "{order:?}");
        }
    }
}

#[test]
fn a_fragment_that_is_sent_again_is_the_same_piece() {
    for (interleaved, tsns) in [(false, [70, 71, 72, 73]), (true, [70, 75, 80, 85])] {
        let frames = fragments(interleaved);
        // By another path too.
        let mut elsewhere = frames[1].clone();
        elsewhere[29] = 2;
        let sent = [&frames[1], &elsewhere, &frames[3], &frames[0], &frames[0], &frames[2], &frames[2]];
        let found = all(&sent.map(Vec::clone));
        let part = |at: usize| ("part", pieces(&tsns[at..=at]), Vec::new());
        assert_eq!(found[..5], [part(1), part(1), part(3), part(0), part(0)]);
        assert_eq!(found[5..], [("message", pieces(&tsns), Vec::new()), part(2)]);
    }
}

#[test]
fn an_interleaved_fragment_in_a_second_chunk_is_given_up_at_once() {
    let frames = fragments(true);
    let mut stray = frames[1].clone();
    stray[TO_SCTP + 12 + 7] = 76;
    let gave_up = ("sctp_tsn_conflict", pieces(&[76]), Vec::new());
    let mut sent = frames.clone();
    sent.insert(2, stray.clone());
    sent.push(stray);
    let found = all(&sent);
    assert_eq!((&found[2], &found[5]), (&gave_up, &gave_up));
    assert_eq!(found[4], ("message", pieces(&[70, 75, 80, 85]), Vec::new()));
}

#[test]
fn segments_in_two_fragments_each_give_all_chunks_with_the_first_segment_first() {
    // Each segment: two frames. The second one's TSNs go on after the largest.
    let tsns = [[10, 11], [u32::MAX, 0], [30, 31]];
    let segments: Vec<[Vec<u8>; 2]> = [(true, 2), (false, 1), (false, 0)]
        .into_iter()
        .zip(tsns)
        .map(|((first, remaining), tsns)| {
            let message = m3ua(&segment(first, remaining, &[remaining; 30]));
            let (begin, end) = message.split_at(40);
            [frame(1, &[chunk(tsns[0], FIRST, None, begin)]), frame(1, &[chunk(tsns[1], LAST, None, end)])]
        })
        .collect();
    for order in orders(3) {
        // The last of the whole message comes twice, so does everything of one that waits.
        let mut sent: Vec<Vec<u8>> = order.iter().flat_map(|at| segments[*at].clone()).collect();
        sent.splice(2..2, segments[order[0]].clone());
        let found = all(&sent);
        let own = pieces(&tsns[order[0]]);
        assert_eq!(found[1], ("segment", own, Vec::new()), "{order:?}");
        let last = found.last().unwrap();
        assert_eq!(*last, ("message", pieces(tsns.as_flattened()), Vec::new()), "{order:?}");
    }
}

#[test]
fn a_segment_that_comes_again_in_new_chunks_is_made_of_all_of_them() {
    let of = |first, remaining, tsn, fill: u8| {
        frame(1, &[chunk(tsn, WHOLE, None, &m3ua(&segment(first, remaining, &[fill; 30])))])
    };
    // The same, something else in its place, and one that has no place in the message.
    let sent = [
        of(true, 1, 10, 1),
        of(true, 1, 10, 1),
        of(true, 1, 20, 1),
        of(true, 1, 30, 2),
        of(false, 3, 40, 4),
        of(false, 0, 50, 3),
    ];
    let mut reassembler = Reassembler::default();
    let found = shown(&mut reassembler, &sent);
    assert_eq!(found[5], ("message", pieces(&[10, 20, 30, 50, 40]), Vec::new()));
    assert_eq!(reassembler.accounts()[2].octets, 0);
}

#[test]
fn what_a_segments_chunks_cost_is_bounded_and_accounted() {
    let mut reassembler = Reassembler::default();
    let message = m3ua(&segment(true, 1, &[1; 30]));
    let octets = |reassembler: &Reassembler| reassembler.accounts()[2].octets;
    let again = |reassembler: &mut Reassembler, tsn| {
        shown(reassembler, &[frame(1, &[chunk(tsn, WHOLE, None, &message)])]);
    };
    again(&mut reassembler, 2);
    let one = octets(&reassembler);
    again(&mut reassembler, 2);
    assert_eq!(octets(&reassembler), one);
    for tsn in 2..=100 {
        again(&mut reassembler, 2 * tsn);
    }
    assert_eq!(octets(&reassembler), one + 63 * 16);
    let last = frame(1, &[chunk(1_000, WHOLE, None, &m3ua(&segment(false, 0, &[1; 30])))]);
    let mut listed: Vec<u32> = (1..=64).map(|at| 2 * at).collect();
    listed.push(1_000);
    assert_eq!(shown(&mut reassembler, &[last]), [("message", pieces(&listed), Vec::new())]);
    assert_eq!(octets(&reassembler), 0);
}

#[test]
fn ip_fragments_in_every_order_give_their_frames_in_the_order_of_the_packet() {
    let packet = frame(1, &[chunk(7, WHOLE, None, &m3ua(&[9; 50]))]);
    let len = packet.len() - TO_SCTP;
    let fragments = [0..40, 40..64, 64..len].map(|part| ip_fragment(&packet, part));
    for order in orders(3) {
        let sent: Vec<Vec<u8>> = order.iter().map(|at| fragments[*at].clone()).collect();
        let number = |at: usize| 1 + order.iter().position(|other| *other == at).unwrap() as u64;
        let part = ("part", Vec::new(), Vec::new());
        let message = ("message", pieces(&[7]), vec![number(0), number(1), number(2)]);
        assert_eq!(all(&sent), [part.clone(), part, message], "{order:?}");
    }
}

#[test]
fn an_ip_fragment_that_comes_again_is_told_up_to_four_times() {
    let packet = frame(1, &[chunk(7, FIRST, None, &m3ua(&[9; 50]))]);
    let len = packet.len() - TO_SCTP;
    let [one, two] = [0..40, 40..len].map(|part| ip_fragment(&packet, part));
    let mut sent = vec![two; 6];
    sent.push(one);
    sent.push(frame(1, &[chunk(8, LAST, None, &[0; 4])]));
    let mut reassembler = Reassembler::default();
    let found = shown(&mut reassembler, &sent[..7]);
    // The packet's frames are told with what is in it, be it a part.
    assert_eq!(found[6], ("part", pieces(&[7]), vec![7, 1, 2, 3, 4]));
    assert_eq!(reassembler.packets(), [7, 1, 2, 3, 4]);
    // A message that is put together from packets is in the one that completed it.
    let last = shown(&mut reassembler, &sent[7..]);
    assert_eq!(last.last().unwrap().1, pieces(&[7, 8]));
    assert!(last.last().unwrap().2.is_empty() && reassembler.packets().is_empty());
}

#[test]
fn frames_are_told_of_packets_without_messages_and_of_contradictions() {
    // A SACK, in two fragments: nothing to be shown.
    let sack = [3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0].to_vec();
    let packet = frame(1, &[sack]);
    let [one, two] = [0..8, 8..28].map(|part| ip_fragment(&packet, part));
    let mut reassembler = Reassembler::default();
    let part = ("part", Vec::new(), Vec::new());
    assert_eq!(shown(&mut reassembler, &[two.clone(), one]), std::slice::from_ref(&part));
    assert_eq!(reassembler.packets(), [2, 1]);

    let mut other = two.clone();
    other[40] ^= 1;
    let conflict = ("ip_fragment_conflict", Vec::new(), vec![1, 2, 3]);
    assert_eq!(all(&[two.clone(), two, other]), [part.clone(), part, conflict]);
}

#[test]
fn a_fragment_has_its_place_in_the_packet() {
    let packet = frame(1, &[chunk(7, WHOLE, None, &m3ua(&[9; 50]))]);
    let len = packet.len() - TO_SCTP;
    let mut fragments = [0..40, 40..64, 64..len].map(|part| ip_fragment(&packet, part));
    fragments.rotate_left(1);
    for fragment in &fragments {
        let (offset, range) = fragment_place(fragment).unwrap();
        assert_eq!(fragment[range.clone()], packet[TO_SCTP + offset..][..range.len()]);
        assert_eq!(range.end, fragment.len() - 3);
    }
    assert_eq!(fragment_place(&packet), None);
    let frames = |parts: &[usize]| -> Vec<&[u8]> { parts.iter().map(|at| &*fragments[*at]).collect() };
    assert_eq!(assemble(frames(&[0, 1, 0, 2])), Some((packet.clone(), TO_SCTP)));
    assert_eq!(assemble(frames(&[0, 1])), None);
    assert_eq!(assemble(frames(&[])), None);
    let mut stranger = fragments[0].clone();
    stranger[19] = 2;
    assert_eq!(assemble([frames(&[0, 1, 2]), vec![&*stranger]].concat()), None);
}

#[test]
fn a_fragment_of_ipv6_has_its_place_too() {
    let v4 = frame(1, &[chunk(7, WHOLE, None, &m3ua(&[9; 50]))]);
    let content = &v4[TO_SCTP..];
    let fragment = |part: Range<usize>| {
        let mut out = vec![0; 12];
        out.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        out.extend(u16::try_from(8 + part.len()).unwrap().to_be_bytes());
        out.extend([44, 64]);
        out.extend([0x20; 32]);
        let more = u16::from(part.end < content.len());
        out.extend([132, 0]);
        out.extend((u16::try_from(part.start).unwrap() | more).to_be_bytes());
        out.extend([0, 0, 0, 1]);
        out.extend(&content[part]);
        out
    };
    let (one, two) = (fragment(0..40), fragment(40..content.len()));
    assert_eq!(fragment_place(&one), Some((0, 62..102)));
    assert_eq!(fragment_place(&two), Some((40, 62..62 + content.len() - 40)));
    // In one piece, it is no fragment (RFC 6946).
    assert_eq!(fragment_place(&fragment(0..content.len())), None);
    let (whole, start) = assemble([&*two, &*one]).unwrap();
    assert_eq!((&whole[start..], start), (content, 54));
    assert_eq!(all(&[two, one])[1], ("message", pieces(&[7]), vec![2, 1]));
}
