//! Writes a synthetic film: `synthetic SEED SECONDS OUT.y4m OUT.wav [WIDTH HEIGHT FRAMES RATE]`.
//!
//! 640×360 at 25 frames a second and mono sound at 16 kHz, or what is asked for. The same seed gives the same film.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, seconds, picture, sound, form @ ..] = arguments.as_slice() else {
        return Err("usage: synthetic SEED SECONDS OUT.y4m OUT.wav [WIDTH HEIGHT FRAMES RATE]".into());
    };
    let (seed, seconds): (u64, u32) = (seed.parse()?, seconds.parse()?);
    let form: Vec<u32> = form.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [width, height, frames, rate] = form.try_into().unwrap_or([640, 360, 25, 16_000]);
    let film = synthetic::Film::new(seed, seconds.into());
    write_picture(&film, [width as usize, height as usize], seconds * frames, frames, picture)?;
    write_sound(&film, (seconds * rate) as usize, rate, sound)
}

fn write_picture(
    film: &synthetic::Film,
    [width, height]: [usize; 2],
    count: u32,
    rate: u32,
    path: &str,
) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 Cmono")?;
    for n in 0..count {
        writeln!(out, "FRAME")?;
        out.write_all(&film.luma(f64::from(n) / f64::from(rate), width, height))?;
    }
    Ok(out.flush()?)
}

fn write_sound(film: &synthetic::Film, count: usize, rate: u32, path: &str) -> Result<(), Box<dyn Error>> {
    let samples = film.sound(0, count, rate);
    let bytes = u32::try_from(samples.len() * 2)?;
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(b"RIFF")?;
    out.write_all(&(36 + bytes).to_le_bytes())?;
    out.write_all(b"WAVEfmt ")?;
    out.write_all(&16u32.to_le_bytes())?;
    // PCM, one channel.
    out.write_all(&1u16.to_le_bytes())?;
    out.write_all(&1u16.to_le_bytes())?;
    out.write_all(&rate.to_le_bytes())?;
    out.write_all(&(rate * 2).to_le_bytes())?;
    out.write_all(&2u16.to_le_bytes())?;
    out.write_all(&16u16.to_le_bytes())?;
    out.write_all(b"data")?;
    out.write_all(&bytes.to_le_bytes())?;
    for sample in samples {
        out.write_all(&((sample * 32767.0) as i16).to_le_bytes())?;
    }
    Ok(out.flush()?)
}
