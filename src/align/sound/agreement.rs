//! Hamming distances of a block of words at every position of a track.

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
        fn all_ways_agree(block in any::<[u32; BLOCK]>(), track in proptest::collection::vec(any::<u32>(), 0..100)) {
            let want: Vec<i16> = track.windows(BLOCK).map(|track| plain(&block, track)).collect();
            let mut got = Vec::new();
            distances(&block, &track, &mut got);
            prop_assert_eq!(&got, &want);
            got.clear();
            portable(&block, &track, &mut got);
            prop_assert_eq!(&got, &want);
        }
    }
}
