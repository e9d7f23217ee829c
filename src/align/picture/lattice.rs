//! The means of a reference's cells where it lies in the rasters of a query.

use super::map::Map;
use crate::picture::Raster;
use crate::picture::motion::{CELLS, COLUMNS, ROWS};

/// Points a side at which a cell is sampled.
const SAMPLES: usize = 3;

/// The mean of each cell of a reference where it lies in a raster, and whether it lies there at all.
#[derive(Clone)]
pub(super) struct Cells {
    pub(super) means: [f32; CELLS],
    pub(super) visible: [bool; CELLS],
}

/// Where the cells of a reference lie by one map in rasters of one size. Most maps stay, and are worked out once.
pub(super) struct Lattice {
    /// Width and height of the rasters in pixels.
    size: (usize, usize),
    map: Map,
    visible: [bool; CELLS],
    /// Of the visible cells, in turn.
    points: Vec<[Point; SAMPLES * SAMPLES]>,
}

/// A place among four pixels.
#[derive(Clone, Copy)]
struct Point {
    /// The number of the first of them.
    pixel: u32,
    /// How far to the right of it and below, in pixels.
    offset: [f32; 2],
}

/// The cells of a reference of `size` in a raster, by the lattice of the raster before if that lies as well; `None` where
/// there was no picture.
pub(super) fn cells(
    raster: &Raster,
    size: [f32; 2],
    map: &Map,
    lattice: &mut Option<Lattice>,
) -> Option<Cells> {
    if raster.size().0 == 0 {
        return None;
    }
    if !lattice.as_ref().is_some_and(|lattice| lattice.is_for(raster.size(), map)) {
        *lattice = None;
    }
    Some(lattice.get_or_insert_with(|| Lattice::new(raster.size(), size, map)).cells(raster))
}

impl Lattice {
    /// Of a reference of `size`, in its longer sides.
    pub(super) fn new((width, height): (usize, usize), size: [f32; 2], map: &Map) -> Self {
        let longer = width.max(height) as f32;
        let at = |c: usize, within: [f32; 2]| {
            map.apply(place(c, within, size)).map(|coordinate| coordinate * longer - 0.5)
        };
        let visible = std::array::from_fn(|c| {
            let [x, y] = at(c, [0.5, 0.5]);
            x >= 0.0 && y >= 0.0 && x <= width as f32 - 1.0 && y <= height as f32 - 1.0
        });
        let step = |k: usize| (k as f32 + 0.5) / SAMPLES as f32;
        let point = |[x, y]: [f32; 2]| {
            let ((column, right), (row, down)) = (split(x, width), split(y, height));
            Point { pixel: (row * width + column) as u32, offset: [right, down] }
        };
        let points = (0..CELLS)
            .filter(|&c| visible[c])
            .map(|c| std::array::from_fn(|k| point(at(c, [step(k % SAMPLES), step(k / SAMPLES)]))))
            .collect();
        Self { size: (width, height), map: *map, visible, points }
    }

    /// Whether it is the one for such rasters and a map.
    pub(super) fn is_for(&self, size: (usize, usize), map: &Map) -> bool {
        self.size == size && self.map == *map
    }

    /// The cells of a raster of this size; bilinear between pixel centres at whole coordinates.
    pub(super) fn cells(&self, raster: &Raster) -> Cells {
        debug_assert_eq!(raster.size(), self.size);
        let (width, height) = self.size;
        // To the second pixel of either row.
        let (right, below) = (usize::from(width > 1), if height > 1 { width } else { 0 });
        let mut means = [0.0; CELLS];
        let visible = means.iter_mut().zip(&self.visible).filter(|(_, visible)| **visible);
        for ((mean, _), points) in visible.zip(&self.points) {
            let sum: f32 = points
                .iter()
                .map(|point| {
                    let pixels = &raster.pixels[point.pixel as usize..][..below + right + 1];
                    let at = |pixel: usize| f32::from(pixels[pixel]);
                    let across = |left: usize| at(left) + point.offset[0] * (at(left + right) - at(left));
                    let (top, bottom) = (across(0), across(below));
                    top + point.offset[1] * (bottom - top)
                })
                .sum();
            *mean = sum / (SAMPLES * SAMPLES) as f32;
        }
        Cells { means, visible: self.visible }
    }
}

