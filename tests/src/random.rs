//! A small generator with a fixed seed: a failure can be repeated.

/// xorshift64; the seed is not 0.
pub struct Random(pub u64);

impl Random {
    /// A number below this limit, which is not 0.
    ///
    /// # Panics
    /// Never: 48 bits fit.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).expect("48 bits") % limit
    }

    /// Puts the elements into another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }

    /// Cuts octets into `parts` pieces (fewer if there are not so many octets), none of them empty.
    pub fn cut(&mut self, octets: &[u8], parts: usize) -> Vec<Vec<u8>> {
        let mut places: Vec<usize> = (1..octets.len()).collect();
        self.shuffle(&mut places);
        places.truncate(parts.saturating_sub(1));
        places.sort_unstable();
        places.push(octets.len());
        let mut start = 0;
        places
            .into_iter()
            .map(|end| {
                let piece = octets[start..end].to_vec();
                start = end;
                piece
            })
            .collect()
    }
}
