//! The bytes of a checkpoint's manifest.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `AFTRCKPT` |
//! | 2 + 2 | file version, 1; zero |
//! | 2 + 2 | spec: picture, sound |
//! | 8 | length of the whole |
//! | 8 + 8 + 4 | the mark: where in the log, after which change, and the checksum of that change's record |
//! | 4 | the number that the next reference gets |
//! | 4 | number of policies; each a text, its version (8), the policy |
//! | 4 | number of references; each as below, by number |
//! | 4 | number of segments; each a file, ids that are left (8), removed ranges |
//! | 4 | number of tracks; each a file, removed references |
//! | 4 | CRC-32 of all before |
//!
//! A reference is its number (4), the change that banked it (8), when (8), whether it is a still (1), its duration (8), its
//! name, flags, label and collection, where in the log its fingerprint is (8 + 4), and of its picture print the bytes (4),
//! the checksum (4), and the number of key frames and one more (4), with the first feature of each, and of the next (4).
//! A file is its name and its length (8). Removed ranges are their number (4) and the ends of each (8 + 8), removed
//! references their number (4) and numbers (4). Texts, policies, flags and numbers are as in a [record](super::super::record).

use super::super::catalogue::{Catalogue, Reference};
use super::super::log::{Mark, Place};
use super::super::record;
use super::super::view::Spaces;
use crate::align::RefId;
use crate::decide::{InForce, Policies, unix};
use crate::fingerprint::{Cursor, Packed, Spec};
use crate::picture;
use crate::shared::Bytes;

const MAGIC: [u8; 8] = *b"AFTRCKPT";
const VERSION: u16 = 1;
/// Bytes before the next reference's number.
const HEAD: usize = 44;
/// Bytes behind all others: a checksum.
const TAIL: usize = 4;

/// A file of the bank's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) length: u64,
}

/// A segment, the ranges of ids that were taken out of it, and how many ids are left.
pub(super) type SegmentEntry = (FileEntry, Vec<(u64, u64)>, u64);
/// Tracks, and the references that were taken out of them.
pub(super) type TracksEntry = (FileEntry, Vec<RefId>);

/// What a manifest tells.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) catalogue: Catalogue,
    pub(super) prints: Vec<(RefId, picture::Packed)>,
    pub(super) segments: Vec<SegmentEntry>,
    pub(super) tracks: Vec<TracksEntry>,
}

