//! A list that grows while it is read.

use super::buckets::MOST;
use crate::plain::prefetch_close;
use std::array;
use std::iter;
use std::sync::OnceLock;

/// Items of the first chunk. Each of the next has as many as all before it, up to [`LARGE`].
const FIRST: usize = 64;

/// Items of all further chunks: so few that to make one keeps nobody waiting.
const LARGE: usize = 1 << 14;

/// Chunks with fewer.
const SMALL: usize = (LARGE / FIRST).ilog2() as usize + 1;

/// All chunks that there may be.
const CHUNKS: usize = SMALL + MOST / LARGE - 1;

/// Up to [`MOST`] items, which stay where they are. They are written through shared references, and begin with defaults.
pub(super) struct List<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

/// The chunk of a place, and the place in it.
#[inline(always)]
fn locate(place: usize) -> (usize, usize) {
    if place >= LARGE {
        return (SMALL + place / LARGE - 1, place % LARGE);
    }
    match (place / FIRST).checked_ilog2() {
        None => (0, place),
        Some(double) => (double as usize + 1, place - (FIRST << double)),
    }
}

/// The items of a chunk.
fn room(chunk: usize) -> usize {
    if chunk < SMALL { FIRST << chunk.saturating_sub(1) } else { LARGE }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { chunks: array::from_fn(|_| OnceLock::new()) }
    }
}

impl<T: Default> List<T> {
    /// The item of a place, for which there is memory from now on.
    pub(super) fn make(&self, place: usize) -> &T {
        let (chunk, place) = locate(place);
        let chunk =
            self.chunks[chunk].get_or_init(|| iter::repeat_with(T::default).take(room(chunk)).collect());
        &chunk[place]
    }
}

impl<T> List<T> {
    #[inline(always)]
    pub(super) fn get(&self, place: usize) -> Option<&T> {
        let (chunk, place) = locate(place);
        self.chunks.get(chunk)?.get()?.get(place)
    }

    /// The items that there is memory for, chunk by chunk.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[T]> {
        self.chunks.iter().map_while(OnceLock::get).map(AsRef::as_ref)
    }

    /// Asks for the memory of an item.
    #[inline(always)]
    pub(super) fn prefetch(&self, place: usize) {
        let (chunk, place) = locate(place);
        if let Some(items) = self.chunks.get(chunk).and_then(OnceLock::get) {
            prefetch_close(items, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn items_are_read_where_they_were_written() {
        let list = List::<AtomicUsize>::default();
        let count = 3 * LARGE + 77;
        (0..count).for_each(|place| list.make(place).store(place, Relaxed));
        assert!((0..count).all(|place| list.get(place).unwrap().load(Relaxed) == place));
        let all = list.chunks().flatten().map(|item| item.load(Relaxed)).take(count);
        assert!(all.eq(0..count));
        assert!(list.get(5 * LARGE).is_none() && list.get(MOST).is_none());
        // All that there may be have a place of their own.
        assert_eq!(locate(MOST - 1), (CHUNKS - 1, LARGE - 1));
        assert_eq!((0..SMALL).map(room).sum::<usize>(), LARGE);
    }
}
