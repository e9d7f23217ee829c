//! Local features: keypoints with a binary description of their surroundings.

use super::description::{BITS, Doubts, MIRROR, NEGATIVE, WORD, WORDS, joined, patch, signs, split};
use super::keypoint::{Keypoint, ScaleSpace};
use super::plane::Plane;
use crate::key::Turns;
use serde::{Deserialize, Serialize};
use std::f32::consts::TAU;
use std::ops::RangeBounds;

/// Bins of the histogram of gradient directions.
const DIRECTIONS: usize = 36;
/// Main directions of a keypoint, at the most.
pub(super) const MOST_DIRECTIONS: usize = 2;
/// A second direction counts from this share of the strongest.
const SECOND: f32 = 0.8;
/// Steps of [`Feature::size`] in an octave.
const SIZE_STEPS: f32 = 24.0;
/// The size that [`Feature::size`] counts from, in longer sides of the picture.
const SMALLEST: f32 = 1.0 / 1024.0;
/// Bits of a place in a packed feature.
const PLACE_BITS: u32 = 14;
/// Steps of a place in the picture's longer side.
const PLACES: u16 = 1 << PLACE_BITS;

/// A keypoint, its place in units of the picture's longer side, and its description. Takes 16 bytes when packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Signs of the 84 lowest DCT coefficients, dealt out to three words of 28 bits, and zeros.
    pub code: [u64; 2],
    /// 16384ths of the longer side, from the left.
    pub x: u16,
    /// 16384ths of the longer side, from the top.
    pub y: u16,
    /// 24ths of an octave above 1/1024 of the longer side.
    pub size: u8,
    /// 256ths of a turn, from the x axis towards the y axis.
    pub angle: u8,
}

impl Feature {
    /// Place in longer sides of the picture.
    pub fn place(&self) -> [f32; 2] {
        [self.x, self.y].map(|v| f32::from(v) / f32::from(PLACES))
    }

    /// Size (standard deviation of the blob) in longer sides of the picture.
    pub fn sigma(&self) -> f32 {
        SMALLEST * (f32::from(self.size) / SIZE_STEPS).exp2()
    }

    /// Direction in radians.
    pub fn radians(&self) -> f32 {
        f32::from(self.angle) * (TAU / 256.0)
    }

    /// All of it in a number. What a place or a code has beyond its bits is lost.
    pub(super) fn packed(&self) -> u128 {
        let place = |v: u16| u128::from(v & (PLACES - 1));
        let mut bits = u128::from(self.size) | u128::from(self.angle) << 8;
        bits |= place(self.x) << 16 | place(self.y) << (16 + PLACE_BITS);
        bits | joined(&self.code) << (u128::BITS as usize - BITS)
    }

    /// The inverse of [`packed`](Self::packed).
    pub(super) fn unpacked(bits: u128) -> Self {
        let place = |from: u32| (bits >> from) as u16 & (PLACES - 1);
        Self {
            code: split(bits >> (u128::BITS as usize - BITS)),
            x: place(16),
            y: place(16 + PLACE_BITS),
            size: bits as u8,
            angle: (bits >> 8) as u8,
        }
    }

    /// The code that the same surroundings have in a mirror, as a negative, or both.
    pub fn seen(&self, mirrored: bool, negative: bool) -> [u64; 2] {
        let mask = |on: bool, mask: &[u64; 2], w: usize| if on { mask[w] } else { 0 };
        std::array::from_fn(|w| self.code[w] ^ mask(mirrored, &MIRROR, w) ^ mask(negative, &NEGATIVE, w))
    }
}

/// A feature of a query, and which of its bits are in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// As a bank would keep it.
    pub feature: Feature,
    /// Those whose coefficients are the smallest for their frequency.
    pub doubts: Doubts,
}

impl From<Feature> for Observed {
    /// Of which nothing more is known: the highest frequencies are in doubt.
    fn from(feature: Feature) -> Self {
        Self { feature, doubts: [std::array::from_fn(|r| (WORD - 1 - r) as u8); WORDS] }
    }
}

/// The features of one picture after another.
#[derive(Debug, Default)]
pub(crate) struct Features {
    space: ScaleSpace,
    keypoints: Vec<Keypoint>,
    longer: f32,
}

impl Features {
    /// Goes over to another picture.
    pub(crate) fn take(&mut self, base: &Plane) {
        self.space.take(base);
        self.keypoints = self.space.keypoints();
        self.longer = base.width.max(base.height) as f32;
    }

    /// Those of at most `most` keypoints whose size lies in `sigmas`, in pixels, the strongest of each part of the picture
    /// first, in each of at most so many main directions, described as they would look if the picture were wider for its
    /// height by each of `stretches`. The signs are those of coefficients that were turned by `turns`, if there are any.
    pub(crate) fn strongest(
        &self,
        most: usize,
        sigmas: impl RangeBounds<f32>,
        directions: usize,
        stretches: &[f32],
        turns: Option<&Turns>,
    ) -> Vec<Observed> {
        let large = self.keypoints.iter().filter(|k| sigmas.contains(&k.sigma)).copied().collect();
        let mut found = Vec::with_capacity(stretches.len() * (most + most / 4));
        for keypoint in spread(large, self.longer, most) {
            let Some((plane, pixel)) = self.space.level(keypoint.sigma) else { continue };
            for angle in main_directions(plane, pixel, &keypoint).take(directions) {
                for &stretch in stretches {
                    // Gradients grow where lengths shrink.
                    let (sin, cos) = angle.sin_cos();
                    let angle = (stretch * sin).atan2(cos);
                    let (code, doubts) = signs(&patch(plane, pixel, &keypoint, angle, stretch), turns);
                    found.push(Observed { feature: self.feature(&keypoint, angle, code), doubts });
                }
            }
        }
        found
    }

