//! The inner loops of search: Hamming distances of a block of words from runs of a track's words, and their sums.

/// Words to a block.
pub(super) const BLOCK: usize = 16;

/// Positions computed side by side.
const LANES: usize = 16;

/// Distance of `block` from each run of [`BLOCK`] words of `track`, in order; at most 512 each.
pub(super) fn distances(block: &[u32; BLOCK], track: &[u32], out: &mut Vec<i16>) {
    out.clear();
    out.reserve((track.len() + 1).saturating_sub(BLOCK));
    #[cfg(target_arch = "x86_64")]
    if wide::distances(block, track, out) {
        return;
    }
    portable(block, track, out);
}

/// Adds to each of the running sums, anew where it is below nought, and keeps the best that each has been.
pub(super) fn accumulate(running: &mut [i16], best: &mut [i16], values: &[i16]) {
    #[cfg(target_arch = "x86_64")]
    return wide::accumulate(running, best, values);
    #[cfg(not(target_arch = "x86_64"))]
    accumulate_portable(running, best, values);
}

#[inline(always)]
fn accumulate_portable(running: &mut [i16], best: &mut [i16], values: &[i16]) {
    for ((running, best), &value) in running.iter_mut().zip(best).zip(values) {
        *running = (*running).max(0).saturating_add(value);
        *best = (*best).max(*running);
    }
}

/// Bits to look for, of which the firm ones count twice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sketch {
    bits: u64,
    firm: u64,
    /// What may differ.
    farthest: u64,
}

impl Sketch {
    /// Like sketches that differ by at most the share `farthest` of what all bits count.
    pub(super) fn new(bits: u64, firm: u64, farthest: f32) -> Self {
        Self { bits, firm, farthest: (farthest * (u64::BITS + firm.count_ones()) as f32) as u64 }
    }

    /// What the bits count that differ from `other`.
    #[inline(always)]
    fn distance(&self, other: u64) -> u64 {
        let wrong = self.bits ^ other;
        u64::from(wrong.count_ones()) + u64::from((wrong & self.firm).count_ones())
    }
}

/// As many sketches as are compared at once.
pub(super) const WIDE: usize = 16;

/// A sketch and the list that is gone through for what is like it.
pub(super) struct Ask<'a, T> {
    pub(super) sketch: &'a Sketch,
    pub(super) list: &'a [u64],
    /// So many of the list count. Up to [`WIDE`] more are read where it goes on, so that no list has an odd end.
    pub(super) count: usize,
    /// What comes back with all that is found.
    pub(super) name: T,
}

/// Hands to `each` the names of what is asked, and the numbers in its list of those that are like its sketch.
pub(super) fn sketched<'a, T: Copy>(asked: impl Iterator<Item = Ask<'a, T>>, each: impl FnMut(T, usize)) {
    #[cfg(target_arch = "x86_64")]
    return wide::sketched(asked, each);
    #[cfg(not(target_arch = "x86_64"))]
    sketched_portable(asked, each);
}

#[inline(always)]
fn sketched_portable<'a, T: Copy>(asked: impl Iterator<Item = Ask<'a, T>>, each: impl FnMut(T, usize)) {
    sieve(asked, each, |sketch, chunk| {
        let near = |(at, other): (usize, &u64)| u32::from(sketch.distance(*other) <= sketch.farthest) << at;
        chunk.iter().enumerate().map(near).fold(0, |all, bit| all | bit)
    });
}

/// Goes through lists with a way to tell which of a chunk are near, the first in the lowest bit.
#[inline(always)]
fn sieve<'a, T: Copy>(
    asked: impl Iterator<Item = Ask<'a, T>>,
    mut each: impl FnMut(T, usize),
    near: impl Fn(&Sketch, &[u64; WIDE]) -> u32,
) {
    for Ask { sketch, list, count, name } in asked {
        let (chunks, rest) = list[..list.len().min(count.next_multiple_of(WIDE))].as_chunks::<WIDE>();
        for (first, chunk) in (0..).step_by(WIDE).zip(chunks) {
            let mut bits = near(sketch, chunk);
            while bits != 0 {
                let at = first + bits.trailing_zeros() as usize;
                if at < count {
                    each(name, at);
                }
                bits &= bits - 1;
            }
        }
        for (at, &other) in (chunks.len() * WIDE..count).zip(rest) {
            if sketch.distance(other) <= sketch.farthest {
                each(name, at);
            }
        }
    }
}

/// A block that may begin at word `start` of a track.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) block: &'a [u32; BLOCK],
    pub(super) start: u32,
}

