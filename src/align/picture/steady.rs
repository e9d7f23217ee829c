//! Takes the shake of a filming hand out of a query.
//!
//! Where the filmed picture stands still, a shift of the camera changes each cell by the slope of the picture in
//! it. The shift that explains most of the difference from the mean of some seconds is taken back, cell by cell.
//! A picture that moves by itself has a mean without slopes, and stays as it is.

use super::lattice::Cells;
use crate::picture::motion::CELLS;

/// Ticks to either side that make the mean.
const AROUND: usize = 8;
/// Differences in luma levels that count half in the fit: they are motion, not shake.
const OUTLIER: f32 = 3.0;
/// Rounds of the fit.
const ROUNDS: usize = 3;

/// A moment's cells, and how each changes when the query is shifted right and down by a small step.
pub(super) struct Sloped {
    pub(super) cells: Cells,
    pub(super) slopes: [[f32; CELLS]; 2],
}

/// The cells of all moments, each shifted to where the mean of those around it is.
pub(super) fn steady(moments: &[Option<Sloped>]) -> Vec<Option<Cells>> {
    (0..moments.len())
        .map(|i| {
            let Sloped { cells, .. } = moments[i].as_ref()?;
            let near = i.saturating_sub(AROUND)..(i + AROUND + 1).min(moments.len());
            let around: Vec<&Sloped> = moments[near].iter().flatten().collect();
            let mean =
                |of: &dyn Fn(&Sloped) -> f32| around.iter().map(|m| of(m)).sum::<f32>() / around.len() as f32;
            let standing: [f32; CELLS] = std::array::from_fn(|c| mean(&|m| m.cells.means[c]));
            let across: [f32; CELLS] = std::array::from_fn(|c| mean(&|m| m.slopes[0][c]));
            let down: [f32; CELLS] = std::array::from_fn(|c| mean(&|m| m.slopes[1][c]));
            Some(shifted_back(cells, &standing, [&across, &down]))
        })
        .collect()
}

fn shifted_back(cells: &Cells, standing: &[f32; CELLS], slopes: [&[f32; CELLS]; 2]) -> Cells {
    let mut weights: [f32; CELLS] = std::array::from_fn(|c| f32::from(u8::from(cells.visible[c])));
    let mut shift = [0.0; 2];
    for _ in 0..ROUNDS {
        // What brightness and contrast explain is no shift.
        let regressors = slopes.map(|slope| residual(slope, standing, &weights));
        let difference = residual(&std::array::from_fn(|c| cells.means[c] - standing[c]), standing, &weights);
        let product =
            |a: &[f32; CELLS], b: &[f32; CELLS]| (0..CELLS).map(|c| weights[c] * a[c] * b[c]).sum::<f32>();
        let [x, y] = &regressors;
        let (xx, xy, yy) = (product(x, x) + 1.0, product(x, y), product(y, y) + 1.0);
        let (xd, yd) = (product(x, &difference), product(y, &difference));
        let determinant = xx * yy - xy * xy;
        shift = [(xd * yy - yd * xy) / determinant, (yd * xx - xd * xy) / determinant];
        for c in 0..CELLS {
            let left = (difference[c] - shift[0] * x[c] - shift[1] * y[c]) / OUTLIER;
            weights[c] = if cells.visible[c] { 1.0 / (1.0 + left * left) } else { 0.0 };
        }
    }
    let means = std::array::from_fn(|c| cells.means[c] - shift[0] * slopes[0][c] - shift[1] * slopes[1][c]);
    Cells { means, visible: cells.visible }
}

/// What of `values` a constant and a multiple of `standing` do not explain.
fn residual(values: &[f32; CELLS], standing: &[f32; CELLS], weights: &[f32; CELLS]) -> [f32; CELLS] {
    let total = weights.iter().sum::<f32>().max(1e-6);
    let mean = |of: &[f32; CELLS]| of.iter().zip(weights).map(|(v, w)| v * w).sum::<f32>() / total;
    let (v, s) = (mean(values), mean(standing));
    let (mut ss, mut vs) = (1.0, 0.0);
    for c in 0..CELLS {
        ss += weights[c] * (standing[c] - s) * (standing[c] - s);
        vs += weights[c] * (standing[c] - s) * (values[c] - v);
    }
    std::array::from_fn(|c| values[c] - v - vs / ss * (standing[c] - s))
}
