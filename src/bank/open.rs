//! How a bank is opened, as it is or as it was.

use super::catalogue::Catalogue;
use super::disk::{Disk, Folder, InMemory};
use super::log::{self, Log, Logged, Place};
use super::{Bank, Event, Home, OpenError};
use crate::shared::Bytes;
use arc_swap::ArcSwap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

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

impl Bank {
    /// An empty bank that ends with the process.
    pub fn in_memory() -> Self {
        Self::new(Catalogue::default(), Home::Memory, 0)
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

    pub(super) fn open_on(disk: &dyn Disk) -> Result<Self, OpenError> {
        let mut catalogue = Catalogue::default();
        let apply = |logged: Logged| {
            catalogue.apply(&logged);
        };
        let (log, found) = Log::open(disk, apply)?;
        Ok(Self::new(catalogue, Home::Disk(log), found.torn))
    }

    /// Opens the bank in the folder `dir` as it is now, to search it. Somebody else may be changing it:
    /// [`Bank::refresh`] catches up.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = Folder(dir.as_ref().to_owned());
        let (bank, found) = Self::read(&folder, u64::MAX)?;
        *bank.home() = Home::Reader(folder, found.place);
        Ok(bank)
    }

    /// Makes the changes that another process made since this bank was [opened to be read](Bank::open_read_only) or
    /// refreshed, and returns their number. Of other banks there are none.
    ///
    /// # Errors
    /// Those of opening. The bank is then as it was.
    pub fn refresh(&self) -> Result<u64, OpenError> {
        let mut home = self.home();
        let Home::Reader(folder, place) = &mut *home else { return Ok(0) };
        let (found, events) = retried(|| {
            let mut events = Vec::new();
            let found = log::read_only(folder, *place, |logged| events.push(logged))?;
            Ok((found, events))
        })?;
        *place = found.place;
        let count = events.len() as u64;
        if count > 0 {
            self.show(&events);
        }
        Ok(count)
    }

    /// Opens the bank in the folder `dir` as it was after the change `sequence`, to search it; 0 is the empty bank.
    ///
    /// # Errors
    /// [`OpenError::NotYet`] where it has not changed so often.
    pub fn open_at(dir: impl AsRef<Path>, sequence: u64) -> Result<Self, OpenError> {
        let bank = Self::read(&Folder(dir.as_ref().to_owned()), sequence)?.0;
        let last = bank.sequence();
        if last < sequence { Err(OpenError::NotYet { asked: sequence, last }) } else { Ok(bank) }
    }

    /// Reads all of the bank in the folder `dir` and checks every checksum.
    pub fn verify(dir: impl AsRef<Path>) -> Result<Verified, OpenError> {
        let (bank, found) = Self::read(&Folder(dir.as_ref().to_owned()), u64::MAX)?;
        Ok(Verified {
            changes: bank.sequence(),
            references: bank.len(),
            bytes: found.place.end,
            torn: found.torn,
            bad_slots: found.bad_slots,
        })
    }

    /// Tells all changes of the bank in the folder `dir`, the first one first. What is told before an error is sound.
    pub fn history(dir: impl AsRef<Path>, each: impl FnMut(Event)) -> Result<(), OpenError> {
        let mut each = each;
        // A record that somebody is writing is read again, and told once.
        let mut told = 0;
        retried(|| {
            log::read_only(&Folder(dir.as_ref().to_owned()), Place::default(), |Logged { event, .. }| {
                if event.sequence > told {
                    told = event.sequence;
                    each(event);
                }
            })
        })?;
        Ok(())
    }

    /// The bank that the bytes of a log tell, in memory and to be read only. A copy of a bank elsewhere is kept so.
    pub fn from_log(bytes: Vec<u8>) -> Result<Self, OpenError> {
        let mut catalogue = Catalogue::default();
        let apply = |logged: Logged| {
            catalogue.apply(&logged);
        };
        log::read(&InMemory(Bytes::new(bytes)), Place::default(), apply)?;
        Ok(Self::new(catalogue, Home::ReadOnly, 0))
    }

    /// The bank as it was after the change `last`, or as it is if there are not so many.
    pub(super) fn read(disk: &dyn Disk, last: u64) -> Result<(Self, log::Found), OpenError> {
        retried(|| {
            let mut catalogue = Catalogue::default();
            let apply = |logged: Logged| {
                if logged.event.sequence <= last {
                    catalogue.apply(&logged);
                }
            };
            let found = log::read_only(disk, Place::default(), apply)?;
            Ok((Self::new(catalogue, Home::ReadOnly, 0), found))
        })
    }

    pub(super) fn new(catalogue: Catalogue, home: Home, torn: u64) -> Self {
        let (view, home) = (ArcSwap::from_pointee(catalogue.into()), Mutex::new(home));
        Self { view, home, torn, actor: String::new(), reason: String::new() }
    }

    /// Bytes of a change that was being written when power was lost and that was taken away by [`Bank::open`].
    pub fn torn(&self) -> u64 {
        self.torn
    }
}

/// Reads again where it is corrupt: a record that a writer had half written may be whole, with another behind it, a
/// moment later.
fn retried<T>(mut read: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    const TRIES: u32 = 3;
    let mut tries = 1;
    loop {
        match read() {
            Err(OpenError::Corrupt { .. }) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}
