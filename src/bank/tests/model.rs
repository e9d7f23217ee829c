//! Random changes, readers beside them and openings between them, against the naive bank.

use super::naive::{Naive, Step, expected, make, state};
use super::{NOW, probes};
use crate::bank::{About, Bank};
use crate::decide::Policy;
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const COLLECTIONS: [&str; 3] = ["default", "terror", "held"];

fn policy() -> impl Strategy<Value = Policy> {
    (any::<bool>(), any::<bool>(), prop::option::of(any::<bool>()), 5..9i32).prop_map(
        |(shadow, legal_hold, expired, power)| Policy {
            shadow,
            legal_hold,
            expires: expired.map(|past| if past { NOW } else { NOW + Duration::from_secs(1) }),
            false_matches: 10f64.powi(-power),
            ..Policy::default()
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(&NAMES[..]);
    let collection = || prop::sample::select(&COLLECTIONS[..]);
    prop_oneof![
        5 => (name(), collection(), 1..5u32).prop_map(|(n, c, content)| Step::Add(n, About::of(c), content)),
        2 => name().prop_map(Step::Remove),
        1 => (name(), name()).prop_map(|(n, label)| Step::Relabel(n, label)),
        1 => (name(), collection()).prop_map(|(n, c)| Step::Move(n, c)),
        1 => (name(), any::<bool>()).prop_map(|(n, on)| Step::Suspend(n, on)),
        1 => (collection(), prop::option::of(policy())).prop_map(|(c, p)| Step::Policy(c, p)),
        3 => (0..12u64).prop_map(Step::Undo),
    ]
}

/// What a check of `content` finds: for each reference, whether anything is done about it.
fn found(bank: &Bank, content: u32) -> (u64, Vec<(String, bool)>) {
    let verdict = bank.check(&probes()[content as usize - 1], NOW).unwrap();
    let sure = verdict.matches.iter().filter(|m| m.is_sure());
    let mut found: Vec<_> = sure.map(|m| (m.reference.clone(), m.acts())).collect();
    found.sort();
    found.dedup();
    (verdict.sequence, found)
}

/// Tries steps on a bank while others read it; the naive bank after them.
fn work(bank: &Bank, mut naive: Naive, steps: &[Step]) -> Naive {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let content = seen.len() as u32 % 4 + 1;
                seen.push((content, found(bank, content)));
            }
            seen
        });
        for step in steps {
            let made = make(bank, step).is_ok();
            let before = naive.0.len() as u64 - 1;
            if let Some(next) = naive.after(step) {
                assert!(made, "{step:?} is a change");
                naive = next;
            } else {
                assert_eq!(bank.sequence(), before, "{step:?} is none");
            }
            assert_eq!(bank.sequence(), naive.0.len() as u64 - 1);
            assert_eq!(state(bank), *naive.now(), "{step:?}");
        }
        done.store(true, Ordering::Relaxed);
        for (content, (sequence, found)) in reader.join().unwrap() {
            assert_eq!(
                found,
                expected(&naive.0[sequence as usize], content),
                "content {content} at {sequence}"
            );
        }
    });
    naive
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_bank_is_what_its_changes_make(
        parts in prop::collection::vec((prop::collection::vec(step(), 1..6), any::<bool>()), 1..5),
        past in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut naive = Naive::default();
        for (steps, checkpoint) in &parts {
            let bank = Bank::open(folder.path()).unwrap();
            prop_assert_eq!(&state(&bank), naive.now());
            naive = work(&bank, naive, steps);
            if *checkpoint {
                prop_assert_eq!(bank.checkpoint().unwrap(), bank.sequence());
            }
        }
        let bank = Bank::open_read_only(folder.path()).unwrap();
        for content in 1..5 {
            prop_assert_eq!(found(&bank, content).1, expected(naive.now(), content));
        }

        // As it was at any time.
        let past = past.index(naive.0.len());
        let then = Bank::open_at(folder.path(), past as u64).unwrap();
        prop_assert_eq!(&state(&then), &naive.0[past]);
        prop_assert_eq!(found(&then, 1), (past as u64, expected(&naive.0[past], 1)));
        prop_assert!(Bank::open_at(folder.path(), naive.0.len() as u64).is_err());

        // And elsewhere, change by change.
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = Bank::open(elsewhere.path()).unwrap();
        Bank::history(folder.path(), |event| copy.replicate(&event).unwrap()).unwrap();
        drop(copy);
        let copy = Bank::open(elsewhere.path()).unwrap();
        for probe in probes() {
            prop_assert_eq!(copy.check(probe, NOW).unwrap(), bank.check(probe, NOW).unwrap());
        }
        let log = |dir: &std::path::Path| std::fs::read(dir.join("changes.log")).unwrap().split_off(12288);
        prop_assert_eq!(log(folder.path()), log(elsewhere.path()));
    }
}
