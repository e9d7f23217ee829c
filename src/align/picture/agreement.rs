//! How well the motion of a query agrees with that of a reference, moment by moment, once it is known how the
//! reference lies in the query.
//!
//! The measure is a log-likelihood ratio of "a copy" against "something else in the same place", in decades. Cells
//! and moments depend on each other, so its scale is measured, not derived.

use super::map::Map;
use super::steady::{Sloped, steady};
use crate::picture::motion::{CELLS, COLUMNS, LAG, ROWS, changes};
use crate::picture::{Motion, Raster};

/// Points a side at which a cell is sampled.
const SAMPLES: usize = 3;
/// Change of a cell of the query, in luma levels, that has a sign worth reading.
const READABLE: f32 = 0.4;
/// Change of a cell of the query that a reference without any contradicts.
const STRONG: f32 = 7.0;
/// Evidence of a strong cell of the reference that the query agrees with, contradicts, or does not move in, and of
/// a cell that moves in the query alone.
///
/// The unit is a decade by measurement: of the best lines of unrelated films laid over each other, one in ten
/// times fewer scores each 0.8 more; 1 is what we count.
const AGREES: f32 = 0.11;
const CONTRADICTS: f32 = -0.18;
const STILL: f32 = -0.02;
const EXTRA: f32 = -0.018;
/// Cells that tell something of their own: what moves moves many cells at once.
const INDEPENDENT: f32 = 12.0;
/// What a cell counts whose motion goes on as before, of one that starts to move or turns round: slow motion is
/// one event, however long it lasts.
const GOING_ON: f32 = 0.2;

/// The motion of a query where the cells of a reference lie in it.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    rising: [u64; 2],
    readable: [u64; 2],
    strong: [u64; 2],
    visible: [u64; 2],
}

/// The mean of each cell of a reference where it lies in a raster, and whether it lies there at all.
#[derive(Clone)]
pub(super) struct Cells {
    pub(super) means: [f32; CELLS],
    pub(super) visible: [bool; CELLS],
}

/// The motion codes of a query's rasters, cell by cell of a reference of `size` (in its longer sides) that lies in
/// each by its map; with the shake of a camera taken out, if asked for.
pub(super) fn rectify(rasters: &[Raster], size: [f32; 2], maps: &[Option<Map>], steadied: bool) -> Vec<Seen> {
    let placed = || rasters.iter().zip(maps).map(|(raster, map)| map.as_ref().map(|map| (raster, map)));
    let cells: Vec<Option<Cells>> = if steadied {
        let sloped: Vec<_> =
            placed().map(|p| p.and_then(|(raster, map)| sloped(raster, size, map))).collect();
        steady(&sloped)
    } else {
        placed().map(|p| p.and_then(|(raster, map)| cells(raster, size, map))).collect()
    };
    (0..cells.len())
        .map(|i| match (i.checked_sub(LAG).and_then(|j| cells[j].as_ref()), &cells[i]) {
            (Some(before), Some(now)) => {
                let both = std::array::from_fn(|c| before.visible[c] && now.visible[c]);
                Seen::new(&changes(&before.means, &now.means, &both), &both)
            }
            _ => Seen::default(),
        })
        .collect()
}

/// The cells of a raster and their slopes, by central differences over a twentieth of a cell's width to each side.
fn sloped(raster: &Raster, size: [f32; 2], map: &Map) -> Option<Sloped> {
    let step = 0.05 * map.scale() / COLUMNS as f32;
    let moved = |dx: f32, dy: f32| cells(raster, size, &map.shifted(dx, dy));
    let slope = |right: Cells, left: Cells| std::array::from_fn(|c| right.means[c] - left.means[c]);
    Some(Sloped {
        cells: moved(0.0, 0.0)?,
        slopes: [slope(moved(step, 0.0)?, moved(-step, 0.0)?), slope(moved(0.0, step)?, moved(0.0, -step)?)],
    })
}

