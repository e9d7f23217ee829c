//! From frames to a probe, in one pass.

use super::description::secret_turns;
use super::feature::{Feature, Features, MOST_DIRECTIONS, Observed};
use super::motion::{CELLS, COLUMNS, LAG, Motion, RATE, ROWS, changes};
use super::outliers::Window;
use super::plane::Plane;
use super::print::{KeyFrame, MOST_FEATURES, ObservedFrame, Probe, Raster, USUAL_SHAPE};
use super::rolling::without_bands;
use super::ticks::{self, Shown, Ticks};
use crate::key::{Key, Turns};
use crate::media::{Frame, Luma};
use std::collections::VecDeque;

/// Ticks of which one has a key frame: the first frame that belongs to the film.
const KEY_EVERY: u64 = 4;
/// Longer side of the plane that features are found in, in pixels, key frame by key frame: fine features find a copy that
/// is shown small, and coarse ones cost little.
const SIDES: [usize; 4] = [640, 320, 960, 640];
/// The longest of them: a larger picture is not kept.
const LARGEST: usize = 960;
/// Longer side up to which a smaller frame is enlarged: a blob needs some pixels to be found.
const ENLARGED: usize = 640;
/// Size from which the print keeps a feature, in longer sides: finer detail does not survive, and where a copy
/// is shown small it is the coarse features of the reference that the fine ones of the probe look like.
const PRINT_SIGMA: f32 = 3.0 / 640.0;
/// Features that the print keeps of a key frame, each in its main direction alone: where two are as strong, the probe
/// has both.
const PRINT_FEATURES: usize = 24;
/// Keypoints that the print keeps of a still: there is no second look.
const STILL_FEATURES: usize = 200;
/// Keypoints that the probe keeps of a key frame.
const PROBE_FEATURES: usize = 150;
/// Size below which keypoints show on the largest plane only, in longer sides. They are many and unsure, and have a share
/// of their own.
const SMALL_SIGMA: f32 = 1.6 / 640.0;
/// Keypoints below that size that the probe keeps of a key frame.
const SMALL_FEATURES: usize = 60;
/// Key frames of which the probe looks for stretched copies in one as well.
const STRETCH_EVERY: usize = 4;
/// Ratios of width to height, over the true one: as it is, and as wide and narrow screens show it.
const STRETCHES: [f32; 3] = [1.0, 4.0 / 3.0, 3.0 / 4.0];
/// Pixels of the [`USUAL_SHAPE`]. A picture of quite another shape may be such a one that was squeezed, and is looked at in
/// that as well, in some of the key frames.
const USUAL_PIXELS: [usize; 2] = [640, 360];
/// How much wider or narrower quite another shape is: stretched copies of less are found without.
const SQUEEZED: std::ops::RangeInclusive<f32> = 1.45..=4.0;
/// Longer side of a raster in pixels.
const RASTER_SIDE: usize = 128;
/// A film goes on for a day at the most; what comes later is not looked at.
const MOST_TICKS: u64 = 24 * 3600 * RATE as u64;
/// Ticks that the probe has halfway between the others as well, of a quarter of an hour: a bound on what long films take.
const MOST_BETWEEN: u64 = 900 * RATE as u64;

/// Makes a [`Probe`] of frames pushed in order of time, at any rate.
#[derive(Debug, Default)]
pub struct Extractor {
    probe: Probe,
    ticks: Ticks,
    /// Halfway between the others.
    between: Ticks,
    cells: VecDeque<[f32; CELLS]>,
    /// What the print keeps of the first frame if no other follows.
    still: Vec<Feature>,
    turns: Option<Turns>,
    features: Features,
    /// The next key frame is of this second or a later one.
    next_key: u64,
    /// Frames of which it is not known yet whether they belong to the film.
    window: Window<Pending>,
}

/// What is needed of a frame when those after it are known.
#[derive(Debug)]
struct Pending {
    time: f64,
    raster: Plane,
    /// The whole picture, if it may be a key frame.
    picture: Option<Picture>,
}

