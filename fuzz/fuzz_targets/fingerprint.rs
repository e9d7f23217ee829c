//! Any bytes as a fingerprint: as they are, behind a head and a checksum that fit, and as the print of one sense.
#![no_main]

use afterimage::fingerprint::{Fingerprint, Spec};
use afterimage::{picture, sound};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Fingerprint::from_bytes(bytes);
    if let Ok(print) = picture::Print::from_bytes(bytes) {
        assert_eq!(picture::Print::from_bytes(&print.to_bytes()).expect("it was read"), print);
    }
    if let Ok(print) = sound::Print::from_bytes(bytes) {
        assert_eq!(sound::Print::from_bytes(&print.to_bytes()).expect("it was read"), print);
    }
    if let Ok(fingerprint) = Fingerprint::from_bytes(&sealed(bytes)) {
        let again = Fingerprint::from_bytes(&fingerprint.to_bytes()).expect("it was read");
        assert_eq!(again, fingerprint);
    }
});

/// The bytes behind the head's fixed part, with a length and a checksum that fit.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"AFPR".to_vec();
    out.extend(1u16.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out.extend((24 + bytes.len() as u64 + 4).to_le_bytes());
    out.extend(Spec::CURRENT.picture.to_le_bytes());
    out.extend(Spec::CURRENT.sound.to_le_bytes());
    out.extend([0; 4]);
    out.extend(bytes);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}
