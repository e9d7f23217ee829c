//! What a service watches: numbers come by the `metrics` facade and name nothing that is private.

use afterimage::bank::About;
use afterimage::{Bank, Fingerprinter};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder};
use metrics::{SharedString, Unit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Keeps the last value, the sum or the count of all that it is told.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

struct One(Kept, String);

impl One {
    fn change(&self, by: impl FnOnce(&mut f64)) {
        by(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.change(|sum| *sum += value as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|sum| *sum = value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.change(|now| *now += value);
    }

    fn decrement(&self, value: f64) {
        self.change(|now| *now -= value);
    }

    fn set(&self, value: f64) {
        self.change(|now| *now = value);
    }
}

impl HistogramFn for One {
    fn record(&self, _: f64) {
        self.change(|count| *count += 1.0);
    }
}

impl Kept {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<String> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        Arc::new(One(self.clone(), format!("{} {}", key.name(), labels.join(","))))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.one(key).into()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.one(key).into()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.one(key).into()
    }
}

#[test]
fn checks_and_changes_are_counted_without_names() {
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || {
        let bank = Bank::in_memory();
        let nothing = Fingerprinter::new().finish();
        bank.add("secret.mp4", About::of("terror").labelled("private"), nothing.fingerprint()).unwrap();
        bank.check(&nothing, SystemTime::UNIX_EPOCH).unwrap();
        bank.check(&nothing, SystemTime::UNIX_EPOCH).unwrap();
        bank.remove("secret.mp4").unwrap();
        assert!(bank.remove("secret.mp4").is_err());
    });
    let kept = kept.0.lock().unwrap();
    for (key, value) in [
        ("afterimage_changes_total kind=add", 1.0),
        ("afterimage_changes_total kind=remove", 1.0),
        ("afterimage_checks_total action=none", 2.0),
        ("afterimage_stage_seconds stage=picture", 2.0),
        ("afterimage_stage_seconds stage=sound", 2.0),
        ("afterimage_errors_total kind=unknown", 1.0),
        ("afterimage_sequence ", 2.0),
        ("afterimage_references ", 0.0),
    ] {
        assert_eq!(kept.get(key), Some(&value), "{key} of {:?}", kept.keys());
    }
    assert!(kept.keys().all(|key| !key.contains("secret") && !key.contains("private")));
}
