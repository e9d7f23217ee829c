//! Makes a segment of a list of codes.

use super::fold::{Folded, fold};
use super::layout::{Counts, HEADER, Layout};
use super::{Memory, Segment};
use crate::index::{Code, bands::Bands, kernel::Level};
use crate::plain::{allocate, cast, cast_mut};
use std::io;
use std::ops::Range;
use std::sync::Mutex;

/// Fewer codes are not cut into bands: a scan is faster.
const LEAST_INDEXED: usize = 4096;

impl<const W: usize> Segment<W> {
    /// Makes a segment in memory of codes and their ids, which are as many.
    ///
    /// # Errors
    /// If there is no memory, or there are 2³² codes or more.
    pub fn build(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::build_with(codes, ids, Self::bands_for(codes.len()))
    }

    /// As [`build`](Self::build), without postings: takes the least memory, and is searched by scans.
    ///
    /// # Errors
    /// As those of [`build`](Self::build).
    pub fn build_compact(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::build_with(codes, ids, None)
    }

    /// How so many codes are cut.
    fn bands_for(codes: usize) -> Option<Bands> {
        (codes >= LEAST_INDEXED).then(|| Bands::for_size(64 * W as u32, codes))
    }

    /// Whether [`grown`](Self::grown) can take over the tables if so many codes are added, to a segment that has none
    /// if it is `compact`. Those of a file are not trusted: it may be damaged, and what is made of it anew is not.
    pub(in crate::index) fn grows_by(&self, codes: usize, compact: bool) -> bool {
        let bands = if compact { None } else { Self::bands_for(self.len() + codes) };
        matches!(self.memory, Memory::Own(_)) && bands == self.counts.bands
    }

    /// Makes a segment of this one and further codes. What is sorted stays so, which makes it much cheaper than to
    /// build one of all codes.
    ///
    /// # Errors
    /// As those of [`build`](Self::build).
    pub(in crate::index) fn grown(&self, codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::make(Some(self), codes, ids, self.counts.bands)
    }

    pub(super) fn build_with(codes: &[Code<W>], ids: &[u64], bands: Option<Bands>) -> io::Result<Self> {
        Self::make(None, codes, ids, bands)
    }

    /// Makes a segment of another one with the same cut, if there is one, and further codes.
    fn make(base: Option<&Self>, codes: &[Code<W>], ids: &[u64], bands: Option<Bands>) -> io::Result<Self> {
        let places = codes.len() + base.map_or(0, Self::len);
        if codes.len() != ids.len() || places >= u32::MAX as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let before = base.map_or(&[][..], Self::codes);
        let folded = fold(before, codes)?;
        let span = base.map_or((u64::MAX, 0), Self::span);
        let counts = Counts {
            words: W,
            codes: before.len() + folded.firsts.len(),
            places,
            bands,
            least: ids.iter().copied().fold(span.0, u64::min),
            greatest: ids.iter().copied().fold(span.1, u64::max),
        };
        let layout = Layout::new(&counts).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut memory = allocate(layout.length)?;
        memory[..HEADER].copy_from_slice(&counts.header(layout.length));
        let unique = cast_mut::<Code<W>>(&mut memory[layout.codes.clone()]);
        let (old, new) = unique.split_at_mut(before.len());
        old.copy_from_slice(before);
        for (code, &first) in new.iter_mut().zip(&folded.firsts) {
            *code = codes[first as usize];
        }
        write_ids(&mut memory, &layout, base, &folded, ids);
        drop(folded);
        if let Some(bands) = bands {
            write_postings(&mut memory, &layout, &counts, bands, base);
        }
        Ok(Self { memory: Memory::Own(memory), counts, layout, level: Level::best(), home: Mutex::default() })
    }
}

fn write_ids<const W: usize>(
    memory: &mut [u8],
    layout: &Layout,
    base: Option<&Segment<W>>,
    folded: &Folded,
    ids: &[u64],
) {
    let (before, after) = memory.split_at_mut(layout.ids.start);
    let ends = cast_mut::<u32>(&mut before[layout.ends.clone()]);
    let out = cast_mut::<u64>(&mut after[..layout.ids.len()]);
    if ends.is_empty() {
        let (old, new) = out.split_at_mut(out.len() - ids.len());
        old.copy_from_slice(base.map_or(&[], Segment::all_ids));
        new.copy_from_slice(ids);
        return;
    }
    let old = || (0..base.map_or(0, Segment::distinct)).filter_map(|place| Some(base?.ids(place)));
    for (end, ids) in ends.iter_mut().zip(old()) {
        *end = ids.len() as u32;
    }
    for &number in &folded.number_of {
        ends[number as usize] += 1;
    }
    let mut sum = 0;
    for end in ends.iter_mut() {
        // For now where the ids begin; each id that is written moves it on.
        sum += std::mem::replace(end, sum);
    }
    for (end, ids) in ends.iter_mut().zip(old()) {
        out[*end as usize..][..ids.len()].copy_from_slice(ids);
        *end += ids.len() as u32;
    }
    for (&number, &id) in folded.number_of.iter().zip(ids) {
        let end = &mut ends[number as usize];
        out[*end as usize] = id;
        *end += 1;
    }
}

/// A posting on its way into the bucket of its value.
#[derive(Clone, Copy, Default)]
struct Item {
    key: u32,
    print: u32,
    place: u32,
}

/// Bands of so many bits are sorted in one round of counting. Of wider ones it would write to so many places at once
/// that every write missed the caches; they take two.
const ONE_ROUND: u32 = 13;

