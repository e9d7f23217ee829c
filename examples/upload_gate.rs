//! A service that decodes uploads itself checks each on several threads while an operator bans a new film.
//!
//! The films are synthetic; in a service the frames and samples come from its own decoder.

#[path = "../testdata/synthetic.rs"]
mod synthetic;

use afterimage::fingerprint::SpecMismatch;
use afterimage::media::{Frame, Luma, Samples};
use afterimage::{Action, Bank, Fingerprinter, Probe, Sink};
use std::error::Error;
use std::time::SystemTime;
use synthetic::Film;

const RATE: u32 = 16_000;

fn main() -> Result<(), Box<dyn Error>> {
    let bank = Bank::in_memory();
    bank.add("first", "terror", decode(1, 0.0).fingerprint())?;

    // All threads share the bank. A check never waits for a change.
    std::thread::scope(|scope| {
        let uploads = [("a copy", 1, 4.0), ("an innocent film", 7, 0.0)];
        let gates = uploads.map(|(name, seed, from)| {
            let bank = &bank;
            scope.spawn(move || gate(bank, name, &decode(seed, from)))
        });
        gates.into_iter().try_for_each(|gate| gate.join().unwrap_or(Ok(())))
    })?;

    // A film is banned in the middle of it all, and the next upload is blocked.
    let upload = decode(7, 2.0);
    bank.add("second", "terror", decode(7, 0.0).fingerprint())?;
    gate(&bank, "what was innocent before", &upload)?;
    Ok(())
}

/// Says what follows for an upload, and which part of it is whose copy.
fn gate(bank: &Bank, name: &str, upload: &Probe) -> Result<(), SpecMismatch> {
    let verdict = bank.check(upload, SystemTime::now())?;
    let follows = match verdict.action {
        Some(Action::Block) => "blocked",
        Some(Action::Review) => "held for review",
        _ => "let through",
    };
    match verdict.acting().next() {
        None => println!("{name}: {follows}"),
        Some(m) => println!(
            "{name}: {follows}, {:.1}–{:.1} s are {:.1}–{:.1} s of {:?} [{}], score {:.1}",
            m.query.start, m.query.end, m.matched.start, m.matched.end, m.reference, m.label, m.score
        ),
    }
    Ok(())
}

/// Ten seconds of a film, pushed as they come.
fn decode(seed: u64, from: f64) -> Probe {
    let film = Film::new(seed, 30.0);
    let mut fingerprinter = Fingerprinter::new();
    for n in 0..80 {
        let time = f64::from(n) / 8.0;
        let pixels = film.luma(from + time, 320, 180);
        if let Some(luma) = Luma::new(320, 180, 320, &pixels) {
            fingerprinter.frame(Frame { luma, time });
        }
        let first = ((from + time) * f64::from(RATE)) as usize;
        fingerprinter.samples(Samples { mono: &film.sound(first, RATE as usize / 8, RATE), rate: RATE });
    }
    fingerprinter.finish()
}
