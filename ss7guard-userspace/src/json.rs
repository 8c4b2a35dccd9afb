//! Writing JSON objects straight into a buffer, for the outputs that are written once per message.

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
    ///
    /// Inlined, so that the copy of a literal key has a constant length.
    #[inline(always)]
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.first { b"\"".as_slice() } else { b",\"".as_slice() });
        self.first = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
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

    /// A truth value.
    #[inline(always)]
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// An IP address as text.
    #[inline(always)]
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
    #[inline(always)]
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
            out.push(hex_digit(octet >> 4));
            out.push(hex_digit(octet & 0x0f));
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
pub fn number(out: &mut Vec<u8>, value: i64) {
    if let Ok(digit @ 0..=9) = u8::try_from(value) {
        out.push(b'0' + digit);
        return;
    }
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes a text with its quotes; characters that JSON wants escaped are.
pub fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
        return;
    }
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
        assert_eq!(value["text"], "a\"b\\c\nd é");
        assert_eq!(value["hex"], "00af");
        assert_eq!(value["flag"], true);
        assert_eq!((&value["v4"], &value["v6"]), (&"192.0.2.10".into(), &"2001:db8::1".into()));
        assert_eq!(value["oid"], "0.4.0.1");
    }
}
