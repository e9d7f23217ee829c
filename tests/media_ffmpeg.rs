//! The jailed decoder, on files that the program first encodes itself.
#![cfg(all(feature = "ffmpeg", unix))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use afterimage::media::{self, Bound, Frame, MediaError, Options, Samples, Sink, Summary, Warning};

/// Keeps all pictures and samples.
#[derive(Default)]
struct Seen {
    frames: Vec<Picture>,
    samples: Vec<f32>,
}

struct Picture {
    width: usize,
    height: usize,
    time: f64,
    pixels: Vec<u8>,
}

impl Picture {
    fn at(&self, x: f64, y: f64) -> u8 {
        let (x, y) = ((x * self.width as f64) as usize, (y * self.height as f64) as usize);
        self.pixels[y * self.width + x]
    }
}

impl Sink for Seen {
    fn frame(&mut self, frame: Frame<'_>) {
        let (width, height) = (frame.luma.width(), frame.luma.height());
        let pixels = (0..height).flat_map(|y| frame.luma.row(y).to_vec()).collect();
        self.frames.push(Picture { width, height, time: frame.time, pixels });
    }

    fn samples(&mut self, samples: Samples<'_>) {
        assert_eq!(samples.rate, 8000);
        self.samples.extend_from_slice(samples.mono);
    }
}

impl Seen {
    fn level(&self, from: f64, to: f64) -> f32 {
        let part = &self.samples[(from * 8000.0) as usize..(to * 8000.0) as usize];
        (part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32).sqrt()
    }
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn encode(&self, name: &str, args: &str) -> PathBuf {
        let done = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(args.split_whitespace())
            .arg(name)
            .current_dir(self.dir.path())
            .status()
            .expect("ffmpeg runs");
        assert!(done.success(), "encodes {name}");
        self.path(name)
    }
}

fn read_with(file: &Path, options: &Options) -> Result<(Summary, Seen), MediaError> {
    let mut seen = Seen::default();
    let summary = media::open(file, options)?.read(&mut seen)?;
    assert_eq!((summary.frames, summary.samples), (seen.frames.len() as u64, seen.samples.len() as u64));
    Ok((summary, seen))
}

fn read(file: &Path) -> (Summary, Seen) {
    read_with(file, &Options::default()).unwrap()
}

const CLIP: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=3 -f lavfi -i sine=440:duration=3";
/// Dark on the left, bright on the right; the upper half a little brighter than the lower.
const HALVES: &str = "color=black:size=320x180:rate=8:duration=1,format=gray,\
                      geq=lum='if(lt(X,W/2),20,200)+if(lt(Y,H/2),30,0)'";

#[test]
fn one_pass_gives_picture_and_sound() {
    let bench = Bench::new();
    let (summary, seen) = read(&bench.encode("clip.mp4", CLIP));
    assert_eq!(seen.frames.len(), 24);
    for (i, frame) in seen.frames.iter().enumerate() {
        assert_eq!((frame.width, frame.height, frame.time), (320, 180, i as f64 / 8.0));
    }
    assert!(seen.samples.len().abs_diff(3 * 8000) < 400, "{}", seen.samples.len());
    assert!((summary.duration - 3.0).abs() < 0.05);
    assert_eq!(summary.warnings, []);
    assert!(!summary.still);
    assert_eq!(summary.picture.unwrap().codec, "h264");
    assert_eq!(summary.sound.unwrap().codec, "aac");
    assert!(summary.decode_cpu > 0.0);
    // The level of a single channel is kept: the tone is an eighth of full scale.
    assert!((seen.level(0.5, 2.5) - 0.125 / 2f32.sqrt()).abs() < 0.005);
}

