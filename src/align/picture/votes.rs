//! Feature hits from the index, sorted by the reference they speak for.

use super::geometry::Pair;
use super::{PictureSpace, split};
use crate::align::RefId;
use crate::index::Outcome;
use crate::picture::{Feature, Probe};
use std::collections::BTreeMap;
use std::f32::consts::PI;

/// Hamming distance, of 128, up to which two features may be the same.
const RADIUS: u32 = 16;
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

/// Votes for one reference, as it is and mirrored.
pub(super) type Ballot = [Vec<Vote>; 2];

/// Asks the index for every feature of the probe.
pub(super) fn collect(space: &PictureSpace, probe: &Probe) -> BTreeMap<RefId, Ballot> {
    let mut ballots: BTreeMap<RefId, Ballot> = BTreeMap::new();
    let snapshot = space.index.snapshot();
    let asked: Vec<(u32, u32, &Feature)> = (0u32..)
        .zip(&probe.keys)
        .flat_map(|(k, key)| (0u32..).zip(&key.features).map(move |(f, feature)| (k, f, feature)))
        .collect();
    for mirrored in [false, true] {
        let codes: Vec<_> =
            asked.iter().map(|(_, _, f)| if mirrored { f.mirrored() } else { f.code }).collect();
        let batch = snapshot.within_batch(&codes, RADIUS);
        for (i, hits) in batch.iter().enumerate() {
            if hits.len() > MOST_HITS || !matches!(batch.outcome(i), Outcome::Complete) {
                continue;
            }
            let (key, place, feature) = asked[i];
            for hit in hits {
                let (reference, ordinal) = split(hit.id);
                let Some((at, found)) = space.references.get(&reference).and_then(|r| r.feature(ordinal))
                else {
                    continue;
                };
                let vote = Vote { pair: pair(feature, found, mirrored), query: (key, place), key: at };
                ballots.entry(reference).or_default()[usize::from(mirrored)].push(vote);
            }
        }
    }
    ballots
}

fn pair(query: &Feature, reference: &Feature, mirrored: bool) -> Pair {
    let stands = if mirrored { PI - reference.radians() } else { reference.radians() };
    Pair {
        query: query.place(),
        reference: reference.place(),
        zoom: (query.sigma() / reference.sigma()).log2(),
        turn: query.radians() - stands,
    }
}
