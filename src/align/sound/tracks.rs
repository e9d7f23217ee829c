//! The words of many references, one after another.

use super::RefId;
use super::table::Table;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

/// Stands for a word that is not there.
pub(super) const GAP: u32 = 0;

/// Gaps between one reference and the next, at least, so that a block never reaches into both.
const MARGIN: usize = 8;

/// All words, with the stretch that belongs to each reference, and a table of them that the first look makes.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    words: Vec<u32>,
    spans: BTreeMap<RefId, Range<usize>>,
    owners: BTreeMap<usize, RefId>,
    table: OnceLock<Table>,
}

impl Tracks {
    /// Adds a reference, or replaces it.
    pub(super) fn insert(&mut self, reference: RefId, words: impl IntoIterator<Item = u32>) {
        // What is listed of a reference does not depend on where it lies.
        let start = (self.words.len() + MARGIN).next_multiple_of(Table::PERIOD);
        self.words.resize(start, GAP);
        self.words.extend(words);
        let span = start..self.words.len();
        if !span.is_empty() {
            self.owners.insert(start, reference);
        }
        self.spans.insert(reference, span);
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
        self.words.get(self.spans.get(&reference)?.clone())
    }

    /// References with their words.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RefId, &[u32])> {
        self.spans.iter().map(|(&reference, span)| (reference, &self.words[span.clone()]))
    }

    /// The reference that the word at a place belongs to, and where its words are.
    pub(super) fn owner(&self, place: usize) -> Option<(RefId, Range<usize>)> {
        let (_, &reference) = self.owners.range(..=place).next_back()?;
        let span = self.spans.get(&reference)?;
        span.contains(&place).then(|| (reference, span.clone()))
    }
}
