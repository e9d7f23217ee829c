//! The bytes of a fingerprint.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | `AFPR` |
//! | 4 | 2 | file version |
//! | 6 | 2 | flags; bit 0: a still |
//! | 8 | 8 | length of the whole, checksum included |
//! | 16 | 2 + 2 | spec: picture, sound |
//! | 20 | 4 | the number of the key, or 0 |
//! | 24 | 8 | duration in seconds, IEEE 754 |
//! | 32 | 8 | length *p* of the picture print |
//! | 40 | *p* | picture print |
//! | 40 + *p* | *s* | sound print |
//! | 40 + *p* + *s* | 4 | CRC-32 (IEEE) of all bytes before |

use super::{Fingerprint, FingerprintError, Spec, check_duration};
use crate::key::KeyId;
use crate::{picture, sound};

const MAGIC: [u8; 4] = *b"AFPR";
const VERSION: u16 = 2;
pub(super) const HEAD: usize = 40;
const STILL: u16 = 1;

/// Reads fixed widths from the front of some bytes; `None` where they end too early.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Bytes of the picture print of a fingerprint, as its head tells.
pub(super) fn picture_length(bytes: &[u8]) -> Option<usize> {
    let mut head = Cursor(bytes);
    head.take(HEAD - 8)?;
    usize::try_from(head.u64()?).ok()
}

impl Fingerprint {
    /// The fingerprint as bytes, laid out as the format's documentation in the source says: magic, version and length in
    /// front, a checksum behind.
    pub fn to_bytes(&self) -> Vec<u8> {
        let picture = self.picture.to_bytes();
        let sound = self.sound.to_bytes();
        let length = HEAD + picture.len() + sound.len() + 4;
        let mut out = Vec::with_capacity(length);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((if self.still { STILL } else { 0 }).to_le_bytes());
        out.extend((length as u64).to_le_bytes());
        out.extend(self.spec.picture.to_le_bytes());
        out.extend(self.spec.sound.to_le_bytes());
        out.extend(self.spec.key.0.to_le_bytes());
        out.extend(self.duration.to_le_bytes());
        out.extend((picture.len() as u64).to_le_bytes());
        out.extend(picture);
        out.extend(sound);
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// The inverse of [`Fingerprint::to_bytes`]. `bytes` must hold exactly one fingerprint, by the algorithms of
    /// [`Spec::CURRENT`] and with whatever key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FingerprintError> {
        let mut head = Cursor(bytes);
        if head.array() != Some(MAGIC) {
            return Err(FingerprintError::Magic);
        }
        // The version comes before anything that a later version may lay out otherwise.
        let got = head.u16().ok_or(FingerprintError::Length)?;
        if got != VERSION {
            return Err(FingerprintError::Version { newest: VERSION, got });
        }
        let flags = head.u16().ok_or(FingerprintError::Length)?;
        let length = head.u64().ok_or(FingerprintError::Length)?;
        let (body, sum) = bytes.split_last_chunk().ok_or(FingerprintError::Length)?;
        if length != bytes.len() as u64 || body.len() < HEAD {
            return Err(FingerprintError::Length);
        }
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(FingerprintError::Checksum);
        }
        if flags & !STILL != 0 {
            return Err(FingerprintError::Flags);
        }
        let mut body = Cursor(body);
        body.take(16);
        Self::from_body(flags, body)
    }

    fn from_body(flags: u16, mut body: Cursor<'_>) -> Result<Self, FingerprintError> {
        let short = FingerprintError::Length;
        let (Some(picture), Some(sound), Some(key)) = (body.u16(), body.u16(), body.u32()) else {
            return Err(short);
        };
        let spec = Spec { picture, sound, key: KeyId(key) };
        spec.check()?;
        let (Some(duration), Some(length)) = (body.array().map(f64::from_le_bytes), body.u64()) else {
            return Err(short);
        };
        check_duration(duration)?;
        let picture = usize::try_from(length).ok().and_then(|n| body.take(n)).ok_or(short)?;
        Ok(Self {
            spec,
            duration,
            still: flags & STILL != 0,
            picture: picture::Print::from_bytes(picture)?,
            sound: sound::Print::from_bytes(body.0)?,
        })
    }
}
