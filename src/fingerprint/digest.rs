//! A short name for a fingerprint's content.

use super::Fingerprint;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The SHA-256 of a fingerprint's bytes: equal for equal content, and written as 64 hexadecimal digits.
///
/// It names the upload in reports. Whoever has the file can make it, so it is kept out of logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// A number from 0 to less than 1 that is even over all content, to draw samples by.
    pub(crate) fn sample(self) -> f64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        // As many bits as the fraction of a number has, so that nothing is rounded up to 1.
        (u64::from_le_bytes([a, b, c, d, e, f, g, h]) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Fingerprint {
    /// Names the content.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.to_bytes()).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl std::str::FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let mut bytes = [0; 32];
        let mut digits = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
        for byte in &mut bytes {
            let mut digit = || digits.next().flatten().ok_or(NotADigest);
            *byte = digit()? << 4 | digit()?;
        }
        if digits.next().is_some() { Err(NotADigest) } else { Ok(Self(bytes)) }
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no digest of 64 hexadecimal digits")]
pub struct NotADigest;

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
