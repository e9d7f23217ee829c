//! The references of a picture space, and the index of their features.

use super::{RefId, selection};
use crate::index::{Code, Index, Segment, Stored};
use crate::persistent::Map;
use crate::picture::{Feature, Packed, Print};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The share of the references, one in so many, that may have gone while the index still holds them.
const SWEPT: usize = 64;

/// Features that are sorted together where many references are added at once: in two gigabytes.
const TOGETHER: usize = 1 << 25;

/// References that clones share, all but those in which they differ.
///
/// The index they have in common: it may hold more than a clone has, but always all of that, as what a clone was made
/// from may be searched while the clone changes.
#[derive(Clone, Debug, Default)]
pub(super) struct References {
    index: Arc<Indexed>,
    known: Map<RefId, Arc<Reference>>,
    /// Codes of all prints that are indexed, at the most.
    indexed: usize,
}

#[derive(Debug)]
struct Indexed {
    codes: Index<2>,
    /// References that no clone has any more.
    gone: Mutex<Vec<RefId>>,
}

impl Default for Indexed {
    fn default() -> Self {
        Self { codes: Index::for_collisions(), gone: Mutex::default() }
    }
}

impl Indexed {
    fn gone(&self) -> MutexGuard<'_, Vec<RefId>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Reference {
    print: Packed,
    id: RefId,
    index: Arc<Indexed>,
}

impl Drop for Reference {
    /// The codes are taken out later: this may be a reader, who has no time.
    fn drop(&mut self) {
        self.index.gone().push(self.id);
    }
}

impl Reference {
    /// A feature by its number.
    pub(super) fn feature(&self, ordinal: u32) -> Option<Feature> {
        self.print.feature(ordinal)
    }

    /// The key frame of a feature.
    pub(super) fn key_of(&self, ordinal: u32) -> Option<u32> {
        self.print.key_of(ordinal)
    }

    /// The number of key frames.
    pub(super) fn keys(&self) -> usize {
        self.print.keys()
    }

    /// All of it; `None` where its bytes are not what they were.
    pub(super) fn print(&self) -> Option<Print> {
        self.print.unpack().ok()
    }
}

/// The upper half of an index id is the reference, the lower the feature.
pub(super) fn split(id: u64) -> (RefId, u32) {
    ((id >> 32) as u32, id as u32)
}

/// The codes that are indexed, each with its id.
fn pairs(reference: RefId, print: &Packed) -> impl Iterator<Item = (Code<2>, u64)> {
    let id = move |number: u32| u64::from(reference) << 32 | u64::from(number);
    selection::indexed(print).map(move |(number, feature)| (feature.code, id(number)))
}

impl References {
    /// References whose features were stored, perhaps among those of others with numbers from `next` on.
    pub(super) fn from_stored(
        parts: impl IntoIterator<Item = Stored<2>>,
        prints: impl IntoIterator<Item = (RefId, Packed)>,
        next: RefId,
    ) -> Self {
        let codes = Index::for_collisions();
        codes.add_stored(parts, u64::from(next) << 32);
        let index = Arc::new(Indexed { codes, gone: Mutex::default() });
        let mut all = Self { index: Arc::clone(&index), ..Self::default() };
        for (id, print) in prints {
            all.keep(id, print);
        }
        all
    }

    /// The index's segments, without what no clone has. There may be more in them than this clone has.
    pub(super) fn stored(&self) -> io::Result<Vec<Stored<2>>> {
        self.sweep_to(0);
        self.index.codes.stored()
    }

    /// Puts a segment in the place of one with the same content.
    pub(super) fn replace(&self, segment: &Arc<Segment<2>>, same: &Arc<Segment<2>>) {
        self.index.codes.replace(segment, same);
    }

    /// The numbers and prints of all references.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RefId, &Packed)> {
        self.known.iter().map(|(id, reference)| (*id, &reference.print))
    }

    /// Adds references whose numbers are new, and sorts the features of all of them together.
    pub(super) fn extend(&mut self, prints: impl IntoIterator<Item = (RefId, Packed)>) {
        self.sweep();
        let mut sorted = Vec::new();
        for (id, print) in prints {
            if sorted.len() + print.features() > TOGETHER {
                self.index.codes.extend(std::mem::take(&mut sorted));
            }
            sorted.extend(pairs(id, &print));
            self.keep(id, print);
        }
        self.index.codes.extend(sorted);
    }

    fn keep(&mut self, id: RefId, print: Packed) {
        self.indexed += selection::most(&print);
        self.known.insert(id, Arc::new(Reference { print, id, index: Arc::clone(&self.index) }));
    }

    /// Takes a reference out.
    pub(super) fn remove(&mut self, reference: RefId) {
        if let Some(reference) = self.known.remove(&reference) {
            self.indexed -= selection::most(&reference.print);
        }
    }

    /// The number of codes that are indexed of all references, at the most. The index may hold those of others as well.
    pub(super) fn indexed(&self) -> usize {
        self.indexed
    }

    /// Takes out of the index what no clone has, when that is worth a pass through the index.
    fn sweep(&self) {
        self.sweep_to(self.known.len() / SWEPT);
    }

    /// Takes out of the index what no clone has, if that is more than so many references.
    fn sweep_to(&self, most: usize) {
        let mut gone = self.index.gone();
        if gone.len() <= most {
            return;
        }
        let swept = std::mem::take(&mut *gone);
        drop(gone);
        self.index.codes.remove_all(swept.into_iter().map(|reference| {
            let first = u64::from(reference) << 32;
            first..=first | u64::from(u32::MAX)
        }));
    }

    pub(super) fn get(&self, reference: RefId) -> Option<&Arc<Reference>> {
        self.known.get(&reference)
    }

    /// The features of these references, and perhaps of others.
    pub(super) fn codes(&self) -> &Index<2> {
        &self.index.codes
    }
}
