use ss7guard_common::wire::sccp::{Title, calling_title};

use super::*;
use crate::inspect::findings::Findings;
use crate::inspect::sccp::{self, Flavour, Sccp};

/// A small generator, the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % most
    }

    fn octet(&mut self) -> u8 {
        self.below(256) as u8
    }
}

/// An address with every combination of parts, forms and encodings, digits mostly decimal.
fn address(random: &mut Random, flavour: Flavour) -> Vec<u8> {
    let form = [0, 1, 2, 3, 4, 4, 4, 4, 5][random.below(9)];
    let (low, high) = (random.below(2) as u8, random.below(2) as u8);
    let mut octets = vec![form << 2 | high << 1 | low | (random.below(4) as u8) << 6];
    let code = if flavour == Flavour::Itu { 2 } else { 3 };
    let (with_code, with_ssn) = if flavour == Flavour::Ansi { (high, low) } else { (low, high) };
    octets.extend((0..with_code * code + with_ssn).map(|_| random.octet()));
    let head = match (form, flavour) {
        (4, _) => 3,
        (1, Flavour::Ansi) | (3, _) => 2,
        (1 | 2, _) => 1,
        _ => 0,
    };
    for index in 0..head {
        // Plans and schemes that occur, and some that do not.
        let plan = [0x10, 0x11, 0x12, 0x71, 0x62, 0x13, 0x21][random.below(7)];
        octets.push(if index == 1 { plan } else { random.octet() });
    }
    for _ in 0..random.below(11) {
        let nibble = |random: &mut Random| match random.below(40) {
            0 => 10 + random.below(6) as u8,
            _ => random.below(10) as u8,
        };
        octets.push(nibble(random) | nibble(random) << 4);
    }
    if random.below(3) == 0
        && let Some(last) = octets.last_mut()
    {
        *last |= 0xf0;
    }
    octets
}

/// A message with this calling address; parts in another order now and then.
fn message(random: &mut Random, calling: &[u8]) -> Vec<u8> {
    let called = [0x42u8, 0x06];
    let kind = [0x09u8, 0x0a, 0x11, 0x12, 0x13, 0x14][random.below(6)];
    let (head, width, pointers) = match kind {
        0x09 | 0x0a => (2, 1, 3),
        0x11 | 0x12 => (3, 1, 4),
        _ => (3, 2, 4),
    };
    let mut octets = vec![kind, 0, 15];
    octets.truncate(head);
    octets.resize(head + width * pointers, 0);
    let point = |octets: &mut Vec<u8>, index: usize| {
        let (at, target) = (head + width * index, octets.len());
        octets[at] = (target - at - (width - 1)) as u8;
    };
    let data = [3u8, 0x62, 0x01, 0x00];
    let long = [3u8, 0, 0x62, 0x01, 0x00];
    let data: &[u8] = if width == 2 { &long } else { &data };
    let part = |octets: &mut Vec<u8>, part: &[u8]| {
        octets.push(part.len() as u8);
        octets.extend(part);
    };
    if random.below(4) == 0 {
        point(&mut octets, 2);
        octets.extend(data);
        point(&mut octets, 0);
        part(&mut octets, &called);
        point(&mut octets, 1);
        part(&mut octets, calling);
    } else {
        point(&mut octets, 0);
        part(&mut octets, &called);
        point(&mut octets, 1);
        part(&mut octets, calling);
        point(&mut octets, 2);
        octets.extend(data);
    }
    octets
}

/// Holds the kernel's reading against the decoder's.
fn check(octets: &[u8], flavour: Flavour) -> bool {
    let title = calling_title(octets, 0, octets.len(), flavour);
    let mut decoded: Option<Sccp<'_>> = None;
    let result = sccp::decode(octets, flavour, &mut decoded, &mut Findings::default());
    let Some(sccp) = decoded else {
        // A type or a part that the decoder refuses; the kernel looks at less of the message.
        return false;
    };
    let Some(read) = sccp.calling.global_title else {
        assert!(title == Title::NONE || result.is_err(), "{octets:02x?}");
        return false;
    };
    let decimal: Vec<u8> =
        read.digits.as_bytes().iter().copied().take_while(u8::is_ascii_digit).take(TITLE_DIGITS).collect();
    let (ascii, len) = title.digits().to_ascii();
    if read.numbering_plan == Some(6) || decimal.is_empty() {
        assert_eq!((title.digits().len(), title.is_unreadable()), (0, true), "{octets:02x?}");
        return false;
    }
    assert_eq!(&ascii[..len], decimal.as_slice(), "{flavour:?} {octets:02x?}");
    let all = read.digits.as_bytes().iter().take(TITLE_DIGITS).all(u8::is_ascii_digit);
    assert_eq!(title.is_unreadable(), !all, "{flavour:?} {octets:02x?}");
    true
}

#[test]
fn the_kernels_reading_of_the_calling_title_is_the_decoders() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut read = 0;
    for _ in 0..100_000 {
        let flavour = Flavour::ALL[random.below(3)];
        let calling = address(&mut random, flavour);
        let mut octets = message(&mut random, &calling);
        read += usize::from(check(&octets, flavour));
        // Broken ones: whatever is read of them must not differ, and nothing may panic.
        for _ in 0..1 + random.below(3) {
            let at = random.below(octets.len());
            octets[at] = random.octet();
        }
        octets.truncate(octets.len() - random.below(6));
        calling_title(octets.as_slice(), 0, octets.len(), flavour);
    }
    assert!(read > 30_000, "{read}");
}

#[test]
fn what_lies_beyond_the_message_is_not_read() {
    // UDT; the calling address is cut by the end of the fragment.
    let octets = [0x09, 0, 3, 5, 12, 2, 0x42, 6, 8, 0x12, 6, 0, 0x12, 4, 0x44, 0x77, 0x00];
    for len in 0..octets.len() {
        assert_eq!(calling_title(octets.as_slice(), 0, len, Flavour::Itu), Title::LOST, "{len}");
    }
    let whole = calling_title(octets.as_slice(), 0, octets.len(), Flavour::Itu);
    assert_eq!(whole.digits(), Symbols::from_ascii(b"447700").expect("digits"));
}

fn entry(digits: &str, exact: bool, action: Action, directions: u8) -> TitleDetail {
    TitleDetail::new(
        Symbols::from_ascii(digits.as_bytes()).expect("digits"),
        action,
        directions | if exact { TitleDetail::EXACT } else { 0 },
        7,
    )
}

#[test]
fn the_longest_decides_and_allowing_wins_at_the_same_digits() {
    let mut titles = Titles::default();
    titles.put(entry("44", false, Action::Neutralise, direction::BOTH));
    titles.put(entry("4477", false, Action::Pass, direction::IN));
    titles.put(entry("4477", false, Action::Drop, direction::BOTH));
    titles.put(entry("447700", true, Action::Neutralise, direction::BOTH));
    let now = |now| Then { now, last_hit: 0, linger: 0, half: 0 };
    let mut action = |digits: &str, from| {
        let digits = Symbols::from_ascii(digits.as_bytes()).expect("digits");
        titles.hit(digits, from, &now(1)).map(|hit| hit.action)
    };
    assert_eq!(action("4470", direction::IN), Some(Action::Neutralise));
    assert_eq!(action("44771", direction::IN), Some(Action::Pass));
    assert_eq!(action("44771", direction::OUT), Some(Action::Drop));
    assert_eq!(action("447700", direction::IN), Some(Action::Neutralise));
    assert_eq!(action("4477001", direction::IN), Some(Action::Pass));
    assert_eq!(action("4", direction::IN), None);
}
