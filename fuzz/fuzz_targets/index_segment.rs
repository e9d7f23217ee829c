//! Damages a segment file behind checksums that fit, searches what opens, and merges it with what is sound: never a panic,
//! nothing that takes long, and what is made of it is sound again.
#![no_main]

use afterimage::index::{Batch, Code, Hit, Index, OpenError, Outcome, Reach, Segment, Snapshot, Sought};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;

/// More codes than are left to scans: these are cut into bands.
const CODES: u64 = 2400;
/// What a damaged table can make of few codes has no end but this.
const CAP: usize = 100;
/// The longest file that is made where the header asks for another length.
const LONGEST: u64 = 1 << 22;
const HEADER: usize = 128;

/// How bytes are overwritten: the way, the place and the value.
type Edit = (u8, u32, u32);

/// What is searched: the number of a code, in which these bits are turned over, and how wide.
#[derive(Clone, Copy)]
struct Look {
    code: u16,
    turned: [u64; 2],
    radius: u8,
    tries: u8,
}

fuzz_target!(|data: (u8, u16, [u64; 2], u8, u8, Vec<Edit>)| {
    let (shape, code, turned, radius, tries, edits) = data;
    let look = Look { code, turned, radius: radius % 40, tries };
    let seed = usize::from(shape) / 5 % SEEDS;
    match shape % 5 {
        0 => damage::<1>(&ONE[seed], &edits, look, |_, _| ()),
        1 => damage::<2>(&TWO[seed], &edits, look, |_, _| ()),
        2 => damage::<4>(&FOUR[seed], &edits, look, |_, _| ()),
        3 => damage(&SCANNED[seed], &edits, look, |snapshot, code| collide(snapshot, code, look)),
        _ => damage(&COLLIDING[seed], &edits, look, |snapshot, code| collide(snapshot, code, look)),
    }
});

const SEEDS: usize = 4;
/// Files of each kind: to build them anew for every input would take most of the time.
type Files = LazyLock<[Vec<u8>; SEEDS]>;
static ONE: Files = LazyLock::new(|| files::<1>(Index::default));
static TWO: Files = LazyLock::new(|| files::<2>(Index::default));
static FOUR: Files = LazyLock::new(|| files::<4>(Index::default));
static SCANNED: Files = LazyLock::new(|| files::<2>(Index::compact));
static COLLIDING: Files = LazyLock::new(|| files::<2>(Index::for_collisions));

fn files<const W: usize>(index: fn() -> Index<W>) -> [Vec<u8>; SEEDS] {
    std::array::from_fn(|seed| {
        let index = index();
        let folder = tempfile::tempdir().expect("a folder");
        index.extend((0..CODES).map(|n| (code_of(seed, n), id_of(seed, n))));
        index.merge();
        index.save(folder.path()).expect("a small file");
        let mut files = std::fs::read_dir(folder.path()).expect("the folder").filter_map(Result::ok);
        let segment = files.find(|file| file.path().extension().is_some_and(|e| e == "segment"));
        std::fs::read(segment.expect("one segment").path()).expect("the segment")
    })
}

/// Of every other seed, some codes are stored under many ids. Some bands have one value in most codes.
fn code_of<const W: usize>(seed: usize, n: u64) -> Code<W> {
    let n = if seed % 2 == 1 && n % 8 == 0 { n % 64 } else { n };
    std::array::from_fn(|word| {
        let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17 * word as u32);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        if seed >= 2 { mixed & 0x00ff_0f0f_ffff_1fff } else { mixed }
    })
}

fn id_of(seed: usize, n: u64) -> u64 {
    if seed % 2 == 0 { n } else { n / 40 << 32 | n % 40 }
}

