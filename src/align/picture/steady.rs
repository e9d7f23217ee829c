//! Takes the shake of a filming hand out of a query.
//!
//! Where the filmed picture stands still, a hand that moves, turns and comes nearer changes each cell by the slope of
//! the picture in it. What of the difference from the mean of some seconds such a movement explains is taken out of the
//! map of that moment, and the same is asked again of what is left (after B. Lucas, T. Kanade, "An Iterative Image
//! Registration Technique", 1981). A picture that moves by itself has a mean without slopes, and stays as it is.

use super::agreement::rectify;
use super::lattice::{self, Cells, Lattice, Sums};
use super::map::Map;
use super::normal::Normal;
use crate::picture::Raster;
use crate::picture::motion::{CELLS, COLUMNS};

/// Ticks to either side that make the mean.
const AROUND: usize = 8;
/// Differences in luma levels that count half in the fit: they are motion, not shake.
const OUTLIER: f64 = 3.0;
/// Times that the maps are moved.
const ROUNDS: usize = 3;
/// Rounds of each fit.
const FITS: usize = 3;
/// Cells over which slopes are taken: the unit of shifts.
const STEP: f32 = 0.1;
/// Longer sides of the reference from its middle to where turns and zooms move by a step: their unit.
const LEVER: f32 = 0.25;
/// Units that anything is moved by in one round, at the most.
const MOST: f32 = 8.0;

/// What stands still around a moment.
struct Still {
    means: [f32; CELLS],
    /// How the means change when the query is shifted right, and down, by a step.
    slopes: [[f32; CELLS]; 2],
}

/// The maps of a reference of `size` (in its longer sides) in a query's rasters, each moved to where the picture is as in the
/// moments around it.
pub(super) fn steadied(rasters: &[Raster], size: [f32; 2], maps: &[Option<Map>]) -> Vec<Option<Map>> {
    let slopes = slopes(rasters, size, maps);
    let mut maps = maps.to_vec();
    for _ in 0..ROUNDS {
        let cells = rectify(rasters, size, &maps);
        let steady = |i: usize| {
            let (map, now) = (maps[i]?, cells[i].as_ref()?);
            let shake = Still::around(i, &cells, &slopes).shake(now, &places(&map, size));
            Some(without(&shake, &map, size))
        };
        maps = (0..maps.len()).map(steady).collect();
    }
    maps
}

/// The slopes of all moments' cells to the right and down, over a [`STEP`].
fn slopes(rasters: &[Raster], size: [f32; 2], maps: &[Option<Map>]) -> Vec<Option<[[f32; CELLS]; 2]>> {
    let (mut sums, mut lattices) = (Sums::default(), [const { None }; 4]);
    let mut slope = |raster: &Raster, map: &Option<Map>| {
        let map = map.as_ref().filter(|_| sums.take(raster))?;
        Some(slope(&sums, size, map, &mut lattices))
    };
    rasters.iter().zip(maps).map(|(raster, map)| slope(raster, map)).collect()
}

fn slope(sums: &Sums, size: [f32; 2], map: &Map, lattices: &mut [Option<Lattice>; 4]) -> [[f32; CELLS]; 2] {
    let half = step(map) / 2.0;
    let [right, left, below, above] = lattices;
    let means = |dx: f32, dy: f32, lattice| {
        lattice::cells(sums, size, &map.shifted(dx * half, dy * half), lattice).means
    };
    let rise = |to: [f32; CELLS], from: [f32; CELLS]| std::array::from_fn(|c| to[c] - from[c]);
    [
        rise(means(1.0, 0.0, right), means(-1.0, 0.0, left)),
        rise(means(0.0, 1.0, below), means(0.0, -1.0, above)),
    ]
}

/// The length of a step in the query.
fn step(map: &Map) -> f32 {
    STEP * map.scale() / COLUMNS as f32
}

fn middle(map: &Map, size: [f32; 2]) -> [f32; 2] {
    map.apply(size.map(|side| side / 2.0))
}

/// The middle of each cell in the query, in levers from the middle of the picture.
fn places(map: &Map, size: [f32; 2]) -> [[f32; 2]; CELLS] {
    let (from, lever) = (middle(map, size), LEVER * map.scale());
    std::array::from_fn(|c| {
        let [x, y] = map.apply(lattice::place(c, [0.5; 2], size));
        [(x - from[0]) / lever, (y - from[1]) / lever]
    })
}

/// The map after a shake was taken out.
fn without(shake: &[f32; 4], map: &Map, size: [f32; 2]) -> Map {
    let [right, down, turn, zoom] = shake.map(|units| -units.clamp(-MOST, MOST) * step(map));
    let lever = LEVER * map.scale();
    map.moved(middle(map, size), turn / lever, 1.0 + zoom / lever, [right, down])
}

