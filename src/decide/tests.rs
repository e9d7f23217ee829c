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
    Evidence {
        surprise,
        kind,
        query: span,
        matched: span,
        query_covered: seconds,
        reference_covered: seconds,
        query_seconds: 20.0,
        reference_seconds: 40.0,
    }
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

mod judging {
    use crate::align::{Kind, Segment, Span};
    use crate::decide::{Action, Breaker, Held, InForce, Match, Policies, Policy, Verdict};
    use crate::fingerprint::{Digest, Spec};
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime};

    const NOON: SystemTime = SystemTime::UNIX_EPOCH;

    fn found(reference: &str, collection: &str, kind: Kind, span: (f64, f64)) -> Match {
        let segment: Segment = super::segment(kind, span, span, 20.0);
        Match {
            collection: collection.to_owned(),
            reference_seconds: 60.0,
            ..Match::new(reference, &segment)
        }
    }

    fn verdict(upload: u8, matches: Vec<Match>) -> Verdict {
        Verdict {
            action: None,
            seconds: 60.0,
            glance: false,
            upload: Digest([upload; 32]),
            spec: Spec::CURRENT,
            sequence: 9,
            time: NOON,
            matches,
        }
    }

    fn policies(of: &[(&str, Policy)]) -> Policies {
        let mut policies = Policies::default();
        for (n, (collection, policy)) in (1..).zip(of) {
            policies.set(collection, Some(InForce { version: n, policy: *policy }));
        }
        policies
    }

    fn judged(mut verdict: Verdict, of: &[(&str, Policy)]) -> Verdict {
        verdict.judge(&policies(of));
        verdict
    }

    fn with(action: Action) -> Policy {
        Policy { action, ..Policy::default() }
    }

    #[test]
    fn the_strongest_action_is_the_upload_s() {
        let matches = || ["b", "r", "l"].map(|c| found(c, c, Kind::Both, (0.0, 9.0))).to_vec();
        let of = [("b", with(Action::Block)), ("r", with(Action::Review)), ("l", with(Action::Log))];
        assert_eq!(judged(verdict(1, matches()), &of).action, Some(Action::Block));
        assert_eq!(judged(verdict(1, matches()[1..].to_vec()), &of).action, Some(Action::Review));
        let logged = judged(verdict(1, matches()[2..].to_vec()), &of);
        assert_eq!((logged.action, logged.matches[0].policy), (Some(Action::Log), 3));
        assert_eq!(judged(verdict(1, Vec::new()), &of).action, None);
    }

    #[test]
    fn short_pieces_of_one_reference_act_together_and_a_jingle_that_comes_again_does_not() {
        let piece = |query: f64, matched: f64| {
            let spans = [query, matched].map(|start| (start, start + 2.0));
            Match::new("a", &super::segment(Kind::Sound, spans[0], spans[1], 20.0))
        };
        let is_match = |matches: &[Match]| judged(verdict(1, matches.to_vec()), &[]).is_match();
        let pieces = [piece(0.0, 12.0), piece(4.0, 3.0), piece(9.0, 6.0)];
        assert!(is_match(&pieces));
        assert!(!is_match(&pieces[..2]));
        let of_another = Match { reference: "b".to_owned(), ..piece(9.0, 6.0) };
        assert!(!is_match(&[&pieces[..2], &[of_another]].concat()));
        let unsure = Match { surprise: 5.0, ..piece(9.0, 6.0) };
        assert!(!is_match(&[&pieces[..2], &[unsure]].concat()));
        assert!(!is_match(&[piece(0.0, 3.0), piece(4.0, 3.0), piece(9.0, 3.0)]));
        let half = Policy { min_query_share: 0.1, min_sound_seconds: 1.0, ..Policy::default() };
        let shared =
            |matches: &[Match]| judged(verdict(1, matches.to_vec()), &[("default", half)]).is_match();
        assert!(shared(&pieces) && !shared(&pieces[..2]));
    }

    #[test]
    fn what_is_allowed_is_not_blocked_there_and_by_that_sense_alone() {
        let of = [("allow-list", with(Action::Allow))];
        let judge = |kind, span, allowed_kind, allowed: &[(f64, f64)]| {
            let mut matches = vec![found("banned", "terror", kind, span)];
            matches.extend(allowed.iter().map(|span| found("licensed", "allow-list", allowed_kind, *span)));
            judged(verdict(1, matches), &of).action
        };
        let (allow, block) = (Some(Action::Allow), Some(Action::Block));
        assert_eq!(judge(Kind::Both, (0.0, 20.0), Kind::Both, &[(0.5, 19.0)]), allow);
        assert_eq!(judge(Kind::Both, (0.0, 20.0), Kind::Both, &[(0.0, 11.0), (9.0, 20.0)]), allow);
        assert_eq!(judge(Kind::Both, (0.0, 20.0), Kind::Both, &[(0.0, 12.0), (1.0, 12.0)]), block);
        assert_eq!(judge(Kind::Both, (0.0, 20.0), Kind::Both, &[(30.0, 50.0)]), block);
        assert_eq!(judge(Kind::Sound, (0.0, 20.0), Kind::Picture, &[(0.0, 20.0)]), block);
        assert_eq!(judge(Kind::Sound, (0.0, 20.0), Kind::Both, &[(0.0, 20.0)]), allow);
        // A still.
        assert_eq!(judge(Kind::Picture, (0.0, 0.0), Kind::Picture, &[(0.0, 0.0)]), allow);
        // An allowed match that is itself in shadow overrules nothing.
        let shadow = [("allow-list", Policy { shadow: true, ..with(Action::Allow) })];
        let both = ["terror", "allow-list"].map(|c| found(c, c, Kind::Both, (0.0, 9.0))).to_vec();
        assert_eq!(judged(verdict(1, both), &shadow).action, block);
    }

    #[test]
    fn shadow_expiry_rollout_and_suspension_hold_back_and_say_so() {
        let end = NOON + Duration::from_secs(5);
        let of = |policy| [("terror", policy)];
        let one = |upload| verdict(upload, vec![found("a", "terror", Kind::Both, (0.0, 9.0))]);
        let said = |verdict: &Verdict| (verdict.action, verdict.matches[0].wanted, verdict.matches[0].held);
        let block = Some(Action::Block);
        let shadow = of(Policy { shadow: true, ..Policy::default() });
        assert_eq!(said(&judged(one(1), &shadow)), (None, block, Some(Held::Shadow)));
        let expires = of(Policy { expires: Some(end), ..Policy::default() });
        assert_eq!(said(&judged(one(1), &expires)), (block, block, None));
        let late = Verdict { time: end, ..one(1) };
        assert_eq!(said(&judged(late, &expires)), (None, block, Some(Held::Expired)));
        let mut suspended = one(1);
        suspended.matches[0].suspended = true;
        assert_eq!(said(&judged(suspended, &[])), (None, block, Some(Held::Suspended)));
        let rollout = of(Policy { rollout: 0.25, ..Policy::default() });
        let acting = (0..=255).filter(|upload| judged(one(*upload), &rollout).is_match()).count();
        assert_eq!(acting, 64);
        assert_eq!(said(&judged(one(255), &rollout)), (None, block, Some(Held::Rollout)));
        let none = of(Policy { rollout: 0.0, ..Policy::default() });
        assert!((0..=255).all(|upload| !judged(one(upload), &none).is_match()));
        assert!((0..=255).all(|upload| judged(one(upload), &[]).is_match()));
    }

    #[test]
    fn a_collection_without_a_policy_follows_the_default_one() {
        let of = [("default", with(Action::Review)), ("own", with(Action::Log))];
        let one = |c| verdict(1, vec![found("a", c, Kind::Both, (0.0, 9.0))]);
        assert_eq!(judged(one("other"), &of).action, Some(Action::Review));
        assert_eq!(judged(one("own"), &of).action, Some(Action::Log));
    }

    #[test]
    fn a_reference_that_matches_too_much_goes_to_review() {
        let breaker = Breaker::new(3, Duration::from_secs(60));
        let at = |upload, second| {
            let one = verdict(upload, vec![found("a", "x", Kind::Both, (0.0, 9.0))]);
            let time = NOON + Duration::from_secs(second);
            let mut one = judged(Verdict { time, ..one }, &[]);
            breaker.watch(&mut one);
            one.action
        };
        let (block, review) = (Some(Action::Block), Some(Action::Review));
        // The same upload again and again is one.
        assert_eq!([0, 0, 0, 0, 1, 2].map(|upload| at(upload, 100)), [block; 6]);
        assert!(breaker.tripped(NOON + Duration::from_secs(100)).is_empty());
        assert_eq!([3, 4, 1].map(|upload| at(upload, 110)), [review; 3]);
        assert_eq!(breaker.tripped(NOON + Duration::from_secs(110)), ["a"]);
        // As long as they come it stays so, though the first were long ago.
        assert_eq!([20, 21, 22, 23].map(|upload| at(upload, 100 + 2 * u64::from(upload))), [review; 4]);
        assert_eq!(at(24, 172), review);
        // After a while it acts again.
        assert_eq!(at(9, 235), block);
        assert!(breaker.tripped(NOON + Duration::from_secs(235)).is_empty());
    }

    #[test]
    fn a_verdict_is_written_and_read_as_it_is() {
        let shadow =
            Policy { shadow: true, expires: Some(NOON + Duration::from_millis(1500)), ..Policy::default() };
        let mut one = verdict(3, vec![found("a", "terror", Kind::Both, (0.1, 9.7))]);
        one.matches[0].surprise = 0.1 + 0.2;
        let one = judged(one, &[("terror", shadow)]);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), one);
        let text = serde_json::to_string(&shadow).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), shadow);
    }

    proptest! {
        /// A recorded verdict that is judged again by the same policies is the same.
        #[test]
        fn judging_twice_is_judging_once(
            drawn in prop::collection::vec((0..3u8, 0..20u8, 0..20u8, 0..40u8), 0..6), upload in any::<u8>(), rollout in 0.0..1.0f64,
        ) {
            let of = [("0", with(Action::Allow)), ("1", Policy { rollout, ..Policy::default() })];
            let matches = drawn.iter().map(|&(collection, start, length, surprise)| {
                let span = (f64::from(start), f64::from(start + length));
                let one = found("a", &collection.to_string(), Kind::Both, span);
                Match { surprise: f64::from(surprise), ..one }
            });
            let once = judged(verdict(upload, matches.collect()), &of);
            prop_assert_eq!(judged(once.clone(), &of), once);
        }
    }

    #[test]
    fn spans_are_covered_as_a_whole() {
        let span = |(start, end): (f64, f64)| Span { start, end };
        let covered = |spans: &[(f64, f64)]| {
            super::super::is_covered(span((10.0, 20.0)), spans.iter().map(|s| span(*s)).collect())
        };
        assert!(covered(&[(15.0, 30.0), (0.0, 15.0)]));
        assert!(covered(&[(12.0, 20.0)]) && !covered(&[(12.1, 20.0)]));
        assert!(!covered(&[(0.0, 9.0), (21.0, 40.0)]) && !covered(&[]));
    }
}
