//! Feature hits from the index, sorted by the reference they speak for.

use super::blocks::STEP;
use super::geometry::Pair;
use super::references::{References, split};
use crate::align::RefId;
use crate::index::{self, Batch, Reach, Sought};
use crate::picture::{self, Feature, Observed, Probe};
use std::collections::{BTreeMap, BTreeSet};
use std::f32::consts::PI;
use std::ops::Range;

/// How far two features that collide may differ and be the same, where so many are indexed.
///
/// Strangers become votes the more often the larger the bank is, and each costs a look.
fn reach(indexed: usize) -> Reach {
    match indexed.checked_ilog2() {
        None | Some(..16) => Reach::new(128, 7),
        Some(16..20) => Reach::new(64, 5),
        Some(20..24) => Reach::new(32, 4),
        Some(24..) => Reach::new(16, 4),
    }
}

// The words of features are those of the index.
const _: () = assert!(index::WORDS == picture::WORDS && index::WORD as usize == picture::WORD);

/// Hits that are looked at for a feature of the query, whichever these are: there is hardly anything else in a bank that
/// has more.
const MOST_FOUND: usize = 4096;
/// A feature that hits more than this many of the bank's is a common one. It speaks for the nearest in each half of a
/// [block](super::blocks) of a reference: of a camera that stands still each moment looks the same.
const COMMON: usize = 256;
/// If it is common still, it speaks only for so many, the nearest: all of a film's variants that are banked, or of a
/// broadcaster's films.
const MOST_OF_COMMON: usize = 64;

/// A feature of the query that looks like one of a reference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    pub(super) pair: Pair,
    /// Place in the probe's list of key frames, and of the feature in that.
    pub(super) query: (u32, u32),
    /// Place in the reference's list of key frames.
    pub(super) key: u32,
}

/// Ways to show a picture that features are asked for apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub(super) mirrored: bool,
    pub(super) negative: bool,
    /// The query, which has an unusual shape, in the usual one. Places of its features are then those there.
    pub(super) unsqueezed: bool,
}

impl Look {
    const fn new(mirrored: bool, negative: bool, unsqueezed: bool) -> Self {
        Self { mirrored, negative, unsqueezed }
    }
}

/// All looks, each with the key frames from one of the query that is asked for so to the next. What lies between is
/// looked at along the maps that are found.
const LOOKS: [(Look, usize); 6] = [
    (Look::new(false, false, false), 1),
    (Look::new(true, false, false), 1),
    (Look::new(false, true, false), 4),
    (Look::new(true, true, false), 4),
    (Look::new(false, false, true), 1),
    (Look::new(true, false, true), 1),
];

/// Votes by what they speak for.
pub(super) type Ballots = BTreeMap<(RefId, Look), Vec<Vote>>;

/// Asks the index for the features of some of the probe's key frames, in every look.
pub(super) fn collect(references: &References, probe: &Probe, keys: Range<usize>) -> Ballots {
    let mut ballots = Ballots::new();
    let snapshot = references.codes().snapshot();
    let mut batch = Batch::default();
    for (look, every) in LOOKS {
        let asked: Vec<(u32, u32, &Observed)> = (0u32..)
            .zip(probe.seen(look.unsqueezed))
            .take(keys.end)
            .step_by(every)
            .skip(keys.start.div_ceil(every))
            .flat_map(|(k, key)| (0u32..).zip(&key.features).map(move |(f, feature)| (k, f, feature)))
            .collect();
        let sought = |&(_, _, observed): &(u32, u32, &Observed)| Sought {
            code: observed.feature.seen(look.mirrored, look.negative),
            doubts: observed.doubts,
        };
        let sought: Vec<Sought> = asked.iter().map(sought).collect();
        snapshot.colliding_batch(&sought, reach(references.indexed()), MOST_FOUND, &mut batch);
        for (i, hits) in batch.iter().enumerate() {
            // The index may hold references of a clone.
            let ours = |id: u64| {
                let (id, ordinal) = split(id);
                let reference = references.get(id)?;
                Some(Found { id, at: reference.key_of(ordinal)?, reference, ordinal })
            };
            let hits = telling(hits.iter().filter_map(|hit| ours(hit.id)).collect());
            let (key, place, Observed { feature, .. }) = asked[i];
            for Found { id, at, reference, ordinal } in hits {
                let Some(found) = reference.feature(ordinal) else { continue };
                let vote = Vote { pair: pair(feature, &found, look), query: (key, place), key: at };
                ballots.entry((id, look)).or_default().push(vote);
            }
        }
    }
    ballots
}

/// A feature of a reference that was hit.
struct Found<T> {
    id: RefId,
    /// Place in the reference's list of key frames.
    at: u32,
    reference: T,
    ordinal: u32,
}

/// Of the hits of one feature, nearest first, those that tell something.
fn telling<T>(mut hits: Vec<Found<T>>) -> Vec<Found<T>> {
    if hits.len() > COMMON {
        let mut told = BTreeSet::new();
        hits.retain(|hit| told.insert((hit.id, hit.at as usize / STEP)));
    }
    if hits.len() > COMMON {
        hits.truncate(MOST_OF_COMMON);
    }
    hits
}

pub(super) fn pair(query: &Feature, reference: &Feature, look: Look) -> Pair {
    let stands = if look.mirrored { PI - reference.radians() } else { reference.radians() };
    let points = if look.negative { query.radians() + PI } else { query.radians() };
    Pair {
        query: query.place(),
        reference: reference.place(),
        zoom: (query.sigma() / reference.sigma()).log2(),
        turn: points - stands,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hits_very_much_speaks_for_the_nearest_of_each_half_block() {
        let told = |hits: &mut dyn Iterator<Item = (RefId, u32)>| {
            let found = |(ordinal, (id, at))| Found { id, at, reference: (), ordinal };
            Vec::from_iter(telling((0u32..).zip(hits).map(found).collect()).iter().map(|hit| hit.ordinal))
        };
        assert_eq!(told(&mut (0..256).map(|at| (7, at))).len(), COMMON);
        // One camera for an hour, and variants of a film.
        assert_eq!(told(&mut (0..900).map(|n| (7, 4 * n))), Vec::from_iter((0..900).step_by(8)));
        assert_eq!(told(&mut (0..1200).map(|n| (n / 3, n % 3))), Vec::from_iter((0..64).map(|n| 3 * n)));
    }
}
