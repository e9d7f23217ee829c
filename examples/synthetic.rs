//! Writes a synthetic film: `synthetic SEED SECONDS OUT.y4m OUT.wav`.
//!
//! 640×360 at 25 frames a second, and mono sound at 16 kHz. The same seed gives the same film.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const FRAMES: u32 = 25;
const RATE: u32 = 16_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, seconds, picture, sound] = arguments.as_slice() else {
        return Err("usage: synthetic SEED SECONDS OUT.y4m OUT.wav".into());
    };
    let (seed, seconds): (u64, u32) = (seed.parse()?, seconds.parse()?);
    let film = synthetic::Film::new(seed, seconds.into());
    write_picture(&film, seconds, picture)?;
    write_sound(&film, seconds, sound)
}

fn write_picture(film: &synthetic::Film, seconds: u32, path: &str) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES}:1 Ip A1:1 Cmono")?;
    for n in 0..seconds * FRAMES {
        writeln!(out, "FRAME")?;
        out.write_all(&film.luma(f64::from(n) / f64::from(FRAMES), WIDTH, HEIGHT))?;
    }
    Ok(out.flush()?)
}

fn write_sound(film: &synthetic::Film, seconds: u32, path: &str) -> Result<(), Box<dyn Error>> {
    let samples = film.sound(0, (seconds * RATE) as usize, RATE);
    let bytes = u32::try_from(samples.len() * 2)?;
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(b"RIFF")?;
    out.write_all(&(36 + bytes).to_le_bytes())?;
    out.write_all(b"WAVEfmt ")?;
    out.write_all(&16u32.to_le_bytes())?;
    // PCM, one channel.
    out.write_all(&1u16.to_le_bytes())?;
    out.write_all(&1u16.to_le_bytes())?;
    out.write_all(&RATE.to_le_bytes())?;
    out.write_all(&(RATE * 2).to_le_bytes())?;
    out.write_all(&2u16.to_le_bytes())?;
    out.write_all(&16u16.to_le_bytes())?;
    out.write_all(b"data")?;
    out.write_all(&bytes.to_le_bytes())?;
    for sample in samples {
        out.write_all(&((sample * 32767.0) as i16).to_le_bytes())?;
    }
    Ok(out.flush()?)
}
