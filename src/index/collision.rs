//! When a search by collision finds a code.
//!
//! Locality-sensitive hashing by bit sampling (Indyk, Motwani: Approximate Nearest Neighbors, STOC 1998) looks only at
//! codes that agree with the query in a whole word. Which bits of a query are likely to be wrong is mostly known: those
//! whose sign hung by a thread. So the values next to the query's own are looked up as well, first those in which the
//! most doubtful bits are turned over (Lv, Josephson, Wang, Charikar, Li: Multi-Probe LSH, VLDB 2007), and doubtful bits
//! do not count for the distance. Long words, of which few need to be stored, reach as far so as short ones do by
//! themselves, and meet far fewer strangers. What is found does not depend on how the codes lie in segments.

use super::Code;
use std::sync::LazyLock;

/// Words of a code.
pub const WORDS: usize = 3;
/// Bits of a word. The first lies in the lowest bits of the code; the bits after the last are zero.
pub const WORD: u32 = 28;
/// Doubtful bits of a word that are named.
pub const DOUBTS: usize = 8;

/// Of those, the most doubtful ones that do not count for the distance.
const IGNORED: usize = 7;

/// All bits that count.
pub(super) const ALL: u128 = (1 << (WORD * WORDS as u32)) - 1;

/// A code that is looked for, and which of its bits are in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    /// Three words of 28 bits, and zeros.
    pub code: Code<2>,
    /// Of each word the places of its eight most doubtful bits, the most doubtful first.
    pub doubts: Doubts,
}

/// Of each word the places of its eight most doubtful bits, the most doubtful first. Each place is named once.
pub type Doubts = [[u8; DOUBTS]; WORDS];

/// The bits of a code but for the seven most doubtful of each word.
pub fn sure(doubts: &Doubts) -> Code<2> {
    let ignored = |w: usize| doubts[w][..IGNORED].iter().fold(0u128, |bits, &bit| bits | bit_of(w, bit));
    split((0..WORDS).fold(ALL, |sure, w| sure & !ignored(w)))
}

fn bit_of(word: usize, bit: u8) -> u128 {
    1 << (word as u32 * WORD + u32::from(bit) % WORD)
}

fn joined(code: &Code<2>) -> u128 {
    u128::from(code[0]) | u128::from(code[1]) << 64
}

fn split(bits: u128) -> Code<2> {
    [bits as u64, (bits >> 64) as u64]
}

fn word_of(bits: u128, word: usize) -> u32 {
    (bits >> (word as u32 * WORD)) as u32 & ((1 << WORD) - 1)
}

/// How much is looked at for each code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Cost of a pattern up to which it is tried.
    dearest: u32,
    /// Patterns tried in each word.
    tried: usize,
    /// Sure bits in which codes may differ.
    pub(super) radius: u32,
    /// Sure bits in which the word after the one that they share may differ.
    near: u32,
}

/// The sets of doubtful bits, as bits of a byte, the likeliest to be wrong first; and the cost of each.
///
/// A set costs the sum of r (r + 1) over its bits, the most doubtful having r = 1: the squares that are expected of the
/// smallest of evenly spread values (Lv et al., section 4.5). Of a set that is tried, all parts are.
static SETS: LazyLock<(Vec<u8>, Vec<u32>)> = LazyLock::new(|| {
    let cost = |set: u8| (0..DOUBTS as u32).filter(|r| set >> r & 1 == 1).map(|r| (r + 1) * (r + 2)).sum();
    let mut all: Vec<(u32, u8)> = (0..=u8::MAX).map(|set| (cost(set), set)).collect();
    all.sort_unstable();
    all.into_iter().map(|(cost, set)| (set, cost)).unzip()
});

/// What is turned over of a word, for each set of doubtful bits: by the lower and by the upper half of the set.
#[derive(Debug)]
pub(super) struct Patterns {
    low: [u32; 16],
    high: [u32; 16],
}

impl Patterns {
    #[inline(always)]
    pub(super) fn of(&self, set: u8) -> u32 {
        self.low[usize::from(set & 15)] | self.high[usize::from(set >> 4)]
    }
}

impl Reach {
    /// Looks up `tries` values of each word, or some more that are as likely, but at least its own and at most 256; and
    /// reports codes that differ in at most `radius` sure bits, and in no more than about half as many in the word that
    /// follows the one they share.
    pub fn new(tries: usize, radius: u32) -> Self {
        let (_, costs) = &*SETS;
        let dearest = costs[tries.clamp(1, costs.len()) - 1];
        let tried = costs.partition_point(|&cost| cost <= dearest);
        Self { dearest, tried, radius, near: radius / 2 + 1 }
    }

    /// Patterns tried in each word.
    pub(super) fn tried(self) -> usize {
        self.tried
    }

    /// The sets of doubtful bits that are tried.
    pub(super) fn sets(self) -> &'static [u8] {
        &SETS.0[..self.tried]
    }

    /// Bits, doubtful or not, in which codes that are found may differ.
    pub(super) fn widest(self) -> u32 {
        self.radius.saturating_add((IGNORED * WORDS) as u32)
    }

    /// Sure bits in which the word after the shared one may differ.
    pub(super) fn near(self) -> u32 {
        self.near
    }
}

