//! What unrelated sound reaches by chance.

/// What a fit rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Sum of the weights of bits that agree, less those that do not and what their common leaning explains.
    pub(super) agreement: f64,
    /// Sum of all weights.
    pub(super) weight: f64,
    /// Variance of the agreement if the two sides were unrelated.
    pub(super) variance: f64,
}

/// By how much the dependence of neighbouring bands and words widens the spread of any sum, as a variance.
const DEPENDENCE: f64 = 2.5;

/// By how much the search for the best line and stretch widens the spread measured beside it, as a variance.
const SELECTION: f64 = 1.5;

/// The spread beside fits of most sounds, as a variance; a smaller one is taken for luck.
const LEAST_SPREAD: f64 = 1.44;

/// log₁₀ of the share of lines that are not of the reference's own speed and pitch, to those that are.
const PLAIN: f64 = 2.5;

/// Decades that a spread measured along a few hundred lines is believed for: it tells nothing of what is rarer. Enough in a
/// bank of some hours, and not in a large one.
const BELIEVED: f64 = 15.0;

/// Spread of the share of agreement that remains however long a fit is.
const LASTING: f64 = 0.018;

/// Independent lines to a word of the query and a word of the reference: speeds, pitches, where to start and end.
const LINES: f64 = 2.0;

/// Independent lines that are tried to find where a known copy goes on.
pub(super) const AFTER_A_JUMP: f64 = 1_000.0;

/// Words that a sound's likeness to itself is followed over: 4 s.
const MEMORY: usize = 64;

/// By how much two series of words widen the spread of their agreement, as a variance, each by being like itself
/// some words later; and the agreement of a bit that both sides' leaning to ones or noughts explains.
///
/// The variance of the product sum of two independent series is the sum over lags of the products of their
/// autocorrelations (Bartlett, 1946), taken band by band here. Chance alone makes each product positive where the
/// two series are the same; that part is taken off.
pub(super) fn dependence(query: &[u32], reference: &[u32]) -> (f64, f64) {
    let count = query.len().min(reference.len());
    if count == 0 {
        return (1.0, 0.0);
    }
    let leaning = |words: &[u32]| {
        let ones: u32 = words.iter().map(|word| word.count_ones()).sum();
        f64::from(ones) / (16 * words.len()) as f64 - 1.0
    };
    let (query_bands, reference_bands) = (bands(query), bands(reference));
    let mut excess = 0.0;
    for lag in 1..MEMORY.min(count / 2) {
        let rest = (count - lag) as f64;
        let shared: f64 = query_bands
            .iter()
            .zip(&reference_bands)
            .map(|(a, b)| likeness(a, lag, count) * likeness(b, lag, count))
            .sum();
        excess += 2.0 * (rest * shared / 32.0 - 1.0);
    }
    (1.0 + excess.max(0.0) / count as f64, leaning(query) * leaning(reference))
}

/// The bits of each band in order of time, 64 to an element.
fn bands(words: &[u32]) -> [Vec<u64>; 32] {
    std::array::from_fn(|band| {
        words
            .chunks(64)
            .map(|words| words.iter().rev().fold(0, |bits, word| bits << 1 | u64::from(word >> band & 1)))
            .collect()
    })
}

/// Correlation of `count` bits with themselves `lag` later.
fn likeness(bits: &[u64], lag: usize, count: usize) -> f64 {
    let (whole, part) = (lag / 64, lag % 64);
    let rest = count - lag;
    let later = |at: usize| {
        let low = bits.get(at + whole).copied().unwrap_or(0) >> part;
        let high = if part == 0 { 0 } else { bits.get(at + whole + 1).copied().unwrap_or(0) << (64 - part) };
        low | high
    };
    let mut different = 0;
    for (at, &element) in bits.iter().enumerate().take(rest.div_ceil(64)) {
        let valid = if rest - at * 64 >= 64 { u64::MAX } else { (1 << (rest - at * 64)) - 1 };
        different += ((element ^ later(at)) & valid).count_ones();
    }
    1.0 - 2.0 * f64::from(different) / rest as f64
}

/// How many independent lines there are in a search of a query of some words (each 32 ms) among references of some
/// words (each 64 ms).
pub(super) fn trials(query: usize, references: usize) -> f64 {
    LINES * (query.max(1) as f64) * (references.max(1) as f64)
}

