//! An event as bytes.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | `A5 45 56 31` |
//! | 4 | 4 | length *n* of the content |
//! | 8 | 8 | sequence number |
//! | 16 | *n* | content |
//! | 16 + *n* | 4 | CRC-32 (IEEE) of all before |
//!
//! The content is a kind (1 byte: 1 add, 2 remove, 3 relabel), the time (8 bytes: milliseconds since 1970) and texts, each
//! with its length in 2 bytes before it: actor, reason, name and, except for a removal, label. An addition ends in a
//! [fingerprint](crate::fingerprint::Fingerprint::to_bytes). All numbers are little-endian.

use super::event::{Change, Event};
use crate::fingerprint::{Cursor, Fingerprint, FingerprintError};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(super) const MARK: [u8; 4] = [0xa5, b'E', b'V', b'1'];
pub(super) const HEAD: usize = 16;
pub(super) const TAIL: usize = 4;

/// The most bytes of content: some hundred hours of film. What claims more is not read.
pub(super) const LIMIT: usize = 256 << 20;

const ADD: u8 = 1;
const REMOVE: u8 = 2;
const RELABEL: u8 = 3;

/// Why bytes are not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The content ends too early, or goes on after its end.
    #[error("its length does not fit its content")]
    Length,
    /// A kind that this version does not know.
    #[error("it is of an unknown kind")]
    Kind,
    /// A text that is not UTF-8.
    #[error("it has a text that is not UTF-8")]
    Text,
    /// Its fingerprint cannot be read.
    #[error("{0}")]
    Fingerprint(#[from] FingerprintError),
}

/// The event as a record; `None` where it is too large for one.
pub(super) fn encode(event: &Event) -> Option<Vec<u8>> {
    let mut out = MARK.to_vec();
    out.extend([0; 4]);
    out.extend(event.sequence.to_le_bytes());
    let (kind, name, label) = match &event.change {
        Change::Add { name, label, .. } => (ADD, name, Some(label)),
        Change::Remove { name } => (REMOVE, name, None),
        Change::Relabel { name, label } => (RELABEL, name, Some(label)),
    };
    out.push(kind);
    let since = event.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    out.extend(u64::try_from(since.as_millis()).ok()?.to_le_bytes());
    for text in [Some(&event.actor), Some(&event.reason), Some(name), label].into_iter().flatten() {
        out.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
        out.extend(text.as_bytes());
    }
    if let Change::Add { fingerprint, .. } = &event.change {
        out.extend(fingerprint.to_bytes());
    }
    let length = out.len() - HEAD;
    if length > LIMIT {
        return None;
    }
    out.splice(4..8, u32::try_from(length).ok()?.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    Some(out)
}

/// The length of the content and the sequence number that a record's head tells, as far as they can be true.
pub(super) fn head(bytes: &[u8; HEAD]) -> Option<(usize, u64)> {
    let mut head = Cursor(bytes);
    if head.array() != Some(MARK) {
        return None;
    }
    let length = usize::try_from(head.u32()?).ok().filter(|&length| length <= LIMIT)?;
    Some((length, head.u64()?))
}

/// The content of a whole record, if its checksum fits.
pub(super) fn content(record: &[u8]) -> Option<&[u8]> {
    let (body, sum) = record.split_last_chunk::<TAIL>()?;
    (crc32fast::hash(body) == u32::from_le_bytes(*sum)).then(|| body.get(HEAD..))?
}

/// The event that a record's content tells.
pub(super) fn decode(sequence: u64, content: &[u8]) -> Result<Event, EventError> {
    let mut rest = Cursor(content);
    let [kind] = rest.array().ok_or(EventError::Length)?;
    let millis = rest.u64().ok_or(EventError::Length)?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).ok_or(EventError::Length)?;
    let (actor, reason, name) = (text(&mut rest)?, text(&mut rest)?, text(&mut rest)?);
    let change = match kind {
        ADD => {
            let label = text(&mut rest)?;
            let fingerprint = Arc::new(Fingerprint::from_bytes(std::mem::take(&mut rest.0))?);
            Change::Add { name, label, fingerprint }
        }
        REMOVE => Change::Remove { name },
        RELABEL => Change::Relabel { name, label: text(&mut rest)? },
        _ => return Err(EventError::Kind),
    };
    if !rest.0.is_empty() {
        return Err(EventError::Length);
    }
    Ok(Event { sequence, time, actor, reason, change })
}

fn text(rest: &mut Cursor<'_>) -> Result<String, EventError> {
    let length = rest.u16().ok_or(EventError::Length)?;
    let bytes = rest.take(length.into()).ok_or(EventError::Length)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| EventError::Text)
}
