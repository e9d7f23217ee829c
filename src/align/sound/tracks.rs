//! The words of all references, one after another.

use super::RefId;
use crate::sound::{Print, Word};
use std::collections::BTreeMap;
use std::ops::Range;

/// Stands for a word that is not there.
pub(super) const GAP: u32 = 0;

/// Gaps between one reference and the next, so that a block never reaches into both.
const MARGIN: usize = 8;

/// All words, with the stretch that belongs to each reference.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    words: Vec<u32>,
    spans: BTreeMap<RefId, Range<usize>>,
    owners: BTreeMap<usize, RefId>,
    alive: usize,
}

impl Tracks {
    /// Adds a reference that is not there yet.
    pub(super) fn insert(&mut self, reference: RefId, print: &Print) {
        self.words.extend([GAP; MARGIN]);
        let start = self.words.len();
        self.words.extend(print.words().iter().map(|word: &Word| word.map_or(GAP, |word| word.get())));
        let span = start..self.words.len();
        self.alive += span.len();
        if !span.is_empty() {
            self.owners.insert(start, reference);
        }
        self.spans.insert(reference, span);
    }

    /// Takes a reference out, if it is there. The others stay where they are.
    pub(super) fn remove(&mut self, reference: RefId) {
        if let Some(span) = self.spans.remove(&reference) {
            self.owners.remove(&span.start);
            self.alive -= span.len();
            self.words[span].fill(GAP);
        }
    }

    /// Moves all references together, so that what was taken out needs no room. Places change.
    pub(super) fn compact(&mut self) {
        let mut words = Vec::with_capacity(self.alive + MARGIN * self.spans.len());
        self.owners.clear();
        for (&reference, span) in &mut self.spans {
            words.extend([GAP; MARGIN]);
            let start = words.len();
            words.extend_from_slice(&self.words[span.clone()]);
            *span = start..words.len();
            if words.len() > start {
                self.owners.insert(start, reference);
            }
        }
        self.words = words;
    }

    /// Words that belong to a reference.
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    /// All words, those between references too.
    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    /// The words of one reference; none where it is not there.
    pub(super) fn of(&self, reference: RefId) -> &[u32] {
        self.spans.get(&reference).and_then(|span| self.words.get(span.clone())).unwrap_or_default()
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
