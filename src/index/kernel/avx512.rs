//! Kernels for AVX-512 with the instructions that count bits: VPOPCNTDQ and BITALG.
#![allow(unsafe_code)]

use super::ahead::{Ahead, prefetch_run};
use super::{Bucket, Candidate, Found, Needle, Run, Sieve, Stretch, portable};
use crate::index::Code;
use crate::plain::ahead;
use crate::plain::prefetch_close;
use std::arch::x86_64::*;

pub(super) fn supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bitalg")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("popcnt")
}

/// Codes looked at in one step.
const STEP: usize = 8;

/// Lines that a scan asks for ahead, a page: the processor sees the stream by itself, but only to the end of a page.
const DISTANCE: usize = 64;

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
        let (words, _) = chunk.as_flattened().as_chunks();
        (0..W).for_each(|line| prefetch_close(words, line + DISTANCE));
        let part = |i: usize| bits_that_differ(&words[i], query);
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
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn bits_that_differ(words: &[u64; 8], query: __m512i) -> __m512i {
    // SAFETY: eight words are 64 bytes.
    let words = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
    _mm512_popcnt_epi64(_mm512_xor_si512(words, query))
}

/// Sums of neighbouring words, those of `a` in the even lanes and those of `b` in the odd.
#[inline]
#[target_feature(enable = "avx512f")]
fn fold_pairs(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b))
}

/// Numbers in a register, and in a cache line.
const LANES: usize = 32;

#[target_feature(enable = "avx512f,avx512bw,avx512bitalg,avx2,popcnt")]
pub(super) fn filter(near: &[u16], runs: &[Run], out: &mut Vec<Candidate>) {
    let ahead = Ahead::new(near, runs);
    for (number, run) in runs.iter().enumerate() {
        ahead.of(number);
        let query = _mm512_set1_epi16(run.fingerprint as i16);
        let limit = _mm512_set1_epi16(i16::from(run.near));
        let end = near.len().min(run.start.saturating_add(run.len as usize));
        let first = line_of(run.start);
        // Two lines at once: how many a run has cannot be foretold, and most have no more. Where there is but one, it
        // takes the place of the other.
        let has_second = first + LANES < end;
        let second = if has_second { first + LANES } else { first };
        let [low, high] = [first, second].map(|line| {
            let (values, valid) = load(near, line, run.start, end);
            u64::from(passing(values, valid, query, limit))
        });
        let high = if has_second { high << LANES } else { 0 };
        push(low | high, first, number as u32, out);
        for line in (first + 2 * LANES..end).step_by(LANES) {
            let (values, valid) = load(near, line, run.start, end);
            push(u64::from(passing(values, valid, query, limit)), line, number as u32, out);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bitalg,avx2,popcnt")]
pub(super) fn strain(
    near: &[u16],
    stretches: &[Stretch],
    sieves: &[Sieve],
    most: u32,
    out: &mut Vec<Candidate>,
) {
    let limit = _mm512_set1_epi16(most.min(16) as i16);
    for stretch in ahead(stretches, |stretch| prefetch_run(near, stretch.start, stretch.len)) {
        let sieve = &sieves[stretch.sieve as usize];
        let [query, firm, sure] =
            [sieve.fingerprint, sieve.firm, sieve.sure].map(|bits| _mm512_set1_epi16(bits as i16));
        let end = near.len().min(stretch.start.saturating_add(stretch.len as usize));
        for line in (line_of(stretch.start)..end).step_by(LANES) {
            let (values, valid) = load(near, line, stretch.start, end);
            let apart = _mm512_xor_si512(values, query);
            let same = _mm512_mask_testn_epi16_mask(valid, apart, firm);
            let bits = _mm512_popcnt_epi16(_mm512_and_si512(apart, sure));
            let mask = _mm512_mask_cmple_epu16_mask(same, bits, limit);
            if mask != 0 {
                push_rare(mask, line, stretch.sieve, out);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bitalg,avx2,popcnt")]
pub(super) fn sift(near: &[u16], buckets: &[Bucket], needles: &[Needle], out: &mut Vec<Candidate>) {
    let ahead = Ahead::new(near, buckets);
    for (number, bucket) in buckets.iter().enumerate() {
        ahead.of(number);
        let range = bucket.needles.clone();
        let needles = needles.get(range.start as usize..range.end as usize).unwrap_or_default();
        let end = near.len().min(bucket.start.saturating_add(bucket.len as usize));
        for line in (line_of(bucket.start)..end).step_by(LANES) {
            let (values, valid) = load(near, line, bucket.start, end);
            for (number, needle) in range.clone().zip(needles) {
                let query = _mm512_set1_epi16(needle.fingerprint as i16);
                let firm = _mm512_set1_epi16(needle.firm as i16);
                let apart = _mm512_and_si512(_mm512_xor_si512(values, query), firm);
                let limit = _mm512_set1_epi16(i16::from(needle.near));
                let mask = few(apart, valid, limit);
                if mask != 0 {
                    push_rare(mask, line, number, out);
                }
            }
        }
    }
}

/// Where the cache line of a number begins. Loads begin there, as one that crosses into the next line would wait for
/// that, too, even if only for lanes that are not valid.
#[inline(always)]
fn line_of(place: usize) -> usize {
    place & !(LANES - 1)
}

/// The numbers of a line, and which of them lie between `start` and `end`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(numbers: &[u16], line: usize, start: usize, end: usize) -> (__m512i, __mmask32) {
    let end = end.min(numbers.len());
    let after = u32::MAX.unbounded_shr((line + LANES).saturating_sub(end).min(LANES) as u32);
    let valid = u32::MAX.unbounded_shl(start.saturating_sub(line) as u32) & after;
    // SAFETY: only lanes inside the slice are read.
    (unsafe { _mm512_maskz_loadu_epi16(valid, numbers.as_ptr().wrapping_add(line).cast()) }, valid)
}

/// The lanes that differ from `query` in at most `limit` bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bitalg")]
fn passing(values: __m512i, valid: __mmask32, query: __m512i, limit: __m512i) -> __mmask32 {
    few(_mm512_xor_si512(values, query), valid, limit)
}

/// The lanes that have at most `limit` bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bitalg")]
fn few(numbers: __m512i, valid: __mmask32, limit: __m512i) -> __mmask32 {
    _mm512_mask_cmple_epu16_mask(valid, _mm512_popcnt_epi16(numbers), limit)
}

/// As [`push`], out of the way of a loop where it is rare.
#[cold]
#[inline(never)]
fn push_rare(mask: u32, start: usize, number: u32, out: &mut Vec<Candidate>) {
    push(u64::from(mask), start, number, out);
}

/// Appends a candidate for each bit.
#[inline(always)]
fn push(mut mask: u64, start: usize, number: u32, out: &mut Vec<Candidate>) {
    while mask != 0 {
        out.push(Candidate { place: start + mask.trailing_zeros() as usize, number });
        mask &= mask - 1;
    }
}
