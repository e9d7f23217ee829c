//! The ring of past uploads.

use super::sim::{Failure, SimDisk};
use super::{NOW, fingerprint_of, probes};
use crate::bank::{Bank, KeepError, OpenError, Upload, Uploads};
use crate::decide::Action;
use crate::fingerprint::{Fingerprint, Probe};
use crate::synthetic::Random;
use std::time::Duration;

fn all(uploads: &Uploads) -> (Vec<Upload>, u64) {
    let mut found = Vec::new();
    let lost = uploads.each(|upload| found.push(upload)).unwrap();
    (found, lost)
}

/// A fingerprint of about so many bytes.
fn sized(bytes: usize) -> Fingerprint {
    let mut fingerprint = fingerprint_of(9);
    fingerprint.picture.motion = vec![Default::default(); bytes / 32];
    fingerprint
}

#[test]
fn a_copy_that_was_uploaded_before_its_reference_was_banked_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(folder.path(), 0).unwrap();
    let time = NOW + Duration::from_secs(60);
    for (n, probe) in probes().iter().enumerate() {
        uploads.keep(&format!("upload {n}"), time, &probe.fingerprint()).unwrap();
    }
    drop(uploads);
    let bank = Bank::in_memory();
    bank.add("old", "", fingerprint_of(1)).unwrap();
    bank.add("new", "", fingerprint_of(3)).unwrap();
    let recent = bank.only(|reference| reference.sequence > 1);
    let mut found = Vec::new();
    Uploads::open_read_only(folder.path())
        .unwrap()
        .each(|upload| {
            assert_eq!(upload.time, time);
            let probe = upload.fingerprint.to_probe();
            for (bank, found_by) in [(&bank, "all"), (&recent, "new")] {
                let verdict = bank.check(&probe, NOW).unwrap();
                assert_eq!(verdict.sequence, 2);
                if verdict.action == Some(Action::Block) {
                    let best = verdict.acting().next().unwrap();
                    assert!((best.matched.start - best.query.start).abs() < 0.5);
                    found.push((upload.name.clone(), found_by, best.reference.clone()));
                }
            }
        })
        .unwrap();
    let found: Vec<_> = found.iter().map(|(u, by, r)| (u.as_str(), *by, r.as_str())).collect();
    assert_eq!(found, [("upload 0", "all", "old"), ("upload 2", "all", "new"), ("upload 2", "new", "new")]);
}

#[test]
fn a_probe_of_nothing_finds_nothing() {
    let bank = Bank::in_memory();
    bank.add("a", "", fingerprint_of(1)).unwrap();
    assert!(bank.check(&Probe::default().fingerprint().to_probe(), NOW).unwrap().matches.is_empty());
}

#[test]
fn the_oldest_make_room_and_the_file_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(5);
    let mut kept = Vec::new();
    for _ in 0..4 {
        let uploads = Uploads::open(folder.path(), 1 << 20).unwrap();
        for _ in 0..60 {
            let fingerprint = sized((random.next() % 60_000) as usize);
            uploads.keep("x", NOW, &fingerprint).unwrap();
            kept.push(fingerprint);
            let (found, lost) = all(&uploads);
            assert_eq!(lost, 0);
            // The latest, without gaps.
            let latest = &kept[kept.len() - found.len()..];
            assert!(found.iter().map(|upload| &upload.fingerprint).eq(latest));
            assert!(
                found
                    .iter()
                    .map(|u| u.number)
                    .eq(kept.len() as u64 - found.len() as u64 + 1..=kept.len() as u64)
            );
        }
        let bytes: usize = all(&uploads).0.iter().map(|u| u.fingerprint.to_bytes().len()).sum();
        assert!(bytes > 800_000, "{bytes}");
    }
    assert!(std::fs::metadata(folder.path().join("uploads.ring")).unwrap().len() <= (1 << 20) + 4096);
    let uploads = Uploads::open(folder.path(), 1 << 20).unwrap();
    assert!(matches!(uploads.keep("x", NOW, &sized(2 << 20)), Err(KeepError::TooLarge)));
    assert!(matches!(Uploads::open(folder.path(), 0), Err(OpenError::Busy)));
    let reader = Uploads::open_read_only(folder.path()).unwrap();
    assert!(matches!(reader.keep("x", NOW, &sized(1)), Err(KeepError::ReadOnly)));
    assert_eq!(all(&reader), all(&uploads));
}

