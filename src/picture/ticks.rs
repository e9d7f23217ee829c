//! Frames gathered into ticks: what is shown for a quarter of a second is one picture.

use super::motion::RATE;
use super::plane::Plane;

/// The coarsest film that is sampled every quarter of a second repeats frames for at most this long, in ticks.
const LONGEST_HOLD: u64 = 40;

/// The ticks of a film, each of which is handed on when the next one begins.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    /// Ticks that were handed on.
    done: u64,
    open: Option<Tick>,
}

/// A tick and the frames shown in it: their mean has less noise and less shake than any of them.
#[derive(Debug)]
struct Tick {
    number: u64,
    sum: Plane,
    frames: f32,
}

/// What is shown during a tick.
pub(super) enum Shown {
    /// The mean of frames.
    Mean(Plane),
    /// The same as in the tick before: a slow film shows its last frame until the next.
    Held,
    /// A longer gap, which is no film at all.
    Nothing,
}

/// The tick that a moment belongs to, if there is one below `most`; the first one begins `late` by a part of a tick.
pub(super) fn number(seconds: f64, late: f64, most: u64) -> Option<u64> {
    let tick = (seconds * RATE - late + 1e-6).floor();
    (tick >= 0.0 && tick < most as f64).then_some(tick as u64)
}

impl Ticks {
    /// Takes a frame of a tick, and hands on what was shown before. A frame of an earlier tick than that of the frame before
    /// is not looked at.
    pub(super) fn push(&mut self, number: u64, frame: &Plane, mut each: impl FnMut(Shown)) {
        if let Some(open) = &mut self.open
            && number <= open.number
        {
            if number == open.number {
                open.add(frame);
            }
            return;
        }
        self.close(&mut each);
        let missing = number - self.done;
        let is_held = self.done > 0 && missing <= LONGEST_HOLD;
        for _ in 0..missing {
            each(if is_held { Shown::Held } else { Shown::Nothing });
        }
        self.done = number;
        self.open = Some(Tick { number, sum: frame.clone(), frames: 1.0 });
    }

    /// Hands on the tick under way.
    pub(super) fn close(&mut self, mut each: impl FnMut(Shown)) {
        if let Some(tick) = self.open.take() {
            each(Shown::Mean(tick.mean()));
            self.done += 1;
        }
    }
}

impl Tick {
    /// Adds a frame; one of another size belongs to another film, and is not looked at.
    fn add(&mut self, frame: &Plane) {
        if (frame.width, frame.height) == (self.sum.width, self.sum.height) {
            self.sum.pixels.iter_mut().zip(&frame.pixels).for_each(|(sum, pixel)| *sum += pixel);
            self.frames += 1.0;
        }
    }

    fn mean(mut self) -> Plane {
        self.sum.pixels.iter_mut().for_each(|pixel| *pixel /= self.frames);
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The brightness of each tick of frames of one pixel, those of a second half a tick late; -1 where nothing is shown.
    fn shown(frames: &[(f64, f32)], late: f64) -> Vec<f32> {
        let mut found: Vec<f32> = Vec::new();
        let mut show = |shown| {
            let before = found.last().copied().unwrap_or(-1.0);
            found.push(match shown {
                Shown::Mean(plane) => plane.pixels[0],
                Shown::Held => before,
                Shown::Nothing => -1.0,
            });
        };
        let mut ticks = Ticks::default();
        for &(seconds, pixel) in frames {
            if let Some(number) = number(seconds, late, 1_000) {
                ticks.push(number, &Plane { width: 1, height: 1, pixels: vec![pixel] }, &mut show);
            }
        }
        ticks.close(&mut show);
        found
    }

    #[test]
    fn frames_of_a_tick_are_one_picture() {
        let frames = Vec::from_iter((0..8).map(|n| (f64::from(n) / 8.0, n as f32)));
        assert_eq!(shown(&frames, 0.0), [0.5, 2.5, 4.5, 6.5]);
        assert_eq!(shown(&frames, 0.5), [1.5, 3.5, 5.5, 7.0]);
        assert_eq!(shown(&[(0.2, 1.0), (0.3, 2.0), (0.1, 9.0), (0.3, 4.0)], 0.0), [1.0, 3.0]);
    }

    #[test]
    fn slow_films_are_held_and_gaps_are_nothing() {
        assert_eq!(shown(&[(0.0, 1.0), (0.8, 2.0)], 0.0), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(shown(&[(0.5, 2.0)], 0.0), [-1.0, -1.0, 2.0]);
        let gap = shown(&[(0.0, 1.0), (11.0, 2.0), (500.0, 3.0)], 0.0);
        assert_eq!((gap.len(), gap[0], gap[1], gap[43], gap[44]), (45, 1.0, -1.0, -1.0, 2.0));
    }
}
