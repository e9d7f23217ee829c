//! Postings that are written while others are read: for each band a cell for each value of its first bits.
//!
//! ```text
//! prints  for each cell a line: the number of its postings, 32 bits, and for each posting the 16 bits that follow those
//!         which chose the cell
//! places  for each cell two lines: where its overflow lies, 64 bits, and for each posting the place of its code, 20 bits,
//!         and the next 12 bits of the code
//! rest    overflows: prints as above, of some lines, and right behind them places
//! ```
//!
//! So a search finds the postings of a value at an address that it computes, and mostly reads a single cache line. The more
//! codes there are, the more bits choose the cell.
//!
//! What does not fit goes to an overflow, and an overflow that is full moves to where there is room for twice as much; who
//! reads it meanwhile finds it where it was.

use super::words::Words;
use crate::index::Code;
use crate::index::bands::Bands;
use crate::index::kernel::Cell;
use crate::index::spare::Spare;
use crate::plain::{AHEAD, prefetch_close};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// Words of a cache line.
const LINE: usize = 8;

/// Fingerprints in a word, and places.
const PRINTS: usize = 4;
const PLACES: usize = 2;

/// Codes that a cell has in the mean when it is filled: codes come in clumps, and some cells have twice as many.
const EVEN: usize = 12;

/// Bits of a place; the rest of 32 are the upper bits of the fingerprint.
pub(super) const PLACE: u32 = 20;

/// Bits of a fingerprint.
const PRINT: u32 = 16 + 32 - PLACE;

/// The most codes.
pub(super) const MOST: usize = 1 << PLACE;

/// The bits that choose a cell.
const WIDTHS: RangeInclusive<u32> = 8..=16;

/// Bits more than the codes that are there need: so that buckets are made anew for each four times as many.
const SPARE_BITS: u32 = 2;

/// The least words for overflows.
const REST: usize = 1 << 20;

/// Codes that are put into the cells of a band before those of the next.
const TOGETHER: usize = 256;

pub(super) struct Buckets {
    words: Words,
    bands: Bands,
    /// The bits of a band that choose the cell.
    width: u32,
    /// The first word that is in no fingerprints of cells.
    places: usize,
    /// The first word that is in no overflow.
    free: AtomicUsize,
    /// The codes that they are made for.
    capacity: usize,
}

/// There is no room.
#[derive(Debug)]
pub(super) struct Full;

/// Lines of fingerprints, and where their places lie.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    prints: usize,
    places: usize,
    lines: usize,
}

impl Room {
    /// An overflow by what is written of it.
    fn overflow(word: u64) -> Self {
        let (prints, lines) = (LINE * (word >> 32) as usize, word as u32 as usize);
        Self { prints, places: prints + LINE * lines, lines }
    }

    fn word(self) -> u64 {
        ((self.prints / LINE) as u64) << 32 | self.lines as u64
    }

    /// The most postings that lie there.
    #[inline(always)]
    fn most(self) -> usize {
        LINE * PRINTS * self.lines - Cell::SKIPPED
    }
}

impl Buckets {
    /// Empty cells for many more codes than so many, up to the greatest capacity.
    pub(super) fn new<const W: usize>(codes: usize, spare: &Arc<Spare>) -> io::Result<Self> {
        let bands = Bands::for_memtable(64 * W as u32);
        let width = (codes / EVEN).checked_ilog2().map_or(0, |width| width + SPARE_BITS);
        let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
        let places = (LINE * bands.count()) << width;
        let end = 3 * places;
        // The rest is but addresses until it is needed.
        let words = Words::new(end + end.max(REST), spare)?;
        words[..places].iter().step_by(LINE).for_each(|word| word.store(0, Relaxed));
        Ok(Self { words, bands, width, places, free: AtomicUsize::new(end), capacity: EVEN << width })
    }

