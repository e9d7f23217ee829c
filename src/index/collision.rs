//! When a search by collision finds a code.
//!
//! Locality-sensitive hashing by bit sampling (Indyk, Motwani: Approximate Nearest Neighbors, STOC 1998): codes that are
//! near each other mostly agree in some word of 16 bits, so that it is enough to look at those that share one. Where an
//! exact search looks up hundreds of values, this one looks up a few, and reaches farther for less. What it finds does
//! not depend on how the codes lie in segments.

use super::Code;

/// Bits of a word.
pub(super) const WORD: u32 = 16;

/// In how many bits codes that collide may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// In all.
    pub(super) radius: u32,
    /// In the word that follows the one they share, in the circle.
    pub(super) near: u32,
    /// In the two words that follow it.
    pub(super) far: u32,
}

impl Limits {
    /// Eight words share the bits that differ about evenly, so that one in which many differ is rare; such codes are left
    /// to the other words that they share.
    pub(super) fn new(radius: u32) -> Self {
        // More bits than there are would not fit where limits are kept.
        Self { radius, near: (radius / 5).min(WORD), far: (radius / 3).min(2 * WORD) }
    }

    /// The first word in which two codes collide; nothing if they do not.
    #[inline]
    pub(super) fn collide<const W: usize>(self, a: &Code<W>, b: &Code<W>) -> Option<usize> {
        let apart: [u64; W] = std::array::from_fn(|i| a[i] ^ b[i]);
        if apart.iter().map(|word| word.count_ones()).sum::<u32>() > self.radius {
            return None;
        }
        let count = 4 * W;
        let bits = |word: usize| {
            let word = word % count;
            (apart[word / 4] >> (16 * (word % 4)) & 0xffff).count_ones()
        };
        (0..count).find(|&word| {
            let near = bits(word + 1);
            bits(word) == 0 && near <= self.near && near + bits(word + 2) <= self.far
        })
    }
}

/// Which codes a batch asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// All within a radius.
    Within(u32),
    Colliding(Limits),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flipped(bits: &[usize]) -> Code<2> {
        let mut code = [0; 2];
        bits.iter().for_each(|bit| code[bit / 64] ^= 1 << (bit % 64));
        code
    }

    #[test]
    fn codes_collide_in_the_first_word_that_they_share() {
        let limits = Limits::new(16);
        assert_eq!(limits, Limits { radius: 16, near: 3, far: 5 });
        let first = |bits: &[usize]| limits.collide(&[0; 2], &flipped(bits));
        assert_eq!(first(&[]), Some(0));
        assert_eq!(first(&[3]), Some(1));
        // One bit in each word.
        assert_eq!(first(&[0, 16, 32, 48, 64, 80, 96, 112]), None);
        assert_eq!(first(&[0, 16, 32, 48, 64, 80, 96]), Some(7));
        // Too many in the word that follows, or in the two.
        assert_eq!(first(&[16, 17, 18, 19]), Some(2));
        assert_eq!(first(&[16, 17, 18, 32, 33, 34]), Some(3));
        // Any radius is no more than all bits.
        assert_eq!(Limits::new(u32::MAX).collide(&[0; 2], &flipped(&Vec::from_iter(16..128))), Some(0));
        // Too many in all.
        assert_eq!(first(&Vec::from_iter(0..17)), None);
    }
}
