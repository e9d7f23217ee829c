//! Measures a bank of N references of two minutes: `scale N FOLDER CLIP... [-- UPLOAD...]`. `NxS` are N of S seconds,
//! `sound:N` or `sound:NxS` N without a picture.
//!
//! The clips are banked, and N films cut from them that nobody made (see `scale/generate.rs`). Uploads are files that are
//! searched for; without any, the clips are. The bank is made in FOLDER, where it is missing, and measured.

#[path = "scale/generate.rs"]
mod generate;
#[path = "scale/memory.rs"]
mod memory;

use afterimage::media::{self, Options};
use afterimage::{Bank, Fingerprinter, Probe, picture, sound};
use generate::Films;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Seconds of a made-up film where nothing else is said.
const SECONDS: usize = 120;
/// Additions that are timed while others search.
const ADDITIONS: u64 = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, folder, files @ ..] = arguments.as_slice() else {
        return Err("usage: scale N FOLDER CLIP... [-- UPLOAD...]".into());
    };
    let (only_sound, count) = match count.strip_prefix("sound:") {
        Some(count) => (true, count),
        None => (false, count.as_str()),
    };
    let (count, seconds) = match count.split_once('x') {
        Some((count, seconds)) => (count.parse::<u64>()?, seconds.parse()?),
        None => (count.parse()?, SECONDS),
    };
    let mut halves = files.split(|file| file == "--");
    let (clips, uploads) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let watched = clips.iter().map(|path| watch(path)).collect::<Result<Vec<_>, _>>()?;
    let mut real: Vec<_> = watched.iter().map(Probe::fingerprint).collect();
    if only_sound {
        real.iter_mut().for_each(|clip| clip.picture = picture::Print::default());
    }
    let films = Films { real, only_sound };
    if films.real.is_empty() {
        return Err("no clip was named".into());
    }
    if !Path::new(folder).exists() {
        // What was freed by then would be counted as held: a process of its own measures.
        make(&films, clips, (count, seconds), folder)?;
        println!("made; once more to measure it");
        return Ok(());
    }
    let minutes =
        (films.real.iter().map(|f| f.duration).sum::<f64>() + (count as usize * seconds) as f64) / 60.0;
    let bytes = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.metadata()?.len()))
        .sum::<Result<u64, std::io::Error>>()?;
    println!(
        "references {}, {minutes:.0} minutes, {:.1} kB a minute on the disk",
        count as usize + clips.len(),
        bytes as f64 / minutes / 1e3
    );

    let before = (memory::resident(), memory::own());
    let start = (Instant::now(), cpu_time());
    let bank = Bank::open(folder)?;
    let told = |what: &str, (start, cpu): (Instant, Duration)| {
        let cpu = (cpu_time() - cpu).as_secs_f64();
        let (all, own) = (memory::resident() - before.0, memory::own() - before.1);
        let (seconds, each) = (start.elapsed().as_secs_f64(), own / minutes / 1e3);
        println!(
            "{what} in {seconds:.2} s (CPU {cpu:.2}), resident {:.0} MB more, without page cache {:.0} MB, {each:.1} kB a minute",
            all / 1e6,
            own / 1e6,
        );
    };
    told("opened", start);
    let start = (Instant::now(), cpu_time());
    bank.prepare();
    told("ready to be searched", start);

    let searched: Vec<(String, Probe)> = match uploads {
        [] => clips.iter().cloned().zip(watched).collect(),
        _ => uploads
            .iter()
            .map(|path| Ok((path.clone(), watch(path)?)))
            .collect::<Result<_, Box<dyn Error>>>()?,
    };
    // What the first pass reads is at hand in the second, as in a service that has run for a while.
    search("first match", &bank, &searched)?;
    search("match", &bank, &searched)?;
    let picture = |probe: &Probe| Probe { sound: sound::Probe::default(), ..probe.clone() };
    let sound = |probe: &Probe| Probe { picture: picture::Probe::default(), ..probe.clone() };
    search("by picture alone", &bank, &each(&searched, picture))?;
    search("by sound alone", &bank, &each(&searched, sound))?;
    let glances = each(&searched, Probe::glance);
    search("glance", &bank, &glances)?;
    sustain(&bank, &glances);
    add(&bank, &films, &searched)?;
    let (all, own) = (memory::resident() - before.0, memory::own() - before.1);
    println!("resident {:.0} MB at the end, without page cache {:.0} MB", all / 1e6, own / 1e6);
    Ok(())
}

