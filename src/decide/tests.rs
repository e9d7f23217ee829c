use super::{Evidence, Policy, fuse};
use crate::align::{Kind, Segment, Span, Transform};
use proptest::prelude::*;

fn segment(kind: Kind, query: (f64, f64), matched: (f64, f64), surprise: f64) -> Segment {
    Segment {
        reference: 1,
        query: Span { start: query.0, end: query.1 },
        matched: Span { start: matched.0, end: matched.1 },
        kind,
        surprise,
        transform: Transform { speed: 1.0, pitch: 0.0, mirrored: false, negative: false, placement: None },
    }
}

#[test]
fn picture_and_sound_in_agreement_add_up() {
    let mut picture = segment(Kind::Picture, (2.0, 10.0), (12.0, 20.0), 5.0);
    picture.transform.mirrored = true;
    let mut sound = segment(Kind::Sound, (1.0, 8.0), (11.2, 18.2), 3.0);
    sound.transform.pitch = -1.0;
    let fused = fuse(vec![sound, picture]);
    assert_eq!(fused.len(), 1);
    assert_eq!(fused[0].kind, Kind::Both);
    assert_eq!(fused[0].surprise, 8.0);
    assert_eq!(fused[0].query, Span { start: 1.0, end: 10.0 });
    // Along the line of the picture, which is the surer one.
    assert_eq!(fused[0].matched, Span { start: 11.0, end: 20.0 });
    assert!(fused[0].transform.mirrored);
    assert_eq!(fused[0].transform.pitch, -1.0);
}

#[test]
fn segments_that_disagree_never_add_up() {
    let picture = segment(Kind::Picture, (0.0, 10.0), (0.0, 10.0), 5.0);
    for sound in [
        segment(Kind::Sound, (0.0, 10.0), (2.0, 12.0), 3.0),
        segment(Kind::Sound, (0.0, 10.0), (0.0, 12.0), 3.0),
        segment(Kind::Sound, (11.0, 15.0), (11.0, 15.0), 3.0),
        Segment { reference: 2, ..segment(Kind::Sound, (0.0, 10.0), (0.0, 10.0), 3.0) },
        segment(Kind::Picture, (0.0, 10.0), (1.0, 11.0), 3.0),
    ] {
        let fused = fuse(vec![picture.clone(), sound.clone()]);
        assert_eq!(fused, [picture.clone(), sound]);
    }
}

#[test]
fn one_soundtrack_joins_the_pieces_of_a_picture() {
    let fused = fuse(vec![
        segment(Kind::Picture, (0.0, 4.0), (5.0, 9.0), 3.0),
        segment(Kind::Picture, (8.0, 12.0), (13.0, 17.0), 4.0),
        segment(Kind::Sound, (0.0, 12.0), (5.0, 17.0), 6.0),
    ]);
    assert_eq!(fused.len(), 1);
    assert_eq!(fused[0].surprise, 10.0);
}

#[test]
fn what_was_told_already_is_left_out() {
    let whole = segment(Kind::Picture, (0.0, 20.0), (5.0, 25.0), 9.0);
    let again = segment(Kind::Picture, (4.0, 8.0), (9.3, 13.0), 4.0);
    assert_eq!(fuse(vec![again, whole.clone()]), std::slice::from_ref(&whole));
    let next = segment(Kind::Picture, (19.5, 30.0), (24.5, 36.0), 4.0);
    assert_eq!(fuse(vec![whole.clone(), next.clone()]), [whole, next]);
}

#[test]
fn weak_evidence_neither_hurts_nor_counts_beyond_its_bound() {
    let surprise = |p: f64, s: f64| {
        let both = [(Kind::Picture, p), (Kind::Sound, s)]
            .map(|(kind, surprise)| segment(kind, (0.0, 9.0), (0.0, 9.0), surprise));
        fuse(both.to_vec())[0].surprise
    };
    assert_eq!(surprise(5.0, -2.0), 5.0);
    assert_eq!(surprise(500.0, 2.0), 500.0);
    assert_eq!(surprise(40.0, 35.0), 60.0);
}

fn evidence(kind: Kind, seconds: f64, surprise: f64) -> Evidence {
    let span = Span { start: 0.0, end: seconds };
    Evidence { surprise, kind, query: span, matched: span, query_seconds: 20.0, reference_seconds: 40.0 }
}

#[test]
fn the_threshold_is_an_expected_number() {
    let policy = Policy { false_matches: 1e-3, min_seconds: 2.0, ..Policy::default() };
    let score = |seconds, surprise| policy.score(&evidence(Kind::Picture, seconds, surprise));
    assert!((score(5.0, 4.5) - 1.5).abs() < 1e-9);
    assert!(score(1.9, 50.0) < 0.0);
    assert!((score(0.0, 4.5) - 1.5).abs() < 1e-9, "a still has no seconds to count");
}

#[test]
fn shares_of_either_side_may_be_asked_for() {
    let score = |policy: Policy, seconds| policy.score(&evidence(Kind::Both, seconds, 50.0));
    let half = Policy { min_query_share: 0.5, ..Policy::default() };
    assert!(score(half, 10.0) > 0.0 && score(half, 9.9) < 0.0);
    let quarter = Policy { min_reference_share: 0.25, ..Policy::default() };
    assert!(score(quarter, 10.0) > 0.0 && score(quarter, 9.9) < 0.0);
}

proptest! {
    #[test]
    fn a_score_is_a_finite_number(bits in any::<[u64; 5]>(), kind in 0..3) {
        let [surprise, false_matches, min_seconds, share, seconds] = bits.map(f64::from_bits);
        let kind = [Kind::Picture, Kind::Sound, Kind::Both][kind as usize];
        let policy = Policy {
            false_matches, min_seconds, min_sound_seconds: min_seconds,
            min_query_share: share, min_reference_share: share, ..Policy::default()
        };
        let evidence = Evidence { query_seconds: seconds, ..evidence(kind, 3.0, surprise) };
        prop_assert!(policy.score(&evidence).is_finite());
    }

    #[test]
    fn fusing_depends_on_no_order_and_loses_nothing(
        drawn in proptest::collection::vec((0..2u8, 0..3u32, 0..20u8, 0..6u8, 0..9u8), 0..12),
    ) {
        let mut segments: Vec<_> = drawn.iter().map(|&(sound, reference, start, shift, surprise)| {
            let (start, shift) = (f64::from(start), f64::from(shift) * 0.5);
            let kind = if sound == 1 { Kind::Sound } else { Kind::Picture };
            let matched = (start + shift, start + shift + 5.0);
            Segment { reference, ..segment(kind, (start, start + 5.0), matched, f64::from(surprise)) }
        }).collect();
        let fused = fuse(segments.clone());
        let surest = |s: &[Segment]| s.iter().map(|s| s.surprise).fold(f64::MIN, f64::max);
        prop_assert!(surest(&fused) >= surest(&segments));
        for s in &segments {
            let tells = |f: &Segment| f.reference == s.reference && f.surprise >= s.surprise
                && f.query.start < s.query.end && s.query.start < f.query.end;
            prop_assert!(fused.iter().any(tells));
        }
        segments.reverse();
        prop_assert_eq!(fuse(segments), fused);
    }
}
