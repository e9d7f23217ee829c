//! What can go wrong with a bank.

use crate::fingerprint::SpecMismatch;

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
        /// The text.
        text: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// The fingerprint was made by other algorithms.
    #[error("the fingerprint was {0}")]
    Spec(#[from] SpecMismatch),
}
