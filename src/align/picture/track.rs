//! The way of a reference through a query whose frame zooms, pans and turns over it.

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
    for k in 1..stops.len() {
        let ((from, a), (to, b)) = (stops[k - 1], stops[k]);
        if to - from > BRIDGED {
            continue;
        }
        // How the map changes at either end, each tick: as from the stop before to the one behind, where these are near.
        let pace = |k: usize| {
            let before = k.checked_sub(1).map(|j| stops[j]).filter(|before| stops[k].0 - before.0 <= BRIDGED);
            let behind = stops.get(k + 1).filter(|behind| behind.0 - stops[k].0 <= BRIDGED);
            let (before, behind) = (before.unwrap_or(stops[k]), behind.copied().unwrap_or(stops[k]));
            Map::pace(&before.1, &behind.1, (behind.0 - before.0) as f32)
        };
        let bridge = Map::bridge((&a, pace(k - 1)), (&b, pace(k)), (to - from) as f32);
        for (step, place) in way.iter_mut().skip(from).take(to - from).enumerate() {
            *place = Some(bridge(step as f32));
        }
    }
    for &(tick, map) in [stops.first(), stops.last()].into_iter().flatten() {
        for place in way.iter_mut().skip(tick.saturating_sub(HOLDS)).take(2 * HOLDS + 1) {
            place.get_or_insert(map);
        }
    }
    Some(way)
}
