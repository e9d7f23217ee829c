//! From samples at 8 kHz to the loudness of narrow bands over time.

use super::resample::{RATE, dot};
use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};
use std::sync::Arc;

/// Samples in a frame at the usual pace: 256 ms, long enough that a small shift in time changes little.
const FRAME: usize = 2_048;

/// Samples from one frame to the next: 32 ms.
const HOP: usize = 256;

/// Sub-bands to a semitone.
pub(super) const PER_SEMITONE: usize = 4;

/// Sub-bands from one band of a word to the next: one and a quarter semitones.
pub(super) const STEP: usize = 5;

/// Bands that a word compares.
pub(super) const BANDS: usize = 33;

/// Semitones that a query may lie above or below its reference: an octave.
pub(super) const REACH: usize = 12;

/// Sub-bands in all: those of an unshifted word and the reach on either side.
pub(super) const SUB_BANDS: usize = (BANDS - 1) * STEP + 1 + 2 * REACH * PER_SEMITONE;

/// Middle of an unshifted word's lowest band, in hertz.
const LOWEST: f64 = 300.0;

/// Half the width of a band, in sub-bands: each reaches to the middles of its neighbours.
const HALF_WIDTH: f64 = STEP as f64;

/// The weights of one triangular band over the bins of the spectrum.
#[derive(Debug)]
struct Triangle {
    first: usize,
    weights: Vec<f32>,
}

/// Hann-windowed power spectra summed into overlapping triangular bands on a scale of semitones, compressed.
pub(super) struct Analyser {
    hop: usize,
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// With the numbers of their sub-bands.
    triangles: Vec<(usize, Triangle)>,
    /// Samples not yet used up.
    pending: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    power: Vec<f32>,
}

impl std::fmt::Debug for Analyser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analyser").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl Analyser {
    /// Of frames that are shorter and follow each other faster where the `pace` is above 1. Bands that no word at one of the
    /// `pitches` needs are zero.
    pub(super) fn new(pace: f64, pitches: &[HalfSemitones]) -> Self {
        let [frame, hop] = [FRAME, HOP].map(|samples| (samples as f64 / pace).round() as usize);
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(frame);
        // As loud in a short frame as in a long one.
        let loudness = FRAME as f64 / frame as f64;
        let window = (0..frame).map(|n| {
            let hann = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / frame as f64).cos();
            (loudness * hann) as f32
        });
        let is_summed = |band: &usize| pitches.iter().any(|&pitch| of_word(pitch).any(|own| own == *band));
        Self {
            hop,
            window: window.collect(),
            triangles: (0..SUB_BANDS).filter(is_summed).map(|band| (band, triangle(band, frame))).collect(),
            pending: Vec::new(),
            frame: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; frame / 2 + 1],
            fft,
        }
    }

    /// Takes the next samples and hands each finished frame to `each`.
    pub(super) fn push(&mut self, samples: &[f32], mut each: impl FnMut(&[f32; SUB_BANDS])) {
        self.pending.extend_from_slice(samples);
        let mut start = 0;
        let mut bands = [0.0; SUB_BANDS];
        while let Some(samples) = self.pending.get(start..start + self.window.len()) {
            for ((x, &sample), &weight) in self.frame.iter_mut().zip(samples).zip(&self.window) {
                *x = sample * weight;
            }
            // The buffers come from the plan itself, so their lengths fit.
            if self.fft.process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch).is_ok() {
                for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
                    *power = bin.re * bin.re + bin.im * bin.im;
                }
            }
            for (band, triangle) in &self.triangles {
                let bins = &self.power[triangle.first..triangle.first + triangle.weights.len()];
                bands[*band] = dot(bins, &triangle.weights).sqrt().sqrt();
            }
            each(&bands);
            start += self.hop;
        }
        self.pending.drain(..start);
    }
}

/// Frequency of the middle of a sub-band, which may be a fraction.
fn frequency(sub_band: f64) -> f64 {
    let semitones = sub_band / PER_SEMITONE as f64 - REACH as f64;
    LOWEST * (semitones / 12.0).exp2()
}

/// A distance between pitches.
pub(super) type HalfSemitones = i32;

/// The sub-bands of a word that is read at a pitch, at most [`REACH`] semitones from the reference's.
pub(super) fn of_word(pitch: HalfSemitones) -> impl Iterator<Item = usize> {
    let first = (REACH * PER_SEMITONE) as i32 + pitch * (PER_SEMITONE / 2) as i32;
    (0..BANDS).map(move |band| first as usize + band * STEP)
}

fn triangle(sub_band: usize, frame: usize) -> Triangle {
    let middle = sub_band as f64;
    let bin = f64::from(RATE) / frame as f64;
    // What would lie above half the rate is not there to be summed up.
    let first = ((frequency(middle - HALF_WIDTH) / bin).ceil() as usize).min(frame / 2);
    let last = ((frequency(middle + HALF_WIDTH) / bin).floor() as usize).min(frame / 2);
    let weights: Vec<f32> = (first..=last)
        .map(|n| {
            let semitones = 12.0 * (n as f64 * bin / LOWEST).log2() + REACH as f64;
            let away = (semitones * PER_SEMITONE as f64 - middle).abs();
            (1.0 - away / HALF_WIDTH).max(0.0) as f32
        })
        .collect();
    Triangle { first, weights }
}

/// Seconds from the start of a stream to the middle of its first frame.
pub(super) const FIRST_MIDDLE: f64 = FRAME as f64 / 2.0 / RATE as f64;

/// Seconds from one frame to the next.
pub(super) const HOP_SECONDS: f64 = HOP as f64 / RATE as f64;
