//! The kernels in plain Rust.

use super::{Bucket, Candidate, Found, LOWER, Member, Needle, Prints, Run, Sieve, Stretch};
use crate::index::{Code, distance};

pub(super) fn scan<const W: usize>(
    codes: &[Code<W>],
    code: &Code<W>,
    radius: u32,
    base: u32,
    out: &mut Vec<Found>,
) {
    for (place, stored) in codes.iter().enumerate() {
        let distance = distance(stored, code);
        if distance <= radius {
            out.push(Found { place: base + place as u32, distance });
        }
    }
}

pub(super) fn filter(near: &[u16], runs: &[Run], out: &mut Vec<Candidate>) {
    for (number, run) in runs.iter().enumerate() {
        filter_run(near, run, number as u32, out);
    }
}

#[inline(always)]
fn filter_run(near: &[u16], run: &Run, number: u32, out: &mut Vec<Candidate>) {
    let stored = near.get(run.start..).unwrap_or_default();
    for (place, stored) in stored.iter().take(run.len as usize).enumerate() {
        if (stored ^ run.fingerprint as u16).count_ones() <= u32::from(run.near) {
            out.push(Candidate { place: run.start + place, number });
        }
    }
}

pub(super) fn strain(
    near: &[u16],
    stretches: &[Stretch],
    sieves: &[Sieve],
    most: u32,
    out: &mut Vec<Candidate>,
) {
    for stretch in stretches {
        let sieve = &sieves[stretch.sieve as usize];
        let stored = near.get(stretch.start..).unwrap_or_default();
        for (place, stored) in stored.iter().take(stretch.len as usize).enumerate() {
            if sieve.passes(u32::from(*stored), LOWER, most) {
                out.push(Candidate { place: stretch.start + place, number: stretch.sieve });
            }
        }
    }
}

pub(super) fn sift(near: &[u16], buckets: &[Bucket], needles: &[Needle], out: &mut Vec<Candidate>) {
    for Bucket { start, len, needles: range } in buckets {
        for number in range.clone() {
            let Needle { fingerprint, near: most, limit, .. } = needles[number as usize];
            let fingerprint = u32::from(fingerprint);
            let run = Run { start: *start, len: *len, fingerprint, near: most, limit, band: 0 };
            filter_run(near, &run, number, out);
        }
    }
}

#[inline(always)]
pub(super) fn refine(prints: Prints, candidates: &mut Vec<Candidate>, sought: impl Fn(u32) -> (u32, u8)) {
    let mut kept = 0;
    for at in 0..candidates.len() {
        let candidate = candidates[at];
        let (fingerprint, limit) = sought(candidate.number);
        candidates[kept] = candidate;
        if let Some(stored) = prints.get(candidate.place) {
            kept += usize::from((stored ^ fingerprint).count_ones() <= u32::from(limit));
        }
    }
    candidates.truncate(kept);
}

#[inline(always)]
pub(super) fn distribute(
    prints: Prints,
    candidates: &[Candidate],
    needles: &[Needle],
    members: &[Member],
    out: &mut Vec<(usize, u32)>,
) {
    for candidate in candidates {
        let Some(stored) = prints.get(candidate.place) else { continue };
        let Needle { limit, members: range, .. } = &needles[candidate.number as usize];
        for member in &members[range.start as usize..range.end as usize] {
            if (stored ^ member.print).count_ones() <= u32::from(*limit) {
                out.push((candidate.place, member.query));
            }
        }
    }
}

#[inline(always)]
pub(super) fn verify<const W: usize>(
    codes: &[Code<W>],
    code: &Code<W>,
    radius: u32,
    candidates: &[(u32, u32)],
    out: &mut Vec<(Found, u32)>,
) {
    for &(place, tag) in candidates {
        // A place outside can only come from a damaged file.
        let Some(stored) = codes.get(place as usize) else { continue };
        let distance = distance(stored, code);
        if distance <= radius {
            out.push((Found { place, distance }, tag));
        }
    }
}

#[inline(always)]
pub(super) fn verify_pairs<const W: usize>(
    codes: &[Code<W>],
    queries: &[Code<W>],
    radius: u32,
    pairs: &[(u32, u32)],
    out: &mut Vec<(Found, u32)>,
) {
    for &(place, query) in pairs {
        // A place outside can only come from a damaged file.
        let (Some(stored), Some(code)) = (codes.get(place as usize), queries.get(query as usize)) else {
            continue;
        };
        let distance = distance(stored, code);
        if distance <= radius {
            out.push((Found { place, distance }, query));
        }
    }
}
