//! Kernels for AVX2.
#![allow(unsafe_code)]

use super::ahead::{Ahead, prefetch_run};
use super::cell::{Line, OF_LINE, OF_WORD};
use super::{Bucket, Candidate, Cell, Found, Needle, Run, Sieve, Stretch, portable};
use crate::index::Code;
use crate::plain::ahead;
use crate::simd::bits_of_bytes;
use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::atomic::AtomicU64;

pub(super) fn supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

/// Codes looked at in one step.
const STEP: usize = 8;

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
    let first_half = _mm256_permute2x128_si256::<0x00>(query, query);
    let beyond = _mm256_set1_epi32(radius.min(64 * W as u32) as i32 + 1);
    let any_within = |distances| mask_of_words(_mm256_cmpgt_epi32(beyond, distances));
    let (steps, rest) = codes.as_chunks::<STEP>();
    for (step, chunk) in steps.iter().enumerate() {
        // Most codes are too far away by their first half alone.
        if W == 4 {
            let two = |i: usize| bits_of_halves_that_differ(&chunk[i], &chunk[i + 1], first_half);
            if any_within(sum_pairs([two(0), two(2), two(4), two(6)])) == 0 {
                continue;
            }
        }
        let (words, _) = chunk.as_flattened().as_chunks();
        let part = |i: usize| bits_that_differ(&words[i], query);
        let four = |i: usize| sum_pairs([part(i), part(i + 1), part(i + 2), part(i + 3)]);
        let (distances, order) = match W {
            1 => (_mm256_packus_epi32(part(0), part(1)), &ORDER_1),
            2 => (four(0), &ORDER_2),
            4 => {
                let (a, b) = (four(0), four(4));
                let low = _mm256_permute2x128_si256::<0x20>(a, b);
                (_mm256_add_epi32(low, _mm256_permute2x128_si256::<0x31>(a, b)), &ORDER_4)
            }
            _ => return portable::scan(codes, code, radius, base, out),
        };
        let mask = any_within(distances);
        if mask != 0 {
            let mut lanes = [0u32; STEP];
            // SAFETY: eight numbers are 32 bytes.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), distances) };
            for (place, &lane) in order.iter().enumerate() {
                if mask >> lane & 1 == 1 {
                    out.push(Found { place: base + (step * STEP + place) as u32, distance: lanes[lane] });
                }
            }
        }
    }
    portable::scan(rest, code, radius, base + (codes.len() - rest.len()) as u32, out);
}

/// In which lane the distance of each code of a step lies.
const ORDER_1: [usize; STEP] = [0, 1, 4, 5, 2, 3, 6, 7];
const ORDER_2: [usize; STEP] = [0, 4, 1, 5, 2, 6, 3, 7];
const ORDER_4: [usize; STEP] = [0, 1, 2, 3, 4, 5, 6, 7];

/// For each word the number of bits in which it differs from that of the query.
#[inline]
#[target_feature(enable = "avx2")]
fn bits_that_differ(words: &[u64; 4], query: __m256i) -> __m256i {
    // SAFETY: four words are 32 bytes.
    let words = unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
    _mm256_sad_epu8(bits_of_bytes(_mm256_xor_si256(words, query)), _mm256_setzero_si256())
}

/// As [`bits_that_differ`], for the first two words of two codes.
#[inline]
#[target_feature(enable = "avx2")]
fn bits_of_halves_that_differ<const W: usize>(a: &Code<W>, b: &Code<W>, query: __m256i) -> __m256i {
    let words: [u64; 4] = [a[0], a[1 % W], b[0], b[1 % W]];
    bits_that_differ(&words, query)
}

/// A bit for each number of 32 bits that is negative.
#[inline]
#[target_feature(enable = "avx2")]
fn mask_of_words(numbers: __m256i) -> i32 {
    _mm256_movemask_ps(_mm256_castsi256_ps(numbers))
}

/// In each half the sums of its two words, of all registers in turn.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_pairs([a, b, c, d]: [__m256i; 4]) -> __m256i {
    let words = _mm256_packus_epi32(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));
    _mm256_madd_epi16(words, _mm256_set1_epi16(1))
}

