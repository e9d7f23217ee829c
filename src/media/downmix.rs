//! Two channels into one, without losing those that cancel.

/// Share of the louder channel's energy below which the sum of both counts as cancelled.
const CANCELS_BELOW: f32 = 0.1;
/// Share above which it counts as whole again.
const WHOLE_ABOVE: f32 = 0.3;
/// Blocks a second.
const BLOCKS: u32 = 8;
/// Twice the frequency, in hertz, at which the loudness of the middle of the band is measured.
const MIDDLE: u32 = 4_000;

/// Mixes interleaved stereo down to mono.
///
/// The mix is the mean of both channels. Where they cancel each other (one is the other's negative, as in a sound
/// track made to vanish on a mono speaker), the mean's energy falls far below the channels'; the louder channel is
/// then used alone. That holds for all of the sound or for the middle of the band: the low sounds, which have most
/// of the energy, may have been left as they were. This is decided for every eighth of a second, with hysteresis, and
/// the change is faded.
#[derive(Debug)]
pub(super) struct Downmix {
    stereo: Vec<f32>,
    block: usize,
    /// Samples by which sound of twice the middle frequency moves on.
    lag: usize,
    /// What the last block was made of, as weights of the left and right channel.
    weights: (f32, f32),
}

const MEAN: (f32, f32) = (0.5, 0.5);
const LEFT: (f32, f32) = (1.0, 0.0);
const RIGHT: (f32, f32) = (0.0, 1.0);

impl Downmix {
    pub(super) fn new(rate: u32) -> Self {
        let block = (rate / BLOCKS).max(1) as usize;
        let lag = (rate / MIDDLE).max(1) as usize;
        Self { stereo: Vec::with_capacity(2 * block), block, lag, weights: MEAN }
    }

    /// Takes interleaved samples, any number of them, and hands on blocks of mono as they fill.
    pub(super) fn push(&mut self, interleaved: impl Iterator<Item = f32>, mut emit: impl FnMut(&[f32])) {
        for sample in interleaved {
            // Decoders of damaged files give what they like.
            self.stereo.push(if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 });
            if self.stereo.len() == 2 * self.block {
                emit(&self.mix());
            }
        }
    }

    /// Hands on what is left.
    pub(super) fn finish(&mut self, mut emit: impl FnMut(&[f32])) {
        if self.stereo.len() >= 2 {
            emit(&self.mix());
        }
    }

    fn mix(&mut self) -> Vec<f32> {
        let all = Energies::of(pairs(&self.stereo));
        // The difference of samples half a period apart is loudest there.
        let earlier = pairs(&self.stereo);
        let later = pairs(&self.stereo).skip(self.lag);
        let middle = Energies::of(later.zip(earlier).map(|((l, r), (l0, r0))| (l - l0, r - r0)));
        let alone = if all.left >= all.right { LEFT } else { RIGHT };
        let old = self.weights;
        let new = match old == MEAN {
            true if all.cancel() || middle.cancel() => alone,
            false if all.are_whole() && middle.are_whole() => MEAN,
            _ => old,
        };
        self.weights = new;
        let fade = (self.stereo.len() / 2).min(64) as f32;
        let mixed = pairs(&self.stereo)
            .enumerate()
            .map(|(i, (l, r))| {
                let t = (i as f32 / fade).min(1.0);
                (old.0 + (new.0 - old.0) * t) * l + (old.1 + (new.1 - old.1) * t) * r
            })
            .collect();
        self.stereo.clear();
        mixed
    }
}

/// Energies of both channels and of their mean.
#[derive(Default)]
struct Energies {
    left: f32,
    right: f32,
    mean: f32,
}

impl Energies {
    fn of(pairs: impl Iterator<Item = (f32, f32)>) -> Self {
        pairs.fold(Self::default(), |sum, (l, r)| Self {
            left: sum.left + l * l,
            right: sum.right + r * r,
            mean: sum.mean + (l + r) * (l + r) / 4.0,
        })
    }

    fn cancel(&self) -> bool {
        self.mean < CANCELS_BELOW * self.left.max(self.right)
    }

    fn are_whole(&self) -> bool {
        self.mean > WHOLE_ABOVE * self.left.max(self.right)
    }
}

fn pairs(stereo: &[f32]) -> impl Iterator<Item = (f32, f32)> + '_ {
    stereo.chunks_exact(2).map(|c| (c[0], c[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mono(stereo: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        let mut mix = Downmix::new(800);
        mix.push(stereo.iter().copied(), |b| out.extend_from_slice(b));
        mix.finish(|b| out.extend_from_slice(b));
        out
    }

    fn energy(samples: &[f32]) -> f32 {
        samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32
    }

    fn tone(n: usize) -> impl Iterator<Item = f32> {
        (0..n).map(|i| (i as f32 * 0.37).sin())
    }

    #[test]
    fn equal_channels_are_their_mean() {
        let stereo: Vec<f32> = tone(1234).flat_map(|s| [s, s]).collect();
        assert_eq!(mono(&stereo), tone(1234).collect::<Vec<_>>());
    }

    #[test]
    fn channels_that_cancel_do_not_vanish() {
        let stereo: Vec<f32> = tone(1234).flat_map(|s| [s, -s]).collect();
        assert!(energy(&mono(&stereo)) > 0.4);
    }

    #[test]
    fn channels_that_cancel_in_the_middle_of_the_band_do_not_vanish_there() {
        let wave = |hertz: f32, n: usize| (n as f32 / 8_000.0 * hertz * std::f32::consts::TAU).sin();
        // A loud low tone is the same on both sides, a fainter one of 1.5 kHz is not.
        let stereo: Vec<f32> = (0..8_000)
            .flat_map(|n| [0.4, -0.4].map(|level| wave(100.0, n) + level * wave(1_500.0, n)))
            .collect();
        let mut out = Vec::new();
        let mut mix = Downmix::new(8_000);
        mix.push(stereo.iter().copied(), |b| out.extend_from_slice(b));
        let heard: f32 = out.iter().enumerate().map(|(n, s)| s * wave(1_500.0, n)).sum::<f32>() / 4_000.0;
        assert!((heard.abs() - 0.4).abs() < 0.02, "{heard}");
    }

    #[test]
    fn one_silent_channel_is_not_taken_for_cancelling() {
        let stereo: Vec<f32> = tone(1234).flat_map(|s| [s, 0.0]).collect();
        assert_eq!(mono(&stereo), tone(1234).map(|s| s / 2.0).collect::<Vec<_>>());
    }

    #[test]
    fn no_sample_is_lost_and_none_is_infinite() {
        let stereo = [f32::NAN, 1.0, f32::INFINITY, 1.0, 0.0, f32::NEG_INFINITY, 1.0];
        let mixed = mono(&stereo);
        assert_eq!(mixed.len(), 3);
        assert!(mixed.iter().all(|s| s.is_finite()));
    }
}
