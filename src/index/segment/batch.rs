//! Search of many codes in a segment at once.
//!
//! Codes that share a band's value share its buckets, and codes whose values are neighbours share some of them. So the
//! work is turned round: band by band, all buckets that any code asks for are visited once, in the order in which they
//! lie in memory, and each is compared with all codes that ask for it.

use super::Segment;
use super::batch_plan::Way;
use super::search::{Scratch, passes};
use crate::index::Code;
use crate::index::bands::{Bands, Budget, Masks};
use crate::index::kernel::{Bucket, Candidate, Found, Needle, prefetch};
use std::ops::Range;

/// Codes taken at once: enough to share, few enough that the lists of probes stay in the caches.
const AT_ONCE: usize = 4096;

/// Codes of a segment that are scanned for all queries before the next: they stay in the nearest caches.
const SCANNED: usize = 1024;

/// Candidates that are checked together.
const CHECKED: usize = 4096;

/// Buffers that are used again from batch to batch.
#[derive(Debug, Default)]
pub(in crate::index) struct BatchScratch {
    alone: Scratch,
    /// One for each code and band.
    pub(super) thresholds: Vec<i32>,
    pub(super) budgets: Vec<Budget>,
    /// The codes by what they ask of one band.
    pub(super) asked: Vec<Asked>,
    classes: Vec<Class>,
    probes: Vec<Probe>,
    spare: Vec<Probe>,
    buckets: Vec<Bucket>,
    needles: Vec<Needle>,
    candidates: Vec<Candidate>,
    pairs: Vec<(u32, u32)>,
    checked: Vec<(Found, u32)>,
    /// The codes within the radius, for each query by its number.
    pub(in crate::index) found: Vec<(u32, Found)>,
}

/// What a code asks of a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) key: u32,
    print: u32,
    threshold: i32,
    budget: Budget,
    pub(super) query: u32,
}

/// Codes that ask the same of a band.
#[derive(Clone, Debug)]
struct Class {
    asked: Asked,
    /// Which of those that ask.
    members: Range<usize>,
}

/// A bucket to visit for the classes of one key.
#[derive(Clone, Copy, Debug)]
struct Probe {
    value: u32,
    /// The bucket's postings.
    start: u32,
    end: u32,
    distance: u16,
    /// How many classes follow the first.
    classes: u16,
    first: u32,
}

impl<const W: usize> Segment<W> {
    /// Finds all codes within `radius` of each of `queries`, and leaves them in `scratch.found`, in no order.
    pub(in crate::index) fn search_batch(
        &self,
        queries: &[Code<W>],
        radius: u32,
        scratch: &mut BatchScratch,
    ) {
        scratch.found.clear();
        for (chunk, part) in queries.chunks(AT_ONCE).enumerate() {
            self.search_chunk(part, radius, (chunk * AT_ONCE) as u32, scratch);
        }
    }

    fn search_chunk(&self, queries: &[Code<W>], radius: u32, base: u32, scratch: &mut BatchScratch) {
        let ways = match self.counts.bands {
            Some(bands) => self.plan_batch(bands, queries, radius, scratch),
            None => vec![Way::Scan; queries.len()],
        };
        if let Some(bands) = self.counts.bands {
            for band in 0..bands.count() {
                self.visit(bands, band, queries, &ways, radius, base, scratch);
            }
        }
        for (query, code) in queries.iter().enumerate() {
            if ways[query] == Way::Alone {
                self.search(code, radius, &mut scratch.alone);
                let found = scratch.alone.found.iter().map(|found| (base + query as u32, *found));
                scratch.found.extend(found);
            }
        }
        let scanned: Vec<u32> =
            (0..queries.len() as u32).filter(|&q| ways[q as usize] == Way::Scan).collect();
        if !scanned.is_empty() {
            self.scan_batch(queries, &scanned, radius, base, scratch);
        }
    }

    fn scan_batch(
        &self,
        queries: &[Code<W>],
        scanned: &[u32],
        radius: u32,
        base: u32,
        scratch: &mut BatchScratch,
    ) {
        let buffer = &mut scratch.alone.found;
        for (chunk, codes) in self.codes().chunks(SCANNED).enumerate() {
            for &query in scanned {
                buffer.clear();
                self.level.scan(codes, &queries[query as usize], radius, (chunk * SCANNED) as u32, buffer);
                scratch.found.extend(buffer.iter().map(|found| (base + query, *found)));
            }
        }
    }

