//! What each stage costs: PDQ, frame codes, sound, and a check against a bank.
//!
//! Each figure is for media of a known length, so that it can be set against real time: a film is 10 s, picture and sound.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use afterimage::media::{Frame, Luma, Samples};
use afterimage::picture::Spectrum;
use afterimage::{Bank, Fingerprinter, Probe, Sink};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::SystemTime;
use synthetic::Film;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const RATE: u32 = 8000;

/// The frames, 8 a second, and the samples of 10 s.
struct Decoded {
    frames: Vec<Vec<u8>>,
    samples: Vec<f32>,
}

impl Decoded {
    fn new(seed: u64) -> Self {
        let film = Film::new(seed, 10.0);
        let frames = (0..80).map(|n| film.luma(f64::from(n) / 8.0, WIDTH, HEIGHT)).collect();
        Self { frames, samples: film.sound(0, 10 * RATE as usize, RATE) }
    }

    fn watch(&self, mut fingerprinter: Fingerprinter) -> Probe {
        for (n, frame) in self.frames.iter().enumerate() {
            fingerprinter.frame(Frame { luma: luma(frame), time: n as f64 / 8.0 });
        }
        for block in self.samples.chunks(1000) {
            fingerprinter.samples(Samples { mono: block, rate: RATE });
        }
        fingerprinter.finish()
    }
}

fn luma(frame: &[u8]) -> Luma<'_> {
    Luma::new(WIDTH, HEIGHT, WIDTH, frame).expect("the plane is whole")
}

fn fingerprints(c: &mut Criterion) {
    let film = Decoded::new(1);
    c.bench_function("pdq/one frame of 640x360, eight hashes", |b| {
        b.iter(|| black_box(Spectrum::of_luma(&luma(&film.frames[0])).dihedral()));
    });
    c.bench_function("picture/10 s at 640x360", |b| {
        b.iter(|| film.watch(Fingerprinter::new().without_sound()));
    });
    c.bench_function("sound/10 s", |b| {
        b.iter(|| film.watch(Fingerprinter::new().without_picture()));
    });
}

fn searches(c: &mut Criterion) {
    let bank = Bank::in_memory();
    let films: Vec<Decoded> = (1..=8).map(Decoded::new).collect();
    for (n, film) in films.iter().enumerate() {
        bank.add(&n.to_string(), "", film.watch(Fingerprinter::new()).fingerprint())
            .expect("the name is new");
    }
    for (what, film) in [("copy", &films[3]), ("stranger", &Decoded::new(99))] {
        let probe = film.watch(Fingerprinter::new());
        c.bench_function(&format!("match/10 s against 80 s, {what}"), |b| {
            b.iter_batched(
                || &probe,
                |probe| bank.check(probe, SystemTime::UNIX_EPOCH).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group! {
    name = stages;
    config = Criterion::default().sample_size(10);
    targets = fingerprints, searches
}
criterion_main!(stages);
