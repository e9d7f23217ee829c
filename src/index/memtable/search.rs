//! Search of one code in a memtable.

use super::Memtable;
use super::buckets::Buckets;
use crate::index::bands::Masks;
use crate::index::kernel::{Candidate, Cell, Found, Level};
use crate::index::visited::Visited;
use crate::index::{Code, distance};
use crate::plain::ahead;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What the steps of a search cost, in units of one fingerprint compared.
mod cost {
    /// A value looked up, with the latency of its bucket.
    pub(super) const PROBE: usize = 60;
    /// 32 bytes of codes copied and scanned.
    pub(super) const SCAN: usize = 14;
}

/// Fewer postings are read before it is found out how to avoid them.
const WORTH_SHIFTING: usize = 1 << 15;

/// The largest threshold that is probed here, where there are never as many codes as in a segment.
const DEEPEST: i32 = 3;

/// Buffers that are used again from search to search.
#[derive(Debug, Default)]
pub(in crate::index) struct Scratch {
    /// For each band the largest distance that is probed; −1 leaves it out.
    thresholds: Vec<i32>,
    cells: Vec<Cell>,
    overflows: Vec<Cell>,
    candidates: Vec<Candidate>,
    /// The numbers of cells with an overflow.
    over: Vec<u32>,
    /// Places of codes that passed, in each band that they passed in.
    places: Vec<u32>,
    visited: Visited,
    /// The codes within the radius.
    pub(in crate::index) found: Vec<Found>,
}

impl<const W: usize> Memtable<W> {
    /// Finds those of the first `len` codes that lie within `radius`, each once, and leaves them in `scratch.found`.
    pub(in crate::index) fn search(&self, len: usize, code: &Code<W>, radius: u32, scratch: &mut Scratch) {
        scratch.found.clear();
        match self.table() {
            Some(table) if probe(&table.buckets, len, code, radius, scratch) => {
                self.check(len, code, radius, scratch);
            }
            _ => self.scan(len, code, radius, &mut scratch.found),
        }
    }

    /// As [`search`](Self::search), for each of `queries`, which are numbered.
    pub(in crate::index) fn search_batch(
        &self,
        len: usize,
        queries: &[Code<W>],
        radius: u32,
        scratch: &mut Scratch,
        found: &mut Vec<(u32, Found)>,
    ) {
        found.clear();
        let numbered = (0u32..).zip(queries);
        if self.table().is_some_and(|table| reaches(&table.buckets, radius)) {
            for (query, code) in numbered {
                self.search(len, code, radius, scratch);
                found.extend(scratch.found.iter().map(|hit| (query, *hit)));
            }
            return;
        }
        let (level, hits) = (Level::best(), &mut scratch.found);
        self.for_each_few(len, |first, codes| {
            for (query, code) in numbered.clone() {
                hits.clear();
                level.scan(codes, code, radius, first as u32, hits);
                found.extend(hits.iter().map(|hit| (query, *hit)));
            }
        });
    }

    /// As [`search`](Self::search), by a scan.
    pub(in crate::index) fn scan(&self, len: usize, code: &Code<W>, radius: u32, found: &mut Vec<Found>) {
        let level = Level::best();
        self.for_each_few(len, |first, codes| level.scan(codes, code, radius, first as u32, found));
    }

    /// Checks the codes that passed.
    fn check(&self, len: usize, code: &Code<W>, radius: u32, scratch: &mut Scratch) {
        let Scratch { places, visited, found, .. } = scratch;
        visited.clear();
        places.retain(|&place| (place as usize) < len && visited.is_new(place));
        Level::best().run(|| {
            for &place in ahead(places, |&place| self.pairs.prefetch(place as usize)) {
                let distance = distance(&self.pairs.code(place as usize), code);
                if distance <= radius {
                    found.push(Found { place, distance });
                    let repeats = self.pairs.repeats(place as usize).filter(|&place| (place as usize) < len);
                    found.extend(repeats.map(|place| Found { place, distance }));
                }
            }
        });
    }
}

