//! The kernels in plain Rust.

use super::cell::{OF_LINE, OF_WORD};
use super::{Bucket, Candidate, Cell, Found, LOWER, Member, Needle, Prints, Run, Sieve, Stretch};
use crate::index::{Code, distance};
use crate::plain::{AHEAD, ahead, prefetch};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

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

pub(super) fn pick(words: &[AtomicU64], cells: &[Cell], out: &mut Vec<Candidate>, over: &mut Vec<u32>) {
    for (number, cell) in (0u32..).zip(ahead(cells, |cell| cell.prefetch(words))) {
        let Some(line) = cell.first_line(words) else { continue };
        let (lines, end) = (cell.lines(words), Cell::end(line));
        let room = OF_LINE * lines.len();
        for lane in Cell::SKIPPED..end.min(room) {
            let word = lines.as_flattened()[lane / OF_WORD].load(Relaxed);
            let print = (word >> (16 * (lane % OF_WORD))) as u16;
            if (print ^ cell.fingerprint as u16).count_ones() <= u32::from(cell.near) {
                out.push(Candidate { place: OF_WORD * cell.word + lane, number });
            }
        }
        if end > room {
            over.push(number);
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
            let needle = &needles[number as usize];
            let stored = near.get(*start..).unwrap_or_default();
            for (place, stored) in stored.iter().take(*len as usize).enumerate() {
                let apart = (stored ^ needle.fingerprint) & needle.firm;
                if apart.count_ones() <= u32::from(needle.near) {
                    out.push(Candidate { place: start + place, number });
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn refine(prints: Prints, candidates: &mut Vec<Candidate>, sought: impl Fn(u32) -> (u32, u8)) {
    let mut kept = 0;
    candidates.iter().take(AHEAD).for_each(|candidate| prefetch(prints.far, candidate.place));
    for at in 0..candidates.len() {
        candidates.get(at + AHEAD).into_iter().for_each(|candidate| prefetch(prints.far, candidate.place));
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
    (members, queries): (&[Member], &[u32]),
    out: &mut Vec<(usize, u32)>,
) {
    for candidate in ahead(candidates, |candidate| prefetch(prints.far, candidate.place)) {
        let Some(stored) = prints.get(candidate.place) else { continue };
        let Needle { near, limit, members: range, .. } = &needles[candidate.number as usize];
        for member in &members[range.start as usize..range.end as usize] {
            let apart = stored ^ member.print;
            let passes = (apart & LOWER).count_ones() <= u32::from(*near);
            if passes && apart.count_ones() <= u32::from(*limit) {
                let queries = &queries[member.queries.start as usize..member.queries.end as usize];
                out.extend(queries.iter().map(|&query| (candidate.place, query)));
            }
        }
    }
}

#[inline(always)]
pub(super) fn verify<const W: usize>(
    codes: &[Code<W>],
    code: &Code<W>,
    radius: u32,
    places: &[u32],
    out: &mut Vec<Found>,
) {
    for &place in ahead(places, |&place| prefetch(codes, place as usize)) {
        // A place outside can only come from a damaged file.
        let Some(stored) = codes.get(place as usize) else { continue };
        let distance = distance(stored, code);
        if distance <= radius {
            out.push(Found { place, distance });
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
    for &(place, query) in ahead(pairs, |&(place, _)| prefetch(codes, place as usize)) {
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
