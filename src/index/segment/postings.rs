//! Writes the postings of a segment: sorts its codes by each band.

use super::Segment;
use super::bits::{BytePacker, copy};
use super::fold::Folded;
use super::layout::{Counts, Layout};
use crate::index::{Code, bands::Bands, kernel::Prints};
use crate::plain::{cast, cast_mut};

/// A posting on its way into the bucket of its value: that, the fingerprint, and the place of the code.
pub(super) type Item = [u32; 3];

/// Bands of so many bits are sorted in one round of counting. Of wider ones it would write to so many places at once
/// that every write missed the caches; they take two.
const ONE_ROUND: u32 = 13;

/// A segment whose postings are in order already.
pub(super) struct Sorted<'a, const W: usize> {
    segment: &'a Segment<W>,
    /// The new place of each of its codes, or [`KNOWN`]. None are needed if all stay where they are.
    places: Option<Vec<u32>>,
}

/// The place of a code that another segment has, too.
const KNOWN: u32 = u32::MAX;

impl<'a, const W: usize> Sorted<'a, W> {
    /// Of segments, the codes of the first of which were folded with others that begin with those of the rest. Also
    /// returns the place of the first code that is in none of them.
    pub(super) fn of_all(segments: &[&'a Segment<W>], folded: &Folded) -> (Vec<Self>, usize) {
        let Some((&base, others)) = segments.split_first() else { return (Vec::new(), 0) };
        let mut all = vec![Self { segment: base, places: None }];
        let mut numbers = folded.number_of.iter().copied();
        let mut next = base.distinct() as u32;
        for &segment in others {
            let ids = segment.packed_ids().marked().zip(&mut numbers);
            let firsts = ids.filter(|((_, is_first), _)| *is_first);
            // What is new comes in order.
            let place = firsts.map(|(_, number)| {
                let is_new = number == next;
                next += u32::from(is_new);
                if is_new { number } else { KNOWN }
            });
            all.push(Self { segment, places: Some(place.collect()) });
        }
        (all, next as usize)
    }
}

/// Sorts the codes by each band. The postings of `sorted`, whose codes come first, are in order already: those from
/// `first` on are sorted by way of `items`, and all are merged.
pub(super) fn write_postings<const W: usize>(
    memory: &mut [u8],
    (layout, counts): (&Layout, &Counts),
    bands: Bands,
    (sorted, first): (&[Sorted<W>], usize),
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
        places: BytePacker::new(postings, counts.posting_bits as usize / 8),
        bits: counts.posting_bits,
        written: 0,
    };
    let mut buffer = Vec::new();
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
        let mut cursors = if wide { offsets.to_vec() } else { Vec::new() };
        let runs: Vec<Runs<W>> = sorted.iter().map(|sorted| Runs::new(sorted, band)).collect();
        let (before, mut start) = (out.written, 0);
        for (values, end) in (0..values).step_by(1 << low).zip(rough) {
            let mut bucket = &items[start as usize..end as usize];
            if wide {
                buffer.resize(bucket.len(), Item::default());
                for item in bucket {
                    let cursor = &mut cursors[item[0] as usize];
                    buffer[(*cursor - start) as usize] = *item;
                    *cursor += 1;
                }
                bucket = &buffer;
            }
            for value in values..values + (1 << low) {
                runs.iter().for_each(|runs| out.copy(runs, value));
                while let Some((item, rest)) = bucket.split_first()
                    && item[0] as usize == value
                {
                    out.push(item[1], item[2]);
                    bucket = rest;
                }
                offsets[value + 1] = (out.written - before) as u32;
            }
            start = end;
        }
    }
}

/// The postings of one band of a sorted segment.
struct Runs<'a, const W: usize> {
    sorted: &'a Sorted<'a, W>,
    offsets: &'a [u32],
    /// Where those of the band begin.
    first: usize,
    prints: Prints<'a>,
    postings: &'a [u8],
    /// Of a place.
    bits: u32,
}

impl<'a, const W: usize> Runs<'a, W> {
    fn new(sorted: &'a Sorted<W>, band: usize) -> Self {
        let segment = sorted.segment;
        Self {
            sorted,
            offsets: segment.offsets(band),
            first: band * segment.counts.codes,
            prints: segment.prints(),
            postings: &segment.memory.bytes()[segment.layout.postings.clone()],
            bits: segment.counts.posting_bits,
        }
    }
}

/// Postings that are written one after another.
struct Postings<'a> {
    near: &'a mut [u16],
    far: &'a mut [u16],
    places: BytePacker<'a>,
    /// Of a place.
    bits: u32,
    written: usize,
}

impl Postings<'_> {
    #[inline(always)]
    fn push(&mut self, print: u32, place: u32) {
        self.near[self.written] = print as u16;
        self.far[self.written] = (print >> 16) as u16;
        self.places.push(place);
        self.written += 1;
    }

    /// Copies those of one value.
    #[inline(always)]
    fn copy<const W: usize>(&mut self, runs: &Runs<W>, value: usize) {
        let at = |value: usize| runs.first + runs.offsets[value] as usize;
        let run = at(value)..at(value + 1);
        let place_at = |at: usize| runs.sorted.segment.posting(runs.postings, at);
        match &runs.sorted.places {
            Some(places) => {
                for at in run {
                    let place = places[place_at(at) as usize];
                    if place != KNOWN {
                        let (near, far) = (runs.prints.near[at], runs.prints.far[at]);
                        self.push(u32::from(near) | u32::from(far) << 16, place);
                    }
                }
            }
            None if run.is_empty() => {}
            None => {
                copy(runs.prints.near, run.clone(), self.near, self.written);
                copy(runs.prints.far, run.clone(), self.far, self.written);
                self.written += run.len();
                if runs.bits == self.bits {
                    self.places.copy(runs.postings, run);
                } else {
                    run.for_each(|at| self.places.push(place_at(at)));
                }
            }
        }
    }
}