impl Still {
    fn around(i: usize, cells: &[Option<Cells>], slopes: &[Option<[[f32; CELLS]; 2]>]) -> Self {
        let mut sums = [[0.0; CELLS]; 3];
        let mut count = 0.0;
        for k in i.saturating_sub(AROUND)..(i + AROUND + 1).min(cells.len()) {
            let (Some(cells), Some([across, down])) = (&cells[k], &slopes[k]) else { continue };
            for (sum, values) in sums.iter_mut().zip([&cells.means, across, down]) {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            count += 1.0;
        }
        let [means, across, down] = sums.map(|sum| sum.map(|sum| sum / count));
        Self { means, slopes: [across, down] }
    }

    /// How the picture has moved, to the right, down, turned and grown, in steps and turns and zooms by levers. `places`
    /// are the cells'.
    fn shake(&self, cells: &Cells, places: &[[f32; 2]; CELLS]) -> [f32; 4] {
        let [across, down] = &self.slopes;
        // What brightness and contrast explain is no shake.
        let equation = |c: usize| {
            let ([x, y], a, d) = (places[c], across[c], down[c]);
            let row = [a, d, x * d - y * a, x * a + y * d, 1.0, self.means[c]];
            (row.map(f64::from), f64::from(cells.means[c] - self.means[c]))
        };
        let equations: Vec<_> = (0..CELLS).filter(|&c| cells.visible[c]).map(equation).collect();
        let mut found = [0.0; 6];
        for fit in 0..FITS {
            let mut normal = Normal::new([1.0; 6]);
            for &(row, difference) in &equations {
                let fitted: f64 = row.iter().zip(found).map(|(factor, unknown)| factor * unknown).sum();
                let left = if fit == 0 { 0.0 } else { (difference - fitted) / OUTLIER };
                normal.add(row, difference, 1.0 / (1.0 + left * left));
            }
            found = normal.solve().unwrap_or_default();
        }
        let [right, down, turn, zoom, ..] = found;
        [right, down, turn, zoom].map(|unit| unit as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::picture::geometry::Pair;

    const SIZE: [f32; 2] = [1.0, 0.5625];

    /// A textured picture as a camera sees it that has moved by fractions of its width, turned by radians and come nearer.
    fn seen(right: f32, down: f32, turn: f32, zoom: f32) -> Raster {
        let (sin, cos) = turn.sin_cos();
        let pixel = |k: usize| {
            let (x, y) = ((k % 128) as f32 / 128.0 - 0.5 - right, (k / 128) as f32 / 128.0 - 0.28 - down);
            let (u, v) = ((x * cos + y * sin) / zoom, (y * cos - x * sin) / zoom);
            (120.0 + 50.0 * (11.0 * u + 2.0).sin() * (13.0 * v).cos() + 40.0 * (7.0 * u - 17.0 * v).sin())
                as u8
        };
        Raster { width: 128, height: 72, pixels: (0..128 * 72).map(pixel).collect() }
    }

    #[test]
    fn maps_follow_a_hand_that_shakes() {
        let whole = Map::of_pair(&Pair { query: [0.0; 2], reference: [0.0; 2], zoom: 0.0, turn: 0.0 }, false);
        let shakes = |i: usize| if i == 8 { [0.02, -0.015, 0.03, 1.04] } else { [0.0, 0.0, 0.0, 1.0] };
        let rasters: Vec<Raster> = (0..17)
            .map(|i| {
                let [x, y, t, z] = shakes(i);
                seen(x, y, t, z)
            })
            .collect();
        let maps = steadied(&rasters, SIZE, &vec![Some(whole); rasters.len()]);
        let apart = |a: &Map, b: &Map| {
            let corners = [[0.1, 0.1], [0.9, 0.1], [0.1, 0.5], [0.9, 0.5]];
            let apart = |corner| {
                let ([x, y], [u, v]) = (a.apply(corner), b.apply(corner));
                (x - u).hypot(y - v)
            };
            corners.into_iter().map(apart).fold(0.0, f32::max)
        };
        let shaken = whole.moved([0.5, 0.28], 0.03, 1.04, [0.02, -0.015]);
        assert!(apart(&shaken, &whole) > 0.03);
        for (i, map) in maps.iter().enumerate() {
            let want = if i == 8 { &shaken } else { &whole };
            assert!(apart(map.as_ref().expect("a map"), want) < 0.006, "{i}: {map:?}");
        }
    }

    #[test]
    fn there_is_no_map_where_there_was_none() {
        assert_eq!(steadied(&[seen(0.0, 0.0, 0.0, 1.0)], SIZE, &[None]), [None]);
        let map = Map::of_pair(&Pair { query: [0.0; 2], reference: [0.0; 2], zoom: 0.0, turn: 0.0 }, false);
        assert_eq!(steadied(&[Raster::default()], SIZE, &[Some(map)]), [None]);
    }
}
