//! Which buckets the codes of a batch ask for, and how each code is searched.

use super::sought::Sought;
use super::{Segment, cost};
use crate::index::Code;
use crate::index::bands::{Bands, Budget, DEEPEST, Masks};
use std::ops::Range;

/// Shells of a band that are looked up before the plan is made. Deeper ones are many; what they hold is guessed.
const KNOWN: usize = 2;

/// A code that asks for more than so many times the even share of postings has its thresholds fitted to it.
const UNEVEN: u64 = 4;

/// How a code of the batch is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// With the others, by the choice of thresholds of this number.
    Together(u32),
    Alone,
    Scan,
}

/// Codes that have the same value in a band.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) key: u32,
    /// How many codes have it.
    codes: u32,
    /// Which of the needles.
    pub(super) needles: Range<usize>,
    /// The first of its buckets that were looked up.
    pub(super) bucket: u32,
    /// The postings of the shells that were looked up.
    postings: [u64; KNOWN],
    /// What a posting costs each of the codes, as compared with one that a code reads for itself, in parts of [`cost::SAMPLE`].
    effort: u64,
}

/// What is known of a batch before postings are read. Its buffers are used again from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The groups of all bands, band by band, and where those of each band end.
    pub(super) groups: Vec<Group>,
    ends: Vec<usize>,
    pub(super) sought: Sought,
    /// Where the postings of the buckets begin and end that were looked up, group by group.
    pub(super) buckets: Vec<(u32, u32)>,
    /// How many shells were looked up.
    pub(super) known: usize,
    /// For each code and band the number of its group.
    group_of: Vec<u32>,
    pub(super) ways: Vec<Way>,
    /// All are searched together with the same thresholds.
    pub(super) alike: bool,
    /// The thresholds that were fitted last, and what they cost.
    fitted: (Vec<i32>, u64),
    /// For each code what the postings cost it of the shells that were looked up.
    sums: Vec<u64>,
    /// The choices of thresholds that occur, one after another, with their budgets.
    thresholds: Vec<i32>,
    budgets: Vec<Budget>,
    /// For each code its value in a band, the lower half of its fingerprint and its number, in order; and those of the
    /// next band.
    keys: Vec<u64>,
    next_keys: Vec<u64>,
}

/// A bucket of so many postings is looked into before it is read for many.
const FREQUENT: u32 = 1024;

/// A fingerprint that differs in so many bits mostly passes.
const ALIKE: u32 = 6;

/// Groups whose offsets are asked for ahead: of more requests at once some are lost.
const GROUPS_AHEAD: usize = 2;

impl Plan {
    /// Which groups are those of a band.
    pub(super) fn groups(&self, band: usize) -> Range<usize> {
        let end = |band: usize| self.ends.get(band).copied().unwrap_or(0);
        band.checked_sub(1).map_or(0, end)..end(band)
    }

    /// The thresholds and budgets of a code that is searched together with others.
    pub(super) fn chosen(&self, query: usize) -> Option<(&[i32], &[Budget])> {
        let Way::Together(choice) = self.ways[query] else { return None };
        let count = self.ends.len();
        let range = choice as usize * count..(choice as usize + 1) * count;
        Some((&self.thresholds[range.clone()], &self.budgets[range]))
    }

    /// What a code allows in a band at a distance of the band's value; nothing if it does not go so far.
    #[inline(always)]
    pub(super) fn limits(&self, query: usize, band: usize, distance: usize) -> Option<(u8, u8)> {
        let Way::Together(choice) = self.ways[query] else { return None };
        let at = choice as usize * self.ends.len() + band;
        (self.thresholds[at] >= distance as i32).then(|| self.budgets[at].less(distance))
    }

    fn clear(&mut self) {
        self.groups.clear();
        self.ends.clear();
        self.sought.clear();
        self.buckets.clear();
        self.group_of.clear();
        self.ways.clear();
        self.sums.clear();
        self.fitted.0.clear();
        self.thresholds.clear();
        self.budgets.clear();
    }

    /// The number of a choice of thresholds.
    fn choice(&mut self, bands: Bands, thresholds: &[i32]) -> u32 {
        let count = bands.count();
        // Neighbours mostly choose alike.
        if !self.thresholds.ends_with(thresholds) {
            self.thresholds.extend_from_slice(thresholds);
            let mut budgets = Vec::new();
            bands.budgets(thresholds, &mut budgets);
            self.budgets.extend_from_slice(&budgets);
        }
        (self.thresholds.len() / count) as u32 - 1
    }

