//! The kernels in plain Rust.

use super::{Candidate, Found, Run};
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

pub(super) fn filter(fingerprints: &[u32], runs: &[Run], out: &mut Vec<Candidate>) {
    for run in runs {
        filter_run(fingerprints, run, out);
    }
}

fn filter_run(fingerprints: &[u32], run: &Run, out: &mut Vec<Candidate>) {
    let fingerprints = fingerprints.get(run.start..).unwrap_or_default();
    for (place, stored) in fingerprints.iter().take(run.len as usize).enumerate() {
        if (stored ^ run.fingerprint).count_ones() <= u32::from(run.limit) {
            out.push(Candidate::new(run.start + place, run.tag));
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
