//! The index that grows and shrinks while it is read.

use super::block::Block;
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
/// All methods take `&self`; share it by reference or in an [`Arc`]. Insertions go to a short list that is scanned.
/// In the background such lists become sorted segments, and small segments large ones.
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
        let block: Block<W> = pairs.into_iter().collect();
        if block.len() == 0 {
            return;
        }
        let mut parts = Vec::new();
        if block.len() >= BULK {
            for (codes, ids) in block.codes.chunks(BULK_MOST).zip(block.ids.chunks(BULK_MOST)) {
                match self.tender.build(codes, ids) {
                    Ok(segment) => parts.push(Part::new(Body::Segment(Arc::new(segment)))),
                    // Without memory for the tables the codes are kept as they are.
                    Err(_) => parts.push(Part::new(Body::Block(Arc::new(Block {
                        codes: codes.to_vec(),
                        ids: ids.to_vec(),
                    })))),
                }
            }
        }
        self.tender.change(|state| {
            if parts.is_empty() {
                push(&mut state.head, block);
            }
            state.parts.append(&mut parts);
        });
        Tender::tend(&self.tender);
    }

    /// Takes out all ids of a range.
    pub fn remove(&self, ids: RangeInclusive<u64>) {
        self.tender.remove(&ids);
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
    pub(super) fn build(&self, block: &Block<W>) -> io::Result<Segment<W>> {
        self.tender.build(&block.codes, &block.ids)
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

    fn for_use(purpose: Use) -> Self {
        Self { tender: Arc::new(Tender::new(purpose)), saving: Mutex::default() }
    }

    /// Merges all into one segment, which is searched fastest, and waits for it. Others go on meanwhile.
    pub fn merge(&self) {
        self.tender.merge_all();
    }
}

impl Index<2> {
    /// An index for [searches by collision](Snapshot::colliding_batch). All others are scans.
    pub fn for_collisions() -> Self {
        Self::for_use(Use::Collisions)
    }
}

/// Adds a list to the head. Like the carries of a binary counter: every code is copied a logarithmic number of times.
fn push<const W: usize>(head: &mut Vec<Arc<Block<W>>>, block: Block<W>) {
    let carried = head.iter().rev().scan(block.len(), |sum, before| {
        let joins = before.len() <= *sum;
        *sum += before.len();
        joins.then_some(before.len())
    });
    let (count, len) = carried.fold((0, block.len()), |(count, sum), len| (count + 1, sum + len));
    if count == 0 {
        head.push(Arc::new(block));
        return;
    }
    let mut joined = Block::with_capacity(len);
    head.drain(head.len() - count..).for_each(|before| joined.append(&before));
    joined.append(&block);
    head.push(Arc::new(joined));
}