/// The same of every upload.
fn each(uploads: &[(String, Probe)], of: impl Fn(&Probe) -> Probe) -> Vec<(String, Probe)> {
    uploads.iter().map(|(path, probe)| (path.clone(), of(probe))).collect()
}

/// One pass over a file.
fn watch(path: &str) -> Result<Probe, Box<dyn Error>> {
    let mut fingerprinter = Fingerprinter::new();
    media::open(path, &Options::default())?.read(&mut fingerprinter)?;
    Ok(fingerprinter.finish())
}

fn make(
    films: &Films,
    clips: &[String],
    (count, seconds): (u64, usize),
    folder: &str,
) -> Result<(), Box<dyn Error>> {
    let bank = Bank::open(folder)?;
    let start = Instant::now();
    for (path, film) in clips.iter().zip(&films.real) {
        bank.add(path, "real", film.clone())?;
    }
    for number in 0..count {
        bank.add(&format!("film {number}"), "", films.film(number, seconds))?;
    }
    let (made, start) = (start.elapsed().as_secs_f64(), Instant::now());
    bank.checkpoint()?;
    println!("made in {made:.1} s, checkpoint in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn search(what: &str, bank: &Bank, uploads: &[(String, Probe)]) -> Result<(), Box<dyn Error>> {
    let (mut times, mut cpu, mut right, mut wrong) = (Vec::new(), Vec::new(), 0, 0);
    for (_, probe) in uploads {
        let (start, cpu_start) = (Instant::now(), cpu_time());
        let verdict = bank.check(probe, SystemTime::UNIX_EPOCH)?;
        times.push(start.elapsed());
        cpu.push(cpu_time() - cpu_start);
        // A film that nobody made is no copy, and nobody copied it.
        wrong += verdict.acting().filter(|m| m.reference.starts_with("film ")).count();
        right += usize::from(verdict.acting().any(|m| !m.reference.starts_with("film ")));
    }
    println!(
        "{what} p50 {:.0} ms, p99 {:.0} ms (CPU {:.0} and {:.0}); {right} of {} uploads found, {wrong} false matches",
        quantile(&mut times, 0.5),
        quantile(&mut times, 0.99),
        quantile(&mut cpu, 0.5),
        quantile(&mut cpu, 0.99),
        uploads.len(),
    );
    Ok(())
}

/// How many uploads two threads get through.
fn sustain(bank: &Bank, uploads: &[(String, Probe)]) {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for half in uploads.chunks(uploads.len().div_ceil(2).max(1)) {
            scope.spawn(move || {
                for (_, probe) in half {
                    let _ = bank.check(probe, SystemTime::UNIX_EPOCH);
                }
            });
        }
    });
    println!("{:.1} glances a second", uploads.len() as f64 / start.elapsed().as_secs_f64());
}

/// Adds references while two threads search, each until its own addition is seen.
fn add(bank: &Bank, films: &Films, uploads: &[(String, Probe)]) -> Result<(), Box<dyn Error>> {
    let (done, checks) = (AtomicBool::new(false), AtomicU64::new(0));
    let first = bank.sequence();
    let times = std::thread::scope(|scope| {
        for thread in 0..2 {
            let (done, checks) = (&done, &checks);
            scope.spawn(move || {
                for (_, probe) in uploads.iter().cycle().skip(thread) {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let _ = bank.check(probe, SystemTime::UNIX_EPOCH);
                    checks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut times = Vec::new();
        for n in 0..ADDITIONS {
            let film = films.film(1 << 40 | first << 8 | n, SECONDS);
            let start = Instant::now();
            if let Err(error) = bank.add(&format!("late {first} {n}"), "", film) {
                done.store(true, Ordering::Relaxed);
                return Err(error);
            }
            times.push(start.elapsed());
        }
        done.store(true, Ordering::Relaxed);
        Ok(times)
    });
    let times = times?;
    let all: Duration = times.iter().sum();
    println!(
        "add to visible p50 {:.0} ms, p99 {:.0} ms, the first {:.0} ms, beside {:.1} checks a second",
        quantile(&mut times.clone(), 0.5),
        quantile(&mut times[1..].to_vec(), 0.99),
        times[0].as_secs_f64() * 1e3,
        checks.load(Ordering::Relaxed) as f64 / all.as_secs_f64().max(1e-9),
    );
    Ok(())
}

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Milliseconds that a share of the times stays below.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    let at = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
