//! The slow, clear version of a bank: all its states, each a plain map.

use super::{NOW, fingerprint_of};
use crate::bank::{About, Bank, ChangeError};
use crate::decide::Policy;
use std::collections::BTreeMap;

/// A change to try.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Adds a reference whose content is a number.
    Add(&'static str, About, u32),
    Remove(&'static str),
    Relabel(&'static str, &'static str),
    Move(&'static str, &'static str),
    Suspend(&'static str, bool),
    Policy(&'static str, Option<Policy>),
    Undo(u64),
}

/// What a bank holds after some change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) references: BTreeMap<String, (About, u32)>,
    pub(super) policies: BTreeMap<String, Policy>,
}

/// All states, the one after the change `n` at `n`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Naive(pub(super) Vec<State>);

impl Default for Naive {
    fn default() -> Self {
        Self(vec![State::default()])
    }
}

impl Naive {
    pub(super) fn now(&self) -> &State {
        self.0.last().unwrap()
    }

    /// The bank with one change more; `None` where that is no change or not permitted.
    pub(super) fn after(&self, step: &Step) -> Option<Self> {
        let now = self.now();
        let next = match step {
            Step::Undo(number) => self.undone(usize::try_from(*number).unwrap())?,
            _ => now.after(step)?,
        };
        if next == *now {
            return None;
        }
        // What leaves a collection under legal hold does not.
        for (name, (about, _)) in &now.references {
            let left = next.references.get(name).is_none_or(|(new, _)| new.collection != about.collection);
            if left && now.policy(&about.collection).legal_hold {
                return None;
            }
        }
        let mut states = self.0.clone();
        states.push(next);
        Some(Self(states))
    }

    fn undone(&self, number: usize) -> Option<State> {
        let (before, after, now) = (self.0.get(number.checked_sub(1)?)?, self.0.get(number)?, self.now());
        let mut next = now.clone();
        // Whatever the change changed must be as the change left it.
        let names = before.references.keys().chain(after.references.keys());
        for name in names.filter(|name| before.references.get(*name) != after.references.get(*name)) {
            if now.references.get(name) != after.references.get(name) {
                return None;
            }
            set(&mut next.references, name, before.references.get(name));
        }
        let names = before.policies.keys().chain(after.policies.keys());
        for name in names.filter(|name| before.policies.get(*name) != after.policies.get(*name)) {
            if now.policies.get(name) != after.policies.get(name) {
                return None;
            }
            set(&mut next.policies, name, before.policies.get(name));
        }
        Some(next)
    }
}

fn set<T: Clone>(map: &mut BTreeMap<String, T>, name: &str, value: Option<&T>) {
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value.clone())),
        None => drop(map.remove(name)),
    }
}

impl State {
    pub(super) fn policy(&self, collection: &str) -> Policy {
        let own = self.policies.get(collection).or_else(|| self.policies.get("default"));
        own.copied().unwrap_or_default()
    }

    fn after(&self, step: &Step) -> Option<Self> {
        let mut next = self.clone();
        match step {
            Step::Add(name, about, content) => {
                match self.references.get(*name) {
                    Some((_, known)) if known != content => return None,
                    Some((known, _)) => {
                        let about = About { suspended: known.suspended, ..about.clone() };
                        next.references.insert((*name).to_owned(), (about, *content));
                    }
                    None => drop(next.references.insert((*name).to_owned(), (about.clone(), *content))),
                };
            }
            Step::Remove(name) => drop(next.references.remove(*name)?),
            Step::Relabel(name, label) => {
                next.references.get_mut(*name)?.0.label = (*label).to_owned();
            }
            Step::Move(name, collection) => {
                next.references.get_mut(*name)?.0.collection = (*collection).to_owned();
            }
            Step::Suspend(name, suspended) => next.references.get_mut(*name)?.0.suspended = *suspended,
            Step::Policy(collection, policy) => set(&mut next.policies, collection, policy.as_ref()),
            Step::Undo(_) => return None,
        }
        Some(next)
    }
}

/// Tries the step on a bank.
pub(super) fn make(bank: &Bank, step: &Step) -> Result<(), ChangeError> {
    match step {
        Step::Add(name, about, content) => {
            bank.add(name, about.clone(), fingerprint_of(*content)).map(|_| ())
        }
        Step::Remove(name) => bank.remove(name),
        Step::Relabel(name, label) => bank.relabel(name, label),
        Step::Move(name, collection) => bank.move_to(name, collection),
        Step::Suspend(name, suspended) => bank.suspend(name, *suspended),
        Step::Policy(collection, policy) => bank.set_policy(collection, *policy),
        Step::Undo(number) => bank.undo(*number).map(|_| ()),
    }
}

/// What a bank holds.
pub(super) fn state(bank: &Bank) -> State {
    let content = |r: &crate::bank::Reference| (r.about.clone(), r.duration as u32);
    State {
        references: bank.list().iter().map(|r| (r.name.clone(), content(r))).collect(),
        policies: bank.policies().iter().map(|(name, own)| (name.to_owned(), own.policy)).collect(),
    }
}

/// What is asked for where `content` is uploaded: for each reference found, whether anything is done about it.
pub(super) fn expected(state: &State, content: u32) -> Vec<(String, bool)> {
    let found = state.references.iter().filter(|(_, (_, known))| *known == content);
    let acts = |about: &About| {
        let policy = state.policy(&about.collection);
        let live = !about.suspended && !policy.shadow && policy.expires.is_none_or(|end| end > NOW);
        live || policy.legal_hold
    };
    found.map(|(name, (about, _))| (name.clone(), acts(about))).collect()
}
