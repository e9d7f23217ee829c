//! From the middle bits of a word to the places where such words are.

use super::tracks::GAP;
use std::ops::Range;

/// Places looked up by the middle bits of the words there.
///
/// The places of three successive stretches of words, each much shorter than the one before, so that adding words
/// sorts the short ones anew often and the long one seldom.
#[derive(Debug, Default)]
pub(super) struct Table {
    long: Run,
    middle: Run,
    short: Run,
}

/// Words of the short stretch: an hour and a bit.
const SHORT: usize = 1 << 16;

/// Share of the long stretch that the middle one may reach.
const MIDDLE: usize = 16;

impl Table {
    /// Takes in `words` that have grown at their end; `true` where all should be [sorted anew](Self::sort).
    pub(super) fn grow(&mut self, words: &[u32]) -> bool {
        let fresh = words.len() - self.short.span.start.min(words.len());
        if fresh <= SHORT {
            self.short = Run::new(words, self.short.span.start..words.len());
            return false;
        }
        if words.len() - self.middle.span.start > SHORT.max(self.long.span.len() / MIDDLE) {
            return true;
        }
        self.middle = Run::new(words, self.middle.span.start..words.len());
        self.short = Run::new(words, words.len()..words.len());
        false
    }

    /// Takes in all `words` as one long stretch, however they have changed.
    pub(super) fn sort(&mut self, words: &[u32]) {
        self.long = Run::new(words, 0..words.len());
        self.middle = Run::new(words, words.len()..words.len());
        self.short = Run::new(words, words.len()..words.len());
    }

    /// The stretches that hold any place.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        [&self.long, &self.middle, &self.short].into_iter().filter(|run| !run.places.is_empty())
    }
}

/// The places of a stretch of words, sorted by key.
#[derive(Debug, Default)]
pub(super) struct Run {
    span: Range<usize>,
    bits: u32,
    /// Where each key's places start, and where the last one's end.
    starts: Vec<u32>,
    places: Vec<u32>,
}

/// Bits of the shortest and the longest key.
const BITS: Range<u32> = 16..29;

/// Times the mean number of places to a key, beyond which a key says nothing: sound of that kind is everywhere.
const COMMON: usize = 64;

impl Run {
    fn new(words: &[u32], span: Range<usize>) -> Self {
        // Places are numbers of 32 bits, enough for nine years of sound.
        let span = span.start..span.end.min(u32::MAX as usize);
        // Some four places to a key: fewer cost more to look up than to check.
        let bits = (span.len().max(1).ilog2().saturating_sub(1)).clamp(BITS.start, BITS.end - 1);
        let mut run = Self { bits, span, starts: Vec::new(), places: Vec::new() };
        let kept = || run.span.clone().zip(&words[run.span.clone()]).filter(|(_, word)| **word != GAP);
        if kept().next().is_none() {
            return run;
        }
        let mut starts = vec![0u32; (1 << bits) + 1];
        for (_, &word) in kept() {
            starts[run.key(word) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut places = vec![0u32; starts[1 << bits] as usize];
        let mut next = starts.clone();
        for (place, &word) in kept() {
            let next = &mut next[run.key(word)];
            places[*next as usize] = place as u32;
            *next += 1;
        }
        run.starts = starts;
        run.places = places;
        run
    }

    fn shift(&self) -> u32 {
        (32 - self.bits) / 2
    }

    /// The bits of a word that make its key.
    pub(super) fn mask(&self) -> u32 {
        (u32::MAX >> (32 - self.bits)) << self.shift()
    }

    fn key(&self, word: u32) -> usize {
        ((word & self.mask()) >> self.shift()) as usize
    }

    /// Appends to `out` the places of words of the same keys as `words`; those of common keys are left out.
    pub(super) fn look_up(
        &self,
        words: impl Iterator<Item = u32>,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) {
        let most = COMMON * (1 + (self.places.len() >> self.bits));
        scratch.ranges.clear();
        scratch.ranges.extend(words.map(|word| match self.starts.get(self.key(word)..) {
            Some(&[start, end, ..]) => (start, end),
            _ => (0, 0),
        }));
        // Touching all first lets the memory answer in any order.
        let touched = scratch.ranges.iter().filter_map(|range| self.places.get(range.0 as usize));
        std::hint::black_box(touched.fold(0, |sum: u32, &place| sum ^ place));
        for &(start, end) in &scratch.ranges {
            let places = self.places.get(start as usize..end as usize).unwrap_or_default();
            if places.len() <= most {
                out.extend_from_slice(places);
            }
        }
    }
}

/// Memory to work in.
#[derive(Default)]
pub(super) struct Scratch {
    ranges: Vec<(u32, u32)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::sound::null::scrambled;

    #[test]
    fn all_places_of_a_key_are_found_however_they_came() {
        let word = |at| if at % 50 == 3 { GAP } else { (scrambled(at) % 999_983) << 8 };
        let words: Vec<u32> = (0..200_000).map(word).collect();
        let mut table = Table::default();
        let mut sorts = 0;
        for end in (0..=words.len()).step_by(20_000) {
            if table.grow(&words[..end]) {
                table.sort(&words[..end]);
                sorts += 1;
            }
            let spans = [&table.long.span, &table.middle.span, &table.short.span];
            assert_eq!(spans.map(|span| span.len()).iter().sum::<usize>(), end);
        }
        assert_eq!(sorts, 2);
        let run = |span: Range<usize>| Run::new(&words, span);
        for table in [
            table,
            Table { long: run(0..90_000), middle: run(90_000..180_000), short: run(180_000..200_000) },
        ] {
            for word in words.iter().step_by(9_973).filter(|word| **word != GAP) {
                let (mut found, mut want) = (Vec::new(), Vec::new());
                for run in table.runs() {
                    run.look_up([*word].into_iter(), &mut Scratch::default(), &mut found);
                    let same = |at: &usize| words[*at] != GAP && (words[*at] ^ word) & run.mask() == 0;
                    want.extend(run.span.clone().filter(same).map(|at| at as u32));
                }
                assert_eq!(found, want);
            }
        }
    }

    #[test]
    fn common_keys_are_silent() {
        let mut table = Table::default();
        table.sort(&[0x0012_3400; 1_000]);
        let mut found = Vec::new();
        for run in table.runs() {
            run.look_up([0x0012_3400].into_iter(), &mut Scratch::default(), &mut found);
        }
        assert!(found.is_empty());
    }
}