#[test]
fn both_ways_of_reading_agree() {
    let bench = Bench::new();
    bench.encode("clip.mkv", &format!("{CLIP} -c:v ffv1 -pix_fmt yuv420p -ac 2 -ar 44100 -c:a pcm_s16le"));
    let (_, child) = read(&bench.path("clip.mkv"));
    let (film, picture) = read(&bench.encode("clip.y4m", "-i clip.mkv"));
    let (tone, sound) = read(&bench.encode("clip.wav", "-i clip.mkv"));
    assert_eq!(film.warnings, [Warning::NoSound]);
    assert_eq!(tone.warnings, [Warning::NoPicture]);
    assert_eq!(picture.frames.len(), child.frames.len());
    for (a, b) in picture.frames.iter().zip(&child.frames) {
        let apart = a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(apart.unwrap() <= 1, "{apart:?} at {}", a.time);
    }
    assert!(sound.samples.len().abs_diff(child.samples.len()) <= 1);
    for (a, b) in sound.samples.iter().zip(&child.samples).skip(100).take(23_000) {
        assert!((a - b).abs() < 0.002, "{a} {b}");
    }
}

#[test]
fn any_range_and_depth_becomes_full_8_bit() {
    let bench = Bench::new();
    for format in ["yuv420p", "yuv420p10le", "yuv444p12le", "yuvj420p", "gray", "rgb24"] {
        let (_, seen) =
            read(&bench.encode("clip.mkv", &format!("-f lavfi -i {HALVES} -c:v ffv1 -pix_fmt {format}")));
        let frame = &seen.frames[0];
        for (x, y, want) in [(0.2, 0.8, 20), (0.8, 0.8, 200), (0.2, 0.2, 50), (0.8, 0.2, 230)] {
            assert!(frame.at(x, y).abs_diff(want) <= 3, "{format}: {} is not {want}", frame.at(x, y));
        }
    }
}

#[test]
fn high_dynamic_range_is_brought_down() {
    let bench = Bench::new();
    // Black, a tenth of diffuse white, diffuse white, by the perceptual quantiser.
    let steps = "color=black:size=96x32:rate=8:duration=1,format=gray,geq=lum='if(lt(X,32),0,if(lt(X,64),92,148))',\
         format=yuv420p10le,setparams=color_primaries=bt2020:colorspace=bt2020nc:color_trc=smpte2084";
    // Programs of different age take the tags from the pictures or from the options.
    let args = "-c:v ffv1 -color_primaries bt2020 -colorspace bt2020nc -color_trc smpte2084";
    let (_, seen) = read(&bench.encode("clip.mkv", &format!("-f lavfi -i {steps} {args}")));
    let frame = &seen.frames[0];
    for (x, want) in [(0.1, 0), (0.5, 98), (0.9, 236)] {
        assert!(frame.at(x, 0.5).abs_diff(want) <= 6, "{} is not {want}", frame.at(x, 0.5));
    }
}

#[test]
fn pictures_too_short_to_be_seen_are_not_taken() {
    let bench = Bench::new();
    // White, 25 pictures a second, with a millisecond of black at each moment at which one is taken.
    let decoys = "color=white:size=64x64:rate=1000:duration=2,drawbox=c=black:t=fill:enable='not(mod(n,125))',\
         select='not(mod(n,40)*mod(n,125)*mod(n-1,125))'";
    let (_, seen) = read(&bench.encode("decoys.mkv", &format!("-f lavfi -i {decoys} -c:v ffv1")));
    assert!(seen.frames.len() >= 15);
    assert!(seen.frames.iter().all(|frame| frame.at(0.5, 0.5) > 200));
    // Where all are short, as in slow motion, no moment is missed for long.
    let ramp = "color=black:size=64x64:rate=240:duration=2,format=gray,geq=lum='N/2'";
    let (_, seen) = read(&bench.encode("fast.mkv", &format!("-f lavfi -i {ramp} -c:v ffv1")));
    for (number, frame) in seen.frames.iter().enumerate() {
        let (level, due) = (f64::from(frame.at(0.5, 0.5)), number as f64 * 15.0);
        assert!((due - 1.0..=due + 8.0).contains(&level), "{level} in place of {due}");
    }
}

