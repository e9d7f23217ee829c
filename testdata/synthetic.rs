//! Synthetic films: textured scenes that move and are cut, with a soundtrack that is half music and half speech.
//!
//! Everything follows from a seed. The file stands alone so that tests, benches and examples can include it by its path.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::f64::consts::TAU;

/// A small generator of random numbers (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly between two numbers.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

const SIDE: usize = 512;

/// A square of value noise in five octaves that tiles the plane.
#[derive(Clone, Debug)]
struct Texture(Vec<u8>);

impl Texture {
    fn new(random: &mut Random) -> Self {
        let mut sum = vec![0.0; SIDE * SIDE];
        for octave in 2..7 {
            let cells = 1 << octave;
            let lattice: Vec<f64> = (0..cells * cells).map(|_| random.between(-1.0, 1.0)).collect();
            let scale = cells as f64 / SIDE as f64;
            let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
            for y in 0..SIDE {
                let (v, fv) = ((y as f64 * scale) as usize, smooth((y as f64 * scale).fract()));
                for x in 0..SIDE {
                    let (u, fu) = ((x as f64 * scale) as usize, smooth((x as f64 * scale).fract()));
                    let at = |u: usize, v: usize| lattice[(v % cells) * cells + u % cells];
                    let top = at(u, v) + (at(u + 1, v) - at(u, v)) * fu;
                    let bottom = at(u, v + 1) + (at(u + 1, v + 1) - at(u, v + 1)) * fu;
                    sum[y * SIDE + x] += (top + (bottom - top) * fv) * 0.7f64.powi(octave);
                }
            }
        }
        Self(sum.iter().map(|v| (128.0 + v * 180.0).clamp(0.0, 255.0) as u8).collect())
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        let wrap = |v: f64| (v.floor() as i64).rem_euclid(SIDE as i64) as usize;
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let get =
            |dx: usize, dy: usize| f64::from(self.0[(wrap(y) + dy) % SIDE * SIDE + (wrap(x) + dx) % SIDE]);
        let top = get(0, 0) + (get(1, 0) - get(0, 0)) * fx;
        let bottom = get(0, 1) + (get(1, 1) - get(0, 1)) * fx;
        top + (bottom - top) * fy
    }
}

/// An ellipse with a texture of its own that crosses the picture.
#[derive(Clone, Debug)]
struct Actor {
    from: [f64; 2],
    speed: [f64; 2],
    radius: [f64; 2],
    shade: f64,
    skip: f64,
}

#[derive(Clone, Debug)]
struct Shot {
    start: f64,
    texture: Texture,
    pan: [f64; 2],
    zoom: f64,
    light: f64,
    actors: Vec<Actor>,
}

/// A film without end.
#[derive(Clone, Debug)]
pub struct Film {
    shots: Vec<Shot>,
    seed: u64,
}

impl Film {
    /// `seconds` of film that follow from `seed`.
    pub fn new(seed: u64, seconds: f64) -> Self {
        let mut random = Random(seed);
        let mut shots = Vec::new();
        let mut start = 0.0;
        while start < seconds {
            let actors = (0..4)
                .map(|_| Actor {
                    from: [random.between(0.1, 0.9), random.between(0.1, 0.9)],
                    speed: [random.between(-0.2, 0.2), random.between(-0.15, 0.15)],
                    radius: [random.between(0.05, 0.2), random.between(0.08, 0.3)],
                    shade: random.between(-70.0, 70.0),
                    skip: random.between(0.0, 500.0),
                })
                .collect();
            shots.push(Shot {
                start,
                texture: Texture::new(&mut random),
                pan: [random.between(-40.0, 40.0), random.between(-15.0, 15.0)],
                zoom: random.between(-0.03, 0.05),
                light: random.between(-30.0, 30.0),
                actors,
            });
            start += random.between(2.5, 5.0);
        }
        Self { shots, seed }
    }

    /// The luma of the picture at `time` seconds, row by row.
    pub fn luma(&self, time: f64, width: usize, height: usize) -> Vec<u8> {
        let shot = self.shots.iter().rev().find(|shot| shot.start <= time).unwrap_or(&self.shots[0]);
        let t = time - shot.start;
        let scale = 360.0 / height as f64 / (1.0 + shot.zoom * t);
        let aspect = width as f64 / height as f64;
        let mut out = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f64 - width as f64 / 2.0, y as f64 - height as f64 / 2.0);
                let mut value =
                    shot.texture.at(u * scale + shot.pan[0] * t, v * scale + shot.pan[1] * t) + shot.light;
                for actor in &shot.actors {
                    let cx = actor.from[0] + actor.speed[0] * t;
                    let cy = actor.from[1] + actor.speed[1] * t;
                    let dx = (x as f64 / width as f64 - cx) / actor.radius[0] * aspect / 1.8;
                    let dy = (y as f64 / height as f64 - cy) / actor.radius[1];
                    if dx * dx + dy * dy < 1.0 {
                        value = shot.texture.at(dx * 60.0 + actor.skip, dy * 60.0 + actor.skip) + actor.shade;
                    }
                }
                out.push(value.clamp(0.0, 255.0) as u8);
            }
        }
        out
    }

    /// `count` samples of sound from the sample `first` on, `rate` a second, in −1…1.
    pub fn sound(&self, first: usize, count: usize, rate: u32) -> Vec<f32> {
        (first..first + count).map(|n| self.sample(n as f64 / f64::from(rate)) as f32).collect()
    }

    /// Chords of plucked strings, and syllables of a voice: harmonics of a gliding pitch under two formants.
    fn sample(&self, t: f64) -> f64 {
        let draw = |what: u64, slot: f64| {
            let mut random =
                Random(self.seed ^ (what << 40) ^ (slot as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
            random.next();
            random
        };
        let mut out = 0.0;
        let beat = (t / 0.4).floor();
        let since = t - beat * 0.4;
        let mut note = draw(1, beat);
        for _ in 0..3 {
            let pitch = 110.0 * 2f64.powf((note.between(0.0, 36.0)).floor() / 12.0);
            for harmonic in 1..6 {
                let h = f64::from(harmonic);
                out += (TAU * pitch * h * t).sin() * (-since * (2.0 + h)).exp() / h * 0.08;
            }
        }
        let syllable = (t / 0.23).floor();
        let inside = t / 0.23 - syllable;
        let mut voice = draw(2, syllable);
        let (pitch, f1, f2) =
            (voice.between(95.0, 160.0), voice.between(300.0, 800.0), voice.between(900.0, 2300.0));
        let loud = voice.between(-0.4, 1.0).max(0.0) * (inside * std::f64::consts::PI).sin();
        for harmonic in 1..22 {
            let f = pitch * f64::from(harmonic);
            let gain = (-((f - f1) / 120.0).powi(2)).exp() + 0.6 * (-((f - f2) / 180.0).powi(2)).exp();
            out +=
                (TAU * f * (t - 0.1 * inside * inside / f64::from(harmonic + 20))).sin() * gain * loud * 0.2;
        }
        out.clamp(-1.0, 1.0)
    }
}
