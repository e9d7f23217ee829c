//! Makes a segment of a list of codes.

use super::bits::Packer;
use super::fold::{Folded, fold};
use super::ids::{Widths, Writer};
use super::layout::{Counts, HEADER, Layout};
use super::{Memory, Segment};
use crate::index::{Code, bands::Bands, kernel::Level, merge::Use, spare::Spare};
use crate::plain::{cast, cast_mut};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Fewer codes are not cut into bands: a scan is faster.
const LEAST_INDEXED: usize = 2048;

impl<const W: usize> Segment<W> {
    /// Makes a segment in memory of codes and their ids, which are as many.
    ///
    /// # Errors
    /// If there is no memory, or there are 2³² codes or more.
    pub fn build(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::build_for(Use::Exact, codes, ids, &Arc::default())
    }

    /// As [`build`](Self::build), without postings: takes the least memory, and is searched by scans.
    ///
    /// # Errors
    /// As those of [`build`](Self::build).
    pub fn build_compact(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::build_for(Use::Scans, codes, ids, &Arc::default())
    }

    /// As [`build`](Self::build), for some use, in spare memory if there is some.
    pub(in crate::index) fn build_for(
        purpose: Use,
        codes: &[Code<W>],
        ids: &[u64],
        spare: &Arc<Spare>,
    ) -> io::Result<Self> {
        Self::make(None, codes, ids, Self::bands_for(purpose, codes.len()), spare)
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

    /// Whether [`grown`](Self::grown) can take over the tables if so many codes are added. Those of a file are not
    /// trusted: it may be damaged, and what is made of it anew is not.
    pub(in crate::index) fn grows_by(&self, codes: usize, purpose: Use) -> bool {
        let bands = Self::bands_for(purpose, self.len() + codes);
        matches!(self.memory, Memory::Own(_)) && bands == self.counts.bands
    }

    /// Makes a segment of this one and further codes. What is sorted stays so, which makes it much cheaper than to
    /// build one of all codes.
    ///
    /// # Errors
    /// As those of [`build`](Self::build).
    pub(in crate::index) fn grown(
        &self,
        codes: &[Code<W>],
        ids: &[u64],
        spare: &Arc<Spare>,
    ) -> io::Result<Self> {
        Self::make(Some(self), codes, ids, self.counts.bands, spare)
    }

    #[cfg(test)]
    pub(super) fn build_with(codes: &[Code<W>], ids: &[u64], bands: Option<Bands>) -> io::Result<Self> {
        Self::make(None, codes, ids, bands, &Arc::default())
    }

    /// Makes a segment of another one with the same cut, if there is one, and further codes.
    fn make(
        base: Option<&Self>,
        codes: &[Code<W>],
        ids: &[u64],
        bands: Option<Bands>,
        spare: &Arc<Spare>,
    ) -> io::Result<Self> {
        let all = codes.len() + base.map_or(0, Self::len);
        if codes.len() != ids.len() || all >= u32::MAX as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let before = base.map_or(&[][..], Self::codes);
        let folded = fold(before, codes, spare)?;
        let span = base.map_or((u64::MAX, 0), Self::span);
        let counts = Counts {
            words: W,
            codes: before.len() + folded.firsts.len(),
            ids: all,
            bands,
            least: ids.iter().copied().fold(span.0, u64::min),
            greatest: ids.iter().copied().fold(span.1, u64::max),
            low: Widths::low(ids).max(base.map_or(0, |base| base.counts.low)),
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
        drop(folded);
        if let Some(bands) = bands {
            let mut items = spare.allocate(size_of::<Item>() * (counts.codes - before.len()))?;
            write_postings(&mut memory, (&layout, &counts), bands, base, cast_mut(&mut items));
        }
        Ok(Self { memory: Memory::Own(memory), counts, layout, level: Level::best(), home: Mutex::default() })
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
    // Ids of new codes, and others, of which there are few: they are sorted in.
    let mut next = base.map_or(0, Segment::distinct);
    let (mut fresh, mut late) = (Vec::with_capacity(folded.firsts.len()), Vec::new());
    for (&number, &id) in folded.number_of.iter().zip(ids) {
        if number as usize == next {
            fresh.push(id);
            next += 1;
        } else {
            late.push((number as usize, id));
        }
    }
    late.sort_by_key(|(number, _)| *number);
    let mut late = late.into_iter().peekable();
    let known = base.into_iter().flat_map(|base| base.packed_ids().marked());
    let mut codes = 0;
    for (id, is_first) in known.chain(fresh.into_iter().map(|id| (id, true))) {
        while is_first && let Some((_, late)) = late.next_if(|(number, _)| *number < codes) {
            out.push(late, false);
        }
        out.push(id, is_first);
        codes += usize::from(is_first);
    }
    late.for_each(|(_, late)| out.push(late, false));
    out.finish();
}

/// A posting on its way into the bucket of its value: that, the fingerprint, and the place of the code.
type Item = [u32; 3];

/// Bands of so many bits are sorted in one round of counting. Of wider ones it would write to so many places at once
/// that every write missed the caches; they take two.
const ONE_ROUND: u32 = 13;

/// Sorts the codes by each band. The postings of `base`, whose codes come first, are in order already: the others are
/// sorted by way of `items`, and both are merged.
fn write_postings<const W: usize>(
    memory: &mut [u8],
    (layout, counts): (&Layout, &Counts),
    bands: Bands,
    base: Option<&Segment<W>>,
    items: &mut [Item],
) {
    let (head, tail) = memory.split_at_mut(layout.near.start);
    let (codes, rest) = head.split_at_mut(layout.codes.end);
    let codes = cast::<Code<W>>(&codes[layout.codes.clone()]);
    let (prints, postings) = tail.split_at_mut(layout.postings.start - layout.near.start);
    let (near, far) = prints.split_at_mut(layout.far.start - layout.near.start);
    let mut out = Postings {
        near: cast_mut(&mut near[..layout.near.len()]),
        far: cast_mut(&mut far[..layout.far.len()]),
        places: Packer::new(cast_mut(postings)),
        bits: counts.posting_bits(),
        written: 0,
    };
    let first = base.map_or(0, Segment::distinct);
    let mut sorted = Vec::new();
    for (band, offsets) in layout.offsets.iter().enumerate() {
        let offsets = offsets.start - layout.codes.end..offsets.end - layout.codes.end;
        let offsets = cast_mut::<u32>(&mut rest[offsets]);
        for code in &codes[first..] {
            offsets[bands.key(code, band) as usize + 1] += 1;
        }
        for value in 1..offsets.len() {
            offsets[value] += offsets[value - 1];
        }
        let wide = bands.width(band) > ONE_ROUND;
        let low = if wide { bands.width(band) / 2 } else { 0 };
        let values = offsets.len() - 1;
        let mut rough: Vec<u32> = offsets[..values].iter().step_by(1 << low).copied().collect();
        for (place, code) in codes.iter().enumerate().skip(first) {
            let key = bands.key(code, band);
            let cursor = &mut rough[(key >> low) as usize];
            items[*cursor as usize] = [key, bands.fingerprint(code, band), place as u32];
            *cursor += 1;
        }
        let mut old = base.map(|base| Old { base, band, offsets: base.offsets(band), copied: 0 });
        if wide {
            let (mut cursors, mut start) = (offsets.to_vec(), 0);
            for end in rough {
                let bucket = &items[start as usize..end as usize];
                sorted.resize(bucket.len(), Item::default());
                for item in bucket {
                    let cursor = &mut cursors[item[0] as usize];
                    sorted[(*cursor - start) as usize] = *item;
                    *cursor += 1;
                }
                out.merge(&sorted, &mut old);
                start = end;
            }
        } else {
            out.merge(items, &mut old);
        }
        if let Some(mut old) = old {
            out.copy_until(&mut old, values);
            offsets.iter_mut().zip(old.offsets).for_each(|(offset, old)| *offset += old);
        }
    }
    out.places.finish();
}

/// The postings of one band of a segment, of which some are copied.
struct Old<'a, const W: usize> {
    base: &'a Segment<W>,
    band: usize,
    offsets: &'a [u32],
    copied: u32,
}

/// Postings that are written one after another.
struct Postings<'a> {
    near: &'a mut [u16],
    far: &'a mut [u16],
    places: Packer<'a>,
    /// Of a place.
    bits: u32,
    written: usize,
}

impl Postings<'_> {
    /// Writes sorted items, each behind the old postings up to its value.
    #[inline(always)]
    fn merge<const W: usize>(&mut self, items: &[Item], old: &mut Option<Old<W>>) {
        for &[key, print, place] in items {
            if let Some(old) = old {
                self.copy_until(old, key as usize + 1);
            }
            self.near[self.written] = print as u16;
            self.far[self.written] = (print >> 16) as u16;
            self.places.push(u64::from(place), self.bits);
            self.written += 1;
        }
    }

