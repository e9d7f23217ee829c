//! What the child says on its standard error: which streams there are, and what went wrong.

use std::path::Path;

use super::args::{Pick, Want};
use crate::media::error::one_line;
use crate::media::raster::Turn;
use crate::media::{Bound, MediaError, Stream};

/// Longer lines are cut.
const LINE: usize = 1024;
/// Streams beyond this many are not listed.
const STREAMS: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Sound,
}

#[derive(Debug)]
struct Listed {
    index: usize,
    kind: Option<Kind>,
    codec: String,
    /// Marked as the one to be played.
    default: bool,
    turn: Turn,
    /// Of sound: a single channel.
    mono: bool,
    /// Of pictures: luma of limited range.
    limited: bool,
    /// Of pictures: coded by the perceptual quantiser of high dynamic range.
    pq: bool,
}

/// What was understood of the child's messages. Bounded, whatever the child says.
#[derive(Debug, Default)]
pub(super) struct Log {
    line: Vec<u8>,
    streams: Vec<Listed>,
    chosen: Vec<usize>,
    /// Past the listing of the input.
    listed: bool,
    /// Past the choice of streams: the output is about to begin.
    began: bool,
    /// Seconds that the container claims.
    pub(super) duration: Option<f64>,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    /// The first message that is not the program's own, which is the loader's where that cannot start it.
    unstarted: Option<String>,
    /// The first message that tells more than that something failed.
    verdict: Option<Verdict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Bound(Bound),
    Unsupported,
}

impl Log {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' || byte == b'\r' {
                self.end_line();
            } else if self.line.len() < LINE {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if let Some(text) = line.strip_prefix("[info] ") {
            self.info(text);
        } else if let Some((who, what)) = split_error(&line) {
            self.error_line(who, what);
        } else if self.unstarted.is_none() && !line.starts_with('[') && !line.trim().is_empty() {
            self.unstarted = Some(one_line(&line));
        }
    }

    fn info(&mut self, text: &str) {
        self.began |= text.starts_with("Output #");
        self.listed |= self.began || text.starts_with("Stream mapping:");
        let inner = text.trim_start();
        if let Some(rest) = text.strip_prefix("  Stream #0:") {
            match rest.split_once(" -> #") {
                Some((index, _)) if self.listed && self.chosen.len() < STREAMS => {
                    self.chosen.extend(number(index));
                }
                _ if !self.listed && self.streams.len() < STREAMS => self.streams.extend(listed(rest)),
                _ => {}
            }
        } else if self.listed {
        } else if let Some(rest) = text.strip_prefix("  Duration: ") {
            self.duration = self.duration.or_else(|| clock(rest));
        } else if let Some(rest) = ["displaymatrix", "Display Matrix"]
            .iter()
            .find_map(|name| inner.strip_prefix(name)?.strip_prefix(": rotation of "))
            && let Some(stream) = self.streams.last_mut()
            && let Some(degrees) = rest.split(' ').next().and_then(|d| d.parse::<f64>().ok())
        {
            // Degrees count counter-clockwise from the coded picture to the upright one.
            stream.turn = turn(-degrees);
        }
    }

    fn error_line(&mut self, who: &str, what: &str) {
        self.errors += 1;
        let verdict = [
            ("max pixel count", Verdict::Bound(Bound::Pixels)),
            ("Cannot allocate memory", Verdict::Bound(Bound::Memory)),
            ("not on whitelist", Verdict::Unsupported),
            ("Decoder not found", Verdict::Unsupported),
            ("Unknown decoder", Verdict::Unsupported),
            ("experimental codecs are not enabled", Verdict::Unsupported),
            ("Decoding requested, but no decoder found", Verdict::Unsupported),
        ]
        .iter()
        .find(|(words, _)| what.contains(words));
        self.verdict = self.verdict.or(verdict.map(|v| v.1));
        if self.first_error.is_none() {
            let what = what.strip_prefix("file:/proc/self/fd/0: ").unwrap_or(what);
            let who = who.split(" @ ").next().unwrap_or_default();
            let text =
                if who.is_empty() || who == "NULL" { what.to_owned() } else { format!("{who}: {what}") };
            self.first_error = Some(one_line(&text));
        }
    }

    /// How many streams of a kind the container has.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.streams.iter().filter(|s| s.kind == Some(kind)).count()
    }

    fn chosen_listed(&self, kind: Kind) -> Option<&Listed> {
        self.streams.iter().find(|s| s.kind == Some(kind) && self.chosen.contains(&s.index))
    }

    /// The stream of a kind that is being decoded.
    pub(super) fn chosen(&self, kind: Kind) -> Option<Stream> {
        let stream = self.chosen_listed(kind)?;
        Some(Stream { index: stream.index, of: self.count(kind), codec: stream.codec.clone() })
    }

    /// Whether it is known which streams are being decoded.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// What should be wanted instead of what `want` has come to: the first stream of a kind that is marked as the
    /// default, or else the first. The program prefers the largest picture, which need not be what players show.
    pub(super) fn better(&self, want: Want) -> Option<Want> {
        let pick = |pick, kind| {
            let mut all = self.streams.iter().filter(|s| s.kind == Some(kind));
            match (pick, all.clone().find(|s| s.default).or(all.next())) {
                (Pick::Any, Some(stream)) => Pick::Stream(stream.index),
                // A cover is no film.
                (Pick::Any, None) => Pick::None,
                (pick, _) => pick,
            }
        };
        let better =
            Want { picture: pick(want.picture, Kind::Picture), sound: pick(want.sound, Kind::Sound) };
        let fine =
            [better.picture, better.sound].iter().zip([want.picture, want.sound]).all(
                |(new, old)| match new {
                    Pick::Stream(index) => self.chosen.contains(index),
                    new => *new == old,
                },
            );
        // What was wanted already may have failed, which once more would not mend.
        (!fine && better != want).then_some(better)
    }

    /// How the pictures have to be turned.
    pub(super) fn turn(&self) -> Turn {
        self.chosen_listed(Kind::Picture).map(|s| s.turn).unwrap_or_default()
    }

    /// Whether the pictures' luma is of limited range.
    pub(super) fn limited(&self) -> bool {
        self.chosen_listed(Kind::Picture).is_none_or(|s| s.limited)
    }

    /// Whether the pictures are coded by the perceptual quantiser.
    pub(super) fn pq(&self) -> bool {
        self.chosen_listed(Kind::Picture).is_some_and(|s| s.pq)
    }

    /// Whether the sound that is being decoded has a single channel.
    pub(super) fn mono(&self) -> bool {
        self.chosen_listed(Kind::Sound).is_some_and(|s| s.mono)
    }

    /// Whether a limit is why nothing came of it.
    pub(super) fn over_a_limit(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Bound(_)))
    }

    /// Why nothing came of it.
    pub(super) fn error(&self, path: &Path, want: Want) -> MediaError {
        if let (None, true, Some(loader)) = (&self.first_error, self.streams.is_empty(), &self.unstarted) {
            return MediaError::jail(path, loader.as_str());
        }
        let cause = self.first_error.clone().unwrap_or_else(|| "the decoder gave nothing".to_owned());
        match self.verdict {
            Some(Verdict::Bound(bound)) => MediaError::limit(path, bound),
            Some(Verdict::Unsupported) => MediaError::unsupported(path, cause),
            None if self.streams.is_empty() => MediaError::malformed(path, cause),
            None => {
                let lacks = |pick, kind| pick == Pick::None || self.count(kind) == 0;
                match (lacks(want.picture, Kind::Picture), lacks(want.sound, Kind::Sound)) {
                    (true, true) if want.sound == Pick::None => {
                        MediaError::unsupported(path, "has no picture")
                    }
                    (true, true) if want.picture == Pick::None => {
                        MediaError::unsupported(path, "has no sound")
                    }
                    (true, true) => MediaError::unsupported(path, "has neither picture nor sound"),
                    _ => MediaError::malformed(path, cause),
                }
            }
        }
    }
}

