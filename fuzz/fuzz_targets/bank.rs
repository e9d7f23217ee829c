//! Any bytes as a bank's log: as they are, behind a sound head, and as the content of a change whose checksum fits.
#![no_main]

use afterimage::Bank;
use afterimage::fingerprint::Spec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Bank::from_log(bytes.to_vec());
    let _ = Bank::from_log([&head()[..], bytes].concat());
    if let Ok(bank) = Bank::from_log([&head()[..], &change(bytes)].concat()) {
        assert_eq!(bank.sequence(), 1);
        assert!(bank.len() <= 1);
    }
});

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The head of a log and its two slots, which acknowledge nothing.
fn head() -> Vec<u8> {
    let mut head = b"AFTRBANK\x03\0\0\0".to_vec();
    head.extend(Spec::CURRENT.picture.to_le_bytes());
    head.extend(Spec::CURRENT.sound.to_le_bytes());
    head.extend(Spec::CURRENT.key.0.to_le_bytes());
    let mut out = summed(head);
    for page in [4096, 8192] {
        out.resize(page, 0);
        out.extend(summed([12288u64.to_le_bytes(), 0u64.to_le_bytes()].concat()));
    }
    out.resize(12288, 0);
    out
}

fn change(content: &[u8]) -> Vec<u8> {
    let mut record = b"\xa5EV1".to_vec();
    record.extend((content.len() as u32).to_le_bytes());
    record.extend(1u64.to_le_bytes());
    record.extend(content);
    summed(record)
}
