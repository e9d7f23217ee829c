//! The durable bank of references.
//!
//! A bank is the log of its changes. Each is on the disk before it is acknowledged, and all of them replayed give the bank
//! again: here ([`Bank::open`]), as it was ([`Bank::open_at`]), or elsewhere ([`Bank::replicate`]). One process may change
//! a bank; any number may read it, and [catch up](Bank::refresh) with it. The bytes of the log, version 3, are told at the
//! head of `log.rs` and `record.rs`. A [checkpoint](Bank::checkpoint) beside it holds what the log made so far: it is mapped
//! when the bank is opened, so that a bank may be far larger than memory.
//!
//! | room | subject |
//! |---|---|
//! | `event`, `record` | the changes, and their bytes |
//! | `disk`, `log` | what is asked of a file system, and the file of all changes |
//! | `catalogue` | what all changes make, and which are permitted |
//! | `view` | how it is searched, and changes while it is read |
//! | `checkpoint`, `checkpoints` | what is kept beside the log to open it faster, and when |
//! | `open`, `change`, `undo` | what a bank is asked to do |
//! | `ring` | the fingerprints of past uploads |
//! | `watch` | metrics and spans |

mod catalogue;
mod change;
mod checkpoint;
mod checkpoints;
mod disk;
mod error;
mod event;
mod log;
mod open;
mod record;
mod ring;
#[cfg(test)]
mod tests;
mod undo;
mod view;
mod watch;

pub use catalogue::Reference;
pub use change::Added;
pub use error::{ChangeError, CheckpointError, LogError, OpenError};
pub use event::{About, Change, Event};
pub use open::{Checkpoint, Verified};
pub use record::EventError;
pub use ring::{KeepError, Upload, Uploads};

use crate::align::Segment;
use crate::decide::{Match, Policies, Verdict};
use crate::fingerprint::{Probe, Spec, SpecMismatch};
use crate::key::KeyId;
use arc_swap::ArcSwap;
use checkpoints::Checkpoints;
use disk::Folder;
use log::{Log, Mark};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use view::View;

/// The banned references, searchable by what they show and sound like.
///
/// A bank may be used by many threads at once. A check sees the bank as it is after some change and never waits for a
/// writer; a change is seen by every check that begins after it returned.
#[derive(Debug)]
pub struct Bank {
    /// Dropped first, which waits for a checkpoint that is being written: `home` has the lock.
    checkpoints: Checkpoints,
    /// The newest view. Only who holds `home` replaces it.
    view: ArcSwap<View>,
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
    /// A log that another process may be writing, read as far as told.
    Reader(Folder, Mark),
    Disk(Log),
}

impl Bank {
    /// The bank as it is now. It stays so while it is held.
    fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// All references, by name.
    pub fn list(&self) -> Vec<Arc<Reference>> {
        self.view().list()
    }

    /// The reference of a name.
    pub fn get(&self, name: &str) -> Option<Arc<Reference>> {
        self.view().get(name).cloned()
    }

    /// The number of references.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no reference.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the last change, 0 for a bank that never changed.
    pub fn sequence(&self) -> u64 {
        self.view().sequence
    }

    /// The policies of all collections.
    pub fn policies(&self) -> Policies {
        self.view().policies.clone()
    }

    /// A bank in memory, to be read only, of some of the references, and all policies. It is at the same change, and does not
    /// follow this one.
    ///
    /// A sweep through past uploads asks it for the references that are new.
    pub fn only(&self, wanted: impl Fn(&Reference) -> bool) -> Self {
        Self::new(self.view().only(wanted).into(), Home::ReadOnly)
    }

    /// Gets ready to be searched, which the first check does otherwise. It takes the longer the larger the bank is.
    pub fn prepare(&self) {
        self.view().prepare();
    }

    /// The key that its fingerprints, and probes that it checks, have to be made with; 0 for none.
    pub fn key(&self) -> KeyId {
        self.view().key
    }

    /// Searches the bank for what `probe` shows and sounds like, and judges what is found by the policies as they are at
    /// the time `now`.
    ///
    /// The verdict depends on the bank's content, the probe and the time. In a large bank, a match near the threshold may also
    /// hang on how its tables happen to be merged: of sound, larger ones are asked with longer keys, and of features that
    /// thousands of pictures share some are passed over.
    ///
    /// # Errors
    /// If the probe was not made with the bank's key: nothing would be found.
    pub fn check(&self, probe: &Probe, now: SystemTime) -> Result<Verdict, SpecMismatch> {
        let view = self.view();
        let spec = Spec::keyed(probe.key);
        spec.check_against(Spec::keyed(view.key))?;
        Ok(watch::check(|| {
            let found = |segment: Segment| {
                let reference = view.reference(segment.reference)?;
                let About { label, collection, suspended } = reference.about.clone();
                let reference_seconds = reference.duration;
                // Both are measured in quarters of a second, and no player goes beyond the end.
                let segment = Segment {
                    query: segment.query.until(probe.duration),
                    matched: segment.matched.until(reference_seconds),
                    ..segment
                };
                let found = Match::new(&reference.name, &segment);
                Some(Match { label, collection, suspended, reference_seconds, ..found })
            };
            let mut verdict = Verdict {
                action: None,
                seconds: probe.duration,
                glance: probe.is_glance,
                upload: probe.fingerprint().digest(),
                spec,
                sequence: view.sequence,
                time: change::to_the_millisecond(now),
                matches: view.search(probe).into_iter().filter_map(found).collect(),
            };
            watch::stage("judge", || verdict.judge(&view.policies));
            verdict
        }))
    }
}
