//! Picture and sound of one reference, where they agree, become one segment.

use crate::align::{Kind, Segment, Span};

/// Two segments tell the same story where, all along the stretch of query that both cover, they name moments of the
/// reference that lie at most this far apart, in seconds. Codes of picture and sound are a quarter of a second apart or
/// less, and a recording's sound may lag behind its picture.
const AGREE: f64 = 0.75;

/// The most that the surprise of one sense counts in a sum. The model of chance was checked against unrelated film up to
/// about here; beyond, it extrapolates, and a sum must not rest on that.
const TRUSTED: f64 = 30.0;

/// Fuses the segments of picture and sound that agree in reference, offset and speed; the surest first.
///
/// A fused segment spans all that agreed. Its surprise is the sum of the surest of each sense, each counted up to a bound,
/// and never less than the surer one alone.
pub fn fuse(segments: Vec<Segment>) -> Vec<Segment> {
    let mut left = segments;
    left.sort_by(order);
    left.reverse();
    let mut out = Vec::with_capacity(left.len());
    // The surest segment that is left gathers what agrees with it, from the surest down.
    while let Some(mut best) = left.pop() {
        let (other, rest): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|s| s.kind != best.kind && s.kind != Kind::Both && agree(&best, s));
        left = rest;
        let line = best.clone();
        if let Some(surest) = other.iter().max_by(|a, b| a.surprise.total_cmp(&b.surprise)) {
            let (picture, sound) = if line.kind == Kind::Picture { (&line, surest) } else { (surest, &line) };
            let sum = picture.surprise.clamp(0.0, TRUSTED) + sound.surprise.clamp(0.0, TRUSTED);
            best.kind = Kind::Both;
            best.surprise = sum.max(line.surprise).max(surest.surprise);
            best.transform.pitch = sound.transform.pitch;
            best.transform.mirrored = picture.transform.mirrored;
            for s in &other {
                best.query.start = best.query.start.min(s.query.start);
                best.query.end = best.query.end.max(s.query.end);
                best.matched.start = best.matched.start.min(s.matched.start);
                best.matched.end = best.matched.end.max(s.matched.end);
            }
        }
        out.push(best);
    }
    out.sort_by(order);
    out
}

/// The surest first; what is left open by that is settled by where it lies, so that equal input gives equal output.
fn order(a: &Segment, b: &Segment) -> std::cmp::Ordering {
    b.surprise
        .total_cmp(&a.surprise)
        .then(a.reference.cmp(&b.reference))
        .then(a.query.start.total_cmp(&b.query.start))
        .then(a.matched.start.total_cmp(&b.matched.start))
        .then((a.kind as u8).cmp(&(b.kind as u8)))
}

/// Whether both name the same moments of the same reference wherever both lie in the query.
fn agree(a: &Segment, b: &Segment) -> bool {
    let start = a.query.start.max(b.query.start);
    let end = a.query.end.min(b.query.end);
    let apart = |t: f64| (at(a, t) - at(b, t)).abs();
    a.reference == b.reference && start <= end && apart(start) <= AGREE && apart(end) <= AGREE
}

/// The second of the reference that a segment puts beside the second `t` of the query.
fn at(segment: &Segment, t: f64) -> f64 {
    let Span { start, end } = segment.query;
    let share = if end > start { (t - start) / (end - start) } else { 0.0 };
    segment.matched.start + share * (segment.matched.end - segment.matched.start)
}
