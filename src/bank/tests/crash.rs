//! Every operation on the disk fails once, or is the last before power is lost.

use super::naive::{Naive, Step, make, state};
use super::sim::{Failure, Lie, SimDisk};
use super::{NOW, fingerprint_of, probes};
use crate::bank::{About, Bank, ChangeError, LogError, OpenError};
use crate::decide::Policy;
use crate::synthetic::Random;
use std::iter;
use std::sync::Arc;

/// The workload: of each kind of change one at least.
fn steps() -> Vec<Step> {
    let held = Policy { legal_hold: true, ..Policy::default() };
    vec![
        Step::Add("a", About::default(), 1),
        Step::Add("b", About::of("terror"), 12),
        Step::Remove("a"),
        Step::Undo(3),
        Step::Relabel("b", "worse"),
        Step::Policy("terror", Some(held)),
        Step::Remove("b"),
        Step::Undo(6),
        Step::Remove("b"),
        Step::Suspend("a", true),
        Step::Undo(1),
        Step::Add("c", About::default(), 13),
    ]
}

/// After which changes there is a checkpoint. The last one is like the first, but for changes that are gone again.
const CHECKPOINTS: [u64; 3] = [2, 5, 9];

/// The workload on a disk: what was acknowledged, and what would be had the change that power was lost in been made.
fn work(disk: &SimDisk) -> (Naive, Option<Naive>) {
    let mut model = Naive::default();
    let Ok(bank) = Bank::open_on(Arc::new(disk.clone()), None) else { return (model, None) };
    for step in steps() {
        let next = model.after(&step);
        match (make(&bank, &step), next) {
            (Ok(()), Some(next)) => model = next,
            (Err(_), next) if disk.is_dead() => return (model, next),
            (Ok(()), None) => panic!("{step:?} is no change"),
            (Err(_), _) => {}
        }
        assert_eq!(state(&bank), *model.now(), "what is shown is what was acknowledged");
        if CHECKPOINTS.contains(&bank.sequence()) {
            let _ = bank.checkpoint();
            if disk.is_dead() {
                return (model, None);
            }
        }
    }
    (model, None)
}

/// The number of operations of a workload on which nothing fails.
fn operations() -> u64 {
    let disk = SimDisk::default();
    work(&disk);
    disk.operations()
}

/// The bank can be opened, holds what it should, and can be changed and opened again. If not, what is wrong.
fn survived(disk: &SimDisk, allowed: &[&Naive]) -> Result<(), String> {
    let bank = Bank::open_on(Arc::new(disk.clone()), None).map_err(|e| e.to_string())?;
    let found = state(&bank);
    let Some(model) = allowed.iter().find(|model| *model.now() == found) else {
        return Err(format!("{found:?} is none of {allowed:?}"));
    };
    if bank.sequence() != model.0.len() as u64 - 1 {
        return Err(format!("change {} of {:?}", bank.sequence(), model.0));
    }
    let step = Step::Add("after", About::default(), 19);
    make(&bank, &step).map_err(|e| e.to_string())?;
    drop(bank);
    let expected = model.after(&step).unwrap();
    let bank = Bank::read(disk, u64::MAX).unwrap().0;
    // A glance costs a fraction.
    let is_found =
        bank.check(&probes()[0].glance(), NOW).unwrap().matches.iter().any(|found| found.reference == "a");
    assert_eq!(is_found, expected.now().references.contains_key("a"));
    let expected = expected.now().clone();
    assert_eq!(state(&Bank::open_on(Arc::new(disk.clone()), None).unwrap()), expected);
    assert_eq!(state(&Bank::read(disk, u64::MAX).unwrap().0), expected);
    Ok(())
}

fn check(disk: &SimDisk, allowed: &[&Naive], what: &str) {
    survived(disk, allowed).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
}

#[test]
fn power_may_be_lost_at_every_operation() {
    for at in 0..operations() {
        for failure in [Failure::PowerBefore, Failure::PowerDuring, Failure::PowerAfter] {
            for seed in 0..12 {
                let disk = SimDisk::failing(&[(at, failure)]);
                let (acknowledged, in_flight) = work(&disk);
                disk.reboot(&mut Random(seed ^ (at << 8)));
                let allowed: Vec<&Naive> = iter::once(&acknowledged).chain(&in_flight).collect();
                check(&disk, &allowed, &format!("operation {at}, {failure:?}, seed {seed}"));
            }
        }
    }
}

#[test]
fn every_operation_may_fail_and_what_failed_is_not_there() {
    for at in 0..operations() {
        for failure in [Failure::Refused, Failure::Half] {
            for power in [false, true] {
                let disk = SimDisk::failing(&[(at, failure)]);
                let (acknowledged, _) = work(&disk);
                if power {
                    disk.reboot(&mut Random(at));
                }
                check(&disk, &[&acknowledged], &format!("operation {at}, {failure:?}, power lost: {power}"));
            }
        }
    }
}

