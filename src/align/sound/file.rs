//! Tracks as a file, which is written once and mapped.
//!
//! ```text
//! head      64 bytes: magic, version u32, CRC-32 of the directory u32, length u64, spans u64, words u64, listed u64,
//!           zeros, CRC-32 of these 60 bytes
//! directory spans × (reference, first word, number of words, CRC-32 of the words: u32 each), zeros,
//!           (keys + 1) × u32: where the places of each key begin, of as many keys as `table::bits` tells; none where
//!           none are listed
//! words     words × u32
//! places    listed × u32
//! sketches  listed × u64
//! trailer   CRC-32 of all before it
//! ```
//!
//! All numbers are little-endian. Every part begins at a multiple of 64 bytes, with zeros before it. Head and directory
//! are checked when a file is opened, the words of a reference when they are first compared. Places and sketches only
//! propose where to look; of short tracks they are not kept, but made when they are asked for.

use super::RefId;
use super::table::{Table, bits, keys};
use super::tracks::{Span, Tracks, checksum};
use crate::fingerprint::Cursor;
use crate::plain::{ALIGN, Column, bytes_of};
use crate::shared::Bytes;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::OnceLock;

const MAGIC: [u8; 8] = *b"AFTRTRKS";
const VERSION: u32 = 2;
const HEAD: usize = 64;
const SPAN: usize = 16;
const TRAILER: usize = 4;

/// Words from which on the table is kept: two hours, which are sorted in no time.
const LONG: usize = 1 << 17;

/// Where everything lies.
struct Layout {
    spans: Range<usize>,
    starts: Range<usize>,
    words: Range<usize>,
    places: Range<usize>,
    sketches: Range<usize>,
    /// With the trailer.
    length: usize,
}

impl Layout {
    fn new(spans: usize, words: usize, listed: usize) -> Option<Self> {
        let mut end = HEAD;
        let mut part = |count: usize, each: usize| {
            let start = end.checked_next_multiple_of(ALIGN)?;
            end = start.checked_add(count.checked_mul(each)?)?;
            Some(start..end)
        };
        Some(Self {
            spans: part(spans, SPAN)?,
            starts: part(if listed == 0 { 0 } else { keys(bits(listed)) + 1 }, 4)?,
            words: part(words, 4)?,
            places: part(listed, 4)?,
            sketches: part(listed, 8)?,
            length: part(TRAILER, 1)?.end,
        })
    }

    fn directory(&self) -> Range<usize> {
        self.spans.start..self.starts.end
    }
}

