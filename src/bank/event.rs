//! The changes of a bank, one by one.

use crate::fingerprint::Fingerprint;
use std::sync::Arc;
use std::time::SystemTime;

/// One change of a bank. A bank is what all its events make of an empty one.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// 1 for the bank's first change, one more for each that follows.
    pub sequence: u64,
    /// When it was made, to the millisecond.
    pub time: SystemTime,
    /// Who made it, if that was told.
    pub actor: String,
    /// Why, if that was told.
    pub reason: String,
    /// What was changed.
    pub change: Change,
}

/// What an [`Event`] does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A reference is banked.
    Add {
        /// Its name.
        name: String,
        /// Its label.
        label: String,
        /// What is kept of it.
        fingerprint: Arc<Fingerprint>,
    },
    /// A reference is taken out.
    Remove {
        /// Its name.
        name: String,
    },
    /// A reference gets another label.
    Relabel {
        /// Its name.
        name: String,
        /// Its new label.
        label: String,
    },
}
