//! Segments as files: written once, checked, and opened by mapping.

use super::layout::{Counts, Fields, HEADER, Layout, MAGIC, TRAILER, VERSION, place_bits};
use super::{Memory, Segment};
use crate::index::{Width, bands::Bands, kernel::Level};
use crate::plain as bytes;
use crate::shared::Bytes;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock};

/// Why a segment could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be read or mapped.
    #[error("cannot read the segment")]
    Io(#[from] io::Error),
    /// The file does not begin like a segment.
    #[error("not a segment file")]
    Magic,
    /// The file was written by another version.
    #[error("segment version {got}, expected {expected}")]
    Version {
        /// What this version of the crate reads.
        expected: u32,
        /// What the file says.
        got: u32,
    },
    /// The file holds codes of another width.
    #[error("segment of codes of {got} bits, expected {expected}")]
    Width {
        /// Bits of the codes asked for.
        expected: u32,
        /// Bits of the codes in the file.
        got: u64,
    },
    /// The header is damaged.
    #[error("the segment's header is damaged")]
    Header,
    /// The list of segments is damaged.
    #[error("the index's manifest is damaged")]
    Manifest,
    /// The file is cut off, or has more than it should.
    #[error("segment of {got} bytes, expected {expected}")]
    Length {
        /// What the header says.
        expected: u64,
        /// Bytes of the file.
        got: u64,
    },
}

/// What is wrong inside a segment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The contents are not what was written.
    #[error("checksum {got:08x}, expected {expected:08x}")]
    Checksum {
        /// As stored.
        expected: u32,
        /// As computed.
        got: u32,
    },
    /// The contents have a sound checksum and contradict each other.
    #[error("the segment's tables contradict each other")]
    Inconsistent,
}

impl<const W: usize> Segment<W> {
    /// Writes the segment to a new file and waits until it is on disk. The directory is the caller's to synchronise.
    ///
    /// # Errors
    /// Those of the file system; among them that the file exists.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let file = File::create_new(path)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        self.write_to(&mut out)?;
        out.into_inner()?.sync_all()
    }

    /// Writes the bytes of the file.
    pub(crate) fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let bytes = self.memory.bytes();
        out.write_all(&bytes[..bytes.len().min(self.layout.length - TRAILER)])?;
        out.write_all(self.trailer())
    }

    /// The checksum of its file. What was damaged since it was written must not get one that fits.
    fn trailer(&self) -> &[u8; TRAILER] {
        self.trailer.get_or_init(|| match (&self.memory, self.memory.bytes().last_chunk()) {
            (Memory::File(_) | Memory::Shared(_), Some(trailer)) => *trailer,
            _ => self.checksum().to_le_bytes(),
        })
    }

    /// Whether a file begins and ends as this segment's does and is as long, by which others are told from it.
    pub(in crate::index) fn is_in(&self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let (mut header, mut trailer) = ([0; HEADER], [0; TRAILER]);
        file.read_exact(&mut header)?;
        let length = file.seek(SeekFrom::End(-(TRAILER as i64)))? + TRAILER as u64;
        file.read_exact(&mut trailer)?;
        let is_as_long = length == self.layout.length as u64;
        Ok(is_as_long && self.memory.bytes().starts_with(&header) && *self.trailer() == trailer)
    }

    /// Maps a segment file. Takes the same short time for every size: only the header, with its own checksum, and the
    /// length are checked. So sizes, bands and the places of all sections are right.
    ///
    /// Codes, ids and tables are not read until they are searched. In a file that is damaged there and was not
    /// [verified](Self::verify), a search may miss codes, and report a code under the ids of others or under none; a
    /// damaged table may also name the same ids for many codes, which a cap on the results bounds. Whatever a table
    /// says, a bucket holds at most all codes, and a place outside its section is skipped: nothing outside the file is
    /// read. A distance is always that of the code as the file holds it. The file must not be changed or cut off while
    /// it is open.
    ///
    /// # Errors
    /// If the file is not a whole segment of codes of `W` words.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length < HEADER as u64 {
            return Err(OpenError::Length { expected: HEADER as u64, got: length });
        }
        Self::of(Memory::File(bytes::map(&file)?))
    }

    /// As [`open`](Self::open), of a file that was mapped already.
    pub(crate) fn from_bytes(mapped: Bytes) -> Result<Self, OpenError> {
        if !mapped.as_ptr().addr().is_multiple_of(bytes::ALIGN) {
            return Err(OpenError::Header);
        }
        Self::of(Memory::Shared(mapped))
    }

    fn of(memory: Memory) -> Result<Self, OpenError> {
        let () = Width::<W>::SUPPORTED;
        let (bytes, got) = (memory.bytes(), memory.bytes().len() as u64);
        let short = OpenError::Length { expected: HEADER as u64, got };
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(short)?;
        let counts = check_header::<W>(header, got)?;
        let layout = Layout::new(&counts).ok_or(OpenError::Header)?;
        if layout.length != bytes.len() {
            return Err(OpenError::Length { expected: layout.length as u64, got });
        }
        Ok(Self {
            memory,
            counts,
            layout,
            level: Level::best(),
            home: Mutex::default(),
            trailer: OnceLock::new(),
        })
    }

    /// Reads the whole segment and checks what [`open`](Self::open) leaves: that every byte behind the header has the
    /// checksum that was written, that the tables rise and end where what they point to ends, and that no id lies
    /// outside the span that the header names. A segment that passes answers as the one that was written.
    ///
    /// # Errors
    /// If the contents are not what was written, or are not what a writer of segments writes.
    pub fn verify(&self) -> Result<(), VerifyError> {
        let bytes = self.memory.bytes();
        if let Memory::File(_) | Memory::Shared(_) = self.memory {
            let trailer = bytes.last_chunk::<TRAILER>().ok_or(VerifyError::Inconsistent)?;
            let (expected, got) = (u32::from_le_bytes(*trailer), self.checksum());
            if expected != got {
                return Err(VerifyError::Checksum { expected, got });
            }
        }
        self.consistent().then_some(()).ok_or(VerifyError::Inconsistent)
    }

    fn checksum(&self) -> u32 {
        crc32fast::hash(&self.memory.bytes()[self.layout.body()])
    }

    /// The tables rise, and end where what they point to ends.
    fn consistent(&self) -> bool {
        let rises = |table: &[u32], end: usize| {
            table.is_sorted() && table.last().is_some_and(|&last| last as usize == end)
        };
        let (least, greatest) = self.span();
        self.packed_ids().is_consistent(self.counts.codes)
            && self.all_ids().all(|id| (least..=greatest).contains(&id))
            && (0..self.layout.offsets.len()).all(|band| rises(self.offsets(band), self.counts.codes))
    }
}

