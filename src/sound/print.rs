//! What a bank keeps of a soundtrack.

use super::words::Word;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

const MAGIC: [u8; 4] = *b"AISP";

/// Version of the bytes.
const FORMAT: u16 = 1;

/// Version of the algorithm that makes the words.
pub const ALGORITHM: u16 = 1;

/// Bytes before the words: magic, format, algorithm, number of words.
const HEAD: usize = 4 + 2 + 2 + 4;

/// Bytes after the words: a CRC-32 of all before it.
const TAIL: usize = 4;

/// Why bytes are not a sound print.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// The bytes end before the print does, or go on after it.
    #[error("the length does not fit the content")]
    Length,
    /// The bytes begin like something else.
    #[error("not a sound print")]
    Magic,
    /// The bytes are laid out in a way of a later version.
    #[error("format version {0} is not known")]
    Format(u16),
    /// The words were made in another way and cannot be compared.
    #[error("sound algorithm {0} is not the one in use ({ALGORITHM})")]
    Algorithm(u16),
    /// The bytes were damaged.
    #[error("the checksum does not fit the content")]
    Checksum,
}

/// One 32-bit word each 64 ms of a soundtrack, none where it is silent or stands still.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print {
    pub(super) words: Vec<Word>,
}

impl Print {
    /// Seconds from one word to the next.
    pub const HOP: f64 = 2.0 * super::bands::HOP_SECONDS;

    /// The words in order of time.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(Option::is_none)
    }

    /// Little-endian bytes: magic, versions, length, words, checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + 4 * self.words.len() + TAIL);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(ALGORITHM.to_le_bytes());
        // A print of more words would last eight years.
        let count = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        bytes.extend(count.to_le_bytes());
        for word in self.words.iter().take(count as usize) {
            bytes.extend(word.map_or(0, NonZeroU32::get).to_le_bytes());
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// The inverse of [`Print::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PrintError> {
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(PrintError::Length)?;
        if *magic != MAGIC {
            return Err(PrintError::Magic);
        }
        let (format, rest) = rest.split_first_chunk::<2>().ok_or(PrintError::Length)?;
        match u16::from_le_bytes(*format) {
            FORMAT => {}
            other => return Err(PrintError::Format(other)),
        }
        let (algorithm, rest) = rest.split_first_chunk::<2>().ok_or(PrintError::Length)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(PrintError::Length)?;
        let (content, checksum) = bytes.split_last_chunk::<TAIL>().ok_or(PrintError::Length)?;
        let (words, _) = rest.split_last_chunk::<TAIL>().ok_or(PrintError::Length)?;
        let (words, odd) = words.as_chunks::<4>();
        if !odd.is_empty() || u32::try_from(words.len()) != Ok(u32::from_le_bytes(*count)) {
            return Err(PrintError::Length);
        }
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return Err(PrintError::Checksum);
        }
        match u16::from_le_bytes(*algorithm) {
            ALGORITHM => {}
            other => return Err(PrintError::Algorithm(other)),
        }
        Ok(Self { words: words.iter().map(|word| NonZeroU32::new(u32::from_le_bytes(*word))).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_give_back_the_print(words in proptest::collection::vec(any::<u32>(), 0..200)) {
            let print = Print { words: words.into_iter().map(NonZeroU32::new).collect() };
            prop_assert_eq!(Print::from_bytes(&print.to_bytes()), Ok(print));
        }

        #[test]
        fn any_change_is_an_error(words in proptest::collection::vec(any::<u32>(), 0..50), at in any::<proptest::sample::Index>(), bit in 0..8u8) {
            let print = Print { words: words.into_iter().map(NonZeroU32::new).collect() };
            let mut bytes = print.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert!(Print::from_bytes(&bytes).is_err());
            bytes[at] ^= 1u8 << bit;
            prop_assert!(Print::from_bytes(&bytes[..at]).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Print::from_bytes(&bytes).is_err());
            prop_assert!(Print::from_bytes(&[&MAGIC[..], &[1, 0, 1, 0], &bytes].concat()).is_err());
        }
    }
}
