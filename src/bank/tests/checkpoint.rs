//! Opening from a checkpoint gives the bank that the log makes; a checkpoint that is none is passed over.

use super::{NOW, content, fingerprint_of, probes};
use crate::bank::checkpoint::Files;
use crate::bank::{Added, Bank, ChangeError, Checkpoint, CheckpointError, OpenError};
use crate::decide::Verdict;
use std::fs;
use std::path::{Path, PathBuf};

/// The verdicts on all films.
fn verdicts(bank: &Bank) -> Vec<Verdict> {
    probes().iter().map(|probe| bank.check(probe, NOW).unwrap()).collect()
}

/// Whom the films are copies of.
fn found(bank: &Bank) -> Vec<Vec<String>> {
    let names = |verdict: Verdict| verdict.acting().map(|m| m.reference.clone()).collect();
    verdicts(bank).into_iter().map(names).collect()
}

/// A bank of two references and one that was removed, after a checkpoint.
fn bank(dir: &Path) -> Bank {
    let bank = Bank::open(dir).unwrap();
    bank.add("one", "x", fingerprint_of(1)).unwrap();
    bank.add("two", "terror", fingerprint_of(2)).unwrap();
    bank.add("three", "", fingerprint_of(3)).unwrap();
    bank.remove("two").unwrap();
    assert_eq!(bank.checkpoint().unwrap(), 4);
    bank
}

fn checkpoint(dir: &Path) -> Checkpoint {
    Bank::verify(dir).unwrap().checkpoint
}

fn without_checkpoint(dir: &Path) -> Bank {
    Bank::from_log(fs::read(dir.join("changes.log")).unwrap()).unwrap()
}

/// The files of a checkpoint.
fn files(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        all.filter(|path| !path.ends_with("changes.log") && !path.ends_with("lock")).collect();
    files.sort();
    files
}

#[test]
fn a_bank_goes_on_from_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    drop(bank(dir));
    assert_eq!(checkpoint(dir), Checkpoint::Intact { sequence: 4 });
    assert_eq!(files(dir).len(), 3);
    for round in 0..3 {
        let bank = Bank::open(dir).unwrap();
        let plain = without_checkpoint(dir);
        assert_eq!(content(&bank), content(&plain));
        assert_eq!(verdicts(&bank), verdicts(&plain));
        assert_eq!(bank.add("one", "x", fingerprint_of(1)).unwrap(), Added::Unchanged);
        assert!(matches!(bank.add("one", "x", fingerprint_of(4)), Err(ChangeError::NameTaken { .. })));
        // Behind the checkpoint: what was there goes, what was not comes, and both at once.
        bank.remove("three").unwrap();
        bank.add("three", "again", fingerprint_of(3)).unwrap();
        bank.add(&format!("four {round}"), "", fingerprint_of(4)).unwrap();
        if round == 1 {
            bank.remove("one").unwrap();
        }
        let plain = without_checkpoint(dir);
        assert_eq!(verdicts(&bank), verdicts(&plain));
        drop(bank);
        for bank in [Bank::open(dir).unwrap(), Bank::open_read_only(dir).unwrap()] {
            assert_eq!(content(&bank), content(&plain));
            assert_eq!(verdicts(&bank), verdicts(&plain));
        }
        let bank = Bank::open(dir).unwrap();
        let sequence = bank.checkpoint().unwrap();
        assert_eq!(checkpoint(dir), Checkpoint::Intact { sequence });
        assert_eq!(verdicts(&bank), verdicts(&plain));
        bank.add("one", "x", fingerprint_of(1)).unwrap();
    }
    for sequence in 0..10 {
        let then = Bank::open_at(dir, sequence).unwrap();
        assert_eq!(then.sequence(), sequence);
        assert_eq!(then.get("two").is_some(), (2..4).contains(&sequence));
    }
}

