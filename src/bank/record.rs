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
//! All numbers are little-endian, times are milliseconds since 1970, fractions IEEE 754, and a text is its length in
//! 2 bytes and UTF-8. The content is
//!
//! | bytes | content |
//! |---|---|
//! | 1 | kind: 1 add, 2 remove, 3 edit, 4 policy |
//! | 8 | time |
//! | 8 | sequence number of the change that this one takes back, or 0 |
//! | texts | actor, reason, name of the reference or of the collection |
//!
//! then for an addition and an edit flags (1 byte; bit 0: suspended) and the texts label and collection, and at the end
//! of an addition a [fingerprint](crate::fingerprint::Fingerprint::to_bytes). For a policy 0 (1 byte) where the collection
//! gives its own up, or 1 and
//!
//! | bytes | content |
//! |---|---|
//! | 1 | action: 0 allow, 1 log, 2 review, 3 block |
//! | 1 | flags; bit 0: shadow, bit 1: legal hold, bit 2: it expires |
//! | 6 × 8 | false matches, seconds, seconds of sound alone, share of the query, of the reference, rollout |
//! | 8 | when it expires, or 0 |

use super::event::{About, Change, Event};
use crate::decide::{Action, Policy, unix};
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
const EDIT: u8 = 3;
const POLICY: u8 = 4;

const SUSPENDED: u8 = 1;

const ACTIONS: [Action; 4] = [Action::Allow, Action::Log, Action::Review, Action::Block];
const SHADOW: u8 = 1;
const LEGAL_HOLD: u8 = 2;
const EXPIRES: u8 = 4;

