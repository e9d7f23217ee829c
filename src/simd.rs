//! What kernels for wide registers share.

use std::arch::x86_64::*;

/// For each byte the number of its bits, by table lookup, four at a time (Muła, Kurz, Lemire: Faster Population Counts
/// Using AVX2 Instructions, 2018).
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn bits_of_bytes(bytes: __m256i) -> __m256i {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let nibble = _mm256_set1_epi8(0x0f);
    let low = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, nibble));
    let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble));
    _mm256_add_epi8(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn bits_are_counted() {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        for first in (0..=255u8).step_by(32) {
            let bytes: [u8; 32] = std::array::from_fn(|i| first + i as u8);
            let mut counts = [0u8; 32];
            // SAFETY: the processor has AVX2, and both arrays are 32 bytes.
            unsafe {
                let counted = bits_of_bytes(_mm256_loadu_si256(bytes.as_ptr().cast()));
                _mm256_storeu_si256(counts.as_mut_ptr().cast(), counted);
            }
            assert_eq!(counts, bytes.map(|byte| byte.count_ones() as u8));
        }
    }
}