    /// Lists what codes ask of a band, sorted by value and fingerprint. `ask` says the threshold and the budget, or nothing.
    pub(super) fn ask(
        &self,
        bands: Bands,
        band: usize,
        queries: &[Code<W>],
        ask: impl Fn(usize) -> Option<(i32, Budget)>,
        out: &mut Vec<Asked>,
    ) {
        out.clear();
        out.extend(queries.iter().enumerate().filter_map(|(query, code)| {
            let (threshold, budget) = ask(query)?;
            let (key, print) = (bands.key(code, band), bands.fingerprint(code, band));
            Some(Asked { key, print, threshold, budget, query: query as u32 })
        }));
        // Equal ones with the same value that are not neighbours are only searched apart.
        out.sort_unstable_by_key(|asked| u64::from(asked.key) << 32 | u64::from(asked.print));
    }

    /// Visits the buckets of one band.
    #[allow(clippy::too_many_arguments)]
    fn visit(
        &self,
        bands: Bands,
        band: usize,
        queries: &[Code<W>],
        ways: &[Way],
        radius: u32,
        base: u32,
        scratch: &mut BatchScratch,
    ) {
        let count = bands.count();
        let BatchScratch { thresholds, budgets, asked, classes, probes, spare, .. } = scratch;
        let ask = |query: usize| {
            let threshold = *thresholds.get(query * count + band)?;
            (ways[query] == Way::Together && threshold >= 0)
                .then(|| (threshold, budgets[query * count + band]))
        };
        self.ask(bands, band, queries, ask, asked);
        classes.clear();
        let mut at = 0;
        for members in asked.chunk_by(|a, b| Asked { query: 0, ..*a } == Asked { query: 0, ..*b }) {
            classes.push(Class { asked: members[0], members: at..at + members.len() });
            at += members.len();
        }
        probes.clear();
        let masks = Masks::of(bands.width(band));
        let offsets = self.offsets(band);
        let mut first = 0;
        for group in classes.chunk_by(|a, b| a.asked.key == b.asked.key) {
            let deepest = group.iter().map(|class| class.asked.threshold).max().unwrap_or(0);
            for distance in 0..=deepest as usize {
                // Nothing else is done in this loop, so that many reads of the table are under way at once.
                probes.extend(masks.shell(distance).iter().map(|mask| {
                    let value = group[0].asked.key ^ mask;
                    let (start, end) = (offsets[value as usize], offsets[value as usize + 1]);
                    Probe { value, start, end, distance: distance as u16, classes: group.len() as u16, first }
                }));
            }
            first += group.len() as u32;
        }
        // Where few of the buckets are asked for, hardly any is asked for twice.
        if probes.len() * 8 > bands.values(band) {
            sort(probes, spare, bands.width(band));
        }
        self.list_needles(band, scratch);
        let BatchScratch { buckets, needles, candidates, .. } = scratch;
        candidates.clear();
        self.level.sift(self.prints().near, buckets, needles, candidates);
        self.level.refine(self.prints(), candidates, |number| {
            let needle = &needles[number as usize];
            (needle.fingerprint, needle.limit)
        });
        self.check(bands, band, queries, radius, base, scratch);
    }

    /// For each bucket what it is compared with.
    fn list_needles(&self, band: usize, scratch: &mut BatchScratch) {
        let BatchScratch { classes, probes, buckets, needles, .. } = scratch;
        let base = band * self.counts.codes;
        buckets.clear();
        needles.clear();
        for same in probes.chunk_by(|a, b| a.value == b.value) {
            let start = same[0].start;
            let len = same[0].end.saturating_sub(start);
            if len == 0 {
                continue;
            }
            let from = needles.len();
            for probe in same {
                for number in probe.first..probe.first + u32::from(probe.classes) {
                    let asked = classes[number as usize].asked;
                    if asked.threshold >= i32::from(probe.distance) {
                        let (near, limit) = asked.budget.less(usize::from(probe.distance));
                        needles.push(Needle { fingerprint: asked.print, near, limit, class: number });
                    }
                }
            }
            buckets.push(Bucket {
                start: base + start as usize,
                len,
                needles: from as u32..needles.len() as u32,
            });
        }
    }

    /// Compares the candidates of one band with the codes that they were found for.
    fn check(
        &self,
        bands: Bands,
        band: usize,
        queries: &[Code<W>],
        radius: u32,
        base: u32,
        scratch: &mut BatchScratch,
    ) {
        let count = bands.count();
        let (codes, postings) = (self.codes(), &self.memory.bytes()[self.layout.postings.clone()]);
        let BatchScratch {
            thresholds,
            budgets,
            asked,
            classes,
            needles,
            candidates,
            pairs,
            checked,
            found,
            ..
        } = scratch;
        for some in candidates.chunks(CHECKED) {
            for candidate in some {
                prefetch(postings, candidate.place * self.counts.posting_bits() as usize / 8);
            }
            pairs.clear();
            for candidate in some {
                let place = self.posting(postings, candidate.place);
                prefetch(codes, place as usize);
                let members = classes[needles[candidate.number as usize].class as usize].members.clone();
                pairs.extend(asked[members].iter().map(|asked| (place, asked.query)));
            }
            checked.clear();
            self.level.verify_pairs(codes, queries, radius, pairs, checked);
            for &(hit, query) in checked.iter() {
                let (stored, code) = (&codes[hit.place as usize], &queries[query as usize]);
                let own = query as usize * count..(query as usize + 1) * count;
                // The same code passes in several bands; the first that it passes in reports it.
                if !passes(bands, stored, code, band, &thresholds[own.clone()], &budgets[own]) {
                    found.push((base + query, hit));
                }
            }
        }
    }
}

