//! An immutable view, and the searches.

use super::{Batch, Code, Hit, Outcome, block::Block};
use std::sync::Arc;

/// All that is stored at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct State<const W: usize> {
    /// From the largest to the smallest.
    pub(super) blocks: Vec<Arc<Block<W>>>,
}

impl<const W: usize> State<W> {
    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }
}

/// What an index held when the snapshot was taken. Cheap to take, to clone and to send to another thread.
#[derive(Clone, Debug)]
pub struct Snapshot<const W: usize> {
    pub(super) state: Arc<State<W>>,
}

impl<const W: usize> Snapshot<W> {
    /// The number of ids.
    pub fn len(&self) -> usize {
        self.state.len()
    }

    /// Nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All ids whose code differs from `code` in at most `radius` bits, nearest first, equals by id.
    pub fn within(&self, code: &Code<W>, radius: u32) -> Vec<Hit> {
        let mut hits = Vec::new();
        let _complete = self.within_into(code, radius, usize::MAX, &mut hits);
        hits.sort_unstable_by_key(Hit::order);
        hits
    }

    /// As [`within`](Self::within), but at most `cap` hits, in no order, into a buffer that is cleared first.
    pub fn within_into(&self, code: &Code<W>, radius: u32, cap: usize, out: &mut Vec<Hit>) -> Outcome {
        out.clear();
        self.append(code, radius, cap, out)
    }

    /// The `k` ids whose codes are nearest to `code`, nearest first, equals by id.
    pub fn nearest(&self, code: &Code<W>, k: usize) -> Vec<Hit> {
        let mut hits = self.within(code, u32::MAX);
        hits.truncate(k);
        hits
    }

    /// [`within`](Self::within) for many codes at once, which costs less than one by one.
    pub fn within_batch(&self, codes: &[Code<W>], radius: u32) -> Batch {
        let mut batch = Batch::default();
        self.within_batch_into(codes, radius, usize::MAX, &mut batch);
        batch
    }

    /// As [`within_batch`](Self::within_batch), but at most `cap` hits a code, into a batch that is cleared first.
    pub fn within_batch_into(&self, codes: &[Code<W>], radius: u32, cap: usize, out: &mut Batch) {
        out.clear();
        let mut hits = Vec::new();
        for code in codes {
            hits.clear();
            let outcome = self.append(code, radius, cap, &mut hits);
            out.push(|all| {
                all.extend_from_slice(&hits);
                outcome
            });
        }
    }

    fn append(&self, code: &Code<W>, radius: u32, cap: usize, out: &mut Vec<Hit>) -> Outcome {
        for block in &self.state.blocks {
            if block.within(code, radius, cap, out) == Outcome::Capped {
                return Outcome::Capped;
            }
        }
        Outcome::Complete
    }
}
