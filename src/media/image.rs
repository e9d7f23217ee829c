//! Images through crate `image`: PNG, JPEG, WebP and GIF. Animated ones are films.

use std::io::{BufRead, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::image::codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use ::image::metadata::Orientation;
use ::image::{AnimationDecoder, Frames, ImageDecoder, ImageError};

use super::raster::{Turn, fit, shrink};
use super::{Bound, Frame, FrameSource, Luma, Options, SourceError};

/// An animation's canvas is kept several times, in colour: it may have this many pixels.
const CANVAS: u64 = 1 << 24;
/// Pixels of all pictures of an animation together. A film coded this way is far smaller.
const ALL_PIXELS: u64 = 1 << 33;

/// Bytes of a JPEG file that is taken for a single image.
const COMPRESSED: u64 = 1 << 27;

/// A format of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// PNG, and its animated kind.
    Png,
    /// JPEG, turned as its EXIF data say.
    Jpeg,
    /// WebP, and its animated kind.
    WebP,
    /// GIF.
    Gif,
}

impl ImageFormat {
    /// The format's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::WebP => "webp",
            Self::Gif => "gif",
        }
    }
}

/// The picture of an image file, or the pictures of an animated one at the rate of the options.
pub struct Image<'a> {
    pictures: Pictures<'a>,
    /// The animation's next picture, if it was looked at too early.
    peeked: Option<::image::Frame>,
    options: Options,
    /// Luma of the picture on the screen.
    shown: Vec<u8>,
    size: (usize, usize),
    /// When it leaves the screen, in milliseconds.
    until: f64,
    ticks: u64,
    decoded: u64,
    pixels: u64,
    damaged: bool,
}

enum Pictures<'a> {
    /// One picture; `true` until it was handed out.
    Still(bool),
    Film(Frames<'a>),
}

impl std::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("size", &self.size).field("ticks", &self.ticks).finish_non_exhaustive()
    }
}

impl<'a> Image<'a> {
    /// Reads the header and, of a still, the picture.
    ///
    /// # Errors
    /// [`SourceError::Malformed`], [`SourceError::Unsupported`] and [`SourceError::Limit`].
    pub fn new(
        input: impl BufRead + Seek + 'a,
        format: ImageFormat,
        options: &Options,
    ) -> Result<Self, SourceError> {
        let mut image = Self {
            pictures: Pictures::Still(true),
            peeked: None,
            options: options.clone(),
            shown: Vec::new(),
            size: (0, 0),
            until: 0.0,
            ticks: 0,
            decoded: 0,
            pixels: 0,
            damaged: false,
        };
        guarded(|| match format {
            ImageFormat::Jpeg => image.jpeg(input),
            ImageFormat::Gif => image.film(GifDecoder::new(input).map_err(reason)?),
            ImageFormat::WebP => match WebPDecoder::new(input).map_err(reason)? {
                film if film.has_animation() => image.film(film),
                still => image.still(still),
            },
            ImageFormat::Png => {
                let decoder = PngDecoder::with_limits(input, limits(options)).map_err(reason)?;
                match decoder.is_apng().map_err(reason)? {
                    true => {
                        image.allow(decoder.dimensions(), CANVAS)?;
                        image.pictures = Pictures::Film(decoder.apng().map_err(reason)?.into_frames());
                        Ok(())
                    }
                    false => image.still(decoder),
                }
            }
        })?;
        Ok(image)
    }

    /// Whether some of the picture could not be decoded.
    pub fn damaged(&self) -> bool {
        self.damaged
    }

    /// Pictures decoded so far.
    pub fn decoded(&self) -> u64 {
        self.decoded
    }

    fn allow(&self, (width, height): (u32, u32), most: u64) -> Result<(), SourceError> {
        match u64::from(width) * u64::from(height) {
            0 => Err(SourceError::malformed("the image has no pixels")),
            pixels if pixels > most.min(self.options.limits.pixels) => Err(SourceError::Limit(Bound::Pixels)),
            _ => Ok(()),
        }
    }

