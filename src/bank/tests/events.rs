//! History: what is written down, what can be taken back, and what a bank was.

use super::sim::SimDisk;
use super::{NOW, fingerprint_of, probes};
use crate::bank::{About, Added, Bank, Change, ChangeError, Event, OpenError};
use crate::decide::{Action, Held, Policy};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

fn history(dir: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    Bank::history(dir, |event| events.push(event)).unwrap();
    events
}

#[test]
fn changes_are_kept_with_who_made_them_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap().signed("ann", "order 7").unwrap();
    bank.add("a", About::of("terror").labelled("x"), fingerprint_of(1)).unwrap();
    bank.remove("a").unwrap();
    bank.undo(2).unwrap();
    let events = history(folder.path());
    assert_eq!(events.iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(events.iter().all(|e| (e.actor.as_str(), e.reason.as_str()) == ("ann", "order 7")));
    assert_eq!(events.iter().map(|e| e.undoes).collect::<Vec<_>>(), [None, None, Some(2)]);
    assert_eq!(events[0].change, events[2].change);
    assert!(matches!(&events[1].change, Change::Remove { name } if name == "a"));
    assert_eq!(bank.list()[0].about, About::of("terror").labelled("x"));
    assert!(bank.check(&probes()[0], NOW).unwrap().is_match());
}

#[test]
fn only_what_was_not_changed_since_is_undone() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    bank.add("a", "x", fingerprint_of(1)).unwrap();
    bank.relabel("a", "y").unwrap();
    assert!(matches!(bank.undo(1), Err(ChangeError::ChangedSince { sequence: 1 })));
    assert!(matches!(bank.undo(9), Err(ChangeError::NoSuchChange { sequence: 9 })));
    bank.undo(2).unwrap();
    bank.undo(1).unwrap();
    assert!(bank.is_empty());
    // Undoing is a change as others are.
    bank.undo(4).unwrap();
    assert_eq!(bank.list()[0].about.label, "x");
    assert!(matches!(Bank::in_memory().undo(1), Err(ChangeError::NoHistory)));
}

#[test]
fn the_bank_changes_while_the_log_is_read_to_take_a_change_back() {
    static BANK: OnceLock<Bank> = OnceLock::new();
    let disk = SimDisk::default();
    let bank = BANK.get_or_init(|| Bank::open_on(Arc::new(disk.clone()), None).unwrap());
    bank.add("a", "x", fingerprint_of(9)).unwrap();
    bank.relabel("a", "y").unwrap();
    disk.when_opened(|| {
        let bank = BANK.get().unwrap();
        assert!(bank.home.try_lock().is_ok(), "changes wait");
        bank.set_policy("terror", Policy::default()).unwrap();
    });
    bank.undo(2).unwrap();
    let terror = bank.policies().own("terror").map(|own| own.version);
    assert_eq!((bank.sequence(), terror), (4, Some(3)));
    assert_eq!(bank.list()[0].about.label, "x");
    disk.when_opened(|| BANK.get().unwrap().relabel("a", "z").unwrap());
    assert!(matches!(bank.undo(4), Err(ChangeError::ChangedSince { sequence: 4 })));
    assert_eq!((bank.sequence(), bank.list()[0].about.label.as_str()), (5, "z"));
}

#[test]
fn a_bank_can_be_opened_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    bank.add("a", "", fingerprint_of(1)).unwrap();
    bank.set_policy("default", Policy { shadow: true, ..Policy::default() }).unwrap();
    bank.remove("a").unwrap();
    let at = |n| Bank::open_at(folder.path(), n).unwrap();
    assert!(at(0).is_empty() && at(3).is_empty());
    assert_eq!(at(1).check(&probes()[0], NOW).unwrap().action, Some(Action::Block));
    let shadow = at(2).check(&probes()[0], NOW).unwrap();
    assert_eq!((shadow.action, shadow.matches[0].held), (None, Some(Held::Shadow)));
    assert_eq!((shadow.sequence, shadow.matches[0].policy), (2, 2));
    assert!(matches!(at(1).remove("a"), Err(ChangeError::ReadOnly)));
    assert!(matches!(Bank::open_at(folder.path(), 4), Err(OpenError::NotYet { asked: 4, last: 3 })));
}

