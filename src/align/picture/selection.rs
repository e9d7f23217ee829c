//! Which features of a reference are indexed. All others are looked at along the maps that are found.

use crate::index::distance;
use crate::picture::{Feature, Packed};
use std::cmp::Reverse;

/// Key frames whose features are chosen together.
const TOGETHER: usize = 4;
/// Features chosen of them.
const CHOSEN: usize = 24;
/// The largest of all are among these: they outlast blur and a copy shown small.
const LARGEST: usize = 4;
/// Bits in which two of these differ more: a feature that stays in the picture is needed once.
const ALIKE: u32 = 12;

/// The features to index, each with its number: of every few key frames the largest, then the strongest, as many of one as of
/// another, that are unlike each other. So what is seen for a second only is as likely to be found as what stays.
pub(super) fn indexed(print: &Packed) -> impl Iterator<Item = (u32, Feature)> {
    (0..print.keys()).step_by(TOGETHER).flat_map(|first| {
        let keys: Vec<Vec<_>> =
            (first..print.keys().min(first + TOGETHER)).map(|key| print.features_of(key).collect()).collect();
        unlike(&keys)
    })
}

/// The most that are indexed of a print, which takes no look at its features.
pub(super) fn most(print: &Packed) -> usize {
    print.features().min(CHOSEN * print.keys().div_ceil(TOGETHER))
}

/// Of features by key frame, in the order of their strength, a few of the largest and the first that are unlike each other.
fn unlike(keys: &[Vec<(u32, Feature)>]) -> Vec<(u32, Feature)> {
    let mut by_size: Vec<_> = keys.iter().flatten().copied().collect();
    by_size.sort_by_key(|(_, feature)| Reverse(feature.size));
    let deepest = keys.iter().map(Vec::len).max().unwrap_or(0);
    let by_strength = (0..deepest).flat_map(|rank| keys.iter().filter_map(move |key| key.get(rank)));
    let mut chosen: Vec<(u32, Feature)> = Vec::with_capacity(CHOSEN);
    choose(&mut chosen, by_size, LARGEST);
    choose(&mut chosen, by_strength.copied(), CHOSEN);
    chosen
}

/// Adds features that are unlike all before, until there are as many as that.
fn choose(chosen: &mut Vec<(u32, Feature)>, among: impl IntoIterator<Item = (u32, Feature)>, most: usize) {
    for (number, feature) in among {
        if chosen.len() >= most {
            break;
        }
        if chosen.iter().all(|(_, other)| distance(&other.code, &feature.code) > ALIKE) {
            chosen.push((number, feature));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{KeyFrame, Print};

    fn feature(code: u64) -> Feature {
        Feature { code: [code, 0], x: 0, y: 0, size: 0, angle: 0 }
    }

    #[test]
    fn what_stays_is_chosen_once_and_what_is_seen_for_a_second_too() {
        // One byte of eight set: sixteen bits apart from each other.
        let key = |second: u32, bytes: &[u32]| KeyFrame {
            time: 1000 * second,
            features: bytes.iter().map(|byte| feature(0xff << (8 * byte))).collect(),
        };
        let keys =
            vec![key(0, &[0, 1, 2]), key(1, &[0, 3, 1]), key(2, &[0, 4]), key(3, &[0]), key(4, &[0, 5])];
        let print = Packed::from(&Print { keys, ..Print::default() });
        let chosen: Vec<u32> = indexed(&print).map(|(number, _)| number).collect();
        assert_eq!(chosen, [0, 1, 2, 4, 7, 9, 10]);
    }

    #[test]
    fn no_more_are_chosen_than_there_is_room_for_and_the_largest_are_among_them() {
        let mut unlike: Vec<_> = (0..60u64).map(|n| feature(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        unlike[50].size = 90;
        unlike[40].size = 80;
        let print =
            Packed::from(&Print { keys: vec![KeyFrame { time: 0, features: unlike }], ..Print::default() });
        let chosen: Vec<u32> = indexed(&print).map(|(number, _)| number).collect();
        assert_eq!(chosen.len(), CHOSEN);
        assert_eq!(chosen[..LARGEST + 1], [50, 40, 0, 1, 2]);
    }
}
