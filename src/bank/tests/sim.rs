//! A disk in memory that fails where it is told to, and loses power.
//!
//! What was written and not synced may come out of a loss of power in any part and in any order of whole sectors.

use crate::bank::disk::{Disk, DiskFile, Lock};
use crate::shared::Bytes;
use crate::synthetic::Random;
use memmap2::MmapMut;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

const SECTOR: usize = 512;

/// How an operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It gives an error and does nothing. A sync that fails also forgets what it should have synced.
    Refused,
    /// It gives an error and does the half of it.
    Half,
    /// Power is lost before it is done.
    PowerBefore,
    /// Power is lost while it is done.
    PowerDuring,
    /// Power is lost when it is done, before anything else is.
    PowerAfter,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Write>,
}

#[derive(Debug, Default)]
struct State {
    made: bool,
    durably_made: bool,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<Content>,
    operations: u64,
    plan: Vec<(u64, Failure)>,
    dead: bool,
    locked: BTreeSet<String>,
    lie: Option<Lie>,
    opened: Option<fn()>,
}

/// What a disk that lies does not do though it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// Syncing files.
    Files,
    /// Syncing names.
    Names,
}

/// The disk; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct SimFile(SimDisk, usize);

#[derive(Debug)]
struct SimLock(SimDisk, String);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.state().locked.remove(&self.1);
    }
}

impl SimDisk {
    /// A disk on which the operations of these numbers go wrong.
    pub(super) fn failing(plan: &[(u64, Failure)]) -> Self {
        let disk = Self::default();
        disk.state().plan = plan.to_vec();
        disk
    }

    /// A disk that lies besides.
    pub(super) fn lying(self, lie: Lie) -> Self {
        self.state().lie = Some(lie);
        self
    }

    /// Makes the next `count` operations from the number `from` on fail.
    pub(super) fn fail_from(&self, from: u64, count: u64) {
        self.state().plan = (from..from + count).map(|at| (at, Failure::Half)).collect();
    }

    /// Does something else whenever a file is opened.
    pub(super) fn when_opened(&self, act: fn()) {
        self.state().opened = Some(act);
    }

    /// A lock's file is gone, and who makes it anew gets the lock.
    pub(super) fn forget_lock(&self, name: &str) {
        self.state().locked.remove(name);
    }