    /// The codes that they are made for.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// With so many codes they overflow more and more, and larger ones are possible.
    pub(super) fn is_crowded(&self, codes: usize) -> bool {
        codes >= self.capacity && self.width < *WIDTHS.end()
    }

    /// The bits of a band that choose the cell: the first ones.
    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn bands(&self) -> Bands {
        self.bands
    }

    /// The words, for what looks through cells.
    #[inline(always)]
    pub(super) fn words(&self) -> &[AtomicU64] {
        &self.words
    }

    /// Where the postings of a value of the first bits of a band lie first.
    #[inline(always)]
    fn room(&self, band: usize, value: u32) -> Room {
        let prints = LINE * (band << self.width | value as usize);
        Room { prints, places: self.places + 2 * prints, lines: 1 }
    }

    /// What chooses the cell of a code in a band, and the [`PRINT`] bits that follow.
    #[inline(always)]
    pub(super) fn split<const W: usize>(&self, code: &Code<W>, band: usize) -> (u32, u32) {
        let (key, after) = (self.bands.key(code, band), self.bands.fingerprint(code, band));
        let all = u64::from(key) | u64::from(after) << self.bands.width(band);
        (key & ((1 << self.width) - 1), (all >> self.width) as u32 & ((1 << PRINT) - 1))
    }

    /// The number of postings of a cell, with those of its overflow.
    #[inline(always)]
    pub(super) fn len(&self, cell: Cell) -> usize {
        self.words[cell.word].load(Acquire) as u32 as usize
    }

    /// The cell of a value, with what is looked for in it.
    #[inline(always)]
    pub(super) fn cell(&self, band: usize, value: u32, fingerprint: u32, near: u8, limit: u8) -> Cell {
        Cell { word: self.room(band, value).prints, lines: 1, near, limit, fingerprint }
    }

    /// What does not fit into a cell, as another one.
    pub(super) fn overflow(&self, cell: Cell) -> Cell {
        let overflow = Room::overflow(self.words[self.places_of(cell)].load(Acquire));
        Cell { word: overflow.prints, lines: overflow.lines as u32, ..cell }
    }

    /// The first word of the places of a cell.
    #[inline(always)]
    fn places_of(&self, cell: Cell) -> usize {
        if cell.word < self.places {
            self.places + 2 * cell.word
        } else {
            cell.word + LINE * cell.lines as usize
        }
    }

    /// Asks for the word of where the overflow of a cell lies.
    pub(super) fn prefetch_overflow(&self, cell: Cell) {
        prefetch_close(&self.words, self.places_of(cell));
    }

    /// Asks for the place of a posting of a cell, of which the place of its fingerprint is known.
    #[inline(always)]
    pub(super) fn prefetch_place(&self, cell: Cell, print: usize) {
        prefetch_close(&self.words, self.places_of(cell) + (print - PRINTS * cell.word) / PLACES);
    }

    /// The place of a posting of a cell, if its whole fingerprint passes.
    #[inline(always)]
    pub(super) fn place(&self, cell: Cell, print: usize) -> Option<u32> {
        let number = print - PRINTS * cell.word;
        let place = get::<32>(&self.words[self.places_of(cell) + number / PLACES], number % PLACES);
        let near = get::<16>(&self.words[print / PRINTS], print % PRINTS);
        let whole = near | place >> PLACE << 16;
        let apart = (whole as u32 ^ cell.fingerprint).count_ones();
        (apart <= u32::from(cell.limit)).then_some(place as u32 & ((1 << PLACE) - 1))
    }

