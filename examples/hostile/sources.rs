//! Small films in all containers and codecs that the `ffmpeg` here can write.

use crate::mutate::Random;
use crate::synthetic::Film;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A file that works.
pub(crate) struct Source {
    pub(crate) container: String,
    /// Of pictures or of sound; `default` are those that the container prefers, of both.
    pub(crate) codec: String,
    pub(crate) bytes: Vec<u8>,
}

/// The film that all sources show some of, beside them.
pub(crate) const FILM: &str = "film.nut";

const SECONDS: usize = 4;
const RATE: usize = 8;
const SIDES: (usize, usize) = (176, 144);
const HERTZ: usize = 44_100;
/// No source is larger.
const MOST: usize = 3 << 20;
/// No attempt takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What encoders are picky about: the first that works is taken.
const PICTURES: &[&str] = &[
    "",
    "-r 25 -t 1",
    "-r 25 -t 0.4 -s 720x576 -pix_fmt yuv420p",
    "-r 25 -t 0.12 -s 1920x1080 -pix_fmt yuv422p -b:v 36M",
    "-r 30 -t 1 -s 128x128",
];
const SOUNDS: &[&str] = &["", "-ac 1 -ar 8000", "-ac 2 -ar 48000", "-ac 1 -ar 22050", "-ac 1 -ar 16000"];
const BOTH: &[&str] = &["", "-r 25 -t 1 -ar 48000", "-r 25 -t 0.4 -s 720x576 -ar 48000 -ac 2"];

/// Muxers that send, play, split into files of their own or write text about the media.
const NO_FILES: &[&str] = &[
    "rtp",
    "rtsp",
    "rtp_mpegts",
    "sap",
    "tee",
    "fifo",
    "fifo_test",
    "null",
    "hds",
    "smoothstreaming",
    "crc",
    "framecrc",
    "framehash",
    "framemd5",
    "hash",
    "md5",
    "streamhash",
    "uncodedframecrc",
    "mkvtimestamp_v2",
    "ffmetadata",
    "chromaprint",
];
/// Ends of the names of encoders that are devices.
const DEVICES: &[&str] = &["_v4l2m2m", "_nvenc", "_omx", "_qsv", "_vaapi", "_amf", "_vulkan", "_mf"];
/// Containers that take nearly everything.
const WIDE: &[&str] = &["nut", "mov", "matroska"];

/// At least `wanted` sources in `folder`, if there are so many, where they are kept for the next time.
///
/// A small number is a sample. First come all containers with their own codecs and all codecs, then combinations.
pub(crate) fn make(folder: &Path, wanted: usize, seed: u64) -> Result<Vec<Source>, Box<dyn Error>> {
    if !folder.exists() {
        let new = folder.with_extension("new");
        fs::create_dir_all(&new)?;
        film(&new)?;
        Maker { folder: &new, made: 0, options: BTreeMap::new() }.all(wanted, &mut Random(seed))?;
        fs::rename(&new, folder)?;
    }
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut sources = Vec::new();
    for name in &names {
        // The film itself ends otherwise.
        let Some((codec, container)) = name.strip_suffix(".source").and_then(|name| name.split_once('.'))
        else {
            continue;
        };
        let bytes = fs::read(folder.join(name))?;
        sources.push(Source { container: container.to_owned(), codec: codec.to_owned(), bytes });
    }
    if sources.is_empty() {
        return Err("ffmpeg made no media".into());
    }
    Ok(sources)
}

/// Writes the film that all others are made of.
fn film(folder: &Path) -> Result<(), Box<dyn Error>> {
    let film = Film::new(7, SECONDS as f64);
    let (width, height) = SIDES;
    let mut pictures = format!("YUV4MPEG2 W{width} H{height} F{RATE}:1 Ip A1:1 C420jpeg\n").into_bytes();
    for n in 0..SECONDS * RATE {
        pictures.extend_from_slice(b"FRAME\n");
        pictures.extend(film.luma(n as f64 / RATE as f64, width, height));
        pictures.resize(pictures.len() + width * height / 2, 128);
    }
    fs::write(folder.join("film.y4m"), pictures)?;
    let sound = film.sound(0, SECONDS * HERTZ, HERTZ as u32);
    let sound: Vec<u8> = sound.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect();
    fs::write(folder.join("film.s16"), sound)?;
    let arguments =
        format!("-i film.y4m -f s16le -ar {HERTZ} -ac 1 -i film.s16 -c:v ffv1 -c:a pcm_s16le -y {FILM}");
    if !ffmpeg(folder, &arguments)? {
        return Err("ffmpeg does not run".into());
    }
    fs::remove_file(folder.join("film.y4m"))?;
    Ok(fs::remove_file(folder.join("film.s16"))?)
}

/// A film to be tried: a container, and options for pictures and sound.
#[derive(Clone, Debug)]
struct Attempt {
    containers: Vec<String>,
    /// An encoder and whether it is one of pictures.
    encoder: Option<(String, bool)>,
}

struct Maker<'a> {
    folder: &'a Path,
    made: usize,
    /// What encoders were found to want.
    options: BTreeMap<String, &'static str>,
}

