//! YUV4MPEG2 ("Y4M"): raw pictures behind a line of text each, as mjpegtools and ffmpeg write them.

use std::io::{self, BufRead, Read};

use super::raster::{expand, fit, shrink};
use super::{Bound, Frame, FrameSource, Luma, Options, SourceError};

/// Longest line of a header that is read.
const LINE: u64 = 1024;

/// Pictures out of a Y4M stream: luma only, square pixels, full range, at the rate and size of the options.
#[derive(Debug)]
pub struct Y4m<R> {
    input: R,
    header: Header,
    size: (usize, usize),
    frame_rate: u32,
    /// Pictures that may be handed out.
    most: u64,
    /// Pictures handed out.
    ticks: u64,
    /// Coded pictures read or passed over.
    read: u64,
    /// The coded luma of the last one read.
    coded: Vec<u8>,
    shown: Vec<u8>,
}

impl<R: BufRead> Y4m<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] where there is none, [`SourceError::Unsupported`] where the colour space is unknown,
    /// [`SourceError::Limit`] where the pictures are too large.
    pub fn new(mut input: R, options: &Options) -> Result<Self, SourceError> {
        let line = line(&mut input)?.ok_or_else(|| SourceError::malformed("the file is empty"))?;
        let header = Header::parse(&line)?;
        if header.width as u64 * header.height as u64 > options.limits.pixels {
            return Err(SourceError::Limit(Bound::Pixels));
        }
        let size = fit(header.width, header.height, header.aspect, options.max_side);
        let frame_rate = options.ticks();
        let most = options.limits.units(frame_rate);
        Ok(Self {
            input,
            header,
            size,
            frame_rate,
            most,
            ticks: 0,
            read: 0,
            coded: Vec::new(),
            shown: Vec::new(),
        })
    }

    /// Pictures that the stream codes a second.
    pub fn coded_rate(&self) -> f64 {
        self.header.rate.0 as f64 / self.header.rate.1 as f64
    }

    /// Passes over a picture's header line; `false` at the end of the stream.
    fn frame_header(&mut self) -> Result<bool, SourceError> {
        match line(&mut self.input)? {
            None => Ok(false),
            Some(line) if line.starts_with(b"FRAME") => Ok(true),
            Some(_) => Err(SourceError::malformed("a picture does not begin where it should")),
        }
    }

    fn pass(&mut self, bytes: u64) -> Result<(), SourceError> {
        let passed = io::copy(&mut (&mut self.input).take(bytes), &mut io::sink())?;
        if passed < bytes { Err(SourceError::Truncated) } else { Ok(()) }
    }

    /// Reads on until coded picture `wanted` is in `self.coded`; `false` where the stream ends before it.
    fn seek(&mut self, wanted: u64) -> Result<bool, SourceError> {
        let luma = self.header.luma_bytes();
        while self.read <= wanted {
            if !self.frame_header()? {
                return Ok(false);
            }
            if self.read == wanted {
                self.coded.clear();
                // `take` grows the buffer with what is there, not with what the header claims.
                let got = (&mut self.input).take(luma).read_to_end(&mut self.coded)?;
                if (got as u64) < luma {
                    return Err(SourceError::Truncated);
                }
                self.show();
            } else {
                self.pass(luma)?;
            }
            self.read += 1;
            // Chroma that is missing at the very end is not missed.
            match self.pass(self.header.chroma_bytes()) {
                Err(SourceError::Truncated) | Ok(()) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(true)
    }

    /// Brings the coded picture to 8 bits, full range and the size that is handed out.
    fn show(&mut self) {
        let Header { width, height, space: Space { bits, .. }, full, .. } = self.header;
        if bits > 8 {
            // Little-endian 16-bit words, in place.
            for i in 0..self.coded.len() / 2 {
                let word = u16::from_le_bytes([self.coded[2 * i], self.coded[2 * i + 1]]);
                self.coded[i] = (word >> (bits - 8)).min(255) as u8;
            }
            self.coded.truncate(width * height);
        }
        let coded = &self.coded;
        shrink((width, height), |y| &coded[y * width..(y + 1) * width], self.size, &mut self.shown);
        if !full {
            expand(&mut self.shown);
        }
    }
}

impl<R: BufRead> FrameSource for Y4m<R> {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        // The picture on the screen at this tick.
        let (num, den) = self.header.rate;
        let wanted =
            u128::from(self.ticks) * u128::from(num) / (u128::from(den) * u128::from(self.frame_rate));
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        if !self.seek(wanted)? {
            return Ok(None);
        }
        if self.ticks >= self.most {
            return Err(SourceError::Limit(Bound::Duration));
        }
        let time = self.ticks as f64 / f64::from(self.frame_rate);
        self.ticks += 1;
        let luma = Luma::new(self.size.0, self.size.1, self.size.0, &self.shown);
        Ok(luma.map(|luma| Frame { luma, time }))
    }
}

