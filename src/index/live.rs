//! The index that grows and shrinks while it is read.

use super::block::{Block, Source};
use super::merge::{Tender, Use};
use super::part::{Body, Part};
use super::segment::Segment;
use super::snapshot::State;
use super::{Code, Snapshot};
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many codes at once are sorted by the thread that inserts them.
const BULK: usize = 1 << 16;

/// The most codes of one segment that a bulk insertion makes.
const BULK_MOST: usize = 1 << 26;

/// Codes and ids that can be searched while others insert and remove.
///
/// All methods take `&self`; share it by reference or in an [`Arc`]. Insertions go to a table that is searched while it
/// grows, and takes 300 to 1,000 bytes a code of 256 bits. In the background such tables become sorted segments, which take
/// 110, and small segments large ones; [`merge`](Self::merge) makes one of all.
#[derive(Debug, Default)]
pub struct Index<const W: usize> {
    tender: Arc<Tender<W>>,
    saving: Mutex<()>,
}

impl<const W: usize> Index<W> {
    /// Stores a code under an id. An id may be stored under several codes.
    pub fn insert(&self, code: &Code<W>, id: u64) {
        self.extend([(*code, id)]);
    }

    /// Stores many codes at once. Readers see all of them or none.
    pub fn extend(&self, pairs: impl IntoIterator<Item = (Code<W>, u64)>) {
        let mut block: Block<W> = pairs.into_iter().collect();
        if block.len() == 0 {
            return;
        }
        match self.sorted(&mut block) {
            Some(mut parts) => self.tender.change(|state| state.parts.append(&mut parts)),
            None => self.tender.insert(&block),
        }
        Tender::tend(&self.tender);
    }

    /// Many codes as segments. `None` if they are few, or if there is no memory for the tables: then the block is as it
    /// was.
    fn sorted(&self, block: &mut Block<W>) -> Option<Vec<Part<W>>> {
        let build = |source| {
            let segment = self.tender.build(source).ok()?;
            Some(Part::new(Body::Segment(Arc::new(segment))))
        };
        match block.len() {
            ..BULK => None,
            BULK..=BULK_MOST => Some(vec![build(Source::Spent(block))?]),
            _ => {
                let chunks = block.codes.chunks(BULK_MOST).zip(block.ids.chunks(BULK_MOST));
                chunks.map(|(codes, ids)| build(Source::Kept(codes, ids))).collect()
            }
        }
    }

    /// Takes out all ids of a range.
    pub fn remove(&self, ids: RangeInclusive<u64>) {
        self.remove_all([ids]);
    }

    /// Takes out all ids of many ranges, in one pass through what is stored. Readers see all of them gone or none.
    pub fn remove_all(&self, ids: impl IntoIterator<Item = RangeInclusive<u64>>) {
        self.tender.remove(&ids.into_iter().collect());
        Tender::tend(&self.tender);
    }

    /// The number of ids.
    pub fn len(&self) -> usize {
        self.tender.state().len()
    }

    /// Nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is stored now, as an immutable view.
    pub fn snapshot(&self) -> Snapshot<W> {
        Snapshot { state: self.tender.state() }
    }

    /// Adds all codes of a segment, such as one that was opened from a file.
    pub fn add_segment(&self, segment: Segment<W>) {
        self.attach(Part::new(Body::Segment(Arc::new(segment))));
    }

    /// Adds a part as it is.
    pub(super) fn attach(&self, part: Part<W>) {
        self.tender.change(|state| state.parts.push(part));
    }

    /// Makes a segment as this index keeps them.
    pub(super) fn build(&self, mut block: Block<W>) -> io::Result<Segment<W>> {
        self.tender.build(Source::Spent(&mut block))
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State<W>)) {
        self.tender.change(change);
    }

    /// Held while the index is saved.
    pub(super) fn saving(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An index that keeps no postings: it takes a third of the memory, and every search is a scan, which batches share.
    ///
    /// Postings would not fit. A code of 256 bits and its id take 40 bytes. Of n codes, a posting takes log₂ n − 1.4
    /// bits even if perfectly packed: 2.7 bytes at ten million. Ten bytes more a code allow for three bands; and then
    /// radius 31 needs each looked up to a distance of 9 or more in its 85 bits: at far more values than there are codes.
    pub fn compact() -> Self {
        Self::for_use(Use::Scans)
    }

    /// What it was made for.
    pub(super) fn purpose(&self) -> Use {
        self.tender.purpose
    }

    pub(super) fn for_use(purpose: Use) -> Self {
        Self { tender: Arc::new(Tender::new(purpose)), saving: Mutex::default() }
    }

    /// Merges all into one segment, which is searched fastest, and waits for it. Others go on meanwhile.
    pub fn merge(&self) {
        self.tender.merge_all();
        Tender::tend(&self.tender);
        self.tender.rest();
    }
}

impl Index<2> {
    /// An index for [searches by collision](Snapshot::colliding_batch). All others are scans.
    pub fn for_collisions() -> Self {
        Self::for_use(Use::Collisions)
    }
}
