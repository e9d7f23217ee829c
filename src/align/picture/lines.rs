//! Straight lines through a matrix of evidence: a copy plays the reference at an even speed.

use super::pace::Pace;
use std::ops::Range;

/// Evidence in decades for each pair of a query's moment (row) and a reference's (column), a tick apart.
#[derive(Clone)]
pub(super) struct Matrix {
    pub(super) columns: usize,
    pub(super) cells: Vec<f32>,
    /// That of the lines looked for.
    pub(super) pace: &'static Pace,
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

/// Ticks in the reference from which two moments are not the same.
const ELSEWHERE: f64 = 5.0;

impl Matrix {
    pub(super) fn new(rows: usize, columns: usize, pace: &'static Pace) -> Self {
        Self { columns, cells: vec![0.0; rows * columns], pace }
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
        let mut best: Option<(f32, f64, i64)> = None;
        let (mut sums, mut most) = (Vec::new(), Vec::new());
        for &slope in self.pace.slopes {
            let handicap = self.pace.handicap(slope);
            let (first, last) = (slope * rows.start as f64, slope * rows.end as f64);
            let lowest = -(first.max(last).ceil() as i64);
            let highest = self.columns as i64 - first.min(last).floor() as i64;
            for numbers in [&mut sums, &mut most] {
                numbers.clear();
                numbers.resize((highest + 1 - lowest).max(0) as usize, 0.0);
            }
            for row in rows.clone() {
                // Starts are whole, so that the columns of all lines of a slope are those of one, shifted.
                let first = lowest + column(slope, row);
                let (before, outside) = ((-first).max(0) as usize, first.max(0) as usize);
                let values = self.cells[row * self.columns..(row + 1) * self.columns].get(outside..);
                let lines = sums.get_mut(before..).zip(most.get_mut(before..));
                lines.zip(values).into_iter().for_each(|((sums, most), values)| add(sums, most, values));
            }
            for (start, decades) in (lowest..).zip(&most) {
                let decades = decades - handicap;
                if decades > best.map_or(0.0, |best| best.0) && allowed(slope, start as f64) {
                    best = Some((decades, slope, start));
                }
            }
        }
        best.map(|(_, slope, start)| self.stretch(slope, start, rows))
    }

    /// The stretch of one line with the largest sum (J. Kadane's maximum subarray).
    fn stretch(&self, slope: f64, start: i64, rows: Range<usize>) -> Line {
        let mut best = Line { from: 0, to: 0, slope, start: start as f64, decades: 0.0 };
        let (mut sum, mut from) = (0.0, 0);
        for row in rows {
            let column = column(slope, row) + start;
            if !(0..self.columns as i64).contains(&column) {
                continue;
            }
            if sum <= 0.0 {
                (sum, from) = (0.0, row);
            }
            sum += self.cells[row * self.columns + column as usize];
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
                let column = column(line.slope, row) + line.start as i64;
                let inside = (0..self.columns as i64).contains(&column);
                inside.then(|| self.cells[row * self.columns + column as usize])
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

/// The column of a line that starts at 0.
fn column(slope: f64, row: usize) -> i64 {
    (slope * row as f64).round() as i64
}

/// Adds values to the sums of lines side by side, anew where these are below nought, and keeps the most that each has been.
fn add(sums: &mut [f32], most: &mut [f32], values: &[f32]) {
    for ((sum, most), value) in sums.iter_mut().zip(most).zip(values) {
        *sum = sum.max(0.0) + value;
        *most = most.max(*sum);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::{OTHERS, USUAL};
    use super::*;
    use proptest::prelude::*;

    /// The largest sum along one line, by trying all stretches of it.
    fn largest(matrix: &Matrix, slope: f64, start: f64) -> f32 {
        let mut largest = 0.0f32;
        for from in 0..matrix.rows() {
            let mut sum = 0.0;
            for row in from..matrix.rows() {
                let column = (slope * row as f64).round() + start;
                if column >= 0.0 && column < matrix.columns as f64 {
                    sum += matrix.cells[row * matrix.columns + column as usize];
                    largest = largest.max(sum);
                }
            }
        }
        largest
    }

    proptest! {
        #[test]
        fn no_stretch_of_any_line_says_more_than_the_best(
            columns in 1..12usize, pace in 0..=OTHERS.len(),
            values in prop::collection::vec((-8i8..6).prop_map(f32::from), 0..140),
        ) {
            let cells = values[..values.len() / columns * columns].to_vec();
            let pace = OTHERS.get(pace).unwrap_or(&USUAL);
            let matrix = Matrix { columns, cells, pace };
            let rows = matrix.rows() as i64;
            let plain = |slope: f64| pace.handicap(slope);
            let starts = -3 * rows..3 * rows + 2 * columns as i64;
            let lines = pace.slopes.iter().flat_map(|&slope| starts.clone().map(move |start| (slope, start as f64)));
            let most = lines.map(|(slope, start)| largest(&matrix, slope, start) - plain(slope)).fold(0.0, f32::max);
            match matrix.best() {
                None => prop_assert_eq!(most, 0.0),
                Some(line) => {
                    prop_assert_eq!(line.decades - plain(line.slope), most);
                    prop_assert_eq!(matrix.along(&line), line.decades);
                }
            }
        }
    }
}
