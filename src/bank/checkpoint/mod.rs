//! What a bank was after some change, kept beside its log: opening maps it and replays the changes behind it only.
//!
//! | file | content |
//! |---|---|
//! | `checkpoint` | the [manifest](manifest): the catalogue, and which files hold what is searched |
//! | `picture-*.segment` | segments of the index of features |
//! | `sound-*.tracks` | words of sound, and where they are |
//!
//! All of it is derived, and the log stays the only truth: a checkpoint that is missing, torn, of another version or of
//! another log is passed over. It only proposes what may match. What is concluded rests on bytes whose checksum was
//! checked: fingerprints lie in the log, and words of sound have a checksum each reference.
//!
//! Segments and tracks are written once and shared by later checkpoints. A checkpoint counts when its manifest takes the
//! place of the one before, after all that it names is durable; then the files that it does not name are removed. A
//! process that has them mapped keeps them.

pub(super) mod manifest;

use super::catalogue::Catalogue;
use super::disk::{Disk, DiskFile};
use super::log::{Mark, Place};
use super::view::Spaces;
use crate::align::{PictureSpace, SoundSpace, StoredTracks, Tracks};
use crate::index::{Segment, Stored};
use crate::shared::Bytes;
use manifest::{FileEntry, Manifest};
use std::io::{self, Write};
use std::sync::Arc;

const NAME: &str = "checkpoint";
const UNFINISHED: &str = "checkpoint.new";
const PICTURE: &str = "picture-";
const SOUND: &str = "sound-";

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// Which of the things that are searched have files, and what these are called.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Where in the log the checkpoint is that names them.
    pub(super) place: Place,
    segments: Vec<(Arc<Segment<2>>, String)>,
    tracks: Vec<(Arc<Tracks>, String)>,
}

impl Files {
    fn has(&self, name: &str) -> bool {
        let named =
            self.segments.iter().map(|(_, name)| name).chain(self.tracks.iter().map(|(_, name)| name));
        named.into_iter().any(|known| known == name)
    }
}

/// What a checkpoint holds.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) catalogue: Catalogue,
    pub(super) spaces: Spaces,
    pub(super) files: Files,
}

/// Why there is no checkpoint to begin from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Missing,
    /// Torn, damaged, of another version or of another log.
    Damaged,
}

/// Writes a checkpoint of a bank as it was at a mark of its log.
pub(super) fn write(
    disk: &dyn Disk,
    catalogue: &Catalogue,
    spaces: &Spaces,
    mark: Mark,
    files: &mut Files,
) -> io::Result<()> {
    let written = write_files(disk, catalogue, spaces, mark, files);
    let Ok((next, manifest)) = written else {
        tidy(disk, files);
        return written.map(|_| ());
    };
    if let Err(error) = write_file(disk, UNFINISHED, |out| out.write_all(&manifest)) {
        tidy(disk, files);
        return Err(error);
    }
    // From here on nobody knows which of the two manifests a loss of power leaves: the files of both stay.
    disk.rename(UNFINISHED, NAME)?;
    disk.sync()?;
    *files = next;
    tidy(disk, files);
    Ok(())
}

/// Writes what has no file yet, and gives the manifest's bytes.
fn write_files(
    disk: &dyn Disk,
    catalogue: &Catalogue,
    spaces: &Spaces,
    mark: Mark,
    files: &Files,
) -> io::Result<(Files, Vec<u8>)> {
    let mut next = Files { place: mark.place, ..Files::default() };
    let mut names = disk.names()?;
    let mut fresh = |kind: &str, ending: &str| {
        let name = |n: usize| format!("{kind}{:016x}-{n}.{ending}", mark.place.sequence);
        // A file that is there may be mapped by somebody.
        let name = (0..).map(name).find(|name| !names.contains(name)).unwrap_or_default();
        names.push(name.clone());
        name
    };
    let mut segments = Vec::new();
    for Stored { segment, removed, live } in spaces.picture.stored()? {
        let known = files.segments.iter().find(|(known, _)| Arc::ptr_eq(known, &segment));
        let (segment, name) = match known {
            Some(known) => known.clone(),
            None => {
                let name = fresh(PICTURE, "segment");
                let bytes = write_file(disk, &name, |out| segment.write_to(out))?;
                // The memory that it took is free from now on: the file is mapped.
                let same = Segment::from_bytes(bytes).map_err(io::Error::other)?;
                let same = Arc::new(same);
                spaces.picture.replace(&segment, &same);
                (same, name)
            }
        };
        let file = FileEntry { name: name.clone(), length: segment.bytes() as u64 };
        segments.push((file, removed, live as u64));
        next.segments.push((segment, name));
    }
    let mut tracks = Vec::new();
    for StoredTracks { tracks: part, gone } in spaces.sound.stored() {
        let known = files.tracks.iter().find(|(known, _)| Arc::ptr_eq(known, &part));
        let name = match known {
            Some((_, name)) => name.clone(),
            None => {
                let name = fresh(SOUND, "tracks");
                write_file(disk, &name, |out| part.write_to(out))?;
                name
            }
        };
        let length = disk.open(&name, false)?.len()?;
        tracks.push((FileEntry { name: name.clone(), length }, gone));
        next.tracks.push((part, name));
    }
    disk.sync()?;
    let manifest = manifest::encode(catalogue, spaces, mark, &segments, &tracks);
    let manifest = manifest.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((next, manifest))
}

