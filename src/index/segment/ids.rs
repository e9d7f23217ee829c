//! The ids of a segment, code by code: each in as many bits as the largest needs, and a bit each that says whether it is
//! the first of a code.

use super::bits::{Packer, bits_at};
use std::ops::Range;

/// Codes from one of which it is known where its ids begin to the next.
const SAMPLED: usize = 64;

/// Bits of the upper and the lower half of an id. Halves are often numbers of their own, with many zeros between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Widths {
    pub(super) low: u32,
    high: u32,
}

/// So many bits a number needs.
fn width(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

impl Widths {
    /// Of ids from `least` to `greatest`, whose lower halves have no more than `low` bits.
    pub(super) fn new(least: u64, greatest: u64, low: u32) -> Self {
        Self { low: low.min(u32::BITS), high: width((greatest >> 32).saturating_sub(least >> 32)) }
    }

    /// Bits of the lower half of all of `ids`.
    pub(super) fn low(ids: &[u64]) -> u32 {
        width(ids.iter().fold(0, |all, id| all | id & u64::from(u32::MAX)))
    }

    /// Bits of an id.
    pub(super) fn sum(self) -> u32 {
        self.low + self.high
    }
}

/// Words that say which ids are the first of a code.
pub(super) fn first_words(ids: usize) -> usize {
    ids.div_ceil(64)
}

/// Codes of which it is known where their ids begin.
pub(super) fn samples(codes: usize) -> usize {
    codes.div_ceil(SAMPLED)
}

/// Ids as they lie in a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids<'a> {
    pub(super) packed: &'a [u8],
    pub(super) len: usize,
    pub(super) widths: Widths,
    pub(super) least: u64,
    /// A bit for each id: it is the first of a code. Empty if each is.
    pub(super) firsts: &'a [u64],
    /// Where the ids of every 64th code begin.
    pub(super) samples: &'a [u32],
}

impl<'a> Ids<'a> {
    #[inline(always)]
    fn get(self, at: usize) -> u64 {
        let Widths { low, high } = self.widths;
        let at = at * self.widths.sum() as usize;
        let upper = (self.least >> 32).wrapping_add(bits_at(self.packed, at + low as usize, high));
        upper << 32 | bits_at(self.packed, at, low)
    }

    /// A range of them.
    pub(super) fn slice(self, range: Range<usize>) -> impl ExactSizeIterator<Item = u64> + use<'a> {
        range.map(move |at| self.get(at))
    }

    /// All of them.
    pub(super) fn iter(self) -> impl ExactSizeIterator<Item = u64> + use<'a> {
        self.slice(0..self.len)
    }

    /// All of them, each with whether it is the first of a code.
    pub(super) fn marked(self) -> impl Iterator<Item = (u64, bool)> {
        self.iter().enumerate().map(move |(at, id)| (id, self.is_first(at)))
    }

    fn is_first(self, at: usize) -> bool {
        self.firsts.get(at / 64).is_none_or(|word| word >> (at % 64) & 1 == 1)
    }

    /// Where the ids of a code lie. Empty, or the ids of others, if the file is damaged.
    #[inline]
    pub(super) fn of(self, place: usize) -> Range<usize> {
        if self.firsts.is_empty() {
            return place..(place + 1).min(self.len);
        }
        let Some(&sample) = self.samples.get(place / SAMPLED) else { return 0..0 };
        let start = self.nth_first(sample as usize, place % SAMPLED);
        start..self.nth_first(start + 1, 0).max(start)
    }

    /// The first of a code from `from` on, behind `n` others; the number of ids if there is none.
    fn nth_first(self, from: usize, n: usize) -> usize {
        let mut left = n as u32;
        let words = self.firsts.iter().enumerate().skip(from / 64);
        for (at, &word) in words {
            let word = if at == from / 64 { word & u64::MAX << (from % 64) } else { word };
            let ones = word.count_ones();
            if left < ones {
                return (at * 64 + nth_one(word, left) as usize).min(self.len);
            }
            left -= ones;
        }
        self.len
    }

    /// Whether the codes that ids are the first of are as many, and where they begin is right.
    pub(super) fn is_consistent(self, codes: usize) -> bool {
        if self.firsts.is_empty() {
            return self.len == codes;
        }
        let firsts = (0..self.len).filter(|&at| self.is_first(at));
        let is_known = firsts.clone().step_by(SAMPLED).eq(self.samples.iter().map(|&at| at as usize));
        let ones: u32 = self.firsts.iter().map(|word| word.count_ones()).sum();
        is_known && self.is_first(0) && firsts.count() == codes && ones as usize == codes
    }
}

