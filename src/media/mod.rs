//! Pictures and samples as they come from a decoder, and the limits that hostile files run into.

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