#[test]
fn rotation_is_honoured() {
    let bench = Bench::new();
    bench.encode("flat.mp4", &format!("-f lavfi -i {HALVES} -pix_fmt yuv420p"));
    for degrees in [90, 180, 270] {
        let turned = format!("-i flat.mp4 -c copy -metadata:s:v rotate={degrees}");
        let (_, here) = read(&bench.encode("turned.mp4", &turned));
        // The program turns pictures itself when it writes them anew.
        let (_, there) = read(&bench.encode("upright.mkv", "-i turned.mp4 -c:v ffv1"));
        let (here, there) = (&here.frames[0], &there.frames[0]);
        assert_eq!((here.width, here.height), (there.width, there.height));
        assert!(here.pixels == there.pixels, "{degrees}");
    }
}

#[test]
fn pixels_become_square_and_pictures_small() {
    let bench = Bench::new();
    for (input, want) in [
        ("testsrc2=size=1280x720:rate=8:duration=0.5", (960, 540)),
        ("testsrc2=size=200x300:rate=8:duration=0.5,setsar=1/2", (100, 300)),
        ("testsrc2=size=720x576:rate=8:duration=0.5,setsar=64/45", (720, 405)),
        ("testsrc2=size=1000x10:rate=8:duration=0.5", (960, 10)),
        ("testsrc2=size=320x180:rate=8:duration=0.5,setsar=1/8", (40, 180)),
        ("testsrc2=size=320x180:rate=8:duration=0.5,setsar=1/1000", (320, 180)),
        ("testsrc2=size=320x180:rate=8:duration=0.5,setsar=1000", (320, 180)),
    ] {
        let (_, seen) =
            read(&bench.encode("clip.mkv", &format!("-f lavfi -i {input} -c:v ffv1 -pix_fmt yuv420p")));
        assert_eq!((seen.frames[0].width, seen.frames[0].height), want, "{input}");
        assert_eq!(seen.frames.len(), 4);
    }
}

#[test]
fn streams_that_start_apart_stay_aligned() {
    let bench = Bench::new();
    // White for an eighth of a second and a beep, both at second 2 of the film; then one of both is delayed.
    let flash = "color=black:size=64x64:rate=24:duration=3,geq=lum='if(between(T,2,2.124),255,0)'";
    let beep = "sine=1000:duration=3,volume=0:enable='not(between(t,2,2.125))'";
    bench.encode("v.mkv", &format!("-f lavfi -i {flash} -c:v ffv1 -pix_fmt yuv420p"));
    bench.encode("a.mkv", &format!("-f lavfi -i {beep} -c:a flac"));
    let when = |seen: &Seen| {
        let frame = seen.frames.iter().find(|f| f.at(0.5, 0.5) > 128).unwrap().time;
        let sound = seen.samples.iter().position(|s| s.abs() > 0.05).unwrap() as f64 / 8000.0;
        (frame, sound)
    };
    for (args, want) in [
        ("-i v.mkv -i a.mkv -c copy", (2.0, 2.0)),
        ("-i v.mkv -itsoffset 1 -i a.mkv -map 0 -map 1 -c copy", (2.0, 3.0)),
        ("-itsoffset 0.5 -i v.mkv -i a.mkv -map 0 -map 1 -c copy", (2.5, 2.0)),
        ("-itsoffset 5 -i v.mkv -itsoffset 5 -i a.mkv -map 0 -map 1 -c copy", (2.0, 2.0)),
    ] {
        let (_, seen) = read(&bench.encode("both.mkv", args));
        let (frame, sound) = when(&seen);
        assert!((frame - want.0).abs() < 0.126 && (sound - want.1).abs() < 0.03, "{args}: {frame} {sound}");
    }
}

#[test]
fn channels_that_cancel_are_heard() {
    let bench = Bench::new();
    let stereo = "aevalsrc='0.3*sin(2500*t)|-0.3*sin(2500*t)':s=44100:d=2";
    let (_, seen) = read(&bench.encode("clip.mp4", &format!("-f lavfi -i {stereo}")));
    assert!(seen.level(0.2, 1.8) > 0.1, "{}", seen.level(0.2, 1.8));
}