#[test]
fn replicas_take_changes_in_order_only() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    bank.add("a", "", fingerprint_of(1)).unwrap();
    bank.add("b", "", fingerprint_of(2)).unwrap();
    let events = history(folder.path());
    let copy = Bank::in_memory();
    assert!(matches!(copy.replicate(&events[1]), Err(ChangeError::Gap { expected: 1, got: 2 })));
    copy.replicate(&events[0]).unwrap();
    assert!(matches!(copy.replicate(&events[0]), Err(ChangeError::Gap { expected: 2, got: 1 })));
    let forged = Event { change: events[0].change.clone(), ..events[1].clone() };
    assert!(matches!(copy.replicate(&forged), Err(ChangeError::NameTaken { .. })));
    copy.replicate(&events[1]).unwrap();
    assert_eq!(copy.check(&probes()[1], NOW).unwrap(), bank.check(&probes()[1], NOW).unwrap());
    // A log keeps milliseconds, and a bank shows what its log keeps.
    let time = NOW + Duration::from_nanos(1_234_567_890);
    let change = Change::Policy {
        collection: "x".to_owned(),
        policy: Some(Policy { expires: Some(time), ..Policy::default() }),
    };
    bank.replicate(&Event { sequence: 3, time, change, ..events[0].clone() }).unwrap();
    let change = events[0].change.clone();
    bank.remove("a").unwrap();
    bank.replicate(&Event { sequence: 5, time, change, ..events[0].clone() }).unwrap();
    let reader = Bank::open_read_only(folder.path()).unwrap();
    assert_eq!((reader.list(), reader.policies()), (bank.list(), bank.policies()));
}

#[test]
fn legal_hold_keeps_references_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    let held = Policy { legal_hold: true, shadow: true, ..Policy::default() };
    bank.set_policy("court", held).unwrap();
    bank.add("a", About::of("court"), fingerprint_of(1)).unwrap();
    for refused in [
        bank.remove("a"),
        bank.move_to("a", "default"),
        bank.undo(2).map(|_| ()),
        bank.add("a", "", fingerprint_of(1)).map(|_| ()),
    ] {
        assert!(matches!(refused, Err(ChangeError::Held { .. })), "{refused:?}");
    }
    // Its matches are written down though they do not act.
    let verdict = bank.check(&probes()[0], NOW).unwrap();
    assert_eq!((verdict.action, verdict.matches[0].held), (Some(Action::Log), Some(Held::Shadow)));
    bank.relabel("a", "case 5").unwrap();
    bank.set_policy("court", None).unwrap();
    bank.remove("a").unwrap();
}

#[test]
fn a_suspended_reference_stays_so_when_it_is_added_again() {
    let bank = Bank::in_memory();
    bank.add("a", "", fingerprint_of(1)).unwrap();
    bank.suspend("a", true).unwrap();
    assert_eq!(bank.add("a", "", fingerprint_of(1)).unwrap(), Added::Unchanged);
    assert!(!bank.check(&probes()[0], NOW).unwrap().is_match());
    assert_eq!(bank.check(&probes()[0], NOW).unwrap().matches[0].held, Some(Held::Suspended));
    bank.suspend("a", false).unwrap();
    assert!(bank.check(&probes()[0], NOW).unwrap().is_match());
}

#[test]
fn policies_that_mean_nothing_are_refused() {
    let bank = Bank::in_memory();
    for bad in [
        Policy { false_matches: 0.0, ..Policy::default() },
        Policy { false_matches: f64::NAN, ..Policy::default() },
        Policy { rollout: 1.5, ..Policy::default() },
        Policy { min_query_share: -0.1, ..Policy::default() },
        Policy { min_seconds: f64::INFINITY, ..Policy::default() },
        Policy { action: Action::Allow, legal_hold: true, ..Policy::default() },
    ] {
        assert!(matches!(bank.set_policy("terror", bad), Err(ChangeError::Policy { .. })), "{bad:?}");
    }
    assert!(matches!(bank.set_policy("", Policy::default()), Err(ChangeError::Text { .. })));
}

#[test]
fn times_are_kept_to_the_millisecond() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank::open(folder.path()).unwrap();
    let expires = Some(NOW + Duration::from_nanos(1_234_567_890));
    bank.set_policy("terror", Policy { expires, ..Policy::default() }).unwrap();
    let shown = bank.policies();
    drop(bank);
    assert_eq!(Bank::open_read_only(folder.path()).unwrap().policies(), shown);
    assert_eq!(shown.of("terror").policy.expires, Some(NOW + Duration::from_millis(1234)));
    // What no clock will show is not long ago.
    let bank = Bank::open(folder.path()).unwrap();
    let expires = Some(NOW + Duration::from_secs(1 << 60));
    bank.set_policy("terror", Policy { expires, ..Policy::default() }).unwrap();
    assert!(bank.policies().of("terror").policy.expires > Some(NOW + Duration::from_secs(1 << 50)));
}
