//! Pictures and samples as they come from a decoder, and the limits that hostile files run into.
//!
//! [`open`] looks at a file, [`Media::read`] decodes it once and pushes what it holds into a [`Sink`]:
//! pictures at a constant rate, luma only, and mono samples at a fixed rate. A service that already decodes
//! pushes its own [`Frame`]s and [`Samples`] into the same sink and needs nothing else from here.

mod downmix;
mod error;
#[cfg(all(feature = "ffmpeg", unix))]
mod ffmpeg;
mod options;
mod raster;
mod summary;

use std::fs::File;
use std::path::{Path, PathBuf};

pub use error::{Bound, MediaError};
pub use options::{Limits, Options};
pub use summary::{Stream, Summary, Warning};

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
    let file = File::open(path).map_err(|source| MediaError::io(path, source))?;
    if about.len() == 0 {
        return Err(MediaError::malformed(path, "the file is empty"));
    }
    Ok(Media { path: path.to_owned(), file, options: options.clone() })
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
        #[cfg(all(feature = "ffmpeg", unix))]
        return ffmpeg::read(&self.path, &self.file, &self.options, sink);
        #[cfg(not(all(feature = "ffmpeg", unix)))]
        {
            let _ = (sink, self.file, self.options);
            Err(MediaError::decoder_missing(&self.path, "ffmpeg"))
        }
    }
}
