//! Measures the index: build, searches, memory, and the scan beside them.
//!
//! ```text
//! index_bench --codes FILE --queries FILE --bits 256 --radius R [--batch N] [--threads T] [--ids OUT] [--compact]
//! index_bench --make clustered|uniform|members|strangers|videos N FILE [--codes FILE] [--bits B] [--seed S]
//! index_bench --frames FOLDER FILE          256-bit codes of the frames of all clips in a folder, two a second
//! index_bench --live FILE --queries FILE    insertions while a reader searches
//! index_bench --open FILE                   time to open a segment file of the codes
//! ```
//!
//! Files hold packed little-endian codes. Times are CPU time of the thread, in microseconds.

#[path = "index_bench/clock.rs"]
mod clock;
#[path = "index_bench/frames.rs"]
mod frames;
#[path = "index_bench/generate.rs"]
mod generate;
#[path = "index_bench/measure.rs"]
mod measure;

use generate::Words;
use std::error::Error;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the command line says.
#[derive(Default)]
pub struct Options {
    codes: Option<PathBuf>,
    queries: Option<PathBuf>,
    ids: Option<PathBuf>,
    live: Option<PathBuf>,
    open: Option<PathBuf>,
    make: Option<(String, usize, PathBuf)>,
    frames: Option<(PathBuf, PathBuf)>,
    bits: usize,
    radius: u32,
    batch: usize,
    threads: usize,
    seed: u64,
    compact: bool,
}

fn options() -> Outcome<Options> {
    let mut options = Options { bits: 256, radius: 31, threads: 1, seed: 1, ..Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--codes" => options.codes = Some(value()?.into()),
            "--queries" => options.queries = Some(value()?.into()),
            "--ids" => options.ids = Some(value()?.into()),
            "--live" => options.live = Some(value()?.into()),
            "--open" => options.open = Some(value()?.into()),
            "--make" => options.make = Some((value()?, value()?.parse::<f64>()? as usize, value()?.into())),
            "--frames" => options.frames = Some((value()?.into(), value()?.into())),
            "--bits" => options.bits = value()?.parse()?,
            "--radius" => options.radius = value()?.parse()?,
            "--batch" => options.batch = value()?.parse()?,
            "--threads" => options.threads = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--compact" => options.compact = true,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(options)
}

fn main() -> Outcome<()> {
    let options = options()?;
    if let Some((kind, count, file)) = &options.make {
        let codes = make(kind, *count, &options)?;
        write(file, &codes, options.bits)?;
        return report_skew(&codes, options.bits);
    }
    if let Some((folder, file)) = &options.frames {
        let codes = frames::codes(folder)?;
        write(file, &codes, 256)?;
        return report_skew(&codes, 256);
    }
    match options.bits {
        64 => measure::run::<1>(&options),
        128 => measure::run::<2>(&options),
        256 => measure::run::<4>(&options),
        other => Err(format!("no codes of {other} bits").into()),
    }
}

fn make(kind: &str, count: usize, options: &Options) -> Outcome<Vec<Words>> {
    let Options { bits, seed, .. } = *options;
    Ok(match kind {
        "clustered" => generate::clustered(count, bits, seed),
        "uniform" => generate::uniform(count, seed),
        "strangers" => generate::strangers(bits, count, seed),
        "videos" => generate::videos(bits, count, seed),
        "members" => {
            let stored = options.codes.as_deref().ok_or("members of which --codes?")?;
            let codes: Vec<Words> = match bits {
                64 => widen::<1>(&measure::read(stored)?),
                128 => widen::<2>(&measure::read(stored)?),
                _ => measure::read(stored)?,
            };
            generate::members(&codes, bits, count, seed)
        }
        other => return Err(format!("cannot make {other}").into()),
    })
}

fn widen<const W: usize>(codes: &[[u64; W]]) -> Vec<Words> {
    codes.iter().map(|code| std::array::from_fn(|i| code.get(i).copied().unwrap_or(0))).collect()
}

fn write(file: &Path, codes: &[Words], bits: usize) -> Outcome<()> {
    let mut bytes = Vec::with_capacity(codes.len() * bits / 8);
    for code in codes {
        code[..bits / 64].iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    }
    Ok(std::fs::write(file, bytes)?)
}

fn report_skew(codes: &[Words], bits: usize) -> Outcome<()> {
    let skew = generate::skew(codes, bits);
    let line = serde_json::json!({
        "codes": codes.len(),
        "exact_duplicates": skew.duplicates,
        "all_zero": skew.zeros,
        "hottest_16_bits": skew.hottest,
    });
    println!("{line}");
    Ok(())
}
