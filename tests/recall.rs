//! Attacked copies of small films, made here: each attack must be found, at the right seconds, and no stranger.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use afterimage::align::Kind;
use afterimage::media::{Frame, Luma, Samples};
use afterimage::{Bank, Fingerprint, Fingerprinter, Probe, Sink, Verdict};
use std::sync::LazyLock;
use std::time::SystemTime;
use synthetic::{Film, Random};

const WIDTH: usize = 320;
const HEIGHT: usize = 180;
const FRAMES: f64 = 8.0;
const SECONDS: f64 = 12.0;
const RATE: u32 = 8000;
/// Films that are banked, and one more that is not.
const BANKED: usize = 3;
/// Seconds by which a match may lie beside the truth.
const NEAR: f64 = 0.5;

/// A film's frames and samples, drawn once.
struct Shown {
    frames: Vec<Vec<u8>>,
    samples: Vec<f32>,
}

static FILMS: LazyLock<Vec<Shown>> = LazyLock::new(|| {
    let drawn = |seed: u64| {
        let film = Film::new(500 + seed, SECONDS);
        let times = (0..(SECONDS * FRAMES) as usize).map(|n| n as f64 / FRAMES);
        Shown {
            frames: times.map(|time| film.luma(time, WIDTH, HEIGHT)).collect(),
            samples: film.sound(0, SECONDS as usize * RATE as usize, RATE),
        }
    };
    (0..=BANKED as u64).map(drawn).collect()
});

static FINGERPRINTS: LazyLock<Vec<Fingerprint>> = LazyLock::new(|| {
    let fingerprint = |film: usize| {
        let whole = picture(|t, [x, y]| at(film, t, [x, y]).unwrap_or(0.0), SECONDS);
        let mut both = sound(&FILMS[film].samples);
        both.picture = whole.picture;
        both.fingerprint()
    };
    (0..BANKED).map(fingerprint).collect()
});

static BANK: LazyLock<Bank> = LazyLock::new(|| bank(&FINGERPRINTS));

fn bank(fingerprints: &[Fingerprint]) -> Bank {
    let bank = Bank::in_memory();
    for (film, fingerprint) in fingerprints.iter().enumerate() {
        bank.add(&film.to_string(), "", fingerprint.clone()).unwrap();
    }
    bank
}

/// The brightness of a film at a time and place, both sides of the picture being 1 long; nothing outside.
fn at(film: usize, time: f64, [x, y]: [f64; 2]) -> Option<f64> {
    let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
    let frame = FILMS[film].frames.get((time * FRAMES) as usize).filter(|_| inside && time >= 0.0)?;
    Some(f64::from(frame[(y * HEIGHT as f64) as usize * WIDTH + (x * WIDTH as f64) as usize]))
}

/// A probe of the picture that shows a brightness at each time and place.
fn picture(shows: impl Fn(f64, [f64; 2]) -> f64, seconds: f64) -> Probe {
    let mut fingerprinter = Fingerprinter::new().without_sound();
    for n in 0..(seconds * FRAMES) as usize {
        let time = n as f64 / FRAMES;
        let place = |i: usize| [(i % WIDTH) as f64 + 0.5, (i / WIDTH) as f64 + 0.5];
        let pixels: Vec<u8> = (0..WIDTH * HEIGHT)
            .map(place)
            .map(|[x, y]| shows(time, [x / WIDTH as f64, y / HEIGHT as f64]).clamp(0.0, 255.0) as u8)
            .collect();
        let luma = Luma::new(WIDTH, HEIGHT, WIDTH, &pixels).unwrap();
        fingerprinter.frame(Frame { luma, time });
    }
    fingerprinter.finish()
}

fn sound(samples: &[f32]) -> Probe {
    let mut fingerprinter = Fingerprinter::new().without_picture();
    fingerprinter.samples(Samples { mono: samples, rate: RATE });
    fingerprinter.finish()
}

/// Whether some match that acts is the film, with the second `matched` of it at the second `query`.
fn is_found(verdict: &Verdict, film: usize, query: f64, matched: f64, speed: f64) -> bool {
    verdict.acting().any(|found| {
        let there = found.matched.start + (query - found.query.start) * found.transform.speed;
        found.reference == film.to_string()
            && (found.query.start..=found.query.end).contains(&query)
            && (there - matched).abs() <= NEAR
            && (found.transform.speed - speed).abs() <= 0.05
    })
}

fn check(probe: &Probe) -> Verdict {
    BANK.check(probe, SystemTime::UNIX_EPOCH).unwrap()
}

