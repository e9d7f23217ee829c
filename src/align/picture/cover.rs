//! Where something else covers the picture: the other half of a split screen, a face in a corner, captions.
//!
//! What is shown there moves by itself, and would speak against a copy for as long as it lasts. Features tell where the
//! reference can be seen, and are not asked how it moves: so what is left has not been picked for its agreement.

use super::lattice::Cells;
use super::votes::Vote;
use crate::picture::motion::{CELLS, COLUMNS, ROWS};

/// The cells of a reference of `size` (in its longer sides) in which or beside which a vote lies.
pub(super) fn near(votes: &[Vote], [width, height]: [f32; 2]) -> [bool; CELLS] {
    let mut near = [false; CELLS];
    let around = |at: f32, cells: usize| {
        let cell = ((at * cells as f32) as usize).min(cells - 1);
        cell.saturating_sub(1)..(cell + 2).min(cells)
    };
    for vote in votes {
        let [x, y] = vote.pair.reference;
        for row in around(y / height, ROWS) {
            near[row * COLUMNS..(row + 1) * COLUMNS][around(x / width, COLUMNS)].fill(true);
        }
    }
    near
}

/// Takes all but some of the cells for covered, at all moments.
pub(super) fn look_only_at(cells: &mut [Option<Cells>], seen: &[bool; CELLS]) {
    for cells in cells.iter_mut().flatten() {
        cells.visible.iter_mut().zip(seen).for_each(|(visible, seen)| *visible &= seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::picture::geometry::Pair;

    fn seen(places: &[[f32; 2]]) -> Vec<usize> {
        let vote = |&reference| Vote {
            pair: Pair { query: [0.0; 2], reference, zoom: 0.0, turn: 0.0 },
            query: (0, 0),
            key: 0,
        };
        let near = near(&places.iter().map(vote).collect::<Vec<_>>(), [1.0, 0.5]);
        (0..CELLS).filter(|&c| near[c]).collect()
    }

    #[test]
    fn cells_beside_a_vote_are_seen_and_no_others() {
        assert!(seen(&[]).is_empty());
        assert_eq!(seen(&[[0.0, 0.0]]), [0, 1, 16, 17]);
        assert_eq!(seen(&[[0.999, 0.499], [1.0, 0.5]]), [110, 111, 126, 127]);
        // The third row and the ninth column.
        assert_eq!(seen(&[[0.53, 0.16]]), [23, 24, 25, 39, 40, 41, 55, 56, 57]);
    }

    #[test]
    fn what_was_not_visible_stays_so() {
        let mut cells = [None, Some(Cells { means: [0.0; CELLS], visible: std::array::from_fn(|c| c < 2) })];
        look_only_at(&mut cells, &std::array::from_fn(|c| c > 0));
        let visible = cells[1].as_ref().map(|cells| cells.visible);
        assert_eq!(visible, Some(std::array::from_fn(|c| c == 1)));
    }
}
