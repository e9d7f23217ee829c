//! Frames and samples in, a probe out.

use super::Probe;
use crate::key::{Key, KeyId};
use crate::media::{Frame, Samples, Sink};
use crate::{picture, sound};

/// Seconds that no film lasts: some thirty years.
const END_OF_TIME: f64 = 1e9;

/// Makes a [`Probe`] of frames and samples that are pushed as they come, in one pass.
///
/// Picture and sound may be interleaved in any way, each in order of time. What a service already decodes is pushed
/// through [`Sink`]; files are read by [`crate::media::open`].
#[derive(Debug)]
pub struct Fingerprinter {
    picture: Option<picture::Extractor>,
    sound: Option<sound::Extractor>,
    key: KeyId,
    frames: u64,
    last: f64,
    step: f64,
    heard: f64,
}

impl Default for Fingerprinter {
    fn default() -> Self {
        Self::new()
    }
}

impl Fingerprinter {
    /// Of picture and sound.
    pub fn new() -> Self {
        Self {
            picture: Some(picture::Extractor::default()),
            sound: Some(sound::Extractor::default()),
            key: KeyId::default(),
            frames: 0,
            last: 0.0,
            step: 0.0,
            heard: 0.0,
        }
    }

    /// Of picture and sound, for a bank with this key. What it makes can be compared with nothing that was made without.
    pub fn keyed(key: &Key) -> Self {
        Self {
            picture: Some(picture::Extractor::keyed(key)),
            sound: Some(sound::Extractor::keyed(key)),
            key: key.id(),
            ..Self::new()
        }
    }

    /// Does not look: all frames are passed over.
    pub fn without_picture(self) -> Self {
        Self { picture: None, ..self }
    }

    /// Does not listen: all samples are passed over.
    pub fn without_sound(self) -> Self {
        Self { sound: None, ..self }
    }

    /// Ends the film.
    pub fn finish(self) -> Probe {
        let seen = if self.frames > 0 { self.last + self.step } else { 0.0 };
        Probe {
            key: self.key,
            duration: seen.max(self.heard),
            still: self.frames == 1 && self.heard == 0.0,
            is_glance: false,
            picture: self.picture.map(picture::Extractor::finish).unwrap_or_default(),
            sound: self.sound.map(sound::Extractor::finish).unwrap_or_default(),
        }
    }
}

impl Sink for Fingerprinter {
    fn frame(&mut self, frame: Frame<'_>) {
        // A time stamp that is no number would poison all that is reckoned with it.
        if !(0.0..END_OF_TIME).contains(&frame.time) {
            return;
        }
        if self.frames > 0 {
            self.step = (frame.time - self.last).max(0.0);
        }
        self.last = self.last.max(frame.time);
        self.frames += 1;
        if let Some(picture) = &mut self.picture {
            picture.push(frame);
        }
    }

    fn samples(&mut self, samples: Samples<'_>) {
        if samples.rate == 0 {
            return;
        }
        self.heard += samples.mono.len() as f64 / f64::from(samples.rate);
        if let Some(sound) = &mut self.sound {
            sound.push(samples);
        }
    }
}
