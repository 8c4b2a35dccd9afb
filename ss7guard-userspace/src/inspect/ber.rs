//! A reader for BER (X.690) that reads every legal form, to bounds, and says when the form is odd.
//!
//! Zero-copy: a value is a slice of the message. What comes out is canonical: tag numbers and lengths as numbers,
//! whatever their encoding was. Nothing recurses: nesting is the caller's loop, bounded by [`MAX_DEPTH`] where the
//! reader itself has to look inside (indefinite lengths, constructed strings).

use thiserror::Error;

use crate::inspect::findings::{Finding, Findings};

mod extent;

use extent::{Extents, indefinite_len};

/// Nesting that is followed to find the end of an indefinite length, or the pieces of a string.
pub const MAX_DEPTH: usize = 16;

/// Octets of a tag number in the long form.
const MAX_TAG_OCTETS: usize = 4;

/// Elements in odd forms (long tags and lengths, indefinite lengths, what is inside these) looked at in one message,
/// in all. Elements in the plain form need no count: each takes two octets, and no level reads them twice.
pub const MAX_ELEMENTS: u32 = 20_000;

/// Octets of a string that is put together from pieces: the longest that is looked into is an AddressString.
pub const MAX_JOINED: usize = 32;

/// Why octets are not BER.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BerError {
    /// An element goes on beyond the octets that hold it.
    #[error("element at offset {offset} goes beyond its container")]
    Truncated {
        /// Offset of the element in the user part.
        offset: usize,
    },
    /// A tag number of more octets than the bound.
    #[error("tag at offset {offset} has more than {MAX_TAG_OCTETS} octets")]
    TagTooLong {
        /// Offset of the tag.
        offset: usize,
    },
    /// A length of more than four octets, the reserved form, or indefinite on a primitive element.
    #[error("length at offset {offset} has no legal form")]
    BadLength {
        /// Offset of the element.
        offset: usize,
    },
    /// Nesting beyond [`MAX_DEPTH`].
    #[error("element at offset {offset} is nested too deeply")]
    TooDeep {
        /// Offset of the element.
        offset: usize,
    },
    /// More elements than [`MAX_ELEMENTS`].
    #[error("more than {MAX_ELEMENTS} elements")]
    TooMany,
}

/// Class of a tag (X.690 §8.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Defined by ASN.1 itself.
    Universal = 0,
    /// Defined by the application, here TCAP.
    Application = 1,
    /// Defined by its context.
    Context = 2,
    /// Private use; ANSI TCAP has these.
    Private = 3,
}

/// A tag without its encoding: the class in the two highest bits, the number (28 bits at most) in the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tag(u32);

impl Tag {
    const CLASS_SHIFT: u32 = 30;

    /// A tag of this class; numbers beyond 30 bits are cut.
    #[must_use]
    pub const fn new(class: Class, number: u32) -> Self {
        Self((class as u32) << Self::CLASS_SHIFT | number & 0x3fff_ffff)
    }

    /// A universal tag.
    #[must_use]
    pub const fn universal(number: u32) -> Self {
        Self::new(Class::Universal, number)
    }

    /// An application tag.
    #[must_use]
    pub const fn application(number: u32) -> Self {
        Self::new(Class::Application, number)
    }

    /// A context tag.
    #[must_use]
    pub const fn context(number: u32) -> Self {
        Self::new(Class::Context, number)
    }

    /// Its class.
    #[must_use]
    pub const fn class(self) -> Class {
        match self.0 >> Self::CLASS_SHIFT {
            0 => Class::Universal,
            1 => Class::Application,
            2 => Class::Context,
            _ => Class::Private,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 & 0x3fff_ffff
    }

    /// From the first octet of a tag in short form.
    #[inline]
    const fn short(first: u8) -> Self {
        Self((first as u32 >> 6) << Self::CLASS_SHIFT | (first & 0x1f) as u32)
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({})", self.class(), self.number())
    }
}

/// INTEGER.
pub const INTEGER: Tag = Tag::universal(2);
/// OCTET STRING.
pub const OCTET_STRING: Tag = Tag::universal(4);
/// NULL.
pub const NULL: Tag = Tag::universal(5);
/// OBJECT IDENTIFIER.
pub const OID: Tag = Tag::universal(6);
/// EXTERNAL.
pub const EXTERNAL: Tag = Tag::universal(8);
/// SEQUENCE.
pub const SEQUENCE: Tag = Tag::universal(16);

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Whether it holds elements.
    pub constructed: bool,
    /// Its content, without end-of-contents octets.
    pub content: &'a [u8],
    /// Offset of its first octet in the user part.
    pub offset: usize,
    /// Offset of its content in the user part.
    pub content_offset: usize,
}

