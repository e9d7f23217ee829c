//! What can go wrong with a bank.

use crate::fingerprint::{FingerprintError, SpecMismatch};
use std::io;

/// Why a bank was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no bank, or no store of uploads, to read.
    #[error("there is no bank or store of uploads")]
    Missing,
    /// The folder holds something else.
    #[error("this is neither a bank nor a store of uploads")]
    NotABank,
    /// Somebody else has it open for changes.
    #[error("somebody else has it open for changes")]
    Busy,
    /// It was written by another version of this crate.
    #[error("it is of file version {got}; this program reads version {newest}")]
    Version {
        /// The version that is understood.
        newest: u16,
        /// The version met.
        got: u16,
    },
    /// Its fingerprints were made by other algorithms.
    #[error("its fingerprints were {0}")]
    Spec(#[from] SpecMismatch),
    /// It was asked for as it will be after changes that were not made yet.
    #[error("the bank has no change {asked}: the last one is {last}")]
    NotYet {
        /// The change asked for.
        asked: u64,
        /// The last change.
        last: u64,
    },
    /// What was written was changed since.
    #[error("it is corrupt at byte {offset}: {cause}")]
    Corrupt {
        /// Where in the log, or in the store.
        offset: u64,
        /// What is wrong there.
        cause: String,
    },
    /// A reference's fingerprint was changed since the bank was opened.
    #[error("the fingerprint of {name:?} cannot be read any more: {cause}")]
    Unreadable {
        /// The reference.
        name: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl OpenError {
    /// A fingerprint of the log that could be read before.
    pub(super) fn unreadable(name: &str, cause: &FingerprintError) -> Self {
        Self::Unreadable { name: name.to_owned(), cause: cause.to_string() }
    }
}

/// Why a checkpoint was not written. The bank is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bank is in memory only, or was opened to be read.
    #[error("the bank is not open for changes on a disk")]
    NoLog,
}

/// Why a change was not written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system refused; the log is as it was. Where even that could not be brought about, the next change is
    /// refused as [`Broken`](Self::Broken), and whether this one was made is told by opening the bank anew.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The fingerprint is too large for one record.
    #[error("the change is too large")]
    TooLarge,
    /// Somebody else wrote to the log or cut it off, whatever the lock said, or a change was written down and could not be
    /// shown: the bank has to be opened anew.
    #[error("the log does not end where this bank left it; open the bank anew")]
    Moved,
    /// An earlier change could neither be written nor taken back: the bank has to be opened anew.
    #[error("an earlier write failed and could not be taken back; open the bank anew")]
    Broken,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// Another reference has that name.
    #[error("the bank has another reference of the name {name:?}")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No reference has that name.
    #[error("the bank has no reference of the name {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It belongs to a collection that is under legal hold.
    #[error("{name:?} cannot be taken out of {collection:?}, which is under legal hold")]
    Held {
        /// The reference.
        name: String,
        /// Its collection.
        collection: String,
    },
    /// A policy with a number that means nothing.
    #[error("the policy cannot be: {cause}")]
    Policy {
        /// What is wrong with it.
        cause: &'static str,
    },
    /// There is no such change to take back.
    #[error("the bank has no change {sequence}")]
    NoSuchChange {
        /// The change asked for.
        sequence: u64,
    },
    /// What a change changed was changed again since, so that it cannot be taken back alone.
    #[error("what change {sequence} changed was changed again since: undo that first")]
    ChangedSince {
        /// The change that was to be taken back.
        sequence: u64,
    },
    /// Only banks on a disk remember their changes.
    #[error("the bank is in memory only and has no history")]
    NoHistory,
    /// The history could not be read.
    #[error("the history cannot be read: {0}")]
    History(#[from] OpenError),
    /// A change of another bank that does not follow the last one here.
    #[error("change {got} of the other bank came where change {expected} was due")]
    Gap {
        /// The change that was due.
        expected: u64,
        /// The change that came.
        got: u64,
    },
    /// A name or label that a bank does not take.
    #[error("{what} {text:?} cannot be used: {cause}")]
    Text {
        /// `the name`, `the label` or the like.
        what: &'static str,
        /// The text, or its beginning.
        text: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// The fingerprint was made by other algorithms.
    #[error("the fingerprint was {0}")]
    Spec(#[from] SpecMismatch),
    /// The fingerprint holds what cannot be.
    #[error("it cannot be banked: {0}")]
    Fingerprint(#[from] FingerprintError),
    /// The bank was opened to be read.
    #[error("the bank was opened to be read only")]
    ReadOnly,
    /// It could not be written down.
    #[error("the change was not made: {0}")]
    Log(#[from] LogError),
}