/// `[mov @ 0x55d] [error] what` or `[error] what`, into who and what.
fn split_error(line: &str) -> Option<(&str, &str)> {
    ["[error] ", "[fatal] ", "[panic] "].iter().find_map(|level| {
        let (who, what) = line.split_once(level)?;
        match who.trim() {
            "" => Some(("", what)),
            who => Some((who.strip_prefix('[')?.strip_suffix(']')?, what)),
        }
    })
}

/// `1[0x2](und): Audio: aac (LC) ..., 44100 Hz`
fn listed(rest: &str) -> Option<Listed> {
    let index = number(rest)?;
    let (_, about) = rest.split_once(": ")?;
    let (kind, coded) = about.split_once(": ").unwrap_or((about, ""));
    // Cover art is a picture of the sound, not a film.
    let kind = match kind {
        "Video" if !about.ends_with("(attached pic)") => Some(Kind::Picture),
        "Audio" => Some(Kind::Sound),
        _ => None,
    };
    let codec = coded.split([' ', ',']).next().unwrap_or_default();
    let mono = coded.contains(" Hz, mono,");
    let pq = coded.contains("/smpte2084");
    let limited = limited_range(coded);
    let default = about.contains("(default)");
    Some(Listed { index, kind, codec: one_line(codec), default, turn: Turn::None, mono, limited, pq })
}

/// Whether the pixels are luma and chroma of limited range, by their format, which follows the codec:
/// `h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709), 640x360`. What is not told is limited.
fn limited_range(coded: &str) -> bool {
    const FULL: &[&str] = &[
        "yuvj", "gray", "rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8",
        "mono", "ya8", "ya16", "xyz", "bayer",
    ];
    let mut depth = 0;
    let mut parts = coded.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    let format = parts.nth(1).unwrap_or_default().trim_start();
    !format.contains("(pc") && !FULL.iter().any(|name| format.starts_with(name))
}

