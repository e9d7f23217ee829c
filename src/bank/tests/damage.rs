//! Bits flip and files are cut off: it is found, or it does no harm.

use super::{content, fingerprint};
use crate::bank::{Bank, OpenError};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

type Content = Vec<(String, String, crate::fingerprint::Fingerprint, u64)>;

/// A bank's log and what it says.
fn log() -> (Vec<u8>, Content) {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    bank.add("a", "x", fingerprint(0)).unwrap();
    bank.add("b", "", fingerprint(1)).unwrap();
    bank.remove("b").unwrap();
    bank.add("a", "y", fingerprint(0)).unwrap();
    let was = content(&bank);
    drop(bank);
    (fs::read(folder.path().join("changes.log")).unwrap(), was)
}

fn open(dir: &Path, bytes: &[u8]) -> Result<Content, OpenError> {
    fs::write(dir.join("changes.log"), bytes).unwrap();
    Bank::open(dir).map(|bank| content(&bank))
}

#[test]
fn flipped_bits_are_found_or_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, was) = log();
    let bits = bytes.len() * 8;
    // All of the head and of the slots, and of the rest as many as a test has time for.
    let heads = [0, 4096, 8192].into_iter().flat_map(|page| page * 8..(page + 24) * 8);
    let rest = (0..bits).step_by(bits / 1500).map(|n| (n + n / 7) % bits);
    let last = bits - 40 * 8..bits;
    let mut harmless = 0;
    for bit in heads.chain(rest).chain(last) {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match open(folder.path(), &bad) {
            Ok(found) => {
                assert_eq!(found, was, "bit {bit}");
                assert!(bit / 8 < 12288, "bit {bit} of a change was not missed");
                harmless += 1;
            }
            Err(OpenError::Io(error)) => panic!("bit {bit}: {error}"),
            Err(_) => {}
        }
    }
    assert!(harmless > 0);
}

#[test]
fn whatever_was_acknowledged_is_missed_when_it_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = log();
    for length in (0..bytes.len()).step_by(97).chain(bytes.len() - 30..bytes.len()) {
        assert!(open(folder.path(), &bytes[..length]).is_err(), "length {length}");
    }
}

#[test]
fn what_was_never_acknowledged_is_taken_away_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, was) = log();
    for tail in [&b"\xa5EV1"[..], &[0; 600], &bytes[12288..12400]] {
        let torn = [&bytes[..], tail].concat();
        fs::write(folder.path().join("changes.log"), &torn).unwrap();
        assert_eq!(Bank::verify(folder.path()).unwrap().torn, tail.len() as u64);
        let bank = Bank::open(folder.path()).unwrap();
        assert_eq!((content(&bank), bank.torn()), (was.clone(), tail.len() as u64));
        drop(bank);
        assert_eq!(Bank::verify(folder.path()).unwrap().torn, 0);
    }
}

#[test]
fn a_whole_change_behind_an_unreadable_one_is_no_torn_tail() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bytes, _) = log();
    // Neither slot was written since the bank was made, as if power had been lost just before.
    let mut fresh = 12288u64.to_le_bytes().to_vec();
    fresh.extend(0u64.to_le_bytes());
    fresh.extend(crc32fast::hash(&fresh).to_le_bytes());
    for page in [4096, 8192] {
        bytes[page..page + fresh.len()].copy_from_slice(&fresh);
    }
    assert!(open(folder.path(), &bytes).is_ok());
    bytes[12288 + 100] ^= 1;
    assert!(matches!(open(folder.path(), &bytes), Err(OpenError::Corrupt { offset: 12288, .. })));
}

#[test]
fn what_was_made_to_be_searched_for_ever_is_no_torn_tail() {
    const SIZE: usize = 1 << 18;
    let folder = tempfile::tempdir().unwrap();
    let (bytes, was) = log();
    for (heads, is_torn) in [(10, true), (SIZE / 16, false)] {
        let mut tail = Vec::new();
        for n in 0..heads {
            tail.extend(b"\xa5EV1");
            tail.extend((SIZE as u32).saturating_sub(20 + 16 * n as u32).to_le_bytes());
            tail.extend((100 + n as u64).to_le_bytes());
        }
        tail.resize(SIZE, 0);
        match open(folder.path(), &[&bytes[..], &tail].concat()) {
            Ok(found) => assert!(is_torn && found == was),
            Err(error) => assert!(!is_torn && matches!(error, OpenError::Corrupt { .. }), "{error}"),
        }
    }
}

#[test]
fn a_bank_as_it_was_does_not_hang_on_later_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bytes, was) = log();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    assert!(open(folder.path(), &bytes).is_err());
    let before = Bank::open_at(folder.path(), 3).unwrap();
    assert_eq!((before.len(), before.list()[0].about.label.as_str()), (was.len(), "x"));
    assert!(matches!(Bank::open_at(folder.path(), 4), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_newer_version_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bytes, _) = log();
    bytes[8] = 7;
    assert!(matches!(open(folder.path(), &bytes), Err(OpenError::Version { newest: 3, got: 7 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nonsense_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..30_000) {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, was) = log();
        let at = at % log.len();
        let end = (at + bytes.len()).min(log.len());
        log[at..end].copy_from_slice(&bytes[..end - at]);
        // The unused rest of a page may hold anything.
        prop_assert!(open(folder.path(), &log).map_or(true, |found| found == was));
        prop_assert!(open(folder.path(), &bytes).is_err());
    }
}
