//! SCCP (ITU-T Q.713) as far as the calling global title: who really sends.
//!
//! Digits are taken as they are sent, whatever translation type, numbering plan or nature stands beside them: the sender
//! chooses these. Only E.212 is left out, whose digits are no telephone number and would be taken for one.

use crate::abi::Symbols;
use crate::read::ReadAt;

/// How addresses are coded on an association: nothing in a message says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Flavour {
    /// ITU-T Q.713, point codes of 14 bits in two octets.
    #[default]
    Itu = 0,
    /// The same with point codes of 24 bits in three octets, as in China.
    China = 1,
    /// ANSI T1.112.3: subsystem number before the point code, which has three octets; two forms of global titles.
    Ansi = 2,
}

impl Flavour {
    /// Every flavour, in numeric order.
    pub const ALL: [Self; 3] = [Self::Itu, Self::China, Self::Ansi];

    /// The name in configuration and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Itu => "itu",
            Self::China => "china",
            Self::Ansi => "ansi",
        }
    }

    /// From the number stored in a map; unknown numbers count as ITU-T.
    #[inline(always)]
    #[must_use]
    pub const fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::China,
            2 => Self::Ansi,
            _ => Self::Itu,
        }
    }
}

/// Numbering plan E.212 (Q.713 §3.4.2.3.3).
const LAND_MOBILE: u8 = 6;

/// The calling global title of a message: its digits, the first 15 at most, or a word on why there are none. Packed, as
/// [`crate::wire::Maybe`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Title(u64);

impl Title {
    const UNREADABLE: u64 = 1;

    /// The calling address has no global title.
    pub const NONE: Self = Self(0);

    /// There may be one, and it cannot be read.
    pub const LOST: Self = Self(Self::UNREADABLE);

    #[inline(always)]
    const fn new(digits: Symbols, whole: bool) -> Self {
        Self(digits.0 | !whole as u64)
    }

    /// The decimal digits that it starts with.
    #[inline(always)]
    #[must_use]
    pub const fn digits(self) -> Symbols {
        Symbols(self.0 & !15)
    }

    /// Whether some of it could not be read; what could, still counts.
    #[inline(always)]
    #[must_use]
    pub const fn is_unreadable(self) -> bool {
        self.0 & Self::UNREADABLE != 0
    }
}

/// Reads the calling global title of the SCCP message in the `len` octets at `off`: unitdata, extended and long
/// unitdata, and their service messages (Q.713 §4.10 to §4.20). Other types, and parts that do not lie inside the octets
/// that are here, are unreadable.
#[inline(always)]
pub fn calling_title<R: ReadAt + ?Sized>(frame: &R, off: usize, len: usize, flavour: Flavour) -> Title {
    const HEAD_LEN: usize = 7;
    let Some([kind, _, _, second, third, fourth, fifth]) = frame.read_at::<HEAD_LEN>(off) else {
        return Title::LOST;
    };
    // The second pointer leads to the calling address: it counts from its own place, of two octets from the second, and
    // has the least significant octet first (Q.713 §2.3).
    let (from, pointer) = match kind {
        0x09 | 0x0a => (3, second as usize),
        0x11 | 0x12 => (4, third as usize),
        0x13 | 0x14 => (6, fourth as usize | (fifth as usize) << 8),
        _ => return Title::LOST,
    };
    let at = frame.forget(pointer.wrapping_add(from), pointer as u32);
    if len < HEAD_LEN || pointer == 0 || at.wrapping_add(2) > len {
        return Title::LOST;
    }
    let at_frame = off.wrapping_add(at);
    let Some([part, indicator]) = frame.read_at::<2>(at_frame) else { return Title::LOST };
    let part = part as usize;
    if part == 0 || at.wrapping_add(1).wrapping_add(part) > len {
        return Title::LOST;
    }
    title(frame, at_frame.wrapping_add(1), part, indicator, flavour)
}

