//! Where everything lies in a segment, in memory as in the file.
//!
//! ```text
//! header   128 bytes: magic, version, words, length, codes, ids, bands, bits of a band that begins a word (or 0),
//!          posting bits, bits of the lower half of an id, least id, greatest id, zeros, CRC-32 of the header
//! codes    codes × words × u64, each code once, in the order of first insertion
//! firsts   ids × 1 bit: it is the first of a code; empty if every code has one id
//! samples  codes / 64 × u32: where the ids of every 64th code begin; empty if every code has one id
//! ids      code by code: the lower half of each, and its upper half less that of the least, in as many bits as any
//!          of them needs
//! offsets  for each band (values + 1) × u32: where the postings of each value begin within the band
//! near     bands × codes × u16: for each posting the 16 bits that follow its band
//! far      bands × codes × u16: for each posting the 16 bits that follow those
//! postings bands × codes numbers of `posting bits` bits each: the place of the code
//! trailer  CRC-32 of all between header and trailer
//! ```
//!
//! All numbers are little-endian. Every part begins at a multiple of 64 bytes, with zeros before it.

use super::bits::{PADDING, packed_bytes};
use super::ids::{Widths, first_words, samples};
use crate::index::bands::Bands;
use crate::plain::ALIGN;
use std::ops::Range;

/// What every segment file begins with.
pub(super) const MAGIC: [u8; 8] = *b"AFTIMSEG";

/// The version of the layout. In the one before, places had as few bits as possible; it is read, too.
pub(super) const VERSION: u32 = 4;

/// Bytes of the header.
pub(super) const HEADER: usize = 128;

/// Bytes of the trailer.
pub(super) const TRAILER: usize = 4;

/// What the header says of the contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// 64-bit words of a code.
    pub(super) words: usize,
    /// Different codes.
    pub(super) codes: usize,
    pub(super) ids: usize,
    /// How codes are cut; `None` if there are no postings, and all searches scan.
    pub(super) bands: Option<Bands>,
    pub(super) least: u64,
    pub(super) greatest: u64,
    /// Bits of the lower half of an id.
    pub(super) low: u32,
    /// Bits that hold the place of a code.
    pub(super) posting_bits: u32,
}

/// The bits that places below so many need.
pub(super) fn place_bits(codes: usize) -> u32 {
    u32::BITS - u32::try_from(codes).unwrap_or(u32::MAX).leading_zeros()
}

impl Counts {
    /// Bits of an id.
    pub(super) fn id_widths(&self) -> Widths {
        Widths::new(self.least, self.greatest, self.low)
    }

    /// The bands, if every bit lies in one.
    pub(super) fn whole_bands(&self) -> Option<Bands> {
        self.bands.filter(|bands| bands.in_words().is_none())
    }

    fn band_count(&self) -> usize {
        self.bands.map_or(0, Bands::count)
    }

    /// The header's bytes for a file of `length`.
    pub(super) fn header(&self, length: usize) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            header[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&(self.words as u32).to_le_bytes());
        put(&(length as u64).to_le_bytes());
        put(&(self.codes as u64).to_le_bytes());
        put(&(self.ids as u64).to_le_bytes());
        put(&(self.band_count() as u32).to_le_bytes());
        put(&self.bands.and_then(Bands::in_words).unwrap_or(0).to_le_bytes());
        put(&self.posting_bits.to_le_bytes());
        put(&self.low.to_le_bytes());
        put(&self.least.to_le_bytes());
        put(&self.greatest.to_le_bytes());
        let checksum = crc32fast::hash(&header[..HEADER - 4]);
        header[HEADER - 4..].copy_from_slice(&checksum.to_le_bytes());
        header
    }
}

/// The numbers of a header, not yet believed.
pub(super) struct Fields {
    pub(super) magic: [u8; 8],
    pub(super) version: u32,
    pub(super) words: u32,
    pub(super) length: u64,
    pub(super) codes: u64,
    pub(super) ids: u64,
    pub(super) bands: u32,
    pub(super) in_words: u32,
    pub(super) posting_bits: u32,
    pub(super) low: u32,
    pub(super) least: u64,
    pub(super) greatest: u64,
    pub(super) intact: bool,
}

