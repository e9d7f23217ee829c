//! Codes of real frames: a plain DCT hash of 256 bits, two frames a second, decoded by the `ffmpeg` program.

use crate::Outcome;
use crate::generate::Words;
use std::path::Path;
use std::process::{Command, Stdio};

/// Side of the picture that is hashed, and of the block of coefficients that is kept.
const SIDE: usize = 64;
const KEPT: usize = 16;

/// The codes of all files of a folder, in order of name.
pub(crate) fn codes(folder: &Path) -> Outcome<Vec<Words>> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
    files.sort();
    let mut codes = Vec::new();
    for file in files {
        let filter = format!("fps=2,scale={SIDE}:{SIDE}:flags=area,format=gray");
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-threads", "1", "-i"])
            .arg(&file)
            .args(["-an", "-vf", &filter, "-f", "rawvideo", "-"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()?;
        codes.extend(output.stdout.chunks_exact(SIDE * SIDE).map(code));
    }
    Ok(codes)
}

/// A bit for each of the lowest frequencies but the mean: whether its coefficient is above the median.
fn code(pixels: &[u8]) -> Words {
    let cosine = |frequency: usize, place: usize| {
        ((2 * place + 1) as f32 * frequency as f32 * std::f32::consts::PI / (2 * SIDE) as f32).cos()
    };
    let mut rows = vec![[0f32; KEPT]; SIDE];
    for (row, pixels) in rows.iter_mut().zip(pixels.chunks_exact(SIDE)) {
        for (frequency, sum) in row.iter_mut().enumerate() {
            *sum = pixels.iter().enumerate().map(|(x, &p)| f32::from(p) * cosine(frequency + 1, x)).sum();
        }
    }
    let mut values = Vec::with_capacity(KEPT * KEPT);
    for down in 1..=KEPT {
        for across in 0..KEPT {
            values.push(rows.iter().enumerate().map(|(y, row)| row[across] * cosine(down, y)).sum::<f32>());
        }
    }
    let mut sorted = values.clone();
    sorted.sort_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    let mut code = [0; 4];
    for (bit, value) in values.iter().enumerate() {
        code[bit / 64] |= u64::from(*value > median) << (bit % 64);
    }
    code
}
