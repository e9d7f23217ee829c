//! Bands of light that roll over what is filmed off a screen, and how they are taken away.
//!
//! A camera reads its lines one after the other while the screen, or the lamp, goes on and off: what it films is brighter in
//! some lines than in others, and these move. Which parts of the picture grow brighter would tell of the bands alone. They
//! are the same all along a line, which is a row, or a column if the camera was turned: each is compared with what it is in
//! the mean of some seconds. A camera that pans over smooth scenery can look like that, too, so that a search compares with
//! and without.

use super::print::Raster;

/// Rasters on either side that a mean is taken over: two seconds.
const REACH: usize = 8;

/// One raster of so many is looked at to tell whether there are bands.
const EVERY: usize = 5;

/// Pixels of fewer levels tell nothing of how bright the light is.
const DARK: u32 = 16;

/// Pixels of a line that are not dark, at the least.
const FEW: usize = 16;

/// How much brighter or darker than all lines one is in the mean, at the least.
const FAINT: f32 = 0.02;

/// Times that bands exceed what else changes along a line: where the camera moves, lines change for other reasons.
const CLEAR: f32 = 1.5;

/// Lines on either side that a line is smoothed with.
const SMOOTH: usize = 2;

/// The least light that a line is taken to have, against the mean.
const DIMMEST: f32 = 0.1;

/// The rasters without their bands. `None` where there seem to be none.
pub(super) fn without_bands(rasters: &[Raster]) -> Option<Vec<Raster>> {
    let is_alike = |a: &Raster, b: &Raster| a.size() == b.size();
    let banded = |run: &[Raster]| {
        let each = [Along::Rows, Along::Columns].into_iter();
        each.filter(|_| !run[0].pixels.is_empty()).find(|along| has_bands(run, *along))
    };
    let found: Vec<Option<Along>> = rasters.chunk_by(is_alike).map(banded).collect();
    // Rasters of hours are copied only where they have to be.
    found.iter().any(Option::is_some).then(|| {
        let mut flat = rasters.to_vec();
        for (run, along) in flat.chunk_by_mut(is_alike).zip(found) {
            along.into_iter().for_each(|along| flatten(run, along));
        }
        flat
    })
}

/// Whether most of the rasters that are looked at have bands.
fn has_bands(run: &[Raster], along: Along) -> bool {
    let (mut number, mut looked, mut banded) = (0, 0, 0);
    for_each_mean(run, |raster, mean| {
        if number % EVERY == EVERY / 2 {
            looked += 1;
            banded += usize::from(Light::of(raster, mean, along).is_banded());
        }
        number += 1;
    });
    2 * banded > looked
}

/// Gives all lines the light that they have in the mean.
fn flatten(run: &mut [Raster], along: Along) {
    let mut gains = Vec::with_capacity(run.len());
    for_each_mean(run, |raster, mean| gains.push(Light::of(raster, mean, along).smoothed()));
    for (raster, gains) in run.iter_mut().zip(gains) {
        for (line, gain) in gains.into_iter().enumerate() {
            for place in along.places(raster.size(), line) {
                raster.pixels[place] = (f32::from(raster.pixels[place]) / gain).round() as u8;
            }
        }
    }
}

/// Calls `look` with each raster, and the mean of those around it.
fn for_each_mean(run: &[Raster], mut look: impl FnMut(&Raster, &Mean)) {
    let mut mean = Mean { sums: vec![0; run[0].pixels.len()], count: 0 };
    run.iter().take(REACH).for_each(|raster| mean.add(raster));
    for (place, raster) in run.iter().enumerate() {
        run.get(place + REACH).into_iter().for_each(|next| mean.add(next));
        place.checked_sub(REACH + 1).into_iter().for_each(|last| mean.remove(&run[last]));
        look(raster, &mean);
    }
}

/// The mean of some rasters, as a sum.
struct Mean {
    sums: Vec<u32>,
    count: u32,
}

impl Mean {
    fn add(&mut self, raster: &Raster) {
        self.sums.iter_mut().zip(&raster.pixels).for_each(|(sum, pixel)| *sum += u32::from(*pixel));
        self.count += 1;
    }

    fn remove(&mut self, raster: &Raster) {
        self.sums.iter_mut().zip(&raster.pixels).for_each(|(sum, pixel)| *sum -= u32::from(*pixel));
        self.count -= 1;
    }
}

/// Which lines are read one after the other.
#[derive(Clone, Copy)]
enum Along {
    Rows,
    Columns,
}

impl Along {
    fn count(self, (width, height): (usize, usize)) -> usize {
        match self {
            Self::Rows => height,
            Self::Columns => width,
        }
    }

    /// The places of the pixels of a line.
    fn places(self, (width, height): (usize, usize), line: usize) -> impl Iterator<Item = usize> {
        let (start, step, count) = match self {
            Self::Rows => (line * width, 1, width),
            Self::Columns => (line, width, height),
        };
        (0..count).map(move |pixel| start + step * pixel)
    }
}

