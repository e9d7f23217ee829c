//! Kernels for AVX-512 with VPOPCNTDQ.
#![allow(unsafe_code)]

use super::{Bucket, Candidate, Found, Needle, Run, portable, prefetch};
use crate::index::Code;
use std::arch::x86_64::*;

pub(super) fn supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("popcnt")
}

/// Codes looked at in one step.
const STEP: usize = 8;

/// How far ahead of the step memory is asked for, in bytes.
const AHEAD: usize = 4096;

#[target_feature(enable = "avx512f,avx512vpopcntdq,avx2,popcnt")]
pub(super) fn scan<const W: usize>(
    codes: &[Code<W>],
    code: &Code<W>,
    radius: u32,
    base: u32,
    out: &mut Vec<Found>,
) {
    let words: [u64; 8] = std::array::from_fn(|i| code[i % W]);
    // SAFETY: eight words are 64 bytes.
    let query = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
    let limit = _mm512_set1_epi64(i64::from(radius));
    let (steps, rest) = codes.as_chunks::<STEP>();
    for (step, chunk) in steps.iter().enumerate() {
        for line in 0..W {
            prefetch(codes, step * STEP + (AHEAD + 64 * line) / size_of::<Code<W>>());
        }
        let start: *const u8 = chunk.as_ptr().cast();
        // SAFETY: a chunk is `W` times 64 bytes.
        let part = |i: usize| unsafe { bits_that_differ(start.add(64 * i), query) };
        let (sums, order) = match W {
            1 => (part(0), &ORDER_1),
            2 => (fold_pairs(part(0), part(1)), &ORDER_2),
            4 => {
                let (low, high) = (fold_pairs(part(0), part(1)), fold_pairs(part(2), part(3)));
                let even = _mm512_shuffle_i64x2::<0b10_00_10_00>(low, high);
                let odd = _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high);
                (_mm512_add_epi64(even, odd), &ORDER_4)
            }
            _ => return portable::scan(codes, code, radius, base, out),
        };
        let mask = _mm512_cmple_epu64_mask(sums, limit);
        if mask != 0 {
            let mut distances = [0u64; STEP];
            // SAFETY: eight words are 64 bytes.
            unsafe { _mm512_storeu_si512(distances.as_mut_ptr().cast(), sums) };
            for (place, &lane) in order.iter().enumerate() {
                if mask >> lane & 1 == 1 {
                    let place = base + (step * STEP + place) as u32;
                    out.push(Found { place, distance: distances[lane] as u32 });
                }
            }
        }
    }
    portable::scan(rest, code, radius, base + (codes.len() - rest.len()) as u32, out);
}

/// In which lane the sum of each code of a step lies.
const ORDER_1: [usize; STEP] = [0, 1, 2, 3, 4, 5, 6, 7];
const ORDER_2: [usize; STEP] = [0, 2, 4, 6, 1, 3, 5, 7];
const ORDER_4: [usize; STEP] = [0, 2, 1, 3, 4, 6, 5, 7];

/// For each word the number of bits in which it differs from that of the query.
///
/// # Safety
/// `at` points to 64 readable bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
unsafe fn bits_that_differ(at: *const u8, query: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    let words = unsafe { _mm512_loadu_si512(at.cast()) };
    _mm512_popcnt_epi64(_mm512_xor_si512(words, query))
}

/// Sums of neighbouring words, those of `a` in the even lanes and those of `b` in the odd.
#[inline]
#[target_feature(enable = "avx512f")]
fn fold_pairs(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b))
}

/// Runs ahead of the one at work whose memory is asked for, and the most lines asked for of each; what follows comes by
/// the processor's own prefetching.
const RUNS_AHEAD: usize = 6;
const LINES_AHEAD: usize = 12;

#[target_feature(enable = "avx512f,avx512vpopcntdq,avx2,popcnt")]
pub(super) fn filter(fingerprints: &[u32], runs: &[Run], out: &mut Vec<Candidate>) {
    for (i, run) in runs.iter().enumerate() {
        if let Some(next) = runs.get(i + RUNS_AHEAD) {
            for line in 0..((next.len as usize).div_ceil(16) + 1).min(LINES_AHEAD) {
                prefetch(fingerprints, next.start + 16 * line);
            }
        }
        let stored = fingerprints.get(run.start..).unwrap_or_default();
        let stored = &stored[..stored.len().min(run.len as usize)];
        let query = _mm512_set1_epi32(run.fingerprint as i32);
        let limit = _mm512_set1_epi32(i32::from(run.limit));
        for place in (0..stored.len()).step_by(16) {
            let lanes = (stored.len() - place).min(16);
            let valid = (0xffff_u32 >> (16 - lanes)) as __mmask16;
            // SAFETY: only lanes inside the slice are read.
            let values = unsafe { _mm512_maskz_loadu_epi32(valid, stored.as_ptr().add(place).cast()) };
            let bits = _mm512_popcnt_epi32(_mm512_xor_si512(values, query));
            let mut mask = _mm512_mask_cmple_epu32_mask(valid, bits, limit);
            while mask != 0 {
                let lane = mask.trailing_zeros() as usize;
                out.push(Candidate::new(run.start + place + lane, run.tag));
                mask &= mask - 1;
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512vpopcntdq,avx2,popcnt")]
pub(super) fn sift(fingerprints: &[u32], buckets: &[Bucket], needles: &[Needle], out: &mut Vec<Candidate>) {
    for (i, bucket) in buckets.iter().enumerate() {
        if let Some(next) = buckets.get(i + RUNS_AHEAD) {
            for line in 0..((next.len as usize).div_ceil(16) + 1).min(LINES_AHEAD) {
                prefetch(fingerprints, next.start + 16 * line);
            }
        }
        let stored = fingerprints.get(bucket.start..).unwrap_or_default();
        let stored = &stored[..stored.len().min(bucket.len as usize)];
        let needles = &needles[bucket.needles.start as usize..bucket.needles.end as usize];
        for place in (0..stored.len()).step_by(16) {
            let lanes = (stored.len() - place).min(16);
            let valid = (0xffff_u32 >> (16 - lanes)) as __mmask16;
            // SAFETY: only lanes inside the slice are read.
            let values = unsafe { _mm512_maskz_loadu_epi32(valid, stored.as_ptr().add(place).cast()) };
            for needle in needles {
                let query = _mm512_set1_epi32(needle.fingerprint as i32);
                let limit = _mm512_set1_epi32(needle.limit as i32);
                let bits = _mm512_popcnt_epi32(_mm512_xor_si512(values, query));
                let mut mask = _mm512_mask_cmple_epu32_mask(valid, bits, limit);
                while mask != 0 {
                    let lane = mask.trailing_zeros() as usize;
                    out.push(Candidate::new(bucket.start + place + lane, needle.tag));
                    mask &= mask - 1;
                }
            }
        }
    }
}
