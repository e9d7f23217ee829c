//! What speaks for each pair of moments of a query and a reference, by where in the query the reference is thought to lie.

use super::agreement::{moments, rectify, seen};
use super::lattice::Cells;
use super::lines::{Line, Matrix};
use super::map::Map;
use super::pace::{Pace, USUAL};
use super::sight::{LEAST, PLAIN, Sight, Window};
use super::{cover, steady};
use crate::picture::Raster;
use crate::picture::motion::{CELLS, RATE};

/// Where a reference is thought to lie in a query.
#[derive(Clone)]
pub(super) struct Placing {
    /// At each moment.
    pub(super) maps: Vec<Option<Map>>,
    /// Whether the shake of a hand is to be taken out.
    pub(super) steadied: bool,
    /// The cells to look at, where something else covers the others.
    pub(super) only: Option<[bool; CELLS]>,
}

impl Placing {
    pub(super) fn new(maps: Vec<Option<Map>>) -> Self {
        Self { maps, steadied: false, only: None }
    }
}

pub(super) struct Evidence {
    pub(super) motion: Matrix,
    /// Motion and features.
    pub(super) all: Matrix,
    /// The best line through all.
    pub(super) line: Option<Line>,
    pub(super) placing: Placing,
    /// Seconds by which the moments of the query lie behind its ticks.
    pub(super) late: f64,
}

impl Evidence {
    /// Of the best line, less the price of its pace.
    pub(super) fn decades(&self) -> f32 {
        self.line.map_or(0.0, |line| line.decades - self.pace().price)
    }

    /// Whether there is something, and it is not plain.
    pub(super) fn is_vague(&self) -> bool {
        (LEAST..PLAIN).contains(&self.decades())
    }

    pub(super) fn pace(&self) -> &'static Pace {
        self.all.pace
    }

    pub(super) fn or_better(self, other: Self) -> Self {
        if other.decades() > self.decades() { other } else { self }
    }
}

impl Sight<'_> {
    /// At the usual pace, with what features tell.
    pub(super) fn evidence(&self, placing: Placing, features: &Matrix, window: &Window) -> Evidence {
        let cells = self.cells(&placing, &self.probe.rasters, window);
        self.at_pace(&USUAL, &cells, placing, features, window)
    }

    /// The best that any of some paces gives.
    pub(super) fn at_paces(
        &self,
        placing: Placing,
        paces: &'static [Pace],
        features: &Matrix,
        window: &Window,
    ) -> Option<Evidence> {
        let cells = self.cells(&placing, &self.probe.rasters, window);
        let each = paces.iter().map(|pace| self.at_pace(pace, &cells, placing.clone(), features, window));
        each.reduce(Evidence::or_better)
    }

    /// What there is in other pictures of the query, where that is better and the evidence is vague, or rests on pictures
    /// from which something was taken: in those halfway between its ticks, as a copy begins at any moment and its ticks lie
    /// up to an eighth of a second beside those of the reference; and in all as they were with what seemed to be bands.
    pub(super) fn or_otherwise(&self, evidence: Evidence, features: &Matrix, window: &Window) -> Evidence {
        let [banded, banded_between] = &self.probe.banded;
        if !evidence.is_vague() && banded.is_empty() {
            return evidence;
        }
        let others = [(&self.probe.between, 0.5 / RATE), (banded, 0.0), (banded_between, 0.5 / RATE)];
        let others = others.into_iter().filter(|(pictures, _)| pictures.len() > window.rows.start);
        let (placing, pace) = (evidence.placing.clone(), evidence.pace());
        others.fold(evidence, |best, (pictures, late)| {
            let cells = self.cells(&placing, pictures, window);
            let other = self.at_pace(pace, &cells, placing.clone(), features, window);
            best.or_better(Evidence { late, ..other })
        })
    }

    /// The cells of the reference in the query, by pictures of it that begin with the film, at the moments of a window.
    fn cells(&self, placing: &Placing, pictures: &[Raster], window: &Window) -> Vec<Option<Cells>> {
        let maps: Vec<_> = placing.maps.iter().map(|map| map.map(|map| self.as_it_is(map))).collect();
        let [start, end] = [window.rows.start, window.rows.end].map(|row| row.min(pictures.len()));
        let (rasters, size) = (&pictures[start..end], self.print.size);
        let mut cells = if placing.steadied {
            rectify(rasters, size, &steady::steadied(rasters, size, &maps[..rasters.len()]))
        } else {
            rectify(rasters, size, &maps)
        };
        cells.resize(window.rows.len(), None);
        if let Some(only) = &placing.only {
            cover::look_only_at(&mut cells, only);
        }
        cells
    }

    /// A map that was found in this look, to the query's picture as it is.
    pub(super) fn as_it_is(&self, map: Map) -> Map {
        if self.look.unsqueezed { map.squeezed(self.probe.squeeze()) } else { map }
    }

    /// At one pace, by the cells that a placing leads to.
    fn at_pace(
        &self,
        pace: &'static Pace,
        cells: &[Option<Cells>],
        placing: Placing,
        features: &Matrix,
        window: &Window,
    ) -> Evidence {
        let mut motion = Matrix::new(window.rows.len(), window.columns.len(), pace);
        let moments = moments(&self.print.motion[window.columns.clone()]);
        for (row, seen) in seen(cells, pace.lag).iter().enumerate() {
            for (cell, moment) in motion.cells[row * window.columns.len()..].iter_mut().zip(&moments) {
                *cell = pace.weight() * seen.against(moment, self.look.negative);
            }
        }
        let mut all = motion.clone();
        all.cells.iter_mut().zip(&features.cells).for_each(|(all, features)| *all += features);
        let line = all.best();
        Evidence { motion, all, line, placing, late: 0.0 }
    }
}
