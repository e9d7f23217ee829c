//! Bans the first file and checks the others: `add_and_match BANK BANNED UPLOAD...`.

use afterimage::media::{self, Options};
use afterimage::{Bank, Fingerprinter, Probe};
use std::error::Error;
use std::time::SystemTime;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, banned, uploads @ ..] = arguments.as_slice() else {
        return Err("usage: add_and_match BANK BANNED UPLOAD...".into());
    };
    let bank = Bank::open(folder)?;
    bank.add(banned, "banned", watch(banned)?.fingerprint())?;
    for upload in uploads {
        let verdict = bank.check(&watch(upload)?, SystemTime::now())?;
        for m in verdict.acting() {
            let (here, there) = (m.query, m.matched);
            println!(
                "{upload} {:.1}–{:.1} s is {} {:.1}–{:.1} s",
                here.start, here.end, m.reference, there.start, there.end
            );
        }
    }
    Ok(())
}

/// One pass over a file: picture and sound.
fn watch(path: &str) -> Result<Probe, Box<dyn Error>> {
    let mut fingerprinter = Fingerprinter::new();
    for warning in media::open(path, &Options::default())?.read(&mut fingerprinter)?.warnings {
        eprintln!("{path}: {warning}");
    }
    Ok(fingerprinter.finish())
}