/// −log₁₀ of the number of fits at least as good expected by chance in so many trials.
pub(super) fn surprise(evidence: &Evidence, trials: f64) -> f64 {
    let variance = DEPENDENCE * evidence.variance / evidence.weight.powi(2) + LASTING * LASTING;
    let z = evidence.agreement / evidence.weight / variance.sqrt();
    -upper_tail(z) - trials.log10()
}

/// As [`surprise`], by the spread that was measured beside the fit ([`beside`](super::beside)) in the place of one that
/// must hold for any sounds. `is_plain` tells of a line of the reference's own speed and pitch.
pub(super) fn surprise_beside(evidence: &Evidence, spread: f64, is_plain: bool, trials: f64) -> f64 {
    let variance = SELECTION * evidence.variance * spread.max(LEAST_SPREAD);
    let z = evidence.agreement / variance.sqrt();
    let decades = -upper_tail(z) + if is_plain { PLAIN } else { 0.0 };
    decades.min(BELIEVED) - trials.log10()
}

/// log₁₀ of the chance that a Gaussian variable exceeds `z` (a bound on Mills' ratio, good to 0.1 from 0 on).
fn upper_tail(z: f64) -> f64 {
    let z = z.max(0.0);
    let mills = 2.0 / (z + (z * z + 8.0 / std::f64::consts::PI).sqrt());
    let density = -z * z / 2.0 - 0.5 * std::f64::consts::TAU.ln();
    (density + mills.ln()) / std::f64::consts::LN_10
}

/// A word that looks random: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) fn scrambled(seed: u64) -> u32 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, count: u64) -> Vec<u32> {
        (0..count).map(|at| scrambled(seed << 32 | at)).collect()
    }

    #[test]
    fn noise_has_no_dependence() {
        for (a, b) in [(1, 2), (3, 3)] {
            let (widening, explained) = dependence(&noise(a, 150), &noise(b, 150));
            assert!((1.0..1.3).contains(&widening), "{widening}");
            assert!(explained.abs() < 0.01);
        }
    }

    #[test]
    fn standing_patterns_and_loops_widen_the_spread() {
        let standing = vec![0x5a5a_5a5a; 100];
        assert!(dependence(&standing, &standing).0 > 50.0);
        assert!(dependence(&standing, &noise(1, 100)).0 < 2.0);
        let looped = |seed| noise(seed, 8).repeat(20);
        assert!(dependence(&looped(1), &looped(2)).0 > 8.0);
        assert!(dependence(&looped(1), &noise(2, 160)).0 < 2.0);
        assert!((dependence(&[u32::MAX; 60], &[u32::MAX; 60]).1 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn likeness_is_that_of_the_bits() {
        let words = noise(5, 200);
        for (band, bits) in bands(&words).iter().enumerate() {
            for lag in [1, 7, 63, 64, 65, 130] {
                let same =
                    words.iter().zip(&words[lag..]).filter(|(a, b)| (*a ^ *b) >> band & 1 == 0).count();
                let rest = 200 - lag;
                let want = 2.0 * same as f64 / rest as f64 - 1.0;
                assert!((likeness(bits, lag, 200) - want).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_spread_that_was_measured_counts_unless_it_is_small() {
        let evidence = Evidence { agreement: 1_300.0, weight: 12_000.0, variance: 20_000.0 };
        let beside = |spread, is_plain| surprise_beside(&evidence, spread, is_plain, 1e7);
        assert_eq!(beside(0.1, false), beside(LEAST_SPREAD, false));
        assert!(beside(LEAST_SPREAD, false) > beside(2.0, false) + 1.0);
        assert!((beside(2.0, true) - beside(2.0, false) - PLAIN).abs() < 1e-9);
        // But not for ever.
        let sure = Evidence { agreement: 9_000.0, ..evidence };
        assert_eq!(surprise_beside(&sure, 2.0, false, 1e7), BELIEVED - 7.0);
        // Fits to unrelated sound that are as long seldom share as much; the general model holds it possible.
        assert!(beside(LEAST_SPREAD, false) > surprise(&evidence, 1e7) + 1.0);
    }

    #[test]
    fn the_tail_is_gaussian() {
        for (z, want) in [(1.0, 0.158655_f64), (3.0, 1.349898e-3), (6.0, 9.865876e-10)] {
            assert!((upper_tail(z) - want.log10()).abs() < 0.05, "{z}");
        }
    }
}
