//! How a bank changes: each change is permitted, written down, and shown, in this order.

use super::catalogue::check_text;
use super::event::{About, Change, Event};
use super::log::Logged;
use super::undo::Undone;
use super::{Bank, ChangeError, Home, watch};
use crate::decide::{Action, Policy, unix};
use crate::fingerprint::{Fingerprint, Packed};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The reference is new.
    New,
    /// The same content was there under the same name, and the same was said of it; nothing was changed.
    Unchanged,
    /// The same content was there under the same name and got the new label or collection.
    Relabelled,
}

impl Bank {
    /// Signs all changes made from here on: who makes them, and why.
    pub fn signed(mut self, actor: &str, reason: &str) -> Result<Self, ChangeError> {
        check_text("the actor", actor)?;
        check_text("the reason", reason)?;
        (self.actor, self.reason) = (actor.to_owned(), reason.to_owned());
        Ok(self)
    }

    /// Banks a reference under a name that no other reference of the bank has, with a label or with all that is to be
    /// said [about](About) it.
    ///
    /// Where the same content is there already under this name, it is no error. Nothing is suspended or resumed by that.
    ///
    /// What has [nothing to be found by](Fingerprint::is_blank), such as black frames without sound, is banked, and never found.
    ///
    /// # Errors
    /// [`ChangeError::NameTaken`] where other content has the name; [`ChangeError::Spec`] for a fingerprint of another key or of
    /// other algorithms; [`ChangeError::Text`] for a name, label or collection that is too long or has control characters;
    /// [`ChangeError::Log`] where it could not be written down. The bank is then as it was.
    pub fn add(
        &self,
        name: &str,
        about: impl Into<About>,
        fingerprint: Fingerprint,
    ) -> Result<Added, ChangeError> {
        let mut home = self.home();
        let (name, mut about) = (name.to_owned(), about.into());
        let known = self.view().get(&name).cloned();
        let Some(known) = known.filter(|known| known.packed == Packed::from(&fingerprint)) else {
            self.make(&mut home, Change::Add { name, about, fingerprint: Arc::new(fingerprint) })?;
            return Ok(Added::New);
        };
        about.suspended = known.about.suspended;
        if about == known.about {
            return Ok(Added::Unchanged);
        }
        self.make(&mut home, Change::Edit { name, about })?;
        Ok(Added::Relabelled)
    }

    /// Takes a reference out.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`] where there is none of that name, [`ChangeError::Held`] where it is under legal hold.
    pub fn remove(&self, name: &str) -> Result<(), ChangeError> {
        self.make(&mut self.home(), Change::Remove { name: name.to_owned() })
    }

    /// Gives a reference another label.
    pub fn relabel(&self, name: &str, label: &str) -> Result<(), ChangeError> {
        self.edit(name, |about| about.label = label.to_owned())
    }

    /// Puts a reference into another collection.
    pub fn move_to(&self, name: &str, collection: &str) -> Result<(), ChangeError> {
        self.edit(name, |about| about.collection = collection.to_owned())
    }

    /// Suspends a reference, which is found from then on without any consequence, or resumes it.
    pub fn suspend(&self, name: &str, suspended: bool) -> Result<(), ChangeError> {
        self.edit(name, |about| about.suspended = suspended)
    }

    /// Says something else of a reference; no change where it was said already.
    fn edit(&self, name: &str, edit: impl FnOnce(&mut About)) -> Result<(), ChangeError> {
        let mut home = self.home();
        let known = self.view().get(name).map(|known| known.about.clone());
        let known = known.ok_or_else(|| ChangeError::Unknown { name: name.to_owned() })?;
        let mut about = known.clone();
        edit(&mut about);
        if about == known {
            return Ok(());
        }
        self.make(&mut home, Change::Edit { name: name.to_owned(), about })
    }

