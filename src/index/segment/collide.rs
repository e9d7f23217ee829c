//! Search of many codes in a segment by collision.

use super::Segment;
use crate::index::Code;
use crate::index::bands::{Bands, FINGERPRINT};
use crate::index::collision::{Look, Reach, WORD, WORDS};
use crate::index::kernel::{Candidate, Found, Level, Sieve, Stretch};
use crate::plain::{AHEAD, ahead, prefetch};
use crate::rough;

/// Values that are looked up at once: many, so that many reads are under way, but what they ask for stays in the caches.
const AT_ONCE: usize = 256;

/// The most values that are made ready together: some megabytes.
const TOGETHER: usize = 1 << 18;

/// Bits of a value of which a table is small enough for any order.
const SMALL: u32 = 18;

/// Values are sorted by so many of their first bits: those that follow each other lie on few pages of memory, and most of
/// a page's cost is to find it.
const SORTED: u32 = 10;

/// Buffers that are used again from search to search.
#[derive(Debug, Default)]
pub(in crate::index) struct CollideScratch {
    asked: [Asked; WORDS],
    sorting: Vec<(u32, u32)>,
    stretches: Vec<Stretch>,
    passed: Vec<Candidate>,
    /// Places of codes, each with the number of the query.
    places: Vec<(u32, u32)>,
    one: Vec<Found>,
    /// What was found for each query by its number, in no order.
    pub(in crate::index) found: Vec<(u32, Found)>,
}

impl CollideScratch {
    /// To be called before other codes are looked for.
    pub(in crate::index) fn forget(&mut self) {
        for asked in &mut self.asked {
            asked.width = 0;
            asked.turned.clear();
        }
    }
}

/// Codes that are to be looked for together.
pub(in crate::index) fn together(reach: Reach) -> usize {
    TOGETHER / reach.tried().max(1)
}

/// What is asked of one word, of all segments whose tables are as wide.
#[derive(Debug, Default)]
struct Asked {
    /// What is turned over of the word, query by query.
    turned: Vec<u32>,
    /// Bits of the table's values; 0 if none are ready.
    width: u32,
    /// Values to look up, each with the number of the query: the first `count`. What lies behind is of earlier searches.
    probes: Vec<(u32, u32)>,
    count: usize,
    /// By the number of the query.
    sieves: Vec<Sieve>,
}

impl Asked {
    fn prepare(
        &mut self,
        bands: Bands,
        word: usize,
        (codes, looks): (&[Code<2>], &[Look]),
        reach: Reach,
        sorting: &mut Vec<(u32, u32)>,
    ) {
        let width = bands.width(word);
        if self.width == width {
            return;
        }
        self.width = width;
        let sets = reach.sets();
        if self.turned.is_empty() {
            for look in looks {
                let patterns = look.patterns(word);
                self.turned.extend(sets.iter().map(|&set| patterns.of(set)));
            }
        }
        // What is turned over behind the value is not to be seen in it. For which patterns that holds cannot be foretold:
        // all are written, and some are written over.
        grow(&mut self.probes, self.turned.len());
        let mut seen = 0;
        for ((query, code), turned) in (0u32..).zip(codes).zip(self.turned.chunks(sets.len().max(1))) {
            let key = bands.key(code, word);
            for pattern in turned {
                self.probes[seen] = (key ^ pattern, query);
                seen += usize::from(pattern >> width == 0);
            }
        }
        self.count = seen;
        if width > SMALL {
            grow(sorting, seen);
            let place = |&(value, _): &(u32, u32)| (value >> (width - SORTED)) as usize;
            rough::sort(&self.probes[..seen], 1 << SORTED, place, sorting);
            std::mem::swap(&mut self.probes, sorting);
        }
        let sieves = codes.iter().zip(looks).map(|(code, look)| sieve(look, code, bands, word, WORD - width));
        self.sieves.clear();
        self.sieves.extend(sieves);
    }
}

/// Makes room for so many.
fn grow(probes: &mut Vec<(u32, u32)>, count: usize) {
    if probes.len() < count {
        probes.resize(count, (0, 0));
    }
}