    fn group(&self, query: usize, band: usize, count: usize) -> &Group {
        &self.groups[self.group_of[query * count + band] as usize]
    }

    /// Has all codes searched together, every other one by uneven thresholds if so wished.
    #[cfg(test)]
    pub(super) fn bring_together(&mut self, bands: Bands, radius: u32, uneven: bool) {
        let count = bands.count();
        for query in 0..self.ways.len() {
            let mut thresholds = vec![-1; count];
            for shell in 0..=radius as usize {
                let first = if uneven && query % 2 == 0 && shell < 3 { query % count } else { shell % count };
                let mut bands = (first..count).chain(0..first);
                let free = bands.find(|&band| thresholds[band] < DEEPEST as i32);
                free.into_iter().for_each(|band| thresholds[band] += 1);
            }
            self.ways[query] = Way::Together(self.choice(bands, &thresholds));
        }
        self.alike = self.ways.iter().all(|way| *way == Way::Together(0));
    }
}

impl<const W: usize> Segment<W> {
    /// Looks up what all of `queries` ask for, at most 65 536, and chooses how each is searched.
    pub(super) fn plan_batch(&self, bands: Bands, queries: &[Code<W>], radius: u32, plan: &mut Plan) {
        let count = bands.count();
        // Thresholds of −1 sum up to −m; so r + 1 shells have to be searched.
        let (each, rest) = (radius as usize / count, radius as usize % count + 1);
        plan.clear();
        if each > DEEPEST {
            plan.ways.resize(queries.len(), Way::Scan);
            return;
        }
        let sure = if rest == count { each + 1 } else { each };
        plan.known = sure.clamp(1, KNOWN);
        plan.group_of.resize(queries.len() * count, 0);
        plan.sums.resize(queries.len(), 0);
        self.sort_keys(bands, 0, queries, plan);
        for band in 0..count {
            std::mem::swap(&mut plan.keys, &mut plan.next_keys);
            if band + 1 < count {
                self.sort_keys(bands, band + 1, queries, plan);
            }
            self.group(bands, band, queries, plan);
        }
        let even = self.even_cost(bands, each, rest);
        // The codes are read once for many in a scan, as the postings are.
        let scan = self.scan_cost() / 3;
        let probes: usize =
            (0..count).map(|band| shells(bands, band, 0..each + usize::from(band < rest))).sum();
        let share = plan.groups.len() as u64 * cost::PROBE / (count * queries.len()).max(1) as u64;
        let probing = probes as u64 * share;
        let mut thresholds = Vec::with_capacity(count);
        let mut costs: Vec<(u64, usize)> = Vec::with_capacity(count);
        for query in 0..queries.len() {
            if plan.known == sure
                && rest == count
                && plan.sums[query] <= UNEVEN * even
                && plan.sums[query] / 2 + probing <= scan
            {
                // Nothing is left to choose.
                thresholds.clear();
                thresholds.resize(count, each as i32);
                let choice = plan.choice(bands, &thresholds);
                plan.ways.push(Way::Together(choice));
                continue;
            }
            let mut sum = 0;
            for band in 0..count {
                let group = plan.group(query, band, count);
                sum += (0..each).map(|d| self.effort(bands, band, group, d, plan.known)).sum::<u64>();
            }
            thresholds.clear();
            thresholds.resize(count, each as i32 - 1);
            costs.clear();
            costs.extend((0..count).map(|band| {
                (self.effort(bands, band, plan.group(query, band, count), each, plan.known), band)
            }));
            if rest < count {
                costs.select_nth_unstable(rest);
            }
            for &(cost, band) in costs.iter().take(rest) {
                thresholds[band] += 1;
                sum += cost;
            }
            if sum > UNEVEN * even {
                sum = self.fit(bands, query, radius, plan, &mut thresholds);
            }
            let way = match sum {
                sum if sum / 2 + probing > scan => Way::Scan,
                sum if sum > UNEVEN * even => Way::Alone,
                _ => Way::Together(plan.choice(bands, &thresholds)),
            };
            plan.ways.push(way);
        }
        plan.alike = plan.ways.iter().all(|way| *way == Way::Together(0));
    }

