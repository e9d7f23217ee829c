//! The durable bank of references.

mod error;
mod event;
mod live;
mod view;

pub use error::ChangeError;
pub use event::{Change, Event};
pub use view::Reference;

use crate::decide::{Match, Policy, Verdict};
use crate::fingerprint::{Fingerprint, Probe};
use live::Live;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
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
    writer: Mutex<()>,
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
        Self { live: Live::new(View::default()), writer: Mutex::new(()) }
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
        let _one_at_a_time = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, label) = (name.to_owned(), label.to_owned());
        let known = self.live.read().get(&name).cloned();
        match known {
            None => {
                self.change(Change::Add { name, label, fingerprint: Arc::new(fingerprint) })?;
                Ok(Added::New)
            }
            Some(known) if *known.fingerprint != fingerprint => Err(ChangeError::NameTaken { name }),
            Some(known) if known.label == label => Ok(Added::Unchanged),
            Some(_) => {
                self.change(Change::Relabel { name, label })?;
                Ok(Added::Relabelled)
            }
        }
    }

    /// Takes a reference out.
    pub fn remove(&self, name: &str) -> Result<(), ChangeError> {
        let _one_at_a_time = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.live.read().get(name).is_none() {
            return Err(ChangeError::Unknown { name: name.to_owned() });
        }
        self.change(Change::Remove { name: name.to_owned() })
    }

    fn change(&self, change: Change) -> Result<(), ChangeError> {
        let sequence = self.live.read().sequence + 1;
        self.live.apply(vec![Event { sequence, time: SystemTime::now(), change }]);
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
