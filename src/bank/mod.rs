//! The durable bank of references.
//!
//! A bank is the log of its changes. Each is on the disk before it is acknowledged, and all of them replayed give the bank
//! again. One process may change a bank; any number may read it.

mod disk;
mod error;
mod event;
mod live;
mod log;
mod record;
#[cfg(test)]
mod tests;
mod view;

pub use error::{ChangeError, LogError, OpenError};
pub use event::{Change, Event};
pub use record::EventError;
pub use view::Reference;

use crate::decide::{Match, Policy, Verdict};
use crate::fingerprint::{Fingerprint, Probe};
use disk::{Disk, Folder};
use live::Live;
use log::Log;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use view::View;

/// The longest name or label in bytes.
const TEXT_LIMIT: usize = 4096;

/// The banned references, searchable by what they show and sound like.
///
/// A bank may be used by many threads at once. A check sees the bank as it is after some change and never waits for a
/// writer; a change is seen by every check that begins after it returned.
#[derive(Debug)]
pub struct Bank {
    live: Live,
    home: Mutex<Home>,
    torn: u64,
    actor: String,
    reason: String,
}

/// Where changes go.
#[derive(Debug)]
enum Home {
    Memory,
    ReadOnly,
    Disk(Log),
}

/// What [`Bank::verify`] found in a bank that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Changes since the bank was made.
    pub changes: u64,
    /// References that it holds.
    pub references: usize,
    /// Bytes of its log.
    pub bytes: u64,
    /// Bytes of a change that was never acknowledged, behind all others. Opening the bank for changes takes them away.
    pub torn: u64,
    /// Of the two places that tell how far the log was acknowledged, how many cannot be read: one after a loss of power.
    pub bad_slots: u8,
}

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The reference is new.
    New,
    /// The same content was there under the same name and label; nothing was changed.
    Unchanged,
    /// The same content was there under the same name and got the new label.
    Relabelled,
}

impl Bank {
    /// An empty bank that ends with the process.
    pub fn in_memory() -> Self {
        Self::new(View::default(), Home::Memory, 0)
    }

