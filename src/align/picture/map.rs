//! Maps from a reference's picture to a query's, and their least-squares fits.

use super::geometry::Pair;
use super::normal::Normal;
use crate::align::Placement;

/// Where the slope of a map is taken: the middle of a wide picture.
const MIDDLE: [f32; 2] = [0.5, 0.3];
/// The least that a map may divide by: nearer to the horizon nothing can be seen.
const HORIZON: f32 = 0.2;
/// What holds a perspective back: the squared ratio of the error of a feature's place and the tilt that is expected.
const UPRIGHT: f64 = 0.02;

/// A projective map from the reference to the query. With `[[a, b, c], [d, e, f]]` and `[g, h]` it takes (x, y) to
/// (a x + b y + c, d x + e y + f) / (g x + h y + 1). A camera that stands before a screen makes such a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Map {
    rows: [[f32; 3]; 2],
    tilt: [f32; 2],
}

impl Map {
    fn affine(rows: [[f32; 3]; 2]) -> Self {
        Self { rows, tilt: [0.0; 2] }
    }

    pub(super) fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let depth = self.depth([x, y]);
        self.rows.map(|[a, b, c]| (a * x + b * y + c) / depth)
    }

    fn depth(&self, [x, y]: [f32; 2]) -> f32 {
        let [g, h] = self.tilt;
        (g * x + h * y + 1.0).max(HORIZON)
    }

    /// The derivative of [`apply`](Self::apply) in the middle of the reference.
    fn slope(&self) -> [[f32; 2]; 2] {
        let (depth, at, [g, h]) = (self.depth(MIDDLE), self.apply(MIDDLE), self.tilt);
        std::array::from_fn(|k| {
            let [a, b, _] = self.rows[k];
            [(a - g * at[k]) / depth, (b - h * at[k]) / depth]
        })
    }

    /// This map, and then a shift of the query's picture.
    pub(super) fn shifted(&self, dx: f32, dy: f32) -> Self {
        let [g, h] = self.tilt;
        let shift = |[a, b, c]: [f32; 3], d: f32| [a + d * g, b + d * h, c + d];
        Self { rows: [shift(self.rows[0], dx), shift(self.rows[1], dy)], tilt: self.tilt }
    }

    /// This map, and then the query's picture turned by radians and enlarged around a place in it, and shifted.
    pub(super) fn moved(&self, [x, y]: [f32; 2], turn: f32, zoom: f32, [dx, dy]: [f32; 2]) -> Self {
        let (sin, cos) = turn.sin_cos();
        let centred = self.shifted(-x, -y);
        let [across, down] = centred.rows;
        let row = |p: f32, q: f32| std::array::from_fn(|i| zoom * (p * across[i] + q * down[i]));
        Self { rows: [row(cos, -sin), row(sin, cos)], tilt: self.tilt }.shifted(x + dx, y + dy)
    }

    /// The shift that made this map of another, in the middle of the reference.
    pub(super) fn shift_from(&self, other: &Self) -> [f32; 2] {
        let (here, there) = (self.apply(MIDDLE), other.apply(MIDDLE));
        [here[0] - there[0], here[1] - there[1]]
    }

    /// This map, and then the query's picture made narrower or lower.
    pub(super) fn squeezed(&self, [across, down]: [f32; 2]) -> Self {
        let [x, y] = self.rows;
        Self { rows: [x.map(|v| v * across), y.map(|v| v * down)], tilt: self.tilt }
    }

    /// The similarity that takes one feature to the other.
    pub(super) fn of_pair(pair: &Pair, mirrored: bool) -> Self {
        let (sin, cos) = pair.turn.sin_cos();
        let scale = pair.zoom.exp2();
        let flip = if mirrored { -scale } else { scale };
        let [[a, b], [d, e]] = [[cos * flip, -sin * scale], [sin * flip, cos * scale]];
        let [x, y] = pair.reference;
        Self::affine([[a, b, pair.query[0] - a * x - b * y], [d, e, pair.query[1] - d * x - e * y]])
    }

    /// Square root of the area that a unit of area becomes.
    pub(super) fn scale(&self) -> f32 {
        let [[a, b], [d, e]] = self.slope();
        (a * e - b * d).abs().sqrt()
    }

    /// Radians by which the reference's vertical is turned in the query.
    pub(super) fn turn(&self) -> f32 {
        let [[_, b], [_, e]] = self.slope();
        (-b).atan2(e)
    }

    /// What is to be added each tick to come from one map to another in so many; nothing in none.
    pub(super) fn pace(from: &Self, to: &Self, ticks: f32) -> [f32; 8] {
        let (from, to) = (from.numbers(), to.numbers());
        std::array::from_fn(|i| if ticks > 0.0 { (to[i] - from[i]) / ticks } else { 0.0 })
    }

    /// The map at each tick from one to another, `ticks` later, that change at the given paces there: a cubic Hermite
    /// spline.
    pub(super) fn bridge(from: (&Self, [f32; 8]), to: (&Self, [f32; 8]), ticks: f32) -> impl Fn(f32) -> Self {
        let (a, b) = (from.0.numbers(), to.0.numbers());
        let (leaves, arrives) = (from.1, to.1);
        move |tick| {
            let t = tick / ticks;
            let (square, cube) = (t * t, t * t * t);
            Self::of_numbers(std::array::from_fn(|i| {
                (2.0 * cube - 3.0 * square + 1.0) * a[i]
                    + (cube - 2.0 * square + t) * ticks * leaves[i]
                    + (3.0 * square - 2.0 * cube) * b[i]
                    + (cube - square) * ticks * arrives[i]
            }))
        }
    }

    fn numbers(&self) -> [f32; 8] {
        let ([[a, b, c], [d, e, f]], [g, h]) = (self.rows, self.tilt);
        [a, b, c, d, e, f, g, h]
    }

    fn of_numbers([a, b, c, d, e, f, g, h]: [f32; 8]) -> Self {
        Self { rows: [[a, b, c], [d, e, f]], tilt: [g, h] }
    }

    /// Where a reference of `size` lies.
    pub(super) fn placement(&self, [width, height]: [f32; 2]) -> Placement {
        let corners =
            [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]].map(|corner| self.apply(corner));
        Placement { corners, scale: self.scale(), angle: self.turn().to_degrees() }
    }

    /// Larger over smaller singular value.
    pub(super) fn stretch(&self) -> f32 {
        let [[a, b], [d, e]] = self.slope();
        let (sum, determinant) = (a * a + b * b + d * d + e * e, (a * e - b * d).abs());
        let root = (sum * sum - 4.0 * determinant * determinant).max(0.0).sqrt();
        ((sum + root) / (sum - root).max(1e-12)).sqrt()
    }

    /// The least-squares similarity, mirrored first or not; `None` where the pairs lie in one place.
    pub(super) fn fit_similarity(pairs: &[Pair], mirrored: bool) -> Option<Self> {
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
    pub(super) fn fit_affine(pairs: &[Pair]) -> Option<Self> {
        let sums = Sums::new(pairs, false);
        let [xx, xy, yy, xu, yu, xv, yv] = sums.products;
        let determinant = xx * yy - xy * xy;
        if determinant < 2.5e-4 * (xx + yy).powi(2) || determinant <= 0.0 {
            return None;
        }
        let solve = |su: f64, sv: f64| [(su * yy - sv * xy) / determinant, (sv * xx - su * xy) / determinant];
        Some(sums.map([solve(xu, yu), solve(xv, yv)], false))
    }

    /// The least-squares projective map; `None` where the pairs lie on a line.
    pub(super) fn fit_projective(pairs: &[Pair]) -> Option<Self> {
        // Where no affine map is determined, neither is this one.
        Self::fit_affine(pairs)?;
        Some(Self::of_numbers(projective(pairs).solve()?.map(|v| v as f32)))
    }
}

