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

    fn put(&mut self) {
        if let Some(word) = self.words.next() {
            *word = self.pending;
        }
    }

    pub(super) fn finish(mut self) {
        self.put();
    }
}

/// As [`Packer`], of numbers of a few whole bytes each.
pub(super) struct BytePacker<'a> {
    bytes: &'a mut [u8],
    at: usize,
    width: usize,
}

impl<'a> BytePacker<'a> {
    /// Of so many bytes each, four at the most, into memory that ends with [`PADDING`].
    pub(super) fn new(bytes: &'a mut [u8], width: usize) -> Self {
        Self { bytes, at: 0, width }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, number: u32) {
        if let Some(to) = self.bytes.get_mut(self.at..self.at + 4) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        self.at += self.width;
    }

    /// Writes numbers as wide that were packed before.
    #[inline(always)]
    pub(super) fn copy(&mut self, packed: &[u8], range: Range<usize>) {
        let bytes = range.start * self.width..range.end * self.width;
        copy(packed, bytes.clone(), self.bytes, self.at);
        self.at += bytes.len();
    }
}

/// Copies a range to a place behind which nothing is written yet.
#[inline(always)]
pub(super) fn copy<T: Copy>(from: &[T], range: Range<usize>, to: &mut [T], at: usize) {
    /// As many are copied without asking how many there are.
    const SHORT: usize = 32;
    let short = range.start..range.start + SHORT / size_of::<T>();
    match (from.get(short), to.get_mut(at..at + SHORT / size_of::<T>())) {
        (Some(from), Some(to)) if range.len() <= SHORT / size_of::<T>() => to.copy_from_slice(from),
        _ => to[at..at + range.len()].copy_from_slice(&from[range]),
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
            bits in 1u32..=56,
        ) {
            let numbers: Vec<u64> = numbers.iter().map(|number| number & ((1 << bits) - 1)).collect();
            let mut words = vec![0; packed_bytes(numbers.len(), bits).unwrap().div_ceil(8)];
            let mut packer = Packer::new(&mut words);
            numbers.iter().for_each(|&number| packer.push(number, bits));
            packer.finish();
            let packed = bytes_of(&words);
            let read = |packed: &[u8], n: usize| bits_at(packed, n * bits as usize, bits);
            prop_assert!((0..numbers.len()).all(|n| read(packed, n) == numbers[n]));

        }

        #[test]
        fn numbers_of_bytes_are_read_where_they_were_written_or_copied(
            numbers in prop::collection::vec(any::<u32>(), 0..50), width in 1usize..=4, skipped: prop::sample::Index,
        ) {
            let bits = 8 * width as u32;
            let numbers: Vec<u32> = numbers.iter().map(|number| number & (u32::MAX >> (32 - bits))).collect();
            let length = packed_bytes(numbers.len(), bits).unwrap();
            let (mut packed, mut copied) = (vec![0; length], vec![0; length]);
            let mut packer = BytePacker::new(&mut packed, width);
            numbers.iter().for_each(|&number| packer.push(number));
            let read = |packed: &[u8], n: usize| bits_at(packed, n * bits as usize, bits);
            prop_assert!((0..numbers.len()).all(|n| read(&packed, n) == u64::from(numbers[n])));

            let skipped = skipped.index(numbers.len() + 1);
            let mut packer = BytePacker::new(&mut copied, width);
            packer.copy(&packed, skipped..numbers.len());
            packer.push(7);
            prop_assert!((skipped..numbers.len()).all(|n| read(&copied, n - skipped) == u64::from(numbers[n])));
            prop_assert_eq!(read(&copied, numbers.len() - skipped), 7);
        }
    }
}