    /// Puts codes of the same value in a band beside each other.
    fn sort_keys(&self, bands: Bands, band: usize, queries: &[Code<W>], plan: &mut Plan) {
        let Plan { next_keys: keys, .. } = plan;
        keys.clear();
        keys.extend(queries.iter().zip(0u64..).map(|(code, query)| {
            let near = u64::from(bands.fingerprint(code, band) & 0xffff);
            u64::from(bands.key(code, band)) << 32 | near << 16 | query
        }));
        keys.sort_unstable();
    }

    /// Makes the groups of a band, and looks up the buckets near their values.
    fn group(&self, bands: Bands, band: usize, queries: &[Code<W>], plan: &mut Plan) {
        let Plan { groups, ends, sought, buckets, known, group_of, sums, keys, .. } = plan;
        let (offsets, masks) = (self.offsets(band), Masks::of(bands.width(band)).shells(*known));
        let mut next = keys.chunk_by(|a, b| a >> 32 == b >> 32).take_while(|_| *known > 1);
        let mut ask = || {
            let next = next.next().map(|same| (same[0] >> 32) as u32);
            next.into_iter().for_each(|key| self.prefetch_offsets(bands, band, key));
        };
        (0..GROUPS_AHEAD).for_each(|_| ask());
        for same in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            ask();
            let key = (same[0] >> 32) as u32;
            let bucket = buckets.len();
            let numbers = || same.iter().map(|key| *key as usize & 0xffff);
            numbers().for_each(|query| group_of[query * bands.count() + band] = groups.len() as u32);
            let print = |query: usize| (bands.fingerprint(&queries[query], band), query as u32);
            let needles = sought.add(numbers().map(print));
            // Nothing else is done in this loop, so that many reads of the table are under way at once.
            buckets.extend(masks.iter().map(|mask| {
                let value = (key ^ mask) as usize;
                (offsets[value], offsets[value + 1])
            }));
            let len = |&(start, end): &(u32, u32)| u64::from(end.saturating_sub(start));
            let postings = [len(&buckets[bucket]), buckets[bucket + 1..].iter().map(len).sum()];
            let codes = same.len() as u32;
            // Each needle is compared once for all of them.
            let mut effort = (cost::SAMPLE * needles.len() as u64).div_ceil(u64::from(codes));
            if codes > 1 {
                let print = bands.fingerprint(&queries[same[0] as usize & 0xffff], band);
                effort += self.likely_to_pass(band, buckets[bucket], print) * cost::CANDIDATE;
            }
            numbers().for_each(|query| sums[query] += (postings[0] + postings[1]) * effort / cost::SAMPLE);
            groups.push(Group { key, codes, needles, bucket: bucket as u32, postings, effort });
        }
        ends.push(groups.len());
    }

    /// Of [`cost::SAMPLE`] postings of a long bucket how many are likely to pass by a fingerprint. What hides one band in
    /// many videos may hide those after it, too.
    fn likely_to_pass(&self, band: usize, (start, end): (u32, u32), print: u32) -> u64 {
        let len = end.min(self.counts.codes as u32).saturating_sub(start);
        if len < FREQUENT {
            return 0;
        }
        let some = cost::sample(self.prints(), band * self.counts.codes + start as usize, len);
        some.filter(|some| (some ^ print).count_ones() <= ALIKE).count() as u64
    }

    /// What the postings of a shell cost each code of a group.
    fn effort(&self, bands: Bands, band: usize, group: &Group, distance: usize, known: usize) -> u64 {
        self.postings(bands, band, group, distance, known).saturating_mul(group.effort) / cost::SAMPLE
    }

    /// The postings of a shell: counted, or guessed from the shell before.
    pub(super) fn postings(
        &self,
        bands: Bands,
        band: usize,
        group: &Group,
        distance: usize,
        known: usize,
    ) -> u64 {
        if distance < known {
            return group.postings[distance];
        }
        if distance > DEEPEST {
            return u64::MAX / 64;
        }
        let even =
            (shells(bands, band, distance..distance + 1) * self.counts.codes) as u64 >> bands.width(band);
        if known < KNOWN {
            return even;
        }
        let probes = shells(bands, band, distance..distance + 1) as u64;
        even.max(group.postings[1] * probes / u64::from(bands.width(band)))
    }

    /// Chooses the thresholds of one code so that they cost least. Returns what the postings cost.
    fn fit(
        &self,
        bands: Bands,
        query: usize,
        radius: u32,
        plan: &mut Plan,
        thresholds: &mut Vec<i32>,
    ) -> u64 {
        let count = bands.count();
        let efforts: Vec<[u64; DEEPEST + 1]> = (0..count)
            .map(|band| {
                let group = plan.group(query, band, count);
                std::array::from_fn(|distance| self.effort(bands, band, group, distance, plan.known))
            })
            .collect();
        let costs: Vec<[u64; DEEPEST + 1]> = (0..count)
            .map(|band| {
                let sharing = u64::from(plan.group(query, band, count).codes);
                std::array::from_fn(|distance| {
                    let probes = shells(bands, band, distance..distance + 1) as u64;
                    efforts[band][distance] + probes * cost::PROBE / sharing
                })
            })
            .collect();
        let cost = |thresholds: &[i32]| {
            let searched = thresholds.iter().zip(&costs);
            searched.map(|(&t, costs)| costs.iter().take((t + 1) as usize).sum::<u64>()).sum::<u64>()
        };
        // What fitted the code before mostly fits its neighbour, too.
        let (fitted, least) = &mut plan.fitted;
        if fitted.is_empty() || cost(fitted) > *least + *least / 4 {
            allocate(&costs, radius as usize + 1, fitted);
            *least = cost(fitted);
        }
        thresholds.clone_from(fitted);
        let searched = thresholds.iter().zip(&efforts);
        searched.map(|(&threshold, efforts)| efforts.iter().take((threshold + 1) as usize).sum::<u64>()).sum()
    }

    /// The postings that a code asks for if all values are equally frequent.
    fn even_cost(&self, bands: Bands, each: usize, rest: usize) -> u64 {
        let searched = (0..bands.count()).map(|band| {
            let probes = shells(bands, band, 0..each + usize::from(band < rest));
            (probes * self.counts.codes) as u64 >> bands.width(band)
        });
        searched.sum::<u64>() + 1000
    }
}

