//! The fingerprints of past uploads, the latest so many bytes of them.
//!
//! A reference that is banked today may have been uploaded yesterday. Uploads themselves are not kept, their fingerprints
//! may be: in a file of bounded size, in which new ones overwrite the oldest.
//!
//! | offset | content |
//! |---|---|
//! | 0 | `AFTRRING`, file version (2 bytes, 1), 2 zero bytes, spec (2 + 2), most bytes (8), salt (8), CRC-32 of these 32 bytes |
//! | 4096 | records, each from a multiple of 512 bytes on, up to the most bytes |
//!
//! A record is
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 4 | `A5 55 50 31` |
//! | 4 | 4 | length *n* of the content |
//! | 8 | 8 | number, from 1 on |
//! | 16 | 8 | the file's salt |
//! | 24 | 4 | CRC-32 of these 24 bytes |
//! | 28 | *n* | content: time (8, milliseconds since 1970), name (2 bytes of length, UTF-8), [fingerprint](crate::fingerprint::Fingerprint::to_bytes) |
//! | 28 + *n* | 4 | CRC-32 of the content |
//!
//! All numbers are little-endian. A record that does not fit before the end begins at the front again. Nothing is synced
//! as it is written: what a loss of power takes is the last uploads, and what it tears is found by its checksum. The salt
//! is random, so that no upload can be made whose content passes for a record after its own was half overwritten.

use super::OpenError;
use super::disk::{Disk, DiskFile, Folder, Lock};
use crate::decide::unix;
use crate::fingerprint::{Cursor, Fingerprint, Spec};
use crate::key::KeyId;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

const NAME: &str = "uploads.ring";
const UNFINISHED: &str = "uploads.ring.new";
const LOCK: &str = "lock";
const MAGIC: [u8; 8] = *b"AFTRRING";
const VERSION: u16 = 1;
const START: u64 = 4096;
const BLOCK: u64 = 512;
const MARK: [u8; 4] = [0xa5, b'U', b'P', b'1'];
const HEAD: usize = 28;
const TAIL: usize = 4;
/// The smallest ring: some minutes of film.
const LEAST: u64 = 1 << 20;

/// The fingerprints of past uploads, for one writer and any number of readers.
#[derive(Debug)]
pub struct Uploads {
    file: Box<dyn DiskFile>,
    lock: Option<Lock>,
    most: u64,
    salt: u64,
    ring: Mutex<Ring>,
}

/// What lies where.
#[derive(Debug, Default)]
struct Ring {
    /// Offset and bytes of each record, by its number.
    records: BTreeMap<u64, (u64, u64)>,
    /// Where the next record goes.
    next: u64,
}

/// What is kept of an upload.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// 1 for the first upload that was kept, one more for each that followed.
    pub number: u64,
    /// When it was uploaded, to the millisecond.
    pub time: SystemTime,
    /// What its keeper calls it.
    pub name: String,
    /// What is left of it.
    pub fingerprint: Fingerprint,
}

/// Why an upload was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Its fingerprint or its name is larger than the ring.
    #[error("the upload's fingerprint is too large for this ring")]
    TooLarge,
    /// The ring was opened to be read.
    #[error("the ring was opened to be read only")]
    ReadOnly,
}

impl Uploads {
    /// Opens the ring in the folder `dir` to keep uploads in, and makes it where it is missing, for `most` bytes: a minute
    /// of film takes some 50 kB. A ring that is there keeps the size that it was made for.
    ///
    /// # Errors
    /// [`OpenError::Busy`] where another process keeps uploads in it.
    pub fn open(dir: impl AsRef<Path>, most: u64) -> Result<Self, OpenError> {
        Self::open_on(&Folder(dir.as_ref().to_owned()), most)
    }

