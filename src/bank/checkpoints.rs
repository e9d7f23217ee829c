//! When checkpoints are written: when somebody asks, and in the background when much was changed since the last one.

use super::checkpoint::{self, Files};
use super::disk::Disk;
use super::log::Mark;
use super::view::View;
use super::{Bank, CheckpointError, Home};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Bytes of the log behind a checkpoint from which on another is due: opening replays them in a fraction of a second.
const DUE: u64 = 64 << 20;

/// The checkpoints of a bank that is open for changes.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// Locked by whoever writes one.
    files: Arc<Mutex<Files>>,
    /// The end of the log from which on the next is due.
    due: AtomicU64,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpoints {
    pub(super) fn new(files: Files) -> Self {
        let due = AtomicU64::new(files.place.end + DUE);
        Self { files: Arc::new(Mutex::new(files)), due, worker: Mutex::default() }
    }
}

impl Bank {
    /// Keeps what the bank is now beside its log, so that opening it neither reads nor sorts what was there before. Gives
    /// the number of the last change that it holds.
    ///
    /// A bank that is open for changes does so by itself, in the background, when much was changed; dropping the bank waits
    /// for that. Nobody else waits for it, and the log is never touched.
    pub fn checkpoint(&self) -> Result<u64, CheckpointError> {
        // Whoever comes second comes with the newer bank.
        let mut files = self.checkpoints.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (disk, mark, view) = self.marked(&self.home())?;
        write(&*disk, mark, &view, &mut files)?;
        self.checkpoints.due.store(mark.place.end + DUE, Ordering::Relaxed);
        Ok(mark.place.sequence)
    }

    /// The bank as it is where its log ends.
    fn marked(&self, home: &Home) -> Result<(Arc<dyn Disk>, Mark, Arc<View>), CheckpointError> {
        let Home::Disk(log) = home else { return Err(CheckpointError::NoLog) };
        Ok((Arc::clone(log.disk()), log.mark()?, self.view()))
    }

    /// Starts to write a checkpoint in the background, if one is due and none is being written.
    pub(super) fn checkpoint_if_due(&self, home: &Home) {
        let Checkpoints { files, due, worker } = &self.checkpoints;
        let Home::Disk(log) = home else { return };
        if log.place().end < due.load(Ordering::Relaxed) {
            return;
        }
        let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.as_ref().is_some_and(|worker| !worker.is_finished()) {
            return;
        }
        let Ok((disk, mark, view)) = self.marked(home) else { return };
        // Where it fails, the bank is as good as before; it is tried again when as much was changed once more.
        due.store(mark.place.end + DUE, Ordering::Relaxed);
        let files = Arc::clone(files);
        let work = move || {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            super::watch::checkpoint(|| write(&*disk, mark, &view, &mut files));
        };
        *worker = thread::Builder::new().name("checkpoint".into()).spawn(work).ok();
    }
}

fn write(disk: &dyn Disk, mark: Mark, view: &View, files: &mut Files) -> io::Result<()> {
    if files.place.sequence >= mark.place.sequence {
        return Ok(());
    }
    let was_ready = view.is_ready();
    checkpoint::write(disk, view, view.spaces(), mark, files)?;
    if !was_ready {
        // Nobody has searched yet: who does, or writes the next checkpoint, begins from here.
        view.begin_from(view.spaces().clone());
    }
    Ok(())
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        let worker = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            let _ = worker.join();
        }
    }
}
