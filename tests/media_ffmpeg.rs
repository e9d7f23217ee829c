//! The jailed decoder, on files that it first encodes itself.
#![cfg(all(feature = "ffmpeg", unix))]

use std::path::{Path, PathBuf};
use std::process::Command;

use afterimage::media::{self, Frame, MediaError, Options, Samples, Sink, Summary};

/// Keeps the mean and the size of each picture, and all samples.
#[derive(Default)]
struct Seen {
    frames: Vec<(usize, usize, f64, f64)>,
    samples: Vec<f32>,
}

impl Sink for Seen {
    fn frame(&mut self, frame: Frame<'_>) {
        let luma = frame.luma;
        let sum: f64 = (0..luma.height()).flat_map(|y| luma.row(y)).map(|&v| f64::from(v)).sum();
        self.frames.push((
            luma.width(),
            luma.height(),
            frame.time,
            sum / (luma.width() * luma.height()) as f64,
        ));
    }

    fn samples(&mut self, samples: Samples<'_>) {
        assert_eq!(samples.rate, 8000);
        self.samples.extend_from_slice(samples.mono);
    }
}

fn encode(dir: &Path, name: &str, args: &str) -> PathBuf {
    let file = dir.join(name);
    let done = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args.split_whitespace())
        .arg(&file)
        .status()
        .expect("ffmpeg runs");
    assert!(done.success(), "encodes {name}");
    file
}

fn read(file: &Path) -> Result<(Summary, Seen), MediaError> {
    let mut seen = Seen::default();
    let summary = media::open(file, &Options::default())?.read(&mut seen)?;
    Ok((summary, seen))
}

#[test]
fn one_pass_gives_picture_and_sound() {
    let dir = tempfile::tempdir().unwrap();
    let file = encode(
        dir.path(),
        "clip.mp4",
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=3 -f lavfi -i sine=frequency=440:duration=3",
    );
    let (summary, seen) = read(&file).unwrap();
    assert_eq!(seen.frames.len(), 24);
    assert!(seen.frames.iter().enumerate().all(|(i, f)| (f.0, f.1, f.2) == (320, 180, i as f64 / 8.0)));
    assert!(seen.samples.len().abs_diff(3 * 8000) < 400, "{}", seen.samples.len());
    assert!((summary.duration - 3.0).abs() < 0.05);
    assert_eq!(summary.warnings, []);
}

#[test]
fn text_under_a_films_name_is_malformed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("text.mp4");
    std::fs::write(&file, "this is a text, and no film\n".repeat(40)).unwrap();
    assert!(matches!(read(&file), Err(MediaError::Malformed { .. })));
}