    /// Opens the ring in the folder `dir` to look through it. Uploads that another process keeps from here on are not seen.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::read(&Folder(dir.as_ref().to_owned()), None)
    }

    pub(super) fn open_on(disk: &dyn Disk, most: u64) -> Result<Self, OpenError> {
        let names = match disk.names() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.make()?;
                Vec::new()
            }
            other => other?,
        };
        let made = names.iter().any(|name| name == NAME);
        if !made && names.iter().any(|name| name != UNFINISHED && name != LOCK) {
            return Err(OpenError::NotABank);
        }
        let lock = disk.lock(LOCK)?.ok_or(OpenError::Busy)?;
        if !disk.names()?.iter().any(|name| name == NAME) {
            let file = disk.create(UNFINISHED)?;
            let mut bytes = head(most.max(LEAST) / BLOCK * BLOCK, RandomState::new().hash_one(0));
            bytes.resize(START as usize, 0);
            file.write_at(0, &bytes)?;
            file.sync()?;
            disk.rename(UNFINISHED, NAME)?;
            disk.sync()?;
        }
        Self::read(disk, Some(lock))
    }

    fn read(disk: &dyn Disk, lock: Option<Lock>) -> Result<Self, OpenError> {
        let file = disk.open(NAME, lock.is_some()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::Missing,
            _ => OpenError::Io(error),
        })?;
        let (most, salt) = read_head(&*file)?;
        let mut uploads = Self { file, lock, most, salt, ring: Mutex::default() };
        uploads.ring = Mutex::new(uploads.scan()?);
        Ok(uploads)
    }

    /// Finds all records by their heads.
    fn scan(&self) -> Result<Ring, OpenError> {
        let length = self.file.len()?.saturating_sub(START).min(self.most);
        let mut ring = Ring::default();
        let mut at = 0;
        while at + (HEAD + TAIL) as u64 <= length {
            match self.head_at(at)? {
                Some((number, content)) if at + bytes(content) <= length => {
                    ring.records.insert(number, (at, content));
                    at += room(content);
                }
                _ => at += BLOCK,
            }
        }
        if let Some((_, (at, content))) = ring.records.last_key_value() {
            ring.next = at + room(*content);
        }
        Ok(ring)
    }

    /// The number and the length of the content of the record that begins at `at`.
    fn head_at(&self, at: u64) -> io::Result<Option<(u64, u64)>> {
        let mut bytes = [0; HEAD];
        self.file.read_at(START + at, &mut bytes)?;
        let (front, sum) = bytes.split_at(HEAD - 4);
        let mut head = Cursor(front);
        let read = (head.array(), head.u32(), head.u64(), head.u64());
        let (Some(MARK), Some(content), Some(number), Some(salt)) = read else { return Ok(None) };
        let sound = salt == self.salt && crc32fast::hash(front).to_le_bytes() == sum;
        Ok(sound.then_some((number, content.into())))
    }

    /// Keeps an upload, in the place of the oldest ones.
    pub fn keep(&self, name: &str, time: SystemTime, fingerprint: &Fingerprint) -> Result<(), KeepError> {
        if self.lock.is_none() {
            return Err(KeepError::ReadOnly);
        }
        let content = content(name, time, fingerprint).ok_or(KeepError::TooLarge)?;
        let length = u32::try_from(content.len()).map_err(|_| KeepError::TooLarge)?;
        let taken = room(length.into());
        if taken > self.most {
            return Err(KeepError::TooLarge);
        }
        let mut ring = self.ring();
        let number = ring.records.last_key_value().map_or(1, |(number, _)| number.saturating_add(1));
        if ring.next + taken > self.most {
            // What lies behind is older than all else and would never be overwritten.
            let from = std::mem::take(&mut ring.next);
            self.drop_between(&mut ring, from, self.most)?;
        }
        let at = ring.next;
        ring.records.retain(|_, (other, _)| *other < at || *other >= at + taken);
        let mut record = MARK.to_vec();
        record.extend(length.to_le_bytes());
        record.extend(number.to_le_bytes());
        record.extend(self.salt.to_le_bytes());
        record.extend(crc32fast::hash(&record).to_le_bytes());
        record.extend(&content);
        record.extend(crc32fast::hash(&content).to_le_bytes());
        self.file.write_at(START + at, &record)?;
        ring.records.insert(number, (at, length.into()));
        ring.next = at + taken;
        Ok(())
    }

    fn drop_between(&self, ring: &mut Ring, from: u64, to: u64) -> io::Result<()> {
        let gone = ring.records.iter().filter(|(_, (at, _))| (from..to).contains(at));
        let gone: Vec<(u64, u64)> = gone.map(|(number, (at, _))| (*number, *at)).collect();
        for (number, at) in gone {
            self.file.write_at(START + at, &[0; HEAD])?;
            ring.records.remove(&number);
        }
        Ok(())
    }

    /// Tells all uploads that can be read, the oldest first, and returns how many cannot: torn by a loss of power, damaged, or,
    /// in a ring that was opened to be read, overwritten since.
    pub fn each(&self, mut each: impl FnMut(Upload)) -> Result<u64, io::Error> {
        let numbers: Vec<u64> = self.ring().records.keys().copied().collect();
        let mut lost = 0;
        for number in numbers {
            let read = {
                let ring = self.ring();
                // It may have been overwritten meanwhile.
                let Some((at, content)) = ring.records.get(&number) else { continue };
                self.upload(number, *at, *content)?
            };
            match read {
                Some(upload) => each(upload),
                None => lost += 1,
            }
        }
        Ok(lost)
    }

    fn upload(&self, number: u64, at: u64, content: u64) -> io::Result<Option<Upload>> {
        // Another process may have put another one there.
        if self.head_at(at)? != Some((number, content)) {
            return Ok(None);
        }
        let mut bytes = vec![0; content as usize + TAIL];
        self.file.read_at(START + at + HEAD as u64, &mut bytes)?;
        let read = || {
            let (content, sum) = bytes.split_last_chunk::<TAIL>()?;
            if crc32fast::hash(content) != u32::from_le_bytes(*sum) {
                return None;
            }
            let mut rest = Cursor(content);
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(rest.u64()?))?;
            let length = rest.u16()?;
            let name = String::from_utf8(rest.take(length.into())?.to_vec()).ok()?;
            let fingerprint = Fingerprint::from_bytes(rest.0).ok()?;
            Some(Upload { number, time, name, fingerprint })
        };
        Ok(read())
    }

    /// The number of uploads that are kept.
    pub fn len(&self) -> usize {
        self.ring().records.len()
    }

    /// Whether no upload is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes all that was kept durable.
    pub fn sync(&self) -> Result<(), io::Error> {
        self.file.sync()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = self.file.sync();
        }
    }
}

