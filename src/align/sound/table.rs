//! From some of a word's bits to the places where such words are.
//!
//! The lists of places lie in the order of the keys, each place with a sketch of what is around it: a list is read from
//! one end to the other, and few of its places need be looked at themselves. The more places there are the longer are the
//! keys: lists are neither so long that all of them is much to read, nor so short that to find them is.

use super::agreement::WIDE;
use super::tracks::GAP;
use crate::plain::{Column, prefetch};
use crate::sound::SIDE;
use std::ops::{Range, RangeInclusive};

/// Words from one that is listed to the next. Words overlap so much that the ones between add little.
const SPACING: usize = 2;

/// Bits of a key, on the lower or the upper side of a word: as many as a probe tells of at the most.
pub(super) const BITS: RangeInclusive<u32> = 10..=SIDE as u32;

/// Bits of the keys of so many places, of which 32 to 64 have the same key then, in the mean.
pub(super) fn bits(listed: usize) -> u32 {
    listed.checked_ilog2().unwrap_or(0).saturating_sub(6).clamp(*BITS.start(), *BITS.end())
}

/// Keys of so many bits: all values of either side.
pub(super) fn keys(bits: u32) -> usize {
    2 << bits
}

/// Words of a reference from the one listed to those on either side that its sketch tells of: 256 ms.
pub(super) const ASIDE: usize = 4;

/// Places looked up by [some](bits) of the bits of the words there, in the order of their keys: of every other word listed
/// by the lowest bits, of those between by the highest.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Where each key's places start, and where the last one's end.
    pub(super) starts: Column<u32>,
    pub(super) places: Column<u32>,
    pub(super) sketches: Column<u64>,
}

impl Table {
    /// Places so far apart are listed by the same side.
    pub(super) const PERIOD: usize = 2 * SPACING;

    pub(super) fn new(words: &[u32]) -> Self {
        // Places are numbers of 32 bits, enough for nine years of sound.
        let end = words.len().min(u32::MAX as usize);
        let listed = || (0..end).step_by(SPACING).filter(|&place| words[place] != GAP);
        let bits = bits(listed().count());
        let key = |place: usize| key(words[place], side(place), bits);
        let mut starts = vec![0u32; keys(bits) + 1];
        for place in listed() {
            starts[key(place) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let count = starts[starts.len() - 1] as usize;
        let (mut places, mut sketches) = (vec![0u32; count], vec![0u64; count]);
        let mut next = starts.clone();
        let word = |at: Option<usize>| at.and_then(|at| words.get(at)).copied().unwrap_or(GAP);
        for place in listed() {
            let next = &mut next[key(place)];
            places[*next as usize] = place as u32;
            let aside = [place.checked_sub(ASIDE), Some(place + ASIDE)].map(word);
            sketches[*next as usize] = sketch(words[place], aside, side(place), bits);
            *next += 1;
        }
        Self { starts: Column::Own(starts), places: Column::Own(places), sketches: Column::Own(sketches) }
    }

    /// Whether every key leads to places and sketches that are there.
    pub(super) fn is_whole(&self) -> bool {
        let end = self.places.len();
        self.starts.len() == keys(bits(end)) + 1
            && self.starts.is_sorted()
            && self.starts.last().is_some_and(|&last| last as usize == end)
            && self.sketches.len() == end
    }

    /// Its content, to be read many times.
    pub(super) fn lists(&self) -> Lists<'_> {
        let bits = bits(self.places.len());
        Lists { bits, starts: &self.starts, places: &self.places, sketches: &self.sketches }
    }
}

/// What a table holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'a> {
    /// Of the keys.
    pub(super) bits: u32,
    starts: &'a [u32],
    /// The places of all keys, in the order of these.
    pub(super) places: &'a [u32],
    sketches: &'a [u64],
}

impl<'a> Lists<'a> {
    /// Which of the places a key has, and the sketches of what is around them; behind these are sketches of places of
    /// other keys.
    pub(super) fn of(self, key: usize) -> (Range<usize>, &'a [u64]) {
        let Some(&[start, end, ..]) = self.starts.get(key..) else { return (0..0, &[]) };
        let (start, end) = (start as usize, end as usize);
        (start..end, self.sketches.get(start..self.sketches.len().min(end + WIDE)).unwrap_or_default())
    }

