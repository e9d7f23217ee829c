//! Straight lines through a matrix of evidence: a copy plays the reference at an even speed.

use std::ops::Range;

/// Evidence in decades for each pair of a query's moment (row) and a reference's (column), a tick apart.
#[derive(Clone)]
pub(super) struct Matrix {
    pub(super) columns: usize,
    pub(super) cells: Vec<f32>,
}

/// A stretch of a line: rows `from..=to`, at column `slope × row + start`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) slope: f64,
    pub(super) start: f64,
    /// Sum of the evidence on it.
    pub(super) decades: f32,
}

/// Reference seconds a query second, tried in turn: 1 first, so that it wins ties.
pub(super) const SLOPES: [f64; 21] = [
    1.0, 0.98, 1.02, 0.96, 1.04, 0.94, 1.06, 0.92, 1.08, 0.90, 1.10, 0.88, 1.12, 0.86, 1.14, 0.84, 1.17,
    0.82, 1.20, 0.80, 1.25,
];
/// Ticks in the reference from which two moments are not the same.
const ELSEWHERE: f64 = 5.0;
/// Decades by which a line at another speed has to be better than one at the same.
const CHANGED: f32 = 0.5;

impl Matrix {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { columns, cells: vec![0.0; rows * columns] }
    }

    pub(super) fn rows(&self) -> usize {
        self.cells.len() / self.columns.max(1)
    }

    pub(super) fn at(&mut self, row: usize, column: usize) -> Option<&mut f32> {
        if column < self.columns { self.cells.get_mut(row * self.columns + column) } else { None }
    }

    /// How often this matrix is the one that the scale of the evidence was measured on: some 20 seconds by 20.
    pub(super) fn trials(&self) -> f64 {
        (self.cells.len() as f64 / 6400.0).max(1.0)
    }

    /// The best stretch of any line, or `None` where nothing speaks for one.
    pub(super) fn best(&self) -> Option<Line> {
        self.best_of(0..self.rows(), &|_, _| true)
    }

    /// The best stretch at the same time as `line` that puts every moment of it [`ELSEWHERE`] in the reference.
    pub(super) fn runner_up(&self, line: &Line) -> f32 {
        let far = |slope: f64, start: f64| {
            let apart = |row: usize| (slope - line.slope) * row as f64 + start - line.start;
            let (a, b) = (apart(line.from), apart(line.to));
            a.abs().min(b.abs()) >= ELSEWHERE && (a > 0.0) == (b > 0.0)
        };
        self.best_of(line.from..line.to + 1, &far).map_or(0.0, |other| other.decades)
    }

    fn best_of(&self, rows: Range<usize>, allowed: &dyn Fn(f64, f64) -> bool) -> Option<Line> {
        let mut best: Option<Line> = None;
        for slope in SLOPES {
            let handicap = if slope == 1.0 { 0.0 } else { CHANGED };
            // Starts are whole, so that the columns of all lines of a slope are those of one, shifted.
            let steps: Vec<i64> = rows.clone().map(|row| (slope * row as f64).round() as i64).collect();
            let lowest = -(slope * rows.end as f64).ceil() as i64;
            let highest = self.columns as i64 - (slope * rows.start as f64) as i64;
            for start in (lowest..=highest).filter(|&start| allowed(slope, start as f64)) {
                let line = self.stretch(slope, start, &steps, rows.start);
                if line.decades - handicap
                    > best.map_or(0.0, |b| b.decades - if b.slope == 1.0 { 0.0 } else { CHANGED })
                {
                    best = Some(line);
                }
            }
        }
        best
    }

    /// The stretch of one line with the largest sum (J. Kadane's maximum subarray). It is in column
    /// `steps[k] + start` of row `first + k`.
    fn stretch(&self, slope: f64, start: i64, steps: &[i64], first: usize) -> Line {
        let mut best = Line { from: 0, to: 0, slope, start: start as f64, decades: 0.0 };
        let (mut sum, mut from) = (0.0, 0);
        let inside = steps.partition_point(|step| step + start < 0)
            ..steps.partition_point(|step| step + start < self.columns as i64);
        for k in inside {
            let row = first + k;
            let value = self.cells[row * self.columns + (steps[k] + start) as usize];
            if sum <= 0.0 {
                (sum, from) = (0.0, row);
            }
            sum += value;
            if sum > best.decades {
                best = Line { from, to: row, decades: sum, ..best };
            }
        }
        best
    }

    /// The sum of the evidence along a line found in a matrix of the same shape.
    pub(super) fn along(&self, line: &Line) -> f32 {
        (line.from..=line.to)
            .filter_map(|row| {
                let column = (line.slope * row as f64 + line.start).round();
                (column >= 0.0 && column < self.columns as f64)
                    .then(|| self.cells[row * self.columns + column as usize])
            })
            .sum()
    }

    /// Takes the rows of a line out of the matrix.
    pub(super) fn strike(&mut self, line: &Line) {
        let cells = line.from * self.columns..(line.to + 1) * self.columns;
        if let Some(cells) = self.cells.get_mut(cells) {
            cells.fill(f32::NEG_INFINITY);
        }
    }
}
