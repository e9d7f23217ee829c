//! How well the motion of a query agrees with that of a reference, moment by moment, once it is known how the
//! reference lies in the query.
//!
//! The measure is a log-likelihood ratio of "a copy" against "something else in the same place", in decades. Cells
//! and moments depend on each other, so its scale is measured, not derived.

use super::lattice::{self, Cells, Sums};
use super::map::Map;
use crate::picture::motion::{CELLS, LAG, changes};
use crate::picture::{Motion, Raster};

/// Change of a cell of the query, in luma levels, that has a sign worth reading.
const READABLE: f32 = 0.4;
/// Change of a cell of the query that a reference without any contradicts.
const STRONG: f32 = 7.0;
/// Change of a cell of the query, over the median of all, whose sign is hardly ever noise or shake.
const FIRM: f32 = 2.5;
/// What such a cell counts, of another.
const FIRM_COUNTS: f32 = 2.0;
/// Evidence of a strong cell of the reference that the query agrees with, contradicts, or does not move in, and of
/// a cell that moves in the query alone.
///
/// The unit is a decade by measurement: of the best lines of unrelated films laid over each other, one in ten
/// times fewer scores each 0.9 to 1 more; 1 is what we count.
const AGREES: f32 = 0.105;
const CONTRADICTS: f32 = -0.19;
const STILL: f32 = -0.019;
const EXTRA: f32 = -0.017;
/// Cells that tell something of their own: what moves moves many cells at once.
const INDEPENDENT: f32 = 12.0;
/// What a cell counts whose motion goes on as before, of one that starts to move or turns round: slow motion is
/// one event, however long it lasts.
const GOING_ON: f32 = 0.1;

/// The motion of a query where the cells of a reference lie in it.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    rising: [u64; 2],
    readable: [u64; 2],
    firm: [u64; 2],
    strong: [u64; 2],
    visible: [u64; 2],
}

/// The cells of a reference of `size` (in its longer sides) in a query's rasters, in each of which it lies by its map.
pub(super) fn rectify(rasters: &[Raster], size: [f32; 2], maps: &[Option<Map>]) -> Vec<Option<Cells>> {
    let (mut sums, mut lattice) = (Sums::default(), None);
    let mut cells = |raster: &Raster, map: &Option<Map>| {
        let map = map.as_ref().filter(|_| sums.take(raster))?;
        Some(lattice::cells(&sums, size, map, &mut lattice))
    };
    rasters.iter().zip(maps).map(|(raster, map)| cells(raster, map)).collect()
}

/// The motion codes of a query's cells, each against what was `lag` ticks before.
pub(super) fn seen(cells: &[Option<Cells>], lag: isize) -> Vec<Seen> {
    let at = |i: usize| cells.get(i)?.as_ref();
    (0..cells.len())
        .map(|i| match (i.checked_add_signed(-lag).and_then(at), at(i)) {
            (Some(before), Some(now)) => {
                let both = std::array::from_fn(|c| before.visible[c] && now.visible[c]);
                Seen::new(&changes(&before.means, &now.means, &both), &both)
            }
            _ => Seen::default(),
        })
        .collect()
}

/// Of the sizes of the changes of visible cells; nought without any.
fn median(changes: &[f32; CELLS], visible: &[bool; CELLS]) -> f32 {
    let mut sizes: Vec<f32> =
        changes.iter().zip(visible).filter(|(_, v)| **v).map(|(c, _)| c.abs()).collect();
    let middle = sizes.len() / 2;
    if sizes.is_empty() { 0.0 } else { *sizes.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

impl Seen {
    fn new(changes: &[f32; CELLS], visible: &[bool; CELLS]) -> Self {
        let mut seen = Self::default();
        let firm = FIRM * median(changes, visible);
        for (c, (&change, &visible)) in changes.iter().zip(visible).enumerate() {
            let set = |to: &mut [u64; 2], on: bool| to[c / 64] |= u64::from(on && visible) << (c % 64);
            set(&mut seen.rising, change > 0.0);
            set(&mut seen.readable, change.abs() >= READABLE);
            set(&mut seen.firm, change.abs() >= firm.max(READABLE));
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
        let weigh = |cells: &dyn Fn(usize) -> u64| {
            count(cells) + (FIRM_COUNTS - 1.0) * count(&|w| cells(w) & self.firm[w])
        };
        let agree = weigh(&|w| both(w) & !differs(w));
        let differ = weigh(&|w| both(w) & differs(w));
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
