//! What was inserted last: codes that are found while more are added beside them.
//!
//! One thread at a time appends. A reader knows how many codes there were when its snapshot was taken, and leaves out
//! those that came later; so nothing is copied for it, and it waits for nobody.

mod buckets;
mod pairs;
mod search;
mod words;

use super::Code;
use super::spare::Spare;
use buckets::{Buckets, MOST};
use pairs::Pairs;
pub(super) use search::Scratch;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Fewer codes are scanned.
const LEAST_INDEXED: usize = 512;

/// Codes of the list that are put into the buckets at a time.
const TOGETHER: usize = 4096;

/// A list of codes and ids that grows, with its buckets.
#[derive(Default)]
pub(super) struct Memtable<const W: usize> {
    pairs: Arc<Pairs<W>>,
    /// From [`LEAST_INDEXED`] codes on. `None` if there are to be none.
    buckets: OnceLock<Option<Buckets>>,
}

impl<const W: usize> Memtable<W> {
    /// One that is scanned, whatever its size.
    pub(super) fn without_buckets() -> Self {
        Self { buckets: OnceLock::from(None), ..Self::default() }
    }

    /// The same codes, the first so many of which are in buckets made for more. `None` if there is no room.
    ///
    /// Only one of both may be appended to afterwards.
    pub(super) fn grown(&self, len: usize, spare: &Arc<Spare>) -> Option<Self> {
        let buckets = OnceLock::from(Some(self.filled(len, spare)?));
        Some(Self { pairs: Arc::clone(&self.pairs), buckets })
    }

    /// Buckets with the first codes. `None` if there is no room.
    fn filled(&self, len: usize, spare: &Arc<Spare>) -> Option<Buckets> {
        let buckets = Buckets::new::<W>(len, spare).ok()?;
        self.fill(&buckets, 0..len).then_some(buckets)
    }

    /// Puts codes of the list into buckets. `false` if these have no room.
    fn fill(&self, buckets: &Buckets, places: Range<usize>) -> bool {
        let mut some = Vec::with_capacity(places.len().min(TOGETHER));
        places.clone().step_by(TOGETHER).all(|first| {
            some.clear();
            some.extend((first..places.end.min(first + TOGETHER)).map(|place| self.pairs.code(place)));
            buckets.append(&some, first).is_ok()
        })
    }

    /// Puts codes that were appended to another one of the same into the buckets. `false` if these have no room.
    pub(super) fn catch_up(&self, places: Range<usize>) -> bool {
        matches!(self.buckets.get(), Some(Some(buckets)) if self.fill(buckets, places))
    }

    /// With so many codes it should have larger buckets.
    pub(super) fn is_crowded(&self, len: usize) -> bool {
        matches!(self.buckets.get(), Some(Some(buckets)) if buckets.is_crowded(len))
    }

    /// Appends as many as there is room for behind the first `len`, which are all of those before, and returns how many
    /// these are. One thread at a time may do so.
    pub(super) fn append(&self, len: usize, codes: &[Code<W>], ids: &[u64], spare: &Arc<Spare>) -> usize {
        let count = codes.len().min(MOST - len);
        self.pairs.append(len, &codes[..count], &ids[..count]);
        let fits = match self.buckets.get() {
            Some(Some(buckets)) => buckets.append(&codes[..count], len).is_ok(),
            None if len + count >= LEAST_INDEXED => {
                // Whoever sees them finds all that there was before.
                let buckets = self.filled(len + count, spare);
                buckets.is_some_and(|buckets| self.buckets.set(Some(buckets)).is_ok())
            }
            _ => true,
        };
        if fits { count } else { 0 }
    }

    pub(super) fn id(&self, place: usize) -> u64 {
        self.pairs.id(place)
    }

    pub(super) fn ids(&self, len: usize) -> impl Iterator<Item = u64> {
        self.pairs.ids(len)
    }

    /// The least and the greatest id; out of order if there is none.
    pub(super) fn span(&self) -> (u64, u64) {
        self.pairs.span()
    }

    /// The pairs of some places.
    pub(super) fn range(&self, places: Range<usize>) -> impl Iterator<Item = (Code<W>, u64)> {
        places.map(|place| (self.pairs.code(place), self.pairs.id(place)))
    }

    /// Calls `look` with the first codes, some at a time, and the place of the first of them.
    pub(super) fn for_each_few(&self, len: usize, look: impl FnMut(usize, &[Code<W>])) {
        self.pairs.for_each_few(len, look);
    }
}

impl<const W: usize> fmt::Debug for Memtable<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memtable").field("has_buckets", &matches!(self.buckets.get(), Some(Some(_)))).finish()
    }
}