    fn jpeg(&mut self, mut input: impl BufRead + Seek) -> Result<(), SourceError> {
        // The decoder reads the whole file before it looks at it.
        let length = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        if length > COMPRESSED {
            return Err(SourceError::unsupported("a JPEG image this large"));
        }
        self.still(JpegDecoder::new(input).map_err(reason)?)
    }

    fn film<D: AnimationDecoder<'a> + ImageDecoder>(&mut self, mut decoder: D) -> Result<(), SourceError> {
        self.allow(decoder.dimensions(), CANVAS)?;
        decoder.set_limits(limits(&self.options)).map_err(reason)?;
        self.pictures = Pictures::Film(decoder.into_frames());
        Ok(())
    }

    fn still(&mut self, mut decoder: impl ImageDecoder) -> Result<(), SourceError> {
        let (width, height) = decoder.dimensions();
        self.allow((width, height), u64::MAX)?;
        decoder.set_limits(limits(&self.options)).map_err(reason)?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let kind = decoder.color_type();
        if decoder.total_bytes() > self.options.limits.memory / 2 {
            return Err(SourceError::Limit(Bound::Memory));
        }
        let mut bytes = vec![0; usize::try_from(decoder.total_bytes()).unwrap_or(0)];
        if let Err(error) = decoder.read_image(&mut bytes) {
            // Decoders leave what they have decoded before the damage.
            if bytes.iter().all(|&b| b == 0) {
                return Err(reason(error));
            }
            self.damaged = true;
        }
        let luma = luma_of(&bytes, kind).ok_or_else(|| SourceError::unsupported("its colour type"))?;
        drop(bytes);
        self.decoded = 1;
        self.show(luma, width as usize, height as usize, orientation);
        Ok(())
    }

    fn show(&mut self, luma: Vec<u8>, width: usize, height: usize, orientation: Orientation) {
        let size = fit(width, height, 1.0, self.options.max_side);
        let mut small = Vec::new();
        shrink((width, height), |y| &luma[y * width..(y + 1) * width], size, &mut small);
        let (turn, mirrored) = match orientation {
            Orientation::NoTransforms => (Turn::None, false),
            Orientation::Rotate90 => (Turn::Quarter, false),
            Orientation::Rotate180 => (Turn::Half, false),
            Orientation::Rotate270 => (Turn::ThreeQuarters, false),
            Orientation::FlipHorizontal => (Turn::None, true),
            Orientation::FlipVertical => (Turn::Half, true),
            Orientation::Rotate90FlipH => (Turn::Quarter, true),
            Orientation::Rotate270FlipH => (Turn::ThreeQuarters, true),
        };
        let width = turn.apply(&small, size.0, &mut self.shown);
        if mirrored {
            self.shown.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        self.size = (width, self.shown.len() / width);
    }

    /// The animation's next picture.
    fn pull(&mut self) -> Result<Option<::image::Frame>, SourceError> {
        match &mut self.pictures {
            _ if self.peeked.is_some() => Ok(self.peeked.take()),
            Pictures::Film(frames) => guarded(|| frames.next().transpose().map_err(reason)),
            Pictures::Still(_) => Ok(None),
        }
    }

    /// Brings the picture of this tick on the screen; `false` at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        if self.ticks == 1 {
            // An animation of one picture is a still, however long it is to stay.
            self.peeked = self.pull()?;
            if self.peeked.is_none() && self.decoded == 1 {
                return Ok(false);
            }
        }
        let now = self.ticks as f64 * 1000.0 / f64::from(self.options.ticks());
        while self.decoded == 0 || self.until <= now + 1e-6 {
            let Some(frame) = self.pull()? else { return Ok(false) };
            let (num, den) = frame.delay().numer_denom_ms();
            let delay = f64::from(num) / f64::from(den.max(1));
            // Viewers take a delay too short to be meant for a tenth of a second.
            self.until += if delay < 20.0 { 100.0 } else { delay };
            let pixels = frame.into_buffer();
            let (width, height) = pixels.dimensions();
            self.pixels += u64::from(width) * u64::from(height);
            if self.pixels > ALL_PIXELS {
                return Err(SourceError::Limit(Bound::Pixels));
            }
            self.decoded += 1;
            if self.until > now + 1e-6 {
                let luma =
                    pixels.pixels().map(|p| over_white(grey(p.0[0], p.0[1], p.0[2]), p.0[3])).collect();
                self.show(luma, width as usize, height as usize, Orientation::NoTransforms);
            }
        }
        Ok(true)
    }
}

