//! The bank as its users see it, on a real folder.

mod checkpoint;
mod crash;
mod damage;
mod events;
mod model;
mod naive;
mod ring;
mod sim;

use super::*;
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::key::Key;
use crate::media::{Frame, Luma, Samples, Sink};
use crate::synthetic;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// When uploads are judged.
pub(super) const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// Probes of a few short films.
pub(super) fn probes() -> &'static [Probe] {
    static PROBES: LazyLock<Vec<Probe>> = LazyLock::new(|| (0..4).map(probe).collect());
    &PROBES
}

fn probe(seed: u64) -> Probe {
    let film = synthetic::Film::new(seed, 6.0);
    let mut fingerprinter = Fingerprinter::new();
    for n in 0..48 {
        let data = film.luma(f64::from(n) / 8.0, 160, 90);
        fingerprinter
            .frame(Frame { luma: Luma::new(160, 90, 160, &data).unwrap(), time: f64::from(n) / 8.0 });
    }
    fingerprinter.samples(Samples { mono: &film.sound(0, 48_000, 8000), rate: 8000 });
    fingerprinter.finish()
}

/// The fingerprint of a film that lasts, it says, `content` seconds; of films 1 to 4 it can be found.
pub(super) fn fingerprint_of(content: u32) -> Fingerprint {
    let film = probes().get((content as usize).wrapping_sub(1));
    let known = film.map(Probe::fingerprint).unwrap_or_else(|| Probe::default().fingerprint());
    Fingerprint { duration: content.into(), ..known }
}

fn fingerprint(n: usize) -> Fingerprint {
    probes()[n].fingerprint()
}

/// What distinguishes one content of a bank from another.
pub(super) fn content(bank: &Bank) -> Vec<(String, String, Fingerprint, u64)> {
    let tell =
        |r: &Arc<Reference>| (r.name.clone(), r.about.label.clone(), r.fingerprint().unwrap(), r.sequence);
    bank.list().iter().map(tell).collect()
}

#[test]
fn a_copy_is_found_until_its_reference_is_removed() {
    let bank = Bank::in_memory();
    for n in 0..3 {
        bank.add(&format!("{n}.mp4"), "terror", fingerprint(n)).unwrap();
    }
    let verdict = bank.check(&probes()[1], NOW).unwrap();
    let best = verdict.acting().next().expect("a film is a copy of itself");
    assert_eq!((best.reference.as_str(), best.label.as_str()), ("1.mp4", "terror"));
    assert_eq!(verdict.sequence, 3);
    assert!(verdict.acting().all(|m| m.reference == "1.mp4"));
    bank.remove("1.mp4").unwrap();
    assert!(!bank.check(&probes()[1], NOW).unwrap().is_match());
    assert!(bank.check(&probes()[2], NOW).unwrap().is_match());
}

#[test]
fn what_was_acknowledged_is_there_when_the_bank_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("a/b");
    let bank = Bank::open(&dir).unwrap().signed("ann", "a test").unwrap();
    bank.add("a", "", fingerprint(0)).unwrap();
    bank.add("b", "x", fingerprint(1)).unwrap();
    bank.remove("a").unwrap();
    assert_eq!(bank.add("b", "y", fingerprint(1)).unwrap(), Added::Relabelled);
    bank.add("c", "", fingerprint(0)).unwrap();
    let was = content(&bank);
    let verdict = bank.check(&probes()[1], NOW).unwrap();
    drop(bank);
    for bank in [Bank::open_read_only(&dir).unwrap(), Bank::open(&dir).unwrap()] {
        assert_eq!(content(&bank), was);
        assert_eq!(bank.sequence(), 5);
        assert_eq!(bank.check(&probes()[1], NOW).unwrap(), verdict);
        assert_eq!(bank.torn(), 0);
    }
    let log = std::fs::read(dir.join("changes.log")).unwrap();
    assert_eq!(content(&Bank::from_log(log).unwrap()), was);
    let found = Bank::verify(&dir).unwrap();
    assert_eq!((found.changes, found.references, found.torn, found.bad_slots), (5, 2, 0, 0));
}

