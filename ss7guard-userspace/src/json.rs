//! Writing JSON objects straight into a buffer, for the outputs that are written once per message.

use std::net::IpAddr;

/// An object being written; the caller closes it with [`Object::end`].
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens an object.
    #[inline]
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Closes it.
    #[inline]
    pub fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a key; the caller writes the value into the buffer it gets.
    // Inlined with a literal key, the buffer below becomes constants and the copies a few stores.
    #[inline(always)]
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        const LONGEST: usize = 28;
        let len = key.len();
        if len > LONGEST {
            return self.long_key(key);
        }
        let mut written = [b'"'; LONGEST + 4];
        written[0] = b',';
        written[2..2 + len].copy_from_slice(key.as_bytes());
        written[3 + len] = b':';
        // Two copies of constant length rather than one of a length that depends.
        if self.first {
            self.first = false;
            self.out.extend_from_slice(&written[1..4 + len]);
        } else {
            self.out.extend_from_slice(&written[..4 + len]);
        }
        self.out
    }

    #[cold]
    fn long_key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        text(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A number.
    #[inline(always)]
    pub fn number(&mut self, key: &str, value: impl Into<i64>) {
        number(self.key(key), value.into());
    }

    /// A text.
    #[inline(always)]
    pub fn text(&mut self, key: &str, value: &str) {
        text(self.key(key), value);
    }

    /// A text of letters, digits and the like, none of which JSON wants escaped.
    #[inline(always)]
    pub fn plain(&mut self, key: &str, value: &[u8]) {
        let out = self.key(key);
        out.push(b'"');
        out.extend_from_slice(value);
        out.push(b'"');
    }

    /// A truth value.
    #[inline(always)]
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// An IP address as text.
    pub fn address(&mut self, key: &str, value: IpAddr) {
        let out = self.key(key);
        match value {
            IpAddr::V4(address) => {
                out.push(b'"');
                dotted(out, address.octets().map(u32::from).as_slice());
                out.push(b'"');
            }
            IpAddr::V6(address) => text(out, &address.to_string()),
        }
    }

    /// Numbers with dots between them, as text.
    pub fn dotted(&mut self, key: &str, numbers: &[u32]) {
        let out = self.key(key);
        out.push(b'"');
        dotted(out, numbers);
        out.push(b'"');
    }

    /// Octets as lower-case hexadecimal text.
    #[inline(always)]
    pub fn hex(&mut self, key: &str, octets: &[u8]) {
        let out = self.key(key);
        out.push(b'"');
        for octet in octets {
            out.extend_from_slice(&[hex_digit(octet >> 4), hex_digit(octet & 0x0f)]);
        }
        out.push(b'"');
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + (nibble - 10) }
}

fn dotted(out: &mut Vec<u8>, numbers: &[u32]) {
    for (index, value) in numbers.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        number(out, i64::from(*value));
    }
}

/// Writes a decimal number.
#[inline]
pub fn number(out: &mut Vec<u8>, value: i64) {
    match value {
        0..=9 => out.push(b'0' + value as u8),
        10..=99 => out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]),
        _ => long_number(out, value),
    }
}

fn long_number(out: &mut Vec<u8>, value: i64) {
    const LONGEST: usize = 20;
    let mut text = [b'-'; LONGEST];
    let mut rest = value.unsigned_abs();
    let sign = usize::from(value < 0);
    let len = sign + 1 + rest.checked_ilog10().unwrap_or(0) as usize;
    let mut at = len;
    while at > sign {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    short(out, &text, len);
}

/// Appends the first `len` octets of a short buffer: copying all of it and taking the rest back is a few stores,
/// where a copy of unknown length is a call.
#[inline(always)]
pub fn short<const N: usize>(out: &mut Vec<u8>, buffer: &[u8; N], len: usize) {
    let end = out.len() + len.min(N);
    out.extend_from_slice(buffer);
    out.truncate(end);
}

/// Writes a text with its quotes; characters that JSON wants escaped are.
#[inline]
pub fn text(out: &mut Vec<u8>, value: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if !value.bytes().all(plain) {
        return escaped(out, value);
    }
    out.reserve(value.len() + 2);
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
                out.push(hex_digit(byte >> 4));
                out.push(hex_digit(byte & 0x0f));
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
        object.number("zero", 0);
        object.number("two", 42);
        object.number("three", -421);
        object.text("a key that is longer than any other key here", "kept");
        object.text("text", "a\"b\\c\nd é");
        object.hex("hex", &[0x00, 0xaf]);
        object.flag("flag", true);
        object.address("v4", [192, 0, 2, 10].into());
        object.address("v6", [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into());
        object.dotted("oid", &[0, 4, 0, 1]);
        object.end();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["least"], i64::MIN);
        assert_eq!(value["zero"], 0);
        assert_eq!(value["two"], 42);
        assert_eq!(value["three"], -421);
        assert_eq!(value["a key that is longer than any other key here"], "kept");
        assert_eq!(value["text"], "a\"b\\c\nd é");
        assert_eq!(value["hex"], "00af");
        assert_eq!(value["flag"], true);
        assert_eq!((&value["v4"], &value["v6"]), (&"192.0.2.10".into(), &"2001:db8::1".into()));
        assert_eq!(value["oid"], "0.4.0.1");
    }
}
