//! The means of a reference's cells where it lies in the rasters of a query.
//!
//! A cell of the reference is a quadrangle in the query. Its mean is taken over all of its area, as that of the reference's
//! own cells is: in strips, each of which is four look-ups in a table of sums (F. Crow, "Summed-Area Tables for Texture
//! Mapping", 1984).

use super::map::Map;
use crate::picture::Raster;
use crate::picture::motion::{CELLS, COLUMNS, ROWS};

/// Most strips to a cell.
const MOST_STRIPS: usize = 6;
/// Strips to a pixel by which the sides of a cell lie aslant.
const STRIPS: f32 = 3.0;
/// Pixels that a strip is wide and high at the least.
const THINNEST: f32 = 1.0;

/// The mean of each cell of a reference where it lies in a raster, and whether it lies there at all.
#[derive(Clone)]
pub(super) struct Cells {
    pub(super) means: [f32; CELLS],
    pub(super) visible: [bool; CELLS],
}

/// The sums of all pixels of a raster above and to the left of each corner of a pixel.
#[derive(Default)]
pub(super) struct Sums {
    /// Width and height of the raster in pixels.
    size: (usize, usize),
    /// In rows of one more than the width.
    sums: Vec<u32>,
}

/// Where the cells of a reference lie by one map in rasters of one size. Most maps stay, and are worked out once.
pub(super) struct Lattice {
    /// Width and height of the rasters in pixels.
    size: (usize, usize),
    map: Map,
    visible: [bool; CELLS],
    strips: Vec<Strip>,
}

/// A rectangle that is part of a cell.
#[derive(Clone, Copy)]
struct Strip {
    cell: u8,
    rows: [Edge; 2],
    columns: [Edge; 2],
    /// What its sum counts in the mean of its cell.
    weight: f32,
}

/// A place among the corners of pixels: so far behind one of them.
#[derive(Clone, Copy)]
struct Edge {
    corner: u32,
    part: f32,
}

impl Sums {
    /// Those of a raster; `false` where there is no picture.
    pub(super) fn take(&mut self, raster: &Raster) -> bool {
        let (width, height) = raster.size();
        if width == 0 || height == 0 {
            return false;
        }
        self.size = (width, height);
        self.sums.clear();
        self.sums.resize((width + 1) * (height + 1), 0);
        let mut rows = self.sums.chunks_exact_mut(width + 1);
        let Some(mut above) = rows.next() else { return false };
        for (pixels, row) in raster.pixels.chunks_exact(width).zip(rows) {
            let mut sum = 0;
            for ((below, above), pixel) in row[1..].iter_mut().zip(&above[1..]).zip(pixels) {
                sum += u32::from(*pixel);
                *below = above + sum;
            }
            above = row;
        }
        true
    }

    /// The sum of a strip, bilinear between the corners of pixels.
    fn of(&self, strip: &Strip) -> f32 {
        let stride = self.size.0 + 1;
        let [top, bottom] = strip.rows.map(|edge| (edge.corner as usize * stride, edge.part));
        // Small numbers, that nothing is lost.
        let origin = self.sums[top.0 + strip.columns[0].corner as usize];
        let at = |(row, part): (usize, f32), edge: Edge| {
            let here = row + edge.corner as usize;
            let number = |corner: usize| self.sums[corner].wrapping_sub(origin).cast_signed() as f32;
            let across = |left: usize| number(left) + edge.part * (number(left + 1) - number(left));
            let (above, below) = (across(here), across(here + stride));
            above + part * (below - above)
        };
        let [left, right] = strip.columns;
        at(bottom, right) - at(bottom, left) - at(top, right) + at(top, left)
    }
}

/// The cells of a reference of `size` by a map in the raster that sums were taken of, by the lattice of the raster before if
/// that lies as well.
pub(super) fn cells(sums: &Sums, size: [f32; 2], map: &Map, lattice: &mut Option<Lattice>) -> Cells {
    if !lattice.as_ref().is_some_and(|lattice| lattice.is_for(sums.size, map)) {
        *lattice = None;
    }
    lattice.get_or_insert_with(|| Lattice::new(sums.size, size, map)).cells(sums)
}

impl Lattice {
    /// Of a reference of `size`, in its longer sides.
    fn new((width, height): (usize, usize), size: [f32; 2], map: &Map) -> Self {
        let longer = width.max(height) as f32;
        let corner = |n: usize| {
            let [column, row] = [n % (COLUMNS + 1), n / (COLUMNS + 1)];
            let [u, v] = [column as f32 / COLUMNS as f32, row as f32 / ROWS as f32];
            map.apply([u * size[0], v * size[1]]).map(|coordinate| coordinate * longer)
        };
        let corners: [[f32; 2]; (COLUMNS + 1) * (ROWS + 1)] = std::array::from_fn(corner);
        let mut lattice = Self {
            size: (width, height),
            map: *map,
            visible: [false; CELLS],
            strips: Vec::with_capacity(CELLS),
        };
        for cell in 0..CELLS {
            let first = cell / COLUMNS * (COLUMNS + 1) + cell % COLUMNS;
            let around = [first, first + 1, first + COLUMNS + 2, first + COLUMNS + 1].map(|n| corners[n]);
            let middle = [0, 1].map(|axis| around.iter().map(|corner| corner[axis]).sum::<f32>() / 4.0);
            let is_inside = |at: f32, side: usize| at >= 0.5 && at <= side as f32 - 0.5;
            lattice.visible[cell] = is_inside(middle[0], width) && is_inside(middle[1], height);
            if lattice.visible[cell] {
                lattice.add(cell, &around);
            }
        }
        lattice
    }

