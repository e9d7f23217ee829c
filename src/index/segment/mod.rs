//! An immutable set of codes, sorted for search, in memory or in a mapped file.

mod batch;
mod batch_plan;
mod bits;
mod build;
mod collide;
mod cost;
mod file;
mod fold;
mod ids;
mod layout;
mod postings;
mod search;
mod sought;

pub(super) use batch::BatchScratch;
pub(super) use collide::{CollideScratch, scan_for_collisions, together};
pub use file::{OpenError, VerifyError};
pub(super) use search::Scratch;

use super::Code;
use super::kernel::{Level, Prints};
use crate::index::spare;
use crate::plain::{cast, prefetch};
use crate::shared::Bytes;
use bits::bits_at;
use ids::Ids;
use layout::{Counts, Layout, TRAILER};
use memmap2::Mmap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Codes that were written once and are only read.
pub struct Segment<const W: usize> {
    memory: Memory,
    counts: Counts,
    layout: Layout,
    level: Level,
    /// The folder that has it as a file, and the file's number.
    home: Mutex<Option<(PathBuf, u64)>>,
    /// The last bytes of its file, once they are known.
    trailer: OnceLock<[u8; TRAILER]>,
}

/// Where the bytes lie.
enum Memory {
    Own(spare::Memory),
    File(Mmap),
    /// A file that somebody else mapped.
    Shared(Bytes),
}

impl Memory {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(memory) => memory,
            Self::File(file) => file,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<const W: usize> Segment<W> {
    /// The number of ids.
    pub fn len(&self) -> usize {
        self.counts.ids
    }

    /// Nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of different codes.
    pub fn distinct(&self) -> usize {
        self.counts.codes
    }

    /// Bytes of the segment, in memory or in its file.
    pub fn bytes(&self) -> usize {
        self.layout.length
    }

    /// The number of the segment's file in a folder.
    pub(super) fn home(&self, folder: &Path) -> Option<u64> {
        let home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        home.as_ref().filter(|(home, _)| home == folder).map(|(_, number)| *number)
    }

    pub(super) fn set_home(&self, folder: &Path, number: u64) {
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = Some((folder.to_path_buf(), number));
    }

    /// The least and the greatest id; out of order if there is none.
    pub(super) fn span(&self) -> (u64, u64) {
        (self.counts.least, self.counts.greatest)
    }

    /// The different codes.
    pub(super) fn codes(&self) -> &[Code<W>] {
        cast(&self.memory.bytes()[self.layout.codes.clone()])
    }

    /// All ids, code by code.
    pub(super) fn all_ids(&self) -> impl ExactSizeIterator<Item = u64> {
        self.packed_ids().iter()
    }

    /// The ids of the code at `place`. Empty if the file is damaged.
    pub(super) fn ids(&self, place: usize) -> impl ExactSizeIterator<Item = u64> {
        let ids = self.packed_ids();
        ids.slice(ids.of(place))
    }

    #[inline]
    fn packed_ids(&self) -> Ids<'_> {
        let (bytes, layout) = (self.memory.bytes(), &self.layout);
        Ids {
            packed: &bytes[layout.ids.clone()],
            len: self.counts.ids,
            widths: self.counts.id_widths(),
            least: self.counts.least,
            firsts: cast(&bytes[layout.firsts.clone()]),
            samples: cast(&bytes[layout.samples.clone()]),
        }
    }

    /// Every code with its ids. Ids without a code, which only a damaged file has, are left out.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Code<W>, u64)> {
        let mut codes = self.codes().iter();
        let mut code = None;
        self.packed_ids().marked().map_while(move |(id, is_first)| {
            if is_first {
                code = codes.next();
            }
            Some((*code?, id))
        })
    }

    #[inline(always)]
    fn offsets(&self, band: usize) -> &[u32] {
        cast(&self.memory.bytes()[self.layout.offsets[band].clone()])
    }

    /// The fingerprints of all postings.
    #[inline]
    fn prints(&self) -> Prints<'_> {
        let bytes = self.memory.bytes();
        Prints { near: cast(&bytes[self.layout.near.clone()]), far: cast(&bytes[self.layout.far.clone()]) }
    }

    /// Asks for the memory of a posting.
    #[inline(always)]
    fn prefetch_posting(&self, postings: &[u8], place: usize) {
        prefetch(postings, place * self.counts.posting_bits as usize / 8);
    }

    /// The place of the code that a posting points to. Beyond the codes if the file is damaged.
    #[inline(always)]
    fn posting(&self, postings: &[u8], place: usize) -> u32 {
        let bits = self.counts.posting_bits;
        bits_at(postings, place * bits as usize, bits) as u32
    }
}

impl<const W: usize> std::fmt::Debug for Segment<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("len", &self.len()).field("distinct", &self.distinct()).finish()
    }
}