/// Sorts probes by value, digit by digit.
fn sort(probes: &mut Vec<Probe>, spare: &mut Vec<Probe>, width: u32) {
    const DIGIT: u32 = 12;
    let empty = Probe { value: 0, start: 0, end: 0, distance: 0, classes: 0, first: 0 };
    spare.clear();
    spare.resize(probes.len(), empty);
    let mut shift = 0;
    while shift < width {
        let digit = |probe: &Probe| (probe.value >> shift) as usize & ((1 << DIGIT) - 1);
        let mut starts = vec![0u32; 1 << DIGIT];
        probes.iter().for_each(|probe| starts[digit(probe)] += 1);
        let mut sum = 0;
        starts.iter_mut().for_each(|start| sum += std::mem::replace(start, sum));
        for probe in probes.iter() {
            let start = &mut starts[digit(probe)];
            spare[*start as usize] = *probe;
            *start += 1;
        }
        std::mem::swap(probes, spare);
        shift += DIGIT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::bands::DEEPEST;
    use proptest::prelude::*;

    fn check<const W: usize>(codes: &[Code<W>], queries: &[Code<W>], count: u32, radius: u32) {
        let ids: Vec<u64> = (0..codes.len() as u64).collect();
        let segment = Segment::build_with(codes, &ids, Bands::new(64 * W as u32, count)).unwrap();
        let Some(bands) = segment.counts.bands else { return };
        let mut scratch = BatchScratch::default();
        let mut expected = Vec::new();
        for (query, code) in queries.iter().enumerate() {
            for (place, stored) in segment.codes().iter().enumerate() {
                let distance = crate::index::distance(stored, code);
                if distance <= radius {
                    expected.push((query as u32, Found { place: place as u32, distance }));
                }
            }
        }
        let in_order =
            |found: &mut Vec<(u32, Found)>| found.sort_by_key(|(query, found)| (*query, found.place));
        segment.search_batch(queries, radius, &mut scratch);
        in_order(&mut scratch.found);
        assert_eq!(scratch.found, expected);
        // All together, whatever the planner would choose for so few codes.
        if radius as usize / bands.count() > DEEPEST {
            return;
        }
        scratch.found.clear();
        let planned = segment.plan_batch(bands, queries, radius, &mut scratch);
        for band in 0..bands.count() {
            segment.visit(bands, band, queries, &vec![Way::Together; planned.len()], radius, 0, &mut scratch);
        }
        in_order(&mut scratch.found);
        assert_eq!(scratch.found, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn finds_what_a_scan_finds(
            pool in prop::collection::vec(prop::array::uniform4(prop_oneof![any::<u64>(), Just(0)]), 1..20),
            picks in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(0..256usize, 0..12)), 1..200),
            asked in 1usize..40, count in 8u32..20, radius in 0u32..56,
        ) {
            let codes: Vec<Code<4>> = picks.iter().map(|(pick, flips)| {
                let mut code = *pick.get(&pool);
                flips.iter().for_each(|&bit| code[bit / 64] ^= 1 << (bit % 64));
                code
            }).collect();
            let queries: Vec<Code<4>> = codes.iter().rev().step_by(2).copied().take(asked).collect();
            let halves = |codes: &[Code<4>]| codes.iter().map(|code| [code[0], code[1]]).collect::<Vec<_>>();
            let quarters = |codes: &[Code<4>]| codes.iter().map(|code| [code[0]]).collect::<Vec<_>>();
            check(&codes, &queries, count + 10, radius);
            check(&halves(&codes), &halves(&queries), count, radius / 2);
            check(&quarters(&codes), &quarters(&queries), count / 2, radius / 4);
        }
    }

    #[test]
    fn sorts_by_value_and_keeps_the_order_of_equals() {
        let mut probes: Vec<Probe> = (0..5000u32)
            .map(|i| Probe {
                value: i.wrapping_mul(0x9e37_79b9) >> 12,
                start: 0,
                end: 0,
                distance: 0,
                classes: 0,
                first: i,
            })
            .collect();
        sort(&mut probes, &mut Vec::new(), 20);
        assert!(probes.is_sorted_by_key(|probe| (probe.value, probe.first)));
    }
}