#[test]
fn names_are_unique_and_the_same_content_is_no_error() {
    let bank = Bank::in_memory();
    assert_eq!(bank.add("a", "x", fingerprint(0)).unwrap(), Added::New);
    assert_eq!(bank.add("a", "x", fingerprint(0)).unwrap(), Added::Unchanged);
    assert!(matches!(bank.add("a", "x", fingerprint(1)), Err(ChangeError::NameTaken { .. })));
    assert_eq!(bank.add("a", "y", fingerprint(0)).unwrap(), Added::Relabelled);
    assert_eq!(bank.list()[0].about.label, "y");
    assert_eq!(bank.sequence(), 2);
    assert!(matches!(bank.remove("b"), Err(ChangeError::Unknown { .. })));
}

#[test]
fn texts_that_could_forge_output_are_refused() {
    let bank = Bank::in_memory();
    for name in ["", "a\nb", "\u{1b}[2J", &"x".repeat(5000)] {
        assert!(matches!(bank.add(name, "", fingerprint(0)), Err(ChangeError::Text { .. })), "{name:?}");
    }
    assert!(matches!(bank.add("a", "b\0", fingerprint(0)), Err(ChangeError::Text { .. })));
    assert!(bank.is_empty());
}

#[test]
fn another_spec_is_refused() {
    let mut other = fingerprint(0);
    other.spec.picture += 1;
    assert!(matches!(Bank::in_memory().add("a", "", other), Err(ChangeError::Spec(_))));
}

#[test]
fn what_could_not_be_read_again_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    let spoil: [fn(&mut Fingerprint); 4] = [
        |one| one.picture.size = [2.0, 1.0],
        |one| one.picture.size[1] = f32::NAN,
        |one| one.picture.keys.reverse(),
        |one| one.duration = f64::INFINITY,
    ];
    for spoil in spoil {
        let mut bad = fingerprint(0);
        spoil(&mut bad);
        assert!(matches!(bank.add("a", "", bad), Err(ChangeError::Fingerprint(_))));
    }
    drop(bank);
    assert!(Bank::open(folder.path()).unwrap().is_empty());
}

#[test]
fn banks_and_probes_of_other_keys_never_meet() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (Key::new(b"one long secret"), Key::new(b"another long secret"));
    let mut keyed = probes()[1].clone();
    keyed.key = key.id();
    let bank = Bank::open_keyed(folder.path(), &key).unwrap();
    bank.add("a", "", keyed.fingerprint()).unwrap();
    assert!(matches!(bank.add("b", "", fingerprint(1)), Err(ChangeError::Spec(_))));
    assert!(bank.check(&keyed, NOW).unwrap().is_match());
    assert!(bank.check(&probes()[1], NOW).is_err());
    bank.checkpoint().unwrap();
    drop(bank);

    assert!(matches!(Bank::open_keyed(folder.path(), &other), Err(OpenError::Spec(_))));
    let bank = Bank::open(folder.path()).unwrap();
    assert_eq!(bank.key(), key.id());
    assert!(bank.check(&keyed, NOW).unwrap().is_match());
    assert!(bank.check(&probes()[1], NOW).is_err());
    assert!(Bank::open_at(folder.path(), 1).unwrap().check(&probes()[1], NOW).is_err());
    drop(bank);

    let plain = tempfile::tempdir().unwrap();
    Bank::open(plain.path()).unwrap();
    assert!(matches!(Bank::open_keyed(plain.path(), &key), Err(OpenError::Spec(_))));
    assert!(matches!(Bank::in_memory().add("a", "", keyed.fingerprint()), Err(ChangeError::Spec(_))));
    Bank::in_memory_keyed(&key).add("a", "", keyed.fingerprint()).unwrap();
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    assert!(matches!(Bank::open(folder.path()), Err(OpenError::Busy)));
    bank.add("a", "", fingerprint(0)).unwrap();
    let reader = Bank::open_read_only(folder.path()).unwrap();
    assert_eq!(reader.len(), 1);
    assert!(matches!(reader.remove("a"), Err(ChangeError::ReadOnly)));
    drop(bank);
    Bank::open(folder.path()).unwrap().remove("a").unwrap();
}

