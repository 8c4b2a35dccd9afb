//! CRC32c of a changed packet, from what has changed.
//!
//! CRC is linear: the checksums of two packets of the same length differ by the checksum (started at 0, not inverted) of
//! their difference, octet by octet, and that is the polynomial of the changed octets times x to the power of eight for
//! each octet behind them, modulo the generator. Registers are reflected: bit 31 stands for x^0, the low octet of a word
//! comes first (RFC 9260 §A).

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tables are indexed by what is masked to their length; sums and shifts stay within their words"
)]

/// The generator 0x1edc6f41, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x^0, reflected.
const ONE: u32 = 0x8000_0000;

/// The register times x.
const fn times_x(register: u32) -> u32 {
    let carry = if register & 1 == 1 { POLYNOMIAL } else { 0 };
    register >> 1 ^ carry
}

/// What an octet in the register becomes, 1, 2, 3 and 4 octets later.
static STEPS: [[u32; 256]; 4] = steps();

const fn steps() -> [[u32; 256]; 4] {
    let mut table = [[0; 256]; 4];
    let mut octet = 0;
    while octet < 256 {
        let mut register = octet as u32;
        let mut step = 0;
        while step < 4 {
            let mut bit = 0;
            while bit < 8 {
                register = times_x(register);
                bit += 1;
            }
            table[step][octet] = register;
            step += 1;
        }
        octet += 1;
    }
    table
}

/// Powers in [`POWERS`].
const POWERS_LEN: usize = 2048;

/// x^(8n) for n octets.
static POWERS: [u32; POWERS_LEN] = powers();

const fn powers() -> [u32; POWERS_LEN] {
    let mut table = [0; POWERS_LEN];
    let mut power = ONE;
    let mut octets = 0;
    while octets < POWERS_LEN {
        table[octets] = power;
        let mut bit = 0;
        while bit < 8 {
            power = times_x(power);
            bit += 1;
        }
        octets += 1;
    }
    table
}

/// x^(8n) for n multiples of [`POWERS_LEN`]: longer than any frame.
static FAR_POWERS: [u32; 64] = far_powers();

const fn far_powers() -> [u32; 64] {
    let mut table = [0; 64];
    let step = slow_product(POWERS[POWERS_LEN - 1], POWERS[1]);
    let mut power = ONE;
    let mut index = 0;
    while index < 64 {
        table[index] = power;
        power = slow_product(power, step);
        index += 1;
    }
    table
}

/// The product of two registers modulo the generator, bit by bit.
const fn slow_product(mut a: u32, b: u32) -> u32 {
    let mut sum = 0;
    let mut bit = 32;
    while bit > 0 {
        bit -= 1;
        if b >> bit & 1 == 1 {
            sum ^= a;
        }
        a = times_x(a);
    }
    sum
}

/// The register times x^32.
#[inline(always)]
fn times_x32(register: u32) -> u32 {
    let [a, b, c, d] = register.to_le_bytes();
    STEPS[3][a as usize] ^ STEPS[2][b as usize] ^ STEPS[1][c as usize] ^ STEPS[0][d as usize]
}

/// The product of two registers modulo the generator.
///
/// Multiplication without carries by ordinary multiplications: each factor is split into four with three empty bits
/// between any two of its own, so that the at most eight ones that meet at one bit cannot carry into the next.
#[inline(always)]
fn product(a: u32, b: u32) -> u32 {
    const HOLES: u64 = 0x1111_1111_1111_1111;
    let (a, b) = (a as u64, b as u64);
    let [a0, a1, a2, a3] = [a & HOLES, a & HOLES << 1, a & HOLES << 2, a & HOLES << 3];
    let [b0, b1, b2, b3] = [b & HOLES, b & HOLES << 1, b & HOLES << 2, b & HOLES << 3];
    let times = |x: u64, y: u64| x.wrapping_mul(y);
    let c0 = times(a0, b0) ^ times(a1, b3) ^ times(a2, b2) ^ times(a3, b1);
    let c1 = times(a0, b1) ^ times(a1, b0) ^ times(a2, b3) ^ times(a3, b2);
    let c2 = times(a0, b2) ^ times(a1, b1) ^ times(a2, b0) ^ times(a3, b3);
    let c3 = times(a0, b3) ^ times(a1, b2) ^ times(a2, b1) ^ times(a3, b0);
    let carryless = c0 & HOLES | c1 & HOLES << 1 | c2 & HOLES << 2 | c3 & HOLES << 3;
    // x^0 is bit 62 now; the low half has overflown by 32 powers.
    let aligned = carryless << 1;
    (aligned >> 32) as u32 ^ times_x32(aligned as u32)
}

/// What has changed in a packet, as a register: to be put on its checksum by exclusive or, as are several of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(pub u32);

impl Delta {
    /// Message class and type of M3UA DATA (1, 1) to those of BEAT ACK (3, 6), with the four octets of the message
    /// length behind them unchanged.
    pub const DATA_TO_BEAT_ACK: Self = Self::before_word(Self::of(0x0101 ^ 0x0306));

    /// The difference of one big-endian word.
    #[inline(always)]
    #[must_use]
    pub const fn of(difference: u32) -> Self {
        Self(difference.swap_bytes())
    }

    const fn before_word(self) -> Self {
        let mut register = self.0;
        let mut bit = 0;
        while bit < 32 {
            register = times_x(register);
            bit += 1;
        }
        Self(register)
    }

    /// This, with the difference of the big-endian word right behind it.
    #[inline(always)]
    #[must_use]
    pub fn then(self, difference: u32) -> Self {
        Self(times_x32(self.0) ^ difference.swap_bytes())
    }

    /// This, with so many unchanged octets behind it, up to the end of the packet: at most 131,067.
    #[inline(always)]
    #[must_use]
    pub fn before(self, octets: usize) -> Self {
        // The word itself is four octets long.
        let octets = octets.wrapping_add(4);
        let power = POWERS[octets & (POWERS_LEN - 1)];
        let far = octets / POWERS_LEN;
        let near = product(self.0, power);
        if far == 0 { Self(near) } else { Self(product(near, FAR_POWERS[far & 63])) }
    }

    /// Both.
    #[inline(always)]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_powers_follow_the_definition() {
        let mut number = 0x1234_5678u32;
        for _ in 0..2_000 {
            let next = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            assert_eq!(product(number, next), slow_product(number, next), "{number:x} {next:x}");
            assert_eq!(times_x32(next), slow_product(next, POWERS[4]));
            number = next;
        }
        assert_eq!(product(ONE, 0xffff_ffff), 0xffff_ffff);
        assert_eq!(Delta::DATA_TO_BEAT_ACK, Delta::of(0x0101 ^ 0x0306).then(0));
    }
}