impl Fields {
    pub(super) fn read(header: &[u8; HEADER]) -> Self {
        let mut at = 0;
        Self {
            magic: take(header, &mut at),
            version: u32::from_le_bytes(take(header, &mut at)),
            words: u32::from_le_bytes(take(header, &mut at)),
            length: u64::from_le_bytes(take(header, &mut at)),
            codes: u64::from_le_bytes(take(header, &mut at)),
            ids: u64::from_le_bytes(take(header, &mut at)),
            bands: u32::from_le_bytes(take(header, &mut at)),
            in_words: u32::from_le_bytes(take(header, &mut at)),
            posting_bits: u32::from_le_bytes(take(header, &mut at)),
            low: u32::from_le_bytes(take(header, &mut at)),
            least: u64::from_le_bytes(take(header, &mut at)),
            greatest: u64::from_le_bytes(take(header, &mut at)),
            intact: crc32fast::hash(&header[..HEADER - 4]).to_le_bytes() == header[HEADER - 4..],
        }
    }
}

/// The next bytes of a header, whose fields all lie inside it.
fn take<const N: usize>(header: &[u8; HEADER], at: &mut usize) -> [u8; N] {
    let from = *at;
    *at += N;
    std::array::from_fn(|i| header[from + i])
}

/// The byte ranges of the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) codes: Range<usize>,
    pub(super) firsts: Range<usize>,
    pub(super) samples: Range<usize>,
    pub(super) ids: Range<usize>,
    /// One range a band.
    pub(super) offsets: Vec<Range<usize>>,
    pub(super) near: Range<usize>,
    pub(super) far: Range<usize>,
    pub(super) postings: Range<usize>,
    /// Of the whole, with the trailer.
    pub(super) length: usize,
}

impl Layout {
    /// `None` if the sizes are beyond what can be addressed.
    pub(super) fn new(counts: &Counts) -> Option<Self> {
        let mut end = HEADER;
        let mut part = |bytes: usize| {
            let start = end.checked_next_multiple_of(ALIGN)?;
            end = start.checked_add(bytes)?;
            Some(start..end)
        };
        let Counts { words, codes, ids, .. } = *counts;
        if codes > u32::MAX as usize || ids > u32::MAX as usize || ids < codes {
            return None;
        }
        let codes_range = part(codes.checked_mul(8 * words)?)?;
        let (firsts, samples) = if ids == codes { (0, 0) } else { (first_words(ids), samples(codes)) };
        let (firsts, samples) = (part(8 * firsts)?, part(4 * samples)?);
        let ids = part(packed_bytes(ids, counts.id_widths().sum())?)?;
        let offsets = match counts.bands {
            Some(bands) => {
                (0..bands.count()).map(|band| part(4 * (bands.values(band) + 1))).collect::<Option<_>>()?
            }
            None => Vec::new(),
        };
        let postings = codes.checked_mul(counts.band_count())?;
        let near = part(postings.checked_mul(2)?)?;
        let far = part(postings.checked_mul(2)?)?;
        let postings = part(packed_bytes(postings, counts.posting_bits)?)?;
        let length = part(TRAILER)?.end;
        Some(Self { codes: codes_range, firsts, samples, ids, offsets, near, far, postings, length })
    }

    /// What holds zeros unless something else is written there: all but the codes, the fingerprints and the postings,
    /// every byte of which is written.
    pub(super) fn sparse(&self) -> [Range<usize>; 4] {
        let last = self.postings.end - PADDING.min(self.postings.len());
        [
            self.codes.end..self.near.start,
            self.near.end..self.far.start,
            self.far.end..self.postings.start,
            last..self.length,
        ]
    }

    /// The bytes that the trailer's checksum covers.
    pub(super) fn body(&self) -> Range<usize> {
        HEADER..self.length - TRAILER
    }
}
