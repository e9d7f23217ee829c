//! Codes and ids in the order of insertion, which are read while others are appended.

use super::buckets::MOST;
use crate::index::Code;
use crate::plain::prefetch_close;
use std::array;
use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Pairs of the first chunk. Each of the next has as many as all before it, up to [`LARGE`].
const FIRST: usize = 64;

/// Pairs of all further chunks: so few that to make one keeps nobody waiting.
const LARGE: usize = 1 << 14;

/// Chunks with fewer.
const SMALL: usize = (LARGE / FIRST).ilog2() as usize + 1;

/// All chunks that there may be.
const CHUNKS: usize = SMALL + MOST / LARGE - 1;

/// Codes that are copied to be looked at together. They stay in the nearest cache.
const TOGETHER: usize = 256;

/// A list of pairs. One thread at a time writes; others read the pairs of which they were told by it.
pub(super) struct Pairs<const W: usize> {
    chunks: [OnceLock<Box<[Pair<W>]>>; CHUNKS],
    /// The least id, turned over, and the greatest.
    ends: [AtomicU64; 2],
}

struct Pair<const W: usize> {
    code: [AtomicU64; W],
    id: AtomicU64,
}

impl<const W: usize> Pair<W> {
    fn code(&self) -> Code<W> {
        self.code.each_ref().map(|word| word.load(Relaxed))
    }
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

/// The pairs of a chunk.
fn room(chunk: usize) -> usize {
    if chunk < SMALL { FIRST << chunk.saturating_sub(1) } else { LARGE }
}

impl<const W: usize> Default for Pairs<W> {
    fn default() -> Self {
        Self { chunks: array::from_fn(|_| OnceLock::new()), ends: Default::default() }
    }
}

impl<const W: usize> Pairs<W> {
    /// Writes pairs behind the first so many.
    pub(super) fn append(&self, len: usize, codes: &[Code<W>], ids: &[u64]) {
        for (place, (code, id)) in (len..).zip(codes.iter().zip(ids)) {
            self.set(place, code, *id);
        }
        self.ends[0].fetch_max(ids.iter().map(|id| !id).max().unwrap_or(0), Relaxed);
        self.ends[1].fetch_max(ids.iter().copied().max().unwrap_or(0), Relaxed);
    }

    /// The least and the greatest id; out of order if there is none.
    pub(super) fn span(&self) -> (u64, u64) {
        (!self.ends[0].load(Relaxed), self.ends[1].load(Relaxed))
    }

    fn set(&self, place: usize, code: &Code<W>, id: u64) {
        let (chunk, place) = locate(place);
        let empty = || Pair { code: array::from_fn(|_| AtomicU64::new(0)), id: AtomicU64::new(0) };
        let chunk = self.chunks[chunk].get_or_init(|| iter::repeat_with(empty).take(room(chunk)).collect());
        for (held, word) in chunk[place].code.iter().zip(code) {
            held.store(*word, Relaxed);
        }
        chunk[place].id.store(id, Relaxed);
    }

    fn get(&self, place: usize) -> Option<&Pair<W>> {
        let (chunk, place) = locate(place);
        self.chunks.get(chunk)?.get()?.get(place)
    }

    #[inline(always)]
    pub(super) fn code(&self, place: usize) -> Code<W> {
        self.get(place).map_or([0; W], Pair::code)
    }

    #[inline(always)]
    pub(super) fn id(&self, place: usize) -> u64 {
        self.get(place).map_or(0, |pair| pair.id.load(Relaxed))
    }

    /// The first ids.
    pub(super) fn ids(&self, count: usize) -> impl Iterator<Item = u64> {
        let pairs = self.chunks.iter().map_while(OnceLock::get).flatten().take(count);
        pairs.map(|pair| pair.id.load(Relaxed))
    }

    /// Calls `look` with the first codes, some at a time, and the place of the first of them.
    pub(super) fn for_each_few(&self, count: usize, mut look: impl FnMut(usize, &[Code<W>])) {
        let mut few = [[0; W]; TOGETHER];
        let mut first = 0;
        let chunks = self.chunks.iter().map_while(OnceLock::get);
        for pairs in chunks.flat_map(|chunk| chunk.chunks(TOGETHER)) {
            let pairs = &pairs[..pairs.len().min(count - first)];
            few.iter_mut().zip(pairs).for_each(|(code, pair)| *code = pair.code());
            look(first, &few[..pairs.len()]);
            first += pairs.len();
            if first == count {
                return;
            }
        }
    }

    /// Asks for the memory of a pair.
    #[inline(always)]
    pub(super) fn prefetch(&self, place: usize) {
        let (chunk, place) = locate(place);
        if let Some(pairs) = self.chunks.get(chunk).and_then(OnceLock::get) {
            prefetch_close(pairs, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_where_they_were_written() {
        let pairs = Pairs::<2>::default();
        let code = |place: usize| [place as u64, !(place as u64)];
        let count = 3 * LARGE + 77;
        let mut len = 0;
        for step in (0..).map(|step| 1 + 37 * step) {
            let places = len..count.min(len + step);
            let ids: Vec<u64> = places.clone().map(|place| 5 + place as u64).collect();
            pairs.append(len, &places.clone().map(code).collect::<Vec<_>>(), &ids);
            len = places.end;
            if len == count {
                break;
            }
        }
        assert_eq!(pairs.span(), (5, 4 + count as u64));
        assert!(
            (0..count).all(|place| pairs.code(place) == code(place) && pairs.id(place) == 5 + place as u64)
        );
        assert!(pairs.ids(count - 3).eq(5..2 + count as u64));
        for count in [0, 1, FIRST, FIRST + 1, LARGE - 1, LARGE, count] {
            let mut seen = 0;
            pairs.for_each_few(count, |first, few| {
                assert_eq!(first, seen);
                assert!(few.iter().zip(first..).all(|(few, place)| *few == code(place)));
                seen += few.len();
            });
            assert_eq!(seen, count);
        }
        // All that there may be have a place of their own.
        assert_eq!(locate(MOST - 1), (CHUNKS - 1, LARGE - 1));
        assert_eq!((0..SMALL).map(room).sum::<usize>(), LARGE);
    }
}
