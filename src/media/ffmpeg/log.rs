//! What the child says on its standard error: which streams there are, and what went wrong.
//!
//! The program repeats names that the file gives to its streams, with all line breaks: a file may say what it likes in the
//! program's words. So a mark that no file can know is put into what counts, and a second line on the same stream that
//! says otherwise is taken for a forgery. Without the mark is how a picture is turned, which copies need not agree on.

use std::collections::BTreeMap;
use std::path::Path;

use super::args::Want;
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
    /// `None` for a cover.
    kind: Option<Kind>,
    codec: String,
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
    /// What stands between the program's words on a stream.
    mark: String,
    line: Vec<u8>,
    /// Streams by their numbers; `None` where they are neither picture nor sound.
    streams: BTreeMap<usize, Option<Listed>>,
    /// The number of the stream that was listed last.
    last: usize,
    chosen: Vec<usize>,
    /// The program does not know how to make two channels of those there are.
    unmixed: bool,
    /// Lines were found that the program cannot have said.
    forged: bool,
    /// Past the listing of the input.
    listed: bool,
    /// Past the choice of streams: the output is about to begin.
    began: bool,
    /// The format that the program takes the file for, by the first of its names.
    pub(super) format: Option<String>,
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
    pub(super) fn new(mark: String) -> Self {
        Self { mark, ..Self::default() }
    }

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
        let cut = self.line.len() == LINE;
        self.line.clear();
        // A name that pushes what is said of a stream out of the line.
        self.forged |= cut && !self.listed && line.starts_with("[info]   Stream #0:");
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
        if text.starts_with("Stream mapping:") {
            // What looked like it before was a name in the file.
            self.chosen.clear();
        }
        let marked = text.contains(&self.mark);
        if let Some(rest) = text.strip_prefix("  Stream #0:") {
            match rest.split_once(" -> #") {
                Some((index, _)) if self.listed && !marked && self.chosen.len() < STREAMS => {
                    self.chosen.extend(number(index));
                }
                _ if !self.listed => self.list(rest),
                _ => self.forged |= marked,
            }
        } else if marked {
            self.forged = true;
        } else if self.listed {
        } else if let Some(rest) = text.strip_prefix("Input #0, ") {
            // What follows may hold the file's own words: the first such line is the program's.
            let name = || rest.split(',').next().unwrap_or_default().to_owned();
            self.format.get_or_insert_with(name);
        } else if let Some(rest) = text.strip_prefix("  Duration: ") {
            self.duration = self.duration.or_else(|| clock(rest));
        } else if let Some(rest) = ["displaymatrix", "Display Matrix"]
            .iter()
            .find_map(|name| inner.strip_prefix(name)?.strip_prefix(": rotation of "))
            && let Some(Some(stream)) = self.streams.get_mut(&self.last)
            && let Some(degrees) = rest.split(' ').next().and_then(|d| d.parse::<f64>().ok())
        {
            // Degrees count counter-clockwise from the coded picture to the upright one.
            stream.turn = turn(-degrees);
        }
    }

    /// Takes what is said of a stream behind `Stream #0:`.
    fn list(&mut self, rest: &str) {
        let Some(index) = number(rest) else { return };
        let new = listed(rest, &self.mark);
        match self.streams.get(&index) {
            None if self.streams.len() < STREAMS => {
                self.streams.insert(index, new);
                self.last = index;
            }
            None => {}
            // A stream is listed once for each programme that it is part of.
            Some(old) => {
                let known = |of: &Option<Listed>| of.as_ref().map(|of| (of.kind, of.codec.clone()));
                self.forged |= known(old) != known(&new);
            }
        }
    }

    fn error_line(&mut self, who: &str, what: &str) {
        self.errors += 1;
        self.unmixed |= what.starts_with("Rematrix is needed") || what.starts_with("Input channel layout");
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

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (usize, &Listed)> {
        let streams = self.streams.iter().filter_map(|(index, stream)| Some((*index, stream.as_ref()?)));
        streams.filter(move |(_, stream)| stream.kind == Some(kind))
    }

    /// How many streams of a kind the container has.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.of_kind(kind).count()
    }

    /// Whether the file tried to speak in the program's name.
    pub(super) fn forged(&self) -> bool {
        self.forged
    }

    /// Whether the sound has channels that the program does not know how to mix.
    pub(super) fn unmixed(&self) -> bool {
        self.unmixed
    }

    /// Whether it is of a format that the program was not to read.
    pub(super) fn refused(&self) -> bool {
        self.verdict == Some(Verdict::Unsupported)
    }

    /// Whether one stream is all that there is, and it is sound that is not compressed.
    pub(super) fn is_plain_sound(&self) -> bool {
        let plain = |(_, sound): (usize, &Listed)| sound.codec.starts_with("pcm_");
        self.streams.len() == 1 && self.of_kind(Kind::Sound).all(plain) && self.count(Kind::Sound) == 1
    }

    fn chosen_listed(&self, kind: Kind) -> Option<(usize, &Listed)> {
        self.of_kind(kind).find(|(index, _)| self.chosen.contains(index))
    }

    /// The stream of a kind that is being decoded.
    pub(super) fn chosen(&self, kind: Kind) -> Option<Stream> {
        let (index, stream) = self.chosen_listed(kind)?;
        Some(Stream { index, of: self.count(kind), codec: stream.codec.clone() })
    }

    /// Whether it is known which streams are being decoded.
    pub(super) fn began(&self) -> bool {
        self.began
    }

    /// What should be wanted instead of what `want` has come to: no picture, where that is a cover.
    pub(super) fn better(&self, want: Want) -> Option<Want> {
        let is_cover = |index| matches!(self.streams.get(index), Some(Some(Listed { kind: None, .. })));
        (want.picture && self.chosen.iter().any(is_cover)).then_some(Want { picture: false, ..want })
    }

    /// How the pictures have to be turned.
    pub(super) fn turn(&self) -> Turn {
        self.chosen_listed(Kind::Picture).map(|(_, s)| s.turn).unwrap_or_default()
    }

    /// Whether the pictures' luma is of limited range.
    pub(super) fn limited(&self) -> bool {
        self.chosen_listed(Kind::Picture).is_none_or(|(_, s)| s.limited)
    }

    /// Whether the pictures are coded by the perceptual quantiser.
    pub(super) fn pq(&self) -> bool {
        self.chosen_listed(Kind::Picture).is_some_and(|(_, s)| s.pq)
    }

    /// Whether the sound that is being decoded has a single channel.
    pub(super) fn mono(&self) -> bool {
        self.chosen_listed(Kind::Sound).is_some_and(|(_, s)| s.mono)
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
                let lacks = |wanted: bool, kind| !wanted || self.count(kind) == 0;
                match (lacks(want.picture, Kind::Picture), lacks(want.sound, Kind::Sound)) {
                    (true, true) if !want.sound => MediaError::unsupported(path, "has no picture"),
                    (true, true) if !want.picture => MediaError::unsupported(path, "has no sound"),
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

/// `1[0x2](und): Audio: aac (LC) ...,#mark#44100 Hz`: the language may be any text, and it may have commas and colons.
fn listed(rest: &str, mark: &str) -> Option<Listed> {
    let (head, tail) = rest.split_once(mark)?;
    let (kind, codec) = [(Kind::Picture, ": Video: "), (Kind::Sound, ": Audio: ")]
        .into_iter()
        .filter_map(|(kind, words)| Some((kind, head.rfind(words)? + words.len())))
        .max_by_key(|(_, begin)| *begin)
        .map(|(kind, begin)| (kind, &head[begin..]))?;
    let coded = format!("{codec}, {}", tail.replace(mark, ", "));
    // Cover art is a picture of the sound, not a film.
    let cover = kind == Kind::Picture && coded.ends_with("(attached pic)");
    Some(Listed {
        kind: (!cover).then_some(kind),
        codec: one_line(codec.split([' ', ',']).next().unwrap_or_default()),
        turn: Turn::None,
        mono: coded.contains(" Hz, mono,"),
        limited: limited_range(&coded),
        pq: coded.contains("/smpte2084"),
    })
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
[info]   Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661),#m#yuv420p,#m#640x360,#m#25 fps (default)
[info]     Side data:
[info]       displaymatrix: rotation of -90.00 degrees
[info]   Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D),#m#44100 Hz, mono, fltp (default)
[info]   Stream #0:2: Audio: mp3,#m#44100 Hz, stereo
[info]   Stream #0:3: Video: mjpeg,#m#yuvj420p,#m#600x600 (attached pic)
[info] Stream mapping:
[info]   Stream #0:0 -> #0:0 (h264 (native) -> wrapped_avframe (native))
[info]   Stream #0:2 -> #1:0 (mp3 (native) -> pcm_f32le (native))
[h264 @ 0x55d0] [error] error while decoding MB 3 4
";

    fn log(said: &str) -> Log {
        let mut log = Log::new(",#m#".to_owned());
        log.push(said.as_bytes());
        log
    }

    #[test]
    fn understands_the_listing() {
        let log = log(SAID);
        assert!(!log.forged());
        assert_eq!(log.format.as_deref(), Some("mov"));
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
    fn a_cover_is_not_wanted() {
        let any = Want { picture: true, sound: true, two: false };
        assert_eq!(log(SAID).better(any), None);
        let cover = log(&SAID.replace("#0:0 -> #0:0", "#0:3 -> #0:0"));
        assert_eq!(cover.better(any), Some(Want { picture: false, ..any }));
        assert_eq!(cover.better(Want { picture: false, ..any }), None);
    }

    #[test]
    fn names_of_streams_are_not_believed() {
        // A film whose language says that it is a cover, and what is made to look like the program's own lines.
        let film = log(&SAID.replace("[0x1](und)", "[0x1](x: Data: (, #m (attached pic)) -> #: Audio: x,)"));
        assert!(!film.forged());
        assert_eq!(film.chosen(Kind::Picture).map(|s| s.codec).as_deref(), Some("h264"));
        for name in [
            "x: Data: y\n[info]   Stream #0:3(",
            "x: Data: y\n[info]   Stream #0:1(",
            "x: Data: y\n[info]   nothing(",
            "x: Data: y\n[info] Stream mapping:\n[info]   Stream #0:0 -> #0:0 (",
            &"x".repeat(LINE),
        ] {
            assert!(log(&SAID.replace("und): Video", &format!("{name}): Video"))).forged(), "{name}");
        }
        // What is no stream's line changes no stream.
        let said = SAID.replace(
            "    Side data",
            "    x\n[info]   Stream #0:9: Video: x (attached pic)\n[info] Stream mapping:\n[info]   Stream #0:3 -> #0:0 (x)",
        );
        assert!(log(&said).forged());
    }

    #[test]
    fn programmes_may_share_a_stream() {
        let line = SAID.lines().find(|line| line.contains("Audio: aac")).unwrap();
        let twice = log(&SAID.replace(line, &format!("{line}\n{line}")));
        assert!(!twice.forged());
        assert_eq!(twice.count(Kind::Sound), 2);
    }

    #[test]
    fn newer_programs_spell_rotation_otherwise() {
        let log = log(&SAID.replace("displaymatrix", "Display Matrix"));
        assert_eq!(log.turn(), Turn::Quarter);
    }

    #[test]
    fn a_program_that_cannot_start_is_no_fault_of_the_file() {
        let log = log("ffmpeg: error while loading shared libraries: libx.so.1: cannot open\n");
        let error = log.error(Path::new("a.mp4"), Want { picture: true, sound: true, two: false });
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
