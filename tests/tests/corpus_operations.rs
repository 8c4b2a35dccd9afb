//! What the kernel reads of an operation against what the decoder reads: it never says another one, and it reads nearly all
//! that ordinary stacks and ordinary attackers send.

use std::path::Path;

use ss7guard_common::wire::m3ua::SI_SCCP;
use ss7guard_common::wire::{Remote, tcap};
use ss7guard_lab::corpus::folders;
use ss7guard_userspace::capture::Capture;
use ss7guard_userspace::host::{Host, complete_message};
use ss7guard_userspace::inspect::gsm_map::Protocol;
use ss7guard_userspace::inspect::message::{Message, Outcome};
use ss7guard_userspace::screening::{Category, category};

/// Messages that begin a dialogue of MAP with an invoke, and those of them that are read in the kernel; of all, and of those
/// with an operation of category 1.
#[derive(Debug, Default)]
struct Read {
    begins: [u32; 2],
    read: [u32; 2],
}

fn compare(path: &Path) -> Read {
    let mut capture = Capture::open(path).expect("capture");
    let mut host = Host::default();
    let mut read = Read::default();
    while let Some(frame) = capture.next_frame().expect("a frame") {
        let octets = frame.octets;
        let _ = host.classify(octets, Remote::Source, 0, |seen| {
            let Some((data, user_part)) = complete_message(seen, octets) else { return };
            if data.label.si != SI_SCCP {
                return;
            }
            let message = Message::decode(data, user_part);
            let code = tcap::operation(octets, data.user_part, data.user_part_len).code().map(i32::from);
            let first = message.invokes().next().map(|(_, opcode)| opcode);
            if let Some(code) = code {
                assert_eq!(message.protocol, Protocol::Map, "{}: {message:?}", path.display());
                // Of one that breaks off later, the decoder may keep nothing.
                let broken = matches!(message.outcome, Outcome::Undecodable(_)) && first.is_none();
                assert!(broken || first == Some(code), "{}: {code}, {message:?}", path.display());
            }
            let begins = user_part.len() > 20 && message.outcome == Outcome::Decoded && is_begin(&message);
            if let Some(first) = first.filter(|_| begins && message.protocol == Protocol::Map) {
                let worst = usize::from(category::of(first) == Some(Category::Cat1));
                for kind in 0..=worst {
                    read.begins[kind] += 1;
                    read.read[kind] += u32::from(code.is_some());
                }
            }
        });
    }
    read
}

fn is_begin(message: &Message<'_>) -> bool {
    message.tcap.as_ref().is_some_and(|tcap| tcap.otid.is_some() && tcap.dtid.is_none())
}

#[test]
fn the_kernel_reads_no_other_operation_than_the_decoder() {
    let mut all = 0;
    for folder in folders() {
        for name in ["01_benign", "02_attacks", "03_campaigns", "04_evasions", "05_malformed"] {
            let path = folder.join(format!("{name}.pcap"));
            if !path.exists() {
                continue;
            }
            let read = compare(&path);
            println!("{}: {read:?}", path.display());
            all += read.read[1];
            if name == "02_attacks" {
                let [_, begins] = read.begins;
                let [_, read] = read.read;
                assert!(begins > 20 && read * 10 >= begins * 9, "{read} of {begins} are read");
            }
        }
    }
    assert!(all > 20, "{all} operations of category 1");
}
