//! Codes and ids in the order of insertion, which are read while others are appended.

use super::list::List;
use super::repeats::{Link, Repeats};
use crate::index::Code;
use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Codes that are copied to be looked at together. They stay in the nearest cache.
const TOGETHER: usize = 256;

/// A list of pairs. One thread at a time writes; others read the pairs of which they were told by it.
pub(super) struct Pairs<const W: usize> {
    list: List<Pair<W>>,
    repeats: Repeats,
    /// The least id, turned over, and the greatest.
    ends: [AtomicU64; 2],
}

struct Pair<const W: usize> {
    code: [AtomicU64; W],
    id: AtomicU64,
    /// To those that have the same code.
    link: Link,
}

impl<const W: usize> Default for Pair<W> {
    fn default() -> Self {
        Self { code: array::from_fn(|_| AtomicU64::new(0)), id: AtomicU64::new(0), link: Link::default() }
    }
}

impl<const W: usize> Pair<W> {
    fn code(&self) -> Code<W> {
        self.code.each_ref().map(|word| word.load(Relaxed))
    }
}

impl<const W: usize> Default for Pairs<W> {
    fn default() -> Self {
        Self { list: List::default(), repeats: Repeats::default(), ends: Default::default() }
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
        let pair = self.list.make(place);
        for (held, word) in pair.code.iter().zip(code) {
            held.store(*word, Relaxed);
        }
        pair.id.store(id, Relaxed);
        pair.link.clear();
    }

    #[inline(always)]
    pub(super) fn code(&self, place: usize) -> Code<W> {
        self.list.get(place).map_or([0; W], Pair::code)
    }

    #[inline(always)]
    pub(super) fn id(&self, place: usize) -> u64 {
        self.list.get(place).map_or(0, |pair| pair.id.load(Relaxed))
    }

    /// Whether the code of a place came before, as was found out.
    pub(super) fn is_repeat(&self, place: usize) -> bool {
        self.list.get(place).is_some_and(|pair| pair.link.is_repeat())
    }

    /// Puts a place to that of the first code that it is equal to.
    pub(super) fn repeat(&self, first: usize, place: usize) {
        if let (Some(first), Some(pair)) = (self.list.get(first), self.list.get(place)) {
            self.repeats.add(&first.link, place as u32);
            pair.link.mark();
        }
    }

    /// The places that were put to that of a first code, in no order.
    #[inline(always)]
    pub(super) fn repeats(&self, first: usize) -> impl Iterator<Item = u32> {
        self.list.get(first).into_iter().flat_map(|pair| self.repeats.of(&pair.link))
    }

    /// The first ids.
    pub(super) fn ids(&self, count: usize) -> impl Iterator<Item = u64> {
        self.list.chunks().flatten().take(count).map(|pair| pair.id.load(Relaxed))
    }

    /// Calls `look` with the first codes, some at a time, and the place of the first of them.
    pub(super) fn for_each_few(&self, count: usize, mut look: impl FnMut(usize, &[Code<W>])) {
        let mut few = [[0; W]; TOGETHER];
        let mut first = 0;
        for pairs in self.list.chunks().flat_map(|chunk| chunk.chunks(TOGETHER)) {
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
        self.list.prefetch(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_where_they_were_written() {
        let pairs = Pairs::<2>::default();
        let code = |place: usize| [place as u64, !(place as u64)];
        let count = 20_000;
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
        for count in [0, 1, 64, 65, count - 1, count] {
            let mut seen = 0;
            pairs.for_each_few(count, |first, few| {
                assert_eq!(first, seen);
                assert!(few.iter().zip(first..).all(|(few, place)| *few == code(place)));
                seen += few.len();
            });
            assert_eq!(seen, count);
        }
    }
}
