//! How a bank is opened, as it is or as it was.

use super::catalogue::Catalogue;
use super::checkpoint::{self, Files, Unusable};
use super::disk::{Disk, DiskFile, Folder, InMemory};
use super::log::{self, Log, Logged, Mark, Place, Replay};
use super::view::View;
use super::{Bank, Event, Home, OpenError, checkpoints::Checkpoints, watch};
use crate::fingerprint::Spec;
use crate::key::{Key, KeyId};
use crate::shared::Bytes;
use arc_swap::ArcSwap;
use std::path::Path;
use std::sync::{Arc, Mutex};
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
    /// What is kept to open the bank faster.
    pub checkpoint: Checkpoint,
}

/// What is kept beside a bank's log, to open it faster. [`Bank::checkpoint`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checkpoint {
    /// There is none.
    Missing,
    /// It holds what the log makes.
    Intact {
        /// After the change of this number.
        sequence: u64,
    },
    /// It is torn, damaged, or not of this log or version. Where that is seen at once, opening passes over it, and reads the
    /// log. Where it is not, searches may miss what it should have held, until [`Bank::checkpoint`] makes it anew and other
    /// processes open the bank again.
    Damaged,
}

/// Reads larger than this, in bytes, are worth a map of their own.
const WORTH_MAPPING: u64 = 16 << 20;

/// What the changes of a log make, from a checkpoint on where there is one.
#[derive(Default)]
struct Replayed {
    catalogue: Catalogue,
    base: View,
    files: Files,
    /// The last change that is wanted.
    last: u64,
}

impl Replayed {
    fn until(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    fn view(self) -> (View, Files) {
        (self.base.with(self.catalogue), self.files)
    }
}

impl Replay for Replayed {
    fn begin(&mut self, disk: &dyn Disk, log: &dyn DiskFile) -> Place {
        let loaded = checkpoint::load(disk, log).ok();
        let Some(loaded) = loaded.filter(|loaded| loaded.catalogue.sequence <= self.last) else {
            return Place::default();
        };
        self.base = View::resumed(loaded.catalogue.clone(), loaded.spaces);
        (self.catalogue, self.files) = (loaded.catalogue, loaded.files);
        self.files.place
    }

    fn last(&self) -> u64 {
        self.last
    }

    fn each(&mut self, logged: Logged) {
        self.catalogue.apply(&logged);
    }
}

/// A log from some place on.
struct Since<F>(Place, F);

impl<F: FnMut(Logged)> Replay for Since<F> {
    fn begin(&mut self, _disk: &dyn Disk, _log: &dyn DiskFile) -> Place {
        self.0
    }

    fn each(&mut self, logged: Logged) {
        (self.1)(logged);
    }
}

impl Bank {
    /// An empty bank that ends with the process.
    pub fn in_memory() -> Self {
        Self::new(View::default(), Home::Memory)
    }

    /// The same for fingerprints that were made [with this key](crate::Fingerprinter::keyed).
    pub fn in_memory_keyed(key: &Key) -> Self {
        let mut catalogue = Catalogue::default();
        catalogue.key = key.id();
        Self::new(catalogue.into(), Home::Memory)
    }

    /// Opens the bank in the folder `dir` for changes, and makes it where it is missing.
    ///
    /// A change that was being written when power was lost, and so never acknowledged, is taken away; [`Bank::torn`]
    /// tells.
    ///
    /// Files are mapped: others must neither change nor cut them off while the bank is open.
    ///
    /// # Errors
    /// [`OpenError::Busy`] where another process has it open for changes, [`OpenError::Corrupt`] where anything that was
    /// acknowledged cannot be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Folder(dir.as_ref().to_owned())), None)
    }

