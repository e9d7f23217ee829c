//! A probe from a fingerprint: a film that was thrown away can be searched for as far as its fingerprint goes.
//!
//! A fingerprint lacks most of a probe's features and the small pictures that its motion was read from. Those are
//! made up: pictures of a colour for each cell, whose changes have the signs that the motion codes tell. So a copy is
//! found where its motion and coarse features are, and one that is shown small or at another pitch is often not.

use super::{Fingerprint, Probe};
use crate::picture::motion::{CELLS, COLUMNS, LAG, ROWS};
use crate::picture::{self, Motion, Raster};
use crate::sound;

/// Longer side of a picture that is made up, in pixels: some for each cell.
const SIDE: f32 = 64.0;
/// Luma levels by which a cell that changes does so on the average.
const STEP: f32 = 4.0;
/// Luma that cells start from.
const MIDDLE: f32 = 128.0;

impl Fingerprint {
    /// What can be searched for of a film of which only this is left.
    pub fn to_probe(&self) -> Probe {
        let print = self.picture.clone();
        Probe {
            key: self.spec.key,
            duration: self.duration,
            still: self.still,
            is_glance: false,
            picture: picture::Probe {
                keys: print.keys.iter().map(Into::into).collect(),
                unsqueezed: Vec::new(),
                rasters: rasters(&print),
                between: Vec::new(),
                banded: Default::default(),
                print,
            },
            sound: sound::Probe::from_print(&self.sound),
        }
    }
}

fn rasters(print: &picture::Print) -> Vec<Raster> {
    let [width, height] = print.size.map(|side| (side * SIDE).round() as usize);
    if width == 0 || height == 0 {
        return vec![Raster::default(); print.motion.len()];
    }
    let mut recent = [[MIDDLE; CELLS]; LAG];
    let painted = print.motion.iter().enumerate().map(|(tick, motion)| {
        let cells = &mut recent[tick % LAG];
        for (cell, step) in cells.iter_mut().zip(steps(motion)) {
            *cell = (*cell + step).clamp(0.0, 255.0);
        }
        let cell = |x: usize, y: usize| cells[y * ROWS / height * COLUMNS + x * COLUMNS / width];
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Raster { width, height, pixels: pixels.map(|(x, y)| cell(x, y).round() as u8).collect() }
    });
    painted.collect()
}

/// How far each cell goes up or down. All of it adds up to nothing, for a change of the whole picture is no motion.
fn steps(motion: &Motion) -> [f32; CELLS] {
    let bit = |words: &[u64; 2], c: usize| words[c / 64] >> (c % 64) & 1 == 1;
    let rising = (0..2).map(|w| (motion.rising[w] & motion.strong[w]).count_ones()).sum::<u32>() as f32;
    let strong = (0..2).map(|w| motion.strong[w].count_ones()).sum::<u32>().max(1) as f32;
    std::array::from_fn(|c| match (bit(&motion.strong, c), bit(&motion.rising, c)) {
        (false, _) => 0.0,
        (true, true) => 2.0 * STEP * (strong - rising) / strong,
        (true, false) => -2.0 * STEP * rising / strong,
    })
}