    fn feature(&self, keypoint: &Keypoint, angle: f32, code: [u64; 2]) -> Feature {
        let steps = f32::from(PLACES);
        let unit = |v: f32| ((v + 0.5) / self.longer * steps).clamp(0.0, steps - 1.0) as u16;
        let size = (keypoint.sigma / self.longer / SMALLEST).log2() * SIZE_STEPS;
        Feature {
            code,
            x: unit(keypoint.x),
            y: unit(keypoint.y),
            size: size.round().clamp(0.0, 255.0) as u8,
            angle: (angle / TAU * 256.0).round().rem_euclid(256.0) as u8,
        }
    }
}

/// The strongest keypoints, but no part of the picture's 4 × 4 takes more than about an eighth before the others
/// had their turn: a caption or a sticker must not outshout the picture.
fn spread(mut keypoints: Vec<Keypoint>, longer: f32, most: usize) -> Vec<Keypoint> {
    keypoints.sort_by(|a, b| {
        b.response.total_cmp(&a.response).then(a.x.total_cmp(&b.x)).then(a.y.total_cmp(&b.y))
    });
    let mut taken = [0usize; 16];
    let share = most / 8 + 1;
    let part = |k: &Keypoint| {
        let cell = |v: f32| ((v / longer * 4.0) as usize).min(3);
        4 * cell(k.y) + cell(k.x)
    };
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for keypoint in keypoints {
        let count = &mut taken[part(&keypoint)];
        *count += 1;
        if *count <= share { first.push(keypoint) } else { rest.push(keypoint) }
    }
    first.extend(rest);
    first.truncate(most);
    first
}

/// The main gradient directions around a keypoint, in radians, the strongest first (Lowe, section 5).
fn main_directions(plane: &Plane, pixel: f32, keypoint: &Keypoint) -> impl Iterator<Item = f32> + use<> {
    let sigma = 1.5 * keypoint.sigma / pixel;
    let radius = (2.5 * sigma).round();
    let (cx, cy) = ((keypoint.x / pixel).round(), (keypoint.y / pixel).round());
    let range =
        |c: f32, side: usize| (c - radius).max(1.0) as usize..((c + radius + 1.0) as usize).min(side - 1);
    let falloff = |from: usize, c: f32| (-(from as f32 - c).powi(2) / (2.0 * sigma * sigma)).exp();
    let across: Vec<f32> = range(cx, plane.width).map(|x| falloff(x, cx)).collect();
    let mut histogram = [0.0f32; DIRECTIONS];
    for y in range(cy, plane.height) {
        let (above, row, below) = (plane.row(y - 1), plane.row(y), plane.row(y + 1));
        let down = falloff(y, cy);
        for (x, near) in range(cx, plane.width).zip(&across) {
            let (gx, gy) = (row[x + 1] - row[x - 1], below[x] - above[x]);
            let weight = down * near * (gx * gx + gy * gy).sqrt();
            let bin = turns(gx, gy) * DIRECTIONS as f32;
            let (low, share) = (bin as usize, bin.fract());
            histogram[low % DIRECTIONS] += weight * (1.0 - share);
            histogram[(low + 1) % DIRECTIONS] += weight * share;
        }
    }
    for _ in 0..2 {
        let h = histogram;
        histogram = std::array::from_fn(|k| {
            0.25 * h[(k + DIRECTIONS - 1) % DIRECTIONS] + 0.5 * h[k] + 0.25 * h[(k + 1) % DIRECTIONS]
        });
    }
    let mut peaks: Vec<(f32, f32)> = (0..DIRECTIONS)
        .filter_map(|k| {
            let (left, right) =
                (histogram[(k + DIRECTIONS - 1) % DIRECTIONS], histogram[(k + 1) % DIRECTIONS]);
            let peak = histogram[k];
            (peak > left && peak >= right).then(|| {
                let shift = 0.5 * (left - right) / (left - 2.0 * peak + right);
                (peak, (k as f32 + shift) / DIRECTIONS as f32 * TAU)
            })
        })
        .collect();
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    let strongest = peaks.first().map_or(0.0, |p| p.0);
    peaks.into_iter().take(MOST_DIRECTIONS).take_while(move |p| p.0 >= SECOND * strongest).map(|p| p.1)
}

/// The direction of (x, y) in turns, 0 to 1, to a thousandth: a second-degree polynomial in each octant.
fn turns(x: f32, y: f32) -> f32 {
    let (ax, ay) = (x.abs(), y.abs());
    let ratio = ax.min(ay) / ax.max(ay).max(f32::MIN_POSITIVE);
    let octant = ratio * (1.0 / 8.0 + 0.0434 * (1.0 - ratio));
    let quadrant = if ay > ax { 0.25 - octant } else { octant };
    let half = if x < 0.0 { 0.5 - quadrant } else { quadrant };
    if y < 0.0 { 1.0 - half } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn directions_are_right_to_a_third_of_a_degree() {
        for k in 0..1000 {
            let turn = k as f32 / 1000.0;
            let (y, x) = (turn * TAU).sin_cos();
            let error = (turns(x, y) - turn).abs();
            assert!(error.min(1.0 - error) < 0.001, "{turn}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_number_brings_a_feature_back(bits: u128) {
            prop_assert_eq!(Feature::unpacked(bits).packed(), bits);
        }
    }
}
