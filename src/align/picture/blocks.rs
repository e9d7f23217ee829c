//! Long films are compared a minute with a minute, so that what a comparison takes has a bound.

use super::votes::Vote;
use std::collections::BTreeMap;
use std::ops::Range;

/// Key frames of a block.
const LENGTH: usize = 64;
/// Key frames from one block to the next: a segment that one block cuts lies whole in its neighbour, or is long.
pub(super) const STEP: usize = LENGTH / 2;

/// Key frames of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) query: Range<usize>,
    pub(super) reference: Range<usize>,
}

/// The number of a film's blocks, of so many key frames.
pub(super) fn count(keys: usize) -> usize {
    keys.saturating_sub(LENGTH).div_ceil(STEP) + 1
}

/// The first half of a block's key frames, of so many. The second half is the first one of the next block.
pub(super) fn half(number: usize, keys: usize) -> Range<usize> {
    (number * STEP).min(keys)..((number + 1) * STEP).min(keys)
}

/// The votes of each block of a reference of so many key frames that has any. All are of one block of the query.
pub(super) fn split(votes: Vec<Vote>, query: Range<usize>, reference: usize) -> Vec<(Block, Vec<Vote>)> {
    let mut found: BTreeMap<usize, Vec<Vote>> = BTreeMap::new();
    for vote in votes {
        for number in around(vote.key as usize, reference) {
            found.entry(number).or_default().push(vote);
        }
    }
    let block = |number| Block { query: query.clone(), reference: range(number, reference) };
    found.into_iter().map(|(number, votes)| (block(number), votes)).collect()
}

/// The numbers of the blocks in which a key frame of so many lies.
fn around(key: usize, keys: usize) -> Range<usize> {
    let last = count(keys) - 1;
    (key / STEP).saturating_sub(1).min(last)..(key / STEP).min(last) + 1
}

/// The key frames of a block, of so many.
pub(super) fn range(number: usize, keys: usize) -> Range<usize> {
    number * STEP..(number * STEP + LENGTH).min(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_lies_in_the_blocks_that_are_said() {
        for keys in [1, 63, 64, 65, 96, 97, 500] {
            for key in 0..keys {
                let said: Vec<usize> = around(key, keys).collect();
                let real: Vec<usize> =
                    (0..20).filter(|&n| n * STEP < keys.max(1) && range(n, keys).contains(&key)).collect();
                assert!(!said.is_empty());
                assert!(said.iter().all(|n| real.contains(n)), "{key} of {keys}: {said:?} {real:?}");
            }
        }
    }

    #[test]
    fn a_short_film_is_one_block() {
        assert_eq!(range(0, 40), 0..40);
        assert!((0..64).all(|key| around(key, 64) == (0..1)));
    }

    #[test]
    fn moments_that_are_near_share_a_block() {
        for (a, b) in [(0, 31), (31, 62), (40, 70), (100, 130)] {
            assert!(around(a, 500).any(|n| around(b, 500).contains(&n)), "{a} {b}");
        }
    }
}
