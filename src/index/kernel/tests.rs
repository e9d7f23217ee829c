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
            looked.push(Cell { word, lines, near, limit: 0, fingerprint: fingerprint.into(), band: 0 });
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
            // Each has itself and the first for members.
            Needle { fingerprint: fingerprint as u16, near, limit, members: 2 * number..2 * number + 2 }
        }).collect();
        let members: Vec<_> = runs.iter().zip(0..).flat_map(|(run, number)| {
            let print = |run: &Run, query| Member { print: run.fingerprint, query };
            [print(run, number), print(&runs[0], 1000)]
        }).collect();
        let buckets: Vec<_> = runs.iter().map(|&Run { start, len, .. }| {
            Bucket { start, len, needles: 0..needles.len() as u32 }
        }).collect();
        let near_passes = |place: usize, needle: &Needle| {
            let stored = near.get(place)?;
            Some((stored ^ needle.fingerprint).count_ones() <= u32::from(needle.near))
        };
        let (mut filtered, mut sifted) = (Vec::new(), Vec::new());
        for (bucket, run) in runs.iter().enumerate() {
            for place in run.start..run.start + run.len as usize {
                for (number, needle) in needles.iter().enumerate() {
                    if near_passes(place, needle) == Some(true) {
                        let candidate = Candidate { place, number: number as u32 };
                        sifted.push(candidate);
                        if number == bucket {
                            filtered.push(candidate);
                        }
                    }
                }
            }
        }
        sifted.sort();
        let distributed: Vec<_> = sifted.iter().flat_map(|candidate| {
            let needle = &needles[candidate.number as usize];
            let members = &members[needle.members.start as usize..needle.members.end as usize];
            let passes = |member: &&Member| {
                (prints[candidate.place] ^ member.print).count_ones() <= u32::from(needle.limit)
            };
            members.iter().filter(passes).map(|member| (candidate.place, member.query))
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
            level.distribute(Prints { near: &near, far: &far }, &found, &needles, &members, &mut passed);
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
        places in prop::collection::vec((0u32..60, 0..1000u32), 0..50), code: [u64; 2], radius in 30u32..100,
    ) {
        let mut expected = Vec::new();
        for &(place, tag) in &places {
            let Some(stored) = codes.get(place as usize) else { continue };
            let distance = crate::index::distance(stored, &code);
            if distance <= radius {
                expected.push((Found { place, distance }, tag));
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