#[test]
fn readers_keep_what_a_new_checkpoint_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let bank = bank(dir);
    let reader = Bank::open_read_only(dir).unwrap();
    let was = found(&reader);
    assert_eq!(was, [vec!["one"], vec![], vec!["three"], vec![]]);
    let fresh = Bank::open_read_only(dir).unwrap();
    bank.remove("one").unwrap();
    bank.add("four", "", fingerprint_of(4)).unwrap();
    let old = files(dir);
    bank.checkpoint().unwrap();
    assert!(files(dir).iter().any(|file| !old.contains(file)));
    // One of them has made what it searches, the other has not yet.
    for reader in [&reader, &fresh] {
        assert_eq!(found(reader), was);
        reader.refresh().unwrap();
        assert_eq!(found(reader), [vec![], vec![], vec!["three"], vec!["four"]]);
    }
    assert_eq!(verdicts(&reader), verdicts(&bank));
}

#[test]
fn a_bank_that_nobody_searched_goes_on_from_its_checkpoint_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let bank = bank(folder.path());
    bank.remove("three").unwrap();
    bank.add("four", "", fingerprint_of(4)).unwrap();
    bank.checkpoint().unwrap();
    bank.remove("four").unwrap();
    assert_eq!(verdicts(&bank), verdicts(&without_checkpoint(folder.path())));
    assert_eq!(checkpoint(folder.path()), Checkpoint::Intact { sequence: 6 });
}

#[test]
fn what_is_added_while_a_checkpoint_is_written_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let bank = bank(folder.path());
    bank.prepare();
    bank.add("four", "", fingerprint_of(4)).unwrap();
    let then = bank.content(&bank.home()).unwrap();
    bank.add("two", "", fingerprint_of(2)).unwrap();
    bank.remove("one").unwrap();
    then.write(&mut Files::default()).unwrap();
    let verdicts_then = verdicts(&bank);
    drop((then, bank));
    assert_eq!(checkpoint(folder.path()), Checkpoint::Intact { sequence: 5 });
    let bank = Bank::open(folder.path()).unwrap();
    assert_eq!(bank.sequence(), 7);
    assert_eq!(verdicts(&bank), verdicts_then);
    assert_eq!(verdicts(&bank), verdicts(&without_checkpoint(folder.path())));
}

#[test]
fn views_that_begin_from_one_checkpoint_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    drop(bank(folder.path()));
    let bank = Bank::open(folder.path()).unwrap();
    bank.add("four", "", fingerprint_of(4)).unwrap();
    let early = bank.view();
    bank.remove("one").unwrap();
    let late = bank.view();
    // The first reference has the number 0. What chance brings together is told as well.
    assert!(early.search(&probes()[0]).iter().any(|found| found.reference == 0));
    drop(early);
    assert!(late.search(&probes()[0]).iter().all(|found| found.reference != 0));
    bank.add("two", "", fingerprint_of(2)).unwrap();
    assert_eq!(verdicts(&bank), verdicts(&without_checkpoint(folder.path())));
}

#[test]
fn only_a_bank_that_is_open_for_changes_has_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Bank::in_memory().checkpoint(), Err(CheckpointError::NoLog)));
    drop(Bank::open(folder.path()).unwrap());
    let reader = Bank::open_read_only(folder.path()).unwrap();
    assert!(matches!(reader.checkpoint(), Err(CheckpointError::NoLog)));
    assert_eq!(checkpoint(folder.path()), Checkpoint::Missing);
}

#[test]
fn the_checkpoint_of_another_log_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, other) = (folder.path().join("a"), folder.path().join("b"));
    drop(bank(&dir));
    let bank = Bank::open(&other).unwrap();
    for n in 0..8 {
        bank.add(&format!("other {n}"), "", fingerprint_of(4)).unwrap();
    }
    drop(bank);
    for file in files(&dir) {
        fs::copy(&file, other.join(file.file_name().unwrap())).unwrap();
    }
    assert_eq!(checkpoint(&other), Checkpoint::Damaged);
    let bank = Bank::open(&other).unwrap();
    assert_eq!((bank.len(), bank.sequence()), (8, 8));
    assert_eq!(verdicts(&bank), verdicts(&without_checkpoint(&other)));
    assert_eq!(bank.checkpoint().unwrap(), 8);
    assert_eq!(checkpoint(&other), Checkpoint::Intact { sequence: 8 });
}

