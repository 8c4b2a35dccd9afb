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
        let mut digits = [0; FIELD];
        let len = put_number(&mut digits, 0, value.into());
        self.key(key).extend_from_slice(&digits[..len]);
    }

    /// A text.
    pub fn text(&mut self, key: &str, value: &str) {
        text(self.key(key), value);
    }

    /// An IP address as text.
    pub fn address(&mut self, key: &str, value: IpAddr) {
        text(self.key(key), &value.to_string());
    }

    /// Writes fields after the first one into room that is made for them; `fields` runs again if it needs more than
    /// expected.
    #[inline(always)]
    pub fn fill(&mut self, expected: usize, mut fields: impl FnMut(&mut Line<'_>)) {
        debug_assert!(!self.first, "lines start with a comma");
        let start = self.out.len();
        let mut room = expected;
        loop {
            self.out.resize(start + room, 0);
            let mut line = Line { buffer: &mut self.out[start..], at: 0, full: false };
            fields(&mut line);
            let Line { at, full, .. } = line;
            if !full {
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

/// Fields of an object, each with a comma before it, written into room made by [`Object::fill`]. Keys are literals of
/// at most 28 octets that need no escapes.
// Everything is inlined so that the place stays in a register and keys become constants.
pub struct Line<'a> {
    buffer: &'a mut [u8],
    at: usize,
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
        slot[0] = b',';
        slot[1] = b'"';
        slot[2..2 + len].copy_from_slice(&key.as_bytes()[..len]);
        slot[2 + len] = b'"';
        slot[3 + len] = b':';
        self.at += 4 + len + put(slot, 4 + len);
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

    /// A number.
    #[inline(always)]
    pub fn number(&mut self, key: &str, value: impl Into<i64>) {
        let value = value.into();
        self.field(key, |slot, at| put_number(slot, at, value));
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
                self.field(key, |slot, at| put_octets(slot, at, &address.octets()));
            }
            IpAddr::V6(address) => self.plain(key, &address.to_string()),
        }
    }

    /// Numbers of one octet with dots between them, as text; at most 20 of them, more are cut.
    #[inline(always)]
    pub fn dotted(&mut self, key: &str, numbers: &[u8]) {
        self.field(key, |slot, at| put_octets(slot, at, numbers));
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

/// Puts a decimal number from `at` on, and gives its length, which is at most 20.
#[inline(always)]
fn put_number(slot: &mut [u8; FIELD], at: usize, value: i64) -> usize {
    match u32::try_from(value) {
        Ok(value) => put_u32(slot, at, value),
        Err(_) => put_large(slot, at, value),
    }
}

#[inline(always)]
fn put_u32(slot: &mut [u8; FIELD], at: usize, value: u32) -> usize {
    if let Some([a, b, c, len]) = OCTETS.get(value as usize) {
        slot[at..at + 3].copy_from_slice(&[*a, *b, *c]);
        return usize::from(*len);
    }
    let len = value.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut end = at + len;
    let mut rest = value;
    while rest >= 100 {
        end -= 2;
        slot[end..end + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    let [tens, ones] = PAIRS[rest as usize];
    slot[at + (end - at).saturating_sub(1)] = ones;
    if end - at == 2 {
        slot[at] = tens;
    }
    len
}

#[cold]
fn put_large(slot: &mut [u8; FIELD], at: usize, value: i64) -> usize {
    let text = value.to_string();
    slot[at..at + text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

/// The two digits of 0 to 99.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// The digits of 0 to 255, and how many they are.
static OCTETS: [[u8; 4]; 256] = {
    let mut octets = [[0; 4]; 256];
    let mut value = 0;
    while value < 256 {
        let [tens, ones] = PAIRS[value % 100];
        octets[value] = match value {
            0..10 => [ones, 0, 0, 1],
            10..100 => [tens, ones, 0, 2],
            _ => [b'0' + (value / 100) as u8, tens, ones, 3],
        };
        value += 1;
    }
    octets
};

/// Puts numbers of one octet with dots between them and quotes around.
#[inline(always)]
fn put_octets(slot: &mut [u8; FIELD], at: usize, numbers: &[u8]) -> usize {
    let mut end = at;
    slot[end] = b'"';
    for number in numbers.iter().take(20) {
        let [a, b, c, len] = OCTETS[usize::from(*number)];
        slot[end + 1..end + 4].copy_from_slice(&[a, b, c]);
        end += 1 + usize::from(len);
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
            for (key, value) in
                [("n0", 0), ("n1", 42), ("n2", 255), ("n3", 256), ("n4", 1000), ("n5", 65_535)]
            {
                line.number(key, value);
                line.unsigned("same", value);
            }
            line.number("negative", -421);
            line.unsigned("most", u32::MAX);
            line.hex("hex", &[0x00, 0xaf]);
            line.flag("flag", true);
            line.dotted("oid", &[0, 4, 0, 127]);
            line.dotted("none", &[]);
            line.address("host", [192, 0, 2, 1].into());
            line.part("part", b"0123456789", 4);
            line.plain("plain", &"a".repeat(200));
            line.raw(b",\"inside\":[{\"zero\":0");
            line.number("one", 1);
            line.raw(b"}]");
            line.number("last", 9);
        });
        object.text("end", "");
        object.end();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["least"], i64::MIN);
        assert_eq!(value["text"], "a\"b\\c\nd é");
        assert_eq!((&value["v4"], &value["v6"]), (&"192.0.2.10".into(), &"2001:db8::1".into()));
        let numbers = ["n0", "n1", "n2", "n3", "n4", "n5"].map(|key| value[key].as_u64());
        assert_eq!(numbers, [0, 42, 255, 256, 1000, 65_535].map(Some));
        assert_eq!((&value["same"], &value["negative"]), (&65_535.into(), &(-421).into()));
        assert_eq!(value["most"], u32::MAX);
        assert_eq!(value["hex"], "00af");
        assert_eq!(value["flag"], true);
        assert_eq!((&value["oid"], &value["host"]), (&"0.4.0.127".into(), &"192.0.2.1".into()));
        assert_eq!(value["none"], "");
        assert_eq!(value["part"], "0123");
        assert_eq!(value["plain"], "a".repeat(200));
        assert_eq!(value["inside"][0]["one"], 1);
        assert_eq!((&value["last"], &value["end"]), (&9.into(), &"".into()));
    }

    #[test]
    fn every_number_of_digits_is_written() {
        for value in
            (0..32).flat_map(|bit| [(1u32 << bit) - 1, 1 << bit]).chain((1..10).map(|n| 10u32.pow(n)))
        {
            let mut slot = [0; FIELD];
            let len = put_u32(&mut slot, 3, value);
            assert_eq!(std::str::from_utf8(&slot[3..3 + len]).unwrap(), value.to_string());
        }
    }
}
