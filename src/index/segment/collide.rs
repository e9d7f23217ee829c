//! Search of many codes in a segment by collision.

use super::Segment;
use crate::index::bands::{Bands, FINGERPRINT};
use crate::index::collision::{Look, Reach, WORD, WORDS};
use crate::index::kernel::{Found, prefetch};
use crate::index::{Code, kernel::Level};

/// Codes that are looked up at once: many, so that many reads are under way, but what they ask for stays in the caches.
const AT_ONCE: usize = 64;

/// Buffers that are used again from search to search.
#[derive(Debug, Default)]
pub(in crate::index) struct CollideScratch {
    /// Values to look up, each with the number of the query.
    probes: Vec<(u32, u32)>,
    /// Places among the postings of a word, from and to, each with the number of the query.
    runs: Vec<(u32, u32, u32)>,
    /// Places of postings that passed, and then of codes.
    passed: Vec<(usize, u32)>,
    one: Vec<Found>,
    /// What was found for each query by its number, in no order.
    pub(in crate::index) found: Vec<(u32, Found)>,
}

/// What the fingerprint of a posting has to be.
struct Sieve {
    fingerprint: u32,
    /// The bits that must be the same.
    firm: u32,
    /// The bits of which few may differ.
    sure: u32,
}

impl Sieve {
    fn new(look: &Look, code: &Code<2>, bands: Bands, word: usize, rest: u32) -> Self {
        let of_word = (1u32 << rest) - 1;
        let of_next = ((1u64 << (rest + WORD).min(FINGERPRINT)) - 1) as u32 & !of_word;
        Self {
            fingerprint: bands.fingerprint(code, word),
            firm: bands.fingerprint(&look.firm(word), word) & of_word,
            sure: bands.fingerprint(&look.sure(), word) & of_next,
        }
    }

    #[inline(always)]
    fn passes(&self, stored: u32, near: u32) -> bool {
        let apart = stored ^ self.fingerprint;
        apart & self.firm == 0 && (apart & self.sure).count_ones() <= near
    }
}

impl Segment<2> {
    /// Finds the codes that collide with each of `looks`, and leaves them in `scratch.found`, in no order.
    pub(in crate::index) fn collide(
        &self,
        codes: &[Code<2>],
        looks: &[Look],
        reach: Reach,
        scratch: &mut CollideScratch,
    ) {
        scratch.found.clear();
        let Some(bands) = self.counts.bands.filter(|bands| bands.in_words().is_some()) else {
            return scan_for_collisions(self.codes(), codes, looks, reach, scratch);
        };
        for (chunk, (codes, looks)) in codes.chunks(AT_ONCE).zip(looks.chunks(AT_ONCE)).enumerate() {
            for word in 0..WORDS {
                self.collide_in_word(bands, word, (codes, looks), reach, scratch);
                let base = (chunk * AT_ONCE) as u32;
                let CollideScratch { passed, found, .. } = scratch;
                for &(place, query) in passed.iter() {
                    // A place outside can only come from a damaged file.
                    let stored = self.codes().get(place);
                    let distance = stored.and_then(|code| looks[query as usize].distance(code, reach));
                    found.extend(
                        distance.map(|distance| (base + query, Found { place: place as u32, distance })),
                    );
                }
            }
        }
        // Some share more than one word.
        scratch.found.sort_unstable_by_key(|(query, found)| (*query, found.place));
        scratch.found.dedup();
    }

