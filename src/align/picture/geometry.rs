//! How a reference lies in a query picture: affine maps, and their robust estimation.
//!
//! All lengths are in longer sides of the picture that they are measured in.

use crate::align::Placement;

/// `[[a, b, c], [d, e, f]]` takes (x, y) to (a x + b y + c, d x + e y + f): from the reference to the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine(pub(super) [[f32; 3]; 2]);

/// One feature seen in both pictures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) query: [f32; 2],
    pub(super) reference: [f32; 2],
    /// log₂ of the feature's size in the query over its size in the reference.
    pub(super) zoom: f32,
    /// Turn from the reference's to the query's feature in radians, the reference mirrored first if the pair is.
    pub(super) turn: f32,
}

/// Distance from where a pair should lie, in longer sides of the reference, that is still the same place for a map
/// made of one pair: a copy may be stretched, and sizes and angles of features are inexact.
pub(super) const NEAR: f32 = 0.06;
/// The same each time after the map has been fitted to all its pairs.
const NARROWING: [f32; 5] = [0.06, 0.05, 0.04, 0.03, 0.03];
/// Places that determine more than place, size and angle.
const ENOUGH: usize = 16;
/// Octaves by which the zoom of a pair may differ from that of the map.
pub(super) const ZOOM: f32 = 0.6;
/// Radians by which its turn may.
pub(super) const TURN: f32 = 0.5;
/// Pairs that are tried as a map.
const TRIALS: usize = 64;
/// A map that stretches one way this much more than the other is no copy.
const MOST_STRETCH: f32 = 2.2;
/// Cells a side of the grid that tells places apart.
const PLACES: usize = 48;

impl Affine {
    pub(super) fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        self.0.map(|[a, b, c]| a * x + b * y + c)
    }

    /// The similarity that takes one feature to the other.
    fn of_pair(pair: &Pair, mirrored: bool) -> Self {
        let (sin, cos) = pair.turn.sin_cos();
        let scale = pair.zoom.exp2();
        let flip = if mirrored { -scale } else { scale };
        let [[a, b], [d, e]] = [[cos * flip, -sin * scale], [sin * flip, cos * scale]];
        let [x, y] = pair.reference;
        Self([[a, b, pair.query[0] - a * x - b * y], [d, e, pair.query[1] - d * x - e * y]])
    }

    /// Square root of the area that a unit of area becomes.
    pub(super) fn scale(&self) -> f32 {
        let [[a, b, _], [d, e, _]] = self.0;
        (a * e - b * d).abs().sqrt()
    }

    /// Radians by which the reference's vertical is turned in the query.
    pub(super) fn turn(&self) -> f32 {
        let [[_, b, _], [_, e, _]] = self.0;
        (-b).atan2(e)
    }

    /// A `share` of the way from this map to the other.
    pub(super) fn towards(&self, other: &Self, share: f32) -> Self {
        let between = |a: f32, b: f32| a + share * (b - a);
        Self(std::array::from_fn(|i| std::array::from_fn(|j| between(self.0[i][j], other.0[i][j]))))
    }

    /// Where a reference of `size` lies.
    pub(super) fn placement(&self, [width, height]: [f32; 2]) -> Placement {
        let corners =
            [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]].map(|corner| self.apply(corner));
        Placement { corners, scale: self.scale(), angle: self.turn().to_degrees() }
    }

    /// Larger over smaller singular value.
    fn stretch(&self) -> f32 {
        let [[a, b, _], [d, e, _]] = self.0;
        let (sum, determinant) = (a * a + b * b + d * d + e * e, (a * e - b * d).abs());
        let root = (sum * sum - 4.0 * determinant * determinant).max(0.0).sqrt();
        ((sum + root) / (sum - root).max(1e-12)).sqrt()
    }

    /// The least-squares similarity, mirrored first or not; `None` where the pairs lie in one place.
    fn fit_similarity(pairs: &[Pair], mirrored: bool) -> Option<Self> {
        let sums = Sums::new(pairs, mirrored);
        let [xx, _, yy, xu, yu, xv, yv] = sums.products;
        let spread = xx + yy;
        if spread <= 1e-9 * pairs.len() as f64 {
            return None;
        }
        let (cos, sin) = ((xu + yv) / spread, (xv - yu) / spread);
        Some(sums.map([[cos, -sin], [sin, cos]], mirrored))
    }

    /// The least-squares affine map; `None` where the pairs lie on a line.
    fn fit_affine(pairs: &[Pair]) -> Option<Self> {
        let sums = Sums::new(pairs, false);
        let [xx, xy, yy, xu, yu, xv, yv] = sums.products;
        let determinant = xx * yy - xy * xy;
        if determinant < 2.5e-4 * (xx + yy).powi(2) || determinant <= 0.0 {
            return None;
        }
        let solve = |su: f64, sv: f64| [(su * yy - sv * xy) / determinant, (sv * xx - su * xy) / determinant];
        Some(sums.map([solve(xu, yu), solve(xv, yv)], false))
    }
}

/// Means and centred second moments of pairs.
struct Sums {
    reference: [f64; 2],
    query: [f64; 2],
    /// xx, xy, yy, xu, yu, xv, yv with (x, y) in the reference and (u, v) in the query.
    products: [f64; 7],
}

