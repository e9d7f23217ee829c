//! What is done to whole pictures.

/// Pixels this many times as wide as high, or as high as wide, are taken for square: no camera has any, and a film that
/// says so would be shrunk to a few columns.
pub(super) const ODD: f64 = 8.0;

/// The size at which a coded picture is handed on: pixels made square by shrinking the longer way, never by
/// stretching, then the longer side brought down to `max_side`. `aspect` is a pixel's width over its height.
pub(super) fn fit(width: usize, height: usize, aspect: f64, max_side: u32) -> (usize, usize) {
    let aspect = if (1.0 / ODD..=ODD).contains(&aspect) { aspect } else { 1.0 };
    let (w, h) = (width as f64 * aspect.min(1.0), height as f64 / aspect.max(1.0));
    let scale = (f64::from(max_side.max(16)) / w.max(h)).min(1.0);
    let side = |n: f64, most: usize| ((n * scale).round() as usize).clamp(1, most.max(1));
    (side(w, width), side(h, height))
}

/// Brings luma of limited range, 16 to 235 (ITU-R BT.601), to full range.
pub(super) fn expand(plane: &mut [u8]) {
    // In 16 bits, so that it takes a few instructions for many pixels.
    plane.iter_mut().for_each(|v| *v = (((u16::from(*v).clamp(16, 235) - 16) * 255 + 109) / 219) as u8);
}

/// Shrinks a plane by averaging: each new pixel is the mean of the area that it covers.
///
/// `row(y)` gives the old rows of `width` bytes; `to` is no larger than the old size in either direction.
pub(super) fn shrink<'a>(
    (width, height): (usize, usize),
    row: impl Fn(usize) -> &'a [u8],
    to: (usize, usize),
    dst: &mut Vec<u8>,
) {
    dst.clear();
    dst.reserve(to.0 * to.1);
    if to == (width, height) {
        (0..height).for_each(|y| dst.extend_from_slice(row(y)));
        return;
    }
    let columns = spans(width, to.0);
    let area = (width as f32 / to.0 as f32) * (height as f32 / to.1 as f32);
    let mut sums = vec![0f32; to.0];
    for rows in spans(height, to.1) {
        sums.fill(0.0);
        for (y, share) in rows.shares() {
            let row = row(y);
            for (sum, span) in sums.iter_mut().zip(&columns) {
                let inner: u32 =
                    row[span.first + 1..span.last.max(span.first + 1)].iter().map(|&v| u32::from(v)).sum();
                let mut mean = f32::from(row[span.first]) * span.head + inner as f32;
                if span.last > span.first {
                    mean += f32::from(row[span.last]) * span.tail;
                }
                *sum += mean * share;
            }
        }
        dst.extend(sums.iter().map(|sum| (sum / area + 0.5) as u8));
    }
}

/// Old pixels that a new one covers: the first and the last in part, those between wholly.
struct Span {
    first: usize,
    last: usize,
    head: f32,
    tail: f32,
}

impl Span {
    fn shares(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        (self.first..=self.last).map(|i| match i {
            i if i == self.first => (i, self.head),
            i if i == self.last => (i, self.tail),
            i => (i, 1.0),
        })
    }
}

fn spans(old: usize, new: usize) -> Vec<Span> {
    let ratio = old as f64 / new as f64;
    let span = |i: usize| {
        let (from, to) = (i as f64 * ratio, ((i + 1) as f64 * ratio).min(old as f64));
        let first = (from as usize).min(old - 1);
        let last = (to.ceil() as usize - 1).clamp(first, old - 1);
        let head = (to.min(first as f64 + 1.0) - from) as f32;
        Span { first, last, head, tail: (to - last as f64) as f32 }
    };
    (0..new).map(span).collect()
}