/// A code that is looked for, made ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    bits: u128,
    sure: u128,
    /// The bits that are not turned over in any pattern.
    firm: u128,
    doubts: Doubts,
}

impl Look {
    pub(super) fn new(sought: &Sought) -> Self {
        let doubtful = (0..WORDS).flat_map(|w| sought.doubts[w].map(|bit| bit_of(w, bit)));
        Self {
            bits: joined(&sought.code) & ALL,
            sure: joined(&sure(&sought.doubts)),
            firm: doubtful.fold(ALL, |firm, bit| firm & !bit),
            doubts: sought.doubts,
        }
    }

    /// The sure bits, as a code.
    pub(super) fn sure(&self) -> Code<2> {
        split(self.sure)
    }

    /// The bits that are not turned over in any pattern, as a code.
    pub(super) fn firm(&self) -> Code<2> {
        split(self.firm)
    }

    /// What may be turned over of a word.
    #[inline]
    pub(super) fn patterns(&self, word: usize) -> Patterns {
        let bits = self.doubts[word].map(|bit| 1 << (u32::from(bit) % WORD));
        let half = |bits: &[u32]| {
            let mut sums = [0; 16];
            for set in 1..16usize {
                sums[set] = sums[set & (set - 1)] | bits[set.trailing_zeros() as usize];
            }
            sums
        };
        Patterns { low: half(&bits[..4]), high: half(&bits[4..]) }
    }

    /// In how many sure bits a code differs, if it is one to be found.
    #[inline(always)]
    pub(super) fn distance(&self, stored: &Code<2>, reach: Reach) -> Option<u32> {
        let apart = (joined(stored) ^ self.bits) & ALL;
        let sure = apart & self.sure;
        let distance = sure.count_ones();
        let found = distance <= reach.radius
            && (0..WORDS).any(|word| {
                self.is_tried(word, word_of(apart, word), reach)
                    && word_of(sure, (word + 1) % WORDS).count_ones() <= reach.near
            });
        found.then_some(distance)
    }

    /// Whether what differs in a word is one of the patterns.
    #[inline]
    fn is_tried(&self, word: usize, apart: u32, reach: Reach) -> bool {
        let (mut left, mut cost) = (apart, 0);
        for (r, bit) in (1u32..).zip(self.doubts[word]) {
            let bit = 1 << (u32::from(bit) % WORD);
            if left & bit != 0 {
                left &= !bit;
                cost += r * (r + 1);
            }
        }
        left == 0 && cost <= reach.dearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUGHT: Sought = Sought { code: [0; 2], doubts: [[0, 1, 2, 3, 4, 5, 6, 7]; WORDS] };

    fn distance(bits: &[u32], tries: usize, radius: u32) -> Option<u32> {
        let code = split(bits.iter().fold(0, |code, bit| code | 1 << bit));
        Look::new(&SOUGHT).distance(&code, Reach::new(tries, radius))
    }

    fn patterns(word: usize, reach: Reach) -> Vec<u32> {
        let patterns = Look::new(&SOUGHT).patterns(word);
        reach.sets().iter().map(|&set| patterns.of(set)).collect()
    }

    #[test]
    fn likely_patterns_come_first() {
        let likely = |tries| patterns(0, Reach::new(tries, 0));
        assert_eq!(likely(1), [0]);
        assert_eq!(likely(5), [0, 1, 2, 3, 4]);
        // The fourth doubtful bit by itself is as likely as the first three together.
        assert_eq!(likely(8), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(likely(999).len(), 256);
    }

    #[test]
    fn all_that_is_tried_is_found() {
        for tries in [1, 7, 32, 100, 256] {
            let reach = Reach::new(tries, 9);
            let look = Look::new(&SOUGHT);
            for word in 0..WORDS {
                let patterns = patterns(word, reach);
                let is_found = |set: u32| look.is_tried(word, set, reach);
                assert!((0..1 << 10).all(|set| is_found(set) == patterns.contains(&set)));
            }
        }
    }

    #[test]
    fn doubtful_bits_do_not_count() {
        // One sure bit in each word: nothing is shared.
        assert_eq!(distance(&[20, 48, 76], 256, 9), None);
        assert_eq!(distance(&[20, 48], 1, 9), Some(2));
        assert_eq!(distance(&[20, 48, 56, 57], 256, 9), Some(2));
        assert_eq!(distance(&[20, 48, 56, 57], 1, 9), None);
        assert_eq!(distance(&[20, 48], 256, 1), None);
        // Behind the last word.
        assert_eq!(distance(&[84, 90, 127], 1, 0), Some(0));
        // Too many in the word after the shared one, but not in the one after another.
        assert_eq!(distance(&[8, 9, 10, 11], 1, 4), Some(4));
        assert_eq!(distance(&[8, 9, 10, 11, 40], 1, 5), None);
    }
}
