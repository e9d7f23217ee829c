//! Planes of single-precision luma: reduction and sampling.

use crate::media::Luma;

/// A row-major plane of luma values, 0 to 255 unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<f32>,
}

impl Plane {
    /// `luma` reduced by area averaging so that its longer side is at most `side`; never enlarged.
    pub(crate) fn reduced(luma: &Luma<'_>, side: usize) -> Self {
        let longer = luma.width().max(luma.height());
        let scale = |n: usize| if longer <= side { n } else { (n * side + longer / 2) / longer }.max(1);
        Self::resized(luma, scale(luma.width()), scale(luma.height()))
    }

    /// `luma` with a longer side of `side`: reduced by area averaging, or enlarged to twice its size at the most.
    pub(crate) fn fitted(luma: &Luma<'_>, side: usize) -> Self {
        let longer = luma.width().max(luma.height());
        let side = side.min(2 * longer);
        if side <= longer {
            return Self::reduced(luma, side);
        }
        let whole = Self::reduced(luma, longer);
        let (scale, step) = (|n: usize| (n * side + longer / 2) / longer, longer as f32 / side as f32);
        whole.enlarged(scale(luma.width()), scale(luma.height()), [step; 2])
    }

    /// `luma` at any size and shape: reduced by area averaging, or enlarged, on each axis for itself.
    pub(crate) fn shaped(luma: &Luma<'_>, width: usize, height: usize) -> Self {
        let reduced = Self::resized(luma, width.min(luma.width()), height.min(luma.height()));
        if (reduced.width, reduced.height) == (width, height) {
            return reduced;
        }
        let steps = [reduced.width as f32 / width as f32, reduced.height as f32 / height as f32];
        reduced.enlarged(width, height, steps)
    }

    /// Sampled every so many pixels across and down.
    fn enlarged(&self, width: usize, height: usize, [across, down]: [f32; 2]) -> Self {
        let mut enlarged = Self::default();
        enlarged.resize(width, height);
        let at = |k: usize, step: f32| (k as f32 + 0.5) * step - 0.5;
        for (y, row) in enlarged.pixels.chunks_exact_mut(width).enumerate() {
            let pixels = row.iter_mut().enumerate();
            pixels.for_each(|(x, pixel)| *pixel = self.sample(at(x, across), at(y, down)));
        }
        enlarged
    }

    /// `luma` area-averaged to `width` × `height`, neither larger than it is.
    pub(crate) fn resized(luma: &Luma<'_>, width: usize, height: usize) -> Self {
        if (width, height) == (luma.width(), luma.height()) {
            let mut pixels = Vec::with_capacity(width * height);
            (0..height).for_each(|y| pixels.extend(luma.row(y).iter().map(|&p| f32::from(p))));
            return Self { width, height, pixels };
        }
        let (columns, rows) = (weights(luma.width(), width), weights(luma.height(), height));
        let mut pixels = vec![0.0; width * height];
        let mut line = vec![0.0f32; luma.width()];
        for (row, to) in rows.iter().zip(pixels.chunks_exact_mut(width)) {
            line.fill(0.0);
            for (k, &weight) in row.weights.iter().enumerate() {
                for (sum, &p) in line.iter_mut().zip(luma.row(row.start + k)) {
                    *sum += weight * f32::from(p);
                }
            }
            for (column, to) in columns.iter().zip(to) {
                *to = column.weights.iter().zip(&line[column.start..]).map(|(w, x)| w * x).sum();
            }
        }
        Self { width, height, pixels }
    }

    pub(crate) fn row(&self, y: usize) -> &[f32] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Takes another size; the pixels are then whatever they are.
    pub(crate) fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.pixels.resize(width * height, 0.0);
    }

    /// Every second pixel of every second row, in place of what `into` holds.
    pub(crate) fn halve(&self, into: &mut Self) {
        into.resize(self.width / 2, self.height / 2);
        let (width, mut pixels) = (into.width, into.pixels.iter_mut());
        for y in 0..into.height {
            let row = self.row(2 * y).iter().step_by(2);
            row.zip(pixels.by_ref().take(width)).for_each(|(from, to)| *to = *from);
        }
    }

    /// Bilinear between pixel centres at whole coordinates; the border goes on for ever.
    pub(crate) fn sample(&self, x: f32, y: f32) -> f32 {
        let x = x.clamp(0.0, (self.width - 1) as f32);
        let y = y.clamp(0.0, (self.height - 1) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let (top, bottom) = (&self.pixels[y0 * self.width..], &self.pixels[y1 * self.width..]);
        let top_value = top[x0] + fx * (top[x1] - top[x0]);
        let bottom_value = bottom[x0] + fx * (bottom[x1] - bottom[x0]);
        top_value + fy * (bottom_value - top_value)
    }
}

/// The source pixels under one target pixel and their shares of it.
struct Footprint {
    start: usize,
    weights: Vec<f32>,
}

fn weights(from: usize, to: usize) -> Vec<Footprint> {
    let ratio = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            let (a, b) = (i as f64 * ratio, (i + 1) as f64 * ratio);
            let start = a.floor() as usize;
            let end = (b.ceil() as usize).clamp(start + 1, from);
            let share = |k: usize| ((k + 1) as f64).min(b) - (k as f64).max(a);
            Footprint { start, weights: (start..end).map(|k| (share(k) / ratio) as f32).collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_become_twice_as_large_at_most() {
        let data: Vec<u8> = (0..100u32).flat_map(|y| (0..200u32).map(move |x| (x / 2 + y) as u8)).collect();
        let luma = Luma::new(200, 100, 200, &data).unwrap();
        let size = |side| {
            let plane = Plane::fitted(&luma, side);
            (plane.width, plane.height)
        };
        assert_eq!(
            [100, 200, 300, 400, 1000].map(size),
            [(100, 50), (200, 100), (300, 150), (400, 200), (400, 200)]
        );
        // A ramp stays one, in its place.
        let twice = Plane::fitted(&luma, 400);
        for (x, y) in [(1, 1), (200, 77), (398, 198)] {
            let at = |k: usize| (k as f32 + 0.5) / 2.0 - 0.5;
            assert!((twice.row(y)[x] - at(x) / 2.0 - at(y)).abs() < 0.51, "{x}, {y}");
        }
        // Nor does it move when it is made wider and lower at once.
        let wide = Plane::shaped(&luma, 400, 50);
        for (x, y) in [(1, 1), (200, 37), (398, 48)] {
            let (across, down) = ((x as f32 + 0.5) / 2.0 - 0.5, (y as f32 + 0.5) * 2.0 - 0.5);
            assert!((wide.row(y)[x] - across / 2.0 - down).abs() < 0.51, "{x}, {y}");
        }
    }
}