/// Where a place within a cell, in cells from its corner, lies in a reference of `size`.
pub(super) fn place(cell: usize, [u, v]: [f32; 2], size: [f32; 2]) -> [f32; 2] {
    [
        ((cell % COLUMNS) as f32 + u) / COLUMNS as f32 * size[0],
        ((cell / COLUMNS) as f32 + v) / ROWS as f32 * size[1],
    ]
}

/// The first of two pixels, of a row of so many, that a coordinate lies between, and how far behind it. The border goes on
/// for ever.
fn split(coordinate: f32, pixels: usize) -> (usize, f32) {
    let inside = coordinate.clamp(0.0, pixels.saturating_sub(1) as f32);
    let first = (inside as usize).min(pixels.saturating_sub(2));
    (first, inside - first as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::picture::geometry::Pair;
    use proptest::prelude::*;

    /// Bilinear, pixel by pixel.
    fn sample(raster: &Raster, x: f32, y: f32) -> f32 {
        let at = |x: f32, y: f32| {
            let inside = |v: f32, side: usize| (v.max(0.0) as usize).min(side - 1);
            f32::from(raster.pixels[inside(y, raster.height) * raster.width + inside(x, raster.width)])
        };
        let (x, y) = (x.clamp(0.0, (raster.width - 1) as f32), y.clamp(0.0, (raster.height - 1) as f32));
        let (left, top) = (x.floor(), y.floor());
        let row = |y: f32| at(left, y) * (1.0 - (x - left)) + at(left + 1.0, y) * (x - left);
        row(top) * (1.0 - (y - top)) + row(top + 1.0) * (y - top)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn cells_are_the_means_of_samples_where_the_map_puts_them(
            width in 1usize..40, height in 1usize..40, seed in any::<u64>(),
            zoom in -4.0f32..1.5, turn in -3.0f32..3.0, query in prop::array::uniform2(-0.5f32..1.5), mirrored: bool,
        ) {
            let pixel = |k: usize| (seed.rotate_left(k as u32) ^ (k as u64 * 77)) as u8;
            let raster = Raster { width, height, pixels: (0..width * height).map(pixel).collect() };
            let map = Map::of_pair(&Pair { query, reference: [0.5, 0.25], zoom, turn }, mirrored);
            let (size, longer) = ([1.0, 0.5625], width.max(height) as f32);
            let cells = Lattice::new(raster.size(), size, &map).cells(&raster);
            for c in 0..CELLS {
                let at = |u: f32, v: f32| {
                    let (column, row) = ((c % COLUMNS) as f32 + u, (c / COLUMNS) as f32 + v);
                    map.apply([column / COLUMNS as f32 * size[0], row / ROWS as f32 * size[1]]).map(|v| v * longer - 0.5)
                };
                let [x, y] = at(0.5, 0.5);
                let visible = (0.0..=(width - 1) as f32).contains(&x) && (0.0..=(height - 1) as f32).contains(&y);
                prop_assert_eq!(cells.visible[c], visible);
                let thirds = [1.0, 3.0, 5.0].map(|sixths: f32| sixths / 6.0);
                let samples = thirds.iter().flat_map(|&v| thirds.map(|u| at(u, v))).map(|[x, y]| sample(&raster, x, y));
                let mean = if visible { samples.sum::<f32>() / 9.0 } else { 0.0 };
                prop_assert!((cells.means[c] - mean).abs() < 0.05, "{} {mean}", cells.means[c]);
            }
        }
    }

    #[test]
    fn no_cell_is_visible_where_there_is_no_picture() {
        let map =
            Map::of_pair(&Pair { query: [0.5, 0.5], reference: [0.5, 0.5], zoom: 0.0, turn: 0.0 }, false);
        let cells = Lattice::new((0, 0), [1.0, 1.0], &map).cells(&Raster::default());
        assert_eq!((cells.visible, cells.means), ([false; CELLS], [0.0; CELLS]));
    }
}
