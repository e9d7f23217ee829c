//! The fingerprint of a checked-in film, bit for bit.
//!
//! Where this fails, banks made before can no longer be compared: the number of the algorithm in `Spec` has to go up, and
//! `AFTERIMAGE_GOLDEN=write cargo test --test golden` writes the new bits.

use afterimage::media::{self, Options};
use afterimage::{Fingerprint, Fingerprinter};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

fn fingerprint() -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new();
    for file in ["film.y4m", "film.wav"] {
        media::open(testdata(file), &Options::default()).unwrap().read(&mut fingerprinter).unwrap();
    }
    fingerprinter.finish().fingerprint()
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(48) {
        line.iter().for_each(|byte| write!(out, "{byte:02x}").unwrap());
        out.push('\n');
    }
    out
}

#[test]
fn not_a_bit_of_the_fingerprint_changed() {
    let fingerprint = fingerprint();
    // Of nothing, not a bit could change.
    assert!(!fingerprint.picture.is_empty() && !fingerprint.sound.words().is_empty());
    assert!((fingerprint.duration - 4.0).abs() < 0.2, "{}", fingerprint.duration);
    let bytes = fingerprint.to_bytes();
    let golden = testdata("film.hex");
    if std::env::var("AFTERIMAGE_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&golden, hex(&bytes)).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap().replace('\r', "");
    let found = hex(&bytes);
    let differs = expected.lines().zip(found.lines()).position(|(a, b)| a != b);
    assert!(expected == found, "the fingerprint changed, first in line {differs:?} of {}", golden.display());
}
