//! Opens any bytes as a segment file, and searches what opens.
#![no_main]

use afterimage::index::{Index, Segment};
use libfuzzer_sys::fuzz_target;
use std::io::Write;

fuzz_target!(|data: (bool, [u64; 2], u8, &[u8])| {
    let (repair, code, radius, bytes) = data;
    let mut bytes = bytes.to_vec();
    if repair {
        // A header that claims the right length and checksum, so that the checks behind these are reached too.
        if let Some(header) = bytes.first_chunk_mut::<128>() {
            header[..8].copy_from_slice(b"AFTIMSEG");
            header[8..12].copy_from_slice(&1u32.to_le_bytes());
            header[12..16].copy_from_slice(&2u32.to_le_bytes());
        }
        let length = bytes.len() as u64;
        if let Some(header) = bytes.first_chunk_mut::<128>() {
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