/// Whether so wide a search may be made by probes.
fn reaches(buckets: &Buckets, radius: u32) -> bool {
    (radius as usize) < (DEEPEST + 1) as usize * buckets.bands().count()
}

/// Finds the places of codes that pass in some band. `false` if a scan is cheaper.
fn probe<const W: usize>(
    buckets: &Buckets,
    len: usize,
    code: &Code<W>,
    radius: u32,
    scratch: &mut Scratch,
) -> bool {
    let bands = buckets.bands();
    // Thresholds of −1 sum up to −m; so r + 1 shells have to be searched.
    let (count, shells) = (bands.count(), radius as usize + 1);
    if !reaches(buckets, radius) {
        return false;
    }
    let scan = len * W * cost::SCAN / 4;
    let (each, rest) = (shells / count, shells % count);
    scratch.thresholds.clear();
    scratch.thresholds.extend((0..count).map(|band| each as i32 - i32::from(band < count - rest)));
    if !list(buckets, code, scan, scratch) {
        return false;
    }
    let even = (scratch.cells.len() * len) >> buckets.width();
    if pick(buckets, (2 * even).max(WORTH_SHIFTING), scratch) {
        return true;
    }
    // Some values are frequent.
    share_out(buckets, code, len, shells, scratch);
    list(buckets, code, scan, scratch) && pick(buckets, usize::MAX, scratch)
}

/// Shares out shells, one after the other, where each costs least.
fn share_out<const W: usize>(
    buckets: &Buckets,
    code: &Code<W>,
    len: usize,
    shells: usize,
    scratch: &mut Scratch,
) {
    let (bands, even) = (buckets.bands(), len >> buckets.width());
    let price = |band: usize, apart: usize| {
        let cells = Masks::of(buckets.width()).shell(apart).len();
        let postings = if apart > 0 {
            // To look at so many would cost more than it saves.
            cells * even
        } else {
            let (value, after) = buckets.split(code, band);
            buckets.len(buckets.cell(band, value, after, 0, 0))
        };
        Reverse((cells * cost::PROBE + postings, band))
    };
    let mut next: BinaryHeap<_> = (0..bands.count()).map(|band| price(band, 0)).collect();
    scratch.thresholds.fill(-1);
    for _ in 0..shells {
        let Some(Reverse((_, band))) = next.pop() else { return };
        scratch.thresholds[band] += 1;
        if scratch.thresholds[band] < DEEPEST {
            next.push(price(band, scratch.thresholds[band] as usize + 1));
        }
    }
}

/// Lists the cells within the thresholds, and asks for their memory. `false` if they cost more than `most`.
fn list<const W: usize>(buckets: &Buckets, code: &Code<W>, most: usize, scratch: &mut Scratch) -> bool {
    let Scratch { thresholds, cells, .. } = scratch;
    cells.clear();
    let masks = Masks::of(buckets.width());
    for (band, &threshold) in thresholds.iter().enumerate() {
        // The half of the fingerprint ends in the next band at the latest, and the whole in the one after that: if a run
        // starts here, so many bits may differ up to there.
        let [next, last] = [1, 2].map(|further| thresholds[(band + further) % thresholds.len()] + 1);
        let (value, after) = buckets.split(code, band);
        for apart in 0..threshold + 1 {
            let (near, limit) = ((threshold + next - apart) as u8, (threshold + next + last - apart) as u8);
            for mask in masks.shell(apart as usize) {
                cells.push(buckets.cell(band, value ^ mask, after, near, limit));
            }
        }
        if cells.len() * cost::PROBE > most {
            return false;
        }
    }
    true
}