impl Tracks {
    /// Writes the file.
    pub(crate) fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let none = Table::default();
        let table = if self.words.len() < LONG { &none } else { self.table() };
        let too_many = || io::Error::from(io::ErrorKind::FileTooLarge);
        let layout = Layout::new(self.spans.len(), self.words.len(), table.places.len());
        let layout = layout.ok_or_else(too_many)?;
        let mut directory = Vec::with_capacity(layout.directory().len());
        for (reference, words) in self.iter() {
            let start = self.spans[&reference].range.start;
            let numbers = [start, words.len()].map(|number| u32::try_from(number).map_err(|_| too_many()));
            let [start, length] = numbers;
            for number in [reference, start?, length?, checksum(words)] {
                directory.extend(number.to_le_bytes());
            }
        }
        if directory.len() != layout.spans.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the tracks were changed since they were mapped",
            ));
        }
        directory.resize(layout.starts.start - layout.spans.start, 0);
        directory.extend(bytes_of(&table.starts));
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend(crc32fast::hash(&directory).to_le_bytes());
        for number in [layout.length, self.spans.len(), self.words.len(), table.places.len()] {
            head.extend((number as u64).to_le_bytes());
        }
        head.resize(HEAD - 4, 0);
        head.extend(crc32fast::hash(&head).to_le_bytes());

        let mut sum = crc32fast::Hasher::new();
        let mut at = 0;
        let parts = [
            (0, &head[..]),
            (layout.spans.start, &directory),
            (layout.words.start, bytes_of(&self.words)),
            (layout.places.start, bytes_of(&table.places)),
            (layout.sketches.start, bytes_of(&table.sketches)),
            (layout.length - TRAILER, &[]),
        ];
        for (start, bytes) in parts {
            let zeros = &[0; ALIGN][..start - at];
            for bytes in [zeros, bytes] {
                sum.update(bytes);
                out.write_all(bytes)?;
            }
            at = start + bytes.len();
        }
        out.write_all(&sum.finalize().to_le_bytes())
    }

    /// The tracks of a file; `None` where it is none, or of another version, or damaged.
    pub(crate) fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let (front, sum) = bytes.first_chunk::<HEAD>()?.split_last_chunk::<4>()?;
        let mut head = Cursor(front);
        let known = head.array() == Some(MAGIC) && head.u32() == Some(VERSION);
        if !known || crc32fast::hash(front) != u32::from_le_bytes(*sum) {
            return None;
        }
        let sum = head.u32()?;
        let mut number = || usize::try_from(head.u64()?).ok();
        let (length, spans, words, listed) = (number()?, number()?, number()?, number()?);
        let layout = Layout::new(spans, words, listed)?;
        if length != bytes.len() || layout.length != length {
            return None;
        }
        if crc32fast::hash(bytes.get(layout.directory())?) != sum {
            return None;
        }
        let mut entries = Cursor(bytes.get(layout.spans)?);
        let mut known = BTreeMap::new();
        for _ in 0..spans {
            let (reference, start, length, sum): (RefId, _, _, _) =
                (entries.u32()?, entries.u32()? as usize, entries.u32()? as usize, entries.u32()?);
            let checked = Some((sum, OnceLock::new()));
            known.insert(reference, Span { range: start..start.checked_add(length)?, checked });
        }
        let table = || {
            Some(Table {
                starts: Column::shared(bytes.slice(layout.starts)?)?,
                places: Column::shared(bytes.slice(layout.places)?)?,
                sketches: Column::shared(bytes.slice(layout.sketches)?)?,
            })
        };
        let table = if listed == 0 { None } else { Some(table()?) };
        if table.as_ref().is_some_and(|table| !table.is_whole()) {
            return None;
        }
        let words = Column::shared(bytes.slice(layout.words)?)?;
        Self::new(words, known, table)
    }

    /// Whether the bytes of a file are those that were written.
    pub(crate) fn is_intact(bytes: &[u8]) -> bool {
        let split = bytes.split_last_chunk::<TRAILER>();
        split.is_some_and(|(content, sum)| crc32fast::hash(content) == u32::from_le_bytes(*sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::sound::null::scrambled;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    fn tracks(most: u64) -> Tracks {
        let mut tracks = Tracks::default();
        for reference in [3, 5, 9, 11] {
            let first = u64::from(reference) << 20;
            let length = if reference == 9 { 0 } else { most + u64::from(reference) };
            tracks.insert(reference, (first..first + length).map(scrambled));
        }
        tracks
    }

    /// As a file is mapped: at the start of a page.
    fn mapped(bytes: &[u8]) -> Bytes {
        let mut memory = memmap2::MmapMut::map_anon(bytes.len().max(1)).unwrap();
        memory[..bytes.len()].copy_from_slice(bytes);
        Bytes::new(memory).slice(0..bytes.len()).unwrap()
    }

    fn written(tracks: &Tracks) -> Vec<u8> {
        let mut bytes = Vec::new();
        tracks.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_file_brings_the_tracks_back() {
        for length in [700, LONG as u64 / 3] {
            let tracks = tracks(length);
            let bytes = written(&tracks);
            assert!(Tracks::is_intact(&bytes));
            let read = Tracks::from_bytes(&mapped(&bytes)).unwrap();
            assert_eq!(read.is_sorted(), length > 700);
            assert!(read.iter().eq(tracks.iter()));
            assert_eq!(read.words(), tracks.words());
            assert!((0..tracks.words().len()).step_by(97).all(|at| read.owner(at) == tracks.owner(at)));
            assert!(
                (0..keys(tracks.table().lists().bits))
                    .all(|key| read.table().lists().of(key) == tracks.table().lists().of(key))
            );
            assert_eq!(written(&read), bytes);
        }
        assert!(Tracks::from_bytes(&mapped(&written(&Tracks::default()))).is_some());
    }

    #[test]
    fn what_was_damaged_is_not_compared() {
        damage(&tracks(700), 60);
        damage(&tracks(LONG as u64 / 3), 30);
    }

    fn damage(tracks: &Tracks, cases: u32) {
        let bytes = written(tracks);
        let tested = |at: usize, flip: u8| {
            let mut bad = bytes.clone();
            bad[at] ^= flip;
            assert!(!Tracks::is_intact(&bad));
            let Some(read) = Tracks::from_bytes(&mapped(&bad)) else { return false };
            for (reference, words) in read.iter() {
                assert_eq!(Some(words), tracks.of(reference));
            }
            assert!(
                (0..keys(read.table().lists().bits))
                    .all(|key| read.table().lists().of(key).0.end <= read.table().places.len())
            );
            true
        };
        let listed = Tracks::from_bytes(&mapped(&bytes)).unwrap().table.get().map_or(0, |t| t.places.len());
        let directory = Layout::new(4, 0, listed).unwrap().directory().end;
        let mut runner = TestRunner::new_with_rng(
            Config::with_cases(cases),
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        );
        runner
            .run(&(any::<prop::sample::Index>(), 1u8.., any::<bool>()), |(at, flip, early)| {
                let at = at.index(if early { 1000 } else { bytes.len() });
                let opened = tested(at, flip);
                prop_assert!(!opened || at >= HEAD);
                prop_assert!(!(HEAD..directory).contains(&at) || !opened);
                Ok(())
            })
            .unwrap();
        for length in [0, 1, HEAD, HEAD + 1, bytes.len() / 2, bytes.len() - 1] {
            assert!(Tracks::from_bytes(&mapped(&bytes[..length])).is_none());
        }
    }
}
