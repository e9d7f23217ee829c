//! Every operation on the disk fails once, or is the last before power is lost.

use super::sim::{Failure, SimDisk};
use crate::bank::{Bank, ChangeError, LogError, OpenError};
use crate::fingerprint::{Fingerprint, Spec};
use crate::synthetic::Random;
use crate::{picture, sound};
use std::collections::BTreeMap;

/// A change of the workload.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Adds a reference whose content is a number.
    Add(&'static str, u32),
    Remove(&'static str),
    Relabel(&'static str, &'static str, u32),
}

const WORK: [Step; 9] = [
    Step::Add("a", 1),
    Step::Add("b", 2),
    Step::Remove("a"),
    Step::Add("c", 3),
    Step::Relabel("b", "worse", 2),
    Step::Add("a", 4),
    Step::Remove("b"),
    Step::Remove("a"),
    Step::Add("d", 5),
];

/// Name to label and content.
type Model = BTreeMap<String, (String, f64)>;

fn fingerprint(content: u32) -> Fingerprint {
    Fingerprint {
        spec: Spec::CURRENT,
        duration: f64::from(content),
        still: false,
        picture: picture::Print::default(),
        sound: sound::Print::default(),
    }
}

fn make(bank: &Bank, step: Step) -> Result<(), ChangeError> {
    match step {
        Step::Add(name, content) => bank.add(name, "", fingerprint(content)).map(|_| ()),
        Step::Relabel(name, label, content) => bank.add(name, label, fingerprint(content)).map(|_| ()),
        Step::Remove(name) => bank.remove(name),
    }
}

fn imagine(model: &mut Model, step: Step) {
    match step {
        Step::Add(name, content) => drop(model.insert(name.to_owned(), (String::new(), content.into()))),
        Step::Relabel(name, label, content) => {
            drop(model.insert(name.to_owned(), (label.to_owned(), content.into())));
        }
        Step::Remove(name) => drop(model.remove(name)),
    }
}

fn content(bank: &Bank) -> Model {
    bank.list().iter().map(|r| (r.name.clone(), (r.label.clone(), r.fingerprint.duration))).collect()
}

/// The workload on a disk: what was acknowledged, and what would be had the first change that failed been made.
fn work(disk: &SimDisk) -> (Model, Option<Model>) {
    let mut model = Model::new();
    let Ok(bank) = Bank::open_on(disk) else { return (model, None) };
    for step in WORK {
        match make(&bank, step) {
            Ok(()) => imagine(&mut model, step),
            Err(_) if disk.is_dead() => {
                let mut next = model.clone();
                imagine(&mut next, step);
                return (model, Some(next));
            }
            Err(_) => {}
        }
        assert_eq!(content(&bank), model, "what is shown is what was acknowledged");
    }
    (model, None)
}

/// The number of operations of a workload on which nothing fails.
fn operations() -> u64 {
    let disk = SimDisk::default();
    work(&disk);
    disk.operations()
}

/// The bank can be opened, holds what it should, and can be changed and opened again.
fn check(disk: &SimDisk, allowed: &[&Model], what: &str) {
    let bank = Bank::open_on(disk).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = content(&bank);
    assert!(allowed.contains(&&found), "{what}: {found:?} is none of {allowed:?}");
    bank.add("after", "", fingerprint(9)).unwrap();
    drop(bank);
    let mut expected = found;
    imagine(&mut expected, Step::Add("after", 9));
    assert_eq!(content(&Bank::open_on(disk).unwrap()), expected, "{what}");
    assert_eq!(content(&Bank::read(disk).unwrap().0), expected, "{what}");
}

#[test]
fn power_may_be_lost_at_every_operation() {
    for at in 0..operations() {
        for failure in [Failure::PowerBefore, Failure::PowerDuring, Failure::PowerAfter] {
            for seed in 0..12 {
                let disk = SimDisk::failing(&[(at, failure)]);
                let (acknowledged, in_flight) = work(&disk);
                disk.reboot(&mut Random(seed ^ (at << 8)));
                let allowed: Vec<&Model> =
                    [Some(&acknowledged), in_flight.as_ref()].into_iter().flatten().collect();
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
        let mut tried = acknowledged.clone();
        if let Some(step) = first_refused(&acknowledged) {
            imagine(&mut tried, step);
        }
        disk.reboot(&mut Random(from));
        check(&disk, &[&acknowledged, &tried], &format!("full from operation {from}"));
    }
}

/// The step after those that led to `model`.
fn first_refused(model: &Model) -> Option<Step> {
    let mut so_far = Model::new();
    for step in WORK {
        if so_far == *model {
            return Some(step);
        }
        imagine(&mut so_far, step);
    }
    None
}

#[test]
fn after_a_write_that_could_not_be_taken_back_a_bank_refuses_changes() {
    let disk = SimDisk::default();
    let bank = Bank::open_on(&disk).unwrap();
    bank.add("a", "", fingerprint(1)).unwrap();
    let next = disk.operations();
    disk.fail_from(next, 2);
    assert!(matches!(bank.add("b", "", fingerprint(2)), Err(ChangeError::Log(LogError::Io(_)))));
    assert!(matches!(bank.add("c", "", fingerprint(3)), Err(ChangeError::Log(LogError::Broken))));
    assert_eq!(bank.len(), 1);
    drop(bank);
    assert_eq!(content(&Bank::open_on(&disk).unwrap()).len(), 1);
}

#[test]
fn a_lock_is_given_back() {
    let disk = SimDisk::default();
    let bank = Bank::open_on(&disk).unwrap();
    assert!(matches!(Bank::open_on(&disk), Err(OpenError::Busy)));
    drop(bank);
    Bank::open_on(&disk).unwrap();
}
