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
                naive.0.retain(|(_, id)| !(start..=end).contains(id) && *id != 3 * end);
                index.remove_all([start..=end, 3 * end..=3 * end]);
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

/// Many small insertions, removals and merges from several threads, against a list that is kept beside.
#[test]
fn merges_lose_nothing_while_others_read_and_write() {
    let index = Index::<2>::default();
    let code = |id: u64| [id % 1000, (id % 7).wrapping_mul(0x9e37_79b9_7f4a_7c15)];
    let count = 60_000u64;
    std::thread::scope(|scope| {
        for half in 0..2 {
            let index = &index;
            scope.spawn(move || {
                for start in (half * count / 2..(half + 1) * count / 2).step_by(100) {
                    index.extend((start..start + 100).map(|id| (code(id), id)));
                    if start % 500 == 0 {
                        index.remove(start..=start + 9);
                    }
                }
            });
        }
        scope.spawn(|| {
            while index.len() < 20_000 {
                let snapshot = index.snapshot();
                let hits = snapshot.within(&code(5), 0);
                assert!(hits.iter().all(|hit| code(hit.id) == code(5)));
                assert_eq!(hits.len(), snapshot.within_batch(&[code(5)], 0).of(0).len());
            }
            index.merge();
        });
    });
    let is_left = |id: &u64| id % 500 >= 10;
    let check = |index: &Index<2>| {
        assert_eq!(index.len(), (0..count).filter(is_left).count());
        for id in [0, 5, 11, 999, 4321] {
            let expected: Vec<u64> =
                (0..count).filter(is_left).filter(|&other| code(other) == code(id)).collect();
            let ids: Vec<u64> = index.snapshot().within(&code(id), 0).iter().map(|hit| hit.id).collect();
            assert_eq!(ids, expected);
        }
    };
    check(&index);
    index.merge();
    check(&index);
    index.remove(0..=count / 2);
    index.merge();
    assert_eq!(index.len(), (count / 2 + 1..count).filter(is_left).count());
}

/// Beside so many insertions that the head gets larger buckets again and again, and is closed at some time.
#[test]
fn a_reader_finds_all_that_was_there_when_it_looked() {
    let index = Index::<4>::default();
    let code = |id: u64| [id, id % 37, id.wrapping_mul(0x9e37_79b9_7f4a_7c15), (id % 3) << 60];
    let count = 70_000u64;
    std::thread::scope(|scope| {
        for reader in 1..=2u64 {
            let index = &index;
            scope.spawn(move || {
                let mut looked = reader;
                loop {
                    let snapshot = index.snapshot();
                    let len = snapshot.len() as u64;
                    for _ in 0..20 {
                        looked = looked.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        let id = (looked >> 33) % count;
                        let hits = snapshot.within(&code(id), 0);
                        let expected = [Hit { id, distance: 0 }];
                        assert_eq!(hits, if id < len { &expected[..] } else { &[] }, "{id} of {len}");
                    }
                    if len == count {
                        return;
                    }
                }
            });
        }
        for start in (0..count).step_by(35) {
            index.extend((start..start + 35).map(|id| (code(id), id)));
        }
    });
}

#[test]
fn codes_that_are_all_alike_are_kept() {
    let index = Index::<4>::default();
    let count = 120_000;
    for start in (0..count).step_by(40_000) {
        index.extend((start..start + 40_000).map(|id| ([1, 2, 3, 4], id)));
    }
    assert_eq!(index.len(), count as usize);
    let ids: Vec<u64> = index.snapshot().within(&[1, 2, 3, 5], 1).iter().map(|hit| hit.id).collect();
    assert_eq!(ids, Vec::from_iter(0..count));
    assert!(index.snapshot().within(&[u64::MAX; 4], 31).is_empty());
}

/// So many codes that they are sorted into buckets, with scenes, copies and frequent values.
fn clustered<const W: usize>(count: usize) -> Vec<Code<W>> {
    let mut seed = 7u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        seed ^ (seed >> 29)
    };
    let mut codes: Vec<Code<W>> = Vec::new();
    while codes.len() < count {
        let mut code: Code<W> = std::array::from_fn(|_| random());
        match random() % 8 {
            0 => code = [0; W],
            1 if !codes.is_empty() => code = codes[random() as usize % codes.len()],
            2 => code[0] &= !0xffff,
            _ => {}
        }
        for _ in 0..random() % 30 {
            for _ in 0..random() % 4 {
                let bit = random() % (64 * W as u64);
                code[bit as usize / 64] ^= 1 << (bit % 64);
            }
            codes.push(code);
        }
    }
    codes.truncate(count);
    codes
}

