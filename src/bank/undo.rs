//! What takes an earlier change back.
//!
//! A change turns one state of a reference, or of a collection's policy, into another. Where it is still in the state
//! that the change left, the change can be taken back: by a new change that leads to the state before.

use super::catalogue::Catalogue;
use super::error::{ChangeError, OpenError};
use super::event::{About, Change, Event};
use crate::decide::Policy;
use crate::fingerprint::Fingerprint;
use std::sync::Arc;

/// A reference, or the policy of a collection, as a change leaves it.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Reference(Option<(About, Arc<Fingerprint>)>),
    Policy(Option<Policy>),
}

/// What a change is about: whether it is a policy, and the name.
fn subject(change: &Change) -> (bool, &str) {
    match change {
        Change::Add { name, .. } | Change::Remove { name } | Change::Edit { name, .. } => (false, name),
        Change::Policy { collection, .. } => (true, collection),
    }
}

/// The state after a change of its subject.
fn after(change: &Change, before: &State) -> State {
    match (change, before) {
        (Change::Add { about, fingerprint, .. }, _) => {
            State::Reference(Some((about.clone(), Arc::clone(fingerprint))))
        }
        (Change::Edit { about, .. }, State::Reference(Some((_, fingerprint)))) => {
            State::Reference(Some((about.clone(), Arc::clone(fingerprint))))
        }
        (Change::Remove { .. } | Change::Edit { .. }, _) => State::Reference(None),
        (Change::Policy { policy, .. }, _) => State::Policy(*policy),
    }
}

/// The state of a subject in a bank.
fn now(catalogue: &Catalogue, (is_policy, name): (bool, &str)) -> Result<State, ChangeError> {
    if is_policy {
        return Ok(State::Policy(catalogue.policies.own(name).map(|own| own.policy)));
    }
    let known = catalogue.get(name).map(|known| {
        let fingerprint = known.fingerprint().map_err(|cause| OpenError::unreadable(name, &cause))?;
        Ok::<_, OpenError>((known.about.clone(), Arc::new(fingerprint)))
    });
    Ok(State::Reference(known.transpose()?))
}

/// The change that takes the change `sequence` of a bank back. `history` tells all of its events, each time it is called.
pub(super) fn inverse(
    catalogue: &Catalogue,
    sequence: u64,
    mut history: impl FnMut(&mut dyn FnMut(Event)) -> Result<(), OpenError>,
) -> Result<Change, ChangeError> {
    let mut found = None;
    history(&mut |event| {
        if event.sequence == sequence {
            found = Some(event.change);
        }
    })?;
    let undone = found.ok_or(ChangeError::NoSuchChange { sequence })?;
    let (is_policy, name) = subject(&undone);
    let mut before = if is_policy { State::Policy(None) } else { State::Reference(None) };
    history(&mut |event| {
        if event.sequence < sequence && subject(&event.change) == (is_policy, name) {
            before = after(&event.change, &before);
        }
    })?;
    let name = name.to_owned();
    let then = after(&undone, &before);
    if now(catalogue, (is_policy, &name))? != then {
        return Err(ChangeError::ChangedSince { sequence });
    }
    Ok(match (before, then) {
        (State::Reference(None), _) => Change::Remove { name },
        (State::Reference(Some((about, fingerprint))), State::Reference(None)) => {
            Change::Add { name, about, fingerprint }
        }
        (State::Reference(Some((about, _))), _) => Change::Edit { name, about },
        (State::Policy(policy), _) => Change::Policy { collection: name, policy },
    })
}
