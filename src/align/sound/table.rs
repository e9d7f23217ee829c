//! From the middle bits of a word to the places where such words are.

use super::tracks::GAP;
use std::collections::HashMap;

/// Places looked up by the middle bits of the words there.
///
/// Settled places lie sorted by key in one list, with the start of each key's stretch in another. Those added since
/// wait in a map until they are many enough to be worth sorting anew.
#[derive(Debug)]
pub(super) struct Table {
    bits: u32,
    starts: Vec<u32>,
    places: Vec<u32>,
    fresh: HashMap<u32, Vec<u32>>,
    fresh_count: usize,
}

/// Fresh places that are not worth settling.
const FEW: usize = 1 << 16;

/// Share of the settled places that may be fresh.
const FRESH: usize = 16;

/// Bits of the shortest and the longest key.
const BITS: std::ops::RangeInclusive<u32> = 12..=28;

/// Times the mean number of places to a key, beyond which a key says nothing: sound of that kind is everywhere.
const COMMON: usize = 64;

impl Default for Table {
    fn default() -> Self {
        Self {
            bits: *BITS.end(),
            starts: Vec::new(),
            places: Vec::new(),
            fresh: HashMap::new(),
            fresh_count: 0,
        }
    }
}

impl Table {
    /// The bits that make the key of a word, as a mask.
    pub(super) fn mask(&self) -> u32 {
        (u32::MAX >> (32 - self.bits)) << self.shift()
    }

    fn shift(&self) -> u32 {
        (32 - self.bits) / 2
    }

    fn key(&self, word: u32) -> u32 {
        (word & self.mask()) >> self.shift()
    }

    /// Takes in the words at some places; `true` where it is time to [`settle`](Self::settle).
    pub(super) fn insert(&mut self, first: usize, words: &[u32]) -> bool {
        for (at, &word) in words.iter().enumerate() {
            let Ok(place) = u32::try_from(first + at) else { break };
            if word != GAP {
                self.fresh.entry(self.key(word)).or_default().push(place);
                self.fresh_count += 1;
            }
        }
        self.fresh_count > FEW.max(self.places.len() / FRESH)
    }

    /// Sorts all `words` anew, with keys of a length that fits their number.
    pub(super) fn settle(&mut self, words: &[u32]) {
        // Some four places to a key: fewer cost more to look up than to check.
        self.bits = (words.len().max(1).ilog2().saturating_sub(1)).clamp(*BITS.start(), *BITS.end());
        self.fresh = HashMap::new();
        self.fresh_count = 0;
        let words = &words[..words.len().min(u32::MAX as usize)];
        let mut starts = vec![0u32; (1 << self.bits) + 1];
        let kept = || words.iter().enumerate().filter(|(_, word)| **word != GAP);
        for (_, &word) in kept() {
            starts[self.key(word) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut places = vec![0u32; starts.last().map_or(0, |&count| count as usize)];
        let mut next = starts.clone();
        for (place, &word) in kept() {
            let next = &mut next[self.key(word) as usize];
            places[*next as usize] = place as u32;
            *next += 1;
        }
        self.starts = starts;
        self.places = places;
    }

    /// The places of words that have the same key as `word`; none where the key is a common one.
    pub(super) fn places(&self, word: u32) -> impl Iterator<Item = u32> {
        let key = self.key(word);
        let settled = match self.starts.get(key as usize..key as usize + 2) {
            Some(&[start, end]) => self.places.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        };
        let fresh =
            if self.fresh_count > 0 { self.fresh.get(&key).map_or(&[][..], Vec::as_slice) } else { &[] };
        let most = COMMON * (1 + ((self.places.len() + self.fresh_count) >> self.bits));
        let count = settled.len() + fresh.len();
        settled.iter().chain(fresh).take(if count > most { 0 } else { count }).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::sound::null::scrambled;

    #[test]
    fn fresh_and_settled_places_are_found_alike() {
        let words: Vec<u32> =
            (0..5_000).map(|at| if at % 50 == 3 { GAP } else { (scrambled(at) % 997) << 12 }).collect();
        let mut table = Table::default();
        let sorted = |table: &Table, word| {
            let mut places: Vec<u32> = table.places(word).collect();
            places.sort_unstable();
            places
        };
        table.insert(0, &words[..2_000]);
        table.settle(&words[..2_000]);
        table.insert(2_000, &words[2_000..]);
        for word in words.iter().step_by(17).filter(|word| **word != GAP) {
            let want = |mask| {
                let same = |other: &&u32| **other != GAP && (**other ^ word) & mask == 0;
                (0..5_000u32).filter(|at| same(&&words[*at as usize])).collect::<Vec<u32>>()
            };
            assert_eq!(sorted(&table, *word), want(table.mask()));
        }
        table.settle(&words);
        let same = (0..5_000u32)
            .filter(|at| words[*at as usize] != GAP && (words[*at as usize] ^ words[0]) & table.mask() == 0);
        assert_eq!(sorted(&table, words[0]), same.collect::<Vec<u32>>());
    }

    #[test]
    fn common_keys_are_silent() {
        let mut table = Table::default();
        table.settle(&[0x0012_3400; 1_000]);
        assert_eq!(table.places(0x0012_3400).count(), 0);
    }
}