/// What the decoding of one message shares: findings and the work done so far.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Odd forms.
    pub findings: Findings,
    elements: u32,
    extents: Extents,
}

impl Work {
    /// Elements looked at so far: those in odd forms, and with the feature `count-work` the plain ones too.
    #[must_use]
    pub const fn elements(&self) -> u32 {
        self.elements
    }

    fn step(&mut self) -> Result<(), BerError> {
        self.elements = self.elements.saturating_add(1);
        if self.elements > MAX_ELEMENTS { Err(BerError::TooMany) } else { Ok(()) }
    }
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Over octets that start at `offset` of the user part.
    #[must_use]
    pub const fn new(octets: &'a [u8], offset: usize) -> Self {
        Self { rest: octets, offset }
    }

    /// Octets that are left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Offset of the next octet in the user part.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The next element; `None` at the end.
    ///
    /// # Errors
    /// The element is not BER, or a bound was hit.
    #[inline(always)]
    pub fn next(&mut self, work: &mut Work) -> Result<Option<Element<'a>>, BerError> {
        // Tag and length of one octet each, as nearly all have.
        if let [first, length @ 0..0x80, after @ ..] = self.rest
            && first & 0x1f != 0x1f
            && let Some((content, rest)) = after.split_at_checked(usize::from(*length))
        {
            let offset = self.offset;
            let content_offset = offset.wrapping_add(2);
            self.rest = rest;
            self.offset = content_offset.wrapping_add(content.len());
            let (tag, constructed) = (Tag::short(*first), first & 0x20 != 0);
            #[cfg(feature = "count-work")]
            {
                work.elements = work.elements.saturating_add(1);
            }
            return Ok(Some(Element { tag, constructed, content, offset, content_offset }));
        }
        if self.rest.is_empty() { Ok(None) } else { self.next_odd(work) }
    }

    #[cold]
    fn next_odd(&mut self, work: &mut Work) -> Result<Option<Element<'a>>, BerError> {
        work.step()?;
        let findings = &mut work.findings;
        let header = header(self.rest, self.offset, &mut |finding| findings.note(finding, self.offset))?;
        let after_header = self.rest.get(header.len..).unwrap_or_default();
        let (content_len, total) = match header.content {
            Some(len) => (len, header.len.saturating_add(len)),
            None => {
                let content_offset = self.offset.saturating_add(header.len);
                let inside = indefinite_len(after_header, content_offset, self.offset, work)?;
                // The two end-of-contents octets are part of the element.
                (inside, header.len.saturating_add(inside).saturating_add(2))
            }
        };
        let truncated = BerError::Truncated { offset: self.offset };
        let content = after_header.get(..content_len).ok_or(truncated)?;
        let element = Element {
            tag: header.tag,
            constructed: header.constructed,
            content,
            offset: self.offset,
            content_offset: self.offset.saturating_add(header.len),
        };
        self.rest = self.rest.get(total..).ok_or(truncated)?;
        self.offset = self.offset.saturating_add(total);
        Ok(Some(element))
    }
}

struct Header {
    tag: Tag,
    constructed: bool,
    /// Octets of tag and length.
    len: usize,
    /// Octets of the content; `None` if indefinite.
    content: Option<usize>,
}

#[inline]
fn header(octets: &[u8], offset: usize, note: &mut impl FnMut(Finding)) -> Result<Header, BerError> {
    let truncated = BerError::Truncated { offset };
    let (&first, mut rest) = octets.split_first().ok_or(truncated)?;
    let mut tag = Tag::short(first);
    if tag.number() == 0x1f {
        let number;
        (number, rest) = long_tag(rest, offset, note)?;
        tag = Tag::new(tag.class(), number);
    }
    let constructed = first & 0x20 != 0;
    let (&length, after) = rest.split_first().ok_or(truncated)?;
    let (content, after) = if length < 0x80 {
        (Some(usize::from(length)), after)
    } else {
        long_length(length, after, constructed, offset, note)?
    };
    Ok(Header { tag, constructed, len: octets.len().saturating_sub(after.len()), content })
}

