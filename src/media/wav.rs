//! WAVE files: integer PCM of 8 to 32 bits and floats, any number of channels, RIFF, RF64 and BW64.
//!
//! Format: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0"; EBU Tech 3306 for RF64.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::downmix::Downmix;
use super::resample::Resampler;
use super::{Bound, Options, SampleSource, Samples, SourceError};

/// Rates that are believed.
const RATES: std::ops::RangeInclusive<u32> = 1000..=768_000;
/// Bytes read at a time, or one sample frame if that is longer.
const BLOCK: u64 = 1 << 16;

/// Mono samples out of a WAVE file, at the rate of the options.
#[derive(Debug)]
pub struct Wav<R> {
    input: R,
    format: Format,
    /// Bytes of samples that are left; `None` where the file does not say.
    left: Option<u64>,
    claimed: Option<u64>,
    downmix: Option<Downmix>,
    resampler: Resampler,
    rate: u32,
    /// Samples that may yet be handed out.
    most: u64,
    bytes: Vec<u8>,
    mono: Vec<f32>,
    out: Vec<f32>,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
}

impl Coding {
    fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// One sample from its bytes, of which there are as many as `bytes` says.
    fn sample(self, b: &[u8]) -> f32 {
        match (self, b) {
            (Self::Unsigned8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::Signed16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32768.0,
            (Self::Signed24, &[a, b, c]) => i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0,
            (Self::Signed32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::Float32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::Float64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => 0.0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Format {
    coding: Coding,
    channels: usize,
    rate: u32,
}

impl<R: BufRead> Wav<R> {
    /// Reads up to the first sample.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] where the file is no WAVE file or has no samples, [`SourceError::Unsupported`] where
    /// they are coded.
    pub fn new(mut input: R, options: &Options) -> Result<Self, SourceError> {
        let head: [u8; 12] = array(&mut input)?;
        if !matches!(&head[..4], b"RIFF" | b"RF64" | b"BW64") || &head[8..] != b"WAVE" {
            return Err(SourceError::malformed("no WAVE header"));
        }
        let (mut format, mut long_size) = (None, None);
        loop {
            let chunk: [u8; 8] = array(&mut input)?;
            let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
            match &chunk[..4] {
                b"data" => {
                    let format =
                        format.ok_or_else(|| SourceError::malformed("samples before their format"))?;
                    // Writers to a pipe do not know the size.
                    let left = match size {
                        u32::MAX => long_size,
                        0 => None,
                        size => Some(u64::from(size)),
                    };
                    return Ok(Self::over(input, format, left, options));
                }
                b"fmt " => {
                    let mut body = Vec::new();
                    (&mut input).take(size.into()).take(64).read_to_end(&mut body)?;
                    pass(&mut input, u64::from(size.saturating_sub(64)) + u64::from(size % 2))?;
                    format = Some(parse_format(&body)?);
                }
                b"ds64" if size >= 16 => {
                    let body: [u8; 16] = array(&mut input)?;
                    let [.., a, b, c, d, e, f, g, h] = body;
                    long_size = Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
                    pass(&mut input, u64::from(size) - 16 + u64::from(size % 2))?;
                }
                _ => pass(&mut input, u64::from(size) + u64::from(size % 2))?,
            }
        }
    }

    fn over(input: R, format: Format, left: Option<u64>, options: &Options) -> Self {
        let rate = options.hertz();
        Self {
            input,
            format,
            left,
            claimed: left,
            downmix: (format.channels > 1).then(|| Downmix::new(format.rate)),
            resampler: Resampler::new(format.rate, rate),
            rate,
            most: options.limits.units(rate),
            bytes: Vec::new(),
            mono: Vec::new(),
            out: Vec::new(),
            ended: false,
        }
    }

    /// Seconds of sound that the file claims to have, if it says.
    pub fn claimed_seconds(&self) -> Option<f64> {
        let bytes = self.claimed?;
        Some(
            bytes as f64
                / (self.format.channels * self.format.coding.bytes()) as f64
                / f64::from(self.format.rate),
        )
    }

    /// How the samples are coded, as ffmpeg names it.
    pub fn codec(&self) -> &'static str {
        match self.format.coding {
            Coding::Unsigned8 => "pcm_u8",
            Coding::Signed16 => "pcm_s16le",
            Coding::Signed24 => "pcm_s24le",
            Coding::Signed32 => "pcm_s32le",
            Coding::Float32 => "pcm_f32le",
            Coding::Float64 => "pcm_f64le",
        }
    }

    /// Decodes the bytes that were read into `self.mono`.
    fn decode(&mut self) {
        let Format { coding, channels, .. } = self.format;
        let size = coding.bytes();
        self.mono.clear();
        let (bytes, mono) = (&self.bytes, &mut self.mono);
        match &mut self.downmix {
            None => mono.extend(bytes.chunks_exact(size).map(|b| finite(coding.sample(b)))),
            Some(downmix) => {
                let stereo = bytes.chunks_exact(size * channels).flat_map(|frame| {
                    let (left, right) = fold(frame.chunks_exact(size).map(|b| coding.sample(b)), channels);
                    [left, right]
                });
                downmix.push(stereo, |block| mono.extend_from_slice(block));
            }
        }
    }
}

impl<R: BufRead> SampleSource for Wav<R> {
    fn next_samples(&mut self) -> Result<Option<Samples<'_>>, SourceError> {
        self.out.clear();
        let frame = (self.format.channels * self.format.coding.bytes()) as u64;
        let block = frame * (BLOCK / frame).max(1);
        while self.out.is_empty() {
            if self.ended {
                return Ok(None);
            }
            let want = block.min(self.left.unwrap_or(u64::MAX));
            self.bytes.clear();
            let got = (&mut self.input).take(want).read_to_end(&mut self.bytes)? as u64;
            self.left = self.left.map(|left| left - got);
            self.decode();
            self.resampler.push(&self.mono, &mut self.out);
            if got < block {
                self.ended = true;
                self.mono.clear();
                if let Some(downmix) = &mut self.downmix {
                    downmix.finish(|block| self.mono.extend_from_slice(block));
                }
                self.resampler.push(&self.mono, &mut self.out);
                self.resampler.finish(&mut self.out);
            }
        }
        let given = self.out.len() as u64;
        self.most = self.most.checked_sub(given).ok_or(SourceError::Limit(Bound::Duration))?;
        Ok(Some(Samples { mono: &self.out, rate: self.rate }))
    }
}

/// Whether a file tells its format and has its samples once, so that all readers find the same ones. Some take the first of
/// several, some the last.
pub(super) fn is_plain<R: Read + Seek>(input: &mut BufReader<R>) -> io::Result<bool> {
    let end = input.seek(SeekFrom::End(0))?;
    input.rewind()?;
    let mut head = [0; 12];
    if end < 12 {
        return Ok(true);
    }
    input.read_exact(&mut head)?;
    let long = &head[..4] != b"RIFF";
    let (mut at, mut long_size, mut formats, mut blocks) = (12, 0, 0, 0);
    while at <= end - 8 {
        let mut chunk = [0; 8];
        input.read_exact(&mut chunk)?;
        let [a, b, c, d, size @ ..] = chunk;
        let mut size = u64::from(u32::from_le_bytes(size));
        match &[a, b, c, d] {
            b"fmt " => formats += 1,
            // Pictures.
            b"SMV0" => return Ok(false),
            b"ds64" if at + 24 <= end => {
                let mut sizes = [0; 16];
                input.read_exact(&mut sizes)?;
                input.seek_relative(-16)?;
                let [.., a, b, c, d, e, f, g, h] = sizes;
                long_size = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            }
            b"data" => {
                blocks += 1;
                match (size, long) {
                    (0xFFFF_FFFF, true) => size = long_size,
                    // All that follows is samples.
                    (0 | 0xFFFF_FFFF, false) => break,
                    (_, true) => return Ok(false),
                    (..) => {}
                }
                // Not everyone passes over the byte that makes it even.
                if size % 2 == 1 && at.saturating_add(9).saturating_add(size) < end {
                    return Ok(false);
                }
            }
            _ => {}
        }
        let padded = size.saturating_add(size % 2);
        at = at.saturating_add(8).saturating_add(padded);
        if at < end {
            input.seek_relative(i64::try_from(padded).unwrap_or(i64::MAX))?;
        }
    }
    input.rewind()?;
    Ok(formats <= 1 && blocks <= 1)
}

/// Many channels to two. The order is WAVE's: left, right, centre, low frequencies, then pairs.
fn fold(frame: impl Iterator<Item = f32>, channels: usize) -> (f32, f32) {
    const SIDE: f32 = std::f32::consts::FRAC_1_SQRT_2;
    let (mut left, mut right) = (0.0, 0.0);
    for (i, sample) in frame.map(finite).enumerate() {
        match i {
            0 => left += sample,
            1 => right += sample,
            2 if channels != 4 => {
                left += sample * SIDE;
                right += sample * SIDE;
            }
            3 if channels >= 6 => {}
            i if i % 2 == 0 => left += sample * SIDE,
            _ => right += sample * SIDE,
        }
    }
    // As loud as two channels at most.
    let scale = if channels > 2 { 1.0 / (1.0 + SIDE * ((channels - 1) / 2) as f32) } else { 1.0 };
    (left * scale, right * scale)
}

fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-8.0, 8.0) } else { 0.0 }
}

