//! PDQ hashes and the codes that picture matching uses.

mod pdq;

pub use pdq::{ParsePdqError, Pdq, Spectrum};

use crate::media::Frame;
use serde::{Deserialize, Serialize};

/// Why bytes are not a picture print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// The bytes end before the print does, or go on after it.
    #[error("the length does not fit the content")]
    Length,
}

/// What a bank keeps of a film's picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Print {}

impl Print {
    /// Little-endian bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The inverse of [`Print::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PrintError> {
        if bytes.is_empty() { Ok(Self {}) } else { Err(PrintError::Length) }
    }
}

/// What a search needs of a film's picture: the print and what it was made from.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    print: Print,
}

impl Probe {
    /// The part that a bank keeps.
    pub fn print(&self) -> &Print {
        &self.print
    }
}

/// Makes a [`Probe`] of frames pushed in order of time.
#[derive(Debug, Default)]
pub struct Extractor {}

impl Extractor {
    /// Takes the next frame.
    pub fn push(&mut self, _frame: Frame<'_>) {}

    /// Ends the film.
    pub fn finish(self) -> Probe {
        Probe::default()
    }
}
