//! A short list of codes that is scanned.

use super::kernel::{Found, Level};
use super::{Code, Hit};
use std::ops::RangeInclusive;

/// Codes that are scanned for all queries before the next: they stay in the nearest caches.
const SCANNED: usize = 1024;

/// Codes and their ids in the order of insertion.
#[derive(Clone, Debug, Default)]
pub(super) struct Block<const W: usize> {
    pub(super) codes: Vec<Code<W>>,
    pub(super) ids: Vec<u64>,
}

impl<const W: usize> Block<W> {
    pub(super) fn with_capacity(pairs: usize) -> Self {
        Self { codes: Vec::with_capacity(pairs), ids: Vec::with_capacity(pairs) }
    }

    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    pub(super) fn push(&mut self, code: Code<W>, id: u64) {
        self.codes.push(code);
        self.ids.push(id);
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.codes.extend_from_slice(&other.codes);
        self.ids.extend_from_slice(&other.ids);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Code<W>, u64)> {
        self.codes.iter().copied().zip(self.ids.iter().copied())
    }

    /// Lists the codes within `radius` of each of `queries`, which are numbered.
    pub(super) fn search_batch(&self, queries: &[Code<W>], radius: u32, found: &mut Vec<(u32, Found)>) {
        found.clear();
        let (level, mut one) = (Level::best(), Vec::new());
        for (chunk, codes) in self.codes.chunks(SCANNED).enumerate() {
            for (query, code) in queries.iter().enumerate() {
                one.clear();
                level.scan(codes, code, radius, (chunk * SCANNED) as u32, &mut one);
                found.extend(one.iter().map(|hit| (query as u32, *hit)));
            }
        }
    }

    /// The hit that a code in the list is.
    pub(super) fn hit(&self, found: Found) -> Hit {
        Hit { id: self.ids[found.place as usize], distance: found.distance }
    }

    pub(super) fn holds_any(&self, ids: &RangeInclusive<u64>) -> bool {
        self.ids.iter().any(|id| ids.contains(id))
    }

    pub(super) fn without(&self, ids: &RangeInclusive<u64>) -> Self {
        self.iter().filter(|(_, id)| !ids.contains(id)).collect()
    }
}

impl<const W: usize> FromIterator<(Code<W>, u64)> for Block<W> {
    fn from_iter<I: IntoIterator<Item = (Code<W>, u64)>>(pairs: I) -> Self {
        let (codes, ids) = pairs.into_iter().unzip();
        Self { codes, ids }
    }
}
