//! Octets for tests, written so that they can be read.

/// Octets of hexadecimal digits; blanks are skipped.
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()
}

/// Octets of a template in which `{...}` stands for a length octet and the content.
pub(crate) fn sealed(template: &str) -> Vec<u8> {
    let Some(open) = template.rfind('{') else { return octets(template) };
    let close = open + template[open..].find('}').expect("closing brace");
    let inside = &template[open + 1..close];
    let len = octets(inside).len();
    sealed(&format!("{} {len:02x} {inside} {}", &template[..open], &template[close + 1..]))
}