fn check_header<const W: usize>(header: &[u8; HEADER], length: u64) -> Result<Counts, OpenError> {
    let fields = Fields::read(header);
    if fields.magic != MAGIC {
        return Err(OpenError::Magic);
    }
    if !(VERSION - 1..=VERSION).contains(&fields.version) {
        return Err(OpenError::Version { expected: VERSION, got: fields.version });
    }
    if !fields.intact {
        return Err(OpenError::Header);
    }
    if fields.words as usize != W {
        return Err(OpenError::Width { expected: 64 * W as u32, got: 64 * u64::from(fields.words) });
    }
    if fields.length != length {
        return Err(OpenError::Length { expected: fields.length, got: length });
    }
    let bands = match (fields.bands, fields.in_words) {
        (0, 0) => None,
        (count, 0) => Some(Bands::new(64 * W as u32, count).ok_or(OpenError::Header)?),
        (count, width) => {
            let cut = Bands::words(width).filter(|cut| W == 2 && cut.count() == count as usize);
            Some(cut.ok_or(OpenError::Header)?)
        }
    };
    let counts = Counts {
        words: W,
        codes: usize::try_from(fields.codes).map_err(|_| OpenError::Header)?,
        ids: usize::try_from(fields.ids).map_err(|_| OpenError::Header)?,
        bands,
        least: fields.least,
        greatest: fields.greatest,
        low: fields.low,
        posting_bits: fields.posting_bits,
    };
    let is_packed =
        (place_bits(counts.codes)..=u32::BITS).contains(&counts.posting_bits) && counts.low <= u32::BITS;
    is_packed.then_some(counts).ok_or(OpenError::Header)
}

#[cfg(test)]
mod tests {
    use super::super::{Scratch, bits::Packer};
    use super::*;
    use proptest::prelude::*;

    /// A segment with postings, equal codes, and its bytes.
    fn written(folder: &Path) -> Vec<u8> {
        let codes: Vec<[u64; 2]> =
            (0..6000u64).map(|i| [(i % 5800).wrapping_mul(0x9e37_79b9_7f4a_7c15), i % 5800 % 7]).collect();
        let ids: Vec<u64> = (100..6100).collect();
        let path = folder.join("whole");
        Segment::build(&codes, &ids).unwrap().write(&path).unwrap();
        std::fs::read(path).unwrap()
    }

    fn open_bytes(folder: &Path, bytes: &[u8]) -> Result<Segment<2>, OpenError> {
        let path = folder.join("tested");
        std::fs::write(&path, bytes).unwrap();
        Segment::open(&path)
    }