#[test]
fn a_disk_that_stays_full_loses_nothing_and_says_so() {
    for from in 0..operations() {
        let full: Vec<_> = (from..from + 1000).map(|at| (at, Failure::Half)).collect();
        let disk = SimDisk::failing(&full);
        let (acknowledged, _) = work(&disk);
        // A change that could neither be made nor taken back may be there, whole: nothing could be done about it.
        let tried: Vec<Naive> = steps().iter().filter_map(|step| acknowledged.after(step)).collect();
        let allowed: Vec<&Naive> = iter::once(&acknowledged).chain(&tried).collect();
        disk.reboot(&mut Random(from));
        check(&disk, &allowed, &format!("full from operation {from}"));
    }
}

#[test]
fn after_a_write_that_could_not_be_taken_back_a_bank_refuses_changes() {
    let disk = SimDisk::default();
    let bank = Bank::open_on(Arc::new(disk.clone()), None).unwrap();
    bank.add("a", "", fingerprint_of(11)).unwrap();
    let next = disk.operations();
    disk.fail_from(next, 2);
    assert!(matches!(bank.add("b", "", fingerprint_of(12)), Err(ChangeError::Log(LogError::Io(_)))));
    assert!(matches!(bank.add("c", "", fingerprint_of(13)), Err(ChangeError::Log(LogError::Broken))));
    assert_eq!(bank.len(), 1);
    drop(bank);
    assert_eq!(Bank::open_on(Arc::new(disk.clone()), None).unwrap().len(), 1);
}

/// A process is stopped while it makes a bank, the next one goes on, and then power is lost.
#[test]
fn a_bank_that_was_half_made_is_made_whole_before_it_is_changed() {
    for at in 0.. {
        let mut made = false;
        for seed in 0..4 {
            let disk = SimDisk::failing(&[(at, Failure::Half)]);
            let open = || Bank::open_on(Arc::new(disk.clone()), None);
            made = open().is_ok();
            open().unwrap().add("a", "", fingerprint_of(11)).unwrap();
            disk.reboot(&mut Random(seed));
            assert_eq!(open().unwrap().len(), 1, "operation {at}, seed {seed}");
        }
        if made {
            assert!(at > 4, "{at} operations make a bank");
            break;
        }
    }
}

#[test]
fn what_others_wrote_is_never_overwritten() {
    let disk = SimDisk::default();
    let open = || Bank::open_on(Arc::new(disk.clone()), None);
    let bank = open().unwrap();
    bank.add("a", "", fingerprint_of(11)).unwrap();
    disk.forget_lock("lock");
    if cfg!(unix) {
        assert!(matches!(open(), Err(OpenError::Busy)), "the log is locked itself");
        disk.forget_lock("lock");
        disk.forget_lock("changes.log");
    }
    let other = open().unwrap();
    other.add("b", "", fingerprint_of(12)).unwrap();
    assert!(matches!(bank.add("c", "", fingerprint_of(13)), Err(ChangeError::Log(LogError::Moved))));
    other.add("d", "", fingerprint_of(14)).unwrap();
    let names = |bank: &Bank| bank.list().iter().map(|r| r.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&bank), ["a"]);
    drop((bank, other));
    assert_eq!(names(&open().unwrap()), ["a", "b", "d"]);
}

/// As after a panic between the two.
#[test]
fn a_change_that_was_written_and_not_shown_is_the_last_one() {
    let disk = SimDisk::default();
    let open = || Bank::open_on(Arc::new(disk.clone()), None);
    let bank = open().unwrap();
    bank.add("a", "", fingerprint_of(11)).unwrap();
    let was = bank.view();
    bank.add("b", "", fingerprint_of(12)).unwrap();
    bank.view.store(was);
    assert!(matches!(bank.add("c", "", fingerprint_of(13)), Err(ChangeError::Log(LogError::Moved))));
    drop(bank);
    assert_eq!(open().unwrap().len(), 2);
}

#[test]
fn a_lock_is_given_back() {
    let disk = SimDisk::default();
    let bank = Bank::open_on(Arc::new(disk.clone()), None).unwrap();
    assert!(matches!(Bank::open_on(Arc::new(disk.clone()), None), Err(OpenError::Busy)));
    drop(bank);
    Bank::open_on(Arc::new(disk.clone()), None).unwrap();
}

/// These tests would find a sync that is missing.
#[test]
fn a_disk_that_forgets_to_sync_is_found_out() {
    for lie in [Lie::Files, Lie::Names] {
        let lost =
            (0..operations()).flat_map(|at| (0..4).map(move |seed| (at, seed))).filter(|&(at, seed)| {
                let disk = SimDisk::failing(&[(at, Failure::PowerBefore)]).lying(lie);
                let (acknowledged, in_flight) = work(&disk);
                disk.reboot(&mut Random(seed ^ (at << 8)));
                let allowed: Vec<&Naive> = iter::once(&acknowledged).chain(&in_flight).collect();
                survived(&disk, &allowed).is_err()
            });
        assert!(lost.count() > 10, "{lie:?}");
    }
}