    /// Asks for the memory of a key's sketches.
    pub(super) fn prefetch(self, key: usize) {
        /// Sketches in a cache line.
        const LINE: usize = 8;
        /// The most lines asked for; what follows comes by the processor's own prefetching.
        const MOST: usize = 16;
        let Some(&[start, end, ..]) = self.starts.get(key..) else { return };
        let lines = (start as usize..end as usize).step_by(LINE).take(MOST);
        lines.for_each(|place| prefetch(self.sketches, place));
    }
}

/// The side that the word at a place is listed by.
fn side(place: usize) -> usize {
    place / SPACING % 2
}

/// The number of the list of all words that have the same lowest bits as this one; for `side` 1 the same highest ones.
pub(super) fn key(word: u32, side: usize, bits: u32) -> usize {
    side << bits | (turned(word, side) >> (u32::BITS - bits)) as usize
}

/// The bit of a key that a word's bit is; none where the key is without it.
pub(super) fn bit_of_key(bit: u8, side: usize, bits: u32) -> Option<u32> {
    Some(turned(1 << bit, side) >> (u32::BITS - bits)).filter(|&bit| bit > 0)
}

/// The word with the bits that keys are made of uppermost.
fn turned(word: u32, side: usize) -> u32 {
    if side == 0 { word.reverse_bits() } else { word }
}

/// What is not in the key of a word: its other bits, the middle of the word before and all of the one after it.
pub(super) fn sketch(word: u32, [before, after]: [u32; 2], side: usize, bits: u32) -> u64 {
    let lowest = |word: u32, bits: u32| u64::from(word & ((1 << bits) - 1));
    let rest = u32::BITS - bits;
    u64::from(after) << 32 | lowest(before >> (rest / 2), bits) << rest | lowest(turned(word, side), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::sound::null::scrambled;
    use proptest::prelude::*;

    #[test]
    fn all_places_of_a_key_are_found() {
        let word = |at| if at % 50 == 4 { GAP } else { scrambled(at) & 0x00ff_00ff | 0x0100_0000 };
        let words: Vec<u32> = (0..400_000).map(word).collect();
        let table = Table::new(&words);
        for (word, side) in words.iter().step_by(49_991).flat_map(|word| [(*word, 0), (*word, 1)]) {
            let bits = table.lists().bits;
            let (entries, sketches) = table.lists().of(key(word, side, bits));
            assert!(sketches.len() >= entries.len());
            let same = |at: &usize| words[*at] != GAP && key(words[*at], side, bits) == key(word, side, bits);
            let listed = (2 * side..words.len()).step_by(Table::PERIOD).filter(same).map(|at| at as u32);
            assert_eq!(table.places[entries], listed.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_sketch_is_what_is_not_in_the_key() {
        let (word, aside) = (0x1234_5678, [0x0aab_bcc0, 0x9abc_def0]);
        assert_eq!(key(word, 0, 16), usize::from(0x5678u16.reverse_bits()));
        assert_eq!(key(word, 1, 16), 0x1_1234);
        assert_eq!(key(word, 1, 20), 0x10_0000 | 0x1_2345);
        assert_eq!(sketch(word, aside, 0, 16), 0x9abc_def0_abbc_2c48);
        assert_eq!(sketch(word, aside, 1, 16), 0x9abc_def0_abbc_5678);
        assert_eq!(sketch(word, aside, 1, 20), 0x9abc_def0_aaef_3678);
        let words = [aside[0], 1, 1, 1, word, 1, 1, 1, aside[1]];
        let table = Table::new(&words);
        let bits = table.lists().bits;
        let (entries, sketches) = table.lists().of(key(word, 0, bits));
        assert_eq!((&table.places[entries], sketches[0]), (&[4][..], sketch(word, aside, 0, bits)));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_in_the_key_or_in_the_sketch(word: u32, aside: [u32; 2], bit in 0u8..32, side in 0..2usize, bits in BITS) {
            let other = word ^ 1 << bit;
            let apart = (key(word, side, bits) ^ key(other, side, bits)) as u32;
            prop_assert_eq!(bit_of_key(bit, side, bits).unwrap_or(0), apart);
            let apart_in_sketch = sketch(word, aside, side, bits) ^ sketch(other, aside, side, bits);
            prop_assert_eq!(apart.count_ones() + apart_in_sketch.count_ones(), 1);
        }
    }

    #[test]
    fn many_places_have_longer_keys() {
        assert_eq!([0, 1 << 16, 1 << 17, 1 << 25, usize::MAX].map(bits), [10, 10, 11, 19, 20]);
    }
}
