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

/// The bytes as a duration and the prints of both senses, behind a head and with a length and a checksum that fit. The first one
/// tells where the one print ends.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let (picture, sound) = (picture::Print::default(), sound::Print::default());
    let empty = Fingerprint { spec: Spec::CURRENT, duration: 1.0, still: false, picture, sound };
    // Magic, version, flags, length, spec and key.
    let mut out = empty.to_bytes()[..24].to_vec();
    let (share, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let (duration, prints) = bytes.split_at(bytes.len().min(8));
    out.extend(duration);
    out.resize(32, 0);
    out.extend((prints.len() as u64 * u64::from(*share) / 255).to_le_bytes());
    out.extend(prints);
    let length = out.len() as u64 + 4;
    out[8..16].copy_from_slice(&length.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}