/// Nine channels have no order that is known, and those of an ambisonic recording are no loudspeakers.
#[test]
fn channels_that_nobody_can_mix_are_heard() {
    let bench = Bench::new();
    let tone = (0..44_100 * 9).map(|i| (((i / 9) as f32 * 0.06).sin() * 8000.0) as i16);
    std::fs::write(bench.path("raw"), tone.flat_map(i16::to_le_bytes).collect::<Vec<_>>()).unwrap();
    let film = "-f lavfi -i testsrc2=size=64x64:rate=8:duration=1 -map 0 -map 1 -c:a";
    for (name, args) in [
        ("nine.mov", format!("-f s16le -ar 44100 -ac 9 -i raw {film} copy")),
        ("round.mkv", format!("-f s16le -ar 44100 -ac 9 -i raw {film} libopus -mapping_family 2")),
    ] {
        let (summary, seen) = read(&bench.encode(name, &args));
        assert!(seen.frames.len() >= 8 && summary.sound.is_some(), "{name}: {summary:?}");
        assert!(seen.level(0.2, 0.8) > 0.1, "{name}");
    }
}

#[test]
fn what_there_is_is_read_and_what_is_missing_is_said() {
    let bench = Bench::new();
    bench.encode("clip.mp4", &format!("{CLIP} -movflags +faststart"));
    let (summary, seen) = read(&bench.encode("mute.mp4", "-i clip.mp4 -an -c copy"));
    assert_eq!((summary.warnings, seen.frames.len()), (vec![Warning::NoSound], 24));
    let (summary, _) = read(&bench.encode("blind.mp4", "-i clip.mp4 -vn -c copy"));
    assert_eq!(summary.warnings, [Warning::NoPicture]);

    let whole = std::fs::read(bench.path("clip.mp4")).unwrap();
    std::fs::write(bench.path("cut.mp4"), &whole[..whole.len() / 2]).unwrap();
    let (summary, seen) = read(&bench.path("cut.mp4"));
    assert!(!seen.frames.is_empty() && seen.frames.len() < 24);
    assert!(summary.warnings.iter().any(|w| matches!(w, Warning::Truncated { claimed: Some(_), .. })));

    let (summary, _) =
        read(&bench.encode("many.mkv", "-i clip.mp4 -map 0:v -map 0:a -map 0:a -map 0:a -c copy"));
    let sound = summary.sound.unwrap();
    assert_eq!((sound.index, sound.of), (1, 3));
    assert_eq!(summary.warnings, [Warning::OneStreamOf { index: 1, of: 3, kind: "sound" }]);
}

#[test]
fn the_stream_that_would_be_published_is_read() {
    let bench = Bench::new();
    let streams = "-f lavfi -i testsrc2=size=320x180:rate=8:duration=1 -f lavfi -i testsrc2=size=640x360:rate=8:duration=1 \
                   -f lavfi -i sine=440:duration=1 -f lavfi -i sine=440:duration=1 -map 0 -map 1 -map 2 -map 3 \
                   -c:v mpeg4 -c:a pcm_s16le -ac:a:0 1 -ac:a:1 2";
    for (marks, picture, sound) in [
        ("-disposition default", 1, 3),
        ("-disposition:v:0 default -disposition:v:1 0 -disposition:a:0 default -disposition:a:1 0", 0, 2),
        ("-disposition:v:0 0 -disposition:v:1 default -disposition:a:0 0 -disposition:a:1 default", 1, 3),
    ] {
        let (summary, seen) = read(&bench.encode("two.mkv", &format!("{streams} {marks}")));
        let (_, published) = read(&bench.encode("published.mp4", "-i two.mkv"));
        assert_eq!(seen.frames[0].width, published.frames[0].width);
        let told = [(picture, "picture"), (sound, "sound")];
        assert_eq!(summary.warnings, told.map(|(index, kind)| Warning::OneStreamOf { index, of: 2, kind }));
    }
}

