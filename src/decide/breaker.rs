//! The circuit breaker: a reference that suddenly matches too much no longer blocks by itself.
//!
//! Such a reference is poisoned (a black screen, a station's jingle), or its film is going round. Nobody can tell which
//! but a person, so its matches go to review: they are not let through. What was counted is the process's own and is
//! gone with it; an operator who agrees with the breaker suspends the reference, which is a change of the bank.

use super::{Action, Held, Verdict};
use crate::fingerprint::Digest;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Counts, for each reference, the uploads of the latest stretch of time that it would block.
#[derive(Debug)]
pub struct Breaker {
    most: usize,
    window: Duration,
    seen: Mutex<HashMap<String, VecDeque<(SystemTime, Digest)>>>,
}

impl Breaker {
    /// A breaker that trips for a reference with more than `most` different uploads within `window`.
    pub fn new(most: usize, window: Duration) -> Self {
        Self { most, window, seen: Mutex::default() }
    }

    /// Counts what a verdict blocks, at the verdict's own time, and sends it to review where that was too much.
    ///
    /// Verdicts of a film and of a glance at it count as two: let it watch one of each upload.
    pub fn watch(&self, verdict: &mut Verdict) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (time, upload) = (verdict.time, verdict.upload);
        let since = time.checked_sub(self.window).unwrap_or(SystemTime::UNIX_EPOCH);
        for found in verdict.matches.iter_mut().filter(|found| found.action == Some(Action::Block)) {
            let counted = seen.entry(found.reference.clone()).or_default();
            // The same file again and again is one upload.
            counted.retain(|(at, known)| *at > since && *known != upload);
            counted.push_back((time, upload));
            // One more than too many tells enough: the latest.
            if counted.len() > self.most.saturating_add(1) {
                counted.pop_front();
            }
            if counted.len() > self.most {
                (found.action, found.held) = (Some(Action::Review), Some(Held::Tripped));
            }
        }
        seen.retain(|_, counted| counted.back().is_some_and(|(at, _)| *at > since));
        verdict.conclude();
    }

    /// The references for which it has tripped at `time`, by name.
    pub fn tripped(&self, time: SystemTime) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let since = time.checked_sub(self.window).unwrap_or(SystemTime::UNIX_EPOCH);
        let over = |counted: &VecDeque<(SystemTime, Digest)>| {
            counted.iter().filter(|(at, _)| *at > since).count() > self.most
        };
        let mut names: Vec<String> =
            seen.iter().filter(|(_, counted)| over(counted)).map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
}
