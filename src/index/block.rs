//! A run of codes that is scanned.

use super::{Code, Hit, Outcome, scan};
use std::ops::RangeInclusive;

/// Codes and their ids in the order of insertion.
#[derive(Debug, Default)]
pub(super) struct Block<const W: usize> {
    codes: Vec<Code<W>>,
    ids: Vec<u64>,
}

impl<const W: usize> Block<W> {
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Code<W>, u64)> {
        self.codes.iter().copied().zip(self.ids.iter().copied())
    }

    pub(super) fn holds_any(&self, ids: &RangeInclusive<u64>) -> bool {
        self.ids.iter().any(|id| ids.contains(id))
    }

    pub(super) fn without(&self, ids: &RangeInclusive<u64>) -> Self {
        self.iter().filter(|(_, id)| !ids.contains(id)).collect()
    }

    /// Appends the hits of `code`, at most `cap` in all.
    pub(super) fn within(&self, code: &Code<W>, radius: u32, cap: usize, out: &mut Vec<Hit>) -> Outcome {
        let mut outcome = Outcome::Complete;
        scan::within(&self.codes, code, radius, |place, distance| {
            let id = self.ids[place];
            if out.len() < cap {
                out.push(Hit { id, distance });
            } else {
                outcome = Outcome::Capped;
            }
        });
        outcome
    }
}

impl<const W: usize> FromIterator<(Code<W>, u64)> for Block<W> {
    fn from_iter<I: IntoIterator<Item = (Code<W>, u64)>>(pairs: I) -> Self {
        let (codes, ids) = pairs.into_iter().unzip();
        Self { codes, ids }
    }
}