    #[test]
    fn a_whole_file_is_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = written(folder.path());
        let segment = open_bytes(folder.path(), &bytes).unwrap();
        segment.verify().unwrap();
        assert_eq!((segment.len(), segment.distinct()), (6000, 5800));
        assert!(segment.ids(0).eq([100, 5900]));
        assert!(matches!(
            Segment::<4>::open(&folder.path().join("tested")),
            Err(OpenError::Width { got: 128, .. })
        ));
    }

    #[test]
    fn damage_is_an_error_and_searches_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = written(folder.path());
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let damage = (any::<prop::sample::Index>(), 1u8.., any::<bool>(), prop_oneof![Just(1), 1usize..9000]);
        let tested = runner.run(&damage, |(at, flip, in_header, length)| {
            let at = at.index(if in_header { HEADER } else { bytes.len() });
            let mut damaged = bytes.clone();
            let end = bytes.len().min(at + if in_header { 1 } else { length });
            damaged[at..end].iter_mut().for_each(|byte| *byte ^= flip);
            if let Ok(segment) = open_bytes(folder.path(), &damaged) {
                prop_assert!(at >= HEADER);
                let mut scratch = super::super::Scratch::default();
                let mut batch = super::super::batch::BatchScratch::default();
                // The zeros between the parts are the only bytes that nothing depends on, but the checksum covers them.
                prop_assert!(segment.verify().is_err());
                for code in [[0; 2], [u64::MAX; 2], segment.codes()[17]] {
                    for radius in [0, 16, 31, 128] {
                        segment.search(&code, radius, &mut scratch);
                        scratch.found.iter().for_each(|found| {
                            segment.ids(found.place as usize).for_each(drop);
                        });
                    }
                }
                for radius in [16, 31] {
                    let codes = [segment.codes()[17], segment.codes()[17], [0; 2], segment.codes()[18]];
                    segment.search_batch(&codes, radius, &mut batch);
                    batch.found.iter().for_each(|(_, found)| {
                        segment.ids(found.place as usize).for_each(drop);
                    });
                }
            } else {
                prop_assert!(at < HEADER);
            }
            Ok(())
        });
        tested.unwrap();
    }

    #[test]
    fn a_file_that_is_cut_off_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = written(folder.path());
        for length in [0, 7, HEADER - 1, HEADER, HEADER + 1, bytes.len() / 2, bytes.len() - 1] {
            assert!(matches!(open_bytes(folder.path(), &bytes[..length]), Err(OpenError::Length { .. })));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(open_bytes(folder.path(), &longer), Err(OpenError::Length { .. })));
    }

    #[test]
    fn the_version_before_is_read() {
        let codes: Vec<[u64; 2]> =
            (0..3000).map(|i| [u64::wrapping_mul(i, 0x9e37_79b9_7f4a_7c15), i % 7]).collect();
        let ids: Vec<u64> = (0..3000).collect();
        let segment = Segment::build(&codes, &ids).unwrap();
        let counts = Counts { posting_bits: place_bits(3000), ..segment.counts };
        let (layout, old) = (Layout::new(&counts).unwrap(), &segment.layout);
        assert!((counts.posting_bits, layout.length) < (segment.counts.posting_bits, old.length));
        let bytes = segment.memory.bytes();
        let mut packed = bytes[..layout.postings.start].to_vec();
        packed[..HEADER].copy_from_slice(&counts.header(layout.length));
        packed[MAGIC.len()..][..4].copy_from_slice(&3u32.to_le_bytes());
        let header = crc32fast::hash(&packed[..HEADER - 4]);
        packed[HEADER - 4..HEADER].copy_from_slice(&header.to_le_bytes());
        let places = 3000 * counts.bands.unwrap().count();
        let mut words = vec![0; layout.postings.len().div_ceil(8)];
        let mut packer = Packer::new(&mut words);
        let place = |at: usize| segment.posting(&bytes[old.postings.clone()], at);
        (0..places).for_each(|at| packer.push(u64::from(place(at)), counts.posting_bits));
        packer.finish();
        packed.extend(&bytes::bytes_of(&words)[..layout.postings.len()]);
        packed.resize(layout.length - TRAILER, 0);
        let trailer = crc32fast::hash(&packed[HEADER..]);
        packed.extend(trailer.to_le_bytes());

        let folder = tempfile::tempdir().unwrap();
        let read = open_bytes(folder.path(), &packed).unwrap();
        read.verify().unwrap();
        for query in codes.iter().step_by(100) {
            let [mut expected, mut found] = [Scratch::default(), Scratch::default()];
            segment.search(query, 15, &mut expected);
            read.search(query, 15, &mut found);
            assert_eq!(found.found, expected.found);
        }
    }

    #[test]
    fn another_version_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = written(folder.path());
        bytes[8] = 9;
        assert!(matches!(open_bytes(folder.path(), &bytes), Err(OpenError::Version { expected: 4, got: 9 })));
        bytes[0] = 0;
        assert!(matches!(open_bytes(folder.path(), &bytes), Err(OpenError::Magic)));
    }
}