fn check_sorted<const W: usize>(radii: &[u32]) {
    let codes = clustered::<W>(24_000);
    let index = Index::<W>::default();
    // Two segments, a tail in the head, and a range taken out.
    index.extend(codes[..18_000].iter().copied().zip(0..));
    index.merge();
    index.add_segment(Segment::build(&codes[18_000..23_500], &Vec::from_iter(18_000..23_500)).unwrap());
    index.extend(codes[23_500..].iter().copied().zip(23_500..));
    index.remove(5_000..=5_400);
    let snapshot = index.snapshot();
    let mut queries: Vec<Code<W>> = codes.iter().step_by(1_201).copied().collect();
    queries.extend([[0; W], [u64::MAX; W], codes[100].map(|word| word ^ 1 << 40)]);
    for &radius in radii {
        let batch = snapshot.within_batch(&queries, radius);
        for (query, together) in queries.iter().zip(batch.iter()) {
            let mut expected = Vec::new();
            for (stored, id) in codes.iter().zip(0u64..) {
                let distance = distance(stored, query);
                if distance <= radius && !(5_000..=5_400).contains(&id) {
                    expected.push(Hit { id, distance });
                }
            }
            expected.sort_by_key(Hit::order);
            assert_eq!(snapshot.within(query, radius), expected);
            assert_eq!(together, expected);
            let mut nearest = expected.clone();
            nearest.truncate(10);
            if nearest.len() == 10 {
                assert_eq!(snapshot.nearest(query, 10), nearest);
            }
        }
    }
}

#[test]
fn sorted_codes_of_64_bits_are_found() {
    check_sorted::<1>(&[0, 1, 4, 8, 11, 20]);
}

#[test]
fn sorted_codes_of_128_bits_are_found() {
    check_sorted::<2>(&[0, 7, 16, 24, 40]);
}

#[test]
fn sorted_codes_of_256_bits_are_found() {
    check_sorted::<4>(&[0, 10, 31, 48, 64, 96]);
}

#[test]
fn what_collides_is_found() {
    let in_words = |[low, high]: Code<2>| [low, high & ((1 << 20) - 1)];
    let codes: Vec<Code<2>> = clustered::<2>(40_000).into_iter().map(in_words).collect();
    // Each query has its own doubts.
    let doubts =
        |i: usize| std::array::from_fn(|word| std::array::from_fn(|r| ((i + 3 * word + 5 * r) % 28) as u8));
    let sought: Vec<Sought> =
        codes.iter().enumerate().step_by(701).map(|(i, &code)| Sought { code, doubts: doubts(i) }).collect();
    let looks: Vec<_> = sought.iter().map(collision::Look::new).collect();
    for index in [Index::<2>::for_collisions(), Index::default()] {
        // Two segments with different cuts, a tail in the head, and a range taken out.
        for range in [0..30_000, 30_000..39_500, 39_500..40_000] {
            index.extend(codes[range.clone()].iter().copied().zip(range.start as u64..));
        }
        index.remove(5_000..=5_400);
        for (tries, radius) in [(1, 3), (32, 8), (256, 14)] {
            let reach = Reach::new(tries, radius);
            let mut batch = Batch::default();
            index.snapshot().colliding_batch(&sought, reach, usize::MAX, &mut batch);
            for (look, hits) in looks.iter().zip(batch.iter()) {
                let mut expected = Vec::new();
                for (stored, id) in codes.iter().zip(0u64..) {
                    if let Some(distance) = look.distance(stored, reach)
                        && !(5_000..=5_400).contains(&id)
                    {
                        expected.push(Hit { id, distance });
                    }
                }
                expected.sort_by_key(Hit::order);
                assert_eq!(hits, expected);
            }
        }
        // The other searches are exact, whatever the segments are sorted for.
        let snapshot = index.snapshot();
        let expected = |code: &Code<2>| {
            let live = codes.iter().zip(0u64..).filter(|(_, id)| !(5_000..=5_400).contains(id));
            let near = live.map(|(stored, id)| Hit { id, distance: distance(stored, code) });
            let mut near: Vec<Hit> = near.filter(|hit| hit.distance <= 9).collect();
            near.sort_by_key(Hit::order);
            near
        };
        assert_eq!(snapshot.within(&codes[77], 9), expected(&codes[77]));
        assert_eq!(snapshot.within_batch(&codes[..2], 9).of(1), expected(&codes[1]));
    }
}

/// In a damaged file many codes may have the same ids, so that there are as many hits as both multiplied.
#[test]
fn of_a_code_no_more_ids_are_read_than_are_asked_for() {
    let index = Index::for_collisions();
    index.extend((0..5000).map(|id| ([7; 2], id)));
    index.merge();
    let snapshot = index.snapshot();
    let [part] = &snapshot.state.parts[..] else { panic!("one segment") };
    let mut read = 0;
    let mut ten = |_, _| {
        read += 1;
        if read % 10 == 0 { Outcome::Capped } else { Outcome::Complete }
    };
    part.search_batch(&[[7; 2]], 0, &mut segment::BatchScratch::default(), &mut ten);
    let sought = Sought { code: [7; 2], doubts: [[0, 1, 2, 3, 4, 5, 6, 7]; WORDS] };
    let (looks, reach) = ([collision::Look::new(&sought)], Reach::new(1, 0));
    part.collide(&[sought.code], &looks, reach, &mut segment::CollideScratch::default(), &mut ten);
    assert_eq!(read, 20);
}