/// How many values some shells of a band have.
fn shells(bands: Bands, band: usize, distances: Range<usize>) -> usize {
    let masks = Masks::of(bands.width(band));
    distances.filter(|&distance| distance <= DEEPEST).map(|distance| masks.shell(distance).len()).sum()
}

/// Chooses how many shells of each band are searched, `total` in all, so that their costs have the least sum.
fn allocate(costs: &[[u64; DEEPEST + 1]], total: usize, thresholds: &mut Vec<i32>) {
    // The least cost of so many shells of the bands so far, and for each band how many of them are its own.
    let mut best = vec![u64::MAX; total + 1];
    best[0] = 0;
    let mut own = Vec::with_capacity(costs.len());
    for costs in costs {
        let (mut next, mut taken) = (best.clone(), vec![0usize; total + 1]);
        let mut sum = 0u64;
        for (distance, cost) in costs.iter().enumerate() {
            sum = sum.saturating_add(*cost);
            for shells in distance + 1..=total {
                let with = best[shells - distance - 1].saturating_add(sum);
                if with < next[shells] {
                    (next[shells], taken[shells]) = (with, distance + 1);
                }
            }
        }
        best = next;
        own.push(taken);
    }
    let mut left = total;
    thresholds.clear();
    for taken in own.iter().rev() {
        thresholds.push(taken[left] as i32 - 1);
        left -= taken[left];
    }
    thresholds.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The oracle: all ways to share out the shells.
    fn least(costs: &[[u64; DEEPEST + 1]], total: usize) -> u64 {
        let Some((first, others)) = costs.split_first() else { return if total == 0 { 0 } else { 1 << 40 } };
        let ways = (0..=total.min(DEEPEST + 1))
            .map(|shells| first[..shells].iter().sum::<u64>() + least(others, total - shells));
        ways.min().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn shells_are_shared_out_at_the_least_cost(
            costs in prop::collection::vec(prop::array::uniform5(0u64..100), 1..5), total in 0usize..20,
        ) {
            let total = total % (costs.len() * (DEEPEST + 1) + 1);
            let mut thresholds = Vec::new();
            allocate(&costs, total, &mut thresholds);
            prop_assert_eq!(thresholds.iter().sum::<i32>() + costs.len() as i32, total as i32);
            let searched = costs.iter().zip(&thresholds);
            let sum: u64 =
                searched.map(|(costs, &threshold)| costs[..(threshold + 1) as usize].iter().sum::<u64>()).sum();
            prop_assert_eq!(sum, least(&costs, total));
        }
    }
}