/// Makes a file durable, but for its name, and maps it.
fn write_file(
    disk: &dyn Disk,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Bytes> {
    let file = disk.create(name)?;
    let mut out = Pieces { file: &*file, at: 0 };
    let mut buffered = io::BufWriter::with_capacity(PIECE, &mut out);
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    let length = out.at;
    file.sync()?;
    file.map(length)
}

struct Pieces<'a> {
    file: &'a dyn DiskFile,
    at: u64,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        self.file.write_at(self.at, piece)?;
        self.at += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes what no checkpoint names. It is no harm where that fails: the next one tries again.
fn tidy(disk: &dyn Disk, files: &Files) {
    let ours = |name: &str| name.starts_with(PICTURE) || name.starts_with(SOUND) || name == UNFINISHED;
    for name in disk.names().unwrap_or_default() {
        if ours(&name) && !files.has(&name) {
            let _ = disk.remove(&name);
        }
    }
}

/// Maps the checkpoint of a folder, if it is one of this log.
pub(super) fn load(disk: &dyn Disk, log: &dyn DiskFile) -> Result<Loaded, Unusable> {
    /// A writer may put a new one in its place, and remove the files of the old one, at any moment.
    const TRIES: u32 = 3;
    for _ in 1..TRIES {
        match try_load(disk, log) {
            Err(Unusable::Damaged) => {}
            done => return done,
        }
    }
    try_load(disk, log)
}

fn try_load(disk: &dyn Disk, log: &dyn DiskFile) -> Result<Loaded, Unusable> {
    let file = disk.open(NAME, false).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Damaged,
    })?;
    resume(disk, &*file, log).ok().flatten().ok_or(Unusable::Damaged)
}

fn resume(disk: &dyn Disk, file: &dyn DiskFile, log: &dyn DiskFile) -> io::Result<Option<Loaded>> {
    let bytes = file.map(file.len()?)?;
    let Some(mark) = manifest::mark(&bytes) else { return Ok(None) };
    if log.len()? < mark.place.end || Mark::read(log, mark.place)? != mark {
        return Ok(None);
    }
    let Some(manifest) = manifest::decode(&bytes, &log.map(mark.place.end)?) else { return Ok(None) };
    let Manifest { catalogue, prints, segments, tracks } = manifest;
    let mut files = Files { place: mark.place, ..Files::default() };
    let mut stored = Vec::new();
    for (entry, removed, live) in segments {
        let Ok(segment) = Segment::from_bytes(open(disk, &entry)?) else { return Ok(None) };
        let (segment, live) = (Arc::new(segment), usize::try_from(live).unwrap_or(0));
        if live > segment.len() {
            return Ok(None);
        }
        files.segments.push((Arc::clone(&segment), entry.name));
        stored.push(Stored { segment, removed, live });
    }
    let picture = PictureSpace::from_stored(stored, prints, catalogue.next());
    let mut stored = Vec::new();
    for (entry, gone) in tracks {
        let Some(tracks) = Tracks::from_bytes(&open(disk, &entry)?) else { return Ok(None) };
        let tracks = Arc::new(tracks);
        files.tracks.push((Arc::clone(&tracks), entry.name));
        stored.push(StoredTracks { tracks, gone });
    }
    let sound = SoundSpace::from_stored(stored);
    Ok(Some(Loaded { catalogue, spaces: Spaces { picture, sound }, files }))
}

fn open(disk: &dyn Disk, entry: &FileEntry) -> io::Result<Bytes> {
    let file = disk.open(&entry.name, false)?;
    if file.len()? != entry.length {
        return Err(io::ErrorKind::InvalidData.into());
    }
    file.map(entry.length)
}

/// Reads all files of a checkpoint and checks them.
pub(super) fn is_intact(disk: &dyn Disk, files: &Files) -> bool {
    let is_intact = |name: &String| {
        let file = disk.open(name, false).ok()?;
        Some(Tracks::is_intact(&file.map(file.len().ok()?).ok()?))
    };
    // What is mapped stays though its file may be gone.
    let is_there = |name: &String| disk.open(name, false).is_ok();
    files.segments.iter().all(|(segment, _)| segment.verify().is_ok())
        && files.segments.iter().all(|(_, name)| is_there(name))
        && files.tracks.iter().all(|(_, name)| is_intact(name) == Some(true))
}