/// How bright the lines of a raster are against the mean.
struct Light {
    /// For each line the median of its pixels; 1 where too few tell.
    gains: Vec<f32>,
    /// How far pixels are from the median of their line, in the median.
    spread: f32,
}

impl Light {
    fn of(raster: &Raster, mean: &Mean, along: Along) -> Self {
        let (mut gains, mut spreads, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for line in 0..along.count(raster.size()) {
            ratios.clear();
            let pairs =
                along.places(raster.size(), line).map(|place| (raster.pixels[place], mean.sums[place]));
            let bright = pairs.filter(|(_, sum)| *sum >= DARK * mean.count);
            ratios.extend(bright.map(|(pixel, sum)| f32::from(pixel) * mean.count as f32 / sum as f32));
            if ratios.len() < FEW {
                gains.push(1.0);
                continue;
            }
            let gain = median(&mut ratios);
            ratios.iter_mut().for_each(|ratio| *ratio = (*ratio - gain).abs());
            spreads.push(median(&mut ratios));
            gains.push(gain.max(DIMMEST));
        }
        let spread = if spreads.is_empty() { f32::INFINITY } else { median(&mut spreads) };
        Self { gains, spread }
    }

    fn is_banded(&self) -> bool {
        let mean = |values: &mut dyn Iterator<Item = f32>| values.sum::<f32>() / self.gains.len() as f32;
        let all = mean(&mut self.gains.iter().copied());
        let apart = mean(&mut self.gains.iter().map(|gain| (gain - all).abs()));
        apart >= FAINT && apart >= CLEAR * self.spread
    }

    /// The light of each line and those beside it.
    fn smoothed(&self) -> Vec<f32> {
        let around = |line: usize| {
            let few = &self.gains[line.saturating_sub(SMOOTH)..self.gains.len().min(line + SMOOTH + 1)];
            few.iter().sum::<f32>() / few.len() as f32
        };
        (0..self.gains.len()).map(around).collect()
    }
}

/// The middle one of some values; there is one at the least.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (64, 36);
    const COUNT: usize = 40;

    /// A scene in which something moves, in a light that depends on the place and the time.
    fn film(light: impl Fn(usize, usize, usize) -> f32) -> Vec<Raster> {
        let raster = |time: usize| {
            let pixel = |x: usize, y: usize| {
                let moves = x.abs_diff(time) < 6 && y.abs_diff(18) < 6;
                let scene = if moves { 30.0 } else { 100.0 + ((x * 7 + y * 13) % 41) as f32 };
                (scene * light(x, y, time)).round() as u8
            };
            let pixels = (0..SIZE.0 * SIZE.1).map(|place| pixel(place % SIZE.0, place / SIZE.0)).collect();
            Raster { width: SIZE.0, height: SIZE.1, pixels }
        };
        (0..COUNT).map(raster).collect()
    }

    fn wave(line: usize, lines: usize, time: usize) -> f32 {
        let turns = 1.3 * line as f32 / lines as f32 + 0.17 * time as f32;
        0.8 + 0.2 * (std::f32::consts::TAU * turns).sin()
    }

    /// The mean difference of two films, each less its mean, in levels.
    fn apart(a: &[Raster], b: &[Raster]) -> f32 {
        let one = |(a, b): (&Raster, &Raster)| {
            let mean = |raster: &Raster| {
                raster.pixels.iter().map(|p| f32::from(*p)).sum::<f32>() / raster.pixels.len() as f32
            };
            let (of_a, of_b) = (mean(a), mean(b));
            let pairs = a.pixels.iter().zip(&b.pixels);
            let sum: f32 = pairs.map(|(a, b)| (f32::from(*a) / of_a - f32::from(*b) / of_b).abs()).sum();
            100.0 * sum / a.pixels.len() as f32
        };
        a.iter().zip(b).map(one).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn bands_are_taken_away() {
        let plain = film(|_, _, _| 1.0);
        let rows = film(|_, y, time| wave(y, SIZE.1, time));
        let columns = film(|x, _, time| wave(x, SIZE.0, time));
        for banded in [rows, columns] {
            let before = apart(&banded, &plain);
            let after = apart(&without_bands(&banded).unwrap(), &plain);
            assert!(before > 10.0 && after < before / 4.0, "{before} {after}");
        }
    }

    #[test]
    fn other_films_have_no_bands() {
        let flickering = film(|_, _, time| if time % 3 == 0 { 0.7 } else { 1.0 });
        let gone: Vec<Raster> = (0..5).map(|_| Raster::default()).collect();
        let black = vec![Raster { width: 3, height: 2, pixels: vec![0; 6] }; 20];
        for film in [film(|_, _, _| 1.0), flickering, gone, black, Vec::new()] {
            assert!(without_bands(&film).is_none());
        }
    }
}
