//! From half of a word's bits to the places where such words are.
//!
//! The long lists of places that so short a key has lie in the order of the keys, each place with a sketch of what is
//! around it: a list is read from one end to the other, and few of its places need be looked at themselves.

use super::agreement::WIDE;
use super::tracks::GAP;
use crate::plain::{Column, prefetch};
use std::ops::Range;

/// Words from one that is listed to the next. Words overlap so much that the ones between add little.
const SPACING: usize = 2;

/// Keys: all values of either half of a word.
pub(super) const KEYS: usize = 2 << 16;

/// Words of a reference from the one listed to those on either side that its sketch tells of: 256 ms.
pub(super) const ASIDE: usize = 4;

/// Places looked up by half of the bits of the words there, in the order of their keys: of every other word listed by
/// the lower half, of those between by the upper half.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Where each key's places start, and where the last one's end.
    pub(super) starts: Column<u32>,
    pub(super) places: Column<u32>,
    pub(super) sketches: Column<u64>,
}

impl Table {
    /// Places so far apart are listed by the same half.
    pub(super) const PERIOD: usize = 2 * SPACING;

    pub(super) fn new(words: &[u32]) -> Self {
        // Places are numbers of 32 bits, enough for nine years of sound.
        let end = words.len().min(u32::MAX as usize);
        let listed = || (0..end).step_by(SPACING).filter(|&place| words[place] != GAP);
        let key = |place: usize| key(words[place], half(place));
        let mut starts = vec![0u32; KEYS + 1];
        for place in listed() {
            starts[key(place) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let count = starts[KEYS] as usize;
        let (mut places, mut sketches) = (vec![0u32; count], vec![0u64; count]);
        let mut next = starts.clone();
        let word = |at: Option<usize>| at.and_then(|at| words.get(at)).copied().unwrap_or(GAP);
        for place in listed() {
            let next = &mut next[key(place)];
            places[*next as usize] = place as u32;
            let aside = [place.checked_sub(ASIDE), Some(place + ASIDE)].map(word);
            sketches[*next as usize] = sketch(words[place], aside, half(place));
            *next += 1;
        }
        Self { starts: Column::Own(starts), places: Column::Own(places), sketches: Column::Own(sketches) }
    }

    /// Whether every key leads to places and sketches that are there.
    pub(super) fn is_whole(&self) -> bool {
        let end = self.places.len();
        self.starts.len() == KEYS + 1
            && self.starts.is_sorted()
            && self.starts.last().is_some_and(|&last| last as usize == end)
            && self.sketches.len() == end
    }

    /// Its content, to be read many times.
    pub(super) fn lists(&self) -> Lists<'_> {
        Lists { starts: &self.starts, places: &self.places, sketches: &self.sketches }
    }
}

/// What a table holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'a> {
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

/// The half that the word at a place is listed by.
fn half(place: usize) -> usize {
    place / SPACING % 2
}

/// The number of the list of all words that have the same half as this one.
pub(super) fn key(word: u32, half: usize) -> usize {
    half << 16 | (word >> (16 * half)) as usize & 0xffff
}

/// What is not in the key of a word: its other half, half of the word before and all of the one after it.
pub(super) fn sketch(word: u32, [before, after]: [u32; 2], half: usize) -> u64 {
    let other = u64::from(word >> (16 * (1 - half)) & 0xffff);
    other | u64::from(before >> 8 & 0xffff) << 16 | u64::from(after) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::sound::null::scrambled;

    #[test]
    fn all_places_of_a_key_are_found() {
        let word = |at| if at % 50 == 4 { GAP } else { scrambled(at) & 0x00ff_00ff | 0x0100_0000 };
        let words: Vec<u32> = (0..400_000).map(word).collect();
        let table = Table::new(&words);
        for (word, half) in words.iter().step_by(49_991).flat_map(|word| [(*word, 0), (*word, 1)]) {
            let (entries, sketches) = table.lists().of(key(word, half));
            assert!(sketches.len() >= entries.len());
            let shift = 16 * half;
            let same = |at: &usize| words[*at] != GAP && (words[*at] ^ word) >> shift & 0xffff == 0;
            let listed = (2 * half..words.len()).step_by(Table::PERIOD).filter(same).map(|at| at as u32);
            assert_eq!(table.places[entries], listed.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_sketch_is_what_is_not_in_the_key() {
        let (word, aside) = (0x1234_5678, [0x0aab_bcc0, 0x9abc_def0]);
        assert_eq!(key(word, 0), 0x5678);
        assert_eq!(key(word, 1), 0x1_1234);
        assert_eq!(sketch(word, aside, 0), 0x9abc_def0_abbc_1234);
        assert_eq!(sketch(word, aside, 1), 0x9abc_def0_abbc_5678);
        let words = [aside[0], 1, 1, 1, word, 1, 1, 1, aside[1]];
        let table = Table::new(&words);
        let (entries, sketches) = table.lists().of(key(word, 0));
        assert_eq!((&table.places[entries], sketches[0]), (&[4][..], sketch(word, aside, 0)));
    }
}
