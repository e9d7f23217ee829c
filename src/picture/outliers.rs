//! Outliers among the frames of a film: unlike what is shown before and after them.
//!
//! A film with a black or a foreign frame here and there looks the same to whoever watches it, while features of just those
//! frames would be of something else. Flashes of light are left out by the way, in both films that are compared.

use super::motion::CELLS;
use std::collections::VecDeque;

/// Frames before and after the one that is judged.
const AROUND: usize = 4;
/// A frame is an outlier that differs so many times as much from what is usual around it as most frames there do, …
const FAR: f32 = 4.0;
/// … and by so many luma levels, at the least.
const LEAST: f32 = 8.0;
/// Luma levels between the brightest and the darkest cell of a blank frame, at the most.
const BLANK: f32 = 3.0;

/// The brightness of each cell of a frame.
type Cells = [f32; CELLS];

/// Frames that wait until those after them are known.
#[derive(Debug)]
pub(super) struct Window<T> {
    /// Of the frames that wait, and of those before them.
    cells: VecDeque<Cells>,
    waiting: VecDeque<T>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { cells: VecDeque::new(), waiting: VecDeque::new() }
    }
}

impl<T> Window<T> {
    /// Takes the next frame, and gives back one that was taken before if it belongs to the film.
    pub(super) fn push(&mut self, cells: Cells, frame: T) -> Option<T> {
        self.cells.push_back(cells);
        self.waiting.push_back(frame);
        if self.waiting.len() > AROUND { self.judge() } else { None }
    }

    /// Gives back those of the frames that still wait which belong to the film.
    pub(super) fn rest(mut self) -> impl Iterator<Item = T> {
        std::iter::from_fn(move || {
            while !self.waiting.is_empty() {
                if let Some(frame) = self.judge() {
                    return Some(frame);
                }
            }
            None
        })
    }

    /// Judges the frame that waits the longest.
    fn judge(&mut self) -> Option<T> {
        let place = self.cells.len() - self.waiting.len();
        let frame = self.waiting.pop_front()?;
        let is_outlier = is_outlier(self.cells.make_contiguous(), place);
        if place == AROUND {
            self.cells.pop_front();
        }
        (!is_outlier).then_some(frame)
    }
}

/// Whether one of these frames is unlike most of them, or blank among others that are not.
fn is_outlier(cells: &[Cells], place: usize) -> bool {
    let shown: Vec<&Cells> = cells.iter().filter(|cells| !is_blank(cells)).collect();
    if is_blank(&cells[place]) {
        return !shown.is_empty();
    }
    if shown.len() <= AROUND {
        return false;
    }
    let usual: Cells = std::array::from_fn(|c| middle(shown.iter().map(|cells| cells[c])));
    let apart =
        |cells: &Cells| cells.iter().zip(&usual).map(|(a, b)| (a - b).abs()).sum::<f32>() / CELLS as f32;
    let near = LEAST.max(FAR * middle(shown.iter().map(|cells| apart(cells))));
    let is_near = |cells: &Cells| !is_blank(cells) && apart(cells) <= near;
    // At its ends a film may well show something else.
    let (before, after) = (&cells[..place], &cells[place + 1..]);
    !is_near(&cells[place]) && [before, after].iter().all(|side| side.iter().any(is_near))
}

fn is_blank(cells: &Cells) -> bool {
    let (darkest, brightest) = cells.iter().fold((f32::MAX, f32::MIN), |(d, b), &v| (v.min(d), v.max(b)));
    brightest - darkest <= BLANK
}

/// The middle one of at most `2 * AROUND + 1` values, the upper one of two.
fn middle(values: impl Iterator<Item = f32>) -> f32 {
    let mut sorted = [f32::MAX; 2 * AROUND + 1];
    let mut count = 0;
    for (to, value) in sorted.iter_mut().zip(values) {
        *to = value;
        count += 1;
    }
    sorted[..count].sort_unstable_by(f32::total_cmp);
    sorted[count / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture that is brighter at its end, and the darker the later.
    fn film(moment: usize) -> Cells {
        std::array::from_fn(|c| 200.0 + c as f32 / 4.0 - 4.0 * moment as f32)
    }

    /// The numbers of the frames that belong to a film.
    fn kept(frames: impl IntoIterator<Item = Cells>) -> Vec<usize> {
        let mut window = Window::default();
        let mut kept: Vec<usize> =
            frames.into_iter().enumerate().filter_map(|(number, cells)| window.push(cells, number)).collect();
        kept.extend(window.rest());
        kept
    }

    fn film_with(foreign: &[usize], cells: Cells) -> impl Iterator<Item = Cells> {
        (0..20).map(move |n| if foreign.contains(&n) { cells } else { film(n) })
    }

    #[test]
    fn what_changes_steadily_or_is_cut_is_kept() {
        let all = |most: usize| Vec::from_iter(0..most);
        assert_eq!(kept((0..20).map(film)), all(20));
        assert_eq!(kept((0..20).map(|n| film(if n < 9 { 0 } else { 15 }))), all(20));
        assert_eq!(kept((0..20).map(|n| film(17 * n % 20))), all(20));
        assert_eq!(kept([film(0)]), all(1));
        assert_eq!(kept([film(0), film(15), film(0)]), all(3));
        // The film begins and ends with something else.
        assert_eq!(kept((0..20).map(|n| film(if (2..18).contains(&n) { 0 } else { 15 }))), all(20));
        assert_eq!(kept([[7.0; CELLS]; 9]), all(9));
    }

    #[test]
    fn frames_of_something_else_are_dropped() {
        let other: Cells = std::array::from_fn(|c| if c % 3 == 0 { 255.0 } else { 0.0 });
        for foreign in [&[1, 8, 16][..], &[5, 6, 7], &[2, 4, 9, 11, 15, 18]] {
            let rest = Vec::from_iter((0..20).filter(|n| !foreign.contains(n)));
            assert_eq!(kept(film_with(foreign, other)), rest, "{foreign:?}");
        }
    }

    #[test]
    fn blank_frames_are_dropped_however_many_they_are() {
        let foreign = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18];
        assert_eq!(kept(film_with(&foreign, [16.0; CELLS])), [3, 7, 11, 15, 19]);
    }
}
