//! The log of a bank's changes: one file that only grows.
//!
//! | offset | content |
//! |---|---|
//! | 0 | `AFTRBANK`, file version (2 bytes, 3), 2 zero bytes, spec: picture, sound, key (2 + 2 + 4), CRC-32 of these 20 bytes |
//! | 4096 | slot: end of the log (8), last sequence number (8), CRC-32 of these 16 bytes |
//! | 8192 | the other slot |
//! | 12288 | [records](super::record), without gaps, numbered from 1 |
//!
//! A change is a record written behind the last one and synced; then it is acknowledged. After that one of the two slots,
//! in turn, is told the new end, which the next sync makes durable. So a record that cannot be read lies either before
//! the end that a slot tells, and the file is corrupt, or behind it, and power was lost while it was written.

use super::disk::{Disk, DiskFile, Lock};
use super::error::{LogError, OpenError};
use super::event::Event;
use super::record;
use crate::fingerprint::{Cursor, FingerprintError, Packed, Spec};
use crate::key::KeyId;
use crate::shared::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;

const NAME: &str = "changes.log";
const UNFINISHED: &str = "changes.log.new";
const LOCK: &str = "lock";

const MAGIC: [u8; 8] = *b"AFTRBANK";
const VERSION: u16 = 3;
const HEAD: usize = 24;
const PAGE: u64 = 4096;
const START: u64 = 3 * PAGE;

/// A log that can be written, locked against a second writer.
#[derive(Debug)]
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    _locks: Vec<Lock>,
    place: Place,
    slot: u64,
    broken: bool,
}

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The byte behind the record before it.
    pub(super) end: u64,
    /// The number of that record.
    pub(super) sequence: u64,
}

/// Before the first record.
impl Default for Place {
    fn default() -> Self {
        Self { end: START, sequence: 0 }
    }
}

/// A place, and by what it is known to be one of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) place: Place,
    /// The checksum of the record before it, which covers the record's number; 0 before the first one.
    pub(super) checksum: u32,
}

impl Mark {
    pub(super) fn read(log: &dyn DiskFile, place: Place) -> io::Result<Self> {
        let mut sum = [0; record::TAIL];
        if place != Place::default() {
            let at = place.end.checked_sub(record::TAIL as u64).filter(|&at| at >= START);
            log.read_at(at.ok_or(io::ErrorKind::InvalidData)?, &mut sum)?;
        }
        Ok(Self { place, checksum: u32::from_le_bytes(sum) })
    }
}

/// Which part of a log to read, and what to do with its events.
pub(super) trait Replay {
    /// Where it begins. Told once, before all events.
    fn begin(&mut self, _disk: &dyn Disk, _log: &dyn DiskFile) -> Place {
        Place::default()
    }

    /// The last change that is wanted, where that is not the last one of all.
    fn last(&self) -> u64 {
        u64::MAX
    }

    fn each(&mut self, logged: Logged);
}

impl<F: FnMut(Logged)> Replay for F {
    fn each(&mut self, logged: Logged) {
        self(logged);
    }
}

/// What was found in a log, apart from its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The key of the fingerprints.
    pub(super) key: KeyId,
    /// Behind the last record that was wanted.
    pub(super) place: Place,
    /// The checksum of that record, 0 where there is none.
    checksum: u32,
    /// Bytes behind the last of all that are no record: a change that was never acknowledged.
    pub(super) torn: u64,
    /// Slots that cannot be read; one is what a loss of power leaves.
    pub(super) bad_slots: u8,
    /// The slot that is to be written next.
    slot: u64,
}

impl Found {
    /// Where the log ended, to be known again.
    pub(super) fn mark(&self) -> Mark {
        Mark { place: self.place, checksum: self.checksum }
    }
}

/// An event that was read.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) event: Event,
    /// Behind the content of its record, at the end of which a fingerprint is; 0 without a log.
    pub(super) end: u64,
    /// The fingerprint of an addition, where it lies in a part of the log that will not change any more.
    pub(super) packed: Option<Packed>,
}

