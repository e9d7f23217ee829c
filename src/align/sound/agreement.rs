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

/// Hands those of `starts` to `each` that begin runs of [`BLOCK`] words of `track` at most `farthest` from `block`,
/// with their distances.
pub(super) fn near(
    block: &[u32; BLOCK],
    track: &[u32],
    starts: &[u32],
    farthest: u32,
    each: impl FnMut(u32, u32),
) {
    #[cfg(target_arch = "x86_64")]
    return wide::near(block, track, starts, farthest, each);
    #[cfg(not(target_arch = "x86_64"))]
    near_portable(block, track, starts, farthest, each);
}

#[inline(always)]
fn near_portable(
    block: &[u32; BLOCK],
    track: &[u32],
    starts: &[u32],
    farthest: u32,
    mut each: impl FnMut(u32, u32),
) {
    // Touching all first lets the memory answer in any order.
    let touched = starts.iter().filter_map(|&start| track.get(start as usize));
    std::hint::black_box(touched.fold(0, |sum, word| sum ^ word));
    for &start in starts {
        let run = track.get(start as usize..).and_then(|run| run.first_chunk::<BLOCK>());
        let Some(run) = run else { continue };
        let distance = block.iter().zip(run).map(|(a, b)| (a ^ b).count_ones()).sum();
        if distance <= farthest {
            each(start, distance);
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
    use super::BLOCK;

    /// False, with nothing done, on a processor that has none of the features.
    pub(super) fn distances(block: &[u32; BLOCK], track: &[u32], out: &mut Vec<i16>) -> bool {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
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
    pub(super) fn near(
        block: &[u32; BLOCK],
        track: &[u32],
        starts: &[u32],
        farthest: u32,
        each: impl FnMut(u32, u32),
    ) {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
            // SAFETY: the processor has the features that the function is compiled for.
            unsafe { near_avx512(block, track, starts, farthest, each) }
        } else if is_x86_feature_detected!("popcnt") {
            // SAFETY: as above.
            unsafe { near_popcnt(block, track, starts, farthest, each) }
        } else {
            super::near_portable(block, track, starts, farthest, each);
        }
    }

    /// As the portable one, compiled for the best that the processor has.
    pub(super) fn accumulate(running: &mut [i16], best: &mut [i16], values: &[i16]) {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            unsafe { accumulate_avx2(running, best, values) }
        } else {
            super::accumulate_portable(running, best, values);
        }
    }

    #[target_feature(enable = "avx2")]
    fn accumulate_avx2(running: &mut [i16], best: &mut [i16], values: &[i16]) {
        super::accumulate_portable(running, best, values);
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    fn near_avx512(
        block: &[u32; BLOCK],
        track: &[u32],
        starts: &[u32],
        farthest: u32,
        each: impl FnMut(u32, u32),
    ) {
        super::near_portable(block, track, starts, farthest, each);
    }

    #[target_feature(enable = "popcnt")]
    fn near_popcnt(
        block: &[u32; BLOCK],
        track: &[u32],
        starts: &[u32],
        farthest: u32,
        each: impl FnMut(u32, u32),
    ) {
        super::near_portable(block, track, starts, farthest, each);
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
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
        fn all_ways_agree(block in any::<[u32; BLOCK]>(), track in proptest::collection::vec(any::<u32>(), 0..100)) {
            let want: Vec<i16> = track.windows(BLOCK).map(|track| plain(&block, track)).collect();
            let mut got = Vec::new();
            distances(&block, &track, &mut got);
            prop_assert_eq!(&got, &want);
            got.clear();
            portable(&block, &track, &mut got);
            prop_assert_eq!(&got, &want);
            let starts: Vec<u32> = (0..100).collect();
            let mut found = Vec::new();
            near(&block, &track, &starts, 255, |start, distance| found.push((start, distance as i16)));
            let want = (0..).zip(want).filter(|(_, distance)| *distance <= 255);
            prop_assert_eq!(found, want.collect::<Vec<_>>());
        }
    }
}