/// One line without its end; `None` where the input has ended.
fn line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, SourceError> {
    let mut line = Vec::new();
    input.take(LINE).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if (line.len() as u64) < LINE - 1 => Err(SourceError::Truncated),
        Some(_) => Err(SourceError::malformed("a header line is too long")),
    }
}

/// The first line of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pictures a second, as a fraction.
    rate: (u64, u64),
    /// Width of a pixel over its height.
    aspect: f64,
    space: Space,
    full: bool,
}

/// How a picture is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Space {
    /// Bits a sample.
    bits: u32,
    /// What the width and height of each of the two chroma planes are divided by.
    chroma: Option<(usize, usize)>,
    /// A further plane of the size of luma.
    alpha: bool,
}

impl Header {
    /// Parses the first line of a stream, without its end.
    pub(super) fn parse(line: &[u8]) -> Result<Self, SourceError> {
        let malformed = || SourceError::malformed("the header is broken");
        let line = std::str::from_utf8(line).map_err(|_| malformed())?;
        let tags = line.strip_prefix("YUV4MPEG2").ok_or_else(malformed)?;
        let (mut width, mut height, mut rate, mut aspect) = (0, 0, (25, 1), 1.0);
        let (mut space, mut full, mut another) = (None, false, false);
        for tag in tags.split_ascii_whitespace() {
            let Some(value) = tag.get(1..) else { continue };
            match tag.as_bytes()[0] {
                b'W' => width = side(value).ok_or_else(malformed)?,
                b'H' => height = side(value).ok_or_else(malformed)?,
                b'F' => rate = fraction(value).filter(|(n, d)| *n > 0 && *d > 0).ok_or_else(malformed)?,
                // 0:0 is "unknown".
                b'A' => match fraction(value) {
                    Some((n @ 1.., d @ 1..)) => aspect = n as f64 / d as f64,
                    _ => aspect = 1.0,
                },
                b'C' => space = Some(value),
                b'X' => {
                    full |= value == "COLORRANGE=FULL";
                    another |= value.starts_with("YSCSS=");
                }
                _ => {}
            }
        }
        if width == 0 || height == 0 {
            return Err(malformed());
        }
        if space.is_none() && another {
            // Some readers know this other way to say it.
            return Err(SourceError::unsupported("a colour space in a comment"));
        }
        let space = space.unwrap_or("420jpeg");
        let unsupported = || SourceError::unsupported(format!("colour space {space}"));
        let space = colour_space(space).ok_or_else(unsupported)?;
        Ok(Self { width, height, rate, aspect, space, full })
    }

    fn sample_bytes(&self) -> u64 {
        if self.space.bits > 8 { 2 } else { 1 }
    }

    fn luma_bytes(&self) -> u64 {
        self.width as u64 * self.height as u64 * self.sample_bytes()
    }

    /// Bytes behind a picture's luma.
    fn chroma_bytes(&self) -> u64 {
        let plane = |(x, y): (usize, usize)| self.width.div_ceil(x) as u64 * self.height.div_ceil(y) as u64;
        let chroma = self.space.chroma.map_or(0, |by| 2 * plane(by)) * self.sample_bytes();
        chroma + if self.space.alpha { self.luma_bytes() } else { 0 }
    }
}

fn side(value: &str) -> Option<usize> {
    value.parse().ok().filter(|n| (1..=1 << 16).contains(n))
}

fn fraction(value: &str) -> Option<(u64, u64)> {
    let (n, d) = value.split_once(':')?;
    Some((u64::from(n.parse::<u32>().ok()?), u64::from(d.parse::<u32>().ok()?)))
}

