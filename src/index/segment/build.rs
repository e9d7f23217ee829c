//! Makes a segment of a list of codes.

use super::fold::{Folded, fold};
use super::ids::{Widths, Writer};
use super::layout::{Counts, HEADER, Layout, place_bits};
use super::postings::{Item, Sorted, write_postings};
use super::{Memory, Segment};
use crate::index::block::Source;
use crate::index::{Code, Width, bands::Bands, kernel::Level, merge::Use, spare::Spare};
use crate::plain::cast_mut;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

/// Fewer codes are not cut into bands: a scan is faster.
const LEAST_INDEXED: usize = 2048;

impl<const W: usize> Segment<W> {
    /// Makes a segment in memory of codes and their ids, which are as many.
    ///
    /// # Errors
    /// If there is no memory, or there are 2³² − 1 codes or more.
    pub fn build(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::build_for(Use::Exact, Source::Kept(codes, ids), &Arc::default())
    }

    /// As [`build`](Self::build), without postings: takes the least memory, and is searched by scans.
    ///
    /// # Errors
    /// As those of [`build`](Self::build).
    pub fn build_compact(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::build_for(Use::Scans, Source::Kept(codes, ids), &Arc::default())
    }

    /// As [`build`](Self::build), for some use, in spare memory if there is some.
    pub(in crate::index) fn build_for(
        purpose: Use,
        source: Source<W>,
        spare: &Arc<Spare>,
    ) -> io::Result<Self> {
        let bands = Self::bands_for(purpose, source.pairs().0.len());
        Self::make(&[], source, bands, spare)
    }

    /// How so many codes are cut.
    fn bands_for(purpose: Use, codes: usize) -> Option<Bands> {
        match purpose {
            _ if codes < LEAST_INDEXED => None,
            Use::Exact => Some(Bands::for_size(64 * W as u32, codes)),
            Use::Collisions => Bands::words_for_size(codes),
            Use::Scans => None,
        }
    }

    /// Whether [`grown`](Self::grown) can take over the tables into a segment of so many codes. Those of a file are not
    /// trusted: it may be damaged, and what is made of it anew is not.
    pub(in crate::index) fn can_grow_to(&self, codes: usize, purpose: Use) -> bool {
        matches!(self.memory, Memory::Own(_)) && Self::bands_for(purpose, codes) == self.counts.bands
    }

    /// Makes a segment of this one and further codes, the first of which are those of `others`, which have the same cut.
    /// What is sorted stays so, which makes it much cheaper than to build one of all codes.
    ///
    /// # Errors
    /// As those of [`build`](Self::build).
    pub(in crate::index) fn grown(
        &self,
        others: &[&Self],
        source: Source<W>,
        spare: &Arc<Spare>,
    ) -> io::Result<Self> {
        let sorted: Vec<&Self> = std::iter::once(self).chain(others.iter().copied()).collect();
        Self::make(&sorted, source, self.counts.bands, spare)
    }

    #[cfg(test)]
    pub(super) fn build_with(codes: &[Code<W>], ids: &[u64], bands: Option<Bands>) -> io::Result<Self> {
        Self::make(&[], Source::Kept(codes, ids), bands, &Arc::default())
    }

    /// Makes a segment of the first of some with the same cut and of further codes, which begin with those of the rest.
    fn make(
        sorted: &[&Self],
        source: Source<W>,
        bands: Option<Bands>,
        spare: &Arc<Spare>,
    ) -> io::Result<Self> {
        let () = Width::<W>::SUPPORTED;
        let (codes, ids) = source.pairs();
        let base = sorted.first().copied();
        let all = codes.len() + base.map_or(0, Self::len);
        if codes.len() != ids.len() || all >= u32::MAX as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let before = base.map_or(&[][..], Self::codes);
        let folded = fold(before, codes, spare)?;
        let span = base.map_or((u64::MAX, 0), Self::span);
        let distinct = before.len() + folded.firsts.len();
        let counts = Counts {
            words: W,
            codes: distinct,
            ids: all,
            bands,
            least: ids.iter().copied().fold(span.0, u64::min),
            greatest: ids.iter().copied().fold(span.1, u64::max),
            low: Widths::low(ids).max(base.map_or(0, |base| base.counts.low)),
            // Whole bytes are copied faster.
            posting_bits: place_bits(distinct).next_multiple_of(8),
        };
        let layout = Layout::new(&counts).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut memory = spare.allocate(layout.length)?;
        layout.sparse().into_iter().for_each(|part| memory[part].fill(0));
        memory[..HEADER].copy_from_slice(&counts.header(layout.length));
        let unique = cast_mut::<Code<W>>(&mut memory[layout.codes.clone()]);
        let (old, new) = unique.split_at_mut(before.len());
        old.copy_from_slice(before);
        for (code, &first) in new.iter_mut().zip(&folded.firsts) {
            *code = codes[first as usize];
        }
        write_ids(&mut memory, (&layout, &counts), base, &folded, ids);
        let tables = match bands {
            Some(bands) => {
                let (sorted, first) = Sorted::of_all(sorted, &folded);
                let items = spare.allocate(size_of::<Item>() * (counts.codes - first))?;
                Some((bands, sorted, first, items))
            }
            None => None,
        };
        // Nothing fails from here on.
        drop(folded);
        source.release();
        if let Some((bands, sorted, first, mut items)) = tables {
            write_postings(&mut memory, (&layout, &counts), bands, (&sorted, first), cast_mut(&mut items));
        }
        Ok(Self {
            memory: Memory::Own(memory),
            counts,
            layout,
            level: Level::best(),
            home: Mutex::default(),
            trailer: OnceLock::new(),
        })
    }
}