/// Hands to `each` the numbers of those `pairs` whose block and track differ in at most `farthest` bits, and their
/// distances.
pub(super) fn near(pairs: &[Pair<'_>], track: &[u32], farthest: u32, each: impl FnMut(usize, u32)) {
    #[cfg(target_arch = "x86_64")]
    return wide::near(pairs, track, farthest, each);
    #[cfg(not(target_arch = "x86_64"))]
    near_portable(pairs, track, farthest, each);
}

#[inline(always)]
fn near_portable(pairs: &[Pair<'_>], track: &[u32], farthest: u32, mut each: impl FnMut(usize, u32)) {
    // Touching all first lets the memory answer in any order.
    let ends = |pair: &Pair<'_>| [pair.start as usize, pair.start as usize + BLOCK - 1];
    let touched = pairs.iter().flat_map(ends).filter_map(|at| track.get(at));
    std::hint::black_box(touched.fold(0, |sum, word| sum ^ word));
    for (at, pair) in pairs.iter().enumerate() {
        let run = track.get(pair.start as usize..).and_then(|run| run.first_chunk::<BLOCK>());
        let Some(run) = run else { continue };
        let distance = pair.block.iter().zip(run).map(|(a, b)| (a ^ b).count_ones()).sum();
        if distance <= farthest {
            each(at, distance);
        }
    }
}

/// Written so that a compiler can keep the lanes in registers; the wide versions are this, compiled for more.
#[inline(always)]
fn portable(block: &[u32; BLOCK], track: &[u32], out: &mut Vec<i16>) {
    let mut start = 0;
    while let Some(track) = track.get(start..start + LANES + BLOCK - 1) {
        let mut sums = [0u32; LANES];
        for (word, track) in block.iter().zip(track.windows(LANES)) {
            for (sum, other) in sums.iter_mut().zip(track) {
                *sum += (word ^ other).count_ones();
            }
        }
        out.extend(sums.map(|sum| sum as i16));
        start += LANES;
    }
    let rest = track.get(start..).unwrap_or_default();
    out.extend(rest.windows(BLOCK).map(|track| plain(block, track)));
}

fn plain(block: &[u32; BLOCK], track: &[u32]) -> i16 {
    block.iter().zip(track).map(|(a, b)| (a ^ b).count_ones() as i16).sum()
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide {
    use super::{Ask, BLOCK, Pair};
    use crate::simd::bits_of_bytes;
    use std::arch::x86_64::*;

    fn has_wide_counts() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vpopcntdq")
            && is_x86_feature_detected!("popcnt")
    }

    /// False, with nothing done, on a processor that has none of the features.
    pub(super) fn distances(block: &[u32; BLOCK], track: &[u32], out: &mut Vec<i16>) -> bool {
        if has_wide_counts() {
            // SAFETY: the processor has the features that the function is compiled for.
            unsafe { avx512(block, track, out) };
            true
        } else if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            unsafe { avx2(block, track, out) };
            true
        } else {
            false
        }
    }

    /// As the portable one, compiled for the best that the processor has.
    pub(super) fn sketched<'a, T: Copy>(asked: impl Iterator<Item = Ask<'a, T>>, each: impl FnMut(T, usize)) {
        if has_wide_counts() {
            // SAFETY: the processor has the features that the function is compiled for.
            unsafe { sketched_avx512(asked, each) }
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            // SAFETY: as above.
            unsafe { sketched_avx2(asked, each) }
        } else {
            super::sketched_portable(asked, each);
        }
    }

    /// As the portable one, compiled for the best that the processor has.
    pub(super) fn near(pairs: &[Pair<'_>], track: &[u32], farthest: u32, each: impl FnMut(usize, u32)) {
        if has_wide_counts() {
            // SAFETY: the processor has the features that the function is compiled for.
            unsafe { near_avx512(pairs, track, farthest, each) }
        } else if is_x86_feature_detected!("popcnt") {
            // SAFETY: as above.
            unsafe { near_popcnt(pairs, track, farthest, each) }
        } else {
            super::near_portable(pairs, track, farthest, each);
        }
    }

    /// As the portable one, compiled for the best that the processor has.
    pub(super) fn accumulate(running: &mut [i16], best: &mut [i16], values: &[i16]) {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the features that the function is compiled for.
            unsafe { accumulate_avx2(running, best, values) }
        } else {
            super::accumulate_portable(running, best, values);
        }
    }

    #[target_feature(enable = "avx2")]
    fn accumulate_avx2(running: &mut [i16], best: &mut [i16], values: &[i16]) {
        super::accumulate_portable(running, best, values);
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    fn sketched_avx512<'a, T: Copy>(asked: impl Iterator<Item = Ask<'a, T>>, each: impl FnMut(T, usize)) {
        super::sieve(asked, each, |sketch, chunk| {
            let (bits, firm) = (_mm512_set1_epi64(sketch.bits as i64), _mm512_set1_epi64(sketch.firm as i64));
            let farthest = _mm512_set1_epi64(sketch.farthest as i64);
            let eight = |first: usize| {
                // SAFETY: eight numbers lie there, in any alignment.
                let others = unsafe { _mm512_loadu_si512(chunk[first..first + 8].as_ptr().cast()) };
                let wrong = _mm512_xor_si512(others, bits);
                let counted = _mm512_popcnt_epi64(_mm512_and_si512(wrong, firm));
                let distance = _mm512_add_epi64(_mm512_popcnt_epi64(wrong), counted);
                u32::from(_mm512_cmple_epu64_mask(distance, farthest))
            };
            eight(0) | eight(8) << 8
        });
    }

    #[target_feature(enable = "avx2,popcnt")]
    fn sketched_avx2<'a, T: Copy>(asked: impl Iterator<Item = Ask<'a, T>>, each: impl FnMut(T, usize)) {
        super::sieve(asked, each, |sketch, chunk| {
            let (bits, firm) =
                (_mm256_set1_epi64x(sketch.bits as i64), _mm256_set1_epi64x(sketch.firm as i64));
            let beyond = _mm256_set1_epi64x(sketch.farthest as i64 + 1);
            let four = |first: usize| {
                // SAFETY: four numbers lie there, in any alignment.
                let others = unsafe { _mm256_loadu_si256(chunk[first..first + 4].as_ptr().cast()) };
                let wrong = _mm256_xor_si256(others, bits);
                let counted = bits_of_bytes(_mm256_and_si256(wrong, firm));
                // At most 16 a byte.
                let both = _mm256_add_epi8(bits_of_bytes(wrong), counted);
                let distance = _mm256_sad_epu8(both, _mm256_setzero_si256());
                let near = _mm256_cmpgt_epi64(beyond, distance);
                _mm256_movemask_pd(_mm256_castsi256_pd(near)).cast_unsigned()
            };
            four(0) | four(4) << 4 | four(8) << 8 | four(12) << 12
        });
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    fn near_avx512(pairs: &[Pair<'_>], track: &[u32], farthest: u32, each: impl FnMut(usize, u32)) {
        super::near_portable(pairs, track, farthest, each);
    }

    #[target_feature(enable = "popcnt")]
    fn near_popcnt(pairs: &[Pair<'_>], track: &[u32], farthest: u32, each: impl FnMut(usize, u32)) {
        super::near_portable(pairs, track, farthest, each);
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    fn avx512(block: &[u32; BLOCK], track: &[u32], out: &mut Vec<i16>) {
        super::portable(block, track, out);
    }

    #[target_feature(enable = "avx2,popcnt")]
    fn avx2(block: &[u32; BLOCK], track: &[u32], out: &mut Vec<i16>) {
        super::portable(block, track, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_those_of_one_at_a_time(values in proptest::collection::vec(any::<i16>(), 0..200), start in any::<i16>()) {
            let sums = |add: fn(&mut [i16], &mut [i16], &[i16])| {
                let (mut running, mut best) = (vec![start; values.len()], vec![0; values.len()]);
                add(&mut running, &mut best, &values);
                add(&mut running, &mut best, &values);
                (running, best)
            };
            prop_assert_eq!(sums(accumulate), sums(accumulate_portable));
        }

        #[test]
        fn sketches_are_found_by_their_distance(bits in any::<u64>(), firm in any::<u64>(), list in proptest::collection::vec(any::<u64>(), 0..100), beyond in 0..40usize) {
            let sketch = Sketch::new(bits, firm, 0.5);
            let distance = |other: u64| (0..64).filter(|bit| (bits ^ other) >> bit & 1 == 1).map(|bit| 1 + (firm >> bit & 1)).sum::<u64>();
            let farthest = (64 + u64::from(firm.count_ones())) / 2;
            let count = list.len().saturating_sub(beyond);
            let near = |name| (0..count).filter(|&at| distance(list[at]) <= farthest).map(move |at| (name, at));
            let want: Vec<(i32, usize)> = near(0).chain(near(1)).collect();
            let (mut found, mut plain) = (Vec::new(), Vec::new());
            let asked = || [0, 1].into_iter().map(|name| Ask { sketch: &sketch, list: &list, count, name });
            sketched(asked(), |name, at| found.push((name, at)));
            sketched_portable(asked(), |name, at| plain.push((name, at)));
            prop_assert_eq!(&found, &want);
            prop_assert_eq!(&plain, &want);
        }

        #[test]
        fn all_ways_agree(block in any::<[u32; BLOCK]>(), track in proptest::collection::vec(any::<u32>(), 0..100)) {
            let want: Vec<i16> = track.windows(BLOCK).map(|track| plain(&block, track)).collect();
            let mut got = Vec::new();
            distances(&block, &track, &mut got);
            prop_assert_eq!(&got, &want);
            got.clear();
            portable(&block, &track, &mut got);
            prop_assert_eq!(&got, &want);
            let pairs: Vec<_> = (0..100).map(|start| Pair { block: &block, start }).collect();
            let mut found = Vec::new();
            near(&pairs, &track, 255, |at, distance| found.push((at, distance as i16)));
            let want = (0..).zip(want).filter(|(_, distance)| *distance <= 255);
            prop_assert_eq!(found, want.collect::<Vec<_>>());
        }
    }
}
