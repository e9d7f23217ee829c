//! Makes a segment of a list of codes.

use super::bytes::{self, allocate, cast, cast_mut};
use super::fold::{Folded, fold};
use super::layout::{Counts, HEADER, Layout};
use super::{Memory, Segment};
use crate::index::{Code, bands::Bands, kernel::Level};
use std::io;
use std::sync::Mutex;

/// Fewer codes are not cut into bands: a scan is faster.
const LEAST_INDEXED: usize = 4096;

impl<const W: usize> Segment<W> {
    /// Makes a segment in memory of codes and their ids, which are as many.
    ///
    /// # Errors
    /// If there is no memory, or there are 2³² codes or more.
    pub fn build(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        let bands = (codes.len() >= LEAST_INDEXED).then(|| Bands::for_size(64 * W as u32, codes.len()));
        Self::build_with(codes, ids, bands)
    }

    /// As [`build`](Self::build), without postings: takes the least memory, and is searched by scans.
    ///
    /// # Errors
    /// As those of [`build`](Self::build).
    pub fn build_compact(codes: &[Code<W>], ids: &[u64]) -> io::Result<Self> {
        Self::build_with(codes, ids, None)
    }

    pub(super) fn build_with(codes: &[Code<W>], ids: &[u64], bands: Option<Bands>) -> io::Result<Self> {
        if codes.len() != ids.len() || codes.len() >= u32::MAX as usize {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let folded = fold(codes)?;
        let counts = Counts {
            words: W,
            codes: folded.firsts.len(),
            places: codes.len(),
            bands,
            least: ids.iter().copied().min().unwrap_or(u64::MAX),
            greatest: ids.iter().copied().max().unwrap_or(0),
        };
        let layout = Layout::new(&counts).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut memory = allocate(layout.length)?;
        memory[..HEADER].copy_from_slice(&counts.header(layout.length));
        let unique = cast_mut::<Code<W>>(&mut memory[layout.codes.clone()]);
        for (code, &first) in unique.iter_mut().zip(&folded.firsts) {
            *code = codes[first as usize];
        }
        write_ids(&mut memory, &layout, &folded, ids);
        drop(folded);
        if let Some(bands) = bands {
            write_postings::<W>(&mut memory, &layout, &counts, bands);
        }
        Ok(Self { memory: Memory::Own(memory), counts, layout, level: Level::best(), home: Mutex::default() })
    }
}

fn write_ids(memory: &mut [u8], layout: &Layout, folded: &Folded, ids: &[u64]) {
    if folded.firsts.len() == ids.len() {
        memory[layout.ids.clone()].copy_from_slice(bytes::bytes_of(ids));
        return;
    }
    let (before, after) = memory.split_at_mut(layout.ids.start);
    let ends = cast_mut::<u32>(&mut before[layout.ends.clone()]);
    for &number in &folded.number_of {
        ends[number as usize] += 1;
    }
    let mut sum = 0;
    for end in ends.iter_mut() {
        // For now where the ids begin; each id that is written moves it on.
        sum += std::mem::replace(end, sum);
    }
    let out = cast_mut::<u64>(&mut after[..layout.ids.len()]);
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

/// Sorts the codes by each band.
fn write_postings<const W: usize>(memory: &mut [u8], layout: &Layout, counts: &Counts, bands: Bands) {
    let (head, tail) = memory.split_at_mut(layout.near.start);
    let (codes, rest) = head.split_at_mut(layout.codes.end);
    let codes = cast::<Code<W>>(&codes[layout.codes.clone()]);
    let (prints, postings) = tail.split_at_mut(layout.postings.start - layout.near.start);
    let (near, far) = prints.split_at_mut(layout.far.start - layout.near.start);
    let near = cast_mut::<u16>(&mut near[..layout.near.len()]);
    let far = cast_mut::<u16>(&mut far[..layout.far.len()]);
    let mut packer = Packer::new(cast_mut::<u64>(postings), counts.posting_bits());
    let wide = bands.width(0) > ONE_ROUND;
    let mut items = vec![Item::default(); if wide { codes.len() } else { 0 }];
    let mut places = vec![0; codes.len()];
    for (band, offsets) in layout.offsets.iter().enumerate() {
        let offsets = offsets.start - layout.codes.end..offsets.end - layout.codes.end;
        let offsets = cast_mut::<u32>(&mut rest[offsets]);
        for code in codes {
            offsets[bands.key(code, band) as usize + 1] += 1;
        }
        for value in 1..offsets.len() {
            offsets[value] += offsets[value - 1];
        }
        let near = &mut near[band * codes.len()..][..codes.len()];
        let far = &mut far[band * codes.len()..][..codes.len()];
        let mut cursors = offsets.to_vec();
        let mut write = |item: &Item| {
            let cursor = &mut cursors[item.key as usize];
            near[*cursor as usize] = item.print as u16;
            far[*cursor as usize] = (item.print >> 16) as u16;
            places[*cursor as usize] = item.place;
            *cursor += 1;
        };
        let all = codes.iter().enumerate().map(|(place, code)| Item {
            key: bands.key(code, band),
            print: bands.fingerprint(code, band),
            place: place as u32,
        });
        if bands.width(band) <= ONE_ROUND {
            all.for_each(|item| write(&item));
        } else {
            let low = bands.width(band) / 2;
            let mut rough: Vec<u32> =
                offsets[..offsets.len() - 1].iter().step_by(1 << low).copied().collect();
            for item in all {
                let cursor = &mut rough[(item.key >> low) as usize];
                items[*cursor as usize] = item;
                *cursor += 1;
            }
            items.iter().for_each(write);
        }
        places.iter().for_each(|&place| packer.push(place));
    }
    packer.finish();
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
