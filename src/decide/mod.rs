//! One score from all evidence, and what a policy makes of it.
//!
//! Every segment carries its surprise: −log₁₀ of the number of such segments that chance alone would give when this query
//! meets a bank of this size. Where picture and sound of one reference tell the same story in time, their surprises add,
//! for the two are made from different data. Segments that disagree in time never add up. The score is the surprise
//! minus the policy's threshold: 0 or more acts.
//!
//! What follows is decided by the [`Policy`] of the reference's collection, from what the verdict holds and nothing else:
//! a recorded verdict can be judged again, by the same policies or by others ([`Verdict::judge`]).

mod breaker;
mod fuse;
mod policy;
#[cfg(test)]
mod tests;
pub(crate) mod unix;

pub use breaker::Breaker;
pub use fuse::fuse;
pub use policy::{Action, DEFAULT, Evidence, InForce, Policies, Policy};

use crate::align::{Kind, Segment, Span, Transform};
use crate::fingerprint::{Digest, Spec};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

/// Share of a match that allowed matches must cover to overrule it: ends are found to a second or so.
const COVERED: f64 = 0.8;

/// A stretch of a query that is a copy of a stretch of a reference, as judged by a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The reference's name.
    pub reference: String,
    /// Its label.
    pub label: String,
    /// The collection it belongs to.
    pub collection: String,
    /// Its duration in seconds.
    pub reference_seconds: f64,
    /// An operator has suspended it.
    pub suspended: bool,
    /// −log₁₀ of the number of false matches expected by chance.
    pub surprise: f64,
    /// Where in the query.
    pub query: Span,
    /// Where in the reference.
    pub matched: Span,
    /// What it was found by.
    pub kind: Kind,
    /// What was done to it.
    pub transform: Transform,
    /// The version of the policy that judged it: the number of the change that set it, 0 where none did.
    pub policy: u64,
    /// The surprise minus the policy's threshold: 0 or more is sure enough.
    pub score: f64,
    /// What the policy asks for, if it is sure enough.
    pub wanted: Option<Action>,
    /// What is done.
    pub action: Option<Action>,
    /// Why that is not what the policy asks for.
    pub held: Option<Held>,
}

/// Why less is done than a policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Held {
    /// An operator has suspended the reference.
    Suspended,
    /// The policy has expired.
    Expired,
    /// The policy only reports.
    Shadow,
    /// The upload is not in the policy's sample.
    Rollout,
    /// What is seen there is allowed.
    Allowed,
    /// The reference matched too much: see [`Breaker`].
    Tripped,
}

/// As the reason that it is.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Suspended => "the reference is suspended",
            Self::Expired => "the policy has expired",
            Self::Shadow => "the policy is in shadow",
            Self::Rollout => "the upload is not in the sample",
            Self::Allowed => "what is seen there is allowed",
            Self::Tripped => "the reference matches too much",
        })
    }
}

impl Match {
    /// What was found of a reference that is neither labelled nor in a collection of its own; not judged yet.
    pub fn new(reference: &str, segment: &Segment) -> Self {
        Self {
            reference: reference.to_owned(),
            label: String::new(),
            collection: DEFAULT.to_owned(),
            reference_seconds: 0.0,
            suspended: false,
            surprise: segment.surprise,
            query: segment.query,
            matched: segment.matched,
            kind: segment.kind,
            transform: segment.transform,
            policy: 0,
            score: 0.0,
            wanted: None,
            action: None,
            held: None,
        }
    }

    /// Whether it is sure enough, whatever follows.
    pub fn is_sure(&self) -> bool {
        self.score >= 0.0
    }

    /// Whether anything is done against the upload, be it only written down.
    pub fn acts(&self) -> bool {
        self.action.is_some_and(|action| action > Action::Allow)
    }

    /// Where all sure pieces of the reference cover so many seconds of the query, and of the reference.
    fn evidence(&self, [query_covered, reference_covered]: [f64; 2], query_seconds: f64) -> Evidence {
        Evidence {
            surprise: self.surprise,
            kind: self.kind,
            query: self.query,
            matched: self.matched,
            query_covered,
            reference_covered,
            query_seconds,
            reference_seconds: self.reference_seconds,
        }
    }

    /// What its own collection's policy makes of it.
    fn judge(&mut self, policy: &Policy, evidence: &Evidence, upload: Digest, time: SystemTime) {
        self.score = policy.score(evidence);
        self.wanted = self.is_sure().then_some(policy.action);
        (self.action, self.held) = (self.wanted, None);
        if self.suspended {
            self.hold(Held::Suspended, policy);
        } else if policy.expires.is_some_and(|end| time >= end) {
            self.hold(Held::Expired, policy);
        } else if policy.shadow {
            self.hold(Held::Shadow, policy);
        } else if upload.sample() >= policy.rollout {
            self.hold(Held::Rollout, policy);
        }
    }