/// Leaves the places of what passes of the cells in `scratch.places`. `false` if they hold more than `most`.
fn pick(buckets: &Buckets, most: usize, scratch: &mut Scratch) -> bool {
    let Scratch { cells, overflows, candidates, over, places, .. } = scratch;
    overflows.clear();
    places.clear();
    pick_of(buckets, cells, candidates, over, places);
    if over.is_empty() {
        return true;
    }
    let postings = over.iter().map(|&number| buckets.len(cells[number as usize])).sum::<usize>();
    if postings > most {
        return false;
    }
    let asked = ahead(over, |&number| buckets.prefetch_overflow(cells[number as usize]));
    overflows.extend(asked.map(|&number| buckets.overflow(cells[number as usize])));
    pick_of(buckets, overflows, candidates, over, places);
    true
}

/// Appends the places of what passes of cells.
fn pick_of(
    buckets: &Buckets,
    cells: &[Cell],
    candidates: &mut Vec<Candidate>,
    over: &mut Vec<u32>,
    places: &mut Vec<u32>,
) {
    candidates.clear();
    over.clear();
    Level::best().pick(buckets.words(), cells, candidates, over);
    let cell = |candidate: &Candidate| cells[candidate.number as usize];
    let asked = ahead(candidates, |passed| buckets.prefetch_place(cell(passed), passed.place));
    places.extend(asked.filter_map(|passed| buckets.place(cell(passed), passed.place)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::spare::Spare;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Codes of a small pool with a few bits turned over, so that buckets are uneven and some overflow.
    fn codes<const W: usize>(count: usize, pool: u64, seed: u64) -> Vec<Code<W>> {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state ^ state >> 29
        };
        let one = |word: u64, which: u64| (which * W as u64 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut code = || {
            let which = random() % pool;
            let mut code: Code<W> = std::array::from_fn(|word| one(word as u64, which));
            for _ in 0..random() % 12 {
                let bit = (random() % (64 * W as u64)) as usize;
                code[bit / 64] ^= 1 << (bit % 64);
            }
            code
        };
        (0..count).map(|_| code()).collect()
    }

    fn check<const W: usize>(codes: &[Code<W>], steps: usize, grows: bool, radius: u32, used: bool) {
        let spare = if used { Spare::used(1 << 22) } else { Arc::default() };
        let mut table = Memtable::<W>::default();
        let mut len = 0;
        let mut scratch = Scratch::default();
        for some in codes.chunks(steps) {
            let count = table.append(len, some, &vec![7; some.len()], &spare);
            assert_eq!(count, some.len());
            len += count;
            if grows && table.is_crowded() {
                table = table.grown(len, &spare).unwrap();
                assert!(!table.is_crowded());
            }
        }
        // What came after a snapshot is left out.
        for len in [len, len / 2] {
            for query in codes.iter().step_by(codes.len() / 5 + 1).chain([&[0; W]]) {
                let expected: Vec<_> = (0u32..)
                    .zip(&codes[..len])
                    .map(|(place, stored)| Found { place, distance: distance(stored, query) })
                    .filter(|found| found.distance <= radius)
                    .collect();
                table.search(len, query, radius, &mut scratch);
                scratch.found.sort_by_key(|found| found.place);
                assert_eq!(scratch.found, expected);
                let mut both = Vec::new();
                table.search_batch(len, &[*query, [3; W]], radius, &mut scratch, &mut both);
                both.retain(|(query, _)| *query == 0);
                both.sort_by_key(|(_, found)| found.place);
                assert!(both.iter().map(|(_, found)| found).eq(&expected));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn finds_what_a_scan_finds(
            count in 1usize..6000, pool in 1u64..2000, seed: u64, steps in 1usize..3000, grows: bool,
            radius in 0u32..70, used: bool,
        ) {
            check::<1>(&codes(count, pool, seed), steps, grows, radius / 4, used);
            check::<2>(&codes(count, pool, seed), steps, grows, radius / 2, used);
            check::<4>(&codes(count, pool, seed), steps, grows, radius, used);
        }
    }
}