/// What the fingerprints behind the beginning of a word have to be like, if `rest` bits of the word follow.
fn sieve(look: &Look, code: &Code<2>, bands: Bands, word: usize, rest: u32) -> Sieve {
    let of_word = (1u32 << rest) - 1;
    let of_next = ((1u64 << (rest + WORD).min(FINGERPRINT)) - 1) as u32 & !of_word;
    Sieve {
        fingerprint: bands.fingerprint(code, word),
        firm: bands.fingerprint(&look.firm(), word) & of_word,
        sure: bands.fingerprint(&look.sure(), word) & of_next,
    }
}

impl Segment<2> {
    /// Finds the codes that collide with each of `looks`, [not too many](together), and leaves them in `scratch.found`, in
    /// the order of the queries.
    pub(in crate::index) fn collide(
        &self,
        codes: &[Code<2>],
        looks: &[Look],
        reach: Reach,
        scratch: &mut CollideScratch,
    ) {
        scratch.found.clear();
        let Some(bands) = self.counts.bands.filter(|bands| bands.in_words().is_some()) else {
            return scan_for_collisions(self.codes(), 0, codes, looks, reach, scratch);
        };
        for word in 0..WORDS {
            scratch.asked[word].prepare(bands, word, (codes, looks), reach, &mut scratch.sorting);
            self.collide_in_word(word, looks, reach, scratch);
        }
        // Some share more than one word.
        scratch.found.sort_unstable_by_key(|(query, found)| (*query, found.place));
        scratch.found.dedup();
    }

    /// Looks up what is asked of a word.
    fn collide_in_word(&self, word: usize, looks: &[Look], reach: Reach, scratch: &mut CollideScratch) {
        let CollideScratch { asked, stretches, passed, places, found, .. } = scratch;
        let Asked { probes, count, sieves, .. } = &asked[word];
        let (offsets, prints) = (self.offsets(word), self.prints());
        let postings = &self.memory.bytes()[self.layout.postings.clone()];
        let base = word * self.counts.codes;
        for probes in probes[..*count].chunks(AT_ONCE) {
            stretches.clear();
            for &(value, query) in ahead(probes, |&(value, _)| prefetch(offsets, value as usize)) {
                let start = offsets[value as usize];
                // In a damaged table an end may lie anywhere.
                let len = offsets[value as usize + 1].min(self.counts.codes as u32).saturating_sub(start);
                if len > 0 {
                    stretches.push(Stretch { start: base + start as usize, len, sieve: query });
                }
            }
            passed.clear();
            self.level.strain(prints.near, stretches, sieves, reach.near(), passed);
            // The other half of the fingerprint is hardly ever looked at.
            let ask = |candidate: &Candidate| prefetch(prints.far, candidate.place);
            passed.iter().take(AHEAD).for_each(ask);
            let mut kept = 0;
            self.level.run(|| {
                for at in 0..passed.len() {
                    passed.get(at + AHEAD).into_iter().for_each(ask);
                    let candidate = passed[at];
                    let Some(print) = prints.get(candidate.place) else { continue };
                    if sieves[candidate.number as usize].passes(print, u32::MAX, reach.near()) {
                        passed[kept] = candidate;
                        kept += 1;
                    }
                }
            });
            places.clear();
            let kept = &passed[..kept];
            for &Candidate { place, number } in
                ahead(kept, |kept| self.prefetch_posting(postings, kept.place))
            {
                places.push((self.posting(postings, place), number));
            }
            self.level.run(|| {
                for &(place, query) in ahead(places, |&(place, _)| prefetch(self.codes(), place as usize)) {
                    // A place outside can only come from a damaged file.
                    let Some(stored) = self.codes().get(place as usize) else { continue };
                    if let Some(distance) = looks[query as usize].distance(stored, reach) {
                        found.push((query, Found { place, distance }));
                    }
                }
            });
        }
    }
}

/// Finds the same by a scan.
pub(in crate::index) fn scan_for_collisions(
    stored: &[Code<2>],
    first: usize,
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
            Some((query, Found { place: first as u32 + hit.place, distance }))
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
                scratch.forget();
                segment.collide(&queries, &looks, reach, &mut scratch);
                prop_assert_eq!(&scratch.found, &expected);
            }
        }
    }
}