type Place = [f64; 2];

/// What is done to the place, brightness and time of a film, as seen from the copy.
struct Attack {
    name: &'static str,
    /// Where the copy's place lies in the film.
    place: fn(Place, f64) -> Place,
    tone: fn(f64) -> f64,
    speed: f64,
    /// Seconds of the copy that show the film; another film is shown before and after.
    shown: (f64, f64),
    /// Parts of the copy that show something else: left, top, right, bottom.
    covered: &'static [[f64; 4]],
}

const NOTHING: Attack = Attack {
    name: "re-encoded",
    place: |place, _| place,
    tone: |v| v,
    speed: 1.0,
    shown: (0.0, SECONDS),
    covered: &[],
};

fn scaled([x, y]: Place, scale: f64, [u, v]: Place) -> Place {
    [(x - u) / scale, (y - v) / scale]
}

fn turned([x, y]: Place, degrees: f64) -> Place {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let aspect = WIDTH as f64 / HEIGHT as f64;
    let (dx, dy) = ((x - 0.5) * aspect, y - 0.5);
    [(cos * dx + sin * dy) / aspect + 0.5, cos * dy - sin * dx + 0.5]
}

/// A screen that is filmed at a slant by a hand that shakes.
fn filmed([x, y]: Place, time: f64) -> Place {
    let shake = |rate: f64| 0.004 * (time * rate).sin();
    let (x, y) = ((x - 0.14 + shake(9.0)) / 0.7, (y - 0.12 + shake(13.0)) / 0.74);
    let depth = 1.0 - 0.12 * x;
    [x / depth * 0.9, (y - 0.04 * x) / depth]
}

const ATTACKS: &[Attack] = &[
    NOTHING,
    Attack { name: "cropped to 60 %", place: |p, _| [0.22 + 0.6 * p[0], 0.15 + 0.6 * p[1]], ..NOTHING },
    Attack { name: "letterboxed", place: |p, _| scaled(p, 0.6, [0.2, 0.25]), ..NOTHING },
    Attack { name: "mirrored", place: |[x, y], _| [1.0 - x, y], ..NOTHING },
    Attack { name: "turned by 9°", place: |p, _| turned(scaled(p, 1.25, [-0.125; 2]), 9.0), ..NOTHING },
    Attack { name: "upside down", place: |[x, y], _| [1.0 - x, 1.0 - y], ..NOTHING },
    Attack { name: "stretched", place: |[x, y], _| [(x - 0.13) / 0.74, y], ..NOTHING },
    Attack { name: "filmed", place: filmed, tone: |v| 0.6 * v + 50.0, ..NOTHING },
    Attack { name: "in a small window", place: |p, _| scaled(p, 0.4, [0.55, 0.5]), ..NOTHING },
    Attack { name: "low contrast", tone: |v| 0.4 * v + 90.0, ..NOTHING },
    Attack { name: "gamma", tone: |v| 255.0 * (v / 255.0).powf(2.0), ..NOTHING },
    Attack { name: "negative", tone: |v| 255.0 - v, ..NOTHING },
    Attack { name: "posterised", tone: |v| (v / 48.0).floor() * 48.0, ..NOTHING },
    Attack { name: "faster by 12 %", speed: 1.12, shown: (0.0, 10.5), ..NOTHING },
    Attack { name: "excerpt of 6 s", shown: (3.0, 9.0), ..NOTHING },
    Attack {
        name: "captioned",
        covered: &[[0.05, 0.75, 0.95, 0.95], [0.0, 0.0, 0.25, 0.15], [0.7, 0.1, 0.95, 0.4]],
        ..NOTHING
    },
];

impl Attack {
    /// The copy of a film, with a bit of noise.
    fn copy(&self, film: usize) -> Probe {
        let (start, end) = self.shown;
        let covered = |[x, y]: Place| {
            self.covered.iter().any(|[left, top, right, bottom]| {
                (*left..*right).contains(&x) && (*top..*bottom).contains(&y)
            })
        };
        picture(
            |time, place| {
                let noise =
                    Random((time * 1e3) as u64 ^ place[0].to_bits() ^ place[1].to_bits().rotate_left(20))
                        .between(-4.0, 4.0);
                if !(start..end).contains(&time) {
                    return at(BANKED, time, place).unwrap_or(0.0) + noise;
                }
                if covered(place) {
                    return if ((place[0] * 40.0) as u32).is_multiple_of(2) { 230.0 } else { 20.0 };
                }
                let there = (self.place)(place, time);
                at(film, self.speed * (time - start) + self.begins(), there).map_or(30.0, self.tone) + noise
            },
            SECONDS.min(if self.speed > 1.0 { end } else { SECONDS }),
        )
    }

