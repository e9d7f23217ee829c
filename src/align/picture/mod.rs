//! Search of a bank's pictures.
//!
//! 1. Every feature of the query's key frames asks the index for those like it ([`votes`]).
//! 2. Votes for one reference that agree on how it lies in the query make a map ([`geometry`]), along which all
//!    features are compared again, less strictly ([`guided`]).
//! 3. Along that map the motion of both is compared at all pairs of moments ([`agreement`]).
//! 4. Straight lines through the evidence are the segments ([`lines`]).
//!
//! Long films are compared a minute at a time ([`blocks`]), and the segments joined again ([`pieces`]).

mod agreement;
mod blocks;
mod geometry;
mod guided;
mod lines;
mod map;
mod pieces;
mod sight;
mod steady;
#[cfg(test)]
mod tests;
mod track;
mod votes;

use super::{RefId, Segment};
use crate::index::Index;
use crate::persistent::Map;
use crate::picture::{Feature, Print, Probe};
use geometry::Cluster;
use sight::Sight;
use std::cmp::Reverse;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use votes::Vote;

/// References looked at, beside one for every two key frames of the query.
const MOST_SIGHTS: usize = 24;
/// No evidence counts for more.
const MOST: f64 = 60.0;
/// The share of the references, one in so many, that may have gone while the index still holds them.
const SWEPT: usize = 64;
/// Key frames of a reference from one whose features are indexed to the next. Those between are looked at along the maps
/// that are found.
const INDEXED_EVERY: usize = 2;
/// Different places that must agree on a map before it is looked at.
const FEWEST_SEEDS: usize = 2;

/// The pictures of many references, searchable.
///
/// Clones share all memory but for what they differ in. The index they have in common: it may hold more than a clone
/// has, but always all of that, as what a clone was made from may be searched while the clone changes.
#[derive(Clone, Debug, Default)]
pub struct PictureSpace {
    index: Arc<Indexed>,
    references: Map<RefId, Arc<Reference>>,
}

#[derive(Debug, Default)]
struct Indexed {
    codes: Index<2>,
    /// References that no clone has any more.
    gone: Mutex<Vec<RefId>>,
}

impl Indexed {
    fn gone(&self) -> MutexGuard<'_, Vec<RefId>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Reference {
    print: Print,
    /// Ordinal of the first feature of each key frame.
    starts: Vec<u32>,
    id: RefId,
    index: Arc<Indexed>,
}

impl Drop for Reference {
    /// The codes are taken out later: this may be a reader, who has no time.
    fn drop(&mut self) {
        self.index.gone().push(self.id);
    }
}

impl Reference {
    fn feature(&self, ordinal: u32) -> Option<(u32, &Feature)> {
        let key = self.starts.partition_point(|&start| start <= ordinal).checked_sub(1)?;
        let feature = self.print.keys.get(key)?.features.get((ordinal - self.starts[key]) as usize)?;
        Some((key as u32, feature))
    }

    fn is_still(&self) -> bool {
        self.print.motion.len() <= 1
    }
}

/// The upper half of an index id is the reference, the lower the feature.
fn split(id: u64) -> (RefId, u32) {
    ((id >> 32) as u32, id as u32)
}

impl PictureSpace {
    /// Adds a reference's picture; the number must be new.
    pub fn insert(&mut self, reference: RefId, print: &Print) {
        let mut starts = Vec::with_capacity(print.keys.len());
        let mut next = 0u32;
        let mut pairs = Vec::new();
        for (number, key) in print.keys.iter().enumerate() {
            starts.push(next);
            let ids = (u64::from(reference) << 32 | u64::from(next))..;
            next += key.features.len() as u32;
            if number % INDEXED_EVERY == 0 {
                pairs.extend(key.features.iter().map(|feature| feature.code).zip(ids));
            }
        }
        self.sweep();
        self.index.codes.extend(pairs);
        let (print, index) = (print.clone(), Arc::clone(&self.index));
        self.references.insert(reference, Arc::new(Reference { print, starts, id: reference, index }));
    }

    /// Takes a reference out.
    pub fn remove(&mut self, reference: RefId) {
        self.references.remove(&reference);
    }

    /// Takes out of the index what no clone has, when that is worth a pass through the index.
    fn sweep(&self) {
        let mut gone = self.index.gone();
        if gone.len() <= self.references.len() / SWEPT {
            return;
        }
        let swept = std::mem::take(&mut *gone);
        drop(gone);
        for reference in swept {
            let first = u64::from(reference) << 32;
            self.index.codes.remove(first..=first | u64::from(u32::MAX));
        }
    }

    /// All segments that `probe` shares with references, the surest first.
    pub fn search(&self, probe: &Probe) -> Vec<Segment> {
        let mut lines = Vec::new();
        let mut trials = 0.0;
        for (sight, seeds, first) in self.sights(probe) {
            lines.extend(sight.segments(&seeds, first, &mut trials));
        }
        for segment in &mut lines {
            segment.surprise = segment.surprise.min(MOST) - f64::log10(trials);
        }
        lines.retain(|segment| segment.surprise > 0.0);
        lines.sort_by(|a, b| b.surprise.total_cmp(&a.surprise));
        pieces::undisputed(pieces::joined(lines))
    }

    /// The references that votes make worth a closer look, those with the most first.
    fn sights<'a>(&'a self, probe: &'a Probe) -> Vec<(Sight<'a>, Vec<Vote>, Cluster)> {
        let mut sights: Vec<_> = votes::collect(self, probe)
            .into_iter()
            .filter_map(|(ballot, seeds)| Some((ballot, self.references.get(&ballot.0)?, seeds)))
            .flat_map(|((id, look), reference, seeds)| {
                let blocks = blocks::split(seeds, probe.keys.len(), reference.print.keys.len());
                blocks
                    .into_iter()
                    .map(move |(block, seeds)| (Sight { probe, id, reference, look, block }, seeds))
            })
            .filter_map(|(sight, seeds)| {
                let first = sight.seed(&seeds, &all(&seeds), FEWEST_SEEDS)?;
                Some((sight, seeds, first))
            })
            .collect();
        sights.sort_by_key(|(_, _, first)| Reverse(first.places));
        sights.truncate(MOST_SIGHTS + probe.keys.len() / 2);
        sights
    }
}

/// The places of all votes.
fn all(votes: &[Vote]) -> Vec<usize> {
    (0..votes.len()).collect()
}
