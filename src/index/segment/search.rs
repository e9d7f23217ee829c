//! Search of one code in a segment.

use super::{Segment, cost};
use crate::index::Code;
use crate::index::bands::{Bands, Budget, DEEPEST, Masks};
use crate::index::kernel::{Candidate, Found, Run};
use crate::index::memtable;
use crate::index::visited::Visited;
use crate::plain::{ahead, prefetch};
use std::ops::Range;

/// Fewer postings are read before it is found out how to avoid them.
const WORTH_SHIFTING: u64 = 4096;

/// Bands whose offsets are asked for ahead: of more requests at once some are lost.
const BANDS_AHEAD: usize = 2;

/// Runs that are filtered before the candidates are counted.
const ROUND: usize = 256;

/// Buffers that are used again from search to search.
#[derive(Debug, Default)]
pub(in crate::index) struct Scratch {
    /// For each band the largest distance that is probed; −1 leaves it out.
    thresholds: Vec<i32>,
    budgets: Vec<Budget>,
    shells: Vec<Shell>,
    runs: Vec<Run>,
    candidates: Vec<Candidate>,
    places: Vec<u32>,
    visited: Visited,
    /// The codes within the radius.
    pub(in crate::index) found: Vec<Found>,
    pub(in crate::index) memtable: memtable::Scratch,
}

/// The values of one band that lie at one distance from that of the query.
#[derive(Clone, Debug)]
struct Shell {
    band: usize,
    distance: usize,
    /// Which of the runs.
    runs: Range<usize>,
    postings: u64,
}

impl<const W: usize> Segment<W> {
    /// Finds all codes within `radius`, each once, and leaves them in `scratch.found`.
    pub(in crate::index) fn search(&self, code: &Code<W>, radius: u32, scratch: &mut Scratch) {
        scratch.found.clear();
        let indexed = match self.counts.whole_bands() {
            Some(bands) => {
                self.plan(bands, code, radius, scratch) && self.probe(code, radius, self.scan_cost(), scratch)
            }
            None => false,
        };
        if !indexed {
            scratch.found.clear();
            self.level.scan(self.codes(), code, radius, 0, &mut scratch.found);
        }
    }

    /// What a scan costs.
    pub(super) fn scan_cost(&self) -> u64 {
        (self.counts.codes * W) as u64 * cost::SCAN / 4
    }

    /// Chooses thresholds and looks up the runs. `false` if a scan is cheaper.
    fn plan(&self, bands: Bands, code: &Code<W>, radius: u32, scratch: &mut Scratch) -> bool {
        // Thresholds of −1 sum up to −m; so r + 1 shells have to be searched.
        let (each, rest) = (radius as usize / bands.count(), radius as usize % bands.count() + 1);
        if (each, rest) == (0, bands.count()) && self.plan_own_values(bands, code, scratch) {
            return true;
        }
        if each > DEEPEST || !self.is_affordable(bands, each) {
            return false;
        }
        scratch.runs.clear();
        scratch.shells.clear();
        scratch.thresholds.clear();
        scratch.thresholds.resize(bands.count(), each as i32 - 1);
        let ask = |band: usize| {
            if each > 0 && band < bands.count() {
                self.prefetch_offsets(bands, band, bands.key(code, band));
            }
        };
        (0..BANDS_AHEAD).for_each(ask);
        for band in 0..bands.count() {
            ask(band + BANDS_AHEAD);
            for distance in 0..each {
                self.look_up(bands, code, band, distance, scratch);
            }
        }
        self.spend(bands, code, rest, scratch);
        self.shift(bands, code, scratch);
        let probes: usize = scratch.shells.iter().map(|shell| shell.runs.len()).sum();
        let postings: u64 = scratch.shells.iter().map(|shell| shell.postings).sum();
        let cost = probes as u64 * cost::PROBE + postings;
        if cost >= self.scan_cost() {
            return false;
        }
        self.settle(bands, scratch);
        true
    }

