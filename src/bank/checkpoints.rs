//! When checkpoints are written: when somebody asks, and in the background when much was changed since the last one.

use super::checkpoint::{self, Files};
use super::disk::Disk;
use super::log::Mark;
use super::view::View;
use super::{Bank, CheckpointError, Home, watch};
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

/// A bank as it is where its log ends.
pub(super) struct Content {
    disk: Arc<dyn Disk>,
    mark: Mark,
    view: Arc<View>,
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
    ///
    /// Files of the checkpoint before are kept in use, so they are read and checked first. Where they are damaged, all is
    /// made anew from the log, for searches as well; changes wait for that.
    pub fn checkpoint(&self) -> Result<u64, CheckpointError> {
        // Whoever comes second comes with the newer bank.
        let mut files = self.checkpoints.files.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.content(&self.home())?;
        if !checkpoint::is_intact(&*now.disk, &files) {
            let _home = self.home();
            self.view.store(Arc::new(self.view().anew()));
            *files = Files::default();
        }
        let now = self.content(&self.home())?;
        now.write(&mut files)?;
        self.checkpoints.due.store(now.mark.place.end + DUE, Ordering::Relaxed);
        Ok(now.mark.place.sequence)
    }

    pub(super) fn content(&self, home: &Home) -> Result<Content, CheckpointError> {
        let Home::Disk(log) = home else { return Err(CheckpointError::NoLog) };
        Ok(Content { disk: Arc::clone(log.disk()), mark: log.mark()?, view: self.view() })
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
        let Ok(now) = self.content(home) else { return };
        // Where it fails, the bank is as good as before; it is tried again when as much was changed once more.
        due.store(now.mark.place.end + DUE, Ordering::Relaxed);
        let files = Arc::clone(files);
        let work = move || {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            watch::checkpoint(|| now.write(&mut files));
        };
        *worker = thread::Builder::new().name("checkpoint".into()).spawn(work).ok();
    }
}

impl Content {
    pub(super) fn write(&self, files: &mut Files) -> io::Result<()> {
        let Self { disk, mark, view } = self;
        if files.place.sequence >= mark.place.sequence {
            return Ok(());
        }
        checkpoint::write(&**disk, view, view.spaces(), *mark, files)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        let worker = self.worker.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            let _ = worker.join();
        }
    }
}
