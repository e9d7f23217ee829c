//! Samples at one rate into samples at another.

use std::f64::consts::PI;

/// Zero crossings of the kernel on either side. With the window below, aliases are down by about 80 dB.
const CROSSINGS: usize = 16;
/// Table entries for each crossing; between them the kernel is interpolated.
const STEPS: usize = 256;
/// Kept of the band below the lower one of both Nyquist frequencies.
const BAND: f64 = 0.94;

/// Band-limited resampling by a windowed sinc (J. O. Smith, "Digital Audio Resampling"), without delay: output sample
/// `n` is the signal at `n / to` seconds.
#[derive(Debug)]
pub(super) struct Resampler {
    from: u64,
    to: u64,
    /// The kernel's right half.
    kernel: Vec<f32>,
    /// Table entries for each input sample.
    pace: f64,
    gain: f32,
    /// Input that is still needed; the first is input sample `begin`, which may lie before the start.
    held: Vec<f32>,
    begin: i64,
    /// Input samples taken, output samples given.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// Both rates in samples a second, neither 0.
    pub(super) fn new(from: u32, to: u32) -> Self {
        // Cycles of the kernel's sinc for each input sample.
        let band = BAND * (f64::from(to) / f64::from(from)).min(1.0);
        let half = Self::half(band);
        let mut kernel: Vec<f32> = (0..=CROSSINGS * STEPS)
            .map(|i| {
                let (x, r) = (i as f64 / STEPS as f64, i as f64 / (CROSSINGS * STEPS) as f64);
                let sinc = if i == 0 { 1.0 } else { (PI * x).sin() / (PI * x) };
                // Blackman's window.
                (sinc * (0.42 + 0.5 * (PI * r).cos() + 0.08 * (2.0 * PI * r).cos())) as f32
            })
            .collect();
        // The interpolation looks one entry further.
        kernel.extend([0.0, 0.0]);
        Self {
            from: from.into(),
            to: to.into(),
            kernel,
            pace: band * STEPS as f64,
            gain: band as f32,
            held: vec![0.0; half],
            begin: -(half as i64),
            taken: 0,
            given: 0,
        }
    }

    /// Input samples under half of the kernel.
    fn half(band: f64) -> usize {
        (CROSSINGS as f64 / band).ceil() as usize + 1
    }

    /// Takes input and appends to `out` what can be known from it.
    pub(super) fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.taken += input.len() as u64;
        if self.from == self.to {
            out.extend_from_slice(input);
            return;
        }
        self.held.extend_from_slice(input);
        self.give(out, u64::MAX);
    }

    /// Appends the rest, as if silence followed.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        if self.from != self.to {
            let half = Self::half(f64::from(self.gain));
            self.held.extend(std::iter::repeat_n(0.0, 2 * half));
            self.give(out, (self.taken * self.to).div_ceil(self.from));
        }
    }

    fn give(&mut self, out: &mut Vec<f32>, until: u64) {
        let half = Self::half(f64::from(self.gain)) as i64;
        while self.given < until {
            let at = u128::from(self.given) * u128::from(self.from);
            let (whole, part) =
                ((at / u128::from(self.to)) as i64, (at % u128::from(self.to)) as f64 / self.to as f64);
            // Input samples whole-half+1 ..= whole+half lie under the kernel.
            let first = (whole - half + 1 - self.begin) as usize;
            let Some(under) = self.held.get(first..first + 2 * half as usize) else { break };
            let mut sum = 0.0;
            for (i, sample) in under.iter().enumerate() {
                let away = ((i as i64 - half + 1) as f64 - part).abs() * self.pace;
                let entry = (away as usize).min(self.kernel.len() - 2);
                let (low, high) = (self.kernel[entry], self.kernel[entry + 1]);
                sum += sample * (low + (high - low) * (away - entry as f64).min(1.0) as f32);
            }
            out.push(sum * self.gain);
            self.given += 1;
        }
        // Forget what no later output needs.
        let next = (u128::from(self.given) * u128::from(self.from) / u128::from(self.to)) as i64;
        let passed = (next - half + 1 - self.begin).clamp(0, self.held.len() as i64);
        self.held.drain(..passed as usize);
        self.begin += passed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, n: usize) -> Vec<f32> {
        (0..n).map(|i| (2.0 * PI * hertz * i as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn resampled(from: u32, to: u32, input: &[f32], block: usize) -> Vec<f32> {
        let (mut resampler, mut out) = (Resampler::new(from, to), Vec::new());
        input.chunks(block).for_each(|part| resampler.push(part, &mut out));
        resampler.finish(&mut out);
        out
    }

    #[test]
    fn a_tone_stays_where_it_is() {
        for from in [48000, 44100, 22050, 11025, 8000, 6000] {
            let n = from as usize / 2;
            let out = resampled(from, 8000, &tone(from, 1000.0, n), 777);
            assert_eq!(out.len(), 4000);
            for (got, want) in out.iter().zip(tone(8000, 1000.0, 4000)).skip(200).take(3600) {
                assert!((got - want).abs() < 2e-3, "{from}: {got} {want}");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let out = resampled(48000, 8000, &tone(48000, 5000.0, 24000), 1000);
        assert!(out[200..3800].iter().all(|s| s.abs() < 1e-3));
    }

    #[test]
    fn blocks_do_not_matter() {
        let input = tone(44100, 700.0, 5000);
        assert_eq!(resampled(44100, 8000, &input, 1), resampled(44100, 8000, &input, 5000));
    }

    #[test]
    fn short_and_empty_inputs() {
        assert_eq!(resampled(44100, 8000, &[], 1).len(), 0);
        assert_eq!(resampled(44100, 8000, &[1.0], 1).len(), 1);
        assert_eq!(resampled(1000, 8000, &[1.0], 1).len(), 8);
    }
}
