//! What features tell of when a query is, beside what moves.

use super::lines::Matrix;
use super::pace::USUAL;
use super::sight::{Sight, Window};
use super::votes::Vote;
use crate::picture::motion::RATE;
use std::collections::BTreeMap;

/// Decades that the features of one moment count for at most.
const FEATURES: f32 = 0.7;
/// Share of what a feature seen at one moment of a reference, and no other, tells: features depend on each other.
const SHARE: f32 = 0.3;

impl Sight<'_> {
    /// A feature that fits the reference at few of its moments tells where in time the query is; one that fits
    /// at all of them tells nothing.
    pub(super) fn features(&self, votes: &[Vote], window: &Window) -> Matrix {
        let mut matrix = Matrix::new(window.rows.len(), window.columns.len(), &USUAL);
        let mut moments: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        for vote in votes {
            let keys = moments.entry(vote.query).or_default();
            if !keys.contains(&vote.key) {
                keys.push(vote.key);
            }
        }
        let all = self.block.reference.len() as f32;
        let mut evidence: BTreeMap<(u32, u32), f32> = BTreeMap::new();
        for ((key, _), keys) in &moments {
            for &at in keys {
                *evidence.entry((*key, at)).or_default() += SHARE * (all / keys.len() as f32).log10();
            }
        }
        let tick = |time: u32| (f64::from(time) * RATE / 1000.0) as usize;
        let row = |key: u32| tick(self.probe.keys[key as usize].time).wrapping_sub(window.rows.start);
        // What a moment has in common with all of the reference tells nothing either.
        let mut common: BTreeMap<u32, f32> = BTreeMap::new();
        for (&(key, at), decades) in &mut evidence {
            *decades = decades.min(FEATURES);
            *common.entry(key).or_default() += *decades / all;
            let at = tick(self.print.keys[at as usize].time).wrapping_sub(window.columns.start);
            // Key frames of most references are four ticks apart: the nearest one counts.
            for column in at.saturating_sub(2)..at.saturating_add(2) {
                if let Some(cell) = matrix.at(row(key), column) {
                    *cell += *decades;
                }
            }
        }
        for (key, decades) in common {
            for column in 0..window.columns.len() {
                if let Some(cell) = matrix.at(row(key), column) {
                    *cell -= decades;
                }
            }
        }
        matrix
    }
}