/// The place of a one behind `n` others, of which there are more than `n`.
fn nth_one(word: u64, mut n: u32) -> u32 {
    let mut at = 0;
    for half in [32, 16, 8, 4, 2, 1] {
        let ones = (word >> at & ((1 << half) - 1)).count_ones();
        if n >= ones {
            n -= ones;
            at += half;
        }
    }
    at
}

/// Writes ids, code by code.
pub(super) struct Writer<'a> {
    packed: Packer<'a>,
    widths: Widths,
    least: u64,
    firsts: &'a mut [u64],
    samples: &'a mut [u32],
    ids: usize,
    codes: usize,
}

impl<'a> Writer<'a> {
    /// Into memory of zeros; `firsts` is empty if each id is the first of a code.
    pub(super) fn new(
        packed: &'a mut [u64],
        (widths, least): (Widths, u64),
        firsts: &'a mut [u64],
        samples: &'a mut [u32],
    ) -> Self {
        Self { packed: Packer::new(packed), widths, least, firsts, samples, ids: 0, codes: 0 }
    }

    /// Writes the next id, which is the first of a code or not.
    #[inline(always)]
    pub(super) fn push(&mut self, id: u64, is_first: bool) {
        self.packed.push(id & u64::from(u32::MAX), self.widths.low);
        self.packed.push((id >> 32) - (self.least >> 32), self.widths.high);
        if let Some(word) = self.firsts.get_mut(self.ids / 64)
            && is_first
        {
            *word |= 1 << (self.ids % 64);
            if self.codes.is_multiple_of(SAMPLED) {
                self.samples[self.codes / SAMPLED] = self.ids as u32;
            }
            self.codes += 1;
        }
        self.ids += 1;
    }

    pub(super) fn finish(self) {
        self.packed.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits::packed_bytes;
    use super::*;
    use crate::plain::bytes_of;
    use proptest::prelude::*;

    fn id() -> impl Strategy<Value = u64> {
        prop_oneof![any::<u64>(), (7u64..9, 0u64..99).prop_map(|(high, low)| high << 32 | low), 0u64..999]
    }

    proptest! {
        #[test]
        fn ids_are_read_code_by_code(
            lists in prop::collection::vec(prop::collection::vec(id(), 1..200), 1..20),
            single in prop::collection::vec(id(), 1..300),
            before: bool,
        ) {
            // Most codes have one id.
            let single = single.iter().map(|&id| vec![id]);
            let lists: Vec<Vec<u64>> =
                if before { single.chain(lists).collect() } else { lists.into_iter().chain(single).collect() };
            let all = lists.concat();
            let (least, greatest) = (*all.iter().min().unwrap(), *all.iter().max().unwrap());
            let widths = Widths::new(least, greatest, Widths::low(&all));
            let mut packed = vec![0; packed_bytes(all.len(), widths.sum()).unwrap().div_ceil(8)];
            let (mut firsts, mut starts) = (vec![0; first_words(all.len())], vec![0; samples(lists.len())]);
            let mut writer = Writer::new(&mut packed, (widths, least), &mut firsts, &mut starts);
            for list in &lists {
                (0..).zip(list).for_each(|(n, &id)| writer.push(id, n == 0));
            }
            writer.finish();
            let ids = Ids {
                packed: bytes_of(&packed), len: all.len(), widths, least, firsts: &firsts, samples: &starts,
            };
            prop_assert!(ids.iter().eq(all.iter().copied()));
            for (place, list) in lists.iter().enumerate() {
                prop_assert!(ids.slice(ids.of(place)).eq(list.iter().copied()));
            }
            prop_assert!(ids.of(lists.len() + 64).is_empty());
            prop_assert!(ids.is_consistent(lists.len()));
            let others = Ids { samples: &starts[1..], ..ids };
            prop_assert!(!others.is_consistent(lists.len()) && !ids.is_consistent(lists.len() + 1));

            let alone = Ids { firsts: &[], samples: &[], ..ids };
            prop_assert!((0..all.len()).all(|place| alone.slice(alone.of(place)).eq([all[place]])));
            prop_assert!(alone.of(all.len()).is_empty());
        }
    }
}