    /// The second of the film that is shown first.
    fn begins(&self) -> f64 {
        if self.shown.1 < SECONDS && self.speed == 1.0 { 2.0 } else { 0.0 }
    }
}

#[test]
fn every_attack_on_the_picture_is_found() {
    let mut missed = Vec::new();
    for attack in ATTACKS {
        for film in 0..BANKED {
            let verdict = check(&attack.copy(film));
            let middle = (attack.shown.0 + attack.shown.1) / 2.0;
            let there = attack.speed * (middle - attack.shown.0) + attack.begins();
            let strangers = verdict.acting().filter(|found| found.reference != film.to_string()).count();
            assert_eq!(strangers, 0, "{} of film {film}: {:?}", attack.name, verdict.matches);
            if !is_found(&verdict, film, middle, there, attack.speed) {
                missed.push((attack.name, film));
            }
        }
    }
    assert_eq!(missed, [], "of {} attacks on {BANKED} films", ATTACKS.len());
}

#[test]
fn most_attacks_are_found_in_half_the_space() {
    let small: Vec<Fingerprint> = FINGERPRINTS.iter().map(|whole| whole.clone().small()).collect();
    let bytes = |all: &[Fingerprint]| all.iter().map(|one| one.to_bytes().len()).sum::<usize>();
    assert!(2 * bytes(&small) < bytes(&FINGERPRINTS));
    let bank = bank(&small);
    let found = |attack: &Attack| {
        let verdict = bank.check(&attack.copy(0), SystemTime::UNIX_EPOCH).unwrap();
        assert!(
            verdict.acting().all(|found| found.reference == "0"),
            "{}: {:?}",
            attack.name,
            verdict.matches
        );
        verdict.is_match()
    };
    let found = ATTACKS.iter().filter(|attack| found(attack)).count();
    assert!(4 * found >= 3 * ATTACKS.len(), "{found} of {}", ATTACKS.len());
}

#[test]
fn every_attack_on_the_sound_is_found() {
    let second = RATE as usize;
    let other = &FILMS[BANKED].samples;
    let loudness = |of: &[f32]| (of.iter().map(|v| v * v).sum::<f32>() / of.len() as f32).sqrt();
    for film in 0..BANKED {
        let whole = &FILMS[film].samples;
        let mut random = Random(film as u64);
        let hiss = loudness(whole) * 3f32.sqrt();
        let noisy: Vec<f32> = whole.iter().map(|v| v + hiss * random.between(-0.7, 0.7) as f32).collect();
        let gain = loudness(whole) / loudness(other);
        let mixed: Vec<f32> = whole.iter().zip(other).map(|(a, b)| a + gain * b).collect();
        let clipped: Vec<f32> = whole.iter().map(|v| (6.0 * v).clamp(-0.5, 0.5)).collect();
        let inverted: Vec<f32> = whole.iter().map(|v| -0.3 * v).collect();
        let excerpt = [&other[..3 * second], &whole[2 * second..8 * second], &other[9 * second..]].concat();
        let copies = [("noise", noisy), ("mixed", mixed), ("clipped", clipped), ("inverted", inverted)];
        for (name, copy) in copies {
            assert!(is_found(&check(&sound(&copy)), film, 6.0, 6.0, 1.0), "{name}, film {film}");
        }
        assert!(is_found(&check(&sound(&excerpt)), film, 6.0, 5.0, 1.0), "excerpt, film {film}");
    }
}

#[test]
fn both_senses_agree_on_a_plain_copy_and_strangers_pass() {
    let mut copy = NOTHING.copy(1);
    copy.sound = sound(&FILMS[1].samples).sound;
    let verdict = check(&copy);
    assert!(verdict.acting().all(|found| found.reference == "1" && found.kind == Kind::Both));
    assert!(is_found(&verdict, 1, 6.0, 6.0, 1.0));

    let mut stranger = picture(|time, place| at(BANKED, time, place).unwrap_or(0.0), SECONDS);
    stranger.sound = sound(&FILMS[BANKED].samples).sound;
    assert!(!check(&stranger).is_match());
    assert!(!check(&picture(|_, _| 16.0, SECONDS)).is_match());
    assert!(!check(&sound(&vec![0.0; RATE as usize * 8])).is_match());
}
