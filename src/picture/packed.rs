//! A print as its bytes, in memory or in a mapped file: a feature is read where it lies.

use super::print::{FEATURE, HEAD, KEY, MOTION, feature};
use super::{Feature, Print, PrintError};
use crate::shared::Bytes;

/// The bytes of a print, and what is needed to find a feature in them.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    bytes: Bytes,
    /// The ordinal of the first feature of each key frame, and the number of features.
    starts: Box<[u32]>,
    /// CRC-32 of the bytes.
    checksum: u32,
}

impl Packed {
    /// Reads where key frames begin. What is inside them is not looked at.
    pub(crate) fn new(bytes: Bytes) -> Result<Self, PrintError> {
        let count = |at: usize| {
            let number = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(PrintError::Length)?;
            Ok::<_, PrintError>(u32::from_le_bytes(*number))
        };
        let (keys, motions) = (count(HEAD - 8)?, count(HEAD - 4)?);
        if keys as usize > bytes.len() / KEY || motions as usize > bytes.len() / MOTION {
            return Err(PrintError::Length);
        }
        let mut starts = Vec::with_capacity(keys as usize + 1);
        let mut next = 0u32;
        for key in 0..keys as usize {
            starts.push(next);
            let &features = bytes.get(place(key, next) - 1).ok_or(PrintError::Length)?;
            next = next.checked_add(features.into()).ok_or(PrintError::Length)?;
        }
        starts.push(next);
        if HEAD + KEY * keys as usize + FEATURE * next as usize + MOTION * motions as usize != bytes.len() {
            return Err(PrintError::Length);
        }
        let checksum = crc32fast::hash(&bytes);
        Ok(Self { bytes, starts: starts.into(), checksum })
    }

    /// Bytes of which [`starts`](Self::starts) and [`checksum`](Self::checksum) are known, so that they are not read.
    pub(crate) fn known(bytes: Bytes, starts: Vec<u32>, checksum: u32) -> Self {
        Self { bytes, starts: starts.into(), checksum }
    }

    /// The ordinal of the first feature of each key frame, and the number of features.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// The number of bytes.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// CRC-32 of the bytes.
    pub(crate) fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The number of features.
    pub(crate) fn features(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// The number of key frames.
    pub(crate) fn keys(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The key frame of a feature, by its number. The bytes are not looked at.
    pub(crate) fn key_of(&self, ordinal: u32) -> Option<u32> {
        let key = self.starts.partition_point(|&start| start <= ordinal).checked_sub(1)?;
        (key < self.keys()).then_some(key as u32)
    }

    /// A feature by its number. The checksum is not looked at.
    pub(crate) fn feature(&self, ordinal: u32) -> Option<Feature> {
        let key = self.key_of(ordinal)?;
        feature(&mut self.bytes.get(place(key as usize, ordinal)..)?).ok()
    }

    /// The features of a key frame, each with its number, in the order of these.
    ///
    /// # Panics
    /// If there is no such key frame.
    pub(crate) fn features_of(&self, key: usize) -> impl Iterator<Item = (u32, Feature)> {
        let at = move |ordinal| feature(&mut self.bytes.get(place(key, ordinal)..)?).ok();
        (self.starts[key]..self.starts[key + 1]).map_while(move |ordinal| Some((ordinal, at(ordinal)?)))
    }

    /// The print, if its bytes are still those that were packed.
    pub(crate) fn unpack(&self) -> Result<Print, PrintError> {
        if crc32fast::hash(&self.bytes) != self.checksum {
            return Err(PrintError::Checksum);
        }
        Print::from_bytes(&self.bytes)
    }
}

/// Where a feature lies: behind the heads of its key frame and of those before, and behind the features before.
fn place(key: usize, ordinal: u32) -> usize {
    HEAD + KEY * (key + 1) + FEATURE * ordinal as usize
}

impl From<&Print> for Packed {
    fn from(print: &Print) -> Self {
        let empty = Self { bytes: Bytes::default(), starts: [0].into(), checksum: 0 };
        Self::new(Bytes::new(print.to_bytes())).unwrap_or(empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::print::tests::prints;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn features_are_read_where_they_lie(print in prints()) {
            let packed = Packed::from(&print);
            let all: Vec<(u32, Feature)> = (0u32..)
                .zip(&print.keys)
                .flat_map(|(key, frame)| frame.features.iter().map(move |feature| (key, *feature)))
                .collect();
            prop_assert_eq!(packed.features(), all.len());
            prop_assert_eq!(packed.keys(), print.keys.len());
            for (n, (key, feature)) in (0u32..).zip(&all) {
                prop_assert_eq!((packed.key_of(n), packed.feature(n)), (Some(*key), Some(*feature)));
            }
            prop_assert_eq!(packed.feature(all.len() as u32), None);
            for key in 0..packed.keys() {
                let some = (0u32..).zip(&all).filter(|(_, (of, _))| *of as usize == key);
                prop_assert!(packed.features_of(key).eq(some.map(|(n, (_, feature))| (n, *feature))));
            }
            prop_assert_eq!(packed.unpack().unwrap(), print);
        }

        #[test]
        fn damaged_bytes_are_read_or_refused(
            print in prints(), cut in 0usize..20, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut bytes = print.to_bytes();
            let length = bytes.len();
            edits.iter().for_each(|(at, value)| bytes[at.index(length)] = *value);
            bytes.truncate(length.saturating_sub(cut / 10 * (cut % 10)));
            let whole = Print::from_bytes(&bytes);
            match Packed::new(Bytes::new(bytes)) {
                Ok(packed) => {
                    (0..packed.keys()).for_each(|key| packed.features_of(key).for_each(drop));
                    prop_assert_eq!(packed.unpack().ok(), whole.ok());
                }
                Err(_) => prop_assert!(whole.is_err()),
            }
        }
    }

    #[test]
    fn changed_bytes_are_not_unpacked() {
        let mut packed = Packed::from(&Print::default());
        packed.unpack().unwrap();
        packed.checksum ^= 1;
        assert!(matches!(packed.unpack(), Err(PrintError::Checksum)));
    }
}