    /// The plan where one shell of each band has to be searched, as in most small segments: the own value of each is
    /// looked up. `false` if some of these are so frequent that another plan is worth its while.
    fn plan_own_values(&self, bands: Bands, code: &Code<W>, scratch: &mut Scratch) -> bool {
        let Scratch { thresholds, budgets, runs, .. } = scratch;
        thresholds.clear();
        thresholds.resize(bands.count(), 0);
        bands.budgets(thresholds, budgets);
        runs.clear();
        runs.extend(budgets.iter().enumerate().map(|(band, budget)| {
            let (key, fingerprint) = (bands.key(code, band) as usize, bands.fingerprint(code, band));
            prefetch(self.offsets(band), key);
            let (near, limit) = budget.less(0);
            // The value takes the place of the start, until that is there.
            Run { start: key, len: 0, fingerprint, near, limit, band: band as u32 }
        }));
        let codes = self.counts.codes;
        let mut postings = 0;
        for run in runs.iter_mut() {
            let (band, value) = (run.band as usize, run.start);
            let offsets = self.offsets(band);
            // In a damaged table an end may lie anywhere.
            run.len = offsets[value + 1].min(codes as u32).saturating_sub(offsets[value]);
            run.start = band * codes + offsets[value] as usize;
            postings += u64::from(run.len);
        }
        let even = (bands.count() * codes) as u64 >> bands.width(0);
        let probes = bands.count() as u64 * cost::PROBE;
        postings < (2 * even).max(WORTH_SHIFTING) && probes + postings < self.scan_cost()
    }

    /// Whether looking up so many shells of each band costs less than a scan, if values are equally frequent.
    fn is_affordable(&self, bands: Bands, shells: usize) -> bool {
        let mut cost = 0;
        for band in 0..bands.count() {
            let masks = Masks::of(bands.width(band));
            let probes: usize = (0..shells).map(|distance| masks.shell(distance).len()).sum();
            cost += probes as u64 * (cost::PROBE + (self.counts.codes >> bands.width(band)) as u64);
        }
        cost < self.scan_cost()
    }

    /// Gives one more shell to the `rest` bands where it costs least.
    fn spend(&self, bands: Bands, code: &Code<W>, rest: usize, scratch: &mut Scratch) {
        if rest >= bands.count() {
            return (0..bands.count()).for_each(|band| self.deepen(bands, code, band, scratch));
        }
        let mut costs: Vec<(u64, usize)> =
            (0..bands.count()).map(|band| (self.next_cost(bands, code, band, scratch), band)).collect();
        costs.select_nth_unstable(rest);
        for &(_, band) in costs.iter().take(rest) {
            self.deepen(bands, code, band, scratch);
        }
    }

    /// What one more shell of a band will cost, guessed from the shells that are known.
    fn next_cost(&self, bands: Bands, code: &Code<W>, band: usize, scratch: &Scratch) -> u64 {
        let distance = (scratch.thresholds[band] + 1) as usize;
        if distance == 0 {
            let offsets = self.offsets(band);
            let key = bands.key(code, band) as usize;
            return cost::PROBE + u64::from(offsets[key + 1].saturating_sub(offsets[key]));
        }
        if distance > DEEPEST {
            return u64::MAX / 64;
        }
        let probes = Masks::of(bands.width(band)).shell(distance).len() as u64;
        let even = (probes * self.counts.codes as u64) >> bands.width(band);
        if distance == 1 {
            return probes * cost::PROBE + even;
        }
        // Values near a frequent one are frequent, for half of the excess as a guess.
        let known = scratch.shells.iter().filter(|shell| shell.band == band && shell.distance > 0);
        let (mut postings, mut known_probes) = (0, 0);
        for shell in known {
            postings += shell.postings;
            known_probes += shell.runs.len() as u64;
        }
        probes * cost::PROBE + even.max((postings * probes).checked_div(known_probes).unwrap_or(0))
    }

    fn deepen(&self, bands: Bands, code: &Code<W>, band: usize, scratch: &mut Scratch) {
        scratch.thresholds[band] += 1;
        let distance = scratch.thresholds[band] as usize;
        self.look_up(bands, code, band, distance, scratch);
    }

