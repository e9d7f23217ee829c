use super::{Fingerprint, FingerprintError, Fingerprinter, Probe, Spec};
use crate::media::{Frame, Luma, Samples, Sink};
use crate::synthetic;
use proptest::prelude::*;
use proptest::sample::Index;
use std::cell::Cell;
use std::sync::LazyLock;

const RATE: u32 = 8000;

/// `seconds` of a film at 160×90 and 12 frames a second, sound and picture interleaved.
fn play(seed: u64, seconds: u32, sink: &mut impl Sink) {
    let film = synthetic::Film::new(seed, f64::from(seconds));
    for n in 0..seconds * 12 {
        let time = f64::from(n) / 12.0;
        let data = film.luma(time, 160, 90);
        sink.frame(Frame { luma: Luma::new(160, 90, 160, &data).unwrap(), time });
        if n % 12 == 0 {
            let mono = film.sound((n / 12 * RATE) as usize, RATE as usize, RATE);
            sink.samples(Samples { mono: &mono, rate: RATE });
        }
    }
}

/// Three seconds of film, made once.
fn probe() -> &'static Probe {
    static PROBE: LazyLock<Probe> = LazyLock::new(|| {
        let mut fingerprinter = Fingerprinter::new();
        play(7, 3, &mut fingerprinter);
        fingerprinter.finish()
    });
    &PROBE
}

#[test]
fn a_glance_needs_no_more_than_the_start() {
    let played = |seconds: u32| {
        let mut fingerprinter = Fingerprinter::new();
        play(7, seconds, &mut fingerprinter);
        fingerprinter.finish()
    };
    let [short, long] = [22, 30].map(|seconds| played(seconds).glance());
    assert_eq!(short.duration, Probe::GLANCE);
    assert_eq!(short.picture, long.picture);
    assert_eq!(short.fingerprint(), long.fingerprint());
    let [short_sound, long_sound] = [&short, &long].map(|probe| &probe.sound.heard()[0]);
    assert_eq!(short_sound, long_sound);
    assert_eq!(short.sound.eventful().len(), short_sound.readings(short_sound.unshifted()).len());
    // What ends sooner is all there.
    assert_eq!(probe().glance().fingerprint(), probe().fingerprint());
}

/// Bytes whose checksum fits whatever was done to the rest.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn a_film_knows_its_duration() {
    let film = probe();
    assert!((film.duration - 3.0).abs() < 1e-6, "{}", film.duration);
    assert!(!film.still);
}

#[test]
fn sound_alone_has_a_duration() {
    let mut fingerprinter = Fingerprinter::new();
    fingerprinter.samples(Samples { mono: &[0.0; 4000], rate: RATE });
    assert_eq!(fingerprinter.finish().duration, 0.5);
}

#[test]
fn one_picture_is_a_still() {
    let data = synthetic::Film::new(1, 1.0).luma(0.0, 64, 64);
    let mut fingerprinter = Fingerprinter::new();
    fingerprinter.frame(Frame { luma: Luma::new(64, 64, 64, &data).unwrap(), time: 0.0 });
    let probe = fingerprinter.finish();
    assert!(probe.still);
    assert_eq!(probe.duration, 0.0);
}

#[test]
fn nonsense_times_and_rates_are_passed_over() {
    let data = [0; 64];
    let luma = Luma::new(8, 8, 8, &data).unwrap();
    let mut fingerprinter = Fingerprinter::new();
    for time in [f64::NAN, f64::INFINITY, -1.0] {
        fingerprinter.frame(Frame { luma, time });
    }
    fingerprinter.samples(Samples { mono: &[0.1; 10], rate: 0 });
    assert_eq!(fingerprinter.finish().duration, 0.0);
}

#[test]
fn a_deaf_fingerprinter_hears_nothing_and_keeps_the_duration() {
    let mut deaf = Fingerprinter::new().without_sound();
    play(7, 3, &mut deaf);
    let deaf = deaf.finish();
    assert_eq!(deaf.sound.print(), &crate::sound::Print::default());
    assert_eq!(deaf.picture.print(), probe().picture.print());
    assert_eq!(deaf.duration, probe().duration);
}

#[test]
fn bytes_and_serde_bring_back_the_same() {
    let fingerprint = probe().fingerprint();
    assert_eq!(Fingerprint::from_bytes(&fingerprint.to_bytes()).unwrap(), fingerprint);
    let text = serde_json::to_string(&fingerprint).unwrap();
    assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), fingerprint);
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let bytes = probe().fingerprint().to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Fingerprint::from_bytes(&bad).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(Fingerprint::from_bytes(&bytes[..length]).is_err(), "length {length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Fingerprint::from_bytes(&longer), Err(FingerprintError::Length)));
}

#[test]
fn another_spec_is_an_error_by_bytes_and_by_serde() {
    let mut fingerprint = probe().fingerprint();
    fingerprint.spec = Spec { sound: Spec::CURRENT.sound + 1, ..Spec::CURRENT };
    assert!(matches!(Fingerprint::from_bytes(&fingerprint.to_bytes()), Err(FingerprintError::Spec(_))));
    let text = serde_json::to_string(&fingerprint).unwrap();
    assert!(serde_json::from_str::<Fingerprint>(&text).is_err());
}

#[test]
fn a_newer_file_version_says_so() {
    let mut bytes = probe().fingerprint().to_bytes();
    bytes[4] = 9;
    let error = Fingerprint::from_bytes(&sealed(bytes)).unwrap_err();
    assert!(matches!(error, FingerprintError::Version { newest: 2, got: 9 }));
}

#[test]
fn a_duration_that_is_no_number_is_refused() {
    for seconds in [f64::NAN, f64::INFINITY, -1.0] {
        let mut bytes = probe().fingerprint().to_bytes();
        bytes[24..32].copy_from_slice(&seconds.to_le_bytes());
        assert!(matches!(Fingerprint::from_bytes(&sealed(bytes)), Err(FingerprintError::Duration)));
    }
}

proptest! {
    #[test]
    fn strangers_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Fingerprint::from_bytes(&bytes).is_err());
    }
}

/// Behind a checksum that fits, as a hostile writer would make it, what is accepted can be written again.
#[test]
fn sealed_nonsense_is_refused_or_read_as_it_is() {
    let whole = probe().fingerprint().to_bytes();
    let body = 6..whole.len() - 4;
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    proptest!(|(edits in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..3))| {
        let mut bytes = whole.clone();
        edits.iter().for_each(|(at, value)| bytes[body.start + at.index(body.len().min(400))] = *value);
        match Fingerprint::from_bytes(&sealed(bytes)) {
            Ok(read) => {
                prop_assert_eq!(Fingerprint::from_bytes(&read.to_bytes()).unwrap(), read);
                accepted.set(accepted.get() + 1);
            }
            Err(_) => refused.set(refused.get() + 1),
        }
    });
    assert!(accepted.get() > 9 && refused.get() > 9, "{accepted:?} {refused:?}");
}
