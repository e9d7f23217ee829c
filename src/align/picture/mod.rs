//! Search of a bank's pictures.
//!
//! 1. Every feature of the query's key frames asks the index for those like it ([`votes`]).
//! 2. Votes for one reference that agree on how it lies in the query make a map ([`geometry`]), along which all
//!    features are compared again, less strictly ([`guided`]).
//! 3. Along that map the motion of both is compared at all pairs of moments ([`evidence`]).
//! 4. Straight lines through that are the segments ([`lines`]).
//!
//! Long films are compared a minute at a time ([`blocks`]), and the segments joined again ([`pieces`]).

mod agreement;
mod blocks;
mod cover;
mod evidence;
mod features;
mod geometry;
mod guided;
mod lattice;
mod lines;
mod map;
mod normal;
mod pace;
mod pieces;
mod references;
mod selection;
mod sight;
mod steady;
#[cfg(test)]
mod tests;
mod track;
mod votes;

use super::{RefId, Segment};
use crate::index::{self, Stored};
use crate::picture::{Packed, Print, Probe};
use geometry::Cluster;
use references::References;
use sight::Sight;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use votes::{Ballots, Vote};

/// Sights looked at, beside one for every two key frames of the query; the blocks of a long one share them.
const MOST_SIGHTS: usize = 24;
/// No evidence counts for more.
const MOST: f64 = 60.0;
/// Different places that must agree on a map before it is looked at.
const FEWEST_SEEDS: usize = 2;

/// Prints of references, none where their bytes are not what they were.
type Prints = BTreeMap<RefId, Option<Arc<Print>>>;

/// The pictures of many references, searchable. Clones share all memory but for what they differ in.
#[derive(Clone, Debug, Default)]
pub struct PictureSpace {
    references: References,
}

impl PictureSpace {
    /// Adds a reference's picture; the number must be new.
    pub fn insert(&mut self, reference: RefId, print: &Print) {
        self.extend([(reference, Packed::from(print))]);
    }

    /// Adds the pictures of many references, which is much cheaper than one by one; the numbers must be new.
    pub(crate) fn extend(&mut self, prints: impl IntoIterator<Item = (RefId, Packed)>) {
        self.references.extend(prints);
    }

    /// The space whose features were stored. The prints are those of all its references, the next of which is to be `next`.
    pub(crate) fn from_stored(
        parts: impl IntoIterator<Item = Stored<2>>,
        prints: impl IntoIterator<Item = (RefId, Packed)>,
        next: RefId,
    ) -> Self {
        Self { references: References::from_stored(parts, prints, next) }
    }

    /// What is to be stored to make the same space of it, beside the prints.
    ///
    /// # Errors
    /// If there is no memory to sort what was added last.
    pub(crate) fn stored(&self) -> io::Result<Vec<Stored<2>>> {
        self.references.stored()
    }

    /// Puts a segment in the place of one with the same content.
    pub(crate) fn replace(&self, segment: &Arc<index::Segment<2>>, same: &Arc<index::Segment<2>>) {
        self.references.replace(segment, same);
    }

    /// The numbers and prints of all references.
    pub(crate) fn prints(&self) -> impl Iterator<Item = (RefId, &Packed)> {
        self.references.iter()
    }

    /// Takes a reference out.
    pub fn remove(&mut self, reference: RefId) {
        self.references.remove(reference);
    }

    /// All segments that `probe` shares with references, the surest first.
    pub fn search(&self, probe: &Probe) -> Vec<Segment> {
        let mut lines = Vec::new();
        let mut trials = 0.0;
        let keys = probe.keys.len();
        let collect = |half| votes::collect(&self.references, probe, blocks::half(half, keys));
        let count = blocks::count(keys);
        let mut left = MOST_SIGHTS + keys / 2;
        let mut prints = Prints::default();
        let mut ballots = collect(0);
        for block in 0..count {
            let next = collect(block + 1);
            for (ballot, votes) in &next {
                ballots.entry(*ballot).or_default().extend(votes);
            }
            // What one block leaves is for those after it.
            let most = left.div_ceil(count - block);
            let sights = self.sights(probe, blocks::range(block, keys), ballots, most, &mut prints);
            left -= sights.len();
            for (sight, seeds, first) in sights {
                lines.extend(sight.segments(&seeds, first, &mut trials));
            }
            ballots = next;
        }
        for segment in &mut lines {
            segment.surprise = segment.surprise.min(MOST) - f64::log10(trials);
        }
        lines.retain(|segment| segment.surprise > 0.0);
        lines.sort_by(|a, b| b.surprise.total_cmp(&a.surprise));
        pieces::undisputed(pieces::joined(lines))
    }

    /// The references that the votes of a block of the query make worth a closer look, at most so many and those with
    /// the most first. The prints are those of the block before, and then those of this one.
    fn sights<'a>(
        &self,
        probe: &'a Probe,
        query: Range<usize>,
        ballots: Ballots,
        most: usize,
        prints: &mut Prints,
    ) -> Vec<(Sight<'a>, Vec<Vote>, Cluster)> {
        let mut promising: Vec<_> = ballots
            .into_iter()
            .filter_map(|(ballot, seeds)| Some((ballot, self.references.get(ballot.0)?.keys(), seeds)))
            .flat_map(|(ballot, keys, seeds)| {
                let blocks = blocks::split(seeds, query.clone(), keys);
                blocks.into_iter().map(move |(block, seeds)| (ballot, block, seeds))
            })
            .filter_map(|((id, look), block, seeds)| {
                let first = sight::seed(&seeds, &all(&seeds), look, FEWEST_SEEDS)?;
                Some((id, look, block, seeds, first))
            })
            .collect();
        promising.sort_by_key(|(.., first)| Reverse(first.places));
        promising.truncate(most);
        let mut before = std::mem::take(prints);
        let sights = promising.into_iter().filter_map(|(id, look, block, seeds, first)| {
            let unpacked = || Some(Arc::new(self.references.get(id)?.print()?));
            let print = prints.entry(id).or_insert_with(|| before.remove(&id).unwrap_or_else(unpacked));
            Some((Sight { probe, id, print: print.clone()?, look, block }, seeds, first))
        });
        sights.collect()
    }
}

/// The places of all votes.
fn all(votes: &[Vote]) -> Vec<usize> {
    (0..votes.len()).collect()
}
