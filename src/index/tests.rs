//! The index against a naive list, over kinds of data that bring out different paths.

use super::*;
use proptest::prelude::*;

/// The oracle: every pair, compared bit by bit.
#[derive(Default)]
struct Naive<const W: usize>(Vec<(Code<W>, u64)>);

impl<const W: usize> Naive<W> {
    fn within(&self, code: &Code<W>, radius: u32) -> Vec<Hit> {
        let bit = |code: &Code<W>, place: usize| code[place / 64] >> (place % 64) & 1;
        let mut hits = Vec::new();
        for (stored, id) in &self.0 {
            let distance = (0..64 * W).filter(|&place| bit(stored, place) != bit(code, place)).count() as u32;
            if distance <= radius {
                hits.push(Hit { id: *id, distance });
            }
        }
        hits.sort_by_key(Hit::order);
        hits
    }
}

#[derive(Clone, Debug)]
enum Step<const W: usize> {
    Extend(Vec<Code<W>>),
    Remove(u64, u64),
}

/// Random words, degenerate words, and sparse words that lie close to each other.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        Just(0),
        Just(u64::MAX),
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..64u32, 0..64u32).prop_map(|(a, b)| !(1 << a | 1 << b)),
    ]
}

fn code<const W: usize>() -> impl Strategy<Value = Code<W>> {
    prop_oneof![prop::array::uniform(word()), word().prop_map(|word| [word; W])]
}

fn steps<const W: usize>() -> impl Strategy<Value = Vec<Step<W>>> {
    let step = prop_oneof![
        4 => prop::collection::vec(code(), 0..40).prop_map(Step::Extend),
        1 => (0u64..200, 0u64..60).prop_map(|(start, length)| Step::Remove(start, start + length)),
    ];
    prop::collection::vec(step, 0..12)
}

fn check<const W: usize>(steps: Vec<Step<W>>, mut queries: Vec<Code<W>>, radius: u32, k: usize) {
    let index = Index::<W>::default();
    let mut naive = Naive::<W>::default();
    let mut next = 0;
    for step in steps {
        match step {
            Step::Extend(codes) => {
                let pairs: Vec<_> = codes.into_iter().zip(next..).collect();
                next += pairs.len() as u64;
                naive.0.extend(&pairs);
                index.extend(pairs);
            }
            Step::Remove(start, end) => {
                naive.0.retain(|(_, id)| !(start..=end).contains(id));
                index.remove(start..=end);
            }
        }
        assert_eq!(index.len(), naive.0.len());
    }
    queries.extend(naive.0.iter().map(|(code, _)| *code).take(3));
    let snapshot = index.snapshot();
    let batch = snapshot.within_batch(&queries, radius);
    assert_eq!(batch.len(), queries.len());
    for (query, together) in queries.iter().zip(batch.iter()) {
        let expected = naive.within(query, radius);
        assert_eq!(snapshot.within(query, radius), expected);
        assert_eq!(together, expected);
        let mut nearest = naive.within(query, u32::MAX);
        nearest.truncate(k);
        assert_eq!(snapshot.nearest(query, k), nearest);
        let mut some = Vec::new();
        let outcome = snapshot.within_into(query, radius, k, &mut some);
        assert_eq!(some.len(), expected.len().min(k));
        assert_eq!(outcome == Outcome::Capped, expected.len() > k);
        assert!(some.iter().all(|hit| expected.contains(hit)));
    }
}

proptest! {
    #[test]
    fn agrees_with_a_list_at_64_bits(
        steps in steps::<1>(), queries in prop::collection::vec(code(), 0..8), radius in 0u32..=64, k in 0usize..20,
    ) {
        check(steps, queries, radius, k);
    }

    #[test]
    fn agrees_with_a_list_at_128_bits(
        steps in steps::<2>(), queries in prop::collection::vec(code(), 0..8), radius in 0u32..=96, k in 0usize..20,
    ) {
        check(steps, queries, radius, k);
    }

    #[test]
    fn agrees_with_a_list_at_256_bits(
        steps in steps::<4>(), queries in prop::collection::vec(code(), 0..8), radius in 0u32..=96, k in 0usize..20,
    ) {
        check(steps, queries, radius, k);
    }
}

#[test]
fn a_snapshot_does_not_change() {
    let index = Index::<1>::default();
    index.insert(&[5], 1);
    let before = index.snapshot();
    index.insert(&[5], 2);
    index.remove(1..=1);
    assert_eq!(before.within(&[5], 0), [Hit { id: 1, distance: 0 }]);
    assert_eq!(index.snapshot().within(&[5], 0), [Hit { id: 2, distance: 0 }]);
}

#[test]
fn is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Index<4>>();
    shared::<Snapshot<4>>();
}
