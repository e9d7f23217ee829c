//! Picture and sound of one reference, where they agree, become one segment.

use crate::align::{Kind, RefId, Segment, Span};
use std::collections::BTreeMap;

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
/// and never less than the surer one alone. A segment that a surer one of its own sense tells already is left out.
pub fn fuse(segments: Vec<Segment>) -> Vec<Segment> {
    let mut by: BTreeMap<RefId, Vec<Segment>> = BTreeMap::new();
    for segment in segments {
        by.entry(segment.reference).or_default().push(segment);
    }
    let mut out: Vec<Segment> = by.into_values().flat_map(fuse_one).collect();
    out.sort_by(order);
    out
}

/// Fuses the segments of one reference.
fn fuse_one(mut left: Vec<Segment>) -> Vec<Segment> {
    left.sort_by(order);
    left.reverse();
    let mut out = Vec::with_capacity(left.len());
    // The surest segment that is left gathers what agrees with it.
    while let Some(best) = left.pop() {
        let (mut agreeing, rest) = split(left, |s| joins(&best, s));
        left = rest;
        let surest = agreeing.iter().filter(|s| s.kind != best.kind).min_by(|a, b| order(a, b)).cloned();
        let Some(surest) = surest else {
            out.push(best);
            continue;
        };
        // The other sense may be the one that tells that two pieces belong to one whole.
        let (more, rest) = split(left, |s| s.kind == best.kind && joins(&surest, s));
        left = rest;
        agreeing.extend(more);
        out.push(joined(&best, &surest, &agreeing));
    }
    out
}

fn split(from: Vec<Segment>, wanted: impl Fn(&Segment) -> bool) -> (Vec<Segment>, Vec<Segment>) {
    from.into_iter().partition(wanted)
}

/// Whether `s` tells what `best` tells: by the other sense, or by the same and for the most part at the same time.
fn joins(best: &Segment, s: &Segment) -> bool {
    let both = s.query.end.min(best.query.end) - s.query.start.max(best.query.start);
    agree(best, s) && (s.kind != best.kind || both >= (s.query.end - s.query.start) / 2.0)
}

/// One segment of two senses that lies on the line of the surer one and spans all that agreed.
fn joined(best: &Segment, other: &Segment, agreeing: &[Segment]) -> Segment {
    let (picture, sound) = if best.kind == Kind::Picture { (best, other) } else { (other, best) };
    let sum = picture.surprise.clamp(0.0, TRUSTED) + sound.surprise.clamp(0.0, TRUSTED);
    let ends = |of: fn(&Segment) -> f64| agreeing.iter().map(of);
    let start = ends(|s| s.query.start).fold(best.query.start, f64::min);
    let end = ends(|s| s.query.end).fold(best.query.end, f64::max);
    let matched = Span::between(best.beside(start).max(0.0), best.beside(end).max(0.0));
    let mut transform = best.transform;
    transform.pitch = sound.transform.pitch;
    transform.mirrored = picture.transform.mirrored;
    transform.negative = picture.transform.negative;
    transform.placement = picture.transform.placement;
    Segment {
        reference: best.reference,
        query: Span { start, end },
        matched,
        kind: Kind::Both,
        surprise: sum.max(best.surprise).max(other.surprise),
        transform,
    }
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
    let apart = |t: f64| (a.beside(t) - b.beside(t)).abs();
    a.kind != Kind::Both
        && b.kind != Kind::Both
        && a.reference == b.reference
        && start <= end
        && apart(start) <= AGREE
        && apart(end) <= AGREE
}
