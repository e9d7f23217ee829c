//! A set of ids, kept as disjoint ranges.

use std::ops::RangeInclusive;

/// Disjoint ranges of ids in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    ranges: Vec<(u64, u64)>,
}

impl FromIterator<RangeInclusive<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u64>>>(ranges: I) -> Self {
        // In order, each is added at the end.
        let mut sorted: Vec<_> = ranges.into_iter().collect();
        sorted.sort_unstable_by_key(|range| *range.start());
        let mut ranges = Self::default();
        sorted.iter().for_each(|range| ranges.insert(range));
        ranges
    }
}

impl Ranges {
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges as pairs of their first and last id.
    pub(super) fn as_slice(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Adds a range, joining those that it overlaps or touches.
    pub(super) fn insert(&mut self, ids: &RangeInclusive<u64>) {
        if ids.is_empty() {
            return;
        }
        let (mut start, mut end) = (*ids.start(), *ids.end());
        let from = self.ranges.partition_point(|range| range.1 < start.saturating_sub(1));
        let to = self.ranges.partition_point(|range| range.0 <= end.saturating_add(1));
        if from < to {
            start = start.min(self.ranges[from].0);
            end = end.max(self.ranges[to - 1].1);
        }
        self.ranges.splice(from..to, [(start, end)]);
    }

    /// Adds what others have.
    pub(super) fn join(&mut self, others: &Self) {
        let both = self.ranges.iter().chain(&others.ranges);
        *self = both.map(|&(start, end)| start..=end).collect();
    }

    /// Whether some id of a range is among them.
    pub(super) fn meet(&self, ids: &RangeInclusive<u64>) -> bool {
        let from = self.ranges.partition_point(|range| range.1 < *ids.start());
        !ids.is_empty() && self.ranges.get(from).is_some_and(|range| range.0 <= *ids.end())
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.0 <= id);
        after > 0 && id <= self.ranges[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set_of_ids(ranges in prop::collection::vec((0u64..60, 0u64..8), 0..20)) {
            let mut model = BTreeSet::new();
            let mut tested = Ranges::default();
            for (start, length) in ranges {
                let range = start..=start + length;
                prop_assert_eq!(tested.meet(&range), range.clone().any(|id| model.contains(&id)));
                tested.insert(&range);
                model.extend(start..=start + length);
            }
            for id in 0..80 {
                prop_assert_eq!(tested.contains(id), model.contains(&id));
            }
            prop_assert!(tested.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }

    #[test]
    fn holds_the_ends_of_the_number_range() {
        let mut ranges = Ranges::default();
        ranges.insert(&(u64::MAX..=u64::MAX));
        ranges.insert(&(0..=0));
        assert!(ranges.contains(0) && ranges.contains(u64::MAX) && !ranges.contains(1));
        ranges.insert(&(0..=u64::MAX));
        assert_eq!(ranges.ranges, [(0, u64::MAX)]);
    }
}
