use super::line::{Fit, Line};
use super::null::Evidence;
use super::*;
use crate::media::Samples;
use crate::sound::Extractor;

const RATE: u32 = 8_000;

/// A made-up melody of notes with harmonics, different for each seed, played so much faster.
fn melody(seed: u64, seconds: f64, speed: f64) -> Vec<f32> {
    melody_in(seed, seconds, speed, speed)
}

/// The same with its pitch so many times as high.
fn melody_in(seed: u64, seconds: f64, speed: f64, pitch: f64) -> Vec<f32> {
    let count = (seconds / speed * f64::from(RATE)) as usize;
    (0..count)
        .map(|n| {
            let t = n as f64 / f64::from(RATE) * speed;
            let voice = |voice: u64, length: f64| {
                let length = length * (1.0 + 0.07 * (seed % 11) as f64);
                let note = null::scrambled(seed << 32 | voice << 24 | (t / length) as u64);
                let f = 200.0 * f64::from(note % 31).mul_add(1.0 / 12.0, 0.0).exp2();
                let fade = (-3.0 * (t / length).fract()).exp();
                let tau = std::f64::consts::TAU * f * t / speed * pitch;
                fade * ((tau).sin() + 0.5 * (2.0 * tau).sin() + 0.3 * (3.0 * tau).sin())
            };
            (0.15 * (voice(0, 0.31) + voice(1, 0.47) + voice(2, 0.83))) as f32
        })
        .collect()
}

fn extract(sound: &[f32]) -> Probe {
    let mut extractor = Extractor::default();
    extractor.push(Samples { mono: sound, rate: RATE });
    extractor.finish()
}

fn space(seeds: std::ops::Range<u64>) -> SoundSpace {
    let mut space = SoundSpace::default();
    for seed in seeds {
        space.insert(seed as RefId, extract(&melody(seed, 20.0, 1.0)).print());
    }
    space
}

#[test]
fn an_excerpt_inside_other_sound_is_found_where_it_is() {
    let space = space(1..5);
    let mut sound = melody(9, 6.0, 1.0);
    sound.extend(&melody(3, 20.0, 1.0)[5 * RATE as usize..13 * RATE as usize]);
    sound.extend(melody(10, 6.0, 1.0));
    let found = space.search(&extract(&sound));
    let best = &found[0];
    assert_eq!((best.reference, best.kind), (3, Kind::Sound));
    assert!(best.surprise > 10.0, "{best:?}");
    for (got, want) in
        [(best.query.start, 6.0), (best.query.end, 14.0), (best.matched.start, 5.0), (best.matched.end, 13.0)]
    {
        assert!((got - want).abs() < 0.4, "{best:?}");
    }
    assert!((best.transform.speed - 1.0).abs() < 0.01 && best.transform.pitch.abs() < 0.2, "{best:?}");
    assert!(found[1..].iter().all(|other| other.surprise < 5.0), "{found:?}");
}

#[test]
fn a_loop_is_found_and_looked_at_only_so_often() {
    let probe = extract(&melody(3, 1.5, 1.0).repeat(60));
    let mut space = SoundSpace::default();
    space.insert(7, probe.print());
    let best = &space.search_by(&probe, SoundPlan::Lookup)[0];
    assert!(best.surprise > 10.0 && best.query.end - best.query.start > 85.0, "{best:?}");
    let heard = &probe.heard()[0];
    let candidates = lookup::candidates(heard, &space.tracks);
    let (lines, fits) = (candidates.len(), fits_apart(heard, candidates).len());
    assert!(fits < lines / 4, "{lines} {fits}");
}

#[test]
fn speed_and_pitch_are_found() {
    let space = space(1..3);
    for speed in [0.92, 1.06] {
        let found = space.search(&extract(&melody(2, 20.0, speed)));
        let best = &found[0];
        assert!(best.reference == 2 && best.surprise > 10.0, "{best:?}");
        assert!((best.transform.speed - speed).abs() < 0.01, "{best:?}");
        assert!((best.transform.pitch - 12.0 * speed.log2()).abs() < 0.25, "{best:?}");
    }
}