    /// Adds the strips of a cell with these corners, the second and the last beside the first.
    fn add(&mut self, cell: usize, corners: &[[f32; 2]; 4]) {
        let (width, height) = self.size;
        let ends = |axis: usize| {
            let all = corners.iter().map(|corner| corner[axis]);
            (all.clone().fold(f32::INFINITY, f32::min), all.fold(f32::NEG_INFINITY, f32::max))
        };
        let ((left, right), (top, bottom)) = (ends(0), ends(1));
        let (wide, high) = (right - left, bottom - top);
        let aslant = (wide * high - area(corners)) / (wide + high);
        let strips = ((STRIPS * aslant).ceil() as usize).clamp(1, MOST_STRIPS);
        let first = self.strips.len();
        let mut area = 0.0;
        for strip in 0..strips {
            let level = |n: usize| top + (bottom - top) * n as f32 / strips as f32;
            let (above, below) = thick(level(strip), level(strip + 1), height);
            let (left, right) = across(corners, (level(strip) + level(strip + 1)) / 2.0);
            let (left, right) = thick(left, right, width);
            self.strips.push(Strip {
                cell: cell as u8,
                rows: [Edge::new(above, height), Edge::new(below, height)],
                columns: [Edge::new(left, width), Edge::new(right, width)],
                weight: 1.0,
            });
            area += (right - left) * (below - above);
        }
        self.strips[first..].iter_mut().for_each(|strip| strip.weight = 1.0 / area);
    }

    /// Whether it is the one for such rasters and a map.
    fn is_for(&self, size: (usize, usize), map: &Map) -> bool {
        self.size == size && self.map == *map
    }

    /// The cells of a raster of this size.
    fn cells(&self, sums: &Sums) -> Cells {
        debug_assert_eq!(sums.size, self.size);
        let mut means = [0.0; CELLS];
        for strip in &self.strips {
            means[usize::from(strip.cell)] += strip.weight * sums.of(strip);
        }
        Cells { means, visible: self.visible }
    }
}

impl Edge {
    /// Of a place between the borders of so many pixels.
    fn new(place: f32, pixels: usize) -> Self {
        let corner = (place as usize).min(pixels - 1);
        Self { corner: corner as u32, part: place - corner as f32 }
    }
}

/// The area of a convex quadrangle.
fn area([a, b, c, d]: &[[f32; 2]; 4]) -> f32 {
    ((c[0] - a[0]) * (d[1] - b[1]) - (d[0] - b[0]) * (c[1] - a[1])).abs() / 2.0
}

/// Where a level line enters a quadrangle and where it leaves.
fn across(corners: &[[f32; 2]; 4], level: f32) -> (f32, f32) {
    let mut ends = (f32::INFINITY, f32::NEG_INFINITY);
    for (n, a) in corners.iter().enumerate() {
        let b = corners[(n + 1) % 4];
        if (a[1] - level) * (b[1] - level) <= 0.0 {
            let part = if a[1] == b[1] { 0.5 } else { (level - a[1]) / (b[1] - a[1]) };
            let at = a[0] + part * (b[0] - a[0]);
            ends = (ends.0.min(at), ends.1.max(at));
        }
    }
    ends
}

/// A stretch that is not too thin, as far as it lies between the borders of so many pixels.
fn thick(from: f32, to: f32, pixels: usize) -> (f32, f32) {
    let half = ((to - from) / 2.0).max(THINNEST / 2.0);
    let middle = (from + to) / 2.0;
    let end = pixels as f32;
    ((middle - half).clamp(0.0, end - THINNEST), (middle + half).clamp(THINNEST, end))
}

