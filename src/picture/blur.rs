//! Gaussian blur, the costliest step of feature extraction.
#![allow(unsafe_code)]

use super::plane::Plane;

/// `plane` blurred with a Gaussian of standard deviation `sigma` pixels, cut off at 2.5 σ, in place of what `into` holds.
/// Bit-identical on every machine: wider registers do the same sums in the same order.
pub(crate) fn gaussian(plane: &Plane, sigma: f32, into: &mut Plane) {
    let taps = taps(sigma);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the only thing that the function asks for.
        return unsafe { convolve_avx2(plane, &taps, into) };
    }
    convolve(plane, &taps, into);
}

/// The middle of the kernel and one of its sides.
fn taps(sigma: f32) -> Vec<f32> {
    let radius = (2.5 * sigma).ceil() as usize;
    let taps: Vec<f32> = (0..=radius).map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp()).collect();
    let total = taps[0] + 2.0 * taps[1..].iter().sum::<f32>();
    taps.iter().map(|t| t / total).collect()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn convolve_avx2(plane: &Plane, taps: &[f32], into: &mut Plane) {
    convolve(plane, taps, into);
}

/// Pixels that are summed abreast.
const ABREAST: usize = 64;

/// Down the columns into a row with a margin, then along it, row by row.
#[inline(always)]
fn convolve(plane: &Plane, taps: &[f32], into: &mut Plane) {
    if plane.width < ABREAST {
        convolve_wide(&widened(plane), taps, into);
        *into = cut(into, plane.width);
        return;
    }
    convolve_wide(plane, taps, into);
}

#[inline(always)]
fn convolve_wide(plane: &Plane, taps: &[f32], into: &mut Plane) {
    let (width, height, radius) = (plane.width, plane.height, taps.len() - 1);
    into.resize(width, height);
    let mut line = vec![0.0; width + 2 * radius];
    // The last block may lie over the one before: what both hold is the same.
    let blocks = || (0..width).step_by(ABREAST).map(|x| x.min(width - ABREAST));
    for (y, to) in into.pixels.chunks_exact_mut(width).enumerate() {
        for x in blocks() {
            let mut sums = [0.0f32; ABREAST];
            add(&mut sums, taps[0], &plane.row(y)[x..]);
            for (k, &tap) in taps.iter().enumerate().skip(1) {
                let (above, below) = (plane.row(y.saturating_sub(k)), plane.row((y + k).min(height - 1)));
                add_two(&mut sums, tap, &above[x..], &below[x..]);
            }
            line[radius + x..radius + x + ABREAST].copy_from_slice(&sums);
        }
        let (first, last) = (line[radius], line[radius + width - 1]);
        line[..radius].fill(first);
        line[radius + width..].fill(last);
        for x in blocks() {
            let mut sums = [0.0f32; ABREAST];
            add(&mut sums, taps[0], &line[x + radius..]);
            for (k, &tap) in taps.iter().enumerate().skip(1) {
                add_two(&mut sums, tap, &line[x + radius - k..], &line[x + radius + k..]);
            }
            to[x..x + ABREAST].copy_from_slice(&sums);
        }
    }
}

/// A narrow plane with its border going on until it is wide enough for a block.
fn widened(plane: &Plane) -> Plane {
    let mut pixels = Vec::with_capacity(ABREAST * plane.height);
    for row in plane.pixels.chunks_exact(plane.width) {
        pixels.extend_from_slice(row);
        pixels.resize(pixels.len() + ABREAST - plane.width, row[plane.width - 1]);
    }
    Plane { width: ABREAST, height: plane.height, pixels }
}

/// The first `width` columns.
fn cut(plane: &Plane, width: usize) -> Plane {
    let pixels = plane.pixels.chunks_exact(plane.width).flat_map(|row| &row[..width]).copied().collect();
    Plane { width, height: plane.height, pixels }
}

#[inline(always)]
fn add(sums: &mut [f32; ABREAST], tap: f32, values: &[f32]) {
    if let Some(values) = values.first_chunk::<ABREAST>() {
        for (sum, v) in sums.iter_mut().zip(values) {
            *sum += tap * v;
        }
    }
}

#[inline(always)]
fn add_two(sums: &mut [f32; ABREAST], tap: f32, left: &[f32], right: &[f32]) {
    if let (Some(left), Some(right)) = (left.first_chunk::<ABREAST>(), right.first_chunk::<ABREAST>()) {
        for ((sum, a), b) in sums.iter_mut().zip(left).zip(right) {
            *sum += tap * (a + b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One pixel at a time, as a definition would have it.
    fn naive(plane: &Plane, taps: &[f32]) -> Vec<f32> {
        let at = |x: isize, y: isize| {
            let x = x.clamp(0, plane.width as isize - 1) as usize;
            plane.row(y.clamp(0, plane.height as isize - 1) as usize)[x]
        };
        let radius = taps.len() as isize - 1;
        let kernel = |k: isize| taps[k.unsigned_abs()];
        (0..plane.pixels.len() as isize)
            .map(|i| {
                let (x, y) = (i % plane.width as isize, i / plane.width as isize);
                let across = |y: isize| (-radius..=radius).map(|k| kernel(k) * at(x + k, y)).sum::<f32>();
                (-radius..=radius).map(|k| kernel(k) * across(y + k)).sum()
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn all_ways_blur_alike(width in 1usize..70, height in 1usize..20, sigma in 0.5f32..4.0, seed in any::<u32>()) {
            let mut state = seed | 1;
            let pixels = (0..width * height).map(|_| {
                state ^= state << 13; state ^= state >> 17; state ^= state << 5;
                (state >> 24) as f32
            }).collect();
            let plane = Plane { width, height, pixels };
            let taps = taps(sigma);
            let (mut portable, mut best) = (Plane::default(), Plane { width: 3, height: 1, pixels: vec![7.0; 3] });
            convolve(&plane, &taps, &mut portable);
            gaussian(&plane, sigma, &mut best);
            prop_assert_eq!(&best, &portable);
            for (a, b) in portable.pixels.iter().zip(naive(&plane, &taps)) {
                prop_assert!((a - b).abs() < 0.01, "{} {}", a, b);
            }
        }
    }
}