#[test]
fn tempo_is_found_from_half_to_twice_by_either_plan() {
    let space = space(1..5);
    for tempo in [0.5, 0.6, 0.75, 1.3, 1.5, 2.0] {
        let query = extract(&melody_in(2, 20.0, tempo, 1.0));
        for plan in [SoundPlan::Exhaustive, SoundPlan::Lookup] {
            let found = space.search_by(&query, plan);
            let best = &found[0];
            assert!(best.reference == 2 && best.surprise > 10.0, "{tempo}: {best:?}");
            assert!((best.transform.speed / tempo - 1.0).abs() < 0.01, "{best:?}");
            assert!(best.query.start < 0.5 && (best.query.end * tempo - 20.0).abs() < 1.5, "{best:?}");
            assert!(best.matched.start < 1.0 && best.matched.end > 19.0, "{best:?}");
            assert!(found[1..].iter().all(|other| other.surprise < 5.0), "{found:?}");
            let strip = bit_errors(
                &query,
                extract(&melody(2, 20.0, 1.0)).print(),
                best.query,
                best.matched,
                &best.transform,
            );
            let mean = strip.iter().map(|moment| moment.rate).sum::<f64>() / strip.len() as f64;
            assert!(strip.len() > 200 && mean < 0.35, "{tempo}: {mean} of {}", strip.len());
        }
    }
}

#[test]
fn tapes_and_voices_far_from_their_pitch_are_found_by_either_plan() {
    let space = space(1..4);
    let octave = [0.5, 2.0].map(|pitch| (1.0, pitch));
    let voices = [0.63, 1.45].map(|pitch| (1.0, pitch));
    let tapes = [0.52, 0.68, 0.78, 1.29, 1.5, 1.9].map(|speed| (speed, speed));
    for (speed, pitch) in octave.into_iter().chain(voices).chain(tapes) {
        let query = extract(&melody_in(2, 20.0, speed, pitch));
        for plan in [SoundPlan::Exhaustive, SoundPlan::Lookup] {
            let found = space.search_by(&query, plan);
            let best = &found[0];
            assert!(best.reference == 2 && best.surprise > 10.0, "{speed}, {pitch}: {best:?}");
            assert!((best.transform.speed / speed - 1.0).abs() < 0.01, "{speed}, {pitch}: {best:?}");
            assert!((best.transform.pitch - 12.0 * pitch.log2()).abs() < 0.7, "{speed}, {pitch}: {best:?}");
            assert!(found[1..].iter().all(|other| other.surprise < 5.0), "{speed}, {pitch}: {found:?}");
        }
        let best = &space.search(&query)[0];
        let print = extract(&melody(2, 20.0, 1.0)).print().clone();
        let strip = bit_errors(&query, &print, best.query, best.matched, &best.transform);
        let mean = strip.iter().map(|moment| moment.rate).sum::<f64>() / strip.len() as f64;
        assert!(strip.len() > 200 && mean < 0.35, "{speed}, {pitch}: {mean} of {}", strip.len());
    }
}

#[test]
fn cuts_and_pauses_split_a_copy_into_segments() {
    let space = space(1..3);
    let rate = RATE as usize;
    let mut sound = melody(2, 20.0, 1.0);
    sound.drain(7 * rate..7 * rate + rate / 2);
    sound.splice(13 * rate..13 * rate, vec![0.0; rate / 2]);
    let mut found = space.search(&extract(&sound));
    found.retain(|segment| segment.surprise > 4.0);
    found.sort_by(|a, b| a.query.start.total_cmp(&b.query.start));
    let starts: Vec<(f64, f64)> =
        found.iter().map(|found| (found.query.start, found.matched.start - found.query.start)).collect();
    assert_eq!(starts.len(), 3, "{found:?}");
    for ((start, offset), (want, want_offset)) in starts.iter().zip([(0.0, 0.0), (7.0, 0.5), (13.5, 0.0)]) {
        assert!((start - want).abs() < 0.5 && (offset - want_offset).abs() < 0.1, "{starts:?}");
    }
}