#[test]
fn what_is_no_bank_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(matches!(Bank::open_read_only(&missing), Err(OpenError::Missing)));
    assert!(!missing.exists());
    std::fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    assert!(matches!(Bank::open(folder.path()), Err(OpenError::NotABank)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    std::fs::write(folder.path().join("changes.log"), vec![7; 20_000]).unwrap();
    assert!(matches!(Bank::open(folder.path()), Err(OpenError::NotABank)));
}

#[test]
fn readers_see_each_change_whole_while_a_writer_works() {
    let bank = Bank::in_memory();
    bank.add("stays", "", fingerprint(0)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let verdict = bank.check(&probes()[0], NOW).unwrap();
                    assert!(verdict.acting().any(|m| m.reference == "stays"));
                    assert!(verdict.sequence >= last);
                    last = verdict.sequence;
                }
            });
        }
        for _ in 0..10 {
            bank.add("comes and goes", "", fingerprint(1)).unwrap();
            // What was acknowledged is seen by the next check.
            assert!(bank.check(&probes()[1], NOW).unwrap().is_match());
            bank.remove("comes and goes").unwrap();
            assert!(!bank.check(&probes()[1], NOW).unwrap().is_match());
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(bank.sequence(), 21);
}

#[test]
fn another_process_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    bank.add("a", "", fingerprint(0)).unwrap();
    let reader = Bank::open_read_only(folder.path()).unwrap();
    assert_eq!(reader.refresh().unwrap(), 0);
    bank.add("b", "", fingerprint(1)).unwrap();
    bank.remove("a").unwrap();
    assert_eq!((reader.sequence(), reader.refresh().unwrap(), reader.sequence()), (1, 2, 3));
    assert_eq!(content(&reader), content(&bank));
    assert_eq!(reader.check(&probes()[1], NOW).unwrap(), bank.check(&probes()[1], NOW).unwrap());
    assert_eq!(reader.refresh().unwrap(), 0);
    // What was cut off is missed, and the reader stays as it was.
    let log = folder.path().join("changes.log");
    drop(bank);
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(reader.refresh(), Err(OpenError::Corrupt { .. })));
    assert_eq!((reader.sequence(), reader.len()), (3, 1));
    assert_eq!(Bank::in_memory().refresh().unwrap(), 0);
}

#[test]
fn a_reader_gives_up_what_was_never_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("changes.log");
    Bank::open(folder.path()).unwrap().add("a", "", fingerprint(0)).unwrap();
    let before = std::fs::read(&log).unwrap();
    let reader = Bank::open_read_only(folder.path()).unwrap();
    Bank::open(folder.path()).unwrap().add("b", "", fingerprint(1)).unwrap();
    assert_eq!((reader.refresh().unwrap(), reader.len()), (1, 2));
    // As if it had been read while it was written, and could not be synced then.
    std::fs::write(&log, &before).unwrap();
    assert_eq!((reader.refresh().unwrap(), reader.len(), reader.sequence()), (0, 1, 1));
    Bank::open(folder.path()).unwrap().add("b", "", fingerprint(1)).unwrap();
    assert_eq!(reader.refresh().unwrap(), 1);
    // What takes its place may be as long.
    std::fs::write(&log, &before).unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    bank.add("c", "", fingerprint(1)).unwrap();
    assert_eq!(reader.refresh().unwrap(), 0);
    assert_eq!(content(&reader), content(&bank));
    assert_eq!(reader.check(&probes()[1], NOW).unwrap(), bank.check(&probes()[1], NOW).unwrap());
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (bank, ring) = (folder.path().join("bank"), folder.path().join("uploads"));
    Bank::open(&bank).unwrap().add("a", "", fingerprint_of(9)).unwrap();
    Uploads::open(&ring, 0).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for dir in [bank, ring] {
        assert_eq!(mode(&dir), 0o700);
        let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 2 && files.iter().all(|file| mode(file) == 0o600));
    }
}