/// How far a picture has to be turned clockwise to stand upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Turn {
    /// Turns `src`, rows of `width` bytes without padding, into `dst`; returns the new width.
    pub(super) fn apply(self, src: &[u8], width: usize, dst: &mut Vec<u8>) -> usize {
        let height = src.len() / width.max(1);
        dst.clear();
        match self {
            Self::None => dst.extend_from_slice(src),
            Self::Half => dst.extend(src.iter().rev()),
            Self::Quarter => {
                for x in 0..width {
                    dst.extend((0..height).rev().map(|y| src[y * width + x]));
                }
            }
            Self::ThreeQuarters => {
                for x in (0..width).rev() {
                    dst.extend((0..height).map(|y| src[y * width + x]));
                }
            }
        }
        match self {
            Self::None | Self::Half => width,
            Self::Quarter | Self::ThreeQuarters => height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every new pixel from every old one, weighted by how much they overlap.
    fn naive(src: &[u8], (w, h): (usize, usize), (tw, th): (usize, usize)) -> Vec<f64> {
        let overlap = |i: usize, of: f64, j: usize| {
            ((i + 1) as f64 * of).min((j + 1) as f64) - (i as f64 * of).max(j as f64)
        };
        let (rx, ry) = (w as f64 / tw as f64, h as f64 / th as f64);
        let mut out = Vec::new();
        for y in 0..th {
            for x in 0..tw {
                let mut sum = 0.0;
                for (j, i) in (0..h).flat_map(|j| (0..w).map(move |i| (j, i))) {
                    let share = overlap(x, rx, i).max(0.0) * overlap(y, ry, j).max(0.0);
                    sum += share * f64::from(src[j * w + i]);
                }
                out.push(sum / (rx * ry));
            }
        }
        out
    }

    #[test]
    fn shrinking_is_averaging() {
        for (w, h, tw, th) in
            [(7, 5, 3, 2), (16, 9, 16, 4), (10, 10, 1, 1), (31, 3, 30, 3), (4, 4, 4, 4), (1, 9, 1, 2)]
        {
            let src: Vec<u8> = (0..w * h).map(|i| (i * 97 % 251) as u8).collect();
            let mut dst = Vec::new();
            shrink((w, h), |y| &src[y * w..(y + 1) * w], (tw, th), &mut dst);
            let want = naive(&src, (w, h), (tw, th));
            assert_eq!(dst.len(), want.len());
            for (got, want) in dst.iter().zip(want) {
                assert!((f64::from(*got) - want).abs() <= 0.51, "{got} {want}");
            }
        }
    }

    #[test]
    fn limited_range_becomes_full() {
        let mut plane: Vec<u8> = (0..=255).collect();
        expand(&mut plane);
        for (v, got) in plane.into_iter().enumerate() {
            let want = ((v as f64 - 16.0) * 255.0 / 219.0).clamp(0.0, 255.0);
            assert!((f64::from(got) - want).abs() <= 0.51, "{v}: {got}");
        }
    }

    #[test]
    fn sizes_fit() {
        assert_eq!(fit(1920, 1080, 1.0, 640), (640, 360));
        assert_eq!(fit(320, 180, 1.0, 640), (320, 180));
        assert_eq!(fit(720, 576, 64.0 / 45.0, 640), (640, 360));
        assert_eq!(fit(1000, 1000, 0.5, 640), (320, 640));
        assert_eq!(fit(100_000, 1, 1.0, 640), (640, 1));
        for odd in [f64::NAN, 0.0, 0.001, 9.0, f64::INFINITY] {
            assert_eq!(fit(10, 10, odd, 640), (10, 10));
        }
    }

    #[test]
    fn turns() {
        // 1 2 3
        // 4 5 6
        let src = [1, 2, 3, 4, 5, 6];
        let mut dst = Vec::new();
        assert_eq!(Turn::Quarter.apply(&src, 3, &mut dst), 2);
        assert_eq!(dst, [4, 1, 5, 2, 6, 3]);
        assert_eq!(Turn::Half.apply(&src, 3, &mut dst), 3);
        assert_eq!(dst, [6, 5, 4, 3, 2, 1]);
        assert_eq!(Turn::ThreeQuarters.apply(&src, 3, &mut dst), 2);
        assert_eq!(dst, [3, 6, 2, 5, 1, 4]);
        assert_eq!(Turn::None.apply(&src, 3, &mut dst), 3);
        assert_eq!(dst, src);
    }
}
