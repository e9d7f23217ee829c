//! The words of many references, one after another.

use super::RefId;
use super::table::Table;
use crate::plain::{Column, bytes_of};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

/// Stands for a word that is not there.
pub(super) const GAP: u32 = 0;

/// Gaps between one reference and the next, at least, so that a block never reaches into both.
const MARGIN: usize = 8;

/// All words, with the stretch that belongs to each reference, and a table of them that the first look makes.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub(super) words: Column<u32>,
    pub(super) spans: BTreeMap<RefId, Span>,
    owners: BTreeMap<usize, RefId>,
    pub(super) table: OnceLock<Table>,
}

/// The words of a reference.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) range: Range<usize>,
    /// Of words in a file: what their checksum is to be, and whether it is, once somebody asked.
    pub(super) checked: Option<(u32, OnceLock<bool>)>,
}

impl Span {
    /// The words, unless they were changed since they were written.
    fn of<'a>(&self, words: &'a [u32]) -> Option<&'a [u32]> {
        let words = words.get(self.range.clone())?;
        let fits = |(sum, fits): &(u32, OnceLock<bool>)| *fits.get_or_init(|| checksum(words) == *sum);
        self.checked.as_ref().is_none_or(fits).then_some(words)
    }
}

/// CRC-32 of words.
pub(super) fn checksum(words: &[u32]) -> u32 {
    crc32fast::hash(bytes_of(words))
}

impl Tracks {
    /// Tracks as they lie in a file. `None` where spans do not lie one after another among the words.
    pub(super) fn new(
        words: Column<u32>,
        spans: BTreeMap<RefId, Span>,
        table: Option<Table>,
    ) -> Option<Self> {
        let used = spans.iter().filter(|(_, span)| !span.range.is_empty());
        let owners: BTreeMap<usize, RefId> = used.clone().map(|(id, span)| (span.range.start, *id)).collect();
        let mut ends = owners.values().map(|id| spans[id].range.end);
        let are_apart = owners.keys().skip(1).zip(ends.clone()).all(|(&next, end)| end <= next);
        let is_whole =
            owners.len() == used.count() && are_apart && ends.next_back().unwrap_or(0) <= words.len();
        let table = table.map_or_else(OnceLock::new, OnceLock::from);
        is_whole.then(|| Self { words, spans, owners, table })
    }

    /// Adds a reference, or replaces it.
    pub(super) fn insert(&mut self, reference: RefId, words: impl IntoIterator<Item = u32>) {
        // What is listed of a reference does not depend on where it lies.
        let start = (self.words.len() + MARGIN).next_multiple_of(Table::PERIOD);
        let all = match &mut self.words {
            Column::Own(words) => words,
            shared => {
                *shared = Column::Own(shared.to_vec());
                return self.insert(reference, words);
            }
        };
        all.resize(start, GAP);
        all.extend(words);
        let range = start..all.len();
        if !range.is_empty() {
            self.owners.insert(start, reference);
        }
        self.spans.insert(reference, Span { range, checked: None });
        self.table = OnceLock::new();
    }

    /// All words, those between references too.
    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    /// The places of the words by their content.
    pub(super) fn table(&self) -> &Table {
        self.table.get_or_init(|| Table::new(&self.words))
    }

    /// Whether the table was made.
    pub(super) fn is_sorted(&self) -> bool {
        self.table.get().is_some()
    }

    /// The words of one reference.
    pub(super) fn of(&self, reference: RefId) -> Option<&[u32]> {
        self.spans.get(&reference)?.of(&self.words)
    }

    /// References with their words.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RefId, &[u32])> {
        self.spans.iter().filter_map(|(&reference, span)| Some((reference, span.of(&self.words)?)))
    }

    /// References with the number of their words.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (RefId, usize)> {
        self.spans.iter().map(|(&reference, span)| (reference, span.range.len()))
    }

    /// The number of words of a reference.
    pub(super) fn length(&self, reference: RefId) -> Option<usize> {
        Some(self.spans.get(&reference)?.range.len())
    }

    /// The reference that the word at a place belongs to, and where its words are.
    pub(super) fn owner(&self, place: usize) -> Option<(RefId, Range<usize>)> {
        let (_, &reference) = self.owners.range(..=place).next_back()?;
        let span = self.spans.get(&reference)?;
        (span.range.contains(&place) && span.of(&self.words).is_some())
            .then(|| (reference, span.range.clone()))
    }
}
