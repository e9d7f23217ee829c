//! Sub-fingerprints of sound.

use crate::media::Samples;
use serde::{Deserialize, Serialize};

/// Why bytes are not a sound print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// The bytes end before the print does, or go on after it.
    #[error("the length does not fit the content")]
    Length,
}

/// What a bank keeps of a soundtrack.
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

/// What a search needs of a soundtrack: the print and what it was made from.
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

/// Makes a [`Probe`] of blocks of samples pushed in order of time.
#[derive(Debug, Default)]
pub struct Extractor {}

impl Extractor {
    /// Takes the next block.
    pub fn push(&mut self, _samples: Samples<'_>) {}

    /// Ends the soundtrack.
    pub fn finish(self) -> Probe {
        Probe::default()
    }
}
