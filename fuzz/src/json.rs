//! Whether octets are one JSON object with each key once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value in which no object has a key twice.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SoundVisitor)
    }
}

struct SoundVisitor;

impl<'de> Visitor<'de> for SoundVisitor {
    type Value = Sound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value with each key once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sound, A::Error> {
        let mut keys: Vec<&'de str> = Vec::new();
        while let Some((key, _)) = map.next_entry::<&'de str, Sound>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("{key} twice")));
            }
            keys.push(key);
        }
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sound, A::Error> {
        while list.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_str<E>(self, _: &str) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_unit<E>(self) -> Result<Sound, E> {
        Ok(Sound)
    }
}

/// Holds octets to be one JSON object with each key once.
///
/// # Panics
/// They are not.
pub fn check(octets: &[u8]) {
    let text = std::str::from_utf8(octets).expect("UTF-8");
    assert!(text.starts_with('{'), "no object: {text}");
    if let Err(error) = serde_json::from_str::<Sound>(text) {
        panic!("{error}: {text}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sound_objects_pass() {
        super::check(br#"{"a":1,"b":[{"a":-1},{"a":"x"}],"c":true,"d":null}"#);
    }

    #[test]
    fn a_key_that_comes_twice_is_seen() {
        for octets in [&br#"{"a":1,"a":2}"#[..], br#"{"b":[{"a":1,"a":2}]}"#, b"{", b"[]"] {
            assert!(std::panic::catch_unwind(|| super::check(octets)).is_err());
        }
    }
}