    fn hold(&mut self, why: Held, policy: &Policy) {
        if self.wanted.is_some() {
            self.action = policy.legal_hold.then_some(Action::Log);
            self.held = Some(why);
        }
    }
}

/// What came out for one query, and all that it came out of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The strongest of what its matches ask for; nothing where there is none.
    pub action: Option<Action>,
    /// Seconds of the query.
    pub seconds: f64,
    /// Only a [glance](crate::Probe::glance) was taken at it.
    #[serde(default)]
    pub glance: bool,
    /// The digest of the query's fingerprint.
    pub upload: Digest,
    /// The algorithms that made the fingerprints.
    pub spec: Spec,
    /// The last change of the bank that was taken into account.
    pub sequence: u64,
    /// The time it was judged at.
    #[serde(with = "unix")]
    pub time: SystemTime,
    /// All matches, the surest first, those that do not act included.
    pub matches: Vec<Match>,
}

impl Verdict {
    /// The matches that something is done about, the surest first.
    pub fn acting(&self) -> impl Iterator<Item = &Match> {
        self.matches.iter().filter(|found| found.acts())
    }

    /// Whether any match acts.
    pub fn is_match(&self) -> bool {
        self.acting().next().is_some()
    }

    /// Judges the evidence, again or for the first time. Depends on nothing but the verdict and the policies.
    pub fn judge(&mut self, policies: &Policies) {
        let (seconds, upload, time) = (self.seconds, self.upload, self.time);
        let covered = self.covered(policies);
        for found in &mut self.matches {
            let InForce { version, policy } = policies.of(&found.collection);
            let covered = covered.get(&found.reference).copied().unwrap_or_default();
            let evidence = found.evidence(covered, seconds);
            found.policy = version;
            found.judge(&policy, &evidence, upload, time);
        }
        self.allow(policies);
        self.matches.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.surprise.total_cmp(&a.surprise)));
        self.conclude();
    }

    /// Seconds of the query and of each reference that matches cover which are surprising enough, whatever their length.
    fn covered(&self, policies: &Policies) -> HashMap<String, [f64; 2]> {
        let mut pieces: HashMap<&str, [Vec<Span>; 2]> = HashMap::new();
        for found in &self.matches {
            if policies.of(&found.collection).policy.margin(found.surprise) >= 0.0 {
                let [query, matched] = pieces.entry(&found.reference).or_default();
                query.push(found.query);
                matched.push(found.matched);
            }
        }
        pieces.into_iter().map(|(reference, spans)| (reference.to_owned(), spans.map(seconds))).collect()
    }

    /// Lets allowed matches overrule others that tell of the same seconds by no other sense.
    fn allow(&mut self, policies: &Policies) {
        let allowed: Vec<(Kind, Span)> = self
            .matches
            .iter()
            .filter(|found| found.action == Some(Action::Allow))
            .map(|found| (found.kind, found.query))
            .collect();
        for found in self.matches.iter_mut().filter(|found| found.acts()) {
            let explains = |kind: Kind| kind == Kind::Both || kind == found.kind;
            let spans = allowed.iter().filter(|(kind, _)| explains(*kind)).map(|(_, span)| *span);
            if is_covered(found.query, spans.collect()) {
                found.hold(Held::Allowed, &policies.of(&found.collection).policy);
            }
        }
    }

    /// Draws the conclusion from what its matches ask for, after some of them were changed.
    pub fn conclude(&mut self) {
        self.action = self.matches.iter().filter_map(|found| found.action).max();
    }
}

/// Whether `spans` cover nearly all of `whole`.
fn is_covered(whole: Span, spans: Vec<Span>) -> bool {
    let length = whole.end - whole.start;
    if length <= 0.0 {
        return spans.iter().any(|span| span.start <= whole.start && whole.end <= span.end);
    }
    let inside = |span: Span| Span { start: span.start.max(whole.start), end: span.end.min(whole.end) };
    seconds(spans.into_iter().map(inside).collect()) >= COVERED * length
}

/// Seconds that spans cover together.
fn seconds(mut spans: Vec<Span>) -> f64 {
    spans.sort_by(|a, b| a.start.total_cmp(&b.start));
    let (mut covered, mut reached) = (0.0, f64::NEG_INFINITY);
    for Span { start, end } in spans {
        covered += (end - start.max(reached)).max(0.0);
        reached = reached.max(end);
    }
    covered
}
