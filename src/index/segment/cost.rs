//! What the steps of a search cost, in units of one fingerprint compared in a long run.

use crate::index::kernel::{LOWER, Prints, Run};

/// A value looked up, with the latency of its run.
pub(super) const PROBE: u64 = 60;
/// The upper half of a fingerprint fetched and compared.
pub(super) const NEAR: u64 = 30;
/// A candidate fetched and compared.
pub(super) const CANDIDATE: u64 = 60;
/// 32 bytes of codes scanned.
pub(super) const SCAN: u64 = 7;

/// What those postings of long runs are likely to cost that pass by the lower half of their fingerprint, or the whole:
/// guessed from some of them, as to look at all may take longer than a scan.
pub(super) fn of_long_runs(prints: Prints, runs: &[Run]) -> u64 {
    const LONG: u32 = 4096;
    let mut cost = 0;
    for run in runs.iter().filter(|run| run.len >= LONG) {
        for print in sample(prints, run.start, run.len) {
            let apart = print ^ run.fingerprint;
            if (apart & LOWER).count_ones() <= u32::from(run.near) {
                let passes = apart.count_ones() <= u32::from(run.limit);
                cost += u64::from(run.len) / SAMPLE * if passes { NEAR + CANDIDATE } else { NEAR };
            }
        }
    }
    cost
}

/// Postings that are looked at to guess what the others are like.
pub(super) const SAMPLE: u64 = 64;

/// The fingerprints of [`SAMPLE`] postings, evenly spread over a long run.
pub(super) fn sample(prints: Prints, start: usize, len: u32) -> impl Iterator<Item = u32> {
    let place = move |number: u64| start + (number * u64::from(len) / SAMPLE) as usize;
    (0..SAMPLE).filter_map(move |number| prints.get(place(number)))
}
