//! Where elements of indefinite length end (X.690 §8.1.3.6): found in one pass for all that are inside each other.

use crate::inspect::ber::{BerError, MAX_DEPTH, Work, header};

/// Elements whose extents are kept in one message, about as many as one with an argument has; others are looked for
/// again when they are read.
const MAX_KEPT: usize = 16;

/// Extents that were found on the way to that of an element around them.
#[derive(Clone, Debug, Default)]
pub(super) struct Extents {
    /// Offset of the content in the user part, and its octets; where both fit.
    kept: [(u16, u16); MAX_KEPT],
    len: u8,
}

impl Extents {
    fn get(&self, content_offset: usize) -> Option<usize> {
        let mut kept = self.kept.iter().take(self.len.into());
        kept.find(|(offset, _)| usize::from(*offset) == content_offset).map(|(_, len)| usize::from(*len))
    }

    fn keep(&mut self, content_offset: usize, len: usize) {
        if let (Ok(offset), Ok(len)) = (u16::try_from(content_offset), u16::try_from(len))
            && let Some(slot) = self.kept.get_mut(usize::from(self.len))
        {
            *slot = (offset, len);
            self.len = self.len.saturating_add(1);
        }
    }
}

/// Octets before the end-of-contents that closes the indefinite length whose content starts here, of the element at
/// `offset`.
#[cold]
pub(super) fn indefinite_len(
    octets: &[u8],
    content_offset: usize,
    offset: usize,
    work: &mut Work,
) -> Result<usize, BerError> {
    if let Some(len) = work.extents.get(content_offset) {
        return Ok(len);
    }
    let truncated = BerError::Truncated { offset };
    let mut at = 0usize;
    // Where the contents of the open elements inside start.
    let mut open = [0usize; MAX_DEPTH];
    let mut depth = 0usize;
    loop {
        work.step()?;
        let rest = octets.get(at..).ok_or(truncated)?;
        if let [0, 0, ..] = rest {
            let Some(inner) = depth.checked_sub(1) else { return Ok(at) };
            depth = inner;
            let start = open.get(inner).copied().unwrap_or_default();
            work.extents.keep(content_offset.saturating_add(start), at.saturating_sub(start));
            at = at.saturating_add(2);
            continue;
        }
        // The element's own reading notes what is odd about it; here only its extent counts.
        let header = header(rest, offset.saturating_add(at), &mut |_| {})?;
        at = at.saturating_add(header.len);
        match header.content {
            Some(len) => at = at.saturating_add(len),
            None => {
                // The outermost element counts too.
                let slot = open.get_mut(..MAX_DEPTH.saturating_sub(1)).and_then(|open| open.get_mut(depth));
                *slot.ok_or(BerError::TooDeep { offset })? = at;
                depth = depth.saturating_add(1);
            }
        }
    }
}
