//! How a reference lies in a query's picture: the map that most pairs of features follow.
//!
//! All lengths are in longer sides of the picture that they are measured in.

use super::map::Map;

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
/// Places that determine a perspective.
const PLENTY: usize = 50;
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

/// A map and the pairs that follow it.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) map: Map,
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
        .map(|&i| Map::of_pair(&pairs[i], mirrored))
        .map(|map| (map, places(pairs, &followers(pairs, live, &map, NEAR))))
        .max_by_key(|&(_, count)| count)?;
    if count < fewest {
        return None;
    }
    let cluster = follow(pairs, live, map, mirrored);
    (cluster.places >= fewest).then_some(cluster)
}

/// A map shifted to where most places of `pairs` follow it, and those that do; `None` under `fewest` places.
pub(super) fn best_shift(pairs: &[Pair], map: &Map, fewest: usize) -> Option<Cluster> {
    let live: Vec<usize> = (0..pairs.len()).collect();
    let away = |pair: &Pair| {
        let [x, y] = map.apply(pair.reference);
        [pair.query[0] - x, pair.query[1] - y]
    };
    let shifted = |[dx, dy]: [f32; 2], near: f32| {
        let map = map.shifted(dx, dy);
        let chosen = followers(pairs, &live, &map, near);
        Cluster { map, places: places(pairs, &chosen), pairs: chosen }
    };
    let stride = live.len().div_ceil(TRIALS).max(1);
    let trials = pairs.iter().step_by(stride).map(|pair| shifted(away(pair), NEAR));
    let mut best = trials.max_by_key(|cluster| cluster.places).filter(|cluster| cluster.places >= fewest)?;
    for near in [NEAR, NARROWING[2], NARROWING[4]] {
        let count = best.pairs.len() as f32;
        let sum = best.pairs.iter().fold([0.0; 2], |sum, &i| {
            let [dx, dy] = away(&pairs[i]);
            [sum[0] + dx, sum[1] + dy]
        });
        let next = shifted(sum.map(|sum| sum / count), near);
        if next.places < fewest {
            break;
        }
        best = next;
    }
    Some(best)
}

/// The map fitted to those of `live` places of `pairs` that follow a first one.
pub(super) fn follow(pairs: &[Pair], live: &[usize], map: Map, mirrored: bool) -> Cluster {
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
        let sound = |f: &Map| f.stretch() <= MOST_STRETCH && (f.scale() / scale).log2().abs() <= ZOOM;
        let from = |least: usize, fit: fn(&[Pair]) -> Option<Map>| {
            if cluster.places >= least { fit(&chosen).filter(sound) } else { None }
        };
        let fitted = from(PLENTY, Map::fit_projective)
            .or_else(|| from(ENOUGH, Map::fit_affine))
            .or_else(|| Map::fit_similarity(&chosen, mirrored).filter(sound));
        let Some(fitted) = fitted else { break };
        let next = followers(pairs, live, &fitted, near);
        let places = places(pairs, &next);
        if 2 * places < count {
            break;
        }
        cluster = Cluster { map: fitted, pairs: next, places };
    }
    cluster
}

fn followers(pairs: &[Pair], live: &[usize], map: &Map, near: f32) -> Vec<usize> {
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