    /// Gives a collection a policy; `None` takes its own away, so that it follows the default collection's. No change
    /// where it is so already.
    pub fn set_policy(&self, collection: &str, policy: impl Into<Option<Policy>>) -> Result<(), ChangeError> {
        let mut policy = policy.into();
        if let Some(policy) = &mut policy {
            policy.expires = policy.expires.map(to_the_millisecond);
            // Asked here and not of all changes: a log may have such a policy from before.
            if policy.legal_hold && policy.action == Action::Allow {
                let cause = "matches under legal hold are written down, and those allowed are not";
                return Err(ChangeError::Policy { cause });
            }
        }
        let mut home = self.home();
        let own = self.view().policies.own(collection).map(|own| own.policy);
        if policy == own && !collection.is_empty() {
            return Ok(());
        }
        self.make(&mut home, Change::Policy { collection: collection.to_owned(), policy })
    }

    /// Takes the change of a number back by a new change, which is returned.
    ///
    /// # Errors
    /// [`ChangeError::ChangedSince`] where what it changed was changed again since; [`ChangeError::NoHistory`] where the
    /// bank is in memory only.
    pub fn undo(&self, sequence: u64) -> Result<Change, ChangeError> {
        let disk = match &*self.home() {
            Home::Memory => return Err(ChangeError::NoHistory),
            Home::ReadOnly | Home::Reader(..) => return Err(ChangeError::ReadOnly),
            Home::Disk(log) => Arc::clone(log.disk()),
        };
        // What is not shown yet may still fail.
        if !(1..=self.sequence()).contains(&sequence) {
            return Err(ChangeError::NoSuchChange { sequence });
        }
        // Others change the bank meanwhile: what the log has up to there stays as it is.
        let undone = Undone::read(&*disk, sequence)?;
        let mut home = self.home();
        let inverse = undone.inverse(&self.view())?;
        self.write(&mut home, self.event(Some(sequence), inverse.clone()))?;
        Ok(inverse)
    }

    /// Makes a change that was made in another bank: all of its events, in order, make the same bank.
    ///
    /// # Errors
    /// [`ChangeError::Gap`] where it is not the change that follows the last one here.
    pub fn replicate(&self, event: &Event) -> Result<(), ChangeError> {
        let mut home = self.home();
        let expected = self.sequence() + 1;
        if event.sequence != expected {
            return Err(ChangeError::Gap { expected, got: event.sequence });
        }
        check_text("the actor", &event.actor)?;
        check_text("the reason", &event.reason)?;
        let mut event = Event { time: to_the_millisecond(event.time), ..event.clone() };
        if let Change::Policy { policy: Some(policy), .. } = &mut event.change {
            policy.expires = policy.expires.map(to_the_millisecond);
        }
        self.write(&mut home, event)
    }

    pub(super) fn home(&self) -> MutexGuard<'_, Home> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, home: &mut Home, change: Change) -> Result<(), ChangeError> {
        self.write(home, self.event(None, change))
    }

    fn event(&self, undoes: Option<u64>, change: Change) -> Event {
        Event {
            sequence: self.sequence() + 1,
            time: to_the_millisecond(SystemTime::now()),
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            undoes,
            change,
        }
    }

    /// Makes a change that is permitted: writes it down, then shows it.
    fn write(&self, home: &mut Home, event: Event) -> Result<(), ChangeError> {
        let permitted = self.view().permits(&event.change);
        let end = watch::change(&event.change, || {
            permitted?;
            match home {
                Home::Memory => Ok(0),
                Home::ReadOnly | Home::Reader(..) => Err(ChangeError::ReadOnly),
                Home::Disk(log) => Ok(log.append(&event)?),
            }
        })?;
        self.show(&[Logged { event, end, packed: None }]);
        self.checkpoint_if_due(home);
        Ok(())
    }

    /// Makes changes visible, all at once, to every check that begins from now on. Nobody waits for anybody.
    pub(super) fn show(&self, events: &[Logged]) {
        let view = self.view().after(events);
        watch::shown(view.sequence, view.len());
        self.view.store(Arc::new(view));
    }
}

/// As a log keeps it.
pub(super) fn to_the_millisecond(time: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(unix::millis(time))
}