#[test]
fn damage_to_a_checkpoint_is_found_and_is_never_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    drop(bank(dir));
    let plain = without_checkpoint(dir);
    let (was, names) = (content(&plain), found(&plain));
    let mut misses = 0;
    for path in files(dir) {
        let bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        let early = (0..200).step_by(3);
        let places = early.chain((0..length).step_by(length / 40 + 1)).chain(length - 5..length);
        for (n, at) in places.enumerate() {
            let mut bad = bytes.clone();
            match n % 5 {
                0 => bad.truncate(at),
                _ => bad[at] ^= 1 << (n % 8),
            }
            fs::write(&path, &bad).unwrap();
            assert_eq!(checkpoint(dir), Checkpoint::Damaged, "{} at {at}", path.display());
            let bank = Bank::open_read_only(dir).unwrap();
            assert_eq!(content(&bank), was);
            if n % 4 == 0 {
                for (now, then) in found(&bank).into_iter().zip(&names) {
                    assert!(now.iter().all(|name| then.contains(name)), "{} at {at}", path.display());
                    misses += then.len() - now.len();
                }
            }
        }
        fs::remove_file(&path).unwrap();
        let bank = Bank::open_read_only(dir).unwrap();
        assert_eq!((content(&bank), found(&bank)), (was.clone(), names.clone()));
        fs::write(&path, &bytes).unwrap();
    }
    // Words of sound that were damaged are not compared.
    assert!(misses < 100, "{misses} misses");
    assert_eq!(checkpoint(dir), Checkpoint::Intact { sequence: 4 });
}

#[test]
fn a_checkpoint_that_was_damaged_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    drop(bank(dir));
    let names = found(&without_checkpoint(dir));
    for changed in [false, true] {
        for ending in ["segment", "tracks"] {
            let path =
                files(dir).into_iter().find(|path| path.extension().is_some_and(|e| e == ending)).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let at = bytes.len() - bytes.len() / 3;
            bytes[at..].fill(0x55);
            fs::write(&path, &bytes).unwrap();
            assert_eq!(checkpoint(dir), Checkpoint::Damaged, "{ending}");
            let bank = Bank::open(dir).unwrap();
            if changed {
                bank.suspend("one", true).unwrap();
                bank.suspend("one", false).unwrap();
            }
            let sequence = bank.checkpoint().unwrap();
            assert_eq!(checkpoint(dir), Checkpoint::Intact { sequence }, "{ending}");
            assert_eq!(found(&bank), names);
            drop(bank);
            assert_eq!(found(&Bank::open(dir).unwrap()), names);
            assert_eq!(files(dir).len(), 3);
        }
    }
}

#[test]
fn a_fingerprint_that_was_damaged_behind_a_checkpoint_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    drop(bank(dir));
    let log = dir.join("changes.log");
    let bytes = fs::read(&log).unwrap();
    let names = found(&Bank::open_read_only(dir).unwrap());
    let mut refused = 0;
    for at in (12288..bytes.len() - 4).step_by(bytes.len() / 80) {
        let mut bad = bytes.clone();
        bad[at] ^= 4;
        fs::write(&log, &bad).unwrap();
        assert!(matches!(Bank::verify(dir), Err(OpenError::Corrupt { .. })), "byte {at}");
        let bank = Bank::open_read_only(dir).unwrap();
        assert_eq!((bank.len(), bank.sequence()), (2, 4));
        refused += bank.list().iter().filter(|reference| reference.fingerprint().is_err()).count();
        for (now, then) in found(&bank).into_iter().zip(&names) {
            assert!(now.iter().all(|name| then.contains(name)), "byte {at}");
        }
    }
    assert!(refused > 20, "{refused}");
}
