//! Writing JSON objects straight into a buffer, for the outputs that are written once per message.
//!
//! [`Object`] writes any field. [`Line`] is for the many: it writes into room that was made before, so that a field
//! is one check and a few stores.

use std::net::IpAddr;

/// An object being written; the caller closes it with [`Object::end`].
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Closes it.
    pub fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a key; the caller writes the value into the buffer it gets.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        text(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A number.
    pub fn number(&mut self, key: &str, value: impl Into<i64>) {
        let value = value.into();
        self.fill(FIELD, |line| line.number(key, value));
    }

    /// A text.
    pub fn text(&mut self, key: &str, value: &str) {
        text(self.key(key), value);
    }

    /// An IP address as text.
    pub fn address(&mut self, key: &str, value: IpAddr) {
        self.fill(FIELD, |line| line.address(key, value));
    }

    /// Writes fields into room that is made for them; `fields` runs again if it needs more than expected.
    #[inline(always)]
    pub fn fill(&mut self, expected: usize, mut fields: impl FnMut(&mut Line<'_>)) {
        let start = self.out.len();
        let mut room = expected;
        loop {
            self.out.resize(start + room, 0);
            let mut line = Line { buffer: &mut self.out[start..], at: 0, first: self.first, full: false };
            fields(&mut line);
            let Line { at, first, full, .. } = line;
            if !full {
                self.first = first;
                self.out.truncate(start + at);
                return;
            }
            room = room * 2 + FIELD;
        }
    }
}

/// Longest key.
const LONGEST_KEY: usize = 28;
/// Room for a comma, a key with its quotes and colon, and a short value: what is checked for before each field.
const FIELD: usize = 128;
/// Longest value of a field.
const VALUE: usize = FIELD - LONGEST_KEY - 4;

/// Fields of an object, written into room made by [`Object::fill`]. Keys are literals of at most 28 octets that need
/// no escapes.
// Everything is inlined so that the place stays in a register and keys become constants.
pub struct Line<'a> {
    buffer: &'a mut [u8],
    at: usize,
    first: bool,
    full: bool,
}

impl Line<'_> {
    /// Writes a field whose value `put` puts into an array from a place on; it gives the value's length.
    #[inline(always)]
    fn field(&mut self, key: &str, put: impl FnOnce(&mut [u8; FIELD], usize) -> usize) {
        let len = key.len().min(LONGEST_KEY);
        let Some(slot) = self.buffer.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<FIELD>) else {
            self.full = true;
            return;
        };
        // Two copies of constant length rather than one of a length that depends.
        let start = if self.first {
            self.first = false;
            slot[0] = b'"';
            slot[1..1 + len].copy_from_slice(&key.as_bytes()[..len]);
            1
        } else {
            slot[0] = b',';
            slot[1] = b'"';
            slot[2..2 + len].copy_from_slice(&key.as_bytes()[..len]);
            2
        };
        slot[start + len] = b'"';
        slot[start + len + 1] = b':';
        let value_at = start + len + 2;
        self.at += value_at + put(slot, value_at);
    }

    /// Octets as they are; the caller sees to it that JSON comes out.
    #[inline(always)]
    pub fn raw(&mut self, octets: &[u8]) {
        match self.buffer.get_mut(self.at..self.at + octets.len()) {
            Some(slot) => {
                slot.copy_from_slice(octets);
                self.at += octets.len();
            }
            None => self.full = true,
        }
    }

    /// Writes octets that open an object or array.
    #[inline(always)]
    pub fn open(&mut self, octets: &[u8]) {
        self.raw(octets);
        self.first = true;
    }

    /// Writes the octet that closes it.
    #[inline(always)]
    pub fn close(&mut self, octet: u8) {
        self.raw(&[octet]);
        self.first = false;
    }

    /// A number.
    #[inline(always)]
    pub fn number(&mut self, key: &str, value: impl Into<i64>) {
        let value = value.into();
        self.field(key, |slot, at| match u32::try_from(value) {
            Ok(value) => put_u32(slot, at, value),
            Err(_) => put_large(slot, at, value),
        });
    }

    /// A number of 32 bits.
    #[inline(always)]
    pub fn unsigned(&mut self, key: &str, value: u32) {
        self.field(key, |slot, at| put_u32(slot, at, value));
    }

    /// A text that JSON wants nothing escaped of.
    #[inline(always)]
    pub fn plain(&mut self, key: &str, value: &str) {
        self.field(key, |slot, at| {
            slot[at] = b'"';
            1
        });
        self.raw(value.as_bytes());
        self.raw(b"\"");
    }

    /// The same of the first `len` octets of an array.
    #[inline(always)]
    pub fn part<const N: usize>(&mut self, key: &str, value: &[u8; N], len: usize) {
        const { assert!(N + 2 <= VALUE) };
        self.field(key, |slot, at| {
            let len = len.min(N);
            slot[at] = b'"';
            slot[at + 1..at + 1 + N].copy_from_slice(value);
            slot[at + 1 + len] = b'"';
            len + 2
        });
    }

    /// A truth value.
    #[inline(always)]
    pub fn flag(&mut self, key: &str, value: bool) {
        self.field(key, |slot, at| {
            let value: &[u8] = if value { b"true" } else { b"false" };
            slot[at..at + value.len()].copy_from_slice(value);
            value.len()
        });
    }

    /// An IP address as text.
    #[inline(always)]
    pub fn address(&mut self, key: &str, value: IpAddr) {
        match value {
            IpAddr::V4(address) => {
                self.field(key, |slot, at| put_dotted(slot, at, address.octets().map(u32::from)));
            }
            IpAddr::V6(address) => self.plain(key, &address.to_string()),
        }
    }

    /// Numbers with dots between them, as text.
    #[inline(always)]
    pub fn dotted(&mut self, key: &str, numbers: impl Iterator<Item = u32> + Clone) {
        if numbers.clone().all(|number| number < 1000) && numbers.clone().count() * 4 < VALUE {
            return self.field(key, |slot, at| put_dotted(slot, at, numbers));
        }
        let text: Vec<String> = numbers.map(|number| number.to_string()).collect();
        self.plain(key, &text.join("."));
    }

    /// At most 32 octets as lower-case hexadecimal text; more are cut.
    #[inline(always)]
    pub fn hex(&mut self, key: &str, octets: &[u8]) {
        self.field(key, |slot, at| {
            slot[at] = b'"';
            let mut end = at + 1;
            for octet in octets.iter().take(32) {
                slot[end] = hex_digit(octet >> 4);
                slot[end + 1] = hex_digit(octet & 0x0f);
                end += 2;
            }
            slot[end] = b'"';
            end + 1 - at
        });
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) }
}

