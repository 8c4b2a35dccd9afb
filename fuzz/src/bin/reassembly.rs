//! Frames in a row through reassembly with small budgets; and a user message in pieces, which must come out whole.
//!
//! Input: frames, each with its length in two octets (big-endian) before it. The whole input is the user message too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ss7guard_common::wire::Remote;
use ss7guard_fuzz::choice::Choice;
use ss7guard_userspace::host::Host;
use ss7guard_userspace::inspect::findings::Finding;
use ss7guard_userspace::reassembly::{Arrival, Budgets, Limits, Reassembler, What};

const SMALL: Limits = Limits { octets: 4_096, entry_octets: 2_048, overhead: 256, idle_ns: 8 };

fuzz_target!(|input: &[u8]| {
    in_a_row(input);
    if input.len() >= 2 && input.len() <= 4_096 {
        in_pieces(input);
    }
});

/// Whatever comes, no table holds more than its budget, and what comes in is accounted for.
fn in_a_row(input: &[u8]) {
    let budgets = Budgets { ip: SMALL, sctp: SMALL, sccp: SMALL, paths: SMALL };
    let (mut host, mut reassembler) = (Host::default(), Reassembler::new(budgets));
    let mut rest = input;
    for number in 1..=64 {
        let Some(([high, low], after)) = rest.split_first_chunk() else { break };
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (octets, after) = after.split_at(len);
        rest = after;
        let arrival = Arrival { number, octets, remote: Remote::Source, now_ns: number };
        reassembler.frame(&mut host, &arrival, &mut |seen| {
            if let What::Message(message, octets) = seen.what {
                for (_, offset) in message.findings.iter() {
                    assert!(offset as usize <= octets.len().max(input.len()), "{:?}", message.findings);
                }
            }
        });
        for account in reassembler.accounts() {
            assert!(account.octets <= SMALL.octets, "{account:?}");
            let counts = account.counts;
            let ended = counts.repeated + counts.refused;
            assert!(ended <= counts.pieces.max(counts.refused), "{account:?}");
        }
    }
}

/// What is seen of a user message that came whole, as text.
fn whole(message: &[u8]) -> Vec<String> {
    seen(&[packet(&chunk(message, 3, 1))])
}

fn in_pieces(message: &[u8]) {
    let mut choice = Choice::of(message);
    let count = (2 + choice.below(6)).min(message.len());
    let mut places: Vec<usize> = (0..count - 1).map(|_| 1 + choice.below(message.len() - 1)).collect();
    places.extend([0, message.len()]);
    places.sort_unstable();
    places.dedup();
    let pieces: Vec<&[u8]> = places.windows(2).map(|ends| &message[ends[0]..ends[1]]).collect();
    let last = pieces.len() - 1;
    let mut frames: Vec<Vec<u8>> = pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            let flags = if index == 0 { 2 } else { 0 } | if index == last { 1 } else { 0 };
            packet(&chunk(piece, flags, 1 + index as u32))
        })
        .collect();
    for end in (1..frames.len()).rev() {
        frames.swap(end, choice.below(end + 1));
    }
    // Repetitions change nothing, wherever they come.
    let again = frames[choice.below(frames.len())].clone();
    frames.insert(choice.below(frames.len() + 1), again);
    assert_eq!(seen(&frames), if pieces.len() == 1 { doubled(message) } else { whole(message) });
}

/// A message that was not cut at all, and came twice.
fn doubled(message: &[u8]) -> Vec<String> {
    let once = whole(message);
    [once.clone(), once].concat()
}

/// Every message that comes out of these frames, without what its transport adds.
fn seen(frames: &[Vec<u8>]) -> Vec<String> {
    let (mut host, mut reassembler) = (Host::default(), Reassembler::default());
    let mut found = Vec::new();
    for (number, octets) in (1..).zip(frames) {
        let arrival = Arrival { number, octets, remote: Remote::Source, now_ns: number };
        reassembler.frame(&mut host, &arrival, &mut |seen| {
            let What::Message(message, octets) = seen.what else { return };
            let kinds: Vec<Finding> =
                message.findings.kinds().filter(|finding| *finding != Finding::SctpFragments).collect();
            let label = message.m3ua.label;
            found.push(format!("{label:?} {:?} {kinds:?} {octets:?} {:?}", seen.reason, message.outcome));
        });
    }
    found
}

fn chunk(payload: &[u8], flags: u8, tsn: u32) -> Vec<u8> {
    let mut out = vec![0, flags];
    out.extend((16 + payload.len() as u16).to_be_bytes());
    out.extend(tsn.to_be_bytes());
    out.extend([0, 1, 0, 1, 0, 0, 0, 3]);
    out.extend_from_slice(payload);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn packet(chunk: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 12];
    out.extend([0x08, 0x00, 0x45, 0]);
    out.extend((20 + 12 + chunk.len() as u16).to_be_bytes());
    out.extend([0, 1, 0, 0, 64, 132, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    out.extend([0x0b, 0x59, 0x0b, 0x59, 0, 0, 0, 1, 0, 0, 0, 0]);
    out.extend_from_slice(chunk);
    out
}
