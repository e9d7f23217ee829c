//! Every kernel against the naive oracle.

use super::cell::{OF_LINE, OF_WORD};
use super::*;
use proptest::prelude::*;

fn check_scan<const W: usize>(codes: &[Code<W>], code: &Code<W>, radius: u32) {
    let mut expected = Vec::new();
    for (place, stored) in codes.iter().enumerate() {
        let distance = crate::index::distance(stored, code);
        if distance <= radius {
            expected.push(Found { place: place as u32 + 5, distance });
        }
    }
    for level in Level::all() {
        let mut found = Vec::new();
        level.scan(codes, code, radius, 5, &mut found);
        assert_eq!(found, expected, "{level:?}");
    }
}

proptest! {
    #[test]
    fn every_scan_agrees_with_the_oracle(
        words in prop::collection::vec(prop_oneof![any::<u64>(), 0..16u64, Just(u64::MAX)], 0..400),
        code: [u64; 4], near: bool, radius in 0u32..=256,
    ) {
        let code = if near { [3; 4] } else { code };
        check_scan::<1>(words.as_chunks().0, &[code[0]], radius);
        check_scan::<2>(words.as_chunks().0, &[code[0], code[1]], radius);
        check_scan::<4>(words.as_chunks().0, &code, radius);
    }

    #[test]
    fn every_pick_agrees_with_the_oracle(
        cells in prop::collection::vec(
            (1u32..4, 0usize..110, prop_oneof![any::<u16>(), 0..16u16], 0u8..18,
             prop::collection::vec(prop_oneof![any::<u16>(), 0..16u16], 96)), 0..20),
    ) {
        let (mut words, mut looked, mut expected, mut expected_over) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, (lines, len, fingerprint, near, prints)) in (0u32..).zip(cells) {
            let word = words.len();
            let lanes = OF_LINE * lines as usize;
            looked.push(Cell { word, lines, near, limit: 0, fingerprint: fingerprint.into() });
            let mut all = vec![len as u16, 0];
            all.extend(&prints[..lanes - Cell::SKIPPED]);
            words.extend(all.chunks(OF_WORD).map(|four| {
                AtomicU64::new(four.iter().rev().fold(0, |word, print| word << 16 | u64::from(*print)))
            }));
            for lane in (Cell::SKIPPED..lanes).take(len) {
                if (all[lane] ^ fingerprint).count_ones() <= u32::from(near) {
                    expected.push(Candidate { place: OF_WORD * word + lane, number });
                }
            }
            if len > lanes - Cell::SKIPPED {
                expected_over.push(number);
            }
        }
        for level in Level::all() {
            let (mut out, mut over) = (Vec::new(), Vec::new());
            level.pick(&words, &looked, &mut out, &mut over);
            prop_assert_eq!((&out, &over), (&expected, &expected_over), "{:?}", level);
        }
    }

    #[test]
    fn every_filter_agrees_with_the_oracle(
        prints in prop::collection::vec(prop_oneof![any::<u32>(), 0..16u32], 0..300),
        runs in prop::collection::vec(
            (0usize..330, 0u32..90, prop_oneof![any::<u32>(), 0..16u32], 0u8..20, 0u8..40), 0..20),
    ) {
        let near: Vec<u16> = prints.iter().map(|&print| print as u16).collect();
        let far: Vec<u16> = prints.iter().map(|&print| (print >> 16) as u16).collect();
        let runs: Vec<_> = runs.into_iter().map(|(start, len, fingerprint, near, limit)| {
            Run { start, len, fingerprint, near, limit, band: 0 }
        }).collect();
        let needles: Vec<_> = runs.iter().zip(0..).map(|(&Run { fingerprint, near, limit, .. }, number)| {
            // Up to four bits do not count. Each has itself and the first for members.
            let firm = 0xfff | (fingerprint >> 16) as u16;
            let members = 2 * number..2 * number + 2;
            Needle { fingerprint: fingerprint as u16, firm, near, limit, members }
        }).collect();
        let members: Vec<_> = runs.iter().zip(0..).flat_map(|(run, number)| {
            let member = |run: &Run, first| Member { print: run.fingerprint, queries: first..first + 2 };
            [member(run, number), member(&runs[0], 1)]
        }).collect();
        let queries: Vec<u32> = (1000..1002 + runs.len() as u32).collect();
        // Every other one is compared with its own needle alone.
        let buckets: Vec<_> = runs.iter().zip(0..).map(|(&Run { start, len, .. }, number)| {
            let needles = if number % 2 == 0 { number..number + 1 } else { 0..needles.len() as u32 };
            Bucket { start, len, needles }
        }).collect();
        let (mut filtered, mut sifted) = (Vec::new(), Vec::new());
        for ((run, bucket), number) in runs.iter().zip(&buckets).zip(0..) {
            for (place, stored) in near.iter().enumerate().skip(run.start).take(run.len as usize) {
                if (stored ^ run.fingerprint as u16).count_ones() <= u32::from(run.near) {
                    filtered.push(Candidate { place, number });
                }
                for number in bucket.needles.clone() {
                    let needle = &needles[number as usize];
                    let apart = (stored ^ needle.fingerprint) & needle.firm;
                    if apart.count_ones() <= u32::from(needle.near) {
                        sifted.push(Candidate { place, number });
                    }
                }
            }
        }
        sifted.sort();
        let distributed: Vec<_> = sifted.iter().flat_map(|candidate| {
            let needle = &needles[candidate.number as usize];
            let members = &members[needle.members.start as usize..needle.members.end as usize];
            let passes = |member: &&Member| {
                let apart = prints[candidate.place] ^ member.print;
                let (near, all) = ((apart as u16).count_ones(), apart.count_ones());
                near <= u32::from(needle.near) && all <= u32::from(needle.limit)
            };
            members.iter().filter(passes).flat_map(|member| {
                member.queries.clone().map(|query| (candidate.place, queries[query as usize]))
            })
        }).collect();
        let refined: Vec<_> = filtered.iter().copied().filter(|candidate| {
            let run = &runs[candidate.number as usize];
            (prints[candidate.place] ^ run.fingerprint).count_ones() <= u32::from(run.limit)
        }).collect();
        for level in Level::all() {
            let mut found = Vec::new();
            level.filter(&near, &runs, &mut found);
            prop_assert_eq!(&found, &filtered, "{:?}", level);
            level.refine(Prints { near: &near, far: &far }, &mut found, |number| {
                let run = &runs[number as usize];
                (run.fingerprint, run.limit)
            });
            prop_assert_eq!(&found, &refined, "{:?}", level);
            found.clear();
            level.sift(&near, &buckets, &needles, &mut found);
            found.sort();
            prop_assert_eq!(&found, &sifted, "{:?}", level);
            let mut passed = Vec::new();
            let prints = Prints { near: &near, far: &far };
            level.distribute(prints, &found, &needles, (&members, &queries), &mut passed);
            prop_assert_eq!(&passed, &distributed, "{:?}", level);
        }
    }

    #[test]
    fn every_strain_agrees_with_the_oracle(
        near in prop::collection::vec(prop_oneof![any::<u16>(), 0..16u16], 0..300),
        sieves in prop::collection::vec((any::<u32>(), any::<[u32; 2]>(), any::<u32>()), 1..5),
        stretches in prop::collection::vec((0usize..330, 0u32..90, any::<prop::sample::Index>()), 0..20),
        most in 0u32..20,
    ) {
        // Few firm bits, or nothing would pass.
        let sieves: Vec<_> = sieves.into_iter().map(|(fingerprint, [a, b], sure)| {
            Sieve { fingerprint, firm: a & b & 0x1111, sure }
        }).collect();
        let stretches: Vec<_> = stretches.into_iter().map(|(start, len, sieve)| {
            Stretch { start, len, sieve: sieve.index(sieves.len()) as u32 }
        }).collect();
        let mut expected = Vec::new();
        for &Stretch { start, len, sieve: number } in &stretches {
            let sieve = &sieves[number as usize];
            for place in start..start + len as usize {
                let Some(&stored) = near.get(place) else { break };
                let apart = stored ^ sieve.fingerprint as u16;
                let bits = (apart & sieve.sure as u16).count_ones();
                if apart & sieve.firm as u16 == 0 && bits <= most {
                    expected.push(Candidate { place, number });
                }
            }
        }
        for level in Level::all() {
            let mut found = Vec::new();
            level.strain(&near, &stretches, &sieves, most, &mut found);
            prop_assert_eq!(&found, &expected, "{:?}", level);
        }
    }

    #[test]
    fn every_check_agrees_with_the_oracle(
        codes in prop::collection::vec(any::<[u64; 2]>(), 1..50),
        places in prop::collection::vec(0u32..60, 0..50), code: [u64; 2], radius in 30u32..100,
    ) {
        let mut expected = Vec::new();
        for &place in &places {
            let Some(stored) = codes.get(place as usize) else { continue };
            let distance = crate::index::distance(stored, &code);
            if distance <= radius {
                expected.push(Found { place, distance });
            }
        }
        for level in Level::all() {
            let mut found = Vec::new();
            level.verify(&codes, &code, radius, &places, &mut found);
            prop_assert_eq!(&found, &expected, "{:?}", level);
        }
    }
}

#[test]
fn runs_beyond_the_end_hold_nothing() {
    let near = [0u16; 100];
    let far_away = (0..200).map(|i| ((1u64 << 32) + i) as usize);
    for start in (100..200).chain(far_away) {
        for len in [0, 1, 40, u32::MAX] {
            let run = Run { start, len, fingerprint: 0, near: 16, limit: 32, band: 0 };
            for level in Level::all() {
                let mut found = Vec::new();
                level.filter(&near, &[run], &mut found);
                assert!(found.is_empty(), "{level:?} {start} {len}");
            }
        }
    }
}
