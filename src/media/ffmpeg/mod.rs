//! Whatever the `ffmpeg` program reads, decoded in a child process that is locked up.
//!
//! One child makes one pass over the file and writes pictures to one pipe and samples to another, both already small:
//! frames are dropped before they are scaled, and only luma leaves the child.

mod args;
#[cfg(target_os = "linux")]
mod calls;
mod child;
mod jail;
mod log;
mod place;
mod pump;

use std::fs::File;
use std::path::Path;

use super::sniff::Kind as FileKind;
use super::{Frame, ImageFormat, MediaError, Options, Samples, Sink, Stream, Summary, Warning};
use args::Want;
use log::{Kind, Log};
use pump::Outcome;

/// Media that end this much earlier than the container claims are reported as truncated.
const TRUNCATED_SECONDS: f64 = 1.0;
const TRUNCATED_SHARE: f64 = 0.05;

/// Whether `file`, which begins like `kind`, is something else to the program. Whoever publishes the file by it shows that
/// other thing: a film behind a small JPEG image, or compressed sound under the header of a WAVE file. The other formats'
/// beginnings say more, and the program believes them.
pub(super) fn sees_another(
    path: &Path,
    file: &File,
    kind: FileKind,
    options: &Options,
) -> Result<bool, MediaError> {
    if !matches!(kind, FileKind::Wav | FileKind::Image(ImageFormat::Jpeg)) {
        return Ok(false);
    }
    let log = pump::run(path, file, options, Want::NOTHING, &mut Nowhere)?.log;
    Ok(match (kind, log.format.as_deref()) {
        // Where the program makes nothing of it, there is nothing else to be seen.
        (_, None) => log.refused(),
        (FileKind::Wav, Some("wav")) => !log.is_plain_sound(),
        (FileKind::Wav, _) => true,
        (_, Some(format)) => !matches!(format, "jpeg_pipe" | "mjpeg"),
    })
}

/// Takes what a program does not give that was asked for nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn frame(&mut self, _: Frame<'_>) {}
    fn samples(&mut self, _: Samples<'_>) {}
}

/// Decodes `file` and pushes what it holds into `sink`; `path` is for messages.
pub(super) fn read(
    path: &Path,
    file: &File,
    options: &Options,
    sink: &mut impl Sink,
) -> Result<Summary, MediaError> {
    let mut want = Want { picture: options.picture, sound: options.sound, two: false };
    let mut cpu = 0.0;
    let mut fallback = None;
    loop {
        let outcome = pump::run(path, file, options, want, sink)?;
        cpu += outcome.cpu;
        if outcome.frames > 0 || outcome.samples > 0 {
            return Ok(summary(outcome, options, cpu));
        }
        let next = match outcome.better {
            _ if outcome.log.over_a_limit() => None,
            Some(better) => Some(better),
            None if outcome.log.unmixed() && !want.two => Some(Want { two: true, ..want }),
            None => fallback.take().or_else(|| {
                let (next, last) = instead(want, &outcome.log);
                fallback = last;
                next
            }),
        };
        match next {
            Some(next) if next != Want::NOTHING => want = next,
            _ => return Err(outcome.log.error(path, want)),
        }
    }
}

/// What to try where nothing came of both picture and sound, and what after that. The program gives up where an
/// output finds no stream, or where the decoder of one of two streams fails at once.
fn instead(want: Want, log: &Log) -> (Option<Want>, Option<Want>) {
    if !(want.picture && want.sound) {
        return (None, None);
    }
    let picture = (log.count(Kind::Picture) > 0).then_some(Want { sound: false, ..want });
    let sound = (log.count(Kind::Sound) > 0).then_some(Want { picture: false, ..want });
    match picture {
        Some(_) => (picture, sound),
        None => (sound, None),
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
    if let Some(claimed) = log.duration.map(|claimed| options.wanted(claimed))
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
