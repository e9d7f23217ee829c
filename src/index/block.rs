//! Codes and their ids, on their way into a segment.

use super::Code;

/// Codes and their ids in the order of insertion.
#[derive(Clone, Debug, Default)]
pub(super) struct Block<const W: usize> {
    pub(super) codes: Vec<Code<W>>,
    pub(super) ids: Vec<u64>,
}

impl<const W: usize> Block<W> {
    pub(super) fn with_capacity(pairs: usize) -> Self {
        Self { codes: Vec::with_capacity(pairs), ids: Vec::with_capacity(pairs) }
    }

    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    pub(super) fn push(&mut self, code: Code<W>, id: u64) {
        self.codes.push(code);
        self.ids.push(id);
    }
}

/// Codes and their ids that a segment is made of.
pub(super) enum Source<'a, const W: usize> {
    /// They stay as they are.
    Kept(&'a [Code<W>], &'a [u64]),
    /// They are gone as soon as the segment has them.
    Spent(&'a mut Block<W>),
}

impl<const W: usize> Source<'_, W> {
    pub(super) fn pairs(&self) -> (&[Code<W>], &[u64]) {
        match self {
            Self::Kept(codes, ids) => (codes, ids),
            Self::Spent(block) => (&block.codes, &block.ids),
        }
    }

    /// Gives the memory back of what is not kept: that of a large segment is found there and not with the system.
    pub(super) fn release(self) {
        if let Self::Spent(block) = self {
            *block = Block::default();
        }
    }
}

impl<const W: usize> FromIterator<(Code<W>, u64)> for Block<W> {
    fn from_iter<I: IntoIterator<Item = (Code<W>, u64)>>(pairs: I) -> Self {
        let (codes, ids) = pairs.into_iter().unzip();
        Self { codes, ids }
    }
}
