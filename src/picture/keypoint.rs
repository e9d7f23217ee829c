//! Keypoints: extrema of the difference of Gaussians over place and scale (D. Lowe, "Distinctive image
//! features from scale-invariant keypoints", IJCV 60, 2004), found where the picture has blobs of any size.

use super::blur::gaussian;
use super::plane::Plane;

/// Scales between one octave and the next.
const STEPS: usize = 3;
/// From one scale to the next: 2^(1 / STEPS). In figures, as what a compiler and a library make of powers may differ in
/// the last bit.
const STEP: f32 = 1.259_921;
/// Standard deviation of the first scale of an octave, in its pixels.
const FIRST_SIGMA: f32 = 1.6;
/// Blur that a picture is taken to have before any is added, in pixels.
const OWN_SIGMA: f32 = 0.5;
/// Differences weaker than this are noise, in luma levels.
const MIN_CONTRAST: f32 = 1.6;
/// Ratio of principal curvatures above which a point slides along an edge.
const MAX_EDGE: f32 = 10.0;
/// Pixels from the border within which nothing is looked for.
const MARGIN: usize = 4;
/// No octave is smaller, in pixels.
const MIN_SIDE: usize = 16;

/// A point with a size, in pixels of the plane it was found in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Keypoint {
    pub(crate) x: f32,
    pub(crate) y: f32,
    /// Standard deviation of the Gaussian that fits the blob.
    pub(crate) sigma: f32,
    /// Absolute difference of Gaussians, in luma levels.
    pub(crate) response: f32,
}

/// A picture blurred in steps of a third of an octave. One is used again from picture to picture: its memory is large.
#[derive(Debug, Default)]
pub(crate) struct ScaleSpace {
    octaves: Vec<Octave>,
    /// How many of them are those of the present picture.
    used: usize,
}

#[derive(Debug, Default)]
struct Octave {
    levels: [Plane; STEPS + 3],
    /// Each level less the one before.
    differences: [Plane; STEPS + 2],
}

impl ScaleSpace {
    /// Goes over to another picture.
    pub(crate) fn take(&mut self, base: &Plane) {
        self.used = 0;
        let mut side = base.width.min(base.height);
        while side >= MIN_SIDE {
            if self.octaves.len() == self.used {
                self.octaves.push(Octave::default());
            }
            let (before, this) = self.octaves.split_at_mut(self.used);
            let Octave { levels, differences } = &mut this[0];
            match before.last() {
                Some(before) => before.levels[STEPS].halve(&mut levels[0]),
                None => {
                    let sigma = (FIRST_SIGMA * FIRST_SIGMA - OWN_SIGMA * OWN_SIGMA).sqrt();
                    gaussian(base, sigma, &mut levels[0]);
                }
            }
            let mut more = FIRST_SIGMA * (STEP * STEP - 1.0).sqrt();
            for k in 1..levels.len() {
                let (before, this) = levels.split_at_mut(k);
                gaussian(&before[k - 1], more, &mut this[0]);
                subtract(&this[0], &before[k - 1], &mut differences[k - 1]);
                more *= STEP;
            }
            self.used += 1;
            side /= 2;
        }
    }

    /// The plane whose blur is nearest to `sigma` base pixels from below or just above, and the size of its
    /// pixels in base pixels.
    pub(crate) fn level(&self, sigma: f32) -> Option<(&Plane, f32)> {
        let level = ((sigma / FIRST_SIGMA).log2() * STEPS as f32).round().max(0.0) as usize;
        let octave = (level / STEPS).min(self.used.checked_sub(1)?);
        let within = (level - octave * STEPS).min(STEPS + 2);
        Some((&self.octaves[octave].levels[within], (1 << octave) as f32))
    }

    /// All extrema, in no particular order, in base pixels.
    pub(crate) fn keypoints(&self) -> Vec<Keypoint> {
        let mut found = Vec::new();
        for (octave, Octave { differences, .. }) in self.octaves[..self.used].iter().enumerate() {
            for (k, three) in differences.windows(3).enumerate() {
                extrema(three, k + 1, (1 << octave) as f32, &mut found);
            }
        }
        found
    }
}

/// `a` less `b`, in place of what `into` holds.
fn subtract(a: &Plane, b: &Plane, into: &mut Plane) {
    into.resize(a.width, a.height);
    for (to, (a, b)) in into.pixels.iter_mut().zip(a.pixels.iter().zip(&b.pixels)) {
        *to = a - b;
    }
}