/// `None` where a reference cannot be searched, as its bytes cannot be read, or there are too many of anything.
pub(super) fn encode(
    catalogue: &Catalogue,
    spaces: &Spaces,
    mark: Mark,
    segments: &[SegmentEntry],
    tracks: &[TracksEntry],
) -> Option<Vec<u8>> {
    let mut out = MAGIC.to_vec();
    for number in [VERSION, 0, Spec::CURRENT.picture, Spec::CURRENT.sound] {
        out.extend(number.to_le_bytes());
    }
    out.extend([0; 8]);
    out.extend(mark.place.end.to_le_bytes());
    out.extend(mark.place.sequence.to_le_bytes());
    out.extend(mark.checksum.to_le_bytes());
    out.extend(catalogue.next().to_le_bytes());
    put_count(&mut out, catalogue.policies.iter().count())?;
    for (collection, InForce { version, policy }) in catalogue.policies.iter() {
        record::put_text(&mut out, collection)?;
        out.extend(version.to_le_bytes());
        record::put_policy(&mut out, Some(&policy))?;
    }
    put_count(&mut out, catalogue.len())?;
    let mut prints = spaces.picture.prints();
    for (id, reference) in catalogue.iter() {
        let (_, print) = prints.find(|(known, _)| *known == id)?;
        put_reference(&mut out, id, reference, print)?;
    }
    put_count(&mut out, segments.len())?;
    for (file, removed, live) in segments {
        put_file(&mut out, file)?;
        out.extend(live.to_le_bytes());
        put_count(&mut out, removed.len())?;
        removed.iter().flat_map(|(start, end)| [start, end]).for_each(|end| out.extend(end.to_le_bytes()));
    }
    put_count(&mut out, tracks.len())?;
    for (file, gone) in tracks {
        put_file(&mut out, file)?;
        put_count(&mut out, gone.len())?;
        gone.iter().for_each(|id| out.extend(id.to_le_bytes()));
    }
    let length = (out.len() + TAIL) as u64;
    out.splice(16..24, length.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    Some(out)
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Option<()> {
    out.extend(u32::try_from(count).ok()?.to_le_bytes());
    Some(())
}

fn put_file(out: &mut Vec<u8>, file: &FileEntry) -> Option<()> {
    record::put_text(out, &file.name)?;
    out.extend(file.length.to_le_bytes());
    Some(())
}

fn put_reference(out: &mut Vec<u8>, id: RefId, reference: &Reference, print: &picture::Packed) -> Option<()> {
    out.extend(id.to_le_bytes());
    out.extend(reference.sequence.to_le_bytes());
    out.extend(unix::millis(reference.added).to_le_bytes());
    out.push(u8::from(reference.still));
    out.extend(reference.duration.to_le_bytes());
    record::put_text(out, &reference.name)?;
    record::put_about(out, &reference.about)?;
    out.extend(reference.place.to_le_bytes());
    put_count(out, reference.bytes())?;
    put_count(out, print.length())?;
    out.extend(print.checksum().to_le_bytes());
    put_count(out, print.starts().len())?;
    print.starts().iter().for_each(|start| out.extend(start.to_le_bytes()));
    Some(())
}

/// The mark of a manifest that is whole and of this version and spec.
pub(super) fn mark(bytes: &[u8]) -> Option<Mark> {
    let (content, sum) = bytes.split_last_chunk::<TAIL>()?;
    let mut head = Cursor(content);
    let known = head.array() == Some(MAGIC) && head.u16() == Some(VERSION) && head.u16() == Some(0);
    let spec = Spec { picture: head.u16()?, sound: head.u16()?, ..Spec::CURRENT };
    let whole = head.u64()? == bytes.len() as u64;
    if !known || spec != Spec::CURRENT || !whole || crc32fast::hash(content) != u32::from_le_bytes(*sum) {
        return None;
    }
    Some(Mark { place: Place { end: head.u64()?, sequence: head.u64()? }, checksum: head.u32()? })
}

/// What a manifest tells that has a [mark]. Fingerprints are not read: they are where `log`, mapped up to the mark, has them.
pub(super) fn decode(bytes: &[u8], log: &Bytes) -> Option<Manifest> {
    let sequence = mark(bytes)?.place.sequence;
    let (content, _) = bytes.split_last_chunk::<TAIL>()?;
    let mut rest = Cursor(content.get(HEAD..)?);
    let next = rest.u32()?;
    let mut policies = Policies::default();
    for _ in 0..rest.u32()? {
        let (collection, version) = (record::text(&mut rest).ok()?, rest.u64()?);
        policies.set(&collection, Some(InForce { version, policy: record::policy(&mut rest).ok()?? }));
    }
    let (mut references, mut prints) = (Vec::new(), Vec::new());
    for _ in 0..rest.u32()? {
        let (id, reference, print) = reference(&mut rest, log)?;
        references.push((id, reference));
        prints.push((id, print));
    }
    let mut segments = Vec::new();
    for _ in 0..rest.u32()? {
        let (file, live) = (file(&mut rest)?, rest.u64()?);
        let mut removed = Vec::new();
        for _ in 0..rest.u32()? {
            removed.push((rest.u64()?, rest.u64()?));
        }
        segments.push((file, removed, live));
    }
    let mut tracks = Vec::new();
    for _ in 0..rest.u32()? {
        let file = file(&mut rest)?;
        let mut gone = Vec::new();
        for _ in 0..rest.u32()? {
            gone.push(rest.u32()?);
        }
        tracks.push((file, gone));
    }
    let catalogue = Catalogue::resumed(sequence, policies, next, references);
    rest.0.is_empty().then_some(Manifest { catalogue, prints, segments, tracks })
}

fn file(rest: &mut Cursor<'_>) -> Option<FileEntry> {
    Some(FileEntry { name: record::text(rest).ok()?, length: rest.u64()? })
}

fn reference(rest: &mut Cursor<'_>, log: &Bytes) -> Option<(RefId, Reference, picture::Packed)> {
    let (id, sequence) = (rest.u32()?, rest.u64()?);
    let added = record::moment(rest.u64()?).ok()?;
    let ([still], duration) = (rest.array()?, f64::from_le_bytes(rest.array()?));
    let (name, about) = (record::text(rest).ok()?, record::about(rest).ok()?);
    let (place, length) = (rest.u64()?, rest.u32()?);
    let start = usize::try_from(place).ok()?;
    let packed = Packed::new(log.slice(start..start.checked_add(length as usize)?)?);
    let (picture, checksum) = (rest.u32()?, rest.u32()?);
    let starts = rest.u32()? as usize;
    let starts = rest.take(starts.checked_mul(4)?)?.as_chunks::<4>().0;
    let starts = starts.iter().map(|start| u32::from_le_bytes(*start)).collect();
    let print = picture::Packed::known(packed.picture_bytes(picture as usize)?, starts, checksum);
    let still = still != 0;
    Some((id, Reference { name, about, added, sequence, duration, still, place, packed }, print))
}