/// Power is lost at every operation: what is found is among what was kept, and the ring goes on.
#[test]
fn a_loss_of_power_forges_nothing() {
    let work = |disk: &SimDisk| {
        let mut kept = Vec::new();
        let Ok(uploads) = Uploads::open_on(disk, 1 << 20) else { return kept };
        for n in 0..24 {
            // Each is told from the others by its length.
            let fingerprint = sized(120_000 + 1000 * n);
            kept.push(fingerprint.clone());
            if uploads.keep("x", NOW, &fingerprint).is_err() {
                break;
            }
        }
        kept
    };
    let disk = SimDisk::default();
    work(&disk);
    for at in 0..disk.operations() {
        for (seed, failure) in
            [Failure::PowerBefore, Failure::PowerDuring, Failure::PowerAfter].into_iter().enumerate()
        {
            let disk = SimDisk::failing(&[(at, failure)]);
            let kept = work(&disk);
            disk.reboot(&mut Random(at * 3 + seed as u64));
            let uploads = Uploads::open_on(&disk, 1 << 20).unwrap();
            let (found, _) = all(&uploads);
            assert!(found.iter().all(|upload| kept.contains(&upload.fingerprint)), "operation {at}");
            uploads.keep("after", NOW, &sized(777)).unwrap();
            assert_eq!(all(&uploads).0.last().unwrap().name, "after");
        }
    }
}

#[test]
fn damage_is_told_and_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uploads.ring");
    let uploads = Uploads::open(folder.path(), 0).unwrap();
    (0..6).for_each(|n| uploads.keep("x", NOW, &sized(3000 + 100 * n)).unwrap());
    let (was, _) = all(&uploads);
    drop(uploads);
    let bytes = std::fs::read(&path).unwrap();
    let mut random = Random(3);
    for _ in 0..2000 {
        let mut bad = bytes.clone();
        if random.next().is_multiple_of(8) {
            bad.truncate(random.next() as usize % bytes.len());
        } else {
            // Most of the first page is padding.
            let from = if random.next().is_multiple_of(4) { 0 } else { 4096 };
            let at = from + random.next() as usize % (if from == 0 { 40 } else { bytes.len() - from });
            bad[at] ^= 1 << (random.next() % 8);
        }
        std::fs::write(&path, &bad).unwrap();
        let Ok(uploads) = Uploads::open_read_only(folder.path()) else { continue };
        let (found, _) = all(&uploads);
        assert!(found.iter().all(|upload| was.contains(upload)));
    }
}

#[test]
fn a_file_beside_a_ring_is_no_harm_and_no_ring_is_made_beside_a_file() {
    let folder = tempfile::tempdir().unwrap();
    Uploads::open(folder.path(), 0).unwrap().keep("x", NOW, &sized(10)).unwrap();
    std::fs::write(folder.path().join(".DS_Store"), "").unwrap();
    assert_eq!(Uploads::open(folder.path(), 0).unwrap().len(), 1);
    std::fs::remove_file(folder.path().join("uploads.ring")).unwrap();
    assert!(matches!(Uploads::open(folder.path(), 0), Err(OpenError::NotABank)));
}

#[test]
fn what_was_overwritten_meanwhile_is_not_told_as_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(folder.path(), 0).unwrap();
    (0..3).for_each(|_| uploads.keep("x", NOW, &sized(400_000)).unwrap());
    let reader = Uploads::open_read_only(folder.path()).unwrap();
    (0..2).for_each(|_| uploads.keep("x", NOW, &sized(400_000)).unwrap());
    let numbers = |(found, lost): (Vec<Upload>, u64)| (found.iter().map(|u| u.number).collect(), lost);
    assert_eq!(numbers(all(&uploads)), (vec![4, 5], 0));
    assert_eq!(numbers(all(&reader)), (vec![], 2));
}
