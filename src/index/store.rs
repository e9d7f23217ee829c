//! An index in a folder: segment files, a manifest that says which of them count, and a lock for whoever saves.
//!
//! Segments are written once. What is saved changes in one step, when a new manifest takes the place of the old one;
//! whatever happens before leaves the old state whole.
//!
//! ```text
//! manifest  magic, version u32, words u32, length u64, what for u64 (0 exact searches, 1 collisions, 2 scans), parts u64,
//!           for each part: number of its file u64, ranges u64, for each removed range two u64, its ends,
//!           CRC-32 of all before it
//! ```
//!
//! In version 1 it is not said what for.

use super::block::Block;
use super::live::Index;
use super::merge::Use;
use super::part::{Body, Part};
use super::segment::{OpenError, Segment, VerifyError};
use super::snapshot::Snapshot;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"AFTIMIDX";
const VERSION: u32 = 2;
/// What indexes are for, by their numbers in a manifest.
const USES: [Use; 3] = [Use::Exact, Use::Collisions, Use::Scans];
const MANIFEST: &str = "manifest";
/// Held by whoever saves.
const LOCK: &str = "lock";

/// The largest manifest that is read.
const MANIFEST_MOST: u64 = 1 << 30;

impl<const W: usize> Index<W> {
    /// Opens what [`save`](Self::save) wrote. Segments are mapped, not read: this takes the same short time for every
    /// size, but for the ids of segments from which some were removed.
    ///
    /// The files are not checked beyond their headers; [`verify`](Self::verify) does that.
    ///
    /// # Errors
    /// If the folder holds no index of codes of `W` words, or its files are cut off or of another version.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let mut manifest = manifest_of(folder)?;
        loop {
            match Self::open_as(folder, &manifest) {
                // Somebody saved meanwhile, and took away what is no longer named.
                Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    let now = manifest_of(folder)?;
                    if now == manifest {
                        return Err(OpenError::Io(error));
                    }
                    manifest = now;
                }
                done => return done,
            }
        }
    }

    fn open_as(folder: &Path, manifest: &[u8]) -> Result<Self, OpenError> {
        let (purpose, entries) = read_manifest::<W>(manifest)?;
        let index = Self::for_use(purpose);
        for entry in entries {
            let segment = Segment::open(&segment_path(folder, entry.number))?;
            segment.set_home(folder, entry.number);
            let segment = Arc::new(segment);
            index.attach(match &entry.removed[..] {
                [] => Part::new(Body::Segment(segment)),
                removed => Part::without(segment, removed),
            });
        }
        Ok(index)
    }

    /// Writes what is stored now to a folder, which is made if it does not exist. Segments that the folder has already
    /// are not written again. Insertions and removals go on meanwhile, and are in the next save. Waits for others who save
    /// to the same folder, whose index is then replaced.
    ///
    /// # Errors
    /// Those of the file system. The folder then holds what it held before.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let _saving = self.saving();
        fs::create_dir_all(folder)?;
        // Of all processes one at a time: each takes away what its own manifest does not name.
        let lock = File::create(folder.join(LOCK))?;
        lock.lock()?;
        let snapshot = self.snapshot();
        let mut next = numbers(folder)?.into_iter().max().map_or(0, |most| most + 1);
        let mut entries = Vec::new();
        for part in &snapshot.state.parts {
            let Body::Segment(segment) = &part.body else { continue };
            // Somebody else may have been at work in the folder since.
            let is_there = |&number: &u64| segment.is_in(&segment_path(folder, number)).unwrap_or(false);
            let number = match segment.home(folder).filter(is_there) {
                Some(number) => number,
                None => {
                    segment.write(&segment_path(folder, next))?;
                    segment.set_home(folder, next);
                    next += 1;
                    next - 1
                }
            };
            entries.push(Entry { number, removed: part.removed_ranges().to_vec() });
        }
        if let Some(rest) = self.unsorted(&snapshot)? {
            rest.write(&segment_path(folder, next))?;
            entries.push(Entry { number: next, removed: Vec::new() });
        }
        let temporary = folder.join("manifest.new");
        let mut file = File::create(&temporary)?;
        file.write_all(&manifest::<W>(self.purpose(), &entries))?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(MANIFEST))?;
        File::open(folder)?.sync_all()?;
        // What nothing names any more is in nobody's way if it cannot be removed.
        for number in numbers(folder).unwrap_or_default() {
            if !entries.iter().any(|entry| entry.number == number) {
                let _ = fs::remove_file(segment_path(folder, number));
            }
        }
        Ok(())
    }

    /// The codes that are not sorted yet, as a segment.
    fn unsorted(&self, snapshot: &Snapshot<W>) -> io::Result<Option<Segment<W>>> {
        let mut all = Block::default();
        let tables = snapshot.state.all().filter(|part| matches!(part.body, Body::Memtable(..)));
        tables.for_each(|part| part.copy_into(&mut all));
        if all.len() == 0 { Ok(None) } else { self.build(all).map(Some) }
    }

    /// What is stored now, as segments that a caller keeps by his own means.
    ///
    /// # Errors
    /// If there is no memory to sort what was inserted last.
    pub(crate) fn stored(&self) -> io::Result<Vec<Stored<W>>> {
        let snapshot = self.snapshot();
        let parts = snapshot.state.parts.iter().filter_map(|part| match &part.body {
            Body::Segment(segment) => {
                let removed = part.removed_ranges().to_vec();
                Some(Stored { segment: Arc::clone(segment), removed, live: part.len() })
            }
            Body::Memtable(..) => None,
        });
        let mut stored: Vec<_> = parts.collect();
        if let Some(rest) = self.unsorted(&snapshot)? {
            let live = rest.len();
            stored.push(Stored { segment: Arc::new(rest), removed: Vec::new(), live });
        }
        Ok(stored)
    }

    /// Adds what was [stored](Self::stored), less the ids from `end` on.
    pub(crate) fn add_stored(&self, parts: impl IntoIterator<Item = Stored<W>>, end: u64) {
        for Stored { segment, removed, live } in parts {
            let mut part = Part::less(segment, &removed, live);
            part.remove(&[end..=u64::MAX].into_iter().collect());
            self.attach(part);
        }
    }

    /// Puts a segment in the place of one that has the same content, if that is still there.
    pub(crate) fn replace(&self, segment: &Arc<Segment<W>>, same: &Arc<Segment<W>>) {
        self.change(|state| {
            for part in &mut state.parts {
                match &mut part.body {
                    // What is being merged is soon gone.
                    Body::Segment(known) if Arc::ptr_eq(known, segment) && !part.claimed => {
                        *known = Arc::clone(same);
                    }
                    _ => {}
                }
            }
        });
    }

    /// Reads all segments and checks them.
    ///
    /// # Errors
    /// If some segment is not what was written.
    pub fn verify(&self) -> Result<(), VerifyError> {
        self.snapshot().state.parts.iter().try_for_each(|part| match &part.body {
            Body::Segment(segment) => segment.verify(),
            Body::Memtable(..) => Ok(()),
        })
    }
}