/// What the slots tell.
#[derive(Clone, Copy)]
struct Acknowledged {
    end: u64,
    sequence: u64,
    next_slot: u64,
    bad: u8,
}

impl Log {
    /// Opens the log of a folder for writing, makes both where they are missing, and tells all events. A log that is made
    /// is for the key that is wanted, or for none.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        key: Option<KeyId>,
        replay: &mut impl Replay,
    ) -> Result<(Self, Found), OpenError> {
        let names = match disk.names() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.make()?;
                Vec::new()
            }
            other => other?,
        };
        let made = names.iter().any(|name| name == NAME);
        if !made && names.iter().any(|name| name != LOCK && name != UNFINISHED) {
            return Err(OpenError::NotABank);
        }
        let lock = |name| disk.lock(name)?.ok_or(OpenError::Busy);
        let mut _locks = vec![lock(LOCK)?];
        // Another process may have made it before this one got the lock.
        if !disk.names()?.iter().any(|name| name == NAME) {
            // Who made the folder may have been stopped before its name was durable.
            disk.make()?;
            create(&*disk, Spec::keyed(key.unwrap_or_default()))?;
        }
        // As may have been who made the log, and nothing that is written to it would last without its name.
        disk.sync()?;
        if cfg!(unix) {
            // The other lock is in a file that somebody may take for litter. Elsewhere nobody could read what is locked.
            _locks.push(lock(NAME)?);
        }
        let file = disk.open(NAME, true)?;
        let from = replay.begin(&*disk, &*file);
        let found = read(&*file, from, replay.last(), |logged| replay.each(logged))?;
        if found.torn > 0 {
            file.set_len(found.place.end)?;
            file.sync()?;
        }
        Ok((Self { disk, file, _locks, place: found.place, slot: found.slot, broken: false }, found))
    }

    /// Writes an event down. When this returns `Ok` no loss of power can take it back; when it returns an error the
    /// event is not in the log. Gives the byte behind the record's content.
    pub(super) fn append(&mut self, event: &Event) -> Result<u64, LogError> {
        if self.broken {
            return Err(LogError::Broken);
        }
        let bytes = record::encode(event).ok_or(LogError::TooLarge)?;
        let start = self.place.end;
        // What others wrote there must not be overwritten, and a number that comes twice would be the end of the log.
        if event.sequence != self.place.sequence + 1 || self.file.len()? != start {
            return Err(LogError::Moved);
        }
        let end = start + bytes.len() as u64;
        if let Err(error) = self.file.write_at(start, &bytes).and_then(|()| self.file.sync()) {
            // After a failed sync nobody knows what is on the disk, so what was written has to go, durably. Where that
            // fails as well, the next to open the log will see what is left of it.
            self.broken = self.file.set_len(start).and_then(|()| self.file.sync()).is_err();
            return Err(LogError::Io(error));
        }
        self.place = Place { end, sequence: event.sequence };
        // It stays unsynced, and it is no error where it fails: an older end only makes a torn tail and corruption of the
        // last records harder to tell apart. A slot that was half written is tried again before the other is touched.
        if self.file.write_at(self.slot, &slot(end, event.sequence)).is_ok() {
            self.slot = 3 * PAGE - self.slot;
        }
        Ok(end - record::TAIL as u64)
    }

    /// The folder that it is in.
    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Its end.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Its end, to be known again.
    pub(super) fn mark(&self) -> io::Result<Mark> {
        Mark::read(&*self.file, self.place)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // For the slots; what was acknowledged is durable already.
        let _ = self.file.sync();
    }
}

/// Tells events of a folder's log. Somebody else may be writing it.
pub(super) fn read_only(disk: &dyn Disk, replay: &mut impl Replay) -> Result<Found, OpenError> {
    let file = open_read_only(disk)?;
    let from = replay.begin(disk, &*file);
    read(&*file, from, replay.last(), |logged| replay.each(logged))
}

pub(super) fn open_read_only(disk: &dyn Disk) -> Result<Box<dyn DiskFile>, OpenError> {
    disk.open(NAME, false).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::Missing,
        _ => OpenError::Io(error),
    })
}

