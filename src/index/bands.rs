//! How a code is cut into bands, and how far each band has to be searched.
//!
//! If two codes differ in at most `r` bits and `m` bands have thresholds with `Σt = r − m + 1`, then some band differs
//! in at most its threshold (the general pigeonhole principle: Qin, Wang, Xiao, Zhang: GPH: Similarity Search in
//! Hamming Space, ICDE 2018). A threshold of −1 leaves the band out.
//!
//! More holds: the bands in a circle, some band starts a run of which every prefix of `l` bands differs in at most
//! `Σ(t + 1) − 1` bits, summed over the prefix (Qin, Xiao: Pigeonring, PVLDB 12(1), 2018; it is the cycle lemma of
//! Dvoretzky and Motzkin). So the bits behind a band, kept next to its posting as a fingerprint, reject nearly every
//! code before it is touched.

use super::Code;
use super::collision::{WORD, WORDS};
use std::sync::OnceLock;

/// Bits of the fingerprint beside a posting. Its lower half lies apart from the upper, and mostly decides alone.
pub(super) const FINGERPRINT: u32 = 32;

/// The widest band: its table of offsets has 2²⁴ entries.
const WIDEST: u32 = 24;

/// The largest threshold that is probed; a scan is always cheaper beyond.
pub(super) const DEEPEST: usize = 4;

/// A cut of a code into neighbouring bands that differ in width by at most one bit; or, for a search by collision, the
/// beginnings of its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bands {
    bits: u32,
    count: u32,
    /// The width of the narrow bands.
    narrow: u32,
    /// How many bands are wider by one bit; they come first.
    wide: u32,
    /// From where a narrow band begins to where the next does.
    stride: u32,
}

impl Bands {
    /// `None` if a code of `bits` cannot be cut so.
    pub(super) fn new(bits: u32, count: u32) -> Option<Self> {
        if count < 2 {
            return None;
        }
        let cut = Self::even(bits, count);
        let fits = count < bits && cut.width(0) <= WIDEST && cut.width(0) + FINGERPRINT <= bits;
        fits.then_some(cut)
    }

    /// The cut for so many codes: wide enough that a bucket holds few codes that do not match, narrow enough that the
    /// tables of offsets stay small beside the codes and few values have to be probed.
    pub(super) fn for_size(bits: u32, codes: usize) -> Self {
        let width = match (bits, codes) {
            (..=128, 65_536..) => 16,
            (_, 0..160_000) => 8,
            (_, 160_000..50_000_000) => 16,
            (_, 50_000_000..1_000_000_000) => 20,
            _ => 24,
        };
        Self::even(bits, bits.div_ceil(width))
    }

    /// The cut for a memtable, whatever the number of codes.
    pub(super) fn for_memtable(bits: u32) -> Self {
        Self::even(bits, bits / 16)
    }

    fn even(bits: u32, count: u32) -> Self {
        Self { bits, count, narrow: bits / count, wide: bits % count, stride: bits / count }
    }

    /// The first `width` bits of each word of a search by collision; `None` if it cannot be so many.
    pub(super) fn words(width: u32) -> Option<Self> {
        let cut =
            Self { bits: WORD * WORDS as u32, count: WORDS as u32, narrow: width, wide: 0, stride: WORD };
        (1..=WIDEST).contains(&width).then_some(cut)
    }

    /// That of so many codes: two to eight have the same value in a band, so that the tables stay small beside them.
    pub(super) fn words_for_size(codes: usize) -> Option<Self> {
        let width = codes.checked_ilog2().unwrap_or(0).saturating_sub(1);
        // Only some widths: sorted tables grow by merging as long as the width stays.
        Self::words(width.clamp(8, WIDEST) & !1)
    }

    /// The width, if bands are the beginnings of words.
    pub(super) fn in_words(self) -> Option<u32> {
        (self.stride != self.narrow).then_some(self.narrow)
    }

    #[inline(always)]
    pub(super) fn count(self) -> usize {
        self.count as usize
    }

    /// Where the band begins.
    #[inline(always)]
    fn start(self, band: usize) -> u32 {
        let band = band as u32;
        band * self.stride + band.min(self.wide)
    }

