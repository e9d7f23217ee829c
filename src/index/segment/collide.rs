//! Search of many codes in a segment by collision.

use super::Segment;
use super::batch::BatchScratch;
use crate::index::Code;
use crate::index::bands::Bands;
use crate::index::collision::{Limits, WORD};
use crate::index::kernel::{Found, Run, prefetch};

/// Codes that are looked up at once: many, so that many reads are under way, but what they ask for stays in the caches.
const AT_ONCE: usize = 256;

/// What is searched for in a segment.
#[derive(Clone, Copy)]
struct Task<'a, const W: usize> {
    bands: Bands,
    queries: &'a [Code<W>],
    limits: Limits,
    /// The number of the first query.
    base: u32,
}

impl<const W: usize> Segment<W> {
    /// Finds the codes that collide with each of `queries`, and leaves them in `scratch.found`, in no order.
    pub(in crate::index) fn collide_batch(
        &self,
        queries: &[Code<W>],
        limits: Limits,
        scratch: &mut BatchScratch,
    ) {
        scratch.found.clear();
        let Some((bands, step)) = self.counts.bands.and_then(|bands| Some((bands, in_a_word(bands)?))) else {
            self.scan_for_collisions(queries, limits, scratch);
            return;
        };
        for (chunk, queries) in queries.chunks(AT_ONCE).enumerate() {
            let task = Task { bands, queries, limits, base: (chunk * AT_ONCE) as u32 };
            for word in 0..bands.count() / step {
                self.collide_in_word(task, word, word * step, scratch);
            }
        }
    }

    /// Finds those that collide first in a word, which begins with a band.
    fn collide_in_word(&self, task: Task<W>, word: usize, band: usize, scratch: &mut BatchScratch) {
        let Task { queries, limits, base, .. } = task;
        let (codes, prints) = (self.codes(), self.prints());
        let postings = &self.memory.bytes()[self.layout.postings.clone()];
        let BatchScratch { runs, candidates, pairs, checked, found, .. } = scratch;
        self.runs_of_band(task, band, runs);
        candidates.clear();
        self.level.filter(prints.near, runs, candidates);
        self.level.refine(prints, candidates, |number| {
            let run = &runs[number as usize];
            (run.fingerprint, run.limit)
        });
        for candidate in candidates.iter() {
            prefetch(postings, candidate.place * self.counts.posting_bits() as usize / 8);
        }
        pairs.clear();
        for candidate in candidates.iter() {
            let place = self.posting(postings, candidate.place);
            prefetch(codes, place as usize);
            pairs.push((place, runs[candidate.number as usize].band));
        }
        checked.clear();
        self.level.verify_pairs(codes, queries, limits.radius, pairs, checked);
        for &(hit, query) in checked.iter() {
            let first = limits.collide(&codes[hit.place as usize], &queries[query as usize]);
            if first == Some(word) {
                found.push((base + query, hit));
            }
        }
    }

    /// The postings that have the same value in a band as each of `queries`. A run's band is the number of the query.
    fn runs_of_band(&self, task: Task<W>, band: usize, runs: &mut Vec<Run>) {
        let Task { bands, queries, limits, .. } = task;
        let (offsets, base) = (self.offsets(band), band * self.counts.codes);
        queries.iter().for_each(|code| prefetch(offsets, bands.key(code, band) as usize));
        runs.clear();
        for (number, code) in (0u32..).zip(queries) {
            let value = bands.key(code, band) as usize;
            let start = offsets[value];
            // In a damaged table an end may lie anywhere.
            let len = offsets[value + 1].min(self.counts.codes as u32).saturating_sub(start);
            if len > 0 {
                runs.push(Run {
                    start: base + start as usize,
                    len,
                    fingerprint: bands.fingerprint(code, band),
                    near: limits.near as u8,
                    limit: limits.far as u8,
                    band: number,
                });
            }
        }
    }

    fn scan_for_collisions(&self, queries: &[Code<W>], limits: Limits, scratch: &mut BatchScratch) {
        let mut one: Vec<Found> = Vec::new();
        for (query, code) in (0u32..).zip(queries) {
            one.clear();
            self.level.scan(self.codes(), code, limits.radius, 0, &mut one);
            one.retain(|hit| limits.collide(&self.codes()[hit.place as usize], code).is_some());
            scratch.found.extend(one.iter().map(|hit| (query, *hit)));
        }
    }
}

/// How many bands a word has; nothing if words do not begin with bands.
fn in_a_word(bands: Bands) -> Option<usize> {
    let width = bands.width(0);
    let aligned = bands.width(bands.count() - 1) == width && WORD.is_multiple_of(width);
    aligned.then_some((WORD / width) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<const W: usize>(codes: &[Code<W>], queries: &[Code<W>], count: u32, radius: u32) {
        let ids: Vec<u64> = (0..codes.len() as u64).collect();
        let segment = Segment::build_with(codes, &ids, Bands::new(64 * W as u32, count)).unwrap();
        let limits = Limits::new(radius);
        let mut expected = Vec::new();
        for (query, code) in (0u32..).zip(queries) {
            for (place, stored) in (0u32..).zip(segment.codes()) {
                let distance = crate::index::distance(stored, code);
                if limits.collide(stored, code).is_some() {
                    expected.push((query, Found { place, distance }));
                }
            }
        }
        let mut scratch = BatchScratch::default();
        segment.collide_batch(queries, limits, &mut scratch);
        scratch.found.sort_by_key(|(query, found)| (*query, found.place));
        assert_eq!(scratch.found, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn finds_what_a_scan_finds(
            pool in prop::collection::vec(prop::array::uniform4(prop_oneof![any::<u64>(), Just(0)]), 1..9),
            picks in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(0..256usize, 0..24)), 1..300),
            radius in 0u32..33,
        ) {
            let codes: Vec<Code<4>> = picks.iter().map(|(pick, flips)| {
                let mut code = *pick.get(&pool);
                flips.iter().for_each(|&bit| code[bit / 64] ^= 1 << (bit % 64));
                code
            }).collect();
            let queries: Vec<Code<4>> = codes.iter().rev().step_by(3).copied().collect();
            let halves = |codes: &[Code<4>]| codes.iter().map(|code| [code[0], code[1]]).collect::<Vec<_>>();
            // A band a word, two bands a word, and bands that do not begin where words do.
            check(&codes, &queries, 16, radius);
            for count in [8, 16, 12] {
                check(&halves(&codes), &halves(&queries), count, radius / 2);
            }
        }
    }
}