/// Where a place within a cell, in cells from its corner, lies in a reference of `size`.
pub(super) fn place(cell: usize, [u, v]: [f32; 2], size: [f32; 2]) -> [f32; 2] {
    [
        ((cell % COLUMNS) as f32 + u) / COLUMNS as f32 * size[0],
        ((cell / COLUMNS) as f32 + v) / ROWS as f32 * size[1],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::picture::geometry::Pair;
    use proptest::prelude::*;

    const SIZE: [f32; 2] = [1.0, 0.5];

    fn raster(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Raster {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Raster { width, height, pixels: pixels.map(|(x, y)| pixel(x, y)).collect() }
    }

    fn cells_of(raster: &Raster, map: &Map) -> Cells {
        let mut sums = Sums::default();
        assert!(sums.take(raster));
        cells(&sums, SIZE, map, &mut None)
    }

    /// The mean of the pixels in a rectangle, each by its share of it.
    fn mean(raster: &Raster, [left, right]: [f32; 2], [top, bottom]: [f32; 2]) -> f32 {
        let shared = |at: usize, from: f32, to: f32| (to.min(at as f32 + 1.0) - from.max(at as f32)).max(0.0);
        let (mut sum, mut area) = (0.0, 0.0);
        for (at, &pixel) in raster.pixels.iter().enumerate() {
            let share = shared(at % raster.width, left, right) * shared(at / raster.width, top, bottom);
            sum += share * f32::from(pixel);
            area += share;
        }
        sum / area
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn upright_cells_are_the_means_of_their_pixels(
            width in 40usize..130, height in 20usize..130, seed in any::<u64>(),
            zoom in -0.5f32..1.5, query in prop::array::uniform2(0.0f32..1.0), mirrored: bool,
        ) {
            let pixel = |x, y| (seed.rotate_left((x + 7 * y) as u32) ^ ((x ^ y) as u64 * 77)) as u8;
            let raster = raster(width, height, pixel);
            let map = Map::of_pair(&Pair { query, reference: [0.5, 0.25], zoom, turn: 0.0 }, mirrored);
            let cells = cells_of(&raster, &map);
            let longer = width.max(height) as f32;
            for c in 0..CELLS {
                let corner = |at| map.apply(place(c, [at; 2], SIZE)).map(|v| v * longer);
                let ([x, y], [right, bottom], [u, v]) = (corner(0.0), corner(1.0), corner(0.5));
                let inside = [u, width as f32 - u, v, height as f32 - v].map(|away| away - 0.5);
                let inside = inside.into_iter().fold(f32::INFINITY, f32::min);
                // Rounding decides on what lies at the very border.
                prop_assert!(cells.visible[c] == (inside > 0.0) || inside.abs() < 1e-3);
                if cells.visible[c] {
                    let mean = mean(&raster, [x.min(right), x.max(right)], [y, bottom]);
                    prop_assert!((cells.means[c] - mean).abs() < 0.2, "{} {mean}", cells.means[c]);
                } else {
                    prop_assert_eq!(cells.means[c], 0.0);
                }
            }
        }

        #[test]
        fn turned_cells_are_as_bright_as_their_middles_on_a_slope(
            turn in -4.0f32..4.0, zoom in -1.0f32..0.5, slope in prop::array::uniform2(-0.9f32..0.9), mirrored: bool,
        ) {
            let bright = |x: f32, y: f32| 128.0 + slope[0] * (x - 64.0) + slope[1] * (y - 36.0);
            let raster = raster(128, 72, |x, y| bright(x as f32 + 0.5, y as f32 + 0.5).round() as u8);
            let map = Map::of_pair(&Pair { query: [0.5, 0.28], reference: [0.5, 0.25], zoom, turn }, mirrored);
            let cells = cells_of(&raster, &map);
            for c in (0..CELLS).filter(|&c| cells.visible[c]) {
                let whole = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
                    .map(|corner| map.apply(place(c, corner, SIZE)).map(|v| v * 128.0))
                    .iter()
                    .all(|[x, y]| (0.0..=128.0).contains(x) && (0.0..=72.0).contains(y));
                let [x, y] = map.apply(place(c, [0.5; 2], SIZE)).map(|v| v * 128.0);
                prop_assert!(!whole || (cells.means[c] - bright(x, y)).abs() < 0.7, "{} {}", cells.means[c], bright(x, y));
            }
        }

        #[test]
        fn no_map_and_no_raster_leads_astray(
            width in 1usize..9, height in 1usize..9, grey: u8, numbers in prop::array::uniform4(any::<f32>()), mirrored: bool,
        ) {
            let [x, y, zoom, turn] = numbers;
            let map = Map::of_pair(&Pair { query: [x, y], reference: [0.5, 0.25], zoom, turn }, mirrored);
            let cells = cells_of(&raster(width, height, |_, _| grey), &map);
            for (mean, visible) in cells.means.iter().zip(cells.visible) {
                let want = if visible { f32::from(grey) } else { 0.0 };
                prop_assert!((mean - want).abs() < 0.1, "{mean} {grey}");
            }
        }
    }

    #[test]
    fn a_lattice_is_used_again_for_the_same_map_alone() {
        let map = |zoom| Map::of_pair(&Pair { query: [0.5; 2], reference: [0.5; 2], zoom, turn: 0.0 }, false);
        let raster = raster(128, 72, |x, y| (x * y) as u8);
        let mut sums = Sums::default();
        assert!(sums.take(&raster) && !sums.take(&Raster::default()));
        let mut lattice = None;
        for zoom in [0.0, 0.0, 0.1, 0.1] {
            let again = cells(&sums, SIZE, &map(zoom), &mut lattice);
            assert_eq!(again.means, cells_of(&raster, &map(zoom)).means);
        }
    }
}