    /// The places of codes that may share a word, and differ little in what follows it.
    fn collide_in_word(
        &self,
        bands: Bands,
        word: usize,
        (codes, looks): (&[Code<2>], &[Look]),
        reach: Reach,
        scratch: &mut CollideScratch,
    ) {
        let width = bands.width(word);
        let CollideScratch { probes, runs, passed, .. } = scratch;
        let offsets = self.offsets(word);
        probes.clear();
        for ((query, code), look) in (0u32..).zip(codes).zip(looks) {
            let key = bands.key(code, word);
            look.patterns(word, width, reach, |pattern| {
                prefetch(offsets, (key ^ pattern) as usize);
                probes.push((key ^ pattern, query));
            });
        }
        let base = word * self.counts.codes;
        let prints = self.prints();
        runs.clear();
        for &(value, query) in probes.iter() {
            let start = offsets[value as usize];
            // In a damaged table an end may lie anywhere.
            let end = offsets[value as usize + 1].min(self.counts.codes as u32);
            if start < end {
                prefetch(prints.near, base + start as usize);
                prefetch(prints.far, base + start as usize);
                runs.push((start, end, query));
            }
        }
        let sieves: Vec<Sieve> = (codes.iter().zip(looks))
            .map(|(code, look)| Sieve::new(look, code, bands, word, WORD - width))
            .collect();
        let postings = &self.memory.bytes()[self.layout.postings.clone()];
        passed.clear();
        for &(start, end, query) in runs.iter() {
            let sieve = &sieves[query as usize];
            let run = base + start as usize..base + end as usize;
            let (Some(near), Some(far)) = (prints.near.get(run.clone()), prints.far.get(run.clone())) else {
                continue;
            };
            for ((place, near), far) in run.zip(near).zip(far) {
                if sieve.passes(u32::from(*near) | u32::from(*far) << 16, reach.near()) {
                    prefetch(postings, place * self.counts.posting_bits() as usize / 8);
                    passed.push((place, query));
                }
            }
        }
        for (place, _) in passed.iter_mut() {
            *place = self.posting(postings, *place) as usize;
            prefetch(self.codes(), *place);
        }
    }
}

/// Finds the same by a scan.
pub(in crate::index) fn scan_for_collisions(
    stored: &[Code<2>],
    codes: &[Code<2>],
    looks: &[Look],
    reach: Reach,
    scratch: &mut CollideScratch,
) {
    let CollideScratch { one, found, .. } = scratch;
    for ((query, code), look) in (0u32..).zip(codes).zip(looks) {
        one.clear();
        Level::best().scan(stored, code, reach.widest(), 0, one);
        let near = one.iter().filter_map(|hit| {
            let distance = look.distance(&stored[hit.place as usize], reach)?;
            Some((query, Found { place: hit.place, distance }))
        });
        found.extend(near);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::collision::{DOUBTS, Doubts, Sought};
    use proptest::prelude::*;

    /// Eight different places of a word.
    fn doubts() -> impl Strategy<Value = Doubts> {
        let places = Just(Vec::from_iter(0..WORD as u8)).prop_shuffle();
        prop::array::uniform(places.prop_map(|places| std::array::from_fn::<u8, DOUBTS, _>(|r| places[r])))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn finds_what_a_look_at_each_finds(
            pool in prop::collection::vec(prop::array::uniform2(prop_oneof![any::<u64>(), Just(0)]), 1..9),
            picks in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(0..84usize, 0..9)), 1..300),
            doubts in prop::collection::vec(doubts(), 1..9),
            width in 1u32..25, tries in 0usize..300, radius in 0u32..20,
        ) {
            // Only bits of words.
            let codes: Vec<Code<2>> = picks.iter().map(|(pick, flips)| {
                let mut code = *pick.get(&pool);
                code[1] &= (1 << 20) - 1;
                flips.iter().for_each(|&bit| code[bit / 64] ^= 1 << (bit % 64));
                code
            }).collect();
            let ids: Vec<u64> = (0..codes.len() as u64).collect();
            let queries: Vec<Code<2>> = codes.iter().rev().step_by(3).copied().collect();
            let looks: Vec<Look> = (queries.iter().zip(doubts.iter().cycle()))
                .map(|(&code, &doubts)| Look::new(&Sought { code, doubts }))
                .collect();
            let reach = Reach::new(tries, radius);
            let mut scratch = CollideScratch::default();
            // The beginnings of words, bands, and none.
            for bands in [Bands::words(width), Bands::new(128, 8), None] {
                let segment = Segment::build_with(&codes, &ids, bands).unwrap();
                let mut expected = Vec::new();
                for (query, look) in (0u32..).zip(&looks) {
                    for (place, stored) in (0u32..).zip(segment.codes()) {
                        let distance = look.distance(stored, reach);
                        expected.extend(distance.map(|distance| (query, Found { place, distance })));
                    }
                }
                segment.collide(&queries, &looks, reach, &mut scratch);
                prop_assert_eq!(&scratch.found, &expected);
            }
        }
    }
}