/// Long after the start, where filters that begin anew take the time for broken.
#[test]
fn pictures_may_change_their_size() {
    let bench = Bench::new();
    let part = |name, source| {
        let args = format!("-f lavfi -i color={source}:rate=2 -c:v mpeg2video -q:v 31 -f mpegts");
        std::fs::read(bench.encode(name, &args)).unwrap()
    };
    let dark = part("dark.ts", "black:size=64x48:duration=640");
    let bright = part("bright.ts", "white:size=48x64:duration=60");
    std::fs::write(bench.path("both.ts"), [dark, bright].concat()).unwrap();
    let options = Options { frame_rate: 1, ..Options::default() };
    let (_, seen) = read_with(&bench.path("both.ts"), &options).unwrap();
    let bright = seen.frames.iter().filter(|frame| frame.at(0.5, 0.5) > 128).count();
    assert!(bright.abs_diff(60) < 3 && seen.frames.len().abs_diff(700) < 3, "{bright}");
    assert!(seen.frames.iter().all(|frame| (frame.width, frame.height) == (64, 48)));
}

/// Filters begin anew at each change, and forget how much there was before.
#[test]
fn sound_may_change_its_channels_and_rate() {
    let bench = Bench::new();
    let parts = [(440, "-ac 2"), (880, "-ac 6"), (440, "-ac 2 -ar 32000"), (880, "-ac 1 -ar 44100")];
    let sound = parts.map(|(pitch, form)| {
        let args = format!("-f lavfi -i sine={pitch}:duration=2:sample_rate=48000 {form}");
        std::fs::read(bench.encode("part.ac3", &args)).unwrap()
    });
    std::fs::write(bench.path("all.ac3"), sound.concat()).unwrap();
    // A second late, after which each is to be heard at its time; silence is nowhere else.
    let film = "-f lavfi -i color=size=64x64:rate=8:duration=9 -itsoffset 1 -i all.ac3 -c:v mpeg4 -c:a copy";
    let (summary, seen) = read(&bench.encode("all.mkv", film));
    assert_eq!(summary.warnings, []);
    assert!((seen.samples.len() as f64 / 8000.0 - 9.0).abs() < 0.15, "{}", seen.samples.len());
    assert!(seen.level(0.0, 0.9) < 0.001);
    for part in 0..4 {
        let (from, to) = (1.1 + 2.0 * f64::from(part), 2.9 + 2.0 * f64::from(part));
        let (from, to) = ((from * 8000.0) as usize, (to * 8000.0) as usize);
        let crossings = seen.samples[from..to].windows(2).filter(|two| two[0] < 0.0 && two[1] >= 0.0).count();
        let pitch = crossings as f64 / ((to - from) as f64 / 8000.0);
        assert!((pitch - [440.0, 880.0][part as usize % 2]).abs() < 5.0, "{part}: {pitch}");
    }
    let first = Options { first: Some(Duration::from_secs(4)), ..Options::default() };
    let (_, start) = read_with(&bench.path("all.mkv"), &first).unwrap();
    assert!(start.samples == seen.samples[..32_000]);
}

#[test]
fn threads_do_not_matter() {
    let bench = Bench::new();
    let clip = bench.encode("clip.mp4", CLIP);
    let (_, one) = read(&clip);
    let (_, four) = read_with(&clip, &Options { threads: 4, ..Options::default() }).unwrap();
    assert!(one.frames.iter().map(|f| &f.pixels).eq(four.frames.iter().map(|f| &f.pixels)));
    assert!(one.samples == four.samples);
}

#[test]
fn a_cover_is_no_film() {
    let bench = Bench::new();
    bench.encode("cover.png", "-f lavfi -i testsrc2=size=300x300:duration=0.04");
    let song =
        "-f lavfi -i sine=440:duration=2 -i cover.png -map 0 -map 1 -c:v copy -disposition:v attached_pic";
    let (summary, seen) = read(&bench.encode("song.mp3", song));
    assert_eq!((summary.warnings, seen.frames.len()), (vec![Warning::NoPicture], 0));
    assert!(seen.samples.len() > 15_000);
    let pictures = Options { sound: false, ..Options::default() };
    assert!(matches!(read_with(&bench.path("song.mp3"), &pictures), Err(MediaError::Unsupported { .. })));
}

