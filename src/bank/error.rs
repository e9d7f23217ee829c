//! What can go wrong with a bank.

use crate::fingerprint::SpecMismatch;
use std::io;

/// Why a bank was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no bank to read.
    #[error("there is no bank")]
    Missing,
    /// The folder holds something else.
    #[error("this is not a bank")]
    NotABank,
    /// Somebody else has it open for changes.
    #[error("somebody else is changing this bank")]
    Busy,
    /// It was written by a later version of this crate.
    #[error("a bank of file version {got}; this program reads up to version {newest}")]
    Version {
        /// The newest version that is understood.
        newest: u16,
        /// The version met.
        got: u16,
    },
    /// Its fingerprints were made by other algorithms.
    #[error("its fingerprints were {0}")]
    Spec(#[from] SpecMismatch),
    /// What was written was changed since.
    #[error("the bank is corrupt at byte {offset} of its log: {cause}")]
    Corrupt {
        /// Where in the log.
        offset: u64,
        /// What is wrong there.
        cause: String,
    },
}

/// Why a change was not written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system refused; the log is as it was.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The fingerprint is too large for one record.
    #[error("the change is too large")]
    TooLarge,
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
    /// A name or label that a bank does not take.
    #[error("{what} {text:?} cannot be used: {cause}")]
    Text {
        /// `the name` or `the label`.
        what: &'static str,
        /// The text, or its beginning.
        text: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// The fingerprint was made by other algorithms.
    #[error("the fingerprint was {0}")]
    Spec(#[from] SpecMismatch),
    /// The bank was opened to be read.
    #[error("the bank was opened to be read only")]
    ReadOnly,
    /// It could not be written down.
    #[error("the change was not made: {0}")]
    Log(#[from] LogError),
}
