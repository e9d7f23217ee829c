//! Search of many codes in a segment at once.
//!
//! Frames of a video that follow each other have most bands in common. So the work is turned round: band by band, the
//! buckets near a value are looked up and read once for all codes that have this value, and are compared with each
//! different fingerprint among them once.

use super::Segment;
use super::batch_plan::{Plan, Way};
use super::search::Scratch;
use crate::index::Code;
use crate::index::bands::{Bands, DEEPEST, Masks};
use crate::index::kernel::{Bucket, Candidate, Found, Needle};
use crate::index::memtable;
use crate::plain::ahead;
use std::ops::Range;

/// Codes taken at once: enough to share, few enough that what they ask for stays in the caches.
const AT_ONCE: usize = 512;

/// Codes of a segment that are scanned for all queries before the next: they stay in the nearest caches.
const SCANNED: usize = 1024;

/// Candidates that are checked together.
const CHECKED: usize = 1024;

/// Comparisons that are listed, but for those of the last bucket, before the candidates are checked: what bounds these.
const COMPARED: u64 = 1 << 20;

/// Buckets that are listed before they are read: enough to ask for memory well ahead.
const VISITED: usize = 1024;

/// Buffers that are used again from batch to batch.
#[derive(Debug, Default)]
pub(in crate::index) struct BatchScratch {
    alone: Scratch,
    plan: Plan,
    buckets: Vec<Bucket>,
    /// Comparisons that the buckets ask for.
    listed: u64,
    needles: Vec<Needle>,
    passed: Vec<(usize, u32)>,
    candidates: Vec<Candidate>,
    pairs: Vec<(u32, u32)>,
    checked: Vec<(Found, u32)>,
    /// The codes within the radius, for each query by its number.
    pub(in crate::index) found: Vec<(u32, Found)>,
    pub(in crate::index) memtable: memtable::Scratch,
}

