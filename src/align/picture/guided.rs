//! A second look along a map: where it is known in which place and at which size and angle a feature of the
//! reference has to lie, descriptions may differ by more than what would tell anything over a whole bank.

use super::blocks::Block;
use super::geometry::{NEAR, TURN, ZOOM};
use super::map::Map;
use super::votes::{Look, Vote, pair};
use crate::index::sure;
use crate::picture::{Feature, Observed, Print, Probe};
use crate::rough;
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
/// The frame zooms, pans and turns: the map is that of some moment.
pub(super) const WANDERS: Tolerance = Tolerance { near: 1.0, zoom: 1.0, turn: 3.1 };

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
    let grid = Grid::new(print, &block.reference, map, look, tolerance.near);
    let expected = Expected::new(map, tolerance);
    let mut found = Vec::new();
    for (k, key) in (0u32..).zip(probe.seen(look.unsqueezed)).take(block.query.end).skip(block.query.start) {
        for (f, Observed { feature, doubts }) in (0u32..).zip(&key.features) {
            let Some(fits) = expected.of(feature, look) else { continue };
            // Most features have none near that fits.
            let mut description = None;
            for cells in grid.near(feature.place()) {
                for (lies, (at, candidate)) in grid.lies[cells.clone()].iter().zip(&grid.features[cells]) {
                    if !fits.admits(*lies) {
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
    }
    found
}

/// Size and angle that a map gives to features, in the units of [`Feature`].
struct Expected {
    zoom: i16,
    turn: u8,
    most_zoom: i16,
    most_turn: u8,
}

impl Expected {
    fn new(map: &Map, tolerance: Tolerance) -> Self {
        Self {
            zoom: (map.scale().log2() * 24.0).round() as i16,
            turn: (map.turn() / TAU * 256.0).round() as i16 as u8,
            most_zoom: (tolerance.zoom * 24.0) as i16,
            most_turn: (tolerance.turn / TAU * 256.0) as u8,
        }
    }

    /// What a feature of the reference has to be like to be `query`; `None` if none can be.
    fn of(&self, query: &Feature, look: Look) -> Option<Fits> {
        let size = i16::from(query.size).saturating_sub(self.zoom);
        let (smallest, largest) = (size.saturating_sub(self.most_zoom), size.saturating_add(self.most_zoom));
        let (smallest, largest) = (smallest.max(0), largest.min(u8::MAX.into()));
        let points = if look.negative { query.angle.wrapping_add(128) } else { query.angle };
        (smallest <= largest).then(|| Fits {
            smallest: smallest as u8,
            sizes: (largest - smallest) as u8,
            first: points.wrapping_sub(self.turn).wrapping_sub(self.most_turn),
            turns: 2 * self.most_turn,
        })
    }
}

/// Sizes and angles from the least to the most.
#[derive(Clone, Copy)]
struct Fits {
    smallest: u8,
    sizes: u8,
    first: u8,
    turns: u8,
}

impl Fits {
    fn admits(self, [size, angle]: [u8; 2]) -> bool {
        size.wrapping_sub(self.smallest) <= self.sizes && angle.wrapping_sub(self.first) <= self.turns
    }
}

/// The features of a reference by the place that a map gives them in the query.
struct Grid {
    /// Cells a side.
    cells: usize,
    /// Where the features of each cell end, row by row.
    ends: Vec<u32>,
    /// The size of each, and its angle in the mirror if it is looked for there.
    lies: Vec<[u8; 2]>,
    /// Each with its key frame.
    features: Vec<(u32, Feature)>,
}

impl Grid {
    fn new(print: &Print, keys: &Range<usize>, map: &Map, look: Look, near: f32) -> Self {
        let cells = ((1.0 / (near * map.scale()).max(1e-3)) as usize).clamp(1, MOST_CELLS);
        let mut placed: Vec<(usize, (u32, Feature))> = Vec::new();
        for (k, key) in (0u32..).zip(&print.keys).take(keys.end).skip(keys.start) {
            for feature in &key.features {
                if let Some(cell) = cell(map.apply(feature.place()), cells) {
                    placed.push((cell, (k, *feature)));
                }
            }
        }
        let mut sorted = placed.clone();
        let ends = rough::sort(&placed, cells * cells, |&(cell, _)| cell, &mut sorted);
        let features: Vec<_> = sorted.into_iter().map(|(_, feature)| feature).collect();
        let stands = |angle: u8| if look.mirrored { 128u8.wrapping_sub(angle) } else { angle };
        let lies = features.iter().map(|(_, feature)| [feature.size, stands(feature.angle)]).collect();
        Self { cells, ends, lies, features }
    }

    /// The features of the cell of a place and of those around it.
    fn near(&self, place: [f32; 2]) -> impl Iterator<Item = Range<usize>> {
        let at = |v: f32| ((v * self.cells as f32) as usize).min(self.cells - 1);
        let [x, y] = place.map(at);
        let start = |cell: usize| cell.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let columns = x.saturating_sub(1)..(x + 2).min(self.cells);
        (y.saturating_sub(1)..(y + 2).min(self.cells))
            .map(move |row| start(row * self.cells + columns.start)..start(row * self.cells + columns.end))
    }
}

fn cell(place: [f32; 2], cells: usize) -> Option<usize> {
    let [x, y] = place;
    let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
    inside.then(|| (y * cells as f32) as usize * cells + (x * cells as f32) as usize)
}