/// Why bytes are not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The content ends too early, or goes on after its end.
    #[error("its length does not fit its content")]
    Length,
    /// A kind or a flag that this version does not know.
    #[error("it is of an unknown kind")]
    Kind,
    /// A text that is not UTF-8.
    #[error("it has a text that is not UTF-8")]
    Text,
    /// A policy with a number that means nothing.
    #[error("its policy cannot be: {0}")]
    Policy(&'static str),
    /// Its fingerprint cannot be read.
    #[error("{0}")]
    Fingerprint(#[from] FingerprintError),
}

/// The event as a record; `None` where it is too large for one.
pub(super) fn encode(event: &Event) -> Option<Vec<u8>> {
    let mut out = MARK.to_vec();
    out.extend([0; 4]);
    out.extend(event.sequence.to_le_bytes());
    let (kind, subject) = match &event.change {
        Change::Add { name, .. } => (ADD, name),
        Change::Remove { name } => (REMOVE, name),
        Change::Edit { name, .. } => (EDIT, name),
        Change::Policy { collection, .. } => (POLICY, collection),
    };
    out.push(kind);
    out.extend(unix::millis(event.time).to_le_bytes());
    out.extend(event.undoes.unwrap_or(0).to_le_bytes());
    for text in [&event.actor, &event.reason, subject] {
        put_text(&mut out, text)?;
    }
    match &event.change {
        Change::Add { about, fingerprint, .. } => {
            put_about(&mut out, about)?;
            out.extend(fingerprint.to_bytes());
        }
        Change::Remove { .. } => {}
        Change::Edit { about, .. } => put_about(&mut out, about)?,
        Change::Policy { policy, .. } => put_policy(&mut out, policy.as_ref())?,
    }
    let length = out.len() - HEAD;
    if length > LIMIT {
        return None;
    }
    out.splice(4..8, u32::try_from(length).ok()?.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    Some(out)
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.extend(u16::try_from(text.len()).ok()?.to_le_bytes());
    out.extend(text.as_bytes());
    Some(())
}

pub(super) fn put_about(out: &mut Vec<u8>, about: &About) -> Option<()> {
    out.push(if about.suspended { SUSPENDED } else { 0 });
    put_text(out, &about.label)?;
    put_text(out, &about.collection)
}

pub(super) fn put_policy(out: &mut Vec<u8>, policy: Option<&Policy>) -> Option<()> {
    out.push(u8::from(policy.is_some()));
    let Some(policy) = policy else { return Some(()) };
    out.push(ACTIONS.iter().position(|action| *action == policy.action)? as u8);
    let flag = |on: bool, flag: u8| if on { flag } else { 0 };
    out.push(
        flag(policy.shadow, SHADOW)
            | flag(policy.legal_hold, LEGAL_HOLD)
            | flag(policy.expires.is_some(), EXPIRES),
    );
    let Policy { false_matches, min_seconds, min_sound_seconds, .. } = *policy;
    let Policy { min_query_share, min_reference_share, rollout, .. } = *policy;
    for number in
        [false_matches, min_seconds, min_sound_seconds, min_query_share, min_reference_share, rollout]
    {
        out.extend(number.to_le_bytes());
    }
    out.extend(policy.expires.map_or(0, unix::millis).to_le_bytes());
    Some(())
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

/// The event that a record's content tells, and how many bytes at its end are a fingerprint.
pub(super) fn decode(sequence: u64, content: &[u8]) -> Result<(Event, usize), EventError> {
    let mut rest = Cursor(content);
    let kind = byte(&mut rest)?;
    let time = moment(rest.u64().ok_or(EventError::Length)?)?;
    let undoes = Some(rest.u64().ok_or(EventError::Length)?).filter(|number| *number > 0);
    let (actor, reason, name) = (text(&mut rest)?, text(&mut rest)?, text(&mut rest)?);
    let mut packed = 0;
    let change = match kind {
        ADD => {
            let about = about(&mut rest)?;
            packed = rest.0.len();
            let fingerprint = Arc::new(Fingerprint::from_bytes(std::mem::take(&mut rest.0))?);
            Change::Add { name, about, fingerprint }
        }
        REMOVE => Change::Remove { name },
        EDIT => Change::Edit { name, about: about(&mut rest)? },
        POLICY => Change::Policy { collection: name, policy: policy(&mut rest)? },
        _ => return Err(EventError::Kind),
    };
    if !rest.0.is_empty() {
        return Err(EventError::Length);
    }
    Ok((Event { sequence, time, actor, reason, undoes, change }, packed))
}

fn byte(rest: &mut Cursor<'_>) -> Result<u8, EventError> {
    rest.array().map(|[byte]| byte).ok_or(EventError::Length)
}

pub(super) fn moment(millis: u64) -> Result<SystemTime, EventError> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).ok_or(EventError::Length)
}

pub(super) fn text(rest: &mut Cursor<'_>) -> Result<String, EventError> {
    let length = rest.u16().ok_or(EventError::Length)?;
    let bytes = rest.take(length.into()).ok_or(EventError::Length)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| EventError::Text)
}

pub(super) fn about(rest: &mut Cursor<'_>) -> Result<About, EventError> {
    let flags = byte(rest)?;
    if flags & !SUSPENDED != 0 {
        return Err(EventError::Kind);
    }
    Ok(About { suspended: flags & SUSPENDED != 0, label: text(rest)?, collection: text(rest)? })
}

pub(super) fn policy(rest: &mut Cursor<'_>) -> Result<Option<Policy>, EventError> {
    match byte(rest)? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(EventError::Kind),
    }
    let action = *ACTIONS.get(usize::from(byte(rest)?)).ok_or(EventError::Kind)?;
    let flags = byte(rest)?;
    let mut number = || rest.array().map(f64::from_le_bytes).ok_or(EventError::Length);
    let policy = Policy {
        action,
        shadow: flags & SHADOW != 0,
        legal_hold: flags & LEGAL_HOLD != 0,
        false_matches: number()?,
        min_seconds: number()?,
        min_sound_seconds: number()?,
        min_query_share: number()?,
        min_reference_share: number()?,
        rollout: number()?,
        expires: None,
    };
    let expires = moment(rest.u64().ok_or(EventError::Length)?)?;
    if flags & !(SHADOW | LEGAL_HOLD | EXPIRES) != 0 {
        return Err(EventError::Kind);
    }
    match policy.problem() {
        Some(problem) => Err(EventError::Policy(problem)),
        None => Ok(Some(Policy { expires: (flags & EXPIRES != 0).then_some(expires), ..policy })),
    }
}
