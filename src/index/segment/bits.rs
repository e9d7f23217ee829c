//! Numbers of a few bits each, one after another.

use std::ops::Range;

/// Bytes behind the last number, so that every number is read as words.
pub(super) const PADDING: usize = 16;

/// Eight bytes as a number.
#[inline(always)]
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).map(|bytes| u64::from_le_bytes(std::array::from_fn(|i| bytes[i])))
}

/// The `count` bits from `at` on, 56 at the most. All of them are set beyond the bytes.
#[inline(always)]
pub(super) fn bits_at(packed: &[u8], at: usize, count: u32) -> u64 {
    let word = word_at(packed, at / 8).unwrap_or(u64::MAX);
    word >> (at % 8) & ((1 << count) - 1)
}

/// The bytes that so many numbers take.
pub(super) fn packed_bytes(numbers: usize, bits: u32) -> Option<usize> {
    (numbers.checked_mul(bits as usize)? / 8).checked_add(PADDING)
}

/// Writes numbers of a few bits one after another.
pub(super) struct Packer<'a> {
    words: std::slice::IterMut<'a, u64>,
    pending: u64,
    filled: u32,
}

impl<'a> Packer<'a> {
    pub(super) fn new(words: &'a mut [u64]) -> Self {
        Self { words: words.iter_mut(), pending: 0, filled: 0 }
    }

    /// Writes a number of so many bits, fewer than 64.
    #[inline(always)]
    pub(super) fn push(&mut self, number: u64, bits: u32) {
        self.pending |= number << self.filled;
        self.filled += bits;
        if self.filled >= 64 {
            self.put();
            self.filled -= 64;
            self.pending = number >> (bits - self.filled);
        }
    }

    /// Writes a range of bits of what was packed before.
    #[inline(always)]
    pub(super) fn copy(&mut self, packed: &[u8], bits: Range<usize>) {
        /// As many as a word holds that begins at any byte, wherever in that the first bit lies.
        const AT_ONCE: usize = 56;
        for at in bits.clone().step_by(AT_ONCE) {
            let count = AT_ONCE.min(bits.end - at) as u32;
            self.push(bits_at(packed, at, count), count);
        }
    }

    fn put(&mut self) {
        if let Some(word) = self.words.next() {
            *word = self.pending;
        }
    }

    pub(super) fn finish(mut self) {
        self.put();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::bytes_of;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_where_they_were_written(
            numbers in prop::collection::vec(any::<u64>(), 0..50),
            bits in 1u32..=56, skipped: prop::sample::Index,
        ) {
            let numbers: Vec<u64> = numbers.iter().map(|number| number & ((1 << bits) - 1)).collect();
            let mut words = vec![0; packed_bytes(numbers.len(), bits).unwrap().div_ceil(8)];
            let mut packer = Packer::new(&mut words);
            numbers.iter().for_each(|&number| packer.push(number, bits));
            packer.finish();
            let packed = bytes_of(&words);
            let read = |packed: &[u8], n: usize| bits_at(packed, n * bits as usize, bits);
            prop_assert!((0..numbers.len()).all(|n| read(packed, n) == numbers[n]));

            let skipped = skipped.index(numbers.len() + 1);
            let mut copied = vec![0; words.len()];
            let mut packer = Packer::new(&mut copied);
            packer.copy(packed, skipped * bits as usize..numbers.len() * bits as usize);
            packer.finish();
            prop_assert!((skipped..numbers.len()).all(|n| read(bytes_of(&copied), n - skipped) == numbers[n]));
        }
    }
}