impl Extractor {
    /// Of codes that only those with the key can make.
    pub fn keyed(key: &Key) -> Self {
        Self { turns: Some(secret_turns(key)), ..Self::default() }
    }

    /// Takes the next frame. Of the frames of a second the first gives features, the mean of a quarter of a second gives
    /// motion; frames that do not belong to the film give neither.
    pub fn push(&mut self, frame: Frame<'_>) {
        let Some(tick) = ticks::number(frame.time, 0.0, MOST_TICKS) else { return };
        let luma = &frame.luma;
        let size = &mut self.probe.print.size;
        if *size == [0.0; 2] {
            let longer = luma.width().max(luma.height()) as f32;
            *size = [luma.width() as f32 / longer, luma.height() as f32 / longer];
        }
        let raster = Plane::reduced(luma, RASTER_SIDE);
        let cells = cell_means(&raster);
        let picture = (tick / KEY_EVERY >= self.next_key).then(|| Picture::new(luma));
        if let Some(pending) = self.window.push(cells, Pending { time: frame.time, raster, picture }) {
            self.take(pending);
        }
    }

    /// Takes a frame that belongs to the film.
    fn take(&mut self, frame: Pending) {
        let Pending { time, raster, picture } = frame;
        let Self { probe, ticks, between, cells, .. } = self;
        if let Some(number) = ticks::number(time, 0.5, MOST_BETWEEN) {
            between.push(number, &raster, |shown| show(&mut probe.between, &shown));
        }
        let Some(tick) = ticks::number(time, 0.0, MOST_TICKS) else { return };
        ticks.push(tick, &raster, |shown| observe(probe, cells, &shown));
        let second = tick / KEY_EVERY;
        if second >= self.next_key
            && let Some(luma) = picture.as_ref().and_then(Picture::luma)
        {
            self.next_key = second + 1;
            self.key_frame(tick, &luma);
        }
    }

    /// Ends the film.
    pub fn finish(mut self) -> Probe {
        std::mem::take(&mut self.window).rest().for_each(|pending| self.take(pending));
        self.ticks.close(|shown| observe(&mut self.probe, &mut self.cells, &shown));
        self.between.close(|shown| show(&mut self.probe.between, &shown));
        let Probe { rasters, between, banded, .. } = &mut self.probe;
        *banded = [rasters, between].map(|rasters| {
            without_bands(rasters).map(|flat| std::mem::replace(rasters, flat)).unwrap_or_default()
        });
        if self.probe.rasters.len() == 1
            && let Some(key) = self.probe.print.keys.first_mut()
        {
            key.features = self.still;
        }
        self.probe
    }

    fn key_frame(&mut self, tick: u64, luma: &Luma<'_>) {
        let time = (tick * 1000 / RATE as u64) as u32;
        let number = self.probe.keys.len();
        let side = SIDES[number % SIDES.len()];
        let plane = Plane::fitted(luma, side.min(luma.width().max(luma.height()).max(ENLARGED)));
        let longer = plane.width.max(plane.height) as f32;
        let (coarse, small) = (PRINT_SIGMA * longer, SMALL_SIGMA * longer);
        self.features.take(&plane);
        let features = &self.features;
        let stretches = if number.is_multiple_of(STRETCH_EVERY) { &STRETCHES[..] } else { &STRETCHES[..1] };
        let turns = self.turns.as_ref();
        let mut all = features.strongest(PROBE_FEATURES, small.., MOST_DIRECTIONS, stretches, turns);
        all.extend(features.strongest(SMALL_FEATURES, ..small, MOST_DIRECTIONS, stretches, turns));
        self.probe.keys.push(ObservedFrame { time, features: all });
        let only = |observed: Vec<Observed>| observed.into_iter().map(|observed| observed.feature).collect();
        let kept = only(features.strongest(PRINT_FEATURES, coarse.., 1, &STRETCHES[..1], turns));
        if tick == 0 {
            self.still =
                only(features.strongest(STILL_FEATURES, .., MOST_DIRECTIONS, &STRETCHES[..1], turns));
            self.still.truncate(MOST_FEATURES);
        }
        self.probe.print.keys.push(KeyFrame { time, features: kept });
        // By the first frame: a film whose frames change their shape has one list or none.
        if is_squeezed(self.probe.print.size) {
            let features =
                if number.is_multiple_of(STRETCH_EVERY) { self.unsqueezed(luma) } else { Vec::new() };
            self.probe.unsqueezed.push(ObservedFrame { time, features });
        }
    }