/// Puts a decimal number from `at` on, and gives its length, which is at most 10.
#[inline(always)]
fn put_u32(slot: &mut [u8; FIELD], at: usize, value: u32) -> usize {
    if value < 10 {
        slot[at] = b'0' + value as u8;
        return 1;
    }
    let len = value.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut rest = value;
    for digit in slot[at..at + len].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    len
}

#[cold]
fn put_large(slot: &mut [u8; FIELD], at: usize, value: i64) -> usize {
    let text = value.to_string();
    slot[at..at + text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

/// Puts numbers with dots between them and quotes around.
#[inline(always)]
fn put_dotted(slot: &mut [u8; FIELD], at: usize, numbers: impl IntoIterator<Item = u32>) -> usize {
    let mut end = at;
    slot[end] = b'"';
    for number in numbers {
        end += 1;
        end += put_u32(slot, end, number);
        slot[end] = b'.';
    }
    // The last dot becomes the quote that closes the text; an empty text needs one more.
    let end = end.max(at + 1);
    slot[end] = b'"';
    end + 1 - at
}

/// Writes a text with its quotes; characters that JSON wants escaped are.
pub fn text(out: &mut Vec<u8>, value: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if !value.bytes().all(plain) {
        return escaped(out, value);
    }
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

#[cold]
fn escaped(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 0x0f)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.number("least", i64::MIN);
        object.text("text", "a\"b\\c\nd é");
        object.address("v4", [192, 0, 2, 10].into());
        object.address("v6", [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into());
        // Room for nothing: it grows until all fits.
        object.fill(0, |line| {
            line.number("zero", 0);
            line.number("two", 42);
            line.number("three", -421);
            line.unsigned("most", u32::MAX);
            line.hex("hex", &[0x00, 0xaf]);
            line.flag("flag", true);
            line.dotted("oid", [0, 4, 0, 1].into_iter());
            line.dotted("long", [u32::MAX; 16].into_iter());
            line.dotted("none", [].into_iter());
            line.part("part", b"0123456789", 4);
            line.plain("plain", &"a".repeat(200));
            line.open(b",\"inside\":[{");
            line.number("one", 1);
            line.close(b'}');
            line.close(b']');
            line.number("last", 9);
        });
        object.text("end", "");
        object.end();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["least"], i64::MIN);
        assert_eq!(value["text"], "a\"b\\c\nd é");
        assert_eq!((&value["v4"], &value["v6"]), (&"192.0.2.10".into(), &"2001:db8::1".into()));
        assert_eq!((&value["zero"], &value["two"], &value["three"]), (&0.into(), &42.into(), &(-421).into()));
        assert_eq!(value["most"], u32::MAX);
        assert_eq!(value["hex"], "00af");
        assert_eq!(value["flag"], true);
        assert_eq!(value["oid"], "0.4.0.1");
        assert_eq!(value["long"], ["4294967295"; 16].join("."));
        assert_eq!(value["none"], "");
        assert_eq!(value["part"], "0123");
        assert_eq!(value["plain"], "a".repeat(200));
        assert_eq!(value["inside"][0]["one"], 1);
        assert_eq!((&value["last"], &value["end"]), (&9.into(), &"".into()));
    }

    #[test]
    fn a_first_field_has_no_comma() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.fill(1000, |line| line.number("a", 1));
        object.end();
        assert_eq!(out, b"{\"a\":1}");
    }
}