impl Maker<'_> {
    fn all(&mut self, wanted: usize, random: &mut Random) -> Result<(), Box<dyn Error>> {
        let (containers, encoders) = (containers()?, encoders()?);
        let mut first: Vec<Attempt> = Vec::new();
        for container in &containers {
            first.push(Attempt { containers: vec![container.clone()], encoder: None });
        }
        for encoder in &encoders {
            let own = containers.iter().filter(|&name| encoder.0.contains(name.as_str()));
            let containers = WIDE.iter().map(|&name| name.to_owned()).chain(own.cloned()).collect();
            first.push(Attempt { containers, encoder: Some(encoder.clone()) });
        }
        shuffle(&mut first, random);
        for attempt in first {
            if self.made >= wanted {
                return Ok(());
            }
            self.attempt(&attempt)?;
        }
        // Containers that refuse whatever comes have one codec of their own.
        let mut refused: BTreeMap<String, u32> = BTreeMap::new();
        let mut pairs = Vec::new();
        for encoder in encoders.iter().filter(|encoder| self.options.contains_key(&encoder.0)) {
            for container in &containers {
                pairs.push(Attempt { containers: vec![container.clone()], encoder: Some(encoder.clone()) });
            }
        }
        shuffle(&mut pairs, random);
        for pair in pairs {
            if self.made >= wanted {
                break;
            }
            let count = refused.entry(pair.containers.concat()).or_default();
            if *count < 4 {
                // One that takes a codec is asked for four more.
                *count = if self.attempt(&pair)? { 0 } else { *count + 1 };
            }
        }
        Ok(())
    }

    /// Whether the film could be made.
    fn attempt(&mut self, attempt: &Attempt) -> Result<bool, Box<dyn Error>> {
        let (codec, streams, choices) = match &attempt.encoder {
            None => ("default", String::new(), BOTH),
            Some((name, true)) => (name.as_str(), format!("-an -c:v {name}"), PICTURES),
            Some((name, false)) => (name.as_str(), format!("-vn -c:a {name}"), SOUNDS),
        };
        let known = self.options.get(codec).map(std::slice::from_ref);
        for options in known.unwrap_or(choices) {
            for container in &attempt.containers {
                let name = format!("{codec}.{container}.source");
                if self.folder.join(&name).exists() {
                    continue;
                }
                let arguments = format!("-i {FILM} {streams} {options} -f {container} -y part");
                let made = ffmpeg(self.folder, &arguments)? && self.keep(&name)?;
                self.tidy()?;
                if made {
                    self.made += 1;
                    if codec != "default" {
                        self.options.insert(codec.to_owned(), options);
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn keep(&self, name: &str) -> Result<bool, Box<dyn Error>> {
        let part = self.folder.join("part");
        let length = fs::metadata(&part).map_or(0, |about| about.len());
        let fine = (1..=MOST as u64).contains(&length);
        if fine {
            fs::rename(part, self.folder.join(name))?;
        }
        Ok(fine)
    }

    /// Removes what some formats write beside their file.
    fn tidy(&self) -> Result<(), Box<dyn Error>> {
        for entry in fs::read_dir(self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != FILM && !name.ends_with(".source") && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for n in (1..list.len()).rev() {
        list.swap(n, random.below(n + 1));
    }
}

/// Whether it succeeds, and does so soon: some encoders hang where a container refuses them.
fn ffmpeg(folder: &Path, arguments: &str) -> Result<bool, Box<dyn Error>> {
    let (inputs, output) = arguments.rsplit_once("-y ").unwrap_or((arguments, "part"));
    let mut child = Command::new("ffmpeg")
        .args("-nostdin -v quiet -threads 1".split(' '))
        .args(inputs.split_whitespace())
        .args("-strict -2 -threads 1 -fflags +bitexact -flags +bitexact -map_metadata -1 -y".split(' '))
        .arg(output)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn told(question: &str) -> Result<String, Box<dyn Error>> {
    let output = Command::new("ffmpeg").args(["-v", "error", "-hide_banner", question]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Names of the lines that have such flags, behind the line that ends the legend.
fn names(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let rows = text.lines().skip_while(|line| !line.trim_start().starts_with("--")).skip(1);
    let rows = rows.filter_map(|row| {
        let (flags, rest) = row.trim_start().split_once(' ')?;
        fits(flags).then(|| rest.trim_start().split([' ', ',']).next().unwrap_or_default().to_owned())
    });
    rows.filter(|name| !name.is_empty()).collect()
}

fn containers() -> Result<Vec<String>, Box<dyn Error>> {
    let devices: BTreeSet<String> =
        names(&told("-devices")?, |flags| flags.contains('E')).into_iter().collect();
    let all = names(&told("-muxers")?, |flags| flags.contains('E'));
    let all = all.into_iter().filter(|name| !devices.contains(name) && !NO_FILES.contains(&name.as_str()));
    Ok(all.collect())
}

/// Encoders and whether they are of pictures.
fn encoders() -> Result<Vec<(String, bool)>, Box<dyn Error>> {
    let text = told("-encoders")?;
    let mut all = Vec::new();
    for (kind, picture) in [('V', true), ('A', false)] {
        all.extend(names(&text, |flags| flags.starts_with(kind)).into_iter().map(|name| (name, picture)));
    }
    all.retain(|(name, _)| !DEVICES.iter().any(|end| name.ends_with(end)));
    Ok(all)
}
