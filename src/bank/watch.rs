//! What a service may watch of a bank: numbers by the `metrics` facade, spans by `tracing`, each behind its feature and
//! without it nothing at all.
//!
//! | metric | kind | labels | content |
//! |---|---|---|---|
//! | `afterimage_sequence` | gauge | | the last change that checks see |
//! | `afterimage_references` | gauge | | references |
//! | `afterimage_changes_total` | counter | `kind` | changes made |
//! | `afterimage_checks_total` | counter | `action` | checks, by what came out |
//! | `afterimage_stage_seconds` | histogram | `stage` | what the stages of a check took: `picture`, `sound`, `judge` |
//! | `afterimage_candidates` | histogram | | segments found by a check, sure or not |
//! | `afterimage_matches_total` | counter | `collection`, `action` | sure matches |
//! | `afterimage_errors_total` | counter | `kind` | changes that were refused or failed, and checkpoints that were not written |
//!
//! Spans are `check` and its stages, `change` and `checkpoint`, at the level `DEBUG`. Neither tells a name, a label, a path or a
//! fingerprint; collections are named.

use super::error::ChangeError;
use super::event::Change;
use crate::decide::Verdict;

/// Does a stage of a check.
pub(super) fn stage<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tracing")]
    let _span = tracing::debug_span!("stage", name).entered();
    #[cfg(feature = "metrics")]
    let start = std::time::Instant::now();
    let done = work();
    #[cfg(feature = "metrics")]
    metrics::histogram!("afterimage_stage_seconds", "stage" => name).record(start.elapsed().as_secs_f64());
    let _ = name;
    done
}

/// Tells of a whole check.
pub(super) fn check(work: impl FnOnce() -> Verdict) -> Verdict {
    #[cfg(feature = "tracing")]
    let span =
        tracing::debug_span!("check", sequence = tracing::field::Empty, matches = tracing::field::Empty);
    #[cfg(feature = "tracing")]
    let _entered = span.enter();
    let verdict = work();
    #[cfg(feature = "tracing")]
    span.record("sequence", verdict.sequence).record("matches", verdict.acting().count());
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("afterimage_checks_total", "action" => action(verdict.action)).increment(1);
        metrics::histogram!("afterimage_candidates").record(verdict.matches.len() as f64);
        for found in verdict.matches.iter().filter(|found| found.is_sure()) {
            let labels = [("collection", found.collection.clone()), ("action", action(found.action))];
            metrics::counter!("afterimage_matches_total", &labels).increment(1);
        }
    }
    verdict
}

/// Tells of a change, made or not.
pub(super) fn change<T>(
    change: &Change,
    work: impl FnOnce() -> Result<T, ChangeError>,
) -> Result<T, ChangeError> {
    #[cfg(feature = "tracing")]
    let _span = tracing::debug_span!("change", kind = kind(change)).entered();
    let done = work();
    #[cfg(feature = "metrics")]
    match &done {
        Ok(_) => metrics::counter!("afterimage_changes_total", "kind" => kind(change)).increment(1),
        Err(error) => metrics::counter!("afterimage_errors_total", "kind" => error_kind(error)).increment(1),
    }
    let _ = change;
    done
}

/// Tells of a checkpoint that is written in the background.
pub(super) fn checkpoint(work: impl FnOnce() -> std::io::Result<()>) {
    #[cfg(feature = "tracing")]
    let _span = tracing::debug_span!("checkpoint").entered();
    let done = work();
    #[cfg(feature = "metrics")]
    if done.is_err() {
        metrics::counter!("afterimage_errors_total", "kind" => "checkpoint").increment(1);
    }
    let _ = done;
}

/// Tells what checks see from now on.
pub(super) fn shown(sequence: u64, references: usize) {
    #[cfg(feature = "metrics")]
    {
        metrics::gauge!("afterimage_sequence").set(sequence as f64);
        metrics::gauge!("afterimage_references").set(references as f64);
    }
    let _ = (sequence, references);
}

#[cfg(feature = "metrics")]
fn action(action: Option<crate::decide::Action>) -> String {
    action.map_or_else(|| "none".to_owned(), |action| action.to_string())
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
fn kind(change: &Change) -> &'static str {
    match change {
        Change::Add { .. } => "add",
        Change::Remove { .. } => "remove",
        Change::Edit { .. } => "edit",
        Change::Policy { .. } => "policy",
    }
}

#[cfg(feature = "metrics")]
fn error_kind(error: &ChangeError) -> &'static str {
    match error {
        ChangeError::NameTaken { .. } => "name taken",
        ChangeError::Unknown { .. } => "unknown",
        ChangeError::Held { .. } => "held",
        ChangeError::Policy { .. } => "policy",
        ChangeError::Text { .. } => "text",
        ChangeError::Spec(_) => "spec",
        ChangeError::Fingerprint(_) => "fingerprint",
        ChangeError::ReadOnly => "read only",
        ChangeError::Log(_) => "log",
        ChangeError::Gap { .. } => "gap",
        ChangeError::NoSuchChange { .. } | ChangeError::ChangedSince { .. } | ChangeError::NoHistory => {
            "undo"
        }
        ChangeError::History(_) => "history",
    }
}
