//! PDQ, bit-identical to its reference ("The TMK+PDQF video-hashing algorithm and the PDQ image-hashing
//! algorithm", Facebook 2019): luma, two passes of a Jarosz box filter, 64×64 samples, DCT coefficients
//! 1…16 each way, each bit set where its coefficient lies above the median.
//!
//! Sums run in the reference's order, in single precision: the order is part of the algorithm.

use crate::media::Luma;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::LazyLock;

const SIDE: usize = 64;
const COEFFICIENTS: usize = 16;
/// The shortest side that the reference hashes, in pixels.
const MIN_SIDE: usize = 5;

/// A 256-bit PDQ hash: bit `16 i + j` belongs to the DCT coefficient of vertical frequency `i + 1` and
/// horizontal frequency `j + 1`. Two pictures count as the same at a Hamming distance of up to 31.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pdq(pub [u64; 4]);

impl Pdq {
    /// Bits that differ, 0 to 256.
    pub fn distance(&self, other: &Pdq) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }
}

impl fmt::Display for Pdq {
    /// 64 hex digits as hash lists write them: the highest bit first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for Pdq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PDQ hash is 64 hex digits")]
pub struct ParsePdqError;

impl std::str::FromStr for Pdq {
    type Err = ParsePdqError;

    fn from_str(text: &str) -> Result<Self, ParsePdqError> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParsePdqError);
        }
        let mut words = [0; 4];
        for (word, at) in words.iter_mut().rev().zip((0..64).step_by(16)) {
            *word = u64::from_str_radix(&text[at..at + 16], 16).map_err(|_| ParsePdqError)?;
        }
        Ok(Self(words))
    }
}

/// The spectrum of one picture, from which the hash and its seven dihedral relatives are read.
#[derive(Clone, Debug)]
pub struct Spectrum {
    /// Row-major, vertical frequency first.
    coefficients: [[f32; COEFFICIENTS]; COEFFICIENTS],
    quality: u8,
}

impl Spectrum {
    /// Of a luma plane of any size. A side under 5 pixels gives the zero hash at quality 0.
    pub fn of_luma(luma: &Luma<'_>) -> Self {
        let pixels = (0..luma.height()).flat_map(|y| luma.row(y).iter().map(|&p| f32::from(p))).collect();
        Self::of_pixels(pixels, luma.width(), luma.height())
    }

    /// Of interleaved 8-bit RGB, three bytes a pixel, rows without padding.
    /// `None` where `rgb` is not `3 × width × height` long.
    pub fn of_rgb(rgb: &[u8], width: usize, height: usize) -> Option<Self> {
        if width.checked_mul(height)?.checked_mul(3)? != rgb.len() {
            return None;
        }
        let weigh = |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
        Some(Self::of_pixels(rgb.chunks_exact(3).map(weigh).collect(), width, height))
    }

    fn of_pixels(mut pixels: Vec<f32>, width: usize, height: usize) -> Self {
        if width < MIN_SIDE || height < MIN_SIDE {
            return Self { coefficients: [[0.0; COEFFICIENTS]; COEFFICIENTS], quality: 0 };
        }
        // The reference skips the filter for 64×64; its window would be one pixel wide and change nothing.
        jarosz(&mut pixels, width, height);
        let centre = |i: usize, side: usize| (2 * i + 1) * side / (2 * SIDE);
        let small: Vec<f32> = (0..SIDE * SIDE)
            .map(|k| pixels[centre(k / SIDE, height) * width + centre(k % SIDE, width)])
            .collect();
        Self { coefficients: dct(&small), quality: quality(&small) }
    }

    /// 0 to 100: how much there is to see. Hashes at 49 and below are usually discarded.
    pub fn quality(&self) -> u8 {
        self.quality
    }

    /// The hash of the picture as it is.
    pub fn hash(&self) -> Pdq {
        self.bits(|i, j| self.coefficients[i][j])
    }

    /// The hashes of the picture as it is, rotated by 90, 180 and 270 degrees, flipped vertically, flipped
    /// horizontally, and rotated by 90 degrees with either flip, all from the one spectrum: turning a picture
    /// transposes its spectrum and changes signs.
    pub fn dihedral(&self) -> [Pdq; 8] {
        let c = &self.coefficients;
        let odd = |k: usize, x: f32| if k & 1 == 1 { x } else { -x };
        [
            self.hash(),
            self.bits(|i, j| odd(i, c[j][i])),
            self.bits(|i, j| odd(i + j + 1, c[i][j])),
            self.bits(|i, j| odd(j, c[j][i])),
            self.bits(|i, j| odd(i, c[i][j])),
            self.bits(|i, j| odd(j, c[i][j])),
            self.bits(|i, j| c[j][i]),
            self.bits(|i, j| odd(i + j + 1, c[j][i])),
        ]
    }

