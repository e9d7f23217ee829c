//! `afterimage policy`, `suspend` and `resume`: what follows from a match.

use super::banks::{to_change, to_read};
use super::{Failure, Status, one_line, say, time};
use afterimage::decide::{Action, InForce, Policy};
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

/// Show the policies of a bank's collections, or change one
#[derive(Args, Debug)]
pub(super) struct PolicyCommand {
    /// The bank's folder
    bank: PathBuf,
    /// The collection; without one all are shown
    collection: Option<String>,
    #[command(flatten)]
    terms: Terms,
    /// Give the collection's own policy up, for the default collection's
    #[arg(long, conflicts_with = "Terms")]
    reset: bool,
    /// Kept with the change
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// The terms of a policy that are to be other than they are.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(super) struct Terms {
    /// What follows a match: block, review, log or allow
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<Action>,
    /// The same as --action allow
    #[arg(long, conflicts_with = "action")]
    allow: bool,
    /// Act where at most this number of false matches is expected in a query
    #[arg(long, value_name = "X")]
    false_matches: Option<f64>,
    /// Act where the copy lasts at least so long, or different pieces of it twice as long together
    #[arg(long, value_name = "SECONDS")]
    min_seconds: Option<f64>,
    /// The same where it is found by sound alone
    #[arg(long, value_name = "SECONDS")]
    min_sound_seconds: Option<f64>,
    /// Act where the copy, in all its pieces, fills at least this share of the upload, 0 to 1
    #[arg(long, value_name = "SHARE", alias = "min-share-query")]
    min_query_share: Option<f64>,
    /// Act where at least this share of the reference was copied, 0 to 1
    #[arg(long, value_name = "SHARE", alias = "min-share-reference")]
    min_reference_share: Option<f64>,
    /// Report and do not act
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    shadow: Option<bool>,
    /// Act on this share of uploads, 0 to 1
    #[arg(long, value_name = "SHARE")]
    rollout: Option<f64>,
    /// Act until then: 2026-12-31, 30d (from now), never
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// References stay, and their matches are written down
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    legal_hold: Option<bool>,
}

fn action(text: &str) -> Result<Action, String> {
    match text {
        "allow" => Ok(Action::Allow),
        "log" => Ok(Action::Log),
        "review" => Ok(Action::Review),
        "block" => Ok(Action::Block),
        _ => Err("it is none of block, review, log and allow".to_owned()),
    }
}

pub(super) fn action_name(action: Option<Action>) -> String {
    action.map_or_else(|| "nothing".to_owned(), |action| action.to_string())
}

impl Terms {
    /// Whether nothing is to be other than it is.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A policy with these terms in the place of its own.
    pub(super) fn over(&self, policy: Policy, now: SystemTime) -> Result<Policy, Failure> {
        let action = if self.allow { Some(Action::Allow) } else { self.action };
        let expires = match self.expires.as_deref() {
            None => policy.expires,
            Some("never") => None,
            Some(text) => {
                let end = time::read(text, now).map_err(Failure)?;
                // A slip in the year would let everything through.
                if end <= now {
                    return Err(Failure(format!(
                        "--expires {text}: that is past; --shadow ends a policy at once"
                    )));
                }
                Some(end)
            }
        };
        Ok(Policy {
            action: action.unwrap_or(policy.action),
            false_matches: self.false_matches.unwrap_or(policy.false_matches),
            min_seconds: self.min_seconds.unwrap_or(policy.min_seconds),
            min_sound_seconds: self.min_sound_seconds.unwrap_or(policy.min_sound_seconds),
            min_query_share: self.min_query_share.unwrap_or(policy.min_query_share),
            min_reference_share: self.min_reference_share.unwrap_or(policy.min_reference_share),
            shadow: self.shadow.unwrap_or(policy.shadow),
            rollout: self.rollout.unwrap_or(policy.rollout),
            expires,
            legal_hold: self.legal_hold.unwrap_or(policy.legal_hold),
        })
    }
}

impl PolicyCommand {
    pub(super) fn run(&self) -> Result<Status, Failure> {
        let Some(collection) = &self.collection else { return self.show_all() };
        let policies = to_read(&self.bank)?.policies();
        if self.terms.is_empty() && !self.reset {
            let line = line(collection, policies.of(collection));
            writeln!(io::stdout().lock(), "{}", one_line(&line))?;
            return Ok(Status::NoMatch);
        }
        let bank = to_change(&self.bank, &self.reason)?;
        // As it is now that nobody else can change it.
        let policy = self.terms.over(bank.policies().of(collection).policy, SystemTime::now())?;
        bank.set_policy(collection, (!self.reset).then_some(policy))
            .map_err(|e| Failure::file(&self.bank, e))?;
        say(&line(collection, bank.policies().of(collection)));
        Ok(Status::NoMatch)
    }

    fn show_all(&self) -> Result<Status, Failure> {
        if !self.terms.is_empty() || self.reset {
            return Err(Failure("a policy belongs to a collection: name one".to_owned()));
        }
        let bank = to_read(&self.bank)?;
        let policies = bank.policies();
        let mut names: Vec<String> = bank.list().iter().map(|r| r.about.collection.clone()).collect();
        names.extend(policies.iter().map(|(collection, _)| collection.to_owned()));
        names.sort();
        names.dedup();
        let mut out = io::stdout().lock();
        for name in names {
            writeln!(out, "{}", one_line(&line(&name, policies.of(&name))))?;
        }
        Ok(Status::NoMatch)
    }
}

/// A policy as a line.
pub(super) fn line(collection: &str, InForce { version, policy }: InForce) -> String {
    let mut out = format!("{collection}: {}", terms(&policy));
    if version > 0 {
        out += &format!(" (set by change {version})");
    }
    out
}

pub(super) fn terms(policy: &Policy) -> String {
    let mut out = policy.action.to_string();
    out += &format!(" at {:e} false matches a query", policy.false_matches);
    out += &format!(", from {} s ({} s of sound alone)", policy.min_seconds, policy.min_sound_seconds);
    if policy.min_query_share > 0.0 {
        out += &format!(", from {} of the upload", policy.min_query_share);
    }
    if policy.min_reference_share > 0.0 {
        out += &format!(", from {} of the reference", policy.min_reference_share);
    }
    if policy.shadow {
        out += ", in shadow";
    }
    if policy.rollout < 1.0 {
        out += &format!(", on {} of uploads", policy.rollout);
    }
    if let Some(end) = policy.expires {
        out += &format!(", until {}", time::show(end));
    }
    if policy.legal_hold {
        out += ", under legal hold";
    }
    out
}

/// Let a reference be found without any consequence
#[derive(Args, Debug)]
pub(super) struct Suspend {
    /// The bank's folder
    bank: PathBuf,
    /// The reference's name
    #[arg(value_name = "REF")]
    reference: String,
    /// Kept with the change
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

impl Suspend {
    pub(super) fn run(&self, suspended: bool) -> Result<Status, Failure> {
        // Opening to change would make a bank where there is none.
        to_read(&self.bank)?;
        let bank = to_change(&self.bank, &self.reason)?;
        bank.suspend(&self.reference, suspended).map_err(|e| Failure::file(&self.bank, e))?;
        say(&format!("{}: {}", self.reference, if suspended { "suspended" } else { "resumed" }));
        Ok(Status::NoMatch)
    }
}