    /// Appends the postings of codes, each with its place. One thread at a time may.
    ///
    /// # Errors
    /// If there is no room. Some of the codes then have some of their postings.
    pub(super) fn append<const W: usize>(&self, codes: &[Code<W>], places: &[u32]) -> Result<(), Full> {
        let mut cells = [(Room::default(), 0); TOGETHER];
        // Band by band: cells of few bands are in the caches.
        for band in 0..self.bands.count() {
            for (codes, places) in codes.chunks(TOGETHER).zip(places.chunks(TOGETHER)) {
                // What a posting needs is asked for ahead, in two steps: its cell, and where its place goes there.
                for step in 0..codes.len() + 2 * AHEAD {
                    if let Some(code) = codes.get(step) {
                        let (value, print) = self.split(code, band);
                        cells[step] = (self.room(band, value), print);
                        prefetch_close(&self.words, cells[step].0.prints);
                    }
                    if (AHEAD..codes.len() + AHEAD).contains(&step) {
                        let room = cells[step - AHEAD].0;
                        let len = self.words[room.prints].load(Relaxed) as u32 as usize;
                        let number = Cell::SKIPPED + len.min(room.most());
                        prefetch_close(&self.words, room.places + number / PLACES);
                    }
                    if let Some(number) = step.checked_sub(2 * AHEAD) {
                        let (room, print) = cells[number];
                        self.push(room, print, places[number])?;
                    }
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn push(&self, room: Room, print: u32, place: u32) -> Result<(), Full> {
        let head = &self.words[room.prints];
        let len = head.load(Relaxed) as u32 as usize;
        if len < room.most() {
            self.write(room, len, print, place);
        } else {
            self.push_over(room, len - room.most(), print, place)?;
        }
        head.store(head.load(Relaxed) + 1, Release);
        Ok(())
    }

    /// Adds a posting to the overflow of a room, which has so many.
    #[cold]
    fn push_over(&self, of: Room, len: usize, print: u32, place: u32) -> Result<(), Full> {
        let link = &self.words[of.places];
        let mut room = if len == 0 { self.begin(1)? } else { Room::overflow(link.load(Relaxed)) };
        if len == room.most() {
            let before = room;
            room = self.begin(2 * before.lines)?;
            self.copy(before.prints, room.prints, LINE * before.lines);
            self.copy(before.places, room.places, 2 * LINE * before.lines);
        }
        self.write(room, len, print, place);
        let head = &self.words[room.prints];
        head.store(head.load(Relaxed) + 1, Release);
        link.store(room.word(), Release);
        Ok(())
    }

    /// Takes room for an overflow, which is empty.
    fn begin(&self, lines: usize) -> Result<Room, Full> {
        let prints = self.free.load(Relaxed);
        let end = prints + 3 * LINE * lines;
        if end > self.words.len() || end / LINE > u32::MAX as usize {
            return Err(Full);
        }
        self.free.store(end, Relaxed);
        self.words[prints].store(0, Relaxed);
        Ok(Room { prints, places: prints + LINE * lines, lines })
    }

    fn copy(&self, from: usize, to: usize, words: usize) {
        for (from, to) in self.words[from..][..words].iter().zip(&self.words[to..]) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }

    /// Writes a posting. What else is in its words stays.
    #[inline(always)]
    fn write(&self, room: Room, number: usize, print: u32, place: u32) {
        let number = Cell::SKIPPED + number;
        let (near, far) = (print as u16, print >> 16);
        set::<16>(&self.words[room.prints + number / PRINTS], number % PRINTS, near.into());
        let place = place | far << PLACE;
        set::<32>(&self.words[room.places + number / PLACES], number % PLACES, place.into());
    }
}

/// One of the numbers of some bits that a word consists of.
#[inline(always)]
fn get<const BITS: usize>(word: &AtomicU64, number: usize) -> u64 {
    word.load(Relaxed) >> (BITS * number) & ((1 << BITS) - 1)
}

/// Replaces one of the numbers of some bits that a word consists of. Whoever sees it sees what was written before: the
/// word may hold the number of postings, too.
#[inline(always)]
fn set<const BITS: usize>(word: &AtomicU64, number: usize, value: u64) {
    let mask = (1 << BITS) - 1;
    word.store(word.load(Relaxed) & !(mask << (BITS * number)) | value << (BITS * number), Release);
}
