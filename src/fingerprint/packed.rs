//! A fingerprint as its bytes, in memory or in a mapped file.

use super::bytes::{HEAD, picture_length};
use super::{Fingerprint, FingerprintError};
use crate::shared::Bytes;
use crate::{picture, sound};

/// Bytes behind the prints: a checksum.
const TAIL: usize = 4;

/// The bytes of a fingerprint, which are those of [`Fingerprint::to_bytes`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed(Bytes);

impl Packed {
    /// What was found to be a fingerprint.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The fingerprint, if its bytes are still those that were packed.
    pub(crate) fn unpack(&self) -> Result<Fingerprint, FingerprintError> {
        Fingerprint::from_bytes(&self.0)
    }

    /// The picture. The checksum of the whole is not looked at.
    pub(crate) fn picture(&self) -> Result<picture::Packed, FingerprintError> {
        let picture = self.picture_bytes(self.picture_length()?);
        Ok(picture::Packed::new(picture.ok_or(FingerprintError::Length)?)?)
    }

    /// The bytes of the picture, which are so many. Nothing is read.
    pub(crate) fn picture_bytes(&self, length: usize) -> Option<Bytes> {
        self.0.slice(HEAD..HEAD.checked_add(length)?)
    }

    /// The sound, which has a checksum of its own.
    pub(crate) fn sound(&self) -> Result<sound::Print, FingerprintError> {
        let start = HEAD + self.picture_length()?;
        let end = self.0.len().saturating_sub(TAIL);
        Ok(sound::Print::from_bytes(self.0.get(start..end).ok_or(FingerprintError::Length)?)?)
    }

    fn picture_length(&self) -> Result<usize, FingerprintError> {
        picture_length(&self.0).filter(|&length| length <= self.0.len()).ok_or(FingerprintError::Length)
    }
}

impl From<&Fingerprint> for Packed {
    fn from(fingerprint: &Fingerprint) -> Self {
        Self(Bytes::new(fingerprint.to_bytes()))
    }
}