    /// Opens the bank in the folder `dir` for changes, and makes it where it is missing.
    ///
    /// A change that was being written when power was lost, and so never acknowledged, is taken away; [`Bank::torn`]
    /// tells.
    ///
    /// # Errors
    /// [`OpenError::Busy`] where another process has it open for changes, [`OpenError::Corrupt`] where anything that was
    /// acknowledged cannot be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_on(&Folder(dir.as_ref().to_owned()))
    }

    fn open_on(disk: &dyn Disk) -> Result<Self, OpenError> {
        let mut view = View::default();
        let (log, found) = Log::open(disk, |event| view.apply(&event))?;
        Ok(Self::new(view, Home::Disk(log), found.torn))
    }

    /// Opens the bank in the folder `dir` as it is now, to search it. Somebody else may be changing it.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::read(&Folder(dir.as_ref().to_owned())).map(|read| read.0)
    }

    /// Reads all of the bank in the folder `dir` and checks every checksum.
    pub fn verify(dir: impl AsRef<Path>) -> Result<Verified, OpenError> {
        let (bank, found) = Self::read(&Folder(dir.as_ref().to_owned()))?;
        Ok(Verified {
            changes: bank.sequence(),
            references: bank.len(),
            bytes: found.end,
            torn: found.torn,
            bad_slots: found.bad_slots,
        })
    }

    /// The bank that the bytes of a log tell, in memory and to be read only. A copy of a bank elsewhere is kept so.
    pub fn from_log(bytes: Vec<u8>) -> Result<Self, OpenError> {
        let mut view = View::default();
        log::read(&disk::Bytes(bytes), |event| view.apply(&event))?;
        Ok(Self::new(view, Home::ReadOnly, 0))
    }

    fn read(disk: &dyn Disk) -> Result<(Self, log::Found), OpenError> {
        // A record that a writer had half written may be whole, with another behind it, a moment later.
        const TRIES: u32 = 3;
        let mut tries = 0;
        loop {
            let mut view = View::default();
            match log::read_only(disk, |event| view.apply(&event)) {
                Ok(found) => return Ok((Self::new(view, Home::ReadOnly, 0), found)),
                Err(OpenError::Corrupt { .. }) if tries + 1 < TRIES => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn new(view: View, home: Home, torn: u64) -> Self {
        let (live, home) = (Live::new(view), Mutex::new(home));
        Self { live, home, torn, actor: String::new(), reason: String::new() }
    }

    /// Signs all changes made from here on: who makes them, and why.
    pub fn signed(mut self, actor: &str, reason: &str) -> Result<Self, ChangeError> {
        check_text("the actor", actor)?;
        check_text("the reason", reason)?;
        (self.actor, self.reason) = (actor.to_owned(), reason.to_owned());
        Ok(self)
    }

    /// Bytes of a change that was being written when power was lost and that was taken away by [`Bank::open`].
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Banks a reference under a name that no other reference of the bank has.
    ///
    /// Where the same content is there already under this name, it is no error.
    pub fn add(&self, name: &str, label: &str, fingerprint: Fingerprint) -> Result<Added, ChangeError> {
        check_text("the name", name)?;
        check_text("the label", label)?;
        if name.is_empty() {
            return Err(ChangeError::Text { what: "the name", text: String::new(), cause: "it is empty" });
        }
        fingerprint.spec.check()?;
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, label) = (name.to_owned(), label.to_owned());
        let known = self.live.read().get(&name).cloned();
        match known {
            None => {
                self.change(&mut home, Change::Add { name, label, fingerprint: Arc::new(fingerprint) })?;
                Ok(Added::New)
            }
            Some(known) if *known.fingerprint != fingerprint => Err(ChangeError::NameTaken { name }),
            Some(known) if known.label == label => Ok(Added::Unchanged),
            Some(_) => {
                self.change(&mut home, Change::Relabel { name, label })?;
                Ok(Added::Relabelled)
            }
        }
    }

    /// Takes a reference out.
    pub fn remove(&self, name: &str) -> Result<(), ChangeError> {
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        if self.live.read().get(name).is_none() {
            return Err(ChangeError::Unknown { name: name.to_owned() });
        }
        self.change(&mut home, Change::Remove { name: name.to_owned() })
    }

    /// Writes a change down, then shows it.
    fn change(&self, home: &mut Home, change: Change) -> Result<(), ChangeError> {
        let event = Event {
            sequence: self.live.read().sequence + 1,
            time: now(),
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            change,
        };
        match home {
            Home::Memory => {}
            Home::ReadOnly => return Err(ChangeError::ReadOnly),
            Home::Disk(log) => log.append(&event)?,
        }
        self.live.apply(vec![event]);
        Ok(())
    }

    /// All references, by name.
    pub fn list(&self) -> Vec<Arc<Reference>> {
        self.live.read().list()
    }

    /// The number of references.
    pub fn len(&self) -> usize {
        self.live.read().len()
    }

    /// Whether there is no reference.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the last change, 0 for a bank that never changed.
    pub fn sequence(&self) -> u64 {
        self.live.read().sequence
    }

    /// Searches the bank for what `probe` shows and sounds like, and judges what is found by `policy`.
    pub fn check(&self, probe: &Probe, policy: &Policy) -> Verdict {
        let view = self.live.read();
        let judged = view.search(probe).into_iter().filter_map(|segment| {
            let reference = view.reference(segment.reference)?;
            Some(Match {
                reference: reference.name.clone(),
                label: reference.label.clone(),
                score: policy.score(&segment),
                query: segment.query,
                matched: segment.matched,
                kind: segment.kind,
                transform: segment.transform,
            })
        });
        let mut matches: Vec<Match> = judged.collect();
        matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        Verdict { sequence: view.sequence, matches }
    }
}

/// As a log keeps it.
fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

fn check_text(what: &'static str, text: &str) -> Result<(), ChangeError> {
    let cause = if text.len() > TEXT_LIMIT {
        "it is too long"
    } else if text.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    Err(ChangeError::Text { what, text: text.chars().take(80).collect(), cause })
}
