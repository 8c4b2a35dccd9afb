//! TCAP (ITU-T Q.773) as far as the operation that a dialogue begins with, in the form in which every ordinary stack writes
//! it: definite lengths in the fewest octets, a structured dialogue, and the operation in one octet.
//!
//! ```text
//!  UDT | XUDT without options ─ data ─ Begin 62 ─ OTID 48 ─ dialogue portion 6b with AARQ and a context of MAP
//!                                                        └ component portion 6c ─ Invoke a1 ─ id 02 ─ operation 02
//! ```
//! Anything else is for the controller: what is read here is only ever more than enough to know, never less. A component
//! behind the first is not looked at.

use crate::read::ReadAt;

/// The operation of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation(u32);

impl Operation {
    /// None that could be read in this way.
    pub const NONE: Self = Self(0);

    /// Its local code (TS 29.002 §17.5), if one was read; 0 to 127.
    #[inline(always)]
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        if self.0 == 0 { None } else { Some(self.0 as u8) }
    }
}

/// An element's content: where it begins and ends.
#[derive(Clone, Copy)]
struct Content {
    at: usize,
    end: usize,
}

/// Enters the element with this tag at `at`, which must end at or before `end`. Only a definite length in the fewest octets
/// (X.690 §10.1) is read.
#[inline(always)]
fn enter<R: ReadAt + ?Sized>(frame: &R, at: usize, end: usize, tag: u8) -> Option<Content> {
    let [found, length] = frame.read_at::<2>(at)?;
    if found != tag {
        return None;
    }
    let mut content = at.wrapping_add(2);
    let mut len = length as usize;
    if length == 0x81 {
        len = frame.u8_at(content)? as usize;
        content = content.wrapping_add(1);
        if len < 0x80 {
            return None;
        }
    } else if length == 0x82 {
        len = frame.be16_at(content)? as usize;
        content = content.wrapping_add(2);
        if len < 0x100 {
            return None;
        }
    } else if length >= 0x80 {
        return None;
    }
    let content = frame.forget(content, length as u32);
    let stop = content.wrapping_add(frame.forget(len, length as u32));
    if stop > end { None } else { Some(Content { at: content, end: stop }) }
}

/// The operation that the SCCP message in the `len` octets at `off` begins a MAP dialogue with.
#[inline(always)]
pub fn operation<R: ReadAt + ?Sized>(frame: &R, off: usize, len: usize) -> Operation {
    match read(frame, off, len) {
        // The verifier need not know which it is.
        Some(code) => Operation(0x100 | code as u32),
        None => Operation::NONE,
    }
}

#[inline(always)]
fn read<R: ReadAt + ?Sized>(frame: &R, off: usize, len: usize) -> Option<u8> {
    let end = off.wrapping_add(len);
    let content = data(frame, off, len)?;
    let begin = enter(frame, content.at, content.end, 0x62)?;
    if content.end > end || begin.end != content.end {
        return None;
    }
    let transaction = enter(frame, begin.at, begin.end, 0x48)?;
    let dialogue = enter(frame, transaction.end, begin.end, 0x6b)?;
    if !is_map(frame, dialogue) {
        return None;
    }
    let components = enter(frame, dialogue.end, begin.end, 0x6c)?;
    let invoke = enter(frame, components.at, components.end, 0xa1)?;
    // Invoke id and operation are one octet each.
    let id = frame.be16_at(invoke.at)?;
    let operation = frame.be16_at(invoke.at.wrapping_add(3))?;
    let code = frame.u8_at(invoke.at.wrapping_add(5))?;
    let plain = id == 0x0201 && operation == 0x0201;
    let inside = invoke.at.wrapping_add(6) <= invoke.end;
    (plain && inside && code < 0x80).then_some(code)
}

/// Where the data of a UDT, or of an XUDT without options, lies (Q.713 §4.10, §4.18).
#[inline(always)]
fn data<R: ReadAt + ?Sized>(frame: &R, off: usize, len: usize) -> Option<Content> {
    // The pointer to the data counts from its own place.
    let kind = frame.u8_at(off)?;
    let from = match kind {
        0x09 => 4usize,
        0x11 if frame.u8_at(off.wrapping_add(6))? == 0 => 5,
        _ => return None,
    };
    let from = frame.forget(from, kind as u32);
    let pointer = frame.u8_at(off.wrapping_add(from))?;
    let at = frame.forget(off.wrapping_add(from).wrapping_add(pointer as usize), pointer as u32);
    let size = frame.u8_at(at)?;
    let content = at.wrapping_add(1);
    let stop = frame.forget(content.wrapping_add(size as usize), size as u32);
    if stop > off.wrapping_add(len) { None } else { Some(Content { at: content, end: stop }) }
}

/// Whether a dialogue portion holds an AARQ with an application context of MAP, and nothing that is unusual there (Q.773
/// §4.2.3; TS 29.002 §17.3: 0.4.0.0.1.0.context.version).
#[inline(always)]
fn is_map<R: ReadAt + ?Sized>(frame: &R, dialogue: Content) -> bool {
    let Content { at, end } = dialogue;
    // External, the OID of structured dialogues, a single value, AARQ; each ends where the one around it does.
    let is_to_end = |from: usize, tag: u32| match frame.be16_at(at.wrapping_add(from)) {
        Some(head) => {
            let inside = from.wrapping_add(2).wrapping_add(head as usize & 0xff);
            head as u32 >> 8 == tag && at.wrapping_add(inside) == end
        }
        None => false,
    };
    let word = |from: usize| frame.be32_at(at.wrapping_add(from)).unwrap_or(0);
    let is_structured = word(2) == 0x0607_0011
        && word(6) == 0x8605_0101
        && frame.u8_at(at.wrapping_add(10)).unwrap_or(0) == 1;
    if !is_structured || !is_to_end(0, 0x28) || !is_to_end(11, 0xa0) || !is_to_end(13, 0x60) {
        return false;
    }
    // The version of the protocol may be there: 07 80.
    let from = if word(15) == 0x8002_0780 { 19 } else { 15 };
    let from = frame.forget(from, word(15));
    let named = word(from) == 0xa109_0607
        && word(from.wrapping_add(4)) == 0x0400_0001
        && frame.u8_at(at.wrapping_add(from).wrapping_add(8)).unwrap_or(1) == 0;
    let last = frame.be16_at(at.wrapping_add(from).wrapping_add(9)).unwrap_or(u16::MAX);
    let (context, generation) = (last >> 8, last & 0xff);
    // 50 to 52 are CAP's.
    let is_context = context < 50 || (context > 52 && context < 0x80);
    named && is_context && generation < 0x80 && at.wrapping_add(from).wrapping_add(11) <= end
}

#[cfg(test)]
mod tests;