fn parse_format(body: &[u8]) -> Result<Format, SourceError> {
    let word = |at: usize| -> Result<u16, SourceError> {
        let bytes = body.get(at..at + 2).ok_or_else(|| SourceError::malformed("the format is cut off"))?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    let (mut tag, channels, bits) = (word(0)?, usize::from(word(2)?), word(14)?);
    let (rate, align) = (u32::from(word(4)?) | u32::from(word(6)?) << 16, usize::from(word(12)?));
    if tag == 0xFFFE {
        // The extensible format's tag is in the first word of its identifier.
        tag = word(24)?;
    }
    if channels == 0 || !align.is_multiple_of(channels) || !RATES.contains(&rate) {
        return Err(SourceError::malformed("the format makes no sense"));
    }
    // Samples fill whole bytes. Where the alignment has more of them, readers differ in which they take.
    let coding = match (tag, align / channels, bits) {
        (1, 1, 1..=8) => Coding::Unsigned8,
        (1, 2, 9..=16) => Coding::Signed16,
        (1, 3, 17..=24) => Coding::Signed24,
        (1, 4, 25..=32) => Coding::Signed32,
        (3, 4, 32) => Coding::Float32,
        (3, 8, 64) => Coding::Float64,
        (1 | 3, ..) => return Err(SourceError::malformed("the format makes no sense")),
        _ => return Err(SourceError::unsupported(format!("WAVE with coding {tag}"))),
    };
    Ok(Format { coding, channels, rate })
}

fn array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], SourceError> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => SourceError::Truncated,
        _ => SourceError::Io(e),
    })?;
    Ok(bytes)
}

