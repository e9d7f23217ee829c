//! Feature hits from the index, sorted by the reference they speak for.

use super::geometry::Pair;
use super::references::{References, split};
use crate::align::RefId;
use crate::index::{self, Batch, Reach, Sought};
use crate::picture::{self, Feature, Observed, Probe};
use std::collections::BTreeMap;
use std::f32::consts::PI;

/// How far two features that collide may differ and be the same.
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

/// A feature of the query that hits more than this many of the bank's says nothing.
const MOST_HITS: usize = 256;

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

/// Asks the index for the features of the probe, in every look.
pub(super) fn collect(references: &References, probe: &Probe) -> BTreeMap<(RefId, Look), Vec<Vote>> {
    let mut ballots: BTreeMap<(RefId, Look), Vec<Vote>> = BTreeMap::new();
    let snapshot = references.codes().snapshot();
    let mut batch = Batch::default();
    for (look, every) in LOOKS {
        let asked: Vec<(u32, u32, &Observed)> = (0u32..)
            .zip(probe.seen(look.unsqueezed))
            .step_by(every)
            .flat_map(|(k, key)| (0u32..).zip(&key.features).map(move |(f, feature)| (k, f, feature)))
            .collect();
        let sought = |&(_, _, observed): &(u32, u32, &Observed)| Sought {
            code: observed.feature.seen(look.mirrored, look.negative),
            doubts: observed.doubts,
        };
        let sought: Vec<Sought> = asked.iter().map(sought).collect();
        snapshot.colliding_batch(&sought, reach(snapshot.len()), &mut batch);
        for (i, hits) in batch.iter().enumerate() {
            // The index may hold references of a clone.
            let ours = |id: u64| {
                let (reference, ordinal) = split(id);
                let (at, found) = references.get(reference)?.feature(ordinal)?;
                Some((reference, at, found))
            };
            let hits: Vec<_> = hits.iter().filter_map(|hit| ours(hit.id)).take(MOST_HITS + 1).collect();
            if hits.len() > MOST_HITS {
                continue;
            }
            let (key, place, Observed { feature, .. }) = asked[i];
            for (reference, at, found) in hits {
                let vote = Vote { pair: pair(feature, &found, look), query: (key, place), key: at };
                ballots.entry((reference, look)).or_default().push(vote);
            }
        }
    }
    ballots
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