/// Reads the global title of an address of `part` octets that starts with its indicator at `at` (Q.713 §3.4).
#[inline(always)]
fn title<R: ReadAt + ?Sized>(frame: &R, at: usize, part: usize, indicator: u8, flavour: Flavour) -> Title {
    let form = indicator >> 2 & 15;
    if form == 0 {
        return Title::NONE;
    }
    // ANSI has the two bits the other way round; both parts come before the title in either order.
    let low = (indicator & 1) as usize;
    let high = (indicator >> 1 & 1) as usize;
    let before = match flavour {
        Flavour::Itu => low.wrapping_mul(2).wrapping_add(high),
        Flavour::China => low.wrapping_mul(3).wrapping_add(high),
        Flavour::Ansi => high.wrapping_mul(3).wrapping_add(low),
    };
    let ansi = matches!(flavour, Flavour::Ansi);
    // From here on it does not matter whose form it was.
    let before = frame.forget(before, indicator as u32);
    // Octets before the digits; translation type, then numbering plan and encoding scheme, then nature.
    let head = match (form, ansi) {
        (1, true) | (3, false) => 2,
        (4, false) => 3,
        (1, false) | (2, _) => 1,
        _ => return Title::LOST,
    };
    let head = frame.forget(head, indicator as u32);
    let start = at.wrapping_add(1).wrapping_add(before);
    let used = before.wrapping_add(head).wrapping_add(1);
    if used >= part {
        return Title::LOST;
    }
    let Some([first, plan]) = frame.read_at::<2>(start) else { return Title::LOST };
    // Whether the number of digits is odd, so that the last nibble is none of them: 0 no, 1 yes, 2 nothing says it.
    let odd = if head > 1 {
        if plan >> 4 == LAND_MOBILE {
            return Title::LOST;
        }
        match plan & 15 {
            0 => 2,
            1 => 1,
            2 => 0,
            _ => return Title::LOST,
        }
    } else if form == 1 {
        first >> 7
    } else {
        2
    };
    let count = part.wrapping_sub(used);
    let odd = frame.forget(odd as usize, plan as u32) as u8;
    digits(frame, frame.forget(start.wrapping_add(head), plan as u32), count, odd)
}

/// Reads digits of `count` octets, low nibble first (Q.713 §3.4.2.3.1).
#[inline(always)]
fn digits<R: ReadAt + ?Sized>(frame: &R, at: usize, count: usize, odd: u8) -> Title {
    const OCTETS: usize = 8;
    /// Nibbles of 15 digits.
    const MOST: u64 = u64::MAX >> 4;
    let Some(octets) = eight(frame, at, count) else { return Title::LOST };
    let mut keep = MOST;
    if count < OCTETS {
        let nibbles = (count as u32).wrapping_mul(2).wrapping_sub((odd == 1) as u32);
        keep = u64::MAX.wrapping_shr(64u32.wrapping_sub(nibbles.wrapping_mul(4)) & 63);
        if nibbles == 0 {
            return Title::LOST;
        }
    }
    // The lowest bit of each nibble above 9.
    let bad = octets >> 3 & (octets >> 2 | octets >> 1) & 0x1111_1111_1111_1111 & keep;
    let mut whole = true;
    if bad != 0 {
        let lowest = bad & bad.wrapping_neg();
        // A filler, where nothing says that there is none: 15, and nothing behind it.
        let filler = lowest.wrapping_mul(15);
        whole = odd == 2
            && count < OCTETS
            && octets & filler == filler
            && lowest.wrapping_sub(1) | filler == keep;
        keep = lowest.wrapping_sub(1);
    }
    Title::new(Symbols::from_swapped(octets, keep), whole && keep != 0)
}

/// The first eight octets at `at`, least significant first, zeros behind those that there are.
#[inline(always)]
fn eight<R: ReadAt + ?Sized>(frame: &R, at: usize, count: usize) -> Option<u64> {
    if let Some(octets) = frame.read_at::<8>(at) {
        return Some(u64::from_le_bytes(octets));
    }
    // The frame ends here.
    if count >= 8 {
        return None;
    }
    let mut word = 0u64;
    for index in 0..7 {
        if index >= count {
            break;
        }
        let octet = frame.u8_at(at.wrapping_add(index))?;
        word |= u64::from(octet).wrapping_shl((index as u32).wrapping_mul(8));
    }
    Some(word)
}
