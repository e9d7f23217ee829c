//! Kernels for AVX2: bits are counted by table lookup, four at a time (Muła, Kurz, Lemire: Faster Population Counts
//! Using AVX2 Instructions, 2018).
#![allow(unsafe_code)]

use super::{Candidate, Found, Member, Needle, Prints, Run, Sieve, Stretch, portable};
use crate::index::Code;
use std::arch::x86_64::*;

pub(super) fn supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

/// For each byte the number of its bits.
#[inline]
#[target_feature(enable = "avx2")]
fn bits_of_bytes(bytes: __m256i) -> __m256i {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let nibble = _mm256_set1_epi8(0x0f);
    let low = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, nibble));
    let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble));
    _mm256_add_epi8(low, high)
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn scan<const W: usize>(
    codes: &[Code<W>],
    code: &Code<W>,
    radius: u32,
    base: u32,
    out: &mut Vec<Found>,
) {
    let words: [u64; 4] = std::array::from_fn(|i| code[i % W]);
    // SAFETY: four words are 32 bytes.
    let query = unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
    // 32 bytes are one code of 256 bits, two of 128 or four of 64.
    let each = 4 / W;
    let (flat, _) = codes.as_flattened().as_chunks::<4>();
    for (chunk, four) in flat.iter().enumerate() {
        // SAFETY: four words are 32 bytes.
        let stored = unsafe { _mm256_loadu_si256(four.as_ptr().cast()) };
        let bits = bits_of_bytes(_mm256_xor_si256(stored, query));
        let sums = _mm256_sad_epu8(bits, _mm256_setzero_si256());
        let mut lanes = [0u64; 4];
        // SAFETY: four words are 32 bytes.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sums) };
        for (place, sums) in lanes.chunks_exact(W).enumerate() {
            let distance = sums.iter().sum::<u64>() as u32;
            if distance <= radius {
                out.push(Found { place: base + (chunk * each + place) as u32, distance });
            }
        }
    }
    let done = flat.len() * each;
    portable::scan(&codes[done..], code, radius, base + done as u32, out);
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn strain(
    near: &[u16],
    stretches: &[Stretch],
    sieves: &[Sieve],
    most: u32,
    out: &mut Vec<Candidate>,
) {
    portable::strain(near, stretches, sieves, most, out);
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn filter(near: &[u16], runs: &[Run], out: &mut Vec<Candidate>) {
    for (number, run) in runs.iter().enumerate() {
        let number = number as u32;
        let stored = near.get(run.start..).unwrap_or_default();
        let stored = &stored[..stored.len().min(run.len as usize)];
        let query = _mm256_set1_epi16(run.fingerprint as i16);
        let beyond = _mm256_set1_epi16(i16::from(run.near) + 1);
        let (steps, rest) = stored.as_chunks::<16>();
        for (step, sixteen) in steps.iter().enumerate() {
            // SAFETY: sixteen numbers are 32 bytes.
            let values = unsafe { _mm256_loadu_si256(sixteen.as_ptr().cast()) };
            let bytes = bits_of_bytes(_mm256_xor_si256(values, query));
            let bits = _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1));
            // Two bits a lane.
            let mut mask = _mm256_movemask_epi8(_mm256_cmpgt_epi16(beyond, bits)) as u32;
            while mask != 0 {
                let lane = mask.trailing_zeros() as usize / 2;
                out.push(Candidate { place: run.start + 16 * step + lane, number });
                mask &= !(3 << (2 * lane));
            }
        }
        let done = 16 * steps.len();
        let tail = Run { start: run.start + done, len: rest.len() as u32, ..*run };
        portable::filter_run(near, &tail, number, out);
    }
}

/// The portable form, compiled with the instruction that counts bits.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn refine(prints: Prints, candidates: &mut Vec<Candidate>, sought: impl Fn(u32) -> (u32, u8)) {
    portable::refine(prints, candidates, sought);
}

/// The portable form, compiled with the instruction that counts bits.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn distribute(
    prints: Prints,
    candidates: &[Candidate],
    needles: &[Needle],
    members: &[Member],
    out: &mut Vec<(usize, u32)>,
) {
    portable::distribute(prints, candidates, needles, members, out);
}

/// The portable form, compiled with the instruction that counts bits.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn verify<const W: usize>(
    codes: &[Code<W>],
    code: &Code<W>,
    radius: u32,
    candidates: &[(u32, u32)],
    out: &mut Vec<(Found, u32)>,
) {
    portable::verify(codes, code, radius, candidates, out);
}

/// The portable form, compiled with the instruction that counts bits.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn verify_pairs<const W: usize>(
    codes: &[Code<W>],
    queries: &[Code<W>],
    radius: u32,
    pairs: &[(u32, u32)],
    out: &mut Vec<(Found, u32)>,
) {
    portable::verify_pairs(codes, queries, radius, pairs, out);
}
