//! The way of a reference through a query whose frame zooms, pans and turns over it, or that shows it in a small frame
//! which floats.

use super::geometry::{self, Pair};
use super::map::Map;
use super::votes::Vote;
use std::collections::BTreeMap;

/// Key frames that need a map of their own for a way.
const FEWEST_KEYS: usize = 3;
/// Different places that must follow the map of one key frame.
const FEWEST_PLACES: usize = 4;
/// The same for where a map lies whose size and angle are known.
const FEWEST_SHIFTED: usize = 3;
/// Rounds in which size and angle are found.
const ROUNDS: usize = 3;
/// Ticks from one map to the next that are bridged.
const BRIDGED: usize = 16;
/// Ticks from a key frame, which is the first frame of its tick, to the middle of all frames of the tick, whose mean tells of
/// motion, at eight frames a second.
const MIDDLE: f32 = 0.25;
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
    let map = |pairs: &[Pair]| {
        let live: Vec<usize> = (0..pairs.len()).collect();
        Some(geometry::best(pairs, &live, mirrored, FEWEST_PLACES)?.map)
    };
    let keys = by_tick(votes, tick);
    bridged(keys.iter().filter_map(|(tick, pairs)| Some((*tick, map(pairs)?))).collect(), ticks)
}

/// The same of a reference that floats through the query and keeps its size and its angle: those are taken from all key
/// frames together, and fewer places tell where it is. `map` is that of some moment.
pub(super) fn floating(
    votes: &[Vote],
    ticks: usize,
    mut map: Map,
    mirrored: bool,
    tick: impl Fn(&Vote) -> usize,
) -> Option<Vec<Option<Map>>> {
    let keys = by_tick(votes, tick);
    let mut stops: Vec<(usize, Map)> = Vec::new();
    for _ in 0..ROUNDS {
        // What follows the map, each as if it were seen at the same moment.
        let mut level: Vec<Pair> = Vec::new();
        stops.clear();
        for (tick, pairs) in &keys {
            let Some(found) = geometry::best_shift(pairs, &map, FEWEST_SHIFTED) else { continue };
            let shift = found.map.shift_from(&map);
            level.extend(found.pairs.iter().map(|&i| Pair {
                query: [pairs[i].query[0] - shift[0], pairs[i].query[1] - shift[1]],
                ..pairs[i]
            }));
            stops.push((*tick, found.map));
        }
        let live: Vec<usize> = (0..level.len()).collect();
        map = geometry::follow(&level, &live, map, mirrored).map;
    }
    bridged(stops, ticks)
}

fn by_tick(votes: &[Vote], tick: impl Fn(&Vote) -> usize) -> BTreeMap<usize, Vec<Pair>> {
    let mut keys: BTreeMap<usize, Vec<Pair>> = BTreeMap::new();
    for vote in votes {
        keys.entry(tick(vote)).or_default().push(vote.pair);
    }
    keys
}

/// The maps at all ticks, by those at some.
fn bridged(stops: Vec<(usize, Map)>, ticks: usize) -> Option<Vec<Option<Map>>> {
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
            *place = Some(bridge(step as f32 + MIDDLE));
        }
    }
    for &(tick, map) in [stops.first(), stops.last()].into_iter().flatten() {
        for place in way.iter_mut().skip(tick.saturating_sub(HOLDS)).take(2 * HOLDS + 1) {
            place.get_or_insert(map);
        }
    }
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three places of each of twelve key frames, of a reference at 0.4 of its size that moves on by a fiftieth each tick.
    fn votes() -> Vec<Vote> {
        let vote = |key: u32, place: u32| {
            let number = (7 * key + 5 * place) as f32;
            let reference = [(0.37 * number).fract(), 0.5 * (0.73 * number).fract()];
            let shift = 0.02 * 4.0 * key as f32;
            let query = [0.4 * reference[0] + shift, 0.4 * reference[1] + 0.3];
            let pair = Pair { query, reference, zoom: 0.4f32.log2() + 0.08, turn: 0.04 };
            Vote { pair, query: (key, place), key }
        };
        (0..12).flat_map(|key| (0..3).map(move |place| vote(key, place))).collect()
    }

    #[test]
    fn few_places_tell_where_a_frame_floats() {
        let tick = |vote: &Vote| 4 * vote.query.0 as usize;
        assert_eq!(track(&votes(), 48, false, tick), None);
        let rough = Map::of_pair(&votes()[0].pair, false);
        let way = floating(&votes(), 48, rough, false, tick).expect("a way");
        for (tick, map) in way.iter().enumerate().take(44) {
            let map = map.expect("a map");
            for [x, y] in [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5]] {
                let want = [0.4 * x + 0.02 * (tick as f32 + MIDDLE), 0.4 * y + 0.3];
                let got = map.apply([x, y]);
                assert!((got[0] - want[0]).hypot(got[1] - want[1]) < 0.01, "{tick}: {got:?} {want:?}");
            }
        }
        assert_eq!(floating(&votes()[..6], 48, rough, false, tick), None);
    }
}