    /// Takes shells away from a band whose values are frequent and gives as many to the cheapest others.
    fn shift(&self, bands: Bands, code: &Code<W>, scratch: &mut Scratch) {
        // A query may have several such bands.
        for _ in 0..bands.count() {
            let total: u64 = scratch.shells.iter().map(|shell| shell.postings).sum();
            if total < WORTH_SHIFTING {
                return;
            }
            // What is saved by taking away each shell and those of the same band beyond it.
            let saved = scratch.shells.iter().map(|shell| {
                let beyond =
                    scratch.shells.iter().filter(|s| s.band == shell.band && s.distance >= shell.distance);
                (beyond.map(|shell| shell.postings).sum::<u64>(), shell.band, shell.distance)
            });
            let (saved, from, nearest) = saved.max_by_key(|saved| saved.0).unwrap_or((0, 0, 0));
            let count = (scratch.thresholds[from] + 1) as usize - nearest;
            if 8 * saved < total {
                return;
            }
            let mut costs: Vec<(u64, usize)> = (0..bands.count())
                .filter(|&band| band != from)
                .map(|band| (self.next_cost(bands, code, band, scratch), band))
                .collect();
            costs.sort_unstable();
            let price: u64 = costs.iter().take(count).map(|(cost, _)| cost).sum();
            if costs.len() < count || 3 * price > 2 * saved {
                return;
            }
            let threshold = &mut scratch.thresholds[from];
            *threshold -= count as i32;
            let kept = *threshold;
            scratch.shells.retain(|shell| shell.band != from || shell.distance as i32 <= kept);
            for &(_, band) in costs.iter().take(count) {
                self.deepen(bands, code, band, scratch);
            }
        }
    }

    /// Asks for the lines of a table of offsets where the values lie that differ in at most one bit.
    pub(super) fn prefetch_offsets(&self, bands: Bands, band: usize, key: u32) {
        /// Values that differ in a lower bit lie in the same line.
        const LINE: u32 = 4;
        let (offsets, key) = (self.offsets(band), key as usize);
        prefetch(offsets, key);
        (LINE..bands.width(band)).for_each(|bit| prefetch(offsets, key ^ 1 << bit));
    }

    /// Looks up the runs of one shell.
    fn look_up(&self, bands: Bands, code: &Code<W>, band: usize, distance: usize, scratch: &mut Scratch) {
        let offsets = self.offsets(band);
        let key = bands.key(code, band);
        let fingerprint = bands.fingerprint(code, band);
        let base = band * self.counts.codes;
        let first = scratch.runs.len();
        let mut postings = 0;
        for mask in Masks::of(bands.width(band)).shell(distance) {
            let value = (key ^ mask) as usize;
            let start = offsets[value];
            // In a damaged table an end may lie anywhere.
            let len = offsets[value + 1].min(self.counts.codes as u32).saturating_sub(start);
            if len > 0 {
                postings += u64::from(len);
                let start = base + start as usize;
                scratch.runs.push(Run { start, len, fingerprint, near: 0, limit: 0, band: band as u32 });
            }
        }
        scratch.shells.push(Shell { band, distance, runs: first..scratch.runs.len(), postings });
    }

    /// Drops the runs of shells that were taken away, and sets the limits of the others.
    fn settle(&self, bands: Bands, scratch: &mut Scratch) {
        let Scratch { thresholds, budgets, shells, runs, .. } = scratch;
        bands.budgets(thresholds, budgets);
        let mut kept = 0;
        for shell in shells {
            let (near, limit) = budgets[shell.band].less(shell.distance);
            for i in shell.runs.clone() {
                runs[kept] = Run { near, limit, ..runs[i] };
                kept += 1;
            }
        }
        runs.truncate(kept);
    }

