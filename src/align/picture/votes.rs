//! Feature hits from the index, sorted by the reference they speak for.

use super::geometry::Pair;
use super::references::{References, split};
use crate::align::RefId;
use crate::index::{self, Batch, Reach, Sought};
use crate::picture::{self, Feature, Observed, Probe};
use std::collections::BTreeMap;
use std::f32::consts::PI;
use std::ops::Range;

/// How far two features that collide may differ and be the same, where all prints have so many.
///
/// Strangers become votes the more often the larger the bank is, and each costs a look.
fn reach(features: usize) -> Reach {
    match features.checked_ilog2() {
        None | Some(..18) => Reach::new(128, 7),
        Some(18..22) => Reach::new(64, 5),
        Some(22..26) => Reach::new(32, 4),
        Some(26..) => Reach::new(16, 4),
    }
}

// The words of features are those of the index.
const _: () = assert!(index::WORDS == picture::WORDS && index::WORD as usize == picture::WORD);

/// Hits that are looked at for a feature of the query, whichever these are: there is hardly anything else in a bank that
/// has more.
const MOST_FOUND: usize = 4096;
/// Hits of a feature in one reference that count, the nearest: of a camera that stands still each moment looks the same.
const MOST_OF_ONE: usize = 16;
/// A feature that hits more than this many of the bank's is a common one, ...
const COMMON: usize = 256;
/// ... and speaks only for so many, the nearest: all of a film's variants that are banked, or of a broadcaster's films.
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
        snapshot.colliding_batch(&sought, reach(references.features()), MOST_FOUND, &mut batch);
        for (i, hits) in batch.iter().enumerate() {
            // The index may hold references of a clone.
            let ours = |id: u64| {
                let (reference, ordinal) = split(id);
                let (at, found) = references.get(reference)?.feature(ordinal)?;
                Some((reference, at, found))
            };
            let hits = telling(hits.iter().filter_map(|hit| ours(hit.id)).collect());
            let (key, place, Observed { feature, .. }) = asked[i];
            for (reference, at, found) in hits {
                let vote = Vote { pair: pair(feature, &found, look), query: (key, place), key: at };
                ballots.entry((reference, look)).or_default().push(vote);
            }
        }
    }
    ballots
}

/// Of the hits of one feature, nearest first, those that tell something.
fn telling<T>(mut hits: Vec<(RefId, u32, T)>) -> Vec<(RefId, u32, T)> {
    if hits.len() > MOST_OF_ONE {
        let mut counts: BTreeMap<RefId, usize> = BTreeMap::new();
        hits.retain(|(reference, ..)| {
            let count = counts.entry(*reference).or_default();
            *count += 1;
            *count <= MOST_OF_ONE
        });
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
    fn what_hits_very_much_speaks_for_the_nearest() {
        let of = |references: &[u32]| {
            telling(references.iter().zip(0u32..).map(|(r, at)| (*r, at, ())).collect()).len()
        };
        assert_eq!(of(&[7; 16]), 16);
        assert_eq!(of(&[7; 1000]), MOST_OF_ONE);
        assert_eq!(of(&Vec::from_iter(0..256)), COMMON);
        assert_eq!(of(&Vec::from_iter(0..257)), MOST_OF_COMMON);
        let kept = telling(Vec::from_iter((0..300).map(|at| (at % 3, at, ()))));
        assert!(kept.iter().map(|(_, at, ())| *at).eq(0..48));
    }
}