/// Bytes of a record.
fn bytes(content: u64) -> u64 {
    content + (HEAD + TAIL) as u64
}

/// Bytes from a record to the next.
fn room(content: u64) -> u64 {
    bytes(content).next_multiple_of(BLOCK)
}

fn content(name: &str, time: SystemTime, fingerprint: &Fingerprint) -> Option<Vec<u8>> {
    let mut out = unix::millis(time).to_le_bytes().to_vec();
    out.extend(u16::try_from(name.len()).ok()?.to_le_bytes());
    out.extend(name.as_bytes());
    out.extend(fingerprint.to_bytes());
    Some(out)
}

fn head(most: u64, salt: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend([0; 2]);
    out.extend(Spec::CURRENT.picture.to_le_bytes());
    out.extend(Spec::CURRENT.sound.to_le_bytes());
    out.extend(most.to_le_bytes());
    out.extend(salt.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}

/// The most bytes and the salt.
fn read_head(file: &dyn DiskFile) -> Result<(u64, u64), OpenError> {
    let corrupt = || OpenError::Corrupt { offset: 0, cause: "the head cannot be read".to_owned() };
    let mut bytes = [0; 36];
    if file.len()? < START {
        return Err(corrupt());
    }
    file.read_at(0, &mut bytes)?;
    let (front, sum) = bytes.split_at(32);
    let mut head = Cursor(front);
    if head.array() != Some(MAGIC) {
        return Err(OpenError::NotABank);
    }
    let fits = crc32fast::hash(front).to_le_bytes() == sum;
    let fields = (head.u16(), head.u16(), head.u16(), head.u16(), head.u64(), head.u64());
    let (Some(version), _, Some(picture), Some(sound), Some(most), Some(salt)) = fields else {
        return Err(corrupt());
    };
    if version > VERSION {
        return Err(OpenError::Version { newest: VERSION, got: version });
    }
    if !fits || version == 0 || most < LEAST || most % BLOCK != 0 {
        return Err(corrupt());
    }
    Spec { picture, sound, key: KeyId(0) }.check()?;
    Ok((most, salt))
}
