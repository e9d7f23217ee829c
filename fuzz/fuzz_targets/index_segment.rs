//! Opens any bytes as a segment file, and searches what opens.
#![no_main]

use afterimage::index::{Index, Segment};
use libfuzzer_sys::fuzz_target;
use std::io::Write;
use std::sync::OnceLock;

fuzz_target!(|data: (bool, [u64; 2], u8, &[u8])| {
    let (repair, code, radius, bytes) = data;
    let mut bytes = bytes.to_vec();
    if repair {
        // A header that claims the right length and checksum, so that the checks behind these are reached too.
        let length = bytes.len() as u64;
        if let Some(header) = bytes.first_chunk_mut::<128>() {
            header[..16].copy_from_slice(begin());
            header[16..24].copy_from_slice(&length.to_le_bytes());
            let checksum = crc32fast::hash(&header[..124]);
            header[124..].copy_from_slice(&checksum.to_le_bytes());
        }
    }
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("0000000000000000.segment");
    let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(&bytes));
    if written.is_err() {
        return;
    }
    let Ok(segment) = Segment::<2>::open(&path) else { return };
    let _ = segment.verify();
    let index = Index::default();
    index.add_segment(segment);
    let snapshot = index.snapshot();
    let _ = snapshot.within(&code, u32::from(radius));
    let _ = snapshot.within_batch(&[code, [0; 2]], u32::from(radius));
    let _ = snapshot.nearest(&code, 3);
});

/// How a segment file of such codes begins: magic, version and words.
fn begin() -> &'static [u8; 16] {
    static BEGIN: OnceLock<[u8; 16]> = OnceLock::new();
    BEGIN.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let index = Index::<2>::default();
        index.insert(&[7; 2], 1);
        index.save(folder.path()).expect("a small file");
        let files = std::fs::read_dir(folder.path()).expect("the folder").filter_map(Result::ok);
        let segment =
            files.map(|file| file.path()).find(|path| path.extension().is_some_and(|e| e == "segment"));
        let bytes = std::fs::read(segment.expect("one segment")).expect("the segment");
        *bytes.first_chunk().expect("a header")
    })
}