    #[inline(always)]
    pub(super) fn width(self, band: usize) -> u32 {
        self.narrow + u32::from((band as u32) < self.wide)
    }

    /// The number of values that a band can have.
    pub(super) fn values(self, band: usize) -> usize {
        1 << self.width(band)
    }

    /// The value of a band.
    #[inline(always)]
    pub(super) fn key<const W: usize>(self, code: &Code<W>, band: usize) -> u32 {
        let width = self.width(band);
        field(code, self.start(band)) & (u32::MAX >> (32 - width))
    }

    /// The bits that follow a band in the circle.
    #[inline(always)]
    pub(super) fn fingerprint<const W: usize>(self, code: &Code<W>, band: usize) -> u32 {
        let start = self.start(band) + self.width(band);
        let after = field(code, start);
        if self.bits == 64 * W as u32 || start + FINGERPRINT <= self.bits {
            return after;
        }
        let left = self.bits - start;
        after & ((1 << left) - 1) | field(code, 0) << left
    }

    /// For each band the most bits in which a code may differ where a run starts.
    pub(super) fn budgets(self, thresholds: &[i32], out: &mut Vec<Budget>) {
        out.clear();
        let budget = |band: usize| {
            let (mut next, mut covered) = (band, 0);
            let mut budget = thresholds[band];
            let mut cover = |bits: u32| {
                while covered < bits {
                    next = if next + 1 == self.count() { 0 } else { next + 1 };
                    covered += self.width(next);
                    budget += thresholds[next] + 1;
                }
                budget
            };
            Budget { near: cover(FINGERPRINT / 2), all: cover(FINGERPRINT) }
        };
        if self.wide == 0 && thresholds.iter().all(|threshold| *threshold == thresholds[0]) {
            // As most are.
            out.resize(self.count(), budget(0));
        } else {
            out.extend((0..self.count()).map(budget));
        }
    }

    /// The first band in which a code passes.
    #[inline(always)]
    pub(super) fn first_passed<const W: usize>(
        self,
        stored: &Code<W>,
        code: &Code<W>,
        thresholds: &[i32],
        budgets: &[Budget],
    ) -> Option<usize> {
        for (band, (&threshold, &budget)) in thresholds.iter().zip(budgets).enumerate() {
            if self.passes(stored, code, band, threshold, budget) {
                return Some(band);
            }
        }
        None
    }

    /// Whether a code passes in a band.
    #[inline(always)]
    fn passes<const W: usize>(
        self,
        stored: &Code<W>,
        code: &Code<W>,
        band: usize,
        threshold: i32,
        budget: Budget,
    ) -> bool {
        let key = (self.key(stored, band) ^ self.key(code, band)).count_ones() as i32;
        let print = self.fingerprint(stored, band) ^ self.fingerprint(code, band);
        let near = (print & 0xffff).count_ones() as i32;
        key <= threshold && key + near <= budget.near && key + print.count_ones() as i32 <= budget.all
    }
}

/// The most bits in which a run may differ, where its bands have thresholds that were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Budget {
    /// In a band and the lower half of its fingerprint.
    pub(super) near: i32,
    /// In a band and its whole fingerprint.
    pub(super) all: i32,
}

impl Budget {
    /// What is left for the halves and the whole of the fingerprint, if the band differs in so many bits.
    pub(super) fn less(self, distance: usize) -> (u8, u8) {
        let left = |budget: i32| (budget - distance as i32).clamp(0, FINGERPRINT as i32) as u8;
        (left(self.near), left(self.all))
    }
}

/// 32 bits of a code from a place on, in the circle.
#[inline(always)]
fn field<const W: usize>(code: &Code<W>, start: u32) -> u32 {
    let (word, shift) = (start as usize / 64, start % 64);
    let (low, high) = (code[word % W], code[(word + 1) % W]);
    // In two steps, as a shift by 64 is none.
    (low >> shift | high << 1 << (63 - shift)) as u32
}