#[cold]
fn long_tag<'a>(
    octets: &'a [u8],
    offset: usize,
    note: &mut impl FnMut(Finding),
) -> Result<(u32, &'a [u8]), BerError> {
    if let [octet @ 0..0x80, rest @ ..] = octets {
        if *octet < 31 {
            note(Finding::NoncanonicalTag);
        }
        return Ok((u32::from(*octet), rest));
    }
    let mut number = 0u32;
    for (index, &octet) in octets.iter().enumerate() {
        if index == MAX_TAG_OCTETS {
            return Err(BerError::TagTooLong { offset });
        }
        if octet == 0x80 && index == 0 {
            note(Finding::NoncanonicalTag);
        }
        number = number << 7 | u32::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if number < 31 {
                note(Finding::NoncanonicalTag);
            }
            return Ok((number, octets.get(index.saturating_add(1)..).unwrap_or_default()));
        }
    }
    Err(BerError::Truncated { offset })
}

#[cold]
fn long_length<'a>(
    first: u8,
    octets: &'a [u8],
    constructed: bool,
    offset: usize,
    note: &mut impl FnMut(Finding),
) -> Result<(Option<usize>, &'a [u8]), BerError> {
    if first == 0x80 {
        if !constructed {
            return Err(BerError::BadLength { offset });
        }
        note(Finding::IndefiniteLength);
        return Ok((None, octets));
    }
    let count = usize::from(first & 0x7f);
    if first == 0xff {
        return Err(BerError::BadLength { offset });
    }
    let (length, rest) = octets.split_at_checked(count).ok_or(BerError::Truncated { offset })?;
    let mut value = 0u32;
    for &octet in length {
        if value > u32::MAX >> 8 {
            return Err(BerError::BadLength { offset });
        }
        value = value << 8 | u32::from(octet);
    }
    if value < 0x80 || length.first() == Some(&0) {
        note(Finding::NoncanonicalLength);
    }
    let value = usize::try_from(value).map_err(|_| BerError::BadLength { offset })?;
    Ok((Some(value), rest))
}

/// The octets of a string: a slice of the message, or pieces put together.
#[derive(Clone, Copy, Debug)]
pub enum Octets<'a> {
    /// As they are in the message.
    Slice(&'a [u8]),
    /// Put together from the pieces of a constructed string.
    Joined {
        /// The octets.
        octets: [u8; MAX_JOINED],
        /// How many.
        len: usize,
    },
}

impl Octets<'_> {
    /// The octets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Slice(slice) => slice,
            Self::Joined { octets, len } => octets.get(..*len).unwrap_or_default(),
        }
    }
}

