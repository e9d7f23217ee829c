//! Motion codes: which parts of the picture grow brighter or darker.
//!
//! Two films of one still scene look the same; only what changes tells them apart. The picture is cut into
//! 16 × 8 cells; a cell's sign says whether its mean rises or falls over half a second, against the rest of
//! the picture, and its strength whether that is more than noise. Signs survive any change of colours,
//! and cells this large survive blur, noise, re-encoding and a copy that lies a little aside.

use serde::{Deserialize, Serialize};

/// Cells across.
pub const COLUMNS: usize = 16;
/// Cells down.
pub const ROWS: usize = 8;
/// Cells.
pub const CELLS: usize = COLUMNS * ROWS;
/// Motion codes a second.
pub const RATE: f64 = 4.0;
/// Frames between the two that are compared.
pub const LAG: usize = 2;
/// The least change that is more than noise, in luma levels.
const STRONG: f32 = 1.0;

/// The least and the most that contrast is taken to change in half a second.
const GAINS: [f32; 2] = [0.7, 1.4];

/// The change of each cell: bit `c` belongs to cell `c`, row by row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Motion {
    /// The cell grows brighter.
    pub rising: [u64; 2],
    /// The change is more than noise.
    pub strong: [u64; 2],
}

impl Motion {
    /// From the change of each cell's mean in luma levels.
    pub(crate) fn new(changes: &[f32; CELLS]) -> Self {
        let mut motion = Self::default();
        for (c, &change) in changes.iter().enumerate() {
            motion.rising[c / 64] |= u64::from(change > 0.0) << (c % 64);
            motion.strong[c / 64] |= u64::from(change.abs() >= STRONG) << (c % 64);
        }
        motion
    }
}

/// The change from `before` to `now` of each `visible` cell, less what a change of brightness and contrast of the
/// whole picture explains (least squares): light that comes and goes, or a camera that adapts, is no motion.
pub fn changes(before: &[f32; CELLS], now: &[f32; CELLS], visible: &[bool; CELLS]) -> [f32; CELLS] {
    let pairs = || before.iter().zip(now).zip(visible).filter(|(_, v)| **v).map(|(pair, _)| pair);
    let count = pairs().count().max(1) as f32;
    let (b, n) = pairs().fold((0.0, 0.0), |(b, n), (x, y)| (b + x, n + y));
    let (b, n) = (b / count, n / count);
    let (bb, bn) =
        pairs().fold((0.0, 0.0), |(bb, bn), (x, y)| (bb + (x - b) * (x - b), bn + (x - b) * (y - n)));
    let gain = if bb > count { (bn / bb).clamp(GAINS[0], GAINS[1]) } else { 1.0 };
    std::array::from_fn(|c| if visible[c] { now[c] - n - gain * (before[c] - b) } else { 0.0 })
}