    /// Operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether power was lost.
    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The power is back: what was not synced is there in parts. Nothing fails any more.
    pub(super) fn reboot(&self, random: &mut Random) {
        let mut state = self.state();
        state.dead = false;
        state.locked.clear();
        state.plan.clear();
        state.made = state.durably_made;
        // A folder keeps or loses each of its unsynced names.
        let mut names = state.durable_names.clone();
        if !state.made {
            names.clear();
        } else if random.next().is_multiple_of(2) {
            names = state.names.clone();
        }
        (state.names, state.durable_names) = (names.clone(), names);
        for file in &mut state.files {
            for write in std::mem::take(&mut file.pending) {
                if !random.next().is_multiple_of(3) {
                    apply_some(&mut file.durable, &write, random);
                }
            }
            file.now = file.durable.clone();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Does an operation, unless it is its turn to go wrong. `act` gets told how much of it to do.
    fn operate<T>(&self, act: impl FnOnce(&mut State, Extent) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let lost = || Err(io::Error::other("no power"));
        if state.dead {
            return lost();
        }
        let number = state.operations;
        state.operations += 1;
        let failure = state.plan.iter().find(|(at, _)| *at == number).map(|(_, failure)| *failure);
        let Some(failure) = failure else { return act(&mut state, Extent::All) };
        state.dead = matches!(failure, Failure::PowerBefore | Failure::PowerDuring | Failure::PowerAfter);
        let extent = match failure {
            Failure::Refused | Failure::PowerBefore => Extent::Nothing,
            Failure::Half | Failure::PowerDuring => Extent::Half,
            Failure::PowerAfter => Extent::All,
        };
        let _ = act(&mut state, extent);
        if state.dead { lost() } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

/// How much of an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Nothing,
    Half,
    All,
}

fn apply(to: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Bytes(at, bytes) => {
            to.resize(to.len().max(at + bytes.len()), 0);
            to[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Write::Length(length) => to.resize(*length, 0),
    }
}

/// Applies a write, or some of its sectors, or only the growth of the file.
fn apply_some(to: &mut Vec<u8>, write: &Write, random: &mut Random) {
    let Write::Bytes(at, bytes) = write else { return apply(to, write) };
    if random.next().is_multiple_of(2) {
        return apply(to, write);
    }
    to.resize(to.len().max(at + bytes.len()), 0);
    for (n, byte) in bytes.iter().enumerate() {
        let mut sector = Random(random.0 ^ ((at + n) / SECTOR) as u64);
        if sector.next().is_multiple_of(2) {
            to[at + n] = *byte;
        }
    }
}

impl Disk for SimDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.made {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(state.names.keys().cloned().collect())
    }

    fn make(&self) -> io::Result<()> {
        self.operate(|state, extent| {
            state.made |= extent != Extent::Nothing;
            state.durably_made |= extent == Extent::All;
            Ok(())
        })
    }

    fn open(&self, name: &str, _write: bool) -> io::Result<Box<dyn DiskFile>> {
        let opened = self.state().opened;
        opened.into_iter().for_each(|act| act());
        let file = *self.state().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile(self.clone(), file)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.operate(|state, extent| {
            let file = state.files.len();
            if extent != Extent::Nothing {
                state.files.push(Content::default());
                state.names.insert(name.to_owned(), file);
            }
            Ok(file)
        })?;
        Ok(Box::new(SimFile(self.clone(), file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(|state, extent| {
            if extent == Extent::All {
                let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
                state.names.insert(to.to_owned(), file);
            }
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.operate(|state, extent| {
            if extent == Extent::All {
                state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
            }
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.operate(|state, extent| {
            if extent == Extent::All && state.lie != Some(Lie::Names) {
                state.durable_names = state.names.clone();
            }
            Ok(())
        })
    }

    fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        if !self.state().locked.insert(name.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock(self.clone(), name.to_owned()))))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().files[self.1].now.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let state = self.0.state();
        let at = offset as usize;
        let from = state.files[self.1].now.get(at..at + into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(from);
        Ok(())
    }

    fn map(&self, length: u64) -> io::Result<Bytes> {
        // At the start of a page, as a file is mapped.
        let mut memory = MmapMut::map_anon((length as usize).max(1))?;
        self.read_at(0, &mut memory[..length as usize])?;
        Ok(Bytes::new(memory).slice(0..length as usize).unwrap())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.operate(|state, extent| {
            let bytes = match extent {
                Extent::Nothing => return Ok(()),
                Extent::Half => &bytes[..bytes.len() / 2],
                Extent::All => bytes,
            };
            state.files[self.1].write(Write::Bytes(offset as usize, bytes.to_vec()));
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.operate(|state, extent| {
            if extent == Extent::All {
                state.files[self.1].write(Write::Length(length as usize));
            }
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.0.operate(|state, extent| {
            let dead = state.dead;
            let lies = state.lie == Some(Lie::Files);
            let file = &mut state.files[self.1];
            match extent {
                Extent::All if lies => {}
                Extent::All => {
                    file.pending.clear();
                    file.durable = file.now.clone();
                }
                // As Linux does: pages that could not be written count as clean.
                Extent::Nothing | Extent::Half if !dead => file.pending.clear(),
                Extent::Nothing | Extent::Half => {}
            }
            Ok(())
        })
    }
}

impl Content {
    fn write(&mut self, write: Write) {
        apply(&mut self.now, &write);
        self.pending.push(write);
    }
}
