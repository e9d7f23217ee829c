//! Pushes what the readers of this crate read.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use super::sniff::Kind;
use super::source::{Drained, drain_frames, drain_samples};
use super::wav;
use super::{Image, ImageFormat, MediaError, Options, Sink, SourceError, Stream, Summary, Warning, Wav, Y4m};

/// Sound that ends this many seconds before its header says so is truncated.
const MISSING: f64 = 0.1;

/// What came of a file that looks like one of this crate's formats.
pub(super) enum Native {
    Read(Summary),
    /// Nothing was pushed: another decoder may do better.
    Not(MediaError),
}

/// Pushes what `file` holds into `sink`.
pub(super) fn read(
    path: &Path,
    file: &File,
    kind: Kind,
    options: &Options,
    sink: &mut impl Sink,
) -> Result<Native, MediaError> {
    match kind {
        Kind::Wav if !options.sound => return Err(MediaError::unsupported(path, "has no picture")),
        Kind::Y4m | Kind::Image(_) if !options.picture => {
            return Err(MediaError::unsupported(path, "has no sound"));
        }
        _ => {}
    }
    let mut input = BufReader::with_capacity(1 << 16, file);
    input.rewind().map_err(|source| MediaError::io(path, source))?;
    let read = match kind {
        Kind::Y4m => film(input, options, sink),
        Kind::Wav => sound(input, options, sink),
        Kind::Image(format) => image(input, format, options, sink),
        Kind::Other => Err(SourceError::unsupported("its format")),
    };
    match read {
        Ok(summary) => Ok(Native::Read(summary)),
        Err(error) => {
            let another = matches!(error, SourceError::Malformed(_) | SourceError::Unsupported(_));
            let error = MediaError::from_source(path, error);
            if another { Ok(Native::Not(error)) } else { Err(error) }
        }
    }
}

fn film(input: BufReader<&File>, options: &Options, sink: &mut impl Sink) -> Result<Summary, SourceError> {
    let mut source = Y4m::new(input, options)?;
    let (frames, warnings) = whole(drain_frames(&mut source, options, sink), options.ticks())?;
    Ok(pictures(frames, "rawvideo", warnings, options))
}

fn image(
    mut input: BufReader<&File>,
    format: ImageFormat,
    options: &Options,
    sink: &mut impl Sink,
) -> Result<Summary, SourceError> {
    if strung(&mut input, format)? {
        return Err(SourceError::unsupported("images strung together to a film"));
    }
    let mut source = Image::new(input, format, options)?;
    let (frames, mut warnings) = whole(drain_frames(&mut source, options, sink), options.ticks())?;
    if source.damaged() {
        warnings.push(partly("the image is damaged"));
    }
    let mut summary = pictures(frames, format.name(), warnings, options);
    if source.decoded() == 1 {
        summary.still = true;
        summary.duration = 0.0;
        // Nobody expects any.
        summary.warnings.retain(|warning| *warning != Warning::NoSound);
    }
    Ok(summary)
}

/// Whether a file is a string of images, which some players show as a film. Photos have a second image in them, for
/// displays of high dynamic range, or a small one.
fn strung(input: &mut BufReader<&File>, format: ImageFormat) -> Result<bool, SourceError> {
    const IMAGES: usize = 4;
    let begin: &[u8] = match format {
        // Behind the end of another: thumbnails begin like any other image.
        ImageFormat::Jpeg => b"\xFF\xD9\xFF\xD8\xFF",
        ImageFormat::Png => b"\x89PNG\r\n\x1A\n",
        ImageFormat::WebP => b"WEBPVP8",
        ImageFormat::Gif => b"GIF89a",
    };
    let (mut seen, mut part) = (0, Vec::new());
    while seen < IMAGES {
        // What could begin at the end of a part is kept for the next one.
        part.drain(..part.len().saturating_sub(begin.len() - 1));
        if input.by_ref().take(1 << 16).read_to_end(&mut part)? == 0 {
            break;
        }
        seen += part.windows(begin.len()).filter(|window| *window == begin).count();
    }
    input.rewind()?;
    Ok(seen >= IMAGES)
}

fn sound(
    mut input: BufReader<&File>,
    options: &Options,
    sink: &mut impl Sink,
) -> Result<Summary, SourceError> {
    if !wav::is_plain(&mut input)? {
        return Err(SourceError::unsupported("a WAVE file with several formats or blocks of samples"));
    }
    let mut source = Wav::new(input, options)?;
    let (samples, mut warnings) = whole(drain_samples(&mut source, options, sink), options.hertz())?;
    let decoded = samples as f64 / f64::from(options.hertz());
    let claimed = source.claimed_seconds().map(|claimed| options.wanted(claimed));
    if let Some(claimed) = claimed.filter(|claimed| claimed - decoded > MISSING) {
        warnings.push(Warning::Truncated { decoded, claimed: Some(claimed) });
    }
    if options.picture {
        warnings.push(Warning::NoPicture);
    }
    let stream = Stream { index: 0, of: 1, codec: source.codec().to_owned() };
    Ok(Summary { duration: decoded, sound: Some(stream), samples, warnings, ..Summary::default() })
}

fn pictures(frames: u64, codec: &str, mut warnings: Vec<Warning>, options: &Options) -> Summary {
    if options.sound {
        warnings.push(Warning::NoSound);
    }
    let stream = Stream { index: 0, of: 1, codec: codec.to_owned() };
    let duration = frames as f64 / f64::from(options.ticks());
    Summary { duration, picture: Some(stream), frames, warnings, ..Summary::default() }
}

/// What a source gave, if it gave something; damage after that is a warning, a limit is not.
fn whole(Drained { pushed, error }: Drained, per_second: u32) -> Result<(u64, Vec<Warning>), SourceError> {
    match error {
        None if pushed > 0 => Ok((pushed, Vec::new())),
        None => Err(SourceError::Truncated),
        Some(SourceError::Truncated) if pushed > 0 => Ok((
            pushed,
            vec![Warning::Truncated { decoded: pushed as f64 / f64::from(per_second), claimed: None }],
        )),
        Some(error @ (SourceError::Malformed(_) | SourceError::Unsupported(_))) if pushed > 0 => {
            Ok((pushed, vec![partly(&error.to_string())]))
        }
        Some(error) => Err(error),
    }
}

fn partly(first: &str) -> Warning {
    Warning::PartlyDecoded { errors: 1, first: first.to_owned() }
}