fn colour_space(name: &str) -> Option<Space> {
    let plain = |bits, chroma| Some(Space { bits, chroma, alpha: false });
    let deep =
        |bits: &str, chroma| plain(bits.parse::<u32>().ok().filter(|bits| (9..=16).contains(bits))?, chroma);
    match name {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => plain(8, Some((2, 2))),
        "411" => plain(8, Some((4, 1))),
        "422" => plain(8, Some((2, 1))),
        "444" => plain(8, Some((1, 1))),
        "444alpha" => Some(Space { bits: 8, chroma: Some((1, 1)), alpha: true }),
        "mono" => plain(8, None),
        _ => match (name.strip_prefix("mono"), name.split_once('p')) {
            (Some(bits), _) => deep(bits, None),
            (_, Some(("420", bits))) => deep(bits, Some((2, 2))),
            (_, Some(("422", bits))) => deep(bits, Some((2, 1))),
            (_, Some(("444", bits))) => deep(bits, Some((1, 1))),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<SourceError>) {
        let mut source = match Y4m::new(bytes, &Options::default()) {
            Ok(source) => source,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut seen = Vec::new();
        loop {
            match source.next_frame() {
                Ok(Some(frame)) => {
                    assert_eq!(frame.time, seen.len() as f64 / 8.0);
                    seen.push((0..frame.luma.height()).flat_map(|y| frame.luma.row(y).to_vec()).collect());
                }
                Ok(None) => return (seen, None),
                Err(error) => return (seen, Some(error)),
            }
        }
    }

    fn film(header: &str, frames: usize, frame: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
        let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
        for i in 0..frames {
            bytes.extend_from_slice(b"FRAME\n");
            bytes.extend(frame(i));
        }
        bytes
    }

    #[test]
    fn the_picture_on_the_screen_is_taken() {
        // 25 a second: picture i is on the screen from i/25 on.
        let bytes = film("W1 H1 F25:1 Cmono XCOLORRANGE=FULL", 25, |i| vec![i as u8]);
        let (seen, error) = pictures(&bytes);
        assert!(error.is_none());
        assert_eq!(seen.concat(), [0, 3, 6, 9, 12, 15, 18, 21]);
    }

    #[test]
    fn slow_films_repeat_their_pictures() {
        let bytes = film("W1 H1 F2:1 Cmono XCOLORRANGE=FULL", 2, |i| vec![i as u8]);
        assert_eq!(pictures(&bytes).0.concat(), [0, 0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn limited_range_is_expanded() {
        let bytes = film("W2 H2 F8:1 C420", 1, |_| vec![16, 235, 0, 126, 128, 128]);
        assert_eq!(pictures(&bytes).0, [[0, 255, 0, 128]]);
    }

    #[test]
    fn ten_bits_become_eight() {
        let words = [64u16, 940, 1023, 502].map(u16::to_le_bytes).concat();
        let bytes = film("W2 H2 F8:1 C420p10", 1, |_| [words.clone(), vec![0; 4]].concat());
        assert_eq!(pictures(&bytes).0, [[0, 255, 255, 127]]);
    }

    #[test]
    fn what_is_there_of_a_cut_film_is_read() {
        let bytes = film("W2 H2 F8:1 Cmono XCOLORRANGE=FULL", 3, |i| vec![i as u8; 4]);
        let (seen, error) = pictures(&bytes[..bytes.len() - 1]);
        assert_eq!(seen.len(), 2);
        assert!(matches!(error, Some(SourceError::Truncated)));
    }

    #[test]
    fn broken_headers_are_errors() {
        let error = |bytes: &[u8]| pictures(bytes).1;
        assert!(matches!(error(b""), Some(SourceError::Malformed(_))));
        assert!(matches!(error(b"YUV4MPEG2 W0 H4\n"), Some(SourceError::Malformed(_))));
        assert!(matches!(error(b"YUV4MPEG2 W4 H4 F0:1\n"), Some(SourceError::Malformed(_))));
        assert!(matches!(error(b"YUV4MPEG2 W4 H4 C999\n"), Some(SourceError::Unsupported(_))));
        assert!(matches!(error(b"YUV4MPEG2 W4 H4 XYSCSS=444\n"), Some(SourceError::Unsupported(_))));
        assert!(matches!(error(b"YUV4MPEG2 W65536 H65536\n"), Some(SourceError::Limit(Bound::Pixels))));
        assert!(matches!(error(&[b'Y'; 5000]), Some(SourceError::Malformed(_))));
        assert!(matches!(error(b"YUV4MPEG2 W8192 H8192\nFRAME\nx"), Some(SourceError::Truncated)));
    }
}