/// What is searched for in a segment.
#[derive(Clone, Copy)]
struct Task<'a, const W: usize> {
    bands: Bands,
    queries: &'a [Code<W>],
    radius: u32,
    /// The number of the first query.
    base: u32,
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
        for (chunk, queries) in queries.chunks(AT_ONCE).enumerate() {
            let base = (chunk * AT_ONCE) as u32;
            let Some(bands) = self.counts.whole_bands() else {
                let all: Vec<u32> = (0..queries.len() as u32).collect();
                self.scan_batch(queries, &all, radius, base, scratch);
                continue;
            };
            self.plan_batch(bands, queries, radius, &mut scratch.plan);
            self.search_chunk(Task { bands, queries, radius, base }, scratch);
        }
    }

    /// Searches each code of a chunk as planned.
    fn search_chunk(&self, task: Task<W>, scratch: &mut BatchScratch) {
        let Task { bands, queries, radius, base } = task;
        for band in 0..bands.count() {
            self.visit(task, band, scratch);
        }
        let mut scanned = Vec::new();
        for (query, code) in queries.iter().enumerate() {
            match scratch.plan.ways[query] {
                Way::Together(_) => {}
                Way::Scan => scanned.push(query as u32),
                Way::Alone => {
                    self.search(code, radius, &mut scratch.alone);
                    let found = scratch.alone.found.iter().map(|found| (base + query as u32, *found));
                    scratch.found.extend(found);
                }
            }
        }
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

    /// Visits the buckets of one band.
    fn visit(&self, task: Task<W>, band: usize, scratch: &mut BatchScratch) {
        scratch.needles.clear();
        let (masks, offsets) = (Masks::of(task.bands.width(band)), self.offsets(band));
        for number in scratch.plan.groups(band) {
            for distance in 0..=DEEPEST {
                let BatchScratch { plan, needles, .. } = scratch;
                let from = needles.len() as u32;
                list_needles(plan, number, band, distance, needles);
                let needles = from..needles.len() as u32;
                if needles.is_empty() {
                    // None of the group goes farther.
                    break;
                }
                let known = plan.groups[number].bucket as usize + masks.shells(distance).len();
                for (bucket, mask) in (known..).zip(masks.shell(distance)) {
                    let plan = &scratch.plan;
                    let ends = if distance < plan.known {
                        plan.buckets[bucket]
                    } else {
                        let value = (plan.groups[number].key ^ mask) as usize;
                        (offsets[value], offsets[value + 1])
                    };
                    self.list_bucket(task, band, ends, needles.clone(), scratch);
                }
            }
        }
        self.compare(task, band, scratch);
    }

    /// Lists a bucket, to be compared with some needles. What is listed is compared as soon as it is much.
    #[inline]
    fn list_bucket(
        &self,
        task: Task<W>,
        band: usize,
        (start, end): (u32, u32),
        needles: Range<u32>,
        scratch: &mut BatchScratch,
    ) {
        // In a damaged table an end may lie anywhere.
        let len = end.min(self.counts.codes as u32).saturating_sub(start);
        let start = band * self.counts.codes + start as usize;
        let mut list = |start, len, needles: Range<u32>| {
            scratch.listed += u64::from(len) * needles.len() as u64;
            scratch.buckets.push(Bucket { start, len, needles });
            if scratch.listed > COMPARED || scratch.buckets.len() > VISITED {
                self.compare(task, band, scratch);
            }
        };
        if u64::from(len) * needles.len() as u64 <= COMPARED {
            if len > 0 {
                list(start, len, needles);
            }
            return;
        }
        for piece in (0..len).step_by(COMPARED as usize) {
            let len = (len - piece).min(COMPARED as u32);
            needles.clone().for_each(|needle| list(start + piece as usize, len, needle..needle + 1));
        }
    }

    /// Reads the buckets that are listed, and reports the codes within the radius that they lead to.
    fn compare(&self, task: Task<W>, band: usize, scratch: &mut BatchScratch) {
        let Task { bands, queries, radius, base } = task;
        let (codes, prints) = (self.codes(), self.prints());
        let postings = &self.memory.bytes()[self.layout.postings.clone()];
        let BatchScratch {
            plan, buckets, needles, candidates, passed, pairs, checked, found, listed, ..
        } = scratch;
        candidates.clear();
        self.level.sift(prints.near, buckets, needles, candidates);
        for some in candidates.chunks(CHECKED) {
            passed.clear();
            self.level.distribute(
                prints,
                some,
                needles,
                (&plan.sought.members, &plan.sought.queries),
                passed,
            );
            pairs.clear();
            for &(place, query) in ahead(passed, |&(place, _)| self.prefetch_posting(postings, place)) {
                pairs.push((self.posting(postings, place), query));
            }
            checked.clear();
            self.level.verify_pairs(codes, queries, radius, pairs, checked);
            // The same code passes in several bands; the first that it passes in reports it. In this one it may have
            // passed only by the limits of a neighbour.
            self.level.run(|| {
                for &(hit, query) in checked.iter() {
                    let (stored, code) = (&codes[hit.place as usize], &queries[query as usize]);
                    let Some((thresholds, budgets)) = plan.chosen(query as usize) else { continue };
                    if bands.first_passed(stored, code, thresholds, budgets) == Some(band) {
                        found.push((base + query, hit));
                    }
                }
            });
        }
        buckets.clear();
        *listed = 0;
    }
}

/// Lists what a group looks for, for those of its codes that are searched as far as `distance`.
fn list_needles(plan: &Plan, number: usize, band: usize, distance: usize, needles: &mut Vec<Needle>) {
    let of_all = if plan.alike { plan.limits(0, band, distance) } else { None };
    if plan.alike && of_all.is_none() {
        return;
    }
    for needle in plan.sought.needles(plan.groups[number].needles.clone()) {
        let limits =
            plan.sought.queries_of(needle).filter_map(|query| plan.limits(query as usize, band, distance));
        // By the widest of the limits: a code that passes only by that of a neighbour is found out later.
        let widest = of_all.or_else(|| limits.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))));
        if let Some((near, limit)) = widest {
            needles.push(Needle { near, limit, ..needle.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        for uneven in [false, true] {
            scratch.found.clear();
            segment.plan_batch(bands, queries, radius, &mut scratch.plan);
            scratch.plan.bring_together(bands, radius, uneven);
            segment.search_chunk(Task { bands, queries, radius, base: 0 }, &mut scratch);
            in_order(&mut scratch.found);
            assert_eq!(scratch.found, expected);
        }
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
}
