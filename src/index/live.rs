//! The index that grows and shrinks while it is read.

use super::{Code, Snapshot, block::Block, snapshot::State};
use arc_swap::ArcSwap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Codes and ids that can be searched while others insert and remove.
///
/// All methods take `&self`; share it by reference or in an [`Arc`].
#[derive(Debug)]
pub struct Index<const W: usize> {
    state: ArcSwap<State<W>>,
    /// Held by whoever prepares the next state.
    writer: Mutex<()>,
}

impl<const W: usize> Default for Index<W> {
    fn default() -> Self {
        Self { state: ArcSwap::default(), writer: Mutex::default() }
    }
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
        let _writer = self.lock();
        let mut state = State::clone(&self.state.load());
        state.blocks.push(Arc::new(block));
        // Like the carries of a binary counter: every code is copied a logarithmic number of times.
        while let [.., large, small] = &state.blocks[..]
            && large.len() <= small.len()
        {
            let joined = large.iter().chain(small.iter()).collect();
            state.blocks.truncate(state.blocks.len() - 2);
            state.blocks.push(Arc::new(joined));
        }
        self.state.store(Arc::new(state));
    }

    /// Takes out all ids of a range.
    pub fn remove(&self, ids: RangeInclusive<u64>) {
        let _writer = self.lock();
        let mut state = State::clone(&self.state.load());
        for block in &mut state.blocks {
            if block.holds_any(&ids) {
                *block = Arc::new(block.without(&ids));
            }
        }
        state.blocks.retain(|block| block.len() > 0);
        self.state.store(Arc::new(state));
    }

    /// The number of ids.
    pub fn len(&self) -> usize {
        self.state.load().len()
    }

    /// Nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is stored now, as an immutable view.
    pub fn snapshot(&self) -> Snapshot<W> {
        Snapshot { state: self.state.load_full() }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The guarded state is replaced whole, so that a panic elsewhere leaves nothing half done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
