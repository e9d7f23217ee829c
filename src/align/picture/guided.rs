//! A second look along a map: where it is known in which place and at which size and angle a feature of the
//! reference has to lie, descriptions may differ by more than what would tell anything over a whole bank.

use super::blocks::Block;
use super::geometry::{NEAR, TURN, ZOOM};
use super::map::Map;
use super::votes::{Look, Vote, pair};
use crate::index::sure;
use crate::picture::{Feature, Observed, Print, Probe};
use std::f32::consts::TAU;
use std::ops::Range;

/// Sure bits, of 63, in which two features in the same place may differ and be the same.
const RADIUS: u32 = 9;
/// Cells a side, at the most, of the grid that finds features by their place.
const MOST_CELLS: usize = 32;

/// How far features may lie from what a map says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// In longer sides of the reference.
    near: f32,
    /// In octaves.
    zoom: f32,
    /// In radians.
    turn: f32,
}

/// The map stays.
pub(super) const STAYS: Tolerance = Tolerance { near: NEAR, zoom: ZOOM, turn: TURN };
/// The frame zooms and pans: the map is that of some moment.
pub(super) const WANDERS: Tolerance = Tolerance { near: 0.25, zoom: 1.0, turn: TURN };

/// All pairs of a feature of the probe and one of the reference, of the key frames of a block, that lies there by
/// `map`.
pub(super) fn votes(
    probe: &Probe,
    print: &Print,
    block: &Block,
    map: &Map,
    look: Look,
    tolerance: Tolerance,
) -> Vec<Vote> {
    let grid = Grid::new(print, &block.reference, map, tolerance.near);
    let expected = Expected::new(map, tolerance);
    let mut found = Vec::new();
    for (k, key) in (0u32..).zip(&probe.keys).take(block.query.end).skip(block.query.start) {
        for (f, Observed { feature, doubts }) in (0u32..).zip(&key.features) {
            // Most features have none near that fits.
            let mut description = None;
            for (at, candidate) in grid.near(feature.place()) {
                if !expected.fits(feature, candidate, look) {
                    continue;
                }
                let seen = || (feature.seen(look.mirrored, look.negative), sure(doubts));
                let (code, sure) = description.get_or_insert_with(seen);
                let apart = |w: usize| ((code[w] ^ candidate.code[w]) & sure[w]).count_ones();
                if apart(0) + apart(1) <= RADIUS {
                    let pair = pair(feature, candidate, look);
                    found.push(Vote { pair, query: (k, f), key: *at });
                }
            }
        }
    }
    found
}

/// Size and angle that a map gives to features, in the units of [`Feature`].
struct Expected {
    zoom: i16,
    turn: u8,
    most_zoom: u16,
    most_turn: u8,
}

impl Expected {
    fn new(map: &Map, tolerance: Tolerance) -> Self {
        Self {
            zoom: (map.scale().log2() * 24.0).round() as i16,
            turn: (map.turn() / TAU * 256.0).round() as i16 as u8,
            most_zoom: (tolerance.zoom * 24.0) as u16,
            most_turn: (tolerance.turn / TAU * 256.0) as u8,
        }
    }

    fn fits(&self, query: &Feature, reference: &Feature, look: Look) -> bool {
        let zoom = i16::from(query.size) - i16::from(reference.size);
        let stands = if look.mirrored { 128u8.wrapping_sub(reference.angle) } else { reference.angle };
        let points = if look.negative { query.angle.wrapping_add(128) } else { query.angle };
        let turn = points.wrapping_sub(stands).wrapping_sub(self.turn) as i8;
        (zoom - self.zoom).unsigned_abs() <= self.most_zoom && turn.unsigned_abs() <= self.most_turn
    }
}

/// The features of a reference by the place that a map gives them in the query.
struct Grid {
    cells: usize,
    /// Where the features of each cell begin, row by row.
    starts: Vec<u32>,
    /// Each with its key frame.
    features: Vec<(u32, Feature)>,
}

impl Grid {
    fn new(print: &Print, keys: &Range<usize>, map: &Map, near: f32) -> Self {
        let cells = ((1.0 / (near * map.scale()).max(1e-3)) as usize).clamp(1, MOST_CELLS);
        let mut placed: Vec<(u32, u32, Feature)> = Vec::new();
        for (k, key) in (0u32..).zip(&print.keys).take(keys.end).skip(keys.start) {
            for feature in &key.features {
                if let Some(cell) = cell(map.apply(feature.place()), cells) {
                    placed.push((cell, k, *feature));
                }
            }
        }
        placed.sort_by_key(|&(cell, ..)| cell);
        let start = |cell: usize| placed.partition_point(|&(c, ..)| (c as usize) < cell) as u32;
        let starts = (0..=cells * cells).map(start).collect();
        Self { cells, starts, features: placed.into_iter().map(|(_, k, feature)| (k, feature)).collect() }
    }

    /// The features of the cell of a place and of those around it.
    fn near(&self, place: [f32; 2]) -> impl Iterator<Item = &(u32, Feature)> {
        let at = |v: f32| ((v * self.cells as f32) as usize).min(self.cells - 1);
        let [x, y] = place.map(at);
        let columns = x.saturating_sub(1)..(x + 2).min(self.cells);
        (y.saturating_sub(1)..(y + 2).min(self.cells)).flat_map(move |row| {
            let first = self.starts[row * self.cells + columns.start] as usize;
            let end = self.starts[row * self.cells + columns.end] as usize;
            &self.features[first..end]
        })
    }
}

fn cell(place: [f32; 2], cells: usize) -> Option<u32> {
    let [x, y] = place;
    let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
    inside.then(|| ((y * cells as f32) as usize * cells + (x * cells as f32) as usize) as u32)
}
