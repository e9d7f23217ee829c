//! How each code of a batch is searched.

use super::Segment;
use super::batch::BatchScratch;
use super::search::cost;
use crate::index::Code;
use crate::index::bands::{Bands, Budget, DEEPEST, Masks};
use std::ops::Range;

/// A code that asks for more than so many times the even share of postings is searched alone, where the thresholds
/// are fitted to it.
const UNEVEN: u64 = 4;

/// How a code of the batch is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Together,
    Alone,
    Scan,
}

impl<const W: usize> Segment<W> {
    /// Chooses the thresholds of each code, and how it is searched.
    pub(super) fn plan_batch(
        &self,
        bands: Bands,
        queries: &[Code<W>],
        radius: u32,
        scratch: &mut BatchScratch,
    ) -> Vec<Way> {
        let count = bands.count();
        let (each, rest) = (radius as usize / count, radius as usize % count + 1);
        let BatchScratch { thresholds, budgets, asked, .. } = scratch;
        thresholds.clear();
        budgets.clear();
        if each > DEEPEST {
            return vec![Way::Scan; queries.len()];
        }
        // For each code the postings asked for, and what one more shell of each band would cost.
        let mut postings = vec![0u64; queries.len()];
        let mut next = vec![0u64; queries.len() * count];
        for band in 0..count {
            if each == 0 || rest == count {
                // There is nothing to choose, or little to look at: no need to put equal values together.
                self.plan_evenly(bands, band, queries, each, &mut postings, &mut next);
                continue;
            }
            self.ask(bands, band, queries, |_| Some((0, Budget::default())), asked);
            let masks = Masks::of(bands.width(band));
            let offsets = self.offsets(band);
            for group in asked.chunk_by(|a, b| a.key == b.key) {
                let size = |mask: &u32| {
                    let value = (group[0].key ^ mask) as usize;
                    u64::from(offsets[value + 1].saturating_sub(offsets[value]))
                };
                // The deepest shells are many; what they hold is guessed from the shell before.
                let known = each.min(2);
                let shells: Vec<u64> =
                    (0..known).map(|distance| masks.shell(distance).iter().map(size).sum()).collect();
                let guess = |distance: usize| {
                    let probes = masks.shell(distance).len() as u64;
                    let even = (probes * self.counts.codes as u64) >> bands.width(band);
                    match shells.get(1) {
                        Some(near) => even.max(near * probes / u64::from(bands.width(band))),
                        None if distance == 0 => size(&0),
                        None => even,
                    }
                };
                let sum = shells.iter().sum::<u64>() + (known..each).map(guess).sum::<u64>();
                let more = if each <= DEEPEST { guess(each) } else { u64::MAX / 64 };
                for asked in group {
                    postings[asked.query as usize] += sum;
                    next[asked.query as usize * count + band] = more;
                }
            }
        }
        let (mut one, mut order) = (Vec::new(), Vec::new());
        let even = self.even_cost(bands, each, rest);
        let mut ways = Vec::with_capacity(queries.len());
        for (query, sum) in postings.iter().enumerate() {
            order.clear();
            order.extend(next[query * count..][..count].iter().copied().zip(0..count));
            order.sort_unstable();
            let from = thresholds.len();
            thresholds.resize(from + count, each as i32 - 1);
            let mut sum = *sum;
            for &(cost, band) in order.iter().take(rest) {
                thresholds[from + band] += 1;
                sum += cost;
            }
            bands.budgets(&thresholds[from..], &mut one);
            budgets.extend_from_slice(&one);
            // The postings are read once for many codes, and so are the codes in a scan.
            let scan = (self.counts.codes * W) as u64 * cost::SCAN / 4 / 3;
            ways.push(match sum {
                sum if sum / 2 > scan => Way::Scan,
                sum if sum > UNEVEN * even => Way::Alone,
                _ => Way::Together,
            });
        }
        ways
    }

    /// As [`plan_batch`](Self::plan_batch) for one band, from nothing but the bucket of the code's own value.
    fn plan_evenly(
        &self,
        bands: Bands,
        band: usize,
        queries: &[Code<W>],
        each: usize,
        postings: &mut [u64],
        next: &mut [u64],
    ) {
        let (offsets, masks) = (self.offsets(band), Masks::of(bands.width(band)));
        let shells = |distances: Range<usize>| distances.map(|d| masks.shell(d).len()).sum::<usize>() as u64;
        let others = (shells(1..each.max(1)) * self.counts.codes as u64) >> bands.width(band);
        let more =
            (shells(each..(each + 1).min(DEEPEST + 1)) * self.counts.codes as u64) >> bands.width(band);
        for ((code, postings), next) in queries.iter().zip(postings).zip(next.chunks_mut(bands.count())) {
            let key = bands.key(code, band) as usize;
            let own = u64::from(offsets[key + 1].saturating_sub(offsets[key]));
            if each == 0 {
                next[band] = own;
            } else {
                *postings += own + others;
                next[band] = more;
            }
        }
    }

    /// The postings that a code asks for if all values are equally frequent.
    fn even_cost(&self, bands: Bands, each: usize, rest: usize) -> u64 {
        let shells = (0..bands.count()).map(|band| {
            let depth = each + usize::from(band < rest);
            let masks = Masks::of(bands.width(band));
            let probes: usize = (0..depth).map(|distance| masks.shell(distance).len()).sum();
            (probes * self.counts.codes) as u64 >> bands.width(band)
        });
        shells.sum::<u64>() + 1000
    }
}