fn extrema(three: &[Plane], level: usize, pixel: f32, found: &mut Vec<Keypoint>) {
    let height = three[1].height;
    let mut likely = Vec::new();
    for y in MARGIN..height.saturating_sub(MARGIN) {
        mark(three, y, &mut likely);
        let row = three[1].row(y);
        for (x, _) in likely.iter().enumerate().filter(|(_, likely)| **likely) {
            let x = x + MARGIN;
            if is_extremum(three, x, y, row[x])
                && let Some(keypoint) = refine(three, x, y, level, pixel)
            {
                found.push(keypoint);
            }
        }
    }
}

/// Marks the pixels of a row, without the margins, that are strong and differ from the six nearest neighbours in the same
/// direction, as every extremum does: without a branch, so that many are compared at once.
fn mark(three: &[Plane], y: usize, likely: &mut Vec<bool>) {
    likely.clear();
    let [before, this, after] = three else { return };
    let count = this.width.saturating_sub(2 * MARGIN);
    if count == 0 {
        return;
    }
    let [up, row, down] = [y - 1, y, y + 1].map(|y| this.row(y));
    let inner = MARGIN..MARGIN + count;
    let (up, down) = (&up[inner.clone()], &down[inner.clone()]);
    let (left, right) = (&row[MARGIN - 1..][..count], &row[MARGIN + 1..][..count]);
    let (before, after) = (&before.row(y)[inner.clone()], &after.row(y)[inner.clone()]);
    let row = &row[inner];
    likely.extend((0..count).map(|x| {
        let value = row[x];
        let around = [left[x], right[x], up[x], down[x], before[x], after[x]];
        let above = around.iter().fold(true, |all, n| all & (value > *n));
        let below = around.iter().fold(true, |all, n| all & (value < *n));
        (above | below) & (value.abs() >= 0.8 * MIN_CONTRAST)
    }));
}

fn is_extremum(three: &[Plane], x: usize, y: usize, value: f32) -> bool {
    let sign = value.signum();
    [1, 0, 2].iter().all(|&k| {
        (y - 1..=y + 1).all(|v| {
            let row = &three[k].row(v)[x - 1..=x + 1];
            row.iter().enumerate().all(|(u, n)| (k == 1 && v == y && u == 1) || sign * n < sign * value)
        })
    })
}

/// Fits a quadratic to place and scale; `None` where the point is weak, lies on an edge, or wanders off.
fn refine(three: &[Plane], x: usize, y: usize, level: usize, pixel: f32) -> Option<Keypoint> {
    let at =
        |k: usize, dx: isize, dy: isize| three[k].row(y.wrapping_add_signed(dy))[x.wrapping_add_signed(dx)];
    let value = at(1, 0, 0);
    let (gx, gy) = ((at(1, 1, 0) - at(1, -1, 0)) / 2.0, (at(1, 0, 1) - at(1, 0, -1)) / 2.0);
    let gs = (at(2, 0, 0) - at(0, 0, 0)) / 2.0;
    let (xx, yy) = (at(1, 1, 0) + at(1, -1, 0) - 2.0 * value, at(1, 0, 1) + at(1, 0, -1) - 2.0 * value);
    let ss = at(2, 0, 0) + at(0, 0, 0) - 2.0 * value;
    let xy = (at(1, 1, 1) + at(1, -1, -1) - at(1, 1, -1) - at(1, -1, 1)) / 4.0;
    let determinant = xx * yy - xy * xy;
    let trace = xx + yy;
    if determinant <= 0.0 || trace * trace * MAX_EDGE >= determinant * (MAX_EDGE + 1.0).powi(2) {
        return None;
    }
    // Place and scale are fitted apart: their mixed derivatives are small at a blob's centre.
    let (dx, dy) = ((xy * gy - yy * gx) / determinant, (xy * gx - xx * gy) / determinant);
    let ds = if ss.abs() > f32::EPSILON { (-gs / ss).clamp(-0.5, 0.5) } else { 0.0 };
    let response = (value + 0.5 * (gx * dx + gy * dy + gs * ds)).abs();
    if dx.abs() > 1.0 || dy.abs() > 1.0 || response < MIN_CONTRAST {
        return None;
    }
    let sigma = FIRST_SIGMA * ((level as f32 + ds) / STEPS as f32).exp2() * pixel;
    Some(Keypoint { x: (x as f32 + dx) * pixel, y: (y as f32 + dy) * pixel, sigma, response })
}
