//! Adds, removes, undoes and searches for a while, and tells what that holds: `soak SECONDS [FOLDER]`.
//!
//! A line each second or so: seconds, references, changes, checks, megabytes of memory, open files. It ends with an error
//! where memory or files grew from the first third of the time to the last.

#[path = "scale/generate.rs"]
mod generate;
#[path = "scale/memory.rs"]
mod memory;
#[path = "../testdata/synthetic.rs"]
mod synthetic;

use afterimage::bank::{About, ChangeError, Uploads};
use afterimage::media::{Frame, Luma, Samples};
use afterimage::{Bank, Fingerprinter, Probe, Sink};
use generate::{Films, Random};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// References that there are at most.
const MOST: usize = 60;
/// How much more memory the end may take than the beginning: what allocators hold back comes and goes.
const SLACK: f64 = 1.15;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds: u64 = arguments.first().ok_or("usage: soak SECONDS [FOLDER]")?.parse()?;
    let folder = arguments.get(1).cloned().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("soak-{}", std::process::id())).to_string_lossy().into_owned()
    });
    let seen = soak(Duration::from_secs(seconds), &folder)?;
    if arguments.len() < 2 {
        std::fs::remove_dir_all(&folder)?;
    }
    let third = seen.len() / 3;
    let most =
        |seen: &[(f64, usize)]| seen.iter().fold((0.0, 0), |most, s| (s.0.max(most.0), s.1.max(most.1)));
    let (early, late) = (most(&seen[..seen.len() - third]), most(&seen[seen.len() - third..]));
    if late.0 > early.0 * SLACK || late.1 > early.1 {
        return Err(format!("it grew from {early:?} to {late:?}").into());
    }
    println!("flat: {:.0} MB and {} files at the most", late.0 / 1e6, late.1);
    Ok(())
}

/// Memory and open files, each second or so.
fn soak(time: Duration, folder: &str) -> Result<Vec<(f64, usize)>, Box<dyn Error>> {
    let probes: Vec<Probe> = (0..3).map(watch).collect();
    let films = Films { real: probes.iter().map(Probe::fingerprint).collect(), only_sound: false };
    let uploads = Uploads::open(format!("{folder}/uploads"), 4 << 20)?;
    let bank = Bank::open(format!("{folder}/bank"))?;
    let (done, checks) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut seen = Vec::new();
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        scope.spawn(|| {
            for probe in probes.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(verdict) = bank.check(probe, SystemTime::now()) else { return };
                checks.fetch_add(1, Ordering::Relaxed);
                assert!(verdict.matches.iter().all(|m| !m.reference.is_empty()));
                if let Err(error) = uploads.keep("upload", SystemTime::now(), &probe.fingerprint()) {
                    eprintln!("{error}");
                }
            }
        });
        let worked = work(&bank, &films, time, &checks, &mut seen);
        done.store(true, Ordering::Relaxed);
        Ok(worked?)
    })?;
    Ok(seen)
}

fn work(
    bank: &Bank,
    films: &Films,
    time: Duration,
    checks: &AtomicU64,
    seen: &mut Vec<(f64, usize)>,
) -> Result<(), ChangeError> {
    let (start, mut told) = (Instant::now(), Instant::now());
    let mut random = Random(1);
    let mut names: Vec<String> = Vec::new();
    while start.elapsed() < time {
        let at = random.below(names.len().max(1));
        match random.below(4) {
            _ if names.is_empty() || (names.len() < MOST && random.below(2) == 0) => {
                let name = format!("film {}", random.next());
                bank.add(&name, About::of("soak"), films.film(random.next(), 10))?;
                names.push(name);
            }
            0 => bank.relabel(&names[at], &format!("{}", random.next()))?,
            1 => {
                bank.remove(&names[at])?;
                bank.undo(bank.sequence())?;
            }
            _ => bank.remove(&names.swap_remove(at))?,
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            let now = (memory::resident(), memory::handles());
            println!(
                "{:4} s  {:3} references  {:6} changes  {:6} checks  {:6.1} MB  {} files",
                start.elapsed().as_secs(),
                bank.len(),
                bank.sequence(),
                checks.load(Ordering::Relaxed),
                now.0 / 1e6,
                now.1
            );
            seen.push(now);
        }
    }
    Ok(())
}

/// Ten seconds of a synthetic film.
fn watch(seed: u64) -> Probe {
    let film = synthetic::Film::new(seed, 10.0);
    let mut fingerprinter = Fingerprinter::new();
    for n in 0..80 {
        let pixels = film.luma(f64::from(n) / 8.0, 160, 90);
        if let Some(luma) = Luma::new(160, 90, 160, &pixels) {
            fingerprinter.frame(Frame { luma, time: f64::from(n) / 8.0 });
        }
    }
    fingerprinter.samples(Samples { mono: &film.sound(0, 80_000, 8000), rate: 8000 });
    fingerprinter.finish()
}
