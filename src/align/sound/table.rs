//! From half of a word's bits to the places where such words are.
//!
//! The long lists of places that so short a key has lie in the order of the keys, each place with a sketch of what is
//! around it: a list is read from one end to the other, and few of its places need be looked at themselves.

use super::agreement::WIDE;
use super::tracks::GAP;
use std::ops::Range;
use std::sync::OnceLock;

/// Words from one that is listed to the next. Words overlap so much that the ones between add little.
const SPACING: usize = 2;

/// Keys: all values of either half of a word.
pub(super) const KEYS: usize = 2 << 16;

/// Words of a reference from the one listed to those on either side that its sketch tells of: 256 ms.
pub(super) const ASIDE: usize = 4;

/// Places looked up by half of the bits of the words there: of every other word listed by the lower half, of those
/// between by the upper half.
///
/// What was sorted once stays in runs, each much shorter than the one before. The words at the end are sorted when they
/// are first looked up, so that filling a table sorts but once.
#[derive(Debug, Default)]
pub(super) struct Table {
    runs: Vec<Run>,
    /// Where the words begin that are in no run.
    end: usize,
    fresh: OnceLock<Run>,
}

/// Words that make a run of their own: an hour and a bit.
const SHORT: usize = 1 << 16;

/// Times that a run is at least as long as the next.
const SHORTER: usize = 8;

impl Table {
    /// Takes notice of `words` that have grown at their end; `true` where all should be [sorted anew](Self::sort).
    pub(super) fn grow(&mut self, words: &[u32]) -> bool {
        let Some(fresh) = self.fresh.take() else { return false };
        if fresh.span.len() < SHORT {
            return false;
        }
        self.end = fresh.span.end;
        self.runs.push(fresh);
        while let [.., last, next] = self.runs.as_slice() {
            if last.span.len() >= SHORTER * next.span.len() {
                break;
            }
            let span = last.span.start..next.span.end;
            if span.start == 0 {
                return true;
            }
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(Run::new(words, span));
        }
        false
    }

    /// Takes in all `words` as one run, however they have changed.
    pub(super) fn sort(&mut self, words: &[u32]) {
        self.runs = vec![Run::new(words, 0..words.len())];
        self.end = words.len();
        self.fresh = OnceLock::new();
    }

    /// Runs that list all places. `words` are those that the table has grown with.
    pub(super) fn runs(&self, words: &[u32]) -> impl Iterator<Item = &Run> {
        let fresh = self.fresh.get_or_init(|| Run::new(words, self.end.min(words.len())..words.len()));
        self.runs.iter().chain([fresh]).filter(|run| !run.places.is_empty())
    }
}

/// The places of a stretch of words in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Run {
    span: Range<usize>,
    /// Where each key's places start, and where the last one's end.
    starts: Vec<u32>,
    places: Vec<u32>,
    sketches: Vec<u64>,
}

impl Run {
    fn new(words: &[u32], span: Range<usize>) -> Self {
        // Places are numbers of 32 bits, enough for nine years of sound.
        let span = span.start..span.end.min(u32::MAX as usize);
        let listed = || {
            let first = span.start.next_multiple_of(SPACING);
            (first..span.end).step_by(SPACING).filter(|&place| words[place] != GAP)
        };
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
        Self { span, starts, places, sketches }
    }

    /// Which entries of the list a key has, and the sketches of what is around them; behind these are sketches of places
    /// of other keys.
    pub(super) fn of(&self, key: usize) -> (Range<usize>, &[u64]) {
        let Some(&[start, end, ..]) = self.starts.get(key..) else { return (0..0, &[]) };
        let (start, end) = (start as usize, end as usize);
        (start..end, self.sketches.get(start..self.sketches.len().min(end + WIDE)).unwrap_or_default())
    }

    /// The places of the list.
    pub(super) fn places(&self) -> &[u32] {
        &self.places
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
    fn all_places_of_a_key_are_found_however_they_came() {
        let word = |at| if at % 50 == 4 { GAP } else { scrambled(at) & 0x00ff_00ff | 0x0100_0000 };
        let words: Vec<u32> = (0..1_200_000).map(word).collect();
        let mut whole = Table::default();
        whole.sort(&words);
        let mut grown = Table::default();
        let mut sorts = 0;
        for end in (0..=words.len()).step_by(20_000) {
            if grown.grow(&words[..end]) {
                grown.sort(&words[..end]);
                sorts += 1;
            }
            let spans = grown.runs(&words[..end]).map(|run| run.span.len());
            assert_eq!(spans.sum::<usize>(), end);
        }
        let lengths: Vec<usize> = grown.runs.iter().map(|run| run.span.len()).collect();
        assert!(lengths.windows(2).all(|two| two[0] >= SHORTER * two[1]), "{lengths:?}");
        assert!((2..12).contains(&sorts), "{sorts}");
        for table in [whole, grown] {
            for (word, half) in words.iter().step_by(99_991).flat_map(|word| [(*word, 0), (*word, 1)]) {
                let mut found = Vec::new();
                for run in table.runs(&words) {
                    let (entries, sketches) = run.of(key(word, half));
                    assert!(sketches.len() >= entries.len());
                    found.extend_from_slice(&run.places()[entries]);
                }
                let shift = 16 * half;
                let same = |at: &usize| words[*at] != GAP && (words[*at] ^ word) >> shift & 0xffff == 0;
                let listed = (2 * half..words.len()).step_by(4).filter(same).map(|at| at as u32);
                assert_eq!(found, listed.collect::<Vec<_>>());
            }
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
        let run = Run::new(&words, 0..9);
        let (entries, sketches) = run.of(key(word, 0));
        assert_eq!((&run.places()[entries], sketches[0]), (&[4][..], sketch(word, aside, 0)));
    }

    #[test]
    fn filling_sorts_nothing_until_it_is_looked_up() {
        let words: Vec<u32> = (0..100_000).map(scrambled).collect();
        let mut table = Table::default();
        for end in (0..words.len()).step_by(1_000) {
            assert!(!table.grow(&words[..end]));
            assert!(table.runs.is_empty());
        }
        assert_eq!(table.runs(&words).count(), 1);
    }
}