#[test]
fn both_plans_find_the_same() {
    let space = space(1..9);
    for speed in [1.0, 0.95, 1.1] {
        let query = extract(&melody(5, 20.0, speed));
        let [scanned, looked_up] =
            [SoundPlan::Exhaustive, SoundPlan::Lookup].map(|plan| space.search_by(&query, plan)[0].clone());
        assert_eq!((scanned.reference, looked_up.reference), (5, 5));
        assert!((scanned.surprise - looked_up.surprise).abs() < 0.1 * scanned.surprise);
        assert!((scanned.query.start - looked_up.query.start).abs() < 0.1);
        assert!((scanned.matched.end - looked_up.matched.end).abs() < 0.1);
        assert!((scanned.transform.speed - looked_up.transform.speed).abs() < 0.005);
    }
}

#[test]
fn strangers_and_what_was_removed_are_not_found() {
    let mut space = space(1..4);
    let strangers = space.search(&extract(&melody(7, 20.0, 1.0)));
    assert!(strangers.iter().all(|segment| segment.surprise < 5.0), "{strangers:?}");
    let query = extract(&melody(2, 20.0, 1.0));
    assert_eq!(space.search(&query)[0].reference, 2);
    space.remove(2);
    assert!(space.search(&query).iter().all(|segment| segment.reference != 2 && segment.surprise < 5.0));
    space.remove(2);
}

#[test]
fn nothing_matches_nothing() {
    let mut space = space(1..2);
    space.insert(5, extract(&[]).print());
    space.insert(6, extract(&[0.0; 80_000]).print());
    assert!(space.search(&extract(&[])).is_empty());
    assert!(space.search(&extract(&[0.0; 80_000])).is_empty());
}

/// References of 20 s that are unrelated, but for 6 s of one jingle that lies elsewhere in each.
fn with_a_jingle(seeds: std::ops::Range<u64>) -> SoundSpace {
    let jingle = melody(77, 6.0, 1.0);
    let mut space = SoundSpace::default();
    for seed in seeds {
        let mut sound = melody(seed, 20.0, 1.0);
        let start = (2 + seed as usize % 10) * RATE as usize;
        sound[start..start + jingle.len()].copy_from_slice(&jingle);
        space.insert(seed as RefId, extract(&sound).print());
    }
    space
}

#[test]
fn a_passage_that_a_few_references_share_is_told_with_its_length() {
    let space = with_a_jingle(1..4);
    let mut sound = melody(50, 8.0, 1.0);
    sound.extend(melody(77, 6.0, 1.0));
    sound.extend(melody(51, 8.0, 1.0));
    let found = space.search(&extract(&sound));
    for reference in 1..4 {
        let sure: Vec<_> = found.iter().filter(|s| s.reference == reference && s.surprise > 6.0).collect();
        let surest = sure.first().expect("the jingle");
        assert!(
            (surest.query.start - 8.0).abs() < 1.5 && (surest.query.end - 14.0).abs() < 1.5,
            "{surest:?}"
        );
        let passage =
            |s: &&Segment| s.query.start > 6.0 && s.query.end < 16.0 && s.matched.end - s.matched.start < 9.0;
        assert!(sure.iter().all(passage), "{sure:?}");
    }
}

#[test]
fn a_passage_that_many_unrelated_references_share_counts_for_nothing() {
    let space = with_a_jingle(1..14);
    let mut sound = melody(50, 8.0, 1.0);
    sound.extend(melody(77, 6.0, 1.0));
    sound.extend(melody(51, 8.0, 1.0));
    for plan in [SoundPlan::Exhaustive, SoundPlan::Lookup] {
        let found = space.search_by(&extract(&sound), plan);
        assert!(found.len() >= 8, "{plan:?} {}", found.len());
        assert!(found.iter().all(|segment| segment.surprise < 5.0), "{plan:?} {found:?}");
    }
}

#[test]
fn what_lies_around_a_shared_passage_still_counts() {
    let space = with_a_jingle(1..14);
    let mut copy = melody(5, 20.0, 1.0);
    copy[7 * RATE as usize..13 * RATE as usize].copy_from_slice(&melody(77, 6.0, 1.0));
    let found = space.search(&extract(&copy));
    assert!(found[0].reference == 5 && found[0].surprise > 8.0, "{found:?}");
    assert!(found[0].query.end - found[0].query.start > 18.0, "{found:?}");
    assert!(found.iter().all(|segment| segment.reference == 5 || segment.surprise < 5.0), "{found:?}");
}