    /// As [`open`](Self::open), for fingerprints that were made [with this key](crate::Fingerprinter::keyed). A bank has
    /// the key that it was made with for ever.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`OpenError::Spec`] where the bank has another key, or none.
    pub fn open_keyed(dir: impl AsRef<Path>, key: &Key) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Folder(dir.as_ref().to_owned())), Some(key.id()))
    }

    pub(super) fn open_on(disk: Arc<dyn Disk>, key: Option<KeyId>) -> Result<Self, OpenError> {
        let mut replayed = Replayed::until(u64::MAX);
        let (log, found) = Log::open(disk, key, &mut replayed)?;
        Spec::keyed(found.key).check_against(Spec::keyed(key.unwrap_or(found.key)))?;
        replayed.catalogue.key = found.key;
        let (view, files) = replayed.view();
        let checkpoints = Checkpoints::new(files);
        let bank = Self { torn: found.torn, checkpoints, ..Self::new(view, Home::Disk(log)) };
        watch::shown(bank.sequence(), bank.len());
        bank.checkpoint_if_due(&bank.home());
        Ok(bank)
    }

    /// Opens the bank in the folder `dir` as it is now, to search it. Somebody else may be changing it:
    /// [`Bank::refresh`] catches up.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = Folder(dir.as_ref().to_owned());
        let (bank, found) = Self::read(&folder, u64::MAX)?;
        *bank.home() = Home::Reader(folder, found.mark());
        watch::shown(bank.sequence(), bank.len());
        Ok(bank)
    }

    /// Makes the changes that another process made since this bank was [opened to be read](Bank::open_read_only) or
    /// refreshed, and returns their number. Of other banks there are none.
    ///
    /// A change that was being written may be seen before it is acknowledged. Where it never was, as on a full disk, or where
    /// the log was put back from a copy, the bank is read anew.
    ///
    /// # Errors
    /// Those of opening. The bank is then as it was.
    pub fn refresh(&self) -> Result<u64, OpenError> {
        let mut home = self.home();
        let Home::Reader(folder, mark) = &mut *home else { return Ok(0) };
        let place = mark.place;
        if !Mark::read(&*log::open_read_only(folder)?, place).is_ok_and(|now| now == *mark) {
            let (bank, found) = Self::read(folder, u64::MAX)?;
            self.view.store(bank.view());
            *mark = found.mark();
            watch::shown(self.sequence(), self.len());
            return Ok(found.place.sequence.saturating_sub(place.sequence));
        }
        let (found, mut events) = retried(|| {
            let mut events = Vec::new();
            let found = log::read_only(folder, &mut Since(place, |logged| events.push(logged)))?;
            Ok((found, events))
        })?;
        // Maps are few: what is small is copied.
        if found.place.end - place.end < WORTH_MAPPING {
            events.iter_mut().for_each(|logged| logged.packed = None);
        }
        let count = events.len() as u64;
        if count > 0 {
            self.show(&events);
        }
        *mark = found.mark();
        Ok(count)
    }

    /// Opens the bank in the folder `dir` as it was after the change `sequence`, to search it; 0 is the empty bank. Later
    /// changes are not read, whatever became of them.
    ///
    /// # Errors
    /// [`OpenError::NotYet`] where it has not changed so often.
    pub fn open_at(dir: impl AsRef<Path>, sequence: u64) -> Result<Self, OpenError> {
        let bank = Self::read(&Folder(dir.as_ref().to_owned()), sequence)?.0;
        let last = bank.sequence();
        if last < sequence { Err(OpenError::NotYet { asked: sequence, last }) } else { Ok(bank) }
    }

    /// Reads all of the bank in the folder `dir` and checks every checksum. Somebody else may be changing it.
    ///
    /// # Errors
    /// Those of opening, for what is wrong with the log. Of a checkpoint that is damaged [`Verified::checkpoint`] tells.
    pub fn verify(dir: impl AsRef<Path>) -> Result<Verified, OpenError> {
        let folder = Folder(dir.as_ref().to_owned());
        let loaded = checkpoint::load(&folder, &*log::open_read_only(&folder)?);
        let at = loaded.as_ref().map_or(0, |loaded| loaded.catalogue.sequence);
        let (mut all, mut then) = (Catalogue::default(), Catalogue::default());
        let (found, all) = retried(|| {
            all = Catalogue::default();
            let apply = |logged: Logged| {
                all.apply(&logged);
                if logged.event.sequence == at {
                    then.clone_from(&all);
                }
            };
            let found = log::read_only(&folder, &mut Since(Place::default(), apply))?;
            Ok((found, std::mem::take(&mut all)))
        })?;
        let checkpoint = match loaded {
            Err(Unusable::Missing) => Checkpoint::Missing,
            Ok(loaded) if loaded.catalogue == then && checkpoint::is_intact(&folder, &loaded.files) => {
                Checkpoint::Intact { sequence: at }
            }
            Ok(_) | Err(Unusable::Damaged) => Checkpoint::Damaged,
        };
        Ok(Verified {
            changes: all.sequence,
            references: all.len(),
            bytes: found.place.end,
            torn: found.torn,
            bad_slots: found.bad_slots,
            checkpoint,
        })
    }

    /// Tells all changes of the bank in the folder `dir`, the first one first. What is told before an error is sound.
    pub fn history(dir: impl AsRef<Path>, each: impl FnMut(Event)) -> Result<(), OpenError> {
        let mut each = each;
        // A record that somebody is writing is read again, and told once.
        let mut told = 0;
        retried(|| {
            let mut tell = |Logged { event, .. }: Logged| {
                if event.sequence > told {
                    told = event.sequence;
                    each(event);
                }
            };
            log::read_only(&Folder(dir.as_ref().to_owned()), &mut tell)
        })?;
        Ok(())
    }

    /// The bank that the bytes of a log tell, in memory and to be read only. A copy of a bank elsewhere is kept so.
    pub fn from_log(bytes: Vec<u8>) -> Result<Self, OpenError> {
        let mut catalogue = Catalogue::default();
        let apply = |logged: Logged| {
            catalogue.apply(&logged);
        };
        let found = log::read(&InMemory(Bytes::new(bytes)), Place::default(), u64::MAX, apply)?;
        catalogue.key = found.key;
        Ok(Self::new(catalogue.into(), Home::ReadOnly))
    }

    /// The bank as it was after the change `last`, or as it is if there are not so many.
    pub(super) fn read(disk: &dyn Disk, last: u64) -> Result<(Self, log::Found), OpenError> {
        retried(|| {
            let mut replayed = Replayed::until(last);
            let found = log::read_only(disk, &mut replayed)?;
            replayed.catalogue.key = found.key;
            Ok((Self::new(replayed.view().0, Home::ReadOnly), found))
        })
    }

    pub(super) fn new(view: View, home: Home) -> Self {
        let (view, home) = (ArcSwap::from_pointee(view), Mutex::new(home));
        let (actor, reason) = (String::new(), String::new());
        Self { view, home, torn: 0, checkpoints: Checkpoints::default(), actor, reason }
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
