//! Again and again a bit, a few bytes or the end of a bank is lost: it is found, or it does no harm.
//!
//! `AFTERIMAGE_DAMAGES` sets how often that happens to the files of a bank that is searched.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use afterimage::bank::{About, Bank, Checkpoint};
use afterimage::decide::Policies;
use afterimage::media::{Frame, Luma, Samples};
use afterimage::{Fingerprinter, Policy, Probe, Sink, Verdict};
use std::fs;
use std::path::Path;
use std::time::SystemTime;
use synthetic::{Film, Random};

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

/// What is seen and heard of a made-up film.
fn watched(seed: u64) -> Probe {
    const SECONDS: f64 = 6.0;
    const RATE: u32 = 8_000;
    let film = Film::new(900 + seed, SECONDS);
    let mut fingerprinter = Fingerprinter::new();
    for time in (0..(SECONDS * 8.0) as usize).map(|n| n as f64 / 8.0) {
        let pixels = film.luma(time, 160, 90);
        fingerprinter.frame(Frame { luma: Luma::new(160, 90, 160, &pixels).unwrap(), time });
    }
    let mono = film.sound(0, SECONDS as usize * RATE as usize, RATE);
    fingerprinter.samples(Samples { mono: &mono, rate: RATE });
    fingerprinter.finish()
}

fn check(bank: &Bank, probe: &Probe) -> Verdict {
    bank.check(probe, SystemTime::UNIX_EPOCH).unwrap()
}

/// Loses something of a file.
fn damage(file: &Path, random: &mut Random) {
    let mut bytes = fs::read(file).unwrap();
    let at = random.next() as usize % bytes.len();
    let end = bytes.len().min(at + 40);
    match random.next() % 8 {
        0 => bytes.truncate(at),
        1 => bytes[at..end].fill_with(|| random.next() as u8),
        _ => bytes[at] ^= 1 << (random.next() % 8),
    }
    fs::write(file, bytes).unwrap();
}

/// A bank with a checkpoint and changes behind it, and a copy of one of its films.
fn searched(dir: &Path) -> Probe {
    let films: Vec<Probe> = (0..4).map(watched).collect();
    let bank = Bank::open(dir).unwrap();
    for (n, film) in films.iter().enumerate() {
        bank.add(&n.to_string(), "", film.fingerprint()).unwrap();
        if n == 2 {
            bank.checkpoint().unwrap();
        }
    }
    films.into_iter().nth(1).unwrap()
}

#[test]
fn damage_to_any_file_is_found_or_does_no_harm() {
    let whole = tempfile::tempdir().unwrap();
    let probe = searched(whole.path());
    let bank = Bank::open_read_only(whole.path()).unwrap();
    let (was, said) = (state(&bank), check(&bank, &probe));
    assert!(said.acting().any(|found| found.reference == "1"));
    drop(bank);
    let mut files: Vec<_> = fs::read_dir(whole.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| fs::metadata(file).unwrap().len() > 0);
    files.sort();
    assert!(files.len() >= 4, "{files:?}");

    let times = std::env::var("AFTERIMAGE_DAMAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let (mut random, mut refused, mut told, mut harmless) = (Random(5), 0, 0, 0);
    for n in 0..times {
        let folder = tempfile::tempdir().unwrap();
        let copy = |file: &Path| folder.path().join(file.file_name().unwrap());
        for file in &files {
            fs::copy(file, copy(file)).unwrap();
        }
        let hit = &files[random.next() as usize % files.len()];
        damage(&copy(hit), &mut random);
        let Ok(bank) = Bank::open_read_only(folder.path()) else {
            refused += 1;
            continue;
        };
        let says = check(&bank, &probe);
        // It may go on with less, but with nothing else, and a full check tells.
        assert!(says.acting().all(|found| found.reference == "1"), "{n}: {hit:?}");
        if state(&bank) == was && says.matches == said.matches {
            harmless += 1;
        } else {
            let is_found =
                Bank::verify(folder.path()).map_or(true, |found| found.checkpoint == Checkpoint::Damaged);
            assert!(is_found, "damage {n} to {hit:?}: {:?} for {:?}", says.matches, said.matches);
            told += 1;
        }
    }
    println!("{times} damages: {refused} refused, {told} told by a full check, {harmless} without harm");
}