/// Numbers in a register, and in half a cache line.
const LANES: usize = 16;

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn filter(near: &[u16], runs: &[Run], out: &mut Vec<Candidate>) {
    let ahead = Ahead::new(near, runs);
    for (number, run) in runs.iter().enumerate() {
        ahead.of(number);
        let query = _mm256_set1_epi16(run.fingerprint as i16);
        let beyond = _mm256_set1_epi16(i16::from(run.near) + 1);
        for_each_step(near, run.start, run.len, |place, values, valid| {
            push(passing(values, query, beyond) & valid, place, number as u32, out);
        });
    }
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn pick(words: &[AtomicU64], cells: &[Cell], out: &mut Vec<Candidate>, over: &mut Vec<u32>) {
    for (number, cell) in (0u32..).zip(ahead(cells, |cell| cell.prefetch(words))) {
        let Some(line) = cell.first_line(words) else { continue };
        let query = _mm256_set1_epi16(cell.fingerprint as i16);
        let beyond = _mm256_set1_epi16(i16::from(cell.near) + 1);
        let mut look = |line: &Line, first: usize, valid: u64| {
            let (halves, _) = line.as_chunks();
            let passing = passing([load_shared(&halves[0]), load_shared(&halves[1])], query, beyond);
            push_some(passing & valid as u32, OF_WORD * cell.word + first, number, out);
        };
        let end = Cell::end(line);
        let lanes = |count: usize| (1 << count.min(OF_LINE)) - 1;
        look(line, 0, lanes(end) & u64::MAX << Cell::SKIPPED);
        if end > OF_LINE {
            // As in few.
            let lines = cell.lines(words).iter().zip((0..end).step_by(OF_LINE));
            lines.skip(1).for_each(|(line, first)| look(line, first, lanes(end - first)));
            if end > OF_LINE * cell.lines as usize {
                over.push(number);
            }
        }
    }
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn strain(
    near: &[u16],
    stretches: &[Stretch],
    sieves: &[Sieve],
    most: u32,
    out: &mut Vec<Candidate>,
) {
    let beyond = _mm256_set1_epi16(most.min(16) as i16 + 1);
    for stretch in ahead(stretches, |stretch| prefetch_run(near, stretch.start, stretch.len)) {
        let sieve = &sieves[stretch.sieve as usize];
        let [query, firm, sure] =
            [sieve.fingerprint, sieve.firm, sieve.sure].map(|bits| _mm256_set1_epi16(bits as i16));
        for_each_step(near, stretch.start, stretch.len, |place, values, valid| {
            let passing = values.map(|values| {
                let apart = _mm256_xor_si256(values, query);
                let same = _mm256_cmpeq_epi16(_mm256_and_si256(apart, firm), _mm256_setzero_si256());
                let few = _mm256_cmpgt_epi16(beyond, bits_of_lanes(_mm256_and_si256(apart, sure)));
                _mm256_and_si256(same, few)
            });
            let mask = mask_of(passing) & valid;
            push_some(mask, place, stretch.sieve, out);
        });
    }
}

#[target_feature(enable = "avx2,popcnt")]
pub(super) fn sift(near: &[u16], buckets: &[Bucket], needles: &[Needle], out: &mut Vec<Candidate>) {
    let ahead = Ahead::new(near, buckets);
    for (number, bucket) in buckets.iter().enumerate() {
        ahead.of(number);
        let range = bucket.needles.clone();
        let pass = |needle: &Needle, values: [__m256i; 2]| {
            let query = _mm256_set1_epi16(needle.fingerprint as i16);
            let firm = _mm256_set1_epi16(needle.firm as i16);
            let beyond = _mm256_set1_epi16(i16::from(needle.near) + 1);
            few(values.map(|values| _mm256_and_si256(_mm256_xor_si256(values, query), firm)), beyond)
        };
        match needles.get(range.start as usize..range.end as usize).unwrap_or_default() {
            // As most have: what is compared stays in registers.
            [needle] => for_each_step(near, bucket.start, bucket.len, |place, values, valid| {
                push_some(pass(needle, values) & valid, place, range.start, out);
            }),
            needles => for_each_step(near, bucket.start, bucket.len, |place, values, valid| {
                for (number, needle) in range.clone().zip(needles) {
                    push_some(pass(needle, values) & valid, place, number, out);
                }
            }),
        }
    }
}

/// Calls `step` for each two registers of a stretch, with the place of the first number and which of the 32 numbers lie
/// in the stretch.
///
/// The registers begin where half a cache line does, as a load that crosses into the next line would wait for that, too.
/// Two are looked at before it is asked how many there are: that cannot be foretold, and most stretches have no more.
#[inline]
#[target_feature(enable = "avx2")]
fn for_each_step(near: &[u16], start: usize, len: u32, mut step: impl FnMut(usize, [__m256i; 2], u32)) {
    let end = near.len().min(start.saturating_add(len as usize));
    let mut place = start & !(LANES - 1);
    loop {
        // Where the second holds nothing, the first takes its place.
        let second = if place + LANES < end { place + LANES } else { place };
        let lanes = |at: usize| at.saturating_sub(place).min(2 * LANES) as u32;
        let valid = ((1u64 << lanes(end)) - 1) & (u64::MAX << lanes(start));
        step(place, [load(near, place), load(near, second)], valid as u32);
        place += 2 * LANES;
        if place >= end {
            return;
        }
    }
}

/// Words that others may write meanwhile: each as it was or as it is.
#[inline]
#[target_feature(enable = "avx2")]
fn load_shared(words: &[AtomicU64; 4]) -> __m256i {
    let loaded;
    // SAFETY: the words are 32 bytes, and nothing is written. Processors with AVX2 read each aligned word of a load at
    // once, so that these are four relaxed loads; a plain load of all would be a race with whoever writes one of them.
    unsafe {
        asm!("vmovdqu {}, [{}]", out(ymm_reg) loaded, in(reg) words.as_ptr(),
            options(pure, readonly, nostack, preserves_flags));
    }
    loaded
}

/// A register of numbers from a place on, with zeros behind the last.
#[inline]
#[target_feature(enable = "avx2")]
fn load(numbers: &[u16], place: usize) -> __m256i {
    let rest = numbers.get(place..).unwrap_or_default();
    match rest.first_chunk::<LANES>() {
        // SAFETY: sixteen numbers are 32 bytes.
        Some(sixteen) => unsafe { _mm256_loadu_si256(sixteen.as_ptr().cast()) },
        None => load_last(rest),
    }
}

#[cold]
#[inline(never)]
#[target_feature(enable = "avx2")]
fn load_last(numbers: &[u16]) -> __m256i {
    let mut sixteen = [0u16; LANES];
    sixteen[..numbers.len()].copy_from_slice(numbers);
    // SAFETY: sixteen numbers are 32 bytes.
    unsafe { _mm256_loadu_si256(sixteen.as_ptr().cast()) }
}

/// For each number of a register how many of its bits are set.
#[inline]
#[target_feature(enable = "avx2")]
fn bits_of_lanes(numbers: __m256i) -> __m256i {
    _mm256_maddubs_epi16(bits_of_bytes(numbers), _mm256_set1_epi8(1))
}

/// The numbers that differ from `query` in fewer bits than `beyond`.
#[inline]
#[target_feature(enable = "avx2")]
fn passing(values: [__m256i; 2], query: __m256i, beyond: __m256i) -> u32 {
    few(values.map(|values| _mm256_xor_si256(values, query)), beyond)
}

/// The numbers that have fewer bits than `beyond`.
#[inline]
#[target_feature(enable = "avx2")]
fn few(numbers: [__m256i; 2], beyond: __m256i) -> u32 {
    mask_of(numbers.map(|numbers| _mm256_cmpgt_epi16(beyond, bits_of_lanes(numbers))))
}

/// A bit for each number whose bits are set.
#[inline]
#[target_feature(enable = "avx2")]
fn mask_of([low, high]: [__m256i; 2]) -> u32 {
    // Halves are packed by themselves: the inner quarters change places.
    let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi16(low, high));
    _mm256_movemask_epi8(bytes) as u32
}

/// As [`push`], where there mostly is none.
#[inline(always)]
fn push_some(mask: u32, start: usize, number: u32, out: &mut Vec<Candidate>) {
    if mask != 0 {
        push_rare(mask, start, number, out);
    }
}

/// As [`push`], out of the way of a loop where it is rare.
#[cold]
#[inline(never)]
fn push_rare(mask: u32, start: usize, number: u32, out: &mut Vec<Candidate>) {
    push(mask, start, number, out);
}

/// Appends a candidate for each bit.
#[inline(always)]
fn push(mut mask: u32, start: usize, number: u32, out: &mut Vec<Candidate>) {
    while mask != 0 {
        out.push(Candidate { place: start + mask.trailing_zeros() as usize, number });
        mask &= mask - 1;
    }
}

/// Does some work, compiled with the instruction that counts bits.
#[target_feature(enable = "avx2,popcnt")]
pub(super) fn run<T>(work: impl FnOnce() -> T) -> T {
    work()
}
