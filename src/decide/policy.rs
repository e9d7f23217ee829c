//! When a match acts, and how: a policy for each collection of references.

use crate::align::{Kind, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

/// The collection of references that were banked without one, and of policies that were set for none.
pub const DEFAULT: &str = "default";

/// What a score of less than the threshold is set to at most when something else than the threshold holds it back.
const HELD_BACK: f64 = -0.01;

/// Times as many seconds that are asked of pieces together as of a copy in one: two jingles of one station are no copy.
const PIECES: f64 = 2.0;

/// What follows a match, from the mildest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The upload may show this: matches of other collections in the same place do not act.
    Allow,
    /// It is written down.
    Log,
    /// Somebody has a look.
    Review,
    /// The upload is refused.
    Block,
}

/// As it is written in reports, and in policies.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Log => "log",
            Self::Review => "review",
            Self::Block => "block",
        })
    }
}

/// When and how the matches of a collection act.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// What follows a match.
    pub action: Action,
    /// Act where at most this number of false matches is expected by chance in one query of the whole bank.
    pub false_matches: f64,
    /// Act only where the copy lasts at least this number of seconds in the query, or different pieces of one reference
    /// twice as many together. Stills are exempt.
    pub min_seconds: f64,
    /// The same where sound alone tells of it: jingles and samples of a second or two are in many soundtracks.
    pub min_sound_seconds: f64,
    /// Act only where the copy, in all its pieces, fills at least this share of the query, 0 to 1. Stills are exempt.
    pub min_query_share: f64,
    /// Act only where at least this share of the reference was copied, in all pieces, 0 to 1. Stills are exempt.
    pub min_reference_share: f64,
    /// Report what would be done, and do nothing.
    pub shadow: bool,
    /// Share of uploads for which it acts, 0 to 1. Which ones depends on their fingerprints alone.
    pub rollout: f64,
    /// From then on nothing acts.
    #[serde(with = "super::unix::option")]
    pub expires: Option<SystemTime>,
    /// The references cannot be removed, and their matches are written down at the least.
    pub legal_hold: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            action: Action::Block,
            false_matches: 1e-6,
            min_seconds: 1.0,
            min_sound_seconds: 3.0,
            min_query_share: 0.0,
            min_reference_share: 0.0,
            shadow: false,
            rollout: 1.0,
            expires: None,
            legal_hold: false,
        }
    }
}

/// What a score is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// −log₁₀ of the number of such segments expected by chance in a query of the whole bank.
    pub surprise: f64,
    /// What it was found by.
    pub kind: Kind,
    /// Where in the query.
    pub query: Span,
    /// Where in the reference.
    pub matched: Span,
    /// Seconds of the query that all pieces of the reference cover which are sure enough, this one among them.
    pub query_covered: f64,
    /// Seconds of the reference that they cover.
    pub reference_covered: f64,
    /// Seconds of the whole query.
    pub query_seconds: f64,
    /// Seconds of the whole reference.
    pub reference_seconds: f64,
}

impl Policy {
    /// The score of a segment: its surprise minus the threshold. 0 or more acts; never NaN.
    pub fn score(&self, evidence: &Evidence) -> f64 {
        let score = self.margin(evidence.surprise);
        if self.is_long_enough(evidence) { score } else { score.min(HELD_BACK) }
    }

    /// A surprise minus the threshold.
    pub(super) fn margin(&self, surprise: f64) -> f64 {
        // Written so that a NaN on either side comes out as the threshold that nothing passes.
        let threshold = -self.false_matches.max(f64::MIN_POSITIVE).log10();
        let surprise = if surprise.is_nan() { 0.0 } else { surprise.clamp(-1e3, 1e6) };
        surprise - threshold.clamp(-1e3, 1e3)
    }

    fn is_long_enough(&self, evidence: &Evidence) -> bool {
        let Evidence { query_covered, reference_covered, query_seconds, reference_seconds, .. } = *evidence;
        let length = |span: Span| span.end - span.start;
        let (query, matched) = (length(evidence.query), length(evidence.matched));
        if query == 0.0 || matched == 0.0 {
            return true;
        }
        let least = if evidence.kind == Kind::Sound { self.min_sound_seconds } else { self.min_seconds };
        // A jingle that comes again and again is one piece of the reference.
        let is_long = query >= least || query_covered.min(reference_covered) >= PIECES * least;
        is_long
            && query.max(query_covered) >= self.min_query_share * query_seconds
            && matched.max(reference_covered) >= self.min_reference_share * reference_seconds
    }

    /// What is wrong with a number of it, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        let share = |x: f64| (0.0..=1.0).contains(&x);
        let seconds = |x: f64| (0.0..1e9).contains(&x);
        if !(self.false_matches > 0.0 && self.false_matches.is_finite()) {
            Some("the expected false matches are no positive number")
        } else if !seconds(self.min_seconds) || !seconds(self.min_sound_seconds) {
            Some("the least seconds are no number of seconds")
        } else if !share(self.min_query_share) || !share(self.min_reference_share) {
            Some("a least share is not between 0 and 1")
        } else if !share(self.rollout) {
            Some("the share of a rollout is not between 0 and 1")
        } else {
            None
        }
    }
}

/// The policy of each collection, and the change of the bank that set it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies(BTreeMap<String, InForce>);

/// A policy and its version.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InForce {
    /// The number of the change of the bank that set it, 0 where none did.
    pub version: u64,
    /// The policy.
    pub policy: Policy,
}

impl Policies {
    /// The policy of a collection: its own, or else that of the collection [`DEFAULT`], or else [`Policy::default`].
    pub fn of(&self, collection: &str) -> InForce {
        self.0.get(collection).or_else(|| self.0.get(DEFAULT)).copied().unwrap_or_default()
    }

    /// The policy that was set for a collection itself.
    pub fn own(&self, collection: &str) -> Option<InForce> {
        self.0.get(collection).copied()
    }

    /// Sets the policy of a collection; `None` takes its own away.
    pub fn set(&mut self, collection: &str, policy: Option<InForce>) {
        match policy {
            Some(policy) => drop(self.0.insert(collection.to_owned(), policy)),
            None => drop(self.0.remove(collection)),
        }
    }

    /// All that were set, by collection.
    pub fn iter(&self) -> impl Iterator<Item = (&str, InForce)> {
        self.0.iter().map(|(collection, in_force)| (collection.as_str(), *in_force))
    }
}
