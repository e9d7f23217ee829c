//! Weighted least squares with few unknowns.

/// Sums of what is known of `N` unknowns: the normal equations.
pub(super) struct Normal<const N: usize> {
    matrix: [[f64; N]; N],
    right: [f64; N],
}

impl<const N: usize> Normal<N> {
    /// Of nothing yet, each unknown held to nought by a weight.
    pub(super) fn new(held: [f64; N]) -> Self {
        let mut matrix = [[0.0; N]; N];
        (0..N).for_each(|k| matrix[k][k] = held[k]);
        Self { matrix, right: [0.0; N] }
    }

    /// Adds that the unknowns, each times its number in `row`, sum up to `value`.
    pub(super) fn add(&mut self, row: [f64; N], value: f64, weight: f64) {
        for ((sums, right), factor) in self.matrix.iter_mut().zip(&mut self.right).zip(row) {
            *right += weight * factor * value;
            sums.iter_mut().zip(row).for_each(|(sum, other)| *sum += weight * factor * other);
        }
    }

    /// By Gaussian elimination with row pivots; `None` where the matrix is singular.
    pub(super) fn solve(mut self) -> Option<[f64; N]> {
        for k in 0..N {
            let pivot =
                (k..N).max_by(|&i, &j| self.matrix[i][k].abs().total_cmp(&self.matrix[j][k].abs()))?;
            if self.matrix[pivot][k].abs() < 1e-9 {
                return None;
            }
            self.matrix.swap(k, pivot);
            self.right.swap(k, pivot);
            for i in k + 1..N {
                let factor = self.matrix[i][k] / self.matrix[k][k];
                for j in k..N {
                    self.matrix[i][j] -= factor * self.matrix[k][j];
                }
                self.right[i] -= factor * self.right[k];
            }
        }
        let mut solution = [0.0; N];
        for k in (0..N).rev() {
            let known: f64 = (k + 1..N).map(|j| self.matrix[k][j] * solution[j]).sum();
            solution[k] = (self.right[k] - known) / self.matrix[k][k];
        }
        Some(solution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_fits_all_is_found(want in prop::array::uniform3(-9.0..9.0f64), rows in prop::collection::vec((prop::array::uniform3(-9.0..9.0f64), 0.1..2.0f64), 6..20)) {
            let mut normal = Normal::new([0.0; 3]);
            for (row, weight) in rows {
                normal.add(row, (0..3).map(|k| row[k] * want[k]).sum(), weight);
            }
            // Six and more rows at random tell of all three unknowns.
            let found = normal.solve();
            let is_wanted = |found: [f64; 3]| (0..3).all(|k| (found[k] - want[k]).abs() < 1e-3);
            prop_assert!(found.is_some_and(is_wanted), "{found:?}");
        }
    }

    #[test]
    fn what_is_held_moves_less_and_what_nothing_tells_of_is_not_found() {
        let found = |held: [f64; 2]| {
            let mut normal = Normal::new(held);
            normal.add([2.0, 0.0], 6.0, 1.0);
            normal.solve()
        };
        assert_eq!(found([0.0, 1.0]), Some([3.0, 0.0]));
        assert_eq!(found([4.0, 1.0]), Some([1.5, 0.0]));
        assert_eq!(found([0.0, 0.0]), None);
    }
}