#[test]
fn only_what_is_wanted_is_read() {
    let bench = Bench::new();
    let clip = bench.encode("clip.mp4", CLIP);
    let (summary, seen) = read_with(&clip, &Options { sound: false, ..Options::default() }).unwrap();
    assert_eq!((seen.frames.len(), seen.samples.len(), summary.warnings.len()), (24, 0, 0));
    let (summary, seen) = read_with(&clip, &Options { picture: false, ..Options::default() }).unwrap();
    assert_eq!((seen.frames.len(), summary.warnings.len()), (0, 0));
    assert!(seen.samples.len() > 23_000);
    let mute = bench.encode("mute.mp4", "-i clip.mp4 -an -c copy");
    let none = read_with(&mute, &Options { picture: false, ..Options::default() });
    assert!(matches!(none, Err(MediaError::Unsupported { .. })));
}

#[test]
fn no_more_is_read_than_is_wanted() {
    let bench = Bench::new();
    let clip = bench.encode("clip.mp4", CLIP);
    let (_, whole) = read(&clip);
    let first = Options { first: Some(Duration::from_millis(1500)), ..Options::default() };
    let (summary, seen) = read_with(&clip, &first).unwrap();
    assert_eq!((seen.frames.len(), seen.samples.len()), (12, 12_000));
    assert!(seen.frames.iter().zip(&whole.frames).all(|(a, b)| a.pixels == b.pixels));
    assert!(whole.samples.starts_with(&seen.samples));
    assert_eq!((summary.duration, summary.warnings), (1.5, vec![]));
    // By the readers of this crate, too.
    let film = bench.encode("film.y4m", "-i clip.mp4 -an -pix_fmt gray");
    assert_eq!(read_with(&film, &first).unwrap().1.frames.len(), 12);
    let song = bench.encode("song.wav", "-i clip.mp4 -vn");
    let (summary, seen) = read_with(&song, &first).unwrap();
    assert_eq!((summary.warnings, seen.samples.len()), (vec![Warning::NoPicture], 12_000));
}

#[test]
fn limits_are_kept() {
    let bench = Bench::new();
    let clip = bench.encode("clip.mp4", CLIP);
    let limited = |change: &dyn Fn(&mut media::Limits)| {
        let mut options = Options::default();
        change(&mut options.limits);
        match read_with(&clip, &options) {
            Err(MediaError::Limit { bound, .. }) => Some(bound),
            _ => None,
        }
    };
    assert_eq!(limited(&|_| {}), None);
    assert_eq!(limited(&|l| l.duration = Duration::from_secs(2)), Some(Bound::Duration));
    assert_eq!(limited(&|l| l.pixels = 10_000), Some(Bound::Pixels));
    assert_eq!(limited(&|l| l.wall = Duration::ZERO), Some(Bound::WallClock));
}

#[test]
fn files_that_are_no_media_are_told_apart() {
    let bench = Bench::new();
    let error = |name: &str, bytes: &[u8]| {
        std::fs::write(bench.path(name), bytes).unwrap();
        let error = read_with(&bench.path(name), &Options::default()).err().unwrap();
        let message = error.to_string();
        assert!(message.contains(name) && !message.contains(['\n', '\x1b']), "{message}");
        error
    };
    assert!(matches!(error("empty.mp4", b""), MediaError::Malformed { .. }));
    assert!(matches!(error("text.mp4", &b"a text and no film\n".repeat(99)), MediaError::Malformed { .. }));
    assert!(matches!(error("text.txt", &b"a text and no film\n".repeat(99)), MediaError::Malformed { .. }));
    assert!(matches!(read_with(&bench.path("none"), &Options::default()), Err(MediaError::NotFound { .. })));
    assert!(matches!(read_with(bench.dir.path(), &Options::default()), Err(MediaError::Unsupported { .. })));

    let missing = Options { ffmpeg: "no-such-decoder".into(), ..Options::default() };
    std::fs::write(bench.path("film.mkv"), b"\x1A\x45\xDF\xA3 and so on").unwrap();
    assert!(matches!(read_with(&bench.path("film.mkv"), &missing), Err(MediaError::DecoderMissing { .. })));
}