/// What pairs ask of the eight numbers of a projective map, all of it linear in them once multiplied by the depth
/// (R. Hartley, A. Zisserman, "Multiple View Geometry", section 4.1), with a tilt that is held back.
fn projective(pairs: &[Pair]) -> Normal<8> {
    let mut normal = Normal::new([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, UPRIGHT, UPRIGHT]);
    for pair in pairs {
        let [[x, y], [u, v]] = [pair.reference, pair.query].map(|point| point.map(f64::from));
        normal.add([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y], u, 1.0);
        normal.add([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y], v, 1.0);
    }
    normal
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
    fn map(&self, linear: [[f64; 2]; 2], mirrored: bool) -> Map {
        let flip = if mirrored { -1.0 } else { 1.0 };
        let [x, y] = self.reference;
        let row = |[a, b]: [f64; 2], q: f64| {
            let a = a * flip;
            [a as f32, b as f32, (q - a * x - b * y) as f32]
        };
        Map::affine([row(linear[0], self.query[0]), row(linear[1], self.query[1])])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(map: impl Fn([f32; 2]) -> [f32; 2]) -> Vec<Pair> {
        let place = |k: usize| [(k % 24) as f32 / 24.0, (k / 24) as f32 / 24.0];
        (0..24 * 14)
            .map(place)
            .map(|reference| Pair { query: map(reference), reference, zoom: 0.0, turn: 0.0 })
            .collect()
    }

    #[test]
    fn a_screen_seen_at_a_slant_is_fitted() {
        let slanted = Map { rows: [[0.5, 0.05, 0.2], [-0.04, 0.6, 0.1]], tilt: [0.2, -0.1] };
        let fitted = Map::fit_projective(&pairs(|place| slanted.apply(place))).unwrap();
        for place in [[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]] {
            let ([x, y], [u, v]) = (fitted.apply(place), slanted.apply(place));
            assert!((x - u).hypot(y - v) < 0.01, "{fitted:?}");
        }
    }

    #[test]
    fn the_slope_is_how_places_move() {
        let map = Map { rows: [[0.5, 0.05, 0.2], [-0.04, 0.6, 0.1]], tilt: [0.3, -0.2] };
        let [x, y] = MIDDLE;
        let (from, right, down) = (map.apply([x, y]), map.apply([x + 0.01, y]), map.apply([x, y + 0.01]));
        for (k, row) in map.slope().iter().enumerate() {
            assert!((row[0] - (right[k] - from[k]) / 0.01).abs() < 0.01);
            assert!((row[1] - (down[k] - from[k]) / 0.01).abs() < 0.01);
        }
        let ([u, v], [s, t]) = (map.shifted(0.1, -0.2).apply([x, y]), from);
        assert!((u - s - 0.1).abs() < 1e-5 && (v - t + 0.2).abs() < 1e-5);
    }

    #[test]
    fn a_moved_picture_turns_and_grows_around_a_place() {
        let map = Map { rows: [[0.5, 0.05, 0.2], [-0.04, 0.6, 0.1]], tilt: [0.3, -0.2] };
        let middle = map.apply(MIDDLE);
        let moved = map.moved(middle, 0.1, 1.2, [0.01, -0.02]);
        let [x, y] = moved.apply(MIDDLE);
        assert!((x - middle[0] - 0.01).abs() < 1e-5 && (y - middle[1] + 0.02).abs() < 1e-5);
        assert!(
            (moved.turn() - map.turn() - 0.1).abs() < 1e-4
                && (moved.scale() / map.scale() - 1.2).abs() < 1e-4
        );
    }

    #[test]
    fn places_on_a_line_determine_no_map() {
        let line: Vec<Pair> = pairs(|p| p).into_iter().filter(|p| p.reference[1] == 0.0).collect();
        assert_eq!(Map::fit_projective(&line), None);
        assert_eq!(Map::fit_affine(&line), None);
    }
}