/// Writes the ids of the codes of `base` and of the new ones, code by code, each in the order in which they came.
fn write_ids<const W: usize>(
    memory: &mut [u8],
    (layout, counts): (&Layout, &Counts),
    base: Option<&Segment<W>>,
    folded: &Folded,
    ids: &[u64],
) {
    let (before, packed) = memory.split_at_mut(layout.ids.start);
    let (firsts, samples) = before.split_at_mut(layout.samples.start);
    let (firsts, samples) = (&mut firsts[layout.firsts.clone()], &mut samples[..layout.samples.len()]);
    let packing = (counts.id_widths(), counts.least);
    let mut out =
        Writer::new(cast_mut(&mut packed[..layout.ids.len()]), packing, cast_mut(firsts), cast_mut(samples));
    let next = base.map_or(0, Segment::distinct);
    // Each with its code's number, and whether that comes here first.
    let numbered = folded.number_of.iter().zip(ids).scan(next as u32, |next, (&number, &id)| {
        let is_first = number == *next;
        *next += u32::from(is_first);
        Some((is_first, number, id))
    });
    let mut late = Vec::with_capacity(ids.len() - folded.firsts.len());
    late.extend(numbered.clone().filter(|(is_first, ..)| !is_first).map(|(_, number, id)| (number, id)));
    late.sort_by_key(|(number, _)| *number);
    // Those of new codes come in order already.
    let fresh = numbered.filter(|(is_first, ..)| *is_first).map(|(.., id)| (id, true));
    let mut late = late.into_iter().peekable();
    let known = base.into_iter().flat_map(|base| base.packed_ids().marked());
    let mut codes = 0;
    for (id, is_first) in known.chain(fresh) {
        while is_first && let Some((_, late)) = late.next_if(|(number, _)| *number < codes) {
            out.push(late, false);
        }
        out.push(id, is_first);
        codes += u32::from(is_first);
    }
    late.for_each(|(_, late)| out.push(late, false));
    out.finish();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::block::Block;
    use proptest::prelude::*;

    /// Sorts the codes between each two splits by themselves, then those before the first by the way.
    fn check<const W: usize>(codes: &[Code<W>], splits: [usize; 3], bands: Option<Bands>) {
        let ids: Vec<u64> = (0..codes.len() as u64).map(|id| id ^ 21).collect();
        let build =
            |from: usize, to: usize| Segment::build_with(&codes[from..to], &ids[from..to], bands).unwrap();
        let whole = build(0, codes.len());
        let [first, second, third] = splits;
        let (base, others) = (build(0, first), [build(first, second), build(second, third)]);
        let (mut further, mut ids_further): (Vec<_>, Vec<_>) = others.iter().flat_map(Segment::iter).unzip();
        further.extend_from_slice(&codes[third..]);
        ids_further.extend_from_slice(&ids[third..]);
        // In memory that somebody has used.
        let spare = Spare::used((whole.bytes() + whole.bytes() / 2).max(1));
        let mut further = Block { codes: further, ids: ids_further };
        let grown = base.grown(&others.each_ref(), Source::Spent(&mut further), &spare).unwrap();
        assert_eq!(further.len(), 0);
        assert_eq!(grown.counts, whole.counts);
        assert!(grown.memory.bytes() == whole.memory.bytes());
        assert!(base.can_grow_to(codes.len(), Use::Scans) == bands.is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_grown_segment_is_the_one_that_is_built_of_all(
            pool in prop::collection::vec(prop::array::uniform4(prop_oneof![any::<u64>(), Just(0)]), 1..200),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
            splits: [prop::sample::Index; 3], distinct: bool, count in 16u32..=32,
        ) {
            let codes: Vec<Code<4>> = if distinct {
                (0..).zip(&pool).map(|(i, code)| [code[0] ^ i, code[1], code[2], i]).collect()
            } else {
                picks.iter().map(|pick| *pick.get(&pool)).collect()
            };
            let mut splits = splits.map(|split| split.index(codes.len() + 1));
            splits.sort();
            let short: Vec<Code<1>> = codes.iter().map(|code| [code[0]]).collect();
            check(&codes, splits, Bands::new(256, count));
            check(&short, splits, Bands::new(64, count / 4));
            check(&codes, splits, None);
        }
    }
}
