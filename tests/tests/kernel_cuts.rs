//! Messages cut anywhere in and before their label, into up to four pieces that come in any order: what is blocked reaches
//! nobody, what is not is left alone, and nothing is stopped for good.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use bytemuck::Zeroable as _;
use ss7guard_common::abi::{ANY_NI, BOTH_HALVES, BlockDetail};
use ss7guard_common::neutralise::Form;
use ss7guard_common::verdict::Action;
use ss7guard_common::wire::Remote;
use ss7guard_lab::association::HOME_POINT_CODE;
use ss7guard_lab::capture::{Chunk, chunks};
use ss7guard_lab::m3ua::{self, Label};
use ss7guard_lab::pieces::{Slot, data_chunks, frames};
use ss7guard_lab::traffic::Kind;
use ss7guard_userspace::config::Config;
use ss7guard_userspace::host::Host;

const BLOCKED: u32 = 0x203f;
const INNOCENT: u32 = 0x1009;

/// Every order of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1).into_iter();
    shorter
        .flat_map(|order| {
            (0..count).map(move |at| {
                let mut order = order.clone();
                order.insert(at, count - 1);
                order
            })
        })
        .collect()
}

/// Every way to cut the first octets, up to three times, at multiples of four: what a stack sends.
fn cuts() -> Vec<Vec<usize>> {
    const LAST: u32 = 10;
    (1u32..1 << LAST)
        .filter(|set| set.count_ones() <= 3)
        .map(|set| (0..LAST).filter(|bit| set >> bit & 1 == 1).map(|bit| 4 * (bit as usize + 1)).collect())
        .collect()
}

/// What comes out of the firewall when the pieces of a message come in this order; `None` where one is stopped.
fn through(host: &mut Host, message: &[u8], cuts: &[usize], order: &[usize], tsn: u32) -> Option<Vec<Chunk>> {
    let ends = cuts.iter().copied().chain([message.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let pieces: Vec<Vec<u8>> = starts.zip(ends).map(|(start, end)| message[start..end].to_vec()).collect();
    let slot = Slot { tsn, stream: 1, sequence: tsn & 0xffff, unordered: false };
    let frames = frames(&data_chunks(&pieces, slot), false, 7);
    let mut out = BTreeMap::new();
    // What is stopped is sent again, as SCTP does, and what has passed now and then, too.
    let mut waiting: VecDeque<usize> = order.iter().copied().collect();
    let mut turns = 0;
    while let Some(index) = waiting.pop_front() {
        turns += 1;
        if turns > 30 {
            return None;
        }
        for again in [false, true] {
            let mut frame = frames[index].clone();
            let verdict = host.classify(&frame, Remote::Source, 1, |_| {});
            if verdict.verdict.drops() {
                assert!(!again, "what has passed is stopped when it comes again");
                waiting.push_back(index);
                break;
            }
            if verdict.rewrites() && !host.rewrite(&mut frame, &verdict, Form::BeatAck, 1) {
                return None;
            }
            let chunk = chunks(&frame).remove(0);
            if again {
                assert_eq!(out.get(&index), Some(&chunk), "the same octets come again");
            }
            out.insert(index, chunk);
        }
    }
    Some(out.into_values().collect())
}

#[test]
fn labels_in_pieces_are_judged_in_any_order() {
    let text = "schema = 1\n[network]\nmode = \"enforce\"\ninterfaces = [\"sig0\"]\n";
    let config = Config::from_text(text, Path::new("test")).expect("configuration");
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut cases = 0;
    for opc in [INNOCENT, BLOCKED] {
        let label = Label { opc, dpc: HOME_POINT_CODE, ni: 0, sls: 0 };
        let message = m3ua::data(label, None, &Kind::UpdateLocation.begin(1));
        for cuts in cuts() {
            for order in orders(cuts.len() + 1) {
                // Nothing is left of the case before.
                let mut host = Host::new(config.kernel_record());
                host.block(BlockDetail {
                    point_code: BLOCKED,
                    ni: ANY_NI,
                    action: Action::Neutralise as u8,
                    used: 1,
                    halves: BOTH_HALVES,
                    ..BlockDetail::zeroed()
                });
                cases += 1;
                let what = match through(&mut host, &message, &cuts, &order, 0x100) {
                    None => "something is stopped for good",
                    Some(chunks) => {
                        let octets: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.octets.clone()).collect();
                        match (opc, m3ua::read_data(&octets).map(|(opc, _)| opc)) {
                            (BLOCKED, Some(BLOCKED)) => "a blocked message is delivered",
                            (INNOCENT, _) if octets != message => "an innocent message is changed",
                            _ => continue,
                        }
                    }
                };
                wrong.entry(what).or_default().push(format!("cut at {cuts:?}, in the order {order:?}"));
            }
        }
    }
    for (what, cases) in &wrong {
        println!("{what}: {} cases, as {}", cases.len(), cases[..cases.len().min(3)].join("; "));
    }
    assert!(cases > 5_000);
    assert!(
        wrong.is_empty(),
        "{:?} of {cases}",
        wrong.iter().map(|(what, all)| (*what, all.len())).collect::<Vec<_>>()
    );
}