    /// The features that a frame would have in the usual shape.
    fn unsqueezed(&mut self, luma: &Luma<'_>) -> Vec<Observed> {
        let [width, height] = USUAL_PIXELS;
        self.features.take(&Plane::shaped(luma, width, height));
        self.features.strongest(PROBE_FEATURES, .., MOST_DIRECTIONS, &STRETCHES[..1], self.turns.as_ref())
    }
}

/// A picture of its own memory, as large as key frames are looked at.
#[derive(Debug)]
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    fn new(luma: &Luma<'_>) -> Self {
        let (width, height) = (luma.width(), luma.height());
        if width.max(height) > LARGEST {
            let Plane { width, height, pixels } = Plane::reduced(luma, LARGEST);
            return Self { width, height, pixels: pixels.iter().map(|pixel| pixel.round() as u8).collect() };
        }
        let mut pixels = Vec::with_capacity(width * height);
        (0..height).for_each(|y| pixels.extend_from_slice(luma.row(y)));
        Self { width, height, pixels }
    }

    fn luma(&self) -> Option<Luma<'_>> {
        Luma::new(self.width, self.height, self.width, &self.pixels)
    }
}

/// Appends what is shown next.
fn show(rasters: &mut Vec<Raster>, shown: &Shown) {
    let raster = match shown {
        Shown::Mean(plane) => Raster {
            width: plane.width,
            height: plane.height,
            pixels: plane.pixels.iter().map(|p| p.round() as u8).collect(),
        },
        Shown::Held => rasters.last().cloned().unwrap_or_default(),
        Shown::Nothing => Raster::default(),
    };
    rasters.push(raster);
}

/// Appends what is shown next, and the motion code of its cells; `recent` are those before.
fn observe(probe: &mut Probe, recent: &mut VecDeque<[f32; CELLS]>, shown: &Shown) {
    show(&mut probe.rasters, shown);
    match shown {
        Shown::Mean(plane) => recent.push_back(cell_means(plane)),
        Shown::Held => recent.push_back(recent.back().copied().unwrap_or([0.0; CELLS])),
        Shown::Nothing => recent.clear(),
    }
    let motion = match (recent.front(), recent.back()) {
        (Some(before), Some(now)) if recent.len() > LAG => Motion::new(&changes(before, now, &[true; CELLS])),
        _ => Motion::default(),
    };
    if recent.len() > LAG {
        recent.pop_front();
    }
    probe.print.motion.push(motion);
}

/// Whether a picture may be one of the usual shape that was squeezed.
fn is_squeezed([width, height]: [f32; 2]) -> bool {
    let stretch = USUAL_SHAPE * height / width;
    SQUEEZED.contains(&stretch.max(1.0 / stretch))
}

/// The mean of each cell of a whole raster.
fn cell_means(raster: &Plane) -> [f32; CELLS] {
    std::array::from_fn(|c| {
        let edge = |k: usize, n: usize, side: usize| k * side / n;
        let (column, row) = (c % COLUMNS, c / COLUMNS);
        let x0 = edge(column, COLUMNS, raster.width).min(raster.width - 1);
        let y0 = edge(row, ROWS, raster.height).min(raster.height - 1);
        let x1 = edge(column + 1, COLUMNS, raster.width).max(x0 + 1);
        let y1 = edge(row + 1, ROWS, raster.height).max(y0 + 1);
        let sum: f32 = (y0..y1).map(|y| raster.row(y)[x0..x1].iter().sum::<f32>()).sum();
        sum / ((x1 - x0) * (y1 - y0)) as f32
    })
}
