//! The changes of a bank, one by one.

use crate::decide::{DEFAULT, Policy};
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
    /// The earlier change that this one takes back.
    pub undoes: Option<u64>,
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
        /// What is said of it.
        about: About,
        /// What is kept of it.
        fingerprint: Arc<Fingerprint>,
    },
    /// A reference is taken out.
    Remove {
        /// Its name.
        name: String,
    },
    /// Something else is said of a reference.
    Edit {
        /// Its name.
        name: String,
        /// What is said of it from now on.
        about: About,
    },
    /// A collection gets a policy, or gives its own up for the default.
    Policy {
        /// The collection.
        collection: String,
        /// Its policy.
        policy: Option<Policy>,
    },
}

/// What is said of a reference, apart from what it shows and sounds like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct About {
    /// Said with every match.
    pub label: String,
    /// The collection whose policy it follows.
    pub collection: String,
    /// It is found, and nothing follows from it.
    pub suspended: bool,
}

impl Default for About {
    fn default() -> Self {
        Self { label: String::new(), collection: DEFAULT.to_owned(), suspended: false }
    }
}

impl About {
    /// A reference of a collection, without a label.
    pub fn of(collection: &str) -> Self {
        Self { collection: collection.to_owned(), ..Self::default() }
    }

    /// The same with a label.
    pub fn labelled(self, label: &str) -> Self {
        Self { label: label.to_owned(), ..self }
    }
}

/// A label, in the default collection.
impl From<&str> for About {
    fn from(label: &str) -> Self {
        Self::default().labelled(label)
    }
}
