//! What takes an earlier change back.
//!
//! A change turns one state of a reference, or of a collection's policy, into another. Where it is still in the state
//! that the change left, the change can be taken back: by a new change that leads to the state before.

use super::catalogue::Catalogue;
use super::disk::Disk;
use super::error::{ChangeError, OpenError};
use super::event::{About, Change};
use super::{Bank, log};
use crate::decide::Policy;
use crate::fingerprint::Fingerprint;

/// A change, and what it turned into what.
#[derive(Debug)]
pub(super) struct Undone {
    sequence: u64,
    change: Change,
    before: State,
    then: State,
}

/// A reference, or the policy of a collection, in a bank.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Reference(Option<(About, Fingerprint)>),
    Policy(Option<Policy>),
}

impl State {
    /// The state of what a change is about.
    fn of(change: &Change, catalogue: &Catalogue) -> Result<Self, OpenError> {
        let name = match change {
            Change::Add { name, .. } | Change::Remove { name } | Change::Edit { name, .. } => name,
            Change::Policy { collection, .. } => {
                return Ok(Self::Policy(catalogue.policies.own(collection).map(|own| own.policy)));
            }
        };
        let Some(known) = catalogue.get(name) else { return Ok(Self::Reference(None)) };
        let fingerprint = known.fingerprint().map_err(|cause| OpenError::unreadable(name, &cause))?;
        Ok(Self::Reference(Some((known.about.clone(), fingerprint))))
    }
}

impl Undone {
    /// Reads the log of a folder as far as the change `sequence`, which is in it.
    pub(super) fn read(disk: &dyn Disk, sequence: u64) -> Result<Self, ChangeError> {
        let (bank, found) = Bank::read(disk, sequence - 1)?;
        let mut catalogue = Catalogue::clone(&bank.view());
        let mut read = None;
        log::read(&*log::open_read_only(disk)?, found.place, sequence, |logged| read = Some(logged))?;
        let logged = read.ok_or(ChangeError::NoSuchChange { sequence })?;
        let before = State::of(&logged.event.change, &catalogue)?;
        catalogue.apply(&logged);
        let then = State::of(&logged.event.change, &catalogue)?;
        Ok(Self { sequence, change: logged.event.change, before, then })
    }

    /// The change that takes it back in a bank as it is now.
    pub(super) fn inverse(self, now: &Catalogue) -> Result<Change, ChangeError> {
        let Self { sequence, change, before, then } = self;
        if State::of(&change, now)? != then {
            return Err(ChangeError::ChangedSince { sequence });
        }
        let (Change::Add { name, .. }
        | Change::Remove { name }
        | Change::Edit { name, .. }
        | Change::Policy { collection: name, .. }) = change;
        Ok(match (before, then) {
            (State::Reference(None), _) => Change::Remove { name },
            (State::Reference(Some((about, fingerprint))), State::Reference(None)) => {
                Change::Add { name, about, fingerprint: fingerprint.into() }
            }
            (State::Reference(Some((about, _))), _) => Change::Edit { name, about },
            (State::Policy(policy), _) => Change::Policy { collection: name, policy },
        })
    }
}