/// A segment, less the ids that were taken out since it was made.
#[derive(Clone, Debug)]
pub(crate) struct Stored<const W: usize> {
    pub(crate) segment: Arc<Segment<W>>,
    /// The first and the last id of each range.
    pub(crate) removed: Vec<(u64, u64)>,
    /// How many ids are left.
    pub(crate) live: usize,
}

/// A segment of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    number: u64,
    removed: Vec<(u64, u64)>,
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.segment"))
}

fn manifest_of(folder: &Path) -> Result<Vec<u8>, OpenError> {
    let path = folder.join(MANIFEST);
    if fs::metadata(&path)?.len() > MANIFEST_MOST {
        return Err(OpenError::Manifest);
    }
    Ok(fs::read(&path)?)
}

/// The numbers of the segment files of a folder.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".segment"));
        let number = number.filter(|number| number.len() == 16);
        numbers.extend(number.and_then(|number| u64::from_str_radix(number, 16).ok()));
    }
    Ok(numbers)
}

fn manifest<const W: usize>(purpose: Use, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(W as u32).to_le_bytes());
    let ranges: usize = entries.iter().map(|entry| entry.removed.len()).sum();
    let length = 40 + 16 * entries.len() + 16 * ranges + 4;
    bytes.extend_from_slice(&(length as u64).to_le_bytes());
    let number = USES.iter().position(|of| *of == purpose).unwrap_or(0);
    bytes.extend_from_slice(&(number as u64).to_le_bytes());
    bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for Entry { number, removed } in entries {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&(removed.len() as u64).to_le_bytes());
        for (start, end) in removed {
            bytes.extend_from_slice(&start.to_le_bytes());
            bytes.extend_from_slice(&end.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn read_manifest<const W: usize>(bytes: &[u8]) -> Result<(Use, Vec<Entry>), OpenError> {
    let (head, mut rest) = bytes.split_first_chunk::<16>().ok_or(OpenError::Manifest)?;
    if head[..8] != MAGIC {
        return Err(OpenError::Magic);
    }
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if !(1..=VERSION).contains(&word(8)) {
        return Err(OpenError::Version { expected: VERSION, got: word(8) });
    }
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(OpenError::Manifest)?;
    if crc32fast::hash(body).to_le_bytes() != *checksum {
        return Err(OpenError::Manifest);
    }
    if word(12) as usize != W {
        return Err(OpenError::Width { expected: 64 * W as u32, got: 64 * u64::from(word(12)) });
    }
    let length = take(&mut rest)?;
    if length != bytes.len() as u64 {
        return Err(OpenError::Length { expected: length, got: bytes.len() as u64 });
    }
    let purpose = match word(8) {
        1 => Use::Exact,
        _ => *usize::try_from(take(&mut rest)?).ok().and_then(|n| USES.get(n)).ok_or(OpenError::Manifest)?,
    };
    if purpose == Use::Collisions && W != 2 {
        return Err(OpenError::Manifest);
    }
    let mut entries = Vec::new();
    for _ in 0..take(&mut rest)? {
        let number = take(&mut rest)?;
        let mut removed = Vec::new();
        for _ in 0..take(&mut rest)? {
            removed.push((take(&mut rest)?, take(&mut rest)?));
        }
        entries.push(Entry { number, removed });
    }
    if rest.len() == 4 { Ok((purpose, entries)) } else { Err(OpenError::Manifest) }
}

fn take(rest: &mut &[u8]) -> Result<u64, OpenError> {
    let (number, after) = rest.split_first_chunk().ok_or(OpenError::Manifest)?;
    *rest = after;
    Ok(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Code;
    use proptest::prelude::*;

    fn code(id: u64) -> Code<2> {
        [id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3, id % 5]
    }

    fn ids(index: &Index<2>) -> Vec<u64> {
        let mut ids: Vec<u64> = index.snapshot().within(&[0; 2], 128).iter().map(|hit| hit.id).collect();
        ids.sort();
        ids
    }

    #[test]
    fn an_index_stays_what_it_was_made_for() {
        let folder = tempfile::tempdir().unwrap();
        let saved = |index: &Index<2>| {
            index.extend((0..5000).map(|id| (code(id), id)));
            index.save(folder.path()).unwrap();
            Index::<2>::open(folder.path()).unwrap()
        };
        for index in [Index::default(), Index::for_collisions(), Index::compact()] {
            let opened = saved(&index);
            assert_eq!(opened.purpose(), index.purpose());
            assert_eq!(ids(&opened), ids(&index));
        }
        // As it was written before.
        let mut bytes = fs::read(folder.path().join(MANIFEST)).unwrap();
        bytes.truncate(bytes.len() - 4);
        bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
        bytes.drain(24..32);
        let length = bytes.len() as u64 + 4;
        bytes[16..24].copy_from_slice(&length.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let (purpose, entries) = read_manifest::<2>(&bytes).unwrap();
        assert_eq!((purpose, entries.len()), (Use::Exact, 1));
    }

    #[test]
    fn what_others_took_away_or_replaced_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("index");
        let of = |ids: std::ops::Range<u64>| {
            let index = Index::<2>::default();
            index.extend(ids.map(|id| (code(id), id)));
            index.merge();
            index
        };
        let (one, other) = (of(0..3000), of(5000..9000));
        one.save(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        one.save(&folder).unwrap();
        assert_eq!(ids(&Index::open(&folder).unwrap()), ids(&one));
        // The same number, and at last as many codes of the same ids.
        let alike = Index::<2>::default();
        alike.extend((0..3000).map(|id| (code(id).map(|word| word ^ 1 << 40), id)));
        alike.merge();
        for theirs in [&other, &alike] {
            fs::remove_dir_all(&folder).unwrap();
            theirs.save(&folder).unwrap();
            one.save(&folder).unwrap();
            let saved = Index::<2>::open(&folder).unwrap();
            assert_eq!(ids(&saved), ids(&one));
            assert_eq!(saved.snapshot().within(&code(2), 0), one.snapshot().within(&code(2), 0));
        }
        fs::write(folder.join("1.segment"), "of somebody else").unwrap();
        other.save(&folder).unwrap();
        assert_eq!(ids(&Index::open(&folder).unwrap()), ids(&other));
        assert!(folder.join("1.segment").exists());
    }

    #[test]
    fn what_was_saved_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::<2>::default();
        index.extend((0..70_000).map(|id| (code(id), id)));
        index.merge();
        index.extend((70_000..70_100).map(|id| (code(id), id)));
        index.save(folder.path()).unwrap();
        assert_eq!(ids(&Index::open(folder.path()).unwrap()), Vec::from_iter(0..70_100));

        index.remove(10..=20);
        index.save(folder.path()).unwrap();
        // The large segment was not written again, and what does not count was deleted.
        assert_eq!(numbers(folder.path()).unwrap().len(), 2);
        let opened = Index::<2>::open(folder.path()).unwrap();
        opened.verify().unwrap();
        assert_eq!(ids(&opened), ids(&index));
        assert_eq!(opened.len(), 70_100 - 11);
        assert_eq!(opened.snapshot().within(&code(69_000), 0)[0].id, 69_000);

        opened.insert(&code(1), 1 << 40);
        opened.merge();
        opened.save(folder.path()).unwrap();
        assert_eq!(numbers(folder.path()).unwrap().len(), 1);
        assert_eq!(ids(&Index::open(folder.path()).unwrap()), ids(&opened));
        assert!(matches!(Index::<4>::open(folder.path()), Err(OpenError::Width { expected: 256, got: 128 })));
    }

    #[test]
    fn several_save_to_one_folder_while_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        let index_of = |count: u64| {
            let index = Index::<2>::default();
            index.extend((0..count).map(|id| (code(id), id)));
            index
        };
        index_of(3000).save(folder).unwrap();
        std::thread::scope(|scope| {
            for count in [3000, 4000] {
                scope.spawn(move || (0..20).for_each(|_| index_of(count).save(folder).unwrap()));
            }
            for _ in 0..40 {
                let opened = Index::<2>::open(folder).unwrap();
                assert!([3000, 4000].contains(&opened.len()));
            }
        });
    }

    #[test]
    fn an_empty_index_is_saved_too() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Index::<1>::open(folder.path()), Err(OpenError::Io(_))));
        Index::<1>::default().save(folder.path()).unwrap();
        assert!(Index::<1>::open(folder.path()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn damaged_manifests_are_errors(
            numbers in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<(u64, u64)>(), 0..4)), 0..5),
            at: prop::sample::Index, flip in 1u8.., cut: prop::sample::Index,
        ) {
            let entries: Vec<_> = numbers.into_iter().map(|(number, removed)| Entry { number, removed }).collect();
            let whole = manifest::<2>(Use::Scans, &entries);
            prop_assert_eq!(read_manifest::<2>(&whole).unwrap(), (Use::Scans, entries));
            let mut damaged = whole.clone();
            damaged[at.index(whole.len())] ^= flip;
            prop_assert!(read_manifest::<2>(&damaged).is_err());
            prop_assert!(read_manifest::<2>(&whole[..cut.index(whole.len())]).is_err());
        }
    }
}
