//! Decisions drawn from the input: the same input, the same decisions.

/// A sequence of numbers that follows from octets.
#[derive(Clone, Debug)]
pub struct Choice(u64);

impl Choice {
    /// From an input.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        // FNV-1a: every octet counts.
        Self(octets.iter().fold(0xcbf2_9ce4_8422_2325, |state, octet| {
            (state ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ word >> 31) >> 16) as usize % bound
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