fn damage<const W: usize>(file: &[u8], edits: &[Edit], look: Look, also: impl Fn(&Snapshot<W>, &Code<W>)) {
    let mut bytes = file.to_vec();
    edits.iter().take(64).for_each(|&edit| overwrite(&mut bytes, edit));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("0000000000000000.segment");
    let mut opened = open::<W>(&mut bytes, &path);
    if let Err(OpenError::Length { expected: expected @ ..LONGEST, .. }) = opened {
        // As long as its header says.
        bytes.resize((expected as usize).max(HEADER + 4), 0);
        opened = open(&mut bytes, &path);
    }
    let Ok(segment) = opened else { return };
    let is_sound = bytes == file;
    assert!(segment.verify().is_ok() || !is_sound);

    let mut code = code_of::<W>(0, u64::from(look.code));
    code.iter_mut().zip(look.turned).for_each(|(word, turned)| *word ^= turned);
    let index = Index::<W>::default();
    index.add_segment(segment);
    let searched = |index: &Index<W>| {
        let snapshot = index.snapshot();
        let found = search(&snapshot, &code, u32::from(look.radius));
        also(&snapshot, &code);
        found
    };
    assert!(are_equal(&searched(&index)) || !is_sound);
    let few = (0..8).map(|n| (code, u64::MAX - n));
    index.extend(few.clone());
    searched(&index);
    let before = index.len();
    index.remove(3..=u64::from(look.code));
    index.merge();
    assert!(index.len() <= before && index.verify().is_ok());
    assert!(are_equal(&searched(&index)));
    let hits = index.snapshot().within(&code, 0);
    assert!(few.into_iter().all(|(_, id)| hits.iter().any(|hit| hit.id == id)));
}

/// Opens the bytes as a file whose length and checksums fit.
fn open<const W: usize>(bytes: &mut [u8], path: &Path) -> Result<Segment<W>, OpenError> {
    let length = bytes.len() as u64;
    if let Some((header, rest)) = bytes.split_first_chunk_mut::<HEADER>()
        && let Some((body, sum)) = rest.split_last_chunk_mut::<4>()
    {
        header[16..24].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32fast::hash(&header[..124]);
        header[124..].copy_from_slice(&checksum.to_le_bytes());
        *sum = crc32fast::hash(body).to_le_bytes();
    }
    std::fs::write(path, bytes).expect("a small file");
    Segment::open(path)
}

fn overwrite(bytes: &mut Vec<u8>, (way, at, value): Edit) {
    let (len, at) = (bytes.len(), at as usize);
    let some = value as usize >> 8;
    match way % 6 {
        // A number of the header.
        0 => bytes[at % HEADER] = value as u8,
        1 => bytes[at % HEADER] ^= value as u8,
        // A number of a table.
        2 => bytes[at % (len / 4) * 4..][..4].copy_from_slice(&value.to_le_bytes()),
        3 => bytes[at % len] ^= value as u8,
        // A stretch, as of a page that was never written.
        4 => bytes[at % len..].iter_mut().take(some).for_each(|byte| *byte = value as u8),
        // A stretch of another place.
        _ => {
            let (from, to) = (some % len, at % len);
            let most = (len - from.max(to)).min(4096);
            bytes.copy_within(from..from + most, to);
        }
    }
}

/// What is found near a code, or `None` where that is too much.
type Found = Option<Vec<(u32, u64)>>;

/// What is found by a scan, by the tables, and by the tables for many codes at once.
fn search<const W: usize>(snapshot: &Snapshot<W>, code: &Code<W>, radius: u32) -> [Found; 3] {
    let taken = |outcome, hits: &[Hit]| {
        assert!(hits.len() <= CAP && hits.iter().all(|hit| hit.distance <= radius));
        let mut found: Vec<_> = hits.iter().map(|hit| (hit.distance, hit.id)).collect();
        found.sort_unstable();
        (outcome == Outcome::Complete).then_some(found)
    };
    let (mut hits, mut batch) = (Vec::new(), Batch::default());
    let outcome = snapshot.scan_into(code, radius, CAP, &mut hits);
    let scanned = taken(outcome, &hits);
    let outcome = snapshot.within_into(code, radius, CAP, &mut hits);
    let found = taken(outcome, &hits);
    let codes: Vec<Code<W>> = (0..8).map(|n| code.map(|word| word ^ n)).collect();
    snapshot.within_batch_into(&codes, radius, CAP, &mut batch);
    [scanned, found, taken(batch.outcome(0), batch.of(0))]
}

fn are_equal(found: &[Found; 3]) -> bool {
    found.iter().all(|other| *other == found[0])
}

/// Searches by collision, with the doubts that the turned bits name.
fn collide(snapshot: &Snapshot<2>, code: &Code<2>, look: Look) {
    let doubts = look.turned.map(u64::to_le_bytes);
    let sought = Sought { code: *code, doubts: [doubts[0], doubts[1], doubts[0]] };
    let reach = Reach::new(usize::from(look.tries) + 1, u32::from(look.radius));
    let mut batch = Batch::default();
    snapshot.colliding_batch(&[sought; 5], reach, CAP, &mut batch);
    let is_near = |hit: &Hit| hit.distance <= u32::from(look.radius);
    assert!(batch.iter().all(|hits| hits.len() <= CAP && hits.iter().all(is_near)));
}