/// Makes an empty log that is either whole or not there.
fn create(disk: &dyn Disk, spec: Spec) -> Result<(), OpenError> {
    let file = disk.create(UNFINISHED)?;
    let mut bytes = vec![0; START as usize];
    let mut put = |at: u64, what: &[u8]| {
        bytes.splice(at as usize..at as usize + what.len(), what.iter().copied());
    };
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend([0; 2]);
    head.extend(spec.picture.to_le_bytes());
    head.extend(spec.sound.to_le_bytes());
    head.extend(spec.key.0.to_le_bytes());
    head.extend(crc32fast::hash(&head).to_le_bytes());
    put(0, &head);
    put(PAGE, &slot(START, 0));
    put(2 * PAGE, &slot(START, 0));
    file.write_at(0, &bytes)?;
    file.sync()?;
    disk.rename(UNFINISHED, NAME)?;
    Ok(())
}

fn slot(end: u64, sequence: u64) -> Vec<u8> {
    let mut out = end.to_le_bytes().to_vec();
    out.extend(sequence.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}

/// Reads a log from a place between two records on to the record `last`, or to its end. What comes after is not looked at.
pub(super) fn read(
    file: &dyn DiskFile,
    from: Place,
    last: u64,
    mut each: impl FnMut(Logged),
) -> Result<Found, OpenError> {
    let spec = read_head(file)?;
    let acknowledged = slots(file)?;
    // Asked after the slots, so that a writer's progress in between only makes the file longer.
    let length = file.len()?;
    if acknowledged.end.max(from.end) > length {
        return Err(OpenError::Corrupt { offset: length, cause: "the file was cut off".to_owned() });
    }
    let Mark { place: Place { end: mut at, mut sequence }, mut checksum } = Mark::read(file, from)?;
    let mapped = if acknowledged.end > from.end { file.map(acknowledged.end)? } else { Bytes::default() };
    let mut buffer = Vec::new();
    while at < length && sequence < last {
        let Some((number, content)) = whole_record(file, at, length, &mut buffer)? else {
            // Behind a torn record there is nothing; where there is, this one was whole once.
            if at < acknowledged.end || later_record(file, at + 1, length, sequence)? {
                let cause = "a change cannot be read".to_owned();
                return Err(OpenError::Corrupt { offset: at, cause });
            }
            break;
        };
        if number != sequence + 1 {
            let cause = format!("change {number} follows change {sequence}");
            return Err(OpenError::Corrupt { offset: at, cause });
        }
        let (event, packed) = record::decode(number, content).map_err(|error| match error {
            super::EventError::Fingerprint(FingerprintError::Spec(mismatch)) => OpenError::Spec(mismatch),
            error => OpenError::Corrupt { offset: at, cause: format!("change {number}: {error}") },
        })?;
        let end = at + (record::HEAD + content.len()) as u64;
        let packed = mapped_part(&mapped, end - packed as u64..end).filter(|_| packed > 0).map(Packed::new);
        each(Logged { event, end, packed });
        checksum = buffer.last_chunk().map_or(0, |sum| u32::from_le_bytes(*sum));
        sequence = number;
        at = end + record::TAIL as u64;
    }
    if sequence < last && (at < acknowledged.end || sequence < acknowledged.sequence) {
        return Err(OpenError::Corrupt { offset: at, cause: "changes are missing".to_owned() });
    }
    let place = Place { end: at, sequence };
    Ok(Found {
        key: spec.key,
        place,
        checksum,
        torn: if sequence < last { length - at } else { 0 },
        bad_slots: acknowledged.bad,
        slot: acknowledged.next_slot,
    })
}

fn mapped_part(mapped: &Bytes, range: Range<u64>) -> Option<Bytes> {
    mapped.slice(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

fn read_head(file: &dyn DiskFile) -> Result<Spec, OpenError> {
    let mut bytes = [0; HEAD];
    if file.len()? < START {
        return Err(OpenError::Corrupt { offset: 0, cause: "the head is cut off".to_owned() });
    }
    file.read_at(0, &mut bytes)?;
    let mut head = Cursor(&bytes);
    if head.array() != Some(MAGIC) {
        return Err(OpenError::NotABank);
    }
    let corrupt = || OpenError::Corrupt { offset: 0, cause: "the head's checksum does not fit".to_owned() };
    let fields = || Some((head.u16()?, head.u16()?, head.u16()?, head.u16()?, head.u32()?, head.u32()?));
    let (version, _, picture, sound, key, sum) = { fields }().ok_or_else(corrupt)?;
    let fits = crc32fast::hash(&bytes[..HEAD - 4]) == sum;
    // Another version may keep its checksum elsewhere, so the version comes first. Versions before were never released.
    if version != VERSION && (fits || version > VERSION) {
        return Err(OpenError::Version { newest: VERSION, got: version });
    }
    if !fits {
        return Err(corrupt());
    }
    let spec = Spec { picture, sound, key: KeyId(key) };
    spec.check()?;
    Ok(spec)
}

fn slots(file: &dyn DiskFile) -> Result<Acknowledged, OpenError> {
    let mut best: Option<Acknowledged> = None;
    let mut bad = 0;
    for (at, other) in [(PAGE, 2 * PAGE), (2 * PAGE, PAGE)] {
        let mut bytes = [0; 20];
        file.read_at(at, &mut bytes)?;
        let mut fields = Cursor(&bytes);
        let known = match (fields.u64(), fields.u64()) {
            (Some(end), Some(sequence)) if slot(end, sequence) == bytes && end >= START => (end, sequence),
            _ => {
                bad += 1;
                continue;
            }
        };
        if best.is_none_or(|best| known.1 > best.sequence) {
            best = Some(Acknowledged { end: known.0, sequence: known.1, next_slot: other, bad: 0 });
        }
    }
    let best =
        best.ok_or(OpenError::Corrupt { offset: PAGE, cause: "both slots cannot be read".to_owned() })?;
    Ok(Acknowledged { bad, ..best })
}

/// The number and the content of the record at `at`, if there is a whole one.
fn whole_record<'a>(
    file: &dyn DiskFile,
    at: u64,
    length: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<(u64, &'a [u8])>> {
    let left = length - at;
    let mut head = [0; record::HEAD];
    if left < (record::HEAD + record::TAIL) as u64 {
        return Ok(None);
    }
    file.read_at(at, &mut head)?;
    let Some((content, number)) = record::head(&head) else { return Ok(None) };
    let whole = record::HEAD + content + record::TAIL;
    if whole as u64 > left {
        return Ok(None);
    }
    buffer.resize(whole, 0);
    file.read_at(at, buffer)?;
    Ok(record::content(buffer).map(|content| (number, content)))
}

/// Whether any whole record with a number after `sequence` begins at `from` or later; or what was made to look like so many
/// that to check them all would take for ever. By chance one in 4 GB looks like one.
fn later_record(file: &dyn DiskFile, from: u64, length: u64, sequence: u64) -> io::Result<bool> {
    const BLOCK: u64 = 1 << 16;
    /// Times that all of it may be read.
    const MOST: u64 = 16;
    let mut read = 0;
    let (mut block, mut buffer) = (Vec::new(), Vec::new());
    let mut at = from;
    while at < length {
        block.resize(usize::try_from(BLOCK.min(length - at)).unwrap_or(0), 0);
        file.read_at(at, &mut block)?;
        let marks = block.windows(record::MARK.len()).enumerate();
        for (n, _) in marks.filter(|(_, window)| *window == record::MARK) {
            buffer.clear();
            let found = whole_record(file, at + n as u64, length, &mut buffer)?;
            if found.is_some_and(|(number, _)| number > sequence) {
                return Ok(true);
            }
            read += buffer.len() as u64;
            if read > MOST * (length - from) {
                return Ok(true);
            }
        }
        if at + block.len() as u64 >= length {
            break;
        }
        // A mark may lie across the border.
        at += block.len() as u64 - (record::MARK.len() as u64 - 1);
    }
    Ok(false)
}