    /// Copies old postings up to a value.
    #[inline(always)]
    fn copy_until<const W: usize>(&mut self, old: &mut Old<W>, value: usize) {
        let run = old.copied..old.offsets[value];
        if run.is_empty() {
            return;
        }
        old.copied = run.end;
        let first = old.band * old.base.counts.codes;
        let from = first + run.start as usize..first + run.end as usize;
        let prints = old.base.prints();
        copy(prints.near, from.clone(), self.near, self.written);
        copy(prints.far, from.clone(), self.far, self.written);
        self.written += from.len();
        let postings = &old.base.memory.bytes()[old.base.layout.postings.clone()];
        let bits = old.base.counts.posting_bits();
        if bits == self.bits {
            self.places.copy(postings, from.start * bits as usize..from.end * bits as usize);
        } else {
            from.for_each(|at| self.places.push(u64::from(old.base.posting(postings, at)), self.bits));
        }
    }
}

/// Copies a range of numbers to a place behind which nothing is written yet.
#[inline(always)]
fn copy(numbers: &[u16], range: Range<usize>, to: &mut [u16], at: usize) {
    /// As many are copied without asking how many there are.
    const SHORT: usize = 16;
    let short = range.start..range.start + SHORT;
    match (numbers.get(short), to.get_mut(at..at + SHORT)) {
        (Some(from), Some(to)) if range.len() <= SHORT => to.copy_from_slice(from),
        _ => to[at..at + range.len()].copy_from_slice(&numbers[range]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check<const W: usize>(codes: &[Code<W>], split: usize, bands: Option<Bands>) {
        let ids: Vec<u64> = (0..codes.len() as u64).map(|id| id ^ 21).collect();
        let whole = Segment::build_with(codes, &ids, bands).unwrap();
        let base = Segment::build_with(&codes[..split], &ids[..split], bands).unwrap();
        // In memory that somebody has used.
        let spare = Spare::used((whole.bytes() + whole.bytes() / 2).max(1));
        let grown = base.grown(&codes[split..], &ids[split..], &spare).unwrap();
        assert_eq!(grown.counts, whole.counts);
        assert!(grown.memory.bytes() == whole.memory.bytes());
        assert!(base.grows_by(codes.len() - split, Use::Scans) == bands.is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_grown_segment_is_the_one_that_is_built_of_all(
            pool in prop::collection::vec(prop::array::uniform4(prop_oneof![any::<u64>(), Just(0)]), 1..200),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..300),
            split: prop::sample::Index, distinct: bool, count in 16u32..=32,
        ) {
            let codes: Vec<Code<4>> = if distinct {
                (0..).zip(&pool).map(|(i, code)| [code[0] ^ i, code[1], code[2], i]).collect()
            } else {
                picks.iter().map(|pick| *pick.get(&pool)).collect()
            };
            let split = split.index(codes.len() + 1);
            let short: Vec<Code<1>> = codes.iter().map(|code| [code[0]]).collect();
            check(&codes, split, Bands::new(256, count));
            check(&short, split, Bands::new(64, count / 4));
            check(&codes, split, None);
        }
    }
}