#[test]
fn one_sound_that_was_banked_many_times_is_no_common_passage() {
    let mut space = SoundSpace::default();
    for reference in 0..12 {
        space.insert(reference, extract(&melody(3, 20.0, 1.0)[reference as usize * 400..]).print());
    }
    let found = space.search(&extract(&melody(3, 20.0, 1.0)[5 * RATE as usize..13 * RATE as usize]));
    assert_eq!(found.iter().filter(|segment| segment.surprise > 8.0).count(), 12, "{found:?}");
}

#[test]
fn of_lines_far_off_speed_or_pitch_more_is_asked() {
    let probe = extract(&melody(3, 5.0, 1.0));
    let surprise = |speed, pitch| {
        let line = Line { query: 0.0, reference: 0.0, speed, pitch: probe.usual().unshifted() + 1 };
        let evidence = Evidence { agreement: 9_000.0, weight: 12_000.0, variance: 20_000.0 };
        beside::surprise(probe.usual(), &[], &Fit { line, words: 0..50, pitch, evidence }, 1e7)
    };
    let near = surprise(1.0, 0.0);
    assert!([(0.85, 2.0), (1.15, -2.0), (1.08, 1.33)].iter().all(|&(s, p)| surprise(s, p) == near));
    assert!(
        [(0.8, 0.0), (1.25, 0.0), (1.0, 3.0), (1.0, -3.0)].iter().all(|&(s, p)| surprise(s, p) < near - 0.9)
    );
}

#[test]
fn what_is_beside_a_fit_tells_of_loops() {
    let spread = |sound: &[f32]| {
        let probe = extract(sound);
        let track: Vec<u32> =
            probe.print().words().iter().map(|word| word.map_or(GAP, NonZeroU32::get)).collect();
        let line = Line { query: 0.0, reference: 0.0, speed: 1.0, pitch: probe.usual().unshifted() };
        beside::spread(
            probe.usual(),
            &track,
            &line::fit(probe.usual(), &track, line).expect("the sound itself"),
        )
    };
    let melody_once = spread(&melody(3, 20.0, 1.0)).expect("room beside");
    let looped = spread(&melody(3, 2.0, 1.0).repeat(10)).expect("room beside");
    assert!(melody_once > 0.5 && looped > 10.0 * melody_once, "{melody_once} {looped}");
    assert_eq!(spread(&melody(3, 3.0, 1.0)), None);
}

#[test]
fn bit_errors_tell_where_a_match_agrees() {
    let print = extract(&melody(3, 20.0, 1.0)).print().clone();
    let mut space = SoundSpace::default();
    space.insert(1, &print);
    let mut sound = melody(9, 6.0, 1.0);
    sound.extend(melody(3, 20.0, 1.05));
    let probe = extract(&sound);
    let found = space.search(&probe)[0].clone();
    let strip = |query, matched| bit_errors(&probe, &print, query, matched, &found.transform);
    let errors = strip(found.query, found.matched);
    assert!(errors.len() > 250 && errors.is_sorted_by(|a, b| a.matched < b.matched && a.query < b.query));
    assert!(errors.iter().all(|at| (0.0..=1.0).contains(&at.rate)));
    let mean = |of: &[BitErrors]| of.iter().map(|at| at.rate).sum::<f64>() / of.len() as f64;
    assert!(mean(&errors) < 0.2, "{}", mean(&errors));
    // Times that are a little off, as the picture tells them, give the same strip.
    let off = Span { start: found.query.start + 0.3, end: found.query.end + 0.3 };
    assert!((mean(&strip(off, found.matched)) - mean(&errors)).abs() < 0.03);
    // Where nothing agrees, half of the bits differ.
    let elsewhere = strip(Span { start: 0.0, end: 5.0 }, Span { start: 10.0, end: 15.0 });
    assert!((0.3..0.6).contains(&mean(&elsewhere)), "{}", mean(&elsewhere));
    assert!(strip(Span { start: f64::NAN, end: f64::NAN }, found.matched).is_empty());
}
