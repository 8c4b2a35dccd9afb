//! The order in which frames came.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};

use crate::capture::{Capture, addressed, chunks};

/// Checks that the IPv4 packets with user data of each sender came in the order in which they were sent, each once: the
/// kernel numbers the packets of a raw socket (RFC 791: identification). So packets that are sent again have their own
/// number too. A packet that the bridge has cut in two has one number, and its chunks in order. Gives how many there were.
///
/// # Errors
/// They did not; names the first one.
pub fn check_order(capture: &Capture) -> Result<usize> {
    let mut last: HashMap<Vec<u8>, (u16, u32)> = HashMap::new();
    let mut count = 0;
    let mut wrong = Vec::new();
    for frame in capture.frames() {
        let found = chunks(&frame);
        let (Some((addresses, packet)), [chunk, ..]) = (addressed(&frame), found.as_slice()) else {
            continue;
        };
        let end = found.iter().map(|chunk| chunk.tsn).fold(chunk.tsn, later);
        // Without tags and options, as these tests send them.
        if frame.get(12..14) != Some(&[8, 0]) {
            continue;
        }
        let number = u16::from_be_bytes(frame.get(18..20).context("IPv4")?.try_into()?);
        let flow = [addresses, packet.get(..8).context("SCTP")?].concat();
        count += 1;
        if let Some((before, ended)) = last.insert(flow, (number, end)) {
            let step = number.wrapping_sub(before);
            let cut = step == 0 && chunk.tsn != ended && later(ended, chunk.tsn) == chunk.tsn;
            if !cut && (step == 0 || step > u16::MAX / 2) {
                wrong.push(format!("{addresses:?}: packet {number} with TSN {} after {before}", chunk.tsn));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of {count} packets out of order, first: {}", wrong.len(), wrong[0]);
    Ok(count)
}

/// The later one of two TSNs (RFC 9260 §1.6).
const fn later(one: u32, other: u32) -> u32 {
    if other.wrapping_sub(one) < u32::MAX / 2 { other } else { one }
}
