//! What unrelated sound reaches by chance.

/// What a fit rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Sum of the weights of bits that agree, less those that do not.
    pub(super) agreement: f64,
    /// Sum of all weights.
    pub(super) weight: f64,
    /// Sum of their squares.
    pub(super) squares: f64,
}

/// By how much the bits' dependence on each other widens the spread of their sum, as a variance.
const DEPENDENCE: f64 = 1.8;

/// Spread that remains however long a fit is: two unrelated sounds may keep the same beat for long.
const LASTING: f64 = 0.03;

/// Independent lines to a word of the query and a word of the reference: speeds, pitches, and where to start and end.
const LINES: f64 = 200.0;

/// How many independent lines there are in a search of a query of some words (each 32 ms) among references of some
/// words (each 64 ms).
pub(super) fn trials(query: usize, references: usize) -> f64 {
    LINES * (query.max(1) as f64) * (references.max(1) as f64)
}

/// −log₁₀ of the number of fits at least as good expected by chance in so many trials.
pub(super) fn surprise(evidence: &Evidence, trials: f64) -> f64 {
    let variance = DEPENDENCE * evidence.squares / evidence.weight.powi(2) + LASTING * LASTING;
    let z = evidence.agreement / evidence.weight / variance.sqrt();
    -upper_tail(z) - trials.log10()
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