impl Seen {
    fn new(changes: &[f32; CELLS], visible: &[bool; CELLS]) -> Self {
        let mut seen = Self::default();
        for (c, (&change, &visible)) in changes.iter().zip(visible).enumerate() {
            let set = |to: &mut [u64; 2], on: bool| to[c / 64] |= u64::from(on && visible) << (c % 64);
            set(&mut seen.rising, change > 0.0);
            set(&mut seen.readable, change.abs() >= READABLE);
            set(&mut seen.strong, change.abs() >= STRONG);
            set(&mut seen.visible, true);
        }
        seen
    }

    /// Decades for a copy, or for its negative, at this moment.
    pub(super) fn against(&self, moment: &Moment, negative: bool) -> f32 {
        let Moment { motion, fresh } = moment;
        let count = |cells: &dyn Fn(usize) -> u64| {
            let ones = |of: &dyn Fn(usize) -> u64| (of(0).count_ones() + of(1).count_ones()) as f32;
            GOING_ON * ones(&|w| cells(w)) + (1.0 - GOING_ON) * ones(&|w| cells(w) & fresh[w])
        };
        let both = |w: usize| self.readable[w] & motion.strong[w];
        let turned = if negative { u64::MAX } else { 0 };
        let differs = |w: usize| self.rising[w] ^ motion.rising[w] ^ turned;
        let agree = count(&|w| both(w) & !differs(w));
        let differ = count(&|w| both(w) & differs(w));
        let still = count(&|w| self.visible[w] & motion.strong[w] & !self.readable[w]);
        let extra = count(&|w| self.strong[w] & !motion.strong[w]);
        let sum = AGREES * agree + CONTRADICTS * differ + STILL * still + EXTRA * extra;
        sum / (1.0 + (agree + differ + still + extra) / INDEPENDENT)
    }
}

/// The motion of a reference at one moment.
pub(super) struct Moment {
    motion: Motion,
    /// Cells that did something else before.
    fresh: [u64; 2],
}

/// The moments of a stretch of a reference.
pub(super) fn moments(motion: &[Motion]) -> Vec<Moment> {
    let before = |i: usize| i.checked_sub(LAG).map_or(Motion::default(), |j| motion[j]);
    (0..motion.len())
        .map(|i| {
            let (motion, before) = (motion[i], before(i));
            let same =
                |w: usize| before.strong[w] & motion.strong[w] & !(before.rising[w] ^ motion.rising[w]);
            Moment { motion, fresh: [!same(0), !same(1)] }
        })
        .collect()
}

fn cells(raster: &Raster, size: [f32; 2], map: &Map) -> Option<Cells> {
    let (width, height) = raster.size();
    if width == 0 {
        return None;
    }
    let longer = width.max(height) as f32;
    let (mut means, mut visible) = ([0.0; CELLS], [false; CELLS]);
    for c in 0..CELLS {
        let at = |u: f32, v: f32| {
            let [x, y] = map.apply([
                ((c % COLUMNS) as f32 + u) / COLUMNS as f32 * size[0],
                ((c / COLUMNS) as f32 + v) / ROWS as f32 * size[1],
            ]);
            (x * longer - 0.5, y * longer - 0.5)
        };
        let (x, y) = at(0.5, 0.5);
        visible[c] = x >= 0.0 && y >= 0.0 && x <= (width - 1) as f32 && y <= (height - 1) as f32;
        if visible[c] {
            let step = |k: usize| (k as f32 + 0.5) / SAMPLES as f32;
            let sum: f32 = (0..SAMPLES * SAMPLES)
                .map(|k| {
                    let (x, y) = at(step(k % SAMPLES), step(k / SAMPLES));
                    raster.sample(x, y)
                })
                .sum();
            means[c] = sum / (SAMPLES * SAMPLES) as f32;
        }
    }
    Some(Cells { means, visible })
}
