//! Conversion of any sample rate to the one that everything after it works at.

/// Samples a second after conversion.
pub(super) const RATE: u32 = 8_000;

/// Rates that are understood; a stream of another rate gives no sound.
const SANE: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

/// Half the length of the filter, in samples of the slower of the two rates.
const HALF: f64 = 6.0;

/// Shape of the Kaiser window: some 45 dB of stop-band attenuation.
const BETA: f64 = 4.0;

/// Positions between two input samples that have a filter of their own, where the ratio of rates needs more.
const MAX_PHASES: u64 = 1_024;

/// A streaming windowed-sinc resampler (Kaiser window; Smith, "Digital Audio Resampling").
///
/// Output sample `n` lies at input position `n · rate / 8000`, computed in integers, so that neither drift nor
/// the size of the blocks can change a result.
#[derive(Debug)]
pub(super) struct Resampler {
    rate: u64,
    phases: u64,
    taps: usize,
    /// One filter of `taps` weights after another, by phase.
    weights: Vec<f32>,
    /// Input not yet used up; the first sample is number `base` of the stream, which begins with `taps / 2` zeros.
    pending: Vec<f32>,
    base: u64,
    made: u64,
}

impl Resampler {
    /// `None` where the rate is not a sane one.
    pub(super) fn new(rate: u32) -> Option<Self> {
        if !SANE.contains(&rate) {
            return None;
        }
        let stretch = f64::from(rate) / f64::from(rate.min(RATE));
        let half = (HALF * stretch).ceil() as usize;
        // A multiple of eight lets the products run in whole vector registers.
        let taps = (2 * half).next_multiple_of(8);
        let phases = (u64::from(RATE) / gcd(u64::from(rate), u64::from(RATE))).min(MAX_PHASES);
        let mut weights = Vec::with_capacity(phases as usize * taps);
        for phase in 0..phases {
            let start = weights.len();
            let centre = (taps / 2 - 1) as f64 + phase as f64 / phases as f64;
            weights.extend((0..taps).map(|tap| kernel((tap as f64 - centre) / stretch) as f32));
            let sum: f32 = weights[start..].iter().sum();
            weights[start..].iter_mut().for_each(|weight| *weight /= sum);
        }
        let pending = vec![0.0; taps / 2 - 1];
        Some(Self { rate: u64::from(rate), phases, taps, weights, pending, base: 0, made: 0 })
    }

    /// Takes the next block and hands on what can be made from it. What is not a number counts as silence.
    pub(super) fn push(&mut self, block: &[f32], out: &mut Vec<f32>) {
        self.pending.extend(block.iter().map(|&x| if x.is_finite() { x.clamp(-64.0, 64.0) } else { 0.0 }));
        loop {
            let position = self.made * self.rate;
            let whole = position / u64::from(RATE);
            let phase = position % u64::from(RATE) * self.phases / u64::from(RATE);
            let at = (whole - self.base) as usize;
            let Some(input) = self.pending.get(at..at + self.taps) else { break };
            let filter = phase as usize * self.taps;
            out.push(dot(input, &self.weights[filter..filter + self.taps]));
            self.made += 1;
        }
        let used = ((self.made * self.rate / u64::from(RATE) - self.base) as usize).min(self.pending.len());
        self.pending.drain(..used);
        self.base += used as u64;
    }
}

/// The sum of products, in eight strands that add up in a fixed order.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut strands = [0.0f32; 8];
    let (a, rest_a) = a.as_chunks::<8>();
    let (b, rest_b) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            strands[lane] += a[lane] * b[lane];
        }
    }
    let tail: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    let [s0, s1, s2, s3, s4, s5, s6, s7] = strands;
    ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)) + tail
}

/// Kaiser-windowed sinc at `x` samples of the slower rate from its middle.
fn kernel(x: f64) -> f64 {
    let inside = 1.0 - (x / HALF).powi(2);
    if inside <= 0.0 {
        return 0.0;
    }
    let sinc =
        if x.abs() < 1e-9 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    sinc * bessel_i0(BETA * inside.sqrt())
}

/// The modified Bessel function of order nought, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: u32, input: &[f32], block: usize) -> Vec<f32> {
        let mut out = Vec::new();
        let mut resampler = Resampler::new(rate).unwrap();
        input.chunks(block).for_each(|block| resampler.push(block, &mut out));
        out
    }

    fn tone(rate: u32, frequency: f64) -> Vec<f32> {
        (0..rate)
            .map(|n| (std::f64::consts::TAU * frequency * f64::from(n) / f64::from(rate)).sin() as f32)
            .collect()
    }

    #[test]
    fn tones_below_the_band_edge_pass_and_those_above_do_not() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 44_099] {
            let out = run(rate, &tone(rate, 1_000.0), 1_000);
            assert!((7_980..=8_000).contains(&out.len()), "{rate}: {}", out.len());
            for (n, &y) in out.iter().enumerate().skip(50).take(7_800) {
                let want = (std::f64::consts::TAU * 1_000.0 * n as f64 / 8_000.0).sin();
                assert!((f64::from(y) - want).abs() < 0.02, "{rate} {n}: {y} {want}");
            }
            if rate >= 16_000 {
                let out = run(rate, &tone(rate, 5_500.0), 1_000);
                let power = out[50..].iter().map(|y| y * y).sum::<f32>() / out.len() as f32;
                assert!(power < 2e-4, "{rate}: {power}");
            }
        }
    }

    #[test]
    fn blocks_do_not_matter() {
        let input = tone(44_100, 1_234.5);
        let whole = run(44_100, &input, input.len());
        for block in [1, 7, 160, 4_096] {
            assert_eq!(run(44_100, &input, block), whole);
        }
    }

    #[test]
    fn mad_rates_are_refused() {
        assert!(Resampler::new(0).is_none());
        assert!(Resampler::new(u32::MAX).is_none());
        assert!(Resampler::new(1_000_000).is_some());
    }
}
