//! What becomes of single segments of one query.

use super::sight::LEAST;
use crate::align::{Segment, Span};

/// Speeds that differ by no more are one.
const SAME_SPEED: f64 = 0.061;
/// Decades that a piece gains at most from others of the same reference.
const TOGETHER: f64 = 4.0;
/// Seconds by which lines may miss each other and be one.
const JOINED: f64 = 0.5;

/// At one moment a query shows one moment of a reference: of segments, the surest first, those that lie over surer
/// ones of their reference for most of their length go.
pub(super) fn undisputed(segments: Vec<Segment>) -> Vec<Segment> {
    let mut kept: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        let Span { start, end } = segment.query;
        let covered: f64 = kept
            .iter()
            .filter(|k| k.reference == segment.reference)
            .map(|k| (k.query.end.min(end) - k.query.start.max(start)).max(0.0))
            .sum();
        if covered <= 0.5 * (end - start) {
            kept.push(segment);
        }
    }
    kept
}

/// Pieces of a reference that lie in the query by one map, at one speed, speak for each other, each for what it
/// has beyond the price of looking for one more. With each piece comes what features have a part in its surprise: for
/// all together they count for no more than `most`, as they do for one.
pub(super) fn together(mut pieces: Vec<(Segment, f64)>, most: f64) -> Vec<Segment> {
    let price = f64::from(LEAST);
    let alone: Vec<_> =
        pieces.iter().map(|(p, features)| (p.transform.speed, p.surprise, *features)).collect();
    for (piece, _) in &mut pieces {
        let alike = alone.iter().filter(|(speed, ..)| (speed - piece.transform.speed).abs() <= SAME_SPEED);
        let (all, features) = alike.fold((price, 0.0), |(all, features), (_, surprise, more)| {
            (all + surprise - price, features + more)
        });
        let all = all - (features - most).max(0.0);
        piece.surprise = all.min(piece.surprise + TOGETHER).max(piece.surprise);
    }
    pieces.into_iter().map(|(piece, _)| piece).collect()
}

/// Segments of one reference that go on where another one ends, or lie over it on the same line, are one.
pub(super) fn joined(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.sort_by(|a, b| a.query.start.total_cmp(&b.query.start));
    let mut whole: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        match whole.iter_mut().rev().find(|before| goes_on(before, &segment)) {
            Some(before) => join(before, &segment),
            None => whole.push(segment),
        }
    }
    whole.sort_by(|a, b| b.surprise.total_cmp(&a.surprise));
    whole
}

/// Whether `next`, which does not begin before the other, is the same line a little later.
fn goes_on(before: &Segment, next: &Segment) -> bool {
    let (a, b) = (&before.transform, &next.transform);
    let ([_, last], [first, _]) = (before.ends(), next.ends());
    let there = last + (next.query.start - before.query.end) * a.speed;
    before.reference == next.reference
        && (a.mirrored, a.negative) == (b.mirrored, b.negative)
        && (a.speed - b.speed).abs() <= SAME_SPEED
        && next.query.start <= before.query.end + JOINED
        && (there - first).abs() <= JOINED
}

fn join(before: &mut Segment, next: &Segment) {
    if next.surprise > before.surprise {
        before.surprise = next.surprise;
        before.transform = next.transform;
    }
    if next.query.end > before.query.end {
        before.matched = Span::between(before.ends()[0], next.ends()[1]);
        before.query.end = next.query.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::{Kind, Transform};

    fn segment(query: [f64; 2], matched: [f64; 2], surprise: f64) -> Segment {
        let span = |[start, end]: [f64; 2]| Span { start, end };
        let transform =
            Transform { speed: 1.0, pitch: 0.0, mirrored: false, negative: false, placement: None };
        Segment {
            reference: 1,
            query: span(query),
            matched: span(matched),
            kind: Kind::Picture,
            surprise,
            transform,
        }
    }

    #[test]
    fn what_goes_on_is_one() {
        let parts = vec![
            segment([60.0, 130.0], [65.2, 135.2], 30.0),
            segment([0.0, 64.0], [5.0, 69.0], 20.0),
            segment([128.0, 150.0], [133.0, 155.0], 10.0),
        ];
        assert_eq!(joined(parts), [segment([0.0, 150.0], [5.0, 155.0], 30.0)]);
    }

    #[test]
    fn features_do_not_add_up() {
        let (a, b) = (segment([0.0, 4.0], [5.0, 9.0], 7.0), segment([4.0, 8.0], [0.0, 4.0], 5.0));
        let surprises = |features: [f64; 2]| -> Vec<f64> {
            let pieces = vec![(a.clone(), features[0]), (b.clone(), features[1])];
            together(pieces, 6.0).iter().map(|piece| piece.surprise).collect()
        };
        // Both less the price of one more, 2.
        assert_eq!(surprises([3.0, 3.0]), [10.0, 9.0]);
        assert_eq!(surprises([4.0, 4.0]), [8.0, 8.0]);
        assert_eq!(surprises([6.0, 5.0]), [7.0, 5.0]);
    }

    #[test]
    fn another_moment_is_another_segment() {
        let parts = vec![segment([0.0, 64.0], [5.0, 69.0], 20.0), segment([64.0, 90.0], [5.0, 31.0], 10.0)];
        assert_eq!(joined(parts.clone()), parts);
    }

    #[test]
    fn the_surest_is_kept_of_what_is_said_of_one_moment() {
        let (sure, less) = (segment([0.0, 9.0], [5.0, 14.0], 20.0), segment([2.0, 8.0], [0.0, 6.0], 7.0));
        assert_eq!(undisputed(vec![sure.clone(), less]), [sure]);
    }
}