impl<'a> Element<'a> {
    /// Reads the elements inside.
    #[must_use]
    pub const fn inside(&self) -> Reader<'a> {
        Reader::new(self.content, self.content_offset)
    }

    /// The octets of a string type, whether cut into pieces or not; octets beyond [`MAX_JOINED`] of a string in
    /// pieces are cut off.
    ///
    /// # Errors
    /// The pieces are not BER, or nested too deeply.
    #[inline]
    pub fn octets(&self, work: &mut Work) -> Result<Octets<'a>, BerError> {
        if self.constructed { self.join(work) } else { Ok(Octets::Slice(self.content)) }
    }

    #[cold]
    fn join(&self, work: &mut Work) -> Result<Octets<'a>, BerError> {
        work.findings.note(Finding::ConstructedString, self.offset);
        let mut joined = [0u8; MAX_JOINED];
        let mut len = 0usize;
        let mut stack = [Reader::new(&[], 0); MAX_DEPTH];
        let mut depth = 0usize;
        if let Some(slot) = stack.first_mut() {
            *slot = self.inside();
        }
        while let Some(reader) = stack.get_mut(depth) {
            match reader.next(work)? {
                Some(piece) if piece.constructed => {
                    depth = depth.saturating_add(1);
                    let slot = stack.get_mut(depth).ok_or(BerError::TooDeep { offset: piece.offset })?;
                    *slot = piece.inside();
                }
                Some(piece) => {
                    for (slot, octet) in joined.iter_mut().skip(len).zip(piece.content) {
                        *slot = *octet;
                    }
                    len = len.saturating_add(piece.content.len()).min(MAX_JOINED);
                }
                None if depth == 0 => break,
                None => depth = depth.saturating_sub(1),
            }
        }
        Ok(Octets::Joined { octets: joined, len })
    }

    /// The value of an INTEGER or ENUMERATED; `None` if it is empty or does not fit 32 bits.
    #[inline]
    pub fn integer(&self, work: &mut Work) -> Option<i32> {
        match self.content {
            [only] => Some(i32::from(i8::from_be_bytes([*only]))),
            [] => None,
            content => {
                let negative = content.first().is_some_and(|octet| octet & 0x80 != 0);
                let fill = if negative { 0xff } else { 0 };
                let sign_octets = content.iter().take_while(|&&octet| octet == fill).count();
                let first_kept = content.get(sign_octets).copied().unwrap_or(fill);
                let redundant = sign_octets > 0 && (first_kept & 0x80 != 0) == negative;
                if redundant {
                    work.findings.note(Finding::NoncanonicalInteger, self.offset);
                }
                let significant = content.len().saturating_sub(sign_octets);
                if significant > 4 {
                    return None;
                }
                let start = if negative { -1i64 } else { 0 };
                let value = content
                    .iter()
                    .skip(sign_octets)
                    .fold(start, |value, &octet| value << 8 | i64::from(octet));
                i32::try_from(value).ok()
            }
        }
    }
}

/// Arcs of an object identifier; more make it unreadable.
const MAX_ARCS: usize = 16;

/// An object identifier: equal to others with the same arcs, whatever their encoding was.
#[derive(Clone, Copy)]
pub struct Oid<'a> {
    octets: &'a [u8],
}

impl<'a> Oid<'a> {
    /// From the content octets; `None` if empty, cut off, with more arcs than the bound, or with an arc beyond 32
    /// bits. Padded arcs are read and noted.
    #[inline]
    #[must_use]
    pub fn parse(octets: &'a [u8], offset: usize, findings: &mut Findings) -> Option<Self> {
        let one_octet_arcs = octets.iter().all(|octet| octet & 0x80 == 0);
        if one_octet_arcs && (1..MAX_ARCS).contains(&octets.len()) {
            return Some(Self { octets });
        }
        Self::parse_long(octets, offset, findings)
    }

    #[cold]
    fn parse_long(octets: &'a [u8], offset: usize, findings: &mut Findings) -> Option<Self> {
        let mut groups = 0usize;
        let mut value = 0u32;
        let mut inside = false;
        for &octet in octets {
            if !inside && octet == 0x80 {
                findings.note(Finding::NoncanonicalOid, offset);
            }
            if value > u32::MAX >> 7 {
                return None;
            }
            value = value << 7 | u32::from(octet & 0x7f);
            inside = octet & 0x80 != 0;
            if !inside {
                groups = groups.saturating_add(1);
                value = 0;
            }
        }
        (!inside && (1..MAX_ARCS).contains(&groups)).then_some(Self { octets })
    }

    /// Its content octets as they are in the message.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Its arcs.
    pub fn arcs(&self) -> impl Iterator<Item = u32> + Clone + 'a {
        let groups = self.octets.split_inclusive(|octet| octet & 0x80 == 0);
        let mut values =
            groups.map(|group| group.iter().fold(0u32, |value, octet| value << 7 | u32::from(octet & 0x7f)));
        // X.690 §8.19.4: the first group holds the first two arcs.
        let first = values.next().unwrap_or_default();
        let root = (first / 40).min(2);
        [root, first.wrapping_sub(root.wrapping_mul(40))].into_iter().chain(values)
    }
}

impl PartialEq for Oid<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.arcs().eq(other.arcs())
    }
}

impl Eq for Oid<'_> {}

impl std::fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, arc) in self.arcs().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{arc}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Oid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[path = "ber/tests.rs"]
mod tests;