fn pass(input: &mut impl Read, bytes: u64) -> Result<(), SourceError> {
    let passed = io::copy(&mut input.take(bytes), &mut io::sink())?;
    if passed < bytes { Err(SourceError::Truncated) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let align = channels * bits / 8;
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        bytes.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
        bytes.extend([rate.to_le_bytes(), (rate * u32::from(align)).to_le_bytes()].concat());
        bytes.extend([align.to_le_bytes(), bits.to_le_bytes()].concat());
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn samples(bytes: &[u8]) -> Result<Vec<f32>, SourceError> {
        let mut source = Wav::new(bytes, &Options::default())?;
        let mut out = Vec::new();
        while let Some(samples) = source.next_samples()? {
            assert_eq!(samples.rate, 8000);
            out.extend_from_slice(samples.mono);
        }
        Ok(out)
    }

    #[test]
    fn all_codings_mean_the_same() {
        let want = [0.5, -0.5, 0.25, -1.0];
        let ints = |shift: u32, keep: usize| -> Vec<u8> {
            let scaled = want.map(|v: f64| ((v * 2f64.powi(31)) as i32 >> shift).to_le_bytes());
            scaled.iter().flat_map(|b| b[..keep].to_vec()).collect()
        };
        let unsigned: Vec<u8> = want.iter().map(|v| (v * 128.0 + 128.0) as u8).collect();
        let floats = want.map(|v| (v as f32).to_le_bytes()).concat();
        let doubles = want.map(f64::to_le_bytes).concat();
        let codings = [
            (1, 8, unsigned),
            (1, 16, ints(16, 2)),
            (1, 24, ints(8, 3)),
            (1, 32, ints(0, 4)),
            (3, 32, floats),
            (3, 64, doubles),
        ];
        for (tag, bits, data) in codings {
            assert_eq!(
                samples(&wav(tag, 1, 8000, bits, &data)).unwrap(),
                want.map(|v| v as f32),
                "{tag} {bits}"
            );
        }
    }

    #[test]
    fn channels_become_one() {
        let frame = |n: u16| -> Vec<u8> { (0..n).flat_map(|_| 8192i16.to_le_bytes()).collect() };
        for channels in [1, 2, 3, 4, 5, 6, 8, 23] {
            let mono = samples(&wav(1, channels, 8000, 16, &frame(channels).repeat(1000))).unwrap();
            assert_eq!(mono.len(), 1000);
            assert!(mono.iter().all(|s| (0.05..=0.26).contains(s)), "{channels}: {}", mono[0]);
        }
    }

    #[test]
    fn a_cut_file_gives_what_is_there() {
        let bytes = wav(1, 1, 8000, 16, &[0, 1].repeat(100));
        assert_eq!(samples(&bytes[..bytes.len() - 21]).unwrap().len(), 89);
    }

    #[test]
    fn files_that_mean_different_things_are_not_plain() {
        let plain = |bytes: &[u8]| is_plain(&mut BufReader::new(io::Cursor::new(bytes))).unwrap();
        let sound = |data: &[u8]| wav(1, 1, 8000, 16, data);
        let once = sound(&[1; 100]);
        let (head, rest) = once.split_at(12);
        let chunk =
            |name: &str, size: u32, body: &[u8]| [name.as_bytes(), &size.to_le_bytes()[..], body].concat();
        let behind = |more: &[u8]| [once.as_slice(), more].concat();
        let wide = |field: u32, long: u64| {
            let sizes = chunk("ds64", 28, &[&[0; 8], &long.to_le_bytes()[..], &[0; 12]].concat());
            let format = chunk("fmt ", 16, &once[20..36]);
            let data = chunk("data", field, &[1; 100]);
            [b"RF64\xFF\xFF\xFF\xFFWAVE".as_slice(), &sizes, &format, &data].concat()
        };
        assert!(plain(&once) && plain(&once[..70]) && plain(b"RIFF") && plain(&wide(u32::MAX, 100)));
        assert!(plain(&behind(&chunk("LIST", 4, b"data"))) && plain(&behind(b"junk")));
        assert!(!plain(&behind(&chunk("data", 2, b"xx"))));
        assert!(!plain(&[head, &once[12..36], rest].concat()));
        assert!(!plain(&behind(&chunk("SMV0", 2, b"xx"))));
        assert!(!plain(&[sound(&[1; 99]), chunk("data", 2, b"xx")].concat()));
        assert!(!plain(&wide(50, 100)) && !plain(&[wide(u32::MAX, 100), chunk("data", 2, b"xx")].concat()));
        assert!(plain(&wide(u32::MAX, u64::MAX)));
    }

    #[test]
    fn broken_headers_are_errors() {
        assert!(matches!(samples(b"RIFF"), Err(SourceError::Truncated)));
        assert!(matches!(samples(b"RIFF....WAVEdata\0\0\0\0"), Err(SourceError::Malformed(_))));
        assert!(matches!(samples(&wav(1, 0, 8000, 16, &[])), Err(SourceError::Malformed(_))));
        assert!(matches!(samples(&wav(1, 1, 0, 16, &[])), Err(SourceError::Malformed(_))));
        // 24 bits in 32: some take the higher ones, some read them without gaps.
        let mut gaps = wav(1, 1, 8000, 32, &[]);
        gaps[34] = 24;
        assert!(matches!(samples(&gaps), Err(SourceError::Malformed(_))));
        assert!(matches!(samples(&wav(17, 1, 8000, 8, &[])), Err(SourceError::Unsupported(_))));
        assert!(matches!(samples(&wav(1, 1, 8000, 16, &[])[..50]), Err(SourceError::Truncated)));
    }
}