/// All patterns of a width with few bits set, by the number of bits set.
#[derive(Debug)]
pub(super) struct Masks {
    masks: Vec<u32>,
    /// Where the patterns of each number of bits end.
    ends: [usize; DEEPEST + 1],
}

impl Masks {
    /// The patterns of a width of at most 24 bits.
    pub(super) fn of(width: u32) -> &'static Self {
        static ALL: [OnceLock<Masks>; WIDEST as usize + 1] = [const { OnceLock::new() }; WIDEST as usize + 1];
        ALL[width as usize].get_or_init(|| {
            let mut masks = Vec::new();
            let ends = std::array::from_fn(|bits| {
                append(&mut masks, 0, 0, width, bits);
                masks.len()
            });
            Masks { masks, ends }
        })
    }

    /// The patterns with fewer bits set than so many.
    #[inline]
    pub(super) fn shells(&self, bits: usize) -> &[u32] {
        &self.masks[..bits.checked_sub(1).map_or(0, |most| self.ends[most])]
    }

    /// The patterns with exactly so many bits set.
    #[inline]
    pub(super) fn shell(&self, bits: usize) -> &[u32] {
        let start = bits.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.masks[start..self.ends[bits]]
    }
}

/// Appends `mask` with `bits` more bits set from place `from` on.
fn append(masks: &mut Vec<u32>, mask: u32, from: u32, width: u32, bits: usize) {
    if bits == 0 {
        masks.push(mask);
        return;
    }
    for place in from..width {
        append(masks, mask | 1 << place, place + 1, width, bits - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit<const W: usize>(code: &Code<W>, place: u32) -> u32 {
        (code[place as usize / 64 % W] >> (place % 64) & 1) as u32
    }

    fn check<const W: usize>(code: Code<W>, count: u32) {
        let Some(bands) = Bands::new(64 * W as u32, count) else { return };
        let mut start = 0;
        for band in 0..bands.count() {
            let width = bands.width(band);
            let key = (0..width).map(|i| bit(&code, start + i) << i).sum::<u32>();
            assert_eq!(bands.key(&code, band), key);
            start += width;
            let fingerprint = (0..32).map(|i| bit(&code, start + i) << i).sum::<u32>();
            assert_eq!(bands.fingerprint(&code, band), fingerprint);
        }
        assert_eq!(start, 64 * W as u32);
    }

    proptest! {
        #[test]
        fn keys_and_fingerprints_are_the_bits_in_turn(code: [u64; 4], count in 0u32..40) {
            check(code, count);
            check([code[0], code[1]], count);
            check([code[0]], count);
        }

        #[test]
        fn some_band_starts_a_run_within_budget(
            a: [u64; 4], flips in prop::collection::vec(0u32..256, 0..70), count in 11u32..=24, order: u64,
        ) {
            let mut b = a;
            flips.iter().for_each(|&place| b[place as usize / 64] ^= 1 << (place % 64));
            let radius = flips.len() as i32;
            let bands = Bands::new(256, count).unwrap();
            let mut thresholds = vec![-1; bands.count()];
            (0..=radius).for_each(|i| thresholds[(i as u64 ^ order) as usize % bands.count()] += 1);
            let mut budgets = Vec::new();
            bands.budgets(&thresholds, &mut budgets);
            let passes =
                (0..bands.count()).any(|band| bands.passes(&a, &b, band, thresholds[band], budgets[band]));
            prop_assert!(passes);
        }
    }

    #[test]
    fn masks_are_all_patterns() {
        for width in [3, 13, 16] {
            for bits in 0..=DEEPEST {
                let mut shell = Masks::of(width).shell(bits).to_vec();
                shell.sort();
                let expected: Vec<u32> =
                    (0..1u32 << width).filter(|m| m.count_ones() as usize == bits).collect();
                assert_eq!(shell, expected);
            }
        }
    }

    #[test]
    fn every_size_has_a_cut() {
        for bits in [64, 128, 256] {
            for codes in [0, 1, 10_000, 100_000, 10_000_000, 100_000_000, 3_000_000_000] {
                let bands = Bands::for_size(bits, codes);
                assert_eq!(Bands::new(bits, bands.count), Some(bands));
            }
        }
    }
}
