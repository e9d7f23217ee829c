//! Any bytes as a ring of uploads: as they are, behind a sound head, and as the content of a record whose checksums fit.
#![no_main]

use afterimage::Fingerprinter;
use afterimage::bank::Uploads;
use afterimage::fingerprint::Spec;
use libfuzzer_sys::fuzz_target;
use std::time::SystemTime;

const SALT: u64 = 1;

fuzz_target!(|data: (u64, &[u8])| {
    let (number, bytes) = data;
    read(bytes);
    read(&[&head()[..], bytes].concat());
    if let Some(uploads) = read(&[&head()[..], &record(number, bytes)].concat()) {
        assert!(uploads <= 1);
    }
});

/// Reads a ring as far as it goes, and keeps one more upload in it. Tells how many there were.
fn read(bytes: &[u8]) -> Option<usize> {
    let folder = tempfile::tempdir().ok()?;
    std::fs::write(folder.path().join("uploads.ring"), bytes).ok()?;
    let uploads = Uploads::open(folder.path(), 0).ok()?;
    let (known, mut told) = (uploads.len(), 0);
    let lost = uploads.each(|_| told += 1).ok()?;
    assert_eq!(known as u64, told + lost);
    let one = Fingerprinter::new().finish().fingerprint();
    if uploads.keep("one", SystemTime::UNIX_EPOCH, &one).is_ok() {
        let mut names = Vec::new();
        uploads.each(|upload| names.push(upload.name)).ok()?;
        assert!(names.iter().any(|name| name == "one"));
    }
    Some(known)
}

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn head() -> Vec<u8> {
    let mut head = b"AFTRRING\x01\0\0\0".to_vec();
    head.extend(Spec::CURRENT.picture.to_le_bytes());
    head.extend(Spec::CURRENT.sound.to_le_bytes());
    head.extend((1u64 << 20).to_le_bytes());
    head.extend(SALT.to_le_bytes());
    let mut out = summed(head);
    out.resize(4096, 0);
    out
}

fn record(number: u64, content: &[u8]) -> Vec<u8> {
    let mut front = b"\xa5UP1".to_vec();
    front.extend((content.len() as u32).to_le_bytes());
    front.extend(number.to_le_bytes());
    front.extend(SALT.to_le_bytes());
    [summed(front), summed(content.to_vec())].concat()
}