    /// Filters the runs and checks what passes. `false` if the checks turn out to cost more than `allowed`.
    fn probe(&self, code: &Code<W>, radius: u32, allowed: u64, scratch: &mut Scratch) -> bool {
        let (codes, prints) = (self.codes(), self.prints());
        let postings = &self.memory.bytes()[self.layout.postings.clone()];
        if cost::of_long_runs(prints, &scratch.runs) > allowed {
            return false;
        }
        let mut spent = 0;
        let Scratch { runs, candidates, places, visited, found, .. } = scratch;
        visited.clear();
        for (round, runs_of_round) in runs.chunks(ROUND).enumerate() {
            candidates.clear();
            self.level.filter(prints.near, runs_of_round, candidates);
            spent += candidates.len() as u64 * cost::NEAR;
            self.level.refine(prints, candidates, |number| {
                let run = &runs_of_round[number as usize];
                (run.fingerprint, run.limit)
            });
            spent += candidates.len() as u64 * cost::CANDIDATE;
            // What this round cost, every round will cost.
            let rounds = runs.len().div_ceil(ROUND) as u64;
            if spent * rounds / (round as u64 + 1) > allowed {
                return false;
            }
            places.clear();
            for candidate in ahead(candidates, |candidate| self.prefetch_posting(postings, candidate.place)) {
                let place = self.posting(postings, candidate.place);
                if visited.is_new(place) {
                    places.push(place);
                }
            }
            self.level.verify(codes, code, radius, places, found);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A code that repeats words of a small pool, so that buckets are uneven.
    fn codes<const W: usize>() -> impl Strategy<Value = Vec<Code<W>>> {
        let word = prop_oneof![any::<u64>(), Just(0), (0..64u32).prop_map(|bit| 1 << bit)];
        let pool = prop::collection::vec(prop::array::uniform::<_, W>(word), 1..30);
        let picks = prop::collection::vec(
            (any::<prop::sample::Index>(), prop::collection::vec(0..64u32, 0..9)),
            0..300,
        );
        (pool, picks).prop_map(|(pool, picks)| {
            picks
                .into_iter()
                .map(|(pick, flips)| {
                    let mut code = *pick.get(&pool);
                    flips.iter().for_each(|&bit| code[bit as usize % W] ^= 1 << bit);
                    code
                })
                .collect()
        })
    }

    /// A quarter of the codes share the first words. What is looked for has these words, too.
    #[test]
    fn frequent_values_are_avoided_as_long_as_there_are_others() {
        for (shared, avoids) in [(1, true), (3, false)] {
            let mut state = 7u64;
            let mut random = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                state ^ state >> 29
            };
            let mut code = |i: usize| -> Code<4> {
                std::array::from_fn(|word| if i.is_multiple_of(4) && word < shared { 0 } else { random() })
            };
            let codes: Vec<_> = (0..160_000).map(&mut code).collect();
            let ids: Vec<u64> = (0..codes.len() as u64).collect();
            let segment = Segment::build_with(&codes, &ids, Bands::new(256, 16)).unwrap();
            let (bands, mut scratch) = (segment.counts.bands.unwrap(), Scratch::default());
            let planned = segment.plan(bands, &code(0), 31, &mut scratch);
            let postings: u32 = scratch.runs.iter().map(|run| run.len).sum();
            assert_eq!(planned && postings < 40_000, avoids, "{shared} words: {postings}");
            let cost = cost::of_long_runs(segment.prints(), &scratch.runs);
            // Where they are not, a scan is found to take less.
            assert_eq!(cost > segment.scan_cost(), !avoids, "{shared} words: {cost}");
        }
    }

    fn check<const W: usize>(codes: &[Code<W>], count: u32, radius: u32) {
        let ids: Vec<u64> = (0..codes.len() as u64).collect();
        let segment = Segment::build_with(codes, &ids, Bands::new(64 * W as u32, count)).unwrap();
        let mut scratch = Scratch::default();
        for query in codes.iter().take(5).chain([&[0; W], &[u64::MAX; W]]) {
            let mut expected: Vec<_> = (0..segment.distinct() as u32)
                .map(|place| Found {
                    place,
                    distance: crate::index::distance(&segment.codes()[place as usize], query),
                })
                .collect();
            expected.retain(|found| found.distance <= radius);
            // Both ways, whatever the planner would choose for so few codes.
            segment.search(query, radius, &mut scratch);
            scratch.found.sort_by_key(|found| found.place);
            assert_eq!(scratch.found, expected);
            let Some(bands) = segment.counts.bands else { continue };
            for (moved, order) in [(0, 0), (3, 5)] {
                scratch.found.clear();
                scratch.runs.clear();
                scratch.shells.clear();
                scratch.thresholds = vec![-1; bands.count()];
                for i in 0..=radius as usize {
                    // An uneven choice is as exact as an even one.
                    let band = if i < moved { order } else { i } % bands.count();
                    if scratch.thresholds[band] < DEEPEST as i32 {
                        segment.deepen(bands, query, band, &mut scratch);
                    }
                }
                if scratch.thresholds.iter().sum::<i32>() != radius as i32 + 1 - bands.count() as i32 {
                    continue;
                }
                segment.settle(bands, &mut scratch);
                assert!(segment.probe(query, radius, u64::MAX, &mut scratch));
                scratch.found.sort_by_key(|found| found.place);
                assert_eq!(scratch.found, expected);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn finds_what_a_scan_finds(
            one in codes::<1>(), two in codes::<2>(), four in codes::<4>(), count in 8u32..20, radius in 0u32..60,
        ) {
            check(&one, count / 2, radius / 4);
            check(&two, count, radius / 2);
            check(&four, count + 10, radius);
        }
    }
}