/// Sorts the codes by each band. The postings of `base`, whose codes come first, are in order already.
fn write_postings<const W: usize>(
    memory: &mut [u8],
    layout: &Layout,
    counts: &Counts,
    bands: Bands,
    base: Option<&Segment<W>>,
) {
    let (head, tail) = memory.split_at_mut(layout.near.start);
    let (codes, rest) = head.split_at_mut(layout.codes.end);
    let codes = cast::<Code<W>>(&codes[layout.codes.clone()]);
    let (prints, postings) = tail.split_at_mut(layout.postings.start - layout.near.start);
    let (near, far) = prints.split_at_mut(layout.far.start - layout.near.start);
    let near = cast_mut::<u16>(&mut near[..layout.near.len()]);
    let far = cast_mut::<u16>(&mut far[..layout.far.len()]);
    let mut packer = Packer::new(cast_mut::<u64>(postings), counts.posting_bits());
    let wide = bands.width(0) > ONE_ROUND;
    let first = base.map_or(0, Segment::distinct);
    let mut items = vec![Item::default(); if wide { codes.len() - first } else { 0 }];
    let mut places = vec![0; codes.len()];
    for (band, offsets) in layout.offsets.iter().enumerate() {
        let offsets = offsets.start - layout.codes.end..offsets.end - layout.codes.end;
        let offsets = cast_mut::<u32>(&mut rest[offsets]);
        for code in &codes[first..] {
            offsets[bands.key(code, band) as usize + 1] += 1;
        }
        for value in 1..offsets.len() {
            offsets[value] += offsets[value - 1];
        }
        let low = bands.width(band) / 2;
        let mut rough: Vec<u32> =
            if wide { offsets.iter().step_by(1 << low).copied().collect() } else { Vec::new() };
        let mut cursors = offsets.to_vec();
        let mut sorted = Sorted {
            near: &mut near[band * codes.len()..][..codes.len()],
            far: &mut far[band * codes.len()..][..codes.len()],
            places: &mut places,
        };
        if let Some(base) = base {
            sorted.take_over(base, band, offsets, &mut cursors);
        }
        let mut write = |item: &Item| {
            let cursor = &mut cursors[item.key as usize];
            sorted.put(*cursor as usize, item);
            *cursor += 1;
        };
        let added = codes.iter().enumerate().skip(first).map(|(place, code)| Item {
            key: bands.key(code, band),
            print: bands.fingerprint(code, band),
            place: place as u32,
        });
        if bands.width(band) > ONE_ROUND {
            for item in added {
                let cursor = &mut rough[(item.key >> low) as usize];
                items[*cursor as usize] = item;
                *cursor += 1;
            }
            items.iter().for_each(&mut write);
        } else {
            added.for_each(|item| write(&item));
        }
        places.iter().for_each(|&place| packer.push(place));
    }
    packer.finish();
}

/// The postings of one band in the order of their values.
struct Sorted<'a> {
    near: &'a mut [u16],
    far: &'a mut [u16],
    places: &'a mut [u32],
}

impl Sorted<'_> {
    #[inline(always)]
    fn put(&mut self, at: usize, item: &Item) {
        self.near[at] = item.print as u16;
        self.far[at] = (item.print >> 16) as u16;
        self.places[at] = item.place;
    }

    /// Takes over the postings of a band. `offsets` are those of what is to be added, and become those of all;
    /// `cursors` become where in each bucket that goes.
    fn take_over<const W: usize>(
        &mut self,
        base: &Segment<W>,
        band: usize,
        offsets: &mut [u32],
        cursors: &mut [u32],
    ) {
        let from = base.offsets(band);
        let values = from.len() - 1;
        let mut copied = 0;
        for value in 0..values {
            let (start, end) = (offsets[value], offsets[value + 1]);
            offsets[value] = start + from[value];
            cursors[value] = start + from[value + 1];
            // Buckets to which nothing is added are copied together.
            if end > start || value + 1 == values {
                self.copy(base, band, copied..from[value + 1], start as usize);
                copied = from[value + 1];
            }
        }
        offsets[values] += from[values];
    }

    /// Copies postings of a band to places that are so many further on.
    fn copy<const W: usize>(&mut self, base: &Segment<W>, band: usize, run: Range<u32>, shift: usize) {
        let (start, end) = (run.start as usize, run.end as usize);
        let first = band * base.counts.codes;
        let (from, to) = (first + start..first + end, start + shift..end + shift);
        let prints = base.prints();
        self.near[to.clone()].copy_from_slice(&prints.near[from.clone()]);
        self.far[to.clone()].copy_from_slice(&prints.far[from.clone()]);
        let postings = &base.memory.bytes()[base.layout.postings.clone()];
        for (place, at) in self.places[to].iter_mut().zip(from) {
            *place = base.posting(postings, at);
        }
    }
}

/// Writes numbers of a fixed number of bits one after another.
struct Packer<'a> {
    words: std::slice::IterMut<'a, u64>,
    bits: u32,
    pending: u64,
    filled: u32,
}

impl<'a> Packer<'a> {
    fn new(words: &'a mut [u64], bits: u32) -> Self {
        Self { words: words.iter_mut(), bits, pending: 0, filled: 0 }
    }

    fn push(&mut self, number: u32) {
        self.pending |= u64::from(number) << self.filled;
        self.filled += self.bits;
        if self.filled >= 64 {
            self.put();
            self.filled -= 64;
            self.pending = u64::from(number).checked_shr(self.bits - self.filled).unwrap_or(0);
        }
    }

    fn put(&mut self) {
        if let Some(word) = self.words.next() {
            *word = self.pending;
        }
    }

    fn finish(mut self) {
        self.put();
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
        let grown = base.grown(&codes[split..], &ids[split..]).unwrap();
        assert_eq!(grown.counts, whole.counts);
        assert!(grown.memory.bytes() == whole.memory.bytes());
        assert!(base.grows_by(codes.len() - split, true) == bands.is_none());
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
