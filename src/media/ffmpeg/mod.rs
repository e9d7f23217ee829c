//! Whatever the `ffmpeg` program reads, decoded in a child process that is locked up.
//!
//! One child makes one pass over the file and writes pictures to one pipe and samples to another, both already small:
//! frames are dropped before they are scaled, and only luma leaves the child.

mod args;
mod child;
mod jail;
mod log;
mod pump;

use std::fs::File;
use std::path::Path;

use super::{MediaError, Options, Sink, Stream, Summary, Warning};
use args::Want;
use log::Kind;
use pump::Outcome;

/// Media that end this much earlier than the container claims are reported as truncated.
const TRUNCATED_SECONDS: f64 = 1.0;
const TRUNCATED_SHARE: f64 = 0.05;

/// Decodes `file` and pushes what it holds into `sink`; `path` is for messages.
pub(super) fn read(
    path: &Path,
    file: &File,
    options: &Options,
    sink: &mut impl Sink,
) -> Result<Summary, MediaError> {
    let mut want = Want { picture: options.picture, sound: options.sound };
    let mut cpu = 0.0;
    let mut fallback = None;
    loop {
        let outcome = pump::run(path, file, options, want, sink)?;
        cpu += outcome.cpu;
        if outcome.frames > 0 || outcome.samples > 0 {
            return Ok(summary(outcome, options, cpu));
        }
        // The program gives up where an output finds no stream, or where one of two streams has a decoder that
        // fails at once. Try what else there may be; nothing was pushed yet.
        let (picture, sound) = (outcome.log.count(Kind::Picture) > 0, outcome.log.count(Kind::Sound) > 0);
        let next = match fallback.take() {
            _ if outcome.log.over_a_limit() => None,
            Some(next) => Some(next),
            None if want.picture && want.sound => match (picture, sound) {
                (true, true) => {
                    fallback = Some(Want { picture: false, sound: true });
                    Some(Want { picture: true, sound: false })
                }
                (true, false) => Some(Want { picture: true, sound: false }),
                (false, true) => Some(Want { picture: false, sound: true }),
                (false, false) => None,
            },
            None => None,
        };
        want = next.ok_or_else(|| outcome.log.error(path, want))?;
    }
}

fn summary(outcome: Outcome, options: &Options, cpu: f64) -> Summary {
    let Outcome { frames, samples, log, jailed, failed, .. } = outcome;
    let duration =
        (frames as f64 / f64::from(options.ticks())).max(samples as f64 / f64::from(options.hertz()));
    let stream = |kind, pushed: u64| -> Option<Stream> { (pushed > 0).then(|| log.chosen(kind)).flatten() };
    let (picture, sound) = (stream(Kind::Picture, frames), stream(Kind::Sound, samples));
    let still = frames == 1 && samples == 0;

    let mut warnings = Vec::new();
    if options.picture && picture.is_none() {
        warnings.push(Warning::NoPicture);
    }
    if options.sound && sound.is_none() && !still {
        warnings.push(Warning::NoSound);
    }
    for (stream, kind) in [(&picture, "picture"), (&sound, "sound")] {
        if let Some(Stream { index, of: of @ 2.., .. }) = stream {
            warnings.push(Warning::OneStreamOf { index: *index, of: *of, kind });
        }
    }
    if let Some(claimed) = log.duration
        && claimed - duration > TRUNCATED_SECONDS.max(TRUNCATED_SHARE * claimed)
        && options.picture
        && options.sound
    {
        warnings.push(Warning::Truncated { decoded: duration, claimed: Some(claimed) });
    }
    if log.errors > 0 || failed {
        let first = log.first_error.clone().unwrap_or_else(|| "the decoder failed".to_owned());
        warnings.push(Warning::PartlyDecoded { errors: log.errors.max(1), first });
    }
    if !jailed {
        warnings.push(Warning::Unjailed);
    }
    Summary {
        duration: if still { 0.0 } else { duration },
        still,
        picture,
        sound,
        frames,
        samples,
        warnings,
        decode_cpu: cpu,
    }
}
