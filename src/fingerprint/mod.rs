//! What is made of a film, stored and exchanged: a fingerprint of its picture and of its sound.
//!
//! A [`Fingerprinter`] takes frames and samples as they come and ends in a [`Probe`], which can be searched for in a
//! bank. The part of the probe that a bank keeps is its [`Fingerprint`].

mod bytes;
mod digest;
mod fingerprinter;
mod packed;
mod recalled;
#[cfg(test)]
mod tests;

pub(crate) use bytes::Cursor;
pub use digest::{Digest, NotADigest};
pub use fingerprinter::Fingerprinter;
pub(crate) use packed::Packed;

use crate::key::KeyId;
use crate::{picture, sound};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The algorithms that made a fingerprint, apart from the version of the bytes it is stored in.
///
/// Two fingerprints can be compared only where their specs are equal. Each number goes up with every change that
/// alters a bit of what the algorithm gives for any input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spec {
    /// The version of the picture algorithm.
    pub picture: u16,
    /// The version of the sound algorithm.
    pub sound: u16,
    /// The key that the codes depend on; 0 for none.
    #[serde(default)]
    pub key: KeyId,
}

impl Spec {
    /// What this version of the crate makes without a key.
    pub const CURRENT: Self = Self { picture: 6, sound: sound::ALGORITHM, key: KeyId(0) };

    /// What this version of the crate makes with a key.
    pub fn keyed(key: KeyId) -> Self {
        Self { key, ..Self::CURRENT }
    }

    /// An error unless this version of the crate makes such codes, with whatever key.
    pub fn check(self) -> Result<(), SpecMismatch> {
        self.check_against(Self::keyed(self.key))
    }

    /// An error unless codes of both can be compared.
    pub fn check_against(self, expected: Self) -> Result<(), SpecMismatch> {
        if self == expected { Ok(()) } else { Err(SpecMismatch { expected, got: self }) }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "picture {} and sound {}", self.picture, self.sound)?;
        if self.key == KeyId::default() { Ok(()) } else { write!(f, " with key {:08x}", self.key.0) }
    }
}

/// Fingerprints of different algorithms met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("made by algorithms {got}, which cannot be compared with {expected}")]
pub struct SpecMismatch {
    /// What this version of the crate compares.
    pub expected: Spec,
    /// What was met.
    pub got: Spec,
}

/// What is kept of a film or of a still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Fingerprint {
    /// The algorithms that made it.
    pub spec: Spec,
    /// Seconds, 0 for a still.
    pub duration: f64,
    /// A single picture without sound.
    pub still: bool,
    /// The picture's codes and their times.
    pub picture: picture::Print,
    /// The sound's codes and their times.
    pub sound: sound::Print,
}

impl Fingerprint {
    /// An error where something cannot be: anybody may have put it together.
    pub(crate) fn check(&self) -> Result<(), FingerprintError> {
        self.spec.check()?;
        check_duration(self.duration)?;
        Ok(self.picture.check()?)
    }

    /// Whether there is nothing that it could be found by: neither detail in the picture nor a sound.
    pub fn is_blank(&self) -> bool {
        self.picture.is_empty() && self.sound.is_empty()
    }

    /// The smaller profile: 16 local features of every fourth key frame in place of 24 of each, and all else as it is.
    ///
    /// In a bank it takes three fifths of the space. By picture, one copy in a hundred more is missed: of short excerpts one
    /// in twenty.
    pub fn small(self) -> Self {
        Self { picture: self.picture.small(), ..self }
    }
}

/// A fingerprint as a stranger may have written it.
#[derive(Deserialize)]
struct Unchecked {
    spec: Spec,
    duration: f64,
    still: bool,
    picture: picture::Print,
    sound: sound::Print,
}

impl TryFrom<Unchecked> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(raw: Unchecked) -> Result<Self, FingerprintError> {
        let Unchecked { spec, duration, still, picture, sound } = raw;
        let fingerprint = Self { spec, duration, still, picture, sound };
        fingerprint.check()?;
        Ok(fingerprint)
    }
}

fn check_duration(seconds: f64) -> Result<(), FingerprintError> {
    if seconds.is_finite() && seconds >= 0.0 { Ok(()) } else { Err(FingerprintError::Duration) }
}

/// What a search needs of a film: the fingerprint and what it was made from.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// The key that the codes depend on; 0 for none.
    pub key: KeyId,
    /// Seconds, 0 for a still.
    pub duration: f64,
    /// A single picture without sound.
    pub still: bool,
    /// Only the start, and less closely: see [`glance`](Self::glance).
    pub is_glance: bool,
    /// The picture.
    pub picture: picture::Probe,
    /// The sound.
    pub sound: sound::Probe,
}

impl Probe {
    /// Seconds of a [`glance`](Self::glance).
    pub const GLANCE: f64 = 20.0;

    /// The first 20 seconds, less closely looked at: what a service has time for before it answers an uploader.
    ///
    /// A search for it costs a fraction of one for all of the probe, and finds most copies; those that are shown small, or
    /// begin later, are left to that.
    pub fn glance(&self) -> Self {
        Self {
            key: self.key,
            duration: self.duration.min(Self::GLANCE),
            still: self.still,
            is_glance: true,
            picture: self.picture.glance(Self::GLANCE),
            sound: self.sound.glance(Self::GLANCE),
        }
    }

    /// The part that a bank keeps.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            spec: Spec::keyed(self.key),
            duration: self.duration,
            still: self.still,
            picture: self.picture.print().clone(),
            sound: self.sound.print().clone(),
        }
    }
}

/// Why bytes are not a fingerprint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// The bytes do not begin as a fingerprint does.
    #[error("this is not a fingerprint")]
    Magic,
    /// The bytes are laid out in a way that this version of the crate does not know.
    #[error("a fingerprint of file version {got}; this program reads version {newest}")]
    Version {
        /// The version that is understood.
        newest: u16,
        /// The version met.
        got: u16,
    },
    /// The bytes end before the fingerprint does, or go on after it.
    #[error("the fingerprint's length does not fit its content")]
    Length,
    /// The bytes were changed since they were written.
    #[error("the fingerprint's checksum does not fit its content")]
    Checksum,
    /// The algorithms differ from this crate's.
    #[error("the fingerprint was {0}")]
    Spec(#[from] SpecMismatch),
    /// The duration is no number of seconds.
    #[error("the fingerprint's duration is not a number of seconds")]
    Duration,
    /// A flag that this version does not know is set.
    #[error("the fingerprint has unknown flags")]
    Flags,
    /// The picture's codes.
    #[error("the fingerprint's picture: {0}")]
    Picture(#[from] picture::PrintError),
    /// The sound's codes.
    #[error("the fingerprint's sound: {0}")]
    Sound(#[from] sound::PrintError),
}
