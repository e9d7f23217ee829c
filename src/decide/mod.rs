//! One score from all evidence, and what a policy makes of it.
//!
//! Every segment carries its surprise: −log₁₀ of the number of such segments that chance alone would give when this query
//! meets a bank of this size. Where picture and sound of one reference tell the same story in time, their surprises add,
//! for the two are made from different data. Segments that disagree in time never add up. The score is the surprise
//! minus the policy's threshold: 0 or more acts.

mod fuse;
#[cfg(test)]
mod tests;

pub use fuse::fuse;

use crate::align::{Kind, Segment, Span, Transform};
use serde::{Deserialize, Serialize};

/// What a score of less than the threshold is set to at most when something else than the threshold holds it back.
const HELD_BACK: f64 = -0.01;

/// When a match acts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Act where at most this number of false matches is expected by chance in one query of the whole bank.
    pub false_matches: f64,
    /// Act only where the copy lasts at least this number of seconds in the query. Stills are exempt.
    pub min_seconds: f64,
    /// The same where sound alone tells of it: jingles and samples of a second or two are in many soundtracks.
    pub min_sound_seconds: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { false_matches: 1e-6, min_seconds: 1.0, min_sound_seconds: 3.0 }
    }
}

impl Policy {
    /// The score of a segment: its surprise minus the threshold. 0 or more acts; never NaN.
    pub fn score(&self, segment: &Segment) -> f64 {
        // Written so that a NaN on either side comes out as the threshold that nothing passes.
        let threshold = -self.false_matches.max(f64::MIN_POSITIVE).log10();
        let surprise = if segment.surprise.is_nan() { 0.0 } else { segment.surprise.clamp(-1e3, 1e6) };
        let score = surprise - threshold.clamp(-1e3, 1e3);
        let seconds = segment.query.end - segment.query.start;
        let still = seconds == 0.0 || segment.matched.end == segment.matched.start;
        let least = if segment.kind == Kind::Sound { self.min_sound_seconds } else { self.min_seconds };
        let long_enough = seconds >= least;
        if still || long_enough { score } else { score.min(HELD_BACK) }
    }
}

/// A stretch of a query that is a copy of a stretch of a reference, as judged by a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The reference's name.
    pub reference: String,
    /// The label it was banked with.
    pub label: String,
    /// −log₁₀ of the number of false matches expected by chance, minus the policy's threshold: 0 or more acts.
    pub score: f64,
    /// Where in the query.
    pub query: Span,
    /// Where in the reference.
    pub matched: Span,
    /// What it was found by.
    pub kind: Kind,
    /// What was done to it.
    pub transform: Transform,
}

impl Match {
    /// Whether it is sure enough to act on.
    pub fn acts(&self) -> bool {
        self.score >= 0.0
    }
}

/// What came out for one query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The last change of the bank that was taken into account.
    pub sequence: u64,
    /// All matches, the surest first, those that do not act included.
    pub matches: Vec<Match>,
}

impl Verdict {
    /// The matches that are sure enough to act on, the surest first.
    pub fn acting(&self) -> impl Iterator<Item = &Match> {
        self.matches.iter().filter(|m| m.acts())
    }

    /// Whether any match is sure enough to act on.
    pub fn is_match(&self) -> bool {
        self.acting().next().is_some()
    }
}
