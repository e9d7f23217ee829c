//! The way of a reference through a query whose frame zooms and pans over it.

use super::geometry;
use super::map::Map;
use super::votes::Vote;
use std::collections::BTreeMap;

/// Key frames that need a map of their own for a way.
const FEWEST_KEYS: usize = 3;
/// Different places that must follow the map of one key frame.
const FEWEST_PLACES: usize = 4;
/// Ticks from one map to the next that are bridged.
const BRIDGED: usize = 16;
/// Ticks for which the first and the last map hold beyond their key frame.
const HOLDS: usize = 4;

/// A map for each of `ticks` moments, from the votes at each key frame alone; `None` without enough of them.
/// `tick` gives the moment of a vote.
pub(super) fn track(
    votes: &[Vote],
    ticks: usize,
    mirrored: bool,
    tick: impl Fn(&Vote) -> usize,
) -> Option<Vec<Option<Map>>> {
    let mut keys: BTreeMap<usize, Vec<geometry::Pair>> = BTreeMap::new();
    for vote in votes {
        keys.entry(tick(vote)).or_default().push(vote.pair);
    }
    let stops: Vec<(usize, Map)> = keys
        .into_iter()
        .filter_map(|(tick, pairs)| {
            let live: Vec<usize> = (0..pairs.len()).collect();
            Some((tick, geometry::best(&pairs, &live, mirrored, FEWEST_PLACES)?.map))
        })
        .collect();
    if stops.len() < FEWEST_KEYS {
        return None;
    }
    let mut way = vec![None; ticks];
    for pair in stops.windows(2) {
        let [(from, a), (to, b)] = [pair[0], pair[1]];
        if to - from <= BRIDGED {
            let steps = (to - from) as f32;
            for (k, place) in way.iter_mut().skip(from).take(to - from).enumerate() {
                *place = Some(a.towards(&b, k as f32 / steps));
            }
        }
    }
    for &(tick, map) in [stops.first(), stops.last()].into_iter().flatten() {
        for place in way.iter_mut().skip(tick.saturating_sub(HOLDS)).take(2 * HOLDS + 1) {
            place.get_or_insert(map);
        }
    }
    Some(way)
}