    fn bits(&self, coefficient: impl Fn(usize, usize) -> f32) -> Pdq {
        let values: [f32; 256] = std::array::from_fn(|k| coefficient(k / COEFFICIENTS, k % COEFFICIENTS));
        let mut sorted = values;
        let median = *sorted.select_nth_unstable_by(127, f32::total_cmp).1;
        let mut words = [0; 4];
        for (k, &value) in values.iter().enumerate() {
            words[k / 64] |= u64::from(value > median) << (k % 64);
        }
        Pdq(words)
    }
}

/// Two passes of a box filter along rows and columns, in place.
fn jarosz(pixels: &mut [f32], width: usize, height: usize) {
    let window = |side: usize| side.div_ceil(2 * SIDE);
    if window(width) == 1 && window(height) == 1 {
        return;
    }
    let mut buffer = vec![0.0; pixels.len()];
    for _ in 0..2 {
        for (from, to) in pixels.chunks_exact(width).zip(buffer.chunks_exact_mut(width)) {
            box_filter::<1>(from, to, width, 1, window(width));
        }
        // Sixteen columns abreast: the same sums in the same order, and a whole cache line of each row.
        let wide = width / 16 * 16;
        for x in (0..wide).step_by(16) {
            box_filter::<16>(&buffer[x..], &mut pixels[x..], height, width, window(height));
        }
        for x in wide..width {
            box_filter::<1>(&buffer[x..], &mut pixels[x..], height, width, window(height));
        }
    }
}

/// The running mean over `window` of `length` elements `stride` apart, for `N` neighbouring lines at once.
fn box_filter<const N: usize>(from: &[f32], to: &mut [f32], length: usize, stride: usize, window: usize) {
    let ahead = (window + 2) / 2 - 1;
    let mut sum = [0.0; N];
    for i in 0..length + ahead {
        if i < length {
            for (s, x) in sum.iter_mut().zip(&from[i * stride..]) {
                *s += x;
            }
        }
        if i >= window {
            for (s, x) in sum.iter_mut().zip(&from[(i - window) * stride..]) {
                *s -= x;
            }
        }
        if i >= ahead {
            let within = (i + 1).min(window) - (i + 1).saturating_sub(length);
            for (s, x) in sum.iter().zip(&mut to[(i - ahead) * stride..]) {
                *x = s / within as f32;
            }
        }
    }
}

/// The sum of quantised steps between neighbours: many small ones count for nothing.
fn quality(small: &[f32]) -> u8 {
    let step = |a: f32, b: f32| (((a - b) * 100.0 / 255.0) as i32).unsigned_abs();
    let rows: u32 = small.iter().zip(&small[SIDE..]).map(|(&a, &b)| step(a, b)).sum();
    let columns: u32 =
        small.chunks_exact(SIDE).flat_map(|row| row.windows(2)).map(|pair| step(pair[0], pair[1])).sum();
    ((rows + columns) / 90).min(100) as u8
}

fn dct(small: &[f32]) -> [[f32; COEFFICIENTS]; COEFFICIENTS] {
    static COSINES: LazyLock<[[f32; SIDE]; COEFFICIENTS]> = LazyLock::new(|| {
        let scale = f64::from((2.0 / SIDE as f64).sqrt() as f32);
        std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let angle = std::f64::consts::PI / 2.0 / SIDE as f64 * (i + 1) as f64 * (2 * j + 1) as f64;
                (scale * angle.cos()) as f32
            })
        })
    });
    std::array::from_fn(|i| {
        let mut column_sums = [0.0; SIDE];
        for (cosine, row) in COSINES[i].iter().zip(small.chunks_exact(SIDE)) {
            for (sum, x) in column_sums.iter_mut().zip(row) {
                *sum += cosine * x;
            }
        }
        std::array::from_fn(|j| {
            column_sums.iter().zip(&COSINES[j]).fold(0.0, |sum, (x, cosine)| sum + x * cosine)
        })
    })
}
