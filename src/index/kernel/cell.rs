//! Fingerprints that are read while others are written beside them.

use super::LINES_MOST;
use crate::plain::prefetch_close;
use std::sync::atomic::{AtomicU64, Ordering::Acquire};

/// Some cache lines of words that others write, 16 bits of a fingerprint each, after two that are the number of those.
#[derive(Clone, Copy, Debug)]
pub(in crate::index) struct Cell {
    /// The first word.
    pub(in crate::index) word: usize,
    pub(in crate::index) lines: u32,
    /// The fingerprint looked for, of which the lower half lies there.
    pub(in crate::index) fingerprint: u32,
    /// The most bits in which the halves may differ.
    pub(in crate::index) near: u8,
    /// The most bits in which the fingerprints may differ.
    pub(in crate::index) limit: u8,
}

/// A cache line of words.
pub(super) type Line = [AtomicU64; OF_LINE / OF_WORD];

/// Fingerprints of a word, and of a line.
pub(super) const OF_WORD: usize = 4;
pub(super) const OF_LINE: usize = 32;

impl Cell {
    /// Fingerprints whose room is taken by their number.
    pub(in crate::index) const SKIPPED: usize = 2;

    /// Asks for the cell's lines.
    #[inline(always)]
    pub(super) fn prefetch(&self, words: &[AtomicU64]) {
        prefetch_close(words, self.word);
        for line in 1..self.lines.min(LINES_MOST as u32) {
            prefetch_close(words, self.word + line as usize * OF_LINE / OF_WORD);
        }
    }

    /// The cell's first line; nothing if the words end before.
    #[inline(always)]
    pub(super) fn first_line<'a>(&self, words: &'a [AtomicU64]) -> Option<&'a Line> {
        words.get(self.word..)?.first_chunk()
    }

    /// All lines of a cell.
    pub(super) fn lines<'a>(&self, words: &'a [AtomicU64]) -> &'a [Line] {
        let count = OF_LINE / OF_WORD * self.lines as usize;
        words.get(self.word..self.word + count).unwrap_or_default().as_chunks().0
    }

    /// Where the fingerprints of a cell end, by its first line, if there is room for all. What was written before their
    /// number was is seen.
    #[inline(always)]
    pub(super) fn end(first: &Line) -> usize {
        Self::SKIPPED + first[0].load(Acquire) as u32 as usize
    }
}
