//! Pictures and samples as they come from a decoder, and the limits that hostile files run into.
//!
//! [`open`] looks at a file, [`Media::read`] decodes it once and pushes what it holds into a [`Sink`]:
//! pictures at a constant rate, luma only, and mono samples at a fixed rate. A service that already decodes
//! pushes its own [`Frame`]s and [`Samples`] into the same sink and needs nothing else from here.
//!
//! Y4M, WAVE and images are read here, each by a reader that can also be asked for one picture or block at a time
//! ([`FrameSource`], [`SampleSource`]). Everything else goes through the `ffmpeg` program in a jail (feature `ffmpeg`),
//! and so does what only begins like a WAVE file or a JPEG image: the program is asked what it takes those for.

mod downmix;
mod error;
#[cfg(all(feature = "ffmpeg", unix))]
mod ffmpeg;
mod image;
mod native;
mod options;
mod raster;
mod resample;
mod sniff;
mod source;
mod summary;
#[cfg(all(feature = "ffmpeg", unix))]
mod tone;
mod wav;
mod y4m;

use std::fs::File;
use std::path::{Path, PathBuf};

pub use self::image::{Image, ImageFormat};
pub use error::{Bound, MediaError};
pub use options::{Limits, Options};
pub use source::{FrameSource, SampleSource, SourceError};
pub use summary::{Stream, Summary, Warning};
pub use wav::Wav;
pub use y4m::Y4m;

use native::Native;
use sniff::Kind;

/// A borrowed 8-bit luma plane.
#[derive(Clone, Copy, Debug)]
pub struct Luma<'a> {
    width: usize,
    height: usize,
    stride: usize,
    data: &'a [u8],
}

impl<'a> Luma<'a> {
    /// A plane of `height` rows of `width` pixels, the rows `stride` bytes apart.
    /// `None` where a side is zero, the stride is shorter than a row, or `data` ends before the last row does.
    pub fn new(width: usize, height: usize, stride: usize, data: &'a [u8]) -> Option<Self> {
        let need = stride.checked_mul(height.checked_sub(1)?)?.checked_add(width)?;
        (width > 0 && stride >= width && data.len() >= need).then_some(Self { width, height, stride, data })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Row `y`, `width` bytes.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..y * self.stride + self.width]
    }
}

/// One picture of a film: square pixels, upright (rotation flags already honoured).
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The picture.
    pub luma: Luma<'a>,
    /// Seconds since the start of the media.
    pub time: f64,
}

/// A block of mono samples in −1…1, contiguous with the block before it.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// The samples.
    pub mono: &'a [f32],
    /// Samples a second; the same for all blocks of a stream.
    pub rate: u32,
}

/// What media are pushed into, picture and sound in any interleaving, each in order of time.
pub trait Sink {
    /// Takes the next picture.
    fn frame(&mut self, frame: Frame<'_>);
    /// Takes the next block of sound.
    fn samples(&mut self, samples: Samples<'_>);
}

/// A file that was found and looked at, ready to be decoded.
#[derive(Debug)]
pub struct Media {
    path: PathBuf,
    file: File,
    kind: Kind,
    options: Options,
}

/// Looks at the file at `path`.
///
/// # Errors
/// [`MediaError::NotFound`] and [`MediaError::Io`] where it cannot be opened, [`MediaError::Unsupported`] where it
/// is not a file, [`MediaError::Malformed`] where it is empty.
pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Media, MediaError> {
    let path = path.as_ref();
    // Opening a pipe or a device could block or act: ask first what it is.
    let about = std::fs::metadata(path).map_err(|source| MediaError::io(path, source))?;
    if !about.is_file() {
        return Err(MediaError::unsupported(path, "not a regular file"));
    }
    let mut file = File::open(path).map_err(|source| MediaError::io(path, source))?;
    if about.len() == 0 {
        return Err(MediaError::malformed(path, "the file is empty"));
    }
    let kind = sniff::kind(&mut file).map_err(|source| MediaError::io(path, source))?;
    Ok(Media { path: path.to_owned(), file, kind, options: options.clone() })
}

impl Media {
    /// Decodes the file in one pass and bounded memory, and pushes what it holds into `sink`.
    ///
    /// Pictures come at [`Options::frame_rate`], each as it is shown at its time; samples at
    /// [`Options::sample_rate`], without gaps. Both count time from the start of the container; where one stream
    /// starts later, the first picture is repeated, or silence is put in front.
    ///
    /// # Errors
    /// Where nothing can be decoded, where a limit is hit, or where the jail cannot be built. A file of which a part
    /// can be decoded is no error: [`Summary::warnings`] says so.
    pub fn read(self, sink: &mut impl Sink) -> Result<Summary, MediaError> {
        let Self { path, file, kind, options } = self;
        if kind == Kind::Other || sees_another(&path, &file, kind, &options)? {
            return decode(&path, &file, &options, sink);
        }
        match native::read(&path, &file, kind, &options, sink)? {
            Native::Read(summary) => Ok(summary),
            // A rarer variant of the format, or damage that another decoder may get over.
            Native::Not(why) => match decode(&path, &file, &options, sink) {
                Ok(summary) => Ok(summary),
                Err(MediaError::DecoderMissing { .. } | MediaError::Jail { .. }) => Err(why),
                Err(other) => Err(other),
            },
        }
    }
}

/// Whether the external decoder, if it can be asked, takes the file for something else than the readers here.
#[cfg(all(feature = "ffmpeg", unix))]
fn sees_another(path: &Path, file: &File, kind: Kind, options: &Options) -> Result<bool, MediaError> {
    match ffmpeg::sees_another(path, file, kind, options) {
        Err(MediaError::DecoderMissing { .. } | MediaError::Jail { .. }) => Ok(false),
        other => other,
    }
}

#[cfg(not(all(feature = "ffmpeg", unix)))]
fn sees_another(_: &Path, _: &File, _: Kind, _: &Options) -> Result<bool, MediaError> {
    Ok(false)
}

/// Decodes whatever the readers here do not.
#[cfg(all(feature = "ffmpeg", unix))]
fn decode(path: &Path, file: &File, options: &Options, sink: &mut impl Sink) -> Result<Summary, MediaError> {
    ffmpeg::read(path, file, options, sink)
}

#[cfg(not(all(feature = "ffmpeg", unix)))]
fn decode(path: &Path, _: &File, options: &Options, _: &mut impl Sink) -> Result<Summary, MediaError> {
    Err(MediaError::decoder_missing(path, &options.ffmpeg.to_string_lossy()))
}