/// The turn nearest to `degrees` clockwise.
fn turn(degrees: f64) -> Turn {
    match (degrees / 90.0).round().rem_euclid(4.0) {
        1.0 => Turn::Quarter,
        2.0 => Turn::Half,
        3.0 => Turn::ThreeQuarters,
        _ => Turn::None,
    }
}

fn number(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

/// `00:01:02.50, start: ...` in seconds.
fn clock(text: &str) -> Option<f64> {
    let mut parts = text.split(',').next()?.split(':');
    let mut part = || parts.next()?.trim().parse::<f64>().ok();
    Some(part()? * 3600.0 + part()? * 60.0 + part()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/proc/self/fd/0':
[info]   Duration: 00:01:24.50, start: 0.000000, bitrate: 354 kb/s
[info]   Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 640x360, 25 fps (default)
[info]     Side data:
[info]       displaymatrix: rotation of -90.00 degrees
[info]   Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp (default)
[info]   Stream #0:2: Audio: mp3, 44100 Hz, stereo
[info]   Stream #0:3: Video: mjpeg, yuvj420p, 600x600 (attached pic)
[info] Stream mapping:
[info]   Stream #0:0 -> #0:0 (h264 (native) -> wrapped_avframe (native))
[info]   Stream #0:2 -> #1:0 (mp3 (native) -> pcm_f32le (native))
[h264 @ 0x55d0] [error] error while decoding MB 3 4
";

    #[test]
    fn understands_the_listing() {
        let mut log = Log::default();
        log.push(SAID.as_bytes());
        assert_eq!(log.duration, Some(84.5));
        let stream = |index, of, codec: &str| Some(Stream { index, of, codec: codec.to_owned() });
        assert_eq!(log.chosen(Kind::Picture), stream(0, 1, "h264"));
        assert_eq!(log.chosen(Kind::Sound), stream(2, 2, "mp3"));
        assert_eq!(log.turn(), Turn::Quarter);
        assert_eq!(log.first_error.as_deref(), Some("h264: error while decoding MB 3 4"));
    }

    #[test]
    fn ranges_are_told_by_the_pixel_format() {
        for (coded, limited) in [
            ("h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt470bg, progressive), 640x360", true),
            ("h264 (High), yuv420p(pc, bt709), 640x360", false),
            ("mjpeg (Baseline), yuvj420p(pc, bt470bg/unknown/unknown), 640x360", false),
            ("vp9 (Profile 0), yuv420p, 640x360", true),
            ("ffv1 (FFV1 / 0x31564646), gray10le, 640x360", false),
            ("gif, bgra, 100x100", false),
            ("hevc (Main 10), p010le, 640x360", true),
            ("av1, none, 640x360", true),
        ] {
            assert_eq!(limited_range(coded), limited, "{coded}");
        }
    }

    #[test]
    fn degrees_are_turns() {
        assert_eq!(turn(-90.0), Turn::ThreeQuarters);
        assert_eq!(turn(270.0), Turn::ThreeQuarters);
        assert_eq!(turn(180.1), Turn::Half);
        assert_eq!(turn(f64::NAN), Turn::None);
    }

    #[test]
    fn the_default_stream_is_better_than_the_programs_choice() {
        let any = Want { picture: Pick::Any, sound: Pick::Any };
        let mut log = Log::default();
        log.push(SAID.as_bytes());
        let better = Want { picture: Pick::Stream(0), sound: Pick::Stream(1) };
        assert_eq!(log.better(any), Some(better));
        let mut log = Log::default();
        log.push(SAID.replace("#0:2 -> #1:0", "#0:1 -> #1:0").as_bytes());
        assert_eq!(log.better(any), None);
        assert_eq!(log.better(Want { sound: Pick::None, ..any }), None);
    }

    #[test]
    fn nothing_is_better_than_what_failed() {
        let mut log = Log::default();
        let (listing, _) = SAID.split_once("[info] Stream mapping").unwrap();
        log.push(listing.as_bytes());
        let any = Want { picture: Pick::Any, sound: Pick::Any };
        let better = log.better(any).unwrap();
        assert_eq!(log.better(better), None);
    }

    #[test]
    fn newer_programs_spell_rotation_otherwise() {
        let mut log = Log::default();
        log.push(SAID.replace("displaymatrix", "Display Matrix").as_bytes());
        assert_eq!(log.turn(), Turn::Quarter);
    }

    #[test]
    fn a_program_that_cannot_start_is_no_fault_of_the_file() {
        let mut log = Log::default();
        log.push(b"ffmpeg: error while loading shared libraries: libx.so.1: cannot open\n");
        let error = log.error(Path::new("a.mp4"), Want { picture: Pick::Any, sound: Pick::Any });
        assert!(matches!(error, MediaError::Jail { .. }) && error.to_string().contains("libx.so.1"));
    }

    #[test]
    fn endless_lines_are_cut() {
        let mut log = Log::default();
        log.push(b"[error] ");
        log.push(&vec![b'x'; 1 << 20]);
        assert_eq!(log.line.len(), LINE);
        log.push(b"\n");
        assert_eq!(log.errors, 1);
    }
}
