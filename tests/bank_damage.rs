//! Ten thousand times a bit, a few bytes or the end of a bank is lost: it is found, or it does no harm.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use afterimage::bank::{About, Bank};
use afterimage::decide::Policies;
use afterimage::{Fingerprinter, Policy};
use std::fs;
use synthetic::Random;

type State = (Vec<(String, About, f64, u64)>, Policies, u64);

fn state(bank: &Bank) -> State {
    let references = bank.list();
    let told = references.iter().map(|r| (r.name.clone(), r.about.clone(), r.duration, r.sequence));
    (told.collect(), bank.policies(), bank.sequence())
}

/// A log that holds all kinds of changes, and what they make.
fn log() -> (Vec<u8>, State) {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    bank.set_policy("terror", Policy { false_matches: 1e-3, ..Policy::default() }).unwrap();
    for n in 0..8u8 {
        let mut fingerprint = Fingerprinter::new().finish().fingerprint();
        fingerprint.duration = n.into();
        bank.add(&n.to_string(), About::of("terror"), fingerprint).unwrap();
    }
    bank.remove("3").unwrap();
    bank.suspend("4", true).unwrap();
    bank.undo(10).unwrap();
    assert_eq!((bank.len(), bank.sequence()), (8, 12));
    let state = state(&bank);
    drop(bank);
    (fs::read(folder.path().join("changes.log")).unwrap(), state)
}

#[test]
fn random_damage_is_found_or_does_no_harm() {
    let (bytes, was) = log();
    let mut random = Random(8);
    let (mut found, mut harmless) = (0, 0);
    for n in 0..10_000 {
        let mut bad = bytes.clone();
        // Most of the first three pages is padding.
        let parts = [0..40, 4096..4120, 8192..8216, 12288..bytes.len(), 12288..bytes.len(), 0..bytes.len()];
        let part = parts[random.next() as usize % parts.len()].clone();
        let at = part.start + random.next() as usize % part.len();
        match n % 8 {
            0 => bad.truncate(at),
            1 => (at..(at + 40).min(bytes.len())).for_each(|at| bad[at] = random.next() as u8),
            _ => bad[at] ^= 1 << (random.next() % 8),
        }
        match Bank::from_log(bad) {
            Ok(bank) => {
                assert_eq!(state(&bank), was, "damage {n} at {at}");
                harmless += 1;
            }
            Err(_) => found += 1,
        }
    }
    assert!(found > 4000 && harmless > 2000, "{found} found, {harmless} harmless");
}