impl FrameSource for Image<'_> {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        let more = match &mut self.pictures {
            Pictures::Still(fresh) => std::mem::take(fresh),
            Pictures::Film(_) => self.advance()?,
        };
        if !more {
            return Ok(None);
        }
        if self.ticks >= self.options.limits.units(self.options.ticks()) {
            return Err(SourceError::Limit(Bound::Duration));
        }
        let time = self.ticks as f64 / f64::from(self.options.ticks());
        self.ticks += 1;
        Ok(Luma::new(self.size.0, self.size.1, self.size.0, &self.shown).map(|luma| Frame { luma, time }))
    }
}

fn limits(options: &Options) -> ::image::Limits {
    let mut limits = ::image::Limits::no_limits();
    limits.max_image_width = Some(1 << 16);
    limits.max_image_height = Some(1 << 16);
    limits.max_alloc = Some(options.limits.memory / 2);
    limits
}

/// Runs a decoder of images. They are known to panic on some hostile files.
fn guarded<T>(decode: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(SourceError::malformed("the image decoder gave up")))
}

fn reason(error: ImageError) -> SourceError {
    match error {
        ImageError::Limits(limit) => match limit.kind() {
            ::image::error::LimitErrorKind::DimensionError => SourceError::Limit(Bound::Pixels),
            _ => SourceError::Limit(Bound::Memory),
        },
        ImageError::Unsupported(error) => SourceError::unsupported(error.to_string()),
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            SourceError::Truncated
        }
        ImageError::IoError(error) => SourceError::Io(error),
        other => SourceError::malformed(other.to_string()),
    }
}

/// Luma of gamma-coded colours (ITU-R BT.601), as JPEG has it.
fn grey(r: u8, g: u8, b: u8) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 32768) >> 16) as u8
}

/// What a viewer sees of a transparent pixel on a white page.
fn over_white(luma: u8, alpha: u8) -> u8 {
    let (luma, alpha) = (u32::from(luma), u32::from(alpha));
    ((luma * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn luma_of(bytes: &[u8], kind: ::image::ColorType) -> Option<Vec<u8>> {
    use ::image::ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
    // Of 16-bit samples, which come in the machine's order, the upper byte.
    let upper = usize::from(cfg!(target_endian = "little"));
    let deep: Vec<u8>;
    let (bytes, kind) = match kind {
        L16 | La16 | Rgb16 | Rgba16 => {
            deep = bytes.chunks_exact(2).map(|b| b[upper]).collect();
            (
                deep.as_slice(),
                match kind {
                    L16 => L8,
                    La16 => La8,
                    Rgb16 => Rgb8,
                    _ => Rgba8,
                },
            )
        }
        kind => (bytes, kind),
    };
    Some(match kind {
        L8 => bytes.to_vec(),
        La8 => bytes.chunks_exact(2).map(|p| over_white(p[0], p[1])).collect(),
        Rgb8 => bytes.chunks_exact(3).map(|p| grey(p[0], p[1], p[2])).collect(),
        Rgba8 => bytes.chunks_exact(4).map(|p| over_white(grey(p[0], p[1], p[2]), p[3])).collect(),
        _ => return None,
    })
}