impl Sums {
    fn new(pairs: &[Pair], mirrored: bool) -> Self {
        let flip = if mirrored { -1.0 } else { 1.0 };
        let points = || {
            pairs.iter().map(|p| {
                let [[x, y], [u, v]] = [p.reference, p.query].map(|point| point.map(f64::from));
                [flip * x, y, u, v]
            })
        };
        let n = pairs.len().max(1) as f64;
        let mut means = [0.0; 4];
        for point in points() {
            means.iter_mut().zip(point).for_each(|(mean, value)| *mean += value / n);
        }
        let mut products = [0.0; 7];
        for point in points() {
            let [x, y, u, v] = std::array::from_fn(|k| point[k] - means[k]);
            let terms = [x * x, x * y, y * y, x * u, y * u, x * v, y * v];
            products.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        let [x, y, u, v] = means;
        Self { reference: [flip * x, y], query: [u, v], products }
    }

    /// The map with this linear part, of the mirrored reference or not, that takes mean to mean.
    fn map(&self, linear: [[f64; 2]; 2], mirrored: bool) -> Affine {
        let flip = if mirrored { -1.0 } else { 1.0 };
        let [x, y] = self.reference;
        let row = |[a, b]: [f64; 2], q: f64| {
            let a = a * flip;
            [a as f32, b as f32, (q - a * x - b * y) as f32]
        };
        Affine([row(linear[0], self.query[0]), row(linear[1], self.query[1])])
    }
}

/// A map and the pairs that follow it.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) map: Affine,
    /// Places in the list of pairs.
    pub(super) pairs: Vec<usize>,
    /// Different places in both pictures that follow it: the smaller count.
    pub(super) places: usize,
}

/// The map that most places follow, among `live` places of `pairs`; `None` under `fewest` places.
pub(super) fn best(pairs: &[Pair], live: &[usize], mirrored: bool, fewest: usize) -> Option<Cluster> {
    if live.len() < fewest {
        return None;
    }
    let stride = live.len().div_ceil(TRIALS);
    let (map, count) = live
        .iter()
        .step_by(stride)
        .map(|&i| Affine::of_pair(&pairs[i], mirrored))
        .map(|map| (map, places(pairs, &followers(pairs, live, &map, NEAR))))
        .max_by_key(|&(_, count)| count)?;
    if count < fewest {
        return None;
    }
    let cluster = follow(pairs, live, map, mirrored);
    (cluster.places >= fewest).then_some(cluster)
}

/// The map fitted to those of `live` places of `pairs` that follow a first one.
pub(super) fn follow(pairs: &[Pair], live: &[usize], map: Affine, mirrored: bool) -> Cluster {
    let chosen = followers(pairs, live, &map, NEAR);
    let places = places(pairs, &chosen);
    refine(pairs, live, mirrored, Cluster { map, pairs: chosen, places })
}

/// Fits the map again and again to the places that follow it, ever more closely.
fn refine(pairs: &[Pair], live: &[usize], mirrored: bool, first: Cluster) -> Cluster {
    let (scale, count) = (first.map.scale(), first.places);
    let mut cluster = first;
    for near in NARROWING {
        let chosen: Vec<Pair> = cluster.pairs.iter().map(|&i| pairs[i]).collect();
        let sound = |f: &Affine| f.stretch() <= MOST_STRETCH && (f.scale() / scale).log2().abs() <= ZOOM;
        let affine = if cluster.places >= ENOUGH { Affine::fit_affine(&chosen).filter(sound) } else { None };
        let Some(fitted) = affine.or_else(|| Affine::fit_similarity(&chosen, mirrored).filter(sound)) else {
            break;
        };
        let next = followers(pairs, live, &fitted, near);
        let places = places(pairs, &next);
        if 2 * places < count {
            break;
        }
        cluster = Cluster { map: fitted, pairs: next, places };
    }
    cluster
}

fn followers(pairs: &[Pair], live: &[usize], map: &Affine, near: f32) -> Vec<usize> {
    let (zoom, scale) = (map.scale().log2(), map.scale());
    let turn = map.turn();
    let limit = (near * scale).powi(2);
    live.iter()
        .copied()
        .filter(|&i| {
            let pair = &pairs[i];
            let [x, y] = map.apply(pair.reference);
            let far = (x - pair.query[0]).powi(2) + (y - pair.query[1]).powi(2);
            far <= limit && (pair.zoom - zoom).abs() <= ZOOM && angle_between(pair.turn, turn) <= TURN
        })
        .collect()
}

fn angle_between(a: f32, b: f32) -> f32 {
    let turn = (a - b).rem_euclid(std::f32::consts::TAU);
    turn.min(std::f32::consts::TAU - turn)
}

/// Counts different places: a feature that stays, or repeats, counts once.
fn places(pairs: &[Pair], chosen: &[usize]) -> usize {
    let mut seen = [[0u64; PLACES]; 2];
    for &i in chosen {
        for (grid, [x, y]) in seen.iter_mut().zip([pairs[i].query, pairs[i].reference]) {
            let cell = |v: f32| ((v * PLACES as f32) as usize).min(PLACES - 1);
            grid[cell(y)] |= 1 << cell(x);
        }
    }
    seen.iter().map(|grid| grid.iter().map(|row| row.count_ones() as usize).sum()).min().unwrap_or(0)
}
